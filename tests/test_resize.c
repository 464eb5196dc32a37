/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing: Pillow's own results on synthetic pictures, a plain whole-picture version in a sweep of awkward sizes at
 * each CPU level, the row kernels against each other, TensorFlow's rules against their definition in double. */
#include "support.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "image/resize.h"

static const char *const levels[] = { "ref", "avx2" }; /* a level that the machine lacks falls back: no harm */

static eff_box whole(int w, int h) { return (eff_box){ 0, 0, w, h }; }

/* -------------------------------------------------------------------- a picture that ends at a guard page */

typedef struct guarded {
    uint8_t *map, *data;
    size_t bytes;
} guarded;

static guarded guarded_new(size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (n + page - 1) / page * page;
    guarded g = { .bytes = body + page };
    g.map = mmap(NULL, g.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.map != MAP_FAILED);
    assert_int_equal(mprotect(g.map + body, page, PROT_NONE), 0);
    g.data = g.map + body - n;
    return g;
}

static void guarded_free(guarded g) { munmap(g.map, g.bytes); }

/* ----------------------------------------------------------------------------------- Pillow's own results */

static uint64_t fnv(const uint8_t *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* FNV-1a of Pillow 13.0.0's Image.resize((out)) of t_synth_u8(h, w, row): bilinear, bicubic, lanczos. */
static const struct {
    int w, h, out_w, out_h;
    uint64_t hash[3];
} pillow[] = {
    { 500, 375, 224, 168, { 0x98cda18903f56a5cu, 0x8f1fb58ba924739bu, 0x4164d1bb5eb29e5eu } },
    { 97, 61, 224, 224, { 0x65f5a98f9a5a3f51u, 0x7c04fe039e4c4ce0u, 0xfdd1ebcb50329f2au } },
    { 61, 97, 32, 31, { 0xa7aff732cfc9fc5bu, 0xb9b48ad819ee6979u, 0x363e9e7fe90193f7u } },
    { 257, 301, 224, 224, { 0x33977d5a64e58da7u, 0x47ef8ae8cf2ac31fu, 0x7a7f2faf2574781du } },
    { 257, 290, 224, 224, { 0x83c47ffc5393a669u, 0x2936de6b310d5659u, 0x80613cb3fc113ebfu } }, /* across first ...  */
    { 257, 291, 224, 224, { 0xd1fc53d7c0b4154cu, 0x54c124042bc029e6u, 0x2a8f32bfe1636f6au } }, /* ... and down first */
    { 300, 1, 7, 5, { 0xa6c2ca8af2be2c10u, 0xe4f2ccfee9ae1744u, 0x89234fea64f208f4u } },
    { 1, 300, 5, 7, { 0xff16ec2febec8672u, 0x029ed6700ff45471u, 0xa87d468d72ffe1fau } },
    { 1, 1, 9, 4, { 0xda5f15cd838b5071u, 0xda5f15cd838b5071u, 0xda5f15cd838b5071u } },
    { 33, 33, 33, 64, { 0x89397ea8955de56eu, 0x60644b2bd74f8f5eu, 0x9ca41dcaa5613a25u } },
    { 33, 33, 64, 33, { 0x7df6fa63971c15a2u, 0x70042cc35e08565bu, 0xd549fa173321c235u } },
    { 40, 30, 40, 30, { 0xfecabe468681fb52u, 0xfecabe468681fb52u, 0xfecabe468681fb52u } },
    { 640, 5, 3, 5, { 0x86fa76f3f260d553u, 0x7b828991454c7fe2u, 0x3146d306551546f8u } },
    { 5, 640, 5, 3, { 0xda17970bcfad4bb5u, 0x2f7676d7df0f90e5u, 0x43a56ae52a14f9f1u } },
    { 13, 17, 200, 3, { 0x8df4c3effe297e72u, 0xf415adcfd0fa88e5u, 0x5300cc04472c5509u } },
    { 13, 17, 3, 200, { 0x93ab608690dd885cu, 0x651287dc00192adcu, 0xa6f9fc2d42cc45beu } },
    { 1000, 40, 16, 16, { 0xfa051390aad3b8bcu, 0x5450bade8fbbd652u, 0xfee3fffb74b80090u } },
};

static void test_pillow_hashes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pillow / sizeof pillow[0]; i++) {
        const int w = pillow[i].w, h = pillow[i].h, ow = pillow[i].out_w, oh = pillow[i].out_h;
        uint8_t *const src = t_synth_u8(h, w, (int)i);
        const size_t n = (size_t)ow * (size_t)oh * 3;
        uint8_t *const dst = malloc(n);
        for (int l = 0; l < 2; l++)
            for (int f = 0; f < 3; f++) {
                setenv("EFFNET_CPU", levels[l], 1);
                eff_error err = { 0 };
                T_OK(eff_resize_pillow(dst, whole(ow, oh), src, w, h, whole(w, h), ow, oh, (eff_filter)f, &err), err);
                if (fnv(dst, n) != pillow[i].hash[f])
                    fail_msg("%dx%d to %dx%d, filter %d, %s: not Pillow's pixels", w, h, ow, oh, f, levels[l]);
            }
        free(dst);
        free(src);
    }
    unsetenv("EFFNET_CPU");
}

/* ------------------------------------------------------------------ the plain version: whole picture, one pass after
 * the other */

static double kernel(int f, double x)
{
    x = fabs(x);
    if (f == 0) return x < 1 ? 1 - x : 0;
    if (f == 1) return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    if (x >= 3) return 0;
    return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x) * (sin(M_PI * x / 3) / (M_PI * x / 3));
}

/* One direction: `n` lines of `in` pixels to `out`, `step` bytes between pixels and `line` between lines. */
static void plain_pass(uint8_t *dst, size_t dst_step, size_t dst_line, const uint8_t *src, size_t step, size_t line,
                       int n, int in, int out, int f)
{
    const double scale = (double)in / out, widen = scale > 1 ? scale : 1;
    const double radius = (f == 0 ? 1.0 : f == 1 ? 2.0 : 3.0) * widen;
    for (int o = 0; o < out; o++) {
        const double c = (o + 0.5) * scale;
        int lo = (int)(c - radius + 0.5), hi = (int)(c + radius + 0.5);
        lo = lo < 0 ? 0 : lo;
        hi = hi > in ? in : hi;
        double sum = 0;
        for (int i = lo; i < hi; i++) sum += kernel(f, (i - c + 0.5) * (1 / widen));
        for (int r = 0; r < n; r++)
            for (int ch = 0; ch < 3; ch++) {
                int64_t acc = 1 << 21;
                for (int i = lo; i < hi; i++)
                    acc += llround(kernel(f, (i - c + 0.5) * (1 / widen)) / sum * 4194304.0) *
                           src[(size_t)r * line + (size_t)i * step + (size_t)ch];
                assert_true(acc < INT32_MAX && acc > INT32_MIN); /* the library adds in int32 */
                acc >>= 22;
                dst[(size_t)r * dst_line + (size_t)o * dst_step + (size_t)ch] = (uint8_t)(acc < 0     ? 0
                                                                                          : acc > 255 ? 255
                                                                                                      : acc);
            }
    }
}

static void plain(uint8_t *dst, const uint8_t *src, int w, int h, int ow, int oh, int f)
{
    const size_t sw = (size_t)w * 3, dw = (size_t)ow * 3;
    if (w == ow && h == oh)
        memcpy(dst, src, sw * (size_t)h);
    else if (w == ow)
        plain_pass(dst, dw, 3, src, sw, 3, w, h, oh, f);
    else if (h == oh)
        plain_pass(dst, 3, dw, src, 3, sw, h, w, ow, f);
    else if (h > oh && h - oh > 2 * (w - ow)) {
        uint8_t *const t = malloc(sw * (size_t)oh);
        plain_pass(t, sw, 3, src, sw, 3, w, h, oh, f);
        plain_pass(dst, 3, dw, t, 3, sw, oh, w, ow, f);
        free(t);
    } else {
        uint8_t *const t = malloc(dw * (size_t)h);
        plain_pass(t, 3, dw, src, 3, sw, h, w, ow, f);
        plain_pass(dst, dw, 3, t, dw, 3, ow, h, oh, f);
        free(t);
    }
}

static int draw(uint64_t seed, uint64_t i, int lo, int hi)
{
    return lo + (int)(eff_rng_uniform(seed, 0, i) * (hi - lo + 1));
}

static int draw_size(uint64_t seed, uint64_t i)
{
    static const int few[] = { 1, 2, 3, 4, 5, 7, 10, 11, 16, 21, 22, 31, 32, 33 };
    const int k = draw(seed, i, 0, 21);
    return k < 14 ? few[k] : draw(seed, i + 100, 1, k < 20 ? 60 : 150);
}

/* Random sizes, a random part of the source, a random crop of the result; source and result end at unreadable pages. */
static void test_pillow_sweep(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        const int w = draw_size(seed, 0), h = draw_size(seed, 1);
        eff_box from = { 0, 0, draw(seed, 2, 1, w), draw(seed, 3, 1, h) };
        if (seed % 3) from = whole(w, h);
        from.x = draw(seed, 4, 0, w - from.w);
        from.y = draw(seed, 5, 0, h - from.h);
        const int ow = seed % 7 == 0 ? from.w : draw_size(seed, 6), oh = seed % 5 == 0 ? from.h : draw_size(seed, 7);
        eff_box crop = { 0, 0, draw(seed, 8, 1, ow), draw(seed, 9, 1, oh) };
        if (seed % 4 == 0) crop = whole(ow, oh);
        crop.x = draw(seed, 10, 0, ow - crop.w);
        crop.y = draw(seed, 11, 0, oh - crop.h);
        const int f = draw(seed, 12, 0, 2), hard = draw(seed, 13, 0, 1);

        const guarded src = guarded_new((size_t)w * (size_t)h * 3),
                      dst = guarded_new((size_t)crop.w * (size_t)crop.h * 3);
        for (size_t i = 0; i < (size_t)w * (size_t)h * 3; i++) {
            const uint64_t r = eff_rng_bits(seed, 1, i);
            src.data[i] = (uint8_t)(hard ? (r & 1) * 255 : r); /* black and white overshoots the most */
        }
        uint8_t *const part = malloc((size_t)from.w * (size_t)from.h * 3);
        for (int y = 0; y < from.h; y++)
            memcpy(part + (size_t)y * (size_t)from.w * 3,
                   src.data + ((size_t)(from.y + y) * (size_t)w + (size_t)from.x) * 3, (size_t)from.w * 3);
        uint8_t *const want = malloc((size_t)ow * (size_t)oh * 3);
        plain(want, part, from.w, from.h, ow, oh, f);
        for (int l = 0; l < 2; l++) {
            setenv("EFFNET_CPU", levels[l], 1);
            memset(dst.data, 0xa5, (size_t)crop.w * (size_t)crop.h * 3);
            eff_error err = { 0 };
            T_OK(eff_resize_pillow(dst.data, crop, src.data, w, h, from, ow, oh, (eff_filter)f, &err), err);
            for (int y = 0; y < crop.h; y++)
                if (memcmp(dst.data + (size_t)y * (size_t)crop.w * 3,
                           want + ((size_t)(crop.y + y) * (size_t)ow + (size_t)crop.x) * 3, (size_t)crop.w * 3))
                    fail_msg("seed %d, %s: %dx%d part %d,%d %dx%d to %dx%d crop %d,%d %dx%d filter %d: row %d differs",
                             (int)seed, levels[l], w, h, from.x, from.y, from.w, from.h, ow, oh, crop.x, crop.y, crop.w,
                             crop.h, f, y);
        }
        free(want);
        free(part);
        guarded_free(src);
        guarded_free(dst);
    }
    unsetenv("EFFNET_CPU");
}

/* The kernels on coefficients of any sign and size, as long as the sums fit. */
static void test_kernels_agree(void **state)
{
    (void)state;
    const eff_pillow_kernels ref = eff_pillow_kernels_for(0), best = eff_pillow_kernels_for(eff_cpu_detect());
    for (uint64_t seed = 1; seed <= 200; seed++) {
        const int taps = 4 * draw(seed, 0, 1, 6), n = draw(seed, 1, 1, 80), span = draw(seed, 2, 0, 50);
        int32_t coef[80 * 24], ordered[80 * 24], first[80];
        for (int i = 0; i < n; i++) first[i] = span * i / n;
        for (int i = 0; i < n * taps; i++)
            coef[i] = (int32_t)((eff_rng_uniform(seed, 1, (uint64_t)i) - 0.4) * 8e6 * 2 / taps);
        const size_t room = 3 * (size_t)(first[n - 1] + taps) + 4, bytes = 3 * (size_t)n;
        guarded src[24];
        const uint8_t *rows[24];
        const size_t length = room > bytes ? room : bytes;
        for (int r = 0; r < taps; r++) {
            src[r] = guarded_new(length);
            rows[r] = src[r].data;
            for (size_t i = 0; i < length; i++) src[r].data[i] = (uint8_t)eff_rng_bits(seed, 10 + (uint64_t)r, i);
        }
        const guarded a0 = guarded_new(bytes), a1 = guarded_new(bytes), b0 = guarded_new(bytes),
                      b1 = guarded_new(bytes);
        const uint8_t *const two[2] = { src[0].data + length - room, src[1].data + length - room };
        ref.across((uint8_t *const[]){ a0.data, a1.data }, two, coef, first, taps, n);
        memcpy(ordered, coef, (size_t)n * (size_t)taps * sizeof *coef);
        if (best.order) best.order(ordered, (size_t)n * (size_t)taps);
        best.across((uint8_t *const[]){ b0.data, b1.data }, two, ordered, first, taps, n);
        assert_memory_equal(a0.data, b0.data, bytes);
        assert_memory_equal(a1.data, b1.data, bytes);
        const int used = draw(seed, 3, 1, taps); /* down takes any number */
        ref.down(a0.data, rows, coef, used, bytes);
        best.down(b0.data, rows, coef, used, bytes);
        assert_memory_equal(a0.data, b0.data, bytes);
        for (int r = 0; r < taps; r++) guarded_free(src[r]);
        guarded_free(a0), guarded_free(a1), guarded_free(b0), guarded_free(b1);
    }
}

/* ------------------------------------------------------------------------------------------- TensorFlow */

static double keys(double x, double a)
{
    x = fabs(x);
    return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Weight of input pixel i (which may lie outside) for output o, by the rule's definition, before any normalisation. */
static double tf_weight(eff_filter f, int in, int out, int o, int i)
{
    const double scale = (double)in / out, half = (o + 0.5) * scale - 0.5, grid = o * scale;
    const double widen = scale > 1 ? scale : 1;
    switch (f) {
    case EFF_FILTER_TF1_BILINEAR: return fmax(0, 1 - fabs(i - grid));
    case EFF_FILTER_TF1_BICUBIC: return keys(i - grid, -0.75);
    case EFF_FILTER_TF2_BILINEAR: return fmax(0, 1 - fabs(i - half));
    case EFF_FILTER_TF2_BICUBIC: return keys(i - half, -0.5);
    case EFF_FILTER_TF2_BILINEAR_AA: return fmax(0, 1 - fabs(i - half) / widen);
    default: return keys((i - half) / widen, -0.5);
    }
}

static void tf_line(double *w, eff_filter f, int in, int out, int o)
{
    const bool hold = f == EFF_FILTER_TF1_BILINEAR || f == EFF_FILTER_TF1_BICUBIC || f == EFF_FILTER_TF2_BILINEAR;
    double sum = 0;
    for (int i = 0; i < in; i++) w[i] = 0;
    for (int i = -4; i < in + 4; i++) {
        if (!hold && (i < 0 || i >= in)) continue; /* dropped, the rest renormalised; else held at the edge */
        const double v = tf_weight(f, in, out, o, i);
        w[i < 0 ? 0 : i >= in ? in - 1 : i] += v;
        sum += v;
    }
    for (int i = 0; i < in; i++) w[i] /= sum;
}

static void test_tf_sweep(void **state)
{
    (void)state;
    double worst = 0;
    for (uint64_t seed = 1; seed <= 240; seed++) {
        const int w = draw(seed, 0, 1, 40), h = draw(seed, 1, 1, 40);
        const eff_filter f = (eff_filter)(EFF_FILTER_TF1_BILINEAR + seed % 6);
        eff_box from = { 0, 0, draw(seed, 2, 1, w), draw(seed, 3, 1, h) };
        from.x = draw(seed, 4, 0, w - from.w);
        from.y = draw(seed, 5, 0, h - from.h);
        const int ow = draw(seed, 6, 1, 50), oh = draw(seed, 7, 1, 50);
        eff_box crop = { 0, 0, draw(seed, 8, 1, ow), draw(seed, 9, 1, oh) };
        crop.x = draw(seed, 10, 0, ow - crop.w);
        crop.y = draw(seed, 11, 0, oh - crop.h);
        const guarded src = guarded_new((size_t)w * (size_t)h * 3);
        for (size_t i = 0; i < (size_t)w * (size_t)h * 3; i++) src.data[i] = (uint8_t)eff_rng_bits(seed, 1, i);
        float *const got = t_guarded((size_t)crop.w * (size_t)crop.h * 3);
        eff_error err = { 0 };
        T_OK(eff_resize_tf(got, crop, src.data, w, h, from, ow, oh, f, &err), err);
        t_guard_check(got, (size_t)crop.w * (size_t)crop.h * 3);
        for (int y = 0; y < crop.h; y++)
            for (int x = 0; x < crop.w; x++) {
                double wx[40], wy[40];
                tf_line(wx, f, from.w, ow, crop.x + x);
                tf_line(wy, f, from.h, oh, crop.y + y);
                for (int c = 0; c < 3; c++) {
                    double want = 0;
                    for (int j = 0; j < from.h; j++)
                        for (int i = 0; i < from.w; i++)
                            want += wy[j] * wx[i] *
                                    src.data[((size_t)(from.y + j) * (size_t)w + (size_t)(from.x + i)) * 3 + (size_t)c];
                    const double d = fabs(want - (double)got[((size_t)y * (size_t)crop.w + (size_t)x) * 3 + (size_t)c]);
                    /* the table's half step of 1/2048 times the steepest slope of the kernel, on each axis and tap */
                    const bool table = f == EFF_FILTER_TF1_BICUBIC || f == EFF_FILTER_TF2_BICUBIC;
                    if (!(d <= (table ? 255 * 2 * 4 * 1.4 / 2048 : 5e-3)))
                        fail_msg("seed %d: %dx%d to %dx%d filter %d at %d,%d,%d: off by %g", (int)seed, from.w, from.h,
                                 ow, oh, (int)f, x, y, c, d);
                    if (!table && d > worst) worst = d;
                }
            }
        t_guard_free(got);
        guarded_free(src);
    }
    print_message("TensorFlow rules without table: largest difference %.2g\n", worst);
}

/* --------------------------------------------------------------------------------------- hostile sizes */

static long peak_kb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* A line of 65,500 pixels made 256 high would be 16.8 million wide; only the crop is computed. */
static void test_extreme_shapes(void **state)
{
    (void)state;
    enum { LONG = 65500, SIDE = 256, CROP = 224 };
    uint8_t *const src = malloc(LONG * 3);
    for (size_t i = 0; i < LONG * 3; i++) src[i] = (uint8_t)(i % 3 == 0 ? 200 : i % 3 == 1 ? 100 : 7);
    uint8_t *const u8 = malloc(CROP * CROP * 3);
    float *const f32 = malloc(CROP * CROP * 3 * sizeof *f32);
    const long before = peak_kb();
    eff_error err = { 0 };
    for (int tall = 0; tall < 2; tall++)
        for (int f = 0; f < 9; f++) {
            const int w = tall ? 1 : LONG, h = tall ? LONG : 1, ow = tall ? SIDE : LONG * SIDE,
                      oh = tall ? LONG * SIDE : SIDE;
            const eff_box far = { ow - CROP, oh - CROP, CROP, CROP };
            if (f < 3) {
                T_OK(eff_resize_pillow(u8, far, src, w, h, whole(w, h), ow, oh, (eff_filter)f, &err), err);
                T_OK(eff_resize_pillow(u8, whole(CROP, CROP), src, w, h, whole(w, h), CROP, CROP, (eff_filter)f, &err),
                     err);
            } else {
                T_OK(eff_resize_tf(f32, far, src, w, h, whole(w, h), ow, oh, (eff_filter)f, &err), err);
                T_OK(eff_resize_tf(f32, whole(CROP, CROP), src, w, h, whole(w, h), CROP, CROP, (eff_filter)f, &err),
                     err);
            }
            for (size_t i = 0; i < CROP * CROP * 3; i++) {
                const float v = f < 3 ? (float)u8[i] : f32[i];
                if (!(fabsf(v - (float)src[i % 3]) < 1e-2f))
                    fail_msg("filter %d tall %d: %g at %zu", f, tall, (double)v, i);
            }
        }
    assert_true(T_SANITIZED || peak_kb() - before < 32 * 1024);
    free(src);
    free(u8);
    free(f32);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    uint8_t src[4 * 4 * 3] = { 0 }, dst[8 * 8 * 3];
    float out[8 * 8 * 3];
    eff_error err;
    const eff_box bad_from[] = {
        { -1, 0, 4, 4 }, { 0, 0, 5, 4 }, { 0, 1, 4, 4 }, { 0, 0, 0, 4 }, { 0, 0, 4, 0 }, { 0, -1, 4, 4 }, { INT32_MAX, 0, 1, 1 }
    };
    for (size_t i = 0; i < sizeof bad_from / sizeof bad_from[0]; i++) {
        assert_int_equal(eff_resize_pillow(dst, whole(8, 8), src, 4, 4, bad_from[i], 8, 8, EFF_FILTER_BICUBIC, &err),
                         EFF_EARG);
        assert_int_equal(eff_resize_tf(out, whole(8, 8), src, 4, 4, bad_from[i], 8, 8, EFF_FILTER_TF2_BICUBIC, &err),
                         EFF_EARG);
    }
    assert_int_equal(eff_resize_pillow(dst, whole(9, 8), src, 4, 4, whole(4, 4), 8, 8, EFF_FILTER_BICUBIC, &err),
                     EFF_EARG);
    assert_int_equal(eff_resize_pillow(dst, whole(8, 8), src, 4, 4, whole(4, 4), 8, 8, EFF_FILTER_TF1_BILINEAR, &err),
                     EFF_EARG);
    assert_int_equal(eff_resize_tf(out, whole(8, 8), src, 4, 4, whole(4, 4), 8, 8, EFF_FILTER_LANCZOS, &err), EFF_EARG);
    setenv("EFFNET_CPU", "pentium", 1);
    assert_int_equal(eff_resize_pillow(dst, whole(8, 8), src, 4, 4, whole(4, 4), 8, 8, EFF_FILTER_BICUBIC, &err),
                     EFF_EARG);
    assert_non_null(strstr(err.msg, "pentium"));
    unsetenv("EFFNET_CPU");
}

static void test_out_of_memory(void **state)
{
    (void)state;
    uint8_t *const src = t_synth_u8(40, 30, 1);
    uint8_t dst[12 * 12 * 3];
    float out[12 * 12 * 3];
    eff_error err;
    for (int f = 0; f < 9; f++)
        for (int tall = 0; tall < 2; tall++) { /* both orders of the passes */
            const int w = tall ? 30 : 40, h = tall ? 40 : 30;
            eff_status s = EFF_ENOMEM;
            for (long n = 0; s != EFF_OK; n++) {
                assert_true(n < 40);
                eff_alloc_fail_after(n);
                s = f < 3 ? eff_resize_pillow(dst, whole(12, 12), src, w, h, whole(w, h), 12, 12, (eff_filter)f, &err)
                          : eff_resize_tf(out, whole(12, 12), src, w, h, whole(w, h), 12, 12, (eff_filter)f, &err);
                eff_alloc_fail_after(-1);
                assert_true(s == EFF_OK || s == EFF_ENOMEM);
            }
        }
    free(src);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pillow_hashes),  cmocka_unit_test(test_pillow_sweep),
        cmocka_unit_test(test_kernels_agree),  cmocka_unit_test(test_tf_sweep),
        cmocka_unit_test(test_extreme_shapes), cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
