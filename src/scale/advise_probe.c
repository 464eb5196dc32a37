/* SPDX-License-Identifier: Apache-2.0 */
/* How much a network's features tell of these images: softmax regression on what its frozen body says of them, each
 * image judged while it is held out. All candidates see the same images, so that they can be compared image by image.
 */
#include "scale/advise_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/transfer.h"

#include <effnet/eval.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_IMAGES = 0xAD51, LEAST_IMAGES = 100, MOST_IMAGES = 4000 };
#define MOST_WORK   4e8  /* images x features x classes: some seconds of regression */
#define JUDGE_GUESS 4e-3 /* seconds of regression an image, until they were measured */

/* --------------------------------------------------------------------------------------- which candidates */

/* The smallest network with weights: what it gains and loses by resolution is asked first. */
static int smallest(const eff_advice *a)
{
    int best = -1;
    for (int i = 0; i < a->n; i++)
        if (a->c[i].source >= 0 && a->c[i].v.native && (best < 0 || a->c[i].macs < a->c[best].macs)) best = i;
    return best;
}

/* In which order candidates are probed; 0: not at all. */
static int turn(const eff_advice *a, const eff_candidate *c)
{
    const int base = smallest(a);
    if (c->source < 0 || base < 0) return 0;
    const bool own = c->source == a->c[base].source, more = c->v.resolution > a->source[c->source].model->table.height;
    if (own) return c->v.native ? 1 : more ? 2 : 4;
    return c->v.native ? 3 : more ? 5 : 0;
}

static double seconds_an_image(const eff_advice *a, const eff_candidate *c)
{
    return a->decode_seconds + 1e-3 * c->v.latency_ms + (a->judge_seconds > 0 ? a->judge_seconds : JUDGE_GUESS);
}

/* ------------------------------------------------------------------------------------------ which images */

typedef struct drawn {
    uint64_t key;
    size_t item;
} drawn;

static int by_key(const void *x, const void *y)
{
    const drawn *a = x, *b = y;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static int by_item(const void *x, const void *y)
{
    const size_t a = *(const size_t *)x, b = *(const size_t *)y;
    return a < b ? -1 : a > b;
}

/* How many images the time allows for the first three turns, the regression being what it is. */
static size_t affordable(const eff_advice *a, double seconds)
{
    double image = 0, widest = 1280;
    for (int i = 0; i < a->n; i++) {
        const int t = turn(a, &a->c[i]);
        if (t >= 1 && t <= 3) image += seconds_an_image(a, &a->c[i]);
    }
    if (image == 0) return 0;
    const double by_time = seconds / image, by_work = MOST_WORK / widest / a->s.classes;
    const double least = fmax(LEAST_IMAGES, 5.0 * a->s.classes);
    return (size_t)fmax(least, fmin(MOST_IMAGES, fmin(by_time, by_work)));
}

eff_status eff_advise_choose_images(eff_advice *a, double seconds, eff_error *err)
{
    const size_t n = a->s.images, want = affordable(a, seconds), count = want < n ? want : n;
    if (!count) return EFF_OK;
    drawn *all = eff_malloc(n * sizeof *all);
    a->item = eff_malloc(count * sizeof *a->item);
    if (!all || !a->item) {
        eff_free(all);
        return eff_fail_memory(err, n * sizeof *all);
    }
    for (size_t i = 0; i < n; i++) all[i] = (drawn){ eff_rng_bits(a->o.seed, STREAM_IMAGES, i), i };
    qsort(all, n, sizeof *all, by_key);
    for (size_t i = 0; i < count; i++) a->item[i] = all[i].item;
    qsort(a->item, count, sizeof *a->item, by_item);
    eff_free(all);
    a->s.probed = count;
    return EFF_OK;
}

/* --------------------------------------------------------------------------------------------- one probe */

static int on_image(void *ctx, size_t done)
{
    (void)done;
    return eff_advise_tell(ctx, "features of the images", NULL) != EFF_OK;
}

static void add_up(eff_candidate *c, size_t n)
{
    double right = 0;
    int asked = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(c->held[i])) continue;
        right += (double)c->held[i];
        asked++;
    }
    c->v.probe = asked ? right / asked : (double)NAN;
    eff_wilson((int)lround(right), asked, &c->v.probe_lo, &c->v.probe_hi);
}

static eff_status probe(eff_advice *a, eff_candidate *c, eff_error *err)
{
    const size_t n = a->s.probed;
    const int classes = a->s.classes;
    eff_model *m = NULL;
    eff_engine *e = NULL;
    const char **path = eff_malloc(n * sizeof *path);
    int *label = eff_malloc(n * sizeof *label);
    float *x = NULL, *w = NULL;
    eff_linear_fit fit = { 0 };
    float *share = eff_malloc(n * sizeof *share);
    eff_status s = path && label && share ? EFF_OK : eff_fail_memory(err, n * sizeof *path);
    for (size_t i = 0; s == EFF_OK && i < n; i++) {
        const eff_item item = eff_dataset_item(a->d, EFF_PART_TRAIN, a->item[i]);
        path[i] = item.path;
        label[i] = item.label;
    }
    if (s == EFF_OK) s = eff_model_adapt(&m, a->source[c->source].model, classes, c->v.resolution, a->o.seed, err);
    if (s != EFF_OK) goto end;
    m->meta.preprocess.icc = 1; /* as a run does */
    const eff_engine_opts o = { .threads = a->o.threads, .cpu = a->o.cpu, .max_batch = 1 };
    s = eff_engine_new(&e, m, &o, err);
    if (s != EFF_OK) goto end;
    const size_t d = (size_t)eff_engine_features(e);
    x = eff_malloc(n * d * sizeof *x);
    w = eff_malloc((size_t)classes * (d + 1) * sizeof *w);
    if (!x || !w) {
        s = eff_fail_memory(err, n * d * sizeof *x);
        goto end;
    }
    const double start = eff_clock();
    s = eff_features(x, e, path, n, on_image, a, err);
    const double features = eff_clock() - start;
    if (s == EFF_OK) /* as a run fits its first classifier */
        s = eff_linear_train(w, w + (size_t)classes * d, &fit, x, label, NULL, n, (int)d, classes, -1, a->o.seed,
                             e->pool, a->o.cpu, err);
    const double fitted = eff_clock() - start - features;
    fit.held = share;
    if (s == EFF_OK)
        s = eff_linear_train(w, w + (size_t)classes * d, &fit, x, label, NULL, n, (int)d, classes, fit.l2, a->o.seed,
                             e->pool, a->o.cpu, err);
    if (s != EFF_OK) goto end;
    c->feature_seconds = features / (double)n;
    a->fit_seconds = fitted / (double)n;
    a->judge_seconds = (eff_clock() - start - features) / (double)n;
    c->held = share;
    share = NULL;
    add_up(c, n);
end:
    eff_free(share);
    eff_free(w);
    eff_free(x);
    eff_free(label);
    eff_free(path);
    eff_engine_destroy(e);
    eff_model_destroy(m);
    return s;
}

static bool has_time(const eff_advice *a, const eff_candidate *c, double until)
{
    return eff_clock() + (double)a->s.probed * seconds_an_image(a, c) <= until;
}

eff_status eff_advise_probe(eff_advice *a, double seconds, eff_error *err)
{
    enum { TURNS = 5 };
    const double until = eff_clock() + seconds;
    for (int t = 1; t <= TURNS && a->s.probed; t++)
        for (int i = 0; i < a->n; i++) {
            eff_candidate *const c = &a->c[i];
            if (turn(a, c) != t || (t > 1 && !has_time(a, c, until))) continue; /* a smaller one may still fit */
            const eff_status s = probe(a, c, err);
            if (s != EFF_OK) return s;
        }
    return EFF_OK;
}

eff_status eff_advise_probe_source(eff_advice *a, int source, double seconds, eff_error *err)
{
    const double until = eff_clock() + seconds;
    for (int i = 0; i < a->n && a->s.probed; i++) {
        eff_candidate *const c = &a->c[i];
        if (c->source != source || c->held || !has_time(a, c, until)) continue;
        const eff_status s = probe(a, c, err);
        if (s != EFF_OK) return s;
    }
    return EFF_OK;
}
