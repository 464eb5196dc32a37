/* SPDX-License-Identifier: Apache-2.0 */
/* Every file that effnet writes of its own: what becomes of it when a call of the save fails, the disk is full, or
 * memory ends. Downloads, studies, searches and supernets are held to the same in the tests of these. */
#define _GNU_SOURCE
#include "fault.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/formats.h"
#include "image/image.h"
#include "report/report.h"
#include "train/run_internal.h"

#include <effnet/export.h>
#include <effnet/report.h>
#include <effnet/synth.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NET "b0@width=0.01,depth=0.01,resolution=32,classes=2"

static eff_dataset *set;
static eff_model *model;
static eff_run *run;
static eff_image *image;

static void write_text(const char *path, const char *text)
{
    FILE *const f = fopen(path, "wb");
    assert_true(f && fputs(text, f) >= 0);
    fclose(f);
}

static void small_set(eff_synth_opts *o)
{
    eff_synth_opts_init(o);
    o->classes = 2;
    o->train = 4;
    o->val = 2;
    o->size = 40;
    o->threads = 1;
}

static int set_up(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_synth_opts so;
    eff_dataset_opts d;
    eff_run_opts o;
    eff_recipe *recipe;
    small_set(&so);
    T_OK(eff_synth_write(t_tmp("cloth"), &so, NULL, NULL, &err), err);
    eff_dataset_opts_init(&d);
    T_OK(eff_dataset_open(&set, t_tmp("cloth"), &d, &err), err);
    T_OK(eff_model_load(&model, NET, NULL, &err), err);
    T_OK(eff_model_init(model, 1, &err), err);
    write_text(t_tmp("classes.tsv"), "index\tid\tname\n0\tn01\tcat\n1\tn02\tdog\n");
    T_OK(eff_model_set_classes(model, t_tmp("classes.tsv"), &err), err);
    T_OK(eff_model_set_origin(model, "formula", "CC0", &err), err);
    eff_run_opts_init(&o);
    o.threads = 1;
    o.out = t_tmp("run");
    o.source = NET;
    T_OK(eff_recipe_create(&recipe, NULL, model, set, &err), err);
    T_OK(eff_recipe_set(recipe, "epochs=2,batch=4", &err), err);
    T_OK(eff_run_create(&run, model, set, recipe, &o, &err), err);
    eff_recipe_free(recipe);
    T_OK(eff_run_add_row(run, (eff_epoch_row){ 1, 0.1, 2, 0.25, 3, 0.5, 1.5, 100 }, &err), err);
    T_OK(eff_image_new(&image, 140, 130, &err), err);
    for (unsigned i = 0, x = 1; i < 140 * 130 * 3; i++) image->rgb[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    eff_run_free(run);
    eff_image_destroy(image);
    eff_model_free(model);
    eff_dataset_free(set);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- savings */

static eff_status save_model(void *path, eff_error *err) { return eff_model_save(model, path, err); }
static eff_status save_png(void *path, eff_error *err) { return eff_png_save(image, path, err); }
static eff_status save_set(void *path, eff_error *err) { return eff_dataset_save(set, path, err); }
static eff_status save_args(void *x, eff_error *err) { return (void)x, eff_run_save_args(run, true, err); }
static eff_status save_state(void *x, eff_error *err) { return (void)x, eff_run_save_state(run, err); }
static eff_status save_log(void *x, eff_error *err) { return (void)x, eff_run_save_log(run, err); }
static eff_status save_kept(void *x, eff_error *err) { return (void)x, eff_run_save_model(run, err); }

static eff_status save_events(void *x, eff_error *err)
{
    (void)x;
    eff_status s = EFF_OK;
    for (int i = 0; s == EFF_OK && i < 40; i++)
        s = eff_run_add_events(run, run->p.rows, err); /* more than its first room */
    eff_events_close(run->events);
    run->events = NULL;
    return s;
}

static eff_status save_labels(void *path, eff_error *err) { return eff_export_labels(model, path, err); }

static eff_status save_onnx(void *path, eff_error *err)
{
    eff_parity parity;
    eff_export_opts o;
    eff_export_opts_init(&o);
    o.runtime = "none";
    o.threads = 1;
    const eff_status s = eff_export_onnx(model, path, &o, &parity, err);
    return s == EFF_OK && !parity.passed ? eff_fail(err, EFF_EIO, "%s", parity.reason) : s; /* it is not kept then */
}

static eff_status save_weights(void *path, eff_error *err)
{
    char loads_as[64];
    return eff_export_weights(model, path, "timm", loads_as, err);
}

static eff_status save_chart(void *path, eff_error *err)
{
    static const double x[] = { 1, 2, 4 }, y[] = { 0.5, 0.75, 0.8 };
    const eff_chart_series line = { .name = "line", .x = x, .y = y, .n = 3 };
    const eff_chart chart = { .title = "chart", .x_label = "x", .y_label = "y", .series = &line, .nseries = 1 };
    return eff_chart_save(&chart, 1, "heading", path, err);
}

static eff_status save_report(void *path, eff_error *err)
{
    static const eff_report_fact facts[] = { { "learning rate", "0.01", "picked" } };
    static const eff_report_epoch epochs[] = { { 1, 2, 2.5, 0.25, 0.2, 0.1 }, { 2, 1, 1.5, 0.5, 0.4, 0.01 } };
    eff_report r;
    eff_report_init(&r);
    r.title = "report";
    r.facts = facts;
    r.nfacts = 1;
    r.epochs = epochs;
    r.nepochs = 2;
    return eff_report_save(&r, path, err);
}

static eff_status save_synth(void *dir, eff_error *err)
{
    eff_synth_opts o;
    small_set(&o);
    o.train = o.val = 1;
    return eff_synth_write(dir, &o, NULL, NULL, err);
}

/* --------------------------------------------------------------------------------------------------- tests */

typedef struct row {
    eff_status (*save)(void *ctx, eff_error *err);
    const char *folder, *file;
    const char *names; /* of the error's first words: "" the path, NULL the caller adds it */
    int flags;
    long stride; /* of memory's end; 0: test_alloc_failure has it, or what is beneath cannot be made to fail */
} row;

static const row rows[] = {
    { save_model, "model", "m.effnet", NULL, 0, 0 },
    { save_model, "bare", "m.safetensors", NULL, 0, 0 },
    { save_model, "table", "m.json", NULL, 0, 0 },
    { save_png, "png", "m.png", NULL, 0, 1 },
    { save_set, "csv", "set.csv", NULL, 0, 1 },
    { save_onnx, "onnx", "m.onnx", NULL, 0, 97 },
    { save_weights, "weights", "m.safetensors", NULL, 0, 0 },
    { save_labels, "labels", "m.onnx", NULL, 0, 1 },
    { save_chart, "chart", "m.svg", NULL, 0, 1 },
    { save_report, "report", "m.html", NULL, 0, 7 },
    { save_synth, "synth", "", NULL, T_FRESH, 7 },
    { save_args, "run", "args.json", "", 0, 3 },
    { save_state, "run", "last.state", "", T_VARIES, 43 },
    { save_log, "run", "log.csv", "", 0, 1 },
    { save_kept, "run", "model.effnet", "", 0, 31 },
    { save_events, "run", "events", NULL, T_VARIES | T_NEW_NAMES, 1 },
};

static void test_saves(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const row *const r = &rows[i];
        char folder[512], path[600];
        snprintf(folder, sizeof folder, "%s", t_tmp("%s", r->folder));
        snprintf(path, sizeof path, "%s/%s", folder, r->file);
        mkdir(folder, 0777);
        const t_saving s = {
            r->file[0] ? r->file : r->folder, r->save, path, folder, r->names ? path : NULL, r->flags
        };
        t_saving_check(&s);
        if (r->stride) t_saving_check_memory(&s, r->stride);
    }
}

/* Loading, where a call fails: the same weights by another way, or one line. */
static void test_loads(void **state)
{
    (void)state;
    static const char *const names[] = { "loads.effnet", "loads.safetensors" };
    for (int i = 0; i < 2; i++) {
        eff_error err = { 0 };
        eff_model *m;
        long made = 0;
        char path[512];
        snprintf(path, sizeof path, "%s", t_tmp("%s", names[i]));
        T_OK(eff_model_save(model, path, &err), err);
        for (long n = -1; n <= made; n++) { /* at first they are counted; at last all goes slowly, and nothing fails */
            t_fault_arm(n < made ? n : -1);
            t_fault_slow(n == made);
            const eff_status s = eff_model_load(&m, path, NULL, &err);
            t_fault_slow(false);
            const long calls = t_fault_disarm(NULL);
            if (n < 0) made = calls;
            if (s != EFF_OK && (n < 0 || n == made || !err.msg[0] || strchr(err.msg, '\n')))
                fail_msg("%s, call %ld: %s", names[i], n, err.msg);
            for (int p = 0; s == EFF_OK && p < m->graph->nparams; p++)
                assert_memory_equal(m->weights[p], model->weights[p], m->graph->param[p].count * sizeof(float));
            eff_model_free(m);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_saves), cmocka_unit_test(test_loads) };
    json_set_alloc_funcs(eff_malloc, eff_free);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
