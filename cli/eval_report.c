/* SPDX-License-Identifier: Apache-2.0 */
/* The report of an evaluation: what was asked, of which model, on which machine, beside what came out. */
#include "eval_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FACTS = 64, WORST_LISTED = 24 };

static char *copy(const char *s) { return strcpy(cli_alloc(strlen(s) + 1, 1), s); }

/* ------------------------------------------------------------------------------------------ every image */

void eval_images_begin(eval_images *v, size_t files, int classes)
{
    *v = (eval_images){ .room = files };
    v->answer = cli_alloc(files, sizeof *v->answer);
    v->bad = cli_alloc(files, sizeof *v->bad);
    v->prob = cli_alloc((size_t)classes, sizeof *v->prob);
}

void eval_images_add(eval_images *v, const eff_model *m, const char *path, int label, const float *logits)
{
    const int classes = eff_model_get_info(m)->classes;
    int best;
    eff_top_k(logits, classes, 1, &best);
    eff_softmax_at(logits, classes, eff_model_temperature(m), v->prob);
    v->answer[v->n++] = (eff_report_image){ path, label, best, v->prob[best], v->prob[label] };
}

void eval_images_add_bad(eval_images *v, const char *path, const char *reason)
{
    v->bad[v->nbad++] = (eff_report_excluded){ path, copy(reason) };
}

void eval_images_free(eval_images *v)
{
    for (size_t i = 0; i < v->nbad; i++) free((void *)(uintptr_t)v->bad[i].reason);
    free(v->answer);
    free(v->bad);
    free(v->prob);
    *v = (eval_images){ 0 };
}

json_t *eval_worst_json(const eff_model *m, const eval_images *v)
{
    size_t index[WORST_LISTED];
    const size_t n = eff_report_worst(v->answer, v->n, index, WORST_LISTED);
    json_t *list = cli_json_array();
    for (size_t i = 0; i < n; i++) {
        const eff_report_image *const im = &v->answer[index[i]];
        json_t *j = cli_json_object();
        cli_json_set(j, "file", cli_json_text(im->path));
        cli_json_set(j, "index", cli_json_count((uint64_t)im->label));
        cli_json_set(j, "label", cli_json_text(cli_label(m, im->label)));
        cli_json_set(j, "predicted_index", cli_json_count((uint64_t)im->predicted));
        cli_json_set(j, "predicted", cli_json_text(cli_label(m, im->predicted)));
        cli_json_set(j, "prob", cli_json_number((double)im->prob));
        cli_json_set(j, "true_prob", cli_json_number((double)im->true_prob));
        cli_json_add(list, j);
    }
    return list;
}

/* ---------------------------------------------------------------------------------------------- facts */

typedef struct facts {
    eff_report_fact row[MAX_FACTS]; /* text is owned, but for `why` */
    size_t n;
} facts;

static void add(facts *f, const char *key, const char *why, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void add(facts *f, const char *key, const char *why, const char *fmt, ...)
{
    char text[4608]; /* a path fits */
    va_list ap;
    if (f->n == MAX_FACTS) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    f->row[f->n++] = (eff_report_fact){ copy(key), copy(text), why };
}

/* What the model file says of how the model came about. */
static void add_training(facts *f, const eff_model *m)
{
    const char *const text = eff_model_record(m, EFF_RECORD_TRAINING), *key;
    json_t *const j = text ? json_loads(text, 0, NULL) : NULL, *v;
    json_object_foreach(j, key, v)
    {
        char name[128], *const value = json_is_string(v)
                                           ? NULL
                                           : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
        snprintf(name, sizeof name, "training: %.100s", key);
        add(f, name, NULL, "%.4000s", value ? value : json_is_string(v) ? json_string_value(v) : "");
        free(value);
    }
    json_decref(j);
}

static void collect(facts *f, const cli_args *a, const eff_model *m, const eff_engine *e, const eval_images *v,
                    double seconds)
{
    const eff_model_info *const i = eff_model_get_info(m);
    const size_t files = v->n + v->nbad;
    char rule[256];
    eff_preprocess_format(eff_model_get_preprocess(m), rule, sizeof rule);
    add(f, "model", i->has_class_names ? NULL : "it has no class names: classes are shown by number", "%s",
        a->files[0]);
    add(f, "architecture", NULL, "%s, %s parameters, %s multiply-adds an image", i->name, cli_human((double)i->params),
        cli_human((double)i->macs));
    if (i->origin) add(f, "weights from", NULL, "%s", i->origin);
    if (i->licence) add(f, "licence", NULL, "%s", i->licence);
    add_training(f, m);
    add(f, "images from", NULL, "%s", a->files[1]);
    add(f, "images", v->nbad ? "files that cannot be read are left out" : NULL, "%zu of %zu", v->n, files);
    add(f, "preprocessing", "how an image becomes the input of the network", "%s", rule);
    add(f, "temperature",
        eff_model_temperature(m) != 1 ? "fitted after training; changes the confidence, never the answer"
                                      : "none is in the model",
        "%.4g", eff_model_temperature(m));
    add(f, "time", NULL, "%.1f s, %.1f images a second", seconds, seconds > 0 ? (double)files / seconds : 0.0);
    add(f, "machine", NULL, "%d thread%s, kernels %s", eff_engine_threads(e), eff_engine_threads(e) == 1 ? "" : "s",
        eff_engine_cpu(e));
}

int eval_report_save(const cli_args *a, const eff_model *m, const eff_engine *e, const eff_metrics_result *r,
                     const eval_images *v, double seconds, const char *path)
{
    eff_error err = { 0 };
    eff_report report;
    facts f = { .n = 0 };
    char title[256];
    const char **const names = cli_alloc((size_t)r->classes, sizeof *names);
    for (int c = 0; c < r->classes; c++) names[c] = eff_model_class_name(m, c);
    snprintf(title, sizeof title, "Evaluation of %.200s", eff_model_get_info(m)->name);
    collect(&f, a, m, e, v, seconds);
    eff_report_init(&report);
    report.title = title;
    report.subtitle = a->files[1];
    report.facts = f.row;
    report.nfacts = f.n;
    report.metrics = r;
    report.class_names = names;
    report.images = v->answer;
    report.nimages = v->n;
    report.excluded = v->bad;
    report.nexcluded = v->nbad;
    const int status = eff_report_save(&report, path, &err) == EFF_OK ? CLI_OK : cli_fail(&err, path);
    for (size_t k = 0; k < f.n; k++) {
        free((void *)(uintptr_t)f.row[k].key);
        free((void *)(uintptr_t)f.row[k].value);
    }
    free(names);
    return status;
}
