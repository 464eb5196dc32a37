/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding and resizing are tasks of the trainer's own pool: nothing else runs meanwhile. */
#include "scale/pictures.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "data/dataset.h"
#include "image/image.h"
#include "image/resize.h"

#include <limits.h>
#include <math.h>

enum { PARTS = 2, CHUNK = 256 }; /* training and validation; pictures between two looks at the caller */

struct eff_pictures {
    const eff_dataset *d;
    int height, width;
    size_t first[PARTS + 1]; /* picture i of part p is number first[p] + i */
    size_t keep;             /* pictures, from the first on                */
    eff_image **kept;        /* [keep], NULL until decoded                 */
};

static eff_item item_of(const eff_pictures *p, size_t i)
{
    const eff_part part = i < p->first[1] ? EFF_PART_TRAIN : EFF_PART_VAL;
    return eff_dataset_item(p->d, part, i - p->first[part]);
}

/* Bytes of picture i when it is kept. */
static size_t size_of(const eff_pictures *p, const eff_item *it)
{
    const size_t full = (size_t)it->width * (size_t)it->height * 3, source = (size_t)p->width * (size_t)p->height * 3;
    return it->width > p->width && it->height > p->height ? source : full;
}

eff_status eff_pictures_create(eff_pictures **out, const eff_dataset *d, int height, int width, size_t bytes,
                               eff_error *err)
{
    eff_pictures *const p = eff_calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return eff_fail_memory(err, sizeof *p);
    *p = (eff_pictures){ .d = d, .height = height, .width = width };
    p->first[1] = eff_dataset_count(d, EFF_PART_TRAIN);
    p->first[2] = p->first[1] + eff_dataset_count(d, EFF_PART_VAL);
    for (; p->keep < p->first[2]; p->keep++) {
        const eff_item it = item_of(p, p->keep);
        const size_t n = size_of(p, &it);
        if (n > bytes) break;
        bytes -= n;
    }
    p->kept = eff_calloc(p->keep + 1, sizeof *p->kept);
    if (!p->kept) {
        eff_free(p);
        return eff_fail_memory(err, bytes);
    }
    *out = p;
    return EFF_OK;
}

void eff_pictures_free(eff_pictures *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->keep; i++) eff_image_destroy(p->kept[i]);
    eff_free(p->kept);
    eff_free(p);
}

uint64_t eff_pictures_fingerprint(const eff_pictures *p)
{
    const int32_t side[2] = { p->height, p->width };
    return eff_hash(eff_dataset_fingerprint(p->d), side, sizeof side);
}

/* The largest central part of w x h that has the aspect of width x height. */
static eff_box central(int w, int h, int width, int height)
{
    eff_box b = { .w = w, .h = h };
    if ((int64_t)w * height > (int64_t)h * width)
        b.w = (int)fmax(1, rint((double)h * width / height));
    else
        b.h = (int)fmax(1, rint((double)w * height / width));
    b.x = (w - b.w) / 2;
    b.y = (h - b.h) / 2;
    return b;
}

static eff_status resize(uint8_t *to, const eff_image *im, int height, int width, eff_error *err)
{
    return eff_resize_pillow(to, (eff_box){ 0, 0, width, height }, im->rgb, im->width, im->height,
                             central(im->width, im->height, width, height), width, height, EFF_FILTER_BICUBIC, err);
}

/* Picture i as it is kept. */
static eff_status decode(const eff_pictures *p, size_t i, eff_image **out, eff_error *err)
{
    const eff_item it = item_of(p, i);
    unsigned char *bytes = NULL;
    size_t n = 0;
    eff_image *im = NULL, *small = NULL;
    const int least = 2 * (p->height > p->width ? p->height : p->width); /* what a JPEG's decoder may leave out */
    eff_status s = eff_file_read_all(it.path, EFF_IMAGE_MAX_FILE, &bytes, &n, err);
    if (s == EFF_OK) s = eff_image_decode_small(&im, bytes, n, least, true, err);
    eff_free(bytes);
    if (s == EFF_OK && im->width > p->width && im->height > p->height) {
        s = eff_image_new(&small, (uint64_t)p->width, (uint64_t)p->height, err);
        if (s == EFF_OK) s = resize(small->rgb, im, p->height, p->width, err);
        eff_image_destroy(im);
        im = small;
    }
    if (s != EFF_OK) {
        eff_image_destroy(im);
        im = NULL;
        eff_error_prefix(err, "%s", it.path);
    }
    *out = im;
    return s;
}

/* ------------------------------------------------------------------------------------------------- chunks */

typedef struct work {
    eff_pictures *p;
    eff_view *v;
    size_t first; /* picture of task 0                 */
    size_t from;  /* first picture of the view's part  */
    eff_error failure[CHUNK];
} work;

static void task_decode(void *ctx, int task, int worker)
{
    (void)worker;
    work *const w = ctx;
    const size_t i = w->first + (size_t)task;
    if (!w->p->kept[i]) w->failure[task].code = decode(w->p, i, &w->p->kept[i], &w->failure[task]);
}

static void task_view(void *ctx, int task, int worker)
{
    (void)worker;
    work *const w = ctx;
    const size_t i = w->first + (size_t)task;
    eff_view *const v = w->v;
    eff_image *own = NULL;
    const eff_image *im = i < w->p->keep ? w->p->kept[i] : NULL;
    eff_error *const err = &w->failure[task];
    eff_status s = EFF_OK;
    if (!im) {
        s = decode(w->p, i, &own, err);
        im = own;
    }
    if (s == EFF_OK)
        s = resize(v->rgb + (i - w->from) * (size_t)v->height * (size_t)v->width * 3, im, v->height, v->width, err);
    eff_image_destroy(own);
    err->code = s;
}

/* Pictures from..to, a chunk at a time; the first that fails, by its number, ends it. */
static eff_status in_chunks(work *w, eff_task_fn *fn, eff_pool *pool, size_t from, size_t to,
                            bool (*tell)(void *ctx, size_t done, size_t total), void *ctx, eff_error *err)
{
    for (w->first = from; w->first < to; w->first += CHUNK) {
        const int n = to - w->first < CHUNK ? (int)(to - w->first) : CHUNK;
        for (int i = 0; i < n; i++) w->failure[i] = (eff_error){ .code = EFF_OK };
        eff_pool_run(pool, fn, w, n);
        for (int i = 0; i < n; i++)
            if (w->failure[i].code != EFF_OK) {
                if (err) *err = w->failure[i];
                return w->failure[i].code;
            }
        if (tell && tell(ctx, w->first - from + (size_t)n, to - from)) return eff_fail(err, EFF_ECANCELLED, "stopped");
    }
    return EFF_OK;
}

eff_status eff_pictures_decode(eff_pictures *p, eff_pool *pool, bool (*tell)(void *ctx, size_t done, size_t total),
                               void *ctx, eff_error *err)
{
    work w = { .p = p };
    return in_chunks(&w, task_decode, pool, 0, p->keep, tell, ctx, err);
}

eff_status eff_view_make(eff_view *v, eff_pictures *p, eff_part part, int height, int width, eff_pool *pool,
                         eff_error *err)
{
    const size_t n = p->first[part + 1] - p->first[part];
    size_t bytes;
    *v = (eff_view){ .height = height, .width = width, .n = n };
    if (!eff_mul((size_t)height * (size_t)width * 3, n, &bytes)) return eff_fail_memory(err, SIZE_MAX);
    v->rgb = eff_malloc(bytes);
    v->label = eff_malloc(n * sizeof *v->label);
    eff_status s = v->rgb && v->label ? EFF_OK : eff_fail_memory(err, bytes);
    work w = { .p = p, .v = v, .from = p->first[part] };
    if (s == EFF_OK) s = in_chunks(&w, task_view, pool, p->first[part], p->first[part + 1], NULL, NULL, err);
    for (size_t i = 0; s == EFF_OK && i < n; i++) v->label[i] = eff_dataset_item(p->d, part, i).label;
    if (s != EFF_OK) eff_view_free(v);
    return s;
}

void eff_view_free(eff_view *v)
{
    eff_free(v->rgb);
    eff_free(v->label);
    *v = (eff_view){ 0 };
}

size_t eff_view_bytes(const eff_pictures *p, int height, int width)
{
    return p->first[PARTS] * (size_t)height * (size_t)width * 3;
}

eff_status eff_pictures_measure(double *seconds, const eff_dataset *d, int height, int width, size_t bytes, int threads,
                                eff_error *err)
{
    enum { DECODED = 48 };
    eff_pictures *p = NULL;
    eff_view v = { 0 };
    eff_pool *pool = NULL;
    const double began = eff_clock();
    eff_dataset few = *d; /* the first images of the set, borrowed */
    const size_t train = eff_dataset_count(d, EFF_PART_TRAIN), val = eff_dataset_count(d, EFF_PART_VAL),
                 some = train < DECODED ? train : DECODED;
    few.first[EFF_PART_VAL] = few.first[EFF_PART_VAL + 1] = few.first[EFF_PART_TRAIN] + some;
    eff_status e = eff_pool_create(&pool, threads ? threads : eff_cpu_count(), err);
    if (e == EFF_OK) e = eff_pictures_create(&p, &few, height, width, bytes, err);
    if (e == EFF_OK) e = eff_view_make(&v, p, EFF_PART_TRAIN, height, width, pool, err);
    if (e == EFF_OK) *seconds = (eff_clock() - began) / (double)some * (double)(train + val);
    eff_view_free(&v);
    eff_pictures_free(p);
    eff_pool_free(pool);
    return e;
}
