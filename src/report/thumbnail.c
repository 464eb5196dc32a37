/* SPDX-License-Identifier: Apache-2.0 */
/* Decoder, resize, encoder, one row at a time. A JPEG is decoded at a half, a quarter or an eighth where that still
 * leaves twice the pixels asked for: it is looked at, not measured. */
#include "report/thumbnail.h"

#include "base/file.h"
#include "base/mem.h"
#include "image/image.h"
#include "image/orient.h"
#include "image/resize.h"

enum { QUALITY = 82 };

typedef struct shrink {
    int side, width, height; /* of the result */
    int row_width;
    eff_pixels pixels;
    uint8_t *stored; /* a row that is not RGB yet; NULL where rows are */
    eff_resizer *r;
} shrink;

static int longer(const eff_picture *p) { return p->full_width > p->full_height ? p->full_width : p->full_height; }

static int reduce(void *ctx, const eff_picture *p)
{
    const shrink *const k = ctx;
    int by = 1;
    while (by < 8 && longer(p) / (2 * by) >= 2 * k->side) by *= 2;
    return by;
}

static eff_status begin(void *ctx, const eff_picture *p, eff_error *err)
{
    shrink *const k = ctx;
    const bool swaps = eff_orient_swaps(p->orientation);
    const int w = swaps ? p->height : p->width, h = swaps ? p->width : p->height, most = w > h ? w : h;
    const int side = most < k->side ? most : k->side;
    k->width = (int)((int64_t)w * side / most);
    k->height = (int)((int64_t)h * side / most);
    if (k->width < 1) k->width = 1;
    if (k->height < 1) k->height = 1;
    k->pixels = p->pixels;
    k->row_width = p->width;
    const eff_resize_spec spec = { .width = p->width,
                                   .height = p->height,
                                   .orientation = p->orientation,
                                   .from = { 0, 0, w, h },
                                   .out_w = k->width,
                                   .out_h = k->height,
                                   .crop = { 0, 0, k->width, k->height },
                                   .filter = EFF_FILTER_BILINEAR };
    if (p->pixels != EFF_PIXELS_RGB) {
        k->stored = eff_malloc((size_t)p->width * (size_t)p->pixels);
        if (!k->stored) return eff_fail_memory(err, (size_t)p->width * (size_t)p->pixels);
    }
    return eff_resizer_create(&k->r, &spec, err);
}

static uint8_t *row(void *ctx)
{
    const shrink *const k = ctx;
    return k->stored ? k->stored : eff_resizer_row(k->r);
}

static bool done(void *ctx)
{
    shrink *const k = ctx;
    if (k->stored) eff_pixels_to_rgb(eff_resizer_row(k->r), k->stored, k->pixels, k->row_width);
    eff_resizer_done(k->r);
    return true;
}

eff_status eff_thumbnail_make(unsigned char **jpeg, size_t *size, int *width, int *height, const char *path, int side,
                              eff_error *err)
{
    unsigned char *bytes = NULL;
    uint8_t *rgb = NULL;
    size_t n = 0;
    shrink k = { .side = side };
    const eff_sink sink = { .ctx = &k, .reduce = reduce, .begin = begin, .row = row, .done = done };
    *jpeg = NULL;
    *size = 0;
    eff_status s = eff_file_read_all(path, EFF_IMAGE_MAX_FILE, &bytes, &n, err);
    if (s == EFF_OK) s = eff_decode(bytes, n, &sink, err);
    if (s == EFF_OK && !(rgb = eff_malloc((size_t)k.width * (size_t)k.height * 3)))
        s = eff_fail_memory(err, (size_t)k.width * (size_t)k.height * 3);
    if (s == EFF_OK) {
        eff_resizer_take_u8(k.r, rgb);
        s = eff_jpeg_encode(jpeg, size, rgb, k.width, k.height, QUALITY, err);
    }
    *width = k.width;
    *height = k.height;
    eff_resizer_free(k.r);
    eff_free(k.stored);
    eff_free(rgb);
    eff_free(bytes);
    return s;
}
