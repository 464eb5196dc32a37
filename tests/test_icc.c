/* SPDX-License-Identifier: Apache-2.0 */
/* Embedded colour profiles: six kinds in each container against the colour arithmetic done here in double, by both ways
 * in; profiles that are damaged or belong to other pixels; memory that ends. */
#include "pictures.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lcms2.h>
#include <png.h>

#include "base/mem.h"
#include "base/rng.h"
#include "image/icc.h"
#include "image/image.h"

enum { W = 64, H = 48, N = W * H };

/* Nothing but the conversion: the middle square at its own size, values as they are. */
static eff_preprocess rule(int icc)
{
    return (eff_preprocess){ .side = H, .height = H, .width = H, .std = { 1, 1, 1 }, .icc = icc };
}

static t_bytes make(int container, t_extra extra)
{
    static uint8_t rgba[N * 4];
    for (int i = 0; i < N * 4; i++) rgba[i] = (uint8_t)t_sample(i / 4 % W, i / (4 * W), i % 4, 8);
    switch (container) {
    case 0: return t_jpeg_make((t_jpeg){ "rgb", 3, 1, 1, .width = W, .height = H, .extra = extra });
    case 1: return t_png_make((t_png){ PNG_COLOR_TYPE_RGB, 8, .width = W, .height = H, .extra = extra });
    case 2: return t_webp_make((t_webp){ .lossless = true, .width = W, .height = H, .rgba = rgba, .extra = extra });
    case 3: return t_jpeg_make((t_jpeg){ "gray", 1, 1, 1, .width = W, .height = H, .extra = extra });
    case 4: return t_png_make((t_png){ PNG_COLOR_TYPE_GRAY, 8, .width = W, .height = H, .extra = extra });
    default: return t_jpeg_make((t_jpeg){ "cmyk", 4, 1, 1, .width = W, .height = H, .extra = extra });
    }
}

static void prepare(float *x, t_bytes b, int icc)
{
    static float other[H * H * 3];
    const eff_preprocess p = rule(icc);
    eff_error err = { 0 };
    eff_image *im = NULL;
    T_OK(eff_prepare_bytes(b.data, b.size, &p, x, &err), err);
    T_OK(eff_image_decode(&im, b.data, b.size, &err), err);
    T_OK(eff_image_prepare(im, &p, other, &err), err);
    assert_memory_equal(x, other, sizeof other);
    eff_image_free(im);
}

static double to_linear(double v, double gamma)
{
    if (gamma > 0) return pow(v, gamma);
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double from_linear(double v)
{
    v = v < 0 ? 0 : v > 1 ? 1 : v;
    return v <= 0.0031308 ? v * 12.92 : 1.055 * pow(v, 1 / 2.4) - 0.055;
}

static void invert(double m[3][3], double a[3][3])
{
    const double det = a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) -
                       a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
                       a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            m[j][i] = (a[(i + 1) % 3][(j + 1) % 3] * a[(i + 2) % 3][(j + 2) % 3] -
                       a[(i + 1) % 3][(j + 2) % 3] * a[(i + 2) % 3][(j + 1) % 3]) /
                      det;
}

/* RGB of these primaries and a white of D65 to XYZ. */
static void to_xyz(double m[3][3], const double xy[3][2])
{
    double p[3][3], q[3][3];
    for (int c = 0; c < 3; c++) {
        p[0][c] = xy[c][0] / xy[c][1];
        p[1][c] = 1;
        p[2][c] = (1 - xy[c][0] - xy[c][1]) / xy[c][1];
    }
    invert(q, p);
    const double white[3] = { 0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290 };
    for (int c = 0; c < 3; c++) {
        const double s = q[c][0] * white[0] + q[c][1] * white[1] + q[c][2] * white[2];
        for (int i = 0; i < 3; i++) m[i][c] = p[i][c] * s;
    }
}

static void expected(float want[3], const float in[3], const double primaries[3][2], double gamma)
{
    static const double srgb[3][2] = { { 0.64, 0.33 }, { 0.30, 0.60 }, { 0.15, 0.06 } };
    double a[3][3], b[3][3], back[3][3];
    to_xyz(a, primaries);
    to_xyz(b, srgb);
    invert(back, b);
    double xyz[3] = { 0 };
    for (int i = 0; i < 3; i++)
        for (int c = 0; c < 3; c++) xyz[i] += a[i][c] * to_linear(in[c] / 255, gamma);
    for (int i = 0; i < 3; i++)
        want[i] = (float)(255 * from_linear(back[i][0] * xyz[0] + back[i][1] * xyz[1] + back[i][2] * xyz[2]));
}

static const struct {
    const char *name;
    double primaries[3][2], gamma;
} kinds[] = {
    { "srgb", { { 0.64, 0.33 }, { 0.30, 0.60 }, { 0.15, 0.06 } }, 0 },
    { "swapped", { { 0.15, 0.06 }, { 0.30, 0.60 }, { 0.64, 0.33 } }, 0 },
    { "p3", { { 0.680, 0.320 }, { 0.265, 0.690 }, { 0.150, 0.060 } }, 0 },
    { "adobe", { { 0.64, 0.33 }, { 0.21, 0.71 }, { 0.15, 0.06 } }, 2.2 },
};

/* lcms2 keeps its matrices to 2^-14 and its results to a level; near black the curve is steep. */
enum { TOLERANCE = 2 };

static void test_rgb_profiles(void **state)
{
    (void)state;
    static float plain[H * H * 3], got[H * H * 3];
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const t_bytes icc = t_icc(kinds[k].name);
        for (int container = 0; container < 3; container++) {
            const t_bytes b = make(container, (t_extra){ .icc = icc.data, .icc_size = icc.size });
            prepare(plain, b, 0);
            prepare(got, b, 1);
            double worst = 0, moved = 0;
            for (int i = 0; i < H * H; i++) {
                float want[3];
                expected(want, plain + 3 * i, kinds[k].primaries, kinds[k].gamma);
                for (int c = 0; c < 3; c++) {
                    worst = fmax(worst, fabs(want[c] - got[3 * i + c]));
                    moved = fmax(moved, fabs(plain[3 * i + c] - got[3 * i + c]));
                }
            }
            if (container == 1) print_message("%s: off by %.2f, moved by %.0f\n", kinds[k].name, worst, moved);
            if (!(worst <= TOLERANCE)) fail_msg("%s in container %d: off by %g", kinds[k].name, container, worst);
            assert_true(k == 0 ? moved <= 1 : moved > 10);
            free(b.data);
        }
        free(icc.data);
    }
}

static void test_gray_profile(void **state)
{
    (void)state;
    static float plain[H * H * 3], got[H * H * 3];
    const t_bytes icc = t_icc("gray");
    for (int container = 3; container < 5; container++) {
        const t_bytes b = make(container, (t_extra){ .icc = icc.data, .icc_size = icc.size });
        prepare(plain, b, 0);
        prepare(got, b, 1);
        for (int i = 0; i < H * H * 3; i++) {
            const double want = 255 * from_linear(to_linear(plain[i] / 255, 2.2));
            if (!(fabs(got[i] - want) <= TOLERANCE)) fail_msg("gray: %g gave %g, expected %g", plain[i], got[i], want);
        }
        free(b.data);
    }
    free(icc.data);
}

/* A profile of 90 kB, in pieces in the JPEG. The library's own transform of the stored inks says what is right. */
static void test_cmyk_profile(void **state)
{
    (void)state;
    static float got[H * H * 3], plain[H * H * 3];
    const t_bytes icc = t_icc("cmyk");
    assert_true(icc.size > 65536);
    const t_bytes b = make(5, (t_extra){ .icc = icc.data, .icc_size = icc.size });
    prepare(got, b, 1);
    prepare(plain, b, 0);
    eff_image *im = NULL;
    eff_error err = { 0 };
    T_OK(eff_image_decode(&im, b.data, b.size, &err), err);
    assert_non_null(im->ink);
    assert_int_equal(im->icc_size, icc.size);
    assert_memory_equal(im->icc, icc.data, icc.size);
    cmsHPROFILE p = cmsOpenProfileFromMem(icc.data, (cmsUInt32Number)icc.size), s = cmsCreate_sRGBProfile();
    cmsHTRANSFORM t = cmsCreateTransform(p, TYPE_CMYK_8_REV, s, TYPE_RGB_8, INTENT_PERCEPTUAL, 0);
    static uint8_t want[N * 3];
    cmsDoTransform(t, im->ink, want, N);
    cmsDeleteTransform(t);
    cmsCloseProfile(p);
    cmsCloseProfile(s);
    int moved = 0;
    for (int i = 0; i < H * H * 3; i++) {
        const int x = i / 3 % H + (W - H) / 2, y = i / (3 * H);
        assert_int_equal((int)got[i], want[(y * W + x) * 3 + i % 3]);
        moved += got[i] != plain[i];
    }
    assert_true(moved > H * H);
    eff_image_free(im);
    free(b.data);
    free(icc.data);
}

/* What is damaged, or speaks of other pixels, changes nothing: the photograph is read as if it were not there. */
static void test_useless_profiles(void **state)
{
    (void)state;
    static float plain[H * H * 3], got[H * H * 3];
    static const char *const names[] = { "srgb", "gray", "cmyk", "p3" };
    for (int container = 0; container < 6; container++)
        for (int k = 0; k < 6; k++) {
            t_bytes icc = t_icc(k < 4 ? names[k] : "p3");
            const bool fits = k == 3 || k == 0 ? container < 3
                              : k == 1         ? container == 3 || container == 4
                                               : k == 2 && container == 5;
            if (fits) {
                free(icc.data);
                continue;
            }
            if (k == 3) icc.size = 100;                   /* cut off in its header */
            if (k == 4) memset(icc.data + 128, 0xff, 64); /* tags without number */
            if (k == 5) memset(icc.data + 12, 'x', 8);    /* a class and a space that there are not */
            if (container == 1 || container == 4) t_put32(icc.data, (uint32_t)icc.size); /* libpng insists */
            const t_bytes b = make(container, (t_extra){ .icc = icc.data, .icc_size = icc.size });
            prepare(plain, b, 0);
            prepare(got, b, 1);
            if (memcmp(plain, got, sizeof got)) fail_msg("container %d, profile %d: not ignored", container, k);
            free(b.data);
            free(icc.data);
        }
}

/* A scanner's, a screen's, a printer's, a colour space's profile describe pixels; a link's or an effect's do not. */
static void test_classes(void **state)
{
    (void)state;
    static const char *const classes[] = { "scnr", "mntr", "prtr", "spac", "link", "abst", "nmcl", "none" };
    for (int i = 0; i < 8; i++) {
        const t_bytes b = t_icc("p3");
        memcpy(b.data + 12, classes[i], 4);
        eff_icc *t = NULL;
        assert_int_equal(eff_icc_open(&t, b.data, b.size, EFF_PIXELS_RGB, NULL), EFF_OK);
        if ((t != NULL) != (i < 4)) fail_msg("%s", classes[i]);
        eff_icc_close(t);
        free(b.data);
    }
}

/* A JPEG's pieces: out of order they are put in order; missing, twice, or contradicting each other there is none. */
static void test_jpeg_pieces(void **state)
{
    (void)state;
    static float want[H * H * 3], plain[H * H * 3], got[H * H * 3];
    const t_bytes icc = t_icc("swapped"), bare = make(0, (t_extra){ 0 });
    const t_bytes whole = make(0, (t_extra){ .icc = icc.data, .icc_size = icc.size });
    prepare(want, whole, 1);
    prepare(plain, whole, 0);
    static const struct {
        const char *order; /* number and count of each piece; '3' stands for a number that is too high */
        bool good;
    } t[] = { { "1212", false },   { "1222", true },  { "2212", true }, { "12", false },   { "1232", false },
              { "121222", false }, { "1223", false }, { "02", false },  { "1020", false }, { "122232", false } };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        t_bytes b = { NULL, 0 };
        t_append(&b, bare.data, 2);
        for (const char *o = t[i].order; *o; o += 2) {
            const size_t half = icc.size / 2, n = o[0] == '1' ? half : icc.size - half, length = n + 16;
            uint8_t head[18] = { 0xff, 0xe2, (uint8_t)(length >> 8), (uint8_t)length };
            memcpy(head + 4, "ICC_PROFILE", 12);
            head[16] = (uint8_t)(o[0] - '0');
            head[17] = (uint8_t)(o[1] - '0');
            t_append(&b, head, 18);
            t_append(&b, icc.data + (o[0] == '1' ? 0 : half), n);
        }
        t_append(&b, bare.data + 2, bare.size - 2);
        prepare(got, b, 1);
        if (memcmp(got, t[i].good ? want : plain, sizeof got)) fail_msg("pieces %s: not as expected", t[i].order);
        free(b.data);
    }
    for (int k = 0; k < 4; k++) { /* empty, no profile at all, not the name, more than a profile may have */
        t_bytes b = { NULL, 0 };
        t_append(&b, bare.data, 2);
        if (k == 0) t_append(&b, "\xff\xe2\0\x10ICC_PROFILE\0\1\1", 18);
        if (k == 1) t_append(&b, "\xff\xe2\0\5ICC\xff\xe1\0\5Exi\xff\xe2\0\x10ICC_PROFILE\0\1\0", 32);
        if (k == 2)
            t_append(&b,
                     "\xff\xe2\0\x12ICC_PROFILF\0\1\1ab\xff\xe1\0\x0a"
                     "Exif\0\1ab",
                     32);
        for (int i = 1; k == 3 && i <= 70; i++) {
            static uint8_t piece[65537] = { 0xff, 0xe2, 0xff, 0xff, 'I', 'C', 'C', '_',
                                            'P',  'R',  'O',  'F',  'I', 'L', 'E' };
            piece[16] = (uint8_t)i;
            piece[17] = 70;
            t_append(&b, piece, sizeof piece);
        }
        t_append(&b, bare.data + 2, bare.size - 2);
        prepare(got, b, 1);
        assert_memory_equal(got, plain, sizeof got);
        free(b.data);
    }
    free(whole.data);
    free(bare.data);
    free(icc.data);
}

static void test_bytes_of_any_kind(void **state)
{
    (void)state;
    int opened = 0;
    for (uint64_t seed = 0; seed < 600; seed++) {
        static const char *const names[] = { "srgb", "gray", "adobe" };
        t_bytes icc = t_icc(names[seed % 3]);
        for (int k = 0; k < 4; k++)
            icc.data[eff_rng_bits(seed, 1, (uint64_t)k) % icc.size] = (uint8_t)eff_rng_bits(seed, 2, (uint64_t)k);
        eff_icc *t = NULL;
        eff_error err = { 0 };
        const eff_pixels pixels = seed % 3 == 1 ? EFF_PIXELS_GRAY : EFF_PIXELS_RGB;
        T_OK(eff_icc_open(&t, icc.data, icc.size - (seed % 7 == 0 ? seed % icc.size : 0), pixels, &err), err);
        uint8_t in[30] = { 0, 255, 3 }, out[30];
        if (t) eff_icc_row(t, out, in, 10);
        opened += t != NULL;
        eff_icc_close(t);
        free(icc.data);
    }
    assert_true(opened > 100 && opened < 600);
    eff_icc *t = NULL;
    T_OK(eff_icc_open(&t, NULL, 0, EFF_PIXELS_RGB, NULL), (eff_error){ 0 });
    assert_null(t);
    uint8_t *const large = calloc(1, EFF_ICC_MAX + 1);
    assert_int_equal(eff_icc_open(&t, large, EFF_ICC_MAX + 1, EFF_PIXELS_RGB, NULL), EFF_OK);
    assert_null(t);
    free(large);
}

/* A table that promises more than the file has, or than anyone would hold, is no profile. */
static void test_hostile_tables(void **state)
{
    (void)state;
    const t_bytes icc = t_icc("cmyk3");
    size_t at = 0;
    while (memcmp(icc.data + at, "mft2", 4)) at++;
    static const int grids[] = { 0, 1, 4, 30, 60, 120, 255 };
    for (size_t i = 0; i < sizeof grids / sizeof grids[0]; i++) {
        icc.data[at + 10] = (uint8_t)grids[i];
        eff_icc *t = NULL;
        eff_error err = { 0 };
        T_OK(eff_icc_open(&t, icc.data, icc.size, EFF_PIXELS_CMYK, &err), err);
        assert_null(t);
    }
    free(icc.data);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    static float x[H * H * 3];
    const char *const names[] = { "p3", "gray", "cmyk" };
    for (int k = 0; k < 3; k++) {
        const t_bytes icc = t_icc(names[k]);
        const t_bytes b = make(k == 0 ? 0 : k == 1 ? 4 : 5, (t_extra){ .icc = icc.data, .icc_size = icc.size });
        const eff_preprocess p = rule(1);
        eff_status s = EFF_ENOMEM;
        long n = 0;
        for (; s != EFF_OK; n++) {
            assert_true(n < 5000);
            eff_error err = { 0 };
            eff_alloc_fail_after(n);
            s = eff_prepare_bytes(b.data, b.size, &p, x, &err);
            eff_alloc_fail_after(-1);
            if (s != EFF_OK && s != EFF_ENOMEM) fail_msg("%s, allocation %ld: %d %s", names[k], n, (int)s, err.msg);
            eff_image *im = NULL;
            eff_alloc_fail_after(n);
            const eff_status whole = eff_image_decode(&im, b.data, b.size, &err);
            eff_alloc_fail_after(-1);
            assert_true(whole == (im ? EFF_OK : EFF_ENOMEM));
            eff_image_free(im);
        }
        print_message("%s: %ld allocations\n", names[k], n - 1);
        free(b.data);
        free(icc.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rgb_profiles),      cmocka_unit_test(test_gray_profile),
        cmocka_unit_test(test_cmyk_profile),      cmocka_unit_test(test_useless_profiles),
        cmocka_unit_test(test_jpeg_pieces),       cmocka_unit_test(test_classes),
        cmocka_unit_test(test_bytes_of_any_kind), cmocka_unit_test(test_hostile_tables),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
