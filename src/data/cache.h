/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader starts from, kept in memory as far as it is allowed to: decoded pictures for augmentation, prepared
 * ones for the evaluation rule. Any number of threads may ask. What is kept is decided before anything is read: the
 * first images of the part, as many as fit. */
#ifndef EFF_DATA_CACHE_H
#define EFF_DATA_CACHE_H

#include "data/dataset.h"
#include "image/preprocess.h"

typedef struct eff_cache eff_cache;

typedef struct eff_cache_opts {
    int height, width; /* of what is made from the pictures                                    */
    eff_preprocess rule;
    bool prepared; /* keep what the rule makes (u8 where that loses nothing), not pictures */
    size_t bytes;
} eff_cache_opts;

eff_status eff_cache_create(eff_cache **out, const eff_dataset *d, eff_part part, const eff_cache_opts *o,
                            eff_error *err);
void eff_cache_free(eff_cache *c); /* NULL is fine */

/** The picture of item i; give it back by eff_cache_release(). The same pixels whether it is kept or not. */
eff_status eff_cache_picture(eff_cache *c, size_t i, const eff_image **im, eff_error *err);
void eff_cache_release(eff_cache *c, size_t i, const eff_image *im);

/** Item i by the rule, to the bit what eff_preprocess_file() makes. */
eff_status eff_cache_prepared(eff_cache *c, size_t i, float *x, eff_error *err);

/** What a cache with these options would keep once it is full, without making it. */
void eff_cache_forecast(const eff_dataset *d, eff_part part, const eff_cache_opts *o, size_t *images, size_t *bytes);

void eff_cache_size(eff_cache *c, size_t *images, size_t *bytes);

#endif
