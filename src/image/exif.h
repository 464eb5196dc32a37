/* SPDX-License-Identifier: Apache-2.0 */
/* The one thing that is read from EXIF: which way up the picture is. */
#ifndef EFF_IMAGE_EXIF_H
#define EFF_IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/** Orientation 1..8 that an EXIF block states: a TIFF, with or without "Exif\0\0" in front of it. 1, upright, where it
 * states none, or is damaged: a photograph is not refused because of what is written beside it. */
int eff_exif_orientation(const uint8_t *bytes, size_t size);

#endif
