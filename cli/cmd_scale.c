/* SPDX-License-Identifier: Apache-2.0 */
/* effnet scale: compound scaling. What the formula promises (d * w^2 * r^2) stands beside what is paid once channels
 * are rounded to the divisor and repeats upwards, and beside the coefficients that were released. */
#include "commands.h"
#include "common.h"
#include "paper.h"

#include <effnet/scale.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PHI = 20 };

static const cli_opt opts[] = {
    { 'p', "phi", "P|A..B", "how far to scale: 0..20, or every whole number of a range", CLI_TEXT },
    { 0, "alpha", "A", "depth grows by alpha^phi", CLI_NUMBER, "1.2", 1, 4 },
    { 0, "beta", "B", "width grows by beta^phi", CLI_NUMBER, "1.1", 1, 4 },
    { 0, "gamma", "G", "resolution grows by gamma^phi", CLI_NUMBER, "1.15", 1, 4 },
    { 0, "base", "MODEL", "what is scaled", CLI_MODEL, "efficientnet-b0" },
    { 0 },
};

typedef struct phi_range {
    double first, last;
    bool many;
} phi_range;

typedef struct scaled {
    eff_compound c;
    eff_model *m;
    double growth, paid; /* d * w^2 * r^2; MACs really paid over the base's */
} scaled;

/* ------------------------------------------------------------------------------------------------- phi */

static bool read_phi(const char *s, char **end, double *out)
{
    *out = strtod(s, end);
    return *end != s && *s != ' ' && isfinite(*out) && *out >= 0 && *out <= MAX_PHI;
}

static int parse_phi(const cli_args *a, phi_range *r)
{
    const char *text = cli_text(a, "phi"), *dots = strstr(text, "..");
    char *end, *rest;
    if (!dots) {
        if (read_phi(text, &end, &r->first) && !*end) {
            r->last = r->first;
            r->many = false;
            return CLI_OK;
        }
        return cli_usage(a, "--phi: expected a number 0..%d or a range A..B, found '%s'", MAX_PHI, text);
    }
    const long first = strtol(text, &end, 10), last = strtol(dots + 2, &rest, 10);
    if (end != dots || dots == text || !dots[2] || *rest || first < 0 || last > MAX_PHI || first > last)
        return cli_usage(a, "--phi: expected a range A..B of whole numbers 0..%d, found '%s'", MAX_PHI, text);
    *r = (phi_range){ (double)first, (double)last, true };
    return CLI_OK;
}

static int scale_by(const cli_args *a, const eff_model *base, double phi, scaled *s)
{
    eff_error err = { 0 };
    memset(s, 0, sizeof *s);
    s->c.alpha = cli_number(a, "alpha");
    s->c.beta = cli_number(a, "beta");
    s->c.gamma = cli_number(a, "gamma");
    s->c.phi = phi;
    if (eff_model_scale_compound(&s->m, base, &s->c, &err) != EFF_OK) {
        char what[48];
        snprintf(what, sizeof what, "scale: phi %g", phi);
        return cli_fail(&err, what);
    }
    s->growth = s->c.depth * s->c.width * s->c.width * s->c.resolution * s->c.resolution;
    s->paid = (double)eff_model_get_info(s->m)->macs / (double)eff_model_get_info(base)->macs;
    return CLI_OK;
}

static bool is_paper(const cli_args *a, const eff_model *base)
{
    const paper_model *p = paper_find(eff_model_get_info(base));
    return p == &paper_models[0] && eff_model_get_info(base)->height == p->resolution &&
           paper_constants(cli_number(a, "alpha"), cli_number(a, "beta"), cli_number(a, "gamma"));
}

/* ----------------------------------------------------------------------------------------- for scripts */

static json_t *released_json(const paper_model *p)
{
    json_t *j = cli_json_object();
    cli_json_set(j, "model", cli_json_text(p->name));
    cli_json_set(j, "phi", cli_json_number(p->phi));
    cli_json_set(j, "depth", cli_json_number(p->depth));
    cli_json_set(j, "width", cli_json_number(p->width));
    cli_json_set(j, "resolution", cli_json_count((uint64_t)p->resolution));
    cli_json_set(j, "paper_params", cli_json_text(p->params));
    cli_json_set(j, "paper_flops", cli_json_text(p->flops));
    cli_json_set(j, "paper_top1_earlier", cli_json_number(p->top1_earlier / 100));
    cli_json_set(j, "paper_top1_v5", cli_json_number(p->top1_v5 / 100));
    return j;
}

static bool print_json(const scaled *s, bool paper)
{
    json_t *j = cli_model_json(s->m);
    cli_json_set(j, "phi", cli_json_number(s->c.phi));
    cli_json_set(j, "depth", cli_json_number(s->c.depth)); /* factors; "resolution" stays in pixels, as in info */
    cli_json_set(j, "width", cli_json_number(s->c.width));
    cli_json_set(j, "resolution_factor", cli_json_number(s->c.resolution));
    cli_json_set(j, "product", cli_json_number(s->c.product));
    cli_json_set(j, "macs_predicted", cli_json_number(s->c.macs_predicted));
    cli_json_set(j, "macs_ratio", cli_json_number((double)eff_model_get_info(s->m)->macs / s->c.macs_predicted));
    cli_json_set(j, "growth_predicted", cli_json_number(s->growth));
    cli_json_set(j, "growth_paid", cli_json_number(s->paid));
    cli_json_set(j, "alpha", cli_json_number(s->c.alpha));
    cli_json_set(j, "beta", cli_json_number(s->c.beta));
    cli_json_set(j, "gamma", cli_json_number(s->c.gamma));
    const paper_model *p = paper ? paper_at(s->c.phi) : NULL;
    if (p) cli_json_set(j, "released", released_json(p));
    return cli_json_print(j);
}

/* ------------------------------------------------------------------------------------------ for people */

static void print_constants(const cli_args *a, const scaled *s, const eff_model *base)
{
    printf("compound scaling of %s: alpha %g (depth), beta %g (width), gamma %g (resolution)\n",
           cli_clean(eff_model_get_info(base)->name), cli_number(a, "alpha"), cli_number(a, "beta"),
           cli_number(a, "gamma"));
    printf("alpha * beta^2 * gamma^2 = %.4f: by so much the cost grows when phi grows by one\n", s->c.product);
}

static void print_one(const scaled *s)
{
    const eff_model_info *i = eff_model_get_info(s->m);
    printf("\nphi = %g\n", s->c.phi);
    printf("  depth           d = alpha^phi = %.4f\n", s->c.depth);
    printf("  width           w = beta^phi  = %.4f\n", s->c.width);
    printf("  resolution      r = gamma^phi = %.4f: %d pixels\n", s->c.resolution, i->height);
    printf("  growth          d * w^2 * r^2 = %.3f predicted, %.3f paid\n", s->growth, s->paid);
    printf("  MACs            %s predicted, %s paid after rounding: %.3f of the prediction\n\n",
           cli_human(s->c.macs_predicted), cli_human((double)i->macs), (double)i->macs / s->c.macs_predicted);
}

static void print_range(const scaled *list, int n)
{
    static const char *const head[] = {
        "phi", "d", "w", "r", "pixels", "growth", "MACs predicted", "MACs paid", "ratio", "params", "activations"
    };
    cli_table t;
    cli_table_begin(&t, "rrrrrrrrrrr");
    for (size_t k = 0; k < sizeof head / sizeof *head; k++) cli_cell(&t, "%s", head[k]);
    for (int k = 0; k < n; k++) {
        const scaled *s = &list[k];
        const eff_model_info *i = eff_model_get_info(s->m);
        cli_cell(&t, "%g", s->c.phi);
        cli_cell(&t, "%.3f", s->c.depth);
        cli_cell(&t, "%.3f", s->c.width);
        cli_cell(&t, "%.3f", s->c.resolution);
        cli_cell(&t, "%s", cli_size_text(i->height, i->width_px));
        cli_cell(&t, "%.2f", s->growth);
        cli_cell(&t, "%s", cli_human(s->c.macs_predicted));
        cli_cell(&t, "%s", cli_human((double)i->macs));
        cli_cell(&t, "%.3f", (double)i->macs / s->c.macs_predicted);
        cli_cell(&t, "%s", cli_human((double)i->params));
        cli_cell(&t, "%s", cli_bytes((double)i->activation_bytes));
    }
    putchar('\n');
    cli_table_end(&t, 0);
    puts("\ngrowth is d * w^2 * r^2; ratio is what is paid, after rounding channels and repeats, over what was "
         "predicted");
}

/* The released networks whose phi lies in the range. Their coefficients were rounded by hand, so they are not the
 * formula's. */
static int print_released(double first, double last)
{
    static const char *const head[] = {
        "phi", "model", "d", "w", "pixels", "MACs", "params", "paper: params", "FLOPS", "top-1 (earlier)", "top-1 (v5)"
    };
    cli_table t;
    cli_table_begin(&t, "rlrrrrrrrrr");
    for (size_t k = 0; k < sizeof head / sizeof *head; k++) cli_cell(&t, "%s", head[k]);
    int found = 0;
    for (int k = 0; k < PAPER_MODELS; k++) {
        const paper_model *p = &paper_models[k];
        if (p->phi < first - 0.5 || p->phi > last + 0.5) continue;
        eff_model *m = NULL;
        eff_error err = { 0 };
        if (eff_model_load(&m, p->name, NULL, &err) != EFF_OK) {
            cli_table_end(&t, 0);
            return cli_fail(&err, p->name);
        }
        const eff_model_info *i = eff_model_get_info(m);
        found++;
        cli_cell(&t, "%g", p->phi);
        cli_cell(&t, "%s", p->name);
        cli_cell(&t, "%g", p->depth);
        cli_cell(&t, "%g", p->width);
        cli_cell(&t, "%d", p->resolution);
        cli_cell(&t, "%s", cli_human((double)i->macs));
        cli_cell(&t, "%s", cli_human((double)i->params));
        cli_cell(&t, "%s", p->params);
        cli_cell(&t, "%s", p->flops);
        cli_cell(&t, "%.1f %%", p->top1_earlier);
        cli_cell(&t, "%.1f %%", p->top1_v5);
        eff_model_free(m);
    }
    if (found)
        puts("\nreleased networks (coefficients rounded by hand; phi is the nearest), beside the paper's own "
             "figures:\n");
    else
        t.cells = 0;
    cli_table_end(&t, 0);
    if (found)
        puts("\nthe paper's FLOPS are multiply-adds; its ImageNet top-1 changed between the earlier version (ICML "
             "2019) and arXiv v5");
    return CLI_OK;
}

static int print_people(const cli_args *a, const eff_model *base, const scaled *list, int n, const phi_range *r)
{
    print_constants(a, &list[0], base);
    if (r->many) {
        print_range(list, n);
    } else {
        print_one(&list[0]);
        cli_print_model(list[0].m, cli_flag(a, "verbose"));
    }
    if (r->many && cli_flag(a, "verbose")) {
        for (int k = 0; k < n; k++) {
            print_one(&list[k]);
            cli_print_model(list[k].m, true);
        }
    }
    return is_paper(a, base) ? print_released(r->first, r->last) : CLI_OK;
}

static int run_scale(cli_args *a)
{
    if (a->nfiles) return cli_usage(a, "expected only options, found '%s'", a->files[0]);
    if (!cli_given(a, "phi")) return cli_usage(a, "--phi is needed");
    phi_range r = { 0 };
    int status = parse_phi(a, &r);
    if (status != CLI_OK) return status;
    eff_model *base = NULL;
    status = cli_open_model(a, cli_text(a, "base"), &base);
    if (status != CLI_OK) return status;

    const int n = (int)(r.last - r.first) + 1;
    scaled *list = cli_alloc((size_t)n, sizeof *list);
    for (int k = 0; k < n && status == CLI_OK; k++) status = scale_by(a, base, r.first + k, &list[k]);
    if (status == CLI_OK && cli_flag(a, "json")) {
        for (int k = 0; k < n && status == CLI_OK; k++)
            if (!print_json(&list[k], is_paper(a, base))) status = CLI_FAILED;
    } else if (status == CLI_OK) {
        status = print_people(a, base, list, n, &r);
    }
    for (int k = 0; k < n; k++) eff_model_free(list[k].m);
    free(list);
    eff_model_free(base);
    return status;
}

static const cli_cmd *const subs[] = { &cmd_scale_fit, &cmd_scale_study, NULL };

const cli_cmd cmd_scale = {
    .name = "scale",
    .summary = "compound scaling: deeper, wider and sharper networks, and what they cost",
    .usage = "--phi P|A..B",
    .operands = "",
    .about = "Scales a network by the paper's rule: depth d = alpha^phi, width w = beta^phi and\n"
             "resolution r = gamma^phi together. The cost is predicted to grow by d * w^2 * r^2; what is\n"
             "really paid differs, because channels are rounded to multiples of 8 and repeats upwards.\n"
             "For EfficientNet-B0 and the paper's constants, the released B0 to B7 stand beside it.",
    .examples = "  effnet scale --phi 1                        one step: about twice the cost\n"
                "  effnet scale --phi 0..7                     a line for each, beside B0 to B7\n"
                "  effnet scale --phi 2.5 --base resnet50      scale another network\n",
    .opts = opts,
    .min_operands = 0,
    .max_operands = -1,
    .run = run_scale,
    .subs = subs,
};
