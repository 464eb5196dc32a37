/* SPDX-License-Identifier: Apache-2.0 */
/* effnet scale: compound scaling. What the formula promises (d * w^2 * r^2) stands beside what is paid once channels
 * are rounded to the divisor and repeats upwards, and beside the coefficients that were released. */
#include "commands.h"
#include "common.h"
#include "paper.h"
#include "scale_paper.h"

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
    { 0, "table", "N", "instead of --phi: table 3 or 7 of the paper with exact counts", CLI_CHOICE, .choices = "3 7" },
    { 0, "plot", "FILE", "draw the family against others, as published, into an SVG file", CLI_PATH },
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

static int print_json(const scaled *s, bool paper)
{
    int status = CLI_OK;
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
    json_t *released = p ? scale_released_json(p, &status) : NULL;
    if (released) cli_json_set(j, "released", released);
    return cli_json_print(j) ? status : CLI_FAILED;
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
    return is_paper(a, base) ? scale_print_released(r->first, r->last) : CLI_OK;
}

/* The formula, beside what was released. */
static int scale_by_phi(const cli_args *a)
{
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
            status = print_json(&list[k], is_paper(a, base));
    } else if (status == CLI_OK) {
        status = print_people(a, base, list, n, &r);
    }
    for (int k = 0; k < n; k++) eff_model_free(list[k].m);
    free(list);
    eff_model_free(base);
    return status;
}

static int run_scale(cli_args *a)
{
    if (a->nfiles) return cli_usage(a, "expected only options, found '%s'", a->files[0]);
    const bool table = cli_given(a, "table"), plot = cli_given(a, "plot");
    if (table && cli_given(a, "phi")) return cli_usage(a, "--phi and --table are two questions: ask one");
    if (!table && !plot && !cli_given(a, "phi")) return cli_usage(a, "--phi is needed");
    int status = plot ? scale_plot(cli_text(a, "plot")) : CLI_OK;
    if (status == CLI_OK && table) status = scale_table(a, (int)strtol(cli_text(a, "table"), NULL, 10));
    return status == CLI_OK && cli_given(a, "phi") ? scale_by_phi(a) : status;
}

static const cli_cmd *const subs[] = { &cmd_scale_fit, &cmd_scale_study, NULL };

const cli_cmd cmd_scale = {
    .name = "scale",
    .summary = "compound scaling: deeper, wider and sharper networks, and what they cost",
    .usage = "--phi P|A..B | --table N",
    .operands = "",
    .about = "Scales a network by the paper's rule: depth d = alpha^phi, width w = beta^phi and\n"
             "resolution r = gamma^phi together. The cost is predicted to grow by d * w^2 * r^2; what is\n"
             "really paid differs, because channels are rounded to multiples of 8 and repeats upwards.\n"
             "For EfficientNet-B0 and the paper's constants, the released B0 to B7 stand beside it, with the\n"
             "phi that each of their coefficients stands for: they were rounded by hand.\n"
             "--table counts the scaled networks of the paper's table 3 (MobileNetV1, MobileNetV2, ResNet-50)\n"
             "or 7 (EfficientNet-B0) and says where the printed FLOPS cannot be right.",
    .examples = "  effnet scale --phi 1                        one step: about twice the cost\n"
                "  effnet scale --phi 0..7                     a line for each, beside B0 to B7\n"
                "  effnet scale --phi 2.5 --base resnet50      scale another network\n"
                "  effnet scale --table 3                      the paper's scaled networks, counted\n"
                "  effnet scale --plot family.svg              the family against others, as published\n",
    .opts = opts,
    .min_operands = 0,
    .max_operands = -1,
    .run = run_scale,
    .subs = subs,
};
