/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing rules: their text form there and back, what is refused, and where each geometry takes its pixels from.
 */
#include "support.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "image/preprocess.h"
#include "image/resize.h"

static eff_preprocess lite0(void)
{
    eff_preprocess p = { 0 };
    eff_error err = { 0 };
    T_OK(eff_preprocess_parse(&p, "short=256,filter=bicubic,crop=224,mean=127,std=128", &err), err);
    return p;
}

static void test_parse(void **state)
{
    (void)state;
    eff_preprocess p = lite0();
    assert_int_equal(p.geometry, EFF_GEOM_SHORT);
    assert_int_equal(p.filter, EFF_FILTER_BICUBIC);
    assert_int_equal(p.side, 256);
    assert_int_equal(p.height, 224);
    assert_int_equal(p.width, 224);
    for (int c = 0; c < 3; c++) assert_true(p.mean[c] == 127 && p.std[c] == 128);

    eff_error err = { 0 };
    T_OK(eff_preprocess_parse(&p, "square=0.875,filter=tf1-bicubic,mean=123.675:116.28:103.53,std=58.395:57.12:57.375",
                              &err),
         err);
    assert_int_equal(p.geometry, EFF_GEOM_SQUARE);
    assert_int_equal(p.filter, EFF_FILTER_TF1_BICUBIC);
    assert_true(p.fraction == 0.875);
    assert_int_equal(p.height, 224); /* what is not named stays */
    assert_true(p.mean[0] == 123.675f && p.mean[1] == 116.28f && p.mean[2] == 103.53f);
    assert_true(p.std[0] == 58.395f && p.std[1] == 57.12f && p.std[2] == 57.375f);
    T_OK(eff_preprocess_parse(&p, "squash=300,size=240x300,std=1e2,mean=-.5", &err), err);
    assert_int_equal(p.geometry, EFF_GEOM_SQUASH);
    assert_int_equal(p.height, 240);
    assert_int_equal(p.width, 300);
    assert_true(p.std[1] == 100 && p.mean[2] == -0.5f);

    static const char *const filters[] = { "bilinear",     "bicubic",         "lanczos",
                                           "tf1-bilinear", "tf1-bicubic",     "tf2-bilinear",
                                           "tf2-bicubic",  "tf2-bilinear-aa", "tf2-bicubic-aa" };
    for (int f = 0; f < 9; f++) {
        char spec[64];
        snprintf(spec, sizeof spec, "filter=%s", filters[f]);
        T_OK(eff_preprocess_parse(&p, spec, &err), err);
        assert_int_equal(p.filter, f);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *says;
    } t[] = {
        { "", "key=value" },
        { "short", "key=value" },
        { "short=256,", "key=value" },
        { ",short=256", "key=value" },
        { "=256", "key ''" },
        { "blur=3", "crop, size, filter, mean, std, icc or scaled-dct" },
        { "Short=256", "key 'Short'" },
        { "short=", "short" },
        { "short=0", "short" },
        { "short=-256", "short" },
        { "short=256.5", "short" },
        { "short=8193", "1..8192" },
        { "short=99999999999999999999", "short" },
        { "short=0x100", "short" },
        { "short= 256", "short" },
        { "squash=0", "squash" },
        { "square=0", "square" },
        { "square=-0.5", "square" },
        { "square=1.0001", "square" },
        { "square=nan", "square" },
        { "square=inf", "square" },
        { "square=0x1p-1", "square" },
        { "square=1e-9999", "square" },
        { "crop=0", "crop" },
        { "crop=-1", "crop" },
        { "crop=224x", "crop" },
        { "crop=x224", "crop" },
        { "crop=224x224x224", "crop" },
        { "crop=224X224", "crop" },
        { "crop=257", "at most short = 256" },
        { "crop=224x257", "at most short = 256" },
        { "short=200", "at most short = 200" },
        { "squash=223", "at most squash = 223" },
        { "size=8193", "size" },
        { "filter=nearest", "tf2-bicubic-aa" },
        { "filter=", "bilinear bicubic lanczos tf1-bilinear" },
        { "filter=Bicubic", "found 'Bicubic'" },
        { "mean=", "mean" },
        { "mean=1:2", "mean" },
        { "mean=1:2:3:4", "mean" },
        { "mean=1:2:", "mean" },
        { "mean=::", "mean" },
        { "mean=nan", "mean" },
        { "mean=1e300", "mean" },
        { "mean=127 ", "mean" },
        { "mean=+", "mean" },
        { "mean=1-2", "mean" },
        { "mean=1e999", "mean" },
        { "mean=1:x:3", "mean" },
        { "std=0", "std" },
        { "std=1:0:1", "std" },
        { "std=-1", "std" },
        { "std=1e-30", "std" },
        { "short=256,short=256", "one of short, square and squash was given already" },
        { "short=256,square=0.5", "one of short, square and squash was given already" },
        { "crop=100,size=100", "crop or size was given already" },
        { "std=1,mean=2,std=1", "std was given already" },
        { "icc=", "ignore or srgb" },
        { "icc=1", "found '1'" },
        { "icc=sRGB", "ignore or srgb" },
        { "icc=srgb,icc=ignore", "already" },
        { "scaled-dct=yes", "off, on or fast" },
        { "scaled_dct=on", "key 'scaled_dct'" },
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        const eff_preprocess before = lite0();
        eff_preprocess p = before;
        eff_error err = { 0 };
        if (eff_preprocess_parse(&p, t[i].spec, &err) != EFF_EARG) fail_msg("'%s' was taken", t[i].spec);
        assert_int_equal(err.code, EFF_EARG);
        if (!strstr(err.msg, t[i].says)) fail_msg("'%s': \"%s\" does not say \"%s\"", t[i].spec, err.msg, t[i].says);
        assert_memory_equal(&p, &before, sizeof p);
    }
    eff_preprocess none = { 0 }; /* an empty rule has to be given everything */
    eff_error err = { 0 };
    assert_int_equal(eff_preprocess_parse(&none, "short=256,filter=bicubic,crop=224,mean=127", &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "std"));
    assert_int_equal(eff_preprocess_parse(&none, NULL, &err), EFF_EARG);
    eff_preprocess p = lite0();
    eff_alloc_fail_after(0);
    assert_int_equal(eff_preprocess_parse(&p, "mean=5:5:6", &err), EFF_ENOMEM);
    eff_alloc_fail_after(-1);
    T_OK(eff_preprocess_parse(&p, "mean=5:5:6", &err), err);
    char text[256];
    assert_true(eff_preprocess_format(&p, text, sizeof text) > 0);
    assert_non_null(strstr(text, "mean=5:5:6,"));
}

static void round_trip(const eff_preprocess *p)
{
    char text[256];
    const int n = eff_preprocess_format(p, text, sizeof text);
    assert_true(n > 0 && n < (int)sizeof text);
    assert_int_equal(n, strlen(text));
    eff_preprocess q = { 0 };
    eff_error err = { 0 };
    if (eff_preprocess_parse(&q, text, &err) != EFF_OK) fail_msg("%s: %s", text, err.msg);
    assert_int_equal(q.geometry, p->geometry);
    assert_int_equal(q.filter, p->filter);
    assert_int_equal(q.height, p->height);
    assert_int_equal(q.width, p->width);
    if (p->geometry == EFF_GEOM_SQUARE)
        assert_true(q.fraction == p->fraction);
    else
        assert_int_equal(q.side, p->side);
    assert_memory_equal(q.mean, p->mean, sizeof q.mean);
    assert_memory_equal(q.std, p->std, sizeof q.std);
    assert_int_equal(q.icc, p->icc);
    assert_int_equal(q.scaled_dct, p->scaled_dct);
    char part[20];
    memset(part, 'z', sizeof part);
    assert_int_equal(eff_preprocess_format(p, part, 10), n);
    assert_memory_equal(part, text, 9);
    assert_true(part[9] == '\0' && part[10] == 'z');
    assert_int_equal(eff_preprocess_format(p, NULL, 0), n);
}

static void test_format(void **state)
{
    (void)state;
    char text[256];
    eff_preprocess p = lite0();
    eff_preprocess_format(&p, text, sizeof text);
    assert_string_equal(text, "short=256,filter=bicubic,crop=224,mean=127,std=128");
    for (uint64_t seed = 1; seed <= 500; seed++) {
        p = (eff_preprocess){ .geometry = (eff_geometry)(seed % 3),
                              .filter = (eff_filter)(seed % 9),
                              .side = 300 + (int)(seed % 50),
                              .height = 1 + (int)(seed % 300),
                              .width = seed % 4 ? 1 + (int)(seed % 300) : 7,
                              .fraction = 1 - eff_rng_uniform(seed, 1, 0),
                              .icc = seed % 5 == 0,
                              .scaled_dct = (int)(seed % 7 % 3) };
        for (int c = 0; c < 3; c++) {
            p.mean[c] = (float)(eff_rng_uniform(seed, 2, (uint64_t)c) * 400 - 100);
            p.std[c] = (float)(eff_rng_uniform(seed, 3, (uint64_t)c) * 200 + 0.001);
        }
        round_trip(&p);
    }
}

/* A program that has set a locale with a decimal comma reads and writes the same text. */
static void test_locale(void **state)
{
    (void)state;
    static const char *const comma[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "nl_NL.UTF-8" };
    int found = 0;
    for (size_t i = 0; i < sizeof comma / sizeof comma[0] && !found; i++) found = setlocale(LC_ALL, comma[i]) != NULL;
    if (!found) skip();
    eff_preprocess p = { .geometry = EFF_GEOM_SQUARE,
                         .fraction = 0.875,
                         .height = 224,
                         .width = 224,
                         .mean = { 0.5f, 1.25f, 3 },
                         .std = { 1.5f, 1.5f, 1.5f } };
    char text[256];
    eff_preprocess_format(&p, text, sizeof text);
    round_trip(&p);
    setlocale(LC_ALL, "C");
    assert_string_equal(text, "square=0.875,filter=bilinear,size=224,mean=0.5:1.25:3,std=1.5");
}

/* ---------------------------------------------------------------------------------------------- geometry */

/* Pixels that name their place: red = x, green = y, both modulo 256. */
static eff_image *places(int w, int h)
{
    uint8_t *const rgb = malloc((size_t)w * (size_t)h * 3);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            uint8_t *const p = rgb + ((size_t)y * (size_t)w + (size_t)x) * 3;
            p[0] = (uint8_t)x;
            p[1] = (uint8_t)y;
            p[2] = 9;
        }
    eff_image *im = NULL;
    eff_error err = { 0 };
    T_OK(eff_image_from_rgb(&im, rgb, w, h, &err), err);
    free(rgb);
    return im;
}

/* The rule takes height x width pixels of the picture, unresized, from (left, top) on. */
static void check_place(int w, int h, const char *spec, int left, int top)
{
    eff_preprocess p = { .std = { 1, 1, 1 } };
    eff_error err = { 0 };
    T_OK(eff_preprocess_parse(&p, spec, &err), err);
    eff_image *const im = places(w, h);
    for (int f = 0; f < 9; f++) {
        p.filter = (eff_filter)f;
        const size_t n = (size_t)p.height * (size_t)p.width * 3;
        float *const x = t_guarded(n);
        T_OK(eff_image_prepare(im, &p, x, &err), err);
        t_guard_check(x, n);
        for (int i = 0; i < p.height; i++)
            for (int j = 0; j < p.width; j++) {
                const float *const v = x + ((size_t)i * (size_t)p.width + (size_t)j) * 3;
                if (fabsf(v[0] - (float)((left + j) % 256)) > 1e-3f || fabsf(v[1] - (float)((top + i) % 256)) > 1e-3f)
                    fail_msg("%s of %dx%d, filter %d: at %d,%d found %g,%g", spec, w, h, f, j, i, (double)v[0],
                             (double)v[1]);
            }
        t_guard_free(x);
    }
    eff_image_free(im);
}

static void test_places(void **state)
{
    (void)state;
    check_place(256, 256, "short=256,crop=224", 16, 16);
    check_place(299, 256, "short=256,crop=224", 38, 16); /* 37.5 to the even 38 */
    check_place(285, 256, "short=256,crop=224", 30, 16); /* 30.5 to the even 30 */
    check_place(256, 299, "short=256,crop=224", 16, 38);
    check_place(40, 33, "short=33,crop=32", 4, 0);     /* 0.5 to 0 */
    check_place(40, 35, "short=35,crop=32", 4, 2);     /* 1.5 to 2 */
    check_place(40, 35, "short=35,crop=10x35", 2, 12); /* height x width: 12.5 to 12 and 2.5 to 2 */
    check_place(100, 100, "squash=100,crop=90x80", 10, 5);
    check_place(313, 241, "square=0.875,size=210", 52, 16); /* official: int(.875 * 241) = 210, offsets rounded up */
    check_place(375, 375, "square=0.875,size=328", 24, 24);
    check_place(300, 200, "square=1,size=200", 50, 0);
    check_place(7, 5, "square=0.1,size=1", 3, 2); /* never less than a pixel */
}

/* The long side is truncated: 256 * 500 / 375 = 341.33, and 256 * 375 / 281 = 341.6. */
static void test_long_side(void **state)
{
    (void)state;
    static const int t[][4] = {
        { 500, 375, 341, 256 }, { 375, 281, 341, 256 }, { 281, 375, 256, 341 }, { 3, 1000, 24, 8000 }
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        const int w = t[i][0], h = t[i][1], ow = t[i][2], oh = t[i][3], side = ow < oh ? ow : oh, n = side - 7;
        uint8_t *const rgb = t_synth_u8(h, w, 2);
        eff_image *im = NULL;
        eff_error err = { 0 };
        T_OK(eff_image_from_rgb(&im, rgb, w, h, &err), err);
        eff_preprocess p = {
            .side = side, .filter = EFF_FILTER_LANCZOS, .height = n, .width = n, .std = { 2, 4, 8 }, .mean = { 3, 5, 7 }
        };
        float *const x = malloc((size_t)n * (size_t)n * 3 * sizeof *x);
        uint8_t *const u8 = malloc((size_t)n * (size_t)n * 3);
        T_OK(eff_image_prepare(im, &p, x, &err), err);
        const int dx = (int)lrint((ow - n) / 2.0), dy = (int)lrint((oh - n) / 2.0); /* halves to even */
        T_OK(eff_resize_pillow(u8, (eff_box){ dx, dy, n, n }, rgb, w, h, (eff_box){ 0, 0, w, h }, ow, oh,
                               EFF_FILTER_LANCZOS, &err),
             err);
        for (size_t j = 0; j < (size_t)n * (size_t)n * 3; j++)
            assert_true(x[j] == ((float)u8[j] - p.mean[j % 3]) / p.std[j % 3]);
        free(u8);
        free(x);
        eff_image_free(im);
        free(rgb);
    }
}

/* square + a Pillow filter is crop, then resize: nothing outside the square is seen. */
static void test_square_sees_only_itself(void **state)
{
    (void)state;
    uint8_t rgb[60 * 40 * 3];
    memset(rgb, 255, sizeof rgb);
    for (int y = 4; y < 36; y++) /* int(.8 * 40) = 32 at (14, 4) */
        memset(rgb + (y * 60 + 14) * 3, 0, 32 * 3);
    eff_image *im = NULL;
    eff_error err = { 0 };
    T_OK(eff_image_from_rgb(&im, rgb, 60, 40, &err), err);
    eff_preprocess p = { .std = { 1, 1, 1 } };
    T_OK(eff_preprocess_parse(&p, "square=0.8,size=50x21", &err), err);
    for (int f = 0; f < 9; f++) {
        p.filter = (eff_filter)f;
        float x[50 * 21 * 3];
        T_OK(eff_image_prepare(im, &p, x, &err), err);
        for (int i = 0; i < 50 * 21 * 3; i++) assert_true(x[i] == 0);
    }
    eff_image_free(im);
}

static void test_prepare_arguments(void **state)
{
    (void)state;
    eff_image *const im = places(20, 10);
    const eff_preprocess good = { .side = 8, .height = 8, .width = 8, .std = { 1, 1, 1 } };
    float x[8 * 8 * 3];
    eff_error err = { 0 };
    T_OK(eff_image_prepare(im, &good, x, &err), err);
    eff_preprocess bad[16];
    for (int i = 0; i < 16; i++) bad[i] = good;
    bad[0].geometry = (eff_geometry)3;
    bad[1].filter = (eff_filter)9;
    bad[2].filter = (eff_filter)-1;
    bad[3].side = 7;
    bad[4].height = 0;
    bad[5].width = INT32_MAX;
    bad[6].std[2] = NAN;
    bad[7].mean[0] = INFINITY;
    bad[8].icc = 2;
    bad[9].scaled_dct = -1;
    for (int i = 10; i < 13; i++) bad[i].geometry = EFF_GEOM_SQUARE;
    bad[11].fraction = 1.5;
    bad[12].fraction = NAN;
    bad[13].side = -1;
    bad[14].std[0] = 1e7f;
    bad[15].width = 9;
    memset(x, 0x55, sizeof x);
    const float untouched = x[0];
    for (int i = 0; i < 16; i++) {
        assert_int_equal(eff_image_prepare(im, &bad[i], x, &err), EFF_EARG);
        assert_true(x[0] == untouched);
    }
    assert_int_equal(eff_image_prepare(NULL, &good, x, &err), EFF_EARG);
    assert_int_equal(eff_image_prepare(im, NULL, x, &err), EFF_EARG);
    assert_int_equal(eff_image_prepare(im, &good, NULL, &err), EFF_EARG);
    for (int f = 0; f < 9; f += 3) { /* out of memory: refused, nothing written */
        eff_preprocess p = good;
        p.filter = (eff_filter)f;
        eff_status s = EFF_ENOMEM;
        for (long n = 0; s != EFF_OK; n++) {
            assert_true(n < 40);
            memset(x, 0x55, sizeof x);
            eff_alloc_fail_after(n);
            s = eff_image_prepare(im, &p, x, &err);
            eff_alloc_fail_after(-1);
            assert_true(s == EFF_OK || (s == EFF_ENOMEM && x[0] == untouched && x[8 * 8 * 3 - 1] == untouched));
        }
    }
    eff_image_free(im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_long_side),
        cmocka_unit_test(test_square_sees_only_itself),
        cmocka_unit_test(test_prepare_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
