/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding, resizing and normalising against what Pillow and TensorFlow made of the same photographs. Shared data. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "image/resize.h"

static eff_image *load(const char *path)
{
    eff_error err = { 0 };
    eff_image *im = NULL;
    if (eff_image_load(&im, path, &err) != EFF_OK) fail_msg("%s: %s", path, err.msg);
    return im;
}

static size_t g_other_values;

static void same_pixels(const char *what, const uint8_t *got, const eff_image *want)
{
    const size_t n = (size_t)want->width * (size_t)want->height * 3;
    size_t bad = 0, first = 0;
    for (size_t i = n; i-- > 0;)
        if (got[i] != want->rgb[i]) bad++, first = i;
    g_other_values += bad;
    if (bad)
        print_error("%s: %zu of %zu values differ, the first at %zu: %d, expected %d\n", what, bad, n, first,
                    got[first], want->rgb[first]);
}

static const char *const sources[] = { "baseline_422.jpg",      "baseline_444_restart.jpg", "cmyk.jpg",
                                       "exif_orientation6.jpg", "flat_200x20.png",          "gray.jpg",
                                       "gray16.png",            "lossless.webp",            "lossy.webp",
                                       "palette.png",           "progressive_420.jpg",      "rgba.png",
                                       "smaller_than_target.jpg" };

/* "cmyk.jpg" -> "cmyk_jpg" */
static void stem_of(const char *src, char out[64])
{
    snprintf(out, 64, "%s", src);
    char *const dot = strrchr(out, '.');
    assert_non_null(dot);
    *dot = '_';
}

static void test_decoded_to_the_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        char stem[64];
        stem_of(sources[i], stem);
        eff_image *const got = load(t_shared("golden/preprocess/src/%s", sources[i]));
        eff_image *const want = load(t_shared("golden/preprocess/decoded/%s.png", stem));
        assert_int_equal(got->width, want->width);
        assert_int_equal(got->height, want->height);
        same_pixels(sources[i], got->rgb, want);
        eff_image_free(got);
        eff_image_free(want);
    }
    t_figure(g_other_values, 0, "values that differ from Pillow's decoding, %zu files",
             sizeof sources / sizeof sources[0]);
}

/* Every line of calls.tsv: resizing alone from the decoded picture, and from the file by both ways in (mean 0, std 1). */
static void test_pillow_calls(void **state)
{
    (void)state;
    FILE *const f = fopen(t_shared("golden/preprocess/calls.tsv"), "r");
    assert_non_null(f);
    char line[1024];
    int rows = 0;
    float *const x = malloc(224 * 224 * 3 * sizeof *x);
    uint8_t *const u8 = malloc(224 * 224 * 3);
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        char out[128], src[64], stem[64];
        int w, h, left, top;
        if (sscanf(line, "%127[^\t]\t%63[^\t]\t%*[^\t]\t%dx%d\t%d,%d", out, src, &w, &h, &left, &top) != 6)
            fail_msg("calls.tsv: cannot read '%s'", line);
        stem_of(src, stem);
        eff_preprocess p = { .filter = strstr(out, "_bilinear")  ? EFF_FILTER_BILINEAR
                                       : strstr(out, "_lanczos") ? EFF_FILTER_LANCZOS
                                                                 : EFF_FILTER_BICUBIC,
                             .geometry = strstr(out, "_squash") ? EFF_GEOM_SQUASH : EFF_GEOM_SHORT,
                             .height = 224,
                             .width = 224,
                             .std = { 1, 1, 1 } };
        p.side = p.geometry == EFF_GEOM_SQUASH ? 224 : 256;
        eff_image *const dec = load(t_shared("golden/preprocess/decoded/%s.png", stem));
        eff_image *const want = load(t_shared("golden/preprocess/out/%s", out));
        eff_error err = { 0 };
        T_OK(eff_resize_pillow(u8, (eff_box){ left, top, 224, 224 }, dec->rgb, dec->width, dec->height,
                               (eff_box){ 0, 0, dec->width, dec->height }, w, h, p.filter, &err),
             err);
        same_pixels(out, u8, want);
        eff_image *const im = load(t_shared("golden/preprocess/src/%s", src));
        for (int rows_only = 0; rows_only < 2; rows_only++) {
            memset(x, 0, 224 * 224 * 3 * sizeof *x);
            if (rows_only)
                T_OK(eff_prepare_file(t_shared("golden/preprocess/src/%s", src), &p, x, &err), err);
            else
                T_OK(eff_image_prepare(im, &p, x, &err), err);
            for (size_t i = 0; i < 224 * 224 * 3; i++) g_other_values += x[i] != (float)want->rgb[i];
        }
        rows++;
        eff_image_free(im);
        eff_image_free(dec);
        eff_image_free(want);
    }
    fclose(f);
    free(x);
    free(u8);
    assert_int_equal(rows, 52);
    t_figure(g_other_values, 0, "values that differ from Pillow's resize, %d calls, alone and from the file", rows);
}

static void test_tensorflow(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        eff_filter filter;
    } t[] = { { "tpu_bicubic", EFF_FILTER_TF1_BICUBIC },
              { "bicubic_aa0", EFF_FILTER_TF2_BICUBIC },
              { "bicubic_aa1", EFF_FILTER_TF2_BICUBIC_AA },
              { "bilinear_aa0", EFF_FILTER_TF2_BILINEAR } };
    static const char *const src[] = { "progressive_420", "baseline_422" };
    float *const x = malloc(224 * 224 * 3 * sizeof *x);
    for (int i = 0; i < 2; i++) {
        eff_image *const im = load(t_shared("golden/preprocess/src/%s.jpg", src[i]));
        for (size_t k = 0; k < sizeof t / sizeof t[0]; k++) {
            const eff_preprocess p = { .geometry = EFF_GEOM_SQUARE,
                                       .filter = t[k].filter,
                                       .fraction = 224.0 / 256,
                                       .height = 224,
                                       .width = 224,
                                       .std = { 1, 1, 1 } };
            eff_error err = { 0 };
            T_OK(eff_image_prepare(im, &p, x, &err), err);
            t_npy want = t_npy_load(t_shared("golden/preprocess/tf/%s_jpg_%s.npy", src[i], t[k].name));
            assert_int_equal(want.count, 224 * 224 * 3);
            double worst = 0;
            for (size_t j = 0; j < want.count; j++) {
                const double d = fabs(x[j] - t_npy_at(&want, j));
                if (!(d <= worst)) worst = d; /* a NaN stays */
            }
            t_figure(worst, 1e-2, "largest difference from TensorFlow's resize in levels of 255, %s %s", src[i],
                     t[k].name);
            t_npy_free(&want);
        }
        eff_image_free(im);
    }
    free(x);
}

static void test_lite0_input(void **state)
{
    (void)state;
    FILE *const f = fopen(t_shared("golden/lite/images20.tsv"), "r");
    assert_non_null(f);
    char line[256], name[128] = "";
    while (fgets(line, sizeof line, f) && sscanf(line, "0\t%127[^\t\n]", name) != 1)
        ;
    fclose(f);
    assert_true(name[0]);
    eff_preprocess p = { 0 };
    eff_error err = { 0 };
    T_OK(eff_preprocess_parse(&p, "short=256,filter=bicubic,crop=224,mean=127,std=128", &err), err);
    eff_image *const im = load(t_shared("data/imagenet-samples/%s", name));
    t_npy want = t_npy_load(t_shared("golden/lite/lite0_input_row0.npy"));
    assert_int_equal(want.count, 3 * 224 * 224);
    float *const x = malloc(want.count * sizeof *x);
    T_OK(eff_image_prepare(im, &p, x, &err), err);
    const int nchw = want.dim[want.ndim - 1] == 224;
    for (size_t i = 0; i < want.count; i++) {
        const size_t at = nchw ? (i % 3) * 224 * 224 + i / 3 : i;
        if ((double)x[i] != t_npy_at(&want, at))
            fail_msg("%s: value %zu is %g, expected %g", name, i, x[i], t_npy_at(&want, at));
    }
    free(x);
    t_npy_free(&want);
    eff_image_free(im);
}

int main(void)
{
    if (!t_have_shared()) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoded_to_the_bit), cmocka_unit_test(test_pillow_calls),
        cmocka_unit_test(test_tensorflow),         cmocka_unit_test(test_lite0_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
