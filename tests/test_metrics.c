/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics against values worked out by other means: a plain O(n^2) ranking, sums in long double, published Wilson
 * bounds. */
#include "support.h"

#include "base/mem.h"

#include <effnet/eval.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void near(double got, double want, double eps)
{
    if (!(fabs(got - want) <= eps)) fail_msg("got %.17g, want %.17g within %g", got, want, eps);
}

static void wilson_bounds(void **state)
{
    (void)state;
    /* k, n, lo, hi: roots of (p - k/n)^2 = z^2 p (1 - p) / n, solved below independently of the code's closed form */
    for (int n = 1; n <= 60; n++) {
        for (int k = 0; k <= n; k++) {
            double lo, hi;
            eff_wilson(k, n, &lo, &hi);
            const double z = 1.959963984540054, ph = (double)k / n;
            assert_true(lo >= 0 && lo <= ph && ph <= hi && hi <= 1);
            if (k)
                near((ph - lo) * (ph - lo), z * z * lo * (1 - lo) / n, 1e-12);
            else
                assert_true(lo == 0);
            if (k < n)
                near((hi - ph) * (hi - ph), z * z * hi * (1 - hi) / n, 1e-12);
            else
                assert_true(hi == 1);
            double mlo, mhi; /* failures instead of successes: the mirror image */
            eff_wilson(n - k, n, &mlo, &mhi);
            near(mlo, 1 - hi, 1e-12);
            near(mhi, 1 - lo, 1e-12);
        }
    }
    double lo, hi;
    eff_wilson(81, 263, &lo, &hi); /* Newcombe 1998, table I: 0.2553 to 0.3662 */
    near(lo, 0.2553, 5e-5);
    near(hi, 0.3662, 5e-5);
    eff_wilson(0, 20, &lo, &hi); /* the same table: 0 to 0.1611 */
    near(lo, 0, 0);
    near(hi, 0.1611, 5e-5);
    eff_wilson(0, 0, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi));
}

static void softmax_is_stable(void **state)
{
    (void)state;
    float p[3];
    eff_softmax((const float[]){ 1000, 1000, 1000 }, 3, p);
    for (int i = 0; i < 3; i++) near((double)p[i], 1.0 / 3, 1e-7);
    eff_softmax((const float[]){ 3e38f, -3e38f, 0 }, 3, p);
    assert_true(p[0] == 1 && p[1] == 0 && p[2] == 0);
    eff_softmax((const float[]){ -100, -101, -102 }, 3, p);
    const double e0 = 1, e1 = exp(-1), e2 = exp(-2), s = e0 + e1 + e2;
    near((double)p[0], e0 / s, 1e-7);
    near((double)p[1], e1 / s, 1e-7);
    near((double)p[2], e2 / s, 1e-7);
    for (int n = 1; n < 300; n += 7) {
        float *v = t_uniform((size_t)n, -30, 30, (uint64_t)n), *q = t_uniform((size_t)n, 0, 0, 1);
        eff_softmax(v, n, q);
        double sum = 0;
        for (int i = 0; i < n; i++) sum += (double)q[i];
        near(sum, 1, 1e-5);
        free(v);
        free(q);
    }
}

/* Position of i when everything is ranked: the plain definition. NaN ranks last. */
static int rank_of(const float *v, int n, int i)
{
    int r = 0;
    for (int j = 0; j < n; j++) {
        if (j == i) continue;
        if (isnan(v[i]) ? (!isnan(v[j]) || j < i) : (v[j] > v[i] || (v[j] == v[i] && j < i))) r++;
    }
    return r;
}

static void top_k_against_ranking(void **state)
{
    (void)state;
    for (int n = 1; n <= 40; n++) {
        for (int k = 0; k <= n + 2; k++) {
            float *v = t_uniform((size_t)n, 0, 5, (uint64_t)(n * 100 + k));
            for (int i = 0; i < n; i++) v[i] = floorf(v[i]); /* many ties */
            if (n > 3 && k % 3 == 0) v[n / 2] = NAN;
            int index[64];
            for (int i = 0; i < 64; i++) index[i] = 777;
            eff_top_k(v, n, k, index);
            for (int i = 0; i < k; i++) {
                if (i >= n) {
                    assert_int_equal(index[i], -1);
                    continue;
                }
                assert_in_range(index[i], 0, n - 1);
                assert_int_equal(rank_of(v, n, index[i]), i);
            }
            assert_int_equal(index[k], 777);
            free(v);
        }
    }
}

static void against_plain_sums(void **state)
{
    (void)state;
    enum { N = 400 };
    static const int class_counts[] = { 1, 2, 3, 5, 6, 10, 33 };
    for (size_t t = 0; t < sizeof class_counts / sizeof *class_counts; t++) {
        const int c = class_counts[t];
        eff_error err = { 0 };
        eff_metrics *m;
        T_OK(eff_metrics_create(&m, c, &err), err);
        float *v = t_uniform((size_t)(N * c), -4, 4, 11 + t), *lab = t_uniform(N, 0, (float)c, 99 + t);
        int top1 = 0, top5 = 0, confusion[33 * 33] = { 0 }, bn[15] = { 0 }, bright[15] = { 0 };
        long double loss = 0, bconf[15] = { 0 };
        for (int i = 0; i < N; i++) {
            float *x = v + i * c;
            for (int j = 0; j < c; j++)
                if (i % 3 == 0) x[j] = roundf(x[j]); /* ties among the best */
            int label = (int)lab[i], best = 0;
            if (label >= c) label = c - 1;
            long double sum = 0;
            for (int j = 0; j < c; j++) {
                if (rank_of(x, c, j) == 0) best = j;
                sum += expl((long double)x[j]);
            }
            const int r = rank_of(x, c, label);
            const long double conf = expl((long double)x[best]) / sum;
            int b = 0;
            while (b < 14 && conf > (long double)(b + 1) / 15) b++;
            bn[b]++;
            bright[b] += r == 0;
            bconf[b] += conf;
            top1 += r == 0;
            top5 += r < 5;
            loss -= logl(expl((long double)x[label]) / sum);
            confusion[label * c + best]++;
            eff_metrics_add(m, label, x);
        }
        eff_metrics_add(m, -1, v); /* no such class: not counted */
        eff_metrics_add(m, c, v);
        const eff_metrics_result *r = eff_metrics_get(m);
        long double ece = 0;
        for (int b = 0; b < 15; b++)
            if (bn[b]) ece += fabsl(bright[b] / (long double)bn[b] - bconf[b] / bn[b]) * bn[b] / N;
        assert_int_equal(r->n, N);
        assert_int_equal(r->classes, c);
        assert_true(r->top1 == (double)top1 / N && r->top5 == (double)top5 / N);
        near(r->loss, (double)(loss / N), 1e-12);
        near(r->ece, (double)ece, 1e-9);
        assert_memory_equal(r->confusion, confusion, (size_t)(c * c) * sizeof *confusion);
        double lo, hi;
        eff_wilson(top1, N, &lo, &hi);
        assert_true(r->lo == lo && r->hi == hi);
        for (int k = 0; k < c; k++) {
            const eff_class_metrics *p = &r->per_class[k];
            int row = 0, col = 0;
            for (int j = 0; j < c; j++) row += confusion[k * c + j], col += confusion[j * c + k];
            assert_int_equal(p->n, row);
            assert_int_equal(p->predicted, col);
            assert_int_equal(p->correct, confusion[k * c + k]);
            if (row) near(p->recall, (double)p->correct / row, 0);
            if (col) near(p->precision, (double)p->correct / col, 0);
        }
        eff_metrics_free(m);
        free(v);
        free(lab);
    }
}

static void nothing_added(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_metrics *m;
    T_OK(eff_metrics_create(&m, 4, &err), err);
    const eff_metrics_result *r = eff_metrics_get(m);
    assert_int_equal(r->n, 0);
    assert_true(isnan(r->top1) && isnan(r->loss) && isnan(r->ece) && isnan(r->lo));
    assert_true(isnan(r->per_class[3].recall) && isnan(r->per_class[3].precision_hi));
    eff_metrics_add(m, 1, (const float[]){ NAN, NAN, NAN, NAN }); /* a broken network must not break the table */
    eff_metrics_add(m, 1, (const float[]){ -INFINITY, INFINITY, 0, 0 });
    r = eff_metrics_get(m);
    assert_int_equal(r->n, 2);
    assert_int_equal(r->confusion[1 * 4 + 0], 1);
    assert_int_equal(r->confusion[1 * 4 + 1], 1);
    eff_metrics_free(m);
    eff_metrics_free(NULL);
}

static void impossible_counts(void **state)
{
    (void)state;
    static const int bad[] = { 0, -1, 16385, 2147483647 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        eff_error err = { 0 };
        eff_metrics *m = (eff_metrics *)&err;
        assert_int_equal(eff_metrics_create(&m, bad[i], &err), EFF_EARG);
        assert_null(m);
        assert_non_null(strstr(err.msg, "16384"));
    }
    for (long n = 0;; n++) { /* memory ends at every allocation in turn */
        eff_error err = { 0 };
        eff_metrics *m;
        eff_alloc_fail_after(n);
        const eff_status s = eff_metrics_create(&m, 5, &err);
        eff_alloc_fail_after(-1);
        if (s == EFF_OK) {
            assert_true(n >= 3);
            eff_metrics_free(m);
            break;
        }
        assert_int_equal(s, EFF_ENOMEM);
        assert_null(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson_bounds),         cmocka_unit_test(softmax_is_stable),
        cmocka_unit_test(top_k_against_ranking), cmocka_unit_test(against_plain_sums),
        cmocka_unit_test(nothing_added),         cmocka_unit_test(impossible_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
