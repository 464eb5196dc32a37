/* SPDX-License-Identifier: Apache-2.0 */
/* effnet info: what a model is. A tensor file that is no model, or whose shapes do not tell which, is shown as its
 * tensors. */
#include "commands.h"
#include "at_hand.h"
#include "common.h"
#include "file_facts.h"
#include "training.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_opt opts[] = {
    CLI_OPT_RESOLUTION,
    { 0, "classes", "N", "number of classes of an untrained architecture [its own]", CLI_INT, NULL, 1, 1000000 },
    CLI_OPT_PREPROCESS,
    CLI_OPT_MODEL,
    CLI_OPT_FAMILY,
    CLI_OPT_CHANNELS,
    { 0, "train", NULL, "also the memory that training takes", CLI_FLAG },
    { 'b', "batch", "N", "images in one training step", CLI_INT, "32", 1, 65536 },
    CLI_OPT_RECOMPUTE,
    CLI_OPT_FROZEN_BN,
    { 0 },
};

static const char *shape_text(const eff_tensor_info *t, char *out, size_t room)
{
    size_t n = 0;
    snprintf(out, room, "scalar");
    for (int k = 0; k < t->ndim && n < room; k++)
        n += (size_t)snprintf(out + n, room - n, "%s%lld", k ? "x" : "", (long long)t->shape[k]);
    return out;
}

static void print_tensors(const eff_checkpoint *c)
{
    const size_t n = eff_checkpoint_count(c);
    cli_table t;
    cli_table_begin(&t, "lll");
    for (size_t i = 0; i < n; i++) {
        char shape[192];
        eff_tensor_info x;
        eff_checkpoint_tensor(c, i, &x);
        cli_cell(&t, "%s", x.name);
        cli_cell(&t, "%s", x.dtype);
        cli_cell(&t, "%s", shape_text(&x, shape, sizeof shape));
    }
    cli_table_end(&t, 2);
}

static json_t *tensors_json(const eff_checkpoint *c)
{
    json_t *list = cli_json_array();
    for (size_t i = 0; i < eff_checkpoint_count(c); i++) {
        eff_tensor_info x;
        eff_checkpoint_tensor(c, i, &x);
        json_t *j = cli_json_object(), *shape = cli_json_array();
        for (int k = 0; k < x.ndim; k++) cli_json_add(shape, cli_json_count((uint64_t)x.shape[k]));
        cli_json_set(j, "name", cli_json_text(x.name));
        cli_json_set(j, "dtype", cli_json_text(x.dtype));
        cli_json_set(j, "shape", shape);
        cli_json_add(list, j);
    }
    return list;
}

/* Reads what it can of the data, so that a damaged file is called damaged. Tensors larger than the file (views that
 * repeat their storage) and those of types without a float value are passed over. */
static eff_status check_data(const eff_checkpoint *c, double file_bytes, eff_error *err)
{
    for (size_t i = 0; i < eff_checkpoint_count(c); i++) {
        eff_tensor_info x;
        eff_checkpoint_tensor(c, i, &x);
        double n = 1;
        for (int k = 0; k < x.ndim; k++) n *= (double)x.shape[k];
        if (n * sizeof(float) > file_bytes) continue;
        float *v = cli_alloc((size_t)n, sizeof *v);
        const eff_status s = eff_checkpoint_read(c, i, v, err);
        free(v);
        if (s == EFF_EFORMAT || s == EFF_EIO) return s;
    }
    return EFF_OK;
}

/* A well-formed file that is no model we can name: `why` says what is in the way. */
static int show_file(const cli_args *a, const char *path, const eff_checkpoint *c, const char *why)
{
    const size_t n = eff_checkpoint_count(c);
    cli_file_facts f;
    const int status = cli_find_facts(&f, path, c);
    if (status != CLI_OK) return status;
    if (cli_flag(a, "json")) {
        json_t *j = cli_json_object();
        cli_json_set(j, "name", cli_json_text(cli_base_name(path)));
        cli_json_set(j, "format", cli_json_text(eff_checkpoint_format(c)));
        cli_json_set(j, "tensors", tensors_json(c));
        cli_json_set(j, "reason", cli_json_text(why));
        if (eff_checkpoint_note(c)) cli_json_set(j, "note", cli_json_text(eff_checkpoint_note(c)));
        cli_facts_json(j, &f, a, NULL, c);
        return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    }
    printf("%s: %s file with %zu tensor%s\n", cli_clean(cli_base_name(path)), eff_checkpoint_format(c), n,
           n == 1 ? "" : "s");
    printf("  no architecture: %s\n", cli_clean(why));
    if (eff_checkpoint_note(c)) printf("  it says         %s\n", cli_clean(eff_checkpoint_note(c)));
    cli_print_facts(&f, eff_checkpoint_format(c), c, "");
    putchar('\n');
    print_tensors(c);
    return CLI_OK;
}

/* A record is shown as it is kept: one line of JSON, "key": value. */
static void print_record(const eff_model *m, eff_record which, const char *name)
{
    const char *const text = eff_model_record(m, which);
    json_t *const j = text ? json_loads(text, 0, NULL) : NULL;
    const char *key, *separator = "";
    json_t *v;
    if (!j || !json_object_size(j)) {
        json_decref(j);
        return;
    }
    printf("  %-15s ", name);
    json_object_foreach(j, key, v) {
        char *const value = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
        printf("%s%s ", separator, cli_cut(key, 40));
        printf("%s", value ? cli_cut(value, 100) : "?");
        free(value);
        separator = ", ";
    }
    putchar('\n');
    json_decref(j);
}

static void set_record(json_t *j, const eff_model *m, eff_record which, const char *key)
{
    const char *const text = eff_model_record(m, which);
    json_t *const v = text ? json_loads(text, 0, NULL) : NULL;
    if (v) cli_json_set(j, key, v);
}

static int show_model(const cli_args *a, const eff_model *m, const eff_checkpoint *c)
{
    const bool train = cli_flag(a, "train");
    eff_train_memory t;
    cli_file_facts f;
    const int status = cli_find_facts(&f, a->files[0], c);
    if (status != CLI_OK) return status;
    if (train) {
        eff_error err = { 0 };
        const eff_session_opts o = cli_session_opts(a);
        if (eff_train_memory_plan(m, &o, &t, &err) != EFF_OK) return cli_fail(&err, a->files[0]);
    }
    if (cli_flag(a, "json")) {
        json_t *j = cli_model_json(m);
        if (c) cli_json_set(j, "tensors", tensors_json(c));
        if (eff_model_temperature(m) != 1) cli_json_set(j, "temperature", cli_json_number(eff_model_temperature(m)));
        set_record(j, m, EFF_RECORD_METRICS, "metrics");
        set_record(j, m, EFF_RECORD_TRAINING, "trained");
        cli_facts_json(j, &f, a, m, c);
        if (train) cli_json_set(j, "training", cli_train_memory_json(&t, cli_int(a, "batch")));
        return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    }
    cli_print_model(m, cli_flag(a, "verbose"));
    if (eff_model_temperature(m) != 1) printf("  temperature     %g, of the probabilities\n", eff_model_temperature(m));
    print_record(m, EFF_RECORD_METRICS, "measured");
    print_record(m, EFF_RECORD_TRAINING, "trained");
    if (train) cli_print_train_memory(&t, cli_int(a, "batch"));
    const bool foreign = strcmp(eff_model_get_info(m)->format, "effnet") != 0;
    const bool all = c && (foreign || cli_flag(a, "verbose"));
    cli_print_facts(&f, c ? eff_checkpoint_format(c) : eff_model_get_info(m)->format, c, all ? "" : " (-v lists them)");
    if (c) cli_print_assumed(a, m);
    if (all) {
        putchar('\n');
        print_tensors(c);
    }
    return CLI_OK;
}

/* The tensor file behind an operand: what was pulled by its name in the catalogue, else the file of that name. */
static eff_status open_file(eff_checkpoint **c, const char *path, eff_error *err)
{
    char pulled[4096];
    eff_error ignored = { 0 };
    const bool name = !cli_is_file(path) && cli_pulled_weights(path, pulled, sizeof pulled, &ignored) == EFF_OK;
    return eff_checkpoint_open(c, name ? pulled : path, err);
}

static int run_info(cli_args *a)
{
    const char *path = a->files[0], *what;
    eff_error err = { 0 }, ignored;
    eff_model *m = NULL;
    eff_checkpoint *c = NULL;
    int status;
    const eff_status s = cli_try_model(a, path, &m, &what, &err);
    const bool file = !m || eff_model_get_info(m)->has_weights;
    const bool settled = cli_given(a, "model") || cli_given(a, "family") || cli_given(a, "preprocess") ||
                         cli_given(a, "resolution") || cli_given(a, "classes"); /* then an error may be in those */
    if (s == EFF_OK) {
        if (file && open_file(&c, path, &err) != EFF_OK)
            status = cli_fail(&err, path);
        else
            status = show_model(a, m, c);
    } else if (file && what == path && s != EFF_ENOMEM && s != EFF_EIO && !(s == EFF_EARG && settled) &&
               eff_checkpoint_open(&c, path, &ignored) == EFF_OK) {
        if (check_data(c, (double)eff_checkpoint_bytes(c), &ignored) != EFF_OK)
            status = cli_fail(&ignored, path);
        else
            status = show_file(a, path, c, err.msg);
    } else {
        status = cli_fail(&err, what);
    }
    eff_checkpoint_close(c);
    eff_model_free(m);
    return status;
}

const cli_cmd cmd_info = {
    .name = "info",
    .summary = "what a model is: its table, shapes, parameters, multiply-adds and memory",
    .usage = "MODEL",
    .operands = "m",
    .about = "MODEL is a model file, a checkpoint of another library, a table (.json) or a built-in\n"
             "name: efficientnet-b0 (or b0) to b8, efficientnet-lite0 (lite0) to lite4, efficientnet-v2-s,\n"
             "resnet50, mobilenetv2-1.0 and more. A name can carry changes: b0@width=0.5,classes=10.\n"
             "One row a stage; a block is repeated as often as the row says, its stride counts once.\n"
             "MACs are the multiply-adds of one image, which the paper calls FLOPS.",
    .examples = "  effnet info b0                       the table of EfficientNet-B0, beside the paper's figures\n"
                "  effnet info b3 --resolution 300x200  the same network on other pictures\n"
                "  effnet info b0 --train --batch 16    and the memory of a training step\n"
                "  effnet info weights.pth              what a checkpoint is and holds\n",
    .opts = opts,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_info,
};
