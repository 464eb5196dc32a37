/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that move pixels, as Pillow moves them: nearest in 16.16 fixed point (or by added steps where the axes
 * keep their directions), bilinear and bicubic in double, without contraction, truncated. A picture is repeated at its
 * edge within the half pixel where a filter looks past it; beyond that there is the fill. */
#include "image/augment_ops.h"

#include "base/cpu.h"

#include <math.h>
#include <string.h>

typedef struct picture {
    const uint8_t *rgb;
    int w, h;
} picture;

static const uint8_t *at(const picture *s, int x, int y) { return s->rgb + ((size_t)y * (size_t)s->w + (size_t)x) * 3; }

static void put(uint8_t *dst, const uint8_t *rgb)
{
    dst[0] = rgb[0];
    dst[1] = rgb[1];
    dst[2] = rgb[2];
}

static void fill_pixels(uint8_t *dst, size_t n, const uint8_t fill[3])
{
    for (size_t i = 0; i < n; i++) put(dst + 3 * i, fill);
}

/* ------------------------------------------------------------------------------------------------ nearest */

static int coordinate(double v) { return v < 0.0 ? -1 : v >= INT32_MAX ? INT32_MAX : (int)v; }

/* The axes keep their directions: columns come from columns. */
static void nearest_straight(uint8_t *dst, int dst_w, int dst_h, const picture *s, const double a[6],
                             const uint8_t fill[3])
{
    double yo = a[5] + a[4] * 0.5; /* added up, not multiplied, as Pillow does: NOLINTNEXTLINE(cert-flp30-c) */
    for (int y = 0; y < dst_h; y++, yo += a[4]) {
        const int yi = coordinate(yo);
        double xo = a[2] + a[0] * 0.5;
        for (int x = 0; x < dst_w; x++, xo += a[0], dst += 3) {
            const int xi = coordinate(xo);
            put(dst, xi >= 0 && xi < s->w && yi >= 0 && yi < s->h ? at(s, xi, yi) : fill);
        }
    }
}

static int64_t fixed(double v) { return (int64_t)floor(v * 65536.0 + 0.5); }

static void nearest(uint8_t *dst, int dst_w, int dst_h, const picture *s, const double a[6], const uint8_t fill[3])
{
    const int64_t ax = fixed(a[0]), bx = fixed(a[1]), ay = fixed(a[3]), by = fixed(a[4]);
    int64_t row_x = fixed(a[2] + a[0] * 0.5 + a[1] * 0.5), row_y = fixed(a[5] + a[3] * 0.5 + a[4] * 0.5);
    for (int y = 0; y < dst_h; y++, row_x += bx, row_y += by) {
        int64_t xx = row_x, yy = row_y;
        for (int x = 0; x < dst_w; x++, xx += ax, yy += ay, dst += 3) {
            const int64_t xi = xx >> 16, yi = yy >> 16;
            put(dst, xi >= 0 && xi < s->w && yi >= 0 && yi < s->h ? at(s, (int)xi, (int)yi) : fill);
        }
    }
}

/* ---------------------------------------------------------------------------------- bilinear and bicubic */

static int within(int v, int n) { return v < 0 ? 0 : v < n ? v : n - 1; }

static uint8_t narrow(double v) { return (uint8_t)(v <= 0.0 ? 0.0 : v >= 255.0 ? 255.0 : v); }

static double linear(double a, double b, double d) { return a + (b - a) * d; }

/** The cubic of this filter (a = -1; the resize's is -0.5) between b and c. */
static double cubic(double a, double b, double c, double e, double d)
{
    return b + d * (-a + c + d * (2 * (a - b) + c - e + d * (-a + b - c + e)));
}

static void bilinear_plain(uint8_t *dst, int x0, int n, double py, const uint8_t *src, int w, int h, const double a[6])
{
    const picture s = { src, w, h };
    for (int i = 0; i < n; i++, dst += 3) {
        const double px = x0 + i + 0.5;
        const double x = a[0] * px + a[1] * py + a[2] - 0.5, y = a[3] * px + a[4] * py + a[5] - 0.5;
        const int fx = (int)floor(x), fy = (int)floor(y);
        const uint8_t *p[2][2];
        for (int r = 0; r < 2; r++)
            for (int k = 0; k < 2; k++) p[r][k] = at(&s, within(fx + k, w), within(fy + r, h));
        for (int b = 0; b < 3; b++)
            dst[b] =
                narrow(linear(linear(p[0][0][b], p[0][1][b], x - fx), linear(p[1][0][b], p[1][1][b], x - fx), y - fy));
    }
}

static void bicubic_plain(uint8_t *dst, int x0, int n, double py, const uint8_t *src, int w, int h, const double a[6])
{
    const picture s = { src, w, h };
    for (int i = 0; i < n; i++, dst += 3) {
        const double px = x0 + i + 0.5;
        const double x = a[0] * px + a[1] * py + a[2] - 0.5, y = a[3] * px + a[4] * py + a[5] - 0.5;
        const int fx = (int)floor(x), fy = (int)floor(y);
        const double dx = x - fx, dy = y - fy;
        double v[4][3];
        for (int r = 0; r < 4; r++) {
            const uint8_t *p[4];
            for (int k = 0; k < 4; k++) p[k] = at(&s, within(fx - 1 + k, w), within(fy - 1 + r, h));
            for (int b = 0; b < 3; b++) v[r][b] = cubic(p[0][b], p[1][b], p[2][b], p[3][b], dx);
        }
        for (int b = 0; b < 3; b++) dst[b] = narrow(cubic(v[0][b], v[1][b], v[2][b], v[3][b], dy));
    }
}

static bool inside(const picture *s, const double a[6], int x, double py)
{
    const double px = x + 0.5, sx = a[0] * px + a[1] * py + a[2], sy = a[3] * px + a[4] * py + a[5];
    return sx >= 0.0 && sx < s->w && sy >= 0.0 && sy < s->h;
}

/* A row crosses a picture once: what is outside before it and behind it is filled, and the pixels first..end - 1 are
 * left. */
static void fill_outside(uint8_t *row, int dst_w, double py, const picture *s, const double a[6], const uint8_t fill[3],
                         int *first, int *end)
{
    *first = 0;
    *end = dst_w;
    while (*first < *end && !inside(s, a, *first, py)) ++*first;
    while (*end > *first && !inside(s, a, *end - 1, py)) --*end;
    fill_pixels(row, (size_t)*first, fill);
    fill_pixels(row + (size_t)*end * 3, (size_t)(dst_w - *end), fill);
}

static void filtered(uint8_t *dst, int dst_w, int dst_h, const picture *s, const double a[6], const eff_sampler *how,
                     const eff_augment_kernels *k)
{
    for (int y = 0, first, end; y < dst_h; y++, dst += (size_t)dst_w * 3) {
        const double py = y + 0.5;
        fill_outside(dst, dst_w, py, s, a, how->fill, &first, &end);
        (how->sampling == EFF_SAMPLE_BICUBIC ? k->bicubic : k->bilinear)(dst + (size_t)first * 3, first, end - first,
                                                                         py, s->rgb, s->w, s->h, a);
    }
}

void eff_affine(uint8_t *dst, int dst_w, int dst_h, const uint8_t *src, int src_w, int src_h, const double a[6],
                const eff_sampler *s, const eff_augment_kernels *k)
{
    const picture from = { src, src_w, src_h };
    if (s->sampling != EFF_SAMPLE_NEAREST)
        filtered(dst, dst_w, dst_h, &from, a, s, k);
    else if (a[1] == 0.0 && a[3] == 0.0)
        nearest_straight(dst, dst_w, dst_h, &from, a, s->fill);
    else
        nearest(dst, dst_w, dst_h, &from, a, s->fill);
}

/* ------------------------------------------------------------------------------------------- in integers */

enum {
    WEIGHT_BITS = 14,
    ACROSS_BITS = 6
}; /* of a weight; that are kept of a sum across: it fits 16 bits, overshoot and all */

/* The weights of 256 parts of a pixel, each four making exactly one, so that a flat picture stays flat. */
static void make_weights(int16_t weight[256][4], eff_sampling sampling)
{
    for (int i = 0; i < 256; i++) {
        const double d = i / 256.0;
        double w[4] = { 0, 1 - d, d, 0 };
        if (sampling == EFF_SAMPLE_BICUBIC) { /* a = -0.5 */
            w[0] = ((-0.5 * d + 1) * d - 0.5) * d;
            w[1] = (1.5 * d - 2.5) * d * d + 1;
            w[2] = ((-1.5 * d + 2) * d + 0.5) * d;
            w[3] = (0.5 * d - 0.5) * d * d;
        }
        int rest = 1 << WEIGHT_BITS;
        for (int t = 0; t < 4; t++) {
            weight[i][t] = (int16_t)lrint(w[t] * (1 << WEIGHT_BITS));
            rest -= weight[i][t];
        }
        weight[i][d < 0.5 ? 1 : 2] = (int16_t)(weight[i][d < 0.5 ? 1 : 2] + rest);
    }
}

void eff_turned_plain(uint8_t *dst, int n, const int64_t from[2], const int64_t step[2], const int16_t weight[256][4],
                      const uint8_t *src, int w, int h)
{
    const picture s = { src, w, h };
    int64_t x = from[0], y = from[1];
    for (int i = 0; i < n; i++, x += step[0], y += step[1], dst += 3) {
        const int16_t *const wx = weight[x >> 8 & 255], *const wy = weight[y >> 8 & 255];
        int32_t sum[3] = { 0 };
        for (int r = 0; r < 4; r++) {
            const int row = within((int)(y >> 16) - 1 + r, h);
            int32_t across[3] = { 0 };
            for (int t = 0; t < 4; t++) {
                const uint8_t *const p = at(&s, within((int)(x >> 16) - 1 + t, w), row);
                for (int b = 0; b < 3; b++) across[b] += wx[t] * p[b];
            }
            for (int b = 0; b < 3; b++)
                sum[b] += wy[r] * ((across[b] + (1 << (WEIGHT_BITS - ACROSS_BITS - 1))) >> (WEIGHT_BITS - ACROSS_BITS));
        }
        for (int b = 0; b < 3; b++) {
            const int32_t v = (sum[b] + (1 << (WEIGHT_BITS + ACROSS_BITS - 1))) >> (WEIGHT_BITS + ACROSS_BITS);
            dst[b] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
}

void eff_turn(uint8_t *dst, int dst_w, int dst_h, const uint8_t *src, int src_w, int src_h, const double a[6],
              const eff_sampler *s, const eff_augment_kernels *k)
{
    const picture from = { src, src_w, src_h };
    const int64_t step[2] = { fixed(a[0]), fixed(a[3]) };
    int16_t weight[256][4];
    make_weights(weight, s->sampling);
    for (int y = 0, first, end; y < dst_h; y++, dst += (size_t)dst_w * 3) {
        const double py = y + 0.5;
        fill_outside(dst, dst_w, py, &from, a, s->fill, &first, &end);
        const double px = first + 0.5;
        const int64_t start[2] = { fixed(a[0] * px + a[1] * py + a[2] - 0.5),
                                   fixed(a[3] * px + a[4] * py + a[5] - 0.5) };
        k->turned(dst + (size_t)first * 3, end - first, start, step, (const int16_t(*)[4])weight, src, src_w, src_h);
    }
}

/* -------------------------------------------------------------------------------------- the operations */

static void transform(eff_canvas *c, const double a[6], const eff_sampler *s)
{
    eff_affine(c->spare, c->width, c->height, c->rgb, c->width, c->height, a, s, c->k);
    uint8_t *const t = c->rgb;
    c->rgb = c->spare;
    c->spare = t;
}

/** Python's round(v, 15) for |v| <= 1. */
static double round15(double v) { return (double)(rintl((long double)v * 1e15L) / 1e15L); }

void eff_aug_rotate(eff_canvas *c, double degrees, const eff_sampler *s)
{
    degrees = fmod(degrees, 360.0);
    if (degrees < 0) degrees += 360.0;
    if (degrees == 0.0) return;
    const double t = -(degrees * (M_PI / 180.0)), cx = c->width / 2.0, cy = c->height / 2.0;
    double a[6] = { round15(cos(t)), round15(sin(t)), 0.0, round15(-sin(t)), round15(cos(t)), 0.0 };
    a[2] = a[0] * -cx + a[1] * -cy + 0.0 + cx;
    a[5] = a[3] * -cx + a[4] * -cy + 0.0 + cy;
    transform(c, a, s);
}

void eff_aug_shear_x(eff_canvas *c, double v, const eff_sampler *s)
{
    transform(c, (const double[]){ 1, v, 0, 0, 1, 0 }, s);
}

void eff_aug_shear_y(eff_canvas *c, double v, const eff_sampler *s)
{
    transform(c, (const double[]){ 1, 0, 0, v, 1, 0 }, s);
}

void eff_aug_translate(eff_canvas *c, double dx, double dy, const eff_sampler *s)
{
    transform(c, (const double[]){ 1, 0, dx, 0, 1, dy }, s);
}

void eff_aug_cutout(eff_canvas *c, int half, int cx, int cy, const uint8_t fill[3])
{
    const int x0 = cx - half > 0 ? cx - half : 0, x1 = cx + half < c->width ? cx + half : c->width;
    const int y0 = cy - half > 0 ? cy - half : 0, y1 = cy + half < c->height ? cy + half : c->height;
    for (int y = y0; y < y1 && x0 < x1; y++)
        fill_pixels(c->rgb + ((size_t)y * (size_t)c->width + (size_t)x0) * 3, (size_t)(x1 - x0), fill);
}

static void exchange_rows(uint8_t *a, uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

void eff_aug_flip(eff_canvas *c, bool horizontally, bool vertically)
{
    const size_t w = (size_t)c->width, h = (size_t)c->height, row = w * 3;
    for (size_t y = 0; horizontally && y < h; y++)
        for (uint8_t *a = c->rgb + y * row, *b = a + row - 3; a < b; a += 3, b -= 3) exchange_rows(a, b, 3);
    for (size_t y = 0; vertically && y < h / 2; y++) exchange_rows(c->rgb + y * row, c->rgb + (h - 1 - y) * row, row);
}

/* -------------------------------------------------------------------------------------------- the levels */

const eff_augment_kernels eff_augment_kernels_plain = { bilinear_plain, bicubic_plain, eff_turned_plain,
                                                        eff_blend_plain, eff_grey_plain };

const eff_augment_kernels *eff_augment_kernels_for(unsigned cpu)
{
#if defined(__x86_64__)
    if (cpu & EFF_CPU_AVX2) return &eff_augment_kernels_avx2;
#endif
    (void)cpu;
    return &eff_augment_kernels_plain;
}
