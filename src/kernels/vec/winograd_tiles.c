/* SPDX-License-Identifier: Apache-2.0 */
/* The two ends of a 3 x 3 convolution of stride 1 in Winograd's form F(2 x 2, 3 x 3), a vector of channels at a time: overlapping
 * 4 x 4 tiles of the image become 16 matrices, and 16 products become 2 x 2 outputs each (Lavin & Gray 2016, section 4.1). */
#include "kernels/vec/vec.h"

/* out = B'd of one row or column */
INLINE void to_tile(vf out[4], vf a, vf b, vf c, vf d)
{
    out[0] = a - c;
    out[1] = b + c;
    out[2] = c - b;
    out[3] = b - d;
}

/* n channels of one tile */
INLINE void tile_in(float *v, size_t step, const float *x, size_t row, size_t ld, int n)
{
    vf half[4][4]; /* [column][row of B'd] */
    UNROLL for (int c = 0; c < 4; c++)
    {
        vf d[4];
        UNROLL for (int r = 0; r < 4; r++)
        {
            const float *at = x + (size_t)r * row + (size_t)c * ld;
            d[r] = n < VL ? vload_part(at, n) : vload(at);
        }
        to_tile(half[c], d[0], d[1], d[2], d[3]);
    }
    UNROLL for (int r = 0; r < 4; r++)
    {
        vf whole[4];
        to_tile(whole, half[0][r], half[1][r], half[2][r], half[3][r]);
        UNROLL for (int c = 0; c < 4; c++)
        {
            float *to = v + (size_t)(4 * r + c) * step;
            if (n < VL) vstore_part(to, whole[c], n);
            else vstore(to, whole[c]);
        }
    }
}

static void winograd_in(const eff_winograd_in *w)
{
    for (int i = 0; i < w->tiles; i++) {
        const float *x = w->x + (size_t)(2 * i) * (size_t)w->c;
        float *v = w->v + (size_t)i * (size_t)w->c;
        int j = 0;
        for (; j + VL <= w->c; j += VL) tile_in(v + j, w->step, x + j, w->row, (size_t)w->c, VL);
        if (j < w->c) tile_in(v + j, w->step, x + j, w->row, (size_t)w->c, w->c - j);
    }
}

/* One output: n channels of it. */
INLINE void put(const int act, const eff_winograd_out *w, vf value, size_t at, int n)
{
    vf res = vset1(0.0f);
    if (w->res) res = n < VL ? vload_part(w->res + at, n) : vload(w->res + at);
    if (w->res && !w->res_after) value += res;
    value = vact(value, (eff_act)act);
    if (w->res && w->res_after) value += res;
    if (n < VL) vstore_part(w->y + at, value, n);
    else vstore(w->y + at, value);
}

INLINE void tiles_out(const int act, const eff_winograd_out *w)
{
    for (int i = 0; i < w->tiles; i++)
        for (int j = 0; j < w->n; j += VL) {
            const float *m = w->m + (size_t)i * w->ldm + j;
            const vf bias = vload(w->bias + j);
            vf half[2][4]; /* A'm: [row][column] */
            UNROLL for (int c = 0; c < 4; c++)
            {
                const vf a = vload(m + (size_t)c * w->step), b = vload(m + (size_t)(4 + c) * w->step);
                const vf d = vload(m + (size_t)(8 + c) * w->step), e = vload(m + (size_t)(12 + c) * w->step);
                half[0][c] = a + b + d;
                half[1][c] = b - d - e;
            }
            const int n = w->n - j < VL ? w->n - j : VL, second = 2 * i + 1 < w->out_w;
            UNROLL for (int r = 0; r < 2; r++)
            {
                if (r == w->rows) break;
                const size_t at = (size_t)r * w->row + (size_t)(2 * i) * w->ldy + (size_t)j;
                put(act, w, half[r][0] + half[r][1] + half[r][2] + bias, at, n);
                if (second) put(act, w, half[r][1] - half[r][2] - half[r][3] + bias, at + w->ldy, n);
            }
        }
}

static void winograd_out(const eff_winograd_out *w) { SWITCH_ACT(w->act, tiles_out, w) }

void LEVEL_NAME(eff_winograd_init)(eff_kernels *k)
{
    k->winograd_in = winograd_in;
    k->winograd_out = winograd_out;
}
