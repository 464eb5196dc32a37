/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of every CPU level this machine can run against the reference, on shapes that break SIMD. Bounds are derived:
 * a sum of n products rounds at most n times on each side, so |difference| <= 2 n eps * sum |a||b|. The 512-bit source also runs
 * lowered to AVX2, so its logic is tested on machines without AVX-512. */
#include "support.h"

#include "base/cpu.h"
#include "kernels/kernels.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEVELS = 4 };
static eff_kernels g_levels[MAX_LEVELS];
static int g_count;
static eff_kernels g_ref;

static void find_levels(void)
{
    eff_kernels_init_ref(&g_ref);
    unsigned have;
    eff_error err;
    if (eff_cpu_select(NULL, &have, &err) != EFF_OK) exit(2);
#if defined(__x86_64__)
    if (have & EFF_CPU_AVX2) {
        eff_kernels_init_ref(&g_levels[g_count]);
        eff_kernels_init_avx2(&g_levels[g_count++]);
        eff_kernels_init_ref(&g_levels[g_count]);
        eff_kernels_init_avx512_lowered(&g_levels[g_count++]);
    }
    if (have & EFF_CPU_AVX512) {
        eff_kernels_init_ref(&g_levels[g_count]);
        eff_kernels_init_avx512(&g_levels[g_count++]);
    }
#elif defined(__aarch64__)
    if (have & EFF_CPU_NEON) {
        eff_kernels_init_ref(&g_levels[g_count]);
        eff_kernels_init_neon(&g_levels[g_count++]);
    }
#endif
    eff_kernels_init_ref(&g_levels[g_count++]); /* the reference against itself: packing and cuts */
    printf("levels:");
    for (int i = 0; i < g_count; i++) printf(" %s", g_levels[i].name);
    printf("\n");
}

static float *aligned(size_t n) { return aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64); }

static float *absolute(const float *v, size_t n)
{
    float *a = aligned(n);
    for (size_t i = 0; i < n; i++) a[i] = fabsf(v[i]);
    return a;
}

static float *padded_copy(const eff_kernels *k, const float *v, int n)
{
    float *p = aligned(eff_padded(k, n));
    memset(p, 0, eff_padded(k, n) * sizeof *p);
    memcpy(p, v, (size_t)n * sizeof *p);
    return p;
}

/* Largest slope of an activation: how much it can widen an error. SiLU's is 1.1. Its own rounding: a few ulp of the value. */
static float act_bound(float err, float value) { return 1.2f * err + 8.0f * FLT_EPSILON * (fabsf(value) + 1e-6f); }

typedef struct gemm_case {
    int m, k, n;
    eff_act act;
    int residual; /* 0 none, 1 before, 2 after the activation */
} gemm_case;

static void run_gemm(const eff_kernels *kn, const gemm_case *t, const float *a, const float *w, const float *bias,
                     const float *res, float *c, int row_step, int group_step, int k_step)
{
    float *b = aligned(eff_gemm_packed_size(kn, t->n, t->k)), *pb = padded_copy(kn, bias, t->n);
    eff_gemm_pack(kn, b, w, t->n, t->k, NULL);
    const int groups = eff_gemm_groups(kn, t->n);
    for (int i = 0; i < t->m; i += row_step)
        for (int q = 0; q < groups; q += group_step) {
            eff_gemm g = { .a = a + (size_t)i * (size_t)t->k, .b = b, .bias = pb, .lda = (size_t)t->k,
                                 .res = t->residual ? res + (size_t)i * (size_t)t->n : NULL, .ldr = (size_t)t->n,
                                 .c = c + (size_t)i * (size_t)t->n, .ldc = (size_t)t->n, .k = t->k, .n = t->n,
                                 .m = t->m - i < row_step ? t->m - i : row_step, .group0 = q,
                                 .groups = groups - q < group_step ? groups - q : group_step, .act = t->act,
                                 .res_after = t->residual == 2 };
            for (; g.from < t->k; g.from = g.until) {
                g.until = t->k - g.from < k_step ? t->k : g.from + k_step;
                kn->gemm(&g);
            }
        }
    free(b);
    free(pb);
}

static void check_gemm(const eff_kernels *kn, gemm_case t, uint64_t seed)
{
    const size_t na = (size_t)t.m * (size_t)t.k, nw = (size_t)t.n * (size_t)t.k, nc = (size_t)t.m * (size_t)t.n;
    float *a = t_uniform(na, -1, 1, seed), *w = t_uniform(nw, -1, 1, seed + 1), *bias = t_uniform((size_t)t.n, -1, 1, seed + 2);
    float *res = t_uniform(nc, -1, 1, seed + 3);
    float *want = t_guarded(nc), *got = t_guarded(nc), *cut = t_guarded(nc), *mag = t_guarded(nc);
    run_gemm(&g_ref, &t, a, w, bias, res, want, t.m, 1 << 20, t.k);
    run_gemm(kn, &t, a, w, bias, res, got, t.m, 1 << 20, t.k);
    run_gemm(kn, &t, a, w, bias, res, cut, t.m > 3 ? t.m / 3 + 1 : 1, 1, t.k / 3 + 1); /* another cut: the same bits */
    float *aa = absolute(a, na), *aw = absolute(w, nw), *ab = absolute(bias, (size_t)t.n), *ar = absolute(res, nc);
    const gemm_case magnitude = { t.m, t.k, t.n, EFF_ACT_NONE, t.residual };
    run_gemm(&g_ref, &magnitude, aa, aw, ab, ar, mag, t.m, 1 << 20, t.k);
    const float eps = 2.0f * (float)(t.k + 2) * FLT_EPSILON;
    for (size_t i = 0; i < nc; i++) {
        if (!(fabsf(got[i] - want[i]) <= act_bound(eps * mag[i], want[i])))
            fail_msg("%s gemm m=%d k=%d n=%d act=%d res=%d at %zu: %.9g, reference %.9g (seed %llu)", kn->name, t.m, t.k, t.n,
                     t.act, t.residual, i, (double)got[i], (double)want[i], (unsigned long long)seed);
    }
    assert_memory_equal(got, cut, nc * sizeof *got);
    t_guard_check(got, nc);
    t_guard_check(cut, nc);
    t_guard_free(want), t_guard_free(got), t_guard_free(cut), t_guard_free(mag);
    free(a), free(w), free(bias), free(res), free(aa), free(aw), free(ab), free(ar);
}

static void test_gemm(void **state)
{
    (void)state;
    static const int ms[] = { 1, 2, 5, 6, 7, 8, 11, 12, 13, 14, 15, 29, 49 };
    static const int ns[] = { 1, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 47, 48, 49, 64, 80, 112, 130 };
    static const int ks[] = { 1, 2, 3, 8, 27, 65 };
    for (int l = 0; l < g_count; l++) {
        uint64_t seed = 1;
        for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
            for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
                for (size_t k = 0; k < sizeof ks / sizeof *ks; k++, seed += 4)
                    check_gemm(&g_levels[l],
                               (gemm_case){ ms[i], ks[k], ns[j], (eff_act)(seed / 4 % 6), (int)(seed / 4 % 3) }, seed);
        check_gemm(&g_levels[l], (gemm_case){ 49, 1152, 192, EFF_ACT_NONE, 1 }, 9001);
        check_gemm(&g_levels[l], (gemm_case){ 49, 192, 1152, EFF_ACT_SILU, 0 }, 9101);
        for (int residual = 0; residual < 3; residual++) /* k in several blocks, the last vector in part */
            check_gemm(&g_levels[l], (gemm_case){ 29, 1601, 75, EFF_ACT_SILU, residual }, 9201 + (uint64_t)residual);
    }
}

typedef struct dw_case {
    int h, w, c, kernel, stride, same;
    eff_act act;
} dw_case;

static void dw_pad(const dw_case *t, int n, int *out, int *before)
{
    if (t->same) {
        *out = (n + t->stride - 1) / t->stride;
        const int total = (*out - 1) * t->stride + t->kernel - n;
        *before = total > 0 ? total / 2 : 0;
    } else {
        *before = t->kernel / 2;
        *out = (n + 2 * *before - t->kernel) / t->stride + 1;
    }
}

static void run_dw(const eff_kernels *kn, const dw_case *t, const float *x, const float *k, const float *bias, float *y,
                   int row_step, eff_act act)
{
    const size_t pc = eff_padded(kn, t->c), taps = (size_t)t->kernel * (size_t)t->kernel;
    float *w = aligned(pc * taps), *pb = padded_copy(kn, bias, t->c);
    memset(w, 0, pc * taps * sizeof *w);
    for (size_t i = 0; i < taps; i++) memcpy(w + i * pc, k + i * (size_t)t->c, (size_t)t->c * sizeof *w);
    eff_window d = { .x = x, .w = w, .bias = pb, .y = y, .h = t->h, .w_in = t->w, .c = t->c, .kernel = t->kernel,
                     .stride = t->stride, .act = act };
    dw_pad(t, t->h, &d.out_h, &d.pad_top);
    dw_pad(t, t->w, &d.out_w, &d.pad_left);
    for (d.row0 = 0; d.row0 < d.out_h; d.row0 += row_step) {
        d.rows = d.out_h - d.row0 < row_step ? d.out_h - d.row0 : row_step;
        kn->dwconv(&d);
    }
    free(w);
    free(pb);
}

static void check_dw(const eff_kernels *kn, dw_case t, uint64_t seed)
{
    int oh, ow, pad;
    dw_pad(&t, t.h, &oh, &pad);
    dw_pad(&t, t.w, &ow, &pad);
    const size_t nx = (size_t)t.h * (size_t)t.w * (size_t)t.c, nk = (size_t)(t.kernel * t.kernel * t.c);
    const size_t ny = (size_t)oh * (size_t)ow * (size_t)t.c;
    float *x = t_uniform(nx, -1, 1, seed), *k = t_uniform(nk, -1, 1, seed + 1), *b = t_uniform((size_t)t.c, -1, 1, seed + 2);
    float *ax = absolute(x, nx), *ak = absolute(k, nk), *ab = absolute(b, (size_t)t.c);
    float *want = t_guarded(ny), *got = t_guarded(ny), *cut = t_guarded(ny), *mag = t_guarded(ny);
    run_dw(&g_ref, &t, x, k, b, want, oh, t.act);
    run_dw(kn, &t, x, k, b, got, oh, t.act);
    run_dw(kn, &t, x, k, b, cut, 1, t.act);
    run_dw(&g_ref, &t, ax, ak, ab, mag, oh, EFF_ACT_NONE);
    const float eps = 2.0f * (float)(t.kernel * t.kernel + 1) * FLT_EPSILON;
    for (size_t i = 0; i < ny; i++)
        if (!(fabsf(got[i] - want[i]) <= act_bound(eps * mag[i], want[i])))
            fail_msg("%s dw%d h=%d w=%d c=%d stride=%d same=%d at %zu: %.9g, reference %.9g", kn->name, t.kernel, t.h, t.w, t.c,
                     t.stride, t.same, i, (double)got[i], (double)want[i]);
    assert_memory_equal(got, cut, ny * sizeof *got);
    t_guard_check(got, ny);
    t_guard_check(cut, ny);
    t_guard_free(want), t_guard_free(got), t_guard_free(cut), t_guard_free(mag);
    free(x), free(k), free(b), free(ax), free(ak), free(ab);
}

static void test_dwconv(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 1, 9 }, { 2, 3 }, { 5, 4 }, { 7, 7 }, { 13, 11 }, { 6, 33 } };
    static const int cs[] = { 1, 7, 8, 9, 15, 16, 17, 24, 33, 48 };
    for (int l = 0; l < g_count; l++) {
        uint64_t seed = 70000;
        for (int kernel = 1; kernel <= 7; kernel += 2)
            for (int stride = 1; stride <= 3; stride++)
                for (int same = 0; same < 2; same++)
                    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                        for (size_t c = 0; c < sizeof cs / sizeof *cs; c++, seed += 3)
                            check_dw(&g_levels[l], (dw_case){ sizes[s][0], sizes[s][1], cs[c], kernel, stride, same,
                                                              (eff_act)(seed / 3 % 6) }, seed);
    }
}

/* The same product with A and C as planes of one vector of channels, and with A's rows in runs that lie anywhere. */
static void check_plane_gemm(const eff_kernels *kn, int m, int k, int n, int run, eff_act act, uint64_t seed)
{
    const int vl = kn->vl, groups = eff_gemm_groups(kn, n), runs = (k + run - 1) / run, gap = 3;
    const size_t padded = eff_padded(kn, n), na = (size_t)m * (size_t)k, nc = (size_t)m * padded;
    float *a = t_uniform(na, -1, 1, seed), *w = t_uniform((size_t)n * (size_t)k, -1, 1, seed + 1), *bias = t_uniform((size_t)n, -1, 1, seed + 2);
    float *planes = aligned((size_t)runs * (size_t)(m * run + gap)), *pb = padded_copy(kn, bias, n);
    float *b = aligned(eff_gemm_packed_size(kn, n, k)), *want = t_guarded((size_t)m * (size_t)n), *got = t_guarded(nc), *fetched = t_guarded(nc);
    const size_t step = (size_t)(m * run + gap);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < k; j++) planes[(size_t)(j / run) * step + (size_t)(i * run + j % run)] = a[(size_t)i * (size_t)k + (size_t)j];
    eff_gemm_pack(kn, b, w, n, k, NULL);
    eff_gemm g = { .a = a, .b = b, .bias = pb, .c = want, .lda = (size_t)k, .ldc = (size_t)n, .m = m, .k = k, .n = n, .groups = groups, .act = act };
    kn->gemm(&g);
    g = (eff_gemm){ .a = planes, .b = b, .bias = pb, .lda = (size_t)run, .a_step = step, .run = run, .ldc = (size_t)vl,
                    .c_step = (size_t)(m * vl), .m = m, .k = k, .n = n, .act = act };
    for (g.group0 = 0; g.group0 < groups; g.group0 += g.groups) {
        g.groups = groups - g.group0 < 2 ? 1 : 2;
        g.c = got + (size_t)eff_gemm_group_start(kn, n, g.group0) * (size_t)m;
        kn->gemm(&g);
        g.c = fetched + (size_t)eff_gemm_group_start(kn, n, g.group0) * (size_t)m;
        g.next = b, g.next_floats = (size_t)k; /* fetching ahead changes nothing, nor do slabs of k */
        for (g.from = 0; g.from < k; g.from = g.until) {
            g.until = g.from + (runs + 2) / 3 * run;
            if (g.until > k) g.until = k;
            kn->gemm(&g);
        }
        g.next = NULL, g.from = g.until = 0;
    }
    for (int i = 0; i < m; i++)
        for (int j = 0; j < (int)padded; j++) {
            const float v = got[(size_t)(j / vl * m + i) * (size_t)vl + (size_t)(j % vl)];
            /* the same chain of multiply-adds: the same bits; and what pads the last vector is act(0) */
            const float expected = j < n ? want[(size_t)i * (size_t)n + (size_t)j] : act == EFF_ACT_SIGMOID ? 0.5f : 0.0f;
            if (memcmp(&v, &expected, sizeof v) != 0 && !(j >= n && fabsf(v - expected) < 1e-6f))
                fail_msg("%s planes m=%d k=%d n=%d run=%d act=%d at %d,%d: %.9g, expected %.9g", kn->name, m, k, n, run, act, i, j,
                         (double)v, (double)expected);
        }
    assert_memory_equal(got, fetched, nc * sizeof *got);
    t_guard_check(got, nc), t_guard_check(fetched, nc);
    t_guard_free(want), t_guard_free(got), t_guard_free(fetched);
    free(a), free(w), free(bias), free(planes), free(pb), free(b);
}

static void test_plane_gemm(void **state)
{
    (void)state;
    static const int ms[] = { 1, 5, 7, 8, 13, 14, 15, 28, 49 }, ns[] = { 1, 8, 9, 16, 24, 40, 48, 64, 100, 112 }, ks[] = { 1, 3, 16, 24, 27, 40 };
    for (int l = 0; l < g_count; l++) {
        uint64_t seed = 40000;
        for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
            for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
                for (size_t k = 0; k < sizeof ks / sizeof *ks; k++, seed += 3) {
                    check_plane_gemm(&g_levels[l], ms[i], ks[k], ns[j], g_levels[l].vl, (eff_act)(seed / 3 % 6), seed);
                    check_plane_gemm(&g_levels[l], ms[i], ks[k], ns[j], 9, (eff_act)(seed / 3 % 6), seed);
                }
        static const int runs[] = { 9, 72, 300, 1100 }; /* k in several blocks, of whole runs and of parts of one */
        for (size_t r = 0; r < sizeof runs / sizeof *runs; r++)
            check_plane_gemm(&g_levels[l], 30, 2500, 75, runs[r], EFF_ACT_RELU6, 49000 + r);
        check_plane_gemm(&g_levels[l], 30, 2500, 75, g_levels[l].vl, EFF_ACT_SILU, 49100);
    }
}

/* Bands are the same as one call each. */
static void test_bands(void **state)
{
    (void)state;
    enum { BANDS = 3, M = 13, GAP = 5 };
    for (int l = 0; l < g_count; l++)
        for (int k = 20; k <= 900; k += 880) {
            const eff_kernels *kn = &g_levels[l];
            const int n = 60;
            const size_t band = (size_t)((M + GAP) * k), row = (size_t)n, out = (size_t)M * row + GAP, res_band = (size_t)M * row;
            float *a = t_uniform(BANDS * band, -1, 1, 1), *w = t_uniform((size_t)(n * k), -1, 1, 2), *res = t_uniform(BANDS * res_band, -1, 1, 3);
            float *bias = t_uniform((size_t)n, -1, 1, 4), *pb = padded_copy(kn, bias, n), *b = aligned(eff_gemm_packed_size(kn, n, k));
            eff_gemm_pack(kn, b, w, n, k, NULL);
            for (int residual = 0; residual < 3; residual++) {
                float *got = t_guarded(BANDS * out), *want = t_guarded(BANDS * out);
                memset(got, 0, BANDS * out * sizeof *got), memset(want, 0, BANDS * out * sizeof *want);
                eff_gemm g = { .a = a, .b = b, .bias = pb, .c = got, .lda = (size_t)k, .ldc = row, .ldr = row, .m = M, .k = k, .n = n,
                               .groups = eff_gemm_groups(kn, n), .act = EFF_ACT_SILU, .res = residual ? res : NULL,
                               .res_after = residual == 2, .bands = BANDS, .a_band = band, .c_band = out, .next = b, .next_floats = 999 };
                kn->gemm(&g);
                g.bands = 0;
                for (size_t i = 0; i < BANDS; i++) {
                    g.a = a + i * band, g.c = want + i * out, g.res = residual ? res + i * res_band : NULL;
                    kn->gemm(&g);
                }
                assert_memory_equal(got, want, BANDS * out * sizeof *got);
                t_guard_check(got, BANDS * out);
                t_guard_free(got), t_guard_free(want);
            }
            free(a), free(w), free(res), free(bias), free(pb), free(b);
        }
}

/* Winograd's two ends with products in double between them, against the direct convolution. Bound: every value is rounded c + 12
 * times at most on its way, and what it is made of is at most the same sums with all signs positive. */
static void check_winograd(const eff_kernels *kn, int h, int w, int c, int n, eff_act act, int residual, uint64_t seed)
{
    const int rows = (h + 1) / 2, cols = (w + 1) / 2, tiles = rows * cols, pw = 2 * cols + 2, vl = kn->vl, padded = (n + vl - 1) / vl * vl;
    const size_t line = (size_t)(pw * c), ny = (size_t)(h * w * n), C = (size_t)c, T = (size_t)tiles, P = (size_t)padded;
    static const double G[4][3] = { { 1, 0, 0 }, { .5, .5, .5 }, { .5, -.5, .5 }, { 0, 0, 1 } };
    static const double A[2][4] = { { 1, 1, 1, 0 }, { 0, 1, -1, -1 } }, B[4][4] = { { 1, 0, -1, 0 }, { 0, 1, 1, 0 }, { 0, -1, 1, 0 }, { 0, 1, 0, -1 } };
    float *image = t_uniform((size_t)(2 * rows + 2) * line, -1, 1, seed), *g = t_uniform((size_t)(n * c * 9), -1, 1, seed + 1);
    float *bias = t_uniform(P, -1, 1, seed + 2), *res = t_uniform(ny, -1, 1, seed + 3);
    float *v = t_guarded(16 * T * C), *m = t_guarded(16 * T * P), *y = t_guarded(ny);
    memset(m, 0, 16 * T * P * sizeof *m);
    for (int r = 0; r < rows; r++)
        kn->winograd_in(&(eff_winograd_in){ .x = image + (size_t)(2 * r) * line, .v = v + (size_t)(r * cols) * C, .row = line, .step = T * C, .c = c, .tiles = cols });
    for (size_t t = 0; t < 16; t++)
        for (size_t o = 0; o < (size_t)n; o++)
            for (size_t i = 0; i < T; i++) {
                double sum = 0;
                for (size_t j = 0; j < C; j++) {
                    double u = 0;
                    for (int k = 0; k < 9; k++) u += G[t / 4][k / 3] * G[t % 4][k % 3] * (double)g[(o * C + j) * 9 + (size_t)k];
                    sum += u * (double)v[t * T * C + i * C + j];
                }
                m[t * T * P + i * P + o] = (float)sum;
            }
    for (int r = 0; r < rows; r++) {
        const size_t at = (size_t)(2 * r * w * n);
        kn->winograd_out(&(eff_winograd_out){ .m = m + (size_t)(r * cols) * P, .bias = bias, .res = residual ? res + at : NULL, .y = y + at, .step = T * P,
                                              .ldm = P, .row = (size_t)(w * n), .ldy = (size_t)n, .n = n, .tiles = cols,
                                              .rows = h - 2 * r < 2 ? 1 : 2, .out_w = w, .act = act, .res_after = residual == 2 });
    }
    for (int i = 0; i < h * w * n; i++) {
        const int o = i % n, x = i / n % w, z = i / n / w;
        double want = (double)bias[o], size = fabs(want);
        for (int j = 0; j < c; j++) {
            for (int k = 0; k < 9; k++) want += (double)image[(size_t)(z + k / 3) * line + (size_t)((x + k % 3) * c + j)] * (double)g[(o * c + j) * 9 + k];
            for (int t = 0; t < 16; t++) {
                double u = 0, d = 0;
                for (int k = 0; k < 9; k++) u += fabs(G[t / 4][k / 3] * G[t % 4][k % 3] * (double)g[(o * c + j) * 9 + k]);
                for (int k = 0; k < 16; k++)
                    d += fabs(B[t / 4][k / 4] * B[t % 4][k % 4] * (double)image[(size_t)(z / 2 * 2 + k / 4) * line + (size_t)((x / 2 * 2 + k % 4) * c + j)]);
                size += fabs(A[z % 2][t / 4] * A[x % 2][t % 4]) * u * d;
            }
        }
        const double r = residual ? (double)res[i] : 0, before = want + (residual == 1 ? r : 0);
        const double value = (act == EFF_ACT_RELU && before < 0 ? 0 : before) + (residual == 2 ? r : 0);
        if (!(fabs((double)y[i] - value) <= (c + 12) * (double)FLT_EPSILON * (size + fabs(r))))
            fail_msg("%s winograd %dx%d %d -> %d at %d: %.9g, direct %.9g", kn->name, h, w, c, n, i, (double)y[i], value);
    }
    t_guard_check(v, 16 * T * C), t_guard_check(y, ny);
    t_guard_free(v), t_guard_free(m), t_guard_free(y);
    free(image), free(g), free(bias), free(res);
}

static void test_winograd(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 2, 5 }, { 7, 4 } }, cs[] = { 1, 16, 21 };
    for (int l = 0; l < g_count; l++)
        for (size_t i = 0; g_levels[l].winograd_in && i < 9; i++)
            for (int residual = 0; residual < 3; residual++)
                check_winograd(&g_levels[l], sizes[i / 3][0], sizes[i / 3][1], cs[i % 3], cs[(i + (size_t)residual) % 3] + 4,
                               residual ? EFF_ACT_RELU : EFF_ACT_NONE, residual, 300 + i);
}

static void test_maxpool(void **state)
{
    (void)state;
    for (int l = 0; l < g_count; l++)
        for (int c = 1; c <= 35; c += 17)
            for (int kernel = 1; kernel <= 3; kernel++)
                for (int stride = 1; stride <= 2; stride++) {
                    const int h = 9, w = 6, pad = kernel / 2, oh = (h + 2 * pad - kernel) / stride + 1, ow = (w + 2 * pad - kernel) / stride + 1;
                    const size_t nx = (size_t)(h * w * c), ny = (size_t)(oh * ow * c);
                    float *x = t_uniform(nx, -1, 1, (uint64_t)(c + kernel)), *want = t_guarded(ny), *got = t_guarded(ny);
                    x[nx / 2] = NAN;
                    eff_window m = { .x = x, .y = want, .h = h, .w_in = w, .c = c, .out_w = ow, .kernel = kernel, .stride = stride,
                                      .pad_top = pad, .pad_left = pad, .rows = oh };
                    g_ref.maxpool(&m);
                    int lost = 0;
                    for (size_t i = 0; i < ny; i++) lost += isnan(want[i]);
                    assert_true(lost > 0 || stride > kernel);
                    m.y = got;
                    for (m.rows = 1; m.row0 < oh; m.row0++) g_levels[l].maxpool(&m);
                    for (size_t i = 0; i < ny; i++) assert_true(got[i] == want[i] || (isnan(got[i]) && isnan(want[i])));
                    t_guard_check(got, ny);
                    t_guard_free(got), t_guard_free(want);
                    free(x);
                }
}

/* A plane against the reference, which has one channel a plane; sums of rows; and the same bits a row at a time. */
static void check_dwplane(const eff_kernels *kn, int kernel, int stride, int rows, int out_w, eff_act act, uint64_t seed)
{
    const int vl = kn->vl, in_rows = kernel + (rows - 1) * stride, cols = (out_w - 1) * stride + kernel, taps = kernel * kernel;
    const size_t nx = (size_t)in_rows * (size_t)cols, ny = (size_t)rows * (size_t)out_w, v = (size_t)vl;
    float *x = t_uniform(nx * v, -1, 1, seed), *w = t_uniform((size_t)taps * v, -1, 1, seed + 1), *bias = t_uniform(v, -1, 1, seed + 2);
    float *got = t_guarded(ny * v), *cut = t_guarded(ny * v), *sum = t_guarded((size_t)rows * (v + 3)), *one = t_guarded(v);
    const float *row[64], *row1[64], *rowa[64];
    for (int i = 0; i < in_rows; i++) row[i] = x + (size_t)(i * cols) * v;
    eff_dwplane d = { .x = row, .w = w, .bias = bias, .y = got, .sum = sum, .lds = v + 3, .rows = rows, .out_w = out_w, .kernel = kernel,
                      .stride = stride, .act = act };
    memset(sum, 0, (size_t)rows * (v + 3) * sizeof *sum);
    kn->dwplane(&d);
    for (int r = 0; r < rows; r++) {
        eff_dwplane s = d;
        s.x = row + r * stride, s.y = cut + (size_t)(r * out_w) * v, s.sum = one, s.rows = 1;
        kn->dwplane(&s);
        assert_memory_equal(one, sum + (size_t)r * (v + 3), v * sizeof *one);
    }
    assert_memory_equal(got, cut, ny * v * sizeof *got);
    float *x1 = aligned(nx), *xa = aligned(nx), *w1 = aligned((size_t)taps), *wa = aligned((size_t)taps), *want = aligned(ny), *mag = aligned(ny);
    for (int i = 0; i < in_rows; i++) row1[i] = x1 + i * cols, rowa[i] = xa + i * cols;
    const float eps = 2.0f * (float)(taps + 1) * FLT_EPSILON;
    for (int c = 0; c < vl; c++) {
        for (size_t i = 0; i < nx; i++) x1[i] = x[i * v + (size_t)c], xa[i] = fabsf(x1[i]);
        for (int i = 0; i < taps; i++) w1[i] = w[i * vl + c], wa[i] = fabsf(w1[i]);
        const float b1 = bias[c], ba = fabsf(b1);
        eff_dwplane s = { .x = row1, .w = w1, .bias = &b1, .y = want, .rows = rows, .out_w = out_w, .kernel = kernel, .stride = stride, .act = act };
        g_ref.dwplane(&s);
        s.x = rowa, s.w = wa, s.bias = &ba, s.y = mag, s.act = EFF_ACT_NONE;
        g_ref.dwplane(&s);
        for (int r = 0; r < rows; r++) {
            double total = 0, size = 0;
            for (int i = r * out_w; i < (r + 1) * out_w; i++) {
                const float g = got[(size_t)i * v + (size_t)c];
                if (!(fabsf(g - want[i]) <= act_bound(eps * mag[i], want[i])))
                    fail_msg("%s dwplane k=%d s=%d %dx%d act=%d at %d channel %d: %.9g, reference %.9g", kn->name, kernel, stride, rows,
                             out_w, act, i, c, (double)g, (double)want[i]);
                total += (double)g, size += fabs((double)g);
            }
            if (fabs((double)sum[(size_t)r * (v + 3) + (size_t)c] - total) > out_w * (double)FLT_EPSILON * size)
                fail_msg("%s dwplane k=%d s=%d %dx%d sum of row %d", kn->name, kernel, stride, rows, out_w, r);
        }
    }
    t_guard_check(got, ny * v), t_guard_check(cut, ny * v), t_guard_check(sum, (size_t)rows * (v + 3)), t_guard_check(one, v);
    t_guard_free(got), t_guard_free(cut), t_guard_free(sum), t_guard_free(one);
    free(x), free(w), free(bias), free(x1), free(xa), free(w1), free(wa), free(want), free(mag);
}

static void test_dwplane(void **state)
{
    (void)state;
    for (int l = 0; l < g_count; l++) {
        uint64_t seed = 80000;
        for (int kernel = 1; kernel <= 9; kernel += kernel == 3 ? 1 : kernel == 4 ? 1 : 2)
            for (int stride = 1; stride <= 3; stride++)
                for (int rows = 1; rows <= 5; rows += 2 - rows % 2)
                    for (int w = 1; w <= 30; w += w < 16 ? 1 : 7, seed += 3)
                        check_dwplane(&g_levels[l], kernel, stride, rows, w, (eff_act)(seed / 3 % 6), seed);
    }
}

static void test_plane_helpers(void **state)
{
    (void)state;
    for (int l = 0; l < g_count; l++) {
        const eff_kernels *kn = &g_levels[l];
        const int vl = kn->vl, pixels = 5, ldx = vl + 3;
        float *x = t_uniform((size_t)(pixels * ldx), -1, 1, 3), s[5] = { 2, -1, 0.5f, 0, 3 };
        for (int n = 1; n <= vl; n++) {
            float *y = t_guarded((size_t)(pixels * vl));
            kn->to_plane(y, x, (size_t)ldx, n, pixels);
            for (int p = 0; p < pixels; p++)
                for (int j = 0; j < vl; j++) assert_true(y[p * vl + j] == (j < n ? x[p * ldx + j] : 0.0f));
            t_guard_check(y, (size_t)(pixels * vl));
            t_guard_free(y);
        }
        for (int width = 1; width <= ldx; width++) {
            float *y = t_guarded((size_t)(5 * width));
            kn->scale_rows(y, x, s, 5, width);
            for (int i = 0; i < 5 * width; i++) assert_true(y[i] == x[i] * s[i / width]);
            t_guard_check(y, (size_t)(5 * width));
            t_guard_free(y);
        }
        free(x);
    }
}

/* SiLU and sigmoid over all of their range against double precision: 6 ulp of the result (a sum of the table's, the quadratic's,
 * the exponent and reciprocal errors), where the result is a normal number. */
static void test_sigmoid_error(void **state)
{
    (void)state;
    enum { N = 4096 };
    for (int l = 0; l < g_count; l++) {
        double worst = 0, worst_tail = 0;
        for (int block = 0; block < 44; block++) {
            float x[N], y[N], z[N];
            for (int i = 0; i < N; i++) x[i] = y[i] = z[i] = -88.0f + 4.0f * ((float)block + (float)i / N);
            g_levels[l].act(y, N, EFF_ACT_SILU);
            g_levels[l].act(z, N, EFF_ACT_SIGMOID);
            for (int i = 0; i < N; i++) {
                if (x[i] < -80.0f || x[i] == 0.0f) continue;
                const double s = 1.0 / (1.0 + exp(-(double)x[i]));
                const double e = fmax(fabs((double)z[i] / s - 1), fabs((double)y[i] / (s * (double)x[i]) - 1));
                if (x[i] >= -15) worst = fmax(worst, e);
                else worst_tail = fmax(worst_tail, e); /* e^-x has the error of the rounded exponent: |x| eps / 2 */
            }
        }
        t_figure(worst, 6 * (double)FLT_EPSILON, "largest relative error of SiLU and sigmoid, %s", g_levels[l].name);
        t_figure(worst_tail, 40 * (double)FLT_EPSILON, "largest relative error of SiLU and sigmoid below -15, %s",
                 g_levels[l].name);
    }
}

static void test_elementwise(void **state)
{
    (void)state;
    for (int l = 0; l < g_count; l++) {
        const eff_kernels *kn = &g_levels[l];
        for (int n = 0; n < 70; n++) {
            float *x = t_uniform((size_t)n, -20, 20, 5), *y = t_uniform((size_t)n, -1, 1, 6);
            for (int a = 0; a < 6; a++) {
                float *want = t_guarded((size_t)n), *got = t_guarded((size_t)n);
                memcpy(want, x, (size_t)n * sizeof *x), memcpy(got, x, (size_t)n * sizeof *x);
                g_ref.act(want, (size_t)n, (eff_act)a);
                kn->act(got, (size_t)n, (eff_act)a);
                /* exp of both sides is within 2 ulp, relative to the result; tiny results compare absolutely */
                for (int i = 0; i < n; i++)
                    if (!(fabsf(got[i] - want[i]) <= 8 * FLT_EPSILON * fabsf(want[i]) + 1e-9f))
                        fail_msg("%s act %d of %g: %.9g, reference %.9g", kn->name, a, (double)x[i], (double)got[i], (double)want[i]);
                t_guard_check(got, (size_t)n);
                t_guard_free(want), t_guard_free(got);
            }
            float *sum = t_guarded((size_t)n);
            memcpy(sum, x, (size_t)n * sizeof *x);
            kn->add(sum, y, (size_t)n);
            for (int i = 0; i < n; i++) assert_true(sum[i] == x[i] + y[i]);
            t_guard_check(sum, (size_t)n);
            t_guard_free(sum);
            free(x), free(y);
        }
    }
}

static void test_extremes(void **state)
{
    (void)state;
    static const float in[] = { NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 88.0f, -88.0f, 104.0f, -104.0f, 1e30f, -1e30f, 3e-39f };
    for (int l = 0; l < g_count; l++)
        for (int a = 1; a < 6; a++) {
            float x[16];
            memcpy(x, in, sizeof in);
            g_levels[l].act(x, 12, (eff_act)a);
            assert_true(isnan(x[0])); /* a NaN is never hidden */
            for (int i = 1; i < 12; i++) {
                if (isinf(in[i])) continue;
                if (isnan(x[i]) || fabsf(x[i]) > fabsf(in[i]) + 1.0f)
                    if (a != EFF_ACT_HSWISH) fail_msg("%s act %d of %g gives %g", g_levels[l].name, a, (double)in[i], (double)x[i]);
            }
        }
}

static void test_mean_scale(void **state)
{
    (void)state;
    static const int shapes[][3] = { { 1, 1, 1 }, { 7, 7, 320 }, { 3, 5, 17 }, { 13, 2, 33 }, { 56, 56, 24 }, { 1, 97, 8 } };
    for (int l = 0; l < g_count; l++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            const int h = shapes[s][0], w = shapes[s][1], c = shapes[s][2];
            const size_t px = (size_t)h * (size_t)w, n = px * (size_t)c;
            float *x = t_uniform(n, -1, 3, 50 + s), *f = t_uniform((size_t)c, -2, 2, 60 + s), *got = t_guarded((size_t)c);
            for (int c0 = 0; c0 < c; c0 += 16) g_levels[l].mean(got, x, h, w, c, c0, c - c0 < 16 ? c - c0 : 16);
            for (int j = 0; j < c; j++) {
                double sum = 0, mag = 0;
                for (size_t p = 0; p < px; p++) sum += (double)x[p * (size_t)c + (size_t)j], mag += fabs((double)x[p * (size_t)c + (size_t)j]);
                /* w additions in a row, h over rows, one division */
                if (fabs((double)got[j] - sum / (double)px) > (h + w + 2) * (double)FLT_EPSILON * mag / (double)px)
                    fail_msg("%s mean %dx%dx%d channel %d", g_levels[l].name, h, w, c, j);
            }
            t_guard_check(got, (size_t)c);
            float *y = t_guarded(n);
            memcpy(y, x, n * sizeof *x);
            g_levels[l].scale(y, f, px, c);
            for (size_t i = 0; i < n; i++) assert_true(y[i] == x[i] * f[i % (size_t)c]);
            t_guard_check(y, n);
            t_guard_free(got), t_guard_free(y);
            free(x), free(f);
        }
}

/* Patches against the definition, pixel by pixel. */
static void test_patches(void **state)
{
    (void)state;
    for (int kernel = 1; kernel <= 7; kernel += 2)
        for (int stride = 1; stride <= 2; stride++)
            for (int pad = 0; pad <= kernel / 2; pad++) {
                const int h = 9, w = 7, c = 3, oh = (h + 2 * pad - kernel) / stride + 1, ow = (w + 2 * pad - kernel) / stride + 1;
                if (oh < 1 || ow < 1) continue;
                float *x = t_uniform((size_t)(h * w * c), -1, 1, 3);
                const size_t depth = (size_t)(kernel * kernel * c);
                float *got = t_guarded(depth * (size_t)(oh * ow));
                const eff_patches p = { x, h, w, c, ow, kernel, stride, pad, pad };
                eff_patches_gather(got, &p, 0, oh * ow);
                for (int i = 0; i < oh * ow; i++)
                    for (int t = 0; t < kernel * kernel; t++)
                        for (int j = 0; j < c; j++) {
                            const int y = i / ow * stride - pad + t / kernel, z = i % ow * stride - pad + t % kernel;
                            const float want = y < 0 || y >= h || z < 0 || z >= w ? 0.0f : x[(y * w + z) * c + j];
                            assert_true(got[(size_t)i * depth + (size_t)(t * c + j)] == want);
                        }
                t_guard_check(got, depth * (size_t)(oh * ow));
                t_guard_free(got);
                free(x);
            }
}

int main(void)
{
    find_levels();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm),     cmocka_unit_test(test_dwconv),  cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_plane_gemm), cmocka_unit_test(test_dwplane), cmocka_unit_test(test_plane_helpers), cmocka_unit_test(test_sigmoid_error),
        cmocka_unit_test(test_extremes), cmocka_unit_test(test_mean_scale), cmocka_unit_test(test_patches),
        cmocka_unit_test(test_bands),    cmocka_unit_test(test_maxpool),  cmocka_unit_test(test_winograd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
