/* SPDX-License-Identifier: Apache-2.0 */
/* Recipes: which is picked, what can be replaced, that every value is written and read back; and the softmax regression
 * that head-first relies on: at its answer the gradient vanishes, whatever the number of threads, and cross-validation
 * tells a good penalty from a bad one. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "train/recipe.h"
#include "train/transfer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --------------------------------------------------------------------------------------------- recipes */

static void test_picked(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_recipe r;
    eff_facts f = {
        .pretrained = true, .images = 400, .classes = 4, .least = 80, .most = 120, .side = 224, .dropout = 0.2
    };
    assert_int_equal(eff_recipe_pick(&r, NULL, &f, &err), EFF_OK);
    assert_string_equal(eff_recipe_name(&r), "transfer");
    assert_true(r.v[EFF_KEY_HEAD_FIRST] == 1 && r.v[EFF_KEY_FROZEN_BN] == 1 && r.v[EFF_KEY_CLASS_BETA] == 0);
    assert_true(r.v[EFF_KEY_OPEN_BLOCKS] == -1); /* a network without early blocks: all learn */
    f.blocks = 16, f.late = 11;
    assert_int_equal(eff_recipe_pick(&r, NULL, &f, &err), EFF_OK);
    assert_true(r.v[EFF_KEY_OPEN_BLOCKS] == 11);
    f.images = 5000; /* enough to teach early blocks too */
    assert_int_equal(eff_recipe_pick(&r, NULL, &f, &err), EFF_OK);
    assert_true(r.v[EFF_KEY_OPEN_BLOCKS] == -1 && r.v[EFF_KEY_FROZEN_BN] == 0);
    f.images = 400;
    f.most = 300; /* unequal classes weigh by the effective number */
    assert_int_equal(eff_recipe_pick(&r, NULL, &f, &err), EFF_OK);
    assert_true(r.v[EFF_KEY_CLASS_BETA] > 0);
    f.images = 20; /* at least four steps an epoch */
    assert_int_equal(eff_recipe_pick(&r, NULL, &f, &err), EFF_OK);
    assert_true(f.images / eff_recipe_int(&r, EFF_KEY_BATCH) >= 4);
    f.pretrained = false;
    assert_int_equal(eff_recipe_pick(&r, NULL, &f, &err), EFF_OK);
    assert_string_equal(eff_recipe_name(&r), "scratch-small");
    assert_int_equal(eff_recipe_pick(&r, "linear", &f, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "pretrained"));
    f.images = 60000;
    assert_int_equal(eff_recipe_pick(&r, NULL, &f, &err), EFF_OK);
    assert_string_equal(eff_recipe_name(&r), "paper");
    assert_true(fabs(r.v[EFF_KEY_LR] - 0.256 * r.v[EFF_KEY_BATCH] / 4096) < 1e-15);
    const eff_schedule s = eff_recipe_schedule(&r, 100);
    assert_true(s.kind == EFF_SCHED_EXPONENTIAL && s.warmup == 500 && s.steps == 35000);
    assert_true(fabs(eff_schedule_at(&s, 720) - r.v[EFF_KEY_LR] * pow(0.97, 3)) < 1e-12);
    const eff_optim_opts o = eff_recipe_optim(&r);
    assert_true(o.kind == EFF_RMSPROP && o.decay == 0.9 && o.momentum == 0.9 && o.eps == 1e-3 &&
                o.weight_decay == 1e-5);
    assert_true(o.decays == EFF_DECAY_PAPER && o.ema == 0.9999 && o.ema_ramp);
    assert_true(eff_recipe_matters(&r, EFF_KEY_DECAY_RATE) && !eff_recipe_matters(&r, EFF_KEY_LR_FINAL) &&
                eff_recipe_matters(&r, EFF_KEYS));
    assert_int_equal(eff_recipe_pick(&r, "best", &f, &err), EFF_EARG);
}

/* Every value of every recipe has a reason, and is the same when it is read from its text. */
static void test_round_trip(void **state)
{
    (void)state;
    eff_error err = { 0 };
    for (int n = 0; eff_recipe_listed(n, NULL, NULL); n++) {
        eff_recipe r, back;
        const eff_facts f = {
            .pretrained = true, .images = 333, .classes = 3, .least = 50, .most = 200, .side = 200, .dropout = 0.3
        };
        assert_int_equal(eff_recipe_pick(&r, eff_recipe_listed(n, NULL, NULL), &f, &err), EFF_OK);
        assert_int_equal(eff_recipe_pick(&back, "transfer", &f, &err), EFF_OK);
        for (int i = 0; i < eff_recipe_count(); i++) {
            char text[512];
            const char *why, *about, *value = eff_recipe_value(&r, i, &why);
            assert_true(strlen(value) > 0 && strlen(why) > 0);
            snprintf(text, sizeof text, "%s=%s", eff_recipe_key(i, &about), value);
            assert_true(strlen(about) > 0);
            assert_int_equal(eff_recipe_set(&back, text, &err), EFF_OK);
        }
        for (int k = 0; k < EFF_KEYS; k++) assert_true(back.v[k] == r.v[k]);
        assert_memory_equal(&back.augment, &r.augment, sizeof r.augment);
    }
    assert_null(eff_recipe_key(eff_recipe_count(), NULL));
    assert_null(eff_recipe_value(NULL, -1, NULL));
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "epochs=-1", "0..100000" },
        { "epochs=1.5", "whole" },
        { "lr=nan", "number" },
        { "lr=", "number" },
        { "lr", "key=value" },
        { "=3", "there is no ''" },
        { "optimizer=adam", "rmsprop sgd adamw" },
        { "frozen_bn=1", "frozen-bn" },
        { "epochs=3,lr=x", "lr" },
        { "augment=clot", "cloth" },
        { "ema=1", "ema" },
        { "epochs=0x10", "whole" },
        { "augment=cloth,scale=2", "scale" },
    };
    eff_recipe r;
    const eff_facts f = { .pretrained = true, .images = 100, .classes = 2, .least = 50, .most = 50, .side = 224 };
    assert_int_equal(eff_recipe_pick(&r, "transfer", &f, NULL), EFF_OK);
    const eff_recipe before = r;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        eff_error err = { 0 };
        assert_int_equal(eff_recipe_set(&r, bad[i].text, &err), EFF_EARG);
        if (!strstr(err.msg, bad[i].says)) fail_msg("%s: expected '%s' in: %s", bad[i].text, bad[i].says, err.msg);
        assert_memory_equal(&r, &before, sizeof r); /* also what stood before the mistake */
    }
}

/* ------------------------------------------------------------------------------------------ regression */

enum { N = 203, D = 37, C = 5 };

/* Gaussian classes that overlap, on features of unequal scale and mean. */
static void make(float *x, int *label, double apart)
{
    for (int i = 0; i < N; i++) {
        label[i] = (int)(eff_rng_bits(9, 1, (uint64_t)i) % C);
        for (int j = 0; j < D; j++) {
            const double scale = pow(10, j % 5 - 2), centre = j % C == label[i] ? apart : 0;
            x[i * D + j] = (float)(scale * (3 + centre + eff_rng_normal(9, 2, (uint64_t)(i * D + j))));
        }
    }
}

/* The largest derivative of the objective in its standardised variables, in double, from scratch. */
static double gradient(const float *w, const float *b, const float *x, const int *label, const float *weight, double l2)
{
    static double g[C][D + 1];
    double std[D], mean[D], sum_w = 0, worst = 0;
    memset(g, 0, sizeof g);
    for (int j = 0; j < D; j++) {
        mean[j] = std[j] = 0;
        for (int i = 0; i < N; i++) mean[j] += x[i * D + j] / (double)N;
        for (int i = 0; i < N; i++) std[j] += (x[i * D + j] - mean[j]) * (x[i * D + j] - mean[j]) / N;
        std[j] = sqrt(std[j]) + 1e-6;
    }
    for (int i = 0; i < N; i++) sum_w += weight ? weight[i] : 1;
    for (int i = 0; i < N; i++) {
        double z[C], top = -1e300, sum = 0;
        for (int c = 0; c < C; c++) {
            z[c] = b[c];
            for (int j = 0; j < D; j++) z[c] += (double)w[c * D + j] * x[i * D + j];
            top = fmax(top, z[c]);
        }
        for (int c = 0; c < C; c++) sum += exp(z[c] - top);
        for (int c = 0; c < C; c++) {
            const double d = (weight ? weight[i] : 1) / sum_w * (exp(z[c] - top) / sum - (c == label[i]));
            for (int j = 0; j < D; j++) g[c][j] += d * (x[i * D + j] - mean[j]) / std[j];
            g[c][D] += d;
        }
    }
    for (int c = 0; c < C; c++)
        for (int j = 0; j <= D; j++) {
            const double pull = j < D ? l2 * (double)w[c * D + j] * std[j] : 0;
            worst = fmax(worst, fabs(g[c][j] + pull));
        }
    return worst;
}

static void test_regression(void **state)
{
    (void)state;
    static float x[N * D], w[4][C * D], b[4][C], weight[N];
    static int label[N];
    eff_error err = { 0 };
    eff_linear_fit fit = { 0 };
    make(x, label, 1.0);
    for (int i = 0; i < N; i++) weight[i] = 1 + (float)(label[i] == 2) * 3;
    for (int threads = 1; threads <= 3; threads++) {
        eff_pool *pool;
        assert_int_equal(eff_pool_create(&pool, threads, &err), EFF_OK);
        assert_int_equal(
            eff_linear_train(w[threads], b[threads], &fit, x, label, weight, N, D, C, 0.01, 0, pool, NULL, &err),
            EFF_OK);
        eff_pool_free(pool);
        if (threads > 1) {
            assert_memory_equal(w[threads], w[1], sizeof w[1]);
            assert_memory_equal(b[threads], b[1], sizeof b[1]);
        }
    }
    /* At the start the gradient is of order 0.2. The loss is flat at its minimum: float32 sums leave 1e-6 of it, which
     * is 1e-3 of the curvature's square root. */
    const double rest = gradient(w[1], b[1], x, label, weight, 0.01);
    if (rest > 1e-3) fail_msg("the gradient at the answer is %g", rest);
    assert_true(gradient(w[1], b[1], x, label, NULL, 0.01) > 5 * rest); /* the weights took part */
}

/* Classes far apart want little pull, noise wants all there is; held-out accuracy is near what is there to be had. */
static void test_cross_validation(void **state)
{
    (void)state;
    static float x[N * D], w[C * D], b[C];
    static int label[N];
    eff_error err = { 0 };
    eff_linear_fit far = { 0 }, noise = { 0 };
    make(x, label, 3.0);
    assert_int_equal(eff_linear_train(w, b, &far, x, label, NULL, N, D, C, -1, 0, NULL, NULL, &err), EFF_OK);
    assert_true(far.accuracy > 0.97);
    static float held[N];
    far.held = held;
    assert_int_equal(eff_linear_train(w, b, &far, x, label, NULL, N, D, C, far.l2, 0, NULL, NULL, &err), EFF_OK);
    double sum = 0;
    for (int i = 0; i < N; i++) {
        assert_true(held[i] >= 0 && held[i] <= 1); /* each was held out, and in no other cross-validation more often */
        assert_true(fabs(5 * (double)held[i] - round(5 * (double)held[i])) < 1e-5);
        sum += (double)held[i];
    }
    assert_true(sum / N > 0.97);
    make(x, label, 0.0);
    assert_int_equal(eff_linear_train(w, b, &far, x, label, NULL, N, D, C, far.l2, 0, NULL, NULL, &err), EFF_OK);
    sum = 0;
    for (int i = 0; i < N; i++) sum += (double)held[i];
    assert_true(sum / N < 0.35); /* what was learnt by heart is not counted */
    assert_int_equal(eff_linear_train(w, b, &noise, x, label, NULL, N, D, C, -1, 0, NULL, NULL, &err), EFF_OK);
    assert_true(noise.accuracy < 0.35 && noise.l2 == 0.1 && far.l2 < noise.l2);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_picked), cmocka_unit_test(test_round_trip),
                                        cmocka_unit_test(test_refused), cmocka_unit_test(test_regression),
                                        cmocka_unit_test(test_cross_validation) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
