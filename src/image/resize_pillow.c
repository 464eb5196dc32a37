/* SPDX-License-Identifier: Apache-2.0 */
/* Pillow's Image.resize on 8-bit RGB, to the bit: its weights and its row sums. Pillow computes the weights of every
 * output pixel in double, normalises them and rounds them to 22 fractional bits; pixels between the two passes have 8
 * bits, and a direction whose size does not change is skipped. All sums are in int32 without overflow, so their order,
 * and with it the CPU level, does not matter. */
#include "image/resize.h"

#include "base/cpu.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0) return 1.0;
    x *= M_PI;
    return sin(x) / x;
}

static double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

static const struct {
    double (*weight)(double);
    double radius;
} filters[] = {
    [EFF_FILTER_BILINEAR] = { bilinear, 1.0 },
    [EFF_FILTER_BICUBIC] = { bicubic, 2.0 },
    [EFF_FILTER_LANCZOS] = { lanczos, 3.0 },
};

static void put(eff_axis *a, int i, int in, double centre, double radius, double step, eff_filter filter, double *k)
{
    int lo = (int)(centre - radius + 0.5), hi = (int)(centre + radius + 0.5);
    if (lo < 0) lo = 0;
    if (hi > in) hi = in;
    const int count = hi - lo;
    double sum = 0.0;
    for (int t = 0; t < count; t++) {
        k[t] = filters[filter].weight((t + lo - centre + 0.5) * step);
        sum += k[t];
    }
    int32_t *const c = a->fixed + (size_t)i * (size_t)a->taps;
    for (int t = 0; t < count; t++) {
        const double w = (sum != 0.0 ? k[t] / sum : k[t]) * (1 << EFF_PILLOW_BITS);
        c[t] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    a->first[i] = lo;
    a->count[i] = count;
}

eff_status eff_axis_pillow(eff_axis *a, int in, int out, int from, int n, eff_filter filter, eff_error *err)
{
    const double scale = (double)in / out, widen = scale < 1.0 ? 1.0 : scale; /* antialias only when shrinking */
    const double radius = filters[filter].radius * widen, step = 1.0 / widen;
    const int most = (int)ceil(radius) * 2 + 1;
    const bool same = in == out;
    *a = (eff_axis){ .n = n, .taps = same ? 4 : (int)eff_round_up((size_t)(most < in ? most : in), 4) };

    size_t cells = 0, bytes = 0;
    if (!eff_mul((size_t)n, (size_t)a->taps, &cells) || !eff_mul(cells, sizeof *a->fixed, &bytes))
        return eff_fail_memory(err, SIZE_MAX);
    double *const k = eff_malloc((size_t)a->taps * sizeof *k);
    a->first = eff_malloc((size_t)n * sizeof *a->first);
    a->count = eff_malloc((size_t)n * sizeof *a->count);
    a->fixed = eff_calloc(cells, sizeof *a->fixed);
    if (!k || !a->first || !a->count || !a->fixed) {
        eff_free(k);
        eff_axis_free(a);
        return eff_fail_memory(err, bytes);
    }
    for (int i = 0; i < n; i++) {
        if (!same) {
            put(a, i, in, ((double)from + i + 0.5) * scale, radius, step, filter, k);
            continue;
        }
        a->first[i] = from + i;
        a->count[i] = 1;
        a->fixed[(size_t)i * (size_t)a->taps] = 1 << EFF_PILLOW_BITS;
    }
    eff_free(k);
    return EFF_OK;
}

static uint8_t narrow(int32_t sum)
{
    const int32_t v = (sum + (1 << (EFF_PILLOW_BITS - 1))) >> EFF_PILLOW_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void across_ref(uint8_t *const dst[2], const uint8_t *const src[2], const int32_t *coef, const int32_t *first,
                       int taps, int n)
{
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < n; i++) {
            const uint8_t *const p = src[j] + (size_t)first[i] * 3;
            const int32_t *const k = coef + (size_t)i * (size_t)taps;
            int32_t r = 0, g = 0, b = 0;
            for (size_t t = 0; t < (size_t)taps; t++) {
                r += k[t] * p[3 * t];
                g += k[t] * p[3 * t + 1];
                b += k[t] * p[3 * t + 2];
            }
            dst[j][3 * (size_t)i] = narrow(r);
            dst[j][3 * (size_t)i + 1] = narrow(g);
            dst[j][3 * (size_t)i + 2] = narrow(b);
        }
}

static void down_ref(uint8_t *dst, const uint8_t *const *rows, const int32_t *coef, int taps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t sum = 0;
        for (int t = 0; t < taps; t++) sum += coef[t] * rows[t][i];
        dst[i] = narrow(sum);
    }
}

eff_pillow_kernels eff_pillow_kernels_for(unsigned cpu)
{
#if defined(__x86_64__)
    if (cpu & EFF_CPU_AVX2) return eff_pillow_kernels_avx2;
#endif
    (void)cpu;
    return (eff_pillow_kernels){ NULL, across_ref, down_ref };
}
