/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution of planes: one vector of channels, one or two output rows by a few columns in registers,
 * padding in the rows, so that no tile is special. The last tile of a row may overlap the one before it: an element is
 * one chain of multiply-adds over its taps, so computing it twice gives it the same bits twice. */
#include "kernels/vec/vec.h"

/* Columns of the two tiles: as many as the registers hold beside a weight and an input, and about half. */
#if REGISTERS == 32
enum { WIDE = 7, NARROW = 4 };
#else
enum { WIDE = 4, NARROW = 3 };
#endif

/* rows (1 or 2) by cols outputs from column ox */
INLINE void tile(const int kernel, const int stride, const int rows, const int cols, const eff_dwplane *d, int ox,
                 float *y)
{
    const vf bias = vload(d->bias);
    vf acc[2][WIDE];
    UNROLL for (int c = 0; c < cols; c++)
    {
        acc[0][c] = bias;
        if (rows == 2) acc[1][c] = bias;
    }
    for (int iy = 0; iy < kernel + (rows - 1) * stride; iy++) {
        const float *x = d->x[iy] + (size_t)(ox * stride * VL);
        const int first = iy < kernel, second = rows == 2 && iy >= stride;
        const float *w0 = d->w + (size_t)(iy * kernel * VL);
        const float *w1 = d->w + (size_t)(second ? (iy - stride) * kernel * VL : 0);
        if (first && second) {
            UNROLL for (int kx = 0; kx < kernel; kx++)
            {
                const vf a = vload(w0 + kx * VL), b = vload(w1 + kx * VL);
                UNROLL for (int c = 0; c < cols; c++)
                {
                    const vf v = vload(x + (c * stride + kx) * VL);
                    acc[0][c] = vfma(v, a, acc[0][c]);
                    acc[1][c] = vfma(v, b, acc[1][c]);
                }
            }
        } else if (first) {
            UNROLL for (int kx = 0; kx < kernel; kx++)
            {
                const vf a = vload(w0 + kx * VL);
                UNROLL for (int c = 0; c < cols; c++) acc[0][c] = vfma(vload(x + (c * stride + kx) * VL), a, acc[0][c]);
            }
        } else {
            UNROLL for (int kx = 0; kx < kernel; kx++)
            {
                const vf b = vload(w1 + kx * VL);
                UNROLL for (int c = 0; c < cols; c++) acc[1][c] = vfma(vload(x + (c * stride + kx) * VL), b, acc[1][c]);
            }
        }
    }
    float l, h;
    if (vbounds(d->act, &l, &h)) {
        const vf low = vset1(l), high = vset1(h);
        UNROLL for (int c = 0; c < cols; c++)
        {
            acc[0][c] = vbound(acc[0][c], low, high);
            if (rows == 2) acc[1][c] = vbound(acc[1][c], low, high);
        }
    }
    UNROLL for (int c = 0; c < cols; c++)
    {
        vstore(y + c * VL, acc[0][c]);
        if (rows == 2) vstore(y + (size_t)(d->out_w + c) * VL, acc[1][c]);
    }
}

/* one output, any kernel and stride */
static void single(const eff_dwplane *d, int row, int ox, float *y)
{
    vf acc = vload(d->bias);
    for (int ky = 0; ky < d->kernel; ky++)
        for (int kx = 0; kx < d->kernel; kx++)
            acc = vfma(vload(d->x[row * d->stride + ky] + (size_t)(ox * d->stride + kx) * VL),
                       vload(d->w + (size_t)(ky * d->kernel + kx) * VL), acc);
    float low, high;
    vstore(y, vbounds(d->act, &low, &high) ? vbound(acc, vset1(low), vset1(high)) : acc);
}

typedef void tile_fn(const eff_dwplane *d, int ox, float *y);
#define TILES(K, S)                                                                                                    \
    static void wide1_##K##s##S(const eff_dwplane *d, int ox, float *y) { tile(K, S, 1, WIDE, d, ox, y); }             \
    static void wide2_##K##s##S(const eff_dwplane *d, int ox, float *y) { tile(K, S, 2, WIDE, d, ox, y); }             \
    static void narrow1_##K##s##S(const eff_dwplane *d, int ox, float *y) { tile(K, S, 1, NARROW, d, ox, y); }         \
    static void narrow2_##K##s##S(const eff_dwplane *d, int ox, float *y) { tile(K, S, 2, NARROW, d, ox, y); }
#define NAMES(K, S)                                                                                                    \
    {                                                                                                                  \
        { wide1_##K##s##S, narrow1_##K##s##S }, { wide2_##K##s##S, narrow2_##K##s##S }                                 \
    }
TILES(3, 1)
TILES(3, 2) TILES(5, 1) TILES(5, 2) TILES(7, 1) TILES(7, 2) static tile_fn *const tiles[3][2][2][2] = {
    { NAMES(3, 1), NAMES(3, 2) }, { NAMES(5, 1), NAMES(5, 2) }, { NAMES(7, 1), NAMES(7, 2) }
};

/* Rows `row` .. row+rows-1; bounded, or without their activation. */
static void convolve(const eff_dwplane *d, int row, int rows)
{
    float *y = d->y + (size_t)row * (size_t)d->out_w * VL;
    const int w = d->out_w,
              tiled = (d->kernel == 3 || d->kernel == 5 || d->kernel == 7) && d->stride <= 2 && w >= NARROW;
    if (!tiled) {
        for (int r = 0; r < rows; r++)
            for (int ox = 0; ox < w; ox++) single(d, row + r, ox, y + (size_t)(r * w + ox) * VL);
        return;
    }
    eff_dwplane at = *d;
    at.x += row * d->stride;
    tile_fn *const *const fn = tiles[(d->kernel - 3) / 2][d->stride - 1][rows - 1];
    int ox = 0;
    for (; w - ox >= WIDE; ox += WIDE) fn[0](&at, ox, y + ox * VL);
    if (ox == w) return;
    if (w - ox > NARROW && w >= WIDE) {
        fn[0](&at, w - WIDE, y + (w - WIDE) * VL);
        return;
    }
    if (w - ox > NARROW) fn[1](&at, ox, y + ox * VL);
    fn[1](&at, w - NARROW, y + (w - NARROW) * VL);
}

/* Other activations, and sums, of rows just written, still in L1. */
INLINE void finish(const int act, const eff_dwplane *d, int row, int rows)
{
    for (int r = row; r < row + rows; r++) {
        float *y = d->y + (size_t)r * (size_t)d->out_w * VL;
        vf sum = vset1(0.0f);
        for (int i = 0; i < d->out_w; i++) {
            const vf v = vact(vload(y + i * VL), (eff_act)act);
            vstore(y + i * VL, v);
            sum += v;
        }
        if (d->sum) vstore(d->sum + (size_t)r * d->lds, sum);
    }
}

static void dwplane(const eff_dwplane *d)
{
    float low, high;
    const eff_act act = vbounds(d->act, &low, &high) ? EFF_ACT_NONE : d->act;
    for (int row = 0; row < d->rows; row += 2) {
        const int rows = d->rows - row < 2 ? 1 : 2;
        convolve(d, row, rows);
        if (act != EFF_ACT_NONE || d->sum) SWITCH_ACT(act, finish, d, row, rows)
    }
}

static void to_plane(float *y, const float *x, size_t ldx, int n, int pixels)
{
    if (n == VL)
        for (int p = 0; p < pixels; p++, x += ldx) vstore(y + p * VL, vload(x));
    else
        for (int p = 0; p < pixels; p++, x += ldx) vstore(y + p * VL, vload_part(x, n));
}

void LEVEL_NAME(eff_dwplane_init)(eff_kernels *k)
{
    k->dwplane = dwplane;
    k->to_plane = to_plane;
}
