/* SPDX-License-Identifier: Apache-2.0 */
/* TensorFlow's image resizing in float. Three rules, told apart by the filter:
 *   TF1    source = output * scale, no half-pixel shift; bicubic with a = -0.75, coordinates outside held at the edge
 *   TF2    half-pixel centres; bicubic with a = -0.5, taps outside dropped and the rest renormalised
 *   TF2 aa half-pixel centres, the kernel widened by the scale when shrinking, weights renormalised everywhere
 * The bicubic ones without antialiasing look their weights up in a table of 1024 steps, which is visible in the result,
 * so it is done here too. Every rule becomes a list of weights for each output and direction; what follows is the same
 * for all. */
#include "image/resize.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { TABLE_STEPS = 1024 };

static int clamp(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }

/* Keys' kernel at distance x: the inner piece below 1, the outer below 2. */
static float keys_inner(float x, float a) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
static float keys_outer(float x, float a) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; }

/** Up to four taps around `at` (the floor of the position is `base`), held inside 0..in-1: weights that fall on one
 * pixel add. */
static void put_clamped(eff_axis *a, int i, int base, const float *w, int n, int in)
{
    float *const to = a->real + (size_t)i * (size_t)a->taps;
    const int lo = clamp(base, 0, in - 1);
    for (int t = 0; t < a->taps; t++) to[t] = 0;
    for (int t = 0; t < n; t++) to[clamp(base + t, 0, in - 1) - lo] += w[t];
    a->first[i] = lo;
    a->count[i] = clamp(base + n - 1, 0, in - 1) - lo + 1;
}

static void put_bilinear(eff_axis *a, int i, float at, int in)
{
    const float base = floorf(at), w[2] = { 1 - (at - base), at - base };
    put_clamped(a, i, (int)base, w, 2, in);
}

static void put_bicubic(eff_axis *a, int i, float at, int in, bool keys)
{
    const float base = floorf(at), alpha = keys ? -0.5f : -0.75f;
    const int step = (int)lrintf((at - base) * TABLE_STEPS);
    const float x = (float)step / TABLE_STEPS, y = (float)(TABLE_STEPS - step) / TABLE_STEPS;
    float w[4] = { keys_outer(x + 1, alpha), keys_inner(x, alpha), keys_inner(y, alpha), keys_outer(y + 1, alpha) };
    const int from = (int)base - 1;
    if (keys) {
        float sum = 0;
        for (int t = 0; t < 4; t++) {
            if (from + t < 0 || from + t >= in) w[t] = 0;
            sum += w[t];
        }
        if (fabsf(sum) >= 1000 * FLT_MIN)
            for (int t = 0; t < 4; t++) w[t] /= sum;
    }
    put_clamped(a, i, from, w, 4, in);
}

static float antialias_weight(float x, eff_filter f)
{
    if (f == EFF_FILTER_TF2_BILINEAR_AA) return x < 1 ? 1 - x : 0;
    return x < 1 ? keys_inner(x, -0.5f) : x < 2 ? keys_outer(x, -0.5f) : 0;
}

static void put_antialiased(eff_axis *a, int i, float at, float radius, float widen, int in, eff_filter f)
{
    float *const w = a->real + (size_t)i * (size_t)a->taps;
    const int lo = clamp((int)ceilf(at - radius - 0.5f), 0, in - 1);
    const int hi = clamp((int)floorf(at + radius - 0.5f), 0, in - 1);
    const int n = clamp(hi - lo + 1, 1, a->taps);
    float sum = 0;
    for (int t = 0; t < n; t++) {
        w[t] = antialias_weight(fabsf(((float)(lo + t) + 0.5f - at) / widen), f);
        sum += w[t];
    }
    if (fabsf(sum) >= 1000 * FLT_MIN)
        for (int t = 0; t < n; t++) w[t] /= sum;
    a->first[i] = lo;
    a->count[i] = n;
}

eff_status eff_axis_tf(eff_axis *a, int in, int out, int from, int n, eff_filter f, eff_error *err)
{
    const float scale = (float)in / (float)out, widen = scale < 1 ? 1 : scale;
    const bool aa = f == EFF_FILTER_TF2_BILINEAR_AA || f == EFF_FILTER_TF2_BICUBIC_AA;
    const float radius = widen * (f == EFF_FILTER_TF2_BILINEAR_AA ? 1.0f : 2.0f);
    int taps = 4;
    if (aa) {
        const int most = 2 * (int)ceilf(radius) + 1;
        taps = most < in ? most : in;
    }
    *a = (eff_axis){ .n = n, .taps = taps };
    size_t cells = 0;
    if (!eff_mul((size_t)n, (size_t)taps, &cells)) return eff_fail_memory(err, SIZE_MAX);
    a->first = eff_malloc((size_t)n * sizeof *a->first);
    a->count = eff_malloc((size_t)n * sizeof *a->count);
    a->real = eff_calloc(cells, sizeof *a->real);
    if (!a->first || !a->count || !a->real) {
        eff_axis_free(a);
        return eff_fail_memory(err, cells * sizeof *a->real);
    }
    for (int i = 0; i < n; i++) {
        const float x = (float)(from + i);
        switch (f) {
        case EFF_FILTER_TF1_BILINEAR: put_bilinear(a, i, x * scale, in); break;
        case EFF_FILTER_TF1_BICUBIC: put_bicubic(a, i, x * scale, in, false); break;
        case EFF_FILTER_TF2_BILINEAR: put_bilinear(a, i, (x + 0.5f) * scale - 0.5f, in); break;
        case EFF_FILTER_TF2_BICUBIC: put_bicubic(a, i, (x + 0.5f) * scale - 0.5f, in, true); break;
        default: put_antialiased(a, i, (x + 0.5f) * scale, radius, widen, in, f); break;
        }
    }
    return EFF_OK;
}

/* Both passes add their terms in the order in which the upright picture has them. The bodies below are written once for
 * bytes and for floats. */
#define ACROSS(name, type)                                                                                             \
    void name(float *dst, const type *src, const eff_axis *x)                                                          \
    {                                                                                                                  \
        for (int i = 0; i < x->n; i++, dst += 3) {                                                                     \
            const type *const p = src + (size_t)x->first[i] * 3;                                                       \
            const float *const w = x->real + (size_t)i * (size_t)x->taps;                                              \
            const int count = x->count[i];                                                                             \
            float r = 0, g = 0, b = 0;                                                                                 \
            for (int k = 0; k < count; k++) {                                                                          \
                const size_t t = (size_t)(x->backward ? count - 1 - k : k);                                            \
                r += w[t] * (float)p[3 * t];                                                                           \
                g += w[t] * (float)p[3 * t + 1];                                                                       \
                b += w[t] * (float)p[3 * t + 2];                                                                       \
            }                                                                                                          \
            dst[0] = r;                                                                                                \
            dst[1] = g;                                                                                                \
            dst[2] = b;                                                                                                \
        }                                                                                                              \
    }
ACROSS(eff_tf_across_u8, uint8_t)
ACROSS(eff_tf_across_f32, float)

#define DOWN(name, type)                                                                                               \
    void name(float *dst, const type *const *rows, const eff_axis *y, int i, size_t n)                                 \
    {                                                                                                                  \
        const int count = y->count[i];                                                                                 \
        memset(dst, 0, n * sizeof *dst);                                                                               \
        for (int k = 0; k < count; k++) {                                                                              \
            const int t = y->backward ? count - 1 - k : k;                                                             \
            const float w = y->real[(size_t)i * (size_t)y->taps + (size_t)t];                                          \
            const type *const row = rows[t];                                                                           \
            for (size_t j = 0; j < n; j++) dst[j] += w * (float)row[j];                                                \
        }                                                                                                              \
    }
DOWN(eff_tf_down_u8, uint8_t)
DOWN(eff_tf_down_f32, float)
