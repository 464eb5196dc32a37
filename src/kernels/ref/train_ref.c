/* SPDX-License-Identifier: Apache-2.0 */
/* The readable reference of the training kernels. */
#include "kernels/train.h"

#include "kernels/ref/ref_act.h"

/* At a kink the derivative is the left one, as PyTorch's. */
static float slope(float x, eff_act act)
{
    switch (act) {
    case EFF_ACT_NONE: return 1.0f;
    case EFF_ACT_RELU: return x > 0.0f ? 1.0f : 0.0f;
    case EFF_ACT_RELU6: return x > 0.0f && x < 6.0f ? 1.0f : 0.0f;
    case EFF_ACT_SILU: {
        const float s = 1.0f / (1.0f + expf(-x));
        return s * (1.0f + x * (1.0f - s));
    }
    case EFF_ACT_HSWISH: return x <= -3.0f ? 0.0f : x < 3.0f ? x / 3.0f + 0.5f : 1.0f;
    case EFF_ACT_SIGMOID: {
        const float s = 1.0f / (1.0f + expf(-x));
        return s * (1.0f - s);
    }
    }
    return 1.0f;
}

static void outer_ref(const eff_outer *g)
{
    for (int i = 0; i < g->m; i++)
        for (int j = 0; j < g->n; j++) {
            float sum = g->fresh ? 0.0f : g->c[(size_t)i * g->ldc + (size_t)j];
            for (int p = 0; p < g->k; p++) sum += g->a[(size_t)p * g->lda + (size_t)i] * g->b[(size_t)p * g->ldb + (size_t)j];
            g->c[(size_t)i * g->ldc + (size_t)j] = sum;
        }
}

static void affine_act_ref(float *y, const float *z, const float *scale, const float *shift, const float *gate, size_t pixels, int c,
                           eff_act act)
{
    for (size_t p = 0; p < pixels; p++, y += c, z += c)
        for (int j = 0; j < c; j++) y[j] = activate(scale[j] * z[j] + shift[j], act) * (gate ? gate[j] : 1.0f);
}

/* Add x to a sum of two floats. */
static void add_to(float *s, int c, int j, double x)
{
    const double sum = (double)s[j] + (double)s[c + j] + x;
    s[j] = (float)sum;
    s[c + j] = (float)(sum - (double)s[j]);
}

static void act_back_ref(const eff_act_back *a)
{
    for (size_t p = 0; p < a->pixels; p++)
        for (int j = 0; j < a->c; j++) {
            const size_t i = p * (size_t)a->c + (size_t)j;
            const float x = a->scale[j] * a->z[i] + a->shift[j];
            if (a->gate) a->d[i] = a->d[i] * a->gate[j] + a->add[j];
            if (a->y) a->y[i] = activate(x, a->act);
            a->d[i] *= slope(x, a->act);
            add_to(a->s1, a->c, j, (double)a->d[i]);
            add_to(a->s2, a->c, j, (double)a->d[i] * (double)(a->z[i] - a->mean[j]));
        }
}

static void affine2_ref(float *dz, const float *d, const float *z, const float *a, const float *b, const float *c0, size_t pixels,
                        int c)
{
    for (size_t p = 0; p < pixels; p++, dz += c, d += c, z += c)
        for (int j = 0; j < c; j++) dz[j] = a[j] * d[j] + b[j] * z[j] + c0[j];
}

static void moments_ref(const float *z, const float *pivot, size_t pixels, int c, float *s1, float *s2)
{
    for (size_t p = 0; p < pixels; p++, z += c)
        for (int j = 0; j < c; j++) {
            const double t = (double)(z[j] - pivot[j]);
            add_to(s1, c, j, t);
            add_to(s2, c, j, t * t);
        }
}

static void column_dot_ref(const float *x, const float *y, size_t pixels, int c, float *s)
{
    for (size_t p = 0; p < pixels; p++)
        for (int j = 0; j < c; j++) s[j] += x[p * (size_t)c + (size_t)j] * (y ? y[p * (size_t)c + (size_t)j] : 1.0f);
}

/* Calls body for every output pixel and tap whose input pixel is inside the image.
 * NOLINTBEGIN(bugprone-macro-parentheses): it is a statement */
#define FOR_TAPS(d, body) \
    for (int oy = 0; oy < (d)->out_h; oy++) \
        for (int ox = 0; ox < (d)->out_w; ox++) \
            for (int t = 0; t < (d)->kernel * (d)->kernel; t++) { \
                const int iy = oy * (d)->stride - (d)->pad_top + t / (d)->kernel; \
                const int ix = ox * (d)->stride - (d)->pad_left + t % (d)->kernel; \
                if (iy < 0 || iy >= (d)->h || ix < 0 || ix >= (d)->w_in) continue; \
                const size_t in = ((size_t)iy * (size_t)(d)->w_in + (size_t)ix) * (size_t)(d)->c; \
                const size_t out = ((size_t)oy * (size_t)(d)->out_w + (size_t)ox) * (size_t)(d)->c; \
                const size_t tap = (size_t)t * (size_t)(d)->c; \
                for (size_t j = 0; j < (size_t)(d)->c; j++) body; \
            }
/* NOLINTEND(bugprone-macro-parentheses) */

static void dw_dx_ref(const eff_dw_back *d)
{
    const size_t n = (size_t)d->h * (size_t)d->w_in * (size_t)d->c;
    for (size_t i = 0; i < n; i++) d->dx[i] = 0.0f;
    FOR_TAPS(d, d->dx[in + j] += d->dy[out + j] * d->w[tap + j])
}

static void dw_dw_ref(const eff_dw_back *d) { FOR_TAPS(d, d->dw[tap + j] += d->dy[out + j] * d->x[in + j]) }

void eff_train_kernels_init_ref(eff_train_kernels *k)
{
    *k = (eff_train_kernels){ .name = "ref", .outer = outer_ref, .affine_act = affine_act_ref,
                              .act_back = act_back_ref, .affine2 = affine2_ref, .moments = moments_ref,
                              .column_dot = column_dot_ref, .dw_dx = dw_dx_ref, .dw_dw = dw_dw_ref };
}
