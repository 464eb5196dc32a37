/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels instead of prepared floats: the model's mean and deviation, applied as images are prepared, so that the logits
 * have the same bits. All workers do it, into memory that the engine keeps: 1 to 2 % of a run of B0, which is why the
 * network's first convolution knows nothing of it. */
#include "infer/engine.h"

#include "base/mem.h"
#include "image/preprocess.h"

typedef struct pixels_job {
    float *x;
    const uint8_t *rgb;
    size_t pixels;
    int parts;
    const eff_preprocess *rule;
} pixels_job;

static void task_normalise(void *ctx, int task, int worker)
{
    (void)worker;
    const pixels_job *j = ctx;
    const size_t first = j->pixels * (size_t)task / (size_t)j->parts;
    const size_t end = j->pixels * ((size_t)task + 1) / (size_t)j->parts;
    eff_preprocess_normalise(j->x + 3 * first, j->rgb + 3 * first, end - first, j->rule);
}

eff_status eff_engine_take_pixels(eff_engine *e, const uint8_t *rgb, int n, eff_error *err)
{
    const eff_preprocess *const rule = &e->model->meta.preprocess;
    const eff_node *const in = &e->graph->node[0];
    const size_t image = (size_t)in->h * (size_t)in->w;
    const eff_status s = eff_preprocess_check(rule, err);
    if (s != EFF_OK) return s;
    if (!e->pixels) {
        const size_t bytes = (size_t)e->max_batch * image * 3 * sizeof *e->pixels;
        e->pixels = eff_malloc_aligned(bytes);
        if (!e->pixels) return eff_fail_memory(err, bytes);
    }
    pixels_job j = { .x = e->pixels, .rgb = rgb, .pixels = (size_t)n * image, .parts = e->threads, .rule = rule };
    eff_pool_run(e->pool, task_normalise, &j, j.parts);
    return EFF_OK;
}
