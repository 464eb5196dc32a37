/* SPDX-License-Identifier: Apache-2.0 */
/* The loop is that of a training run without what a short trial has no use for: saves, an evaluation every epoch, files
 * read again. Images come resized from a view; crops of a size to be drawn would need the source, and no recipe here
 * has them: they would give a sharper network other pictures, not more of the same. */
#include "scale/trial.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "infer/engine.h"
#include "train/loss.h"
#include "train/mix.h"
#include "train/trainer.h"

#include <effnet/eval.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STREAM_ORDER ((uint64_t)0x74726f72 << 32) /* the epoch goes below */

enum { SCORED = 64, LEAST_STEPS = 2, FEW = 8 }; /* images scored together; steps and images of a measurement */

static const float mean[3] = { 127.5f, 127.5f, 127.5f }, deviation[3] = { 63.75f, 63.75f, 63.75f };

/* ------------------------------------------------------------------------------------------------- recipe */

void eff_trial_recipe(eff_recipe *r, const eff_facts *f)
{
    const double steps = 2500, per_epoch = fmax(1, floor(f->images / 32.0));
    eff_recipe_pick(r, "scratch-small", f, NULL);
    r->name = "trial";
    eff_recipe_put(r, EFF_KEY_EPOCHS, fmin(60, fmax(4, ceil(steps / per_epoch))),
                   "%d images: about %.0f steps tell networks apart", f->images,
                   fmin(60, fmax(4, ceil(steps / per_epoch))) * per_epoch);
    eff_recipe_put(r, EFF_KEY_BATCH, f->images >= 128 ? 32 : f->images >= 16 ? 8 : 2, "%d images", f->images);
    eff_recipe_put(r, EFF_KEY_LR, 1e-2, "a short course needs large steps; deep networks still bear it");
    eff_recipe_put(r, EFF_KEY_WEIGHT_DECAY, 0.02, "usual with adamw");
    eff_recipe_put(r, EFF_KEY_WARMUP, 1, "the optimiser's statistics settle first");
    eff_recipe_put(r, EFF_KEY_BN_MOMENTUM, 0.05, "short runs need statistics that follow");
    eff_recipe_put(r, EFF_KEY_EMA, 0, "the rate falls to nothing anyway");
    eff_recipe_put(r, EFF_KEY_DROPOUT, 0, "a short course has no time for it");
    eff_recipe_put(r, EFF_KEY_DROP_PATH, 0, "it would weigh on deep networks more than on others");
    eff_recipe_put(r, EFF_KEY_KEEP, 1, "the last epoch: nothing is picked by the validation images");
    eff_recipe_put(r, EFF_KEY_CLASS_BETA, 0, "one recipe for all");
    eff_augment_preset(&r->augment, "none", NULL);
    r->augment.hflip = 0.5;
    r->augment.pad = (int)lround(f->side / 8.0);
    snprintf(r->augment_why, sizeof r->augment_why,
             "shifted by up to an eighth of the side, whatever the resolution, and mirrored");
}

eff_status eff_trial_check_recipe(const eff_recipe *r, eff_error *err)
{
    const eff_augment *const a = &r->augment;
    if (r->v[EFF_KEY_HEAD_FIRST] != 0)
        return eff_fail(err, EFF_EARG, "recipe: head-first: trials start from random weights");
    if (r->v[EFF_KEY_FROZEN_BN] != 0)
        return eff_fail(err, EFF_EARG, "recipe: frozen-bn: trials start from random weights");
    if (r->v[EFF_KEY_OPEN_BLOCKS] >= 0)
        return eff_fail(err, EFF_EARG, "recipe: open-blocks: all blocks learn in a trial");
    if (r->v[EFF_KEY_RESOLUTION] != 0)
        return eff_fail(err, EFF_EARG, "recipe: resolution: it is what is compared; the base's is part of its name");
    if (r->v[EFF_KEY_EPOCHS] < 1) return eff_fail(err, EFF_EARG, "recipe: epochs: expected at least 1, found 0");
    if (a->scale_lo < 1 || a->rotate > 0)
        return eff_fail(err, EFF_EARG,
                        "augment: trials shift, mirror and colour; crops of other sizes and rotation need the "
                        "source, and would show sharper networks other pictures");
    return EFF_OK;
}

/* -------------------------------------------------------------------------------------------- one training */

typedef struct session {
    const eff_trial_job *job;
    eff_model *m;
    eff_trainer *t;
    eff_optim *opt;
    eff_augment augment;
    int batch, classes;
    size_t image; /* floats */
    float *x, *target, *weight;
    int *label;
    size_t *order;
} session;

static eff_trainer_opts trainer_opts(const eff_trial_job *j)
{
    eff_trainer_opts o;
    eff_trainer_opts_init(&o);
    o.batch = eff_recipe_int(j->recipe, EFF_KEY_BATCH);
    o.threads = j->threads;
    o.cpu = j->cpu;
    o.bn = EFF_BN_BATCH;
    o.recompute = j->recipe->v[EFF_KEY_RECOMPUTE] != 0;
    o.stochastic = j->recipe->v[EFF_KEY_DROPOUT] > 0 || j->recipe->v[EFF_KEY_DROP_PATH] > 0;
    o.seed = j->seed;
    return o;
}

static eff_status make_model(eff_model **out, const eff_trial_job *j, eff_error *err)
{
    eff_table t = *j->table;
    t.dropout = j->recipe->v[EFF_KEY_DROPOUT];
    t.drop_path = j->recipe->v[EFF_KEY_DROP_PATH];
    t.bn_momentum = j->recipe->v[EFF_KEY_BN_MOMENTUM];
    return eff_model_new(out, &t, err);
}

static void close_session(session *s)
{
    eff_optim_free(s->opt);
    eff_trainer_free(s->t);
    eff_model_destroy(s->m);
    eff_free(s->x);
    eff_free(s->target);
    eff_free(s->weight);
    eff_free(s->label);
    eff_free(s->order);
}

static eff_status open_session(session *s, const eff_trial_job *j, size_t images, eff_error *err)
{
    *s = (session){ .job = j, .augment = j->recipe->augment };
    eff_status e = make_model(&s->m, j, err);
    if (e == EFF_OK) e = eff_model_alloc_weights(s->m, err);
    if (e == EFF_OK) e = eff_model_init_weights(s->m, j->seed, err);
    if (e != EFF_OK) return e;
    const eff_trainer_opts o = trainer_opts(j);
    const eff_optim_opts oo = eff_recipe_optim(j->recipe);
    const int side = s->m->table.height < s->m->table.width_px ? s->m->table.height : s->m->table.width_px;
    s->batch = o.batch;
    s->classes = s->m->table.classes;
    s->image = (size_t)s->m->table.height * (size_t)s->m->table.width_px * 3;
    s->augment.pad = (int)lround((double)s->augment.pad * side / j->pixels);
    e = eff_trainer_create(&s->t, s->m, &o, err);
    if (e == EFF_OK) e = eff_optim_create(&s->opt, s->m, eff_trainer_grads(s->t), &oo, err);
    if (e != EFF_OK) return e;
    const size_t most = s->batch > SCORED ? (size_t)s->batch : SCORED,
                 floats = most * (s->image + (size_t)s->classes + 1);
    s->x = eff_malloc(most * s->image * sizeof *s->x);
    s->target = eff_malloc(most * (size_t)s->classes * sizeof *s->target);
    s->weight = eff_malloc(most * sizeof *s->weight);
    s->label = eff_malloc(most * sizeof *s->label);
    s->order = eff_malloc(images * sizeof *s->order);
    return s->x && s->target && s->weight && s->label && s->order ? EFF_OK
                                                                  : eff_fail_memory(err, floats * sizeof(float));
}

/* Fisher-Yates by counters. */
static void make_order(size_t *order, size_t n, uint64_t seed, uint32_t epoch)
{
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t i = n - 1; i > 0; i--) {
        const uint64_t bits = eff_rng_bits(seed, STREAM_ORDER | epoch, i);
        const size_t j = (size_t)(((unsigned __int128)bits * (i + 1)) >> 64), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}

/* Images first .. of a view, as training or scoring sees them. */
typedef struct making {
    session *s;
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
    const eff_draw draw = { .seed = k->s->job->seed, .epoch = k->epoch, .sample = (uint32_t)i };
    const eff_status e =
        eff_augment_apply(k->s->x + (size_t)task * k->s->image, k->v->height, k->v->width, k->augment, mean, deviation,
                          k->v->rgb + i * k->s->image, k->v->width, k->v->height, draw, NULL);
    if (e != EFF_OK) __atomic_store_n(&k->failed, e, __ATOMIC_RELAXED); /* memory only */
    k->s->label[task] = k->v->label[i];
}

static eff_status make_batch(making *k, int n, eff_error *err)
{
    k->failed = EFF_OK;
    eff_pool_run(eff_trainer_pool(k->s->t), task_image, k, n);
    return k->failed == EFF_OK ? EFF_OK : eff_fail_memory(err, k->s->image * sizeof(float));
}

/* A step of the optimiser on what lies in s->x. @return the loss, not finite when it failed */
static double take_step(session *s, int n, double lr, uint64_t update)
{
    const eff_recipe *const r = s->job->recipe;
    const int h = s->m->table.height, w = s->m->table.width_px;
    for (int i = 0; i < n; i++)
        eff_target(s->target + (size_t)i * (size_t)s->classes, s->label[i], s->classes, r->v[EFF_KEY_SMOOTHING]);
    const eff_mix mix = { .mixup = r->v[EFF_KEY_MIXUP], .cutmix = r->v[EFF_KEY_CUTMIX], .probability = 1, .cut = 0.5 };
    const eff_mixed by = eff_mix_draw(&mix, h, w, s->job->seed, update);
    eff_mix_images(s->x, n, h, w, &by);
    eff_mix_targets(s->target, n, s->classes, &by);
    eff_trainer_zero(s->t);
    const eff_pass pass = { .x = s->x, .target = s->target, .n = n, .step = update };
    const double loss = eff_trainer_pass(s->t, &pass);
    if (!isfinite(loss)) return loss;
    return isfinite(eff_optim_step(s->opt, eff_trainer_pool(s->t), lr)) ? loss : NAN;
}

/* ------------------------------------------------------------------------------------------------ scoring */

typedef struct scoring {
    session *s;
    eff_plan **plan; /* one a worker */
    float *logits;
} scoring;

static void task_score(void *ctx, int task, int worker)
{
    const scoring *const g = ctx;
    eff_plan_run(g->plan[worker], NULL, g->s->x + (size_t)task * g->s->image,
                 g->logits + (size_t)task * (size_t)g->s->classes);
}

static eff_status open_scoring(scoring *g, session *s, eff_error *err)
{
    unsigned features;
    eff_kernels k;
    const int threads = eff_trainer_threads(s->t);
    *g = (scoring){ .s = s };
    eff_status e = eff_cpu_select(s->job->cpu, &features, err);
    if (e != EFF_OK) return e;
    eff_kernels_init(&k, features);
    g->plan = eff_calloc((size_t)threads, sizeof(eff_plan *));
    g->logits = eff_malloc((size_t)SCORED * (size_t)s->classes * sizeof *g->logits);
    if (!g->plan || !g->logits) return eff_fail_memory(err, (size_t)SCORED * (size_t)s->classes * sizeof(float));
    for (int i = 0; e == EFF_OK && i < threads; i++)
        e = eff_plan_create(&g->plan[i], s->m->graph, s->m->weights, &k, 1, 0, err);
    return e;
}

static void close_scoring(scoring *g)
{
    for (int i = 0; g->plan && i < eff_trainer_threads(g->s->t); i++) eff_plan_free(g->plan[i]);
    eff_free(g->plan);
    eff_free(g->logits);
}

static double cross_entropy(const float *logits, int classes, int label)
{
    double top = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++) top = fmax(top, (double)logits[c]);
    for (int c = 0; c < classes; c++) sum += exp((double)logits[c] - top);
    return top + log(sum) - (double)logits[label];
}

static eff_status score(eff_trial_score *out, session *s, const eff_view *v, eff_error *err)
{
    eff_augment plain;
    scoring g;
    eff_augment_preset(&plain, "none", NULL);
    float *const *const averaged = eff_optim_ema(s->opt);
    for (int i = 0; averaged && i < s->m->graph->nparams; i++)
        memcpy(s->m->weights[i], averaged[i], s->m->graph->param[i].count * sizeof(float));
    eff_status e = open_scoring(&g, s, err);
    making k = { .s = s, .v = v, .augment = &plain };
    for (k.first = 0; e == EFF_OK && k.first < v->n; k.first += SCORED) {
        const int n = v->n - k.first < SCORED ? (int)(v->n - k.first) : SCORED;
        e = make_batch(&k, n, err);
        if (e != EFF_OK) break;
        eff_pool_run(eff_trainer_pool(s->t), task_score, &g, n);
        for (int i = 0; i < n; i++) {
            int best;
            const float *const row = g.logits + (size_t)i * (size_t)s->classes;
            eff_top_k(row, s->classes, 1, &best);
            out->hits += best == s->label[i];
            out->loss += cross_entropy(row, s->classes, s->label[i]) / (double)v->n;
        }
    }
    out->images = (int)v->n;
    out->top1 = (double)out->hits / (double)v->n;
    close_scoring(&g);
    return e;
}

/* ------------------------------------------------------------------------------------------------- public */

static eff_status train(eff_trial_score *out, session *s, const eff_view *v, eff_error *err)
{
    const eff_trial_job *const j = s->job;
    const size_t batch = (size_t)s->batch < v->n ? (size_t)s->batch : v->n;
    const long per_epoch = (long)(v->n / batch), epochs = eff_recipe_int(j->recipe, EFF_KEY_EPOCHS),
               steps = per_epoch * epochs;
    const eff_schedule sched = eff_recipe_schedule(j->recipe, per_epoch);
    making k = { .s = s, .v = v, .item = s->order, .augment = &s->augment };
    for (long epoch = 0; epoch < epochs; epoch++) {
        double sum = 0;
        make_order(s->order, v->n, j->seed, (uint32_t)epoch);
        k.epoch = (uint32_t)epoch;
        for (long i = 0; i < per_epoch; i++) {
            const long update = epoch * per_epoch + i;
            k.first = (size_t)i * batch;
            const eff_status e = make_batch(&k, (int)batch, err);
            if (e != EFF_OK) return e;
            const double loss = take_step(s, (int)batch, eff_schedule_at(&sched, update), (uint64_t)update);
            out->diverged = !isfinite(loss);
            if (out->diverged)
                return eff_fail(err, EFF_EFORMAT, "diverged: the loss was %g in step %ld of %ld", loss, update + 1,
                                steps);
            sum += loss;
            if (j->tell && j->tell(j->ctx, update + 1, steps)) return eff_fail(err, EFF_ECANCELLED, "stopped");
        }
        out->train_loss = sum / (double)per_epoch;
    }
    return EFF_OK;
}

eff_status eff_trial_train(eff_trial_score *out, const eff_trial_job *job, eff_pictures *p, eff_error *err)
{
    const double began = eff_clock();
    const int h = job->table->height, w = job->table->width_px;
    eff_view seen = { 0 }, kept = { 0 };
    session s;
    *out = (eff_trial_score){ 0 };
    eff_status e = open_session(&s, job, 1, err);
    if (e == EFF_OK) e = eff_view_make(&seen, p, EFF_PART_TRAIN, h, w, eff_trainer_pool(s.t), err);
    if (e == EFF_OK) {
        size_t *const order = eff_realloc(s.order, seen.n * sizeof *order);
        if (order)
            s.order = order;
        else
            e = eff_fail_memory(err, seen.n * sizeof *order);
    }
    if (e == EFF_OK) e = train(out, &s, &seen, err);
    eff_view_free(&seen);
    if (e == EFF_OK) e = eff_view_make(&kept, p, EFF_PART_VAL, h, w, eff_trainer_pool(s.t), err);
    if (e == EFF_OK) e = score(out, &s, &kept, err);
    if (e == EFF_OK && !isfinite(out->loss)) {
        out->diverged = true;
        e = eff_fail(err, EFF_EFORMAT, "diverged: its answers are not finite");
    }
    eff_view_free(&kept);
    close_session(&s);
    out->seconds = eff_clock() - began;
    return e;
}

eff_status eff_trial_measure(double *step, double *scored, const eff_trial_job *job, long most, double seconds,
                             eff_error *err)
{
    session s;
    scoring g = { 0 };
    eff_view v = { .height = job->table->height, .width = job->table->width_px };
    *step = *scored = 0;
    eff_status e = open_session(&s, job, 1, err);
    if (e == EFF_OK) e = open_scoring(&g, &s, err);
    if (e == EFF_OK) { /* pictures of noise */
        v.n = (size_t)(s.batch > SCORED ? s.batch : SCORED);
        v.rgb = eff_malloc(v.n * s.image);
        v.label = eff_calloc(v.n, sizeof *v.label);
        if (!v.rgb || !v.label) e = eff_fail_memory(err, v.n * s.image);
        for (size_t i = 0; e == EFF_OK && i < v.n * s.image; i++) v.rgb[i] = (uint8_t)eff_rng_bits(1, 0, i);
    }
    making k = { .s = &s, .v = &v, .augment = &s.augment };
    double began = eff_clock();
    int n = -1; /* in the first step memory is touched for the first time */
    for (; e == EFF_OK && (n < LEAST_STEPS || (n < most && eff_clock() - began < seconds)); n++) {
        if (n == 0) began = eff_clock();
        e = make_batch(&k, s.batch, err);
        if (e == EFF_OK) take_step(&s, s.batch, 1e-6, (uint64_t)(n + 1));
    }
    if (e == EFF_OK) {
        const double then = eff_clock();
        *step = (then - began) / n;
        e = make_batch(&k, FEW, err);
        eff_pool_run(eff_trainer_pool(s.t), task_score, &g, FEW);
        *scored = (eff_clock() - then) / FEW;
    }
    eff_view_free(&v);
    if (g.s) close_scoring(&g);
    close_session(&s);
    return e;
}

eff_status eff_trial_memory(size_t *bytes, const eff_trial_job *job, eff_error *err)
{
    eff_model *m = NULL;
    eff_trainer_memory t = { 0 };
    const eff_trainer_opts o = trainer_opts(job);
    const eff_optim_opts oo = eff_recipe_optim(job->recipe);
    eff_status e = make_model(&m, job, err);
    if (e == EFF_OK) e = eff_trainer_plan_memory(&t, m, &o, err);
    if (e == EFF_OK)
        *bytes = t.weights + t.gradients + t.activations + t.scratch + eff_optim_bytes(m, &oo) +
                 (size_t)o.batch * t.input_floats * sizeof(float);
    eff_model_destroy(m);
    return e;
}
