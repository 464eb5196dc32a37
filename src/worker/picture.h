/* SPDX-License-Identifier: Apache-2.0 */
/* The pictures that the worker decodes. What each function sends to descriptor `out` is a stream as pixel_stream.h has
 * it. */
#ifndef EFF_WORKER_PICTURE_H
#define EFF_WORKER_PICTURE_H

#include "base/error.h"

/** A picture of any of the kinds, the file `fd` of `size` bytes. */
eff_status eff_worker_picture(int out, int fd, uint64_t size, eff_error *err);

/** The first picture of a TIFF. */
eff_status eff_tiff_decode(int out, const uint8_t *bytes, size_t size, eff_error *err);

/** An AVIF; of a sequence the first picture. */
eff_status eff_avif_decode(int out, const uint8_t *bytes, size_t size, eff_error *err);

#endif
