/* SPDX-License-Identifier: Apache-2.0 */
/* The rule by which a picture becomes the network's input: checked, read, written (preprocess.c), applied (prepare.c).
 */
#ifndef EFF_IMAGE_PREPROCESS_H
#define EFF_IMAGE_PREPROCESS_H

#include "image/image.h"

enum { EFF_PREPROCESS_MAX_SIDE = 8192 }; /* pixels, of `side`, `height` and `width` */

/** Is *p a rule that can be applied? EFF_EARG naming the key and what it should be. */
eff_status eff_preprocess_check(const eff_preprocess *p, eff_error *err);

/** What eff_preprocess_parse() and eff_preprocess_format() promise (effnet.h). */
eff_status eff_preprocess_read(eff_preprocess *p, const char *spec, eff_error *err);
int eff_preprocess_write(const eff_preprocess *p, char *buf, size_t size);

/** What eff_image_prepare(), eff_prepare_bytes() and eff_prepare_file() promise. */
eff_status eff_preprocess_apply(const eff_image *im, const eff_preprocess *p, float *x, eff_error *err);
eff_status eff_preprocess_bytes(const uint8_t *bytes, size_t size, const eff_preprocess *p, float *x, eff_error *err);
eff_status eff_preprocess_file(const char *path, const eff_preprocess *p, float *x, eff_error *err);

/** The last step alone: mean and deviation of p, a rule that was checked, on RGB pixels. */
void eff_preprocess_normalise(float *x, const uint8_t *rgb, size_t pixels, const eff_preprocess *p);

#endif
