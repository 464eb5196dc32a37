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

/* Output i is the sum over t < count[i] of weight[i * taps + t] * input[first[i] + t]. */
typedef struct axis {
    int taps;
    int32_t *first, *count;
    float *weight;
} axis;

static void axis_free(axis *a)
{
    eff_free(a->first);
    eff_free(a->count);
    eff_free(a->weight);
    *a = (axis){ 0 };
}

static int clamp(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }

/* Keys' kernel at distance x: the inner piece below 1, the outer below 2. */
static float keys_inner(float x, float a) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
static float keys_outer(float x, float a) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; }

/** Up to four taps around `at` (the floor of the position is `base`), held inside 0..in-1: weights that fall on one
 * pixel add. */
static void put_clamped(axis *a, int i, int base, const float *w, int n, int in)
{
    float *const to = a->weight + (size_t)i * (size_t)a->taps;
    const int lo = clamp(base, 0, in - 1);
    for (int t = 0; t < a->taps; t++) to[t] = 0;
    for (int t = 0; t < n; t++) to[clamp(base + t, 0, in - 1) - lo] += w[t];
    a->first[i] = lo;
    a->count[i] = clamp(base + n - 1, 0, in - 1) - lo + 1;
}

static void put_bilinear(axis *a, int i, float at, int in)
{
    const float base = floorf(at), w[2] = { 1 - (at - base), at - base };
    put_clamped(a, i, (int)base, w, 2, in);
}

static void put_bicubic(axis *a, int i, float at, int in, bool keys)
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

static void put_antialiased(axis *a, int i, float at, float radius, float widen, int in, eff_filter f)
{
    float *const w = a->weight + (size_t)i * (size_t)a->taps;
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

static eff_status axis_build(axis *a, int in, int out, int from, int n, eff_filter f, eff_error *err)
{
    const float scale = (float)in / (float)out, widen = scale < 1 ? 1 : scale;
    const bool aa = f == EFF_FILTER_TF2_BILINEAR_AA || f == EFF_FILTER_TF2_BICUBIC_AA;
    const float radius = widen * (f == EFF_FILTER_TF2_BILINEAR_AA ? 1.0f : 2.0f);
    int taps = 4;
    if (aa) {
        const int most = 2 * (int)ceilf(radius) + 1;
        taps = most < in ? most : in;
    }
    *a = (axis){ .taps = taps };
    size_t cells = 0;
    if (!eff_mul((size_t)n, (size_t)taps, &cells)) return eff_fail_memory(err, SIZE_MAX);
    a->first = eff_malloc((size_t)n * sizeof *a->first);
    a->count = eff_malloc((size_t)n * sizeof *a->count);
    a->weight = eff_calloc(cells, sizeof *a->weight);
    if (!a->first || !a->count || !a->weight) {
        axis_free(a);
        return eff_fail_memory(err, cells * sizeof *a->weight);
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

static void across(float *dst, const uint8_t *src, const axis *x, int n)
{
    for (int i = 0; i < n; i++) {
        const uint8_t *const p = src + (size_t)x->first[i] * 3;
        const float *const w = x->weight + (size_t)i * (size_t)x->taps;
        const int count = x->count[i];
        float r = 0, g = 0, b = 0;
        for (int t = 0; t < count; t++) {
            r += w[t] * p[3 * t];
            g += w[t] * p[3 * t + 1];
            b += w[t] * p[3 * t + 2];
        }
        dst[3 * (size_t)i] = r;
        dst[3 * (size_t)i + 1] = g;
        dst[3 * (size_t)i + 2] = b;
    }
}

static void add_row(float *restrict dst, const float *restrict row, float w, size_t n)
{
    for (size_t i = 0; i < n; i++) dst[i] += w * row[i];
}

static bool inside(eff_box b, int w, int h)
{
    return b.w > 0 && b.h > 0 && b.x >= 0 && b.y >= 0 && b.x <= w - b.w && b.y <= h - b.h;
}

eff_status eff_resize_tf(float *dst, eff_box crop, const uint8_t *src, int src_w, int src_h, eff_box from, int out_w,
                         int out_h, eff_filter filter, eff_error *err)
{
    if ((unsigned)filter < EFF_FILTER_TF1_BILINEAR || (unsigned)filter > EFF_FILTER_TF2_BICUBIC_AA ||
        !inside(from, src_w, src_h) || !inside(crop, out_w, out_h))
        return eff_fail(err, EFF_EARG, "resize: the filter or the boxes do not fit %d x %d to %d x %d", src_w, src_h,
                        out_w, out_h);
    axis x = { 0 }, y = { 0 };
    float *ring = NULL; /* rows after the pass across, as many as one output row looks at */
    eff_status s = axis_build(&x, from.w, out_w, crop.x, crop.w, filter, err);
    if (s == EFF_OK) s = axis_build(&y, from.h, out_h, crop.y, crop.h, filter, err);
    if (s != EFF_OK) goto end;
    const size_t n = (size_t)crop.w * 3;
    size_t bytes = 0;
    if (!eff_mul(n * sizeof *ring, (size_t)y.taps, &bytes) || !(ring = eff_malloc(bytes))) {
        s = eff_fail_memory(err, bytes);
        goto end;
    }
    int next = y.first[0];
    for (int i = 0; i < crop.h; i++) {
        const int lo = y.first[i], count = y.count[i];
        if (next < lo) next = lo;
        for (; next < lo + count; next++)
            across(ring + (size_t)(next % y.taps) * n,
                   src + ((size_t)(from.y + next) * (size_t)src_w + (size_t)from.x) * 3, &x, crop.w);
        float *const d = dst + (size_t)i * n;
        memset(d, 0, n * sizeof *d);
        for (int t = 0; t < count; t++)
            add_row(d, ring + (size_t)((lo + t) % y.taps) * n, y.weight[(size_t)i * (size_t)y.taps + (size_t)t], n);
    }
end:
    eff_free(ring);
    axis_free(&y);
    axis_free(&x);
    return s;
}
