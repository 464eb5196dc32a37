/* SPDX-License-Identifier: Apache-2.0 */
/* effnet train: a folder of photographs in, a classifier out. What is decided is the library's (recipes); here are the
 * options, what a person sees while it runs, and where the weights come from when nobody says. */
#include "amounts.h"
#include "at_hand.h"
#include "commands.h"
#include "common.h"
#include "interrupt.h"
#include "open_set.h"
#include "progress.h"
#include "training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_opt opts[] = {
    { 'm', "model", "MODEL", "network to train; lite0, b0 ... start from their weights in the cache [lite0]",
      CLI_MODEL },
    { 0, "from", "WEIGHTS", "model file or checkpoint to start from", CLI_PATH },
    { 'r', "recipe", "NAME", "transfer, linear, paper or scratch-small [what suits the data]", CLI_CHOICE,
      .choices = "transfer linear paper scratch-small" },
    { 'o', "out", "RUN", "folder for what the run leaves behind", CLI_PATH, "run" },
    { 0, "resume", "RUN", "go on with the run in this folder", CLI_PATH },
    { 'e', "epochs", "N", "passes over the training images [the recipe's]", CLI_INT, NULL, 0, 100000 },
    { 'b', "batch", "N", "images of a step [the recipe's]", CLI_INT, NULL, 1, 65536 },
    { 0, "lr", "RATE", "highest learning rate [the recipe's]", CLI_NUMBER, NULL, 0, 1e6 },
    { 0, "resolution", "N", "side of the input in pixels [the model's]", CLI_INT, NULL, 8, 8192 },
    { 0, "augment", "SPEC", "how training images are varied: a preset, and key=value", CLI_TEXT },
    { 0, "set", "KEY=V,...", "replace any value of the recipe; --dry-run lists them", CLI_TEXT },
    { 0, "val", "PART", "part of each class kept for validation, where DIR has no val/", CLI_NUMBER, "0.2", 0.01, 0.9 },
    { 0, "time", "T", "fit the epochs to this time: 30m, 2h, 90s", CLI_TEXT },
    { 0, "memory", "SIZE", "cut batches and the image cache to fit so much memory: 800M, 2G", CLI_TEXT },
    { 0, "image-cache", "SIZE", "memory for decoded images", CLI_TEXT, "512M" },
    { 0, "save-every", "T", "time between saves within an epoch", CLI_TEXT, "60s" },
    { 0, "preview", NULL, "only write a sheet of varied training images, RUN-preview.png", CLI_FLAG },
    { 0, "find-lr", NULL, "only try learning rates, one step each, and suggest one", CLI_FLAG },
    { 0, "dry-run", NULL, "only say what would be done, and why", CLI_FLAG },
    CLI_OPT_FAMILY,
    { 0 },
};

enum { SHOWN = 10 };

typedef struct training {
    const cli_args *a;
    eff_model *start;
    eff_dataset *data;
    eff_recipe *recipe;
    eff_run *run;
    char source[4096]; /* of the weights */
    bool pretrained, talks;
    eff_run_phase phase;
    double began;
} training;

/* ---------------------------------------------------------------------------------- where weights come from */

static bool from_scratch(const cli_args *a)
{
    const char *const recipe = cli_text(a, "recipe"), *name;
    int needs_weights = 1;
    for (int i = 0; recipe && (name = eff_recipe_listed(i, NULL, &needs_weights)); i++)
        if (strcmp(name, recipe) == 0) return !needs_weights;
    return false;
}

/* Which network, with which weights: --from, else --model's file, else the cache, else none. */
static int open_start(training *t)
{
    const cli_args *a = t->a;
    const char *model = cli_text(a, "model"), *from = cli_text(a, "from");
    eff_model_opts o;
    eff_error err = { 0 };
    eff_model_opts_init(&o);
    o.family = cli_text(a, "family");
    if (from) {
        snprintf(t->source, sizeof t->source, "%s", from);
        if (model && !cli_is_file(model)) o.architecture = model;
    } else if (!from_scratch(a) && cli_cached_weights(model ? model : "lite0", t->source, sizeof t->source)) {
        if (t->talks) fprintf(stderr, "effnet: starting from the weights in %s\n", cli_clean(t->source));
    } else if (model) {
        snprintf(t->source, sizeof t->source, "%s", model);
    } else {
        snprintf(t->source, sizeof t->source, "b0@width=0.5,depth=0.5,resolution=128");
        if (t->talks && !from_scratch(a))
            fprintf(stderr,
                    "effnet: no pretrained weights at hand: training %s from scratch. With weights (--from FILE;\n"
                    "effnet: or 'effnet pull b0', then --model b0) far fewer images and minutes are needed\n",
                    t->source);
    }
    if (eff_model_load(&t->start, t->source, &o, &err) != EFF_OK) return cli_fail(&err, t->source);
    t->pretrained = eff_model_get_info(t->start)->has_weights;
    return CLI_OK;
}

/* ------------------------------------------------------------------------------------------------ data */

static void say_data(const training *t)
{
    const eff_dataset *d = t->data;
    const char *reason, *path;
    size_t bad = 0, remarks = 0;
    fprintf(stderr, "effnet: %d classes, %zu training and %zu validation images", eff_dataset_classes(d),
            eff_dataset_count(d, EFF_PART_TRAIN), eff_dataset_count(d, EFF_PART_VAL));
    if (eff_dataset_count(d, EFF_PART_TEST)) fprintf(stderr, ", %zu for the test", eff_dataset_count(d, EFF_PART_TEST));
    fprintf(stderr, "; the split was %s\n", eff_dataset_split_origin(d));
    for (; (path = eff_dataset_excluded(d, bad, &reason)); bad++)
        if (bad < SHOWN) fprintf(stderr, "effnet: left out: %s: %s\n", cli_clean(path), cli_clean(reason));
    if (bad > SHOWN) fprintf(stderr, "effnet: and %zu more were left out; report.html lists them\n", bad - SHOWN);
    for (; (path = eff_dataset_remark(d, remarks)); remarks++)
        if (remarks < SHOWN) fprintf(stderr, "effnet: %s\n", cli_clean(path));
    if (remarks > SHOWN) fprintf(stderr, "effnet: and %zu more remarks\n", remarks - SHOWN);
}

static int open_data(training *t)
{
    const int status = cli_open_set(t->a, &t->data);
    if (status == CLI_OK && t->talks) say_data(t);
    return status;
}

/* ---------------------------------------------------------------------------------------------- recipe */

static eff_status set_number(eff_recipe *r, const cli_args *a, const char *option, eff_error *err)
{
    char text[128];
    if (!cli_given(a, option)) return EFF_OK;
    snprintf(text, sizeof text, "%s=%.17g", option, cli_number(a, option));
    return eff_recipe_set(r, text, err);
}

/* What the command line replaces in the recipe; r NULL: only whether it can, before anything takes time. */
static int replace_values(const cli_args *a, eff_recipe *r)
{
    static const char *const numbers[] = { "epochs", "batch", "lr", "resolution" };
    eff_error err = { 0 };
    eff_status s = EFF_OK;
    for (size_t i = 0; s == EFF_OK && i < sizeof numbers / sizeof *numbers; i++) s = set_number(r, a, numbers[i], &err);
    if (s == EFF_OK && cli_given(a, "set")) s = eff_recipe_set(r, cli_text(a, "set"), &err);
    if (s == EFF_OK && cli_given(a, "augment")) {
        const char *spec = cli_text(a, "augment");
        const size_t room = strlen(spec) + 16;
        char *text = cli_alloc(room, 1);
        snprintf(text, room, "augment=%s", spec);
        s = eff_recipe_set(r, text, &err);
        free(text);
    }
    return s == EFF_OK ? CLI_OK : cli_fail(&err, "train");
}

static int make_recipe(training *t)
{
    eff_error err = { 0 };
    if (eff_recipe_create(&t->recipe, cli_text(t->a, "recipe"), t->start, t->data, &err) != EFF_OK)
        return cli_fail(&err, "train");
    return replace_values(t->a, t->recipe);
}

static void print_recipe(FILE *f, eff_recipe *r, bool all)
{
    fprintf(f, "recipe %s\n", eff_recipe_name(r));
    for (int i = 0; i < eff_recipe_count(); i++) {
        const char *why, *value = eff_recipe_value(r, i, &why);
        if (!all && !eff_recipe_matters(r, i)) continue;
        fprintf(f, "  %-16s %-12s %s\n", eff_recipe_key(i, NULL), value, cli_clean(why));
    }
}

static json_t *recipe_json(eff_recipe *r)
{
    json_t *j = cli_json_object(), *values = cli_json_object(), *reasons = cli_json_object();
    for (int i = 0; i < eff_recipe_count(); i++) {
        const char *why, *value = eff_recipe_value(r, i, &why);
        cli_json_set(values, eff_recipe_key(i, NULL), cli_json_text(value));
        cli_json_set(reasons, eff_recipe_key(i, NULL), cli_json_text(why));
    }
    cli_json_set(j, "recipe", cli_json_text(eff_recipe_name(r)));
    cli_json_set(j, "values", values);
    cli_json_set(j, "why", reasons);
    return j;
}

/* ---------------------------------------------------------------------------------- while it is running */

static void say_epoch(const training *t, const eff_run_event *e)
{
    char spent[32];
    cli_span(cli_now() - t->began, spent, sizeof spent);
    fprintf(stderr,
            "effnet: epoch %*d/%d  loss %.4f  top-1 %5.1f %%  |  validation: loss %.4f  top-1 %5.1f %%%s  |  %.0f "
            "images/s, %s\n",
            e->epochs > 99  ? 3
            : e->epochs > 9 ? 2
                            : 1,
            e->epoch, e->epochs, e->loss, 100 * e->top1, e->val_loss, 100 * e->val_top1, e->best ? " *" : "  ",
            e->images_per_s, spent);
}

static void say_step(const eff_run_event *e)
{
    char line[120], left[48] = "";
    const double part =
        ((double)(e->epoch - 1) * (double)e->steps + (double)e->step) / ((double)e->epochs * (double)e->steps);
    if (isfinite(e->eta)) {
        char span[32];
        cli_span(e->eta, span, sizeof span);
        snprintf(left, sizeof left, ", %s left", span);
    }
    snprintf(line, sizeof line, "%d/%d loss %.3f top-1 %.0f %% %.0f/s%s", e->epoch, e->epochs, e->loss, 100 * e->top1,
             e->images_per_s, left);
    cli_progress_say(part, line);
}

static int on_event(void *ctx, const eff_run_event *e)
{
    training *t = ctx;
    const bool bar = e->phase == EFF_RUN_FEATURES || e->phase == EFF_RUN_STEP;
    if (bar && t->phase != e->phase) {
        cli_progress_end();
        cli_progress_begin(t->a, e->phase == EFF_RUN_STEP ? "steps" : "images through the frozen network",
                           e->phase == EFF_RUN_STEP ? 0 : (size_t)e->steps);
        t->phase = e->phase;
    }
    switch (e->phase) {
    case EFF_RUN_FEATURES: cli_progress_update((size_t)e->step); break;
    case EFF_RUN_STEP: say_step(e); break;
    case EFF_RUN_EVAL: break;
    case EFF_RUN_NOTE:
        cli_progress_hide();
        if (t->talks) fprintf(stderr, "effnet: %s\n", cli_clean(e->text));
        break;
    case EFF_RUN_EPOCH:
        cli_progress_hide();
        if (t->talks) say_epoch(t, e);
        break;
    }
    return cli_stopped();
}

/* ------------------------------------------------------------------------------------------- the jobs */

static int find_lr(training *t)
{
    const eff_lr_point *p;
    int n;
    double best;
    eff_error err = { 0 };
    const eff_status s = eff_run_find_lr(t->run, &p, &n, &best, &err);
    cli_progress_end();
    if (s != EFF_OK) return cli_fail(&err, "find-lr");
    if (cli_flag(t->a, "json")) {
        json_t *j = cli_json_object(), *points = cli_json_array();
        for (int i = 0; i < n; i++) {
            json_t *one = cli_json_object();
            cli_json_set(one, "lr", cli_json_number(p[i].lr));
            cli_json_set(one, "loss", cli_json_number(p[i].loss));
            cli_json_add(points, one);
        }
        cli_json_set(j, "suggested", cli_json_number(best));
        cli_json_set(j, "points", points);
        return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    }
    double least = INFINITY, most = 0;
    for (int i = 0; i < n; i++) least = fmin(least, p[i].loss), most = fmax(most, fmin(p[i].loss, 2 * p[0].loss));
    puts("learning rate   loss");
    for (int i = 0; i < n; i += 3) {
        const int bar = (int)(40 * (fmin(p[i].loss, most) - least) / (most - least + 1e-12));
        printf("  %9.2e  %7.4f  %.*s\n", p[i].lr, p[i].loss, bar + 1, "#########################################");
    }
    printf("\nsuggested: --lr %.2g (a tenth of the rate at the least loss)\n", best);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int finish(training *t)
{
    const char *metrics = eff_run_metrics(t->run);
    json_t *j = json_loads(metrics, 0, NULL);
    if (!j) {
        cli_error("train: the metrics cannot be read");
        return CLI_FAILED;
    }
    if (cli_flag(t->a, "json")) return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    const json_t *interval = json_object_get(j, "interval");
    char spent[32];
    cli_span(json_number_value(json_object_get(j, "seconds")), spent, sizeof spent);
    printf("top-1 %.2f %% on %lld %s images (95 %% interval: %.2f to %.2f), best of epoch %lld, %s\n",
           100 * json_number_value(json_object_get(j, "top1")), (long long)json_integer_value(json_object_get(j, "n")),
           json_string_value(json_object_get(j, "set")), 100 * json_number_value(json_array_get(interval, 0)),
           100 * json_number_value(json_array_get(interval, 1)),
           (long long)json_integer_value(json_object_get(j, "best_epoch")), spent);
    printf("model:  %s\nreport: %s\n", json_string_value(json_object_get(j, "model")),
           json_string_value(json_object_get(j, "report")));
    json_decref(j);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int train(training *t)
{
    eff_error err = { 0 };
    t->phase = EFF_RUN_NOTE;
    const eff_status s = eff_run_train(t->run, &err);
    cli_progress_end();
    if (s == EFF_ECANCELLED) {
        cli_error("%s; go on with: effnet train --resume %s", err.msg,
                  cli_text(t->a, cli_given(t->a, "resume") ? "resume" : "out"));
        return CLI_FAILED;
    }
    return s == EFF_OK ? finish(t) : cli_fail(&err, "train");
}

static int resume(training *t, eff_run_opts *o)
{
    eff_error err = { 0 };
    if (t->a->nfiles) return cli_usage(t->a, "--resume takes no DIR: the run knows its images");
    o->out = cli_text(t->a, "resume");
    if (eff_run_resume(&t->run, o, &err) != EFF_OK) return cli_fail(&err, "train");
    return train(t);
}

static int preview(training *t)
{
    char path[4096];
    eff_error err = { 0 };
    eff_sheet_opts o;
    eff_sheet_opts_init(&o);
    o.rule = eff_model_get_preprocess(t->start);
    o.height = o.width = cli_given(t->a, "resolution") ? cli_int(t->a, "resolution") : 0;
    o.seed = cli_seed(t->a, "seed");
    o.augment = eff_recipe_value(t->recipe, eff_recipe_count() - 1, NULL); /* the last key */
    snprintf(path, sizeof path, "%s-preview.png", cli_text(t->a, "out"));
    if (eff_dataset_sheet(t->data, &o, path, &err) != EFF_OK) return cli_fail(&err, path);
    if (cli_flag(t->a, "json")) {
        json_t *j = cli_json_object();
        cli_json_set(j, "preview", cli_json_text(path));
        return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    }
    printf("%s: training images, and how epochs would see them with %s\n", cli_clean(path), o.augment);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int begin(training *t, eff_run_opts *o)
{
    const cli_args *a = t->a;
    eff_error err = { 0 };
    if (a->nfiles != 1) return cli_usage(a, "expected DIR, a folder of photographs (or --resume RUN)");
    int status = replace_values(a, NULL);
    if (status == CLI_OK) status = open_start(t);
    if (status == CLI_OK) status = open_data(t);
    if (status == CLI_OK) status = make_recipe(t);
    if (status != CLI_OK) return status;
    if (cli_flag(a, "preview")) return preview(t);
    if (cli_flag(a, "dry-run")) {
        if (cli_flag(a, "json")) return cli_json_print(recipe_json(t->recipe)) ? CLI_OK : CLI_FAILED;
        print_recipe(stdout, t->recipe, true);
        return cli_flush() ? CLI_OK : CLI_FAILED;
    }
    o->out = cli_flag(a, "find-lr") ? NULL : cli_text(a, "out");
    o->source = t->source;
    o->data = a->files[0];
    if (eff_run_create(&t->run, t->start, t->data, t->recipe, o, &err) != EFF_OK) return cli_fail(&err, "train");
    eff_model_free(t->start); /* its weights were copied */
    t->start = NULL;
    if (cli_flag(a, "find-lr")) return find_lr(t);
    if (t->talks) {
        print_recipe(stderr, eff_run_recipe(t->run), cli_flag(a, "verbose"));
        fprintf(stderr, "effnet: about %s of memory, and up to %s for decoded images\n",
                cli_bytes((double)eff_run_memory(t->run)->total), cli_bytes((double)o->cache));
    }
    return train(t);
}

static int run_train(cli_args *a)
{
    training t = { .a = a, .talks = !cli_flag(a, "quiet"), .began = cli_now() };
    eff_run_opts o;
    eff_run_opts_init(&o);
    o.threads = cli_int(a, "threads");
    o.cpu = cli_text(a, "cpu");
    o.seed = cli_seed(a, "seed");
    o.event = on_event;
    o.ctx = &t;
    int status = cli_time_option(a, "time", &o.seconds);
    if (status == CLI_OK) status = cli_time_option(a, "save-every", &o.save_every);
    if (status == CLI_OK) status = cli_size_option(a, "memory", &o.memory);
    if (status == CLI_OK) status = cli_size_option(a, "image-cache", &o.cache);
    if (status == CLI_OK) status = cli_given(a, "resume") ? resume(&t, &o) : begin(&t, &o);
    eff_run_free(t.run);
    eff_recipe_free(t.recipe);
    eff_dataset_free(t.data);
    eff_model_free(t.start);
    return status;
}

const cli_cmd cmd_train = {
    .name = "train",
    .summary = "train or fine-tune a network on a folder of photographs",
    .usage = "DIR | --resume RUN",
    .operands = "f",
    .about = "DIR holds train/ and val/ with a folder of images for each class (test/ too, if there is one), or\n"
             "the class folders alone, which are split, or is a CSV with the columns path, label and, if\n"
             "wanted, group and split. With pretrained weights at hand the classifier is fitted on the frozen\n"
             "network first, then its late blocks (with many images, all) are fine-tuned; without any it is\n"
             "trained from scratch. The recipe is picked by the data and printed with the reasons; every\n"
             "value can be replaced.\n\n"
             "RUN holds model.effnet (the best epoch), report.html (open it in a browser), metrics.json,\n"
             "log.csv, split.csv, args.json, TensorBoard events, and last.state: a run that was stopped, by\n"
             "Ctrl-C or anything else, goes on with --resume RUN and ends with the same model.",
    .examples = "  effnet train sarees                          the default: everything is decided and said\n"
                "  effnet train sarees --time 30m --out r2      as many epochs as half an hour allows\n"
                "  effnet train sarees --from lite1.pth -e 20   other weights, more epochs\n"
                "  effnet train sarees --preview                look at the varied training images first\n"
                "  effnet train --resume r2                     go on where a run was stopped\n",
    .opts = opts,
    .min_operands = 0,
    .max_operands = 1,
    .run = run_train,
};
