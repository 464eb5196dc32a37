/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of advice: what is at hand, which candidates that makes, what they take, what their features tell, which
 * one it is, and the time of that one measured on its own steps. */
#include "scale/advise_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sysmem.h"
#include "data/dataset.h"
#include "formats/formats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parts of the time that the stages get; reading weights and pictures takes the rest. */
#define LATENCY_PART 0.10
#define PROBE_PART   0.50
#define STEPS_PART   0.25
#define MEMORY_PART  0.9 /* of what is available may be taken */

eff_status eff_advise_tell(eff_advice *a, const char *what, eff_error *err)
{
    const double part = fmin(0.99, (eff_clock() - a->began) / a->o.seconds);
    if (a->o.progress && a->o.progress(a->o.ctx, part, what)) return eff_fail(err, EFF_ECANCELLED, "stopped");
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------- what is at hand */

static eff_status load_sources(eff_advice *a, eff_error *err)
{
    const eff_model_opts plain = { 0 };
    a->source = eff_calloc(a->o.nweights + 1, sizeof *a->source);
    if (!a->source) return eff_fail_memory(err, a->o.nweights * sizeof *a->source);
    for (size_t i = 0; i < a->o.nweights; i++) {
        eff_model *m = NULL;
        bool known = false;
        eff_status s = eff_formats_load(&m, a->o.weights[i], &plain, err);
        if (s == EFF_OK && !m->weights)
            s = eff_fail(err, EFF_EARG, "expected a file with weights, found an architecture");
        if (s != EFF_OK) {
            eff_error_prefix(err, "%s", a->o.weights[i]);
            eff_model_destroy(m);
            return s;
        }
        for (int k = 0; k < a->nsources; k++) known |= !strcmp(a->source[k].model->table.name, m->table.name);
        if (known) {
            eff_model_destroy(m);
            continue;
        }
        eff_source *const to = &a->source[a->nsources++];
        to->model = m;
        to->path = eff_strdup(a->o.weights[i]);
        if (!to->path) return eff_fail_memory(err, 0);
        if ((s = eff_advise_tell(a, "weights at hand", err)) != EFF_OK) return s;
    }
    return EFF_OK;
}

eff_status eff_advise_start(const eff_model **out, eff_model **own, const eff_advice *a, const eff_candidate *c,
                            eff_error *err)
{
    const eff_model_opts plain = { 0 };
    *own = NULL;
    *out = NULL;
    if (c->source < 0) {
        const eff_status s = eff_formats_load(own, c->v.model, &plain, err);
        *out = *own;
        return s;
    }
    *out = a->source[c->source].model;
    return EFF_OK;
}

/* ----------------------------------------------------------------------------------------- candidates */

static int ascending(const void *x, const void *y)
{
    const int a = *(const int *)x, b = *(const int *)y;
    return (a > b) - (a < b);
}

static eff_status look_at_data(eff_advice *a, eff_error *err)
{
    eff_situation *const s = &a->s;
    s->images = eff_dataset_count(a->d, EFF_PART_TRAIN);
    s->validation = eff_dataset_count(a->d, EFF_PART_VAL);
    s->classes = eff_dataset_classes(a->d);
    eff_dataset_class_range(a->d, EFF_PART_TRAIN, &s->least, &s->most);
    int *side = eff_malloc(s->images * sizeof *side);
    if (!side) return eff_fail_memory(err, s->images * sizeof *side);
    for (size_t i = 0; i < s->images; i++) {
        const eff_item item = eff_dataset_item(a->d, EFF_PART_TRAIN, i);
        side[i] = item.width < item.height ? item.width : item.height;
    }
    qsort(side, s->images, sizeof *side, ascending);
    s->side = side[s->images / 2];
    eff_free(side);
    s->memory = a->o.memory ? (double)a->o.memory : MEMORY_PART * (double)eff_memory_available();
    s->longest = a->o.longest;
    return EFF_OK;
}

static void add(eff_advice *a, const char *model, int source, int resolution, int native, bool reduced)
{
    if (a->n == EFF_ADVISE_MOST) return;
    eff_candidate *const c = &a->c[a->n++];
    snprintf(c->name, sizeof c->name, "%s", model);
    c->source = source;
    c->reduced = reduced;
    c->v = (eff_variant){ .model = c->name,
                          .weights = source >= 0 ? a->source[source].path : NULL,
                          .resolution = resolution,
                          .native = native,
                          .probe = NAN,
                          .probe_lo = NAN,
                          .probe_hi = NAN,
                          .enlarges = resolution > 1.05 * a->s.side };
}

static int to_32(double side)
{
    const int n = (int)lround(side / 32) * 32;
    return n < 32 ? 32 : n;
}

/* Weights at hand at their own size, at about three quarters of it, and at about five quarters where the photographs
 * have so many pixels; the families' other members at their own. */
static eff_status make_candidates(eff_advice *a, eff_error *err)
{
    static const char *const family[] = { "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2",
                                          "efficientnet-lite3", "efficientnet-lite4", "efficientnet-b0",
                                          "efficientnet-b1",    "efficientnet-b2",    "efficientnet-b3",
                                          "efficientnet-b4" };
    const eff_model_opts plain = { 0 };
    for (int k = 0; k < a->nsources; k++) {
        const eff_table *const t = &a->source[k].model->table;
        const int own = t->height, less = to_32(0.72 * own), more = to_32(1.29 * own);
        add(a, t->name, k, own, true, false);
        if (less < own) add(a, t->name, k, less, false, false);
        if (more > own && more <= 1.05 * a->s.side) add(a, t->name, k, more, false, false);
    }
    if (!a->nsources) add(a, "b0@width=0.5,depth=0.5,resolution=128", -1, 128, true, true);
    for (size_t i = 0; i < sizeof family / sizeof *family; i++) {
        eff_model *m;
        bool known = false;
        for (int k = 0; k < a->nsources; k++) known |= !strcmp(a->source[k].model->table.name, family[i]);
        if (known) continue;
        const eff_status s = eff_formats_load(&m, family[i], &plain, err);
        if (s != EFF_OK) return s;
        add(a, family[i], -1, m->table.height, true, false);
        eff_model_destroy(m);
    }
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------- the steps */

/* Latency candidate by candidate, the small ones first; what the time does not reach is scaled by multiply-adds. */
static eff_status measure_machine(eff_advice *a, eff_error *err)
{
    const double share = LATENCY_PART * a->o.seconds;
    double per_mac = 0;
    eff_status s = eff_advise_decoding(a, err);
    const double start = eff_clock();
    for (int i = 0; s == EFF_OK && i < a->n; i++) {
        eff_candidate *const c = &a->c[i];
        s = eff_advise_needs(a, c, err);
        if (s == EFF_OK && per_mac > 0 && eff_clock() - start > 2 * share) {
            c->v.latency_ms = per_mac * (double)c->macs;
        } else if (s == EFF_OK) {
            s = eff_advise_latency(a, c, share / a->n, err);
            c->v.latency_measured = 1;
            per_mac = c->v.latency_ms / (double)c->macs;
        }
        if (s != EFF_OK) eff_error_prefix(err, "%s at %d", c->v.model, c->v.resolution);
        if (s == EFF_OK) s = eff_advise_tell(a, "latency and memory", err);
    }
    return s;
}

static eff_candidate *best_of(eff_advice *a)
{
    for (int i = 0; i < a->n; i++) eff_advise_estimate(a, &a->c[i]);
    a->s.c = a->c;
    a->s.n = a->n;
    eff_advise_decide(&a->decision, &a->s);
    return &a->c[a->decision.order[0]];
}

/* Decide, look closer at the weights that won, time the candidate that it is, and decide again with what that told:
 * until it stays. */
static eff_status decide(eff_advice *a, eff_error *err)
{
    enum { MOST_ROUNDS = 3 };
    const double steps = STEPS_PART * a->o.seconds;
    const eff_candidate *const first = best_of(a);
    eff_status s = EFF_OK;
    if (first->source >= 0)
        s = eff_advise_probe_source(a, first->source, a->o.seconds - steps - (eff_clock() - a->began), err);
    for (int round = 0; s == EFF_OK; round++) {
        eff_candidate *const best = best_of(a);
        if (round == MOST_ROUNDS || best->v.train_measured || !best->v.fits_memory) break;
        s = eff_advise_time(a, best, steps, err);
    }
    return s;
}

/* What was only needed while it was being made. */
static void release_sources(eff_advice *a)
{
    for (int k = 0; k < a->nsources; k++) {
        eff_model_destroy(a->source[k].model);
        a->source[k].model = NULL;
    }
}

void eff_advise_free(eff_advice *a)
{
    if (!a) return;
    release_sources(a);
    for (int k = 0; k < a->nsources; k++) eff_free(a->source[k].path);
    for (int i = 0; i < a->n; i++) eff_free(a->c[i].held);
    eff_free(a->source);
    eff_free(a->item);
    eff_free(a);
}

eff_status eff_advise_make(eff_advice **out, const eff_dataset *d, const eff_advise_opts *o, eff_error *err)
{
    *out = NULL;
    eff_advice *a = eff_calloc(1, sizeof *a);
    if (!a) return eff_fail_memory(err, sizeof *a);
    a->d = d;
    a->o = *o;
    a->began = eff_clock();
    eff_status s = load_sources(a, err);
    if (s == EFF_OK) s = look_at_data(a, err);
    if (s == EFF_OK) s = make_candidates(a, err);
    if (s == EFF_OK) s = measure_machine(a, err);
    if (s == EFF_OK) s = eff_advise_choose_images(a, 0.7 * PROBE_PART * o->seconds, err);
    if (s == EFF_OK) s = eff_advise_probe(a, PROBE_PART * o->seconds, err);
    if (s == EFF_OK) s = decide(a, err);
    if (s != EFF_OK) {
        eff_advise_free(a);
        return s;
    }
    release_sources(a);
    a->took = eff_clock() - a->began;
    *out = a;
    return EFF_OK;
}
