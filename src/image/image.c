/* SPDX-License-Identifier: Apache-2.0 */
/* An image's memory, and the sink that gathers a decoder's rows into one, upright. No image larger than the limits of
 * image.h ever exists, and nothing is allocated for one. */
#include "image/image.h"

#include "base/file.h"
#include "base/mem.h"
#include "image/icc.h"
#include "image/orient.h"

#include <string.h>

eff_status eff_image_check(uint64_t width, uint64_t height, eff_error *err)
{
    if (!width || !height)
        return eff_fail(err, EFF_EFORMAT, "image size: expected at least one pixel, found %llu x %llu",
                        (unsigned long long)width, (unsigned long long)height);
    if (width > EFF_IMAGE_MAX_SIDE || height > EFF_IMAGE_MAX_SIDE || width * height > EFF_IMAGE_MAX_PIXELS)
        return eff_fail(err, EFF_EFORMAT,
                        "image size: expected at most %d pixels a side and %llu in all, found %llu x %llu",
                        EFF_IMAGE_MAX_SIDE, (unsigned long long)EFF_IMAGE_MAX_PIXELS, (unsigned long long)width,
                        (unsigned long long)height);
    return EFF_OK;
}

eff_status eff_image_new(eff_image **out, uint64_t width, uint64_t height, eff_error *err)
{
    *out = NULL;
    const eff_status s = eff_image_check(width, height, err);
    if (s != EFF_OK) return s;
    const size_t bytes = (size_t)(width * height) * 3; /* the limits keep it below 2^29 */
    eff_image *im = eff_calloc(1, sizeof *im);
    if (!im) return eff_fail_memory(err, sizeof *im);
    im->width = (int)width;
    im->height = (int)height;
    im->pixels = EFF_PIXELS_RGB;
    im->rgb = eff_malloc(bytes);
    if (!im->rgb) {
        eff_free(im);
        return eff_fail_memory(err, bytes);
    }
    *out = im;
    return EFF_OK;
}

void eff_image_destroy(eff_image *im)
{
    if (!im) return;
    eff_free(im->rgb);
    eff_free(im->icc);
    eff_free(im->ink);
    eff_free(im);
}

/* ------------------------------------------------------------------------------------------- the sink */

typedef struct gather {
    eff_image *im;
    eff_picture pic;
    uint8_t *stored, *rgb; /* a row as stored and as RGB, where it cannot go straight to its place */
    int y;
} gather;

static eff_status keep_profile(eff_image *im, const eff_picture *p, eff_error *err)
{
    im->pixels = p->pixels;
    if (!p->icc || p->icc_size > EFF_ICC_MAX) return EFF_OK;
    im->icc = eff_malloc(p->icc_size);
    if (!im->icc) return eff_fail_memory(err, p->icc_size);
    memcpy(im->icc, p->icc, p->icc_size);
    im->icc_size = p->icc_size;
    if (p->pixels != EFF_PIXELS_CMYK) return EFF_OK;
    const size_t bytes = (size_t)im->width * (size_t)im->height * 4;
    im->ink = eff_malloc(bytes);
    return im->ink ? EFF_OK : eff_fail_memory(err, bytes);
}

static eff_status gather_begin(void *ctx, const eff_picture *p, eff_error *err)
{
    gather *const g = ctx;
    const bool swap = eff_orient_swaps(p->orientation);
    eff_status s =
        eff_image_new(&g->im, (uint64_t)(swap ? p->height : p->width), (uint64_t)(swap ? p->width : p->height), err);
    if (s == EFF_OK) s = keep_profile(g->im, p, err);
    if (s != EFF_OK) return s;
    g->pic = *p;
    const size_t n = (size_t)p->width;
    g->stored = eff_malloc(n * (size_t)(p->pixels + 3));
    if (!g->stored) return eff_fail_memory(err, n * (size_t)(p->pixels + 3));
    g->rgb = g->stored + n * (size_t)p->pixels;
    return EFF_OK;
}

static bool straight(const gather *g) { return g->pic.pixels == EFF_PIXELS_RGB && g->pic.orientation == 1; }

static uint8_t *gather_row(void *ctx)
{
    gather *const g = ctx;
    return straight(g) ? g->im->rgb + (size_t)g->y * (size_t)g->pic.width * 3 : g->stored;
}

static void place(uint8_t *to, const uint8_t *from, eff_line line, int n, size_t bytes)
{
    to += line.start * (ptrdiff_t)bytes;
    for (int i = 0; i < n; i++, to += line.step * (ptrdiff_t)bytes, from += bytes) memcpy(to, from, bytes);
}

static bool gather_done(void *ctx)
{
    gather *const g = ctx;
    if (!straight(g)) {
        const eff_line line = eff_orient_line(g->pic.orientation, g->pic.width, g->pic.height, g->y);
        eff_pixels_to_rgb(g->rgb, g->stored, g->pic.pixels, g->pic.width);
        place(g->im->rgb, g->rgb, line, g->pic.width, 3);
        if (g->im->ink) place(g->im->ink, g->stored, line, g->pic.width, 4);
    }
    g->y++;
    return true;
}

eff_status eff_image_decode_bytes(eff_image **out, const uint8_t *bytes, size_t size, eff_error *err)
{
    gather g = { 0 };
    const eff_sink sink = { .ctx = &g, .begin = gather_begin, .row = gather_row, .done = gather_done };
    const eff_status s = eff_decode(bytes, size, &sink, err);
    eff_free(g.stored);
    if (s != EFF_OK) {
        eff_image_destroy(g.im);
        g.im = NULL;
    }
    *out = g.im;
    return s;
}

eff_status eff_image_read(eff_image **out, const char *path, eff_error *err)
{
    *out = NULL;
    unsigned char *bytes = NULL;
    size_t size = 0;
    eff_status s = eff_file_read_all(path, EFF_IMAGE_MAX_FILE, &bytes, &size, err);
    if (s == EFF_OK) s = eff_image_decode_bytes(out, bytes, size, err);
    eff_free(bytes);
    return s;
}
