/* SPDX-License-Identifier: Apache-2.0 */
/* The loop is that of a training run without what a short trial has no use for: saves, an evaluation every epoch, files
 * read again. */
#include "scale/trial.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "scale/trial_batch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_STEPS = 2, FEW = 8 }; /* steps and images of a measurement */

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
    eff_trial_batch b;
} session;

static void close_session(session *s)
{
    eff_optim_free(s->opt);
    eff_trainer_free(s->t);
    eff_model_destroy(s->m);
    eff_trial_batch_close(&s->b);
}

static eff_status open_session(session *s, const eff_trial_job *j, eff_error *err)
{
    *s = (session){ .job = j };
    eff_status e = eff_trial_model(&s->m, j, err);
    if (e == EFF_OK) e = eff_model_init_weights(s->m, j->seed, err);
    if (e != EFF_OK) return e;
    const eff_trainer_opts o = eff_trial_trainer_opts(j);
    const eff_optim_opts oo = eff_recipe_optim(j->recipe);
    e = eff_trainer_create(&s->t, s->m, &o, err);
    if (e == EFF_OK) e = eff_optim_create(&s->opt, s->m, eff_trainer_grads(s->t), &oo, err);
    if (e == EFF_OK) e = eff_trial_batch_open(&s->b, j, err);
    return e;
}

static eff_status train(eff_trial_score *out, session *s, const eff_view *v, eff_error *err)
{
    const eff_trial_job *const j = s->job;
    const size_t batch = (size_t)s->b.size < v->n ? (size_t)s->b.size : v->n;
    const long per_epoch = (long)(v->n / batch), epochs = eff_recipe_int(j->recipe, EFF_KEY_EPOCHS),
               steps = per_epoch * epochs;
    const eff_schedule sched = eff_recipe_schedule(j->recipe, per_epoch);
    for (long epoch = 0; epoch < epochs; epoch++) {
        double sum = 0;
        eff_status e = eff_trial_batch_order(&s->b, v->n, (uint32_t)epoch, err);
        if (e != EFF_OK) return e;
        for (long i = 0; i < per_epoch; i++) {
            const long update = epoch * per_epoch + i;
            e = eff_trial_batch_make(&s->b, eff_trainer_pool(s->t), v, (size_t)i * batch, (int)batch, (uint32_t)epoch,
                                     err);
            if (e != EFF_OK) return e;
            const double lr = eff_schedule_at(&sched, update),
                         loss = eff_trial_batch_step(&s->b, s->t, s->opt, (int)batch, lr, (uint64_t)update);
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

/* What is scored: the averaged weights where there are some. */
static void take_average(session *s)
{
    float *const *const averaged = eff_optim_ema(s->opt);
    for (int i = 0; averaged && i < s->m->graph->nparams; i++)
        memcpy(s->m->weights[i], averaged[i], s->m->graph->param[i].count * sizeof(float));
}

eff_status eff_trial_train(eff_trial_score *out, const eff_trial_job *job, eff_pictures *p, eff_error *err)
{
    const double began = eff_clock();
    const int h = job->table->height, w = job->table->width_px;
    eff_view seen = { 0 }, kept = { 0 };
    session s;
    *out = (eff_trial_score){ 0 };
    eff_status e = open_session(&s, job, err);
    if (e == EFF_OK) e = eff_view_make(&seen, p, EFF_PART_TRAIN, h, w, eff_trainer_pool(s.t), err);
    if (e == EFF_OK) e = train(out, &s, &seen, err);
    eff_view_free(&seen);
    if (e == EFF_OK) e = eff_view_make(&kept, p, EFF_PART_VAL, h, w, eff_trainer_pool(s.t), err);
    if (e == EFF_OK) take_average(&s);
    if (e == EFF_OK) e = eff_trial_batch_score(out, &s.b, s.m, eff_trainer_pool(s.t), &kept, err);
    eff_view_free(&kept);
    close_session(&s);
    out->seconds = eff_clock() - began;
    return e;
}

eff_status eff_trial_measure(double *step, double *scored, const eff_trial_job *job, long most, double seconds,
                             eff_error *err)
{
    session s;
    eff_scoring g = { 0 };
    eff_view v = { .height = job->table->height, .width = job->table->width_px };
    *step = *scored = 0;
    eff_status e = open_session(&s, job, err);
    if (e == EFF_OK) e = eff_scoring_open(&g, &s.b, s.m, eff_trainer_pool(s.t), err);
    if (e == EFF_OK) { /* pictures of noise */
        v.n = (size_t)(s.b.size > FEW ? s.b.size : FEW);
        v.rgb = eff_malloc(v.n * s.b.image);
        v.label = eff_calloc(v.n, sizeof *v.label);
        if (!v.rgb || !v.label) e = eff_fail_memory(err, v.n * s.b.image);
        for (size_t i = 0; e == EFF_OK && i < v.n * s.b.image; i++) v.rgb[i] = (uint8_t)eff_rng_bits(1, 0, i);
    }
    if (e == EFF_OK) e = eff_trial_batch_order(&s.b, v.n, 0, err);
    double began = eff_clock();
    int n = -1; /* in the first step memory is touched for the first time */
    for (; e == EFF_OK && (n < LEAST_STEPS || (n < most && eff_clock() - began < seconds)); n++) {
        if (n == 0) began = eff_clock();
        e = eff_trial_batch_make(&s.b, eff_trainer_pool(s.t), &v, 0, s.b.size, 0, err);
        if (e == EFF_OK) eff_trial_batch_step(&s.b, s.t, s.opt, s.b.size, 1e-6, (uint64_t)n + 1);
    }
    if (e == EFF_OK) {
        const double then = eff_clock();
        *step = (then - began) / n;
        e = eff_scoring_run(&g, &v, 0, FEW, err);
        *scored = (eff_clock() - then) / FEW;
    }
    eff_view_free(&v);
    eff_scoring_close(&g);
    close_session(&s);
    return e;
}

eff_status eff_trial_memory(size_t *bytes, const eff_trial_job *job, eff_error *err)
{
    eff_model *m = NULL;
    eff_trainer_memory t = { 0 };
    const eff_trainer_opts o = eff_trial_trainer_opts(job);
    const eff_optim_opts oo = eff_recipe_optim(job->recipe);
    eff_status e = eff_trial_model(&m, job, err);
    if (e == EFF_OK) e = eff_trainer_plan_memory(&t, m, &o, err);
    if (e == EFF_OK)
        *bytes = t.weights + t.gradients + t.activations + t.scratch + eff_optim_bytes(m, &oo) +
                 (size_t)o.batch * t.input_floats * sizeof(float);
    eff_model_destroy(m);
    return e;
}
