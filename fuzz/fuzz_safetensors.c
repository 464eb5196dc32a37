/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a safetensors file, in the forms of fuzz_with_header(). */
#include "fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_header(data, size, fuzz_tensor_file);
    return 0;
}
