/* SPDX-License-Identifier: Apache-2.0 */
/* Embedded colour profiles to sRGB, through lcms2. */
#ifndef EFF_IMAGE_ICC_H
#define EFF_IMAGE_ICC_H

#include "image/decode.h"

enum { EFF_ICC_MAX = 4 << 20 }; /* bytes of a profile; a larger one is not looked at */

typedef struct eff_icc eff_icc;

/** The way from `profile` to sRGB for pixels of this kind. *out is NULL with EFF_OK where there is none: the profile is
 * damaged, or is not one of such pixels. Then the picture is used as if it had none. */
eff_status eff_icc_open(eff_icc **out, const uint8_t *profile, size_t size, eff_pixels pixels, eff_error *err);

/** n stored pixels to sRGB. */
void eff_icc_row(const eff_icc *icc, uint8_t *rgb, const uint8_t *stored, int n);

void eff_icc_close(eff_icc *icc); /* NULL is fine */

#endif
