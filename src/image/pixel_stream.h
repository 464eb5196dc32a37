/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures whose decoders are kept out of this process (TIFF, AVIF): the worker decodes them and sends a stream of
 * pixels: a head, the colour profile, the rows. */
#ifndef EFF_IMAGE_PIXEL_STREAM_H
#define EFF_IMAGE_PIXEL_STREAM_H

#include "image/decode.h"

#define EFF_PIXEL_MAGIC "effpix1"

typedef struct eff_pixel_head { /* little-endian, as the CPUs that effnet runs on */
    char magic[8];
    uint32_t width, height, orientation, pixels; /* as in eff_picture */
    uint64_t icc_size;                           /* 0: none           */
} eff_pixel_head;

/** Have the worker decode `bytes`. */
eff_status eff_pixel_decode(const uint8_t *bytes, size_t size, const eff_sink *sink, eff_error *err);

/** Hand over the picture of a stream of n bytes, made from a file of `file_bytes`. EFF_EFORMAT where it is not sound.
 */
eff_status eff_pixel_stream_read(const uint8_t *stream, size_t n, size_t file_bytes, const eff_sink *sink,
                                 eff_error *err);

/** The worker's side: write the head and the profile to descriptor `fd`, then n bytes of whole rows, one after another.
 */
eff_status eff_pixel_stream_begin(int fd, const eff_picture *p, eff_error *err);
eff_status eff_pixel_stream_rows(int fd, const uint8_t *rows, size_t n, eff_error *err);

#endif
