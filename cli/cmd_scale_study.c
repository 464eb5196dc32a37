/* SPDX-License-Identifier: Apache-2.0 */
/* effnet scale study: what growing a network in one dimension is worth beside growing all three, at the same cost. */
#include "commands.h"
#include "studying.h"

#include <stdio.h>
#include <string.h>

static const cli_opt opts[] = {
    CLI_STUDY_OPTS("scale-study"),
    { 0, "points", "N", "of a line: x1, x2, x4 ... of the base's multiply-adds [4]", CLI_INT, NULL, 2, 10 },
    { 0, "alpha", "A", "the compound line: depth grows by alpha^phi", CLI_NUMBER, "1.2", -1e9, 1e9 },
    { 0, "beta", "B", "width by beta^phi", CLI_NUMBER, "1.1", -1e9, 1e9 },
    { 0, "gamma", "G", "resolution by gamma^phi", CLI_NUMBER, "1.15", -1e9, 1e9 },
    { 0, "constants", "FILE", "alpha, beta and gamma from a fit: its fit.json or its trials.db", CLI_PATH },
    { 0, "figure4", NULL, "also width at fixed depths and resolutions; or not [if the time allows]", CLI_TOGGLE },
    { 0, "gain", "G", "a line bends where a doubling gains less accuracy than this", CLI_NUMBER, "0.01", 1e-6, 0.999 },
    { 0 },
};

static void point_rows(cli_table *t, const char *name, const json_t *points, bool plan)
{
    size_t i;
    const json_t *v;
    json_array_foreach(points, i, v)
    {
        const bool base = cli_field(v, "target") == 1;
        if (base && strcmp(name, "depth") != 0) continue; /* all lines begin with it */
        if (base)
            cli_cell(t, "base");
        else
            cli_cell(t, "%s x%g", name, cli_field(v, "target"));
        cli_cell(t, "%.3f", cli_field(v, "depth"));
        cli_cell(t, "%.3f", cli_field(v, "width"));
        cli_cell(t, "%.3f", cli_field(v, "resolution_factor"));
        cli_cell(t, "%s", cli_pixels(v));
        cli_cell(t, "%s", cli_human(cli_field(v, "macs")));
        cli_cell(t, "x%.3f", cli_field(v, "paid"));
        cli_cell(t, "%+.1f %%", 100 * cli_field(v, "deviation"));
        cli_cell(t, "%s", cli_human(cli_field(v, "params")));
        if (plan) {
            cli_cell(t, "%s", cli_duration(cli_field(v, "trial_seconds")));
        } else {
            cli_cell(t, "%s", cli_percent(v));
            cli_cell(t, "%s", cli_interval(v));
        }
    }
}

static void print(const json_t *r, bool plan)
{
    static const char *const lines[] = { "depth", "width", "resolution", "compound" };
    static const char *const head[] = { "line", "d", "w", "r", "pixels", "MACs", "paid", "off", "params" };
    cli_table t;
    size_t i;
    const json_t *v;
    cli_table_begin(&t, plan ? "lrrrrrrrrr" : "lrrrrrrrrrr");
    for (size_t k = 0; k < sizeof head / sizeof *head; k++) cli_cell(&t, "%s", head[k]);
    cli_cell(&t, "%s", plan ? "a trial" : "top-1");
    if (!plan) cli_cell(&t, "95 %%");
    for (int k = 0; k < 4; k++) point_rows(&t, lines[k], json_object_get(json_object_get(r, "curves"), lines[k]), plan);
    json_array_foreach(json_object_get(r, "figure4"), i, v)
        point_rows(&t, json_string_value(json_object_get(v, "name")), json_object_get(v, "points"), plan);
    cli_table_end(&t, 0);
    printf("\nd, w, r: factors asked for; paid: multiply-adds after rounding, over the base's; off: from the rung\n");
}

static int run_scale_study(cli_args *a)
{
    eff_study_opts o;
    eff_error err = { 0 };
    eff_study_opts_init(&o);
    o.kind = EFF_STUDY_CURVES;
    o.points = cli_given(a, "points") ? cli_int(a, "points") : 0;
    o.alpha = cli_number(a, "alpha");
    o.beta = cli_number(a, "beta");
    o.gamma = cli_number(a, "gamma");
    o.figure4 = cli_toggle(a, "figure4");
    o.gain = cli_number(a, "gain");
    const char *const file = cli_text(a, "constants");
    if (file && eff_study_constants(file, &o.alpha, &o.beta, &o.gamma, &err) != EFF_OK) return cli_fail(&err, file);
    return cli_study_run(a, &o, print);
}

const cli_cmd cmd_scale_study = {
    .name = "scale study",
    .summary = "train networks grown four ways at the same cost, and compare them",
    .usage = "DATA",
    .operands = "f",
    .about = "Scales the base by depth alone, width alone, resolution alone and by all three together, to 2, 4,\n"
             "8 ... times the multiply-adds that it really costs after rounding, trains each network from\n"
             "random weights by one short recipe with the same seeds, and says what came out: curves of\n"
             "accuracy against cost with intervals, where each bends, and whether compound scaling won. With\n"
             "the paper's Figure 4: width alone at several fixed depths and resolutions.\n\n"
             "The plan and its hours, measured on this machine, come first (--plan: only they). Trials are\n"
             "kept in a store: a study that was stopped, by Ctrl-C or anything else, goes on when the same\n"
             "command is given again, and several processes may work on one store at once.\n"
             "DIR gets study.html (open it in a browser), study.csv and study.json.",
    .examples = "  effnet scale study sarees --base b0@width=0.25,depth=0.5,resolution=32 --plan\n"
                "  effnet scale study sarees --base b0@width=0.25,resolution=64 --time 2h\n"
                "  effnet scale study sarees --base small.json --constants scale-fit/fit.json\n",
    .opts = opts,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_scale_study,
};
