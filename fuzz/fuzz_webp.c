/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a WebP file. A large even picture fits in fifty bytes: those are left out, they only take time. */
#include "fuzz_image.h"

#include <webp/decode.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int w = 0, h = 0;
    if (!WebPGetInfo(data, size, &w, &h) || (int64_t)w * h <= 1 << 18) fuzz_image(data, size);
    return 0;
}
