/* SPDX-License-Identifier: Apache-2.0 */
/* Temperature scaling (Guo et al. 2017): one number by which logits are divided, fitted on images that were not trained
 * on. In b = 1/T the cross-entropy is convex, so its derivative has one zero and a bracketed Newton search in log b
 * finds it: the end of the range where there is none inside. Sums run in the order of the images, so the same answers
 * give the same bits. */
#include <effnet/eval.h>

#include "base/error.h"

#include <math.h>
#include <stdbool.h>

#define T_LEAST 0.05
#define T_MOST  20.0

enum { MAX_STEPS = 100 };

typedef struct answers {
    const float *logits;
    const int *labels;
    size_t n, usable;
    int classes;
} answers;

static bool is_finite(const float *z, int classes)
{
    for (int i = 0; i < classes; i++)
        if (!isfinite(z[i])) return false;
    return true;
}

/* Sums over the usable answers at b = 1/T: the cross-entropy, and the first two derivatives in b of the doubted one,
 * which is what is minimised. A score's derivative is its mean under the probabilities less what the target expects,
 * the second its variance. */
static double sums(const answers *a, double b, double *d1, double *d2)
{
    const double doubt = 1.0 / (double)(a->usable + 1);
    double loss = 0;
    *d1 = *d2 = 0;
    for (size_t i = 0; i < a->n; i++) {
        const float *const z = a->logits + i * (size_t)a->classes;
        if (!is_finite(z, a->classes)) continue;
        double max = z[0], sum = 0, first = 0, second = 0, all = 0;
        for (int c = 1; c < a->classes; c++)
            if (z[c] > max) max = z[c];
        for (int c = 0; c < a->classes; c++) { /* relative to the largest, so that nothing overflows or cancels */
            const double x = z[c] - max, e = exp(b * x);
            sum += e;
            first += e * x;
            second += e * x * x;
            all += x;
        }
        const double mean = first / sum, label = z[a->labels[i]] - max;
        loss += log(sum) - b * label;
        *d1 += mean - (1 - doubt) * label - doubt * (all / a->classes);
        *d2 += second / sum - mean * mean;
    }
    return loss;
}

eff_status eff_temperature_fit(eff_calibration *out, const float *logits, const int *labels, size_t n, int classes,
                               eff_error *err)
{
    answers a = { logits, labels, n, 0, classes };
    *out = (eff_calibration){ .temperature = 1 };
    if (classes < 1) return eff_fail(err, EFF_EARG, "classes: expected at least 1, found %d", classes);
    for (size_t i = 0; i < n; i++) {
        if (labels[i] < 0 || labels[i] >= classes)
            return eff_fail(err, EFF_EARG, "label of answer %zu: expected 0..%d, found %d", i, classes - 1, labels[i]);
        a.usable += is_finite(logits + i * (size_t)classes, classes);
    }
    if (!a.usable)
        return eff_fail(err, EFF_EARG, "temperature: expected answers with finite scores, found none of %zu", n);
    double d1, d2, lo = log(1 / T_MOST), hi = log(1 / T_LEAST), at = 0;
    out->n = a.usable;
    out->loss_before = sums(&a, 1, &d1, &d2) / (double)a.usable;
    const bool flat = d1 == 0 && d2 == 0; /* every score the same: any temperature is as good, and 1 changes nothing */
    for (int step = 0; !flat && step < MAX_STEPS && hi - lo > 1e-12; step++) {
        const double b = exp(at);
        sums(&a, b, &d1, &d2);
        if (d1 == 0) break;
        if (d1 > 0)
            hi = at;
        else
            lo = at;
        const double curve = b * d2 + d1; /* second derivative in log b, over b */
        const double newton = curve > 0 ? at - d1 / curve : lo - 1;
        const double next = newton > lo && newton < hi ? newton : (lo + hi) / 2;
        if (fabs(next - at) < 1e-13) break;
        at = next;
    }
    out->temperature = fmin(T_MOST, fmax(T_LEAST, exp(-at)));
    out->loss_after = sums(&a, 1 / out->temperature, &d1, &d2) / (double)a.usable;
    return EFF_OK;
}
