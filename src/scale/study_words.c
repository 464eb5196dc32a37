/* SPDX-License-Identifier: Apache-2.0 */
/* The conclusion in sentences, computed from the results whichever way they fall. A difference whose 95 % interval
 * holds zero is "not distinguishable", however large it looks. */
#include "scale/study_internal.h"

#include "base/mem.h"
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 900 };
#define SOLVED 0.99 /* mean top-1 from which a line is at the ceiling of what a set can tell */

__attribute__((format(printf, 2, 3))) static bool say(json_t *words, const char *fmt, ...)
{
    char text[LONGEST];
    va_list ap;
    va_start(ap, fmt);
    eff_number_vprint(text, sizeof text, fmt, ap);
    va_end(ap);
    return json_array_append_new(words, json_string(text)) == 0;
}

/* Some formats below leave the last argument unused. */
#pragma GCC diagnostic ignored "-Wformat-extra-args"

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t room, const char *fmt, ...)
{
    const size_t used = strlen(text);
    va_list ap;
    va_start(ap, fmt);
    eff_number_vprint(text + used, room - used, fmt, ap);
    va_end(ap);
}

/* "2.1 points above (95 %: 0.4 to 3.8)" */
static void describe(char *out, size_t room, eff_estimate d, const char *other)
{
    out[0] = '\0';
    switch (eff_verdict_of(d)) {
    case EFF_VERDICT_MORE:
        add(out, room, "%.1f points above %s (95 %%: %.1f to %.1f)", 100 * d.value, other, 100 * d.lo, 100 * d.hi);
        break;
    case EFF_VERDICT_LESS:
        add(out, room, "%.1f points below %s (95 %%: %.1f to %.1f)", -100 * d.value, other, -100 * d.hi, -100 * d.lo);
        break;
    case EFF_VERDICT_EVEN:
        add(out, room, "not distinguishable from %s (%+.1f points, 95 %%: %+.1f to %+.1f)", other, 100 * d.value,
            100 * d.lo, 100 * d.hi);
        break;
    case EFF_VERDICT_UNKNOWN:
        if (isnan(d.value))
            add(out, room, "not known beside %s yet", other);
        else
            add(out, room, "%+.1f points beside %s, and one seed gives no interval", 100 * d.value, other);
    }
}

/* -------------------------------------------------------------------------------------------------- curves */

/* One sentence on compound scaling against all three lines, from networks a (compound) and b of each. */
static eff_verdict against_all(json_t *words, const eff_study *s, const char *where, int points, bool *good)
{
    const eff_layout l = eff_study_layout(s);
    const eff_spread spread = eff_spread_of(&l);
    const eff_study_line *const c = &s->line[EFF_LINES - 1];
    char text[LONGEST], one[240];
    int more = 0, less = 0, known = 0;
    text[0] = '\0';
    add(text, sizeof text, "%s, compound scaling is ", where);
    for (int k = 0; k < EFF_LINES - 1; k++) {
        int x[EFF_MAX_POINTS], y[EFF_MAX_POINTS], n = 0;
        for (int i = c->n - points; i < c->n; i++, n++) x[n] = c->point[i].network, y[n] = s->line[k].point[i].network;
        const eff_estimate d = eff_difference(&l, &spread, x, y, n);
        const eff_verdict v = eff_verdict_of(d);
        char other[40];
        snprintf(other, sizeof other, "%s alone", s->line[k].name);
        describe(one, sizeof one, d, other);
        add(text, sizeof text, "%s%s", one, k < EFF_LINES - 3 ? ", " : k == EFF_LINES - 3 ? ", and " : ".");
        known += v != EFF_VERDICT_UNKNOWN;
        more += v == EFF_VERDICT_MORE;
        less += v == EFF_VERDICT_LESS;
    }
    *good = *good && say(words, "%s", text);
    if (known < EFF_LINES - 1) return EFF_VERDICT_UNKNOWN;
    return more == EFF_LINES - 1 ? EFF_VERDICT_MORE : less ? EFF_VERDICT_LESS : EFF_VERDICT_EVEN;
}

/* Constants of which two are 1 make the compound line one of the others. */
static bool say_same(json_t *words, const eff_study *s)
{
    const eff_study_line *const c = &s->line[EFF_LINES - 1];
    for (int k = 0; k < EFF_LINES - 1; k++) {
        int same = 0;
        for (int i = 0; i < c->n; i++) same += c->point[i].network == s->line[k].point[i].network;
        if (same == c->n)
            return say(words,
                       "With alpha, beta, gamma = %g, %g, %g the compound line is the %s line: the same networks.",
                       s->o.alpha, s->o.beta, s->o.gamma, s->line[k].name);
    }
    return true;
}

static bool say_bend(json_t *words, const eff_study *s, const eff_study_line *l)
{
    double x[EFF_MAX_POINTS], y[EFF_MAX_POINTS];
    const eff_layout lay = eff_study_layout(s);
    const eff_spread spread = eff_spread_of(&lay);
    const eff_saturation f = eff_study_saturation(s, l, x, y);
    const double last = x[l->n - 1], gain = 100 * s->o.gain,
                 doubling = 100 * f.a * pow(last, -f.b) * (1 - pow(2, -f.b));
    char bounds[80] = "";
    if (!f.known) return true;
    const eff_estimate grown = eff_difference(&lay, &spread, &l->point[l->n - 1].network, &l->point[0].network, 1);
    if (eff_verdict_of(grown) == EFF_VERDICT_LESS)
        return say(words,
                   "The %s line falls: at x%.1f of the base's MACs it has %.1f %%, the base %.1f %% (%.1f points less, "
                   "95 %%: %.1f to %.1f).",
                   l->name, last, 100 * y[l->n - 1], 100 * y[0], -100 * grown.value, -100 * grown.hi, -100 * grown.lo);
    for (int i = 0; i < l->n; i++)
        if (y[i] >= SOLVED)
            return say(
                words,
                "The %s line reaches %.1f %% at x%.1f of the base's MACs: there the set is solved, and what more "
                "would bring cannot be seen on it.",
                l->name, 100 * y[i], x[i]);
    if (f.a <= 0)
        return say(words, "The %s line shows no gain from scaling; it stays at about %.1f %%.", l->name, 100 * f.c);
    if (!f.saturates)
        return say(words,
                   "The %s line shows no saturation up to x%.1f of the base's MACs; by the fitted curve a doubling "
                   "there gains %.1f points.",
                   l->name, last, doubling);
    if (!isnan(f.bend_lo)) {
        add(bounds, sizeof bounds, f.bend_lo < 1 ? " (95 %%: below x1" : " (95 %%: x%.1f", f.bend_lo);
        add(bounds, sizeof bounds, isfinite(f.bend_hi) ? f.bend_hi < 1 ? ")" : " to x%.1f)" : " to beyond reach)",
            f.bend_hi);
    }
    if (f.bend <= 1)
        return say(words, "On the %s line already the first doubling gains less than %.3g points%s.", l->name, gain,
                   bounds);
    if (f.bend <= last)
        return say(words,
                   "The %s line bends at x%.1f of the base's MACs%s: from there a doubling gains less than %.3g "
                   "points; the curve tends to "
                   "%.1f %%.",
                   l->name, f.bend, bounds, gain, 100 * f.c);
    if (!isfinite(f.bend))
        return say(words, "The %s line does not bend within reach: at x%.1f a doubling still gains %.1f points%s.",
                   l->name, last, doubling, bounds);
    return say(words,
               "The %s line does not bend within the ladder: at x%.1f a doubling still gains %.1f points; by the "
               "fitted curve it gains "
               "less than %.3g from x%.0f on%s, beyond what was trained.",
               l->name, last, doubling, gain, f.bend, bounds);
}

static bool curves(json_t *words, const eff_study *s)
{
    bool good = true;
    char where[80];
    const eff_study_line *const c = &s->line[EFF_LINES - 1];
    snprintf(where, sizeof where, "At x%g the base's MACs", c->point[c->n - 1].target);
    const eff_verdict top = against_all(words, s, where, 1, &good);
    snprintf(where, sizeof where, "Over all points from x2 to x%g", c->point[c->n - 1].target);
    const eff_verdict all = against_all(words, s, where, c->n - 1, &good);
    if (top == EFF_VERDICT_UNKNOWN && all == EFF_VERDICT_UNKNOWN)
        good = good && say(words, "There are not enough results for a conclusion.");
    else if (top == EFF_VERDICT_MORE && all == EFF_VERDICT_MORE)
        good =
            good &&
            say(words, "So the paper's claim holds here: at equal cost, growing all three together beats each alone.");
    else if (top == EFF_VERDICT_LESS || all == EFF_VERDICT_LESS)
        good = good && say(words, "So the paper's claim does not hold here: at least one dimension alone did better "
                                  "than all three together at "
                                  "the same cost.");
    else
        good = good && say(words,
                           "So the paper's claim is not decided here: compound scaling is not above all three single "
                           "lines by more than "
                           "chance allows%s.",
                           top == EFF_VERDICT_MORE || all == EFF_VERDICT_MORE ? " both at the top and on average" : "");
    good = good && say_same(words, s);
    for (int k = 0; good && k < EFF_LINES; k++) good = say_bend(words, s, &s->line[k]);
    return good;
}

/* ----------------------------------------------------------------------------------------------------- fit */

static bool fit(json_t *words, const eff_study *s)
{
    const eff_layout l = eff_study_layout(s);
    const eff_spread spread = eff_spread_of(&l);
    int *const work = eff_malloc(((size_t)s->nworks + 1) * sizeof *work);
    const int n = work ? eff_study_best(s, work) : 0;
    char text[LONGEST] = "", one[240];
    bool good = work != NULL;
    good = good && say(words,
                       "%d candidates have alpha * beta^2 * gamma^2 within %g of %g; they round to %d distinct "
                       "networks, of which %d "
                       "really cost %g times the base within %g %% and are trained.",
                       s->grid.ncandidates, s->o.tolerance, s->o.target, s->grid.nnetworks, s->grid.nkept, s->o.target,
                       100 * s->o.paid);
    if (!n) {
        eff_free(work);
        return good && say(words, "There are not enough results for a conclusion.");
    }
    const eff_estimate best = eff_mean_of(&l, &spread, work[0], s->scored);
    good = good && say(words,
                       "The most accurate is alpha, beta, gamma = %s with %.1f %% (95 %%: %.1f to %.1f); being the "
                       "highest of %d, its "
                       "figure is a little kind.",
                       s->work[work[0]].what, 100 * best.value, 100 * best.lo, 100 * best.hi, s->grid.nkept);
    if (s->o.repeats < 2) {
        add(text, sizeof text, "With one seed nothing can be said of the others.");
    } else if (n == 1) {
        add(text, sizeof text,
            "It is distinguishable from every other network of the grid (95 %%, each comparison by itself).");
    } else {
        add(text, sizeof text, "%d more cannot be distinguished from it (95 %%, each comparison by itself):", n - 1);
        for (int i = 1; i < n && strlen(text) < LONGEST - 120; i++)
            add(text, sizeof text, "%s %s", i > 1 ? ";" : "", s->work[work[i]].what);
        add(text, sizeof text, ". The answer is this set, not its first member.");
    }
    good = good && say(words, "%s", text);
    bool among = false;
    for (int i = 0; i < n; i++) among |= work[i] == s->paper;
    if (work[0] == s->paper) {
        good = good && say(words, "The paper's 1.2, 1.1, 1.15 round to this network.");
    } else {
        describe(one, sizeof one, eff_difference(&l, &spread, &s->paper, &work[0], 1), "the best");
        good = good && say(words, "The paper's 1.2, 1.1, 1.15 (which cost %.2f times the base here) are %s%s.",
                           s->work[s->paper].net.paid, one, among ? ": they are in the set" : "");
    }
    eff_free(work);
    return good;
}

json_t *eff_study_words(const eff_study *s)
{
    json_t *const words = json_array();
    bool good = words != NULL;
    if (good && s->finished < s->trials)
        good = say(words, "%d of %d trials are done: what follows is not final.", s->finished, s->trials);
    if (good && s->failed)
        good = say(words, "%d trials failed, and their networks are left out: %s.", s->failed, s->failure);
    if (good) good = s->o.kind == EFF_STUDY_FIT ? fit(words, s) : curves(words, s);
    if (good) return words;
    json_decref(words);
    return NULL;
}
