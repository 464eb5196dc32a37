/* SPDX-License-Identifier: Apache-2.0 */
/* Training kernels of every CPU level against the reference, at shapes that break SIMD, with bounds from the sums of magnitudes. */
#include "support.h"

#include "base/cpu.h"
#include "kernels/kernels.h"
#include "kernels/train.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct level {
    eff_train_kernels k;
    int vl;
} level;

static level g_levels[4];
static int g_count;
static eff_train_kernels g_ref;

static void find_levels(void)
{
    eff_train_kernels_init_ref(&g_ref);
    unsigned have;
    eff_error err;
    if (eff_cpu_select(NULL, &have, &err) != EFF_OK) exit(2);
#if defined(__x86_64__)
    if (have & EFF_CPU_AVX2) {
        g_levels[g_count].vl = 8;
        eff_train_kernels_init_avx2(&g_levels[g_count++].k);
        g_levels[g_count].vl = 16;
        eff_train_kernels_init_avx512_lowered(&g_levels[g_count++].k);
    }
    if (have & EFF_CPU_AVX512) {
        g_levels[g_count].vl = 16;
        eff_train_kernels_init_avx512(&g_levels[g_count++].k);
    }
#elif defined(__aarch64__)
    if (have & EFF_CPU_NEON) {
        g_levels[g_count].vl = 4;
        eff_train_kernels_init_neon(&g_levels[g_count++].k);
    }
#endif
    g_levels[g_count].vl = 1;
    eff_train_kernels_init_ref(&g_levels[g_count++].k);
    printf("levels:");
    for (int i = 0; i < g_count; i++) printf(" %s", g_levels[i].k.name);
    printf("\n");
}

/* |got - want| <= 2 n eps * magnitude, where magnitude is the same sum of absolute values */
static void near_sum(const char *what, const float *got, const float *want, const float *mag, size_t n, int terms)
{
    const double eps = 2.0 * (terms + 4) * (double)FLT_EPSILON;
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= eps * (double)mag[i] + 1e-30))
            fail_msg("%s at %zu: %.9g, reference %.9g", what, i, (double)got[i], (double)want[i]);
}

/* The same for sums of two floats, in which only a block of eight pixels rounds, however many there are. */
static void near_pair(const char *what, const float *got, const float *want, const float *mag, size_t n, int terms)
{
    const double eps = 2.0 * (terms + 12) * (double)FLT_EPSILON;
    for (size_t i = 0; i < n; i++) {
        const double mine = (double)got[i] + (double)got[n + i], theirs = (double)want[i] + (double)want[n + i];
        if (!(fabs(mine - theirs) <= eps * (double)mag[i] + 1e-30)) fail_msg("%s at %zu: %.9g, reference %.9g", what, i, mine, theirs);
    }
}

static float *absolute(const float *v, size_t n)
{
    float *a = malloc((n + 1) * sizeof *a);
    for (size_t i = 0; i < n; i++) a[i] = fabsf(v[i]);
    return a;
}

static void test_outer(void **state)
{
    (void)state;
    static const int ms[] = { 1, 3, 4, 5, 8, 9, 17, 24 }, ns[] = { 1, 7, 8, 9, 16, 17, 24, 47, 48, 49, 96, 100 }, ks[] = { 1, 2, 49, 131 };
    for (int l = 0; l < g_count; l++)
        for (size_t a = 0; a < sizeof ms / sizeof *ms; a++)
            for (size_t b = 0; b < sizeof ns / sizeof *ns; b++)
                for (size_t c = 0; c < sizeof ks / sizeof *ks; c++) {
                    const int m = ms[a], n = ns[b], k = ks[c];
                    const size_t na = (size_t)(m * k), nb = (size_t)(n * k), nc = (size_t)(m * n);
                    float *x = t_uniform(na, -1, 1, 1), *y = t_uniform(nb, -1, 1, 2), *start = t_uniform(nc, -1, 1, 3);
                    float *ax = absolute(x, na), *ay = absolute(y, nb), *as = absolute(start, nc);
                    float *got = t_guarded(nc), *want = t_guarded(nc), *mag = t_guarded(nc);
                    memcpy(got, start, nc * 4), memcpy(want, start, nc * 4), memcpy(mag, as, nc * 4);
                    eff_outer g = { x, y, got, (size_t)m, (size_t)n, (size_t)n, m, n, k, 0 };
                    g_levels[l].k.outer(&g);
                    g.c = want;
                    g_ref.outer(&g);
                    const eff_outer h = { ax, ay, mag, (size_t)m, (size_t)n, (size_t)n, m, n, k, 0 };
                    g_ref.outer(&h);
                    near_sum("outer", got, want, mag, nc, k);
                    for (size_t i = 0; i < nc; i++) got[i] = want[i] = NAN; /* fresh: what is there is not read */
                    g.fresh = 1, g.c = got;
                    g_levels[l].k.outer(&g);
                    g.c = want;
                    g_ref.outer(&g);
                    near_sum("fresh outer", got, want, mag, nc, k);
                    t_guard_check(got, nc);
                    t_guard_free(got), t_guard_free(want), t_guard_free(mag);
                    free(x), free(y), free(start), free(ax), free(ay), free(as);
                }
}

static void test_affine(void **state)
{
    (void)state;
    static const int cs[] = { 1, 7, 8, 9, 15, 16, 17, 24, 33 }, ps[] = { 1, 2, 7, 8, 9, 50, 3001 };
    for (int l = 0; l < g_count; l++)
        for (size_t a = 0; a < sizeof cs / sizeof *cs; a++)
            for (size_t b = 0; b < sizeof ps / sizeof *ps - (size_t)t_brief(); b++)
                for (int act = 0; act < 6; act++) {
                    const eff_train_kernels *k = &g_levels[l].k;
                    const int c = cs[a];
                    const size_t px = (size_t)ps[b], n = px * (size_t)c, sc = (size_t)c;
                    float *z = t_uniform(n, -6, 6, 1), *scale = t_uniform(sc, -2, 2, 2), *shift = t_uniform(sc, -1, 1, 3);
                    float *mean = t_uniform(sc, -1, 1, 4), *d = t_uniform(n, -1, 1, 5), *e = t_uniform(n, -1, 1, 6);
                    float *got = t_guarded(n), *want = t_guarded(n);
                    for (int gated = 0; gated < 2; gated++) {
                        const float *gate = gated ? mean : NULL;
                        k->affine_act(got, z, scale, shift, gate, px, c, (eff_act)act);
                        g_ref.affine_act(want, z, scale, shift, gate, px, c, (eff_act)act);
                        for (size_t i = 0; i < n; i++) { /* the affine part rounds twice at |scale z| <= 12, the activation a few ulp */
                            const double bound = 1.2 * 4 * (double)FLT_EPSILON * 13 + 9 * (double)FLT_EPSILON * fabs((double)want[i]);
                            if (!(fabs((double)got[i] - (double)want[i]) <= bound)) fail_msg("%s affine_act %d", k->name, act);
                        }
                    }
                    t_guard_check(got, n);
                    /* backward: keep away from the kinks, where one rounding decides */
                    float *s1 = t_guarded(2 * sc), *s2 = t_guarded(2 * sc), *w1 = t_guarded(2 * sc), *w2 = t_guarded(2 * sc);
                    float *m1 = calloc(sc, 4), *m2 = calloc(sc, 4);
                    for (size_t i = 0; i < n; i++) {
                        const float y = scale[i % sc] * z[i] + shift[i % sc];
                        if (fabsf(y) < 1e-3f || fabsf(y - 6) < 1e-3f || fabsf(fabsf(y) - 3) < 1e-3f) d[i] = 0;
                    }
                    float *y = t_guarded(n), *y_ref = t_guarded(n);
                    for (int form = 0; form < 4; form++) { /* with and without the gate, with and without y */
                        eff_act_back v = { .d = got, .z = z, .y = form & 1 ? y : NULL, .scale = scale, .shift = shift, .mean = mean,
                                           .gate = form & 2 ? shift : NULL, .add = form & 2 ? mean : NULL, .s1 = s1, .s2 = s2,
                                           .pixels = px, .c = c, .act = (eff_act)act };
                        eff_act_back r = v;
                        r.d = want, r.y = form & 1 ? y_ref : NULL, r.s1 = w1, r.s2 = w2;
                        memcpy(got, form & 2 ? e : d, n * 4), memcpy(want, form & 2 ? e : d, n * 4);
                        for (size_t i = 0; form & 2 && i < n; i++) /* near a kink: next to nothing goes back */
                            if (d[i] == 0) got[i] = want[i] = -mean[i % sc] / shift[i % sc];
                        for (size_t j = 0; j < sc; j++) s1[j] = w1[j] = 0.5f, s2[j] = w2[j] = -0.25f, m1[j] = 0.5f, m2[j] = 0.25f;
                        for (size_t j = sc; j < 2 * sc; j++) s1[j] = w1[j] = s2[j] = w2[j] = 1e-9f;
                        k->act_back(&v);
                        g_ref.act_back(&r);
                        for (size_t i = 0; i < n; i++) {
                            /* |d| <= 2; |act''| <= 0.5 times the rounding of x, and a few ulp of the slope, which is below 1.2 */
                            const double top = form & 2 ? 2 : 1, eps = (double)FLT_EPSILON;
                            if (!(fabs((double)got[i] - (double)want[i]) <= top * (0.5 * 4 * 13 + 20) * eps))
                                fail_msg("%s act_back %d: %.9g, reference %.9g", k->name, act, (double)got[i], (double)want[i]);
                            if (form & 1 && !(fabs((double)y[i] - (double)y_ref[i]) <= 1.2 * 4 * 13 * eps + 9 * eps * fabs((double)y_ref[i])))
                                fail_msg("%s act_back's y %d: %.9g, reference %.9g", k->name, act, (double)y[i], (double)y_ref[i]);
                            m1[i % sc] += (float)top * 1.2f, m2[i % sc] += (float)top * 1.2f * 8;
                        }
                        near_pair("s1", s1, w1, m1, sc, 60);
                        near_pair("s2", s2, w2, m2, sc, 60);
                        t_guard_check(got, n), t_guard_check(s1, 2 * sc), t_guard_check(s2, 2 * sc), t_guard_check(y, n);
                    }
                    t_guard_free(y), t_guard_free(y_ref);
                    /* three roundings of terms below 1 + 12 + 1 */
                    k->affine2(got, d, z, scale, mean, shift, px, c);
                    g_ref.affine2(want, d, z, scale, mean, shift, px, c);
                    for (size_t i = 0; i < n; i++) assert_true(fabs((double)got[i] - (double)want[i]) <= 4 * 14 * (double)FLT_EPSILON);
                    t_guard_check(got, n);
                    for (size_t j = 0; j < sc; j++) m1[j] = 7.0f * (float)px, m2[j] = 49.0f * (float)px;
                    for (size_t j = 0; j < 2 * sc; j++) s1[j] = w1[j] = s2[j] = w2[j] = 0;
                    k->moments(z, mean, px, c, s1, s2);
                    g_ref.moments(z, mean, px, c, w1, w2);
                    near_pair("moments", s1, w1, m1, sc, 2);
                    near_pair("moments 2", s2, w2, m2, sc, 2);
                    k->column_dot(z, e, px, c, s1), g_ref.column_dot(z, e, px, c, w1);
                    k->column_dot(z, NULL, px, c, s1), g_ref.column_dot(z, NULL, px, c, w1);
                    for (size_t j = 0; j < sc; j++) m1[j] *= 3;
                    near_sum("column_dot", s1, w1, m1, sc, 3 * (int)px + 4);
                    t_guard_check(s1, 2 * sc), t_guard_check(s2, 2 * sc);
                    t_guard_free(got), t_guard_free(want), t_guard_free(s1), t_guard_free(s2), t_guard_free(w1), t_guard_free(w2);
                    free(z), free(scale), free(shift), free(mean), free(d), free(e), free(m1), free(m2);
                }
}

static void pad_axis(int same, int n, int k, int s, int *out, int *before)
{
    *before = k / 2;
    *out = (n + 2 * *before - k) / s + 1;
    if (!same) return;
    *out = (n + s - 1) / s;
    const int total = (*out - 1) * s + k - n;
    *before = total > 0 ? total / 2 : 0;
}

static float *pack(const float *w, int taps, int c, int vl)
{
    const size_t pc = (size_t)((c + vl - 1) / vl * vl);
    float *p = aligned_alloc(64, (pc * (size_t)taps * 4 + 127) / 64 * 64);
    memset(p, 0, pc * (size_t)taps * 4);
    for (int t = 0; t < taps; t++) memcpy(p + (size_t)t * pc, w + (size_t)(t * c), (size_t)c * 4);
    return p;
}

static void check_depthwise(const level *l, int h, int w, int c, int kernel, int stride, int same)
{
    const int taps = kernel * kernel;
    eff_dw_back d = { .h = h, .w_in = w, .c = c, .kernel = kernel, .stride = stride };
    pad_axis(same, h, kernel, stride, &d.out_h, &d.pad_top);
    pad_axis(same, w, kernel, stride, &d.out_w, &d.pad_left);
    const size_t nx = (size_t)(h * w * c), ny = (size_t)(d.out_h * d.out_w * c), nw = (size_t)(taps * c);
    float *x = t_uniform(nx, -1, 1, 1), *dy = t_uniform(ny, -1, 1, 2), *k = t_uniform(nw, -1, 1, 3);
    float *ax = absolute(x, nx), *ady = absolute(dy, ny), *ak = absolute(k, nw);
    float *dx = t_guarded(nx), *dx_ref = t_guarded(nx), *dx_mag = t_guarded(nx);
    float *dw_ref = calloc(nw, 4), *dw_mag = calloc(nw, 4), *start = calloc(nw, 4);
    float *pk = pack(k, taps, c, l->vl), *dw = pack(start, taps, c, l->vl);
    eff_dw_back r = d, m = d;
    d.x = x, d.dy = dy, d.w = pk, d.dx = dx, d.dw = dw;
    r.x = x, r.dy = dy, r.w = k, r.dx = dx_ref, r.dw = dw_ref;
    m.x = ax, m.dy = ady, m.w = ak, m.dx = dx_mag, m.dw = dw_mag;
    l->k.dw_dx(&d), g_ref.dw_dx(&r), g_ref.dw_dx(&m);
    near_sum("dw_dx", dx, dx_ref, dx_mag, nx, taps);
    t_guard_check(dx, nx);
    l->k.dw_dw(&d), g_ref.dw_dw(&r), g_ref.dw_dw(&m);
    const size_t pc = (size_t)((c + l->vl - 1) / l->vl * l->vl);
    for (int t = 0; t < taps; t++)
        near_sum("dw_dw", dw + (size_t)t * pc, dw_ref + t * c, dw_mag + t * c, (size_t)c, d.out_h * d.out_w);
    t_guard_free(dx), t_guard_free(dx_ref), t_guard_free(dx_mag);
    free(x), free(dy), free(k), free(ax), free(ady), free(ak), free(dw_ref), free(dw_mag), free(start), free(pk), free(dw);
}

static void test_depthwise(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 2, 5 }, { 7, 7 }, { 12, 9 }, { 5, 31 } }, cs[] = { 1, 7, 8, 9, 16, 17, 24 };
    for (int l = 0; l < g_count; l++)
        for (int kernel = 1; kernel <= 9; kernel += 2)
            for (int stride = 1; stride <= 3; stride++)
                for (int same = 0; same < 2; same++)
                    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                        for (size_t c = 0; c < sizeof cs / sizeof *cs; c++)
                            check_depthwise(&g_levels[l], sizes[s][0], sizes[s][1], cs[c], kernel, stride, same);
}

/* Both packings against the definition: entry (depth d, column j) of what a kernel multiplies. */
static void test_packing(void **state)
{
    (void)state;
    static const int shapes[][3] = { { 10, 3, 9 }, { 48, 17, 1 }, { 49, 8, 1 }, { 5, 50, 4 } };
    eff_kernels k[3];
    int n = 0;
    eff_kernels_init_ref(&k[n++]);
#if defined(__x86_64__)
    if (eff_cpu_detect() & EFF_CPU_AVX2) {
        eff_kernels_init_avx2(&k[n++]);
        eff_kernels_init_avx512_lowered(&k[n++]); /* packing is the same as the real one's */
    }
#elif defined(__aarch64__)
    if (eff_cpu_detect() & EFF_CPU_NEON) eff_kernels_init_neon(&k[n++]);
#endif
    for (int i = 0; i < n; i++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            const int out = shapes[s][0], in = shapes[s][1], taps = shapes[s][2];
            float *w = t_uniform((size_t)(out * in * taps), -1, 1, 9);
            for (int back = 0; back < 2; back++) {
                const int cols = back ? taps * in : out, depth = back ? out : taps * in;
                float *p = t_guarded(eff_gemm_packed_size(&k[i], cols, depth));
                if (back) eff_gemm_pack_conv_back(&k[i], p, w, out, in, taps);
                else eff_gemm_pack_conv(&k[i], p, w, out, in, taps, NULL);
                t_guard_check(p, eff_gemm_packed_size(&k[i], cols, depth));
                const int padded = (int)eff_padded(&k[i], cols);
                for (int j = 0, q = 0; j < padded; j++) {
                    if (j == eff_gemm_group_start(&k[i], cols, q + 1)) q++;
                    const int g = eff_gemm_group_start(&k[i], cols, q), gw = eff_gemm_group_start(&k[i], cols, q + 1) - g;
                    assert_true(gw > 0 && gw <= k[i].vl * k[i].group);
                    for (int d = 0; d < depth; d++) {
                        const float got = p[(size_t)g * (size_t)depth + (size_t)(d * gw + j - g)];
                        const int o = back ? d : j, e = back ? j : d; /* e = tap * in + channel */
                        const float want = j < cols ? w[(o * in + e % in) * taps + e / in] : 0.0f;
                        assert_true(got == want);
                    }
                }
                t_guard_free(p);
            }
            free(w);
        }
}

int main(void)
{
    find_levels();
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_outer), cmocka_unit_test(test_affine),
                                        cmocka_unit_test(test_depthwise), cmocka_unit_test(test_packing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
