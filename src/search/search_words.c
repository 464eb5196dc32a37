/* SPDX-License-Identifier: Apache-2.0 */
/* What a search found, in sentences computed from its results, whichever way they fall. */
#include "search/search_internal.h"

#include "base/json.h"
#include "report/text.h"

#include <math.h>
#include <string.h>

static double end_of(const json_t *j, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(j, key), i));
}

static void counts(eff_text *t, const json_t *r)
{
    size_t i;
    const json_t *v;
    int done = 0, failed = 0, refused = 0, chance = 0;
    json_array_foreach(json_object_get(r, "children"), i, v)
    {
        const char *const state = eff_json_text(v, "state");
        done += strcmp(state, "done") == 0;
        failed += strcmp(state, "failed") == 0;
        refused += strcmp(state, "refused") == 0;
        chance += strcmp(state, "done") == 0 && json_is_true(json_object_get(v, "by_chance"));
    }
    eff_text_print(t, "%d children of the space were scored, %d of them drawn by chance", done, chance);
    if (failed) eff_text_print(t, "; %d failed", failed);
    if (refused) eff_text_print(t, "; %d more kept not to the limits and were not trained", refused);
    eff_text_put(t, ".");
    if (json_is_true(json_object_get(r, "exhausted"))) eff_text_put(t, " No others were found: the space is used up.");
}

static void against(eff_text *t, const json_t *row, double macs)
{
    const double d = eff_json_number(row, "found_less_this");
    if (isnan(d)) return;
    const char *const verdict = eff_json_text(row, "verdict");
    eff_text_print(t, "Trained alike, the network that was found (%.3gM multiply-adds) is %s %s (%.3gM): %+.1f points",
                   macs / 1e6,
                   strcmp(verdict, "more") == 0   ? "better than"
                   : strcmp(verdict, "less") == 0 ? "worse than"
                                                  : "not distinguishable from",
                   eff_json_text(row, "name"), eff_json_number(row, "macs") / 1e6, 100 * d);
    if (json_is_array(json_object_get(row, "found_interval")))
        eff_text_print(t, " (95 %% interval %+.1f to %+.1f)", 100 * end_of(row, "found_interval", 0),
                       100 * end_of(row, "found_interval", 1));
    eff_text_put(t, ".");
}

static void ranking(eff_text *t, const json_t *sample, const char *evaluator)
{
    const double tau = eff_json_number(sample, "tau");
    const char *const scores = strcmp(evaluator, "supernet") == 0 ? "the supernet's scores" : "brief scores";
    const bool known = json_is_array(json_object_get(sample, "interval"));
    const double lo = known ? end_of(sample, "interval", 0) : NAN, hi = known ? end_of(sample, "interval", 1) : NAN;
    if (isnan(tau)) return;
    eff_text_print(t, "Of %.0f children trained to the full, the order by %s score agrees with a Kendall tau of %.2f",
                   eff_json_number(sample, "n"), evaluator, tau);
    if (known) eff_text_print(t, " (95 %% interval %.2f to %.2f)", lo, hi);
    if (!known)
        eff_text_put(t, ": too few to say how sure that is.");
    else if (lo > 0.3)
        eff_text_print(t, ": %s tell good children from bad ones.", scores);
    else if (lo > 0)
        eff_text_print(t, ": %s say something, not much.", scores);
    else if (hi < 0)
        eff_text_print(t, ": %s mislead here.", scores);
    else
        eff_text_print(t, ": that %s say anything is not shown.", scores);
}

static void history(eff_text *t, const json_t *r)
{
    const json_t *const h = json_object_get(r, "history"), *const led = json_object_get(h, "controller"),
                        *const chance = json_object_get(h, "chance");
    const size_t a = json_array_size(led), b = json_array_size(chance), n = a < b ? a : b;
    if (n == 0) return;
    const double x = json_number_value(json_array_get(led, n - 1)),
                 y = json_number_value(json_array_get(chance, n - 1));
    eff_text_print(t, "After %zu children each, the best reward was %.4f by %s and %.4f by chance", n, x,
                   eff_json_text(r, "controller"), y);
    if (a > n) eff_text_print(t, "; after all %zu of its own %.4f", a, json_number_value(json_array_get(led, a - 1)));
    eff_text_put(t, ".");
}

static bool say(json_t *a, eff_text *t)
{
    const bool good = !t->failed && (!t->n || json_array_append_new(a, json_string(t->s)) == 0);
    eff_text_free(t);
    *t = (eff_text){ 0 };
    return good;
}

json_t *eff_search_words(const json_t *r)
{
    json_t *const a = json_array();
    eff_text t = { 0 };
    size_t i;
    const json_t *v;
    bool good = a != NULL;
    counts(&t, r);
    good = good && say(a, &t);
    json_array_foreach(json_object_get(r, "final"), i, v)
    {
        against(&t, v, eff_json_number(json_array_get(json_object_get(r, "final"), 0), "macs"));
        good = good && say(a, &t);
    }
    if (!json_is_true(json_object_get(r, "complete"))) {
        eff_text_put(&t, "The search is not finished: the same command goes on.");
        good = good && say(a, &t);
    }
    ranking(&t, json_object_get(r, "sample"), eff_json_text(r, "evaluator"));
    good = good && say(a, &t);
    history(&t, r);
    good = good && say(a, &t);
    if (good) return a;
    json_decref(a);
    return NULL;
}
