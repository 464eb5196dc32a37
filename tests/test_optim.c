/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers, each step against the formula in double: clipping by the global norm, weight decay on the tensors it is
 * for, rates by parameter, averages; gradients that are not finite; the memory announced; weights of images and
 * classes. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "train/loss.h"
#include "train/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench {
    eff_model *m;
    eff_pool *pool;
    float **grad; /* by parameter, NULL for running statistics */
    double **w, **s1, **s2, **ema;
    float *rate;
    int n;
} bench;

static double **copy_weights(const bench *b, bool zero)
{
    double **const v = calloc((size_t)b->n, sizeof *v);
    assert_non_null(v);
    for (int i = 0; i < b->n; i++) {
        const size_t count = b->m->graph->param[i].count;
        v[i] = calloc(count, sizeof **v);
        assert_non_null(v[i]);
        for (size_t j = 0; j < count && !zero; j++) v[i][j] = (double)b->m->weights[i][j];
    }
    return v;
}

static void free_all(void *list, int n)
{
    void **const v = list;
    for (int i = 0; i < n; i++) free(v[i]);
    free(v);
}

static void begin(bench *b)
{
    eff_error err = { 0 };
    T_OK(eff_model_load(&b->m, "b0@width=0.1,depth=0.1,resolution=32,classes=3", NULL, &err), err);
    T_OK(eff_model_init(b->m, 5, &err), err);
    T_OK(eff_pool_create(&b->pool, 2, &err), err);
    b->n = b->m->graph->nparams;
    b->grad = calloc((size_t)b->n, sizeof *b->grad);
    b->rate = malloc((size_t)b->n * sizeof *b->rate);
    assert_true(b->grad && b->rate);
    for (int i = 0; i < b->n; i++) {
        const eff_param *const p = &b->m->graph->param[i];
        b->rate[i] = 1.0f - (float)(i % 4) / 8;
        if (eff_param_is_buffer(p->kind)) continue;
        b->grad[i] = malloc(p->count * sizeof **b->grad);
        assert_non_null(b->grad[i]);
    }
    b->w = copy_weights(b, false), b->ema = copy_weights(b, false);
    b->s1 = copy_weights(b, true), b->s2 = copy_weights(b, true);
}

static void end(bench *b)
{
    free_all(b->grad, b->n);
    free_all(b->w, b->n);
    free_all(b->s1, b->n);
    free_all(b->s2, b->n);
    free_all(b->ema, b->n);
    free(b->rate);
    eff_pool_free(b->pool);
    eff_model_free(b->m);
}

/* New gradients; @return their norm. */
static double draw(bench *b, uint64_t step)
{
    double sum = 0;
    for (int i = 0; i < b->n; i++)
        for (size_t j = 0; b->grad[i] && j < b->m->graph->param[i].count; j++) {
            b->grad[i][j] = (float)eff_rng_normal(step, (uint32_t)i, j) * 0.01f;
            sum += (double)b->grad[i][j] * (double)b->grad[i][j];
        }
    return sqrt(sum);
}

static bool decays(const eff_param *p, eff_decay which)
{
    const bool norm = p->kind == EFF_PARAM_BN_GAMMA || p->kind == EFF_PARAM_BN_BETA;
    return which == EFF_DECAY_ALL || (which == EFF_DECAY_PAPER ? !norm : p->ndim > 1);
}

/* Step t (from 1) of parameter i, element j, by the formula. */
static void by_formula(bench *b, const eff_optim_opts *o, int i, size_t j, double factor, double lr, int t)
{
    const double decay = decays(&b->m->graph->param[i], o->decays) ? o->weight_decay : 0;
    double *const w = &b->w[i][j], *const s1 = &b->s1[i][j], *const s2 = &b->s2[i][j],
                  g = (double)b->grad[i][j] * factor;
    lr *= (double)b->rate[i];
    if (o->kind == EFF_RMSPROP) {
        if (t == 1) *s1 = 1;
        *s1 = o->decay * *s1 + (1 - o->decay) * (g + decay * *w) * (g + decay * *w);
        *s2 = o->momentum * *s2 + lr * (g + decay * *w) / sqrt(*s1 + o->eps);
        *w -= *s2;
    } else if (o->kind == EFF_SGD) {
        *s1 = o->momentum * *s1 + g + decay * *w;
        *w -= lr * (g + decay * *w + o->momentum * *s1);
    } else {
        *s1 = o->beta1 * *s1 + (1 - o->beta1) * g;
        *s2 = o->beta2 * *s2 + (1 - o->beta2) * g * g;
        const double mean = *s1 / (1 - pow(o->beta1, t)), square = *s2 / (1 - pow(o->beta2, t));
        *w -= lr * decay * *w;
        *w -= lr * mean / (sqrt(square) + o->eps);
    }
}

static void close_to(double got, double want, double scale, const char *what, int i)
{
    if (!(fabs(got - want) <= 2e-5 * fabs(want) + 1e-6 * scale))
        fail_msg("%s %d: %.9g, expected %.9g", what, i, got, want);
}

static void test_formulas(void **state)
{
    (void)state;
    for (int kind = EFF_RMSPROP; kind <= EFF_ADAMW; kind++)
        for (int clip = 0; clip < 2; clip++) {
            bench b;
            eff_optim *opt;
            eff_optim_opts o;
            eff_error err = { 0 };
            begin(&b);
            eff_optim_opts_init(&o, (eff_optim_kind)kind);
            o.weight_decay = 0.01;
            o.decays = (eff_decay)kind; /* each once */
            o.clip_norm = clip ? 0.05 : 0;
            o.lr_scale = b.rate;
            o.ema = 0.75;
            o.ema_ramp = clip;
            T_OK(eff_optim_create(&opt, b.m, b.grad, &o, &err), err);
            for (int t = 1; t <= 3; t++) {
                const double norm = draw(&b, (uint64_t)t), factor = clip && norm > o.clip_norm ? o.clip_norm / norm : 1;
                assert_true(norm > 0.1);
                close_to(eff_optim_step(opt, b.pool, 0.01), norm, 0, "norm", t);
                const double keep = clip ? fmin(o.ema, t / (9.0 + t)) : o.ema;
                for (int i = 0; i < b.n; i++)
                    for (size_t j = 0; j < b.m->graph->param[i].count; j++) {
                        if (b.grad[i]) by_formula(&b, &o, i, j, factor, 0.01, t);
                        b.ema[i][j] = keep * b.ema[i][j] + (1 - keep) * b.w[i][j];
                        close_to((double)b.m->weights[i][j], b.w[i][j], 1, "weight of parameter", i);
                        close_to((double)eff_optim_ema(opt)[i][j], b.ema[i][j], 1, "average of parameter", i);
                    }
            }
            assert_int_equal(eff_optim_steps(opt), 3);
            /* not finite: nothing happens */
            draw(&b, 4);
            b.grad[0][0] = NAN;
            assert_false(isfinite(eff_optim_step(opt, b.pool, 0.01)));
            assert_int_equal(eff_optim_steps(opt), 3);
            for (int i = 0; i < b.n; i++)
                for (size_t j = 0; j < b.m->graph->param[i].count; j++)
                    close_to((double)b.m->weights[i][j], b.w[i][j], 1, "weight after NaN, parameter", i);
            eff_optim_free(opt);
            end(&b);
        }
}

/* As many vectors as a parameter has state, and one for averages, running statistics included; 64 bytes each at least.
 */
static void test_bytes(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    for (int kind = EFF_RMSPROP; kind <= EFF_ADAMW; kind++)
        for (int ema = 0; ema < 2; ema++) {
            eff_optim_opts o;
            eff_optim_opts_init(&o, (eff_optim_kind)kind);
            o.ema = ema ? 0.9 : 0;
            size_t want = 0;
            for (int i = 0; i < b.n; i++) {
                const size_t vector = (b.m->graph->param[i].count * 4 + EFF_ALIGN - 1) / EFF_ALIGN * EFF_ALIGN;
                want += vector * (size_t)((b.grad[i] ? kind == EFF_SGD ? 1 : 2 : 0) + ema);
            }
            assert_int_equal(eff_optim_bytes(b.m, &o), want);
        }
    end(&b);
}

static void test_weights(void **state)
{
    (void)state;
    const float of_class[3] = { 1, 2, 0 };
    float w[4];
    eff_image_weights(w, (const int[]){ 0, 1, 1, 2 }, of_class, 4);
    assert_true(w[0] == 0.2f && w[1] == 0.4f && w[2] == 0.4f && w[3] == 0);
    eff_image_weights(w, (const int[]){ 2, 2 }, of_class, 2); /* of nothing but classes without weight */
    assert_true(w[0] == 0 && w[1] == 0);
    eff_image_weights(w, (const int[]){ 0, 1 }, (const float[]){ 0.125f, 0.375f }, 2); /* however small they are */
    assert_true(w[0] == 0.25f && w[1] == 0.75f);
    eff_class_weights(w, (const int[]){ 1, 3, 0 }, 3, 0.5); /* 1 and 0.5 / 0.875, their mean 1 */
    const double third = 0.5 / 0.875;
    close_to((double)w[0], 2 / (1 + third), 0, "class", 0);
    close_to((double)w[1], 2 * third / (1 + third), 0, "class", 1);
    assert_true(w[2] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_formulas), cmocka_unit_test(test_bytes),
                                        cmocka_unit_test(test_weights) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
