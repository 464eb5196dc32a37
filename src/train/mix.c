/* SPDX-License-Identifier: Apache-2.0 */
/* Mixing within a batch. Both partners of a pair are written in one pass, from values read before either is changed. */
#include "train/mix.h"

#include "base/rng.h"

#include <math.h>
#include <stddef.h>

static const uint64_t key = 0x6d69782d62617463u; /* sets these numbers apart from others made of the same seed */

/* Streams of a step. */
enum { S_CHOICE, S_GAMMA, S_OTHER_GAMMA, STREAMS };
enum { C_WHETHER, C_CUT, C_Y, C_X };

static double uniform(uint64_t seed, uint64_t step, int stream, uint64_t counter)
{
    return eff_rng_uniform(seed ^ key, step * STREAMS + (uint64_t)stream, counter);
}

/* ------------------------------------------------------------------------------------------------- drawing */

/** Logarithm of a Gamma(alpha, 1) variate: Marsaglia and Tsang 2000 for alpha + 1, and U^(1/alpha) to come down from
 * there. Of a small alpha the variate itself may underflow, its logarithm does not. */
static double log_gamma_variate(double alpha, uint64_t seed, uint64_t step, int stream)
{
    const uint64_t s = step * STREAMS + (uint64_t)stream;
    const double d = alpha + 1.0 - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    const double down = log(1.0 - eff_rng_uniform(seed ^ key, s, 0)) / alpha; /* of (0, 1] */
    for (uint64_t at = 4;; at += 4) { /* counters at, at + 1: the normal; at + 2: the test. One in fifty is refused. */
        const double x = eff_rng_normal(seed ^ key, s, at / 2), v = 1.0 + c * x;
        if (v <= 0.0) continue;
        const double log_v = 3.0 * log(v), u = 1.0 - eff_rng_uniform(seed ^ key, s, at + 2);
        if (log(u) < 0.5 * x * x + d - d * (v * v * v) + d * log_v) return log(d) + log_v + down;
    }
}

double eff_mix_beta(double alpha, uint64_t seed, uint64_t draw)
{
    const double a = log_gamma_variate(alpha, seed, draw, S_GAMMA),
                 b = log_gamma_variate(alpha, seed, draw, S_OTHER_GAMMA);
    return 1.0 / (1.0 + exp(b - a));
}

static int clip(int v, int n) { return v < 0 ? 0 : v > n ? n : v; }

static void draw_box(eff_mixed *by, int height, int width, uint64_t seed, uint64_t step)
{
    const double side = sqrt(1.0 - by->lambda);
    const int h = (int)(height * side), w = (int)(width * side);
    const int cy = (int)(uniform(seed, step, S_CHOICE, C_Y) * height),
              cx = (int)(uniform(seed, step, S_CHOICE, C_X) * width);
    by->y0 = clip(cy - h / 2, height);
    by->y1 = clip(cy + h / 2, height);
    by->x0 = clip(cx - w / 2, width);
    by->x1 = clip(cx + w / 2, width);
    by->lambda = 1.0 - (double)(by->y1 - by->y0) * (by->x1 - by->x0) / ((double)height * width);
}

eff_mixed eff_mix_draw(const eff_mix *m, int height, int width, uint64_t seed, uint64_t step)
{
    eff_mixed by = { .lambda = 1.0 };
    if ((m->mixup <= 0.0 && m->cutmix <= 0.0) || uniform(seed, step, S_CHOICE, C_WHETHER) >= m->probability) return by;
    by.cuts = m->cutmix > 0.0 && (m->mixup <= 0.0 || uniform(seed, step, S_CHOICE, C_CUT) < m->cut);
    by.lambda = eff_mix_beta(by.cuts ? m->cutmix : m->mixup, seed, step);
    if (by.cuts) draw_box(&by, height, width, seed, step);
    return by;
}

/* -------------------------------------------------------------------------------------------------- mixing */

static void blend(float *a, float *b, size_t n, double lambda)
{
    const float own = (float)lambda, other = (float)(1.0 - lambda);
    for (size_t i = 0; i < n; i++) {
        const float u = a[i], v = b[i];
        a[i] = own * u + other * v;
        b[i] = own * v + other * u;
    }
}

static void exchange(float *a, float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

void eff_mix_images(float *x, int n, int height, int width, const eff_mixed *by)
{
    const size_t row = (size_t)width * 3, image = (size_t)height * row;
    for (int i = 0; i < n / 2; i++) {
        float *const a = x + (size_t)i * image, *const b = x + (size_t)(n - 1 - i) * image;
        if (!by->cuts)
            blend(a, b, image, by->lambda);
        else
            for (int y = by->y0; y < by->y1; y++) {
                const size_t at = (size_t)y * row + (size_t)by->x0 * 3;
                exchange(a + at, b + at, (size_t)(by->x1 - by->x0) * 3);
            }
    }
}

void eff_mix_targets(float *target, int n, int classes, const eff_mixed *by)
{
    const size_t row = (size_t)classes;
    for (int i = 0; i < n / 2; i++)
        blend(target + (size_t)i * row, target + (size_t)(n - 1 - i) * row, row, by->lambda);
}
