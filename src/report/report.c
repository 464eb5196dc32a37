/* SPDX-License-Identifier: Apache-2.0 */
/* The report's sections, one function each, in the order of the page. Its size is bounded whatever it is made of: a
 * table shows its first rows and says how many there are, pictures are few and small. */
#include "report/report.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/number.h"
#include "report/confusion.h"
#include "report/html.h"
#include "report/svg.h"
#include "report/thumbnail.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_CLASS_ROWS = 500,
    MAX_BARS = 24,
    MAX_FACTS = 200,
    MAX_EXCLUDED = 200,
    MAX_PICTURES = 200,
    MAX_SIDE = 512,
    LONG_TEXT = 300, /* characters of a value, a reason or a path that are shown */
    NAME_TEXT = 80
};

void eff_report_defaults(eff_report *r) { *r = (eff_report){ .pictures = 24, .picture_side = 160 }; }

/* -------------------------------------------------------------------------------------------- the worst */

static bool is_worse(const eff_report_image *a, const eff_report_image *b)
{
    const float x = isnan(a->prob) ? -1 : a->prob, y = isnan(b->prob) ? -1 : b->prob;
    if (x != y) return x > y;
    return a->true_prob < b->true_prob;
}

size_t eff_report_mistakes(const eff_report_image *images, size_t n, size_t *index, size_t most)
{
    size_t have = 0;
    for (size_t i = 0; i < n; i++) {
        if (images[i].label == images[i].predicted) continue;
        size_t at = have; /* in order of the images where they are equally bad */
        while (at > 0 && is_worse(&images[i], &images[index[at - 1]])) at--;
        if (at == most) continue;
        if (have < most) have++;
        memmove(index + at + 1, index + at, (have - 1 - at) * sizeof *index);
        index[at] = i;
    }
    return have;
}

/* -------------------------------------------------------------------------------------------- figures */

#define PERCENT "\xc2\xa0%%" /* a number and its unit stay on one line */
#define DASH    "\xe2\x80\x93"

typedef struct words {
    char s[48];
} words;

static words percent(double v, int decimals)
{
    words w;
    if (isfinite(v))
        eff_number_print(w.s, sizeof w.s, "%.*f" PERCENT, decimals, 100 * v);
    else
        strcpy(w.s, DASH);
    return w;
}

static words interval(double lo, double hi, int decimals)
{
    words w = { "" };
    if (isfinite(lo) && isfinite(hi))
        eff_number_print(w.s, sizeof w.s, "%.*f to %.*f" PERCENT, decimals, 100 * lo, decimals, 100 * hi);
    return w;
}

static words nats(double v)
{
    words w;
    if (isfinite(v))
        eff_number_print(w.s, sizeof w.s, "%.3f", v);
    else
        strcpy(w.s, DASH);
    return w;
}

static void put_figures(eff_text *t, const eff_report *r)
{
    const eff_metrics_result *const m = r->metrics;
    char note[128], n[32];
    if (!m) return;
    int mistakes = m->n;
    for (int c = 0; c < m->classes; c++) mistakes -= m->per_class[c].correct;
    const bool scaled = m->temperature != 1;
    eff_text_put(t, "<div class=\"figs\">\n");
    snprintf(note, sizeof note, "95 %%: %s", interval(m->lo, m->hi, 1).s);
    eff_html_figure(t, "right (top-1)", percent(m->top1, 1).s, m->n ? note : NULL);
    if (m->classes > 5) eff_html_figure(t, "in the first five (top-5)", percent(m->top5, 1).s, NULL);
    snprintf(n, sizeof n, "%d", m->n);
    snprintf(note, sizeof note, "%d class%s, %d mistake%s", m->classes, m->classes == 1 ? "" : "es", mistakes,
             mistakes == 1 ? "" : "s");
    eff_html_figure(t, "images", n, note);
    snprintf(note, sizeof note, "%s before the temperature", nats(m->plain_loss).s);
    eff_html_figure(t, "loss, nats", nats(m->loss).s, scaled ? note : NULL);
    eff_number_print(note, sizeof note, "%s before the temperature of %.4g", percent(m->plain_ece, 1).s,
                     m->temperature);
    eff_html_figure(t, "confidence error (ECE)", percent(m->ece, 1).s, scaled ? note : "no temperature was fitted");
    eff_text_put(t, "</div>\n<p class=\"mut\">What an interval means: were other images drawn in the same way, again "
                    "and again, 95 of 100 such "
                    "intervals (Wilson's) would hold the true rate; the fewer the images, the wider it is.</p>\n");
}

/* ---------------------------------------------------------------------------------------------- facts */

static void put_cut(eff_text *t, const char *tag, const char *s)
{
    eff_text_print(t, "<%s><bdi>", tag);
    eff_text_escape_cut(t, s ? s : "", LONG_TEXT);
    eff_text_print(t, "</bdi></%s>", tag);
}

static void put_rest(eff_text *t, size_t all, size_t shown, const char *what)
{
    if (all > shown) eff_text_print(t, "<p class=\"mut\">%zu more %s.</p>\n", all - shown, what);
}

static void put_facts(eff_text *t, const eff_report *r)
{
    const size_t n = r->nfacts < MAX_FACTS ? r->nfacts : MAX_FACTS;
    if (!n) return;
    bool reasons = false;
    for (size_t i = 0; i < n; i++) reasons = reasons || (r->facts[i].why && *r->facts[i].why);
    eff_html_section(t, "What was done", NULL);
    eff_html_facts(t);
    for (size_t i = 0; i < n; i++) {
        eff_text_put(t, "<tr>");
        put_cut(t, "th", r->facts[i].key);
        put_cut(t, "td", r->facts[i].value);
        if (reasons) {
            eff_text_put(t, "<td class=\"mut\"><bdi>");
            eff_text_escape_cut(t, r->facts[i].why ? r->facts[i].why : "", LONG_TEXT);
            eff_text_put(t, "</bdi></td>");
        }
        eff_text_put(t, "</tr>\n");
    }
    eff_text_put(t, "</tbody></table>\n");
    put_rest(t, r->nfacts, n, "facts");
    eff_html_section_end(t);
}

/* --------------------------------------------------------------------------------------------- curves */

static bool any(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i])) return true;
    return false;
}

static void put_curve(eff_text *t, const char *caption, const char *y_label, const double *epoch,
                      const double *const *y, const char *const *names, int series, size_t n, bool fraction, bool log_y)
{
    eff_svg_series s[2];
    int used = 0;
    for (int k = 0; k < series; k++)
        if (any(y[k], n)) s[used++] = (eff_svg_series){ .name = names[k], .x = epoch, .y = y[k], .n = (int)n };
    if (!used) return;
    const eff_svg_lines c = { .title = caption,
                              .x_label = "epoch",
                              .y_label = y_label,
                              .series = s,
                              .nseries = used,
                              .whole_x = true,
                              .percent = fraction,
                              .log_y = log_y };
    eff_text_put(t, "<figure><figcaption>");
    eff_text_escape(t, caption);
    if (used == 1 && series == 2) eff_text_print(t, " (%s)", s[0].name);
    eff_text_put(t, "</figcaption>\n");
    eff_svg_lines_draw(t, &c);
    eff_text_put(t, "</figure>\n");
}

static bool spans_decades(const double *v, size_t n)
{
    double lo = INFINITY, hi = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i]) && v[i] > 0) lo = fmin(lo, v[i]), hi = fmax(hi, v[i]);
    return hi > 30 * lo;
}

static eff_status put_curves(eff_text *t, const eff_report *r, eff_error *err)
{
    static const char *const names[] = { "training", "validation" }, *const rate[] = { "learning rate" };
    const size_t n = r->nepochs;
    if (!n) return EFF_OK;
    if (n > 1000000) return eff_fail(err, EFF_EARG, "epochs: expected at most 1000000, found %zu", n);
    double *const v = eff_calloc(n, 6 * sizeof *v);
    if (!v) return eff_fail_memory(err, n * 6 * sizeof *v);
    double *const column[6] = { v, v + n, v + 2 * n, v + 3 * n, v + 4 * n, v + 5 * n };
    for (size_t i = 0; i < n; i++) {
        const eff_report_epoch *const e = &r->epochs[i];
        const double value[6] = { e->epoch, e->train_loss, e->val_loss, e->train_top1, e->val_top1, e->learning_rate };
        for (int k = 0; k < 6; k++) column[k][i] = value[k];
    }
    eff_html_section(t, "Training", NULL);
    eff_text_put(t, "<div class=\"charts\">\n");
    put_curve(t, "Accuracy", "right", v, (const double *const[]){ column[3], column[4] }, names, 2, n, true, false);
    put_curve(t, "Loss", "nats", v, (const double *const[]){ column[1], column[2] }, names, 2, n, false, false);
    put_curve(t, "Learning rate", "", v, (const double *const[]){ column[5] }, rate, 1, n, false,
              spans_decades(column[5], n));
    eff_text_put(t, "</div>\n");
    eff_html_section_end(t);
    eff_free(v);
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------ confusion */

static eff_status put_confusion(eff_text *t, const eff_report *r, eff_error *err)
{
    const eff_metrics_result *const m = r->metrics;
    eff_confusion c;
    char line[256];
    const eff_status s = eff_confusion_find(&c, m, err);
    if (s != EFF_OK) return s;
    eff_html_section(t, "What was taken for what",
                     "A row is a true class, a column what the model said; blue is right, orange is wrong, the "
                     "stronger the larger the share of "
                     "the row. Classes that are confused stand together.");
    if (m->classes > EFF_CONFUSION_MOST) {
        if (c.n)
            snprintf(
                line, sizeof line,
                "Shown are the %d of %d classes that were confused most often: %d of all %d mistakes are between them.",
                c.n, m->classes, c.shown, c.mistakes);
        else
            snprintf(line, sizeof line, "None of the %d classes was confused with another.", m->classes);
        eff_text_print(t, "<p>%s</p>\n", line);
    }
    if (c.n) {
        eff_text_put(t, "<div class=\"wide\">");
        eff_svg_confusion(t, "confusion matrix", &c, m, r->class_names);
        eff_text_put(t, "</div>\n");
    }
    eff_html_section_end(t);
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------- mistakes */

static void put_answer(eff_text *t, const eff_report *r, const char *what, const char *colour, int c, float prob)
{
    char buf[16];
    eff_text_print(t, "<div><span class=\"k\" style=\"background:var(--%s)\"></span>%s <bdi>", colour, what);
    eff_text_escape_cut(t, eff_report_class(r->class_names, c, buf), NAME_TEXT);
    eff_text_print(t, "</bdi> %s</div>", percent((double)prob, prob < 0.0995f ? 1 : 0).s);
}

static const char *tail_of(const char *path)
{
    const char *s = strrchr(path, '/');
    while (s && s > path && s[-1] != '/') s--; /* the last folder says which class */
    return s ? s : path;
}

static eff_status put_picture(eff_text *t, const eff_report *r, const eff_report_image *im, eff_error *err)
{
    unsigned char *jpeg;
    size_t size;
    int w, h;
    eff_error why = { 0 };
    const int side = r->picture_side < 16 ? 16 : r->picture_side > MAX_SIDE ? MAX_SIDE : r->picture_side;
    const eff_status s = eff_thumbnail_make(&jpeg, &size, &w, &h, im->path, side, &why);
    if (s == EFF_ENOMEM) {
        if (err) *err = why;
        return s;
    }
    eff_text_put(t, "<figure>");
    if (s == EFF_OK) {
        eff_text_print(t, "<img width=\"%d\" height=\"%d\" alt=\"\" src=\"data:image/jpeg;base64,", w, h);
        eff_text_base64(t, jpeg, size);
        eff_text_put(t, "\"/>\n");
    } else {
        eff_text_put(t, "<span class=\"gone\">The picture can no longer be read: ");
        eff_text_escape(t, why.msg);
        eff_text_put(t, "</span>\n");
    }
    eff_free(jpeg);
    put_answer(t, r, "said", "c1", im->predicted, im->prob);
    put_answer(t, r, "is", "c0", im->label, im->true_prob);
    eff_text_put(t, "<div class=\"file\" title=\"");
    eff_text_escape_cut(t, im->path, LONG_TEXT);
    eff_text_put(t, "\"><bdi>");
    eff_text_escape_cut(t, tail_of(im->path), NAME_TEXT);
    eff_text_put(t, "</bdi></div></figure>\n");
    return EFF_OK;
}

static eff_status put_mistakes(eff_text *t, const eff_report *r, eff_error *err)
{
    size_t worst[MAX_PICTURES], all = 0;
    const size_t most = r->pictures < 0 ? 0 : r->pictures > MAX_PICTURES ? MAX_PICTURES : (size_t)r->pictures;
    const size_t n = eff_report_mistakes(r->images, r->nimages, worst, most);
    eff_status s = EFF_OK;
    for (size_t i = 0; i < r->nimages; i++) all += r->images[i].label != r->images[i].predicted;
    if (!r->nimages || (all && !n)) return EFF_OK;
    eff_html_section(
        t, "The worst mistakes",
        all ? "Wrong answers, those given with the greatest confidence first. Look for labels that are wrong, too."
            : "There are none.");
    if (n) eff_text_put(t, "<div class=\"pics\">\n");
    for (size_t i = 0; i < n && s == EFF_OK; i++) s = put_picture(t, r, &r->images[worst[i]], err);
    if (n) eff_text_put(t, "</div>\n");
    put_rest(t, all, n, "mistakes");
    eff_html_section_end(t);
    return s;
}

/* -------------------------------------------------------------------------------------------- classes */

typedef struct ranked {
    int index;
    const eff_class_metrics *k;
} ranked;

/* Worst recall first, among equals the one with more images; classes without images last, those that something was
 * taken for first. */
static int worse_class(const void *a, const void *b)
{
    const ranked *const x = a, *const y = b;
    if (!x->k->n != !y->k->n) return x->k->n ? -1 : 1;
    if (x->k->n && x->k->recall != y->k->recall) return x->k->recall < y->k->recall ? -1 : 1;
    if (x->k->n != y->k->n) return x->k->n > y->k->n ? -1 : 1;
    if (!x->k->n && x->k->predicted != y->k->predicted) return x->k->predicted > y->k->predicted ? -1 : 1;
    return x->index - y->index;
}

/* `what` stands before the number where the page is too narrow for columns. */
static void put_count(eff_text *t, const char *what, int n)
{
    eff_text_print(t, "<td class=\"n\" data-what=\"%s\">%d</td>", what, n);
}

static void put_rate(eff_text *t, const char *what, double v, double lo, double hi)
{
    eff_text_print(t, "<td class=\"n\" data-what=\"%s\">%s", what, percent(v, 1).s);
    if (isfinite(v)) eff_text_print(t, " <small>(%s)</small>", interval(lo, hi, 0).s);
    eff_text_put(t, "</td>");
}

/* Classes without images that nothing was taken for have no row. */
static void put_class_table(eff_text *t, const eff_report *r, const ranked *list, int n)
{
    char buf[16];
    int of_use = 0;
    for (int i = 0; i < n; i++) of_use += list[i].k->n || list[i].k->predicted;
    const int shown = of_use < MAX_CLASS_ROWS ? of_use : MAX_CLASS_ROWS;
    eff_text_put(t, "<div class=\"scroll\"><table class=\"classes\"><thead><tr><th>class</th><th "
                    "class=\"n\">images</th><th class=\"n\">right</th>"
                    "<th class=\"n\">recall (95 %)</th><th class=\"n\">called so</th><th class=\"n\">precision (95 "
                    "%)</th></tr></thead><tbody>\n");
    for (int i = 0; i < shown; i++) {
        const eff_class_metrics *const k = list[i].k;
        eff_text_put(t, "<tr>");
        put_cut(t, "td", eff_report_class(r->class_names, list[i].index, buf));
        put_count(t, "images", k->n);
        put_count(t, "right", k->correct);
        put_rate(t, "recall", k->recall, k->recall_lo, k->recall_hi);
        put_count(t, "called so", k->predicted);
        put_rate(t, "precision", k->precision, k->precision_lo, k->precision_hi);
        eff_text_put(t, "</tr>\n");
    }
    eff_html_table_end(t);
    put_rest(t, (size_t)of_use, (size_t)shown, "classes, found as often as these or more often, or without images");
    if (of_use < n)
        eff_text_print(t, "<p class=\"mut\">%d class%s had no images here and nothing was taken for them.</p>\n",
                       n - of_use, n - of_use == 1 ? "" : "es");
}

static eff_status put_classes(eff_text *t, const eff_report *r, eff_error *err)
{
    const eff_metrics_result *const m = r->metrics;
    eff_svg_bar bar[MAX_BARS];
    char number_of[MAX_BARS][16], note[MAX_BARS][32];
    ranked *const list = eff_calloc((size_t)m->classes, sizeof *list);
    if (!list) return eff_fail_memory(err, (size_t)m->classes * sizeof *list);
    for (int c = 0; c < m->classes; c++) list[c] = (ranked){ c, &m->per_class[c] };
    qsort(list, (size_t)m->classes, sizeof *list, worse_class);
    eff_html_section(t, "Class by class",
                     "Recall: of the images of a class, the share that was found. Precision: of the images called so, "
                     "the share that is. The worst "
                     "recall comes first; the thin lines are 95 % intervals.");
    int n = 0;
    for (int i = 0; i < m->classes && n < MAX_BARS && list[i].k->n; i++, n++) {
        const eff_class_metrics *const k = list[i].k;
        snprintf(note[n], sizeof note[n], "%d of %d", k->correct, k->n);
        bar[n] = (eff_svg_bar){ eff_report_class(r->class_names, list[i].index, number_of[n]), k->recall, k->recall_lo,
                                k->recall_hi, note[n] };
    }
    if (n) {
        eff_text_put(t, "<div class=\"charts\">");
        for (int first = 0, half = n > 8 ? (n + 1) / 2 : n; first < n; first += half) {
            eff_text_put(t, "<figure>");
            eff_svg_bars(t, "recall by class", bar + first, n - first < half ? n - first : half);
            eff_text_put(t, "</figure>");
        }
        eff_text_put(t, "</div>\n");
    }
    put_class_table(t, r, list, m->classes);
    eff_html_section_end(t);
    eff_free(list);
    return EFF_OK;
}

/* -------------------------------------------------------------------------------------- the other sections */

static void put_reliability(eff_text *t, const eff_metrics_result *m)
{
    const bool scaled = m->temperature != 1;
    eff_html_section(
        t, "How far the confidence can be trusted",
        "Answers by their confidence, in 15 bins. Of answers given with 80 % confidence 80 % should be right: bars "
        "that reach the broken "
        "line. Below it the model is too sure, above it too careful. The dot is the bin's mean confidence.");
    eff_text_put(t, "<div class=\"charts\">\n");
    for (int k = scaled ? 0 : 1; k < 2; k++) {
        eff_text_put(t, "<figure><figcaption>");
        if (scaled && k)
            eff_text_print(t, "At temperature %.4g, as shown to users: error %s", m->temperature, percent(m->ece, 1).s);
        else
            eff_text_print(t, "%s%s", scaled ? "Before the temperature: error " : "Error ",
                           percent(scaled ? m->plain_ece : m->ece, 1).s);
        eff_text_put(t, "</figcaption>\n");
        eff_svg_reliability(t, "reliability diagram", k ? m->bins : m->plain_bins);
        eff_text_put(t, "</figure>\n");
    }
    eff_text_put(t, "</div>\n");
    eff_html_section_end(t);
}

static void put_excluded(eff_text *t, const eff_report *r)
{
    const size_t n = r->nexcluded < MAX_EXCLUDED ? r->nexcluded : MAX_EXCLUDED;
    if (!n) return;
    eff_html_section(t, "Left out", "These files are in none of the figures.");
    eff_text_put(t, "<div class=\"scroll\"><table class=\"facts\"><tbody>\n");
    for (size_t i = 0; i < n; i++) {
        eff_text_put(t, "<tr>");
        put_cut(t, "td", r->excluded[i].path);
        put_cut(t, "td", r->excluded[i].reason);
        eff_text_put(t, "</tr>\n");
    }
    eff_text_put(t, "</tbody></table></div>\n");
    put_rest(t, r->nexcluded, n, "files");
    eff_html_section_end(t);
}

/* ---------------------------------------------------------------------------------------------- the page */

static eff_status check(const eff_report *r, eff_error *err)
{
    const int classes = r->metrics ? r->metrics->classes : 0;
    for (size_t i = 0; i < r->nimages; i++) {
        const eff_report_image *const im = &r->images[i];
        if (im->label < 0 || im->label >= classes || im->predicted < 0 || im->predicted >= classes)
            return eff_fail(err, EFF_EARG, "image %zu: expected classes in 0..%d, found %d taken for %d", i,
                            classes - 1, im->label, im->predicted);
    }
    return EFF_OK;
}

eff_status eff_report_text(eff_text *t, const eff_report *r, eff_error *err)
{
    *t = (eff_text){ 0 };
    eff_status s = check(r, err);
    if (s != EFF_OK) return s;
    eff_html_begin(t, r->title ? r->title : "Report", r->subtitle);
    put_figures(t, r);
    s = put_curves(t, r, err);
    if (s == EFF_OK && r->metrics) s = put_confusion(t, r, err);
    if (s == EFF_OK) s = put_mistakes(t, r, err);
    if (s == EFF_OK && r->metrics) s = put_classes(t, r, err);
    if (s != EFF_OK) return s;
    if (r->metrics) put_reliability(t, r->metrics);
    put_facts(t, r);
    put_excluded(t, r);
    eff_text_print(t, "<footer><p class=\"mut\">effnet %s</p></footer>\n", eff_version());
    eff_html_end(t);
    return t->failed ? eff_fail_memory(err, t->n) : EFF_OK;
}

eff_status eff_report_write(const eff_report *r, const char *path, eff_error *err)
{
    eff_text t;
    eff_save save = { 0 };
    eff_status s = eff_report_text(&t, r, err);
    if (s == EFF_OK) s = eff_save_begin(&save, path, err);
    if (s == EFF_OK) {
        fwrite(t.s, 1, t.n, save.f); /* the commit sees whether it went well */
        s = eff_save_commit(&save, err);
    }
    eff_save_abort(&save);
    eff_text_free(&t);
    return s;
}
