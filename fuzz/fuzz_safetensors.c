/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a safetensors file. The input is the header's text, then a NUL, then data; the length in front is put here, so
 * that every input gets past it. An input that begins with a NUL is a whole file behind that NUL. */
#include "fuzz_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] == 0) {
        fuzz_tensor_file(data + 1, size - 1);
        return 0;
    }
    const uint8_t *const nul = size ? memchr(data, 0, size) : NULL;
    const uint64_t header = nul ? (uint64_t)(nul - data) : size;
    const size_t rest = nul ? size - (size_t)header - 1 : 0;
    uint8_t *const file = malloc(8 + (size_t)header + rest);
    if (!file) return 0;
    memcpy(file, &header, 8);
    if (header) memcpy(file + 8, data, (size_t)header);
    if (rest) memcpy(file + 8 + header, nul + 1, rest);
    fuzz_tensor_file(file, 8 + (size_t)header + rest);
    free(file);
    return 0;
}
