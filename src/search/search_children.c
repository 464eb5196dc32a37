/* SPDX-License-Identifier: Apache-2.0 */
/* The children of a search: what they cost, which come next, what they are worth. A try is proposed when the results of
 * all tries but the last `ahead` are known, and by these alone, so that the row of tries is the same for any number of
 * processes. Some of it is drawn by chance, unknown to the controller: a fair sample of the children that keep to the
 * limits, and what random search would have had. */
#include "search/search_internal.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "infer/engine.h"
#include "model/count.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STREAM_CONTROL ((uint64_t)0x636f6e74 << 32)
#define STREAM_REACH   ((uint64_t)0x72656163 << 32)

enum {
    REDRAWS = 100,     /* of a child by chance that was there before or keeps not to limits */
    STALE = 400,       /* proposals in a row without a new network: the space is used up */
    LOOKED_AT = 500,   /* children by chance, to see whether limits can be kept           */
    LATENCY_RUNS = 15, /* at least, and up to ...                                         */
    LATENCY_MOST = 400
};
#define LATENCY_SECONDS 0.15
#define FAR_BELOW       3 /* times */

/* -------------------------------------------------------------------------------------------------- costs */

eff_status eff_search_count(double cost[EFF_COSTS], const eff_table *t, eff_error *err)
{
    eff_graph *g = NULL;
    eff_counts c;
    const eff_status e = eff_graph_build(&g, t, 0, 0, err);
    if (e != EFF_OK) return e;
    eff_count(&c, g);
    cost[EFF_COST_MACS] = (double)c.macs;
    cost[EFF_COST_LATENCY] = NAN;
    cost[EFF_COST_PARAMS] = (double)c.params;
    cost[EFF_COST_MEMORY] = (double)eff_activation_peak(g) + (double)sizeof(float) * (double)(c.params + c.bn_buffers);
    eff_graph_free(g);
    return EFF_OK;
}

eff_status eff_search_build(eff_table *t, double cost[EFF_COSTS], bool *can, const eff_space *space, const eff_child *c,
                            eff_error *err)
{
    eff_status e = eff_space_table(t, space, c, err);
    if (e == EFF_OK) e = eff_search_count(cost, t, err);
    *can = e == EFF_OK;
    return e == EFF_ENOMEM ? e : EFF_OK;
}

eff_status eff_search_latency(const eff_search *s, const eff_table *t, double *seconds, eff_error *err)
{
    eff_model *m = NULL;
    eff_engine *g = NULL;
    double mean;
    const eff_engine_opts o = { .threads = 1, .cpu = s->cpu, .max_batch = 1 };
    eff_status e = eff_model_new(&m, t, err);
    if (e == EFF_OK) e = eff_model_init_weights(m, 0, err);
    if (e == EFF_OK) e = eff_engine_new(&g, m, &o, err);
    /* the least: what else the machine does only adds to it */
    if (e == EFF_OK) e = eff_engine_time(g, LATENCY_SECONDS, LATENCY_RUNS, LATENCY_MOST, seconds, &mean, err);
    eff_engine_destroy(g);
    eff_model_destroy(m);
    return e;
}

double eff_search_cost(const eff_search *s, int i, eff_cost c)
{
    const eff_try *const t = &s->tries[i];
    if (c != EFF_COST_LATENCY) return t->cost[c];
    return t->job >= 0 ? s->jobs[t->job].latency : NAN;
}

double eff_search_top1(const eff_search *s, int i)
{
    const int j = s->tries[i].job;
    return j >= 0 && s->jobs[j].over && !s->jobs[j].failed ? s->jobs[j].top1 : NAN;
}

double eff_search_reward(const eff_search *s, int i)
{
    const int j = s->tries[i].job;
    if (j < 0) return 0;
    if (!s->jobs[j].over) return NAN;
    return eff_objective_reward(&s->objective, eff_search_top1(s, i), eff_search_cost(s, i, s->objective.cost));
}

int eff_search_best(const eff_search *s)
{
    int best = -1;
    for (int i = 0; i < s->ntries; i++)
        if (!isnan(eff_search_top1(s, i)) && (best < 0 || eff_search_reward(s, i) > eff_search_reward(s, best)))
            best = i;
    return best;
}

/* -------------------------------------------------------------------------------------------------- chance */

void eff_search_draw_child(eff_child *c, const eff_space *space, uint64_t seed, uint64_t stream)
{
    *c = (eff_child){ { 0 } };
    for (int i = 0; i < space->ndecisions; i++)
        c->choice[i] = (uint8_t)(eff_rng_uniform(seed, stream, (uint64_t)i) * space->decision[i].n);
    eff_space_canonical(space, c);
}

/* How far a child is above the limits, as a factor: at most 1 when it keeps to them. *which decides. */
static eff_status beyond(double *most, eff_cost *which, const eff_search *s, const eff_child *c, eff_error *err)
{
    double cost[EFF_COSTS];
    eff_table t;
    bool can;
    const eff_status e = eff_search_build(&t, cost, &can, &s->space, c, err);
    *which = EFF_COST_MACS;
    *most = can ? 0 : INFINITY;
    if (!can) return e;
    for (int i = 0; i < EFF_COSTS; i++) {
        const bool target = s->objective.hard && s->objective.cost == (eff_cost)i;
        const double limit = target && !(s->objective.limit[i] > 0 && s->objective.limit[i] < s->objective.target)
                                 ? s->objective.target
                                 : s->objective.limit[i];
        if (!(limit > 0) || isnan(cost[i]) || cost[i] / limit <= *most) continue;
        *most = cost[i] / limit;
        *which = (eff_cost)i;
    }
    return EFF_OK;
}

/* Fewest multiply-adds are not quite the shortest time: a limit is refused only when it is far below that. */
static eff_status reach_latency(const eff_search *s, eff_error *err)
{
    const double limit = s->objective.limit[EFF_COST_LATENCY];
    double least = INFINITY, cost[EFF_COSTS], took;
    eff_child best = { { 0 } };
    eff_table t, fewest = s->space.base;
    eff_status e;
    bool can;
    for (int i = 0; i < s->space.ndecisions; i++)
        for (int k = 0; k < s->space.decision[i].n; k++) {
            eff_child c = best;
            c.choice[i] = (uint8_t)k;
            if ((e = eff_search_build(&t, cost, &can, &s->space, &c, err))) return e;
            if (!can || cost[EFF_COST_MACS] >= least) continue;
            least = cost[EFF_COST_MACS];
            best = c;
            fewest = t;
        }
    e = eff_search_latency(s, &fewest, &took, err);
    if (e != EFF_OK || took <= FAR_BELOW * limit) return e;
    return eff_fail(err, EFF_EARG,
                    "latency: the child with the fewest multiply-adds takes %.3g ms: expected a limit of about that at "
                    "least, found %.3g ms",
                    1e3 * took, 1e3 * limit);
}

eff_status eff_search_reach(const eff_search *s, eff_error *err)
{
    eff_child best = { { 0 } }, c;
    eff_cost which, at = EFF_COST_MACS;
    double least = INFINITY, b;
    eff_status e;
    for (int i = 0; i < LOOKED_AT && least > 1; i++) {
        eff_search_draw_child(&c, &s->space, s->o.seed, STREAM_REACH | (uint64_t)i);
        if ((e = beyond(&b, &which, s, &c, err))) return e;
        if (b < least) least = b, best = c, at = which;
    }
    if (isinf(least))
        return eff_fail(err, EFF_EARG, "space %s: none of %d children can be built at %d x %d pixels", s->space.name,
                        LOOKED_AT, s->space.base.height, s->space.base.width_px);
    for (bool better = true; better && least > 1;) { /* down, one decision at a time */
        better = false;
        for (int i = 0; i < s->space.ndecisions; i++)
            for (int k = 0; k < s->space.decision[i].n; k++) {
                c = best;
                c.choice[i] = (uint8_t)k;
                if ((e = beyond(&b, &which, s, &c, err))) return e;
                if (b < least) least = b, best = c, at = which, better = true;
            }
    }
    if (least <= 1) return s->objective.limit[EFF_COST_LATENCY] > 0 ? reach_latency(s, err) : EFF_OK;
    double cost[EFF_COSTS] = { 0 };
    eff_table t;
    e = eff_space_table(&t, &s->space, &best, err);
    if (e == EFF_OK) e = eff_search_count(cost, &t, err);
    if (e != EFF_OK) return e;
    return eff_fail(
        err, EFF_EARG, "%s: the smallest child found has %.6g%s: expected a %s of at least that, found %.6g",
        eff_cost_name(at), cost[at], eff_cost_unit(at),
        s->objective.limit[at] > 0 && s->objective.limit[at] * least <= cost[at] * (1 + 1e-9) ? "limit" : "target",
        cost[at] / least);
}

/* --------------------------------------------------------------------------------------------------- tries */

static int earlier(const eff_search *s, const eff_child *c)
{
    for (int i = 0; i < s->ntries; i++)
        if (memcmp(&s->tries[i].child, c, sizeof *c) == 0) return i;
    return -1;
}

/* Whether try i is one of those drawn by chance: their part is `control` of any beginning of the row. */
static bool by_chance(const eff_search *s, int i) { return floor((i + 1) * s->o.control) > floor(i * s->o.control); }

static eff_status draw_by_chance(const eff_search *s, eff_try *t, uint64_t n, eff_error *err)
{
    eff_status e = EFF_OK;
    eff_cost which;
    double above = INFINITY;
    for (uint64_t k = 0; e == EFF_OK && k < REDRAWS && above > 1; k++) {
        eff_search_draw_child(&t->child, &s->space, s->o.seed, STREAM_CONTROL | (n * REDRAWS + k));
        if (earlier(s, &t->child) < 0) e = beyond(&above, &which, s, &t->child, err);
    }
    return e;
}

static eff_status enter(eff_search *s, eff_try *t, eff_error *err)
{
    eff_cost which;
    char digits[EFF_CHILD_TEXT];
    t->same_as = earlier(s, &t->child);
    if (t->same_as >= 0) {
        const eff_try *const same = &s->tries[t->same_as];
        t->table = same->table;
        t->job = same->job;
        memcpy(t->cost, same->cost, sizeof t->cost);
        return EFF_OK;
    }
    t->job = -1;
    for (int i = 0; i < EFF_COSTS; i++) t->cost[i] = NAN;
    bool can;
    eff_status e = eff_search_build(&t->table, t->cost, &can, &s->space, &t->child, err);
    if (e != EFF_OK || !can || !eff_objective_allows(&s->objective, t->cost, &which)) return e;
    eff_search_plain(&t->table);
    eff_job j = {
        .kind = s->by_supernet ? EFF_JOB_SCORE : EFF_JOB_TRAIN, .table = t->table, .child = t->child, .seed = s->o.seed
    };
    eff_child_format(&s->space, &t->child, digits, sizeof digits);
    snprintf(j.what, sizeof j.what, "child %d%s, %.36s", s->entered + 1, t->control ? " (by chance)" : "", digits);
    const int before = s->njobs;
    e = eff_search_add_job(s, &j, &t->job, err);
    t->adds = s->njobs > before; /* another child may round to the same table */
    s->entered += t->adds;
    return e;
}

/* Tell the controller of every try before `end`. *known: all of them have results. */
static void tell_controller(eff_search *s, int end, bool *known)
{
    for (*known = true; s->seen < end; s->seen++) {
        const eff_try *const t = &s->tries[s->seen];
        if (t->number < 0) continue;
        const double reward = eff_search_reward(s, s->seen);
        *known = !isnan(reward);
        if (!*known) return;
        eff_controller_observe(s->controller, t->number, &t->child, reward);
    }
}

static eff_status make_room(eff_search *s, eff_error *err)
{
    if (s->ntries < s->room) return EFF_OK;
    const int room = s->room ? 2 * s->room : 64;
    eff_try *const more = eff_realloc(s->tries, (size_t)room * sizeof *more);
    if (!more) return eff_fail_memory(err, (size_t)room * sizeof *more);
    s->tries = more;
    s->room = room;
    return EFF_OK;
}

static eff_status supernet_first(eff_search *s, bool *there, eff_error *err)
{
    if (s->supernet_job < 0) {
        const eff_job j = { .kind = EFF_JOB_SUPERNET, .seed = s->o.seed, .what = "supernet" };
        const eff_status e = eff_search_add_job(s, &j, &s->supernet_job, err);
        if (e != EFF_OK) return e;
    }
    const eff_job *const j = &s->jobs[s->supernet_job];
    *there = j->over;
    return j->failed ? eff_fail(err, EFF_EFORMAT, "the supernet: %.120s", j->reason) : EFF_OK;
}

eff_status eff_search_propose(eff_search *s, eff_error *err)
{
    bool there = true;
    eff_status e = s->by_supernet ? supernet_first(s, &there, err) : EFF_OK;
    int stale = 0;
    for (int i = s->ntries - 1; i >= 0 && !s->tries[i].adds; i--) stale++;
    while (e == EFF_OK && there && !s->exhausted && s->entered < s->o.trials) {
        const int n = s->ntries;
        bool known;
        if ((e = make_room(s, err))) break;
        eff_try *const t = &s->tries[n];
        if (!s->drawn) *t = (eff_try){ .control = by_chance(s, n), .number = -1 };
        if (t->control) {
            if ((e = draw_by_chance(s, t, (uint64_t)n, err))) break;
        } else if (!s->drawn) {
            tell_controller(s, n - s->o.ahead, &known);
            if (!known) break;
            t->number = s->asked;
            eff_controller_propose(s->controller, s->asked++, &t->child);
            s->drawn = true; /* a controller is not asked twice */
        }
        if ((e = enter(s, t, err))) break;
        s->drawn = false;
        s->ntries++;
        stale = t->adds ? 0 : stale + 1;
        s->exhausted = stale >= STALE;
    }
    return e;
}

bool eff_search_children_over(const eff_search *s)
{
    if (s->entered < s->o.trials && !s->exhausted) return false;
    for (int i = 0; i < s->ntries; i++)
        if (isnan(eff_search_reward(s, i))) return false;
    return true;
}
