/* SPDX-License-Identifier: Apache-2.0 */
/* Max pooling, residual addition, channel means and scales; and the level's entry point, which fills all its slots. */
#include "kernels/vec/vec.h"

/* Channels j .. of one output, n of them (VL: all of a vector), from rows y0 .. y1-1 and columns x0 .. x1-1. */
INLINE vf most(const eff_window *m, int j, int n, int y0, int y1, int x0, int x1)
{
    vf top = vset1(-__builtin_inff());
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) {
            const float *p = m->x + ((size_t)y * (size_t)m->w_in + (size_t)x) * (size_t)m->c + j;
            const vf v = n < VL ? vload_part(p, n) : vload(p);
            const vi lost = top != top; /* vmax gives the second operand where one is NaN */
            top = (vf)((lost & (vi)top) | (~lost & (vi)vmax(top, v)));
        }
    return top;
}

static void maxpool(const eff_window *m)
{
    float *o = m->y + (size_t)m->row0 * (size_t)m->out_w * (size_t)m->c;
    for (int oy = m->row0; oy < m->row0 + m->rows; oy++)
        for (int ox = 0; ox < m->out_w; ox++, o += m->c) {
            const int top = oy * m->stride - m->pad_top, left = ox * m->stride - m->pad_left;
            const int y0 = top < 0 ? 0 : top, y1 = top + m->kernel > m->h ? m->h : top + m->kernel;
            const int x0 = left < 0 ? 0 : left, x1 = left + m->kernel > m->w_in ? m->w_in : left + m->kernel;
            int j = 0;
            for (; j + VL <= m->c; j += VL) vstore(o + j, most(m, j, VL, y0, y1, x0, x1));
            if (j < m->c) vstore_part(o + j, most(m, j, m->c - j, y0, y1, x0, x1), m->c - j);
        }
}

static void add(float *x, const float *y, size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) vstore(x + i, vload(x + i) + vload(y + i));
    for (; i < n; i++) x[i] += y[i];
}

static void mean(float *out, const float *x, int h, int w, int c, int c0, int n)
{
    const vf count = vset1((float)h * (float)w);
    for (int j = c0; j < c0 + n; j += VL) {
        const int part = c0 + n - j < VL ? c0 + n - j : VL;
        vf sum = vset1(0.0f);
        for (int y = 0; y < h; y++) {
            const float *p = x + (size_t)y * (size_t)w * (size_t)c + (size_t)j;
            vf row = vset1(0.0f);
            if (part == VL)
                for (int i = 0; i < w; i++) row += vload(p + (size_t)i * (size_t)c);
            else
                for (int i = 0; i < w; i++) row += vload_part(p + (size_t)i * (size_t)c, part);
            sum += row;
        }
        sum = sum / count;
        if (part == VL) vstore(out + j, sum);
        else vstore_part(out + j, sum, part);
    }
}

static void scale(float *x, const float *s, size_t pixels, int c)
{
    for (size_t p = 0; p < pixels; p++, x += c) {
        int j = 0;
        for (; j + VL <= c; j += VL) vstore(x + j, vload(x + j) * vload(s + j));
        for (; j < c; j++) x[j] *= s[j];
    }
}

static void scale_rows(float *y, const float *x, const float *s, int rows, int width)
{
    for (int r = 0; r < rows; r++, x += width, y += width) {
        const vf f = vset1(s[r]);
        int j = 0;
        for (; j + VL <= width; j += VL) vstore(y + j, vload(x + j) * f);
        for (; j < width; j++) y[j] = x[j] * s[r];
    }
}

void LEVEL_NAME(eff_kernels_init)(eff_kernels *k)
{
    k->name = EFF_TEXT(EFF_LEVEL);
    LEVEL_NAME(eff_gemm_init)(k);
    LEVEL_NAME(eff_dwconv_init)(k);
    LEVEL_NAME(eff_dwplane_init)(k);
    LEVEL_NAME(eff_winograd_init)(k);
    LEVEL_NAME(eff_peak_init)(k);
    k->maxpool = maxpool;
    k->add = add;
    k->mean = mean;
    k->scale = scale;
    k->scale_rows = scale_rows;
}
