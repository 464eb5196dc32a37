/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that move pixels, as Pillow moves them: nearest in 16.16 fixed point (or by added steps where the axes
 * keep their directions), bilinear and bicubic in double, without contraction, truncated. A picture is repeated at its
 * edge within the half pixel where a filter looks past it; beyond that there is the fill. Where a direction has no
 * fraction its polynomial is its middle pixel, exactly, and is not computed. */
#include "image/augment_ops.h"

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
    double yo = a[5] + a[4] * 0.5;
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

/* A pixel, its three channels and one lane to spare. */
typedef double wide __attribute__((vector_size(32)));
typedef int32_t ints __attribute__((vector_size(16)));
typedef uint8_t bytes __attribute__((vector_size(4)));

static inline ints load(const uint8_t *p) /* reads a byte past the pixel: EFF_CANVAS_SLACK */
{
    bytes b;
    memcpy(&b, p, sizeof b);
    return __builtin_convertvector(b, ints);
}

static inline wide to_wide(ints v) { return __builtin_convertvector(v, wide); }

static inline void store(uint8_t *dst, ints v)
{
    for (int c = 0; c < 3; c++) dst[c] = (uint8_t)(v[c] < 0 ? 0 : v[c] > 255 ? 255 : v[c]);
}

/* Where the pixels around a point lie: bytes into a row, and rows; those past the edge are the edge's. */
typedef struct taps {
    size_t column[4];
    const uint8_t *row[4];
} taps;

static int within(int v, int n) { return v < 0 ? 0 : v < n ? v : n - 1; }

static inline void find_taps(taps *t, const picture *s, int x, int y, int n)
{
    const size_t pitch = (size_t)s->w * 3;
    if (x >= 0 && y >= 0 && x + n <= s->w && y + n <= s->h)
        for (int i = 0; i < n; i++) {
            t->column[i] = (size_t)(x + i) * 3;
            t->row[i] = s->rgb + (size_t)(y + i) * pitch;
        }
    else
        for (int i = 0; i < n; i++) {
            t->column[i] = (size_t)within(x + i, s->w) * 3;
            t->row[i] = s->rgb + (size_t)within(y + i, s->h) * pitch;
        }
}

static inline wide linear_across(const uint8_t *row, const taps *t, double dx)
{
    const ints p = load(row + t->column[0]), q = load(row + t->column[1]);
    return dx == 0.0 ? to_wide(p) : to_wide(p) + to_wide(q - p) * dx;
}

static inline wide bilinear(const picture *s, double x, double y)
{
    const double fx = floor(x), fy = floor(y), dx = x - fx, dy = y - fy;
    taps t;
    find_taps(&t, s, (int)fx, (int)fy, 2);
    const wide v = linear_across(t.row[0], &t, dx);
    return dy == 0.0 ? v : v + (linear_across(t.row[1], &t, dx) - v) * dy;
}

/* Pillow's cubic of this filter (a = -1; the resize's is -0.5). Sums of bytes are exact, so integers make the
 * coefficients. */
static inline wide cubic_across(const uint8_t *row, const taps *t, double d)
{
    const ints b = load(row + t->column[1]);
    if (d == 0.0) return to_wide(b);
    const ints a = load(row + t->column[0]), c = load(row + t->column[2]), e = load(row + t->column[3]);
    return to_wide(b) + d * (to_wide(c - a) + d * (to_wide(2 * (a - b) + c - e) + d * to_wide(b - a + e - c)));
}

static inline wide cubic(wide a, wide b, wide c, wide e, double d)
{
    return b + d * (-a + c + d * (2 * (a - b) + c - e + d * (-a + b - c + e)));
}

static inline wide bicubic(const picture *s, double x, double y)
{
    const double fx = floor(x), fy = floor(y), dx = x - fx, dy = y - fy;
    taps t;
    find_taps(&t, s, (int)fx - 1, (int)fy - 1, 4);
    const wide v = cubic_across(t.row[1], &t, dx);
    if (dy == 0.0) return v;
    return cubic(cubic_across(t.row[0], &t, dx), v, cubic_across(t.row[2], &t, dx), cubic_across(t.row[3], &t, dx), dy);
}

/* Truncating the clamped value is clamping the truncated one, and values stay within an int's reach. */
#define FILTERED(NAME)                                                                                                 \
    static void NAME##_rows(uint8_t *dst, int dst_w, int dst_h, const picture *s, const double a[6],                   \
                            const uint8_t fill[3])                                                                     \
    {                                                                                                                  \
        for (int y = 0; y < dst_h; y++)                                                                                \
            for (int x = 0; x < dst_w; x++, dst += 3) {                                                                \
                const double px = x + 0.5, py = y + 0.5;                                                               \
                const double sx = a[0] * px + a[1] * py + a[2], sy = a[3] * px + a[4] * py + a[5];                     \
                if (sx >= 0.0 && sx < s->w && sy >= 0.0 && sy < s->h)                                                  \
                    store(dst, __builtin_convertvector(NAME(s, sx - 0.5, sy - 0.5), ints));                            \
                else                                                                                                   \
                    put(dst, fill);                                                                                    \
            }                                                                                                          \
    }
FILTERED(bilinear)
FILTERED(bicubic)

void eff_affine(uint8_t *dst, int dst_w, int dst_h, const uint8_t *src, int src_w, int src_h, const double a[6],
                const eff_sampler *s)
{
    const picture from = { src, src_w, src_h };
    if (s->sampling == EFF_SAMPLE_BICUBIC)
        bicubic_rows(dst, dst_w, dst_h, &from, a, s->fill);
    else if (s->sampling == EFF_SAMPLE_BILINEAR)
        bilinear_rows(dst, dst_w, dst_h, &from, a, s->fill);
    else if (a[1] == 0.0 && a[3] == 0.0)
        nearest_straight(dst, dst_w, dst_h, &from, a, s->fill);
    else
        nearest(dst, dst_w, dst_h, &from, a, s->fill);
}

/* -------------------------------------------------------------------------------------- the operations */

static void transform(eff_canvas *c, const double a[6], const eff_sampler *s)
{
    eff_affine(c->spare, c->width, c->height, c->rgb, c->width, c->height, a, s);
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
