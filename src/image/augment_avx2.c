/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of augmentation for AVX2: the arithmetic of the plain ones, in the same order and without fused
 * multiply-adds, hence the same bits. The functions carry their target themselves, so that this file is built like any
 * other and nothing else in it needs AVX2. */
#include "image/augment_ops.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#define AVX2 static inline __attribute__((target("avx2")))

/* ---------------------------------------------------------------------------------------------- geometry */

/* Columns (bytes into a row) and rows around a point; those past the edge are the edge's. */
typedef struct taps {
    size_t column[4];
    const uint8_t *row[4];
} taps;

static inline int within(int v, int n) { return v < 0 ? 0 : v < n ? v : n - 1; }

AVX2 void find_taps(taps *t, const uint8_t *src, int w, int h, int x, int y, int n)
{
    const size_t pitch = (size_t)w * 3;
    const int inside = x >= 0 && y >= 0 && x + n <= w && y + n <= h;
    for (int i = 0; i < n; i++) {
        t->column[i] = (size_t)(inside ? x + i : within(x + i, w)) * 3;
        t->row[i] = src + (size_t)(inside ? y + i : within(y + i, h)) * pitch;
    }
}

/** A pixel as three integers and one that means nothing (EFF_CANVAS_SLACK). */
AVX2 __m128i load(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm_cvtepu8_epi32(_mm_cvtsi32_si128(v));
}

AVX2 void store(uint8_t *dst, __m256d v)
{
    __m128i i = _mm256_cvttpd_epi32(v); /* towards zero; packing clamps */
    i = _mm_packs_epi32(i, i);
    const uint32_t u = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(i, i));
    memcpy(dst, &u, 3);
}

AVX2 __m256d linear(__m256d a, __m256d b, __m256d d) { return _mm256_add_pd(a, _mm256_mul_pd(_mm256_sub_pd(b, a), d)); }

AVX2 __m256d linear_across(const uint8_t *row, const taps *t, __m256d d)
{
    return linear(_mm256_cvtepi32_pd(load(row + t->column[0])), _mm256_cvtepi32_pd(load(row + t->column[1])), d);
}

AVX2 __m256d horner(__m256d p1, __m256d p2, __m256d p3, __m256d p4, __m256d d)
{
    const __m256d s = _mm256_add_pd(p3, _mm256_mul_pd(d, p4));
    return _mm256_add_pd(p1, _mm256_mul_pd(d, _mm256_add_pd(p2, _mm256_mul_pd(d, s))));
}

/* Of bytes the coefficients are whole numbers: integers make them. */
AVX2 __m256d cubic_across(const uint8_t *row, const taps *t, __m256d d)
{
    const __m128i a = load(row + t->column[0]), b = load(row + t->column[1]), c = load(row + t->column[2]),
                  e = load(row + t->column[3]);
    const __m128i ab = _mm_sub_epi32(a, b), ce = _mm_sub_epi32(c, e);
    return horner(_mm256_cvtepi32_pd(b), _mm256_cvtepi32_pd(_mm_sub_epi32(c, a)),
                  _mm256_cvtepi32_pd(_mm_add_epi32(_mm_add_epi32(ab, ab), ce)),
                  _mm256_cvtepi32_pd(_mm_sub_epi32(_mm_setzero_si128(), _mm_add_epi32(ab, ce))), d);
}

AVX2 __m256d cubic(__m256d a, __m256d b, __m256d c, __m256d e, __m256d d)
{
    const __m256d ab = _mm256_sub_pd(a, b);
    const __m256d p3 = _mm256_sub_pd(_mm256_add_pd(_mm256_add_pd(ab, ab), c), e);
    const __m256d p4 = _mm256_add_pd(_mm256_sub_pd(_mm256_sub_pd(b, a), c), e);
    return horner(b, _mm256_sub_pd(c, a), p3, p4, d);
}

AVX2 __m256d sample(const uint8_t *src, int w, int h, double x, double y, int bicubic)
{
    const double fx = floor(x), fy = floor(y);
    const __m256d dx = _mm256_set1_pd(x - fx), dy = _mm256_set1_pd(y - fy);
    taps t;
    if (!bicubic) {
        find_taps(&t, src, w, h, (int)fx, (int)fy, 2);
        return linear(linear_across(t.row[0], &t, dx), linear_across(t.row[1], &t, dx), dy);
    }
    find_taps(&t, src, w, h, (int)fx - 1, (int)fy - 1, 4);
    const __m256d v = cubic_across(t.row[1], &t, dx);
    if (y == fy) return v;
    return cubic(cubic_across(t.row[0], &t, dx), v, cubic_across(t.row[2], &t, dx), cubic_across(t.row[3], &t, dx), dy);
}

/** n pixels of a row, from x0 on, all of which lie in the source. */
#define ROW(NAME, BICUBIC)                                                                                             \
    static __attribute__((target("avx2"))) void NAME(uint8_t *dst, int x0, int n, double py, const uint8_t *src,       \
                                                     int w, int h, const double a[6])                                  \
    {                                                                                                                  \
        for (int i = 0; i < n; i++, dst += 3) {                                                                        \
            const double px = x0 + i + 0.5;                                                                            \
            store(dst,                                                                                                 \
                  sample(src, w, h, a[0] * px + a[1] * py + a[2] - 0.5, a[3] * px + a[4] * py + a[5] - 0.5, BICUBIC)); \
        }                                                                                                              \
    }
ROW(bilinear_avx2, 0)
ROW(bicubic_avx2, 1)

/** 16 bytes of each of two rows. */
AVX2 __m256i load2(const uint8_t *a, const uint8_t *b)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
                                   _mm_loadu_si128((const __m128i *)b), 1);
}

/** Sums across of two rows' four pixels, 6 fractional bits: red, green, blue and nothing, a row in each half. */
AVX2 __m256i across2(__m256i rows, __m256i wx)
{
    const __m256i rg = _mm256_setr_epi8(0, -1, 3, -1, 6, -1, 9, -1, 1, -1, 4, -1, 7, -1, 10, -1, /* both halves alike */
                                        0, -1, 3, -1, 6, -1, 9, -1, 1, -1, 4, -1, 7, -1, 10, -1);
    const __m256i b = _mm256_setr_epi8(2, -1, 5, -1, 8, -1, 11, -1, -1, -1, -1, -1, -1, -1, -1, -1, /* */
                                       2, -1, 5, -1, 8, -1, 11, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i sum = _mm256_hadd_epi32(_mm256_madd_epi16(_mm256_shuffle_epi8(rows, rg), wx),
                                          _mm256_madd_epi16(_mm256_shuffle_epi8(rows, b), wx));
    return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(128)), 8);
}

/** The pixel of which p is the first of four by four. */
AVX2 void turned1(uint8_t *dst, const uint8_t *p, size_t pitch, const int16_t *wx, const int16_t *wy)
{
    int64_t x4;
    int32_t y2[2];
    memcpy(&x4, wx, sizeof x4);
    memcpy(y2, wy, sizeof y2);
    const __m256i x = _mm256_set1_epi64x(x4);
    /* rows 0 and 2 | rows 1 and 3, as 16 bits: pairs of rows come to lie side by side */
    const __m256i v =
        _mm256_packs_epi32(across2(load2(p, p + pitch), x), across2(load2(p + 2 * pitch, p + 3 * pitch), x));
    const __m128i even = _mm256_castsi256_si128(v), odd = _mm256_extracti128_si256(v, 1);
    __m128i s = _mm_add_epi32(_mm_madd_epi16(_mm_unpacklo_epi16(even, odd), _mm_set1_epi32(y2[0])),
                              _mm_madd_epi16(_mm_unpackhi_epi16(even, odd), _mm_set1_epi32(y2[1])));
    s = _mm_srai_epi32(_mm_add_epi32(s, _mm_set1_epi32(1 << 19)), 20);
    s = _mm_packs_epi32(s, s);
    const uint32_t u = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(s, s));
    memcpy(dst, &u, 3);
}

static __attribute__((target("avx2"))) void turned_avx2(uint8_t *dst, int n, const int64_t from[2],
                                                        const int64_t step[2], const int16_t weight[256][4],
                                                        const uint8_t *src, int w, int h)
{
    const size_t pitch = (size_t)w * 3;
    int64_t at[2] = { from[0], from[1] };
    for (int i = 0; i < n; i++, at[0] += step[0], at[1] += step[1], dst += 3) {
        const int64_t x = (at[0] >> 16) - 1, y = (at[1] >> 16) - 1;
        if (x >= 0 && y >= 0 && x + 4 <= w && y + 4 <= h)
            turned1(dst, src + (size_t)y * pitch + (size_t)x * 3, pitch, weight[at[0] >> 8 & 255],
                    weight[at[1] >> 8 & 255]);
        else
            eff_turned_plain(dst, 1, at, step, weight, src, w, h);
    }
}

/* ------------------------------------------------------------------------------------------------ blends */

/** Eight bytes of the blend, as 16-bit numbers in the low half. */
AVX2 __m128i blend8(__m128i plain, __m128i v, __m256 factor)
{
    const __m256i p = _mm256_cvtepu8_epi32(plain), d = _mm256_sub_epi32(_mm256_cvtepu8_epi32(v), p);
    const __m256i t =
        _mm256_cvttps_epi32(_mm256_add_ps(_mm256_cvtepi32_ps(p), _mm256_mul_ps(factor, _mm256_cvtepi32_ps(d))));
    return _mm_packs_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1));
}

static __attribute__((target("avx2"))) void blend_avx2(uint8_t *v, const uint8_t *plain, size_t n, float factor)
{
    const __m256 f = _mm256_set1_ps(factor);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i t =
            blend8(_mm_loadl_epi64((const __m128i *)(plain + i)), _mm_loadl_epi64((const __m128i *)(v + i)), f);
        _mm_storel_epi64((__m128i *)(v + i), _mm_packus_epi16(t, t));
    }
    if (i < n) eff_augment_kernels_plain.blend(v + i, plain + i, n - i, factor);
}

/* The weight of green does not fit 16 bits and is even: green comes twice, with half of it. */
static __attribute__((target("avx2"))) void grey_avx2(uint8_t *grey, const uint8_t *rgb, size_t pixels)
{
    const __m256i pick = _mm256_setr_epi8(0, -1, 1, -1, 2, -1, 1, -1, 3, -1, 4, -1, 5, -1, 4, -1,     /* pixels 0, 1 */
                                          6, -1, 7, -1, 8, -1, 7, -1, 9, -1, 10, -1, 11, -1, 10, -1); /* 2, 3 */
    const __m256i weight = _mm256_setr_epi16(19595, 19235, 7471, 19235, 19595, 19235, 7471, 19235, 19595, 19235, 7471,
                                             19235, 19595, 19235, 7471, 19235);
    size_t i = 0;
    for (; i + 8 <= pixels; i += 8) {
        __m256i half[2];
        for (int j = 0; j < 2; j++) { /* four pixels: 12 bytes of the 16 that are read */
            const __m128i p = _mm_loadu_si128((const __m128i *)(rgb + 3 * i + 12 * (size_t)j));
            half[j] = _mm256_madd_epi16(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(p), pick), weight);
        }
        /* 0 1 4 5 and 2 3 6 7 */
        const __m256i sum = _mm256_hadd_epi32(half[0], half[1]);
        const __m256i v = _mm256_srli_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(0x8000)), 16);
        const __m128i lo = _mm256_castsi256_si128(v), hi = _mm256_extracti128_si256(v, 1);
        const __m128i words = _mm_packs_epi32(_mm_unpacklo_epi64(lo, hi), _mm_unpackhi_epi64(lo, hi));
        _mm_storel_epi64((__m128i *)(grey + i), _mm_packus_epi16(words, words));
    }
    if (i < pixels) eff_augment_kernels_plain.grey(grey + i, rgb + 3 * i, pixels - i);
}

const eff_augment_kernels eff_augment_kernels_avx2 = { bilinear_avx2, bicubic_avx2, turned_avx2, blend_avx2,
                                                       grey_avx2 };

#endif
