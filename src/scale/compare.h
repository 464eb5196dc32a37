/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing networks that were trained with the same seeds on the same images. Seed and network are the two ways of a
 * layout without repeats: what is left of each accuracy after the means of its network and of its seed is chance, and
 * its spread, taken over all networks together, makes the 95 % intervals (so few seeds alone would give hardly any).
 * They say how much other seeds would change; the validation images are the same throughout. */
#ifndef EFF_SCALE_COMPARE_H
#define EFF_SCALE_COMPARE_H

#include <stdbool.h>

typedef struct eff_layout {
    int networks, seeds;
    const double *top1; /* [networks][seeds]; NaN = not there: the network is left out until all its seeds are */
} eff_layout;

typedef struct eff_spread {
    int complete;  /* networks that count                                          */
    int df;        /* of the paired spread, 0 = none can be told                   */
    double paired; /* standard deviation of what network and seed do not explain   */
    int df_one;
    double one; /* of one network's accuracies over seeds, all networks together */
} eff_spread;

eff_spread eff_spread_of(const eff_layout *l);

typedef struct eff_estimate {
    double value, lo, hi; /* NaN where it is not known */
} eff_estimate;

/** Mean accuracy of a network; NaN while a seed is missing. */
double eff_layout_mean(const eff_layout *l, int network);

/** The same with its interval; where there is one seed only, Wilson's interval for `images`. */
eff_estimate eff_mean_of(const eff_layout *l, const eff_spread *s, int network, int images);

/** Mean difference a - b of two networks over the seeds; with lists of n networks each, of the lists' means. */
eff_estimate eff_difference(const eff_layout *l, const eff_spread *s, const int *a, const int *b, int n);

/** What an interval says of a difference. */
typedef enum eff_verdict { EFF_VERDICT_UNKNOWN, EFF_VERDICT_LESS, EFF_VERDICT_EVEN, EFF_VERDICT_MORE } eff_verdict;
eff_verdict eff_verdict_of(eff_estimate d);

/** 97.5 % quantile of Student's distribution; infinite for df < 1. */
double eff_student(int df);

#endif
