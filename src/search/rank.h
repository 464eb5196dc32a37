/* SPDX-License-Identifier: Apache-2.0 */
/* How far two ways to score the same children agree on their order. */
#ifndef EFF_SEARCH_RANK_H
#define EFF_SEARCH_RANK_H

#include <stdint.h>

typedef struct eff_tau {
    double value;  /* Kendall's tau-b: 1 the same order, 0 unrelated, -1 reversed; NaN for fewer than 2 or all tied */
    double lo, hi; /* 95 %, by 2,000 bootstrap samples of the children; NaN below 5 children                        */
    int n;
} eff_tau;

/** Pairs in which either is NaN are left out. All NaN when memory ends. */
eff_tau eff_kendall(const double *a, const double *b, int n, uint64_t seed);

/** Expected best of k drawn without replacement from value[n]: what random search would have after k trials. From
 * k = n on it is the best there is; NaN when one of them is, for n or k below 1, or when memory ends. */
double eff_expected_best(const double *value, int n, int k);

#endif
