/* SPDX-License-Identifier: Apache-2.0 */
/* Images come resized from a view; crops of a size to be drawn would need the source, and no recipe here has them:
 * they would give a sharper network other pictures, not more of the same. Everything drawn is a function of the job's
 * seed, the epoch and the image, or of the step. */
#include "scale/trial_batch.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/metrics.h"
#include "train/loss.h"

#include <effnet/eval.h>

#include <math.h>

#define STREAM_ORDER ((uint64_t)0x74726f72 << 32) /* the epoch goes below */

static const float mean[3] = { 127.5f, 127.5f, 127.5f }, deviation[3] = { 63.75f, 63.75f, 63.75f };

/* ------------------------------------------------------------------------------------------------ a network */

eff_trainer_opts eff_trial_trainer_opts(const eff_trial_job *j)
{
    eff_trainer_opts o = eff_recipe_trainer(j->recipe);
    o.threads = j->threads;
    o.cpu = j->cpu;
    o.bn = EFF_BN_BATCH; /* there are no statistics yet that could stay */
    o.seed = j->seed;
    return o;
}

eff_status eff_trial_model(eff_model **out, const eff_trial_job *j, eff_error *err)
{
    eff_table t = *j->table;
    eff_recipe_shape(j->recipe, &t);
    return eff_model_new(out, &t, err);
}

/* -------------------------------------------------------------------------------------------------- batches */

eff_status eff_trial_batch_open(eff_trial_batch *b, const eff_trial_job *j, eff_error *err)
{
    const int h = j->table->height, w = j->table->width_px;
    *b = (eff_trial_batch){
        .job = j, .augment = j->recipe->augment, .height = h, .width = w, .classes = j->table->classes
    };
    b->size = eff_recipe_int(j->recipe, EFF_KEY_BATCH);
    b->image = (size_t)h * (size_t)w * 3;
    b->augment.pad = (int)lround((double)b->augment.pad * (h < w ? h : w) / j->pixels);
    const size_t most = b->size > EFF_SCORED ? (size_t)b->size : EFF_SCORED,
                 floats = most * (b->image + (size_t)b->classes);
    b->x = eff_malloc(most * b->image * sizeof *b->x);
    b->target = eff_malloc(most * (size_t)b->classes * sizeof *b->target);
    b->label = eff_malloc(most * sizeof *b->label);
    return b->x && b->target && b->label ? EFF_OK : eff_fail_memory(err, floats * sizeof(float));
}

void eff_trial_batch_close(eff_trial_batch *b)
{
    eff_free(b->x);
    eff_free(b->target);
    eff_free(b->label);
    eff_free(b->order);
    *b = (eff_trial_batch){ 0 };
}

eff_status eff_trial_batch_order(eff_trial_batch *b, size_t n, uint32_t epoch, eff_error *err)
{
    size_t *const order = eff_realloc(b->order, n * sizeof *order);
    if (!order) return eff_fail_memory(err, n * sizeof *order);
    b->order = order;
    eff_rng_order(order, n, b->job->seed, STREAM_ORDER | epoch);
    return EFF_OK;
}

typedef struct making {
    eff_trial_batch *b;
    const eff_view *v;
    const size_t *item; /* NULL: as they come */
    size_t first;
    const eff_augment *augment;
    uint32_t epoch;
    eff_status failed;
} making;

static void task_image(void *ctx, int task, int worker)
{
    (void)worker;
    making *const k = ctx;
    const size_t i = k->item ? k->item[k->first + (size_t)task] : k->first + (size_t)task;
    const eff_draw draw = { .seed = k->b->job->seed, .epoch = k->epoch, .sample = (uint32_t)i };
    const eff_status e =
        eff_augment_apply(k->b->x + (size_t)task * k->b->image, k->v->height, k->v->width, k->augment, mean, deviation,
                          k->v->rgb + i * k->b->image, k->v->width, k->v->height, draw, NULL);
    if (e != EFF_OK) __atomic_store_n(&k->failed, e, __ATOMIC_RELAXED); /* memory only */
    k->b->label[task] = k->v->label[i];
}

static eff_status make(making *k, eff_pool *pool, int n, eff_error *err)
{
    k->failed = EFF_OK;
    eff_pool_run(pool, task_image, k, n);
    return k->failed == EFF_OK ? EFF_OK : eff_fail_memory(err, k->b->image * sizeof(float));
}

eff_status eff_trial_batch_make(eff_trial_batch *b, eff_pool *pool, const eff_view *v, size_t first, int n,
                                uint32_t epoch, eff_error *err)
{
    making k = { .b = b, .v = v, .item = b->order, .first = first, .augment = &b->augment, .epoch = epoch };
    return make(&k, pool, n, err);
}

double eff_trial_batch_step(eff_trial_batch *b, eff_trainer *t, eff_optim *opt, int n, double lr, uint64_t update)
{
    const eff_recipe *const r = b->job->recipe;
    for (int i = 0; i < n; i++)
        eff_target(b->target + (size_t)i * (size_t)b->classes, b->label[i], b->classes, r->v[EFF_KEY_SMOOTHING]);
    const eff_mix mix = eff_recipe_mix(r);
    const eff_mixed by = eff_mix_draw(&mix, b->height, b->width, b->job->seed, update);
    eff_mix_images(b->x, n, b->height, b->width, &by);
    eff_mix_targets(b->target, n, b->classes, &by);
    eff_trainer_zero(t);
    const eff_pass pass = { .x = b->x, .target = b->target, .n = n, .step = update };
    const double loss = eff_trainer_pass(t, &pass);
    if (!isfinite(loss)) return loss;
    return isfinite(eff_optim_step(opt, eff_trainer_pool(t), lr)) ? loss : NAN;
}

/* ------------------------------------------------------------------------------------------------- scoring */

eff_status eff_scoring_open(eff_scoring *s, eff_trial_batch *b, const eff_model *m, eff_pool *pool, eff_error *err)
{
    unsigned features;
    eff_kernels k;
    const int threads = eff_pool_threads(pool);
    *s = (eff_scoring){ .b = b, .pool = pool };
    eff_status e = eff_cpu_select(b->job->cpu, &features, err);
    if (e != EFF_OK) return e;
    eff_kernels_init(&k, features);
    s->plan = eff_calloc((size_t)threads, sizeof(eff_plan *));
    s->logits = eff_malloc((size_t)EFF_SCORED * (size_t)b->classes * sizeof *s->logits);
    if (!s->plan || !s->logits) return eff_fail_memory(err, (size_t)EFF_SCORED * (size_t)b->classes * sizeof(float));
    for (int i = 0; e == EFF_OK && i < threads; i++)
        e = eff_plan_create(&s->plan[i], m->graph, m->weights, &k, 1, 0, err);
    return e;
}

void eff_scoring_close(eff_scoring *s)
{
    for (int i = 0; s->plan && i < eff_pool_threads(s->pool); i++) eff_plan_free(s->plan[i]);
    eff_free(s->plan);
    eff_free(s->logits);
    *s = (eff_scoring){ 0 };
}

static void task_score(void *ctx, int task, int worker)
{
    const eff_scoring *const s = ctx;
    eff_plan_run(s->plan[worker], NULL, s->b->x + (size_t)task * s->b->image,
                 s->logits + (size_t)task * (size_t)s->b->classes);
}

eff_status eff_scoring_run(eff_scoring *s, const eff_view *v, size_t first, int n, eff_error *err)
{
    eff_augment plain;
    eff_augment_preset(&plain, "none", NULL);
    making k = { .b = s->b, .v = v, .first = first, .augment = &plain };
    const eff_status e = make(&k, s->pool, n, err);
    if (e == EFF_OK) eff_pool_run(s->pool, task_score, s, n);
    return e;
}

eff_status eff_trial_batch_score(eff_trial_score *out, eff_trial_batch *b, const eff_model *m, eff_pool *pool,
                                 const eff_view *v, eff_error *err)
{
    eff_scoring s;
    eff_status e = eff_scoring_open(&s, b, m, pool, err);
    for (size_t first = 0; e == EFF_OK && first < v->n; first += EFF_SCORED) {
        const int n = v->n - first < EFF_SCORED ? (int)(v->n - first) : EFF_SCORED;
        e = eff_scoring_run(&s, v, first, n, err);
        for (int i = 0; e == EFF_OK && i < n; i++) {
            int best;
            const float *const row = s.logits + (size_t)i * (size_t)b->classes;
            eff_top_k(row, b->classes, 1, &best);
            out->hits += best == b->label[i];
            out->loss += eff_log_loss(row, b->classes, b->label[i]) / (double)v->n;
        }
    }
    out->images = (int)v->n;
    out->top1 = (double)out->hits / (double)v->n;
    eff_scoring_close(&s);
    if (e == EFF_OK && !isfinite(out->loss)) {
        out->diverged = true;
        e = eff_fail(err, EFF_EFORMAT, "diverged: its answers are not finite");
    }
    return e;
}
