/* SPDX-License-Identifier: Apache-2.0 */
/* Decoded images and their limits. */
#ifndef EFF_IMAGE_IMAGE_H
#define EFF_IMAGE_IMAGE_H

#include "image/decode.h"

struct eff_image {
    int width, height;
    uint8_t *rgb; /* [height][width][3], upright */
    /* where the file has a profile: what a conversion to sRGB needs */
    eff_pixels pixels;
    uint8_t *icc;
    size_t icc_size;
    uint8_t *ink; /* [height][width][4] of a CMYK picture with a profile, else NULL */
};

enum { EFF_IMAGE_MAX_SIDE = 65500 };               /* JPEG's own limit                                       */
#define EFF_IMAGE_MAX_PIXELS ((uint64_t)128 << 20) /* 134 million: above any camera, 400 MB decoded          */
#define EFF_IMAGE_MAX_FILE   ((uint64_t)512 << 20) /* bytes of a file read                                   */

/** Are these sides within the limits? EFF_EFORMAT naming the size if not. */
eff_status eff_image_check(uint64_t width, uint64_t height, eff_error *err);

/** Allocate after checking the limits; EFF_EFORMAT naming the size when it is too large. */
eff_status eff_image_new(eff_image **out, uint64_t width, uint64_t height, eff_error *err);

/** Release what eff_image_new() and the decoders made; NULL is fine. */
void eff_image_destroy(eff_image *im);

/** Decode a whole file, or bytes borrowed for the call, and turn the picture upright. */
eff_status eff_image_read(eff_image **out, const char *path, eff_error *err);
eff_status eff_image_decode_bytes(eff_image **out, const uint8_t *bytes, size_t size, eff_error *err);

/** 1, 2, 4 or 8: by how much a picture of w x h is reduced so that its short side keeps at least `least` pixels. */
int eff_image_reduction(int w, int h, int least);

/** The same, from a JPEG at that reduced size, other formats as they are; `srgb`: an embedded profile is converted. */
eff_status eff_image_decode_small(eff_image **out, const uint8_t *bytes, size_t size, int least, bool srgb, eff_error *err);

/** Write RGB as PNG (tests, overlays). Atomic. */
eff_status eff_png_save(const eff_image *im, const char *path, eff_error *err);

/** RGB [height][width][3] as a baseline JPEG in memory, quality 1..100; eff_free(*out). */
eff_status eff_jpeg_encode(uint8_t **out, size_t *size, const uint8_t *rgb, int width, int height, int quality, eff_error *err);

#endif
