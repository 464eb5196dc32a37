/* SPDX-License-Identifier: Apache-2.0 */
/* A rule applied: geometry and normalisation of each family's evaluation rule. From a file the rows go from the decoder
 * straight into the resize, so that a photograph of any size needs the memory of some of its rows; from an image in
 * memory they take the same way. */
#include "image/preprocess.h"

#include "base/file.h"
#include "base/mem.h"
#include "image/icc.h"
#include "image/orient.h"
#include "image/resize.h"

#include <string.h>

/* When a JPEG may be decoded at half its size: the resize has to shrink the half by eight or more in both directions,
 * and no pixel of the half may come within two levels of black or white in any channel, where the full decode has
 * clipped what the half has averaged. Together these kept every value within one level of the full decode on all
 * photographs it was measured on; either alone did not, and quarter size did not (docs/formats.md). */
enum { HALF_LEAST = 2 * 8, HALF_MARGIN = 2 };

/* Values of the rule's scaled_dct. */
enum { SCALED_EXACT = 1, SCALED_FAST = 2 };

typedef struct job {
    const eff_preprocess *rule;
    int scaled; /* the rule's scaled_dct, or 0 the second time */
    bool clipped;
    int reduced, width;
    eff_pixels pixels;
    eff_icc *icc;
    uint8_t *stored; /* a row that has to be converted on its way */
    eff_resizer *r;
} job;

/* ------------------------------------------------------------------------------------------- the geometry */

/* Where a centred crop of `crop` of `n` pixels begins: half the rest, rounded to the even number as Python's round()
 * does. */
static int centre(int n, int crop)
{
    const int rest = n - crop, half = rest / 2;
    return rest % 2 ? half + half % 2 : half;
}

/* A long side of a million pixels is no worry: the resize computes only the crop. */
static int long_side(int side, int longer, int shorter) { return (int)((double)side * longer / shorter); }

/** What of an upright picture of w x h is resized to what. */
static void plan(eff_resize_spec *s, const eff_preprocess *p, int w, int h)
{
    s->from = (eff_box){ 0, 0, w, h };
    s->out_w = s->out_h = p->side;
    s->filter = p->filter;
    switch (p->geometry) {
    case EFF_GEOM_SHORT:
        if (w <= h)
            s->out_h = long_side(p->side, h, w);
        else
            s->out_w = long_side(p->side, w, h);
        break;
    case EFF_GEOM_SQUARE: {
        int c = (int)((float)p->fraction * (float)(w < h ? w : h)); /* TensorFlow multiplies in float32 */
        if (c < 1) c = 1;
        s->from = (eff_box){ (w - c + 1) / 2, (h - c + 1) / 2, c, c };
        s->out_w = p->width;
        s->out_h = p->height;
        break;
    }
    default: break;
    }
    s->crop = (eff_box){ centre(s->out_w, p->width), centre(s->out_h, p->height), p->width, p->height };
}

static eff_resize_spec spec_of(const eff_picture *pic, const eff_preprocess *p)
{
    const bool swaps = eff_orient_swaps(pic->orientation);
    eff_resize_spec s = { .width = pic->width, .height = pic->height, .orientation = pic->orientation };
    plan(&s, p, swaps ? pic->full_height : pic->full_width, swaps ? pic->full_width : pic->full_height);
    if (pic->reduced > 1) {
        /* the same part and result, from a smaller picture; a pixel of it that is cut counts whole */
        const int r = pic->reduced, x = s.from.x / r, y = s.from.y / r;
        s.from = (eff_box){ x, y, (s.from.x + s.from.w + r - 1) / r - x, (s.from.y + s.from.h + r - 1) / r - y };
    }
    return s;
}

/* ------------------------------------------------------------------------------------------- the rows */

static int choose_reduction(void *ctx, const eff_picture *pic)
{
    const job *const j = ctx;
    if (!j->scaled || j->rule->filter > EFF_FILTER_LANCZOS) return 1; /* the others do not average when they shrink */
    const eff_resize_spec s = spec_of(pic, j->rule);
    if (j->scaled == SCALED_FAST) { /* as small as it can be without enlarging it again */
        int r = 8;
        while (r > 1 && (s.from.w / r < s.out_w || s.from.h / r < s.out_h)) r /= 2;
        return r;
    }
    if ((s.from.x | s.from.y | s.from.w | s.from.h) % 2) return 1; /* a pixel of the half would lie across the edge */
    return s.from.w / HALF_LEAST >= s.out_w && s.from.h / HALF_LEAST >= s.out_h ? 2 : 1;
}

static eff_status begin(void *ctx, const eff_picture *pic, eff_error *err)
{
    job *const j = ctx;
    const eff_resize_spec s = spec_of(pic, j->rule);
    j->width = pic->width;
    j->pixels = pic->pixels;
    j->reduced = pic->reduced;
    eff_status st = eff_resizer_create(&j->r, &s, err);
    if (st == EFF_OK && j->rule->icc) st = eff_icc_open(&j->icc, pic->icc, pic->icc_size, pic->pixels, err);
    if (st != EFF_OK) return st;
    const size_t bytes = (size_t)pic->width * pic->pixels;
    if (j->icc || j->pixels != EFF_PIXELS_RGB) {
        j->stored = eff_malloc(bytes);
        if (!j->stored) return eff_fail_memory(err, bytes);
    }
    return EFF_OK;
}

static uint8_t *row(void *ctx)
{
    const job *const j = ctx;
    return j->stored ? j->stored : eff_resizer_row(j->r);
}

/** Does any value come close to black or white? */
static bool clips(const uint8_t *v, size_t n)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++) bad |= (uint8_t)(v[i] + HALF_MARGIN + 1) <= 2 * HALF_MARGIN + 1; /* wraps at 256 */
    return bad;
}

static bool done(void *ctx)
{
    job *const j = ctx;
    if (j->reduced > 1 && j->scaled == SCALED_EXACT) {
        j->clipped = clips(row(j), (size_t)j->width * j->pixels);
        if (j->clipped) return false;
    }
    if (j->icc)
        eff_icc_row(j->icc, eff_resizer_row(j->r), j->stored, j->width);
    else if (j->stored)
        eff_pixels_to_rgb(eff_resizer_row(j->r), j->stored, j->pixels, j->width);
    eff_resizer_done(j->r);
    return true;
}

static void release(job *j)
{
    eff_icc_close(j->icc);
    eff_free(j->stored);
    eff_resizer_free(j->r);
    j->icc = NULL;
    j->stored = NULL;
    j->r = NULL;
}

/* -------------------------------------------------------------------------------------- the normalisation */

/* There are only 256 values a channel, so the division (exact, as the references divide) is done for those. */
void eff_preprocess_normalise(float *x, const uint8_t *rgb, size_t pixels, const eff_preprocess *p)
{
    float r[256], g[256], b[256];
    for (int v = 0; v < 256; v++) {
        r[v] = ((float)v - p->mean[0]) / p->std[0];
        g[v] = ((float)v - p->mean[1]) / p->std[1];
        b[v] = ((float)v - p->mean[2]) / p->std[2];
    }
    for (size_t i = 0; i < pixels; i++, x += 3, rgb += 3) {
        x[0] = r[rgb[0]];
        x[1] = g[rgb[1]];
        x[2] = b[rgb[2]];
    }
}

static void normalise_f32(float *x, size_t pixels, const eff_preprocess *p)
{
    for (size_t i = 0; i < pixels; i++, x += 3)
        for (int c = 0; c < 3; c++) x[c] = (x[c] - p->mean[c]) / p->std[c];
}

static eff_status finish(const job *j, float *x, eff_error *err)
{
    const eff_preprocess *const p = j->rule;
    const size_t pixels = (size_t)p->width * (size_t)p->height;
    if (p->filter >= EFF_FILTER_TF1_BILINEAR) {
        eff_resizer_take_f32(j->r, x);
        normalise_f32(x, pixels, p);
        return EFF_OK;
    }
    uint8_t *const rgb = eff_malloc(pixels * 3);
    if (!rgb) return eff_fail_memory(err, pixels * 3);
    eff_resizer_take_u8(j->r, rgb);
    eff_preprocess_normalise(x, rgb, pixels, p);
    eff_free(rgb);
    return EFF_OK;
}

/* ---------------------------------------------------------------------------------------------- the ways in */

eff_status eff_preprocess_apply(const eff_image *im, const eff_preprocess *p, float *x, eff_error *err)
{
    eff_status s = eff_preprocess_check(p, err);
    if (s != EFF_OK) return s;
    job j = { .rule = p };
    eff_picture pic = { .width = im->width,
                        .height = im->height,
                        .full_width = im->width,
                        .full_height = im->height,
                        .reduced = 1,
                        .orientation = 1,
                        .pixels = EFF_PIXELS_RGB };
    if (p->icc && im->icc) { /* back to what the profile speaks of */
        pic.pixels = im->pixels;
        pic.icc = im->icc;
        pic.icc_size = im->icc_size;
    }
    s = begin(&j, &pic, err);
    const size_t n = (size_t)im->width, bytes = n * pic.pixels;
    const uint8_t *const from = pic.pixels == EFF_PIXELS_CMYK ? im->ink : im->rgb;
    for (size_t y = 0; s == EFF_OK && y < (size_t)im->height; y++) {
        uint8_t *const to = row(&j);
        if (pic.pixels == EFF_PIXELS_GRAY)
            for (size_t i = 0; i < n; i++) to[i] = from[(y * n + i) * 3];
        else
            memcpy(to, from + y * bytes, bytes);
        done(&j);
    }
    if (s == EFF_OK) s = finish(&j, x, err);
    release(&j);
    return s;
}

eff_status eff_preprocess_bytes(const uint8_t *bytes, size_t size, const eff_preprocess *p, float *x, eff_error *err)
{
    eff_status s = eff_preprocess_check(p, err);
    if (s != EFF_OK) return s;
    job j = { .rule = p, .scaled = p->scaled_dct };
    const eff_sink sink = { .ctx = &j, .reduce = choose_reduction, .begin = begin, .row = row, .done = done };
    s = eff_decode(bytes, size, &sink, err);
    if (j.clipped) { /* at half size it would not be the same picture */
        release(&j);
        j = (job){ .rule = p };
        s = eff_decode(bytes, size, &sink, err);
    }
    if (s == EFF_OK) s = finish(&j, x, err);
    release(&j);
    return s;
}

eff_status eff_preprocess_file(const char *path, const eff_preprocess *p, float *x, eff_error *err)
{
    unsigned char *bytes = NULL;
    size_t size = 0;
    eff_status s = eff_file_read_all(path, EFF_IMAGE_MAX_FILE, &bytes, &size, err);
    if (s == EFF_OK) s = eff_preprocess_bytes(bytes, size, p, x, err);
    eff_free(bytes);
    return s;
}
