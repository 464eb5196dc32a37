/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that only training needs, one table a CPU level. Every one works on one image in one thread: training is parallel over
 * images, which is also what fixes the order of its sums. Activations are NHWC float32; "pixels" is height times width. */
#ifndef EFF_KERNELS_TRAIN_H
#define EFF_KERNELS_TRAIN_H

#include "base/act.h"

#include <stddef.h>

/** c[i][j] += sum over p of a[p][i] * b[p][j]: the gradient of a weight from activations and output gradients. `fresh`: = instead
 * of +=, c holds nothing yet. */
typedef struct eff_outer {
    const float *a, *b; /* row p at a + p * lda, b + p * ldb  */
    float *c;           /* row i at c + i * ldc               */
    size_t lda, ldb, ldc;
    int m, n, k;        /* i < m, j < n, p < k                */
    int fresh;
} eff_outer;
typedef void eff_outer_fn(const eff_outer *g);

/** y[p][j] = act(scale[j] * z[p][j] + shift[j]) * gate[j]; gate NULL: 1. */
typedef void eff_affine_act_fn(float *y, const float *z, const float *scale, const float *shift, const float *gate, size_t pixels,
                               int c, eff_act act);

/* A sum over pixels in two floats a channel: s[j], and in s[c + j] what rounding s[j] has lost. What batch norm makes of its sums
 * multiplies a whole channel, so their error does not average out as that of single pixels does. */

/** Backward of the above, in place: with x = scale * z + shift, d = (d * gate + add) * act'(x); and the sums that batch norm
 * needs, s1[j] += d, s2[j] += d * (z - mean[j]). y, where wanted, becomes act(x). */
typedef struct eff_act_back {
    float *d;                         /* [pixels][c]                            */
    const float *z;                   /* [pixels][c]                            */
    float *y;                         /* [pixels][c], or NULL                   */
    const float *scale, *shift, *mean;
    const float *gate, *add;          /* of squeeze-and-excitation; both or NULL */
    float *s1, *s2;                   /* [2][c]: sums of two floats             */
    size_t pixels;
    int c;
    eff_act act;
} eff_act_back;
typedef void eff_act_back_fn(const eff_act_back *a);

/** dz[p][j] = a[j] * d[p][j] + b[j] * z[p][j] + c0[j]: batch norm's backward once its sums are known. dz may be d. */
typedef void eff_affine2_fn(float *dz, const float *d, const float *z, const float *a, const float *b, const float *c0,
                            size_t pixels, int c);

/** s1[j] += sum of (z - pivot[j]), s2[j] += sum of (z - pivot[j])^2; sums of two floats. */
typedef void eff_moments_fn(const float *z, const float *pivot, size_t pixels, int c, float *s1, float *s2);

/** s[j] += sum over p of x[p][j] * y[p][j] (y NULL: of x). */
typedef void eff_column_dot_fn(const float *x, const float *y, size_t pixels, int c, float *s);

/** Depthwise gradients of one image. w, dw: [kernel*kernel][c padded to vl]. dx is overwritten, dw accumulated. */
typedef struct eff_dw_back {
    const float *x, *dy, *w;
    float *dx, *dw;
    int h, w_in, c, out_h, out_w, kernel, stride, pad_top, pad_left;
} eff_dw_back;
typedef void eff_dw_back_fn(const eff_dw_back *d);

typedef struct eff_train_kernels {
    const char *name;
    eff_outer_fn *outer;
    eff_affine_act_fn *affine_act;
    eff_act_back_fn *act_back;
    eff_affine2_fn *affine2;
    eff_moments_fn *moments;
    eff_column_dot_fn *column_dot;
    eff_dw_back_fn *dw_dx, *dw_dw;
} eff_train_kernels;

/** Fill *k for the features of base/cpu.h. Packing of depthwise weights follows eff_kernels at the same features. */
void eff_train_kernels_init(eff_train_kernels *k, unsigned features);

void eff_train_kernels_init_ref(eff_train_kernels *k);
void eff_train_kernels_init_avx2(eff_train_kernels *k);
void eff_train_kernels_init_avx512(eff_train_kernels *k);
void eff_train_kernels_init_neon(eff_train_kernels *k);
void eff_train_kernels_init_avx512_lowered(eff_train_kernels *k);

#endif
