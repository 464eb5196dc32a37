/* SPDX-License-Identifier: Apache-2.0 */
/* The engine. One image is computed by all workers together, of several each worker takes its own. Files are decoded a
 * chunk at a time on all workers, then scored: results do not depend on who did what. */
#include "infer/engine.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "image/preprocess.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { CHUNK_BYTES = 48 << 20, CHUNK_MAX = 64 }; /* prepared images that wait to be scored */

static void free_lanes(eff_engine *e)
{
    for (int i = 0; e->lane && i < e->threads; i++) eff_plan_free(e->lane[i]);
    eff_free(e->lane);
    e->lane = NULL;
}

/* Lanes, for an engine that is given n images at once. */
static eff_status make_lanes(eff_engine *e, int n, eff_error *err)
{
    if (e->lane || e->threads == 1 || n < e->threads) return EFF_OK;
    const size_t bytes = (size_t)e->threads * sizeof(eff_plan *);
    e->lane = eff_calloc(1, bytes);
    if (!e->lane) return eff_fail_memory(err, bytes);
    eff_status s = EFF_OK;
    for (int i = 0; s == EFF_OK && i < e->threads; i++) s = eff_plan_share(&e->lane[i], e->plan, err);
    if (s != EFF_OK) free_lanes(e);
    return s;
}

eff_status eff_engine_new(eff_engine **out, const eff_model *m, const eff_engine_opts *o, eff_error *err)
{
    *out = NULL;
    if (!m->weights) return eff_fail(err, EFF_EARG, "%s is an architecture without weights", m->table.name);
    if (o->max_batch < 1) return eff_fail(err, EFF_EARG, "max_batch: expected at least 1, found %d", o->max_batch);
    unsigned features;
    eff_status s = eff_cpu_select(o->cpu, &features, err);
    eff_kernels kernels;
    if (s == EFF_OK) s = eff_precision_kernels(&kernels, o->precision, features, err);
    if (s != EFF_OK) return s;
    eff_engine *e = eff_calloc(1, sizeof *e);
    if (!e) return eff_fail_memory(err, sizeof *e);
    e->model = m;
    e->max_batch = o->max_batch;
    const int cpus = eff_cpu_count();
    e->threads = o->threads ? o->threads : cpus;
    if (e->threads > cpus && e->threads <= EFF_MAX_THREADS)
        e->threads = cpus; /* more would only take turns; no result depends on it */
    e->kernels = kernels;
    s = eff_graph_build(&e->graph, &m->table, o->height, o->width, err);
    if (s == EFF_OK) s = eff_pool_create(&e->pool, e->threads, err);
    if (s == EFF_OK) s = eff_plan_create(&e->plan, e->graph, m->weights, &e->kernels, e->threads, 0, err);
    if (s == EFF_OK) s = make_lanes(e, o->max_batch, err);
    if (s != EFF_OK) {
        eff_engine_destroy(e);
        return s;
    }
    *out = e;
    return EFF_OK;
}

void eff_engine_destroy(eff_engine *e)
{
    if (!e) return;
    free_lanes(e);
    eff_free(e->pixels);
    eff_plan_free(e->plan);
    eff_pool_free(e->pool);
    eff_graph_free(e->graph);
    eff_free(e);
}

size_t eff_activation_peak(const eff_graph *g)
{
    eff_kernels k;
    eff_plan *p;
    eff_kernels_init(&k, 0);
    if (eff_plan_create(&p, g, NULL, &k, 1, 0, NULL) != EFF_OK) return 0;
    const size_t n = eff_plan_activation_bytes(p);
    eff_plan_free(p);
    return n;
}

int eff_engine_features(const eff_engine *e) { return eff_graph_features(e->graph); }

typedef struct batch {
    const eff_engine *e;
    const float *x;
    float *logits, *features;
    size_t image, classes, width; /* floats of an image, of its logits and features */
} batch;

static void score_one(const batch *b, eff_plan *p, eff_pool *pool, size_t i)
{
    eff_plan_run(p, pool, b->x + i * b->image, b->logits + i * b->classes);
    if (b->features) memcpy(b->features + i * b->width, eff_plan_features(p), b->width * sizeof(float));
}

static void task_image(void *ctx, int task, int worker)
{
    const batch *b = ctx;
    score_one(b, b->e->lane[worker], NULL, (size_t)task);
}

void eff_engine_score(eff_engine *e, const float *x, int n, float *logits, float *features)
{
    const eff_node *in = &e->graph->node[0];
    batch b = { .e = e,
                .x = x,
                .logits = logits,
                .features = features,
                .image = (size_t)in->h * (size_t)in->w * 3,
                .classes = (size_t)eff_graph_outputs(e->graph),
                .width = (size_t)eff_engine_features(e) };
    /* what does not go round the workers is computed by all of them; and everything while steps are measured */
    const int apart = e->lane && !eff_plan_profiled(e->plan) ? n / e->threads * e->threads : 0;
    eff_pool_run(e->pool, task_image, &b, apart);
    for (int i = apart; i < n; i++) score_one(&b, e->plan, e->pool, (size_t)i);
}

eff_status eff_engine_time(eff_engine *e, double seconds, int least_runs, int most_runs, double *least, double *mean,
                           eff_error *err)
{
    const size_t floats = (size_t)e->graph->node[0].h * (size_t)e->graph->node[0].w * 3;
    float *const x = eff_calloc(floats, sizeof *x), *const logits = eff_malloc((size_t)eff_graph_outputs(e->graph) *
                                                                               sizeof *logits);
    const eff_status s = x && logits ? EFF_OK : eff_fail_memory(err, floats * sizeof *x);
    if (s == EFF_OK) {
        double sum = 0;
        int n = 0;
        *least = INFINITY;
        eff_engine_score(e, x, 1, logits, NULL); /* caches and clocks settle */
        for (; n < least_runs || (sum < seconds && n < most_runs); n++) {
            const double before = eff_clock();
            eff_engine_score(e, x, 1, logits, NULL);
            const double took = eff_clock() - before;
            sum += took;
            *least = fmin(*least, took);
        }
        *mean = sum / n;
    }
    eff_free(logits);
    eff_free(x);
    return s;
}

typedef struct chunk {
    const char *const *paths;
    const eff_preprocess *rule;
    float *x;
    size_t image; /* floats */
    eff_error *failure;
} chunk;

static void task_prepare(void *ctx, int task, int worker)
{
    (void)worker;
    const chunk *c = ctx;
    eff_error *f = &c->failure[task];
    *f = (eff_error){ .code = EFF_OK };
    f->code = eff_preprocess_file(c->paths[task], c->rule, c->x + (size_t)task * c->image, f);
}

eff_status eff_engine_score_files(eff_engine *e, const char *const *paths, size_t n, const eff_preprocess *p,
                                  eff_result_fn *fn, void *ctx, eff_error *err)
{
    const eff_node *in = &e->graph->node[0];
    if (!p) p = &e->model->meta.preprocess;
    if (p->height != in->h || p->width != in->w)
        return eff_fail(err, EFF_EARG, "preprocessing gives %dx%d, the network takes %dx%d", p->height, p->width, in->h,
                        in->w);
    const size_t image = (size_t)in->h * (size_t)in->w * 3, classes = (size_t)eff_graph_outputs(e->graph),
                 width = (size_t)eff_engine_features(e);
    size_t many = CHUNK_BYTES / (image * sizeof(float));
    many = many < (size_t)e->threads ? (size_t)e->threads : many > CHUNK_MAX ? CHUNK_MAX : many;
    if (many > n) many = n ? n : 1;
    const size_t bytes = many * (image + classes + width) * sizeof(float);
    chunk c = { .rule = p, .image = image, .x = eff_malloc(bytes), .failure = eff_malloc(many * sizeof *c.failure) };
    eff_status s = EFF_OK;
    if (!c.x || !c.failure) s = eff_fail_memory(err, bytes);
    if (s == EFF_OK) s = make_lanes(e, (int)many, err);
    float *logits = c.x ? c.x + many * image : NULL, *features = c.x ? logits + many * classes : NULL;
    for (size_t first = 0; s == EFF_OK && first < n; first += many) {
        const size_t count = n - first < many ? n - first : many;
        c.paths = paths + first;
        eff_pool_run(e->pool, task_prepare, &c, (int)count);
        size_t good = 0;
        for (size_t i = 0; i < count; i++) { /* images that are there move up where others are not */
            if (c.failure[i].code != EFF_OK) continue;
            if (i > good) memcpy(c.x + good * image, c.x + i * image, image * sizeof *c.x);
            good++;
        }
        eff_engine_score(e, c.x, (int)good, logits, features);
        const float *l = logits;
        e->features = features;
        for (size_t i = 0; s == EFF_OK && i < count; i++) {
            const bool bad = c.failure[i].code != EFF_OK;
            if (fn(ctx, first + i, bad ? &c.failure[i] : NULL, bad ? NULL : l))
                s = eff_fail(err, EFF_ECANCELLED, "stopped");
            if (!bad) l += classes, e->features += width;
        }
    }
    e->features = NULL;
    eff_free(c.failure);
    eff_free(c.x);
    return s;
}
