/* SPDX-License-Identifier: Apache-2.0 */
/* The controllers on a reward whose best child is known: they find more than random search does, repeat to the bit,
 * propose nothing twice while there is something new, and PPO's gradient is the derivative of what it climbs. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "scale/compare.h"
#include "search/controller_internal.h"
#include "search_synthetic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 3, SEEDS = 20, LANDSCAPES = T_SANITIZED ? 1 : 3, MARKS = 3 };

static const int marks[MARKS] = { 100, 200, 300 }; /* evaluations after which controllers are compared */

static eff_controller *make(const eff_space *s, eff_controller_kind kind, uint64_t seed, int ahead)
{
    eff_error err = { 0 };
    eff_controller_opts o;
    eff_controller *c;
    eff_controller_opts_init(&o, kind);
    o.seed = seed;
    o.ahead = ahead;
    T_OK(eff_controller_create(&c, s, &o, &err), err);
    return c;
}

/* ----------------------------------------------------------------------------------------------- against random */

/* The landscape's own optimum, by brute force where that is possible. */
static void test_optimum(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        t_landscape l;
        eff_child c;
        double best = 0;
        t_landscape_init(&l, 2, 0, seed);
        for (int i = 0; i < T_STATES * T_STATES; i++) {
            t_landscape_child(&l, i, &c);
            best = fmax(best, t_landscape_reward(&l, &c));
        }
        assert_true(fabs(best - t_landscape_best(&l)) < 1e-12);
    }
}

static void best_found(double found[MARKS], const t_landscape *l, eff_controller_kind kind, uint64_t seed)
{
    eff_controller *const c = make(&l->space, kind, seed, 0);
    double best = 0;
    for (int i = 0, m = 0; m < MARKS; i++) {
        eff_child child;
        eff_controller_propose(c, i, &child);
        const double r = t_landscape_reward(l, &child);
        eff_controller_observe(c, i, &child, r);
        best = fmax(best, r);
        if (i + 1 == marks[m]) found[m++] = best;
    }
    eff_controller_free(c);
}

/* How far a controller is above random search with the same seeds, by Student's distribution over them. */
static void compare(double found[KINDS][SEEDS][MARKS], int k, int m, double optimum)
{
    double below = 0, mean = 0, square = 0;
    for (int s = 0; s < SEEDS; s++) {
        below += (1 - found[k][s][m] / optimum) / SEEDS;
        mean += (found[k][s][m] - found[0][s][m]) / SEEDS;
    }
    for (int s = 0; s < SEEDS; s++) {
        const double d = found[k][s][m] - found[0][s][m] - mean;
        square += d * d / (SEEDS - 1);
    }
    const double half = eff_student(SEEDS - 1) * sqrt(square / SEEDS);
    print_message("  %-9s best of %d: %.1f %% below the optimum", eff_controller_name((eff_controller_kind)k), marks[m],
                  100 * below);
    if (k) print_message("; above random by %.4f (%.4f to %.4f)", mean, mean - half, mean + half);
    print_message("\n");
    if (k && !(mean - half > 0)) fail_msg("no better than random search");
}

static void test_beat_random(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < LANDSCAPES; i++) {
        static t_landscape l;
        double found[KINDS][SEEDS][MARKS];
        t_landscape_init(&l, T_STAGES, 0, 77 + i);
        const double optimum = t_landscape_best(&l);
        print_message("landscape %d, optimum %.4f\n", (int)i, optimum);
        for (int k = 0; k < KINDS; k++)
            for (uint64_t s = 0; s < SEEDS; s++) {
                best_found(found[k][s], &l, (eff_controller_kind)k, s);
                assert_true(found[k][s][MARKS - 1] <= optimum * (1 + 1e-12));
            }
        for (int m = 0; m < MARKS; m++)
            for (int k = 0; k < KINDS; k++) compare(found, k, m, optimum);
    }
}

/* ------------------------------------------------------------------------------------------------------- repeats */

/* Asked for `ahead` + 1 at a time; the observations come late. */
static void run_ahead(const t_landscape *l, eff_controller_kind kind, uint64_t seed, int ahead, eff_child *out, int n)
{
    eff_controller *const c = make(&l->space, kind, seed, ahead);
    const long before = eff_alloc_count();
    for (int i = 0, next = 0; i < n; i++) {
        while (next < n && next <= i + ahead) eff_controller_propose(c, next, &out[next]), next++;
        eff_controller_observe(c, i, &out[i], t_landscape_reward(l, &out[i]));
    }
    assert_int_equal(eff_alloc_count(), before); /* nothing after creation */
    eff_controller_free(c);
}

static void test_repeat(void **state)
{
    (void)state;
    enum { N = 120, AHEAD = 3 };
    static eff_child a[N], b[N], other[N];
    t_landscape l, changed;
    t_landscape_init(&l, 4, 0.01, 5);
    changed = l;
    changed.seed++; /* other noise: other rewards from the first on */
    for (int k = 0; k < KINDS; k++) {
        const eff_controller_kind kind = (eff_controller_kind)k;
        run_ahead(&l, kind, 11, AHEAD, a, N);
        run_ahead(&l, kind, 11, AHEAD, b, N);
        assert_memory_equal(a, b, sizeof a);
        run_ahead(&l, kind, 12, AHEAD, other, N);
        assert_memory_not_equal(a, other, sizeof a);
        run_ahead(&l, kind, 11, 0, b, N); /* the first are drawn before anything is learnt */
        assert_memory_equal(a, b, 10 * sizeof *a);
        run_ahead(&changed, kind, 11, AHEAD, b, N);
        assert_int_equal(memcmp(a, b, sizeof a) != 0, kind != EFF_CONTROLLER_RANDOM);
        for (int i = 0; i < N; i++) {
            for (int d = 0; d < EFF_MAX_DECISIONS; d++)
                assert_true(a[i].choice[d] < (d < l.space.ndecisions ? l.space.decision[d].n : 1));
            for (int j = 0; j < i; j++) assert_memory_not_equal(&a[i], &a[j], sizeof *a);
        }
    }
}

/* A space in which dsconv makes expansion and squeezing idle: 2 (2 * 2 * 3 + 3) = 30 networks of 48 choices. All are
 * proposed before one is proposed again, and what is proposed is canonical. */
static void idle_space(eff_space *s)
{
    t_landscape l;
    t_landscape_init(&l, 1, 0, 1);
    *s = l.space;
    s->ndecisions = 0;
    s->decision[s->ndecisions++] =
        (eff_decision){ .field = EFF_FIELD_OP, .n = 2, .option = { EFF_OP_DSCONV, EFF_OP_MBCONV } };
    s->decision[s->ndecisions++] = (eff_decision){ .field = EFF_FIELD_KERNEL, .n = 2, .option = { 3, 5 } };
    s->decision[s->ndecisions++] = (eff_decision){ .field = EFF_FIELD_EXPAND, .n = 2, .option = { 3, 6 } };
    s->decision[s->ndecisions++] = (eff_decision){ .field = EFF_FIELD_SE, .n = 2, .option = { 0, 0.25 } };
    s->decision[s->ndecisions++] = (eff_decision){ .field = EFF_FIELD_FILTERS, .n = 3, .option = { 0.75, 1, 1.25 } };
}

static void test_exhaust(void **state)
{
    (void)state;
    enum { NETWORKS = 30 };
    eff_space s;
    idle_space(&s);
    for (int k = 0; k < KINDS; k++) {
        eff_controller *const c = make(&s, (eff_controller_kind)k, 3, 0);
        eff_child child[NETWORKS + 20];
        for (int i = 0; i < NETWORKS + 20; i++) {
            eff_controller_propose(c, i, &child[i]);
            eff_child canonical = child[i];
            eff_space_canonical(&s, &canonical);
            assert_memory_equal(&canonical, &child[i], sizeof canonical);
            int known = 0;
            for (int j = 0; j < i; j++) known += memcmp(&child[i], &child[j], sizeof *child) == 0;
            assert_int_equal(known > 0, i >= NETWORKS);
            eff_controller_observe(c, i, &child[i], i % 7 == 3 ? NAN : 0.5 + 0.1 * child[i].choice[4]);
        }
        eff_controller_free(c);
    }
}

/* ----------------------------------------------------------------------------------------------------- evolution */

/* Children that nothing is known of, then members of the population with one decision changed; members are the last to
 * be observed, and with a tournament far larger than the population the parent is the best of them. */
static void test_evolution(void **state)
{
    (void)state;
    enum { N = 60, POPULATION = 6 };
    eff_error err = { 0 };
    eff_child child[N];
    double reward[N];
    t_landscape l;
    t_landscape_init(&l, T_STAGES, 0, 9);
    eff_controller_opts o;
    eff_controller_opts_init(&o, EFF_CONTROLLER_EVOLUTION);
    o.population = o.sample = POPULATION;
    eff_controller *c;
    T_OK(eff_controller_create(&c, &l.space, &o, &err), err);
    int of_best = 0;
    for (int i = 0; i < N; i++) {
        eff_controller_propose(c, i, &child[i]);
        int nearest = EFF_MAX_DECISIONS, parent = -1, best = i - POPULATION;
        for (int j = i < POPULATION ? 0 : i - POPULATION; j < i; j++) {
            int differ = 0;
            for (int d = 0; d < l.space.ndecisions; d++) differ += child[i].choice[d] != child[j].choice[d];
            if (differ < nearest) nearest = differ, parent = j;
            if (i >= POPULATION && reward[j] > reward[best]) best = j;
        }
        if (i >= POPULATION) assert_int_equal(nearest, 1);
        if (i >= POPULATION) of_best += reward[parent] == reward[best];
        if (i && i < POPULATION) assert_true(nearest > 5);
        reward[i] = t_landscape_reward(&l, &child[i]);
        eff_controller_observe(c, i, &child[i], reward[i]);
    }
    eff_controller_free(c);
    /* a draw of six from six has the best with chance 1 - (5/6)^6 = 0.67: 36 of 54, standard deviation 3.5; a child
     * one away from two members is counted for the older */
    print_message("the best of six is the parent %d times of %d\n", of_best, N - POPULATION);
    assert_in_range(of_best, 26, 46);
}

/* ----------------------------------------------------------------------------------------------------------- PPO */

static void random_logits(eff_logits logit, double scale, uint64_t seed)
{
    for (int d = 0; d < EFF_MAX_DECISIONS; d++)
        for (int o = 0; o < EFF_MAX_OPTIONS; o++) logit[d][o] = scale * eff_rng_normal(seed, (uint64_t)d, (uint64_t)o);
}

/* The probabilities of all networks add up to 1, and each is the sum over the choices that make it. */
static void test_probabilities(void **state)
{
    (void)state;
    eff_space s;
    eff_logits logit;
    idle_space(&s);
    random_logits(logit, 1, 21);
    double total = 0;
    for (int i = 0; i < 48; i++) {
        eff_child c = { { 0 } };
        for (int d = 0, rest = i; d < s.ndecisions; rest /= s.decision[d++].n)
            c.choice[d] = (uint8_t)(rest % s.decision[d].n);
        eff_child canonical = c;
        eff_space_canonical(&s, &canonical);
        if (memcmp(&c, &canonical, sizeof c) != 0) continue;
        uint8_t same[EFF_MAX_DECISIONS];
        eff_policy_same(same, &s, &c);
        total += exp(eff_policy_logp(&s, logit, same));
    }
    assert_true(fabs(total - 1) < 1e-12);
}

static void test_gradient(void **state)
{
    (void)state;
    enum { N = 24 };
    eff_space s;
    static eff_logits then, now, grad, ignored;
    static eff_policy_sample sample[N];
    idle_space(&s);
    random_logits(then, 0.5, 31);
    random_logits(now, 0.6, 32);
    int flat = 0, idle = 0;
    const double clip = 0.2, entropy = 0.05, h = 1e-5;
    for (int i = 0; i < N; i++) {
        eff_child c = { { 0 } };
        for (int d = 0; d < s.ndecisions; d++)
            c.choice[d] = (uint8_t)(eff_rng_uniform(33, (uint64_t)i, (uint64_t)d) * s.decision[d].n);
        eff_space_canonical(&s, &c);
        eff_policy_same(sample[i].same, &s, &c);
        idle += sample[i].same[2] == 3;
        sample[i].logp = eff_policy_logp(&s, then, sample[i].same);
        sample[i].advantage = eff_rng_normal(34, 0, (uint64_t)i);
        const double ratio = exp(eff_policy_logp(&s, now, sample[i].same) - sample[i].logp);
        flat += sample[i].advantage > 0 ? ratio > 1 + clip : ratio < 1 - clip;
        assert_true(fabs(ratio - 1 - clip) > 1e-3 && fabs(ratio - 1 + clip) > 1e-3); /* no kink within h */
    }
    assert_in_range(flat, 3, N - 3);
    assert_in_range(idle, 3, N - 3);
    eff_policy_surrogate(grad, &s, now, sample, N, clip, entropy);
    for (int d = 0; d < s.ndecisions; d++)
        for (int o = 0; o < s.decision[d].n; o++) {
            const double x = now[d][o];
            now[d][o] = x + h;
            const double up = eff_policy_surrogate(ignored, &s, now, sample, N, clip, entropy);
            now[d][o] = x - h;
            const double down = eff_policy_surrogate(ignored, &s, now, sample, N, clip, entropy);
            now[d][o] = x;
            const double slope = (up - down) / (2 * h);
            if (fabs(slope - grad[d][o]) > 1e-8) fail_msg("[%d][%d]: %.12g, slope %.12g", d, o, grad[d][o], slope);
        }
}

/* ------------------------------------------------------------------------------------------------------- options */

static void refused(const eff_space *s, const eff_controller_opts *o, const char *message)
{
    eff_error err = { 0 };
    eff_controller *c;
    assert_int_equal(eff_controller_create(&c, s, o, &err), EFF_EARG);
    assert_null(c);
    assert_string_equal(err.msg, message);
}

static void test_options(void **state)
{
    (void)state;
    t_landscape l;
    eff_controller_opts o;
    t_landscape_init(&l, 2, 0, 1);
    eff_controller_opts_init(&o, EFF_CONTROLLER_RANDOM);
    o.ahead = -1;
    refused(&l.space, &o, "ahead: expected 0 to 10000, found -1");
    eff_controller_opts_init(&o, EFF_CONTROLLER_EVOLUTION);
    o.sample = 17;
    refused(&l.space, &o, "sample: expected 1 to 16, found 17");
    eff_controller_opts_init(&o, EFF_CONTROLLER_PPO);
    o.batch = 1;
    refused(&l.space, &o, "batch: expected 2 to 10000, found 1");
    eff_controller_opts_init(&o, EFF_CONTROLLER_PPO);
    o.lr = NAN;
    refused(&l.space, &o, "lr: expected 1e-06 to 10, found nan");
    eff_controller_opts_init(&o, EFF_CONTROLLER_RANDOM);
    for (int d = 0; d < l.space.ndecisions; d++) l.space.decision[d].n = 1;
    refused(&l.space, &o, "space: no decision has more than one option");
}

static void test_memory_ends(void **state)
{
    (void)state;
    t_landscape l;
    t_landscape_init(&l, 2, 0, 1);
    for (int k = 0; k < KINDS; k++) {
        eff_controller_opts o;
        eff_controller *c = NULL;
        eff_controller_opts_init(&o, (eff_controller_kind)k);
        eff_status status = EFF_ENOMEM;
        for (long at = 0; status != EFF_OK; at++) {
            eff_error err = { 0 };
            eff_alloc_fail_after(at);
            status = eff_controller_create(&c, &l.space, &o, &err);
            eff_alloc_fail_after(-1);
            assert_true(status == EFF_OK || (status == EFF_ENOMEM && !c && err.msg[0]));
            assert_in_range(at, 0, 10);
        }
        eff_controller_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimum),  cmocka_unit_test(test_beat_random), cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_exhaust),  cmocka_unit_test(test_evolution),   cmocka_unit_test(test_probabilities),
        cmocka_unit_test(test_gradient), cmocka_unit_test(test_options),     cmocka_unit_test(test_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
