/* SPDX-License-Identifier: Apache-2.0 */
/* effnet bench --check: what a number format costs in accuracy. Every image goes through float32 and through the format
 * asked for; where their answers part, and how far, is what is reported. */
#include "bench_parts.h"
#include "common.h"
#include "interrupt.h"
#include "progress.h"

#include <effnet/eval.h>

#include <math.h>
#include <stdlib.h>

enum { PLAIN, ROUNDED }; /* float32, the other format */

typedef struct comparison {
    const eff_model *m;
    eff_engine *e[2];
    float *x, *logits[2], *prob[2];
    bench_check *out;
} comparison;

static int open_engines(const cli_args *a, comparison *c)
{
    int status = cli_open_engine(a, c->m, 1, EFF_FLOAT32, &c->e[PLAIN]);
    if (status == CLI_OK) status = cli_open_engine(a, c->m, 1, cli_precision(a), &c->e[ROUNDED]);
    return status;
}

static eff_status score(comparison *c, int which, eff_error *err)
{
    const double before = cli_now();
    const eff_status s = eff_engine_run(c->e[which], c->x, 1, c->logits[which], err);
    const double took = cli_now() - before;
    if (took < c->out->seconds[which]) c->out->seconds[which] = took;
    eff_softmax_at(c->logits[which], eff_model_get_info(c->m)->classes, eff_model_temperature(c->m), c->prob[which]);
    return s;
}

static void compare(comparison *c)
{
    const int classes = eff_model_get_info(c->m)->classes;
    int top[2];
    for (int i = 0; i < 2; i++) eff_top_k(c->logits[i], classes, 1, &top[i]);
    for (int i = 0; i < classes; i++) {
        const double d = fabs((double)c->prob[ROUNDED][i] - (double)c->prob[PLAIN][i]);
        if (!(d <= c->out->worst)) c->out->worst = d; /* NaN is the worst */
    }
    c->out->sum += fabs((double)c->prob[ROUNDED][top[PLAIN]] - (double)c->prob[PLAIN][top[PLAIN]]);
    c->out->agree += top[PLAIN] == top[ROUNDED];
    c->out->images++;
}

static int compare_files(const cli_args *a, comparison *c, const eff_filelist *list)
{
    const eff_preprocess *rule = eff_model_get_preprocess(c->m);
    const size_t n = eff_filelist_count(list);
    cli_progress_begin(a, "images", n);
    int status = CLI_OK;
    for (size_t i = 0; i < n && status == CLI_OK && !cli_stopped(); i++) {
        eff_error err = { 0 };
        const char *path = eff_filelist_paths(list)[i];
        eff_status s = eff_prepare_file(path, rule, c->x, &err);
        if (s != EFF_OK && cli_exit_code(s) == CLI_DATA) {
            cli_error("%s: %s", path, err.msg);
            c->out->bad++;
            continue;
        }
        for (int k = 0; k < 2 && s == EFF_OK; k++) s = score(c, k, &err);
        if (s == EFF_OK)
            compare(c);
        else
            status = cli_fail(&err, path);
        cli_progress_update(i + 1);
    }
    cli_progress_end();
    return status;
}

int bench_check_images(const cli_args *a, const eff_model *m, bench_check *out)
{
    eff_error err = { 0 };
    const eff_preprocess *p = eff_model_get_preprocess(m);
    const size_t classes = (size_t)eff_model_get_info(m)->classes;
    eff_filelist *list = NULL;
    *out = (bench_check){ .seconds = { INFINITY, INFINITY } };
    if (eff_filelist_images(&list, (const char *const *)(a->files + 1), (size_t)a->nfiles - 1, &err) != EFF_OK)
        return cli_fail(&err, a->files[1]);
    comparison c = { .m = m, .out = out };
    c.x = cli_alloc((size_t)p->height * (size_t)p->width * 3, sizeof *c.x);
    for (int i = 0; i < 2; i++) {
        c.logits[i] = cli_alloc(classes, sizeof *c.logits[i]);
        c.prob[i] = cli_alloc(classes, sizeof *c.prob[i]);
    }
    int status = open_engines(a, &c);
    if (status == CLI_OK) status = compare_files(a, &c, list);
    for (int i = 0; i < 2; i++) {
        eff_engine_free(c.e[i]);
        free(c.logits[i]);
        free(c.prob[i]);
    }
    free(c.x);
    eff_filelist_free(list);
    return status;
}

int bench_check_status(const bench_check *c)
{
    if (c->bad || !c->images) return CLI_DATA;
    return isfinite(c->worst) ? CLI_OK : CLI_REFUSED;
}

void bench_check_print(const bench_check *c, const char *dtype)
{
    double lo, hi;
    if (!c->images) return;
    eff_wilson(c->agree, c->images, &lo, &hi);
    printf("  against f32     the same class first on %d of %d images, %.2f %% (95 %% interval %.2f to %.2f)\n",
           c->agree, c->images, 100.0 * c->agree / c->images, 100 * lo, 100 * hi);
    printf("                  a probability differs by %.4f at most, that of f32's class by %.4f in the mean\n",
           c->worst, c->sum / c->images);
    printf("                  an image takes %.2f ms in f32, %.2f ms in %s, at best\n", 1e3 * c->seconds[PLAIN],
           1e3 * c->seconds[ROUNDED], dtype);
}

json_t *bench_check_json(const bench_check *c)
{
    json_t *j = cli_json_object();
    cli_json_set(j, "images", cli_json_count((uint64_t)c->images));
    cli_json_set(j, "unreadable", cli_json_count((uint64_t)c->bad));
    if (!c->images) return j;
    double lo, hi;
    eff_wilson(c->agree, c->images, &lo, &hi);
    json_t *interval = cli_json_array();
    cli_json_add(interval, cli_json_number(lo));
    cli_json_add(interval, cli_json_number(hi));
    cli_json_set(j, "top1_agreement", cli_json_number((double)c->agree / c->images));
    cli_json_set(j, "interval", interval);
    cli_json_set(j, "max_difference", cli_json_number(c->worst));
    cli_json_set(j, "mean_difference", cli_json_number(c->sum / c->images));
    cli_json_set(j, "f32_ms", cli_json_number(1e3 * c->seconds[PLAIN]));
    cli_json_set(j, "ms", cli_json_number(1e3 * c->seconds[ROUNDED]));
    return j;
}
