/* SPDX-License-Identifier: Apache-2.0 */
/* The objective, the front, Kendall's tau-b and the expected best of random search, each against its definition. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "search/objective.h"
#include "search/rank.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void near(double got, double want, double bound, const char *what)
{
    if (!(fabs(got - want) <= bound)) fail_msg("%s: %.17g, expected %.17g within %g", what, got, want, bound);
}

/* ---------------------------------------------------------------------------------------------------- objective */

static void test_reward(void **state)
{
    (void)state;
    eff_objective o = { .cost = EFF_COST_MACS, .target = 4e8, .exponent = -0.07 };
    near(eff_objective_reward(&o, 0.7, 4e8), 0.7, 0, "at the target");
    near(eff_objective_reward(&o, 0.7, 8e8), 0.7 * 0.95263799804393733, 1e-15, "twice the target"); /* 2^-0.07 */
    near(eff_objective_reward(&o, 0.7, 2e8), 0.7 * 1.0497166836230674, 1e-15, "half the target");   /* 2^0.07 */
    o.hard = true;
    near(eff_objective_reward(&o, 0.7, 4e8), 0.7, 0, "hard, at the target");
    near(eff_objective_reward(&o, 0.7, 1), 0.7, 0, "hard, far below");
    near(eff_objective_reward(&o, 0.7, 10e8), 0.28, 1e-16, "hard, 2.5 times the target");
    near(eff_objective_reward(&o, NAN, 1), 0, 0, "not trained");
    near(eff_objective_reward(&o, 0.7, NAN), 0, 0, "of unknown cost");
}

static void refused(eff_objective o, const char *message)
{
    eff_error err = { 0 };
    assert_int_equal(eff_objective_check(&o, &err), EFF_EARG);
    assert_string_equal(err.msg, message);
}

static void test_check(void **state)
{
    (void)state;
    const eff_objective good = {
        .cost = EFF_COST_LATENCY, .target = 0.002, .exponent = 0, .limit = { 1e9, 0, 5e6, 0 }
    };
    assert_int_equal(eff_objective_check(&good, NULL), EFF_OK);
    eff_objective o = good;
    o.target = 0;
    refused(o, "target of latency: expected more than 0, found 0");
    o.target = NAN;
    assert_int_equal(eff_objective_check(&o, NULL), EFF_EARG);
    o = good;
    o.exponent = 0.07;
    refused(o, "exponent: expected 0 or less, found 0.07");
    o = good;
    o.limit[EFF_COST_MEMORY] = -1;
    refused(o, "limit of memory: expected more than 0, or 0 for none, found -1");
}

static void test_limits(void **state)
{
    (void)state;
    const eff_objective o = { .target = 1, .limit = { [EFF_COST_LATENCY] = 0.01, [EFF_COST_PARAMS] = 5e6 } };
    eff_cost which = EFF_COSTS;
    assert_true(eff_objective_allows(&o, (double[]){ 1e12, 0.01, 5e6, 1e12 }, &which));
    assert_true(eff_objective_allows(&o, (double[]){ NAN, NAN, NAN, NAN }, &which));
    assert_int_equal(which, EFF_COSTS);
    assert_false(eff_objective_allows(&o, (double[]){ 1, 0.009, 5000001, 1 }, &which));
    assert_int_equal(which, EFF_COST_PARAMS);
    assert_false(eff_objective_allows(&o, (double[]){ 1, 0.011, 5000001, 1 }, &which));
    assert_int_equal(which, EFF_COST_LATENCY);
}

/* -------------------------------------------------------------------------------------------------------- front */

enum { POINTS = 60 };

static const double *sort_cost, *sort_accuracy;

static int by_cost(const void *x, const void *y) /* then the better, then the first */
{
    const int i = *(const int *)x, j = *(const int *)y;
    if (sort_cost[i] != sort_cost[j]) return sort_cost[i] < sort_cost[j] ? -1 : 1;
    if (sort_accuracy[i] != sort_accuracy[j]) return sort_accuracy[i] > sort_accuracy[j] ? -1 : 1;
    return i - j;
}

/* Another way to the same: by rising cost, who is better than all before. */
static void sweep(bool *on, const double *cost, const double *accuracy)
{
    int order[POINTS], n = 0;
    double best = -INFINITY;
    for (int i = 0; i < POINTS; i++) {
        on[i] = false;
        if (!isnan(cost[i]) && !isnan(accuracy[i])) order[n++] = i;
    }
    sort_cost = cost;
    sort_accuracy = accuracy;
    qsort(order, (size_t)n, sizeof *order, by_cost);
    for (int i = 0; i < n; i++) {
        if (!(accuracy[order[i]] > best)) continue;
        best = accuracy[order[i]];
        on[order[i]] = true;
    }
}

static void test_front(void **state)
{
    (void)state;
    int members = 0, ties = 0;
    for (uint64_t round = 0; round < 400; round++) {
        double cost[POINTS], accuracy[POINTS];
        bool got[POINTS], want[POINTS];
        for (uint64_t i = 0; i < POINTS; i++) { /* few levels: equal costs, accuracies and points */
            cost[i] = 1 + floor(12 * eff_rng_uniform(round, 1, i));
            accuracy[i] = floor(0.6 * cost[i] + 8 * eff_rng_uniform(round, 2, i)) / 16;
            if (eff_rng_uniform(round, 3, i) < 0.05) cost[i] = NAN;
            if (eff_rng_uniform(round, 4, i) < 0.05) accuracy[i] = NAN;
        }
        eff_pareto_front(got, cost, accuracy, POINTS);
        sweep(want, cost, accuracy);
        for (int i = 0; i < POINTS; i++) {
            if (got[i] != want[i]) fail_msg("round %d: point %d: %d", (int)round, i, got[i]);
            members += got[i];
            for (int j = 0; j < i; j++) ties += got[j] && cost[i] == cost[j] && accuracy[i] == accuracy[j];
        }
    }
    assert_true(members > 400 && ties > 400);
}

/* ---------------------------------------------------------------------------------------------------------- tau */

static double tau_by_definition(const double *a, const double *b, int n)
{
    double agree = 0, in_a = 0, in_b = 0; /* pairs, of those untied in a, in b */
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) {
            const int x = (a[i] > a[j]) - (a[i] < a[j]), y = (b[i] > b[j]) - (b[i] < b[j]);
            agree += x * y;
            in_a += x != 0;
            in_b += y != 0;
        }
    return agree / sqrt(in_a * in_b);
}

static void test_tau(void **state)
{
    (void)state;
    /* SciPy's documentation of kendalltau */
    near(eff_kendall((double[]){ 12, 2, 1, 12, 2 }, (double[]){ 1, 4, 7, 1, 0 }, 5, 1).value, -0.47140452079103173,
         1e-15, "SciPy's example");
    for (uint64_t round = 0; round < 60; round++) {
        double a[80], b[80];
        const int n = 2 + (int)round, levels = round % 3 == 0 ? 1000 : 6;
        for (int i = 0; i < n; i++) {
            a[i] = floor(levels * eff_rng_uniform(round, 1, (uint64_t)i));
            b[i] = floor(levels * eff_rng_uniform(round, 2, (uint64_t)i) + (round % 2 ? a[i] : -a[i]));
        }
        const double want = tau_by_definition(a, b, n);
        const eff_tau got = eff_kendall(a, b, n, round);
        if (isnan(want))
            assert_true(isnan(got.value));
        else
            near(got.value, want, 1e-14, "tau");
        assert_int_equal(got.n, n);
        assert_true(n < 5 ? isnan(got.lo) && isnan(got.hi) : got.lo <= got.hi && got.lo >= -1 && got.hi <= 1);
    }
    const double up[] = { 1, NAN, 2, 3, 4, 5 }, down[] = { 5, 7, 4, 3, NAN, 2 }, flat[] = { 1, 1, 1, 1, 1, 1 };
    eff_tau t = eff_kendall(up, down, 6, 0);
    assert_int_equal(t.n, 4);
    near(t.value, -1, 0, "reversed");
    assert_true(isnan(t.lo));
    t = eff_kendall(up, up, 6, 0);
    near(t.value, 1, 0, "itself");
    near(t.lo, 1, 0, "whatever is drawn");
    assert_true(isnan(eff_kendall(up, flat, 6, 0).value));
    assert_true(isnan(eff_kendall(up, up, 1, 0).value));
    assert_true(isnan(eff_kendall(up, up, 0, 0).value));
    const eff_tau once = eff_kendall(down, down + 1, 5, 7), again = eff_kendall(down, down + 1, 5, 7);
    assert_memory_equal(&once, &again, sizeof once);
    for (long k = 0; k < 4; k++) {
        eff_alloc_fail_after(k);
        t = eff_kendall(up, up, 6, 0);
        eff_alloc_fail_after(-1);
        assert_true(isnan(t.value) && isnan(t.lo) && isnan(t.hi));
    }
}

/* Normal pairs with correlation r have tau = 2/pi asin(r). */
static void test_coverage(void **state)
{
    (void)state;
    enum { ROUNDS = 100, N = 40 };
    int covered = 0;
    double width = 0;
    const double r = 0.6, truth = 2 / M_PI * asin(r);
    for (uint64_t k = 0; k < ROUNDS; k++) {
        double a[N], b[N];
        for (uint64_t i = 0; i < N; i++) {
            a[i] = eff_rng_normal(k, 10, i);
            b[i] = r * a[i] + sqrt(1 - r * r) * eff_rng_normal(k, 11, i);
        }
        const eff_tau t = eff_kendall(a, b, N, k);
        covered += t.lo <= truth && truth <= t.hi;
        width += (t.hi - t.lo) / ROUNDS;
    }
    print_message("Kendall's tau of 40 children: the interval has the truth %d times of %d, mean width %.3f\n", covered,
                  ROUNDS, width);
    /* 95 of 100 expected, standard deviation 2.2; the standard error of tau is about 0.09 here */
    assert_in_range(covered, 88, 100);
    assert_true(width > 0.25 && width < 0.5);
}

/* ------------------------------------------------------------------------------------------------ expected best */

static void test_expected_best(void **state)
{
    (void)state;
    const double v[] = { 0.3, 0.9, 0.1, 0.9, 0.5, 0.7, 0.2 };
    enum { N = sizeof v / sizeof *v };
    for (int k = 1; k <= N; k++) { /* all subsets */
        double sum = 0;
        int subsets = 0;
        for (unsigned set = 0; set < 1u << N; set++) {
            if (__builtin_popcount(set) != k) continue;
            double best = 0;
            for (int i = 0; i < N; i++)
                if (set >> i & 1) best = fmax(best, v[i]);
            sum += best;
            subsets++;
        }
        near(eff_expected_best(v, N, k), sum / subsets, 1e-15, "expected best");
    }
    near(eff_expected_best(v, N, 20), 0.9, 1e-15, "more than there are");
    assert_true(isnan(eff_expected_best(v, N, 0)) && isnan(eff_expected_best(v, 0, 1)));
    assert_true(isnan(eff_expected_best((double[]){ 1, NAN }, 2, 1)));

    enum { MANY = 100000 }; /* the best of k of 1..n is k (n + 1) / (k + 1) */
    double *const many = malloc(MANY * sizeof *many);
    for (int i = 0; i < MANY; i++) many[i] = (i * 7919LL) % MANY + 1;
    for (int k = 1; k <= MANY; k = k * 10 - k / 2)
        near(eff_expected_best(many, MANY, k), (double)k * (MANY + 1) / (k + 1), 1e-6, "of 100,000");
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reward),        cmocka_unit_test(test_check), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_front),         cmocka_unit_test(test_tau),   cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_expected_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
