/* SPDX-License-Identifier: Apache-2.0 */
/* Choice of level, and what is the same at every level: packing, patches, max pooling. */
#include "kernels/kernels.h"
#include "kernels/bf16.h"
#include "kernels/groups.h"
#include "kernels/train.h"

#include "base/cpu.h"

#include <math.h>
#include <string.h>

void eff_kernels_init(eff_kernels *k, unsigned features)
{
    eff_kernels_init_ref(k);
#if defined(__x86_64__)
    if (features & EFF_CPU_AVX2) eff_kernels_init_avx2(k);
    if (features & EFF_CPU_AVX512) eff_kernels_init_avx512(k);
#elif defined(__aarch64__)
    if (features & EFF_CPU_NEON) eff_kernels_init_neon(k);
#endif
    (void)features;
}

void eff_kernels_init_bf16(eff_kernels *k, unsigned features)
{
    const unsigned bf16 = features & EFF_CPU_AVX512BF16;
    eff_kernels_init(k, bf16 ? features : 0);
    k->bf16 = 1;
    if (!bf16) eff_kernels_init_bf16_ref(k);
#if defined(__x86_64__)
    if (bf16) eff_kernels_init_avx512bf16(k);
#endif
}

void eff_train_kernels_init(eff_train_kernels *k, unsigned features)
{
    eff_train_kernels_init_ref(k);
#if defined(__x86_64__)
    if (features & EFF_CPU_AVX2) eff_train_kernels_init_avx2(k);
    if (features & EFF_CPU_AVX512) eff_train_kernels_init_avx512(k);
#elif defined(__aarch64__)
    if (features & EFF_CPU_NEON) eff_train_kernels_init_neon(k);
#endif
    (void)features;
}

int eff_gemm_groups(const eff_kernels *k, int n) { return eff_groups(n, k->vl, k->group); }

int eff_gemm_group_start(const eff_kernels *k, int n, int q) { return eff_group_start(n, k->vl, k->group, q); }

/* Walks the groups of an n-column B: columns j0 .. j0+gw-1. */
typedef struct walk {
    const eff_kernels *k;
    int n, q, j0, gw;
} walk;

static int walk_next(walk *w)
{
    if (w->q >= eff_gemm_groups(w->k, w->n)) return 0;
    w->j0 = eff_gemm_group_start(w->k, w->n, w->q++);
    w->gw = eff_gemm_group_start(w->k, w->n, w->q) - w->j0;
    return 1;
}

size_t eff_gemm_packed_size(const eff_kernels *k, int n, int depth) { return eff_padded(k, n) * (size_t)depth; }

typedef float quad __attribute__((vector_size(16), aligned(sizeof(float)), may_alias));

/* dst[d * pitch + j] = w[j * depth + d] * scale[j], j = 0..3 and d = 0..3. */
static void pack_4x4(float *dst, size_t pitch, const float *w, size_t depth, const float *scale)
{
    const quad a = *(const quad *)w * scale[0], b = *(const quad *)(w + depth) * scale[1];
    const quad c = *(const quad *)(w + 2 * depth) * scale[2], d = *(const quad *)(w + 3 * depth) * scale[3];
    const quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const quad cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(quad *)dst = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(quad *)(dst + pitch) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    *(quad *)(dst + 2 * pitch) = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
    *(quad *)(dst + 3 * pitch) = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
}

static const float ones[4] = { 1, 1, 1, 1 };

/* A group of a plain matrix: `real` columns of gw, the others zero. In runs of rows that stay in the L1 cache. */
static void pack_group(float *dst, int gw, const float *w, int real, int depth, const float *scale)
{
    enum { RUN = 64 };
    const size_t pitch = (size_t)gw, n = (size_t)depth;
    for (int d0 = 0; d0 < depth; d0 += RUN) {
        const int d1 = depth - d0 < RUN ? depth : d0 + RUN;
        for (int j = 0; j < gw; j += 4) {
            const float *from = w + (size_t)j * n, *s = scale ? scale + j : ones;
            int d = d0;
            if (j + 4 <= real)
                for (; d + 4 <= d1; d += 4) pack_4x4(dst + (size_t)d * pitch + j, pitch, from + d, n, s);
            for (; d < d1; d++)
                for (int i = 0; i < 4 && j + i < gw; i++)
                    dst[(size_t)d * pitch + (size_t)(j + i)] =
                        j + i < real ? from[(size_t)i * n + (size_t)d] * s[i] : 0.0f;
        }
    }
}

void eff_gemm_pack_bf16(const eff_kernels *k, float *dst, const float *w, int n, int depth, const float *scale)
{
    for (walk g = { .k = k, .n = n }; walk_next(&g);)
        for (int d = 0; d < depth; d += 2)
            for (int col = g.j0; col < g.j0 + g.gw; col++) {
                const float *from = w + (size_t)col * (size_t)depth + (size_t)d, s = scale && col < n ? scale[col] : 1.0f;
                eff_bf16_pair(dst++, col < n ? from[0] * s : 0.0f, col < n && d + 1 < depth ? from[1] * s : 0.0f);
            }
}

void eff_gemm_pack(const eff_kernels *k, float *dst, const float *w, int n, int depth, const float *scale)
{
    for (walk g = { .k = k, .n = n }; walk_next(&g); dst += (size_t)g.gw * (size_t)depth)
        pack_group(dst, g.gw, w + (size_t)g.j0 * (size_t)depth, n - g.j0 < g.gw ? n - g.j0 : g.gw, depth,
                   scale ? scale + g.j0 : NULL);
}

void eff_gemm_pack_conv(const eff_kernels *k, float *dst, const float *w, int out, int in, int taps, const float *scale)
{
    if (taps == 1) {
        eff_gemm_pack(k, dst, w, out, in, scale);
        return;
    }
    for (walk g = { .k = k, .n = out }; walk_next(&g);) {
        const int j0 = g.j0, gw = g.gw, real = out - j0 < gw ? out - j0 : gw;
        const float *from = w + (size_t)j0 * (size_t)in * (size_t)taps;
        for (int tap = 0; tap < taps; tap++)
            for (int i = 0; i < in; i++, dst += gw) {
                const float *p = from + (size_t)i * (size_t)taps + (size_t)tap;
                int j = 0;
                for (; j < real; j++, p += (size_t)in * (size_t)taps) dst[j] = scale ? *p * scale[j0 + j] : *p;
                for (; j < gw; j++) dst[j] = 0.0f;
            }
    }
}

void eff_gemm_pack_conv_back(const eff_kernels *k, float *dst, const float *w, int out, int in, int taps)
{
    const int n = taps * in;
    for (walk g = { .k = k, .n = n }; walk_next(&g);) {
        const int j0 = g.j0, gw = g.gw;
        for (int o = 0; o < out; o++, dst += gw) {
            const float *from = w + (size_t)o * (size_t)n;
            for (int j = 0; j < gw; j++) {
                const int col = j0 + j; /* column tap * in + i is weight i * taps + tap */
                dst[j] = col < n ? from[taps == 1 ? col : col % in * taps + col / in] : 0.0f;
            }
        }
    }
}

void eff_patches_gather(float *dst, const eff_patches *p, int first, int count)
{
    const size_t c = (size_t)p->c;
    for (int i = first; i < first + count; i++) {
        const int y0 = i / p->out_w * p->stride - p->pad_top, x0 = i % p->out_w * p->stride - p->pad_left;
        /* columns lo..hi-1 of the patch lie inside the image: one copy a row */
        const int lo = x0 < 0 ? -x0 : 0;
        const int hi = x0 + p->kernel > p->w ? p->w - x0 : p->kernel;
        for (int ky = 0; ky < p->kernel; ky++, dst += (size_t)p->kernel * c) {
            const int y = y0 + ky;
            if (y < 0 || y >= p->h || hi <= lo) {
                memset(dst, 0, (size_t)p->kernel * c * sizeof *dst);
                continue;
            }
            memset(dst, 0, (size_t)lo * c * sizeof *dst);
            memcpy(dst + (size_t)lo * c, p->x + ((size_t)y * (size_t)p->w + (size_t)(x0 + lo)) * c,
                   (size_t)(hi - lo) * c * sizeof *dst);
            memset(dst + (size_t)hi * c, 0, (size_t)(p->kernel - hi) * c * sizeof *dst);
        }
    }
}
