/* SPDX-License-Identifier: Apache-2.0 */
/* Models: weights and their initialisation, checked values, facts, compound scaling, and memory that ends. */
#include "support.h"

#include "base/mem.h"
#include "model/compound.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static eff_model *model(const char *spec)
{
    eff_table t;
    eff_model *m;
    eff_error err = { 0 };
    T_OK(eff_table_builtin(&t, spec, &err), err);
    T_OK(eff_model_new(&m, &t, &err), err);
    return m;
}

/* -------------------------------------------------------------------------------------------- weights */

static void test_layout(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *const m = model("b0@width=0.35,depth=0.5,classes=7,divisor=1");
    assert_null(m->weights);
    assert_false(m->info.has_weights);
    T_OK(eff_model_alloc_weights(m, &err), err);
    assert_true(m->info.has_weights);
    const float *end = m->weight_block;
    for (int i = 0; i < m->graph->nparams; i++) {
        assert_int_equal((uintptr_t)m->weights[i] % 64, 0);
        assert_true(m->weights[i] >= end); /* in order, none on another */
        end = m->weights[i] + m->graph->param[i].count;
        memset(m->weights[i], 0x7f, m->graph->param[i].count * sizeof(float));
    }
    float *const *const before = m->weights;
    T_OK(eff_model_alloc_weights(m, &err), err); /* a second time changes nothing */
    assert_ptr_equal(m->weights, before);
    eff_model_destroy(m);
    eff_model_destroy(NULL);
}

typedef struct moments {
    double n, sum, square, fourth, largest;
} moments;

static void add(moments *s, const float *v, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++) {
        const double x = v[i] / scale;
        s->n += 1;
        s->sum += x;
        s->square += x * x;
        s->fourth += x * x * x * x;
        if (fabs(x) > s->largest) s->largest = fabs(x);
    }
}

/* Mean, variance and kurtosis of n standardised draws, within five standard errors. */
static void check_moments(const moments *s, double variance, double fourth, const char *what)
{
    const double mean = s->sum / s->n, var = s->square / s->n, m4 = s->fourth / s->n;
    const double se_var = sqrt((fourth - variance * variance) / s->n);
    if (fabs(mean) > 5 * sqrt(variance / s->n)) fail_msg("%s: mean %g of %g draws", what, mean, s->n);
    if (fabs(var - variance) > 5 * se_var) fail_msg("%s: variance %g, expected %g +- %g", what, var, variance, se_var);
    if (fabs(m4 / fourth - 1) > 0.05) fail_msg("%s: fourth moment %g, expected %g", what, m4, fourth);
}

static void test_initialisation(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *const m = model("b0@classes=500");
    T_OK(eff_model_init_weights(m, 7, &err), err);
    const eff_graph *const g = m->graph;
    moments conv = { 0 }, dw = { 0 }, se = { 0 }, fc = { 0 };
    for (int i = 0; i < g->nparams; i++) {
        const eff_param *const p = &g->param[i];
        const float *const w = m->weights[i];
        const double k2 = (double)p->dim[2] * p->dim[3];
        switch (p->kind) {
        case EFF_PARAM_CONV: add(&conv, w, p->count, sqrt(2.0 / (k2 * p->dim[0]))); break;
        case EFF_PARAM_DWCONV: add(&dw, w, p->count, sqrt(2.0 / k2)); break;
        case EFF_PARAM_SE_WEIGHT: add(&se, w, p->count, sqrt(2.0 / p->dim[0])); break;
        case EFF_PARAM_FC_WEIGHT: add(&fc, w, p->count, 1.0 / sqrt(500)); break;
        case EFF_PARAM_BN_GAMMA:
        case EFF_PARAM_BN_VAR:
            for (size_t k = 0; k < p->count; k++) assert_true(w[k] == 1.0f);
            break;
        default:
            for (size_t k = 0; k < p->count; k++) assert_true(w[k] == 0.0f);
        }
    }
    check_moments(&conv, 1, 3, "convolutions");
    check_moments(&dw, 1, 3, "depthwise convolutions");
    check_moments(&se, 1, 3, "squeeze-and-excitation");
    check_moments(&fc, 1.0 / 3, 1.0 / 5, "classifier");
    assert_true(fc.largest <= 1 && fc.largest > 0.99);
    assert_true(conv.largest > 4 && conv.largest < 8); /* tails, and none cut */
    eff_model_destroy(m);
}

/* Two layers never share their numbers, a seed repeats them to the bit, another seed gives others. */
static void test_seeds(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *const a = model("b0@width=0.35,depth=0.5"), *const b = model("b0@width=0.35,depth=0.5");
    T_OK(eff_model_init_weights(a, 1, &err), err);
    T_OK(eff_model_init_weights(b, 2, &err), err);
    const int np = a->graph->nparams;
    int random = 0, different = 0;
    for (int i = 0; i < np; i++) {
        const eff_param *const p = &a->graph->param[i];
        if (p->ndim < 2) continue;
        random++;
        different += memcmp(a->weights[i], b->weights[i], p->count * sizeof(float)) != 0;
        for (int k = 0; k < i; k++)
            if (a->graph->param[k].ndim > 1) assert_true(a->weights[i][0] != a->weights[k][0]);
    }
    assert_int_equal(random, different);
    T_OK(eff_model_init_weights(b, 1, &err), err);
    for (int i = 0; i < np; i++)
        assert_memory_equal(a->weights[i], b->weights[i], a->graph->param[i].count * sizeof(float));
    eff_model_destroy(a);
    eff_model_destroy(b);
}

static void test_check_values(void **state)
{
    (void)state;
    float v[300] = { 0 };
    eff_error err = { 0 };
    v[5] = -1;
    assert_int_equal(eff_check_values("x", EFF_PARAM_CONV, v, 300, &err), EFF_OK);
    assert_int_equal(eff_check_values("x", EFF_PARAM_BN_VAR, v, 5, &err), EFF_OK); /* zero is a dead channel, and fine */
    assert_int_equal(eff_check_values("x", EFF_PARAM_CONV, v, 0, &err), EFF_OK);
    assert_int_equal(eff_check_values("stem.bn.running_var", EFF_PARAM_BN_VAR, v, 300, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "stem.bn.running_var: element 5: expected a variance of at least 0, found -1");
    static const struct {
        float v;
        const char *says;
    } bad[] = { { NAN, "found nan" }, { INFINITY, "found inf" }, { -INFINITY, "found -inf" } };
    for (int at = 0; at < 300; at += 23)
        for (int i = 0; i < 3; i++)
            for (eff_param_kind kind = EFF_PARAM_CONV; kind <= EFF_PARAM_FC_BIAS; kind++) {
                float w[300] = { 0 };
                char where[32];
                w[at] = bad[i].v;
                snprintf(where, sizeof where, "w: element %d:", at);
                assert_int_equal(eff_check_values("w", kind, w, 300, &err), EFF_EFORMAT);
                assert_non_null(strstr(err.msg, bad[i].says));
                assert_true(!strncmp(err.msg, where, strlen(where)));
            }
}

/* ---------------------------------------------------------------------------------------------- facts */

static void test_info(void **state)
{
    (void)state;
    eff_model *const m = model("b0@resolution=97x131");
    const eff_model_info *const f = &m->info;
    assert_string_equal(f->name, "efficientnet-b0");
    assert_string_equal(f->padding, "same");
    assert_true(f->params == 5288548 && f->bn_buffers == 42016 && f->blocks == 16 && f->convs == 81 && f->classes == 1000);
    assert_true(f->height == 97 && f->width_px == 131 && f->bn_eps == 1e-3 && f->dropout == 0.2);
    assert_int_equal(f->nstages, 10);
    assert_string_equal(f->stages[0].op, "conv");
    assert_string_equal(f->stages[8].role, "head");
    const eff_stage_info *const s = &f->stages[2];
    assert_string_equal(s->op, "mbconv");
    assert_string_equal(s->act, "silu");
    assert_true(s->kernel == 3 && s->stride == 2 && s->expand == 6 && s->channels == 24 && s->repeats == 2 && s->se == 0.25);
    assert_true(s->in[0] == 49 && s->in[1] == 66 && s->in[2] == 16 && s->out[0] == 25 && s->out[1] == 33 && s->out[2] == 24);

    const eff_preprocess *const p = &m->meta.preprocess; /* the crop fits into the resized image, whatever its shape */
    assert_true(p->height == 97 && p->width == 131 && p->side == 150 && p->geometry == EFF_GEOM_SHORT);
    assert_true(p->filter == EFF_FILTER_BICUBIC && p->mean[0] == 123.675f && p->std[2] == 57.375f);
    m->info.activation_bytes = 12345; /* a plan's business: kept */
    eff_model_refresh_info(m);
    assert_true(m->info.activation_bytes == 12345);
    eff_model_destroy(m);

    eff_model *const r = model("resnet50");
    assert_int_equal(r->info.nstages, 6); /* no head row */
    assert_string_equal(r->info.stages[4].op, "bottleneck");
    assert_string_equal(r->info.stages[5].role, "classifier");
    assert_true(r->info.stages[0].out[0] == 56 && r->info.stages[0].out[2] == 64);
    eff_model_destroy(r);
}

/* -------------------------------------------------------------------------------------------- scaling */

static void test_compound(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *const b0 = model("b0"), *m;
    eff_compound c = { .alpha = 1.2, .beta = 1.1, .gamma = 1.15, .phi = 1 };
    T_OK(eff_scale_compound(&m, b0, &c, &err), err);
    assert_true(fabs(c.product - 1.920 * 1.0001875) < 1e-3 && c.depth == 1.2 && c.width == 1.1 && c.resolution == 1.15);
    assert_true(fabs(c.macs_predicted - 385814752 * 1.2 * 1.21 * 1.3225) < 1);
    assert_true(m->info.height == 258 && m->info.width_px == 258); /* 257.6 to the nearest pixel */
    assert_true(m->info.params == 9109994 && m->info.macs == 992629472); /* model_stats.tsv: compound d=1.2 w=1.1 res=258 */
    assert_false(m->info.has_weights);
    eff_model_destroy(m);

    c.phi = 0; /* the base itself */
    T_OK(eff_scale_compound(&m, b0, &c, &err), err);
    assert_true(m->info.params == b0->info.params && m->info.macs == b0->info.macs && c.macs_predicted == 385814752);
    eff_model_destroy(m);

    uint64_t last = 0; /* more phi never costs less */
    for (double phi = 0; phi <= 4; phi += 0.25) {
        c.phi = phi;
        T_OK(eff_scale_compound(&m, b0, &c, &err), err);
        assert_true(m->info.macs >= last);
        last = m->info.macs;
        eff_model_destroy(m);
    }

    static const struct {
        double alpha, beta, gamma, phi;
        const char *names;
    } bad[] = {
        { 0.9, 1.1, 1.15, 1, "alpha" }, { 1.2, 0, 1.15, 1, "beta" },       { 1.2, 1.1, -1, 1, "gamma" },
        { 1.2, 1.1, 1.15, -1, "phi" },  { NAN, 1.1, 1.15, 1, "alpha" },    { 1.2, 1.1, INFINITY, 1, "gamma" },
        { 1.2, 1.1, 1.15, NAN, "phi" }, { 1.2, 1.1, 1.15, 1e9, "phi" },    { 1.2, 1.1, 1.15, 40, "phi 40: " },
        { 1.2, 1, 1, 90, "phi 90: " },  { 1, 1, 2, 20, "phi 20: resolution" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        eff_compound k = { .alpha = bad[i].alpha, .beta = bad[i].beta, .gamma = bad[i].gamma, .phi = bad[i].phi };
        m = b0;
        assert_int_equal(eff_scale_compound(&m, b0, &k, &err), EFF_EARG);
        assert_null(m);
        if (strncmp(err.msg, bad[i].names, strlen(bad[i].names))) fail_msg("%zu: %s", i, err.msg);
    }
    eff_model_destroy(b0);
}

static void test_scale(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *const base = model("resnet50"), *m;
    T_OK(eff_scale_model(&m, base, 1.2, 1.4, 291, &err), err);
    assert_true(m->info.params == 54804824 && m->info.macs == 15945977664);
    assert_string_equal(m->info.name, "resnet50-w1.2-d1.4");
    assert_true(m->info.width == 1.2 && m->info.depth == 1.4);
    eff_model_destroy(m);
    static const struct {
        double w, d;
        int res;
        const char *names;
    } bad[] = { { 0, 1, 0, "width" }, { 1, -1, 0, "depth" }, { 1, 1, -1, "resolution" }, { 1, 1, 16385, "resolution" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(eff_scale_model(&m, base, bad[i].w, bad[i].d, bad[i].res, &err), EFF_EARG);
        assert_null(m);
        if (strncmp(err.msg, bad[i].names, strlen(bad[i].names))) fail_msg("%zu: %s", i, err.msg);
    }
    eff_model_destroy(base);
}

/* ---------------------------------------------------------------------------------------- memory ends */

static void test_memory_ends(void **state)
{
    (void)state;
    eff_table t;
    eff_error err = { 0 };
    T_OK(eff_table_builtin(&t, "b0@width=0.35,depth=0.5,resolution=32,classes=3", &err), err);
    for (long n = 0;; n++) {
        eff_model *m = NULL;
        err = (eff_error){ 0 };
        eff_alloc_fail_after(n);
        eff_status s = eff_model_new(&m, &t, &err);
        if (s == EFF_OK) s = eff_model_init_weights(m, 1, &err);
        eff_alloc_fail_after(-1);
        eff_model_destroy(m);
        if (s == EFF_OK) {
            assert_true(n >= 7);
            break;
        }
        assert_int_equal(s, EFF_ENOMEM);
        assert_int_equal(err.code, EFF_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),   cmocka_unit_test(test_initialisation), cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_check_values), cmocka_unit_test(test_info),       cmocka_unit_test(test_compound),
        cmocka_unit_test(test_scale),    cmocka_unit_test(test_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
