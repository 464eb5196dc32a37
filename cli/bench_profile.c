/* SPDX-License-Identifier: Apache-2.0 */
/* effnet bench --profile: time by layer, in the order in which they run, and by kind of layer. A rate is held against
 * the multiply-adds that this level reaches in registers with as many threads, measured in the same run. */
#include "bench_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KINDS = 32 };

typedef struct kind { /* layers of one operator and kernel */
    char name[24];
    int layers;
    double ms;
    uint64_t macs, computed;
} kind;

typedef struct profile {
    int n, kinds;
    eff_layer *layer;
    kind kind[MAX_KINDS];
    double ms;   /* of all layers */
    double peak; /* GFLOP/s */
} profile;

static bool has_kernel(const eff_layer *l)
{
    return !strcmp(l->op, "conv") || !strcmp(l->op, "dwconv") || !strcmp(l->op, "maxpool");
}

static const char *form(const eff_layer *l) { return l->computed < l->macs ? " Winograd" : ""; }

static void add_to_kind(profile *p, const eff_layer *l)
{
    char name[sizeof p->kind[0].name];
    if (has_kernel(l))
        snprintf(name, sizeof name, "%s %dx%d%s", l->op, l->kernel, l->kernel, form(l));
    else
        snprintf(name, sizeof name, "%s", l->op);
    int i = 0;
    while (i < p->kinds && strcmp(p->kind[i].name, name) != 0) i++;
    if (i == MAX_KINDS) i--; /* more kernels than any network has: the last row takes them */
    if (i == p->kinds) strcpy(p->kind[p->kinds++].name, name);
    p->kind[i].layers++;
    p->kind[i].ms += l->ms;
    p->kind[i].macs += l->macs;
    p->kind[i].computed += l->computed;
}

static int slowest_first(const void *a, const void *b)
{
    const double x = ((const kind *)a)->ms, y = ((const kind *)b)->ms;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void read_profile(profile *p, const eff_engine *e, double peak)
{
    *p = (profile){ .n = eff_engine_layer(e, 0, NULL), .peak = peak };
    p->layer = cli_alloc((size_t)p->n, sizeof *p->layer);
    for (int i = 0; i < p->n; i++) {
        eff_engine_layer(e, i, &p->layer[i]);
        p->ms += p->layer[i].ms;
        add_to_kind(p, &p->layer[i]);
    }
    qsort(p->kind, (size_t)p->kinds, sizeof p->kind[0], slowest_first);
}

static double share_of(const profile *p, double ms) { return p->ms > 0 ? ms / p->ms : 0; }
static double rate_of(uint64_t macs, double ms) { return ms > 0 ? 2.0 * (double)macs / ms / 1e6 : 0; }

/* Of the peak, by the multiply-adds that are computed. */
static double peak_share(const profile *p, uint64_t computed, double ms) { return p->peak > 0 ? rate_of(computed, ms) / p->peak : 0; }

/* The columns that both tables end with. */
static void print_cost(cli_table *t, const profile *p, uint64_t macs, uint64_t computed, double ms)
{
    cli_cell(t, "%.2f", (double)macs / 1e6);
    cli_cell(t, "%.3f", ms);
    cli_cell(t, "%.1f", 100 * share_of(p, ms));
    cli_cell(t, "%.1f", rate_of(macs, ms));
    cli_cell(t, "%.0f", 100 * peak_share(p, computed, ms));
}

static void print_shape(cli_table *t, const int s[3]) { cli_cell(t, "%dx%dx%d", s[0], s[1], s[2]); }

static void print_layers(const profile *p)
{
    static const char *const head[] = {
        "layer", "op", "kernel", "in", "out", "MMACs", "ms", "%", "GFLOP/s", "% of peak"
    };
    cli_table t;
    cli_table_begin(&t, "lllllrrrrr");
    for (size_t c = 0; c < sizeof head / sizeof *head; c++) cli_cell(&t, "%s", head[c]);
    for (int i = 0; i < p->n; i++) {
        const eff_layer *l = &p->layer[i];
        cli_cell(&t, "%s", l->name);
        cli_cell(&t, "%s", l->op);
        if (has_kernel(l) && l->stride > 1)
            cli_cell(&t, "%dx%d /%d", l->kernel, l->kernel, l->stride);
        else if (has_kernel(l))
            cli_cell(&t, "%dx%d%s", l->kernel, l->kernel, form(l));
        else
            cli_cell(&t, "-");
        print_shape(&t, l->in);
        print_shape(&t, l->out);
        print_cost(&t, p, l->macs, l->computed, l->ms);
    }
    cli_table_end(&t, 2);
}

static void print_kinds(const profile *p)
{
    static const char *const head[] = { "by operator", "layers", "MMACs", "ms", "%", "GFLOP/s", "% of peak" };
    cli_table t;
    cli_table_begin(&t, "lrrrrrr");
    for (size_t c = 0; c < sizeof head / sizeof *head; c++) cli_cell(&t, "%s", head[c]);
    uint64_t macs = 0, computed = 0;
    for (int i = 0; i < p->kinds; i++) {
        const kind *k = &p->kind[i];
        cli_cell(&t, "%s", k->name);
        cli_cell(&t, "%d", k->layers);
        print_cost(&t, p, k->macs, k->computed, k->ms);
        macs += k->macs;
        computed += k->computed;
    }
    cli_cell(&t, "all");
    cli_cell(&t, "%d", p->n);
    print_cost(&t, p, macs, computed, p->ms);
    cli_table_end(&t, 2);
}

void bench_profile_print(const eff_engine *e, double peak, double run)
{
    profile p;
    read_profile(&p, e, peak);
    putchar('\n');
    print_layers(&p);
    putchar('\n');
    print_kinds(&p);
    printf("\n  times are means of one image; the layers are %.1f %% of its %.3f ms. The peak of %s with %d thread%s\n"
           "  is %.1f GFLOP/s in registers.\n",
           run > 0 ? p.ms / 10 / run : 0, 1e3 * run, eff_engine_cpu(e), eff_engine_threads(e),
           eff_engine_threads(e) == 1 ? "" : "s", p.peak);
    bool winograd = false;
    for (int i = 0; i < p.n; i++) winograd |= *form(&p.layer[i]) != '\0';
    if (winograd)
        puts("  Winograd's form multiplies 16 times for four outputs in place of 36: MMACs and GFLOP/s are the convolution's own, its\n"
             "  share of the peak counts what is computed.");
    free(p.layer);
}

/* ------------------------------------------------------------------------------------------ for scripts */

static void set_cost(json_t *j, const profile *p, uint64_t macs, uint64_t computed, double ms)
{
    cli_json_set(j, "macs", cli_json_count(macs));
    cli_json_set(j, "computed", cli_json_count(computed));
    cli_json_set(j, "ms", cli_json_number(ms));
    cli_json_set(j, "share", cli_json_number(share_of(p, ms)));
    cli_json_set(j, "gflops", cli_json_number(rate_of(macs, ms)));
    cli_json_set(j, "of_peak", cli_json_number(peak_share(p, computed, ms)));
}

static json_t *shape_json(const int s[3])
{
    json_t *a = cli_json_array();
    for (int k = 0; k < 3; k++) cli_json_add(a, cli_json_count((uint64_t)s[k]));
    return a;
}

void bench_profile_json(const eff_engine *e, double peak, json_t *j)
{
    profile p;
    read_profile(&p, e, peak);
    json_t *layers = cli_json_array(), *operators = cli_json_array();
    for (int i = 0; i < p.n; i++) {
        const eff_layer *l = &p.layer[i];
        json_t *row = cli_json_object();
        cli_json_set(row, "name", cli_json_text(l->name));
        cli_json_set(row, "op", cli_json_text(l->op));
        cli_json_set(row, "kernel", cli_json_count((uint64_t)l->kernel));
        cli_json_set(row, "stride", cli_json_count((uint64_t)l->stride));
        cli_json_set(row, "in", shape_json(l->in));
        cli_json_set(row, "out", shape_json(l->out));
        set_cost(row, &p, l->macs, l->computed, l->ms);
        cli_json_add(layers, row);
    }
    for (int i = 0; i < p.kinds; i++) {
        json_t *row = cli_json_object();
        cli_json_set(row, "op", cli_json_text(p.kind[i].name));
        cli_json_set(row, "layers", cli_json_count((uint64_t)p.kind[i].layers));
        set_cost(row, &p, p.kind[i].macs, p.kind[i].computed, p.kind[i].ms);
        cli_json_add(operators, row);
    }
    cli_json_set(j, "layers", layers);
    cli_json_set(j, "operators", operators);
    free(p.layer);
}
