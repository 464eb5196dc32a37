/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a search: what was found in words, then the pictures, the networks drawn, the tables, and how it was
 * done. */
#include "search/search_internal.h"

#include "base/json.h"
#include "base/mem.h"
#include "report/amount.h"
#include "report/html.h"
#include "report/svg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWN = 4, LEADERS = 25 };

#define DASH "\xe2\x80\x93"

static const json_t *at(const json_t *j, const char *key) { return json_object_get(j, key); }

static bool is(const json_t *j, const char *key) { return json_is_true(at(j, key)); }

static void interval(char *out, size_t room, const json_t *j, double by)
{
    if (!json_is_array(j))
        snprintf(out, room, DASH);
    else
        snprintf(out, room, by == 100 ? "%.1f to %.1f" : "%.2f to %.2f", by * json_number_value(json_array_get(j, 0)),
                 by * json_number_value(json_array_get(j, 1)));
}

/* -------------------------------------------------------------------------------------------------- charts */

typedef struct cloud {
    double *x, *y;
    int n;
} cloud;

static bool room_for(cloud *c, size_t n)
{
    c->x = eff_malloc((2 * n + 2) * sizeof *c->x);
    c->y = c->x ? c->x + n + 1 : NULL;
    c->n = 0;
    return c->x != NULL;
}

static void put(cloud *c, double x, double y)
{
    c->x[c->n] = x;
    c->y[c->n++] = y;
}

static eff_svg_series series(const cloud *c, const char *name, bool scattered)
{
    return (eff_svg_series){ .name = name, .x = c->x, .y = c->y, .n = c->n, .scattered = scattered };
}

static int by_x(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Points of the front in order of cost; costs on a front are distinct. */
static void sort_front(cloud *c)
{
    double(*const p)[2] = eff_malloc(((size_t)c->n + 1) * sizeof *p);
    if (!p) return; /* it is drawn in the order of the children then */
    for (int i = 0; i < c->n; i++) p[i][0] = c->x[i], p[i][1] = c->y[i];
    qsort(p, (size_t)c->n, sizeof *p, by_x);
    for (int i = 0; i < c->n; i++) c->x[i] = p[i][0], c->y[i] = p[i][1];
    eff_free(p);
}

static bool front_chart(eff_text *t, const json_t *r)
{
    const json_t *const rows = at(r, "children");
    const char *const cost = eff_json_text(at(r, "objective"), "cost");
    const size_t n = json_array_size(rows);
    cloud led = { 0 }, chance = { 0 }, front = { 0 };
    const bool good = room_for(&led, n) && room_for(&chance, n) && room_for(&front, n);
    size_t i;
    const json_t *v;
    if (good) {
        json_array_foreach(rows, i, v)
        {
            const double x = eff_json_number(v, cost), y = eff_json_number(v, "top1");
            if (isnan(x) || isnan(y)) continue;
            put(is(v, "by_chance") ? &chance : &led, x, y);
            if (is(v, "front")) put(&front, x, y);
        }
        sort_front(&front);
        const eff_svg_series s[] = { series(&front, "front", false), series(&led, eff_json_text(r, "controller"), true),
                                     series(&chance, "by chance", true) };
        char label[60];
        const char *const unit = eff_json_text(at(r, "objective"), "unit");
        snprintf(label, sizeof label, "%.20s%s%.8s%s", strcmp(cost, "macs") == 0 ? "multiply-adds" : cost,
                 *unit ? " (" : "", unit, *unit ? ")" : "");
        const eff_svg_lines c = { .title = "top-1 after a brief training against cost, a point a child",
                                  .x_label = label,
                                  .y_label = "top-1",
                                  .series = s,
                                  .nseries = 3,
                                  .log_x = true,
                                  .percent = true };
        eff_html_chart(t, "Every child after its brief score; the line joins those that no other beats in both.", &c);
    }
    eff_free(led.x);
    eff_free(chance.x);
    eff_free(front.x);
    return good;
}

static bool history_chart(eff_text *t, const json_t *r)
{
    const json_t *const h = at(r, "history"), *const led = at(h, "controller"), *const chance = at(h, "chance");
    cloud a = { 0 }, b = { 0 };
    const bool good = room_for(&a, json_array_size(led)) && room_for(&b, json_array_size(chance));
    size_t i;
    const json_t *v;
    if (good) {
        json_array_foreach(led, i, v) put(&a, (double)i + 1, json_number_value(v));
        json_array_foreach(chance, i, v) put(&b, (double)i + 1, json_number_value(v));
        const eff_svg_series s[] = { series(&a, eff_json_text(r, "controller"), false),
                                     series(&b, "by chance (expected)", false) };
        const eff_svg_lines c = { .title = "best reward so far against children scored",
                                  .x_label = "children scored",
                                  .y_label = "best reward so far",
                                  .series = s,
                                  .nseries = 2,
                                  .whole_x = true };
        eff_html_chart(
            t,
            "The best reward after so many children: of the controller's own, and in the mean over all orders of those "
            "drawn by chance, which is what random search would have.",
            &c);
    }
    eff_free(a.x);
    eff_free(b.x);
    return good;
}

static bool rank_chart(eff_text *t, const json_t *r)
{
    const json_t *const rows = at(at(r, "sample"), "children");
    cloud c = { 0 };
    size_t i;
    const json_t *v;
    if (!room_for(&c, json_array_size(rows))) return false;
    json_array_foreach(rows, i, v) if (!isnan(eff_json_number(v, "brief")) && !isnan(eff_json_number(v, "full")))
        put(&c, eff_json_number(v, "brief"), eff_json_number(v, "full"));
    if (c.n > 1) {
        const eff_svg_series s[] = { series(&c, "child", true) };
        const eff_svg_lines l = { .title = "top-1 after full training against brief score",
                                  .x_label = "brief score (top-1)",
                                  .y_label = "top-1, full",
                                  .series = s,
                                  .nseries = 1,
                                  .percent = true };
        char b[160], range[40];
        interval(range, sizeof range, at(at(r, "sample"), "interval"), 1);
        const double tau = eff_json_number(at(r, "sample"), "tau");
        snprintf(
            b, sizeof b,
            isnan(tau)
                ? "A sample of all children, trained to the full. Kendall's tau is not known: too few, or all alike."
                : "A sample of all children, trained to the full. Kendall's tau %.2f (95 %%: %s).",
            tau, range);
        eff_html_chart(t, b, &l);
    }
    eff_free(c.x);
    return true;
}

/* --------------------------------------------------------------------------------------------- architectures */

static void drawings(eff_text *t, const json_t *r)
{
    const char *const winner = eff_json_text(r, "winner");
    const json_t *rows = at(r, "finalists"), *v;
    const size_t n = json_array_size(rows);
    int drawn = 0;
    char title[120], macs[24];
    if (!json_object_size(at(r, "tables"))) return;
    eff_html_section(
        t, "Networks drawn",
        "Input on the left. Boxes are as high as their feature maps (by the logarithm); in them the channels, "
        "below operator with expansion, kernel and stride, squeeze-and-excitation, layers, pixels. Blue: "
        "MBConv; vermillion: fused; green: other operators; grey: stem and head.");
    for (size_t i = 0; i < 2 * n && drawn < DRAWN; i++) { /* twice over them: the winner, then the others */
        v = json_array_get(rows, i % n);
        const char *const child = eff_json_text(v, "child");
        const json_t *const table = at(at(r, "tables"), child);
        const bool won = strcmp(child, winner) == 0;
        if (!table || won != (i < n)) continue;
        eff_amount_count(macs, sizeof macs, eff_json_number(v, "macs"));
        snprintf(title, sizeof title, "%s%.60s, %s multiply-adds", won ? "The winner: " : "", child, macs);
        eff_search_draw(t, table, title);
        drawn++;
    }
    eff_html_section_end(t);
}

/* --------------------------------------------------------------------------------------------------- tables */

static void name_cell(eff_text *t, const char *s)
{
    eff_text_put(t, "<tr><td>");
    eff_text_escape(t, s);
    eff_text_put(t, "</td>");
}

static void cost_cells(eff_text *t, const json_t *v)
{
    char b[40];
    eff_amount_count(b, sizeof b, eff_json_number(v, "macs"));
    eff_html_cell(t, "MACs", b);
    eff_amount_count(b, sizeof b, eff_json_number(v, "params"));
    eff_html_cell(t, "weights", b);
    snprintf(b, sizeof b, isnan(eff_json_number(v, "latency")) ? DASH : "%.3f ms", 1e3 * eff_json_number(v, "latency"));
    eff_html_cell(t, "latency", b);
}

static void percent_cell(eff_text *t, const char *what, double v)
{
    char b[24];
    eff_amount_percent(b, sizeof b, v);
    eff_html_cell(t, what, b);
}

static void end_table(eff_text *t)
{
    eff_html_table_end(t);
    eff_html_section_end(t);
}

static void final_table(eff_text *t, const json_t *r)
{
    static const char *const head[] = { "network", "MACs", "weights",         "latency",
                                        "top-1",   "95 %", "found less this", "95 %" };
    size_t i;
    const json_t *v;
    char b[64];
    if (!json_array_size(at(r, "final"))) return;
    eff_html_section(
        t, "Trained alike, to the full",
        "Means over the seeds. Differences are paired over the seeds; their spread is taken from all networks of "
        "this table together.");
    eff_html_table(t, head, 8);
    json_array_foreach(at(r, "final"), i, v)
    {
        name_cell(t, eff_json_text(v, "name"));
        cost_cells(t, v);
        percent_cell(t, "top-1", eff_json_number(v, "top1"));
        interval(b, sizeof b, at(v, "interval"), 100);
        eff_html_cell(t, "95 %", b);
        snprintf(b, sizeof b, isnan(eff_json_number(v, "found_less_this")) ? DASH : "%+.1f",
                 100 * eff_json_number(v, "found_less_this"));
        eff_html_cell(t, "found less this", b);
        interval(b, sizeof b, at(v, "found_interval"), 100);
        eff_html_cell(t, "95 %", b);
        eff_text_put(t, "</tr>\n");
    }
    end_table(t);
}

static void finalist_table(eff_text *t, const json_t *r)
{
    char head_text[EFF_LEVELS][32];
    const char *head[4 + EFF_LEVELS] = { "child", "MACs", "weights", "latency" };
    size_t i;
    const json_t *v;
    if (!json_array_size(at(r, "finalists"))) return;
    for (int l = 0; l < EFF_LEVELS; l++) {
        snprintf(head_text[l], sizeof head_text[l], "top-1, %d epochs",
                 (int)json_integer_value(json_array_get(at(r, "epochs"), (size_t)l)));
        head[4 + l] = head_text[l];
    }
    if (strcmp(eff_json_text(r, "evaluator"), "supernet") == 0)
        snprintf(head_text[0], sizeof head_text[0], "top-1, supernet");
    eff_html_section(t, "Finalists",
                     "The best by reward after the brief score; the best third of each level is trained "
                     "three times as long.");
    eff_html_table(t, head, 4 + EFF_LEVELS);
    json_array_foreach(at(r, "finalists"), i, v)
    {
        char name[EFF_CHILD_TEXT + 16];
        snprintf(name, sizeof name, "%s%s", eff_json_text(v, "child"), is(v, "winner") ? " (winner)" : "");
        name_cell(t, name);
        cost_cells(t, v);
        for (int l = 0; l < EFF_LEVELS; l++) {
            const json_t *const x = json_array_get(at(v, "top1"), (size_t)l);
            percent_cell(t, head_text[l], json_is_number(x) ? json_number_value(x) : NAN);
        }
        eff_text_put(t, "</tr>\n");
    }
    end_table(t);
}

typedef struct leader {
    double reward;
    const json_t *row;
} leader;

static int descending(const void *a, const void *b)
{
    const leader *const x = a, *const y = b;
    return x->reward != y->reward ? (x->reward < y->reward) - (x->reward > y->reward)
                                  : (eff_json_number(x->row, "number") > eff_json_number(y->row, "number")) -
                                        (eff_json_number(x->row, "number") < eff_json_number(y->row, "number"));
}

static bool leader_table(eff_text *t, const json_t *r)
{
    static const char *const head[] = { "child", "MACs",   "weights", "latency",
                                        "top-1", "reward", "number",  "proposed by" };
    const json_t *const rows = at(r, "children"), *v;
    leader *const l = eff_malloc((json_array_size(rows) + 1) * sizeof *l);
    size_t i, n = 0;
    char b[40];
    if (!l) return false;
    json_array_foreach(rows, i, v) if (!isnan(eff_json_number(v, "reward"))) l[n++] =
        (leader){ eff_json_number(v, "reward"), v };
    qsort(l, n, sizeof *l, descending);
    snprintf(b, sizeof b, n > LEADERS ? "The best %d children" : "The children", LEADERS);
    eff_html_section(t, b, "By reward after the brief score. All are in search.csv.");
    eff_html_table(t, head, 8);
    for (i = 0; i < n && i < LEADERS; i++) {
        name_cell(t, eff_json_text(l[i].row, "child"));
        cost_cells(t, l[i].row);
        percent_cell(t, "top-1", eff_json_number(l[i].row, "top1"));
        snprintf(b, sizeof b, "%.4f", l[i].reward);
        eff_html_cell(t, "reward", b);
        snprintf(b, sizeof b, "%.0f", eff_json_number(l[i].row, "number"));
        eff_html_cell(t, "number", b);
        eff_html_cell(t, "proposed by", is(l[i].row, "by_chance") ? "chance" : eff_json_text(r, "controller"));
        eff_text_put(t, "</tr>\n");
    }
    end_table(t);
    eff_free(l);
    return true;
}

/* Failures, with their reasons: a search that loses children says so. */
static void failure_table(eff_text *t, const json_t *r)
{
    size_t i;
    const json_t *v;
    bool any = false;
    json_array_foreach(at(r, "children"), i, v)
    {
        if (strcmp(eff_json_text(v, "state"), "failed") != 0) continue;
        if (!any) eff_html_section(t, "Children that failed", "They count as a reward of 0 and are not tried again.");
        if (!any) eff_html_facts(t);
        any = true;
        eff_html_fact(t, eff_json_text(v, "child"), eff_json_text(v, "reason"));
    }
    if (any) eff_html_facts_end(t);
    if (any) eff_html_section_end(t);
}

/* --------------------------------------------------------------------------------------------------- whole */

static void how(eff_text *t, const json_t *r)
{
    const json_t *const o = at(r, "objective"), *const e = at(r, "epochs");
    char b[300];
    const char *key;
    json_t *v;
    eff_html_section(t, "How it was done", NULL);
    eff_html_facts(t);
    snprintf(b, sizeof b, "%.60s: %.0f decisions, %.4g choices, at most %.4g networks",
             eff_json_text(at(r, "space"), "name"), eff_json_number(at(r, "space"), "decisions"),
             eff_json_number(at(r, "space"), "choices"), eff_json_number(at(r, "space"), "networks"));
    eff_html_fact(t, "space", b);
    snprintf(b, sizeof b, is(o, "hard") ? "accuracy, times target / %s above %.6g%s" : "accuracy (%s / %.6g%s)^%g",
             eff_json_text(o, "cost"), eff_json_number(o, "target"), eff_json_text(o, "unit"),
             eff_json_number(o, "exponent"));
    eff_html_fact(t, "reward", b);
    json_object_foreach((json_t *)at(o, "limits"), key, v)
    {
        snprintf(b, sizeof b, "%s at most %.6g%s", key, json_number_value(v),
                 strcmp(key, "latency") == 0  ? " s"
                 : strcmp(key, "memory") == 0 ? " bytes"
                                              : "");
        eff_html_fact(t, "limit", b);
    }
    snprintf(b, sizeof b, "%s, seed %s; %.0f %% of the children by chance, %.0f ahead", eff_json_text(r, "controller"),
             eff_json_text(r, "seed"), 100 * eff_json_number(r, "control"), eff_json_number(r, "ahead"));
    eff_html_fact(t, "controller", b);
    snprintf(b, sizeof b, "%s; %d, %d and %d epochs", eff_json_text(r, "evaluator"),
             (int)json_integer_value(json_array_get(e, 0)), (int)json_integer_value(json_array_get(e, 1)),
             (int)json_integer_value(json_array_get(e, 2)));
    eff_html_fact(t, "evaluator", b);
    snprintf(b, sizeof b, "%.80s (%.0f to train on, %.0f to validate on, %.0f classes; fingerprint %s)",
             eff_json_text(r, "data"), eff_json_number(r, "images"), eff_json_number(r, "validation_images"),
             eff_json_number(r, "classes"), eff_json_text(r, "fingerprint"));
    eff_html_fact(t, "images", b);
    snprintf(b, sizeof b, "%.60s at %.0f pixels", eff_json_text(r, "base"), eff_json_number(r, "resolution"));
    eff_html_fact(t, "base", b);
    if (*eff_json_text(r, "cuts")) eff_html_fact(t, "cut to the time", eff_json_text(r, "cuts"));
    eff_html_fact(t, "CPU level", eff_json_text(r, "cpu"));
    b[0] = '\0';
    json_object_foreach((json_t *)at(r, "recipe"), key, v)
    {
        const size_t used = strlen(b);
        snprintf(b + used, sizeof b - used, "%s%s %s", used ? ", " : "", key, json_string_value(v));
    }
    eff_html_fact(t, "recipe", b);
    eff_html_facts_end(t);
    eff_html_section_end(t);
}

char *eff_search_html(const json_t *r)
{
    eff_text t = { 0 };
    char sub[200], b[64];
    size_t i;
    const json_t *v;
    snprintf(sub, sizeof sub, "%.60s, space %.40s", eff_json_text(r, "data"), eff_json_text(at(r, "space"), "name"));
    eff_html_begin(&t, "Architecture search", sub);
    eff_text_put(&t, "<div class=\"figs\">\n");
    const json_t *const found = json_array_get(at(r, "final"), 0);
    eff_amount_percent(b, sizeof b, eff_json_number(found, "top1"));
    eff_html_figure(&t, "top-1 of what was found", b, NULL);
    eff_amount_count(b, sizeof b, eff_json_number(found, "macs"));
    eff_html_figure(&t, "its multiply-adds", isnan(eff_json_number(found, "macs")) ? DASH : b, NULL);
    snprintf(b, sizeof b, "%zu",
             json_array_size(at(at(r, "history"), "controller")) + json_array_size(at(at(r, "history"), "chance")));
    eff_html_figure(&t, "children scored", b, NULL);
    eff_amount_span(b, sizeof b, eff_json_number(r, "seconds_spent"));
    eff_html_figure(&t, "training in all", b, NULL);
    eff_text_put(&t, "</div>\n");
    json_array_foreach(at(r, "words"), i, v) eff_html_paragraph(&t, json_string_value(v));
    eff_html_section(&t, "The search", NULL);
    eff_text_put(&t, "<div class=\"charts\">\n");
    const bool good = front_chart(&t, r) && history_chart(&t, r) && rank_chart(&t, r);
    eff_text_put(&t, "</div>\n");
    eff_html_section_end(&t);
    final_table(&t, r);
    drawings(&t, r);
    finalist_table(&t, r);
    const bool listed = leader_table(&t, r);
    failure_table(&t, r);
    how(&t, r);
    eff_html_end(&t);
    if (good && listed && !t.failed) return t.s;
    eff_text_free(&t);
    return NULL;
}
