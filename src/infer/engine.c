/* SPDX-License-Identifier: Apache-2.0 */
/* The engine. Files are decoded a chunk at a time on all workers, then scored in order: results do not depend on who
 * decoded. */
#include "infer/engine.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "image/preprocess.h"

#include <math.h>

enum { CHUNK_BYTES = 48 << 20, CHUNK_MAX = 64 }; /* prepared images that wait to be scored */

eff_status eff_engine_new(eff_engine **out, const eff_model *m, const eff_engine_opts *o, eff_error *err)
{
    *out = NULL;
    if (!m->weights) return eff_fail(err, EFF_EARG, "%s is an architecture without weights", m->table.name);
    if (o->max_batch < 1) return eff_fail(err, EFF_EARG, "max_batch: expected at least 1, found %d", o->max_batch);
    unsigned features;
    eff_status s = eff_cpu_select(o->cpu, &features, err);
    if (s != EFF_OK) return s;
    eff_engine *e = eff_calloc(1, sizeof *e);
    if (!e) return eff_fail_memory(err, sizeof *e);
    e->model = m;
    e->max_batch = o->max_batch;
    const int cpus = eff_cpu_count();
    e->threads = o->threads ? o->threads : cpus;
    if (e->threads > cpus && e->threads <= EFF_MAX_THREADS)
        e->threads = cpus; /* more would only take turns; no result depends on it */
    eff_kernels_init(&e->kernels, features);
    s = eff_graph_build(&e->graph, &m->table, o->height, o->width, err);
    if (s == EFF_OK) s = eff_pool_create(&e->pool, e->threads, err);
    if (s == EFF_OK) s = eff_plan_create(&e->plan, e->graph, m->weights, &e->kernels, e->threads, 0, err);
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

void eff_engine_score(eff_engine *e, const float *x, int n, float *logits)
{
    const size_t image = (size_t)e->graph->node[0].h * (size_t)e->graph->node[0].w * 3;
    for (int i = 0; i < n; i++)
        eff_plan_run(e->plan, e->pool, x + (size_t)i * image, logits + (size_t)i * (size_t)e->graph->classes);
}

eff_status eff_engine_time(eff_engine *e, double seconds, int least_runs, int most_runs, double *least, double *mean,
                           eff_error *err)
{
    const size_t floats = (size_t)e->graph->node[0].h * (size_t)e->graph->node[0].w * 3;
    float *const x = eff_calloc(floats, sizeof *x), *const logits =
                                                        eff_malloc((size_t)e->graph->classes * sizeof *logits);
    const eff_status s = x && logits ? EFF_OK : eff_fail_memory(err, floats * sizeof *x);
    if (s == EFF_OK) {
        double sum = 0;
        int n = 0;
        *least = INFINITY;
        eff_engine_score(e, x, 1, logits); /* caches and clocks settle */
        for (; n < least_runs || (sum < seconds && n < most_runs); n++) {
            const double before = eff_clock();
            eff_engine_score(e, x, 1, logits);
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
    const size_t image = (size_t)in->h * (size_t)in->w * 3;
    size_t many = CHUNK_BYTES / (image * sizeof(float));
    many = many < (size_t)e->threads ? (size_t)e->threads : many > CHUNK_MAX ? CHUNK_MAX : many;
    if (many > n) many = n ? n : 1;
    const size_t bytes = many * (image + (size_t)e->graph->classes) * sizeof(float);
    chunk c = { .rule = p, .image = image, .x = eff_malloc(bytes), .failure = eff_malloc(many * sizeof *c.failure) };
    eff_status s = EFF_OK;
    if (!c.x || !c.failure) s = eff_fail_memory(err, bytes);
    float *logits = c.x ? c.x + many * image : NULL;
    for (size_t first = 0; s == EFF_OK && first < n; first += many) {
        const size_t count = n - first < many ? n - first : many;
        c.paths = paths + first;
        eff_pool_run(e->pool, task_prepare, &c, (int)count);
        for (size_t i = 0; s == EFF_OK && i < count; i++) {
            const int bad = c.failure[i].code != EFF_OK;
            if (!bad) eff_engine_score(e, c.x + i * image, 1, logits);
            if (fn(ctx, first + i, bad ? &c.failure[i] : NULL, bad ? NULL : logits))
                s = eff_fail(err, EFF_ECANCELLED, "stopped");
        }
    }
    eff_free(c.failure);
    eff_free(c.x);
    return s;
}
