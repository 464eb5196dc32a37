/* SPDX-License-Identifier: Apache-2.0 */
/* Plan and results as JSON: all numbers that the pages, the tables and the program show come from here. */
#include "scale/study_internal.h"

#include "base/json.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

eff_layout eff_study_layout(const eff_study *s)
{
    return (eff_layout){ .networks = s->nworks, .seeds = s->o.repeats, .top1 = s->top1 };
}

/* ------------------------------------------------------------------------------------------------- pieces */

static json_t *interval_json(eff_estimate e)
{
    if (isnan(e.lo)) return json_null();
    return json_pack("[f, f]", e.lo, e.hi);
}

static json_t *side_json(const eff_table *t)
{
    return t->height == t->width_px ? json_integer(t->height) : json_pack("[i, i]", t->height, t->width_px);
}

/* What is known of a network and its trials, added to *j. */
static bool put_work(json_t *j, const eff_study *s, int i)
{
    const eff_layout l = eff_study_layout(s);
    const eff_spread spread = eff_spread_of(&l);
    const eff_estimate m = eff_mean_of(&l, &spread, i, s->scored);
    const eff_network *const n = &s->work[i].net;
    json_t *const seeds = json_array(), *const seconds = json_array();
    bool good = eff_json_put(j, "macs", json_integer((json_int_t)n->macs)) &&
                eff_json_put(j, "params", json_integer((json_int_t)n->params)) &&
                eff_json_put(j, "paid", json_real(n->paid)) && eff_json_put(j, "resolution", side_json(&n->table)) &&
                eff_json_put(j, "top1", eff_json_real(m.value)) && eff_json_put(j, "interval", interval_json(m)) &&
                eff_json_put(j, "trial_seconds", json_real(s->work[i].seconds));
    for (int k = 0; k < s->o.repeats; k++) {
        good = good && json_array_append_new(seeds, eff_json_real(s->top1[i * s->o.repeats + k])) == 0 &&
               json_array_append_new(seconds, json_real(s->seconds[i * s->o.repeats + k])) == 0;
    }
    return eff_json_put(j, "seeds", seeds) && eff_json_put(j, "seconds", seconds) && good;
}

static json_t *point_json(const eff_study *s, const eff_point *p)
{
    json_t *const j = json_object();
    const bool good = j && eff_json_put(j, "target", json_real(p->target)) &&
                      eff_json_put(j, "depth", json_real(p->by.depth)) &&
                      eff_json_put(j, "width", json_real(p->by.width)) &&
                      eff_json_put(j, "resolution_factor", json_real(p->by.resolution)) &&
                      eff_json_put(j, "deviation", json_real(p->deviation)) && put_work(j, s, p->network);
    if (good) return j;
    json_decref(j);
    return NULL;
}

static json_t *line_json(const eff_study *s, const eff_study_line *l)
{
    json_t *const a = json_array();
    bool good = a != NULL;
    for (int i = 0; good && i < l->n; i++) good = json_array_append_new(a, point_json(s, &l->point[i])) == 0;
    if (good) return a;
    json_decref(a);
    return NULL;
}

static bool put_common(json_t *j, eff_study *s)
{
    json_t *const recipe = json_object();
    bool good = recipe != NULL;
    for (int i = 0; good && i < eff_recipe_count(); i++)
        if (eff_recipe_matters(&s->recipe, i))
            good = eff_json_put(recipe, eff_recipe_key(i, NULL), json_string(eff_recipe_value(&s->recipe, i, NULL)));
    return eff_json_put(j, "recipe", recipe) && good &&
           eff_json_put(j, "kind", json_string(s->o.kind == EFF_STUDY_FIT ? "fit" : "study")) &&
           eff_json_put(j, "base", json_string(s->base_name ? s->base_name : s->base.name)) &&
           eff_json_put(j, "base_macs", json_integer((json_int_t)s->base_macs)) &&
           eff_json_put(j, "base_params", json_integer((json_int_t)s->base_params)) &&
           eff_json_put(j, "base_resolution", side_json(&s->base)) &&
           eff_json_put(j, "base_stride", json_integer(eff_table_stride(&s->base))) &&
           eff_json_put(j, "data", json_string(s->data_name ? s->data_name : "")) &&
           eff_json_put(j, "fingerprint", json_string(s->print)) &&
           eff_json_put(j, "images", json_integer(s->images)) &&
           eff_json_put(j, "validation_images", json_integer(s->scored)) &&
           eff_json_put(j, "classes", json_integer(s->base.classes)) && eff_json_put(j, "cpu", json_string(s->level)) &&
           eff_json_put(j, "first_seed", eff_json_seed(s->o.seed)) &&
           eff_json_put(j, "repeats", json_integer(s->o.repeats)) &&
           eff_json_put(j, "epochs", json_integer(eff_study_epochs(s))) &&
           eff_json_put(j, "cuts", json_string(s->cuts)) && eff_json_put(j, "trials_total", json_integer(s->trials)) &&
           eff_json_put(j, "trials_done", json_integer(s->finished)) &&
           eff_json_put(j, "trials_failed", json_integer(s->failed)) &&
           eff_json_put(j, "failure", json_string(s->failed ? s->failure : "")) &&
           eff_json_put(j, "seconds_spent", json_real(s->spent));
}

/* ------------------------------------------------------------------------------------------------- the fit */

static double mean_top1(const eff_study *s, int i)
{
    const eff_layout l = eff_study_layout(s);
    return eff_layout_mean(&l, i);
}

static bool on_grid(const eff_study *s, int work) { return work < s->grid.nnetworks; }

int eff_study_best(const eff_study *s, int *work)
{
    const eff_layout l = eff_study_layout(s);
    const eff_spread spread = eff_spread_of(&l);
    int n = 0, best = -1;
    for (int i = 0; i < s->nworks; i++) {
        const double m = mean_top1(s, i);
        if (s->work[i].counts && on_grid(s, i) && !isnan(m) && (best < 0 || m > mean_top1(s, best))) best = i;
    }
    if (best < 0) return 0;
    for (int i = 0; i < s->nworks; i++) {
        const double m = mean_top1(s, i);
        if (!s->work[i].counts || !on_grid(s, i) || isnan(m)) continue;
        const eff_verdict v = eff_verdict_of(eff_difference(&l, &spread, &best, &i, 1));
        if (i != best && v == EFF_VERDICT_MORE) continue; /* the best is above it */
        if (i != best && v == EFF_VERDICT_UNKNOWN && m < mean_top1(s, best))
            continue; /* one seed: only the best itself */
        int at = n++;
        for (; at > 0 && mean_top1(s, work[at - 1]) < m; at--) work[at] = work[at - 1];
        work[at] = i;
    }
    return n;
}

static json_t *candidate_json(const eff_grid_candidate *c)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:i}", "alpha", c->alpha, "beta", c->beta, "gamma", c->gamma, "product",
                     c->product, "paid", c->paid, "network", c->network);
}

/* Of the constants that lead to a network, those nearest to the target come first. */
static bool put_candidates(json_t *list, const eff_study *s, int network)
{
    int order[64], n = 0;
    for (int c = 0; c < s->grid.ncandidates; c++) {
        if (s->grid.candidate[c].network != network || n == 64) continue;
        const double off = fabs(s->grid.candidate[c].product - s->o.target);
        int at = n++;
        for (; at > 0 && fabs(s->grid.candidate[order[at - 1]].product - s->o.target) > off; at--)
            order[at] = order[at - 1];
        order[at] = c;
    }
    for (int i = 0; i < n; i++)
        if (json_array_append_new(list, candidate_json(&s->grid.candidate[order[i]])) != 0) return false;
    return true;
}

static json_t *difference_json(const eff_study *s, const int *a, const int *b, int n)
{
    static const char *const words[] = { "unknown", "less", "not distinguishable", "more" };
    const eff_layout l = eff_study_layout(s);
    const eff_spread spread = eff_spread_of(&l);
    const eff_estimate d = eff_difference(&l, &spread, a, b, n);
    json_t *const j = json_object();
    if (j && eff_json_put(j, "difference", eff_json_real(d.value)) && eff_json_put(j, "interval", interval_json(d)) &&
        eff_json_put(j, "verdict", json_string(words[eff_verdict_of(d)])))
        return j;
    json_decref(j);
    return NULL;
}

static json_t *network_json(const eff_study *s, int i, int best)
{
    json_t *const j = json_object(), *const list = json_array();
    bool good = j && list && put_candidates(list, s, i);
    good = eff_json_put(j, "constants", list) && good && eff_json_put(j, "name", json_string(s->work[i].what)) &&
           eff_json_put(j, "trained", json_boolean(s->work[i].counts)) &&
           eff_json_put(j, "paper", json_boolean(i == s->paper)) && put_work(j, s, i);
    if (good && best >= 0 && s->work[i].counts) good = eff_json_put(j, "below_best", difference_json(s, &best, &i, 1));
    if (good) return j;
    json_decref(j);
    return NULL;
}

static bool put_fit(json_t *j, const eff_study *s, bool results)
{
    int *const work = eff_malloc(((size_t)s->nworks + 1) * sizeof *work);
    json_t *const best = json_array(), *const rows = json_array(), *const all = json_array();
    bool good = work && best && rows && all;
    const int n = good && results ? eff_study_best(s, work) : 0;
    for (int i = 0; good && i < n; i++) good = put_candidates(best, s, work[i]);
    for (int i = 0; good && i < s->nworks; i++)
        good = json_array_append_new(rows, network_json(s, i, n ? work[0] : -1)) == 0;
    for (int i = 0; good && i < s->grid.ncandidates; i++)
        good = json_array_append_new(all, candidate_json(&s->grid.candidate[i])) == 0;
    good = eff_json_put(j, "trials", rows) && good;
    good = eff_json_put(j, "candidates", all) && good;
    if (n)
        good = eff_json_put(j, "best", best) && good;
    else
        json_decref(best);
    eff_free(work);
    return good && eff_json_put(j, "target", json_real(s->o.target)) &&
           eff_json_put(j, "tolerance", json_real(s->o.tolerance)) && eff_json_put(j, "step", json_real(s->o.step)) &&
           eff_json_put(j, "paid_tolerance", json_real(s->o.paid)) && eff_json_put(j, "paper", json_integer(s->paper));
}

/* ---------------------------------------------------------------------------------------------- the curves */

eff_saturation eff_study_saturation(const eff_study *s, const eff_study_line *l, double x[EFF_MAX_POINTS],
                                    double y[EFF_MAX_POINTS])
{
    const eff_layout lay = eff_study_layout(s);
    const eff_spread spread = eff_spread_of(&lay);
    for (int i = 0; i < l->n; i++) {
        x[i] = s->work[l->point[i].network].net.paid;
        y[i] = mean_top1(s, l->point[i].network);
    }
    const double se = s->o.repeats > 1 ? spread.one / sqrt(s->o.repeats) : NAN;
    return eff_saturation_fit(x, y, l->n, se, s->o.gain, 1);
}

static json_t *saturation_json(const eff_study *s, const eff_study_line *l)
{
    double x[EFF_MAX_POINTS], y[EFF_MAX_POINTS];
    const eff_saturation f = eff_study_saturation(s, l, x, y);
    if (!f.known) return json_null();
    json_t *const j = json_object();
    const eff_estimate c = { f.c, f.c_lo, f.c_hi };
    const bool good = j && eff_json_put(j, "model", json_string("top1 = c - a * x^-b, x = MACs over the base's")) &&
                      eff_json_put(j, "saturates", json_boolean(f.saturates)) && eff_json_put(j, "c", json_real(f.c)) &&
                      eff_json_put(j, "c_interval", interval_json(c)) && eff_json_put(j, "a", json_real(f.a)) &&
                      eff_json_put(j, "b", json_real(f.b)) && eff_json_put(j, "rms", json_real(f.rms)) &&
                      eff_json_put(j, "gain", json_real(f.gain)) && eff_json_put(j, "bend", eff_json_real(f.bend)) &&
                      eff_json_put(j, "bend_lo", eff_json_real(f.bend_lo)) &&
                      eff_json_put(j, "bend_hi", eff_json_real(f.bend_hi));
    if (good) return j;
    json_decref(j);
    return NULL;
}

/* Compound less each single line, at every point past the base and over all of them. */
static json_t *comparisons_json(const eff_study *s)
{
    json_t *const a = json_array();
    bool good = a != NULL;
    const eff_study_line *const c = &s->line[EFF_LINES - 1];
    for (int k = 0; good && k < EFF_LINES - 1; k++) {
        int x[EFF_MAX_POINTS], y[EFF_MAX_POINTS], n = 0;
        for (int i = 1; i < c->n; i++, n++) x[n] = c->point[i].network, y[n] = s->line[k].point[i].network;
        for (int i = 0; good && i <= n && n; i++) { /* the last: their mean */
            json_t *const d = i < n ? difference_json(s, &x[i], &y[i], 1) : difference_json(s, x, y, n);
            good = d && eff_json_put(d, "against", json_string(s->line[k].name)) &&
                   eff_json_put(d, "target", i < n ? json_real(c->point[i + 1].target) : json_null());
            good = json_array_append_new(a, d) == 0 && good;
        }
    }
    if (good) return a;
    json_decref(a);
    return NULL;
}

static bool put_curves(json_t *j, const eff_study *s, bool results)
{
    json_t *const curves = json_object(), *const figure = json_array(), *const bends = json_object();
    bool good = curves && figure && bends;
    for (int k = 0; good && k < EFF_LINES; k++) {
        good = eff_json_put(curves, s->line[k].name, line_json(s, &s->line[k]));
        if (good && results) good = eff_json_put(bends, s->line[k].name, saturation_json(s, &s->line[k]));
    }
    for (int k = 0; good && k < s->nfigure; k++) {
        json_t *const one = json_object();
        good = one && eff_json_put(one, "name", json_string(s->figure[k].name)) &&
               eff_json_put(one, "points", line_json(s, &s->figure[k]));
        good = json_array_append_new(figure, one) == 0 && good;
    }
    good = eff_json_put(j, "curves", curves) && good;
    good = eff_json_put(j, "figure4", figure) && good;
    if (results) {
        good = eff_json_put(j, "saturation", bends) && good;
        good = eff_json_put(j, "comparisons", comparisons_json(s)) && good;
    } else {
        json_decref(bends);
    }
    return good && eff_json_put(j, "alpha", json_real(s->o.alpha)) && eff_json_put(j, "beta", json_real(s->o.beta)) &&
           eff_json_put(j, "gamma", json_real(s->o.gamma)) && eff_json_put(j, "points", json_integer(s->o.points));
}

/* --------------------------------------------------------------------------------------------------- whole */

static json_t *make(eff_study *s, bool results)
{
    const eff_layout l = eff_study_layout(s);
    const eff_spread spread = eff_spread_of(&l);
    json_t *const j = json_object();
    bool good = j && put_common(j, s);
    if (good) good = s->o.kind == EFF_STUDY_FIT ? put_fit(j, s, results) : put_curves(j, s, results);
    if (good && results)
        good = eff_json_put(j, "spread_paired", eff_json_real(spread.paired)) &&
               eff_json_put(j, "spread_one", eff_json_real(spread.one)) &&
               eff_json_put(j, "degrees_of_freedom", json_integer(spread.df)) &&
               eff_json_put(j, "words", eff_study_words(s));
    if (good && !results) {
        size_t memory = 0, most = 0;
        for (int i = 0; i < s->nworks; i++) {
            const eff_trial_job job = eff_study_job(s, i, 0);
            if (s->work[i].counts && eff_trial_memory(&memory, &job, NULL) == EFF_OK && memory > most) most = memory;
        }
        good = eff_json_put(j, "decode_seconds", json_real(s->decode)) &&
               eff_json_put(j, "seconds", json_real(eff_study_total(s, eff_study_epochs(s)) + s->decode)) &&
               eff_json_put(j, "seconds_left", json_real(s->left * s->pace)) &&
               eff_json_put(j, "train_memory", json_integer((json_int_t)most)) &&
               eff_json_put(j, "source", json_pack("[i, i]", s->source_h, s->source_w));
    }
    if (good) return j;
    json_decref(j);
    return NULL;
}

json_t *eff_study_plan_json(eff_study *s) { return make(s, false); }
json_t *eff_study_results_json(eff_study *s) { return make(s, true); }
