/* SPDX-License-Identifier: Apache-2.0 */
/* One training image: what is drawn, and in which order it is applied. Crop (with rotation, straight from the source by
 * one resize), padding, flips, then either or both of the policy and the colour jitter, on bytes; then normalisation
 * and erasing. Each kind of draw has counters of its own, so that switching one on leaves what the others draw as it
 * was. */
#include "image/augment_ops.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

/* First counter of each kind. */
enum {
    DRAW_CROP = 0, /* two a try, then the place */
    DRAW_FLIP = 64,
    DRAW_ROTATE = 66,
    DRAW_PAD = 67,
    DRAW_JITTER = 70,
    DRAW_ERASE = 80,
    DRAW_POLICY = 128
};
enum { TRIES = 10 }; /* torchvision's and timm's, of crops and of rectangles to erase */

static const uint64_t key = 0x6175676d656e7421u; /* sets these numbers apart from others made of the same seed */

double eff_draw_uniform(const eff_draw *d, int counter)
{
    return eff_rng_uniform(d->seed ^ key, (uint64_t)d->epoch << 32 | d->sample, (uint64_t)counter);
}

static double between(const eff_draw *d, int counter, double lo, double hi)
{
    return lo + (hi - lo) * eff_draw_uniform(d, counter);
}

/** 0..n-1 */
static int below(const eff_draw *d, int counter, int n)
{
    const int v = (int)(eff_draw_uniform(d, counter) * n);
    return v < n ? v : n - 1;
}

/* ----------------------------------------------------------------------------------------------- the crop */

static int at_least_1(double v, int most) { return v < 1.0 ? 1 : v > most ? most : (int)v; }

/** The largest box of this aspect, in the middle. */
static eff_box central(int w, int h, double aspect)
{
    eff_box b = { .w = w, .h = h };
    if ((double)w / h > aspect)
        b.w = at_least_1(rint(h * aspect), w);
    else
        b.h = at_least_1(rint(w / aspect), h);
    b.x = (w - b.w) / 2;
    b.y = (h - b.h) / 2;
    return b;
}

static bool crops(const eff_augment *a) { return a->scale_lo < 1.0; }

eff_box eff_augment_crop(const eff_augment *a, int w, int h, double aspect, const eff_draw *d)
{
    if (!crops(a)) return central(w, h, aspect);
    const double lo = a->ratio_lo * aspect, hi = a->ratio_hi * aspect;
    for (int i = 0; i < TRIES; i++) {
        const int c = DRAW_CROP + 4 * i;
        const double area = (double)w * h * between(d, c, a->scale_lo, a->scale_hi);
        const double ratio = exp(between(d, c + 1, log(lo), log(hi)));
        const double cw = rint(sqrt(area * ratio)), ch = rint(sqrt(area / ratio));
        if (cw < 1 || ch < 1 || cw > w || ch > h) continue;
        eff_box b = { .w = (int)cw, .h = (int)ch };
        b.x = below(d, c + 2, w - b.w + 1);
        b.y = below(d, c + 3, h - b.h + 1);
        return b;
    }
    const double whole = (double)w / h;
    return central(w, h, whole < lo ? lo : whole > hi ? hi : whole);
}

eff_box eff_augment_erased(const eff_augment *a, int width, int height, const eff_draw *d)
{
    static const double area_lo = 0.02, area_hi = 1.0 / 3.0, ratio_lo = 0.3;
    if (eff_draw_uniform(d, DRAW_ERASE) >= a->erase) return (eff_box){ 0 };
    for (int i = 0; i < TRIES; i++) {
        const int c = DRAW_ERASE + 1 + 4 * i;
        const double area = (double)width * height * between(d, c, area_lo, area_hi);
        const double ratio = exp(between(d, c + 1, log(ratio_lo), -log(ratio_lo)));
        const double h = rint(sqrt(area * ratio)), w = rint(sqrt(area / ratio));
        if (w < 1 || h < 1 || w >= width || h >= height) continue;
        eff_box b = { .w = (int)w, .h = (int)h };
        b.x = below(d, c + 2, width - b.w + 1);
        b.y = below(d, c + 3, height - b.h + 1);
        return b;
    }
    return (eff_box){ 0 };
}

/* ------------------------------------------------------------------------------------------- the geometry */

/* What of the source is resized to what, so that a rotation can be taken from it: `from` becomes w x h, of which dst
 * pixel (x, y) is at a[] (as eff_turn() has it). Without rotation `from` is the crop and w x h the image. */
typedef struct view {
    eff_box from;
    int w, h;
    double a[6];
    bool turned;
} view;

/** From lo..hi, a pixel more at each side, what lies within n. */
static void span(int *at, int *len, double lo, double hi, int n)
{
    const int first = lo < 0 ? 0 : (int)lo, end = hi >= n ? n : (int)ceil(hi);
    *at = first;
    *len = end - first;
}

static view look(const eff_augment *a, int src_w, int src_h, int width, int height, const eff_draw *d)
{
    const eff_box b = eff_augment_crop(a, src_w, src_h, (double)width / height, d);
    view v = { .from = b, .w = width, .h = height, .turned = a->rotate > 0.0 };
    if (!v.turned) return v;
    const double t = between(d, DRAW_ROTATE, -a->rotate, a->rotate) * (M_PI / 180.0), co = cos(t), si = sin(t);
    const double kx = (double)b.w / width, ky = (double)b.h / height; /* source pixels to a pixel of the image */
    const double cx = b.x + b.w / 2.0, cy = b.y + b.h / 2.0;
    /* the turned crop, and what filters look at beside it, as far as there is a source */
    const double rx = (b.w * fabs(co) + b.h * fabs(si)) / 2 + 3 * kx,
                 ry = (b.w * fabs(si) + b.h * fabs(co)) / 2 + 3 * ky;
    span(&v.from.x, &v.from.w, cx - rx, cx + rx, src_w);
    span(&v.from.y, &v.from.h, cy - ry, cy + ry, src_h);
    v.w = at_least_1(rint(v.from.w / kx), INT32_MAX);
    v.h = at_least_1(rint(v.from.h / ky), INT32_MAX);
    const double px = (double)v.w / v.from.w, py = (double)v.h / v.from.h;
    v.a[0] = co * kx * px;
    v.a[1] = -si * ky * px;
    v.a[2] = (cx - v.from.x) * px - v.a[0] * width / 2 - v.a[1] * height / 2;
    v.a[3] = si * kx * py;
    v.a[4] = co * ky * py;
    v.a[5] = (cy - v.from.y) * py - v.a[3] * width / 2 - v.a[4] * height / 2;
    return v;
}

/** Move by whole pixels; what comes in is filled. */
static void shift(eff_canvas *c, int dx, int dy, const eff_sampler *s)
{
    if (dx == 0 && dy == 0) return;
    eff_aug_translate(c, dx, dy, &(eff_sampler){ EFF_SAMPLE_NEAREST, { s->fill[0], s->fill[1], s->fill[2] } });
}

/* --------------------------------------------------------------------------------------------- the colours */

/* torchvision's ColorJitter: every factor is drawn, and they are applied in an order that is drawn too. */
static void jitter(eff_canvas *c, const eff_augment *a, const eff_draw *d)
{
    const double within[4] = { a->brightness, a->contrast, a->saturation, a->hue };
    int order[4] = { 0, 1, 2, 3 };
    for (int i = 3; i > 0; i--) {
        const int j = below(d, DRAW_JITTER + i - 1, i + 1), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (int i = 0; i < 4; i++) {
        const int which = order[i];
        if (within[which] <= 0.0) continue;
        const double v = between(d, DRAW_JITTER + 4 + which, -within[which], within[which]);
        switch (which) {
        case 0: eff_aug_brightness(c, 1.0 + v); break;
        case 1: eff_aug_contrast(c, 1.0 + v); break;
        case 2: eff_aug_color(c, 1.0 + v); break;
        default: eff_aug_hue(c, v); break;
        }
    }
}

/* There are only 256 values a channel. */
static void normalise(float *x, const eff_canvas *c, const float mean[3], const float std[3])
{
    float table[3][256];
    for (int b = 0; b < 3; b++)
        for (int v = 0; v < 256; v++) table[b][v] = ((float)v - mean[b]) / std[b];
    const uint8_t *p = c->rgb;
    for (size_t i = (size_t)c->width * (size_t)c->height; i > 0; i--, p += 3, x += 3) {
        x[0] = table[0][p[0]];
        x[1] = table[1][p[1]];
        x[2] = table[2][p[2]];
    }
}

/* The mean colour, which is 0 once normalised. */
static void erase(float *x, int width, eff_box b)
{
    for (int y = b.y; y < b.y + b.h; y++)
        memset(x + ((size_t)y * (size_t)width + (size_t)b.x) * 3, 0, (size_t)b.w * 3 * sizeof *x);
}

/* ---------------------------------------------------------------------------------------------- the image */

/** What lies outside a picture is the mean colour, as what is erased. */
static eff_sampler sampler_of(const eff_augment *a, const float mean[3])
{
    eff_sampler s = { .sampling = a->filter == EFF_FILTER_BILINEAR ? EFF_SAMPLE_BILINEAR : EFF_SAMPLE_BICUBIC };
    for (int b = 0; b < 3; b++)
        s.fill[b] = (uint8_t)(mean[b] <= 0.0f ? 0.0f : mean[b] >= 255.0f ? 255.0f : rintf(mean[b]));
    return s;
}

static bool jitters(const eff_augment *a)
{
    return a->brightness > 0.0 || a->contrast > 0.0 || a->saturation > 0.0 || a->hue > 0.0;
}

/** Bytes of w x h pixels and the slack. */
static bool buffer_size(int w, int h, size_t *bytes)
{
    return eff_mul((size_t)w, (size_t)h, bytes) && eff_mul(*bytes, 3, bytes) &&
           eff_add(*bytes, EFF_CANVAS_SLACK, bytes);
}

eff_status eff_augment_apply(float *x, int height, int width, const eff_augment *a, const float mean[3],
                             const float std[3], const uint8_t *rgb, int src_w, int src_h, eff_draw draw,
                             eff_error *err)
{
    const view v = look(a, src_w, src_h, width, height, &draw);
    const eff_sampler s = sampler_of(a, mean);
    size_t image = 0, source = 0, all = 0;
    if (!buffer_size(width, height, &image) || (v.turned && !buffer_size(v.w, v.h, &source)) ||
        !eff_mul(image, 2, &all) || !eff_add(all, source, &all))
        return eff_fail_memory(err, SIZE_MAX);
    unsigned cpu = 0;
    eff_status st = eff_cpu_select(NULL, &cpu, err);
    if (st != EFF_OK) return st;
    uint8_t *const room = eff_malloc(all);
    if (!room) return eff_fail_memory(err, all);
    eff_canvas c = {
        .rgb = room, .spare = room + image, .width = width, .height = height, .k = eff_augment_kernels_for(cpu)
    };
    uint8_t *const to = v.turned ? room + 2 * image : c.rgb;
    st = eff_resize_pillow(to, (eff_box){ 0, 0, v.w, v.h }, rgb, src_w, src_h, v.from, v.w, v.h, a->filter, err);
    if (st == EFF_OK) {
        if (v.turned) eff_turn(c.rgb, width, height, to, v.w, v.h, v.a, &s, c.k);
        if (a->pad > 0)
            shift(&c, below(&draw, DRAW_PAD, 2 * a->pad + 1) - a->pad,
                  below(&draw, DRAW_PAD + 1, 2 * a->pad + 1) - a->pad, &s);
        eff_aug_flip(&c, eff_draw_uniform(&draw, DRAW_FLIP) < a->hflip,
                     eff_draw_uniform(&draw, DRAW_FLIP + 1) < a->vflip);
        eff_policy_run(&c, a, &draw, DRAW_POLICY, &s);
        if (jitters(a)) jitter(&c, a, &draw);
        normalise(x, &c, mean, std);
        erase(x, width, eff_augment_erased(a, width, height, &draw));
    }
    eff_free(room);
    return st;
}
