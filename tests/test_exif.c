/* SPDX-License-Identifier: Apache-2.0 */
/* EXIF orientation: all eight in each container, by both ways in, with every filter; blocks that are damaged or lie. */
#include "pictures.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "base/rng.h"
#include "image/exif.h"
#include "image/image.h"

enum { W = 37, H = 22, N = 14 };

static t_bytes make(int container, t_extra extra)
{
    uint8_t rgba[W * H * 4];
    for (int i = 0; i < W * H * 4; i++) rgba[i] = (uint8_t)t_sample(i / 4 % W, i / (4 * W), i % 4, 8);
    switch (container) {
    case 0: return t_jpeg_make((t_jpeg){ "oriented", 3, 2, 2, .width = W, .height = H, .extra = extra });
    case 1: return t_png_make((t_png){ PNG_COLOR_TYPE_RGB, 8, .width = W, .height = H, .extra = extra });
    case 2: return t_webp_make((t_webp){ .lossless = true, .width = W, .height = H, .rgba = rgba, .extra = extra });
    case 3: return t_png_make((t_png){ PNG_COLOR_TYPE_GRAY, 4, true, .width = W, .height = H, .extra = extra });
    default: return t_jpeg_make((t_jpeg){ "cmyk", 4, 1, 1, .width = W, .height = H, .extra = extra });
    }
}

static eff_image *decode(t_bytes b)
{
    eff_error err = { 0 };
    eff_image *im = NULL;
    T_OK(eff_image_decode(&im, b.data, b.size, &err), err);
    return im;
}

/* The orientations by their names in the standard: which corner of the stored picture comes to stand top left, and
 * whether its rows become columns. */
static const uint8_t *stored_pixel(const uint8_t *rgb, int o, int x, int y)
{
    static const struct {
        int right, bottom, turned;
    } top_left[9] = { { 0, 0, 0 }, { 0, 0, 0 }, { 1, 0, 0 }, { 1, 1, 0 }, { 0, 1, 0 },
                      { 0, 0, 1 }, { 0, 1, 1 }, { 1, 1, 1 }, { 1, 0, 1 } };
    const int along = top_left[o].turned ? y : x, across = top_left[o].turned ? x : y;
    const int sx = top_left[o].right ? W - 1 - along : along, sy = top_left[o].bottom ? H - 1 - across : across;
    return rgb + (sy * W + sx) * 3;
}

static void same_prepared(t_bytes b, const eff_image *upright, int container, int o)
{
    float got[N * N * 3], want[N * N * 3];
    eff_error err = { 0 };
    for (int g = 0; g < 4; g++)
        for (int f = 0; f < 9; f++) {
            eff_preprocess p = { .geometry = (eff_geometry)(g % 3),
                                 .filter = (eff_filter)f,
                                 .side = g == 3 ? 60 : 16, /* enlarged, too */
                                 .height = N - g,
                                 .width = N,
                                 .fraction = 0.8,
                                 .std = { 1, 1, 1 } };
            if (g == 3) p.geometry = EFF_GEOM_SHORT;
            T_OK(eff_prepare_bytes(b.data, b.size, &p, got, &err), err);
            T_OK(eff_image_prepare(upright, &p, want, &err), err);
            if (memcmp(got, want, sizeof *got * (size_t)p.height * (size_t)p.width * 3))
                fail_msg("container %d, orientation %d, geometry %d, filter %d: not the bits of the upright picture",
                         container, o, g, f);
        }
}

static void test_eight_orientations(void **state)
{
    (void)state;
    for (int container = 0; container < 5; container++) {
        const t_bytes plain = make(container, (t_extra){ 0 });
        eff_image *const stored = decode(plain);
        for (int o = 1; o <= 8; o++)
            for (int big = 0; big < 2; big++) {
                const t_bytes exif = t_exif(o, big);
                const t_bytes b = make(container, (t_extra){ .exif = exif.data, .exif_size = exif.size });
                eff_image *const im = decode(b);
                assert_int_equal(im->width, o >= 5 ? H : W);
                assert_int_equal(im->height, o >= 5 ? W : H);
                for (int y = 0; y < im->height; y++)
                    for (int x = 0; x < im->width; x++)
                        if (memcmp(im->rgb + (y * im->width + x) * 3, stored_pixel(stored->rgb, o, x, y), 3))
                            fail_msg("container %d, orientation %d: wrong pixel at %d,%d", container, o, x, y);
                same_prepared(b, im, container, o);
                eff_image_free(im);
                free(b.data);
                free(exif.data);
            }
        eff_image_free(stored);
        free(plain.data);
    }
}

/* Tall and flat pictures: both orders of Pillow's passes, mirrored and exchanged. */
static void test_extreme_shapes(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 1, 90 }, { 90, 1 }, { 9, 200 }, { 200, 9 }, { 14, 14 }, { 14, 70 } };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int o = 1; o <= 8; o++) {
            const t_bytes exif = t_exif(o, false);
            const t_bytes b = t_png_make((t_png){ PNG_COLOR_TYPE_RGB, 8, .width = sizes[i][0], .height = sizes[i][1],
                                                  .extra = { .exif = exif.data, .exif_size = exif.size } });
            eff_image *const im = decode(b);
            same_prepared(b, im, (int)i + 100, o);
            eff_image_free(im);
            free(b.data);
            free(exif.data);
        }
}

static void test_orientation_values(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        for (int o = 1; o <= 8; o++) {
            const t_bytes e = t_exif(o, big);
            assert_int_equal(eff_exif_orientation(e.data, e.size), o);
            t_bytes with = { NULL, 0 }; /* as some programs write it into a WebP */
            t_append(&with, "Exif\0\0", 6);
            t_append(&with, e.data, e.size);
            assert_int_equal(eff_exif_orientation(with.data, with.size), o);
            free(with.data);
            free(e.data);
        }
        static const int odd[] = { 0, 9, 255, 65535 };
        for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
            const t_bytes e = t_exif(odd[i], big);
            assert_int_equal(eff_exif_orientation(e.data, e.size), 1);
            free(e.data);
        }
    }
}

static int of(const char *bytes, size_t n)
{
    uint8_t *const exact = calloc(n ? n : 1, 1); /* so that a read past the end is seen */
    memcpy(exact, bytes, n);
    const int o = eff_exif_orientation(exact, n);
    free(exact);
    return o;
}

static void test_hostile_blocks(void **state)
{
    (void)state;
#define OF(text) of(text, sizeof(text) - 1)
    assert_int_equal(OF(""), 1);
    assert_int_equal(OF("Exif\0\0"), 1);
    assert_int_equal(OF("II*\0\x08\0\0\0"), 1);
    assert_int_equal(OF("II*\0\x08\0\0\0\1"), 1);
    assert_int_equal(OF("II*\0\0\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"), 1);         /* directory inside the header */
    assert_int_equal(OF("II*\0\xff\xff\xff\xff\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"), 1); /* and far outside */
    assert_int_equal(OF("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"), 6);
    assert_int_equal(OF("II*\0\x08\0\0\0\xff\xff\x12\1\3\0\1\0\0\0\6\0\0\0"), 6); /* 65,535 entries promised */
    assert_int_equal(OF("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0"), 1);       /* one byte short */
    assert_int_equal(OF("II*\0\x08\0\0\0\1\0\x12\1\3\0\2\0\0\0\6\0\0\0"), 1);     /* two values */
    assert_int_equal(OF("II*\0\x08\0\0\0\1\0\x12\1\2\0\1\0\0\0\6\0\0\0"), 1);     /* text */
    assert_int_equal(OF("II*\0\x08\0\0\0\1\0\x12\1\1\0\1\0\0\0\6\0\0\0"), 6);     /* a byte */
    assert_int_equal(OF("II*\0\x08\0\0\0\1\0\x12\1\4\0\1\0\0\0\6\0\0\0"), 6);     /* a long */
    assert_int_equal(OF("II*\0\x08\0\0\0\1\0\x12\1\4\0\1\0\0\0\6\0\0\1"), 1);
    assert_int_equal(OF("II*\0\x08\0\0\0\2\0\x12\1\3\0\1\0\0\0\6\0\0\0\x12\1\3\0\1\0\0\0\3\0\0\0"),
                     3); /* the last counts */
    assert_int_equal(OF("MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x08\0\0"), 8);
    assert_int_equal(OF("MM*\0\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x08\0\0"), 1);
    assert_int_equal(OF("II+\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"), 1); /* BigTIFF */
#undef OF
    for (uint64_t seed = 0; seed < 20000; seed++) { /* anything: an orientation, and no byte read outside */
        const t_bytes e = t_exif(3, seed & 1);
        const size_t n = eff_rng_bits(seed, 0, 0) % (e.size + 1);
        for (int k = 0; k < 3; k++)
            e.data[eff_rng_bits(seed, 1, (uint64_t)k) % e.size] = (uint8_t)eff_rng_bits(seed, 2, (uint64_t)k);
        const int o = of((const char *)e.data, n);
        assert_in_range(o, 1, 8);
        free(e.data);
    }
}

/* A photograph is not refused for what is written beside it. */
static void test_damaged_blocks_in_files(void **state)
{
    (void)state;
    static const char *const odd[] = { "",    "Exif",
                                       "II*", "II*\0\xff\xff\xff\xff",
                                       "MM",  "nonsense, and long enough to be one" };
    for (int container = 0; container < 3; container++)
        for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
            t_bytes b = make(container, (t_extra){ .exif = (const uint8_t *)odd[i], .exif_size = strlen(odd[i]) + 1 });
            eff_image *const im = decode(b);
            assert_int_equal(im->width, W);
            eff_image_free(im);
            free(b.data);
        }
}

/* The first EXIF segment of a JPEG counts; an APP1 of another kind (XMP) is none; a PNG's may follow the pixels. */
static void test_places_of_the_block(void **state)
{
    (void)state;
    const t_bytes six = t_exif(6, false), three = t_exif(3, true);
    const t_bytes j = make(0, (t_extra){ .exif = six.data, .exif_size = six.size });
    t_bytes more = { NULL, 0 };
    t_append(&more, j.data, 2);
    t_append(&more, "\xff\xe1\0\x0chttp://x\0\0", 14);
    t_append(&more, j.data + 2, j.size - 2);
    eff_image *im = decode(more);
    assert_int_equal(im->width, H);
    eff_image_free(im);
    more.size = 2;
    uint8_t head[] = { 0xff, 0xe1, 0, (uint8_t)(8 + three.size) };
    t_append(&more, head, 4);
    t_append(&more, "Exif\0\0", 6);
    t_append(&more, three.data, three.size);
    t_append(&more, j.data + 2, j.size - 2);
    im = decode(more);
    assert_int_equal(im->width, W); /* 3, not 6 */
    eff_image_free(im);

    t_bytes p = make(1, (t_extra){ 0 });
    uint8_t end[12];
    memcpy(end, p.data + p.size - 12, 12);
    p.size -= 12;
    uint8_t *const chunk = malloc(six.size + 12);
    t_put32(chunk, (uint32_t)six.size);
    memcpy(chunk + 4, "eXIf", 4);
    memcpy(chunk + 8, six.data, six.size);
    t_put32(chunk + 8 + six.size, t_crc32(chunk + 4, six.size + 4));
    t_append(&p, chunk, six.size + 12);
    t_append(&p, end, 12);
    im = decode(p);
    assert_int_equal(im->width, H);
    eff_image_free(im);
    p.data[p.size - 14] ^= 1; /* its checksum */
    eff_error err = { 0 };
    assert_int_equal(eff_image_decode(&im, p.data, p.size, &err), EFF_EFORMAT);
    free(chunk);
    free(p.data);
    free(more.data);
    free(j.data);
    free(three.data);
    free(six.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eight_orientations),      cmocka_unit_test(test_extreme_shapes),
        cmocka_unit_test(test_orientation_values),      cmocka_unit_test(test_hostile_blocks),
        cmocka_unit_test(test_damaged_blocks_in_files), cmocka_unit_test(test_places_of_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
