/* SPDX-License-Identifier: Apache-2.0 */
/* What a candidate takes: latency by running it, memory by the plan that a run makes, training time by steps of a run
 * that is thrown away. The recipe is the one that `train` would pick; its epochs and its stages are added up here. */
#include "scale/advise_internal.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "formats/formats.h"
#include "image/preprocess.h"
#include "infer/engine.h"
#include "train/recipe.h"
#include "train/run_plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    PROCESS_BYTES = 60 << 20, /* of a training process beside what a run plans (docs/recipes.md) */
    DECODED = 16              /* pictures decoded to see how long it takes                       */
};
#define BACKWARD     2.0 /* of a forward pass, until steps are measured                              */
#define SAVE_SECONDS 0.5 /* an epoch: weights, optimiser and averages go to disk                     */

eff_status eff_advise_decoding(eff_advice *a, eff_error *err)
{
    const size_t n = eff_dataset_count(a->d, EFF_PART_TRAIN), count = n < DECODED ? n : DECODED;
    const eff_preprocess *rule = NULL;
    const eff_model_opts plain = { 0 };
    eff_model *m = NULL;
    eff_status s = eff_formats_load(&m, "efficientnet-b0", &plain, err);
    if (s != EFF_OK) return s;
    rule = &m->meta.preprocess; /* B0's is like everybody's: decoding takes most of the time */
    float *x = eff_malloc((size_t)rule->height * (size_t)rule->width * 3 * sizeof *x);
    if (!x) s = eff_fail_memory(err, 0);
    const double start = eff_clock();
    for (size_t i = 0; s == EFF_OK && i < count; i++) {
        const char *const path = eff_dataset_item(a->d, EFF_PART_TRAIN, i * n / count).path;
        s = eff_preprocess_file(path, rule, x, err);
        if (s != EFF_OK) eff_error_prefix(err, "%s", path);
    }
    const int threads = a->o.threads ? a->o.threads : eff_cpu_count();
    a->decode_seconds = (eff_clock() - start) / (double)count / threads;
    eff_free(x);
    eff_model_destroy(m);
    return s;
}

/* ---------------------------------------------------------------------------------------------- latency */

/* Speed does not depend on what the weights are. */
static eff_status blank_weights(eff_model *m, eff_error *err)
{
    const eff_status s = eff_model_alloc_weights(m, err);
    for (int i = 0; s == EFF_OK && i < m->graph->nparams; i++)
        memset(m->weights[i], 0, m->graph->param[i].count * sizeof(float));
    return s;
}

eff_status eff_advise_latency(eff_advice *a, eff_candidate *c, double seconds, eff_error *err)
{
    enum { LEAST_RUNS = 1, MOST_RUNS = 400 };
    const eff_model *start;
    eff_model *own = NULL, *blank = NULL;
    eff_engine *e = NULL;
    double least, mean;
    eff_status s = eff_advise_start(&start, &own, a, c, err);
    if (s == EFF_OK && !start->weights) {
        s = blank_weights(own, err);
        blank = own;
    }
    const eff_engine_opts o = {
        .threads = a->o.threads, .cpu = a->o.cpu, .max_batch = 1, .height = c->v.resolution, .width = c->v.resolution
    };
    if (s == EFF_OK) s = eff_engine_new(&e, blank ? blank : start, &o, err);
    if (s == EFF_OK) s = eff_engine_time(e, seconds, LEAST_RUNS, MOST_RUNS, &least, &mean, err);
    if (s == EFF_OK) c->v.latency_ms = 1e3 * fmin(mean, 2 * least); /* unless something else ran meanwhile */
    eff_engine_destroy(e);
    eff_model_destroy(own);
    return s;
}

/* ----------------------------------------------------------------------------------- recipe and memory */

static eff_status make_recipe(eff_recipe **out, const eff_advice *a, const eff_candidate *c, const eff_model *start,
                              eff_error *err)
{
    char text[48];
    eff_status s = eff_recipe_create(out, NULL, start, a->d, err);
    if (s != EFF_OK || c->v.resolution == start->table.height) return s;
    snprintf(text, sizeof text, "resolution=%d", c->v.resolution);
    s = eff_recipe_set(*out, text, err);
    if (s != EFF_OK) eff_recipe_free(*out);
    return s;
}

/* The least that training can take, where it does not fit. */
static eff_status least_memory(size_t *bytes, const eff_advice *a, const eff_model *start, const eff_recipe *recipe,
                               eff_run_opts o, eff_error *err)
{
    eff_run_needs least = { 0 };
    eff_recipe small = *recipe;
    eff_status s = eff_recipe_set(&small, "micro-batch=1,recompute=1", err);
    o.memory = 0;
    o.cache = 0;
    if (s == EFF_OK) s = eff_run_plan(&least, start, a->d, &small, &o, err);
    *bytes = least.memory;
    return s;
}

eff_status eff_advise_needs(eff_advice *a, eff_candidate *c, eff_error *err)
{
    const eff_model *start;
    eff_model *own = NULL;
    eff_recipe *recipe = NULL;
    eff_run_needs needs;
    eff_run_opts o;
    eff_run_opts_init(&o);
    o.threads = a->o.threads;
    o.cpu = a->o.cpu;
    eff_status s = eff_advise_start(&start, &own, a, c, err);
    if (s == EFF_OK) s = make_recipe(&recipe, a, c, start, err);
    if (s == EFF_OK) s = eff_run_plan(&needs, start, a->d, recipe, &o, err);
    if (s != EFF_OK) goto end;
    c->v.fits_memory = 1;
    c->v.memory_option = 0;
    const double total = (double)(needs.memory + needs.cache) + PROCESS_BYTES, limit = a->s.memory;
    if (limit > 0 && total > limit) {
        o.memory = limit > PROCESS_BYTES ? (size_t)(limit - PROCESS_BYTES) : 1;
        const eff_status fitted = eff_run_plan(&needs, start, a->d, recipe, &o, err);
        if (fitted == EFF_OK) {
            c->v.memory_option = (double)o.memory;
        } else if (fitted != EFF_EARG) {
            s = fitted;
            goto end;
        } else {
            c->v.fits_memory = 0;
            needs.cache = 0;
            s = least_memory(&needs.memory, a, start, recipe, o, err);
            if (s != EFF_OK) goto end;
        }
    }
    c->macs = needs.macs;
    c->steps = needs.steps;
    c->batch = eff_recipe_int(recipe, EFF_KEY_BATCH);
    c->v.micro_batch = needs.micro;
    c->v.memory_bytes = (double)(needs.memory + needs.cache) + PROCESS_BYTES;
    c->v.recipe = eff_recipe_name(recipe);
    c->v.epochs = eff_recipe_int(recipe, EFF_KEY_EPOCHS);
end:
    eff_recipe_free(recipe);
    eff_model_destroy(own);
    return s;
}

/* ------------------------------------------------------------------------------------------------ time */

/* A run is: features of the training images and a classifier on them (with weights), epochs of steps with the
 * validation images scored after each, and all once more at the end. */
static double add_up(const eff_advice *a, const eff_candidate *c, double first, double later)
{
    const double n = (double)a->s.images, val = (double)a->s.validation,
                 test = (double)eff_dataset_count(a->d, EFF_PART_TEST), epochs = c->v.epochs;
    const double image = c->feature_seconds > 0 ? c->feature_seconds : a->decode_seconds + 1e-3 * c->v.latency_ms;
    const double head = c->source >= 0 ? n * (image + a->fit_seconds) : 0;
    const double steps = epochs > 0 ? (double)c->steps * (first + (epochs - 1) * later) : 0;
    return head + steps + epochs * SAVE_SECONDS + (epochs + 1) * val * image + test * image;
}

void eff_advise_estimate(eff_advice *a, eff_candidate *c)
{
    if (!c->v.train_measured) {
        const double batch = (double)c->batch,
                     later = batch *
                             (a->per_mac > 0 ? a->per_mac * (double)c->macs : (1 + BACKWARD) * 1e-3 * c->v.latency_ms),
                     first = later + batch * (a->per_mac > 0 ? a->per_picture : a->decode_seconds);
        c->v.train_seconds = add_up(a, c, first, later);
        c->v.images_per_s = batch / later;
    }
    c->v.fits_time = c->v.train_seconds <= a->o.longest;
}

static int on_step(void *ctx, const eff_run_event *e)
{
    (void)e;
    return eff_advise_tell(ctx, "training steps", NULL) != EFF_OK;
}

eff_status eff_advise_time(eff_advice *a, eff_candidate *c, double seconds, eff_error *err)
{
    const eff_model *start;
    eff_model *own = NULL;
    eff_recipe *recipe = NULL;
    eff_run *run = NULL;
    eff_run_speed speed = { 0 };
    eff_run_opts o;
    eff_run_opts_init(&o);
    o.threads = a->o.threads;
    o.cpu = a->o.cpu;
    o.memory = (size_t)c->v.memory_option;
    o.event = on_step;
    o.ctx = a;
    eff_status s = eff_advise_start(&start, &own, a, c, err);
    if (s == EFF_OK) s = make_recipe(&recipe, a, c, start, err);
    if (s == EFF_OK) s = eff_run_create(&run, start, a->d, recipe, &o, err);
    if (s == EFF_OK) s = eff_run_time(&speed, run, seconds, err);
    if (s == EFF_OK) {
        const double batch = (double)c->batch;
        const double kept = (double)eff_run_kept(run) / (double)a->s.images; /* the rest is decoded in every epoch */
        const double later = kept * speed.later + (1 - kept) * speed.first;
        a->per_mac = speed.later / batch / (double)c->macs;
        a->per_picture = fmax(0, (speed.first - speed.later) / batch);
        c->v.train_seconds = add_up(a, c, speed.first, later);
        c->v.images_per_s = batch / later;
        c->v.train_measured = 1;
    }
    eff_run_free(run);
    eff_recipe_free(recipe);
    eff_model_destroy(own);
    return s;
}
