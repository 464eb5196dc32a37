/* SPDX-License-Identifier: Apache-2.0 */
/* The images of a set for many short trainings at many resolutions. Each file is decoded once; what a trial sees is
 * made of that by one resize and kept for its length as bytes. What is seen depends on the file, the source's side and
 * the trial's resolution only: not on how much fits the memory, nor on which trials there are. */
#ifndef EFF_SCALE_PICTURES_H
#define EFF_SCALE_PICTURES_H

#include "base/pool.h"
#include "image/augment.h"

#include <effnet/data.h>

#include <stdbool.h>

typedef struct eff_pictures eff_pictures;

/** @param height, width  of the source: pictures that are larger are reduced to it (the largest central part of its
 * aspect) when they are decoded, smaller ones stay as they are
 * @param bytes  for decoded pictures of both parts: what does not fit is decoded again for each trial */
eff_status eff_pictures_create(eff_pictures **out, const eff_dataset *d, int height, int width, size_t bytes,
                               eff_error *err);
void eff_pictures_free(eff_pictures *p);

/** Decode what is kept. `tell` is asked now and then; true stops with EFF_ECANCELLED. */
eff_status eff_pictures_decode(eff_pictures *p, eff_pool *pool, bool (*tell)(void *ctx, size_t done, size_t total),
                               void *ctx, eff_error *err);

/** 64 bits that change with the images, their order and labels, and the side they are reduced to. */
uint64_t eff_pictures_fingerprint(const eff_pictures *p);

/** Seconds that decoding both parts of a set will take, from some of its pictures. */
eff_status eff_pictures_measure(double *seconds, const eff_dataset *d, int height, int width, size_t bytes, int threads,
                                eff_error *err);

/** A part at one resolution. */
typedef struct eff_view {
    int height, width;
    size_t n;
    uint8_t *rgb; /* [n][height][width][3] */
    int *label;   /* [n]                   */
} eff_view;

eff_status eff_view_make(eff_view *v, eff_pictures *p, eff_part part, int height, int width, eff_pool *pool,
                         eff_error *err);
void eff_view_free(eff_view *v);

/** Bytes of a view of both parts. */
size_t eff_view_bytes(const eff_pictures *p, int height, int width);

#endif
