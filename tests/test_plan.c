/* SPDX-License-Identifier: Apache-2.0 */
/* Fused blocks against the same network layer by layer at the reference level: kernels, strides, activations, paddings,
 * squeeze and skip drawn at random, on small images of awkward sizes, at every CPU level; and the same bits however
 * many workers there are. */
#include "support.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "infer/plan.h"
#include "model/model.h"

#include <effnet/bench.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEVELS = 4, ROUNDS = 40, CLASSES = 5 };

static int find_levels(eff_kernels k[MAX_LEVELS])
{
    unsigned have;
    eff_error err;
    int n = 0;
    eff_kernels_init(&k[n++], 0);
    T_OK(eff_cpu_select(NULL, &have, &err), err);
    if (have & EFF_CPU_AVX2) eff_kernels_init(&k[n++], EFF_CPU_AVX2);
    if (have & (EFF_CPU_AVX512 | EFF_CPU_NEON)) eff_kernels_init(&k[n++], have);
    return n;
}

static int pick(uint64_t seed, int i, int n) { return (int)(eff_rng_bits(seed, 77, (uint64_t)i) % (uint64_t)n); }

/* B0's table with two stages of its own, drawn by `seed`. */
static eff_table random_table(uint64_t seed, int *h, int *w)
{
    static const eff_act acts[] = { EFF_ACT_SILU, EFF_ACT_RELU, EFF_ACT_RELU6, EFF_ACT_HSWISH };
    eff_error err = { 0 };
    eff_table t;
    T_OK(eff_table_builtin(&t, "efficientnet-b0", &err), err);
    t.nstages = 2;
    t.classes = CLASSES;
    t.stem_channels = 8 + 5 * pick(seed, 0, 6);
    t.head_channels = 10 + 7 * pick(seed, 1, 9);
    t.act = acts[pick(seed, 2, 4)];
    t.pad = pick(seed, 3, 2) ? EFF_PAD_SAME : EFF_PAD_SYMMETRIC;
    t.divisor = 1;
    for (int i = 0; i < 2; i++) {
        eff_stage *s = &t.stage[i];
        const int at = 10 + 10 * i;
        s->op = pick(seed, at, 5) ? EFF_OP_MBCONV : EFF_OP_DSCONV;
        s->kernel = 3 + 2 * pick(seed, at + 1, 3);
        s->stride = 1 + pick(seed, at + 2, 3) / 2 + (pick(seed, at + 2, 9) == 8);
        s->expand = s->op == EFF_OP_DSCONV ? 1 : (double[]){ 1, 3, 4, 6 }[pick(seed, at + 3, 4)];
        s->se = s->op == EFF_OP_DSCONV ? 0 : (double[]){ 0, 0.25, 0.5 }[pick(seed, at + 4, 3)];
        s->channels = 6 + 11 * pick(seed, at + 5, 6);
        s->repeats = 1 + pick(seed, at + 6, 2);
        s->act = acts[pick(seed, at + 7, 4)];
        s->skip = s->op == EFF_OP_MBCONV && pick(seed, at + 8, 3) > 0;
    }
    *h = 9 + pick(seed, 4, 50);
    *w = 9 + pick(seed, 5, 50);
    return t;
}

static double largest(const float *v, int n)
{
    double m = 0;
    for (int i = 0; i < n; i++) m = fmax(m, fabs((double)v[i]));
    return m;
}

/* Logits of a plan; the features behind them in f where wanted. */
static void run(const eff_model *m, const eff_graph *g, const eff_kernels *k, int threads, int keep_all, const float *x,
                float *logits, float *f, int nf)
{
    eff_error err = { 0 };
    eff_plan *p;
    eff_pool *pool;
    T_OK(eff_plan_create(&p, g, m->weights, k, threads, keep_all, &err), err);
    T_OK(eff_pool_create(&pool, threads, &err), err);
    T_OK(eff_plan_profile(p, &err), err);
    for (int i = 0; i < 2; i++) eff_plan_run(p, pool, x, logits); /* the second run finds what the first has left */
    memcpy(f, eff_plan_features(p), (size_t)nf * sizeof *f);
    const eff_plan_layer *rows;
    for (int i = 0, n = eff_plan_layers(p, &rows); i < n; i++) assert_int_equal(rows[i].runs, 2);
    if (!keep_all) { /* the same bits with memory of its own */
        eff_plan *lane;
        float *again = malloc((size_t)g->classes * sizeof *again);
        T_OK(eff_plan_share(&lane, p, &err), err);
        eff_plan_run(lane, NULL, x, again);
        assert_memory_equal(again, logits, (size_t)g->classes * sizeof *again);
        assert_memory_equal(eff_plan_features(lane), f, (size_t)nf * sizeof *f);
        eff_plan_free(lane);
        free(again);
    }
    eff_pool_free(pool);
    eff_plan_free(p);
}

static void check(const eff_table *t, int h, int w, const eff_kernels *levels, int nlevels, const char *what)
{
    eff_error err = { 0 };
    eff_model *m;
    eff_graph *g;
    T_OK(eff_table_check(t, &err), err);
    T_OK(eff_model_new(&m, t, &err), err);
    T_OK(eff_model_init(m, 3, &err), err);
    T_OK(eff_graph_build(&g, t, h, w, &err), err);
    const int classes = t->classes,
              nf = g->node[g->nnodes - 1].in[0] >= 0 ? g->node[g->node[g->nnodes - 1].in[0]].c : 0;
    float *x = t_uniform((size_t)h * (size_t)w * 3, -2, 2, 11), *v = malloc(6 * (size_t)(classes + nf) * sizeof *v);
    float *want = v, *got = v + classes, *again = got + classes, *fwant = again + classes, *fgot = fwant + nf,
          *fagain = fgot + nf;
    run(m, g, &levels[0], 1, 1, x, want, fwant, nf);
    for (int l = 0; l < nlevels; l++) {
        run(m, g, &levels[l], 1, 0, x, got, fgot, nf);
        for (int i = 0; i < nf; i++) /* float32 noise through a few layers, not a wrong operator */
            if (!(fabs((double)fgot[i] - (double)fwant[i]) <= 5e-5 * largest(fwant, nf)))
                fail_msg("%s at %dx%d, %s: feature %d is %.9g, layer by layer %.9g", what, h, w, levels[l].name, i,
                         (double)fgot[i], (double)fwant[i]);
        assert_true(fabs((double)got[0] - (double)want[0]) <= 1e-4 * largest(want, classes));
        if (t_brief() && l < nlevels - 1) continue;
        if (T_SANITIZED && !t_brief() && l > 0 && l < nlevels - 1) continue; /* their own code is the kernels' */
        for (int threads = T_SANITIZED || t_brief() ? 3 : 2; threads <= 8; threads += t_brief() ? 6 : T_SANITIZED ? 5 : threads < 4 ? 1 : 4) {
            run(m, g, &levels[l], threads, 0, x, again, fagain, nf);
            assert_memory_equal(got, again, (size_t)classes * sizeof *got);
            assert_memory_equal(fgot, fagain, (size_t)nf * sizeof *fgot);
        }
    }
    free(v), free(x);
    eff_graph_free(g);
    eff_model_free(m);
}

static void random_blocks(void **state)
{
    (void)state;
    eff_kernels k[MAX_LEVELS];
    const int n = find_levels(k);
    for (uint64_t seed = 1; seed <= (t_brief() ? ROUNDS / 8 : ROUNDS); seed++) {
        char what[32];
        int h, w;
        const eff_table t = random_table(seed, &h, &w);
        snprintf(what, sizeof what, "random table %d", (int)seed);
        check(&t, h, w, k, n, what);
    }
}

/* A block whose planes do not fit L2: projected a slab of them at a time, which the tasks scale themselves. */
static void wide_block(void **state)
{
    (void)state;
    eff_kernels k[MAX_LEVELS];
    const int n = find_levels(k);
    int h, w;
    eff_table t = random_table(1, &h, &w);
    t.nstages = 1;
    t.stem_channels = 32;
    t.stage[0] = (eff_stage){ .op = EFF_OP_MBCONV,
                              .kernel = 3,
                              .stride = 1,
                              .expand = 48.25,
                              .se = 0.25,
                              .channels = 232,
                              .repeats = 1,
                              .act = EFF_ACT_SILU };
    check(&t, 20, 42, k, n, "wide block");
}

/* Every kind of block of the built-in tables. */
static void families(void **state)
{
    (void)state;
    static const char *const specs[] = { "efficientnet-b0@width=0.5,depth=0.5,classes=9",
                                         "efficientnet-edgetpu-s@width=0.25,classes=9",
                                         "efficientnet-v2-b0@width=0.5,padding=symmetric,classes=9",
                                         "resnet18@width=0.25,classes=9",
                                         "resnet50@width=0.125,classes=9",
                                         "mobilenetv1-0.25@classes=9",
                                         "mobilenetv2-0.35@classes=9",
                                         "mnasnet-a1@width=0.5,classes=9",
                                         "efficientnet-lite0@width=0.5,classes=9" };
    eff_kernels k[MAX_LEVELS];
    const int n = find_levels(k);
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i += t_brief() ? 3 : 1) {
        eff_error err = { 0 };
        eff_table t;
        T_OK(eff_table_builtin(&t, specs[i], &err), err);
        check(&t, 65 - 16 * (int)(i % 2), 49 + 16 * (int)(i % 3), k, n, specs[i]);
    }
}

/* What runs as one has less in memory than layer by layer, and keep_all hands out values. */
static void memory_and_values(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_table t;
    eff_model *m;
    eff_kernels k;
    eff_plan *fused, *whole;
    T_OK(eff_table_builtin(&t, "efficientnet-b0@resolution=64,classes=9", &err), err);
    T_OK(eff_model_new(&m, &t, &err), err);
    T_OK(eff_model_init(m, 3, &err), err);
    eff_kernels_init(&k, eff_cpu_detect());
    T_OK(eff_plan_create(&fused, m->graph, m->weights, &k, 1, 0, &err), err);
    T_OK(eff_plan_create(&whole, m->graph, m->weights, &k, 1, 1, &err), err);
    assert_true(2 * eff_plan_activation_bytes(fused) < eff_plan_activation_bytes(whole));
    int kept = 0;
    for (int i = 0; i < m->graph->nnodes; i++) kept += eff_plan_value(whole, i) != NULL;
    assert_true(kept > m->graph->blocks * 3);
    eff_plan_free(fused);
    eff_plan_free(whole);
    eff_model_free(m);
}

/* Several images at once, each by a worker, and what does not go round by all: the bits of one after another. */
static void images_apart_in(eff_precision precision)
{
    enum { N = 5 };
    eff_error err = { 0 };
    eff_model *m;
    eff_engine *e, *one;
    eff_engine_opts o;
    T_OK(eff_model_load(&m, "b0@width=0.2,depth=0.3,resolution=40", NULL, &err), err);
    T_OK(eff_model_init(m, 3, &err), err);
    const size_t image = (size_t)40 * 40 * 3, classes = (size_t)eff_model_get_info(m)->classes;
    float *x = t_uniform(N * image, -2, 2, 12), *want = malloc(N * classes * sizeof *want),
          *got = malloc(N * classes * sizeof *got);
    eff_engine_opts_init(&o);
    o.precision = precision;
    o.threads = 1;
    T_OK(eff_engine_create(&one, m, &o, &err), err);
    for (size_t i = 0; i < N; i++) T_OK(eff_engine_run(one, x + i * image, 1, want + i * classes, &err), err);
    eff_engine_free(one);
    o.max_batch = N;
    for (o.threads = 1; o.threads <= 4; o.threads++) {
        T_OK(eff_engine_create(&e, m, &o, &err), err);
        for (int n = 1; n <= N; n++) {
            memset(got, 0, N * classes * sizeof *got);
            T_OK(eff_engine_run(e, x, n, got, &err), err);
            assert_memory_equal(got, want, (size_t)n * classes * sizeof *got);
        }
        T_OK(eff_engine_profile(e, &err), err);
        T_OK(eff_engine_run(e, x, N, got, &err), err);
        assert_memory_equal(got, want, N * classes * sizeof *got);
        eff_layer row;
        assert_true(eff_engine_layer(e, 0, &row) > 0 && row.ms > 0);
        eff_engine_free(e);
    }
    o.threads = 2;
    for (long at = 0;; at++) { /* memory that ends anywhere */
        eff_alloc_fail_after(at);
        const eff_status s = eff_engine_create(&e, m, &o, &err);
        eff_alloc_fail_after(-1);
        if (s == EFF_OK) break;
        assert_int_equal(s, EFF_ENOMEM);
        assert_null(e);
    }
    eff_engine_free(e);
    free(got), free(want), free(x);
    eff_model_free(m);
}

static void images_apart(void **state)
{
    (void)state;
    eff_error err;
    unsigned have;
    T_OK(eff_cpu_select(NULL, &have, &err), err);
    images_apart_in(EFF_FLOAT32);
    if (have & EFF_CPU_AVX512BF16) images_apart_in(EFF_BFLOAT16);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(images_apart), cmocka_unit_test(random_blocks),
                                        cmocka_unit_test(wide_block), cmocka_unit_test(families),
                                        cmocka_unit_test(memory_and_values) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
