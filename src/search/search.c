/* SPDX-License-Identifier: Apache-2.0 */
/* A search from its options to its last job: find out what can be done by now, do it or wait for who does it, look
 * again. Invariant: a result is in the store before anything follows from it. */
#define _GNU_SOURCE
#include "search/search_internal.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "kernels/kernels.h"
#include "scale/trial_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POLL_MS = 200, MOST_CLAIMS = 5, MOST_CHOICES = 8 };

bool eff_search_tell(eff_search *s, const eff_study_event *e) { return s->o.event && s->o.event(s->o.ctx, e) != 0; }

int eff_search_epochs(const eff_search *s, int level)
{
    int n = eff_recipe_int(&s->recipe, EFF_KEY_EPOCHS);
    while (level-- > 0) n *= EFF_LEVEL_FACTOR;
    return n;
}

/* ------------------------------------------------------------------------------------------------- making */

static eff_status whole(const char *name, int v, int lo, int hi, eff_error *err)
{
    return v >= lo && v <= hi ? EFF_OK : eff_fail(err, EFF_EARG, "%s: expected %d..%d, found %d", name, lo, hi, v);
}

static eff_status check(const eff_search_opts *o, const eff_dataset *d, eff_error *err)
{
    eff_status e;
    if ((e = whole("trials", o->trials, 1, EFF_MOST_TRIALS, err)) || (e = whole("ahead", o->ahead, 0, 1000, err)) ||
        (e = whole("finalists", o->finalists, 1, 1000, err)) || (e = whole("sample", o->sample, 0, 1000, err)) ||
        (e = whole("repeats", o->repeats, 1, EFF_MOST_REPEATS, err)) ||
        (e = whole("supernet-epochs", o->supernet_epochs, 0, 100000, err)))
        return e;
    if (!(o->control >= 0 && o->control < 1))
        return eff_fail(err, EFF_EARG, "control: expected 0 or more and less than 1, found %g", o->control);
    if (!eff_dataset_count(d, EFF_PART_TRAIN)) return eff_fail(err, EFF_EFORMAT, "the set has no images to train on");
    if (!eff_dataset_count(d, EFF_PART_VAL)) return eff_fail(err, EFF_EFORMAT, "the set has no images to validate on");
    return EFF_OK;
}

/* One of n names; *index is its place. */
static eff_status choose(int *index, const char *what, const char *name, const char *(*of)(int), int n, eff_error *err)
{
    const char *names[MOST_CHOICES];
    char list[96];
    for (int i = 0; i < n; i++) {
        names[i] = of(i);
        if (strcmp(name, names[i]) != 0) continue;
        *index = i;
        return EFF_OK;
    }
    eff_name_list(list, sizeof list, names, n);
    return eff_fail(err, EFF_EARG, "%s: expected %s, found '%.40s'", what, list, name);
}

static const char *controller_at(int i) { return eff_controller_name((eff_controller_kind)i); }
static const char *cost_at(int i) { return eff_cost_name((eff_cost)i); }
static const char *evaluator_at(int i) { return i ? "supernet" : "proxy"; }

int eff_search_supernet_epochs(const eff_search *s)
{
    return s->o.supernet_epochs ? s->o.supernet_epochs : 10 * eff_search_epochs(s, 0);
}

void eff_search_plain(eff_table *t)
{
    snprintf(t->name, sizeof t->name, "child");
    t->width = t->depth = 1;
}

static eff_status add_rival(eff_search *s, const eff_table *t, eff_error *err)
{
    eff_rival *const r = &s->rival[s->nrivals];
    *r = (eff_rival){ .table = *t };
    snprintf(r->name, sizeof r->name, "%s", t->name);
    eff_search_plain(&r->table);
    r->table.classes = eff_dataset_classes(s->d);
    if (r->table.height > s->source_h) s->source_h = r->table.height;
    if (r->table.width_px > s->source_w) s->source_w = r->table.width_px;
    const eff_status e = eff_search_count(r->cost, &r->table, err);
    if (e != EFF_OK) eff_error_prefix(err, "%s", t->name);
    s->nrivals += e == EFF_OK;
    return e;
}

static eff_status take_objective(eff_search *s, eff_error *err)
{
    int cost = 0;
    eff_status e = choose(&cost, "cost", s->o.cost, cost_at, EFF_COSTS, err);
    if (e != EFF_OK) return e;
    s->objective = (eff_objective){ .cost = (eff_cost)cost, .exponent = s->o.exponent, .hard = s->o.hard != 0 };
    memcpy(s->objective.limit, s->o.limit, sizeof s->objective.limit);
    s->objective.target = s->o.target;
    if (s->o.target == 0 && cost == EFF_COST_LATENCY) { /* the others are known already */
        e = eff_search_latency(s, &s->rival[0].table, &s->objective.target, err);
        s->rival[0].cost[EFF_COST_LATENCY] = s->objective.target;
    } else if (s->o.target == 0)
        s->objective.target = s->rival[0].cost[cost];
    return e == EFF_OK ? eff_objective_check(&s->objective, err) : e;
}

static eff_status take_options(eff_search *s, const eff_model *base, const eff_dataset *d, const eff_recipe *r,
                               eff_error *err)
{
    unsigned features;
    eff_kernels k;
    int controller = 0, evaluator = 0;
    eff_status e;
    if ((e = eff_copy_text(&s->space_spec, s->o.space, err)) || (e = eff_copy_text(&s->store_path, s->o.store, err)) ||
        (e = eff_copy_text(&s->data_name, s->o.data, err)) || (e = eff_copy_text(&s->cpu, s->o.cpu, err)) ||
        (e = choose(&controller, "controller", s->o.controller, controller_at, EFF_CONTROLLERS, err)) ||
        (e = choose(&evaluator, "evaluator", s->o.evaluator, evaluator_at, 2, err)) ||
        (e = eff_trial_check_recipe(r, err)) || (e = eff_cpu_select(s->cpu, &features, err)))
        return e;
    eff_kernels_init(&k, features);
    s->level = k.name;
    s->by_supernet = evaluator == 1;
    s->d = d;
    s->recipe = *r;
    s->images = (int)eff_dataset_count(d, EFF_PART_TRAIN);
    s->scored = (int)eff_dataset_count(d, EFF_PART_VAL);
    snprintf(s->print, sizeof s->print, "%016llx", (unsigned long long)eff_dataset_fingerprint(d));
    if ((e = eff_space_load(&s->space, s->o.space, &base->table, err))) {
        eff_error_prefix(err, "%s", s->o.space);
        return e;
    }
    s->space.base.classes = eff_dataset_classes(d);
    eff_space_size(&s->space, &s->choices, &s->networks);
    e = add_rival(s, &base->table, err);
    for (int i = 0; e == EFF_OK && i < EFF_SEARCH_MOST_RIVALS && s->o.rival[i]; i++)
        e = add_rival(s, &s->o.rival[i]->table, err);
    if (e == EFF_OK) e = take_objective(s, err);
    eff_controller_opts_init(&s->controller_opts, (eff_controller_kind)controller);
    s->controller_opts.seed = s->o.seed;
    s->controller_opts.ahead = s->o.ahead;
    return e;
}

static eff_status make_plan(eff_search *s, eff_error *err)
{
    eff_status e = eff_search_reach(s, err); /* what cannot be leaves no store behind */
    if (e == EFF_OK) e = eff_controller_create(&s->controller, &s->space, &s->controller_opts, err);
    if (e == EFF_OK) e = eff_search_open_store(s, err);
    if (e == EFF_OK) e = eff_search_measure(s, err);
    if (e == EFF_OK && !s->settled) e = eff_search_cut(s, err);
    if (e == EFF_OK && s->store) e = eff_search_settle(s, err);
    return e == EFF_OK && s->store ? eff_search_refresh(s, err) : e;
}

EFF_API eff_status eff_search_create(eff_search **out, const eff_model *base, const eff_dataset *d,
                                     const eff_recipe *recipe, const eff_search_opts *o, eff_error *err)
{
    if (!out || !base || !d || !recipe || !o || !o->space || !o->controller || !o->evaluator || !o->cost)
        return eff_fail(err, EFF_EARG, "eff_search_create: base, set, recipe and options are needed");
    *out = NULL;
    eff_status e = check(o, d, err);
    if (e != EFF_OK) return e;
    eff_search *const s = eff_calloc(1, sizeof *s);
    if (!s) return eff_fail_memory(err, sizeof *s);
    s->o = *o;
    s->began = eff_clock();
    s->pace = 1;
    s->asked_trials = o->trials;
    s->supernet_job = s->winner = -1;
    e = take_options(s, base, d, recipe, err);
    if (e == EFF_OK) e = make_plan(s, err);
    if (e != EFF_OK) {
        eff_search_free(s);
        return e;
    }
    *out = s;
    return EFF_OK;
}

EFF_API void eff_search_free(eff_search *s)
{
    if (!s) return;
    eff_store_close(s->store);
    eff_controller_free(s->controller);
    eff_supernet_free(s->supernet);
    eff_free(s->tries);
    eff_free(s->jobs);
    eff_free(s->sample);
    eff_free(s->sample_job);
    eff_free(s->finalist);
    for (int i = 0; i < EFF_LEVELS; i++) eff_free(s->finalist_job[i]);
    eff_free(s->space_spec);
    eff_free(s->store_path);
    eff_free(s->data_name);
    eff_free(s->cpu);
    free(s->plan_text);
    free(s->results_text);
    eff_free(s);
}

/* ------------------------------------------------------------------------------------------------ running */

/* Jobs that wait, in the order of the list; *n of them. */
static void waiting(const eff_search *s, int64_t *id, int *job, int *n)
{
    *n = 0;
    for (int i = 0; i < s->njobs; i++)
        if (!s->jobs[i].over) {
            id[*n] = s->jobs[i].id;
            job[(*n)++] = i;
        }
}

/* All that follows from the results that are there. */
static eff_status advance(eff_search *s, eff_error *err)
{
    eff_status e = eff_search_refresh(s, err);
    for (int before = -1; e == EFF_OK && before != s->njobs;) { /* a result known to the store leads on to the next */
        before = s->njobs;
        e = eff_search_propose(s, err);
        if (e == EFF_OK && eff_search_children_over(s)) e = eff_search_finals(s, err);
        if (e == EFF_OK && s->njobs != before) e = eff_search_refresh(s, err);
    }
    return e;
}

static bool all_over(const eff_search *s) { return s->complete && s->finished == s->njobs; }

static bool too_late(eff_search *s, double next)
{
    if (s->o.seconds <= 0) return false;
    s->timed_out = eff_clock() - s->began + next * s->pace > 1.05 * s->o.seconds;
    return s->timed_out;
}

static eff_status wait_for_others(eff_search *s, bool *stop, eff_error *err)
{
    const struct timespec t = { .tv_nsec = POLL_MS * 1000000L };
    const int before = s->finished;
    nanosleep(&t, NULL);
    const eff_status e = advance(s, err);
    const eff_study_event ev = { .phase = s->finished > before ? EFF_STUDY_TRIAL : EFF_STUDY_WAIT,
                                 .done = (size_t)s->finished,
                                 .total = (size_t)eff_search_total(s),
                                 .part = eff_search_part(s),
                                 .eta = eff_search_left(s),
                                 .left = NAN };
    *stop = e == EFF_OK && eff_search_tell(s, &ev);
    return e;
}

static bool on_decoded(void *ctx, size_t done, size_t total)
{
    const eff_study_event e = { .phase = EFF_STUDY_DECODE, .done = done, .total = total, .eta = NAN, .left = NAN };
    return eff_search_tell(ctx, &e);
}

/* A child that brings down whoever trains it shall not bring down everybody. A supernet goes on where it was left. */
static eff_status poisonous(eff_search *s, int job, bool *yes, eff_error *err)
{
    const int64_t id = s->jobs[job].id;
    eff_trial t;
    if (s->jobs[job].kind == EFF_JOB_SUPERNET) return EFF_OK;
    eff_status e = eff_store_get(s->store, id, &t, err);
    if (e != EFF_OK) return e;
    eff_free(t.result);
    *yes = t.claims > MOST_CLAIMS;
    if (*yes) e = eff_store_failed(s->store, id, "begun and not ended five times: its workers died", 0, err);
    return e;
}

static eff_status run_all(eff_search *s, eff_pool *pool, eff_pictures **p, eff_error *err)
{
    bool stop = false;
    int64_t *id = NULL;
    int *job = NULL, room = 0;
    eff_status e = advance(s, err);
    while (e == EFF_OK && !all_over(s) && !stop) {
        int n, at = -1;
        if (s->njobs > room) {
            room = 2 * s->njobs;
            int64_t *const more = eff_realloc(id, (size_t)room * sizeof *id);
            if (more) id = more;
            int *const jobs = eff_realloc(job, (size_t)room * sizeof *job);
            if (jobs) job = jobs;
            if (!more || !jobs) {
                e = eff_fail_memory(err, (size_t)room * sizeof *id);
                break;
            }
        }
        waiting(s, id, job, &n);
        if (n > 0 && too_late(s, eff_search_job_seconds(s, &s->jobs[job[0]]))) break;
        e = eff_store_claim(s->store, id, n, &at, err);
        if (e != EFF_OK) break;
        if (at < 0) {
            e = wait_for_others(s, &stop, err);
            continue;
        }
        bool dead = false;
        e = poisonous(s, job[at], &dead, err);
        if (e == EFF_OK && !dead && !*p) { /* only who trains something decodes the set */
            e = eff_pictures_create(p, s->d, s->source_h, s->source_w, s->o.cache, err);
            if (e == EFF_OK) e = eff_pictures_decode(*p, pool, on_decoded, s, err);
        }
        if (e == EFF_OK) e = eff_store_workers(s->store, &s->workers, err);
        if (e == EFF_OK && !dead) e = eff_search_do(s, job[at], *p, &stop, err);
        if (e != EFF_OK) eff_store_give_back(s->store, id[at], NULL);
        if (e == EFF_OK) e = advance(s, err);
    }
    eff_free(job);
    eff_free(id);
    if (e == EFF_OK && !all_over(s))
        return eff_fail(err, EFF_ECANCELLED,
                        s->timed_out ? "the time is over: %d trials are done" : "stopped: %d trials are done",
                        s->finished);
    return e;
}

EFF_API eff_status eff_search_run(eff_search *s, eff_error *err)
{
    eff_pictures *p = NULL;
    eff_pool *pool = NULL;
    if (!s || !s->store) return eff_fail(err, EFF_EARG, "eff_search_run: expected a search with a store");
    eff_status e = eff_pool_create(&pool, s->o.threads ? s->o.threads : eff_cpu_count(), err);
    if (e == EFF_OK) e = run_all(s, pool, &p, err);
    eff_pictures_free(p);
    eff_pool_free(pool);
    return e;
}

EFF_API const char *eff_search_plan(eff_search *s) { return eff_trial_keep(&s->plan_text, eff_search_plan_json(s)); }
EFF_API const char *eff_search_results(eff_search *s)
{
    return eff_trial_keep(&s->results_text, eff_search_results_json(s));
}
