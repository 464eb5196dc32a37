/* SPDX-License-Identifier: Apache-2.0 */
/* Which classes, in which order, and the drawing. The order is a greedy seriation of what was confused with what: the
 * pair most alike is joined first, then the next pair whose classes are both still ends of their chains, and so on;
 * chains follow each other by their strongest pair, classes never confused come last. Ties go to the lower class, so
 * the same answers give the same picture. */
#include "report/confusion.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct pair {
    int a, b; /* a < b */
    double weight;
} pair;

static int heavier(const void *p, const void *q)
{
    const pair *const x = p, *const y = q;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    return x->a != y->a ? x->a - y->a : x->b - y->b;
}

static int count(const eff_metrics_result *m, int row, int column)
{
    return m->confusion[(size_t)row * (size_t)m->classes + (size_t)column];
}

/* The classes of the most frequent confusions, whole pairs at a time. */
static eff_status choose(eff_confusion *c, const eff_metrics_result *m, eff_error *err)
{
    size_t n = 0, k = 0;
    for (int a = 0; a < m->classes; a++)
        for (int b = a + 1; b < m->classes; b++) n += count(m, a, b) || count(m, b, a);
    pair *const list = eff_calloc(n, sizeof *list);
    bool *const in = eff_calloc((size_t)m->classes, sizeof *in);
    eff_status s = EFF_OK;
    if (!list || !in) {
        s = eff_fail_memory(err, n * sizeof *list);
        goto end;
    }
    for (int a = 0; a < m->classes; a++)
        for (int b = a + 1; b < m->classes; b++)
            if (count(m, a, b) || count(m, b, a)) list[k++] = (pair){ a, b, (double)count(m, a, b) + count(m, b, a) };
    qsort(list, n, sizeof *list, heavier);
    for (size_t i = 0; i < n; i++) {
        const int more = !in[list[i].a] + !in[list[i].b];
        if (c->n + more > EFF_CONFUSION_MOST) continue;
        if (!in[list[i].a]) c->order[c->n++] = list[i].a;
        if (!in[list[i].b]) c->order[c->n++] = list[i].b;
        in[list[i].a] = in[list[i].b] = true;
    }
end:
    eff_free(list);
    eff_free(in);
    return s;
}

static int ascending(const void *p, const void *q) { return *(const int *)p - *(const int *)q; }

static double share(int k, int n) { return n ? (double)k / n : 0; }

/* How alike two classes look to the model: which share of each is taken for the other. */
static double alike(const eff_metrics_result *m, int a, int b)
{
    return share(count(m, a, b), m->per_class[a].n) + share(count(m, b, a), m->per_class[b].n);
}

/* The chosen classes, byte order or not, into chains: link[i][0..1] are the neighbours of place i, chain[i] whose chain
 * it is in. */
static void seriate(eff_confusion *c, const eff_metrics_result *m)
{
    enum { MOST = EFF_CONFUSION_MOST };
    pair list[MOST * (MOST - 1) / 2];
    int link[MOST][2], chain[MOST], ordered[MOST], n = 0, done = 0;
    bool out[MOST] = { false };
    qsort(c->order, (size_t)c->n, sizeof *c->order, ascending);
    for (int a = 0; a < c->n; a++) {
        link[a][0] = link[a][1] = -1;
        chain[a] = a;
        for (int b = a + 1; b < c->n; b++) {
            const double w = alike(m, c->order[a], c->order[b]);
            if (w > 0) list[n++] = (pair){ a, b, w };
        }
    }
    qsort(list, (size_t)n, sizeof *list, heavier);
    for (int i = 0; i < n; i++) {
        const int a = list[i].a, b = list[i].b;
        if (link[a][1] >= 0 || link[b][1] >= 0 || chain[a] == chain[b]) continue;
        link[a][link[a][0] >= 0] = b;
        link[b][link[b][0] >= 0] = a;
        const int old = chain[b];
        for (int k = 0; k < c->n; k++)
            if (chain[k] == old) chain[k] = chain[a];
    }
    for (int i = 0; i < n; i++) { /* pairs in order: a chain comes with its strongest */
        if (out[list[i].a] || link[list[i].a][0] < 0) continue;
        int at = -1;
        for (int k = 0; k < c->n && at < 0; k++)
            if (chain[k] == chain[list[i].a] && link[k][1] < 0) at = k; /* its end of the lower class */
        for (int from = -1; at >= 0;) {
            out[at] = true;
            ordered[done++] = c->order[at];
            const int next = link[at][0] != from && link[at][0] >= 0 ? link[at][0] : link[at][1];
            from = at;
            at = next >= 0 && !out[next] ? next : -1;
        }
    }
    for (int k = 0; k < c->n; k++)
        if (!out[k]) ordered[done++] = c->order[k];
    for (int k = 0; k < c->n; k++) c->order[k] = ordered[k];
}

eff_status eff_confusion_find(eff_confusion *c, const eff_metrics_result *m, eff_error *err)
{
    *c = (eff_confusion){ 0 };
    c->mistakes = m->n;
    for (int k = 0; k < m->classes; k++) c->mistakes -= m->per_class[k].correct;
    if (m->classes <= EFF_CONFUSION_MOST) {
        for (int k = 0; k < m->classes; k++) c->order[c->n++] = k;
    } else {
        const eff_status s = choose(c, m, err);
        if (s != EFF_OK) return s;
    }
    seriate(c, m);
    for (int a = 0; a < c->n; a++)
        for (int b = 0; b < c->n; b++)
            if (a != b) c->shown += count(m, c->order[a], c->order[b]);
    return EFF_OK;
}

const char *eff_report_class(const char *const *names, int c, char buf[16])
{
    if (names && names[c]) return names[c];
    snprintf(buf, 16, "%d", c);
    return buf;
}

/* ---------------------------------------------------------------------------------------------- drawing */

enum { LEFT = 140, TOP = 92, RIGHT = 88, LABEL_CHARS = 18 };

static void draw_name(eff_text *t, const char *name)
{
    eff_text_escape_cut(t, name, LABEL_CHARS);
    eff_text_put(t, "<title>");
    eff_text_escape(t, name);
    eff_text_put(t, "</title></text>\n");
}

/* Right answers are blue, wrong ones vermillion; the stronger, the larger the share of the row. */
static void draw_cell(eff_text *t, const eff_metrics_result *m, const char *const *names, int row, int column, double x,
                      double y, double cell)
{
    const int k = count(m, row, column);
    char a[16], b[16], text[16];
    if (!k) return;
    const double part = share(k, m->per_class[row].n);
    eff_text_put(t, "<g><title>true ");
    eff_text_escape(t, eff_report_class(names, row, a));
    eff_text_put(t, ", predicted ");
    eff_text_escape(t, eff_report_class(names, column, b));
    eff_text_print(t,
                   ": %d of %d</title><rect class=\"f%d n\" fill-opacity=\"%.2f\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                   "height=\"%.1f\"/>",
                   k, m->per_class[row].n, row == column ? 0 : 1, 0.12 + 0.88 * part, x, y, cell, cell);
    if (k < 10000)
        snprintf(text, sizeof text, "%d", k);
    else
        snprintf(text, sizeof text, "%dk", k / 1000);
    const double size = fmin(12, k < 100 ? cell * 0.5 : k < 1000 ? cell * 0.44 : cell * 0.36);
    eff_text_print(t, "<text class=\"c\" style=\"font-size:%.1fpx%s\" x=\"%.1f\" y=\"%.1f\">%s</text></g>\n", size,
                   part > 0.5 ? ";fill:var(--bg)" : "", x + cell / 2, y + cell / 2 + size * 0.36, text);
}

void eff_svg_confusion(eff_text *t, const char *title, const eff_confusion *c, const eff_metrics_result *m,
                       const char *const *names)
{
    const double cell = fmin(44, fmax(22, 240.0 / (c->n ? c->n : 1))), side = cell * c->n;
    const double width = LEFT + side + RIGHT, height = TOP + side + 8;
    char buf[16];
    eff_text_print(t,
                   "<svg class=\"chart\" style=\"min-width:%.0fpx;max-width:%.0fpx\" "
                   "xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                   "role=\"img\" aria-label=\"",
                   fmin(width, 300 + side / 2), width * 1.4, width, height);
    eff_text_escape(t, title);
    eff_text_put(t, "\">\n<text class=\"m\" x=\"4\" y=\"14\">predicted across, true down</text>\n");
    for (int i = 0; i <= c->n; i++) {
        const double at = i * cell;
        eff_text_print(t, "<path class=\"g\" d=\"M%d %.1fh%.1fM%.1f %dv%.1f\"/>", LEFT, TOP + at, side, LEFT + at, TOP,
                       side);
    }
    for (int i = 0; i < c->n; i++) {
        const char *const name = eff_report_class(names, c->order[i], buf);
        const double at = (i + 0.5) * cell;
        eff_text_print(t, "<text class=\"e\" x=\"%d\" y=\"%.1f\">", LEFT - 6, TOP + at + 4);
        draw_name(t, name);
        eff_text_print(t, "<text transform=\"translate(%.1f %d) rotate(-45)\">", LEFT + at + 3, TOP - 6);
        draw_name(t, name);
    }
    for (int i = 0; i < c->n; i++)
        for (int j = 0; j < c->n; j++)
            draw_cell(t, m, names, c->order[i], c->order[j], LEFT + j * cell, TOP + i * cell, cell);
    eff_text_put(t, "</svg>\n");
}
