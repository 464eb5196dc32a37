/* SPDX-License-Identifier: Apache-2.0 */
/* Finite differences: for every operator of the tables, at awkward shapes and every CPU level, the loss must change along each
 * parameter's gradient as the gradient says. And the bits of gradients do not depend on the number of threads. */
#include "support.h"

#include "base/rng.h"
#include "model/graph.h"
#include "model/table_json.h"
#include "train/loss.h"
#include "train/optim.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { H = 19, W = 14, CLASSES = 5 };

/* Each has the operators that its name says, at widths that are no multiple of a vector, and strides at odd sizes. */
static const char *const tables[][2] = {
    { "mbconv-se-silu", "{\"stem\":{\"channels\":6,\"kernel\":3,\"stride\":2},\"head\":{\"channels\":11},\"act\":\"silu\",\"drop_path\":0.3,"
      "\"dropout\":0.3,\"stages\":[{\"op\":\"mbconv\",\"kernel\":3,\"stride\":1,\"expand\":1,\"channels\":6,\"repeats\":2,\"se\":0.25},"
      "{\"op\":\"mbconv\",\"kernel\":5,\"stride\":2,\"expand\":6,\"channels\":9,\"repeats\":2,\"se\":0.25},"
      "{\"op\":\"mbconv\",\"kernel\":7,\"stride\":1,\"expand\":3,\"channels\":9,\"repeats\":1,\"se\":0.5}]}" },
    { "fused-conv-hswish", "{\"padding\":\"symmetric\",\"stem\":{\"channels\":7,\"kernel\":3,\"stride\":1},\"head\":{\"channels\":0},\"act\":\"hswish\","
      "\"stages\":[{\"op\":\"conv\",\"kernel\":3,\"stride\":1,\"channels\":7,\"repeats\":2,\"act\":\"hswish\"},"
      "{\"op\":\"fused\",\"kernel\":3,\"stride\":2,\"expand\":4,\"channels\":10,\"repeats\":2,\"se\":0.25,\"act\":\"hswish\"}]}" },
    { "residual-silu", "{\"padding\":\"symmetric\",\"stem\":{\"channels\":8,\"kernel\":7,\"stride\":1,\"pool\":true},\"head\":{\"channels\":0},\"act\":\"silu\","
      "\"stages\":[{\"op\":\"basic\",\"kernel\":3,\"stride\":1,\"channels\":8,\"repeats\":1,\"act\":\"silu\"},"
      "{\"op\":\"basic\",\"kernel\":3,\"stride\":2,\"channels\":12,\"repeats\":1,\"act\":\"silu\"},"
      "{\"op\":\"bottleneck\",\"kernel\":3,\"stride\":2,\"expand\":4,\"channels\":20,\"repeats\":2,\"act\":\"silu\"}]}" },
    { "dsconv-silu", "{\"stem\":{\"channels\":5,\"kernel\":3,\"stride\":2},\"head\":{\"channels\":9},\"act\":\"silu\",\"stages\":["
      "{\"op\":\"dsconv\",\"kernel\":3,\"stride\":2,\"channels\":13,\"repeats\":2,\"act\":\"silu\"}]}" },
    { "mbconv-relu6", "{\"stem\":{\"channels\":6,\"kernel\":3,\"stride\":2},\"head\":{\"channels\":11},\"act\":\"relu6\",\"stages\":["
      "{\"op\":\"mbconv\",\"kernel\":3,\"stride\":1,\"expand\":1,\"channels\":6,\"repeats\":1,\"act\":\"relu6\"},"
      "{\"op\":\"mbconv\",\"kernel\":5,\"stride\":2,\"expand\":4,\"channels\":9,\"repeats\":2,\"act\":\"relu6\"}]}" },
    { "residual-relu", "{\"padding\":\"symmetric\",\"stem\":{\"channels\":8,\"kernel\":3,\"stride\":1,\"pool\":true},\"head\":{\"channels\":0},\"act\":\"relu\","
      "\"stages\":[{\"op\":\"basic\",\"kernel\":3,\"stride\":1,\"channels\":8,\"repeats\":1,\"act\":\"relu\"},"
      "{\"op\":\"bottleneck\",\"kernel\":3,\"stride\":2,\"expand\":4,\"channels\":20,\"repeats\":1,\"act\":\"relu\"}]}" },
};

typedef struct rig {
    eff_model *m;
    eff_trainer *t;
    float *x, *target, *weight;
    int n, h, w;
    uint64_t step;
} rig;

static eff_table parse(const char *json)
{
    eff_error err = { 0 };
    json_t *j = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(j);
    json_object_set_new(j, "classes", json_integer(CLASSES));
    eff_table t;
    T_OK(eff_table_from_json(&t, j, &err), err);
    json_decref(j);
    return t;
}

static eff_trainer_opts options(int n, int threads, eff_bn_mode bn, bool stochastic)
{
    eff_trainer_opts o;
    eff_trainer_opts_init(&o);
    o.batch = n, o.threads = threads, o.bn = bn, o.stochastic = stochastic, o.seed = 3, o.height = H, o.width = W;
    return o;
}

static rig make_with(const eff_table *table, const eff_trainer_opts *o)
{
    eff_error err = { 0 };
    const int n = o->batch;
    rig r = { .n = n, .h = o->height, .w = o->width, .step = 7 };
    T_OK(eff_model_new(&r.m, table, &err), err);
    T_OK(eff_model_init(r.m, 5, &err), err);
    for (int p = 0; p < r.m->graph->nparams; p++) { /* away from gamma 1, beta 0, bias 0, mean 0, variance 1 */
        const eff_param *q = &r.m->graph->param[p];
        for (size_t i = 0; q->ndim == 1 && i < q->count; i++)
            r.m->weights[p][i] += 0.4f * (float)(eff_rng_uniform(9, (uint64_t)p, i) - 0.5);
    }
    T_OK(eff_trainer_create(&r.t, r.m, o, &err), err);
    r.x = t_uniform((size_t)n * (size_t)(r.h * r.w) * 3, -2, 2, 21);
    r.target = malloc((size_t)n * CLASSES * sizeof(float));
    r.weight = malloc((size_t)n * sizeof(float));
    for (int b = 0; b < n; b++) {
        float other[CLASSES];
        eff_target(r.target + b * CLASSES, b % CLASSES, CLASSES, 0.1);
        eff_target(other, (b + 2) % CLASSES, CLASSES, 0);
        eff_target_mix(r.target + b * CLASSES, other, CLASSES, 0.7);
        r.weight[b] = (float)(b + 1) / (float)(n * (n + 1) / 2);
    }
    return r;
}

static rig make(const eff_table *table, int n, int threads, eff_bn_mode bn, bool stochastic, const char *cpu)
{
    eff_trainer_opts o = options(n, threads, bn, stochastic);
    o.cpu = cpu;
    return make_with(table, &o);
}

static void drop(rig *r)
{
    eff_trainer_free(r->t);
    eff_model_free(r->m);
    free(r->x), free(r->target), free(r->weight);
}

static double run(rig *r)
{
    const eff_pass p = { .x = r->x, .target = r->target, .weight = r->weight, .n = r->n, .step = r->step };
    eff_trainer_zero(r->t);
    return eff_trainer_pass(r->t, &p);
}

static void check(const char *name, const eff_table *table, eff_bn_mode bn, bool stochastic, const char *cpu)
{
    rig r = make(table, 5, 2, bn, stochastic, cpu);
    run(&r);
    const eff_graph *g = r.m->graph;
    float **grad = calloc((size_t)g->nparams, sizeof *grad);
    double top = 0;
    for (int p = 0; p < g->nparams; p++) {
        const float *v = eff_trainer_grads(r.t)[p];
        if (!v) continue;
        grad[p] = malloc(g->param[p].count * sizeof(float));
        memcpy(grad[p], v, g->param[p].count * sizeof(float));
        double norm = 0;
        for (size_t i = 0; i < g->param[p].count; i++) norm += (double)v[i] * (double)v[i];
        top = fmax(top, sqrt(norm));
    }
    double worst = 0;
    int checked = 0;
    for (int p = 0; p < g->nparams; p++) {
        if (!grad[p]) continue;
        const size_t n = g->param[p].count;
        float *w = r.m->weights[p], *keep = malloc(n * sizeof *keep);
        memcpy(keep, w, n * sizeof *w);
        double norm = 0;
        for (size_t i = 0; i < n; i++) norm += (double)grad[p][i] * (double)grad[p][i];
        norm = sqrt(norm);
        if (norm < 1e-4 * top) { /* a shift that the next batch norm removes */
            free(keep);
            continue;
        }
        /* Richardson: two central differences, the error of order h^4; the loss is good to about 1e-6. Where the activation or
         * pooling has kinks, a step that crosses some leaves an error of order h: then shorter steps tell, in which noise counts
         * for more */
        const bool smooth = strstr(name, "silu") != NULL;
        double best = INFINITY, got = 0;
        for (int shorter = 0; shorter < (smooth ? 1 : 4) && !(best <= 1); shorter++) {
            const double h = (4e-3 / norm < 0.02 ? 4e-3 / norm : 0.02) / (1 << (2 * shorter));
            double slope[2];
            for (int half = 0; half < 2; half++) {
                const double step = half ? h / 2 : h;
                for (size_t i = 0; i < n; i++) w[i] = (float)((double)keep[i] + step * (double)grad[p][i] / norm);
                const double up = run(&r);
                for (size_t i = 0; i < n; i++) w[i] = (float)((double)keep[i] - step * (double)grad[p][i] / norm);
                const double down = run(&r);
                slope[half] = (up - down) / (2 * step);
            }
            got = (4 * slope[1] - slope[0]) / 3;
            best = fmin(best, fabs(got - norm) / norm / ((smooth ? 1e-3 : 0.02) + 4e-6 / (h * norm)));
        }
        memcpy(w, keep, n * sizeof *w);
        free(keep);
        worst = fmax(worst, best);
        checked++;
        if (!(best <= 1)) fail_msg("%s %s: slope %.6g, gradient %.6g", name, g->param[p].name, got, norm);
    }
    t_figure(worst, 1, "largest part of its bound that the slope of one of %d tensors takes, %s %s %s%s", checked, name,
             cpu ? cpu : "best", bn == EFF_BN_BATCH ? "batch" : "frozen", stochastic ? " stochastic" : "");
    assert_true(checked > 8);
    for (int p = 0; p < g->nparams; p++) free(grad[p]);
    free(grad);
    drop(&r);
}

static void test_slopes(void **state)
{
    (void)state;
    static const char *const levels[] = { "ref", "avx2", NULL };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i += t_brief() ? 5 : 1) {
        const eff_table t = parse(tables[i][1]);
        for (int l = T_SANITIZED ? 2 : 0; l < 3; l++) { /* sanitizers see the lower levels in the tests of kernels */
            check(tables[i][0], &t, EFF_BN_BATCH, false, levels[l]);
            check(tables[i][0], &t, EFF_BN_FROZEN, false, levels[l]);
        }
    }
    const eff_table t = parse(tables[0][1]);
    check(tables[0][0], &t, EFF_BN_BATCH, true, NULL);
}

/* Twenty steps: the same parameters to the bit for any number of threads. */
static void test_threads(void **state)
{
    (void)state;
    static const int threads[] = { 1, 2, 3, 4, 7 };
    eff_error err = { 0 };
    const eff_table t = parse(tables[0][1]);
    float **want = NULL;
    int other = 0;
    for (size_t k = 0; k < sizeof threads / sizeof *threads; k++) {
        rig r = make(&t, 11, threads[k], EFF_BN_BATCH, true, NULL);
        const int np = r.m->graph->nparams;
        eff_optim_opts o;
        eff_optim_opts_init(&o, EFF_RMSPROP);
        o.clip_norm = 0.5, o.weight_decay = 1e-5, o.ema = 0.999, o.ema_ramp = true;
        eff_optim *opt;
        T_OK(eff_optim_create(&opt, r.m, eff_trainer_grads(r.t), &o, &err), err);
        for (r.step = 0; r.step < 20; r.step++) {
            run(&r);
            eff_optim_step(opt, eff_trainer_pool(r.t), 0.01);
        }
        if (!want) {
            want = malloc((size_t)np * sizeof *want);
            for (int p = 0; p < np; p++) {
                want[p] = malloc(r.m->graph->param[p].count * sizeof(float));
                memcpy(want[p], r.m->weights[p], r.m->graph->param[p].count * sizeof(float));
            }
        }
        for (int p = 0; p < np; p++)
            other += memcmp(want[p], r.m->weights[p], r.m->graph->param[p].count * sizeof(float)) != 0;
        if (k + 1 == sizeof threads / sizeof *threads) {
            for (int p = 0; p < np; p++) free(want[p]);
            free(want);
        }
        eff_optim_free(opt);
        drop(&r);
    }
    t_figure(other, 0, "tensors whose bits differ after 20 steps on 1, 2, 3, 4 and 7 threads");
}

/* A frozen prefix gets no gradient and keeps its weights; what learns gets the gradient it had. */
static void test_frozen_prefix(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const eff_table t = parse(tables[0][1]);
    rig all = make(&t, 4, 2, EFF_BN_FROZEN, false, NULL);
    run(&all);
    const eff_graph *g = all.m->graph;
    bool *learns = calloc((size_t)g->nparams, sizeof *learns);
    for (int p = 0; p < g->nparams; p++) learns[p] = g->node[g->param[p].node].stage >= 2;
    eff_trainer_opts o;
    eff_trainer_opts_init(&o);
    o.batch = 4, o.threads = 2, o.bn = EFF_BN_FROZEN, o.learns = learns, o.height = H, o.width = W;
    eff_trainer *part;
    T_OK(eff_trainer_create(&part, all.m, &o, &err), err);
    const eff_pass p = { .x = all.x, .target = all.target, .weight = all.weight, .n = 4, .step = all.step };
    eff_trainer_pass(part, &p);
    for (int i = 0; i < g->nparams; i++) {
        const float *got = eff_trainer_grads(part)[i], *want = eff_trainer_grads(all.t)[i];
        if (!learns[i] || eff_param_is_buffer(g->param[i].kind)) assert_null(got);
        else assert_memory_equal(got, want, g->param[i].count * sizeof *got);
    }
    assert_true(eff_trainer_memory_used(part).activations < eff_trainer_memory_used(all.t).activations);
    free(learns);
    eff_trainer_free(part);
    drop(&all);
}

/* Two micro-batches add up to the batch when batch norm is frozen. */
static void test_accumulation(void **state)
{
    (void)state;
    const eff_table t = parse(tables[0][1]);
    rig r = make(&t, 6, 2, EFF_BN_FROZEN, false, NULL);
    run(&r);
    const eff_graph *g = r.m->graph;
    float **whole = calloc((size_t)g->nparams, sizeof *whole);
    for (int p = 0; p < g->nparams; p++) {
        if (!eff_trainer_grads(r.t)[p]) continue;
        whole[p] = malloc(g->param[p].count * sizeof(float));
        memcpy(whole[p], eff_trainer_grads(r.t)[p], g->param[p].count * sizeof(float));
    }
    eff_trainer_zero(r.t);
    for (int part = 0; part < 2; part++) {
        const eff_pass p = { .x = r.x + (size_t)(part * 3) * H * W * 3, .target = r.target + part * 3 * CLASSES,
                             .weight = r.weight + part * 3, .n = 3, .step = r.step };
        eff_trainer_pass(r.t, &p);
    }
    for (int p = 0; p < g->nparams; p++) {
        double top = 0, worst = 0;
        for (size_t i = 0; whole[p] && i < g->param[p].count; i++) {
            top = fmax(top, fabs((double)whole[p][i]));
            worst = fmax(worst, fabs((double)whole[p][i] - (double)eff_trainer_grads(r.t)[p][i]));
        }
        if (!(worst <= 1e-5 * top)) fail_msg("%s: %.3e of %.3e", g->param[p].name, worst, top);
        free(whole[p]);
    }
    free(whole);
    drop(&r);
}

/* Pooled statistics: two passes over the same images leave what one pass over the images twice would, in every layer, since each
 * pass normalises as the doubled batch does. The second step starts from there. */
static void test_pooled_statistics(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const eff_table t = parse(tables[0][1]);
    rig one = make(&t, 6, 2, EFF_BN_BATCH, false, NULL), two = make(&t, 3, 2, EFF_BN_BATCH, false, NULL);
    const size_t image = (size_t)H * W * 3;
    memcpy(one.x, two.x, 3 * image * sizeof *one.x), memcpy(one.x + 3 * image, two.x, 3 * image * sizeof *one.x);
    eff_trainer_opts o;
    eff_trainer_opts_init(&o);
    o.batch = 3, o.threads = 2, o.height = H, o.width = W, o.pool_statistics = true;
    eff_trainer *pooled;
    T_OK(eff_trainer_create(&pooled, two.m, &o, &err), err);
    for (int step = 0; step < 2; step++) {
        run(&one);
        eff_trainer_zero(pooled);
        for (int part = 0; part < 2; part++) {
            const eff_pass p = { .x = two.x, .target = two.target, .n = 3, .step = two.step };
            eff_trainer_pass(pooled, &p);
        }
    }
    const eff_graph *g = one.m->graph;
    int buffers = 0;
    for (int p = 0; p < g->nparams; p++) {
        if (!eff_param_is_buffer(g->param[p].kind)) continue;
        double top = 0, worst = 0, moved = 0;
        for (size_t i = 0; i < g->param[p].count; i++) {
            top = fmax(top, fabs((double)one.m->weights[p][i]));
            worst = fmax(worst, fabs((double)one.m->weights[p][i] - (double)two.m->weights[p][i]));
            moved = fmax(moved, fabs((double)one.m->weights[p][i] - (g->param[p].kind == EFF_PARAM_BN_VAR ? 1 : 0)));
        }
        if (!(worst <= 2e-6 * top) || moved == 0) fail_msg("%s: %.3e of %.3e", g->param[p].name, worst, top);
        buffers++;
    }
    assert_true(buffers > 20);
    eff_trainer_free(pooled);
    drop(&one), drop(&two);
}

/* Recomputing changes no bit of gradients, logits or running statistics, and takes less memory. */
static void test_recompute(void **state)
{
    (void)state;
    eff_error err = { 0 };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (int bn = 0; bn < 2; bn++) {
            const eff_table t = parse(tables[i][1]);
            rig r = make(&t, 5, 2, (eff_bn_mode)bn, true, NULL), s = make(&t, 5, 2, (eff_bn_mode)bn, true, NULL);
            eff_trainer_opts o;
            eff_trainer_opts_init(&o);
            o.batch = 5, o.threads = 3, o.bn = (eff_bn_mode)bn, o.stochastic = true, o.seed = 3, o.height = H, o.width = W;
            o.recompute = true;
            eff_trainer *again;
            T_OK(eff_trainer_create(&again, s.m, &o, &err), err);
            for (int pass = 0; pass < 2; pass++) {
                const eff_pass p = { .x = s.x, .target = s.target, .weight = s.weight, .n = 5, .step = s.step };
                eff_trainer_zero(again);
                assert_true(run(&r) == eff_trainer_pass(again, &p));
            }
            const eff_graph *g = r.m->graph;
            for (int p = 0; p < g->nparams; p++) {
                const size_t bytes = g->param[p].count * sizeof(float);
                assert_memory_equal(r.m->weights[p], s.m->weights[p], bytes);
                if (eff_trainer_grads(r.t)[p] && memcmp(eff_trainer_grads(r.t)[p], eff_trainer_grads(again)[p], bytes))
                    fail_msg("%s: %s differs", tables[i][0], g->param[p].name);
            }
            const size_t kept = eff_trainer_memory_used(r.t).activations, less = eff_trainer_memory_used(again).activations;
            printf("%-18s activations %zu bytes, recomputed %zu\n", tables[i][0], kept, less);
            assert_true(i == 0 ? less * 5 < kept * 4 : less <= kept);
            eff_trainer_free(again);
            drop(&r), drop(&s);
        }
}

/* Computing expanded images where they are read changes no bit of loss and convolutions' gradients, in one band or in many, with
 * parts of the network frozen, and together with recomputing. Batch norm's gradients are sums over the pixels of a band, then over
 * bands, so other bands round otherwise: 1e-5 of the largest is some 80 roundings. */
static void test_fused(void **state)
{
    (void)state;
    static const struct {
        int table, h, w, frozen_stages;
        bool recompute;
    } cases[] = { { 0, H, W, 0, false }, { 0, H, W, 2, true }, { 4, H, W, 0, false }, { 4, H, W, 0, true }, { 4, 161, 119, 1, false },
                  { 0, 118, 163, 0, false }, { 0, 121, 160, 0, true } };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const eff_table t = parse(tables[cases[k].table][1]);
        eff_trainer_opts o = options(3, 2, EFF_BN_FROZEN, true);
        o.height = cases[k].h, o.width = cases[k].w, o.fuse_bytes = SIZE_MAX;
        eff_graph *g;
        eff_error err = { 0 };
        T_OK(eff_graph_build(&g, &t, o.height, o.width, &err), err);
        bool *learns = calloc((size_t)g->nparams, sizeof *learns);
        for (int p = 0; p < g->nparams; p++) learns[p] = g->node[g->param[p].node].stage >= cases[k].frozen_stages;
        o.learns = learns;
        rig whole = make_with(&t, &o);
        o.fuse_bytes = 1, o.threads = 3, o.recompute = cases[k].recompute;
        rig fused = make_with(&t, &o);
        for (int pass = 0; pass < 2; pass++) assert_true(run(&whole) == run(&fused));
        int compared = 0;
        for (int p = 0; p < g->nparams; p++) {
            const float *want = eff_trainer_grads(whole.t)[p], *got = eff_trainer_grads(fused.t)[p];
            if (!want) continue;
            const bool sums = g->param[p].kind == EFF_PARAM_BN_GAMMA || g->param[p].kind == EFF_PARAM_BN_BETA;
            float top = 0;
            for (size_t i = 0; i < g->param[p].count; i++) top = fmaxf(top, fabsf(want[i]));
            for (size_t i = 0; i < g->param[p].count; i++)
                if (sums ? !(fabsf(got[i] - want[i]) <= 1e-5f * top) : got[i] != want[i])
                    fail_msg("case %zu: %s: %.9g, expected %.9g", k, g->param[p].name, (double)got[i], (double)want[i]);
            compared++;
        }
        assert_true(compared > 8);
        const size_t kept = eff_trainer_memory_used(whole.t).activations, less = eff_trainer_memory_used(fused.t).activations;
        printf("%-18s %dx%d activations %zu bytes, fused %zu\n", tables[cases[k].table][0], o.height, o.width, kept, less);
        assert_true(less < kept);
        free(learns);
        eff_graph_free(g);
        drop(&whole), drop(&fused);
    }
}

static void test_optimisers(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const eff_table t = parse(tables[3][1]);
    rig r = make(&t, 4, 1, EFF_BN_BATCH, false, NULL);
    const eff_graph *g = r.m->graph;
    const double loss = run(&r);
    eff_optim_opts o; /* SGD without momentum and with clipping: the step has exactly the length lr * clip */
    eff_optim_opts_init(&o, EFF_SGD);
    o.momentum = 0, o.clip_norm = 0.01;
    eff_optim *opt;
    T_OK(eff_optim_create(&opt, r.m, eff_trainer_grads(r.t), &o, &err), err);
    float **before = malloc((size_t)g->nparams * sizeof *before);
    for (int p = 0; p < g->nparams; p++) {
        before[p] = malloc(g->param[p].count * sizeof(float));
        memcpy(before[p], r.m->weights[p], g->param[p].count * sizeof(float));
    }
    const double norm = eff_optim_step(opt, NULL, 1.0);
    double moved = 0;
    for (int p = 0; p < g->nparams; p++) {
        for (size_t i = 0; i < g->param[p].count; i++) moved += pow((double)before[p][i] - (double)r.m->weights[p][i], 2);
        free(before[p]);
    }
    free(before);
    assert_true(norm > 0.01 && fabs(sqrt(moved) - 0.01) < 1e-4 * 0.01 + 1e-6);
    assert_true(run(&r) < loss); /* downhill */
    float *bad = eff_trainer_grads(r.t)[0]; /* a gradient that is not finite changes nothing */
    bad[0] = NAN;
    const float w0 = r.m->weights[0][0];
    assert_true(isnan(eff_optim_step(opt, NULL, 1.0)));
    assert_true(r.m->weights[0][0] == w0 && eff_optim_steps(opt) == 1);
    eff_optim_free(opt);
    float rates[256];
    assert_true(g->nparams <= 256);
    eff_layer_rates(rates, g, 0.5);
    assert_true(rates[g->nparams - 1] == 1.0f && rates[0] == powf(0.5f, (float)g->blocks + 1));
    for (int p = 1; p < g->nparams; p++) assert_true(rates[p] >= rates[p - 1]);
    drop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_slopes),       cmocka_unit_test(test_threads),
                                        cmocka_unit_test(test_frozen_prefix), cmocka_unit_test(test_accumulation),
                                        cmocka_unit_test(test_pooled_statistics), cmocka_unit_test(test_recompute), cmocka_unit_test(test_fused),
                                        cmocka_unit_test(test_optimisers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
