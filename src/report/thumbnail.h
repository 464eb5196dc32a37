/* SPDX-License-Identifier: Apache-2.0 */
/* A photograph as a small JPEG. */
#ifndef EFF_REPORT_THUMBNAIL_H
#define EFF_REPORT_THUMBNAIL_H

#include "base/error.h"

/** The whole picture, upright, its longer side `side` pixels or its own where it is smaller; eff_free(*jpeg). Rows are
 * resized as they are decoded, so the size of the photograph does not matter. EFF_EFORMAT where it cannot be read. */
eff_status eff_thumbnail_make(unsigned char **jpeg, size_t *size, int *width, int *height, const char *path, int side,
                              eff_error *err);

#endif
