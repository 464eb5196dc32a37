/* SPDX-License-Identifier: Apache-2.0 */
/* effnet scale fit: the paper's grid search for alpha, beta and gamma, on one's own images. */
#include "commands.h"
#include "studying.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const cli_opt opts[] = {
    CLI_STUDY_OPTS("scale-fit"),
    { 0, "target", "X", "what alpha * beta^2 * gamma^2 shall be", CLI_NUMBER, "2", 0, 1e9 },
    { 0, "tolerance", "D", "and how far from it", CLI_NUMBER, "0.1", 0, 1e9 },
    { 0, "step", "D", "constants are 1, 1 + D, 1 + 2 D ...", CLI_NUMBER, "0.1", 0, 1e9 },
    { 0, "paid", "PART", "leave out networks whose true cost is further from the target than this part", CLI_NUMBER,
      "0.35", 1e-6, 1 },
    { 0 },
};

enum { SHOWN = 4 }; /* candidates of a network */

static void constants_text(char *out, size_t room, const json_t *row)
{
    size_t i;
    const json_t *c;
    out[0] = '\0';
    json_array_foreach(json_object_get(row, "constants"), i, c)
    {
        const size_t used = strlen(out);
        if (i < SHOWN)
            snprintf(out + used, room - used, "%s%g/%g/%g", i ? " " : "", cli_field(c, "alpha"), cli_field(c, "beta"),
                     cli_field(c, "gamma"));
    }
    const size_t used = strlen(out);
    if (i > SHOWN) snprintf(out + used, room - used, " and %zu more", i - SHOWN);
    if (json_is_true(json_object_get(row, "paper")))
        snprintf(out + strlen(out), room - strlen(out), "%sthe paper's", i ? ", " : "");
}

static void row_cells(cli_table *t, const json_t *v, bool plan)
{
    char text[200];
    const bool trained = json_is_true(json_object_get(v, "trained"));
    const json_t *const d = json_object_get(v, "below_best");
    const double below = cli_field(d, "difference");
    constants_text(text, sizeof text, v);
    cli_cell(t, "%s", text);
    cli_cell(t, "%s", cli_pixels(v));
    cli_cell(t, "%s", cli_human(cli_field(v, "macs")));
    cli_cell(t, "x%.3f", cli_field(v, "paid"));
    cli_cell(t, "%s", cli_human(cli_field(v, "params")));
    if (plan) {
        cli_cell(t, "%s", trained ? cli_duration(cli_field(v, "trial_seconds")) : "not trained");
        return;
    }
    cli_cell(t, "%s", trained ? cli_percent(v) : "not trained");
    cli_cell(t, "%s", trained ? cli_interval(v) : "");
    if (isnan(below))
        cli_cell(t, "%s", trained ? "-" : "");
    else
        cli_cell(t, "%.1f", 100 * below);
    cli_cell(t, "%s", trained ? cli_interval(d) : "");
}

static void print(const json_t *r, bool plan)
{
    static const char *const head[] = { "alpha/beta/gamma", "pixels", "MACs", "paid", "params" };
    static const char *const found[] = { "top-1", "95 %", "below the best", "95 %" };
    cli_table t;
    size_t i;
    const json_t *v, *rows = json_object_get(r, "trials");
    printf("%zu candidates with alpha * beta^2 * gamma^2 within %g of %g, in steps of %g: %zu distinct networks with "
           "the paper's\n\n",
           json_array_size(json_object_get(r, "candidates")), cli_field(r, "tolerance"), cli_field(r, "target"),
           cli_field(r, "step"), json_array_size(rows));
    cli_table_begin(&t, plan ? "lrrrrr" : "lrrrrrrrr");
    for (size_t k = 0; k < sizeof head / sizeof *head; k++) cli_cell(&t, "%s", head[k]);
    if (plan) cli_cell(&t, "a trial");
    for (size_t k = 0; !plan && k < sizeof found / sizeof *found; k++) cli_cell(&t, "%s", found[k]);
    json_array_foreach(rows, i, v) row_cells(&t, v, plan);
    cli_table_end(&t, 0);
    printf("\npaid: multiply-adds after rounding, over the base's; not trained: that is off by more than %g %%\n",
           100 * cli_field(r, "paid_tolerance"));
}

static int run_scale_fit(cli_args *a)
{
    eff_study_opts o;
    eff_study_opts_init(&o);
    o.kind = EFF_STUDY_FIT;
    o.target = cli_number(a, "target");
    o.tolerance = cli_number(a, "tolerance");
    o.step = cli_number(a, "step");
    o.paid = cli_number(a, "paid");
    return cli_study_run(a, &o, print);
}

const cli_cmd cmd_scale_fit = {
    .name = "scale fit",
    .summary = "find alpha, beta and gamma of compound scaling on your own images",
    .usage = "DATA",
    .operands = "f",
    .about = "The paper's grid search at phi = 1: every alpha, beta, gamma >= 1 on a grid whose product\n"
             "alpha * beta^2 * gamma^2 is near 2, so that the scaled network should cost twice the base. What\n"
             "it really costs is counted after rounding; candidates that round to the same network are trained\n"
             "once, networks that miss the cost by far not at all. All are trained from random weights by one\n"
             "short recipe with the same seeds. The answer is a set: the constants of the best network and of\n"
             "those that cannot be told from it, beside the paper's 1.2, 1.1, 1.15.\n\n"
             "Small bases tell more of beta apart with divisor=1. Stopping, going on, several processes and\n"
             "--plan are as in 'effnet scale study', which takes what is found by --constants.\n"
             "DIR gets fit.html, fit.csv and fit.json.",
    .examples = "  effnet scale fit sarees --base b0@width=0.25,depth=0.5,resolution=32,divisor=1 --plan\n"
                "  effnet scale fit sarees --base b0@width=0.25,resolution=64 --step 0.05 --time 1h\n",
    .opts = opts,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_scale_fit,
};
