/* SPDX-License-Identifier: Apache-2.0 */
/* The resize, row by row. Weights are made for the upright picture and then carried over to the rows as they are
 * stored: a mirrored direction has its weights turned round, and where rows and columns are exchanged the two passes
 * change places. So the result has the bits of turning the picture first, without turning it. Rows are either taken
 * across as they come, a ring holding the narrow results until enough of them are there to go down; or, where going
 * down comes first, a ring holds the rows themselves. */
#include "image/resize.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "image/orient.h"

#include <string.h>

struct eff_resizer {
    eff_pillow_kernels k;
    eff_axis x, y; /* over the stored columns and rows */
    int orientation;
    bool real, down_first;
    size_t value;      /* bytes of a value after a pass */
    size_t source_row; /* bytes */
    size_t tile_row;   /* bytes of a row of the result */
    size_t slot;       /* bytes of a row in the ring */
    int slots;         /* rows in the ring */
    int next, end;     /* source rows that came; that are needed */
    int waiting;       /* across first: of the two rows of `room`, those that are filled */
    int made;          /* rows of the result */
    uint8_t *room[2];  /* rows that the kernels may read past */
    uint8_t *ring;
    const void **rows; /* what goes down into one row */
    uint8_t *tile;     /* the crop as it is stored */
};

void eff_axis_free(eff_axis *a)
{
    eff_free(a->first);
    eff_free(a->count);
    eff_free(a->fixed);
    eff_free(a->real);
    *a = (eff_axis){ 0 };
}

/* ------------------------------------------------------------------------------------------- the weights */

static void swap(int32_t *a, int32_t *b)
{
    const int32_t t = *a;
    *a = *b;
    *b = t;
}

/* Count inputs and outputs from the other end of `in`. */
static void mirror(eff_axis *a, int in)
{
    const size_t taps = (size_t)a->taps;
    int32_t *const words = a->fixed ? a->fixed : (int32_t *)(void *)a->real; /* moved, not looked at */
    for (int i = 0, j = a->n - 1; i < j; i++, j--) {
        swap(&a->first[i], &a->first[j]);
        swap(&a->count[i], &a->count[j]);
        for (size_t t = 0; t < taps; t++) swap(&words[(size_t)i * taps + t], &words[(size_t)j * taps + t]);
    }
    for (int i = 0; i < a->n; i++) {
        int32_t *const w = words + (size_t)i * taps;
        for (int s = 0, t = a->count[i] - 1; s < t; s++, t--) swap(&w[s], &w[t]);
        a->first[i] = in - a->first[i] - a->count[i];
    }
    a->backward = true;
}

/* One direction of the upright picture: the part from .. from + len - 1 of `in` pixels. */
static eff_status build(eff_axis *a, eff_filter filter, int in, int from, int len, int out, int at, int n,
                        bool mirrored, eff_error *err)
{
    const eff_status st = filter >= EFF_FILTER_TF1_BILINEAR ? eff_axis_tf(a, len, out, at, n, filter, err)
                                                            : eff_axis_pillow(a, len, out, at, n, filter, err);
    if (st != EFF_OK) return st;
    for (int i = 0; i < n; i++) a->first[i] += from;
    if (mirrored) mirror(a, in);
    return EFF_OK;
}

static eff_status build_axes(eff_resizer *r, const eff_resize_spec *s, eff_error *err)
{
    const bool swaps = eff_orient_swaps(s->orientation);
    const bool mx = eff_orient_mirrors_x(s->orientation), my = eff_orient_mirrors_y(s->orientation);
    const int w = swaps ? s->height : s->width, h = swaps ? s->width : s->height; /* upright */
    eff_status st = build(swaps ? &r->y : &r->x, s->filter, w, s->from.x, s->from.w, s->out_w, s->crop.x, s->crop.w,
                          swaps ? my : mx, err);
    if (st == EFF_OK)
        st = build(swaps ? &r->x : &r->y, s->filter, h, s->from.y, s->from.h, s->out_h, s->crop.y, s->crop.h,
                   swaps ? mx : my, err);
    /* Pillow 13's choice; earlier versions, and TensorFlow, always go across first */
    const bool down = !r->real && s->from.h > s->out_h &&
                      (int64_t)s->from.h - s->out_h > 2 * ((int64_t)s->from.w - s->out_w) && s->from.w != s->out_w;
    r->down_first = down != swaps;
    if (st == EFF_OK && !r->real && r->k.order) r->k.order(r->x.fixed, (size_t)r->x.n * (size_t)r->x.taps);
    return st;
}

/* ------------------------------------------------------------------------------------------- the rows */

static void across(const eff_resizer *r, uint8_t *const dst[2], const uint8_t *const src[2])
{
    if (!r->real) {
        r->k.across(dst, src, r->x.fixed, r->x.first, r->x.taps, r->x.n);
        return;
    }
    for (int i = 0; i < 1 + (dst[0] != dst[1]); i++) {
        float *const d = (float *)(void *)dst[i];
        if (r->down_first)
            eff_tf_across_f32(d, (const float *)(const void *)src[i], &r->x);
        else
            eff_tf_across_u8(d, src[i], &r->x);
    }
}

/** Ring rows, from byte `at` on, into row i of the result: n values. */
static void down(const eff_resizer *r, uint8_t *dst, int i, size_t at, size_t n)
{
    const int first = r->y.first[i], count = r->y.count[i];
    for (int t = 0; t < count; t++) r->rows[t] = r->ring + (size_t)((first + t) % r->slots) * r->slot + at;
    if (!r->real)
        r->k.down(dst, (const uint8_t *const *)r->rows, r->y.fixed + (size_t)i * (size_t)r->y.taps, count, n);
    else if (r->down_first)
        eff_tf_down_u8((float *)(void *)dst, (const uint8_t *const *)r->rows, &r->y, i, n);
    else
        eff_tf_down_f32((float *)(void *)dst, (const float *const *)r->rows, &r->y, i, n);
}

static bool ready(const eff_resizer *r, int i) { return i < r->y.n && r->y.first[i] + r->y.count[i] <= r->next; }

static uint8_t *tile_row(const eff_resizer *r, int i) { return r->tile + (size_t)i * r->tile_row; }

static void make_across_first(eff_resizer *r)
{
    if (r->waiting == 2 || r->next == r->end) {
        const int last = r->next - 1, before = last - (r->waiting == 2);
        const uint8_t *const src[2] = { r->room[0], r->room[r->waiting - 1] };
        across(r,
               (uint8_t *const[]){ r->ring + (size_t)(before % r->slots) * r->slot,
                                   r->ring + (size_t)(last % r->slots) * r->slot },
               src);
        r->waiting = 0;
    }
    if (r->waiting == 0)
        for (; ready(r, r->made); r->made++) down(r, tile_row(r, r->made), r->made, 0, r->tile_row / r->value);
}

static void make_down_first(eff_resizer *r)
{
    const int last = r->x.n - 1;
    const size_t at = (size_t)r->x.first[0] * 3, n = (size_t)(r->x.first[last] + r->x.count[last]) * 3 - at;
    while (ready(r, r->made)) {
        const int more = ready(r, r->made + 1);
        for (int i = 0; i <= more; i++) down(r, r->room[i] + at * r->value, r->made + i, at, n);
        across(r, (uint8_t *const[]){ tile_row(r, r->made), tile_row(r, r->made + more) },
               (const uint8_t *const[]){ r->room[0], r->room[more] });
        r->made += 1 + more;
    }
}

static bool needed(const eff_resizer *r) { return r->next >= r->y.first[0] && r->next < r->end; }

uint8_t *eff_resizer_row(eff_resizer *r)
{
    if (r->down_first && needed(r)) return r->ring + (size_t)(r->next % r->slots) * r->slot;
    return r->room[r->waiting];
}

void eff_resizer_done(eff_resizer *r)
{
    const bool keep = needed(r);
    r->next++;
    if (!keep) return;
    if (r->down_first)
        make_down_first(r);
    else {
        r->waiting++;
        make_across_first(r);
    }
}

/* ------------------------------------------------------------------------------------- making and taking */

static bool inside(eff_box b, int w, int h)
{
    return b.w > 0 && b.h > 0 && b.x >= 0 && b.y >= 0 && b.x <= w - b.w && b.y <= h - b.h;
}

static eff_status allocate(eff_resizer *r, eff_error *err)
{
    int most = 0;
    for (int i = 0; i < r->y.n; i++)
        if (r->y.count[i] > most) most = r->y.count[i];
    r->end = r->y.first[r->y.n - 1] + r->y.count[r->y.n - 1];
    r->tile_row = (size_t)r->x.n * 3 * r->value;
    r->slots = most + 1; /* rows go across in pairs: one more than is looked at */
    r->slot = r->down_first ? r->source_row : r->tile_row;
    /* first[] never falls, so the last output reaches farthest */
    const size_t reach =
        (3 * ((size_t)r->x.first[r->x.n - 1] + (size_t)r->x.taps) + 4) * (r->down_first ? r->value : 1);
    const size_t room = eff_round_up(reach > r->source_row ? reach : r->source_row, EFF_ALIGN);
    size_t ring = 0, tile = 0;
    if (!eff_mul((size_t)r->slots, r->slot, &ring) || !eff_mul((size_t)r->y.n, r->tile_row, &tile))
        return eff_fail_memory(err, SIZE_MAX);
    r->room[0] = eff_calloc(2, room);
    r->ring = eff_malloc(ring);
    r->tile = eff_malloc(tile);
    r->rows = eff_malloc((size_t)most * sizeof *r->rows);
    if (!r->room[0] || !r->ring || !r->tile || !r->rows) return eff_fail_memory(err, 2 * room + ring + tile);
    r->room[1] = r->room[0] + room;
    return EFF_OK;
}

eff_status eff_resizer_create(eff_resizer **out, const eff_resize_spec *s, eff_error *err)
{
    *out = NULL;
    const bool swaps = eff_orient_swaps(s->orientation), real = s->filter >= EFF_FILTER_TF1_BILINEAR;
    const int w = swaps ? s->height : s->width, h = swaps ? s->width : s->height;
    if ((unsigned)s->filter > EFF_FILTER_TF2_BICUBIC_AA || !inside(s->from, w, h) ||
        !inside(s->crop, s->out_w, s->out_h))
        return eff_fail(err, EFF_EARG, "resize: the filter or the boxes do not fit %d x %d to %d x %d", w, h, s->out_w,
                        s->out_h);
    unsigned cpu = 0;
    eff_status st = eff_cpu_select(NULL, &cpu, err);
    if (st != EFF_OK) return st;
    eff_resizer *r = eff_calloc(1, sizeof *r);
    if (!r) return eff_fail_memory(err, sizeof *r);
    r->k = eff_pillow_kernels_for(cpu);
    r->real = real;
    r->value = real ? sizeof(float) : 1;
    r->orientation = s->orientation;
    r->source_row = (size_t)s->width * 3;
    st = build_axes(r, s, err);
    if (st == EFF_OK) st = allocate(r, err);
    if (st != EFF_OK) {
        eff_resizer_free(r);
        return st;
    }
    *out = r;
    return EFF_OK;
}

void eff_resizer_free(eff_resizer *r)
{
    if (!r) return;
    eff_axis_free(&r->x);
    eff_axis_free(&r->y);
    eff_free(r->room[0]);
    eff_free(r->ring);
    eff_free(r->tile);
    eff_free(r->rows);
    eff_free(r);
}

static void take(const eff_resizer *r, uint8_t *dst, size_t pixel)
{
    for (int y = 0; y < r->y.n; y++) {
        const eff_line line = eff_orient_line(r->orientation, r->x.n, r->y.n, y);
        const uint8_t *from = tile_row(r, y);
        uint8_t *to = dst + line.start * (ptrdiff_t)pixel;
        if (line.step == 1) {
            memcpy(to, from, (size_t)r->x.n * pixel);
            continue;
        }
        for (int x = 0; x < r->x.n; x++, from += pixel, to += line.step * (ptrdiff_t)pixel) memcpy(to, from, pixel);
    }
}

void eff_resizer_take_u8(const eff_resizer *r, uint8_t *dst) { take(r, dst, 3); }

void eff_resizer_take_f32(const eff_resizer *r, float *dst) { take(r, (uint8_t *)dst, 3 * sizeof *dst); }

/* ------------------------------------------------------------------------------------- a whole picture */

static eff_status whole(eff_resizer **out, eff_box crop, const uint8_t *src, int src_w, int src_h, eff_box from,
                        int out_w, int out_h, eff_filter filter, eff_error *err)
{
    const eff_resize_spec spec = { .width = src_w,
                                   .height = src_h,
                                   .orientation = 1,
                                   .from = from,
                                   .out_w = out_w,
                                   .out_h = out_h,
                                   .crop = crop,
                                   .filter = filter };
    const eff_status s = eff_resizer_create(out, &spec, err);
    if (s != EFF_OK) return s;
    const size_t row = (size_t)src_w * 3;
    for (; (*out)->next < (*out)->end; eff_resizer_done(*out))
        if (needed(*out)) memcpy(eff_resizer_row(*out), src + (size_t)(*out)->next * row, row);
    return EFF_OK;
}

eff_status eff_resize_pillow(uint8_t *dst, eff_box crop, const uint8_t *src, int src_w, int src_h, eff_box from,
                             int out_w, int out_h, eff_filter filter, eff_error *err)
{
    eff_resizer *r = NULL;
    if ((unsigned)filter > EFF_FILTER_LANCZOS) return eff_fail(err, EFF_EARG, "resize: not one of Pillow's filters");
    const eff_status s = whole(&r, crop, src, src_w, src_h, from, out_w, out_h, filter, err);
    if (s == EFF_OK) eff_resizer_take_u8(r, dst);
    eff_resizer_free(r);
    return s;
}

eff_status eff_resize_tf(float *dst, eff_box crop, const uint8_t *src, int src_w, int src_h, eff_box from, int out_w,
                         int out_h, eff_filter filter, eff_error *err)
{
    eff_resizer *r = NULL;
    if (filter < EFF_FILTER_TF1_BILINEAR) return eff_fail(err, EFF_EARG, "resize: not one of TensorFlow's filters");
    const eff_status s = whole(&r, crop, src, src_w, src_h, from, out_w, out_h, filter, err);
    if (s == EFF_OK) eff_resizer_take_f32(r, dst);
    eff_resizer_free(r);
    return s;
}
