/* SPDX-License-Identifier: Apache-2.0 */
/* The row kernels of the Pillow resize for AVX2. Integer sums only, hence the same bits as the plain C ones. The
 * functions carry their target themselves, so that this file is built like any other and nothing else in it needs AVX2.
 */
#include "image/resize.h"

#include "base/cpu.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

/* dst gets the low 3 bytes of v; a store of 4 is quicker where another pixel follows and overwrites the fourth. */
static inline AVX2 void put_pixel(uint8_t *dst, int v, int last)
{
    const uint32_t u = (uint32_t)v;
    if (last)
        memcpy(dst, &u, 3);
    else
        memcpy(dst, &u, 4);
}

/* A weight is cut into its low 12 bits and the rest, either of which fits 16 bits, so that one instruction multiplies
 * two taps and adds them up; what the two sums wrap around cancels when they are put together. Every four weights
 * become the low parts of the first two, of the second two, and the high parts likewise. */
enum { LOW_BITS = 12 };

static uint32_t two(int32_t a, int32_t b) { return (uint32_t)(a & 0xffff) | (uint32_t)b << 16; }

static void order_avx2(int32_t *coef, size_t n)
{
    const int32_t mask = (1 << LOW_BITS) - 1;
    for (; n; n -= 4, coef += 4) {
        const int32_t *const c = coef;
        const uint32_t four[4] = { two(c[0] & mask, c[1] & mask), two(c[2] & mask, c[3] & mask),
                                   two(c[0] >> LOW_BITS, c[1] >> LOW_BITS), two(c[2] >> LOW_BITS, c[3] >> LOW_BITS) };
        memcpy(coef, four, sizeof four);
    }
}

/* The two rows share the coefficients: one in each half of a register, a pixel being four lanes of which one is idle.
 * One load of 16 bytes has the pixels of four taps. */
static AVX2 void across_avx2(uint8_t *const dst[2], const uint8_t *const src[2], const int32_t *coef,
                             const int32_t *first, int taps, int n)
{
/* clang-format off */
#define PICK(a, b) \
    _mm256_setr_epi8(a, -1, b, -1, (a) + 1, -1, (b) + 1, -1, (a) + 2, -1, (b) + 2, -1, -1, -1, -1, -1, \
                     a, -1, b, -1, (a) + 1, -1, (b) + 1, -1, (a) + 2, -1, (b) + 2, -1, -1, -1, -1, -1)
    /* clang-format on */
    const __m256i pick01 = PICK(0, 3), pick23 = PICK(6, 9);
#undef PICK
    uint8_t *d0 = dst[0], *d1 = dst[1];
    for (int i = 0; i < n; i++, coef += taps, d0 += 3, d1 += 3) {
        const uint8_t *a = src[0] + (size_t)first[i] * 3, *b = src[1] + (size_t)first[i] * 3;
        __m256i low = _mm256_set1_epi32(1 << (EFF_PILLOW_BITS - 1)), high = _mm256_setzero_si256();
        for (int t = 0; t < taps; t += 4, a += 12, b += 12) {
            const __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
                                                      _mm_loadu_si128((const __m128i *)b), 1);
            const __m256i p01 = _mm256_shuffle_epi8(v, pick01), p23 = _mm256_shuffle_epi8(v, pick23);
            low = _mm256_add_epi32(low, _mm256_add_epi32(_mm256_madd_epi16(p01, _mm256_set1_epi32(coef[t])),
                                                         _mm256_madd_epi16(p23, _mm256_set1_epi32(coef[t + 1]))));
            high = _mm256_add_epi32(high, _mm256_add_epi32(_mm256_madd_epi16(p01, _mm256_set1_epi32(coef[t + 2])),
                                                           _mm256_madd_epi16(p23, _mm256_set1_epi32(coef[t + 3]))));
        }
        __m256i s = _mm256_add_epi32(low, _mm256_slli_epi32(high, LOW_BITS));
        s = _mm256_srai_epi32(s, EFF_PILLOW_BITS);
        s = _mm256_packs_epi32(s, s);
        s = _mm256_packus_epi16(s, s);
        put_pixel(d0, _mm256_extract_epi32(s, 0), i == n - 1);
        put_pixel(d1, _mm256_extract_epi32(s, 4), i == n - 1);
    }
}

static inline AVX2 __m256i widen(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }

static inline AVX2 void down_32(uint8_t *dst, const uint8_t *const *rows, const int32_t *coef, int taps, size_t at)
{
    const __m256i half = _mm256_set1_epi32(1 << (EFF_PILLOW_BITS - 1));
    __m256i s0 = half, s1 = half, s2 = half, s3 = half;
    for (int t = 0; t < taps; t++) {
        const uint8_t *const p = rows[t] + at;
        const __m256i k = _mm256_set1_epi32(coef[t]);
        s0 = _mm256_add_epi32(s0, _mm256_mullo_epi32(widen(p), k));
        s1 = _mm256_add_epi32(s1, _mm256_mullo_epi32(widen(p + 8), k));
        s2 = _mm256_add_epi32(s2, _mm256_mullo_epi32(widen(p + 16), k));
        s3 = _mm256_add_epi32(s3, _mm256_mullo_epi32(widen(p + 24), k));
    }
    s0 = _mm256_packs_epi32(_mm256_srai_epi32(s0, EFF_PILLOW_BITS), _mm256_srai_epi32(s1, EFF_PILLOW_BITS));
    s2 = _mm256_packs_epi32(_mm256_srai_epi32(s2, EFF_PILLOW_BITS), _mm256_srai_epi32(s3, EFF_PILLOW_BITS));
    /* packing works within the halves: put the groups of four back in order */
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)(dst + at), _mm256_permutevar8x32_epi32(_mm256_packus_epi16(s0, s2), order));
}

static AVX2 void down_avx2(uint8_t *dst, const uint8_t *const *rows, const int32_t *coef, int taps, size_t n)
{
    if (n < 32) { /* a picture of ten columns or fewer */
        eff_pillow_kernels_for(0).down(dst, rows, coef, taps, n);
        return;
    }
    size_t at = 0;
    for (; at + 32 <= n; at += 32) down_32(dst, rows, coef, taps, at);
    if (at < n) down_32(dst, rows, coef, taps, n - 32); /* some bytes twice, with the same result */
}

const eff_pillow_kernels eff_pillow_kernels_avx2 = { order_avx2, across_avx2, down_avx2 };

#else
typedef int eff_no_avx2; /* a translation unit must not be empty */
#endif
