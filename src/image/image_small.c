/* SPDX-License-Identifier: Apache-2.0 */
/* A picture as training starts from it: RGB, upright, and no larger than it has to be. A photograph of twelve
 * megapixels is cut to a crop of a few hundred pixels a side; a JPEG decoder can leave out the finest detail on its
 * way, several times faster than the whole picture is decoded. */
#include "image/image.h"

#include "base/mem.h"
#include "image/icc.h"
#include "image/orient.h"

#include <string.h>

typedef struct shrink {
    int least;
    bool srgb;
    eff_image *im;
    eff_picture pic;
    eff_icc *icc;
    uint8_t *stored, *rgb; /* a row as it comes, and as RGB */
    int y;
} shrink;

int eff_image_reduction(int w, int h, int least)
{
    const int side = w < h ? w : h;
    int by = 8;
    while (by > 1 && (side + by - 1) / by < least) by /= 2;
    return by;
}

static int reduce(void *ctx, const eff_picture *p)
{
    const shrink *const t = ctx;
    return eff_image_reduction(p->full_width, p->full_height, t->least);
}

static eff_status begin(void *ctx, const eff_picture *p, eff_error *err)
{
    shrink *const t = ctx;
    const bool swap = eff_orient_swaps(p->orientation);
    eff_status s =
        eff_image_new(&t->im, (uint64_t)(swap ? p->height : p->width), (uint64_t)(swap ? p->width : p->height), err);
    if (s == EFF_OK && t->srgb) s = eff_icc_open(&t->icc, p->icc, p->icc ? p->icc_size : 0, p->pixels, err);
    if (s != EFF_OK) return s;
    t->pic = *p;
    const size_t n = (size_t)p->width * (size_t)(p->pixels + 3);
    t->stored = eff_malloc(n);
    if (!t->stored) return eff_fail_memory(err, n);
    t->rgb = t->stored + (size_t)p->width * (size_t)p->pixels;
    return EFF_OK;
}

static uint8_t *row(void *ctx) { return ((shrink *)ctx)->stored; }

static bool done(void *ctx)
{
    shrink *const t = ctx;
    const eff_picture *const p = &t->pic;
    const eff_line line = eff_orient_line(p->orientation, p->width, p->height, t->y++);
    if (t->icc)
        eff_icc_row(t->icc, t->rgb, t->stored, p->width);
    else
        eff_pixels_to_rgb(t->rgb, t->stored, p->pixels, p->width);
    uint8_t *to = t->im->rgb + line.start * 3;
    const uint8_t *from = t->rgb;
    for (int x = 0; x < p->width; x++, to += line.step * 3, from += 3) memcpy(to, from, 3);
    return true;
}

eff_status eff_image_decode_small(eff_image **out, const uint8_t *bytes, size_t size, int least, bool srgb,
                                  eff_error *err)
{
    shrink t = { .least = least, .srgb = srgb };
    const eff_sink sink = { .ctx = &t, .reduce = reduce, .begin = begin, .row = row, .done = done };
    const eff_status s = eff_decode(bytes, size, &sink, err);
    eff_icc_close(t.icc);
    eff_free(t.stored);
    if (s != EFF_OK) {
        eff_image_destroy(t.im);
        t.im = NULL;
    }
    *out = t.im;
    return s;
}
