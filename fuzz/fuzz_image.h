/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets of the decoders share. */
#ifndef EFF_FUZZ_IMAGE_H
#define EFF_FUZZ_IMAGE_H

#include "fuzz_expect.h"

/** Decode the bytes by both ways in, which must agree to the bit, in what they refuse and in what they say. */
void fuzz_image(const uint8_t *data, size_t size);

#endif
