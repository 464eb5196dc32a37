/* SPDX-License-Identifier: Apache-2.0 */
/* The readable reference: what every faster kernel is tested against. Compiled without contraction, so that each line rounds
 * as written. */
#include "kernels/kernels.h"

#include "kernels/ref/ref_act.h"

static void gemm_ref(const eff_gemm *g)
{
    const int run = g->run ? g->run : g->k, until = g->until ? g->until : g->k, ends = until == g->k;
    for (int j = g->group0; j < g->group0 + g->groups && j < g->n; j++) { /* a group is one column here */
        const float *b = g->b + (size_t)j * (size_t)g->k;
        const size_t column = g->c_step ? (size_t)(j - g->group0) * g->c_step : (size_t)j;
        for (int i = 0; i < g->m * (g->bands ? g->bands : 1); i++) {
            const size_t band = (size_t)(i / g->m), row = (size_t)(i % g->m);
            const float *a = g->a + band * g->a_band + row * g->lda + (size_t)(g->from / run) * g->a_step + g->from % run;
            float *const c = g->c + band * g->c_band + row * g->ldc + column;
            float sum = g->from ? *c : g->bias[j];
            if (g->res && !g->res_after && !g->from) sum += g->res[(size_t)i * g->ldr + (size_t)j];
            for (int k0 = g->from; k0 < until; k0 += run, a += g->a_step)
                for (int k = k0; k < k0 + run && k < until; k++) sum += a[k - k0] * b[k];
            if (ends) sum = activate(sum, g->act);
            if (ends && g->res && g->res_after) sum += g->res[(size_t)i * g->ldr + (size_t)j];
            *c = sum;
        }
    }
}

static void dwconv_ref(const eff_window *d)
{
    const size_t c = (size_t)d->c;
    for (int oy = d->row0; oy < d->row0 + d->rows; oy++)
        for (int ox = 0; ox < d->out_w; ox++)
            for (size_t j = 0; j < c; j++) {
                float sum = d->bias[j];
                for (int ky = 0; ky < d->kernel; ky++)
                    for (int kx = 0; kx < d->kernel; kx++) {
                        const int iy = oy * d->stride - d->pad_top + ky, ix = ox * d->stride - d->pad_left + kx;
                        if (iy < 0 || iy >= d->h || ix < 0 || ix >= d->w_in) continue;
                        sum += d->x[((size_t)iy * (size_t)d->w_in + (size_t)ix) * c + j] *
                               d->w[(size_t)(ky * d->kernel + kx) * c + j];
                    }
                d->y[((size_t)oy * (size_t)d->out_w + (size_t)ox) * c + j] = activate(sum, d->act);
            }
}

static void dwplane_ref(const eff_dwplane *d)
{
    for (int r = 0; r < d->rows; r++) {
        float total = 0.0f;
        for (int ox = 0; ox < d->out_w; ox++) {
            float sum = d->bias[0];
            for (int ky = 0; ky < d->kernel; ky++)
                for (int kx = 0; kx < d->kernel; kx++)
                    sum += d->x[r * d->stride + ky][ox * d->stride + kx] * d->w[ky * d->kernel + kx];
            sum = activate(sum, d->act);
            d->y[(size_t)r * (size_t)d->out_w + (size_t)ox] = sum;
            total += sum;
        }
        if (d->sum) d->sum[(size_t)r * d->lds] = total;
    }
}

static void maxpool_ref(const eff_window *m)
{
    const size_t c = (size_t)m->c;
    for (int oy = m->row0; oy < m->row0 + m->rows; oy++)
        for (int ox = 0; ox < m->out_w; ox++)
            for (size_t j = 0; j < c; j++) {
                float most = -INFINITY;
                for (int ky = 0; ky < m->kernel; ky++)
                    for (int kx = 0; kx < m->kernel; kx++) {
                        const int iy = oy * m->stride - m->pad_top + ky, ix = ox * m->stride - m->pad_left + kx;
                        if (iy < 0 || iy >= m->h || ix < 0 || ix >= m->w_in) continue;
                        const float x = m->x[((size_t)iy * (size_t)m->w_in + (size_t)ix) * c + j];
                        if (x > most || isnan(x)) most = x;
                    }
                m->y[((size_t)oy * (size_t)m->out_w + (size_t)ox) * c + j] = most;
            }
}

static void to_plane_ref(float *y, const float *x, size_t ldx, int n, int pixels)
{
    (void)n; /* 1 */
    for (int p = 0; p < pixels; p++) y[p] = x[(size_t)p * ldx];
}

static void scale_rows_ref(float *y, const float *x, const float *s, int rows, int width)
{
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < width; j++) y[(size_t)r * (size_t)width + (size_t)j] = x[(size_t)r * (size_t)width + (size_t)j] * s[r];
}

static void act_ref(float *x, size_t n, eff_act act)
{
    for (size_t i = 0; i < n; i++) x[i] = activate(x[i], act);
}

static void add_ref(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}

static void mean_ref(float *mean, const float *x, int h, int w, int c, int c0, int n)
{
    for (int j = c0; j < c0 + n; j++) {
        float sum = 0.0f;
        for (int y = 0; y < h; y++) {
            float row = 0.0f;
            for (int i = 0; i < w; i++) row += x[((size_t)y * (size_t)w + (size_t)i) * (size_t)c + (size_t)j];
            sum += row;
        }
        mean[j] = sum / ((float)h * (float)w);
    }
}

static void scale_ref(float *x, const float *s, size_t pixels, int c)
{
    for (size_t p = 0; p < pixels; p++)
        for (int j = 0; j < c; j++) x[p * (size_t)c + (size_t)j] *= s[j];
}

static float fma_peak_ref(long rounds)
{
    float acc[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < 8; i++) acc[i] = acc[i] * 0.999f + 1e-3f;
    return acc[0] + acc[1] + acc[2] + acc[3] + acc[4] + acc[5] + acc[6] + acc[7];
}

static float read_sum_ref(const float *x, size_t n)
{
    float sum[8] = { 0 };
    for (size_t i = 0; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) sum[j] += x[i + (size_t)j];
    return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

void eff_kernels_init_ref(eff_kernels *k)
{
    *k = (eff_kernels){ .name = "ref", .vl = 1, .group = 1, .mr = 8, .gemm = gemm_ref, .dwconv = dwconv_ref,
                        .dwplane = dwplane_ref, .maxpool = maxpool_ref, .to_plane = to_plane_ref, .scale_rows = scale_rows_ref, .act = act_ref,
                        .add = add_ref, .mean = mean_ref, .scale = scale_ref, .fma_peak = fma_peak_ref, .fma_flops = 16, .read_sum = read_sum_ref };
}
