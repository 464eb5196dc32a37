/* SPDX-License-Identifier: Apache-2.0 */
/* A study from its options to its last trial. What is trained, and in which order, follows from the plan; who trains it
 * and when, from the store. Invariant: a result is in the store before anything is said of it. */
#define _GNU_SOURCE
#include "scale/study_internal.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/json.h"
#include "base/mem.h"
#include "kernels/kernels.h"
#include "scale/constants.h"
#include "scale/trial_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { POLL_MS = 200 };

/* ------------------------------------------------------------------------------------------------ helpers */

bool eff_study_tell(eff_study *s, const eff_study_event *e) { return s->o.event && s->o.event(s->o.ctx, e) != 0; }

bool eff_study_note(eff_study *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const eff_study_event e = { .phase = EFF_STUDY_NOTE, .eta = NAN, .left = NAN, .text = text };
    return eff_study_tell(s, &e);
}

int eff_study_epochs(const eff_study *s) { return eff_recipe_int(&s->recipe, EFF_KEY_EPOCHS); }

eff_trial_job eff_study_job(const eff_study *s, int work, int repeat)
{
    const int side = s->base.height < s->base.width_px ? s->base.height : s->base.width_px;
    return (eff_trial_job){ .table = &s->work[work].net.table,
                            .recipe = &s->recipe,
                            .pixels = side,
                            .seed = s->o.seed + (uint64_t)repeat,
                            .threads = s->o.threads,
                            .cpu = s->cpu };
}

double eff_study_trial_seconds(const eff_study *s, int i, int epochs)
{
    const int batch = eff_recipe_int(&s->recipe, EFF_KEY_BATCH);
    const double steps = fmax(1, floor((double)s->images / batch));
    return epochs * steps * s->work[i].step + s->scored * s->work[i].score;
}

/* ------------------------------------------------------------------------------------------------- making */

static eff_status check(const eff_study_opts *o, const eff_dataset *d, eff_error *err)
{
    if (o->kind != EFF_STUDY_FIT && o->kind != EFF_STUDY_CURVES)
        return eff_fail(err, EFF_EARG, "kind: expected 0 or 1, found %d", (int)o->kind);
    if (o->repeats < 0 || o->repeats > EFF_MOST_SEEDS)
        return eff_fail(err, EFF_EARG, "repeats: expected 1..%d, found %d", EFF_MOST_SEEDS, o->repeats);
    if (o->points < 0 || o->points == 1 || o->points > EFF_MAX_POINTS)
        return eff_fail(err, EFF_EARG, "points: expected 2..%d, found %d", EFF_MAX_POINTS, o->points);
    if (o->multiple < 1 || o->multiple > 1024)
        return eff_fail(err, EFF_EARG, "multiple: expected 1..1024, found %d", o->multiple);
    if (!(o->gain > 0 && o->gain < 1))
        return eff_fail(err, EFF_EARG, "gain: expected more than 0 and less than 1, found %g", o->gain);
    if (!eff_dataset_count(d, EFF_PART_TRAIN)) return eff_fail(err, EFF_EFORMAT, "the set has no images to train on");
    if (!eff_dataset_count(d, EFF_PART_VAL)) return eff_fail(err, EFF_EFORMAT, "the set has no images to validate on");
    if (o->kind == EFF_STUDY_FIT) return EFF_OK;
    const struct {
        const char *name;
        double v;
    } k[] = { { "alpha", o->alpha }, { "beta", o->beta }, { "gamma", o->gamma } };
    for (int i = 0; i < 3; i++)
        if (!(k[i].v >= 1 && k[i].v <= 4))
            return eff_fail(err, EFF_EARG, "%s: expected 1..4, found %g", k[i].name, k[i].v);
    const double product = o->alpha * o->beta * o->beta * o->gamma * o->gamma;
    if (!(product >= 1.5 && product <= 2.5))
        return eff_fail(err, EFF_EARG, "alpha * beta^2 * gamma^2: expected about 2 (1.5..2.5), found %.4f", product);
    return EFF_OK;
}

static eff_status take_options(eff_study *s, const eff_model *base, const eff_dataset *d, const eff_recipe *r,
                               eff_error *err)
{
    unsigned features;
    eff_kernels k;
    eff_network n;
    eff_status e;
    if ((e = eff_copy_text(&s->store_path, s->o.store, err)) || (e = eff_copy_text(&s->base_name, s->o.base, err)) ||
        (e = eff_copy_text(&s->data_name, s->o.data, err)) || (e = eff_copy_text(&s->cpu, s->o.cpu, err)) ||
        (e = eff_trial_check_recipe(r, err)) || (e = eff_cpu_select(s->cpu, &features, err)))
        return e;
    eff_kernels_init(&k, features);
    s->level = k.name;
    s->d = d;
    s->recipe = *r;
    s->asked_epochs = eff_study_epochs(s);
    s->images = (int)eff_dataset_count(d, EFF_PART_TRAIN);
    s->scored = (int)eff_dataset_count(d, EFF_PART_VAL);
    snprintf(s->print, sizeof s->print, "%016llx", (unsigned long long)eff_dataset_fingerprint(d));
    s->base = base->table;
    s->base.classes = eff_dataset_classes(d);
    s->pace = 1;
    e = eff_network_make(&n, &s->base, (eff_factors){ 1, 1, 1 }, s->o.multiple, 0, err);
    if (e != EFF_OK) {
        eff_error_prefix(err, "%s", base->table.name);
        return e;
    }
    s->base = n.table;
    s->base_macs = n.macs;
    s->base_params = n.params;
    return EFF_OK;
}

static eff_status make_plan(eff_study *s, eff_error *err)
{
    const eff_study_opts asked = s->o;
    if (s->o.repeats == 0) s->o.repeats = 3;
    if (s->o.points == 0) s->o.points = 4;
    eff_status e = eff_study_lay_out(s, err); /* what cannot be leaves no store behind */
    s->o = asked;
    if (e == EFF_OK) e = eff_study_open_store(s, err);
    if (s->o.repeats == 0) s->o.repeats = 3;
    if (s->o.points == 0) s->o.points = 4;
    if (e == EFF_OK) e = eff_study_lay_out(s, err);
    if (e == EFF_OK) e = eff_study_measure(s, err);
    if (e == EFF_OK && !s->settled) e = eff_study_cut(s, err);
    if (e == EFF_OK && s->store) e = eff_study_settle(s, err);
    if (e == EFF_OK) e = eff_study_enter(s, err);
    return e == EFF_OK ? eff_study_refresh(s, err) : e;
}

EFF_API eff_status eff_study_create(eff_study **out, const eff_model *base, const eff_dataset *d,
                                    const eff_recipe *recipe, const eff_study_opts *o, eff_error *err)
{
    if (!out || !base || !d || !recipe || !o)
        return eff_fail(err, EFF_EARG, "eff_study_create: base, set, recipe and options are needed");
    *out = NULL;
    eff_status e = check(o, d, err);
    if (e != EFF_OK) return e;
    eff_study *const s = eff_calloc(1, sizeof *s);
    if (!s) return eff_fail_memory(err, sizeof *s);
    s->o = *o;
    s->began = eff_clock();
    e = take_options(s, base, d, recipe, err);
    if (e == EFF_OK) e = make_plan(s, err);
    if (e != EFF_OK) {
        eff_study_free(s);
        return e;
    }
    *out = s;
    return EFF_OK;
}

EFF_API void eff_study_free(eff_study *s)
{
    if (!s) return;
    eff_store_close(s->store);
    eff_grid_free(&s->grid);
    eff_free(s->work);
    eff_free(s->id);
    eff_free(s->top1);
    eff_free(s->seconds);
    eff_free(s->store_path);
    eff_free(s->base_name);
    eff_free(s->data_name);
    eff_free(s->cpu);
    free(s->plan_text);
    free(s->results_text);
    eff_free(s);
}

/* ------------------------------------------------------------------------------------------------ running */

static double eta(const eff_study *s)
{
    return fmax(0, s->left - s->claimed * s->trial_part) * s->pace / (s->workers > 1 ? s->workers : 1);
}

static double part(const eff_study *s)
{
    double all = 0;
    for (int i = 0; i < s->nworks; i++) all += s->work[i].counts ? s->work[i].seconds * s->o.repeats : 0;
    return all > 0 ? fmin(1, fmax(0, 1 - (s->left - s->claimed * s->trial_part) / all)) : 1;
}

typedef struct training {
    eff_study *s;
    double began;
    eff_status failed; /* of the store */
    eff_error *err;
} training;

static bool on_step(void *ctx, long step, long steps)
{
    training *const t = ctx;
    eff_study *const s = t->s;
    s->trial_part = (double)step / (double)steps;
    const double gone = eff_clock() - t->began;
    const eff_study_event e = { .phase = EFF_STUDY_STEP,
                                .done = (size_t)s->finished,
                                .total = (size_t)s->trials,
                                .part = part(s),
                                .eta = eta(s),
                                .left = gone * (double)(steps - step) / (double)step };
    t->failed = eff_store_beat(s->store, t->err);
    return t->failed != EFF_OK || eff_study_tell(s, &e);
}

static bool on_decoded(void *ctx, size_t done, size_t total)
{
    eff_study *const s = ctx;
    const eff_study_event e = { .phase = EFF_STUDY_DECODE, .done = done, .total = total, .eta = NAN, .left = NAN };
    return eff_study_tell(s, &e);
}

static bool say_trial(eff_study *s, int work, int repeat, const char *what)
{
    char text[256];
    snprintf(text, sizeof text, "%s, seed %llu: %s", s->work[work].what,
             (unsigned long long)s->o.seed + (unsigned)repeat, what);
    const eff_study_event e = { .phase = EFF_STUDY_TRIAL,
                                .done = (size_t)s->finished,
                                .total = (size_t)s->trials,
                                .part = part(s),
                                .eta = eta(s),
                                .left = NAN,
                                .text = text };
    return eff_study_tell(s, &e);
}

/* Train what was claimed. *stop: the caller asked to. */
static eff_status run_one(eff_study *s, eff_pictures *p, int work, int repeat, bool *stop, eff_error *err)
{
    eff_error why = { .code = EFF_OK };
    training t = { .s = s, .began = eff_clock(), .err = err };
    eff_trial_job job = eff_study_job(s, work, repeat);
    eff_trial_score r;
    char what[120];
    const int64_t id = s->id[work * s->o.repeats + repeat];
    job.tell = on_step;
    job.ctx = &t;
    s->claimed = s->work[work].seconds;
    s->trial_part = 0;
    eff_status e = eff_trial_train(&r, &job, p, &why);
    s->claimed = s->trial_part = 0;
    if (t.failed != EFF_OK) return t.failed;
    if (e == EFF_OK) {
        char *text;
        e = eff_trial_result_text(&text, &r, 0, err);
        if (e == EFF_OK) e = eff_store_done(s->store, id, text, r.seconds, err);
        free(text);
        snprintf(what, sizeof what, "top-1 %.1f %% in %.1f s", 100 * r.top1, r.seconds);
    } else if (r.diverged) {
        e = eff_store_failed(s->store, id, why.msg, r.seconds, err);
        snprintf(what, sizeof what, "%.100s", why.msg);
    } else {
        eff_store_give_back(s->store, id, NULL);
        *stop = e == EFF_ECANCELLED;
        if (err) *err = why;
        return *stop ? EFF_OK : e;
    }
    if (e == EFF_OK) e = eff_study_refresh(s, err);
    if (e == EFF_OK) *stop = say_trial(s, work, repeat, what);
    return e;
}

/* Trials in the order in which they are taken up: seed by seed, so that there is a whole picture early; of a seed the
 * longest first, so that several processes end together. */
static int order_trials(const eff_study *s, int *work, int *repeat)
{
    int n = 0;
    for (int r = 0; r < s->o.repeats; r++) {
        const int first = n;
        for (int i = 0; i < s->nworks; i++) {
            if (!s->work[i].counts) continue;
            int at = n++;
            for (; at > first && s->work[work[at - 1]].seconds < s->work[i].seconds; at--) work[at] = work[at - 1];
            work[at] = i;
        }
        for (int k = first; k < n; k++) repeat[k] = r;
    }
    return n;
}

static bool too_late(eff_study *s, double next)
{
    if (s->o.seconds <= 0) return false;
    s->timed_out = eff_clock() - s->began + next * s->pace > 1.05 * s->o.seconds;
    return s->timed_out;
}

static eff_status wait_for_others(eff_study *s, bool *stop, eff_error *err)
{
    const struct timespec t = { .tv_nsec = POLL_MS * 1000000L };
    const int before = s->finished;
    nanosleep(&t, NULL);
    const eff_status e = eff_study_refresh(s, err);
    const eff_study_event ev = { .phase = s->finished > before ? EFF_STUDY_TRIAL : EFF_STUDY_WAIT,
                                 .done = (size_t)s->finished,
                                 .total = (size_t)s->trials,
                                 .part = part(s),
                                 .eta = eta(s),
                                 .left = NAN };
    *stop = e == EFF_OK && eff_study_tell(s, &ev);
    return e;
}

static eff_status run_all(eff_study *s, eff_pictures **p, eff_pool *pool, const int64_t *id, const int *work,
                          const int *repeat, int n, eff_error *err)
{
    eff_status e = EFF_OK;
    bool stop = false;
    while (e == EFF_OK && s->finished < s->trials && !stop) {
        double next = INFINITY; /* the shortest that is left decides whether there is time */
        for (int i = 0; i < n; i++)
            if (isnan(s->top1[work[i] * s->o.repeats + repeat[i]])) next = fmin(next, s->work[work[i]].seconds);
        if (too_late(s, next)) break;
        int at;
        e = eff_store_claim(s->store, id, n, &at, err);
        if (e == EFF_OK && at < 0) {
            e = wait_for_others(s, &stop, err);
            continue;
        }
        if (e == EFF_OK && !*p) { /* only who trains something decodes the set */
            e = eff_pictures_create(p, s->d, s->source_h, s->source_w, s->o.cache, err);
            if (e == EFF_OK) e = eff_pictures_decode(*p, pool, on_decoded, s, err);
        }
        if (e == EFF_OK) e = eff_store_workers(s->store, &s->workers, err);
        if (e == EFF_OK) e = run_one(s, *p, work[at], repeat[at], &stop, err);
        if (e != EFF_OK && at >= 0) eff_store_give_back(s->store, id[at], NULL);
    }
    if (e == EFF_OK && s->finished < s->trials)
        return eff_fail(err, EFF_ECANCELLED,
                        s->timed_out ? "the time is over: %d of %d trials are done"
                                     : "stopped: %d of %d trials are done",
                        s->finished, s->trials);
    return e;
}

EFF_API eff_status eff_study_run(eff_study *s, eff_error *err)
{
    if (!s || !s->store) return eff_fail(err, EFF_EARG, "eff_study_run: expected a study with a store");
    const size_t most = (size_t)s->trials + 1;
    int *const work = eff_malloc(most * sizeof *work), *const repeat = eff_malloc(most * sizeof *repeat);
    int64_t *const id = eff_malloc(most * sizeof *id);
    eff_pictures *p = NULL;
    eff_pool *pool = NULL;
    eff_status e = work && repeat && id ? EFF_OK : eff_fail_memory(err, most * sizeof *id);
    if (e == EFF_OK) e = eff_study_refresh(s, err);
    if (e == EFF_OK && s->finished < s->trials)
        e = eff_pool_create(&pool, s->o.threads ? s->o.threads : eff_cpu_count(), err);
    if (e == EFF_OK) {
        const int n = order_trials(s, work, repeat);
        for (int i = 0; i < n; i++) id[i] = s->id[work[i] * s->o.repeats + repeat[i]];
        e = run_all(s, &p, pool, id, work, repeat, n, err);
    }
    eff_pictures_free(p);
    eff_pool_free(pool);
    eff_free(id);
    eff_free(repeat);
    eff_free(work);
    if (e == EFF_OK && s->o.kind == EFF_STUDY_FIT) { /* for eff_study_constants() */
        json_t *const j = eff_study_results_json(s);
        char *const best = json_dumps(json_object_get(j, "best") ? j : NULL, JSON_COMPACT);
        if (best) e = eff_store_put_note(s->store, "best", best, err);
        free(best);
        json_decref(j);
    }
    return e;
}

EFF_API const char *eff_study_plan(eff_study *s) { return eff_trial_keep(&s->plan_text, eff_study_plan_json(s)); }
EFF_API const char *eff_study_results(eff_study *s)
{
    return eff_trial_keep(&s->results_text, eff_study_results_json(s));
}
