/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs in the store. What all trials of a store have in common are the images, the recipe and the CPU level; a trial is
 * known by its network, its epochs and its seed. So two searches, by other controllers or for other costs, may share a
 * store, and what one has trained the other has for nothing. */
#include "search/search_internal.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sysmem.h"
#include "model/table_json.h"
#include "scale/trial_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------- keys */

/* What decides the weights of a supernet. */
static json_t *supernet_json(const eff_search *s)
{
    json_t *const j = json_object();
    if (j && eff_json_put(j, "space", eff_space_to_json(&s->space)) &&
        eff_json_put(j, "seed", eff_json_seed(s->o.seed)) &&
        eff_json_put(j, "epochs", json_integer(eff_search_supernet_epochs(s))))
        return j;
    json_decref(j);
    return NULL;
}

/* Latency is part of what is asked of a child. */
static bool times_it(const eff_search *s)
{
    return s->objective.cost == EFF_COST_LATENCY || s->objective.limit[EFF_COST_LATENCY] > 0;
}

static eff_status key_text(char **out, const eff_search *s, const eff_job *k, eff_error *err)
{
    char digits[EFF_CHILD_TEXT];
    json_t *const j = json_object();
    bool good = j != NULL;
    /* a child that failed by a limit may keep to another's */
    if (k->kind != EFF_JOB_SUPERNET && times_it(s))
        good = good &&
               eff_json_put(j, "latency",
                            s->objective.limit[EFF_COST_LATENCY] > 0 ? json_real(s->objective.limit[EFF_COST_LATENCY])
                                                                     : json_true());
    switch (k->kind) {
    case EFF_JOB_TRAIN:
        good = good && eff_json_put(j, "table", eff_table_to_json(&k->table)) &&
               eff_json_put(j, "seed", eff_json_seed(k->seed)) &&
               eff_json_put(j, "epochs", json_integer(eff_search_epochs(s, k->level)));
        break;
    case EFF_JOB_SCORE:
        eff_child_format(&s->space, &k->child, digits, sizeof digits);
        good = good && eff_json_put(j, "child", json_string(digits)) && eff_json_put(j, "supernet", supernet_json(s));
        break;
    case EFF_JOB_SUPERNET: good = good && eff_json_put(j, "train", supernet_json(s)); break;
    }
    if (good) return eff_trial_dump(out, j, err);
    json_decref(j);
    return eff_fail_memory(err, 0);
}

eff_status eff_search_add_job(eff_search *s, const eff_job *job, int *index, eff_error *err)
{
    char *key = NULL;
    int64_t id = 0;
    if (s->njobs == s->jobs_room) {
        const int room = s->jobs_room ? 2 * s->jobs_room : 64;
        eff_job *const more = eff_realloc(s->jobs, (size_t)room * sizeof *more);
        if (!more) return eff_fail_memory(err, (size_t)room * sizeof *more);
        s->jobs = more;
        s->jobs_room = room;
    }
    double cost[EFF_COSTS] = { 0 };
    eff_status e = job->kind == EFF_JOB_SUPERNET ? EFF_OK : eff_search_count(cost, &job->table, err);
    if (e == EFF_OK) e = key_text(&key, s, job, err);
    if (e == EFF_OK) e = eff_store_add(s->store, (const char *const *)&key, 1, &id, err);
    free(key);
    if (e != EFF_OK) return e;
    for (*index = 0; *index < s->njobs; ++*index)
        if (s->jobs[*index].id == id) return EFF_OK;
    eff_job *const j = &s->jobs[s->njobs++];
    *j = *job;
    j->id = id;
    j->macs = cost[EFF_COST_MACS];
    j->top1 = j->latency = NAN;
    return EFF_OK;
}

/* --------------------------------------------------------------------------------------------- the store */

static eff_status spec_text(char **out, const eff_search *s, eff_error *err)
{
    json_t *const j = json_object();
    if (j && eff_json_put(j, "data", json_string(s->print)) && eff_json_put(j, "cpu", json_string(s->level)) &&
        eff_json_put(j, "source", json_pack("[i, i]", s->source_h, s->source_w)) &&
        eff_json_put(j, "recipe", eff_trial_recipe_json(&s->recipe)))
        return eff_trial_dump(out, j, err);
    json_decref(j);
    return eff_fail_memory(err, 0);
}

/* The name under which the number of children of this search is settled: all that was asked for. */
static eff_status settled_name(char **out, const eff_search *s, eff_error *err)
{
    json_t *const j = json_object(), *const limits = json_array();
    bool good = limits != NULL;
    for (int i = 0; good && i < EFF_COSTS; i++) good = json_array_append_new(limits, json_real(s->o.limit[i])) == 0;
    good = eff_json_put(j, "limits", limits) && good && eff_json_put(j, "space", eff_space_to_json(&s->space)) &&
           eff_json_put(j, "controller", json_string(eff_controller_name(s->controller_opts.kind))) &&
           eff_json_put(j, "evaluator", json_string(s->by_supernet ? "supernet" : "proxy")) &&
           eff_json_put(j, "cost", json_string(eff_cost_name(s->objective.cost))) &&
           eff_json_put(j, "target", json_real(s->o.target)) && eff_json_put(j, "exponent", json_real(s->o.exponent)) &&
           eff_json_put(j, "hard", json_integer(s->o.hard)) && eff_json_put(j, "trials", json_integer(s->o.trials)) &&
           eff_json_put(j, "control", json_real(s->o.control)) && eff_json_put(j, "ahead", json_integer(s->o.ahead)) &&
           eff_json_put(j, "epochs", json_integer(eff_search_epochs(s, 0))) &&
           eff_json_put(j, "seed", eff_json_seed(s->o.seed));
    if (good) return eff_trial_dump(out, j, err);
    json_decref(j);
    return eff_fail_memory(err, 0);
}

static eff_status obey(eff_search *s, const char *text, eff_error *err)
{
    json_t *j = NULL;
    eff_status e = eff_json_parse(&j, text, strlen(text), "settled", err);
    const json_int_t trials = json_integer_value(json_object_get(j, "trials"));
    const json_t *const target = json_object_get(j, "target");
    const char *const cuts = json_string_value(json_object_get(j, "cuts"));
    if (e == EFF_OK && (trials < 1 || trials > EFF_MOST_TRIALS || !json_is_number(target) ||
                        !(json_number_value(target) > 0) || !cuts))
        e = eff_fail(err, EFF_EFORMAT, "damaged trial store: settled: expected trials, target and cuts");
    if (e == EFF_OK) {
        s->o.trials = (int)trials;
        s->objective.target = json_number_value(target); /* a latency measured again would be another search */
        snprintf(s->cuts, sizeof s->cuts, "%s", cuts);
        s->settled = true;
    }
    json_decref(j);
    return e;
}

eff_status eff_search_open_store(eff_search *s, eff_error *err)
{
    char *spec = NULL, *name = NULL, *text = NULL;
    if (!s->store_path) return EFF_OK;
    eff_status e = spec_text(&spec, s, err);
    if (e == EFF_OK && (e = eff_store_open(&s->store, s->store_path, "search", spec, err)))
        eff_error_prefix(err, "%s", s->store_path);
    if (e == EFF_OK) e = settled_name(&name, s, err);
    if (e == EFF_OK) e = eff_store_get_note(s->store, name, &text, err);
    if (e == EFF_OK && text) e = obey(s, text, err);
    eff_free(text);
    free(name);
    free(spec);
    return e;
}

eff_status eff_search_settle(eff_search *s, eff_error *err)
{
    char *mine = NULL, *name = NULL, *holds = NULL;
    if (s->settled) return EFF_OK;
    const int trials = s->o.trials;
    eff_status e = eff_trial_dump(
        &mine, json_pack("{s:i, s:f, s:s}", "trials", trials, "target", s->objective.target, "cuts", s->cuts), err);
    s->o.trials = s->asked_trials; /* as it was asked for, before it was cut */
    if (e == EFF_OK) e = settled_name(&name, s, err);
    if (e == EFF_OK) e = eff_store_settle(s->store, name, mine, &holds, err);
    if (e == EFF_OK) e = obey(s, holds, err); /* another process may have been first, and measured otherwise */
    eff_free(holds);
    free(name);
    free(mine);
    return e;
}

eff_status eff_search_refresh(eff_search *s, eff_error *err)
{
    double took = 0, thought = 0;
    s->finished = s->failures = 0;
    s->spent = 0;
    for (int i = 0; i < s->njobs; i++) {
        eff_job *const j = &s->jobs[i];
        eff_trial t = { .state = EFF_TRIAL_WAITING };
        eff_status e = j->over ? EFF_OK : eff_store_get(s->store, j->id, &t, err);
        if (e == EFF_OK && t.state == EFF_TRIAL_DONE && j->kind != EFF_JOB_SUPERNET)
            e = eff_trial_result_read(&j->top1, &j->latency, t.result, err);
        if (!(j->latency > 0)) j->latency = NAN;
        if (e == EFF_OK && (t.state == EFF_TRIAL_DONE || t.state == EFF_TRIAL_FAILED)) {
            j->over = true;
            j->failed = t.state == EFF_TRIAL_FAILED;
            j->seconds = t.seconds;
            if (j->failed) snprintf(j->reason, sizeof j->reason, "%s", t.result ? t.result : "?");
        }
        eff_free(t.result);
        if (e != EFF_OK) return e;
        s->finished += j->over;
        s->failures += j->failed;
        s->spent += j->seconds;
        if (j->over && !j->failed) took += j->seconds, thought += eff_search_job_seconds(s, j);
    }
    if (thought > 0 && took > 0) s->pace = took / thought;
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------------- doing */

eff_trial_job eff_search_trial(const eff_search *s, const eff_table *t, eff_recipe *recipe, int level, uint64_t seed)
{
    const eff_table *const b = &s->space.base;
    recipe->v[EFF_KEY_EPOCHS] = eff_search_epochs(s, level);
    return (eff_trial_job){ .table = t,
                            .recipe = recipe,
                            .pixels = b->height < b->width_px ? b->height : b->width_px,
                            .seed = seed,
                            .threads = s->o.threads,
                            .cpu = s->cpu };
}

typedef struct doing {
    eff_search *s;
    double began;
    eff_status failed; /* of the store */
    eff_error *err;
} doing;

static bool on_step(void *ctx, long step, long steps)
{
    doing *const d = ctx;
    eff_search *const s = d->s;
    s->job_part = (double)step / (double)steps;
    const double gone = eff_clock() - d->began;
    const eff_study_event e = { .phase = EFF_STUDY_STEP,
                                .done = (size_t)s->finished,
                                .total = (size_t)eff_search_total(s),
                                .part = eff_search_part(s),
                                .eta = eff_search_left(s),
                                .left = gone * (double)(steps - step) / (double)step };
    d->failed = eff_store_beat(s->store, d->err);
    return d->failed != EFF_OK || eff_search_tell(s, &e);
}

/* Searches that share a store may have other supernets: each is called after its job. */
static eff_status supernet_path(char **out, const eff_search *s, eff_error *err)
{
    const size_t n = strlen(s->store_path) + sizeof ".supernet" + 24;
    *out = eff_malloc(n);
    if (!*out) return eff_fail_memory(err, n);
    snprintf(*out, n, "%s.supernet%lld", s->store_path, (long long)s->jobs[s->supernet_job].id);
    return EFF_OK;
}

static eff_supernet_opts supernet_opts(const eff_search *s, eff_recipe *recipe)
{
    const eff_trial_job j = eff_search_trial(s, &s->space.base, recipe, 0, s->o.seed);
    recipe->v[EFF_KEY_EPOCHS] = eff_search_supernet_epochs(s);
    return (eff_supernet_opts){
        .space = &s->space, .recipe = recipe, .pixels = j.pixels, .seed = j.seed, .threads = j.threads, .cpu = j.cpu
    };
}

static eff_status open_supernet(eff_search *s, eff_recipe *recipe, const char *path, bool load, eff_error *err)
{
    if (s->supernet && load) return EFF_OK;
    const eff_supernet_opts o = supernet_opts(s, recipe);
    eff_supernet_free(s->supernet);
    s->supernet = NULL;
    eff_status e = eff_supernet_create(&s->supernet, &o, err);
    if (e == EFF_OK && load && (e = eff_supernet_load(s->supernet, path, err))) eff_error_prefix(err, "%s", path);
    if (e == EFF_OK) return e;
    eff_supernet_free(s->supernet);
    s->supernet = NULL;
    return e;
}

/* A supernet is trained once, or there is no search: what stands in its way is said, not recorded. */
static eff_status train_supernet(eff_search *s, eff_recipe *recipe, eff_pictures *p, const char *path, doing *d,
                                 bool *diverged, eff_error *err)
{
    const eff_supernet_opts o = supernet_opts(s, recipe);
    const size_t limit = s->o.memory ? s->o.memory : eff_memory_available();
    size_t bytes = 0;
    eff_status e = eff_supernet_memory(&bytes, &o, err);
    if (e == EFF_OK && limit && bytes > limit)
        e = eff_fail(err, EFF_ENOMEM, "training the supernet takes %.1f MB of memory, there are %.1f MB",
                     (double)bytes / 1e6, (double)limit / 1e6);
    if (e == EFF_OK) e = open_supernet(s, recipe, path, false, err);
    if (e != EFF_OK) return e;
    e = eff_supernet_train(s->supernet, p, path, on_step, d, err);
    *diverged = eff_supernet_diverged(s->supernet);
    if (e == EFF_EFORMAT && !*diverged) eff_error_prefix(err, "%s", path);
    return e;
}

/* A training that would not fit is not begun; a limit on latency needs no training to be told. */
static eff_status refuse(const eff_search *s, const eff_job *j, const eff_trial_job *t, double *latency, char *why,
                         size_t room, eff_error *err)
{
    size_t bytes = 0;
    const size_t limit = s->o.memory ? s->o.memory : eff_memory_available();
    const double most = s->objective.limit[EFF_COST_LATENCY];
    eff_status e = j->kind == EFF_JOB_TRAIN ? eff_trial_memory(&bytes, t, err) : EFF_OK;
    if (e == EFF_OK && limit && bytes > limit)
        snprintf(why, room, "training takes %.1f MB of memory, there are %.1f MB", (double)bytes / 1e6,
                 (double)limit / 1e6);
    if (e != EFF_OK || *why || !times_it(s)) return e;
    e = eff_search_latency(s, &j->table, latency, err);
    if (e == EFF_OK && most > 0 && *latency > most && j->level == 0)
        snprintf(why, room, "an image takes %.3f ms, the limit is %.3f ms", 1e3 * *latency, 1e3 * most);
    return e;
}

static bool say(eff_search *s, const eff_job *j, const char *what)
{
    char text[256];
    snprintf(text, sizeof text, "%s: %s", j->what, what);
    const eff_study_event e = { .phase = EFF_STUDY_TRIAL,
                                .done = (size_t)s->finished,
                                .total = (size_t)eff_search_total(s),
                                .part = eff_search_part(s),
                                .eta = eff_search_left(s),
                                .left = NAN,
                                .text = text };
    return eff_search_tell(s, &e);
}

/* The best child so far, for the line about a trial. */
static void say_best(const eff_search *s, char *out, size_t room)
{
    const int best = eff_search_best(s);
    out[0] = '\0';
    if (best >= 0)
        snprintf(out, room, "; best reward %.4f (top-1 %.1f %%)", eff_search_reward(s, best),
                 100 * eff_search_top1(s, best));
}

eff_status eff_search_do(eff_search *s, int job, eff_pictures *p, bool *stop, eff_error *err)
{
    eff_job *const j = &s->jobs[job];
    eff_error why = { .code = EFF_OK };
    doing d = { .s = s, .began = eff_clock(), .err = err };
    eff_recipe recipe = s->recipe;
    eff_trial_score r = { 0 };
    eff_trial_job t = eff_search_trial(s, &j->table, &recipe, j->level, j->seed);
    char no[160] = "", what[256], best[80], *path = NULL, *text = NULL;
    double latency = 0;
    eff_status e = EFF_OK;
    t.tell = on_step;
    t.ctx = &d;
    s->claimed = eff_search_job_seconds(s, j);
    s->job_part = 0;
    if (j->kind != EFF_JOB_TRAIN) e = supernet_path(&path, s, &why);
    if (e == EFF_OK && j->kind == EFF_JOB_SUPERNET) {
        e = train_supernet(s, &recipe, p, path, &d, &r.diverged, &why);
    } else if (e == EFF_OK && j->kind == EFF_JOB_SCORE) {
        e = refuse(s, j, &t, &latency, no, sizeof no, &why);
        if (e == EFF_OK && !*no) e = open_supernet(s, &recipe, path, true, &why);
        if (e == EFF_OK && !*no) e = eff_supernet_score(&r, s->supernet, &j->child, p, &why);
    } else if (e == EFF_OK) {
        e = refuse(s, j, &t, &latency, no, sizeof no, &why);
        if (e == EFF_OK && !*no) e = eff_trial_train(&r, &t, p, &why);
    }
    r.seconds = eff_clock() - d.began;
    s->claimed = s->job_part = 0;
    if (d.failed != EFF_OK)
        e = d.failed;
    else if (*no || (e != EFF_OK && r.diverged)) {
        snprintf(what, sizeof what, "%.159s", *no ? no : why.msg);
        e = eff_store_failed(s->store, j->id, what, r.seconds, err);
    } else if (e == EFF_OK) {
        if (j->kind == EFF_JOB_SUPERNET) {
            snprintf(what, sizeof what, "trained in %.1f s", r.seconds);
            e = eff_store_done(s->store, j->id, "{}", r.seconds, err);
        } else {
            e = eff_trial_result_text(&text, &r, latency, err);
            if (e == EFF_OK) e = eff_store_done(s->store, j->id, text, r.seconds, err);
            snprintf(what, sizeof what, "top-1 %.1f %% in %.1f s", 100 * r.top1, r.seconds);
        }
    } else {
        eff_store_give_back(s->store, j->id, NULL);
        *stop = e == EFF_ECANCELLED;
        if (err) *err = why;
        if (*stop) e = EFF_OK;
        goto done;
    }
    if (e == EFF_OK) e = eff_search_refresh(s, err);
    if (e == EFF_OK) {
        best[0] = '\0';
        if (!s->complete && s->stage == 0) say_best(s, best, sizeof best);
        strncat(what, best, sizeof what - strlen(what) - 1);
        *stop = say(s, &s->jobs[job], what);
    }
done:
    free(text);
    eff_free(path);
    return e;
}
