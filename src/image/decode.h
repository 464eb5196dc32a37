/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding row by row. A decoder reads a file's header, says what is in it, and hands over the rows as they are stored,
 * one after the other; who receives them (a sink) keeps, turns, converts or resizes them. So a picture is never held as
 * a whole unless its format or its receiver needs that. */
#ifndef EFF_IMAGE_DECODE_H
#define EFF_IMAGE_DECODE_H

#include "base/error.h"

#include <stdbool.h>

typedef enum eff_pixels { /* the value is the bytes of a pixel */
                          EFF_PIXELS_GRAY = 1,
                          EFF_PIXELS_RGB = 3,
                          EFF_PIXELS_CMYK = 4 /* inverted as Adobe writes it: 255 is no ink */
} eff_pixels;

typedef struct eff_picture {
    int width, height;           /* of the rows that come */
    int full_width, full_height; /* of the picture; larger where it is decoded at a reduced size */
    int reduced;                 /* 1, 2, 4 or 8: width = ceil(full_width / reduced) */
    int orientation;             /* 1..8 as in EXIF; rows come as stored */
    eff_pixels pixels;
    const uint8_t *icc; /* the embedded profile, borrowed while decoding lasts; NULL: none */
    size_t icc_size;
} eff_picture;

typedef struct eff_sink {
    void *ctx;
    /** 1, 2, 4 or 8: by how much a decoder that can should reduce the picture. NULL: never. */
    int (*reduce)(void *ctx, const eff_picture *p);
    /** Called once before the rows. */
    eff_status (*begin)(void *ctx, const eff_picture *p, eff_error *err);
    /** Where the next row is to be written, width * pixels bytes. */
    uint8_t *(*row)(void *ctx);
    /** That row is there. false stops decoding with EFF_ECANCELLED. */
    bool (*done)(void *ctx);
} eff_sink;

/** Hand over a whole picture whose rows lie one after another. */
eff_status eff_sink_picture(const eff_sink *sink, const eff_picture *p, const uint8_t *rows, eff_error *err);

/** Decode `bytes`, borrowed for the call. The content decides the format, never the name. */
eff_status eff_decode(const uint8_t *bytes, size_t size, const eff_sink *sink, eff_error *err);

eff_status eff_jpeg_decode(const uint8_t *bytes, size_t size, const eff_sink *sink, eff_error *err);
eff_status eff_png_decode(const uint8_t *bytes, size_t size, const eff_sink *sink, eff_error *err);
eff_status eff_webp_decode(const uint8_t *bytes, size_t size, const eff_sink *sink, eff_error *err);

/** What is left to the worker (pixel_stream.h), told by the first bytes. */
bool eff_is_tiff(const uint8_t *bytes, size_t size);
bool eff_is_avif(const uint8_t *bytes, size_t size);

/** The most pixels that a file of so many bytes may have. */
uint64_t eff_decode_most_pixels(uint64_t file_bytes);

/** Is this a size that is read, from a file of so many bytes? EFF_EFORMAT with the sizes if not. */
eff_status eff_decode_check(uint64_t width, uint64_t height, size_t file_bytes, eff_error *err);

/** n stored pixels to RGB, without any profile: grey repeated, CMYK as Pillow's convert('RGB') does it. */
void eff_pixels_to_rgb(uint8_t *rgb, const uint8_t *stored, eff_pixels kind, int n);

#endif
