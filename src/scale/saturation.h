/* SPDX-License-Identifier: Apache-2.0 */
/* Where growing stops to pay: a curve of diminishing returns through a line of networks,
 *     top1(x) = c - a * x^-b,    x = MACs over the base's, a >= 0, 0 < c <= 1,
 * fitted by least squares. c is the accuracy it tends to, and it bends where doubling the MACs once more gains less
 * than a stated figure. */
#ifndef EFF_SCALE_SATURATION_H
#define EFF_SCALE_SATURATION_H

#include <stdbool.h>
#include <stdint.h>

typedef struct eff_saturation {
    bool known;        /* three points or more, and a curve through them           */
    bool saturates;    /* false: nothing but the ceiling of 100 % bends it, or a straight line in log x fits best */
    double c, a, b;    /* of the curve                                             */
    double c_lo, c_hi; /* 95 % of fits to accuracies as other seeds could have given them */
    double rms;        /* of what is left                                          */
    double bend;       /* x from which a doubling gains less than `gain`; below 1: always; infinite: not within reach */
    double bend_lo, bend_hi;
    double gain;
} eff_saturation;

/** @param se  standard error of each top1 (0 or NaN: no intervals)
 * @param gain the least gain of a doubling that still counts, 0.01 = one point of accuracy */
eff_saturation eff_saturation_fit(const double *x, const double *top1, int n, double se, double gain, uint64_t seed);

/** The curve at x. */
double eff_saturation_at(const eff_saturation *s, double x);

#endif
