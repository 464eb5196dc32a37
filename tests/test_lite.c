/* SPDX-License-Identifier: Apache-2.0 */
/* The released Lite0, Lite1 and Lite2 on real photographs: from the checkpoint as published and the JPEG files to the answer,
 * held against what PyTorch and Pillow gave for the same files. The weights are those of tools/fetch_weights.sh. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <effnet/eval.h>

enum { N = 100, CLASSES = 1000 };

/* The cache that tools/lib.sh describes. */
static const char *weights_path(const char *name)
{
    static char path[1024];
    const char *own = getenv("EFFNET_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own) snprintf(path, sizeof path, "%s/%s.pth", own, name);
    else if (xdg && *xdg) snprintf(path, sizeof path, "%s/effnet/%s.pth", xdg, name);
    else snprintf(path, sizeof path, "%s/.cache/effnet/%s.pth", home ? home : "", name);
    return path;
}

static int have_weights(void)
{
    static const char *const names[] = { "lite0", "lite1", "lite2" };
    for (int i = 0; i < 3; i++)
        if (access(weights_path(names[i]), R_OK) != 0) {
            printf("SKIPPED: no %s (run tools/fetch_weights.sh lite0 lite1 lite2)\n", weights_path(names[i]));
            return 0;
        }
    return 1;
}

typedef struct row {
    char file[128];
    int label, top[5];
} row;

static int read_predictions(const char *model, row rows[N])
{
    FILE *f = fopen(t_shared("golden/lite/%s_predictions_100.tsv", model), "r");
    assert_non_null(f);
    char line[512];
    int n = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        assert_true(n < N);
        row *r = &rows[n++];
        assert_int_equal(sscanf(line, "%127s %d %d %d %d %d %d", r->file, &r->label, &r->top[0], &r->top[1], &r->top[2],
                                &r->top[3], &r->top[4]), 7);
    }
    fclose(f);
    return n;
}

/* Every fifth photograph: those whose logits are known. The reference kernels and instrumented ones take a third of a
 * second for each. */
static int fewer(void)
{
    const char *level = getenv("EFFNET_CPU");
    return T_SANITIZED || (level && !strcmp(level, "ref"));
}

static int keep_known(row rows[N], int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (rows[i].label % 50 == 0) rows[kept++] = rows[i];
    return kept;
}

static int collect(void *ctx, size_t index, const eff_error *failure, const float *logits)
{
    if (failure) fail_msg("image %zu: %s", index, failure->msg);
    memcpy((float *)ctx + index * CLASSES, logits, CLASSES * sizeof *logits);
    return 0;
}

static int in_set(const int *set, int v)
{
    for (int i = 0; i < 5; i++)
        if (set[i] == v) return 1;
    return 0;
}

static void check_logits20(const char *model, const row *rows, int n, const float *logits)
{
    t_npy want = t_npy_load(t_shared("golden/lite/%s_logits20.npy", model));
    double worst = 0;
    int seen = 0;
    for (int r = 0; r < 20; r++) {
        const int label = 50 * r; /* rows are the classes 0, 50, 100, ... */
        for (int i = 0; i < n; i++) {
            if (rows[i].label != label) continue;
            const float *w = (const float *)want.data + (size_t)r * CLASSES, *g = logits + (size_t)i * CLASSES;
            double mean = 0, var = 0;
            for (int c = 0; c < CLASSES; c++) mean += (double)w[c] / CLASSES;
            for (int c = 0; c < CLASSES; c++) var += ((double)w[c] - mean) * ((double)w[c] - mean) / CLASSES;
            for (int c = 0; c < CLASSES; c++) {
                const double e = fabs((double)g[c] - (double)w[c]) / sqrt(var);
                if (!(e <= worst)) worst = e; /* a NaN stays; fmax() would lose it */
            }
            seen++;
        }
    }
    assert_int_equal(seen, 20);
    t_figure(worst, 1e-3, "largest difference over the deviation, released %s, %d photographs", model, seen);
    t_npy_free(&want);
}

static void check(const char *model)
{
    eff_error err = { 0 };
    static row rows[N];
    int n = read_predictions(model, rows);
    assert_int_equal(n, N);
    if (fewer()) n = keep_known(rows, n);
    eff_model *m;
    T_OK(eff_model_load(&m, weights_path(model), NULL, &err), err);
    const eff_model_info *info = eff_model_get_info(m);
    char name[32];
    snprintf(name, sizeof name, "efficientnet-%s", model);
    assert_string_equal(info->name, name);
    assert_int_equal(info->classes, CLASSES);
    eff_engine_opts o;
    eff_engine_opts_init(&o);
    eff_engine *e;
    T_OK(eff_engine_create(&e, m, &o, &err), err);
    static char files[N][1024];
    const char *paths[N];
    for (int i = 0; i < n; i++) {
        snprintf(files[i], sizeof files[i], "%s", t_shared("data/imagenet-samples/%s", rows[i].file));
        paths[i] = files[i];
    }
    float *logits = malloc(sizeof(float) * N * CLASSES);
    T_OK(eff_engine_run_files(e, paths, (size_t)n, NULL, collect, logits, &err), err);
    eff_metrics *metrics;
    T_OK(eff_metrics_create(&metrics, CLASSES, &err), err);
    int right = 0, five = 0, other = 0;
    for (int i = 0; i < n; i++) {
        int top[5];
        eff_top_k(logits + (size_t)i * CLASSES, CLASSES, 5, top);
        if (top[0] != rows[i].top[0])
            print_error("%s %s: top-1 %d, reference %d\n", model, rows[i].file, top[0], rows[i].top[0]);
        other += top[0] != rows[i].top[0];
        for (int k = 0; k < 5; k++)
            if (!in_set(rows[i].top, top[k])) fail_msg("%s %s: %d is not in the reference's top-5", model, rows[i].file, top[k]);
        right += rows[i].top[0] == rows[i].label;
        five += in_set(rows[i].top, rows[i].label);
        eff_metrics_add(metrics, rows[i].label, logits + (size_t)i * CLASSES);
    }
    const eff_metrics_result *r = eff_metrics_get(metrics);
    printf("%s: top-1 %.2f, top-5 %.2f of %d photographs\n", model, r->top1, r->top5, r->n);
    t_figure(other, 0, "photographs whose class is not the reference's, released %s, %d photographs", model, n);
    assert_true(fabs(r->top1 * n - right) < 1e-9);
    assert_true(fabs(r->top5 * n - five) < 1e-9);
    check_logits20(model, rows, n, logits);
    eff_metrics_free(metrics);
    free(logits);
    eff_engine_free(e);
    eff_model_free(m);
}

static void test_lite0(void **state)
{
    (void)state;
    check("lite0");
}

static void test_lite1(void **state)
{
    (void)state;
    check("lite1");
}

static void test_lite2(void **state)
{
    (void)state;
    check("lite2");
}

int main(void)
{
    if (!t_have_shared() || !have_weights()) return 77;
    if (T_SANITIZED) cmocka_set_test_filter("test_lite0"); /* the same code as for the larger ones */
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_lite0), cmocka_unit_test(test_lite1), cmocka_unit_test(test_lite2) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
