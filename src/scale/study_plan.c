/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a study: which networks, how long they take here, and what is left out when that is more than there is
 * time for. Nothing here depends on the store but what was settled in it. */
#include "scale/study_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEASURE_SECONDS 0.12 /* of each network */
#define SLOW_STEP       1.0  /* seconds: networks that cost more are scaled by their MACs from the one that took it */
#define PLAN_PART       0.92 /* of the time that the plan may fill: steps are timed one by one, trials heat the machine */
#define CLOSE           0.06   /* part of a rung by which a compound network may miss it for the sake of its factors */
#define ROOM_TO_GROW    1.4143 /* the source keeps a further doubling by resolution */

/* ------------------------------------------------------------------------------------------------ networks */

static eff_status add_work(eff_study *s, const eff_network *n, bool counts, const char *what, int *index,
                           eff_error *err)
{
    for (*index = 0; *index < s->nworks; ++*index)
        if (eff_network_same(&s->work[*index].net, n)) {
            s->work[*index].counts |= counts;
            return EFF_OK;
        }
    eff_work *const more = eff_realloc(s->work, ((size_t)s->nworks + 1) * sizeof *more);
    if (!more) return eff_fail_memory(err, ((size_t)s->nworks + 1) * sizeof *more);
    s->work = more;
    s->work[s->nworks] = (eff_work){ .net = *n, .counts = counts };
    snprintf(s->work[s->nworks++].what, sizeof s->work->what, "%s", what);
    return EFF_OK;
}

static eff_status add_point(eff_study *s, eff_study_line *l, eff_factors start, eff_direction d, double target,
                            eff_error *err)
{
    eff_network n;
    char what[48];
    eff_point *const p = &l->point[l->n];
    const bool together = (d.alpha != 1) + (d.beta != 1) + (d.gamma != 1) > 1;
    eff_status e = together ? eff_network_compound(&n, &s->base, d, target, CLOSE, s->o.multiple, s->base_macs, err)
                            : eff_network_nearest(&n, &s->base, start, d, target, s->o.multiple, s->base_macs, err);
    if (e != EFF_OK) {
        eff_error_prefix(err, "%s x%g", l->name, target);
        return e;
    }
    if (target == 1)
        snprintf(what, sizeof what, "base");
    else
        snprintf(what, sizeof what, "%s x%g", l->name, target);
    *p = (eff_point){ .target = target, .by = n.by, .deviation = n.paid / target - 1 };
    e = add_work(s, &n, true, what, &p->network, err);
    l->n += e == EFF_OK;
    return e;
}

static eff_status lay_out_curves(eff_study *s, eff_error *err)
{
    const eff_factors one = { 1, 1, 1 };
    const struct {
        const char *name;
        eff_direction d;
    } rows[EFF_LINES] = { { "depth", { 2, 1, 1 } },
                          { "width", { 1, 2, 1 } },
                          { "resolution", { 1, 1, 2 } },
                          { "compound", { s->o.alpha, s->o.beta, s->o.gamma } } };
    static const struct {
        const char *name;
        eff_factors start;
    } fixed[EFF_FIGURE_LINES] = { { "depth 2, resolution 1", { 2, 1, 1 } },
                                  { "depth 1, resolution 1.3", { 1, 1, 1.3 } },
                                  { "depth 2, resolution 1.3", { 2, 1, 1.3 } } };
    eff_status e = EFF_OK;
    for (int k = 0; k < EFF_LINES; k++) {
        s->line[k] = (eff_study_line){ .name = rows[k].name };
        for (int i = 0; e == EFF_OK && i < s->o.points; i++)
            e = add_point(s, &s->line[k], one, rows[k].d, ldexp(1, i), err);
    }
    s->nfigure = 0;
    for (int k = 0; e == EFF_OK && s->o.figure4 != 0 && k < EFF_FIGURE_LINES; k++) {
        eff_study_line *const l = &s->figure[s->nfigure];
        eff_network n;
        *l = (eff_study_line){ .name = fixed[k].name };
        e = eff_network_make(&n, &s->base, fixed[k].start, s->o.multiple, s->base_macs, err);
        for (int i = 0; e == EFF_OK && i < s->o.points; i++) /* from where its narrowest network stands */
            if (ldexp(1, i) > 0.85 * n.paid)
                e = add_point(s, l, fixed[k].start, (eff_direction){ 1, 2, 1 }, ldexp(1, i), err);
        s->nfigure += l->n > 0;
    }
    return e;
}

static eff_status lay_out_grid(eff_study *s, eff_error *err)
{
    const eff_grid_opts g = { .target = s->o.target,
                              .tolerance = s->o.tolerance,
                              .step = s->o.step,
                              .paid = s->o.paid,
                              .multiple = s->o.multiple };
    eff_network n;
    eff_grid_free(&s->grid);
    eff_status e = eff_grid_make(&s->grid, &s->base, &g, s->base_macs, err);
    for (int i = 0; e == EFF_OK && i < s->grid.nnetworks; i++) { /* work i is network i */
        char what[48];
        int c = 0, at;
        while (s->grid.candidate[c].network != i) c++;
        snprintf(what, sizeof what, "%g, %g, %g", s->grid.candidate[c].alpha, s->grid.candidate[c].beta,
                 s->grid.candidate[c].gamma);
        e = add_work(s, &s->grid.network[i], s->grid.kept[i], what, &at, err);
    }
    if (e == EFF_OK)
        e = eff_network_make(&n, &s->base, (eff_factors){ 1.2, 1.1, 1.15 }, s->o.multiple, s->base_macs, err);
    return e == EFF_OK ? add_work(s, &n, true, "the paper's 1.2, 1.1, 1.15", &s->paper, err) : e;
}

/* The largest side of any network, and with it the size at which pictures are kept. */
static eff_status settle_source(eff_study *s, eff_error *err)
{
    int h = 1, w = 1;
    for (int i = 0; i < s->nworks; i++) {
        const eff_table *const t = &s->work[i].net.table;
        if (t->height > h) h = t->height;
        if (t->width_px > w) w = t->width_px;
    }
    if (!s->settled) {
        s->source_h = (int)ceil(h * ROOM_TO_GROW);
        s->source_w = (int)ceil(w * ROOM_TO_GROW);
    } else if (h > s->source_h || w > s->source_w)
        return eff_fail(err, EFF_EARG,
                        "resolution: expected at most the %d pixels at which this store's images are kept, found %d: "
                        "more points need a store of their own",
                        s->source_h, h);
    return EFF_OK;
}

int eff_study_counted(const eff_study *s)
{
    int counted = 0;
    for (int i = 0; i < s->nworks; i++) counted += s->work[i].counts;
    return counted;
}

eff_status eff_study_lay_out(eff_study *s, eff_error *err)
{
    s->nworks = 0;
    eff_status e = s->o.kind == EFF_STUDY_FIT ? lay_out_grid(s, err) : lay_out_curves(s, err);
    if (e == EFF_OK) e = settle_source(s, err);
    s->trials = eff_study_counted(s) * s->o.repeats;
    return e;
}

/* ------------------------------------------------------------------------------------------------ measuring */

static int by_macs(const void *a, const void *b)
{
    const eff_work *const x = *(const eff_work *const *)a, *const y = *(const eff_work *const *)b;
    return (x->net.macs > y->net.macs) - (x->net.macs < y->net.macs);
}

static eff_status measure_networks(eff_study *s, eff_error *err)
{
    eff_work **const order = eff_malloc((size_t)s->nworks * sizeof *order);
    if (!order) return eff_fail_memory(err, (size_t)s->nworks * sizeof *order);
    int n = 0;
    for (int i = 0; i < s->nworks; i++)
        if (s->work[i].counts) order[n++] = &s->work[i];
    qsort(order, (size_t)n, sizeof *order, by_macs);
    eff_status e = EFF_OK;
    const eff_work *slow = NULL;
    for (int i = 0; e == EFF_OK && i < n; i++) {
        const eff_study_event ev = {
            .phase = EFF_STUDY_MEASURE, .done = (size_t)i, .total = (size_t)n, .eta = NAN, .left = NAN
        };
        if (eff_study_tell(s, &ev)) e = eff_fail(err, EFF_ECANCELLED, "stopped");
        if (e == EFF_OK && slow) {
            const double by = (double)order[i]->net.macs / (double)slow->net.macs;
            order[i]->step = slow->step * by;
            order[i]->score = slow->score * by;
        } else if (e == EFF_OK) {
            const eff_trial_job job = eff_study_job(s, (int)(order[i] - s->work), 0);
            const long most = (long)eff_study_epochs(s) * s->images / eff_recipe_int(&s->recipe, EFF_KEY_BATCH) /
                              20; /* short trials need less */
            e = eff_trial_measure(&order[i]->step, &order[i]->score, &job, most, MEASURE_SECONDS, err);
            if (order[i]->step > SLOW_STEP) slow = order[i];
        }
    }
    eff_free(order);
    return e;
}

double eff_study_total(const eff_study *s, int epochs)
{
    double sum = 0;
    for (int i = 0; i < s->nworks; i++)
        if (s->work[i].counts) sum += eff_study_trial_seconds(s, i, epochs) * s->o.repeats;
    return sum;
}

static void estimate(eff_study *s)
{
    for (int i = 0; i < s->nworks; i++) s->work[i].seconds = eff_study_trial_seconds(s, i, eff_study_epochs(s));
}

eff_status eff_study_measure(eff_study *s, eff_error *err)
{
    eff_status e = measure_networks(s, err);
    if (e == EFF_OK)
        e = eff_pictures_measure(&s->decode, s->d, s->source_h, s->source_w, s->o.cache, s->o.threads, err);
    estimate(s);
    return e;
}

/* ------------------------------------------------------------------------------------------------- cutting */

__attribute__((format(printf, 2, 3))) static void say_cut(eff_study *s, const char *fmt, ...)
{
    char text[120];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const size_t used = strlen(s->cuts);
    snprintf(s->cuts + used, sizeof s->cuts - used, "%s%s", used ? "; " : "", text);
}

/* The same networks, fewer of them: what was measured stays with those that are left. */
static eff_status lay_out_again(eff_study *s, eff_error *err)
{
    const int n = s->nworks;
    eff_work *const old = s->work;
    s->work = NULL;
    eff_status e = eff_study_lay_out(s, err);
    for (int i = 0; e == EFF_OK && i < s->nworks; i++)
        for (int k = 0; k < n; k++)
            if (eff_network_same(&old[k].net, &s->work[i].net)) {
                s->work[i].step = old[k].step;
                s->work[i].score = old[k].score;
            }
    eff_free(old);
    return e;
}

/* As many epochs as fit, from `most` down to `least`; false when even those do not. */
static bool fit_epochs(eff_study *s, double limit, int least, int *epochs)
{
    while (*epochs > least && eff_study_total(s, *epochs) > limit) --*epochs;
    return eff_study_total(s, *epochs) <= limit;
}

eff_status eff_study_cut(eff_study *s, eff_error *err)
{
    const double limit = PLAN_PART * s->o.seconds - s->decode - (eff_clock() - s->began);
    const int asked = eff_study_epochs(s), repeats = s->o.repeats, points = s->o.points;
    int epochs = asked;
    eff_status e = EFF_OK;
    if (s->o.seconds > 0 && eff_study_total(s, epochs) > limit) {
        if (s->o.kind == EFF_STUDY_CURVES && s->o.figure4 < 0) {
            s->o.figure4 = 0;
            e = lay_out_again(s, err);
            if (e == EFF_OK) say_cut(s, "Figure 4 is left out (--figure4 keeps it)");
        }
        bool fits = fit_epochs(s, limit, (asked + 1) / 2, &epochs);
        while (!fits && s->o.repeats > 2) s->o.repeats--, fits = eff_study_total(s, epochs) <= limit;
        while (e == EFF_OK && !fits && s->o.kind == EFF_STUDY_CURVES && s->o.points > 3) {
            s->o.points--;
            e = lay_out_again(s, err);
            fits = eff_study_total(s, epochs) <= limit;
        }
        if (!fits) fits = fit_epochs(s, limit, 1, &epochs);
        if (e == EFF_OK && !fits)
            e = eff_fail(err, EFF_EARG,
                         "time: one epoch with %d seeds takes %.0f s here, there are %.0f s: expected more time, or "
                         "a smaller base",
                         s->o.repeats, eff_study_total(s, 1) + s->decode, s->o.seconds);
        if (epochs < asked) say_cut(s, "epochs from %d to %d", asked, epochs);
        if (s->o.repeats < repeats) say_cut(s, "seeds from %d to %d", repeats, s->o.repeats);
        if (s->o.points < points) say_cut(s, "points from %d to %d", points, s->o.points);
    }
    s->recipe.v[EFF_KEY_EPOCHS] = epochs;
    s->trials = eff_study_counted(s) * s->o.repeats;
    estimate(s);
    return e;
}
