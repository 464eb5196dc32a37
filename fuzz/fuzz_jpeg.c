/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a JPEG file. */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_image(data, size);
    return 0;
}
