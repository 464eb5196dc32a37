/* SPDX-License-Identifier: Apache-2.0 */
/* Plan and results as JSON: all numbers that the page, the table and the program show come from here. */
#include "search/search_internal.h"

#include "base/json.h"
#include "base/mem.h"
#include "model/table_json.h"
#include "scale/trial_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *interval_json(double lo, double hi) { return isnan(lo) ? json_null() : json_pack("[f, f]", lo, hi); }

static bool put_costs(json_t *j, const double cost[EFF_COSTS], double latency)
{
    return eff_json_put(j, "macs", eff_json_real(cost[EFF_COST_MACS])) &&
           eff_json_put(j, "params", eff_json_real(cost[EFF_COST_PARAMS])) &&
           eff_json_put(j, "memory", eff_json_real(cost[EFF_COST_MEMORY])) &&
           eff_json_put(j, "latency", eff_json_real(latency));
}

static json_t *digits_json(const eff_search *s, int try)
{
    char digits[EFF_CHILD_TEXT];
    eff_child_format(&s->space, &s->tries[try].child, digits, sizeof digits);
    return json_string(digits);
}

static bool append(json_t *a, json_t *v) { return json_array_append_new(a, v) == 0; }

/* --------------------------------------------------------------------------------------------- what was asked */

static json_t *space_json(const eff_search *s)
{
    const int open = s->space.ndecisions;
    return json_pack("{s:s, s:f, s:f, s:i}", "name", s->space.name, "choices", s->choices, "networks", s->networks,
                     "decisions", open);
}

static json_t *objective_json(const eff_search *s)
{
    json_t *const j = json_pack("{s:s, s:s, s:f, s:f, s:b}", "cost", eff_cost_name(s->objective.cost), "unit",
                                eff_cost_unit(s->objective.cost), "target", s->objective.target, "exponent",
                                s->objective.exponent, "hard", s->objective.hard),
                  *const limits = json_object();
    bool good = j && limits;
    for (int i = 0; good && i < EFF_COSTS; i++)
        if (s->objective.limit[i] > 0)
            good = eff_json_put(limits, eff_cost_name((eff_cost)i), json_real(s->objective.limit[i]));
    if (j && limits && eff_json_put(j, "limits", limits) && good) return j;
    json_decref(j);
    return NULL;
}

static bool put_common(json_t *j, eff_search *s)
{
    return eff_json_put(j, "kind", json_string("search")) && eff_json_put(j, "space", space_json(s)) &&
           eff_json_put(j, "controller", json_string(eff_controller_name(s->controller_opts.kind))) &&
           eff_json_put(j, "evaluator", json_string(s->by_supernet ? "supernet" : "proxy")) &&
           eff_json_put(j, "objective", objective_json(s)) && eff_json_put(j, "base", json_string(s->rival[0].name)) &&
           eff_json_put(j, "base_macs", json_real(s->rival[0].cost[EFF_COST_MACS])) &&
           eff_json_put(j, "resolution", json_integer(s->space.base.height)) &&
           eff_json_put(j, "data", json_string(s->data_name ? s->data_name : "")) &&
           eff_json_put(j, "fingerprint", json_string(s->print)) &&
           eff_json_put(j, "images", json_integer(s->images)) &&
           eff_json_put(j, "validation_images", json_integer(s->scored)) &&
           eff_json_put(j, "classes", json_integer(s->space.base.classes)) &&
           eff_json_put(j, "cpu", json_string(s->level)) && eff_json_put(j, "seed", eff_json_seed(s->o.seed)) &&
           eff_json_put(j, "recipe", eff_trial_recipe_json(&s->recipe)) &&
           eff_json_put(
               j, "epochs",
               json_pack("[i, i, i]", eff_search_epochs(s, 0), eff_search_epochs(s, 1), eff_search_epochs(s, 2))) &&
           eff_json_put(j, "trials_asked", json_integer(s->o.trials)) &&
           eff_json_put(j, "control", json_real(s->o.control)) && eff_json_put(j, "ahead", json_integer(s->o.ahead)) &&
           eff_json_put(j, "repeats", json_integer(s->o.repeats)) && eff_json_put(j, "cuts", json_string(s->cuts));
}

json_t *eff_search_plan_json(eff_search *s)
{
    json_t *const j = json_object();
    size_t memory = 0;
    eff_recipe r = s->recipe;
    const eff_trial_job t = eff_search_trial(s, &s->rival[0].table, &r, 0, 0);
    eff_trial_memory(&memory, &t, NULL);
    if (j && put_common(j, s) && eff_json_put(j, "seconds", json_real(eff_search_left(s) + s->decode)) &&
        eff_json_put(j, "jobs_done", json_integer(s->finished)) &&
        eff_json_put(j, "child_seconds",
                     json_real(eff_search_train_seconds(s, s->mean_macs, eff_search_epochs(s, 0)))) &&
        eff_json_put(j, "mean_macs", json_real(s->mean_macs)) &&
        eff_json_put(j, "train_memory", json_real((double)memory)))
        return j;
    json_decref(j);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------- children */

static const char *state_of(const eff_search *s, int i)
{
    const int j = s->tries[i].job;
    return j < 0 ? "refused" : !s->jobs[j].over ? "waiting" : s->jobs[j].failed ? "failed" : "done";
}

static json_t *children_json(const eff_search *s, const bool *front)
{
    json_t *const a = json_array();
    bool good = a != NULL;
    int number = 0;
    for (int i = 0; good && i < s->ntries; i++) {
        const eff_try *const t = &s->tries[i];
        if (t->same_as >= 0) continue;
        json_t *const j = json_object();
        const eff_job *const k = t->job >= 0 ? &s->jobs[t->job] : NULL;
        good = j && eff_json_put(j, "number", json_integer(++number)) && eff_json_put(j, "child", digits_json(s, i)) &&
               eff_json_put(j, "by_chance", json_boolean(t->control)) &&
               eff_json_put(j, "state", json_string(state_of(s, i))) &&
               put_costs(j, t->cost, eff_search_cost(s, i, EFF_COST_LATENCY)) &&
               eff_json_put(j, "top1", eff_json_real(eff_search_top1(s, i))) &&
               eff_json_put(j, "reward", eff_json_real(k && k->over && !k->failed ? eff_search_reward(s, i) : NAN)) &&
               eff_json_put(j, "front", json_boolean(front[i])) &&
               eff_json_put(j, "seconds", eff_json_real(k && k->over ? k->seconds : NAN));
        if (good && k && k->failed) good = eff_json_put(j, "reason", json_string(k->reason));
        good = append(a, j) && good;
    }
    if (good) return a;
    json_decref(a);
    return NULL;
}

/* Best reward after 1, 2, 3 ... children: of the controller's in their order; of those drawn by chance in the mean over
 * all orders, which is what random search has. */
static json_t *history_json(const eff_search *s)
{
    json_t *const led = json_array(), *const chance = json_array();
    double *const drawn = eff_malloc(((size_t)s->ntries + 1) * sizeof *drawn), best = -INFINITY;
    bool good = led && chance && drawn;
    int n = 0;
    for (int i = 0; good && i < s->ntries; i++) {
        const double r = eff_search_reward(s, i);
        if (s->tries[i].same_as >= 0 || s->tries[i].job < 0 || isnan(r)) continue;
        if (s->tries[i].control) {
            drawn[n++] = r;
            continue;
        }
        best = fmax(best, r);
        good = append(led, json_real(best));
    }
    for (int k = 1; good && k <= n; k++) good = append(chance, json_real(eff_expected_best(drawn, n, k)));
    eff_free(drawn);
    if (good) return json_pack("{s:o, s:o}", "controller", led, "chance", chance);
    json_decref(led);
    json_decref(chance);
    return NULL;
}

/* --------------------------------------------------------------------------------------------------- finals */

static double job_top1(const eff_search *s, int job)
{
    return job >= 0 && s->jobs[job].over && !s->jobs[job].failed ? s->jobs[job].top1 : NAN;
}

static json_t *finalists_json(const eff_search *s)
{
    json_t *const a = json_array();
    bool good = a != NULL;
    for (int k = 0; good && k < s->nfinalists; k++) {
        const int i = s->finalist[k];
        json_t *const j = json_object(), *const levels = json_array();
        good = j && levels;
        for (int l = 0; good && l < EFF_LEVELS; l++)
            good = append(levels, eff_json_real(job_top1(s, s->finalist_job[l][k])));
        good = eff_json_put(j, "top1", levels) && good && eff_json_put(j, "child", digits_json(s, i)) &&
               put_costs(j, s->tries[i].cost, eff_search_cost(s, i, EFF_COST_LATENCY)) &&
               eff_json_put(j, "winner", json_boolean(i == s->winner));
        good = append(a, j) && good;
    }
    if (good) return a;
    json_decref(a);
    return NULL;
}

static json_t *sample_json(const eff_search *s)
{
    json_t *const rows = json_array();
    double *const brief = eff_malloc(((size_t)s->nsample + 1) * 2 * sizeof *brief), *const full =
                                                                                        brief ? brief + s->nsample
                                                                                              : NULL;
    bool good = rows && brief;
    int there = 0;
    for (int k = 0; good && k < s->nsample; k++) {
        brief[k] = eff_search_top1(s, s->sample[k]);
        full[k] = job_top1(s, s->sample_job[k]);
        there += !isnan(full[k]);
        good = append(rows, json_pack("{s:o, s:o, s:o, s:o}", "child", digits_json(s, s->sample[k]), "brief",
                                      eff_json_real(brief[k]), "full", eff_json_real(full[k]), "macs",
                                      eff_json_real(s->tries[s->sample[k]].cost[EFF_COST_MACS])));
    }
    json_t *j = NULL;
    if (good) {
        const eff_tau t = eff_kendall(brief, full, s->nsample, s->o.seed);
        j = json_pack("{s:o, s:o, s:o, s:i}", "children", rows, "tau", eff_json_real(t.value), "interval",
                      interval_json(t.lo, t.hi), "n", there);
    } else
        json_decref(rows);
    eff_free(brief);
    return j;
}

typedef struct contest { /* the winner, the base, the rivals: all seeds to the full */
    int n;
    double top1[(2 + EFF_SEARCH_MOST_RIVALS) * EFF_MOST_REPEATS];
    eff_layout layout;
    eff_spread spread;
} contest;

static void hold_contest(contest *c, const eff_search *s)
{
    const int k = s->o.repeats;
    c->n = 1 + s->nrivals;
    for (int i = 0; i < c->n; i++)
        for (int r = 0; r < k; r++)
            c->top1[i * k + r] = i == 0          ? s->winner >= 0 ? job_top1(s, s->winner_job[r]) : NAN
                                 : s->stage >= 1 ? job_top1(s, s->rival[i - 1].job[r])
                                                 : NAN;
    c->layout = (eff_layout){ .networks = c->n, .seeds = k, .top1 = c->top1 };
    c->spread = eff_spread_of(&c->layout);
}

static json_t *contest_row(const eff_search *s, const contest *c, int i)
{
    const eff_estimate m = eff_mean_of(&c->layout, &c->spread, i, s->scored);
    const double *const cost = i == 0 ? s->tries[s->winner].cost : s->rival[i - 1].cost;
    const double latency =
        i == 0 ? eff_search_cost(s, s->winner, EFF_COST_LATENCY) : s->jobs[s->rival[i - 1].job[0]].latency;
    json_t *const j = json_object(), *const seeds = json_array();
    bool good = j && seeds;
    for (int r = 0; good && r < s->o.repeats; r++) good = append(seeds, eff_json_real(c->top1[i * s->o.repeats + r]));
    good = eff_json_put(j, "seeds", seeds) && good &&
           eff_json_put(j, "name", json_string(i == 0 ? "found" : s->rival[i - 1].name)) &&
           put_costs(j, cost, latency) && eff_json_put(j, "top1", eff_json_real(m.value)) &&
           eff_json_put(j, "interval", interval_json(m.lo, m.hi));
    if (good && i == 0) good = eff_json_put(j, "child", digits_json(s, s->winner));
    if (good && i > 0 && s->winner >= 0) {
        const int a = 0;
        const eff_estimate d = eff_difference(&c->layout, &c->spread, &a, &i, 1);
        static const char *const verdict[] = { "unknown", "less", "even", "more" };
        good = eff_json_put(j, "found_less_this", eff_json_real(d.value)) &&
               eff_json_put(j, "found_interval", interval_json(d.lo, d.hi)) &&
               eff_json_put(j, "verdict", json_string(verdict[eff_verdict_of(d)]));
    }
    if (good) return j;
    json_decref(j);
    return NULL;
}

static json_t *final_json(const eff_search *s)
{
    json_t *const a = json_array();
    contest c;
    hold_contest(&c, s);
    bool good = a != NULL;
    for (int i = s->winner < 0; good && i < c.n; i++) good = append(a, contest_row(s, &c, i));
    if (good) return a;
    json_decref(a);
    return NULL;
}

static bool is_finalist(const eff_search *s, int try)
{
    for (int k = 0; k < s->nfinalists; k++)
        if (s->finalist[k] == try) return true;
    return false;
}

static json_t *table_json(const eff_search *s, int try)
{
    eff_table t = s->tries[try].table;
    char digits[EFF_CHILD_TEXT];
    eff_child_format(&s->space, &s->tries[try].child, digits, sizeof digits);
    snprintf(t.name, sizeof t.name, "%.20s-%.40s", s->space.name, digits);
    return eff_table_to_json(&t);
}

/* The winner; before there is one, the child with the best brief score. */
static json_t *best_json(const eff_search *s)
{
    const int best = s->winner >= 0 ? s->winner : eff_search_best(s);
    if (best < 0) return json_null();
    double top1 = eff_search_top1(s, best);
    if (s->winner >= 0) {
        contest c;
        hold_contest(&c, s);
        const eff_estimate m = eff_mean_of(&c.layout, &c.spread, 0, s->scored);
        if (!isnan(m.value)) top1 = m.value;
    }
    const double cost = eff_search_cost(s, best, s->objective.cost);
    json_t *const j = json_object();
    if (j && eff_json_put(j, "child", digits_json(s, best)) && eff_json_put(j, "table", table_json(s, best)) &&
        put_costs(j, s->tries[best].cost, eff_search_cost(s, best, EFF_COST_LATENCY)) &&
        eff_json_put(j, "top1", eff_json_real(top1)) &&
        eff_json_put(j, "reward", eff_json_real(eff_objective_reward(&s->objective, top1, cost))))
        return j;
    json_decref(j);
    return NULL;
}

static json_t *pareto_json(const eff_search *s, const bool *front)
{
    json_t *const a = json_array();
    bool good = a != NULL;
    for (int i = 0; good && i < s->ntries; i++) {
        if (!front[i]) continue;
        json_t *const j = json_object();
        good = j && eff_json_put(j, "child", digits_json(s, i)) &&
               put_costs(j, s->tries[i].cost, eff_search_cost(s, i, EFF_COST_LATENCY)) &&
               eff_json_put(j, "top1", eff_json_real(eff_search_top1(s, i))) &&
               eff_json_put(j, "reward", eff_json_real(eff_search_reward(s, i)));
        good = append(a, j) && good;
    }
    if (good) return a;
    json_decref(a);
    return NULL;
}

/* The networks of the front, the finalists and the winner as tables that can be used, by child. */
static json_t *tables_json(const eff_search *s, const bool *front)
{
    json_t *const j = json_object();
    bool good = j != NULL;
    for (int i = 0; good && i < s->ntries; i++) {
        if (!front[i] && i != s->winner && !is_finalist(s, i)) continue;
        char digits[EFF_CHILD_TEXT];
        eff_child_format(&s->space, &s->tries[i].child, digits, sizeof digits);
        good = eff_json_put(j, digits, table_json(s, i));
    }
    if (good) return j;
    json_decref(j);
    return NULL;
}

static bool *find_front(const eff_search *s)
{
    const size_t n = (size_t)s->ntries + 1;
    bool *const front = eff_calloc(n, sizeof *front);
    double *const cost = eff_malloc(2 * n * sizeof *cost), *const top1 = cost ? cost + n : NULL;
    if (front && cost) {
        for (int i = 0; i < s->ntries; i++) {
            cost[i] = eff_search_cost(s, i, s->objective.cost);
            top1[i] = s->tries[i].same_as < 0 ? eff_search_top1(s, i) : NAN;
        }
        eff_pareto_front(front, cost, top1, s->ntries);
    }
    const bool good = front && cost;
    eff_free(cost);
    if (good) return front;
    eff_free(front);
    return NULL;
}

static int scored_children(const eff_search *s)
{
    int n = 0;
    for (int i = 0; i < s->ntries; i++) n += s->tries[i].same_as < 0 && !isnan(eff_search_top1(s, i));
    return n;
}

json_t *eff_search_results_json(eff_search *s)
{
    bool *const front = find_front(s);
    json_t *const j = json_object();
    bool good = front && j && put_common(j, s) && eff_json_put(j, "trials", json_integer(scored_children(s))) &&
                eff_json_put(j, "best", best_json(s)) && eff_json_put(j, "pareto", pareto_json(s, front)) &&
                eff_json_put(j, "complete", json_boolean(s->complete && s->finished == s->njobs)) &&
                eff_json_put(j, "exhausted", json_boolean(s->exhausted)) &&
                eff_json_put(j, "jobs_done", json_integer(s->finished)) &&
                eff_json_put(j, "jobs_failed", json_integer(s->failures)) &&
                eff_json_put(j, "seconds_spent", json_real(s->spent)) &&
                eff_json_put(j, "children", children_json(s, front)) && eff_json_put(j, "history", history_json(s)) &&
                eff_json_put(j, "finalists", finalists_json(s)) && eff_json_put(j, "sample", sample_json(s)) &&
                eff_json_put(j, "final", final_json(s)) && eff_json_put(j, "tables", tables_json(s, front)) &&
                eff_json_put(j, "winner", s->winner >= 0 ? digits_json(s, s->winner) : json_null());
    if (good) good = eff_json_put(j, "words", eff_search_words(j));
    eff_free(front);
    if (good) return j;
    json_decref(j);
    return NULL;
}
