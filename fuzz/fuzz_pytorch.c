/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: PyTorch files. An input that begins with 'P' or a pickle's 0x80 is a file (a zip archive, a legacy stream). Any other
 * is an object pickle without its header, which is put into a sound legacy stream with one storage of six floats behind it. */
#include "fuzz_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char before[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02";
    static const char after[] = ".\x80\x02]X\x01\0\0\0" "0a.\x06\0\0\0\0\0\0\0" "abcdefghijklmnopqrstuvwx";
    if (size && (data[0] == 'P' || data[0] == 0x80)) {
        fuzz_tensor_file(data, size);
        return 0;
    }
    uint8_t *const file = malloc(sizeof before + size + sizeof after);
    if (!file) return 0;
    size_t n = sizeof before - 1;
    memcpy(file, before, n);
    if (size) memcpy(file + n, data, size);
    n += size;
    memcpy(file + n, after, sizeof after - 1);
    fuzz_tensor_file(file, n + sizeof after - 1);
    free(file);
    return 0;
}
