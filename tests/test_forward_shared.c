/* SPDX-License-Identifier: Apache-2.0 */
/* B0 and the small network on photographs: logits of every family, and what every stage of B0 puts out. */
#include "forward.h"

#include "base/cpu.h"
#include "infer/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const families[] = { "timm_tf", "timm", "torchvision", "lukemelas" };

/* float [n][3][h][w] to [n][h][w][3] */
static float *channels_last(const t_npy *a)
{
    const size_t n = a->dim[0], c = a->dim[1], px = a->dim[2] * a->dim[3];
    const float *x = a->data;
    float *y = malloc(a->count * sizeof *y);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < c; j++)
            for (size_t p = 0; p < px; p++) y[(i * px + p) * c + j] = x[(i * c + j) * px + p];
    return y;
}

static void check_rows(const char *model, const char *family, const float *x, int n, int side)
{
    char name[96];
    snprintf(name, sizeof name, "%s_%s_logits.npy", model, family);
    const eff_table t = t_family_table(model, family);
    eff_model *m = t_formula_model(model, &t);
    t_npy want = t_npy_load(t_shared("golden/forward/%s_%s_logits_f64.npy", model, family));
    float *got = t_forward(m, x, n, side, side, 2, NULL);
    t_check_logits(got, want.data, n, t.classes, name);
    free(got);
    t_npy_free(&want);
    eff_model_free(m);
}

static void test_b0(void **state)
{
    (void)state;
    t_npy u8 = t_npy_load(t_shared("golden/forward/b0_u8.npy"));
    float *x = t_input(u8.data, (int)(u8.dim[0] * u8.dim[1]), (int)u8.dim[2], 0);
    for (int i = 0; i < 4; i++) check_rows("b0", families[i], x, (int)u8.dim[0], 224);
    free(x);
    t_npy_free(&u8);
}

static double worst_difference(const float *got, const double *want, int n)
{
    double worst = 0;
    for (int i = 0; i < n; i++) worst = fmax(worst, fabs((double)got[i] - want[i]));
    return worst;
}

/* B0 in bfloat16 on the same photographs. What rounding operands to 2^-9 does is held against what rounding everything
 * to 2^-24 does, which is what float32 differs by from float64: 2^15 times that at most. First classes stay. */
static void test_b0_bf16(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_engine_opts o;
    eff_engine *e;
    const eff_table t = t_family_table("b0", "timm_tf");
    eff_model *m = t_formula_model("b0", &t);
    eff_engine_opts_init(&o);
    o.threads = 2, o.precision = EFF_BFLOAT16;
    if (eff_engine_create(&e, m, &o, &err) != EFF_OK) { /* no such CPU */
        eff_model_free(m);
        skip();
    }
    t_npy u8 = t_npy_load(t_shared("golden/forward/b0_u8.npy"));
    t_npy want = t_npy_load(t_shared("golden/forward/b0_timm_tf_logits_f64.npy"));
    const int n = (int)u8.dim[0], classes = t.classes;
    float *x = t_input(u8.data, n * (int)u8.dim[1], (int)u8.dim[2], 0), got[1000];
    float *f32 = t_forward(m, x, n, 224, 224, 2, NULL);
    for (int i = 0; i < n; i++) {
        const double *w = (const double *)want.data + i * classes;
        int first = 0, mine = 0;
        T_OK(eff_engine_run(e, x + i * 224 * 224 * 3, 1, got, &err), err);
        for (int j = 0; j < classes; j++) {
            if (w[j] > w[first]) first = j;
            if (got[j] > got[mine]) mine = j;
        }
        const double d = worst_difference(got, w, classes), own = worst_difference(f32 + i * classes, w, classes);
        printf("b0 row %d: bfloat16 is off by %.2e, float32 by %.2e\n", i, d, own);
        assert_true(d <= 32768 * own && d > own);
        assert_int_equal(mine, first);
    }
    free(x), free(f32);
    t_npy_free(&u8), t_npy_free(&want);
    eff_engine_free(e);
    eff_model_free(m);
}

static void test_small(void **state)
{
    (void)state;
    t_npy in = t_npy_load(t_shared("golden/forward/small_input.npy"));
    float *x = channels_last(&in);
    for (int i = 0; i < 4; i++) check_rows("small", families[i], x, (int)in.dim[0], 64);
    free(x);
    t_npy_free(&in);
}

/* Last node of a stage ("stem", "stage3", "head", "pooled"). */
static int stage_node(const eff_graph *g, const char *stage)
{
    int last = -1, which = !strcmp(stage, "stem") ? EFF_STAGE_STEM : !strncmp(stage, "stage", 5) ? atoi(stage + 5) - 1 : 7;
    for (int i = 0; i < g->nnodes; i++) {
        if (!strcmp(stage, "pooled")) {
            if (g->node[i].op == EFF_NODE_MEAN) last = i;
        } else if (g->node[i].stage == which && g->node[i].op != EFF_NODE_INPUT && g->node[i].op != EFF_NODE_MEAN &&
                   g->node[i].op != EFF_NODE_DROPOUT && g->node[i].op != EFF_NODE_LINEAR)
            last = i;
    }
    return last;
}

static void check_stages(const char *family)
{
    eff_error err = { 0 };
    const eff_table t = t_family_table("b0", family);
    eff_model *m = t_formula_model("b0", &t);
    t_npy in = t_npy_load(t_shared("golden/forward/b0_input0.npy"));
    t_npy want = t_npy_load(t_shared("golden/forward/b0_%s_stages.npy", family));
    float *x = channels_last(&in), logits[1000];
    unsigned features;
    eff_kernels k;
    T_OK(eff_cpu_select(NULL, &features, &err), err);
    eff_kernels_init(&k, features);
    eff_plan *p;
    T_OK(eff_plan_create(&p, m->graph, m->weights, &k, 1, 1, &err), err);
    eff_plan_run(p, NULL, x, logits);
    FILE *f = fopen(t_shared("golden/forward/b0_%s_stages.tsv", family), "r");
    assert_non_null(f);
    char line[256], fam[32], stage[32], shape[32];
    int seen = 0;
    while (fgets(line, sizeof line, f)) {
        unsigned long long off, nc;
        if (line[0] == '#' || sscanf(line, "%31s %31s %31s %llu %llu", fam, stage, shape, &off, &nc) != 5) continue;
        const int node = stage_node(m->graph, stage);
        assert_true(node >= 0);
        const eff_node *d = &m->graph->node[node];
        const size_t c = (size_t)d->c, px = (size_t)d->h * (size_t)d->w;
        const float *v = eff_plan_value(p, node), *w = (const float *)want.data + off;
        assert_non_null(v);
        assert_int_equal(c, nc);
        double mean = 0, var = 0;
        for (int j = 0; j < 64; j++) mean += (double)w[c + (size_t)j] / 64;
        for (int j = 0; j < 64; j++) var += ((double)w[c + (size_t)j] - mean) * ((double)w[c + (size_t)j] - mean) / 64;
        double worst = 0;
        for (size_t i = 0; i < c; i++) {
            double sum = 0;
            for (size_t q = 0; q < px; q++) sum += (double)v[q * c + i];
            worst = fmax(worst, fabs(sum / (double)px - (double)w[i]));
        }
        for (size_t j = 0; j < 64; j++) {
            const size_t e = (j * 2654435761u + 12345) % (c * px); /* element of the CHW array */
            worst = fmax(worst, fabs((double)v[e % px * c + e / px] - (double)w[c + j]));
        }
        t_figure(worst / sqrt(var), 1e-3, "largest difference over the stage's deviation, %s %s", family, stage);
        seen++;
    }
    assert_int_equal(seen, 10);
    fclose(f);
    eff_plan_free(p);
    free(x);
    t_npy_free(&in), t_npy_free(&want);
    eff_model_free(m);
}

static void test_stages(void **state)
{
    (void)state;
    check_stages("timm_tf");
    check_stages("torchvision");
}

int main(void)
{
    if (!t_have_shared()) return 77;
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_b0), cmocka_unit_test(test_b0_bf16), cmocka_unit_test(test_small), cmocka_unit_test(test_stages) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
