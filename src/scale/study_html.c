/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a study or a fit: what was found in words first, then the pictures, the tables, and how it was done. */
#include "scale/study_internal.h"

#include "base/json.h"
#include "base/mem.h"
#include "report/amount.h"
#include "report/html.h"
#include "report/svg.h"
#include "report/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CURVE = 60, MOST_SERIES = 6 };

static const json_t *at(const json_t *j, const char *key) { return json_object_get(j, key); }

static void interval(char *out, size_t room, const json_t *j, bool sign)
{
    const json_t *const a = json_array_get(j, 0), *const b = json_array_get(j, 1);
    if (!a || !b)
        snprintf(out, room, "\xe2\x80\x93");
    else
        snprintf(out, room, sign ? "%+.1f to %+.1f" : "%.1f to %.1f", 100 * json_number_value(a),
                 100 * json_number_value(b));
}

/* -------------------------------------------------------------------------------------------------- charts */

typedef struct plotted {
    char name[40];
    double x[CURVE], y[CURVE], lo[CURVE], hi[CURVE];
} plotted;

/* Points of one line. They stand side by side where they would hide each other: place k of n, a few per cent in x. */
static eff_svg_series series_of(plotted *p, const char *name, const json_t *points, int k, int n)
{
    const double aside = n > 1 ? exp(0.045 * (k - (n - 1) / 2.0)) : 1;
    int m = 0;
    size_t i;
    const json_t *v;
    snprintf(p->name, sizeof p->name, "%s", name);
    json_array_foreach(points, i, v)
    {
        const json_t *const r = at(v, "interval");
        if (m == CURVE || !json_is_number(at(v, "top1"))) continue;
        p->x[m] = eff_json_number(v, "macs") * (eff_json_number(v, "target") == 1 ? 1 : aside);
        p->y[m] = eff_json_number(v, "top1");
        p->lo[m] = json_is_array(r) ? json_number_value(json_array_get(r, 0)) : NAN;
        p->hi[m] = json_is_array(r) ? json_number_value(json_array_get(r, 1)) : NAN;
        m++;
    }
    return (eff_svg_series){ .name = p->name, .x = p->x, .y = p->y, .lo = p->lo, .hi = p->hi, .n = m };
}

/* The fitted curve over the line's own reach. */
static eff_svg_series fitted_of(plotted *p, const char *name, const json_t *points, const json_t *f)
{
    const double base = eff_json_number(json_array_get(points, 0), "macs"),
                 last = eff_json_number(json_array_get(points, json_array_size(points) - 1), "macs") / base;
    const double c = eff_json_number(f, "c"), a = eff_json_number(f, "a"), b = eff_json_number(f, "b");
    int m = 0;
    snprintf(p->name, sizeof p->name, "%s", name);
    for (int i = 0; json_is_object(f) && i < CURVE; i++, m++) {
        const double x = pow(last, (double)i / (CURVE - 1));
        p->x[m] = x * base;
        p->y[m] = c - a * pow(x, -b);
    }
    return (eff_svg_series){ .name = p->name, .x = p->x, .y = p->y, .n = m };
}

static void figure(eff_text *t, const char *caption, const eff_svg_series *series, int n, const char *title)
{
    const eff_svg_lines c = { .title = title,
                              .x_label = "multiply-adds of one image (log axis)",
                              .y_label = "top-1 accuracy on the validation images",
                              .series = series,
                              .nseries = n,
                              .log_x = true,
                              .percent = true };
    eff_html_chart(t, caption, &c);
}

static bool charts(eff_text *t, const eff_study *s, const json_t *r)
{
    plotted *const p = eff_calloc(MOST_SERIES, sizeof *p);
    eff_svg_series series[MOST_SERIES];
    if (!p) return false;
    eff_html_section(t, "Accuracy at equal cost", NULL);
    eff_text_put(t, "<div class=\"charts\">\n");
    for (int k = 0; k < EFF_LINES; k++)
        series[k] = series_of(&p[k], s->line[k].name, at(at(r, "curves"), s->line[k].name), k, EFF_LINES);
    figure(t,
           "The same base grown along one dimension, or along all three. Bars: 95 % over seeds; points of one cost are "
           "drawn "
           "side by side.",
           series, EFF_LINES, "accuracy against multiply-adds, four ways of scaling");
    for (int k = 0; k < EFF_LINES; k++)
        series[k] = fitted_of(&p[k], s->line[k].name, at(at(r, "curves"), s->line[k].name),
                              at(at(r, "saturation"), s->line[k].name));
    figure(t,
           "The fitted curves of diminishing returns, c \xe2\x88\x92 a\xc2\xb7x^\xe2\x88\x92"
           "b.",
           series, EFF_LINES, "fitted saturation curves");
    if (s->nfigure) {
        series[0] = series_of(&p[0], "depth 1, resolution 1", at(at(r, "curves"), "width"), 0, 1 + s->nfigure);
        for (int k = 0; k < s->nfigure; k++)
            series[k + 1] = series_of(&p[k + 1], s->figure[k].name,
                                      at(json_array_get(at(r, "figure4"), (size_t)k), "points"), k + 1, 1 + s->nfigure);
        figure(t, "As the paper's Figure 4: width alone, at several fixed depths and resolutions.", series,
               1 + s->nfigure, "accuracy against multiply-adds, width scaled at fixed depths and resolutions");
    }
    eff_text_put(t, "</div>\n");
    eff_html_section_end(t);
    eff_free(p);
    return true;
}

/* -------------------------------------------------------------------------------------------------- tables */

static void cost_cells(eff_text *t, const json_t *v)
{
    char b[64];
    eff_amount_count(b, sizeof b, eff_json_number(v, "macs"));
    eff_html_cell(t, "MACs", b);
    snprintf(b, sizeof b, "\xc3\x97%.3f", eff_json_number(v, "paid"));
    eff_html_cell(t, "paid", b);
    eff_amount_count(b, sizeof b, eff_json_number(v, "params"));
    eff_html_cell(t, "parameters", b);
    const json_t *const side = at(v, "resolution");
    if (json_is_integer(side))
        snprintf(b, sizeof b, "%d", (int)json_integer_value(side));
    else
        snprintf(b, sizeof b, "%dx%d", (int)json_integer_value(json_array_get(side, 0)),
                 (int)json_integer_value(json_array_get(side, 1)));
    eff_html_cell(t, "pixels", b);
}

static void top1_cells(eff_text *t, const json_t *v)
{
    char b[64];
    eff_amount_percent(b, sizeof b, eff_json_number(v, "top1"));
    eff_html_cell(t, "top-1", b);
    interval(b, sizeof b, at(v, "interval"), false);
    eff_html_cell(t, "95 %", b);
}

static void point_rows(eff_text *t, const char *name, const json_t *points)
{
    size_t i;
    const json_t *v;
    char b[64];
    json_array_foreach(points, i, v)
    {
        const bool base = eff_json_number(v, "target") == 1;
        if (base && strcmp(name, "depth") != 0) continue; /* all lines begin with it */
        eff_text_put(t, "<tr><td>");
        eff_text_escape(t, base ? "base" : name);
        if (base)
            eff_text_put(t, "</td>");
        else
            eff_text_print(t, " \xc3\x97%g</td>", eff_json_number(v, "target"));
        snprintf(b, sizeof b, "%.3g", eff_json_number(v, "depth"));
        eff_html_cell(t, "depth", b);
        snprintf(b, sizeof b, "%.3g", eff_json_number(v, "width"));
        eff_html_cell(t, "width", b);
        snprintf(b, sizeof b, "%.3g", eff_json_number(v, "resolution_factor"));
        eff_html_cell(t, "resolution", b);
        cost_cells(t, v);
        top1_cells(t, v);
        eff_text_put(t, "</tr>\n");
    }
}

static void bound(char *out, size_t room, const json_t *f, const char *key)
{
    const double v = eff_json_number(f, key);
    if (isnan(v))
        snprintf(out, room, "beyond reach"); /* JSON has no infinity */
    else if (v < 1)
        snprintf(out, room,
                 "below \xc3\x97"
                 "1");
    else
        snprintf(out, room, v < 100 ? "\xc3\x97%.1f" : "\xc3\x97%.0f", v);
}

static void bend_table(eff_text *t, const eff_study *s, const json_t *r)
{
    static const char *const head[] = { "line", "c", "95 %", "a", "b", "residual", "bends at", "95 %" };
    char b[64], lo[24], hi[24];
    eff_html_section(t, "Diminishing returns",
                     "A curve top-1 = c \xe2\x88\x92 a\xc2\xb7x^\xe2\x88\x92"
                     "b through each line by least squares, x = multiply-adds over the "
                     "base's: c is what it tends to (at most 100 %). It bends where doubling the cost once more gains "
                     "less than the figure "
                     "stated above. Intervals are from 400 fits to accuracies as other seeds could have given them; "
                     "with few points they "
                     "are wide, and say so.");
    eff_html_table(t, head, 8);
    for (int k = 0; k < EFF_LINES; k++) {
        const json_t *const f = at(at(r, "saturation"), s->line[k].name);
        if (!json_is_object(f)) continue;
        eff_text_print(t, "<tr><td>%s</td>", s->line[k].name);
        eff_amount_percent(b, sizeof b, eff_json_number(f, "c"));
        eff_html_cell(t, "c", b);
        interval(b, sizeof b, at(f, "c_interval"), false);
        eff_html_cell(t, "95 %", b);
        snprintf(b, sizeof b, "%.3f", eff_json_number(f, "a"));
        eff_html_cell(t, "a", b);
        snprintf(b, sizeof b, "%.2f", eff_json_number(f, "b"));
        eff_html_cell(t, "b", b);
        snprintf(b, sizeof b, "%.2f points", 100 * eff_json_number(f, "rms"));
        eff_html_cell(t, "residual", b);
        bound(b, sizeof b, f, "bend");
        eff_html_cell(t, "bends at", b);
        bound(lo, sizeof lo, f, "bend_lo");
        bound(hi, sizeof hi, f, "bend_hi");
        snprintf(b, sizeof b, "%s to %s", s->o.repeats > 1 ? lo : "?", s->o.repeats > 1 ? hi : "?");
        eff_html_cell(t, "95 %", b);
        eff_text_put(t, "</tr>\n");
    }
    eff_html_table_end(t);
    eff_html_section_end(t);
}

static void curve_tables(eff_text *t, const eff_study *s, const json_t *r)
{
    static const char *const head[] = { "line", "depth",      "width",  "resolution", "MACs",
                                        "paid", "parameters", "pixels", "top-1",      "95 %" };
    static const char *const than[] = { "compound less", "at", "points", "95 %", "so it is" };
    size_t i;
    const json_t *v;
    eff_html_section(
        t, "The networks",
        "Factors are those asked for; what is paid is counted after channels, repeats and pixels are rounded, "
        "in multiples of the base's multiply-adds.");
    eff_html_table(t, head, 10);
    for (int k = 0; k < EFF_LINES; k++) point_rows(t, s->line[k].name, at(at(r, "curves"), s->line[k].name));
    for (int k = 0; k < s->nfigure; k++)
        point_rows(t, s->figure[k].name, at(json_array_get(at(r, "figure4"), (size_t)k), "points"));
    eff_html_table_end(t);
    eff_html_section_end(t);
    eff_html_section(t, "Compound against each alone",
                     "Differences are paired over the seeds. Their spread is taken from all networks of the study "
                     "together, which assumes that "
                     "chance is alike for all of them. The intervals are of each comparison by itself.");
    eff_html_table(t, than, 5);
    json_array_foreach(at(r, "comparisons"), i, v)
    {
        char b[64], where[40] = "all points past the base";
        if (json_is_number(at(v, "target"))) snprintf(where, sizeof where, "\xc3\x97%g", eff_json_number(v, "target"));
        eff_text_put(t, "<tr><td>");
        eff_text_escape(t, eff_json_text(v, "against"));
        eff_text_put(t, "</td>");
        eff_html_cell(t, "at", where);
        if (isnan(eff_json_number(v, "difference")))
            snprintf(b, sizeof b, "\xe2\x80\x93");
        else
            snprintf(b, sizeof b, "%+.1f", 100 * eff_json_number(v, "difference"));
        eff_html_cell(t, "points", b);
        interval(b, sizeof b, at(v, "interval"), true);
        eff_html_cell(t, "95 %", b);
        eff_html_cell(t, "so it is", eff_json_text(v, "verdict"));
        eff_text_put(t, "</tr>\n");
    }
    eff_html_table_end(t);
    eff_html_section_end(t);
}

static void fit_tables(eff_text *t, const json_t *r)
{
    static const char *const head[] = {
        "alpha, beta, gamma", "MACs", "paid",          "parameters", "pixels", "top-1", "95 %",
        "below the best",     "95 %", "so the best is"
    };
    size_t i, k;
    const json_t *v, *c;
    char b[64];
    eff_html_section(
        t, "The networks",
        "Candidates that round to the same network stand in one row, the nearest to the target first. What is "
        "paid is counted after rounding, in multiples of the base's multiply-adds.");
    eff_html_table(t, head, 10);
    json_array_foreach(at(r, "trials"), i, v)
    {
        const json_t *const d = at(v, "below_best");
        eff_text_put(t, "<tr><td>");
        json_array_foreach(at(v, "constants"), k, c) if (k < 12)
            eff_text_print(t, "%s%g, %g, %g", k ? "<br/>" : "", eff_json_number(c, "alpha"), eff_json_number(c, "beta"),
                           eff_json_number(c, "gamma"));
        if (k > 12) eff_text_print(t, "<br/>and %zu more", k - 12);
        if (json_is_true(at(v, "paper")))
            eff_text_print(t, "%s<b>the paper\xe2\x80\x99s 1.2, 1.1, 1.15</b>", k ? "<br/>" : "");
        eff_text_put(t, "</td>");
        cost_cells(t, v);
        if (!json_is_true(at(v, "trained"))) {
            eff_text_put(t, "<td class=\"n\" data-what=\"top-1\" colspan=\"5\">not trained: its cost is too far from "
                            "the target</td></tr>\n");
            continue;
        }
        top1_cells(t, v);
        if (isnan(eff_json_number(d, "difference")))
            snprintf(b, sizeof b, "\xe2\x80\x93");
        else
            snprintf(b, sizeof b, "%.1f", 100 * eff_json_number(d, "difference"));
        eff_html_cell(t, "below the best", b);
        interval(b, sizeof b, at(d, "interval"), true);
        eff_html_cell(t, "95 %", b);
        eff_html_cell(t, "so the best is", eff_json_text(d, "verdict"));
        eff_text_put(t, "</tr>\n");
    }
    eff_html_table_end(t);
    eff_html_section_end(t);
}

/* --------------------------------------------------------------------------------------------------- whole */

static void how(eff_text *t, const eff_study *s, const json_t *r)
{
    char b[256], spent[40];
    const char *key;
    const json_t *v;
    eff_html_section(t, "How it was done", NULL);
    eff_html_facts(t);
    eff_html_fact(t, "base", eff_json_text(r, "base"));
    snprintf(b, sizeof b, "%s: %d classes, %d training and %d validation images, fingerprint %s",
             eff_json_text(r, "data"), s->base.classes, s->images, s->scored, s->print);
    eff_html_fact(t, "images", b);
    eff_amount_span(spent, sizeof spent, s->spent);
    snprintf(b, sizeof b, "%d of %d trials in %s of training and scoring, kernels %s", s->finished, s->trials, spent,
             s->level);
    eff_html_fact(t, "cost", b);
    snprintf(b, sizeof b, "%d for each network, from %s on, the same for all", s->o.repeats,
             eff_json_text(r, "first_seed"));
    eff_html_fact(t, "seeds", b);
    if (s->cuts[0]) eff_html_fact(t, "cut to the time", s->cuts);
    eff_html_fact(
        t, "validation",
        "the last weights, once, at the end: nothing is picked by the validation images. The intervals tell what "
        "other seeds "
        "would change, on these images.");
    json_object_foreach((json_t *)at(r, "recipe"), key, v) eff_html_fact(t, key, json_string_value(v));
    eff_html_facts_end(t);
    eff_html_section_end(t);
}

static void figures(eff_text *t, const eff_study *s, const json_t *r)
{
    char a[40], b[80];
    eff_text_put(t, "<div class=\"figs\">\n");
    eff_amount_count(a, sizeof a, eff_json_number(r, "base_macs"));
    eff_amount_count(b, sizeof b, eff_json_number(r, "base_params"));
    strncat(b, " parameters", sizeof b - strlen(b) - 1);
    eff_html_figure(t, "base", a, b);
    snprintf(a, sizeof a, "%d", eff_study_counted(s));
    snprintf(b, sizeof b, "%d seeds each", s->o.repeats);
    eff_html_figure(t, "networks", a, b);
    snprintf(a, sizeof a, "%d", s->finished);
    snprintf(b, sizeof b, "of %d", s->trials);
    eff_html_figure(t, "trials done", a, b);
    eff_amount_span(a, sizeof a, s->spent);
    snprintf(b, sizeof b, "%d epochs a trial", eff_study_epochs(s));
    eff_html_figure(t, "training time", a, b);
    eff_text_put(t, "</div>\n");
}

char *eff_study_html(const eff_study *s, const json_t *r)
{
    eff_text t = { 0 };
    char subtitle[400];
    size_t i;
    const json_t *v;
    const bool fit = s->o.kind == EFF_STUDY_FIT;
    snprintf(subtitle, sizeof subtitle, "%s on %s", eff_json_text(r, "base"), eff_json_text(r, "data"));
    eff_html_begin(&t, fit ? "Constants of compound scaling" : "Depth, width, resolution, or all three", subtitle);
    figures(&t, s, r);
    eff_html_section(&t, "What was found", NULL);
    json_array_foreach(at(r, "words"), i, v) eff_html_paragraph(&t, json_string_value(v));
    eff_html_section_end(&t);
    if (!fit && !charts(&t, s, r)) t.failed = true;
    if (fit)
        fit_tables(&t, r);
    else
        bend_table(&t, s, r), curve_tables(&t, s, r);
    how(&t, s, r);
    eff_html_end(&t);
    if (!t.failed) return t.s;
    eff_text_free(&t);
    return NULL;
}
