/* SPDX-License-Identifier: Apache-2.0 */
/* The temperature against a plain search over a fine grid in long double, and by its properties; the figures at a
 * temperature against those of logits divided beforehand. */
#include "support.h"

#include "base/rng.h"

#include <effnet/eval.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1500, C = 7 };

typedef struct answers {
    float z[N][C];
    int label[N];
} answers;

/* Labels drawn from softmax(z / truth): at that temperature the model is as sure as it should be. */
static answers *draw(double truth, uint64_t seed)
{
    answers *const a = malloc(sizeof *a);
    assert_non_null(a);
    for (uint64_t i = 0; i < N; i++) {
        double p[C], sum = 0;
        for (uint64_t c = 0; c < C; c++) {
            a->z[i][c] = (float)(4 * eff_rng_normal(seed, 1, i * C + c));
            sum += p[c] = exp((double)a->z[i][c] / truth);
        }
        double u = eff_rng_uniform(seed, 2, i) * sum;
        int c = 0;
        while (c < C - 1 && (u -= p[c]) > 0) c++;
        a->label[i] = c;
    }
    return a;
}

/* Cross-entropy, with one image's weight of a label that may be any class; `doubt` 0: without. */
static long double entropy(const answers *a, size_t n, long double t, long double doubt)
{
    long double all = 0;
    for (size_t i = 0; i < n; i++) {
        long double sum = 0, mean = 0;
        for (int c = 0; c < C; c++) {
            sum += expl(a->z[i][c] / t);
            mean += a->z[i][c] / t / C;
        }
        all += logl(sum) - (1 - doubt) * a->z[i][a->label[i]] / t - doubt * mean;
    }
    return all / (long double)n;
}

static eff_calibration fit(const answers *a, size_t n)
{
    eff_error err = { 0 };
    eff_calibration k;
    T_OK(eff_temperature_fit(&k, a->z[0], a->label, n, C, &err), err);
    assert_true(k.temperature >= 0.05 && k.temperature <= 20);
    return k;
}

static void finds_the_minimum(void **state)
{
    (void)state;
    static const double truth[] = { 0.3, 1, 1.9, 6 };
    static const size_t sizes[] = { 1, 5, 60, N };
    for (size_t k = 0; k < 4; k++) {
        answers *const a = draw(truth[k], 10 + k);
        for (size_t j = 0; j < 4; j++) {
            const size_t n = sizes[j];
            const long double doubt = 1.0L / (long double)(n + 1);
            const eff_calibration got = fit(a, n);
            assert_int_equal(got.n, n);
            const long double least = entropy(a, n, (long double)got.temperature, doubt);
            /* convex in 1/T: no lower on either side nearby, nor anywhere on a grid over the range */
            for (double step = 1e-3; step < 0.5; step *= 4) {
                const double up = got.temperature * (1 + step), down = got.temperature / (1 + step);
                if (up <= 20 && entropy(a, n, (long double)up, doubt) < least - 1e-12L)
                    fail_msg("%g, %zu: %g is better than %g", truth[k], n, up, got.temperature);
                if (down >= 0.05 && entropy(a, n, (long double)down, doubt) < least - 1e-12L)
                    fail_msg("%g, %zu: %g is better than %g", truth[k], n, down, got.temperature);
            }
            assert_true(fabsl(entropy(a, n, 1, 0) - (long double)got.loss_before) < 1e-9L);
            assert_true(fabsl(entropy(a, n, (long double)got.temperature, 0) - (long double)got.loss_after) < 1e-9L);
            if (n < N) continue;
            /* 1500 answers settle it within some per cent of what they were drawn at */
            if (fabs(log(got.temperature / truth[k])) > 0.15)
                fail_msg("drawn at %g, fitted %g", truth[k], got.temperature);
            assert_true(got.loss_after <= got.loss_before + 1e-6);
        }
        free(a);
    }
}

static void properties(void **state)
{
    (void)state;
    answers *const a = draw(1.5, 3), *const b = malloc(sizeof *b);
    assert_non_null(b);
    const double t = fit(a, N).temperature;
    *b = *a;
    for (int i = 0; i < N; i++)
        for (int c = 0; c < C; c++)
            b->z[i][c] = 2 * a->z[i][c]; /* twice the scores, twice the temperature, to the bit almost */
    assert_true(fabs(fit(b, N).temperature / t - 2) < 1e-9);
    for (int i = 0; i < N; i++)
        for (int c = 0; c < C; c++) b->z[i][c] = a->z[i][c] + 64; /* a constant changes nothing but rounding */
    assert_true(fabs(fit(b, N).temperature / t - 1) < 1e-4);
    *b = *a; /* rows that are not finite do not count, wherever they stand */
    for (int i = 0; i < N; i += 3) b->z[i][i % C] = i % 2 ? (float)NAN : (float)INFINITY;
    eff_calibration k = fit(b, N);
    int kept = 0;
    for (int i = 0; i < N; i++)
        if (i % 3) {
            memmove(b->z[kept], a->z[i], sizeof b->z[0]);
            b->label[kept++] = a->label[i];
        }
    assert_int_equal(k.n, kept);
    assert_true(k.temperature == fit(b, (size_t)kept).temperature);
    free(a);
    free(b);
}

/* Sets on which the cross-entropy alone has no minimum. */
static void without_a_mistake_or_a_hit(void **state)
{
    (void)state;
    eff_error err = { 0 };
    answers *const a = calloc(1, sizeof *a);
    assert_non_null(a);
    for (int i = 0; i < N; i++) a->z[i][a->label[i] = i % C] = 8;
    double before = 20;
    for (size_t n = 10; n <= N; n *= 10) { /* more right answers make it surer, never certain */
        const eff_calibration k = fit(a, n);
        float p[C];
        eff_softmax_at(a->z[0], C, k.temperature, p);
        /* the doubted target: 1/(n+1) of the weight spread over all classes */
        const double want = 1 - 1.0 / (double)(n + 1) * (C - 1) / C;
        if (fabs((double)p[0] - want) > 1e-6)
            fail_msg("%zu right answers: confidence %.9g, want %.9g", n, (double)p[0], want);
        assert_true(k.temperature < before);
        before = k.temperature;
    }
    for (int i = 0; i < N; i++) a->z[i][i % C] = 1e-3f; /* hardly told apart, and always right: the end of the range */
    assert_true(fabs(fit(a, N).temperature - 0.05) < 1e-9);
    for (int i = 0; i < N; i++) a->label[i] = (i + 1) % C; /* always wrong */
    assert_true(fabs(fit(a, N).temperature - 20) < 1e-6);
    for (int i = 0; i < N; i++)
        for (int c = 0; c < C; c++) a->z[i][c] = 3;
    assert_true(fit(a, N).temperature == 1); /* says nothing */
    for (int i = 0; i < N; i++)
        for (int c = 0; c < C; c++) a->z[i][c] = c == a->label[i] ? 3e38f : -3e38f; /* as far apart as floats go */
    assert_true(isfinite(fit(a, N).temperature));
    eff_calibration k;
    T_OK(eff_temperature_fit(&k, a->z[0], (const int[]){ 0, 0, 0 }, 3, 1, &err), err); /* one class */
    assert_true(k.temperature == 1 && k.loss_after == 0);
    assert_int_equal(eff_temperature_fit(&k, a->z[0], a->label, 0, C, &err), EFF_EARG);
    a->label[2] = C;
    assert_int_equal(eff_temperature_fit(&k, a->z[0], a->label, N, C, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "label of answer 2: expected 0..6, found 7"));
    a->label[2] = -1;
    assert_int_equal(eff_temperature_fit(&k, a->z[0], a->label, N, C, &err), EFF_EARG);
    free(a);
}

static void figures_at_a_temperature(void **state)
{
    (void)state;
    const double t = 2; /* a power of two: dividing a float by it is exact */
    eff_error err = { 0 };
    eff_metrics *at, *divided;
    answers *const a = draw(2, 5);
    T_OK(eff_metrics_create(&at, C, &err), err);
    T_OK(eff_metrics_create(&divided, C, &err), err);
    eff_metrics_set_temperature(at, t);
    int in_bin[EFF_CALIBRATION_BINS] = { 0 };
    for (int i = 0; i < N; i++) {
        float half[C], p[C];
        int best, best_at;
        for (int c = 0; c < C; c++) half[c] = a->z[i][c] / 2;
        eff_metrics_add(at, a->label[i], a->z[i]);
        eff_metrics_add(divided, a->label[i], half);
        eff_softmax_at(a->z[i], C, t, p);
        eff_top_k(a->z[i], C, 1, &best);
        eff_top_k(p, C, 1, &best_at);
        assert_int_equal(best, best_at);
        in_bin[(int)ceil((double)p[best] * EFF_CALIBRATION_BINS) - 1]++;
    }
    const eff_metrics_result *const r = eff_metrics_get(at), *const d = eff_metrics_get(divided);
    assert_true(r->top1 == d->top1 && r->top5 == d->top5 && r->temperature == 2 && d->temperature == 1);
    assert_true(r->loss == d->loss && r->ece == d->ece);
    assert_true(d->plain_loss == d->loss && d->plain_ece == d->ece);
    assert_true(r->plain_ece > 0.08 && r->ece < 0.04); /* drawn at 2: too sure at 1, right at 2 */
    double gap = 0;
    int n = 0;
    for (int b = 0; b < EFF_CALIBRATION_BINS; b++) {
        const eff_calibration_bin *const k = &r->bins[b];
        assert_int_equal(k->n, d->bins[b].n);
        assert_true(abs(k->n - in_bin[b]) <= 1); /* a float probability may round across an edge */
        n += k->n;
        if (!k->n) {
            assert_true(isnan(k->confidence) && isnan(k->accuracy));
            continue;
        }
        assert_true(k->confidence > (double)b / EFF_CALIBRATION_BINS &&
                    k->confidence <= (b + 1.0) / EFF_CALIBRATION_BINS + 1e-12);
        assert_true(fabs(k->accuracy * k->n - k->correct) < 1e-9);
        gap += fabs(k->accuracy - k->confidence) * k->n;
    }
    assert_int_equal(n, N);
    assert_true(fabs(gap / N - r->ece) < 1e-12);
    eff_metrics_free(at);
    eff_metrics_free(divided);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_minimum),
        cmocka_unit_test(properties),
        cmocka_unit_test(without_a_mistake_or_a_hit),
        cmocka_unit_test(figures_at_a_temperature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
