/* SPDX-License-Identifier: Apache-2.0 */
/* What follows when all children have their brief scores. Successive halving: the best are trained three times as long,
 * the best third of these three times as long again, and the winner with further seeds; the base and its rivals beside
 * it in the same way. And a sample of all children, from the worst to the best, is trained to the full, to see whether
 * brief scores put children in the right order. */
#include "search/search_internal.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAST = EFF_LEVELS - 1 };

typedef struct ranked {
    double score;
    int at;
} ranked;

static int descending(const void *a, const void *b)
{
    const ranked *const x = a, *const y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->at - y->at;
}

/* Distinct tries that were scored, best first by reward (or by accuracy). */
static eff_status rank_children(const eff_search *s, bool by_reward, ranked **out, int *n, eff_error *err)
{
    *n = 0;
    *out = eff_malloc(((size_t)s->ntries + 1) * sizeof **out);
    if (!*out) return eff_fail_memory(err, (size_t)s->ntries * sizeof **out);
    bool *const taken = eff_calloc((size_t)s->njobs + 1, sizeof *taken); /* equal tables are one */
    if (!taken) {
        eff_free(*out);
        *out = NULL;
        return eff_fail_memory(err, (size_t)s->njobs);
    }
    for (int i = 0; i < s->ntries; i++) {
        const double top1 = eff_search_top1(s, i);
        if (isnan(top1) || taken[s->tries[i].job]) continue;
        taken[s->tries[i].job] = true;
        (*out)[(*n)++] = (ranked){ by_reward ? eff_search_reward(s, i) : top1, i };
    }
    qsort(*out, (size_t)*n, sizeof **out, descending);
    eff_free(taken);
    return EFF_OK;
}

static eff_status train_longer(eff_search *s, const eff_table *t, const char *name, int level, int repeat, int *job,
                               eff_error *err)
{
    eff_job j = { .kind = EFF_JOB_TRAIN, .table = *t, .level = level, .seed = s->o.seed + (uint64_t)repeat };
    snprintf(j.what, sizeof j.what, "%.40s, %d epochs", name, eff_search_epochs(s, level));
    return eff_search_add_job(s, &j, job, err);
}

static eff_status take_sample(eff_search *s, eff_error *err)
{
    ranked *r = NULL;
    int n = 0;
    eff_status e = rank_children(s, false, &r, &n, err);
    const int m = s->o.sample < n ? s->o.sample : n;
    s->sample = eff_malloc(((size_t)m + 1) * sizeof *s->sample);
    s->sample_job = eff_malloc(((size_t)m + 1) * sizeof *s->sample_job);
    if (e == EFF_OK && (!s->sample || !s->sample_job)) e = eff_fail_memory(err, (size_t)m * sizeof *s->sample);
    for (int k = 0; e == EFF_OK && k < m; k++) { /* at even steps from the best to the worst */
        const int at = r[m == 1 ? 0 : (int)((long)k * (n - 1) / (m - 1))].at;
        char name[40];
        snprintf(name, sizeof name, "sample %d", k + 1);
        s->sample[k] = at;
        e = train_longer(s, &s->tries[at].table, name, LAST, 0, &s->sample_job[k], err);
        s->nsample += e == EFF_OK;
    }
    eff_free(r);
    return e;
}

static eff_status take_finalists(eff_search *s, eff_error *err)
{
    ranked *r = NULL;
    int n = 0;
    eff_status e = rank_children(s, true, &r, &n, err);
    const int m = s->o.finalists < n ? s->o.finalists : n;
    s->finalist = eff_malloc(((size_t)m + 1) * sizeof *s->finalist);
    if (e == EFF_OK && !s->finalist) e = eff_fail_memory(err, (size_t)m * sizeof *s->finalist);
    for (int i = 0; e == EFF_OK && i < EFF_LEVELS; i++) {
        s->finalist_job[i] = eff_malloc(((size_t)m + 1) * sizeof *s->finalist_job[i]);
        if (!s->finalist_job[i]) e = eff_fail_memory(err, (size_t)m * sizeof(int));
        for (int k = 0; e == EFF_OK && k < m; k++) s->finalist_job[i][k] = -1;
    }
    for (int k = 0; e == EFF_OK && k < m; k++) {
        char name[40];
        snprintf(name, sizeof name, "finalist %d", k + 1);
        s->finalist[k] = r[k].at;
        s->finalist_job[0][k] = s->tries[r[k].at].job;
        e = train_longer(s, &s->tries[r[k].at].table, name, 1, 0, &s->finalist_job[1][k], err);
        s->nfinalists += e == EFF_OK;
    }
    eff_free(r);
    return e;
}

static eff_status train_rivals(eff_search *s, eff_error *err)
{
    eff_status e = EFF_OK;
    for (int i = 0; e == EFF_OK && i < s->nrivals; i++)
        for (int k = 0; e == EFF_OK && k < s->o.repeats; k++)
            e = train_longer(s, &s->rival[i].table, s->rival[i].name, LAST, k, &s->rival[i].job[k], err);
    return e;
}

static bool level_over(const eff_search *s, int level)
{
    for (int k = 0; k < s->nfinalists; k++)
        if (s->finalist_job[level][k] >= 0 && !s->jobs[s->finalist_job[level][k]].over) return false;
    return true;
}

/* Finalists of a level by what they are worth there, best first; those that failed are left out. */
static int rank_level(const eff_search *s, int level, ranked *out)
{
    int n = 0;
    for (int k = 0; k < s->nfinalists; k++) {
        const int j = s->finalist_job[level][k];
        if (j < 0 || s->jobs[j].failed) continue;
        const double cost = eff_search_cost(s, s->finalist[k], s->objective.cost);
        out[n++] = (ranked){ eff_objective_reward(&s->objective, s->jobs[j].top1, cost), k };
    }
    qsort(out, (size_t)n, sizeof *out, descending);
    return n;
}

static eff_status promote(eff_search *s, eff_error *err)
{
    ranked *const r = eff_malloc(((size_t)s->nfinalists + 1) * sizeof *r);
    if (!r) return eff_fail_memory(err, (size_t)s->nfinalists * sizeof *r);
    eff_status e = EFF_OK;
    const int n = rank_level(s, s->stage, r), most = (n + EFF_LEVEL_FACTOR - 1) / EFF_LEVEL_FACTOR;
    if (s->stage < LAST)
        for (int i = 0; e == EFF_OK && i < most; i++) {
            char name[40];
            snprintf(name, sizeof name, "finalist %d", r[i].at + 1);
            e = train_longer(s, &s->tries[s->finalist[r[i].at]].table, name, s->stage + 1, 0,
                             &s->finalist_job[s->stage + 1][r[i].at], err);
        }
    else if (n > 0) {
        s->winner = s->finalist[r[0].at];
        for (int k = 0; e == EFF_OK && k < s->o.repeats; k++)
            e = train_longer(s, &s->tries[s->winner].table, "winner", LAST, k, &s->winner_job[k], err);
    }
    eff_free(r);
    return e;
}

static void forget(eff_search *s)
{
    eff_free(s->sample);
    eff_free(s->sample_job);
    eff_free(s->finalist);
    s->sample = s->sample_job = s->finalist = NULL;
    for (int i = 0; i < EFF_LEVELS; i++) {
        eff_free(s->finalist_job[i]);
        s->finalist_job[i] = NULL;
    }
    s->nsample = s->nfinalists = 0;
}

eff_status eff_search_finals(eff_search *s, eff_error *err)
{
    eff_status e = EFF_OK;
    if (s->stage == 0) {
        forget(s); /* of an attempt that memory ended */
        e = take_finalists(s, err);
        if (e == EFF_OK) e = take_sample(s, err);
        if (e == EFF_OK) e = train_rivals(s, err);
        if (e == EFF_OK) s->stage = 1;
    }
    while (e == EFF_OK && !s->complete && level_over(s, s->stage)) {
        e = promote(s, err);
        if (e != EFF_OK) break;
        if (s->stage == LAST)
            s->complete = true;
        else
            s->stage++;
        if (!s->complete && s->jobs) e = eff_search_refresh(s, err); /* it may have been trained before */
    }
    return e;
}
