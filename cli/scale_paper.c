/* SPDX-License-Identifier: Apache-2.0 */
/* The paper's own figures beside ours. Counts are made here and now from the tables that are built in; the paper's
 * figures are facts in paper.c; what is said of the difference is computed from both. */
#include "scale_paper.h"

#include <effnet/report.h>
#include <effnet/scale.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ALPHA 1.2
#define BETA  1.1
#define GAMMA 1.15

/* --------------------------------------------------------------------------------- the released family */

enum { DEPTH, WIDTH, RESOLUTION, DIMENSIONS };

/* A released network beside what the formula gives at its phi. */
typedef struct released {
    const paper_model *p;
    uint64_t macs, params, base_macs;
    double phi[DIMENSIONS]; /* that its own depth, width and resolution stand for */
    double formula[DIMENSIONS];
} released;

static const struct {
    const char *name, *format;
    double constant;
} dimension[DIMENSIONS] = {
    [DEPTH] = { "depth", "%.2f", ALPHA },
    [WIDTH] = { "width", "%.2f", BETA },
    [RESOLUTION] = { "resolution", "%.0f", GAMMA },
};

static double coefficient(const paper_model *p, int k)
{
    return k == DEPTH ? p->depth : k == WIDTH ? p->width : (double)p->resolution;
}

static int count(const char *spec, uint64_t *macs, uint64_t *params)
{
    eff_model *m = NULL;
    eff_error err = { 0 };
    if (eff_model_load(&m, spec, NULL, &err) != EFF_OK) return cli_fail(&err, spec);
    *macs = eff_model_get_info(m)->macs;
    *params = eff_model_get_info(m)->params;
    eff_model_free(m);
    return CLI_OK;
}

static int look_up(released *r, const paper_model *p)
{
    const double side = paper_models[0].resolution;
    uint64_t unused;
    r->p = p;
    for (int k = 0; k < DIMENSIONS; k++) {
        const double unit = k == RESOLUTION ? side : 1, grown = pow(dimension[k].constant, p->phi) * unit;
        r->phi[k] = paper_phi(dimension[k].constant, coefficient(p, k) / unit);
        r->formula[k] = k == RESOLUTION ? round(grown) : grown;
    }
    int status = count(paper_models[0].name, &r->base_macs, &unused);
    if (status == CLI_OK) status = count(p->name, &r->macs, &r->params);
    return status;
}

/* More than 0.4 of a step of phi from the formula: beyond what rounding to a tenth does. */
static bool leaves(const released *r, int k) { return fabs(r->phi[k] - r->p->phi) > 0.4; }

json_t *scale_released_json(const paper_model *p, int *status)
{
    static const char *const keys[DIMENSIONS] = { "phi_of_depth", "phi_of_width", "phi_of_resolution" };
    released r;
    *status = look_up(&r, p);
    if (*status != CLI_OK) return NULL;
    json_t *j = cli_json_object(), *apart = cli_json_array();
    cli_json_set(j, "model", cli_json_text(p->name));
    cli_json_set(j, "phi", cli_json_number(p->phi));
    cli_json_set(j, "depth", cli_json_number(p->depth));
    cli_json_set(j, "width", cli_json_number(p->width));
    cli_json_set(j, "resolution", cli_json_count((uint64_t)p->resolution));
    for (int k = 0; k < DIMENSIONS; k++) {
        cli_json_set(j, keys[k], cli_json_number(r.phi[k]));
        if (leaves(&r, k)) cli_json_add(apart, cli_json_text(dimension[k].name));
    }
    cli_json_set(j, "differs", apart);
    cli_json_set(j, "params", cli_json_count(r.params));
    cli_json_set(j, "macs", cli_json_count(r.macs));
    cli_json_set(j, "growth_paid", cli_json_number((double)r.macs / (double)r.base_macs));
    cli_json_set(j, "paper_params", cli_json_text(p->params));
    cli_json_set(j, "paper_flops", cli_json_text(p->flops));
    cli_json_set(j, "paper_top1_earlier", cli_json_number(p->top1_earlier / 100));
    cli_json_set(j, "paper_top1_v5", cli_json_number(p->top1_v5 / 100));
    return j;
}

static void print_figures(const released *list, int n)
{
    static const char *const head[] = { "phi",    "model",         "d",     "w",
                                        "pixels", "MACs",          "x B0",  "params",
                                        "paper:", "params, FLOPS", "top-1", "(earlier)" };
    cli_table t;
    cli_table_begin(&t, "rlrrrrrrrrrr");
    for (size_t k = 0; k < sizeof head / sizeof *head; k++) cli_cell(&t, "%s", head[k]);
    for (int i = 0; i < n; i++) {
        const released *const r = &list[i];
        cli_cell(&t, "%g", r->p->phi);
        cli_cell(&t, "%s", r->p->name);
        cli_cell(&t, "%g", r->p->depth);
        cli_cell(&t, "%g", r->p->width);
        cli_cell(&t, "%d", r->p->resolution);
        cli_cell(&t, "%s", cli_human((double)r->macs));
        cli_cell(&t, "%.2f", (double)r->macs / (double)r->base_macs);
        cli_cell(&t, "%s", cli_human((double)r->params));
        cli_cell(&t, "%s", r->p->params);
        cli_cell(&t, "%s", r->p->flops);
        cli_cell(&t, "%.1f %%", r->p->top1_v5);
        cli_cell(&t, "%.1f %%", r->p->top1_earlier);
    }
    cli_table_end(&t, 0);
}

static void print_differences(const released *list, int n)
{
    static const char *const head[] = { "model", "phi", "of its d", "of its w", "of its pixels", "leaves the formula" };
    cli_table t;
    cli_table_begin(&t, "lrrrrl");
    for (size_t k = 0; k < sizeof head / sizeof *head; k++) cli_cell(&t, "%s", head[k]);
    for (int i = 0; i < n; i++) {
        const released *const r = &list[i];
        char text[160] = "";
        cli_cell(&t, "%s", r->p->name);
        cli_cell(&t, "%g", r->p->phi);
        for (int k = 0; k < DIMENSIONS; k++) {
            cli_cell(&t, "%.2f", fabs(r->phi[k]) < 5e-4 ? 0 : r->phi[k]);
            if (!leaves(r, k)) continue;
            const size_t used = strlen(text);
            char of[24];
            snprintf(of, sizeof of, dimension[k].format, r->formula[k]);
            snprintf(text + used, sizeof text - used, "%s%s %g, where it gives %s", used ? "; " : "", dimension[k].name,
                     coefficient(r->p, k), of);
        }
        cli_cell(&t, "%s", text);
    }
    cli_table_end(&t, 0);
}

int scale_print_released(double first, double last)
{
    released list[PAPER_MODELS];
    int n = 0;
    for (int k = 0; k < PAPER_MODELS; k++) {
        const paper_model *const p = &paper_models[k];
        if (p->phi < first - 0.5 || p->phi > last + 0.5) continue;
        const int status = look_up(&list[n++], p);
        if (status != CLI_OK) return status;
    }
    if (!n) return CLI_OK;
    puts("\nreleased networks (coefficients rounded by hand; phi is the nearest), beside the paper's own figures:\n");
    print_figures(list, n);
    puts("\nthe paper's FLOPS are multiply-adds; its ImageNet top-1 is that of arXiv v5, beside it the earlier "
         "version's "
         "(ICML 2019)\n\nthe phi that each released coefficient stands for by itself:\n");
    print_differences(list, n);
    return CLI_OK;
}

/* -------------------------------------------------------------------------------------- tables 3 and 7 */

static int count_rows(uint64_t macs[PAPER_SCALED], uint64_t params[PAPER_SCALED], int side[PAPER_SCALED])
{
    for (int i = 0; i < PAPER_SCALED; i++) {
        const paper_scaled *const r = &paper_rows[i];
        char spec[160];
        side[i] = (int)lround(224 * r->resolution);
        snprintf(spec, sizeof spec, "%s@width=%g,depth=%g,resolution=%d", r->base, r->width, r->depth, side[i]);
        const int status = count(spec, &macs[i], &params[i]);
        if (status != CLI_OK) return status;
    }
    return CLI_OK;
}

/* In words, into `out`. */
static const char *verdict_text(int row, const uint64_t macs[PAPER_SCALED], char *out, size_t room)
{
    const paper_scaled *const r = &paper_rows[row];
    const double apart = 100 * (paper_number(r->flops, NULL) / (double)macs[row] - 1);
    int other;
    switch (paper_judge(row, macs, &other)) {
    case PAPER_AGREES: snprintf(out, room, "agrees"); break;
    case PAPER_NEAR: snprintf(out, room, "printed %+.0f %%", apart); break;
    case PAPER_OFF:
        if (floor(r->depth) == r->depth && floor(r->width) == r->width)
            snprintf(out, room, "cannot be: printed %+.0f %%, and whole factors round nothing", apart);
        else
            snprintf(out, room, "printed %+.0f %%: rounded otherwise", apart);
        break;
    case PAPER_TOO_MANY: {
        const double f = r->width * r->resolution;
        snprintf(out, room, "cannot be: %s x %g costs at most %g times as much, %s",
                 r->width > 1 ? "width" : "resolution", f, f * f, cli_human(f * f * (double)macs[paper_base(row)]));
        break;
    }
    case PAPER_SWAPPED:
        snprintf(out, room, "cannot be: looks swapped with %s, printed %s", paper_rows[other].item,
                 paper_rows[other].flops);
        break;
    case PAPER_UNSTATED: snprintf(out, room, "coefficients not printed: counted with 1.4, 1.2, 1.3"); break;
    }
    return out;
}

static json_t *row_json(int i, const uint64_t macs[PAPER_SCALED], uint64_t params, int side)
{
    static const char *const words[] = { "agrees", "near", "off", "too-many", "swapped", "unstated" };
    const paper_scaled *const r = &paper_rows[i];
    char text[160];
    int other;
    json_t *j = cli_json_object();
    cli_json_set(j, "base", cli_json_text(r->base));
    cli_json_set(j, "item", cli_json_text(r->item));
    cli_json_set(j, "depth", cli_json_number(r->depth));
    cli_json_set(j, "width", cli_json_number(r->width));
    cli_json_set(j, "resolution", cli_json_count((uint64_t)side));
    cli_json_set(j, "coefficients_printed", json_boolean(r->stated));
    cli_json_set(j, "params", cli_json_count(params));
    cli_json_set(j, "macs", cli_json_count(macs[i]));
    cli_json_set(j, "paper_flops", cli_json_text(r->flops));
    cli_json_set(j, "paper_top1", cli_json_number(r->top1 / 100));
    cli_json_set(j, "verdict", cli_json_text(words[paper_judge(i, macs, &other)]));
    cli_json_set(j, "why", cli_json_text(verdict_text(i, macs, text, sizeof text)));
    return j;
}

static void print_rows(int table, const uint64_t macs[PAPER_SCALED], const uint64_t params[PAPER_SCALED],
                       const int side[PAPER_SCALED])
{
    static const char *const head[] = { "network", "d",           "w",     "pixels",       "params",
                                        "MACs",    "paper:FLOPS", "top-1", "printed FLOPS" };
    cli_table t;
    cli_table_begin(&t, "lrrrrrrrl");
    for (size_t k = 0; k < sizeof head / sizeof *head; k++) cli_cell(&t, "%s", head[k]);
    for (int i = 0; i < PAPER_SCALED; i++) {
        const paper_scaled *const r = &paper_rows[i];
        char text[160];
        if (r->table != table) continue;
        cli_cell(&t, "%s%s", r->depth * r->width * r->resolution > 1 ? "  " : "", r->item);
        cli_cell(&t, "%g", r->depth);
        cli_cell(&t, "%g", r->width);
        cli_cell(&t, "%d", side[i]);
        cli_cell(&t, "%s", cli_exact(params[i]));
        cli_cell(&t, "%s", cli_exact(macs[i]));
        cli_cell(&t, "%s", r->flops);
        cli_cell(&t, "%.1f %%", r->top1);
        cli_cell(&t, "%s", verdict_text(i, macs, text, sizeof text));
    }
    cli_table_end(&t, 0);
}

int scale_table(const cli_args *a, int table)
{
    uint64_t macs[PAPER_SCALED], params[PAPER_SCALED];
    int side[PAPER_SCALED];
    const int status = count_rows(macs, params, side);
    if (status != CLI_OK) return status;
    if (cli_flag(a, "json")) {
        json_t *j = cli_json_object(), *rows = cli_json_array();
        for (int i = 0; i < PAPER_SCALED; i++)
            if (paper_rows[i].table == table) cli_json_add(rows, row_json(i, macs, params[i], side[i]));
        cli_json_set(j, "table", cli_json_count((uint64_t)table));
        cli_json_set(j, "rows", rows);
        return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    }
    printf("table %d of the paper (both versions), its networks counted: multiply-adds are what it calls FLOPS\n\n",
           table);
    print_rows(table, macs, params, side);
    printf("\nPixels are the factor times 224, repeats are rounded up, channels to multiples of 8, as in the released "
           "code.\n"
           "\"agrees\": our count rounds to the printed figure; \"+\" and \"-\": by how much the printed one is more "
           "or less.\n");
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

/* ------------------------------------------------------------------------------------------ the picture */

enum { SERIES = 4, MOST = PAPER_MODELS };

/* Networks of one family in the order of the paper: names, accuracy, what is on the other axis. */
typedef struct points {
    const char *name, *label[MOST];
    double x[MOST], y[MOST];
    size_t n;
} points;

static void add_point(points *p, const char *label, double x, double top1)
{
    if (!isfinite(x)) return;
    p->label[p->n] = label;
    p->x[p->n] = x;
    p->y[p->n++] = top1 / 100;
}

static double figure(const char *printed) { return printed ? paper_number(printed, NULL) : (double)NAN; }

/* Everything against FLOPs or against parameters. @return families with a point */
static size_t gather(points out[SERIES], bool flops, uint64_t mobilenet_params)
{
    size_t n = 1;
    memset(out, 0, SERIES * sizeof *out);
    out[0].name = "EfficientNet";
    for (int i = 0; i < PAPER_MODELS; i++) {
        const paper_model *const m = &paper_models[i];
        static char label[MOST][4];
        snprintf(label[i], sizeof label[i], "B%d", i);
        add_point(&out[0], label[i], figure(flops ? m->flops : m->params), m->top1_v5);
    }
    for (int i = 0; i < PAPER_OTHERS; i++) {
        const paper_other *const o = &paper_others[i];
        const bool counted = !flops && !o->params && !strcmp(o->family, "MobileNetV2");
        if (!out[n - 1].name || strcmp(out[n - 1].name, o->family) != 0) out[n++].name = o->family;
        add_point(&out[n - 1], o->name, counted ? (double)mobilenet_params : figure(flops ? o->flops : o->params),
                  o->top1);
        if (!out[n - 1].n) out[--n].name = NULL;
    }
    return n;
}

static void fill(eff_chart *c, eff_chart_series series[SERIES], const points p[SERIES], size_t n)
{
    for (size_t i = 0; i < n; i++)
        series[i] =
            (eff_chart_series){ .name = p[i].name, .x = p[i].x, .y = p[i].y, .labels = p[i].label, .n = p[i].n };
    c->series = series;
    c->nseries = n;
    c->log_x = 1;
    c->percent = 1;
    c->y_label = "ImageNet top-1, published";
}

int scale_plot(const char *path)
{
    points p[2][SERIES];
    eff_chart_series series[2][SERIES];
    eff_chart chart[2] = { { .title = "published accuracy against published multiply-adds",
                             .x_label = "multiply-adds of one image, published (log scale)",
                             .note = "GPipe is not here: the paper does not print its FLOPS." },
                           { .title = "published accuracy against parameters",
                             .x_label = "parameters, published (log scale)",
                             .note = "MobileNetV2's parameters are not printed there: counted by effnet." } };
    uint64_t macs, params;
    eff_error err = { 0 };
    const int status = count("mobilenetv2-1.0", &macs, &params);
    if (status != CLI_OK) return status;
    for (int i = 0; i < 2; i++) fill(&chart[i], series[i], p[i], gather(p[i], i == 0, params));
    if (eff_chart_save(chart, 2, "Published figures, not measured here: Tan & Le, arXiv 1905.11946v5, tables 2 and 3",
                       path, &err) != EFF_OK)
        return cli_fail(&err, path);
    return CLI_OK;
}
