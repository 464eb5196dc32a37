/* SPDX-License-Identifier: Apache-2.0 */
/* bfloat16: rounding against its definition, the fast kernels against the readable ones on shapes that break SIMD, and
 * whole networks against float32. A product of two bfloat16 is exact in float32, so the bound is that of a sum: n
 * products and the start round at most n + 1 times on each side, |difference| <= 2 (n + 1) eps * sum |a||b|. Where the
 * CPU has no bfloat16, the readable kernels run the networks. */
#include "support.h"

#include "base/cpu.h"
#include "infer/plan.h"
#include "kernels/bf16.h"
#include "kernels/kernels.h"
#include "model/model.h"

#include <effnet/effnet.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static eff_kernels g_ref, g_fast;
static bool g_have;

static float *aligned(size_t n) { return aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64); }

/* ------------------------------------------------------------------------------------------- rounding */

static void rounding(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1 << 20; i += t_brief() ? 16 : 1) {
        const uint32_t u = i * 2654435761u; /* all exponents and signs, mantissas of every kind */
        float x;
        memcpy(&x, &u, sizeof x);
        const uint16_t r = eff_bf16_round(x);
        const float y = eff_bf16_value(r);
        if (x != x) {
            assert_true(y != y);
            continue;
        }
        if (isinf(x)) {
            assert_true(y == x);
            continue;
        }
        const double up = (double)eff_bf16_value((uint16_t)(r + 1)), down = (double)eff_bf16_value((uint16_t)(r - 1));
        if (!isfinite(y) || !isfinite(up) || !isfinite(down) || (r & 0x7fff) == 0) continue;
        const double d = fabs((double)x - (double)y), other = fmin(fabs((double)x - up), fabs((double)x - down));
        if (d > other || (d == other && r % 2)) fail_msg("%a is rounded to %a", (double)x, (double)y);
    }
    assert_int_equal(eff_bf16_round(3.4e38f), 0x7f80);     /* beyond the largest: infinity */
    assert_int_equal(eff_bf16_round(1.00390625f), 0x3f80); /* ties go to even */
    assert_int_equal(eff_bf16_round(1.01171875f), 0x3f82);
}

/* The fast rounding to the bit, and no byte beside what it writes. Rows of any width, so all offsets and tails. */
static void rounded_rows(void **state)
{
    (void)state;
    if (!g_have) skip();
    for (int n = 1; n <= 67; n++)
        for (int rows = 1; rows <= 5; rows++) {
            const size_t words = (size_t)rows * (size_t)((n + 1) / 2);
            float *x = t_uniform((size_t)(rows * n), -3, 3, (uint64_t)n);
            if (n > 2) x[1] = INFINITY, x[n - 1] = 1.00390625f;
            float *want = t_guarded(words), *got = t_guarded(words);
            g_ref.round_rows(want, x, (size_t)rows, n);
            g_fast.round_rows(got, x, (size_t)rows, n);
            assert_memory_equal(want, got, words * sizeof *want);
            t_guard_check(got, words);
            t_guard_free(want), t_guard_free(got);
            free(x);
        }
}

static void rounded_planes(void **state)
{
    (void)state;
    if (!g_have) skip();
    const int vl = g_fast.vl, pixels = 5;
    for (int n = 1; n <= 3 * vl; n++)
        for (int scaled = 0; scaled < 2; scaled++) {
            const int padded = (int)eff_padded(&g_fast, n), ld = padded / 2 + 3;
            const size_t step = (size_t)(pixels + 2) * (size_t)vl, words = (size_t)(pixels * ld);
            float *planes = t_uniform((size_t)(padded / vl) * step, -3, 3, 5), *s = t_uniform((size_t)padded, -2, 2, 6);
            float *got = t_guarded(words);
            memset(got, 0, words * sizeof *got);
            g_fast.round_planes(got, (size_t)ld, planes, step, scaled ? s : NULL, n, pixels);
            for (int p = 0; p < pixels; p++)
                for (int c = 0; c < n; c++) {
                    const float x =
                        planes[(size_t)(c / vl) * step + (size_t)(p * vl + c % vl)] * (scaled ? s[c] : 1.0f);
                    assert_true(eff_bf16_half(&got[p * ld + c / 2], c % 2) == eff_bf16_value(eff_bf16_round(x)));
                }
            for (int p = 0; p < pixels; p++)
                for (int i = padded / 2; i < ld; i++) assert_true(got[p * ld + i] == 0.0f);
            t_guard_check(got, words);
            t_guard_free(got);
            free(planes), free(s);
        }
}

/* ------------------------------------------------------------------------------------------- products */

typedef struct gemm_case {
    int m, k, n; /* k: values */
    eff_act act;
    int residual, planes, runs; /* C as planes; A in so many runs */
} gemm_case;

/* One product of the operands, packed for kn; c is [m][n], or planes of kn's vectors. */
static void run_gemm(const eff_kernels *kn, const gemm_case *t, const float *rows, const float *w, const float *bias,
                     const float *res, float *c, int row_step, int group_step, int slabs)
{
    const int depth = (t->k + 1) / 2, groups = eff_gemm_groups(kn, t->n), run = (depth + t->runs - 1) / t->runs;
    float *b = aligned(eff_gemm_packed_size(kn, t->n, depth)), *pb = aligned(eff_padded(kn, t->n));
    float *a = aligned((size_t)t->m * (size_t)(run * t->runs)); /* run after run, all rows of it */
    eff_gemm_pack_bf16(kn, b, w, t->n, t->k, NULL);
    memset(pb, 0, eff_padded(kn, t->n) * sizeof *pb);
    memcpy(pb, bias, (size_t)t->n * sizeof *pb);
    for (int i = 0; i < t->m; i++)
        for (int k = 0; k < depth; k++) a[(k / run * t->m + i) * run + k % run] = rows[i * depth + k];
    const size_t plane = (size_t)(t->m * kn->vl);
    for (int i = 0; i < t->m; i += row_step)
        for (int q = 0; q < groups; q += group_step) {
            const int first = eff_gemm_group_start(kn, t->n, q);
            eff_gemm g = { .a = a + (size_t)(i * run),
                           .lda = (size_t)run,
                           .a_step = (size_t)(t->m * run),
                           .run = run,
                           .b = b,
                           .bias = pb,
                           .res = t->residual ? res + (size_t)(i * t->n) : NULL,
                           .ldr = (size_t)t->n,
                           .k = depth,
                           .n = t->n,
                           .m = t->m - i < row_step ? t->m - i : row_step,
                           .c = t->planes ? c + (size_t)(first / kn->vl) * plane + (size_t)(i * kn->vl)
                                          : c + (size_t)(i * t->n),
                           .ldc = (size_t)(t->planes ? kn->vl : t->n),
                           .c_step = t->planes ? plane : 0,
                           .group0 = q,
                           .groups = groups - q < group_step ? groups - q : group_step,
                           .act = t->act,
                           .res_after = t->residual == 2 };
            for (; g.from < depth; g.from = g.until) {
                g.until = slabs && depth - g.from > run ? g.from + run : depth;
                kn->gemm_bf16(&g);
            }
        }
    free(a), free(b), free(pb);
}

static float at(const eff_kernels *kn, const gemm_case *t, const float *c, int i, int j)
{
    return t->planes ? c[(size_t)(j / kn->vl) * (size_t)(t->m * kn->vl) + (size_t)(i * kn->vl + j % kn->vl)]
                     : c[i * t->n + j];
}

static float *rounded(const float *x, int rows, int n)
{
    float *y = aligned((size_t)rows * (size_t)((n + 1) / 2));
    g_ref.round_rows(y, x, (size_t)rows, n);
    return y;
}

static void make_absolute(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = fabsf(x[i]);
}

static void check_gemm(gemm_case t, uint64_t seed)
{
    const size_t na = (size_t)(t.m * t.k), nw = (size_t)(t.n * t.k), plain = (size_t)(t.m * t.n);
    const size_t nc = t.planes ? (size_t)t.m * eff_padded(&g_fast, t.n) : plain;
    float *x = t_uniform(na, -1, 1, seed), *w = t_uniform(nw, -1, 1, seed + 1);
    float *bias = t_uniform((size_t)t.n, -1, 1, seed + 2), *res = t_uniform(plain, -1, 1, seed + 3);
    float *rows = rounded(x, t.m, t.k), *want = aligned(plain), *mag = aligned(plain);
    float *got = t_guarded(nc), *cut = t_guarded(nc);
    run_gemm(&g_ref, &t, rows, w, bias, res, want, t.m, 1 << 20, 0);
    run_gemm(&g_fast, &t, rows, w, bias, res, got, t.m, 1 << 20, 0);
    run_gemm(&g_fast, &t, rows, w, bias, res, cut, t.m > 3 ? t.m / 3 + 1 : 1, 1, 1); /* another cut: the same bits */
    assert_memory_equal(got, cut, nc * sizeof *got);
    t_guard_check(got, nc);
    t_guard_check(cut, nc);
    make_absolute(x, na), make_absolute(w, nw), make_absolute(bias, (size_t)t.n), make_absolute(res, plain);
    gemm_case size = t;
    size.act = EFF_ACT_NONE;
    float *abs_rows = rounded(x, t.m, t.k);
    run_gemm(&g_ref, &size, abs_rows, w, bias, res, mag, t.m, 1 << 20, 0);
    const float eps = 2.0f * (float)(t.k + 2) * FLT_EPSILON;
    for (int i = 0; i < t.m; i++)
        for (int j = 0; j < t.n; j++) {
            /* a reference plane is one channel: transposed */
            const float ref = at(&g_ref, &t, want, i, j), value = at(&g_fast, &t, got, i, j);
            const float err = eps * at(&g_ref, &t, mag, i, j);
            if (!(fabsf(value - ref) <= 1.2f * err + 8.0f * FLT_EPSILON * (fabsf(ref) + 1e-6f)))
                fail_msg("m=%d k=%d n=%d act=%d res=%d planes=%d runs=%d at %d,%d: %.9g, reference %.9g (seed %llu)",
                         t.m, t.k, t.n, t.act, t.residual, t.planes, t.runs, i, j, (double)value, (double)ref,
                         (unsigned long long)seed);
        }
    t_guard_free(got), t_guard_free(cut);
    free(x), free(w), free(bias), free(res), free(rows), free(abs_rows), free(want), free(mag);
}

static void products(void **state)
{
    (void)state;
    if (!g_have || t_brief()) skip(); /* no thread here */
    static const int ms[] = { 1, 2, 6, 7, 8, 13, 15, 29 };
    static const int ns[] = { 1, 7, 15, 16, 17, 24, 33, 47, 48, 49, 80, 130 };
    static const int ks[] = { 1, 2, 3, 8, 27, 66 };
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
        for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
            for (size_t k = 0; k < sizeof ks / sizeof *ks; k++, seed += 4) {
                const int turn = (int)(seed / 4), planes = turn % 5 == 0;
                check_gemm((gemm_case){ ms[i], ks[k], ns[j], (eff_act)(turn % 6), planes ? 0 : turn % 3, planes,
                                        1 + turn % 4 },
                           seed);
            }
    check_gemm((gemm_case){ 49, 1152, 192, EFF_ACT_NONE, 1, 0, 1 }, 9001);
    check_gemm((gemm_case){ 49, 192, 1152, EFF_ACT_SILU, 0, 1, 1 }, 9101);
}

/* ------------------------------------------------------------------------------------------- networks */

static void run_plan(const eff_model *m, const eff_graph *g, const eff_kernels *k, int threads, int keep_all,
                     const float *x, float *logits)
{
    eff_error err = { 0 };
    eff_plan *p;
    eff_pool *pool;
    T_OK(eff_plan_create(&p, g, m->weights, k, threads, keep_all, &err), err);
    T_OK(eff_pool_create(&pool, threads, &err), err);
    for (int i = 0; i < 2; i++) eff_plan_run(p, pool, x, logits); /* the second run finds what the first has left */
    eff_pool_free(pool);
    eff_plan_free(p);
}

static double distance(const float *a, const float *b, int n)
{
    double worst = 0, size = 0;
    for (int i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) worst = d;
        size = fmax(size, fabs((double)b[i]));
    }
    return worst / size;
}

/* Fused and layer by layer, kernels that are there, any number of workers; odd channels, strides, k x k convolutions.
 * An operand is off by 2^-9 of itself at most, each differently, and these small networks of random weights put out
 * logits that are off by 0.5 to 2.2 % of the largest; an operator that were wrong would put them off by tens of
 * percent. */
static void networks(void **state)
{
    (void)state;
    static const char *const specs[] = { "efficientnet-b0@width=0.5,depth=0.5,classes=9",
                                         "efficientnet-b0@width=0.35,divisor=1,depth=0.5,classes=9",
                                         "efficientnet-edgetpu-s@width=0.25,classes=9",
                                         "efficientnet-v2-b0@width=0.5,padding=symmetric,classes=9",
                                         "resnet18@width=0.25,classes=9",
                                         "resnet50@width=0.125,classes=9",
                                         "mobilenetv2-0.35@classes=9",
                                         "mnasnet-a1@width=0.5,classes=9",
                                         "efficientnet-lite0@width=0.5,classes=9" };
    eff_kernels plain;
    eff_kernels_init(&plain, eff_cpu_detect());
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i += t_brief() ? 3 : 1) {
        eff_error err = { 0 };
        eff_table t;
        eff_model *m;
        eff_graph *g;
        float want[9], got[9], again[9];
        const int h = 65 - 16 * (int)(i % 2), w = 49 + 16 * (int)(i % 3);
        T_OK(eff_table_builtin(&t, specs[i], &err), err);
        T_OK(eff_model_new(&m, &t, &err), err);
        T_OK(eff_model_init(m, 3, &err), err);
        T_OK(eff_graph_build(&g, &t, h, w, &err), err);
        float *x = t_uniform((size_t)h * (size_t)w * 3, -2, 2, 11);
        run_plan(m, g, &plain, 1, 0, x, want);
        const eff_kernels *const k[] = { &g_ref, &g_fast };
        for (int which = 0; which < 1 + g_have; which++)
            for (int keep = 0; keep < 2; keep++) {
                run_plan(m, g, k[which], 1, keep, x, got);
                const double d = distance(got, want, 9);
                printf("%-58s %-10s %s: %.1e of the largest logit\n", specs[i], k[which]->name,
                       keep ? "layers" : "fused ", d);
                if (!(d <= 0.05)) fail_msg("%s, %s: %.3g of the largest logit", specs[i], k[which]->name, d);
                assert_true(d > 1e-5); /* it is not float32 */
                for (int threads = 2; which == g_have && threads <= 4; threads++) {
                    run_plan(m, g, k[which], threads, keep, x, again);
                    assert_memory_equal(got, again, sizeof got);
                }
            }
        free(x);
        eff_graph_free(g);
        eff_model_free(m);
    }
}

/* Asked for by the public interface: weights take about half of the memory where there is bfloat16, and one line says
 * so where there is not. */
static void engines(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m;
    eff_engine *e = NULL;
    eff_engine_opts o;
    eff_engine_opts_init(&o);
    T_OK(eff_model_load(&m, "b0@resolution=64", NULL, &err), err);
    T_OK(eff_model_init(m, 1, &err), err);
    o.threads = 1;
    o.precision = EFF_BFLOAT16;
    o.cpu = "avx512";
    assert_int_equal(eff_engine_create(&e, m, &o, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "AVX512_BF16"));
    o.precision = (eff_precision)7;
    assert_int_equal(eff_engine_create(&e, m, &o, &err), EFF_EARG);
    assert_null(e);
    o.precision = EFF_BFLOAT16;
    o.cpu = "avx512bf16";
    if (eff_cpu_detect() & EFF_CPU_AVX512BF16) { /* what is asked for by name is not capped by EFFNET_CPU */
        T_OK(eff_engine_create(&e, m, &o, &err), err);
        assert_string_equal(eff_engine_cpu(e), "avx512bf16");
        assert_int_equal(eff_engine_precision(e), EFF_BFLOAT16);
        eff_engine_free(e);
    } else
        assert_int_equal(eff_engine_create(&e, m, &o, &err), EFF_EARG);
    eff_plan *half, *whole;
    eff_kernels k;
    eff_kernels_init(&k, 0);
    T_OK(eff_plan_create(&whole, m->graph, NULL, &k, 1, 0, &err), err);
    T_OK(eff_plan_create(&half, m->graph, NULL, &g_ref, 1, 0, &err), err);
    const double share = (double)eff_plan_weight_bytes(half) / (double)eff_plan_weight_bytes(whole);
    assert_true(share > 0.5 && share < 0.62); /* SE, depthwise weights and biases stay */
    eff_plan_free(half);
    eff_plan_free(whole);
    eff_model_free(m);
}

int main(void)
{
    unsigned have;
    eff_error err;
    if (eff_cpu_select(NULL, &have, &err) != EFF_OK) return 2;
    g_have = have & EFF_CPU_AVX512BF16;
    eff_kernels_init_bf16(&g_ref, 0);
    eff_kernels_init_bf16(&g_fast, have);
    const struct CMUnitTest tests[] = { cmocka_unit_test(rounding),       cmocka_unit_test(rounded_rows),
                                        cmocka_unit_test(rounded_planes), cmocka_unit_test(products),
                                        cmocka_unit_test(networks),       cmocka_unit_test(engines) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
