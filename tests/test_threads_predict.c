/* SPDX-License-Identifier: Apache-2.0 */
/* Prediction of files with 1 to 8 threads: the same bits whoever did the work, and results in the order of the files; several
 * engines on one model at once. Under TSan this is the test that nobody races. */
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 11, CLASSES = 10, BAD = 7 }; /* file number BAD is no image */

static eff_model *model;
static char path[FILES][256];
static const char *paths[FILES];
static float want[FILES][CLASSES];

typedef struct results {
    size_t next;
    float logits[FILES][CLASSES];
} results;

static int take(void *ctx, size_t index, const eff_error *failure, const float *logits)
{
    results *const r = ctx;
    if (index != r->next++) fail_msg("file %zu came out of order", index);
    if ((failure != NULL) != (index == BAD)) fail_msg("file %zu: %s", index, failure ? failure->msg : "no failure");
    if (logits) memcpy(r->logits[index], logits, sizeof r->logits[index]);
    return 0;
}

static void predict(int threads, results *r)
{
    eff_error err = { 0 };
    eff_engine_opts o;
    eff_engine *e;
    eff_engine_opts_init(&o);
    o.threads = threads;
    T_OK(eff_engine_create(&e, model, &o, &err), err);
    memset(r, 0, sizeof *r);
    T_OK(eff_engine_run_files(e, paths, FILES, NULL, take, r, &err), err);
    assert_int_equal(r->next, FILES);
    eff_engine_free(e);
}

static int make_files(void **state)
{
    (void)state;
    const eff_table t = t_golden_table("small");
    model = t_formula_model("small", &t);
    for (int i = 0; i < FILES; i++) {
        char command[4096];
        snprintf(path[i], sizeof path[i], "%s", t_tmp("%d.%s", i, i % 2 ? "jpg" : "png"));
        paths[i] = path[i];
        snprintf(command, sizeof command, "'%s' %s %d %d %d '%s'", TOOL_SYNTH, i % 2 ? "jpeg" : "png", 40 + 3 * i, 70 - 2 * i, i, path[i]);
        if (i != BAD && system(command) != 0) return -1;
    }
    FILE *const f = fopen(path[BAD], "wb");
    if (!f) return -1;
    fputs("no picture", f);
    fclose(f);
    return 0;
}

static int drop_model(void **state)
{
    (void)state;
    eff_model_free(model);
    return 0;
}

static void same_bits(void **state)
{
    (void)state;
    static results r;
    for (int threads = 1; threads <= 8; threads++) {
        predict(threads, &r);
        if (threads == 1) memcpy(want, r.logits, sizeof want);
        if (memcmp(want, r.logits, sizeof want) != 0) fail_msg("%d threads give other logits than one", threads);
    }
    assert_memory_not_equal(want[0], want[1], sizeof want[0]);
}

static void *one_engine(void *arg)
{
    predict(2, arg);
    return NULL;
}

static void engines_share_a_model(void **state)
{
    (void)state;
    enum { ENGINES = 4 };
    static results r[ENGINES];
    pthread_t thread[ENGINES];
    for (int i = 0; i < ENGINES; i++) assert_int_equal(pthread_create(&thread[i], NULL, one_engine, &r[i]), 0);
    for (int i = 0; i < ENGINES; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < ENGINES; i++) assert_memory_equal(r[i].logits, want, sizeof want);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(same_bits), cmocka_unit_test(engines_share_a_model) };
    return cmocka_run_group_tests(tests, make_files, drop_model);
}
