/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution over NHWC: one vector of channels, TW output columns at a time. Taps outside the image are left out,
 * which is what adding their zero would give. */
#include "kernels/vec/vec.h"

enum { TW = REGISTERS == 32 ? 7 : 4, EDGE = 4 /* vectors of channels at a time, at the edges */ };

typedef struct row {
    const eff_window *d;
    const float *x; /* row 0 of the image, this vector's channels */
    const float *w; /* tap 0, this vector's channels              */
    const float *b; /* bias, likewise                     */
    int iy0, ky0, ky1; /* taps ky0..ky1-1 are inside              */
    size_t wstride;    /* floats between taps                     */
    int part;          /* channels of this vector that exist      */
} row;

INLINE vf load_x(const float *p, int part) { return part < VL ? vload_part(p, part) : vload(p); }

/* cols output columns from ox, all of whose taps lie inside the image horizontally */
INLINE void columns(const int kernel, const int cols, const int stride, const int whole, const row *r, int ox, float *y)
{
    const size_t c = (size_t)r->d->c;
    const int part = whole ? VL : r->part;
    vf acc[TW];
    UNROLL for (int t = 0; t < cols; t++) acc[t] = vload(r->b);
    for (int ky = r->ky0; ky < r->ky1; ky++) {
        const float *x = r->x + ((size_t)(r->iy0 + ky) * (size_t)r->d->w_in + (size_t)(ox * stride - r->d->pad_left)) * c;
        const float *w = r->w + (size_t)(ky * kernel) * r->wstride;
        UNROLL for (int kx = 0; kx < kernel; kx++)
        {
            const vf wv = vload(w + (size_t)kx * r->wstride);
            UNROLL for (int t = 0; t < cols; t++) acc[t] = vfma(load_x(x + (size_t)(t * stride + kx) * c, part), wv, acc[t]);
        }
    }
    UNROLL for (int t = 0; t < cols; t++)
    {
        if (part < VL) vstore_part(y + (size_t)t * c, acc[t], part);
        else vstore(y + (size_t)t * c, acc[t]);
    }
}

/* one output column of nv vectors of channels, any kernel, stride and clipping; the vectors are chains that need not wait for
 * each other */
INLINE void column(const int nv, const row *r, int ox, float *y)
{
    const eff_window *d = r->d;
    const int ix0 = ox * d->stride - d->pad_left, kx0 = ix0 < 0 ? -ix0 : 0;
    const int taps = (ix0 + d->kernel > d->w_in ? d->w_in - ix0 : d->kernel) - kx0;
    vf acc[EDGE];
    UNROLL for (int v = 0; v < nv; v++) acc[v] = vload(r->b + v * VL);
    for (int ky = r->ky0; ky < r->ky1; ky++) {
        const float *x = r->x + ((size_t)(r->iy0 + ky) * (size_t)d->w_in + (size_t)(ix0 + kx0)) * (size_t)d->c;
        const float *w = r->w + (size_t)(ky * d->kernel + kx0) * r->wstride;
        for (int i = 0; i < taps; i++, x += d->c, w += r->wstride) {
            UNROLL for (int v = 0; v < nv; v++) acc[v] = vfma(load_x(x + v * VL, nv == 1 ? r->part : VL), vload(w + v * VL), acc[v]);
        }
    }
    UNROLL for (int v = 0; v < nv; v++)
    {
        if (nv == 1 && r->part < VL) vstore_part(y, acc[v], r->part);
        else vstore(y + v * VL, acc[v]);
    }
}

static void column_one(const row *r, int ox, float *y) { column(1, r, ox, y); }
static void column_edge(const row *r, int ox, float *y) { column(EDGE, r, ox, y); }

INLINE void inner(const int kernel, const int stride, const row *r, int ox, int end, float *y)
{
    for (; ox + TW <= end; ox += TW) columns(kernel, TW, stride, 1, r, ox, y + (size_t)ox * (size_t)r->d->c);
    for (; ox < end; ox++) columns(kernel, 1, stride, 1, r, ox, y + (size_t)ox * (size_t)r->d->c);
}

static void inner_3s1(const row *r, int ox, int end, float *y) { inner(3, 1, r, ox, end, y); }
static void inner_3s2(const row *r, int ox, int end, float *y) { inner(3, 2, r, ox, end, y); }
static void inner_5s1(const row *r, int ox, int end, float *y) { inner(5, 1, r, ox, end, y); }
static void inner_5s2(const row *r, int ox, int end, float *y) { inner(5, 2, r, ox, end, y); }

/* Row oy, vectors of channels from j on. Inside lo..hi-1 every tap of a column lies in the image. @return channels done */
static int channels(const eff_window *d, int j, int oy, int lo, int hi, float *yrow)
{
    const size_t padded = ((size_t)d->c + VL - 1) / VL * VL, c = (size_t)d->c;
    row r = { .d = d, .x = d->x + j, .w = d->w + j, .b = d->bias + j, .iy0 = oy * d->stride - d->pad_top, .wstride = padded };
    r.ky0 = r.iy0 < 0 ? -r.iy0 : 0;
    r.ky1 = r.iy0 + d->kernel > d->h ? d->h - r.iy0 : d->kernel;
    const int wide = d->c - j >= EDGE * VL, todo = wide ? EDGE * VL : d->c - j < VL ? d->c - j : VL;
    const int tiled = (d->kernel == 3 || d->kernel == 5) && d->stride <= 2 && todo >= VL;
    void (*const edge)(const row *, int, float *) = wide ? column_edge : column_one;
    float *y = yrow + j;
    r.part = todo < VL ? todo : VL;
    for (int ox = 0; ox < (tiled ? lo : d->out_w); ox++) edge(&r, ox, y + (size_t)ox * c);
    if (!tiled) return todo;
    for (int ox = hi; ox < d->out_w; ox++) edge(&r, ox, y + (size_t)ox * c);
    for (int v = 0; v < todo; v += VL, r.x += VL, r.w += VL, r.b += VL) {
        if (d->kernel == 3 && d->stride == 1) inner_3s1(&r, lo, hi, y + v);
        else if (d->kernel == 3) inner_3s2(&r, lo, hi, y + v);
        else if (d->stride == 1) inner_5s1(&r, lo, hi, y + v);
        else inner_5s2(&r, lo, hi, y + v);
    }
    return todo;
}

INLINE void activate(float *y, size_t n, const eff_act act)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) vstore(y + i, vact(vload(y + i), act));
    if (i < n) vstore_part(y + i, vact(vload_part(y + i, (int)(n - i)), act), (int)(n - i));
}

static void act(float *x, size_t n, eff_act a)
{
    switch (a) {
    case EFF_ACT_NONE: break;
    case EFF_ACT_RELU: activate(x, n, EFF_ACT_RELU); break;
    case EFF_ACT_RELU6: activate(x, n, EFF_ACT_RELU6); break;
    case EFF_ACT_SILU: activate(x, n, EFF_ACT_SILU); break;
    case EFF_ACT_HSWISH: activate(x, n, EFF_ACT_HSWISH); break;
    case EFF_ACT_SIGMOID: activate(x, n, EFF_ACT_SIGMOID); break;
    }
}

static void dwconv(const eff_window *d)
{
    /* output columns lo..hi-1 have every tap inside */
    int lo = (d->pad_left + d->stride - 1) / d->stride, hi = (d->w_in - d->kernel + d->pad_left) / d->stride + 1;
    if (d->w_in - d->kernel + d->pad_left < 0) hi = 0;
    if (hi > d->out_w) hi = d->out_w;
    if (lo > hi) lo = hi;
    for (int oy = d->row0; oy < d->row0 + d->rows; oy++) {
        float *y = d->y + (size_t)oy * (size_t)d->out_w * (size_t)d->c;
        for (int j = 0; j < d->c;) j += channels(d, j, oy, lo, hi, y);
        act(y, (size_t)d->out_w * (size_t)d->c, d->act); /* the row is still in cache */
    }
}

void LEVEL_NAME(eff_dwconv_init)(eff_kernels *k)
{
    k->dwconv = dwconv;
    k->act = act;
}
