/* SPDX-License-Identifier: Apache-2.0 */
/* effnet eval: how good a model is on labelled images. Images that cannot be read are reported and left out of the
 * figures. */
#include "commands.h"
#include "common.h"
#include "eval_report.h"
#include "interrupt.h"
#include "progress.h"

#include <effnet/eval.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const cli_opt opts[] = {
    { 'r', "report", "FILE", "also write a report: one HTML file, with pictures of mistakes", CLI_PATH },
    { 'b', "batch", "N", "images scored at once", CLI_INT, "8", 1, 1024 },
    CLI_OPT_DTYPE,
    CLI_OPT_PREPROCESS,
    CLI_OPT_RESOLUTION,
    CLI_OPT_CLASS_NAMES,
    CLI_OPT_MODEL,
    CLI_OPT_FAMILY,
    { 0 },
};

enum { WORST_SHOWN = 10 };

typedef struct evaluation {
    const cli_args *a;
    const eff_model *m;
    const eff_filelist *list;
    eff_metrics *metrics;
    eval_images images;
    json_t *errors; /* NULL for people */
    const char *report; /* path, or NULL */
    size_t done;
    int bad;
} evaluation;

static int on_result(void *ctx, size_t index, const eff_error *failure, const float *logits)
{
    evaluation *v = ctx;
    cli_progress_update(++v->done);
    const char *file = eff_filelist_paths(v->list)[index];
    if (failure) {
        eval_images_add_bad(&v->images, file, failure->msg);
        v->bad++;
        cli_error("%s: %s", file, failure->msg);
        if (v->errors) {
            json_t *j = cli_json_object();
            cli_json_set(j, "file", cli_json_text(file));
            cli_json_set(j, "error", cli_json_text(failure->msg));
            cli_json_add(v->errors, j);
        }
    } else {
        const int label = eff_filelist_label(v->list, index);
        eff_metrics_add(v->metrics, label, logits);
        eval_images_add(&v->images, v->m, file, label, logits);
    }
    return cli_stopped();
}

/* ------------------------------------------------------------------------------------------ for scripts */

static json_t *interval_json(double lo, double hi)
{
    json_t *a = cli_json_array();
    cli_json_add(a, cli_json_number(lo));
    cli_json_add(a, cli_json_number(hi));
    return a;
}

static json_t *class_json(const eff_model *m, int c, const eff_class_metrics *k)
{
    json_t *j = cli_json_object();
    cli_json_set(j, "index", cli_json_count((uint64_t)c));
    cli_json_set(j, "label", cli_json_text(cli_label(m, c)));
    cli_json_set(j, "n", cli_json_count((uint64_t)k->n));
    cli_json_set(j, "correct", cli_json_count((uint64_t)k->correct));
    cli_json_set(j, "predicted", cli_json_count((uint64_t)k->predicted));
    cli_json_set(j, "recall", cli_json_number(k->recall));
    cli_json_set(j, "recall_interval", interval_json(k->recall_lo, k->recall_hi));
    cli_json_set(j, "precision", cli_json_number(k->precision));
    cli_json_set(j, "precision_interval", interval_json(k->precision_lo, k->precision_hi));
    return j;
}

static json_t *bins_json(const eff_calibration_bin *bin)
{
    json_t *list = cli_json_array();
    for (int b = 0; b < EFF_CALIBRATION_BINS; b++) {
        json_t *j = cli_json_object();
        cli_json_set(j, "n", cli_json_count((uint64_t)bin[b].n));
        cli_json_set(j, "correct", cli_json_count((uint64_t)bin[b].correct));
        cli_json_set(j, "confidence", cli_json_number(bin[b].confidence));
        cli_json_set(j, "accuracy", cli_json_number(bin[b].accuracy));
        cli_json_add(list, j);
    }
    return list;
}

static int print_json(evaluation *v, const eff_metrics_result *r)
{
    json_t *j = cli_json_object(), *classes = cli_json_array(), *confusion = cli_json_array();
    for (int c = 0; c < r->classes; c++) {
        json_t *row = cli_json_array();
        for (int k = 0; k < r->classes; k++)
            cli_json_add(row, cli_json_count((uint64_t)r->confusion[(size_t)c * (size_t)r->classes + (size_t)k]));
        cli_json_add(confusion, row);
        cli_json_add(classes, class_json(v->m, c, &r->per_class[c]));
    }
    cli_json_set(j, "n", cli_json_count((uint64_t)r->n));
    cli_json_set(j, "top1", cli_json_number(r->top1));
    cli_json_set(j, "top5", cli_json_number(r->top5));
    cli_json_set(j, "interval", interval_json(r->lo, r->hi));
    cli_json_set(j, "loss", cli_json_number(r->loss));
    cli_json_set(j, "ece", cli_json_number(r->ece));
    cli_json_set(j, "temperature", cli_json_number(r->temperature));
    cli_json_set(j, "plain_loss", cli_json_number(r->plain_loss)); /* at temperature 1 */
    cli_json_set(j, "plain_ece", cli_json_number(r->plain_ece));
    cli_json_set(j, "bins", bins_json(r->bins));
    cli_json_set(j, "worst", eval_worst_json(v->m, &v->images));
    if (v->report) cli_json_set(j, "report", cli_json_text(v->report));
    cli_json_set(j, "model", cli_json_text(eff_model_get_info(v->m)->name));
    cli_json_set(j, "errors", v->errors);
    v->errors = NULL;
    cli_json_set(j, "per_class", classes);
    cli_json_set(j, "confusion", confusion);
    return cli_json_print(j) ? CLI_OK : CLI_FAILED;
}

/* ------------------------------------------------------------------------------------------- for people */

typedef struct ranked {
    int row, column, n;
    double score;
} ranked;

static int worst_first(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    return x->row != y->row ? x->row - y->row : x->column - y->column;
}

static void print_worst_classes(const eff_model *m, const eff_metrics_result *r)
{
    ranked *list = cli_alloc((size_t)r->classes, sizeof *list);
    int n = 0;
    for (int c = 0; c < r->classes; c++)
        if (r->per_class[c].correct < r->per_class[c].n)
            list[n++] = (ranked){ c, 0, r->per_class[c].n, r->per_class[c].recall };
    qsort(list, (size_t)n, sizeof *list, worst_first);
    if (n) puts("\nclasses most often missed:");
    cli_table t;
    cli_table_begin(&t, "rrll");
    for (int i = 0; i < n && i < WORST_SHOWN; i++) {
        const eff_class_metrics *k = &r->per_class[list[i].row];
        cli_cell(&t, "%.1f %%", 100 * k->recall);
        cli_cell(&t, "%d of %d", k->correct, k->n);
        cli_cell(&t, "(95 %%: %.1f to %.1f)", 100 * k->recall_lo, 100 * k->recall_hi);
        cli_cell(&t, "%s", cli_cut(cli_label(m, list[i].row), 60));
    }
    cli_table_end(&t, 2);
    if (n > WORST_SHOWN) printf("  and %d more\n", n - WORST_SHOWN);
    free(list);
}

static void print_confusions(const eff_model *m, const eff_metrics_result *r)
{
    ranked best[WORST_SHOWN];
    int n = 0;
    for (int c = 0; c < r->classes; c++) {
        for (int k = 0; k < r->classes; k++) {
            const int count = r->confusion[(size_t)c * (size_t)r->classes + (size_t)k];
            if (!count || c == k) continue;
            const ranked one = { c, k, count, -count };
            int at = n; /* keep the few largest in order */
            while (at > 0 && worst_first(&one, &best[at - 1]) < 0) at--;
            if (at == WORST_SHOWN) continue;
            if (n < WORST_SHOWN) n++;
            for (int i = n - 1; i > at; i--) best[i] = best[i - 1];
            best[at] = one;
        }
    }
    if (n) puts("\nmost frequent confusions:");
    cli_table t;
    cli_table_begin(&t, "rll");
    for (int i = 0; i < n; i++) {
        cli_cell(&t, "%d", best[i].n);
        cli_cell(&t, "%s", cli_cut(cli_label(m, best[i].row), 40));
        cli_cell(&t, "taken for %s", cli_cut(cli_label(m, best[i].column), 40));
    }
    cli_table_end(&t, 2);
}

static int print_people(const evaluation *v, const eff_metrics_result *r)
{
    const eff_model_info *i = eff_model_get_info(v->m);
    printf("%s on %d image%s of %s\n\n", cli_clean(i->name), r->n, r->n == 1 ? "" : "s", cli_clean(v->a->files[1]));
    printf("  top-1           %.2f %% (95 %% interval: %.2f to %.2f)\n", 100 * r->top1, 100 * r->lo, 100 * r->hi);
    printf("  top-5           %.2f %%\n", 100 * r->top5);
    printf("  loss            %.4f nats\n", r->loss);
    printf("  calibration     %.4f expected error of the confidence (0 is perfect)\n", r->ece);
    if (r->temperature != 1)
        printf("  temperature     %.4g; at 1 the loss is %.4f nats, the error %.4f\n", r->temperature, r->plain_loss,
               r->plain_ece);
    if (v->bad) printf("  left out        %d image%s that could not be read\n", v->bad, v->bad == 1 ? "" : "s");
    print_worst_classes(v->m, r);
    print_confusions(v->m, r);
    if (v->report) printf("\n  report          %s\n", cli_clean(v->report));
    return CLI_OK;
}

/* ---------------------------------------------------------------------------------------------- the job */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int evaluate(evaluation *v, eff_engine *e)
{
    const double start = now();
    eff_error err = { 0 };
    const size_t n = eff_filelist_count(v->list);
    cli_say_engine(v->a, v->m, e);
    cli_progress_begin(v->a, "images", n);
    const eff_status s =
        eff_engine_run_files(e, eff_filelist_paths(v->list), n, eff_model_get_preprocess(v->m), on_result, v, &err);
    cli_progress_end();
    if (s == EFF_ECANCELLED) { /* half an accuracy is none */
        cli_error("stopped after %zu of %zu images", v->done, n);
        return CLI_FAILED;
    }
    if (s != EFF_OK) return cli_fail(&err, "eval");
    const eff_metrics_result *r = eff_metrics_get(v->metrics);
    int status = CLI_DATA, wrote = CLI_OK;
    if (v->report && r->n) wrote = eval_report_save(v->a, v->m, e, r, &v->images, now() - start, v->report);
    if (wrote != CLI_OK || !r->n) v->report = NULL; /* there is none to speak of */
    if (v->errors)
        status = print_json(v, r);
    else if (r->n)
        status = print_people(v, r);
    if (status == CLI_OK) status = wrote; /* the figures are worth having without it */
    if (!r->n) cli_error("%s: none of the %zu images could be read", v->a->files[1], n);
    return status == CLI_OK && v->bad ? CLI_DATA : status;
}

static int run_eval(cli_args *a)
{
    eff_error err = { 0 };
    eff_model *m = NULL;
    eff_filelist *list = NULL;
    eff_engine *e = NULL;
    evaluation v = { .a = a, .report = cli_text(a, "report") };
    for (int i = 0; v.report && i < 2; i++)
        if (cli_same_file(a->files[i], v.report)) return cli_usage(a, "the report would replace '%s'", a->files[i]);
    int status = cli_open_model(a, a->files[0], &m);
    if (status == CLI_OK) status = cli_need_weights(a, m);
    if (status == CLI_OK) status = cli_need_classes(a, m);
    if (status == CLI_OK && eff_filelist_labelled(&list, a->files[1], m, &err) != EFF_OK)
        status = cli_fail(&err, a->files[1]);
    if (status == CLI_OK && eff_metrics_create(&v.metrics, eff_model_get_info(m)->classes, &err) != EFF_OK)
        status = cli_fail(&err, a->files[0]);
    if (status == CLI_OK) {
        const size_t n = eff_filelist_count(list);
        const int batch = cli_int(a, "batch");
        status = cli_open_engine(a, m, n < (size_t)batch ? (int)n : batch, cli_precision(a), &e);
    }
    if (status == CLI_OK) {
        v.m = m;
        v.list = list;
        eff_metrics_set_temperature(v.metrics, eff_model_temperature(m));
        eval_images_begin(&v.images, eff_filelist_count(list), eff_model_get_info(m)->classes);
        if (cli_flag(a, "json")) v.errors = cli_json_array();
        status = evaluate(&v, e);
        json_decref(v.errors);
        eval_images_free(&v.images);
    }
    eff_engine_free(e);
    eff_metrics_free(v.metrics);
    eff_filelist_free(list);
    eff_model_free(m);
    return status;
}

const cli_cmd cmd_eval = {
    .name = "eval",
    .summary = "how good a model is on labelled images, with intervals",
    .usage = "MODEL DIR|LIST",
    .operands = "mf",
    .about = "DIR holds a folder of images for each class, called by the class's name, its first synonym,\n"
             "its id or its number. LIST is a text file of lines with a file, a tab and a class; further\n"
             "columns, lines that start with # and a first line that starts with 'file' are skipped, and\n"
             "files are looked for beside the list. Intervals are Wilson's, 95 %. An image that cannot be\n"
             "read is reported and left out, and the exit status is then 3.",
    .examples = "  effnet eval lite0.effnet photos/val\n"
                "  effnet eval lite0.effnet photos/val --report report.html\n"
                "  effnet eval lite0.effnet labels.tsv --json > metrics.json\n",
    .opts = opts,
    .min_operands = 2,
    .max_operands = 2,
    .run = run_eval,
};
