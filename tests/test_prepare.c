/* SPDX-License-Identifier: Apache-2.0 */
/* From a file straight to the network's input: arguments, damage half way, and JPEGs decoded at half their size. */
#include "pictures.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "image/preprocess.h"

enum { N = 32 };

static eff_preprocess rule(int side, eff_filter f, int scaled)
{
    return (
        eff_preprocess){ .side = side, .filter = f, .height = N, .width = N, .std = { 1, 1, 1 }, .scaled_dct = scaled };
}

/* A photograph's stand-in: large shapes, edges, noise, no value near black or white but where `spot` says so. */
static t_bytes picture(int w, int h, int spot, t_jpeg k)
{
    uint8_t *const px = malloc((size_t)w * (size_t)h * 3);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const double fx = (double)x / w, fy = (double)y / h;
            const int edge = (x / 97 + y / 61) % 2 ? 14 : -14,
                      noise = (int)(eff_rng_bits(3, (uint64_t)y, (uint64_t)x) % 13);
            uint8_t *const p = px + ((size_t)y * (size_t)w + (size_t)x) * 3;
            p[0] = (uint8_t)(125 + 40 * sin(9 * fx + 4 * fy) + edge + noise);
            p[1] = (uint8_t)(122 + 36 * cos(7 * fy - 3 * fx) + edge + noise);
            p[2] = (uint8_t)(120 + 30 * sin(5 * fx * fy + 1) - edge + noise);
            if (spot && x > w / 2 && x < w / 2 + 24 && y > h - 40 && y < h - 16) p[0] = p[1] = p[2] = 255;
        }
    k.components = 3;
    k.h = k.v = 2;
    k.width = w;
    k.height = h;
    k.pixels = px;
    const t_bytes b = t_jpeg_make(k);
    free(px);
    return b;
}

static double difference(t_bytes b, eff_preprocess p, int *differing)
{
    static float full[N * N * 3], half[N * N * 3];
    eff_error err = { 0 };
    p.scaled_dct = 0;
    T_OK(eff_prepare_bytes(b.data, b.size, &p, full, &err), err);
    p.scaled_dct = 1;
    T_OK(eff_prepare_bytes(b.data, b.size, &p, half, &err), err);
    double worst = 0;
    *differing = 0;
    for (int i = 0; i < p.height * p.width * 3; i++) {
        worst = fmax(worst, fabs((double)full[i] - (double)half[i]));
        *differing += full[i] != half[i];
    }
    return worst;
}

static void test_half_size(void **state)
{
    (void)state;
    static const struct {
        int w, h, side, spot;
        eff_filter filter;
        eff_geometry geometry;
        int halved;
    } t[] = {
        { 1200, 800, 40, 0, EFF_FILTER_BICUBIC, EFF_GEOM_SHORT, 1 },
        { 1202, 804, 50, 0, EFF_FILTER_BILINEAR, EFF_GEOM_SHORT, 1 },
        { 802, 1206, 41, 0, EFF_FILTER_LANCZOS, EFF_GEOM_SHORT, 1 },
        { 1202, 806, 48, 0, EFF_FILTER_BICUBIC, EFF_GEOM_SQUASH, 1 },
        { 880, 640, 0, 0, EFF_FILTER_BICUBIC, EFF_GEOM_SQUARE, 1 },      /* 576 at 152, 32 */
        { 1201, 804, 50, 0, EFF_FILTER_BICUBIC, EFF_GEOM_SHORT, 0 },     /* an odd side */
        { 1200, 800, 51, 0, EFF_FILTER_BICUBIC, EFF_GEOM_SHORT, 0 },     /* not small enough */
        { 1200, 800, 40, 1, EFF_FILTER_BICUBIC, EFF_GEOM_SHORT, 0 },     /* a white spot */
        { 1200, 800, 40, 0, EFF_FILTER_TF2_BICUBIC, EFF_GEOM_SHORT, 0 }, /* a filter that does not average */
        { 1200, 800, 40, 0, EFF_FILTER_TF2_BICUBIC_AA, EFF_GEOM_SHORT, 0 },
    };
    const t_bytes exif = t_exif(6, false), icc = t_icc("swapped");
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        for (int variant = 0; variant < 3; variant++) {
            const t_extra extra = variant == 1   ? (t_extra){ .exif = exif.data, .exif_size = exif.size }
                                  : variant == 2 ? (t_extra){ .icc = icc.data, .icc_size = icc.size }
                                                 : (t_extra){ 0 };
            const t_bytes b =
                picture(t[i].w, t[i].h, t[i].spot, (t_jpeg){ .progressive = variant == 1, .extra = extra });
            eff_preprocess p = rule(t[i].side, t[i].filter, 1);
            p.geometry = t[i].geometry;
            p.fraction = 0.9;
            p.icc = variant == 2;
            int differing;
            const double worst = difference(b, p, &differing);
            if (!(worst <= 1)) fail_msg("row %zu, variant %d: off by %g", i, variant, worst);
            if (!t[i].halved != !differing)
                fail_msg("row %zu, variant %d: %d values differ, halved: expected %d", i, variant, differing,
                         t[i].halved);
            free(b.data);
        }
    free(exif.data);
    free(icc.data);
}

/* `fast`: the smallest of 1/2, 1/4 and 1/8 that is not enlarged again, with the same part in the same place. */
static void test_fast(void **state)
{
    (void)state;
    static const struct {
        int w, h, side;
        eff_filter filter;
        eff_geometry geometry;
        int reduced;
    } t[] = {
        { 515, 391, 40, EFF_FILTER_BICUBIC, EFF_GEOM_SHORT, 8 },
        { 515, 391, 49, EFF_FILTER_BILINEAR, EFF_GEOM_SHORT, 4 },
        { 391, 515, 100, EFF_FILTER_LANCZOS, EFF_GEOM_SHORT, 2 },
        { 515, 391, 196, EFF_FILTER_BICUBIC, EFF_GEOM_SHORT, 1 },
        { 515, 391, 0, EFF_FILTER_BICUBIC, EFF_GEOM_SQUARE, 8 }, /* 351 from (82, 20) */
        { 515, 391, 40, EFF_FILTER_TF2_BICUBIC, EFF_GEOM_SHORT, 1 },
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        const t_bytes b = picture(t[i].w, t[i].h, 1, (t_jpeg){ .restart = 0 });
        eff_preprocess p = rule(t[i].side, t[i].filter, 0);
        p.geometry = t[i].geometry;
        p.fraction = 0.9;
        static float full[N * N * 3], fast[N * N * 3];
        eff_error err = { 0 };
        T_OK(eff_prepare_bytes(b.data, b.size, &p, full, &err), err);
        p.scaled_dct = 2;
        T_OK(eff_prepare_bytes(b.data, b.size, &p, fast, &err), err);
        double sum = 0;
        for (int k = 0; k < N * N * 3; k++) sum += fabs((double)full[k] - (double)fast[k]);
        sum /= N * N * 3;
        /* Edges of 28 levels lie 97 and 61 pixels apart: a part that is a pixel of the small picture off moves
         * 28 * reduced * (1 / 97 + 1 / 61) levels in the mean. Half of that is what rounding its place may cost, half a
         * level is for the noise. */
        const double most = 0.5 + 28 * 0.5 * t[i].reduced * (1. / 97 + 1. / 61);
        if (t[i].reduced == 1 ? sum != 0 : !(sum > 0 && sum < most))
            fail_msg("row %zu: values differ by %g in the mean", i, sum);
        free(b.data);
    }
}

/* Whatever way in: x is written whole or not at all. */
static void test_damage_half_way(void **state)
{
    (void)state;
    const t_bytes b = picture(300, 200, 0, (t_jpeg){ .restart = 0 });
    eff_error err = { 0 };
    static float x[N * N * 3];
    for (int f = 0; f < 9; f += 3) {
        const eff_preprocess p = rule(40, (eff_filter)f, 0);
        memset(x, 0x55, sizeof x);
        const float untouched = x[0];
        assert_int_equal(eff_prepare_bytes(b.data, b.size * 9 / 10, &p, x, &err), EFF_EFORMAT);
        for (int i = 0; i < N * N * 3; i++) assert_true(x[i] == untouched);
        eff_status s = EFF_ENOMEM;
        for (long n = 0; s != EFF_OK; n++) {
            assert_true(n < 40);
            memset(x, 0x55, sizeof x);
            eff_alloc_fail_after(n);
            s = eff_prepare_bytes(b.data, b.size, &p, x, &err);
            eff_alloc_fail_after(-1);
            assert_true(s == EFF_OK || (s == EFF_ENOMEM && x[0] == untouched && x[N * N * 3 - 1] == untouched));
        }
    }
    free(b.data);
}

static void test_arguments(void **state)
{
    (void)state;
    const t_bytes b = picture(30, 20, 0, (t_jpeg){ .restart = 0 });
    static float x[N * N * 3];
    eff_error err = { 0 };
    eff_preprocess p = rule(40, EFF_FILTER_BICUBIC, 0);
    FILE *const f = fopen(t_tmp("picture.bin"), "wb");
    assert_int_equal(fwrite(b.data, 1, b.size, f), b.size);
    fclose(f);
    T_OK(eff_prepare_file(t_tmp("picture.bin"), &p, x, &err), err);
    assert_int_equal(eff_prepare_file(t_tmp("missing.jpg"), &p, x, &err), EFF_EFORMAT);
    assert_int_equal(eff_prepare_file(NULL, &p, x, &err), EFF_EARG);
    assert_int_equal(eff_prepare_file(t_tmp("picture.bin"), NULL, x, &err), EFF_EARG);
    assert_int_equal(eff_prepare_file(t_tmp("picture.bin"), &p, NULL, &err), EFF_EARG);
    assert_int_equal(eff_prepare_bytes(NULL, 3, &p, x, &err), EFF_EARG);
    assert_int_equal(eff_prepare_bytes(NULL, 0, &p, x, &err), EFF_EFORMAT);
    assert_int_equal(eff_prepare_bytes(b.data, b.size, NULL, x, &err), EFF_EARG);
    p.side = 3;
    assert_int_equal(eff_prepare_bytes(b.data, b.size, &p, x, &err), EFF_EARG);
    free(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_size),
        cmocka_unit_test(test_fast),
        cmocka_unit_test(test_damage_half_way),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
