/* SPDX-License-Identifier: Apache-2.0 */
/* Mixup and cutmix: the golden batch (whole numbers 0..59 as timm mixes them), the distribution of lambda, boxes. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "train/mix.h"

enum { H = 6, W = 5, PIXELS = H * W };

/* Two images, every channel of a pixel being its number in the batch. */
static void fill(float x[2 * PIXELS * 3])
{
    for (int i = 0; i < 2 * PIXELS * 3; i++) x[i] = (float)(i / 3);
}

static void test_golden_mixup(void **state)
{
    (void)state;
    float x[2 * PIXELS * 3], t[4] = { 1, 0, 0, 1 };
    fill(x);
    const eff_mixed by = { .lambda = 0.3 };
    eff_mix_images(x, 2, H, W, &by);
    eff_mix_targets(t, 2, 2, &by);
    for (int i = 0; i < 2 * PIXELS * 3; i++) { /* 21..50 and 9..38; one rounding each of two products and a sum */
        const float want = i / 3 < PIXELS ? (float)(i / 3 + 21) : (float)(i / 3 - PIXELS + 9);
        if (fabsf(x[i] - want) > 3 * 60 * 6e-8f) fail_msg("at %d: %.9g, expected %.9g", i, (double)x[i], (double)want);
    }
    const float want[4] = { 0.3f, 0.7f, 0.7f, 0.3f };
    for (int i = 0; i < 4; i++) assert_true(fabsf(t[i] - want[i]) < 1e-6f);
}

static void test_golden_cutmix(void **state)
{
    (void)state;
    float x[2 * PIXELS * 3];
    fill(x);
    eff_mix_images(x, 2, H, W, &(eff_mixed){ .lambda = 0.7, .cuts = true, .y0 = 1, .y1 = 4, .x0 = 2, .x1 = 5 });
    for (int i = 0; i < 2 * PIXELS * 3; i++) {
        const int p = i / 3, y = p % PIXELS / W, col = p % W;
        const int want = y >= 1 && y < 4 && col >= 2 ? (p + PIXELS) % (2 * PIXELS) : p;
        assert_true(x[i] == (float)want);
    }
}

/* A batch of three: the middle one stays. */
static void test_odd_batch(void **state)
{
    (void)state;
    float x[9] = { 0, 0, 0, 5, 6, 7, 8, 8, 8 }, t[3] = { 0, 1, 2 };
    const eff_mixed by = { .lambda = 0.25 };
    eff_mix_images(x, 3, 1, 1, &by);
    eff_mix_targets(t, 3, 1, &by);
    const float want[9] = { 6, 6, 6, 5, 6, 7, 2, 2, 2 };
    assert_memory_equal(x, want, sizeof want);
    assert_true(t[0] == 1.5f && t[1] == 1 && t[2] == 0.5f);
}

/* Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)). The mean of N draws is within five standard errors, the variance
 * within five of its own, which is at most variance * sqrt(2 / N) for a distribution whose tails are no heavier than
 * the normal's. */
static void test_beta(void **state)
{
    (void)state;
    static const double alphas[] = { 0.1, 0.2, 0.5, 1, 2, 8 };
    enum { N = 20000 };
    for (size_t k = 0; k < sizeof alphas / sizeof *alphas; k++) {
        const double a = alphas[k], variance = 1 / (4 * (2 * a + 1));
        double sum = 0, squares = 0;
        for (uint64_t i = 0; i < N; i++) {
            const double v = eff_mix_beta(a, 7, i);
            assert_true(v >= 0 && v <= 1);
            sum += v;
            squares += (v - 0.5) * (v - 0.5);
        }
        if (fabs(sum / N - 0.5) > 5 * sqrt(variance / N)) fail_msg("alpha %g: mean %g", a, sum / N);
        if (fabs(squares / N - variance) > 5 * variance * sqrt(2.0 / N))
            fail_msg("alpha %g: variance %g, expected %g", a, squares / N, variance);
    }
    /* uniform for 1: every tenth gets a tenth, within five binomial standard deviations */
    int tenth[10] = { 0 };
    for (uint64_t i = 0; i < N; i++) {
        const int t = (int)(eff_mix_beta(1, 3, i) * 10);
        tenth[t < 10 ? t : 9]++;
    }
    for (int i = 0; i < 10; i++) assert_true(fabs(tenth[i] - N / 10.0) < 5 * sqrt(N * 0.1 * 0.9));
    /* so small an alpha that both variates underflow: still one end or the other */
    for (uint64_t i = 0; i < 100; i++) {
        const double v = eff_mix_beta(1e-4, 1, i);
        assert_true(v < 1e-3 || v > 1 - 1e-3);
    }
}

static void test_draw(void **state)
{
    (void)state;
    const eff_mix both = { .mixup = 0.2, .cutmix = 1, .probability = 0.8, .cut = 0.25 };
    enum { N = 4000 };
    int mixed = 0, cut = 0, clipped = 0;
    for (uint64_t step = 0; step < N; step++) {
        const eff_mixed by = eff_mix_draw(&both, 32, 48, 11, step), again = eff_mix_draw(&both, 32, 48, 11, step);
        assert_true(by.lambda == again.lambda && by.cuts == again.cuts && by.y0 == again.y0 && by.x1 == again.x1);
        assert_true(by.lambda >= 0 && by.lambda <= 1);
        mixed += by.lambda < 1;
        if (!by.cuts) continue;
        cut++;
        assert_true(0 <= by.y0 && by.y0 <= by.y1 && by.y1 <= 32 && 0 <= by.x0 && by.x0 <= by.x1 && by.x1 <= 48);
        assert_true(by.lambda == 1.0 - (double)((by.y1 - by.y0) * (by.x1 - by.x0)) / (32 * 48));
        if (by.y0 > 0 && by.y1 < 32 && by.x0 > 0 &&
            by.x1 < 48) /* of the image's form, but for two pixels that rounding takes */
            assert_true(fabs((by.y1 - by.y0) / 32.0 - (by.x1 - by.x0) / 48.0) < 2.0 / 32);
        clipped += by.y0 == 0 || by.x0 == 0 || by.y1 == 32 || by.x1 == 48;
    }
    assert_true(fabs(cut - N * 0.8 * 0.25) < 5 * sqrt(N * 0.2 * 0.8));
    assert_true(mixed > N * 0.7 && mixed < N * 0.85 && clipped > 0);
    /* one kind alone, none, and a probability of nothing */
    assert_true(eff_mix_draw(&(eff_mix){ .cutmix = 1, .probability = 1 }, 8, 8, 1, 1).cuts);
    assert_false(eff_mix_draw(&(eff_mix){ .mixup = 1, .probability = 1, .cut = 1 }, 8, 8, 1, 1).cuts);
    assert_true(eff_mix_draw(&(eff_mix){ .probability = 1, .cut = 1 }, 8, 8, 1, 1).lambda == 1);
    assert_true(eff_mix_draw(&(eff_mix){ .mixup = 1, .cut = 1 }, 8, 8, 1, 1).lambda == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_mixup), cmocka_unit_test(test_golden_cutmix), cmocka_unit_test(test_odd_batch),
        cmocka_unit_test(test_beta),         cmocka_unit_test(test_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
