/* SPDX-License-Identifier: Apache-2.0 */
/* A contact sheet: what training will see of some images, beside what they are. It goes the loader's way to each pixel,
 * so that a rule that hides the pattern of a cloth, or turns a digit upside down, is seen before hours are spent on it.
 */
#include "data/dataset.h"

#include "base/mem.h"
#include "data/cache.h"
#include "image/augment.h"
#include "image/resize.h"

#include <math.h>
#include <string.h>

enum { GAP = 4, WHITE = 255, GROUND = 224, MOST = 1000 };

typedef struct drawing {
    const eff_dataset *d;
    eff_preprocess rule;
    eff_augment augment;
    bool augmented;
    int height, width, rows, columns; /* columns with the original */
    uint64_t seed;
    eff_cache *cache;
    float *x; /* an image as the network gets it */
    eff_image *page;
} drawing;

/* ----------------------------------------------------------------------------------------------------- the rows */

/* The first image of each class, then the second, until there are enough; then in the order of the set, class after
 * class. */
static int choose_items(const eff_dataset *d, size_t *item, int most)
{
    const size_t n = eff_dataset_count(d, EFF_PART_TRAIN);
    size_t *const of_class = eff_calloc((size_t)d->classes, sizeof *of_class);
    bool *const chosen = eff_calloc(n, sizeof *chosen);
    int left = most, rows = 0;
    for (size_t round = 1; of_class && chosen && left && round <= n; round++) {
        memset(of_class, 0, (size_t)d->classes * sizeof *of_class);
        for (size_t i = 0; i < n && left; i++) {
            if (++of_class[d->sample[i].label] != round || chosen[i]) continue;
            chosen[i] = true;
            left--;
        }
    }
    for (int c = 0; c < d->classes && of_class && chosen; c++)
        for (size_t i = 0; i < n && rows < most; i++)
            if (chosen[i] && d->sample[i].label == c) item[rows++] = i;
    eff_free(of_class);
    eff_free(chosen);
    return rows;
}

/* --------------------------------------------------------------------------------------------------- the tiles */

static uint8_t *tile(const drawing *g, int row, int column)
{
    const size_t x = GAP + (size_t)column * ((size_t)g->width + GAP), y = GAP + (size_t)row * ((size_t)g->height + GAP);
    return g->page->rgb + (y * (size_t)g->page->width + x) * 3;
}

static void put(const drawing *g, uint8_t *to, const uint8_t *rgb, int w, int h)
{
    for (int y = 0; y < h; y++)
        memcpy(to + (size_t)y * (size_t)g->page->width * 3, rgb + (size_t)y * (size_t)w * 3, (size_t)w * 3);
}

/* The whole picture, as large as the tile takes it. */
static eff_status draw_original(const drawing *g, int row, const eff_image *im, eff_error *err)
{
    const double fit = fmin((double)g->width / im->width, (double)g->height / im->height);
    int w = (int)lrint(fit * im->width), h = (int)lrint(fit * im->height);
    w = w < 1 ? 1 : w > g->width ? g->width : w;
    h = h < 1 ? 1 : h > g->height ? g->height : h;
    uint8_t *const rgb = eff_malloc((size_t)w * (size_t)h * 3), *const to = tile(g, row, 0);
    if (!rgb) return eff_fail_memory(err, (size_t)w * (size_t)h * 3);
    const eff_status s = eff_resize_pillow(rgb, (eff_box){ 0, 0, w, h }, im->rgb, im->width, im->height,
                                           (eff_box){ 0, 0, im->width, im->height }, w, h, EFF_FILTER_BICUBIC, err);
    if (s == EFF_OK) {
        for (int y = 0; y < g->height; y++)
            memset(to + (size_t)y * (size_t)g->page->width * 3, GROUND, (size_t)g->width * 3);
        put(g, to + ((size_t)((g->height - h) / 2) * (size_t)g->page->width + (size_t)((g->width - w) / 2)) * 3, rgb, w,
            h);
    }
    eff_free(rgb);
    return s;
}

/* The network's input as a picture again. */
static void draw_input(const drawing *g, int row, int column)
{
    uint8_t *const to = tile(g, row, column);
    const float *x = g->x;
    for (int y = 0; y < g->height; y++)
        for (int i = 0; i < 3 * g->width; i++) {
            const float v = *x++ * g->rule.std[i % 3] + g->rule.mean[i % 3];
            to[(size_t)y * (size_t)g->page->width * 3 + (size_t)i] = (uint8_t)lrintf(v > 255 ? 255 : v > 0 ? v : 0);
        }
}

static eff_status draw_row(const drawing *g, int row, size_t item, eff_error *err)
{
    const eff_image *im;
    eff_status s = eff_cache_picture(g->cache, item, &im, err);
    if (s != EFF_OK) return s;
    s = draw_original(g, row, im, err);
    for (int c = 1; c < g->columns && s == EFF_OK; c++) {
        const eff_draw draw = { .seed = g->seed, .epoch = (uint32_t)(c - 1), .sample = (uint32_t)item };
        s = g->augmented ? eff_augment_apply(g->x, g->height, g->width, &g->augment, g->rule.mean, g->rule.std, im->rgb,
                                             im->width, im->height, draw, err)
                         : eff_preprocess_file(g->d->sample[item].path, &g->rule, g->x, err);
        if (s == EFF_OK) draw_input(g, row, c);
    }
    eff_cache_release(g->cache, item, im);
    return s;
}

/* ---------------------------------------------------------------------------------------------------- the page */

void eff_sheet_opts_init(eff_sheet_opts *o) { *o = (eff_sheet_opts){ .images = 12, .variants = 6 }; }

static eff_status set_up(drawing *g, const eff_sheet_opts *o, eff_error *err)
{
    static const eff_preprocess plain = { .mean = { 123.675f, 116.28f, 103.53f }, .std = { 58.395f, 57.12f, 57.375f } };
    g->rule = o->rule ? *o->rule : plain;
    g->height = o->height ? o->height : g->rule.height;
    g->width = o->width ? o->width : g->rule.width;
    g->seed = o->seed;
    g->augmented = o->augment != NULL;
    g->columns = 1 + (g->augmented ? o->variants : 1);
    if (g->height < 1 || g->width < 1 || g->height > EFF_PREPROCESS_MAX_SIDE || g->width > EFF_PREPROCESS_MAX_SIDE)
        return eff_fail(err, EFF_EARG, "sheet: expected images of 1..%d pixels a side, found %dx%d",
                        EFF_PREPROCESS_MAX_SIDE, g->height, g->width);
    if (o->images < 1 || o->images > MOST || o->variants < 1 || o->variants > MOST)
        return eff_fail(err, EFF_EARG, "sheet: expected 1..%d images and variants, found %d and %d", MOST, o->images,
                        o->variants);
    if (!g->augmented && (!o->rule || g->height != o->rule->height || g->width != o->rule->width))
        return eff_fail(err, EFF_EARG, "sheet: expected the size of the evaluation rule, found %dx%d", g->height,
                        g->width);
    if (!g->augmented) return eff_preprocess_check(&g->rule, err);
    const eff_status s = eff_augment_preset(&g->augment, "none", err);
    return s == EFF_OK ? eff_augment_read(&g->augment, o->augment, err) : s;
}

static eff_status make_page(drawing *g, eff_error *err)
{
    const uint64_t w = (uint64_t)GAP + (uint64_t)g->columns * (uint64_t)(g->width + GAP),
                   h = (uint64_t)GAP + (uint64_t)g->rows * (uint64_t)(g->height + GAP);
    eff_status s = eff_image_check(w, h, err);
    if (s != EFF_OK) { /* here the size is the caller's */
        if (err) err->code = EFF_EARG;
        return EFF_EARG;
    }
    s = eff_image_new(&g->page, w, h, err);
    if (s != EFF_OK) return s;
    memset(g->page->rgb, WHITE, (size_t)w * (size_t)h * 3);
    const size_t bytes = (size_t)g->height * (size_t)g->width * 3 * sizeof(float);
    g->x = eff_malloc(bytes);
    if (!g->x) return eff_fail_memory(err, bytes);
    const eff_cache_opts co = { .height = g->height, .width = g->width, .rule = g->rule };
    return eff_cache_create(&g->cache, g->d, EFF_PART_TRAIN, &co, err);
}

eff_status eff_dataset_sheet(const eff_dataset *d, const eff_sheet_opts *o, const char *path, eff_error *err)
{
    if (!d || !o || !path) return eff_fail(err, EFF_EARG, "sheet: expected a set, options and a path, found NULL");
    drawing g = { .d = d };
    size_t *item = NULL;
    eff_status s = set_up(&g, o, err);
    if (s != EFF_OK) return s;
    item = eff_malloc((size_t)o->images * sizeof *item);
    g.rows = item ? choose_items(d, item, o->images) : 0;
    if (!g.rows) s = eff_fail_memory(err, (size_t)o->images * sizeof *item);
    if (s == EFF_OK) s = make_page(&g, err);
    for (int row = 0; row < g.rows && s == EFF_OK; row++) {
        s = draw_row(&g, row, item[row], err);
        if (s != EFF_OK) eff_error_prefix(err, "%.120s", d->sample[item[row]].rel);
    }
    if (s == EFF_OK) s = eff_png_save(g.page, path, err);
    eff_cache_free(g.cache);
    eff_image_destroy(g.page);
    eff_free(g.x);
    eff_free(item);
    return s;
}
