/* SPDX-License-Identifier: Apache-2.0 */
/* Trial steps whose weights are thrown away: how long a step takes, and how the loss answers to the learning rate. */
#include "train/run_internal.h"
#include "train/run_plan.h"

#include "base/clock.h"
#include "base/mem.h"
#include "data/cache.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WARM_STEPS = 1, TIMED_STEPS = 3 };

/* The run as it is now, to be put back. */
typedef struct snapshot {
    float *weights;
    size_t floats;
    eff_optim *opt;
    eff_schedule sched;
    eff_progress p;
} snapshot;

static size_t count_weights(const eff_model *m)
{
    size_t n = 0;
    for (int i = 0; i < m->graph->nparams; i++) n += m->graph->param[i].count;
    return n;
}

static void copy_weights(const eff_model *m, float *block, bool back)
{
    for (int i = 0; i < m->graph->nparams; i++) {
        const size_t n = m->graph->param[i].count;
        if (back)
            memcpy(m->weights[i], block, n * sizeof *block);
        else
            memcpy(block, m->weights[i], n * sizeof *block);
        block += n;
    }
}

/* Set the run aside and give it a new optimiser. */
static eff_status begin(snapshot *s, eff_run *r, eff_error *err)
{
    eff_optim_opts oo = eff_recipe_optim(&r->r);
    oo.ema = 0;
    *s = (snapshot){ .floats = count_weights(r->m), .opt = r->opt, .sched = r->sched, .p = r->p };
    s->weights = eff_malloc(s->floats * sizeof *s->weights);
    if (!s->weights) return eff_fail_memory(err, s->floats * sizeof *s->weights);
    eff_optim *trial;
    const eff_status status = eff_optim_create(&trial, r->m, eff_trainer_grads(r->t), &oo, err);
    if (status != EFF_OK) {
        eff_free(s->weights);
        return status;
    }
    copy_weights(r->m, s->weights, false);
    r->opt = trial;
    r->p = (eff_progress){ .lr_factor = 1 };
    eff_loader_seek(r->loader, 0, 0);
    return EFF_OK;
}

static void end(snapshot *s, eff_run *r)
{
    eff_optim_free(r->opt);
    copy_weights(r->m, s->weights, true);
    r->opt = s->opt;
    r->sched = s->sched;
    r->p = s->p;
    eff_loader_seek(r->loader, (uint32_t)r->p.epoch, r->p.step);
    eff_free(s->weights);
}

eff_status eff_run_fit_time(eff_run *r, eff_error *err)
{
    snapshot keep;
    const int wanted = eff_recipe_int(&r->r, EFF_KEY_EPOCHS);
    if (r->o.seconds <= 0 || !wanted) return EFF_OK;
    eff_status s = begin(&keep, r, err);
    if (s != EFF_OK) return s;
    double start = 0;
    for (int i = 0; s == EFF_OK && i < WARM_STEPS + TIMED_STEPS; i++) {
        if (i == WARM_STEPS) start = eff_clock();
        s = eff_run_step(r, err);
    }
    const double step = (eff_clock() - start) / TIMED_STEPS;
    end(&keep, r);
    if (s != EFF_OK) return s;
    r->step_seconds = step;
    const double batch = r->r.v[EFF_KEY_BATCH];
    if (r->eval_seconds <= 0) r->eval_seconds = step / 3 / batch * (double)eff_dataset_count(r->d, EFF_PART_VAL);
    const double epoch = step * (double)r->steps + r->eval_seconds;
    const double left = r->o.seconds - (eff_clock() - r->began) - r->p.seconds - 2 * r->eval_seconds;
    const int fits = (int)floor(left / epoch);
    if (fits >= wanted) return EFF_OK;
    const int least = r->r.v[EFF_KEY_HEAD_FIRST] != 0 ? 0 : 1;
    const int epochs = fits > least ? fits : least;
    r->r.v[EFF_KEY_EPOCHS] = epochs;
    snprintf(r->r.why[EFF_KEY_EPOCHS], EFF_WHY_LEN, "fits the time: a step takes %.2f s, an epoch %.0f s, of %d wanted",
             step, epoch, wanted);
    r->sched = eff_recipe_schedule(&r->r, r->steps);
    eff_run_note(r, "%d of %d epochs fit the time (an epoch takes %.0f s)%s", epochs, wanted, epoch,
                 fits >= epochs ? "" : ": it is too short even for that");
    return EFF_OK;
}

/* Steps from the beginning of epoch 0, the first of them not timed, until `seconds` have passed or `most` were timed.
 * @return in *timed how many, in *mean the seconds of one */
static eff_status time_steps(eff_run *r, double seconds, long most, long *timed, double *mean, eff_error *err)
{
    eff_status s = EFF_OK;
    double start = eff_clock();
    const double until = start + seconds;
    r->p = (eff_progress){ .lr_factor = 1 };
    eff_loader_seek(r->loader, 0, 0);
    long n = -WARM_STEPS;
    for (; s == EFF_OK && n < most && (n < 1 || eff_clock() < until); n++) {
        if (n == 0) start = eff_clock();
        s = eff_run_step(r, err);
        if (s == EFF_OK && r->p.in_a_row) s = eff_fail(err, EFF_EFORMAT, "the loss is not finite at the first steps");
        if (r->p.step == r->steps) r->p.epoch++, r->p.step = 0;
        const eff_run_event e = {
            .phase = EFF_RUN_STEP, .step = n + 1, .steps = most, .epoch = 1, .epochs = 1, .eta = NAN
        };
        if (s == EFF_OK && eff_run_tell(r, &e)) s = eff_fail(err, EFF_ECANCELLED, "stopped");
    }
    *timed = n;
    *mean = n > 0 ? (eff_clock() - start) / (double)n : 0;
    return s;
}

eff_status eff_run_time(eff_run_speed *out, eff_run *r, double seconds, eff_error *err)
{
    enum { MOST_TIMED = 16 };
    snapshot keep;
    long n;
    eff_status s = begin(&keep, r, err);
    if (s != EFF_OK) return s;
    s = time_steps(r, seconds / 2, MOST_TIMED, &n, &out->first, err);
    if (s == EFF_OK) s = time_steps(r, seconds / 2, n, &n, &out->later, err); /* of pictures that are decoded now */
    out->steps = n;
    end(&keep, r);
    return s;
}

size_t eff_run_kept(const eff_run *r)
{
    const eff_cache_opts o = { .height = r->height, .width = r->width, .bytes = r->o.cache };
    size_t images, bytes;
    eff_cache_forecast(r->d, EFF_PART_TRAIN, &o, &images, &bytes);
    return images;
}

EFF_API eff_status eff_run_find_lr(eff_run *r, const eff_lr_point **points, int *n, double *best, eff_error *err)
{
    enum { POINTS = sizeof r->point / sizeof *r->point };
    const double lo = 1e-6, hi = 1.0, smooth = 0.9;
    snapshot keep;
    eff_status s = begin(&keep, r, err);
    if (s != EFF_OK) return s;
    double mean = 0, least = INFINITY;
    int at = 0, count = 0;
    for (int i = 0; i < POINTS; i++) {
        const double lr = lo * pow(hi / lo, (double)i / (POINTS - 1));
        r->sched = (eff_schedule){ .kind = EFF_SCHED_CONSTANT, .base = lr };
        const double before = r->p.loss_sum;
        const long counted = r->p.counted;
        s = eff_run_step(r, err);
        if (s != EFF_OK || r->p.counted == counted) break; /* the loss is no number any more: far enough */
        if (r->p.step == r->steps) r->p.epoch++, r->p.step = 0;
        mean = smooth * mean + (1 - smooth) * (r->p.loss_sum - before);
        const double loss = mean / (1 - pow(smooth, i + 1));
        r->point[count++] = (eff_lr_point){ lr, loss };
        if (loss < least) least = loss, at = i;
        if (i > POINTS / 4 && loss > 4 * least) break;
        const eff_run_event e = {
            .phase = EFF_RUN_STEP, .step = i + 1, .steps = POINTS, .loss = loss, .lr = lr, .epoch = 1, .epochs = 1
        };
        if (eff_run_tell(r, &e)) {
            s = eff_fail(err, EFF_ECANCELLED, "stopped");
            break;
        }
    }
    end(&keep, r);
    r->npoints = count;
    if (s != EFF_OK) return s;
    if (!count) return eff_fail(err, EFF_EFORMAT, "the loss is not finite even at a learning rate of %g", lo);
    *points = r->point;
    *n = count;
    *best = r->point[at].lr / 10;
    return EFF_OK;
}
