/* SPDX-License-Identifier: Apache-2.0 */
/* Rounding to pairs of bfloat16, and the entry point of the levels that multiply them. gemm.c and peak.c are compiled a
 * second time for such a level, with a word of two products where there is one otherwise. */
#include "kernels/vec/vec.h"

typedef __m256i half_unaligned __attribute__((aligned(2), may_alias));

/* Sixteen values, rounded to nearest even, in their order. */
INLINE __m256i round16(vf x) { return (__m256i)_mm512_cvtneps_pbh((__m512)x); }

INLINE void store16(float *y, __m256i v) { *(half_unaligned *)(void *)y = v; }

/* The first n of them, n < 16, and a zero where n is odd. */
INLINE void store_part(float *y, __m256i v, int n)
{
    _mm256_mask_storeu_epi16(y, (__mmask16)((1u << (n + n % 2)) - 1), v);
}

static void round_rows(float *y, const float *x, size_t rows, int n)
{
    if (n % 2 == 0) { /* nothing between the rows */
        const size_t all = rows * (size_t)n;
        size_t i = 0;
        for (; i + VL <= all; i += VL) store16(y + i / 2, round16(vload(x + i)));
        if (i < all) store_part(y + i / 2, round16(vload_part(x + i, (int)(all - i))), (int)(all - i));
        return;
    }
    if (n == 3) /* a picture: four pixels at once, each spread to two words */
        for (; rows >= 4; rows -= 4, x += 12, y += 8) store16(y, round16((vf)_mm512_maskz_expandloadu_ps(0x7777, x)));
    for (size_t r = 0; r < rows; r++, x += n, y += n / 2 + 1) {
        int j = 0;
        for (; j + VL <= n; j += VL) store16(y + j / 2, round16(vload(x + j)));
        store_part(y + j / 2, round16(vload_part(x + j, n - j)), n - j);
    }
}

static void round_planes(float *y, size_t ldy, const float *x, size_t step, const float *s, int n, int pixels)
{
    for (int j = 0; j < n; j += VL, x += step, y += VL / 2) { /* planes are whole vectors, and so are the rows of y */
        const vf f = s ? vload(s + j) : vset1(1.0f);
        for (int p = 0; p < pixels; p++) store16(y + (size_t)p * ldy, round16(vload(x + (size_t)p * VL) * f));
    }
}

void LEVEL_NAME(eff_kernels_init)(eff_kernels *k)
{
    k->name = EFF_TEXT(EFF_LEVEL);
    LEVEL_NAME(eff_gemm_init)(k);
    LEVEL_NAME(eff_peak_init)(k);
    k->round_rows = round_rows;
    k->round_planes = round_planes;
}
