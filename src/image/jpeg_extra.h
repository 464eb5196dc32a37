/* SPDX-License-Identifier: Apache-2.0 */
/* What a JPEG file carries beside its pixels, found by walking over its segments. */
#ifndef EFF_IMAGE_JPEG_EXTRA_H
#define EFF_IMAGE_JPEG_EXTRA_H

#include "base/error.h"

typedef struct eff_jpeg_extra {
    int orientation;    /* of the first EXIF segment; 1 where there is none */
    const uint8_t *icc; /* the profile, in the file or in `joined`; NULL where there is none or a piece is missing */
    size_t icc_size;
    uint8_t *joined; /* a profile that came in pieces; release with eff_jpeg_extra_free() */
} eff_jpeg_extra;

/** Read the segments in front of the first scan. Damage ends the walk and is left to the decoder to report. */
eff_status eff_jpeg_extra_read(eff_jpeg_extra *x, const uint8_t *bytes, size_t size, eff_error *err);
void eff_jpeg_extra_free(eff_jpeg_extra *x);

/** Scans in the whole file, counted no further than `most`. */
int eff_jpeg_count_scans(const uint8_t *bytes, size_t size, int most);

#endif
