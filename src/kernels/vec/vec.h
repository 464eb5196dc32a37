/* SPDX-License-Identifier: Apache-2.0 */
/* Portable vectors of EFF_VL floats; the same source is compiled once a CPU level. Only a few
 * use intrinsics: parts of a vector; multiply-add, for its one rounding; min and max, for their rule on NaN: vmin(a, x) and
 * vmax(a, x) return x when x is NaN; and the sigmoid of AVX-512, for its permutation and scaling. */
#ifndef EFF_KERNELS_VEC_VEC_H
#define EFF_KERNELS_VEC_VEC_H

#include "kernels/kernels.h"

#include <stdint.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define VL EFF_VL
#if VL == 16 || defined(__aarch64__)
#define REGISTERS 32 /* vectors that the tiles of a level may count on */
#else
#define REGISTERS 16
#endif
typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef float vfu __attribute__((vector_size(VL * 4), aligned(4), may_alias));

/* gcc and clang spell "unroll this loop completely" differently, and without it arrays of accumulators live in memory. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif
#define INLINE static inline __attribute__((always_inline))

#define EFF_PASTE2(a, b) a##_##b
#define EFF_PASTE(a, b) EFF_PASTE2(a, b)
#define LEVEL_NAME(f) EFF_PASTE(f, EFF_LEVEL)
#define EFF_TEXT2(x) #x
#define EFF_TEXT(x) EFF_TEXT2(x)

INLINE vf vload(const float *p) { return *(const vfu *)p; }
INLINE void vstore(float *p, vf v) { *(vfu *)p = v; }

#if VL == 16
INLINE vf vset1(float x) { return (vf){ x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x }; }
#elif VL == 8
INLINE vf vset1(float x) { return (vf){ x, x, x, x, x, x, x, x }; }
#else
INLINE vf vset1(float x) { return (vf){ x, x, x, x }; }
#endif

/* First n floats (n < VL), zeros above; no byte beyond them is touched. */
#if VL == 16 && defined(__AVX512F__)
INLINE vf vload_part(const float *p, int n) { return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void vstore_part(float *p, vf v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v); }
#elif VL == 8 && defined(__AVX2__)
INLINE __m256i vmask(int n)
{
    static const int32_t ones[16] = { -1, -1, -1, -1, -1, -1, -1, -1 };
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones + 8 - n));
}
INLINE vf vload_part(const float *p, int n) { return (vf)_mm256_maskload_ps(p, vmask(n)); }
INLINE void vstore_part(float *p, vf v, int n) { _mm256_maskstore_ps(p, vmask(n), (__m256)v); }
#elif VL == 4 && defined(__ARM_NEON)
INLINE vf vload_part(const float *p, int n)
{
    float32x4_t v = vdupq_n_f32(0.0f);
    if (n & 2) v = vcombine_f32(vld1_f32(p), vget_high_f32(v));
    if (n == 3) v = vld1q_lane_f32(p + 2, v, 2);
    if (n == 1) v = vld1q_lane_f32(p, v, 0);
    return (vf)v;
}

INLINE void vstore_part(float *p, vf v, int n)
{
    if (n & 2) vst1_f32(p, vget_low_f32((float32x4_t)v));
    if (n == 3) vst1q_lane_f32(p + 2, (float32x4_t)v, 2);
    if (n == 1) vst1q_lane_f32(p, (float32x4_t)v, 0);
}
#else
INLINE vf vload_part(const float *p, int n)
{
    float t[VL] = { 0 };
    memcpy(t, p, (size_t)n * sizeof *t);
    return vload(t);
}

INLINE void vstore_part(float *p, vf v, int n)
{
    float t[VL];
    vstore(t, v);
    memcpy(p, t, (size_t)n * sizeof *t);
}
#endif

/* a * b + c, rounded once. Where elements must not depend on how work is cut, contraction is not left to the compiler, which may
 * fuse in one loop and not in another. Lowered 512-bit code is for tests of logic and takes what the compiler makes of it. */
INLINE vf vfma(vf a, vf b, vf c)
{
#if VL == 16 && defined(__AVX512F__)
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif VL == 8 && defined(__FMA__)
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif VL == 4 && defined(__ARM_NEON)
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* What the GEMM does with a word of each operand: one product, or two of bfloat16 with float32 sums. */
INLINE vf vmac(vf a, vf b, vf c)
{
#if defined(EFF_BF16)
    return (vf)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
#else
    return vfma(a, b, c);
#endif
}

INLINE vf vmin(vf a, vf x)
{
#if VL == 16 && defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)a, (__m512)x);
#elif VL == 8 && defined(__AVX__)
    return (vf)_mm256_min_ps((__m256)a, (__m256)x);
#elif VL == 4 && defined(__ARM_NEON)
    return (vf)vminq_f32((float32x4_t)a, (float32x4_t)x); /* a NaN on either side: one */
#else
    const vi m = a < x;
    return (vf)((m & (vi)a) | (~m & (vi)x));
#endif
}

INLINE vf vmax(vf a, vf x)
{
#if VL == 16 && defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)a, (__m512)x);
#elif VL == 8 && defined(__AVX__)
    return (vf)_mm256_max_ps((__m256)a, (__m256)x);
#elif VL == 4 && defined(__ARM_NEON)
    return (vf)vmaxq_f32((float32x4_t)a, (float32x4_t)x);
#else
    const vi m = a > x;
    return (vf)((m & (vi)a) | (~m & (vi)x));
#endif
}

/* e^x within 1 ulp on the clamped range: x = n ln2 + r, |r| <= ln2/2, a degree-6 polynomial, 2^n through the exponent field.
 * The clamp keeps n in -126..127; NaN gives rubbish that its callers' numerator turns back into NaN. */
INLINE vf vexp(vf x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer held in the low bits */
    x = vmin(vset1(88.0f), vmax(vset1(-87.0f), x));
    const vf shifted = x * vset1(1.44269504f) + vset1(magic);
    const vf n = shifted - vset1(magic);
    vf r = x - n * vset1(0.693359375f);
    r = r - n * vset1(-2.12194440e-4f);
    vf p = vset1(1.38144672e-3f); /* minimax for the relative error (4e-9), given the first two ones */
    p = p * r + vset1(8.36878084e-3f);
    p = p * r + vset1(4.16683927e-2f);
    p = p * r + vset1(1.66665196e-1f);
    p = p * r + vset1(0.49999994f);
    p = p * r + vset1(1.0f);
    p = p * r + vset1(1.0f);
    return (vf)((vi)p + ((vi)shifted << 23));
}

INLINE vf vrelu6(vf x) { return vmin(vset1(6.0f), vmax(vset1(0.0f), x)); }

/* 1 / (1 + e^-x) within 6 ulp of itself from -15 up, 40 ulp below (the exponent is rounded). The range is clamped to +-87, which
 * keeps everything in normal numbers. */
#if VL == 16 && defined(__AVX512F__) && !defined(EFF_DIVIDE)
/* e^-x = 2^(k/32) 2^f: a table, a quadratic on |f| <= 1/64 (6e-8) and one scaling; the reciprocal by an estimate of 14 bits and a
 * Newton step. 512-bit division is slow on Intel's cores; -DEFF_DIVIDE keeps it where it is not. */
INLINE vf vsigmoid(vf x)
{
    static const float power[32] __attribute__((aligned(64))) = {
        1.0f, 1.0218972f, 1.04427373f, 1.06714046f, 1.09050775f, 1.1143868f, 1.13878858f, 1.1637249f,
        1.18920708f, 1.21524739f, 1.24185777f, 1.26905096f, 1.29683959f, 1.32523668f, 1.35425556f, 1.38390994f,
        1.41421354f, 1.44518077f, 1.47682619f, 1.50916445f, 1.54221082f, 1.5759809f, 1.61049032f, 1.64575553f,
        1.68179286f, 1.71861935f, 1.75625217f, 1.79470909f, 1.8340081f, 1.87416768f, 1.91520655f, 1.95714414f
    };
    const __m512 magic = _mm512_set1_ps(393216.0f); /* 1.5 * 2^23 / 32: adding it rounds to a multiple of 1/32, k in the low bits */
    const __m512 log2e = _mm512_set1_ps(-1.44269504f), one = _mm512_set1_ps(1.0f);
    const __m512 t = _mm512_range_ps((__m512)x, _mm512_set1_ps(87.0f), 2); /* the smaller magnitude, x's sign */
    const __m512 s = _mm512_fmadd_ps(t, log2e, magic), n = _mm512_sub_ps(s, magic), f = _mm512_fmsub_ps(t, log2e, n);
    const __m512 head = _mm512_permutex2var_ps(_mm512_load_ps(power), _mm512_castps_si512(s), _mm512_load_ps(power + 16));
    const __m512 p = _mm512_fmadd_ps(_mm512_fmadd_ps(_mm512_set1_ps(0.2402288f), f, _mm512_set1_ps(0.6931573f)), f, one);
    const __m512 d = _mm512_fmadd_ps(_mm512_scalef_ps(head, n), p, one), r = _mm512_rcp14_ps(d);
    return (vf)_mm512_fmadd_ps(r, _mm512_fnmadd_ps(d, r, one), r);
}
INLINE vf vsilu(vf x) { return x * vsigmoid(x); }
#else
INLINE vf vsigmoid(vf x) { return vset1(1.0f) / (vset1(1.0f) + vexp(-x)); }
INLINE vf vsilu(vf x) { return x / (vset1(1.0f) + vexp(-x)); } /* hardware division beats reciprocal and Newton */
#endif

INLINE vf vact(vf x, const eff_act act)
{
    switch (act) {
    case EFF_ACT_NONE: return x;
    case EFF_ACT_RELU: return vmax(vset1(0.0f), x);
    case EFF_ACT_RELU6: return vrelu6(x);
    case EFF_ACT_SILU: return vsilu(x);
    case EFF_ACT_HSWISH: return x * vrelu6(x + vset1(3.0f)) * vset1(1.0f / 6.0f);
    case EFF_ACT_SIGMOID: {
        const vi number = x == x; /* a NaN stays one */
        return (vf)((number & (vi)vsigmoid(x)) | (~number & (vi)x));
    }
    }
    return x;
}

/* The activations that are two instructions go on in the registers, before the store: bounds of `act`, or false. */
INLINE int vbounds(eff_act act, float *low, float *high)
{
    if (act != EFF_ACT_RELU && act != EFF_ACT_RELU6) return 0;
    *low = 0.0f;
    *high = act == EFF_ACT_RELU6 ? 6.0f : __builtin_inff();
    return 1;
}
INLINE vf vbound(vf x, vf low, vf high) { return vmin(high, vmax(low, x)); }

/* Calls f with `act` as a constant, so that each activation has its own loop. */
#define SWITCH_ACT(act, f, ...) \
    switch (act) { \
    case EFF_ACT_NONE: f(EFF_ACT_NONE, __VA_ARGS__); break; \
    case EFF_ACT_RELU: f(EFF_ACT_RELU, __VA_ARGS__); break; \
    case EFF_ACT_RELU6: f(EFF_ACT_RELU6, __VA_ARGS__); break; \
    case EFF_ACT_SILU: f(EFF_ACT_SILU, __VA_ARGS__); break; \
    case EFF_ACT_HSWISH: f(EFF_ACT_HSWISH, __VA_ARGS__); break; \
    case EFF_ACT_SIGMOID: f(EFF_ACT_SIGMOID, __VA_ARGS__); break; \
    }

/* Each file of a level fills its slots. */
void LEVEL_NAME(eff_gemm_init)(eff_kernels *k);
void LEVEL_NAME(eff_dwconv_init)(eff_kernels *k);
void LEVEL_NAME(eff_dwplane_init)(eff_kernels *k);
void LEVEL_NAME(eff_winograd_init)(eff_kernels *k);
void LEVEL_NAME(eff_peak_init)(eff_kernels *k);

#endif
