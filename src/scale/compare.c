/* SPDX-License-Identifier: Apache-2.0 */
/* Two-way layout without repeats: r_ij = y_ij - mean_i - mean_j + mean, (n - 1)(k - 1) degrees of freedom. */
#include "scale/compare.h"

#include <effnet/eval.h>

#include <math.h>
#include <stddef.h>

double eff_student(int df)
{
    static const double t[] = { 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                                2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042 };
    const int n = sizeof t / sizeof *t;
    if (df < 1) return INFINITY;
    if (df <= n) return t[df - 1];
    const double z = 1.959964; /* Cornish and Fisher's expansion: right to three decimals from 30 on */
    return z + (z * z * z + z) / (4.0 * df) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96.0 * df * df);
}

static const double *row(const eff_layout *l, int network) { return l->top1 + (size_t)network * (size_t)l->seeds; }

double eff_layout_mean(const eff_layout *l, int network)
{
    double sum = 0;
    for (int i = 0; i < l->seeds; i++) sum += row(l, network)[i];
    return l->seeds ? sum / l->seeds : NAN;
}

eff_spread eff_spread_of(const eff_layout *l)
{
    eff_spread s = { .paired = NAN, .one = NAN };
    double total = 0, paired = 0, one = 0;
    for (int i = 0; i < l->networks; i++) {
        const double m = eff_layout_mean(l, i);
        if (isnan(m)) continue;
        s.complete++;
        total += m;
    }
    if (!s.complete || l->seeds < 2) return s;
    total /= s.complete;
    for (int j = 0; j < l->seeds; j++) {
        double seed = 0;
        for (int i = 0; i < l->networks; i++)
            if (!isnan(eff_layout_mean(l, i))) seed += row(l, i)[j] / s.complete;
        for (int i = 0; i < l->networks; i++) {
            const double m = eff_layout_mean(l, i);
            if (isnan(m)) continue;
            const double r = row(l, i)[j] - m;
            one += r * r;
            paired += (r - (seed - total)) * (r - (seed - total));
        }
    }
    s.df_one = s.complete * (l->seeds - 1);
    s.one = sqrt(one / s.df_one);
    s.df = (s.complete - 1) * (l->seeds - 1);
    if (s.df) s.paired = sqrt(paired / s.df);
    return s;
}

static eff_estimate around(double value, double half)
{
    if (!isfinite(half)) return (eff_estimate){ value, NAN, NAN };
    return (eff_estimate){ value, value - half + 0.0, value + half }; /* + 0.0: no negative zero */
}

eff_estimate eff_mean_of(const eff_layout *l, const eff_spread *s, int network, int images)
{
    const double m = eff_layout_mean(l, network);
    if (isnan(m)) return (eff_estimate){ NAN, NAN, NAN };
    if (l->seeds == 1) {
        eff_estimate e = { .value = m };
        eff_wilson((int)lround(m * images), images, &e.lo, &e.hi);
        return e;
    }
    eff_estimate e = around(m, eff_student(s->df_one) * s->one / sqrt(l->seeds));
    e.lo = fmax(e.lo, 0); /* NaN gives way to 0, but then `one` would have been NaN with two seeds or more */
    e.hi = fmin(e.hi, 1);
    return e;
}

eff_estimate eff_difference(const eff_layout *l, const eff_spread *s, const int *a, const int *b, int n)
{
    double d = 0;
    for (int i = 0; i < n; i++) d += (eff_layout_mean(l, a[i]) - eff_layout_mean(l, b[i])) / n;
    return around(n ? d : NAN, s->df ? eff_student(s->df) * s->paired * sqrt(2.0 / l->seeds / n) : NAN);
}

eff_verdict eff_verdict_of(eff_estimate d)
{
    if (isnan(d.value) || isnan(d.lo)) return EFF_VERDICT_UNKNOWN;
    return d.lo > 0 ? EFF_VERDICT_MORE : d.hi < 0 ? EFF_VERDICT_LESS : EFF_VERDICT_EVEN;
}
