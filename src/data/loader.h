/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of one part of a set, made by worker threads ahead of the trainer. What a batch holds is a pure function of
 * (set, options, epoch, step): the same at any number of threads and wherever a run is taken up again. */
#ifndef EFF_DATA_LOADER_H
#define EFF_DATA_LOADER_H

#include "image/augment.h"

#include <effnet/data.h>

#include <stdbool.h>

typedef struct eff_loader_opts {
    int batch;
    int height, width;          /* of what is made                                                            */
    const eff_preprocess *rule; /* mean and std; all of it where `augment` is NULL. Borrowed for create       */
    const eff_augment *augment; /* NULL: the evaluation rule. Borrowed for create                             */
    bool shuffle;               /* a new order each epoch; else the set's                                     */
    bool drop_last;             /* no short last batch (unless it is the only one)                            */
    uint64_t seed;              /* of the order and of augmentation                                           */
    int threads;                /* workers beside the caller; 0 = every CPU                                   */
    size_t cache_bytes;         /* for decoded images (by the evaluation rule: prepared ones): the first of
                                 * the part, as many as fit. Three batches are held besides                   */
} eff_loader_opts;

typedef struct eff_loader eff_loader;

enum { EFF_LOADER_BATCHES = 3 }; /* held at most: the caller's and those ahead */

/** `d` must outlive it. @return EFF_EARG for sizes that do not fit together, EFF_EFORMAT when the part is empty */
eff_status eff_loader_create(eff_loader **out, const eff_dataset *d, eff_part part, const eff_loader_opts *o,
                             eff_error *err);
void eff_loader_free(eff_loader *l);

/** Batches of an epoch: of a loader, and of `images` in batches of `batch`. */
static inline long eff_steps_of(size_t images, size_t batch, bool drop_last)
{
    return (long)(drop_last && images >= batch ? images / batch : (images + batch - 1) / batch);
}

long eff_loader_steps(const eff_loader *l);

/** From batch `step` of `epoch` on; what was ahead is thrown away, and work on what is ahead now begins. */
void eff_loader_seek(eff_loader *l, uint32_t epoch, long step);

typedef struct eff_batch {
    float *x;           /* [n][h][w][3], the caller's to change; all until the next call of _next() or _seek() */
    const int *label;   /* [n]                                                                         */
    const size_t *item; /* [n] numbers within the part                                                 */
    int n;
    uint32_t epoch;
    long step;
    double waited;      /* seconds the caller waited for it                                            */
} eff_batch;

/** The next batch; after the last of an epoch comes the first of the following one. A file that was readable when the
 * set was opened and no longer is: EFF_EFORMAT naming it, now and whenever the batch is asked for again. One caller at
 * a time. */
eff_status eff_loader_next(eff_loader *l, eff_batch *out, eff_error *err);

/** Images and bytes in the cache. */
void eff_loader_cached(const eff_loader *l, size_t *images, size_t *bytes);

#endif
