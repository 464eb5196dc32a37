/* SPDX-License-Identifier: Apache-2.0 */
/* Kendall's tau-b with a bootstrap interval. A bootstrap sample is a weight a child (how often it was drawn), so all
 * samples share one sorted order; pairs are counted in O(n log n) by going through the children in the order of `a`
 * and asking a tree of sums (Fenwick 1994) how much weight met so far is below in `b`. A child drawn twice is tied with
 * itself in both orders, which tau-b leaves out. */
#include "search/rank.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { BOOTSTRAP = 2000, FEWEST = 5 };

typedef struct pair {
    double a, b;
    int rank; /* of b, from 1; equal values share one */
} pair;

static int by_b(const void *x, const void *y)
{
    const double a = ((const pair *)x)->b, b = ((const pair *)y)->b;
    return (a > b) - (a < b);
}

static int by_a(const void *x, const void *y)
{
    const double a = ((const pair *)x)->a, b = ((const pair *)y)->a;
    return (a > b) - (a < b);
}

static int by_value(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static void tree_add(int64_t *tree, int n, int rank, int64_t w)
{
    for (; rank <= n; rank += rank & -rank) tree[rank] += w;
}

static int64_t tree_sum(const int64_t *tree, int rank) /* of 1..rank */
{
    int64_t sum = 0;
    for (; rank > 0; rank -= rank & -rank) sum += tree[rank];
    return sum;
}

static double pairs_of(int64_t n) { return 0.5 * (double)n * (double)(n - 1); }

/* p[n] in the order of a; w: weights; tree[0..ranks], of_rank[0..ranks]: room. */
static double tau_b(const pair *p, const int *w, int n, int ranks, int64_t *tree, int64_t *of_rank)
{
    double more = 0, tied_a = 0, tied_b = 0; /* pairs in the same order less those in the other */
    int64_t total = 0;
    for (int r = 0; r <= ranks; r++) tree[r] = of_rank[r] = 0;
    for (int i = 0, end; i < n; i = end) {
        int64_t group = 0;
        for (end = i; end < n && p[end].a == p[i].a; end++) {
            const int64_t below = tree_sum(tree, p[end].rank - 1), upto = tree_sum(tree, p[end].rank);
            more += (double)w[end] * (double)(below - (total - upto));
            group += w[end];
        }
        for (int k = i; k < end; k++) {
            tree_add(tree, ranks, p[k].rank, w[k]);
            of_rank[p[k].rank] += w[k];
        }
        total += group;
        tied_a += pairs_of(group);
    }
    for (int r = 1; r <= ranks; r++) tied_b += pairs_of(of_rank[r]);
    const double all = pairs_of(total), scale = sqrt((all - tied_a) * (all - tied_b));
    return scale > 0 ? more / scale : NAN;
}

/* Ranks of b, then the order of a. @return how many ranks there are */
static int arrange(pair *p, int n)
{
    int ranks = 0;
    qsort(p, (size_t)n, sizeof *p, by_b);
    for (int i = 0; i < n; i++) {
        if (i == 0 || p[i].b != p[i - 1].b) ranks++;
        p[i].rank = ranks;
    }
    qsort(p, (size_t)n, sizeof *p, by_a);
    return ranks;
}

/* Samples in which all are tied say nothing. */
static void bootstrap(eff_tau *t, const pair *p, int ranks, uint64_t seed, int *w, int64_t *tree, int64_t *of_rank,
                      double *value)
{
    int known = 0;
    for (int k = 0; k < BOOTSTRAP; k++) {
        for (int i = 0; i < t->n; i++) w[i] = 0;
        for (int i = 0; i < t->n; i++) w[(int)(eff_rng_uniform(seed, (uint64_t)k, (uint64_t)i) * t->n)]++;
        const double x = tau_b(p, w, t->n, ranks, tree, of_rank);
        if (!isnan(x)) value[known++] = x;
    }
    if (!known) return;
    qsort(value, (size_t)known, sizeof *value, by_value);
    t->lo = value[(int)lround(0.025 * (known - 1))];
    t->hi = value[(int)lround(0.975 * (known - 1))];
}

eff_tau eff_kendall(const double *a, const double *b, int n, uint64_t seed)
{
    eff_tau t = { .value = NAN, .lo = NAN, .hi = NAN };
    const size_t room = n > 0 ? (size_t)n : 0;
    pair *const p = eff_calloc(room, sizeof *p);
    int *const w = eff_calloc(room, sizeof *w);
    int64_t *const tree = eff_calloc(2 * (room + 1), sizeof *tree);
    double *const value = eff_calloc(BOOTSTRAP, sizeof *value);
    if (p && w && tree && value) {
        for (int i = 0; i < n; i++)
            if (!isnan(a[i]) && !isnan(b[i])) p[t.n++] = (pair){ .a = a[i], .b = b[i] };
        const int ranks = arrange(p, t.n);
        for (int i = 0; i < t.n; i++) w[i] = 1;
        t.value = tau_b(p, w, t.n, ranks, tree, tree + room + 1);
        if (t.n >= FEWEST && !isnan(t.value)) bootstrap(&t, p, ranks, seed, w, tree, tree + room + 1, value);
    }
    eff_free(p);
    eff_free(w);
    eff_free(tree);
    eff_free(value);
    return t;
}

/* With values from best to worst, i of them left out before: the chance that the next is the best of k, given that none
 * before it was drawn, is k / (n - i). */
double eff_expected_best(const double *value, int n, int k)
{
    if (n < 1 || k < 1) return NAN;
    for (int i = 0; i < n; i++)
        if (isnan(value[i])) return NAN;
    double *const v = eff_malloc((size_t)n * sizeof *v);
    if (!v) return NAN;
    double mean = 0, left = 1; /* the chance that none so far was drawn */
    for (int i = 0; i < n; i++) v[i] = value[i];
    qsort(v, (size_t)n, sizeof *v, by_value);
    for (int i = 0; i < n && left > 0; i++) {
        const double take = k < n - i ? (double)k / (n - i) : 1;
        mean += left * take * v[n - 1 - i];
        left *= 1 - take;
    }
    eff_free(v);
    return mean;
}
