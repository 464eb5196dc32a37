/* SPDX-License-Identifier: Apache-2.0 */
/* Line charts, the reliability diagram and bars. A chart is a frame (a rectangle of the drawing with a range of values
 * on either axis) and what is put into it. */
#include "report/svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 420,
    MAX_TICKS = 12,
    MAX_SERIES = 6,
    MAX_POINTS = 800, /* of a line: more cannot be seen at this width */
    MARKED = 40       /* points up to which each has a marker */
};

#define BEYOND 1e150 /* values past it are not drawn: their differences would not be finite */

void eff_svg_style(eff_text *t)
{
    static const char *const light[MAX_SERIES] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9" };
    static const char *const dark[MAX_SERIES] = { "#56b4e9", "#ff8c42", "#2fc79a", "#e39ac3", "#f0b93a", "#a5d8f5" };
    eff_text_put(t,
                 ":root{color-scheme:light dark;--fg:#1b1f24;--mut:#5b6470;--bg:#fff;--card:#f4f6f8;--line:#d5dae0;");
    for (int i = 0; i < MAX_SERIES; i++) eff_text_print(t, "--c%d:%s%s", i, light[i], i + 1 < MAX_SERIES ? ";" : "}\n");
    eff_text_put(t, "@media(prefers-color-scheme:dark){:root{--fg:#e8ebef;--mut:#9aa4b1;--bg:#14171b;--card:#1d2127;--"
                    "line:#39414b;");
    for (int i = 0; i < MAX_SERIES; i++) eff_text_print(t, "--c%d:%s%s", i, dark[i], i + 1 < MAX_SERIES ? ";" : "}}\n");
    eff_text_put(t, "svg.chart{display:block;width:100%;height:auto}"
                    ".chart text{font:12px system-ui,sans-serif;fill:var(--fg)}"
                    ".chart .m{fill:var(--mut)}.chart .s{font-size:10px}"
                    ".chart .e{text-anchor:end}.chart .c{text-anchor:middle}"
                    ".chart .g{stroke:var(--line);stroke-width:1;fill:none}"
                    ".chart .a{stroke:var(--mut);stroke-width:1;fill:none}"
                    ".chart .d{stroke:var(--mut);stroke-width:1;stroke-dasharray:4 3;fill:none}"
                    ".chart .w{stroke:var(--fg);stroke-width:1.2;fill:none}"
                    ".chart .n{stroke:none}\n");
    static const char *const dash[MAX_SERIES] = { "none", "7 3", "2 3", "9 3 2 3", "5 5", "1 2" };
    for (int i = 0; i < MAX_SERIES; i++)
        eff_text_print(
            t,
            ".chart .l%d{stroke:var(--c%d);stroke-width:2;fill:none;stroke-dasharray:%s;stroke-linejoin:round}.chart "
            ".f%d{fill:var(--c%d)}\n",
            i, i, dash[i], i, i);
}

static void begin(eff_text *t, const char *title, double width, double height, bool alone)
{
    eff_text_print(
        t, "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"",
        width, height);
    eff_text_escape(t, title);
    eff_text_put(t, "\">\n");
    if (!alone) return;
    eff_text_put(t, "<style>");
    eff_svg_style(t);
    eff_text_print(t, "</style><rect width=\"%g\" height=\"%g\" style=\"fill:var(--bg)\"/>\n", width, height);
}

static void line(eff_text *t, const char *class, double x1, double y1, double x2, double y2)
{
    eff_text_print(t, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>", class, x1, y1, x2, y2);
}

static void label(eff_text *t, const char *class, double x, double y, const char *text)
{
    eff_text_print(t, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    eff_text_escape(t, text);
    eff_text_put(t, "</text>");
}

/* ------------------------------------------------------------------------------------------------- axes */

typedef struct axis {
    double lo, hi;   /* of the values, or of their logarithms to base 10 */
    double from, to; /* of the drawing */
    bool log, percent;
    int nticks, decimals;   /* decimals < 0: as %g writes it */
    double tick[MAX_TICKS]; /* values */
} axis;

static bool drawable(const axis *a, double v) { return isfinite(v) && fabs(v) < BEYOND && (!a->log || v > 0); }

static double place(const axis *a, double v)
{
    const double w = a->log ? log10(v) : v;
    return a->from + (w - a->lo) / (a->hi - a->lo) * (a->to - a->from);
}

static double inside(const axis *a, double at)
{
    const double lo = fmin(a->from, a->to), hi = fmax(a->from, a->to);
    return fmin(hi, fmax(lo, at));
}

static void include(axis *a, double v)
{
    if (!drawable(a, v)) return;
    const double w = a->log ? log10(v) : v;
    if (!(a->lo <= w)) a->lo = w; /* NaN to begin with */
    if (!(a->hi >= w)) a->hi = w;
}

/* Ticks at 1, 2 or 5 times a power of ten; the range grows to whole ticks where `grow` says so. */
static void linear_ticks(axis *a, int want, bool whole, bool grow)
{
    const double rough = (a->hi - a->lo) / want;
    const double power = pow(10, floor(log10(rough))), r = rough / power;
    double step = power * (r <= 1 ? 1 : r <= 2 ? 2 : r <= 5 ? 5 : 10);
    if (whole && step < 1) step = 1;
    if (grow) {
        a->lo = floor(a->lo / step + 1e-9) * step;
        a->hi = ceil(a->hi / step - 1e-9) * step;
    }
    const double shown = a->percent ? 100 * step : step;
    a->decimals = shown >= 1 ? 0 : (int)ceil(-log10(shown) - 1e-9);
    if (a->decimals > 5 || fmax(fabs(a->lo), fabs(a->hi)) >= 1e6) a->decimals = -1;
    const double first = ceil(a->lo / step - 1e-9) * step;
    while (a->nticks < MAX_TICKS) {
        const double v = first + a->nticks * step;
        if (!(v <= a->hi + 1e-9 * step)) return;
        a->tick[a->nticks++] = fabs(v) < 1e-9 * step ? 0 : v;
    }
}

/* At 1, 2 and 5 in each decade, or at every so many decades; over less than a decade at even steps. */
static void log_ticks(axis *a)
{
    static const double at[] = { 1, 2, 5 };
    const double decades = a->hi - a->lo;
    const int every = decades > 8 ? (int)ceil(decades / 8) : 1, few = decades > 2.5 ? 1 : 3;
    a->decimals = -1;
    if (decades < 0.8) {
        axis even = { .lo = pow(10, a->lo), .hi = pow(10, a->hi) };
        linear_ticks(&even, 4, false, false);
        memcpy(a->tick, even.tick, sizeof a->tick);
        a->nticks = even.nticks;
        return;
    }
    for (int d = (int)floor(a->lo); d <= (int)ceil(a->hi) && a->nticks < MAX_TICKS; d += every)
        for (int k = 0; k < few && a->nticks < MAX_TICKS; k++) {
            const double w = d + log10(at[k]);
            if (w >= a->lo - 1e-9 && w <= a->hi + 1e-9) a->tick[a->nticks++] = at[k] * pow(10, d);
        }
}

static void finish_axis(axis *a, int want, bool whole, bool grow)
{
    if (isnan(a->lo)) a->lo = 0, a->hi = 1; /* nothing to draw */
    if (!(a->hi - a->lo > 1e-12 * fmax(fabs(a->lo), fabs(a->hi)))) {
        const double widen = a->log ? 0.5 : whole ? 1 : a->lo != 0 ? 0.1 * fabs(a->lo) : 0.5;
        a->lo -= widen;
        a->hi += widen;
    }
    if (a->log) {
        const double margin = 0.03 * (a->hi - a->lo);
        a->lo -= margin;
        a->hi += margin;
        log_ticks(a);
    } else {
        linear_ticks(a, want, whole, grow);
    }
}

/* 1500000 as 1.5M: axes of multiply-adds and parameters. */
static void tick_text(char *out, size_t room, const axis *a, double v)
{
    static const char unit[] = " kMGT";
    const char *const percent = a->percent ? "\xc2\xa0%" : "";
    if (a->percent) v *= 100;
    if (a->decimals >= 0) {
        snprintf(out, room, "%.*f%s", a->decimals, v, percent);
        return;
    }
    int u = 0;
    while (fabs(v) >= 999.5 && u < 4) v /= 1000, u++;
    if (u)
        snprintf(out, room, "%.4g%c%s", v, unit[u], percent);
    else
        snprintf(out, room, "%.3g%s", v, percent);
}

static void draw_axes(eff_text *t, const axis *x, const axis *y)
{
    char text[64];
    for (int i = 0; i < y->nticks; i++) {
        const double at = place(y, y->tick[i]);
        line(t, "g", x->from, at, x->to, at);
        tick_text(text, sizeof text, y, y->tick[i]);
        label(t, "m e", x->from - 6, at + 4, text);
    }
    line(t, "a", x->from, y->from, x->to, y->from);
    for (int i = 0; i < x->nticks; i++) {
        const double at = place(x, x->tick[i]);
        line(t, "a", at, y->from, at, y->from + 4);
        tick_text(text, sizeof text, x, x->tick[i]);
        label(t, "m c", at, y->from + 17, text);
    }
    eff_text_put(t, "\n");
}

/* ------------------------------------------------------------------------------------------------ lines */

static void marker(eff_text *t, int shape, double x, double y)
{
    switch (shape % 4) {
    case 0: eff_text_print(t, "<circle class=\"f%d n\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", shape, x, y); break;
    case 1:
        eff_text_print(t, "<rect class=\"f%d n\" x=\"%.1f\" y=\"%.1f\" width=\"5.4\" height=\"5.4\"/>", shape, x - 2.7,
                       y - 2.7);
        break;
    case 2: eff_text_print(t, "<path class=\"f%d n\" d=\"M%.1f %.1fl3.6 6.2h-7.2z\"/>", shape, x, y - 3.8); break;
    default:
        eff_text_print(t, "<path class=\"f%d n\" d=\"M%.1f %.1fl3.8 3.8l-3.8 3.8l-3.8 -3.8z\"/>", shape, x, y - 3.8);
        break;
    }
}

static bool point(const eff_svg_series *s, int i, const axis *x, const axis *y)
{
    return drawable(x, s->x[i]) && drawable(y, s->y[i]);
}

static void draw_series(eff_text *t, const eff_svg_series *s, int k, const axis *x, const axis *y)
{
    const int stride = s->n > MAX_POINTS ? (s->n + MAX_POINTS - 1) / MAX_POINTS : 1;
    bool pen = false;
    int drawn = 0;
    for (int i = 0; s->lo && s->hi && i < s->n; i += stride) {
        if (!point(s, i, x, y) || !drawable(y, s->lo[i]) || !drawable(y, s->hi[i])) continue;
        eff_text_print(t,
                       "<path class=\"l%d\" style=\"stroke-width:1.2;stroke-dasharray:none\" d=\"M%.1f %.1fV%.1fm-3 "
                       "0h6m-3 0V%.1fm-3 0h6\"/>",
                       k, place(x, s->x[i]), place(y, s->y[i]), place(y, s->hi[i]), place(y, s->lo[i]));
    }
    if (s->scattered) {
        for (int i = 0; i < s->n; i += stride)
            if (point(s, i, x, y)) marker(t, k, place(x, s->x[i]), place(y, s->y[i]));
        eff_text_put(t, "\n");
        return;
    }
    eff_text_print(t, "<path class=\"l%d\" d=\"", k);
    for (int i = 0; i < s->n;
         i += i + stride < s->n || i == s->n - 1 ? stride : s->n - 1 - i) { /* the last point too */
        const bool here = point(s, i, x, y);
        if (here) eff_text_print(t, "%c%.1f %.1f", pen ? 'L' : 'M', place(x, s->x[i]), place(y, s->y[i]));
        drawn += here;
        pen = here;
    }
    eff_text_put(t, "\"/>");
    for (int i = 0; drawn <= MARKED && i < s->n; i += stride)
        if (point(s, i, x, y)) marker(t, k, place(x, s->x[i]), place(y, s->y[i]));
    eff_text_put(t, "\n");
}

/* Characters, not bytes: about 6.6 units each at 12 units. */
static double text_width(const char *s)
{
    int n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return 6.6 * n;
}

/* Names with a piece of their line, as many a row as fit. @return where the plot can begin */
static double draw_legend(eff_text *t, const eff_svg_lines *c, double top)
{
    double x = 8, y = top;
    for (int k = 0; k < c->nseries; k++) {
        const double w = 34 + text_width(c->series[k].name) + 12;
        if (k && x + w > WIDTH) x = 8, y += 17;
        if (!c->series[k].scattered) eff_text_print(t, "<path class=\"l%d\" d=\"M%.1f %.1fh24\"/>", k, x, y - 4);
        marker(t, k, x + 12, y - 4);
        label(t, "", x + 30, y, c->series[k].name);
        x += w;
    }
    eff_text_put(t, "\n");
    return y + 14;
}

/* What a label must keep clear of: boxes of markers and of labels already there. */
typedef struct box {
    double x1, y1, x2, y2;
} box;

enum { MOST_BOXES = 256 };

typedef struct boxes {
    box b[MOST_BOXES];
    int n;
} boxes;

static void keep_clear(boxes *k, box b)
{
    if (k->n < MOST_BOXES) k->b[k->n++] = b;
}

static double overlap(box a, box b)
{
    const double w = fmin(a.x2, b.x2) - fmax(a.x1, b.x1), h = fmin(a.y2, b.y2) - fmax(a.y1, b.y1);
    return w > 0 && h > 0 ? w * h : 0;
}

/* Markers, and the lines between them in steps. */
static void collect_boxes(boxes *k, const eff_svg_series *s, const axis *x, const axis *y)
{
    double px = NAN, py = NAN;
    for (int i = 0; i < s->n; i++) {
        if (!point(s, i, x, y)) continue;
        const double ax = place(x, s->x[i]), ay = place(y, s->y[i]);
        keep_clear(k, (box){ ax - 4, ay - 4, ax + 4, ay + 4 });
        for (int j = 1; j < 8 && isfinite(px); j++) {
            const double lx = px + (ax - px) * j / 8, ly = py + (ay - py) * j / 8;
            keep_clear(k, (box){ lx - 1.5, ly - 1.5, lx + 1.5, ly + 1.5 });
        }
        px = ax;
        py = ay;
    }
}

/* Names beside their points: of eight places the first that hides least. */
static void draw_labels(eff_text *t, const eff_svg_lines *c, const axis *x, const axis *y)
{
    static const struct {
        double side, up; /* -1 left, 0 middle, 1 right; 1 above, 0 level, -1 below */
    } places[] = { { -1, 1 }, { 1, -1 }, { 1, 0 }, { -1, 0 }, { 0, 1 }, { 0, -1 }, { 1, 1 }, { -1, -1 } };
    boxes k = { .n = 0 };
    for (int i = 0; i < c->nseries; i++) collect_boxes(&k, &c->series[i], x, y);
    for (int i = 0; i < c->nseries; i++) {
        const eff_svg_series *const s = &c->series[i];
        for (int j = 0; s->labels && j < s->n; j++) {
            if (!point(s, j, x, y)) continue;
            const double ax = place(x, s->x[j]), ay = place(y, s->y[j]), w = text_width(s->labels[j]) * 10 / 12;
            double least = INFINITY;
            box best = { 0 };
            for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
                const double left = places[p].side < 0 ? ax - 6 - w : places[p].side > 0 ? ax + 6 : ax - w / 2;
                const double level = ay + 3.5 - 8 * places[p].up - (places[p].side == 0 ? 2 * places[p].up : 0);
                const box b = { left, level - 8, left + w, level + 2 };
                double hidden = 10 * (fmax(0, x->from - b.x1) + fmax(0, b.x2 - x->to) + fmax(0, y->to - b.y1) +
                                      fmax(0, b.y2 - y->from));
                for (int o = 0; o < k.n; o++) hidden += overlap(b, k.b[o]);
                if (hidden >= least) continue;
                least = hidden;
                best = b;
            }
            keep_clear(&k, best);
            label(t, "s", best.x1, best.y2 - 2, s->labels[j]);
        }
    }
    eff_text_put(t, "\n");
}

enum { LINES_HEIGHT = 270 };

static void draw_lines(eff_text *t, const eff_svg_lines *c, double top)
{
    const double bottom = LINES_HEIGHT;
    axis x = { .lo = NAN, .hi = NAN, .from = 52, .to = WIDTH - 14, .log = c->log_x };
    axis y = { .lo = NAN, .hi = NAN, .from = bottom - 38, .log = c->log_y, .percent = c->percent };
    int drawn = 0;
    for (int k = 0; k < c->nseries; k++) {
        const eff_svg_series *const s = &c->series[k];
        for (int i = 0; i < s->n; i++) {
            if (!point(s, i, &x, &y)) continue;
            drawn++;
            include(&x, s->x[i]);
            include(&y, s->y[i]);
            if (s->lo && s->hi) include(&y, s->lo[i]), include(&y, s->hi[i]);
        }
    }
    if (c->from_zero && !c->log_y) include(&y, 0);
    finish_axis(&x, 6, c->whole_x, false);
    finish_axis(&y, 5, false, true);
    y.to = c->nseries > 1 ? draw_legend(t, c, top + 14) : top + 12;
    if (c->y_label && *c->y_label) {
        label(t, "m", 8, y.to + 2, c->y_label);
        y.to += 19;
    }
    draw_axes(t, &x, &y);
    label(t, "m e", x.to, bottom - 4, c->x_label);
    if (!drawn) label(t, "m c", (x.from + x.to) / 2, (y.from + y.to) / 2, "no values");
    for (int k = 0; k < c->nseries && drawn; k++) draw_series(t, &c->series[k], k, &x, &y);
    if (drawn) draw_labels(t, c, &x, &y);
}

void eff_svg_lines_draw(eff_text *t, const eff_svg_lines *c)
{
    begin(t, c->title, WIDTH, LINES_HEIGHT, c->alone);
    draw_lines(t, c, 0);
    eff_text_put(t, "</svg>\n");
}

void eff_svg_panels_draw(eff_text *t, const char *heading, const eff_svg_panel *panel, int n)
{
    const double head = heading ? 26 : 6, row = LINES_HEIGHT + 24;
    begin(t, heading ? heading : panel[0].lines.title, WIDTH, head + n * row, true);
    if (heading) label(t, "m s", 8, 16, heading);
    for (int i = 0; i < n; i++) {
        eff_text_print(t, "<g transform=\"translate(0 %g)\">", head + i * row);
        label(t, "", 8, 12, panel[i].lines.title);
        draw_lines(t, &panel[i].lines, 18);
        if (panel[i].note) label(t, "m s", 8, LINES_HEIGHT + 12, panel[i].note);
        eff_text_put(t, "</g>\n");
    }
    eff_text_put(t, "</svg>\n");
}

/* ------------------------------------------------------------------------------------------ reliability */

static void whisker(eff_text *t, double x, double lo, double hi, double half)
{
    eff_text_print(t, "<path class=\"w\" d=\"M%.1f %.1fh%.1fm%.1f 0V%.1fm%.1f 0h%.1f\"/>", x - half, lo, 2 * half,
                   -half, hi, -half, 2 * half);
}

static void draw_counts(eff_text *t, const eff_calibration_bin *bins, const axis *x, double bottom, double room)
{
    int most = 1;
    for (int b = 0; b < EFF_CALIBRATION_BINS; b++)
        if (bins[b].n > most) most = bins[b].n;
    const double wide = (x->to - x->from) / EFF_CALIBRATION_BINS;
    for (int b = 0; b < EFF_CALIBRATION_BINS; b++) {
        if (!bins[b].n) continue;
        char text[32];
        const double tall = fmax(1, room * bins[b].n / most), left = x->from + b * wide;
        eff_text_print(t,
                       "<rect class=\"n\" style=\"fill:var(--mut);fill-opacity:.55\" x=\"%.1f\" y=\"%.1f\" "
                       "width=\"%.1f\" height=\"%.1f\"/>",
                       left + 1, bottom - tall, wide - 2, tall);
        if (bins[b].n < 10000)
            snprintf(text, sizeof text, "%d", bins[b].n);
        else
            snprintf(text, sizeof text, "%dk", bins[b].n / 1000);
        label(t, "m c s", left + wide / 2, bottom - tall - 3, text);
    }
}

void eff_svg_reliability(eff_text *t, const char *title, const eff_calibration_bin bins[EFF_CALIBRATION_BINS])
{
    const double height = 350, floor_y = 248;
    axis x = { .lo = 0, .hi = 1, .from = 52, .to = WIDTH - 22, .percent = true };
    axis y = { .lo = 0, .hi = 1, .from = floor_y, .to = 28, .percent = true };
    finish_axis(&x, 5, false, false);
    finish_axis(&y, 5, false, false);
    begin(t, title, WIDTH, height, false);
    label(t, "m", 8, 14, "share that was right");
    draw_axes(t, &x, &y);
    line(t, "d", x.from, y.from, x.to, y.to);
    const double wide = (x.to - x.from) / EFF_CALIBRATION_BINS;
    for (int b = 0; b < EFF_CALIBRATION_BINS; b++) {
        const eff_calibration_bin *const k = &bins[b];
        if (!k->n) continue;
        double lo, hi;
        eff_wilson(k->correct, k->n, &lo, &hi);
        const double left = x.from + b * wide, top = place(&y, k->accuracy);
        eff_text_print(t, "<g><title>confidence %.3f, right %d of %d (%.3f; 95 %%: %.3f to %.3f)</title>",
                       k->confidence, k->correct, k->n, k->accuracy, lo, hi);
        eff_text_print(
            t, "<rect class=\"f0 n\" fill-opacity=\".55\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
            left + 1, top, wide - 2, y.from - top);
        whisker(t, left + wide / 2, place(&y, lo), place(&y, hi), 3);
        eff_text_print(t, "<circle class=\"f1 n\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\"/></g>\n",
                       inside(&x, place(&x, k->confidence)), inside(&y, top));
    }
    draw_counts(t, bins, &x, height - 18, 38);
    line(t, "a", x.from, height - 18, x.to, height - 18);
    label(t, "m", 8, height - 4, "number of answers");
    label(t, "m e", x.to, height - 4, "confidence");
    eff_text_put(t, "</svg>\n");
}

/* ------------------------------------------------------------------------------------------------- bars */

void eff_svg_bars(eff_text *t, const char *title, const eff_svg_bar *bar, int n)
{
    const double row = 22, top = 6, height = top + row * n + 24;
    axis x = { .lo = 0, .hi = 1, .from = 144, .to = WIDTH - 112, .percent = true };
    axis y = { .lo = 0, .hi = 1, .from = top + row * n, .to = top };
    finish_axis(&x, 4, false, false);
    begin(t, title, WIDTH, height, false);
    for (int i = 0; i < x.nticks; i++) line(t, "g", place(&x, x.tick[i]), y.to, place(&x, x.tick[i]), y.from);
    draw_axes(t, &x, &y);
    for (int i = 0; i < n; i++) {
        const double at = top + row * i, middle = at + row / 2;
        eff_text_print(t, "<g><text class=\"e\" x=\"%.1f\" y=\"%.1f\">", x.from - 6, middle + 4);
        eff_text_escape_cut(t, bar[i].name, 18);
        eff_text_put(t, "<title>");
        eff_text_escape(t, bar[i].name);
        eff_text_put(t, "</title></text>");
        if (isfinite(bar[i].value)) {
            eff_text_print(
                t, "<rect class=\"f0 n\" fill-opacity=\".55\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                x.from, at + 4, fmax(0, inside(&x, place(&x, bar[i].value)) - x.from), row - 8);
            if (isfinite(bar[i].lo) && isfinite(bar[i].hi))
                eff_text_print(t, "<path class=\"w\" d=\"M%.1f %.1fv8m0 -4H%.1fm0 -4v8\"/>", place(&x, bar[i].lo),
                               middle - 4, place(&x, bar[i].hi));
            eff_text_print(t, "<text x=\"%.1f\" y=\"%.1f\">%.0f\xc2\xa0%%</text>", x.to + 8, middle + 4,
                           100 * bar[i].value);
        }
        if (bar[i].note) label(t, "m e s", WIDTH - 2, middle + 4, bar[i].note);
        eff_text_put(t, "</g>\n");
    }
    eff_text_put(t, "</svg>\n");
}
