/* SPDX-License-Identifier: Apache-2.0 */
/* effnet predict: label images with a trained model. Results come in the order of the operands; an image that cannot be
 * read is reported where its result would stand and the others go on. */
#define _GNU_SOURCE
#include "commands.h"
#include "common.h"
#include "interrupt.h"
#include "progress.h"

#include <effnet/care.h>
#include <effnet/eval.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_opt opts[] = {
    { 'k', "top", "K", "labels per image", CLI_INT, "5", 1, 1000000 },
    { 0, "logits", NULL, "also the scores before softmax, of every class", CLI_FLAG },
    { 'b', "batch", "N", "images scored at once", CLI_INT, "8", 1, 1024 },
    CLI_OPT_DTYPE,
    CLI_OPT_PREPROCESS,
    CLI_OPT_RESOLUTION,
    CLI_OPT_CLASS_NAMES,
    CLI_OPT_MODEL,
    CLI_OPT_FAMILY,
    { 0 },
};

enum { STDIN_LIMIT = 1 << 30 };

typedef struct predict {
    const cli_args *a;
    const eff_model *m;
    eff_engine *e;
    int classes, k;
    int features; /* of a model without classes: these come in place of logits */
    float *prob;
    int *top;
    const char *const *paths; /* of the running job */
    size_t done;              /* over all jobs */
    int bad;
    bool write_failed;
} predict;

/* ---------------------------------------------------------------------------------------------- results */

static void print_json(predict *p, const char *file, const eff_error *failure, const float *logits)
{
    json_t *j = cli_json_object();
    cli_json_set(j, "file", cli_json_text(file));
    if (failure) {
        cli_json_set(j, "error", cli_json_text(failure->msg));
    } else if (p->features) {
        json_t *all = cli_json_array();
        for (int i = 0; i < p->features; i++) cli_json_add(all, cli_json_number((double)logits[i]));
        cli_json_set(j, "embedding", all);
    } else {
        json_t *top = cli_json_array();
        for (int i = 0; i < p->k; i++) {
            json_t *t = cli_json_object();
            cli_json_set(t, "index", cli_json_count((uint64_t)p->top[i]));
            cli_json_set(t, "label", cli_json_text(cli_label(p->m, p->top[i])));
            cli_json_set(t, "prob", cli_json_number((double)p->prob[p->top[i]]));
            cli_json_add(top, t);
        }
        cli_json_set(j, "top", top);
        if (cli_flag(p->a, "logits")) {
            json_t *all = cli_json_array();
            for (int i = 0; i < p->classes; i++) cli_json_add(all, cli_json_number((double)logits[i]));
            cli_json_set(j, "logits", all);
        }
    }
    if (!cli_json_print(j)) p->write_failed = true;
}

static void print_people(predict *p, const char *file, const float *logits)
{
    printf("%s\n", cli_clean(file));
    for (int i = 0; i < p->k; i++)
        printf("  %.3f  %s\n", (double)p->prob[p->top[i]], cli_clean(cli_label(p->m, p->top[i])));
    if (cli_flag(p->a, "logits")) {
        printf("  logits");
        for (int i = 0; i < p->classes; i++) printf(" %.6g", (double)logits[i]);
        putchar('\n');
    }
    if (!cli_flush()) p->write_failed = true;
}

/* One image is done. @return non-zero to stop */
static int report(predict *p, const char *file, const eff_error *failure, const float *logits)
{
    if (logits && p->classes) {
        eff_softmax_at(logits, p->classes, eff_model_temperature(p->m), p->prob);
        eff_top_k(logits, p->classes, p->k, p->top); /* of probabilities many may round to the same 0 */
    }
    cli_progress_update(++p->done);
    p->bad += failure != NULL;
    if (cli_flag(p->a, "json")) {
        print_json(p, file, failure, logits);
    } else if (failure) {
        cli_error("%s: %s", file, failure->msg);
    } else {
        if (isatty(STDOUT_FILENO)) cli_progress_hide();
        print_people(p, file, logits);
    }
    return p->write_failed || cli_stopped();
}

static int on_result(void *ctx, size_t index, const eff_error *failure, const float *logits)
{
    predict *p = ctx;
    return report(p, p->paths[index], failure, logits);
}

/* ------------------------------------------------------------------------------------------ one on stdin */

/* Everything on stdin. Waits in short steps, so that Ctrl-C ends the waiting. */
static eff_status read_stdin(unsigned char **out, size_t *size, eff_error *err)
{
    unsigned char *buf = NULL;
    size_t n = 0, room = 0;
    while (!cli_stopped()) {
        struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
        if (poll(&fd, 1, 200) == 0) continue;
        if (n == room) {
            room = room ? 2 * room : 1 << 16;
            buf = cli_realloc(buf, room, 1);
        }
        const ssize_t r = read(STDIN_FILENO, buf + n, room - n);
        if (r < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (r <= 0 || n + (size_t)r > STDIN_LIMIT) {
            err->code = EFF_EFORMAT;
            if (r < 0)
                snprintf(err->msg, sizeof err->msg, "standard input: %s", strerror(errno));
            else if (r > 0)
                snprintf(err->msg, sizeof err->msg, "standard input: expected at most %d bytes", STDIN_LIMIT);
            else if (n == 0)
                snprintf(err->msg, sizeof err->msg, "standard input: expected an image, found nothing");
            else {
                *out = buf;
                *size = n;
                return EFF_OK;
            }
            break;
        }
        n += (size_t)r;
    }
    free(buf);
    if (cli_stopped()) err->code = EFF_ECANCELLED;
    return err->code;
}

static eff_status score_stdin(predict *p, float *logits, eff_error *err)
{
    unsigned char *bytes = NULL;
    size_t size = 0;
    float *x = NULL;
    const eff_preprocess *rule = eff_model_get_preprocess(p->m);
    eff_status s = read_stdin(&bytes, &size, err);
    if (s == EFF_OK) {
        x = cli_alloc((size_t)rule->height * (size_t)rule->width * 3, sizeof *x);
        s = eff_prepare_bytes(bytes, size, rule, x, err);
    }
    free(bytes);
    if (s == EFF_OK) s = eff_engine_run(p->e, x, 1, logits, err);
    free(x);
    return s;
}

static int predict_stdin(predict *p)
{
    eff_error err = { 0 };
    float *logits = cli_alloc((size_t)p->classes + (size_t)p->features, sizeof *logits);
    const eff_status s = score_stdin(p, logits, &err);
    int status = CLI_OK;
    if (s == EFF_OK)
        report(p, "-", NULL, logits);
    else if (s == EFF_EFORMAT || s == EFF_EUNSUPPORTED)
        report(p, "-", &err, NULL);
    else if (s != EFF_ECANCELLED)
        status = cli_fail(&err, "-");
    free(logits);
    return status;
}

/* ----------------------------------------------------------------------------------------------- the job */

typedef struct operand {
    eff_filelist *list; /* NULL: stdin, or a folder that could not be listed */
    const char *name;
    eff_error failure;
} operand;

static int predict_list(predict *p, const operand *o)
{
    eff_error err = { 0 };
    p->paths = eff_filelist_paths(o->list);
    const eff_status s = eff_engine_run_files(p->e, p->paths, eff_filelist_count(o->list),
                                              eff_model_get_preprocess(p->m), on_result, p, &err);
    return s == EFF_OK || s == EFF_ECANCELLED ? CLI_OK : cli_fail(&err, "predict");
}

/* Operands side by side become one list, so that they share batches. Where one of them cannot be listed, each stands
 * alone. */
static int list_operands(const cli_args *a, operand *ops, size_t *images)
{
    int n = 0;
    bool apart = false;
    *images = 0;
    for (int i = 1; i < a->nfiles;) {
        operand *o = &ops[n++];
        *o = (operand){ .name = a->files[i] };
        int run = 0;
        while (i + run < a->nfiles && strcmp(a->files[i + run], "-") != 0) run++;
        if (run == 0) {
            *images += 1;
            i++;
            apart = false;
            continue;
        }
        const char *const *names = (const char *const *)(a->files + i);
        if (!apart && run > 1) apart = eff_filelist_images(&o->list, names, (size_t)run, &o->failure) != EFF_OK;
        if (!o->list) {
            run = 1;
            eff_filelist_images(&o->list, names, 1, &o->failure);
        }
        *images += o->list ? eff_filelist_count(o->list) : 1;
        i += run;
    }
    return n;
}

static int predict_operands(predict *p, const operand *ops, int n)
{
    int status = CLI_OK;
    for (int i = 0; i < n && status == CLI_OK && !cli_stopped() && !p->write_failed; i++) {
        if (ops[i].list)
            status = predict_list(p, &ops[i]);
        else if (!strcmp(ops[i].name, "-"))
            status = predict_stdin(p);
        else if (cli_exit_code(ops[i].failure.code) == CLI_DATA)
            report(p, ops[i].name, &ops[i].failure, NULL);
        else
            status = cli_fail(&ops[i].failure, ops[i].name);
    }
    if (status != CLI_OK) return status;
    return p->write_failed ? CLI_FAILED : p->bad ? CLI_DATA : CLI_OK;
}

static int predict_all(const cli_args *a, const eff_model *m)
{
    predict p = { .a = a, .m = m, .classes = eff_model_get_info(m)->classes };
    if (!p.classes) p.features = eff_model_features(m);
    p.k = cli_int(a, "top") < p.classes ? cli_int(a, "top") : p.classes;
    p.prob = cli_alloc((size_t)p.classes, sizeof *p.prob);
    p.top = cli_alloc((size_t)p.k, sizeof *p.top);
    operand *ops = cli_alloc((size_t)a->nfiles, sizeof *ops);
    size_t images;
    const int n = list_operands(a, ops, &images), batch = cli_int(a, "batch");
    int status =
        cli_open_engine(a, m, images < (size_t)batch ? (int)(images ? images : 1) : batch, cli_precision(a), &p.e);
    if (status == CLI_OK) {
        cli_say_engine(a, m, p.e);
        cli_progress_begin(a, "images", images);
        status = predict_operands(&p, ops, n);
        cli_progress_end();
    }
    for (int i = 0; i < n; i++) eff_filelist_free(ops[i].list);
    eff_engine_free(p.e);
    free(ops);
    free(p.prob);
    free(p.top);
    return status;
}

static int run_predict(cli_args *a)
{
    int inputs = 0;
    for (int i = 1; i < a->nfiles; i++) inputs += !strcmp(a->files[i], "-");
    if (inputs > 1) return cli_usage(a, "expected '-' (standard input) once, found it %d times", inputs);
    eff_model *m = NULL;
    int status = cli_open_model(a, a->files[0], &m);
    if (status == CLI_OK) status = cli_need_weights(a, m);
    if (status == CLI_OK && !cli_flag(a, "json")) status = cli_need_classes(a, m); /* as JSON it gives features */
    if (status == CLI_OK) status = predict_all(a, m);
    eff_model_free(m);
    return status;
}

const cli_cmd cmd_predict = {
    .name = "predict",
    .summary = "say what is on images, with a trained model",
    .usage = "MODEL IMAGE...",
    .operands = "mf",
    .about = "An IMAGE is a JPEG, PNG, WebP, TIFF or AVIF file, a folder (every image in it and below), or -\n"
             "for one image on standard input. For each the likeliest labels are printed, with their\n"
             "probabilities. An image that cannot be read is reported, the others go on, and the exit status\n"
             "is then 3.",
    .examples = "  effnet predict lite0.effnet photo.jpg\n"
                "  effnet predict lite0.effnet photos/ --top 1 --json > labels.jsonl\n"
                "  effnet predict lite0.effnet - < photo.jpg\n",
    .opts = opts,
    .min_operands = 2,
    .max_operands = -1,
    .run = run_predict,
};
