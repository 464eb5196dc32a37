/* SPDX-License-Identifier: Apache-2.0 */
/* Models made of models, for `effnet convert`. Every input is compared with the first one as it is opened, so that a
 * mistake in the third file is told by its name and before anything is computed. */
#include "model_care.h"

#include "common.h"
#include "interrupt.h"

#include <effnet/care.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cli_care_operands(const cli_args *a, int *inputs, const char **out)
{
    *out = cli_text(a, "output");
    *inputs = *out ? a->nfiles : a->nfiles - 1;
    if (!*out) *out = a->files[a->nfiles - 1];
    const bool average = cli_flag(a, "average");
    if (*inputs < 1) return cli_usage(a, "expected %s, found too few", a->cmd->usage);
    if (average && !cli_given(a, "output"))
        return cli_usage(a, "--average reads all operands: say what to write with -o OUT");
    if (average && *inputs < 2)
        return cli_usage(a, "--average: expected at least two files, found '%s' alone", a->files[0]);
    if (!average && *inputs > 1)
        return cli_usage(a, "expected %s, found '%s' too", a->cmd->usage, a->files[cli_given(a, "output") ? 1 : 2]);
    if (!average && cli_given(a, "decay")) return cli_usage(a, "--decay is of --average");
    if (cli_given(a, "head") && cli_given(a, "classes"))
        return cli_usage(a, "--head none leaves no classes, --classes %s asks for some", cli_text(a, "classes"));
    for (int i = 1; i < *inputs; i++)
        if (cli_same_file(a->files[i], *out)) return cli_usage(a, "%s: expected an output other than the inputs", *out);
    return CLI_OK;
}

static int open_average(const cli_args *a, int inputs, eff_model **out)
{
    eff_error err = { 0 };
    eff_model **m = cli_alloc((size_t)inputs, sizeof *m);
    int status = CLI_OK;
    for (int i = 0; status == CLI_OK && i < inputs; i++) {
        status = cli_stopped() ? CLI_FAILED : cli_open_model(a, a->files[i], &m[i]);
        if (status == CLI_OK) status = cli_need_weights(a, m[i]);
        if (status == CLI_OK && eff_average_check(m[0], m[i], &err) != EFF_OK) status = cli_fail(&err, a->files[i]);
    }
    const double decay = cli_given(a, "decay") ? cli_number(a, "decay") : -1;
    if (status == CLI_OK && eff_model_average(out, (const eff_model *const *)m, inputs, decay, &err) != EFF_OK)
        status = cli_fail(&err, "--average");
    for (int i = 0; i < inputs; i++) eff_model_free(m[i]);
    free(m);
    return status;
}

static int change_head(const cli_args *a, eff_model **m)
{
    eff_error err = { 0 };
    eff_model *changed = NULL;
    int status = cli_need_weights(a, *m);
    if (status == CLI_OK &&
        eff_model_with_head(&changed, *m, cli_int(a, "classes"), cli_seed(a, "seed"), &err) != EFF_OK)
        status = cli_fail(&err, a->files[0]);
    eff_model_free(*m);
    *m = changed;
    return status;
}

int cli_care_open(const cli_args *a, int inputs, eff_model **out)
{
    *out = NULL;
    int status = cli_flag(a, "average") ? open_average(a, inputs, out) : cli_open_model(a, a->files[0], out);
    if (status == CLI_OK && (cli_given(a, "head") || cli_int(a, "classes"))) status = change_head(a, out);
    return status;
}

void cli_care_print(const cli_args *a, int inputs, const eff_model *m)
{
    if (cli_given(a, "decay"))
        printf("averaged: %d files, moving with decay %g", inputs, cli_number(a, "decay"));
    else if (cli_flag(a, "average"))
        printf("averaged: %d files, their mean", inputs);
    if (cli_flag(a, "average"))
        puts("; batch norm's running statistics are averages too, not those of the averaged network");
    if (cli_int(a, "classes"))
        printf("the classifier of %d classes is new and random (seed %llu): train it before it is used\n",
               eff_model_get_info(m)->classes, (unsigned long long)cli_seed(a, "seed"));
    if (cli_given(a, "head")) puts("without a classifier: train --from gives it one");
}

void cli_care_json(const cli_args *a, int inputs, const eff_model *m, json_t *j)
{
    if (cli_flag(a, "average")) {
        json_t *files = cli_json_array();
        for (int i = 0; i < inputs; i++) cli_json_add(files, cli_json_text(a->files[i]));
        cli_json_set(j, "averaged", files);
        cli_json_set(j, "decay", cli_given(a, "decay") ? cli_json_number(cli_number(a, "decay")) : json_null());
    }
    if (cli_int(a, "classes")) cli_json_set(j, "head", cli_json_text("new"));
    if (cli_given(a, "head")) cli_json_set(j, "head", cli_json_text("none"));
    if (!eff_model_get_info(m)->classes) cli_json_set(j, "features", cli_json_count((uint64_t)eff_model_features(m)));
}
