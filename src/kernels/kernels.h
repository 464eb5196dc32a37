/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel table: every operator of the inference plan at one CPU level. It is filled upward: the readable reference first,
 * then each level overwrites what it wins at. Kernels know nothing of networks; shapes were checked when planned, so they
 * return void. Activations are NHWC float32. A kernel computes an element the same way however the work is cut into tasks. */
#ifndef EFF_KERNELS_KERNELS_H
#define EFF_KERNELS_KERNELS_H

#include "base/act.h"

#include <stddef.h>

/** C[m][n] = act(bias + A[m][k] * B[k][n] (+ residual)), a range of B's column groups.
 * B is packed by eff_gemm_pack(): groups of up to `group` vectors of `vl` columns, each group [k][vectors * vl], zero-padded.
 * A and B are float32, a word each; or, in gemm_bf16, pairs of bfloat16 (kernels/bf16.h), two neighbours along k in a word,
 * B packed by eff_gemm_pack_bf16(). Depth is counted in words. The rest is float32 in both.
 * A and C need not be plain matrices: a row of A may come in runs, which is how a plane of one vector of channels, or the rows
 * under a k x k convolution, are read where they lie; and C may be planes. */
typedef struct eff_gemm {
    const float *a;    /* row i, run r at a + i * lda + r * a_step                                       */
    const float *b;    /* packed; 64-byte aligned                                                        */
    const float *bias; /* [n padded to vl]                                                               */
    const float *res;  /* row i at res + i * ldr, or NULL                                                */
    float *c;          /* row i, vector v (of the first group computed: 0) at c + i * ldc + v * c_step   */
    size_t lda, ldr, ldc;
    size_t a_step;
    size_t c_step;      /* 0: the columns of a row are contiguous; else whole vectors are written, zero-padded */
    int run;            /* words of k in a run; the last may be shorter. 0: all of k                    */
    int bands;          /* the m rows, and so many times in all further on: rows of an image. 0: once   */
    size_t a_band, c_band; /* from one to the next; of res m * ldr                                       */
    int m, k, n;        /* k in words                                                                    */
    int from, until;    /* words of k that this call adds, from > 0: to the sums in C; until 0: to the end. Bias and residual
                         * come with the first word, what follows the sum after the last. `from`: where a run begins, or
                         * anywhere in the only one */
    int group0, groups; /* range of column groups to compute                                             */
    eff_act act;
    int res_after;      /* residual is added after the activation (V2's conv blocks), not before (ResNet) */
    const float *next;  /* what will be read soon, next_floats of it: brought nearer meanwhile. Or NULL  */
    size_t next_floats;
} eff_gemm;
typedef void eff_gemm_fn(const eff_gemm *g);

/** Output rows row0 .. row0+rows-1 of a window that moves over each channel by itself. */
typedef struct eff_window {
    const float *x; /* [h][w_in][c]      */
    float *y;       /* [out_h][out_w][c] */
    int h, w_in, c, out_h, out_w, kernel, stride, pad_top, pad_left;
    int row0, rows;
    const float *w, *bias; /* of a depthwise convolution: [kernel*kernel][c padded to vl], [c padded to vl] */
    eff_act act;           /* of a depthwise convolution */
} eff_window;
typedef void eff_window_fn(const eff_window *d);

/** Depthwise convolution of one plane (one vector of channels): `rows` output rows from input rows that stand anywhere, each
 * with its padding in it. Each row's sum over its columns, for pooling, comes from the same pass. */
typedef struct eff_dwplane {
    const float *const *x; /* kernel + (rows - 1) * stride rows, [cols][vl]           */
    const float *w, *bias; /* [kernel * kernel][vl], [vl]                             */
    float *y;              /* row r at y + r * out_w * vl, [out_w][vl]                */
    float *sum;            /* row r's sum at sum + r * lds, [vl]; NULL: nobody asked  */
    size_t lds;
    int rows, out_w, kernel, stride;
    eff_act act;
} eff_dwplane;
typedef void eff_dwplane_fn(const eff_dwplane *d);

/** y[p][0..vl-1] = x[p * ldx ..], n <= vl of them, the rest 0: one vector of channels becomes a plane. */
typedef void eff_to_plane_fn(float *y, const float *x, size_t ldx, int n, int pixels);

/** Rows of n values, rounded to bfloat16: rows of (n + 1) / 2 words, one after another, a zero beside an odd last value. */
typedef void eff_round_rows_fn(float *y, const float *x, size_t rows, int n);

/** The same from planes of one vector of channels, `step` apart: channels 0 .. n-1 of `pixels` pixels times s[channel] (NULL =
 * 1) to rows of words, ldy apart: n padded to vl / 2 words. */
typedef void eff_round_planes_fn(float *y, size_t ldy, const float *x, size_t step, const float *s, int n, int pixels);

/** Winograd's F(2 x 2, 3 x 3): a row of 4 x 4 tiles, two columns apart, each channel of each as 16 values, one a matrix. Only of
 * fast levels: NULL at the reference's, whose convolutions are direct. */
typedef struct eff_winograd_in {
    const float *x;   /* first tile's corner in the padded image, rows `row` floats apart, pixels c    */
    float *v;         /* point t of tile i at v + t * step + i * c, [c]                                  */
    size_t row, step;
    int c, tiles;
} eff_winograd_in;
typedef void eff_winograd_in_fn(const eff_winograd_in *w);

/** And back: 2 x 2 outputs from the 16 products of a tile; bias, residual and activation as in eff_gemm. */
typedef struct eff_winograd_out {
    const float *m;    /* point t of tile i at m + t * step + i * ldm, n columns in whole vectors */
    const float *bias; /* [n padded to vl]                                                        */
    const float *res;  /* laid out as y, or NULL                                                  */
    float *y;          /* the first output: rows `row` floats apart, pixels ldy                   */
    size_t step, ldm, row, ldy;
    int n, tiles;
    int rows, out_w;   /* rows of the two, columns of the row, that exist                         */
    eff_act act;
    int res_after;
} eff_winograd_out;
typedef void eff_winograd_out_fn(const eff_winograd_out *w);

/** y[r][j] = x[r][j] * s[r], j < width. */
typedef void eff_scale_rows_fn(float *y, const float *x, const float *s, int rows, int width);

/** x[i] = act(x[i]). */
typedef void eff_act_fn(float *x, size_t n, eff_act act);

/** x[i] += y[i]. */
typedef void eff_add_fn(float *x, const float *y, size_t n);

/** mean[j] = mean over h and w of x[h][w][c], channels c0 .. c0+n-1 (n channels; c0 a multiple of 16). Each image row is
 * summed first, then the rows: the order is fixed and the error grows with h + w, not with h * w. */
typedef void eff_mean_fn(float *mean, const float *x, int h, int w, int c, int c0, int n);

/** x[p][j] *= s[j], p in 0..pixels-1. */
typedef void eff_scale_fn(float *x, const float *s, size_t pixels, int c);

/** `rounds` of register-only multiply-adds, `fma_flops` operations each; and a read of n floats. For measuring ceilings. */
typedef float eff_fma_peak_fn(long rounds);
typedef float eff_read_sum_fn(const float *x, size_t n);

typedef struct eff_kernels {
    const char *name; /* highest level that filled a slot: "ref", "avx2", "avx512", "avx512bf16", "neon" */
    int vl, group;    /* packing of B: floats a vector, vectors a full group                             */
    int mr;           /* rows of a full tile; row blocks are multiples of it                             */
    int bf16;         /* dense products are of bfloat16, by the three slots below, which are else NULL   */
    eff_gemm_fn *gemm;
    eff_window_fn *dwconv;
    eff_dwplane_fn *dwplane;
    eff_window_fn *maxpool; /* padding counts as -inf, a NaN is kept */
    eff_to_plane_fn *to_plane;
    eff_winograd_in_fn *winograd_in;
    eff_winograd_out_fn *winograd_out;
    eff_scale_rows_fn *scale_rows;
    eff_act_fn *act;
    eff_add_fn *add;
    eff_mean_fn *mean;
    eff_scale_fn *scale;
    eff_fma_peak_fn *fma_peak;
    int fma_flops;
    eff_read_sum_fn *read_sum;
    eff_gemm_fn *gemm_bf16;
    eff_round_rows_fn *round_rows;
    eff_round_planes_fn *round_planes;
} eff_kernels;

/** Fill *k for the features of base/cpu.h. */
void eff_kernels_init(eff_kernels *k, unsigned features);
/** The same for products of bfloat16: with EFF_CPU_AVX512BF16 the fast kernels, without it the reference's. */
void eff_kernels_init_bf16(eff_kernels *k, unsigned features);

/* ------------------------------------------------------------------ packing, the same code at every level */

/** Column groups of an n-column B: as few as can be, of as equal width as can be. */
int eff_gemm_groups(const eff_kernels *k, int n);
/** First column of group q; of q = groups: n padded to vl. */
int eff_gemm_group_start(const eff_kernels *k, int n, int q);
/** Floats of a packed B; depth in words. */
size_t eff_gemm_packed_size(const eff_kernels *k, int n, int depth);
/** Pack w[n][depth] (a convolution's or linear layer's weight, output-major) times scale[n] (NULL = 1). */
void eff_gemm_pack(const eff_kernels *k, float *dst, const float *w, int n, int depth, const float *scale);
/** The same rounded to bfloat16: (depth + 1) / 2 words deep, a zero beside an odd last value. */
void eff_gemm_pack_bf16(const eff_kernels *k, float *dst, const float *w, int n, int depth, const float *scale);
/** Pack a convolution's weight [out][in][taps] for patches [tap][in]: depth = taps * in, n = out; scale likewise. */
void eff_gemm_pack_conv(const eff_kernels *k, float *dst, const float *w, int out, int in, int taps, const float *scale);
/** The same weight for the gradient of patches: depth = out, n = taps * in. */
void eff_gemm_pack_conv_back(const eff_kernels *k, float *dst, const float *w, int out, int in, int taps);
/** Floats of a bias or depthwise tap row for c channels. */
static inline size_t eff_padded(const eff_kernels *k, int c) { return ((size_t)c + (size_t)k->vl - 1) / (size_t)k->vl * (size_t)k->vl; }

/** Rows of the matrix a k x k convolution multiplies: row i = the patch under output pixel first+i, [ky][kx][c], zeros
 * outside. dst: [count][kernel*kernel*c]. */
typedef struct eff_patches {
    const float *x; /* [h][w][c] */
    int h, w, c, out_w, kernel, stride, pad_top, pad_left;
} eff_patches;
void eff_patches_gather(float *dst, const eff_patches *p, int first, int count);

/* ------------------------------------------------------------------ levels, each in its own object files */
void eff_kernels_init_ref(eff_kernels *k);
void eff_kernels_init_avx2(eff_kernels *k);
void eff_kernels_init_avx512(eff_kernels *k);
void eff_kernels_init_neon(eff_kernels *k);
void eff_kernels_init_bf16_ref(eff_kernels *k);    /* over ref    */
void eff_kernels_init_avx512bf16(eff_kernels *k);  /* over avx512 */
void eff_kernels_init_avx512_lowered(eff_kernels *k); /* tests: the 512-bit source compiled for AVX2 */

#endif
