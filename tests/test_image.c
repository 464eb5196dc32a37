/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders: pictures of every kind encoded here and read back, every truncation, bit flips, headers that promise too
 * much, formats that are recognised but not read, files that are no files. */
#include "pictures.h"
#include "support.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/decode.h>

#include "base/mem.h"
#include "base/rng.h"
#include "image/decode.h"
#include "image/image.h"

enum { W = T_W, H = T_H };

typedef t_bytes blob;

static const t_jpeg jpegs[] = {
    { "420", 3, 2, 2, .progressive = false },
    { "422", 3, 2, 1, .restart = 3 },
    { "444", 3, 1, 1, .rgb = false },
    { "gray", 1, 1, 1, .progressive = false },
    { "progressive", 3, 2, 2, .progressive = true },
    { "progressive gray", 1, 1, 1, .progressive = true },
    { "rgb", 3, 1, 1, .rgb = true },
    { "arithmetic", 3, 2, 2, .arithmetic = true },
    { "cmyk", 4, 1, 1, .ycck = false },
    { "ycck", 4, 2, 2, .ycck = true },
    { "progressive cmyk", 4, 1, 1, .progressive = true },
    { "separate scans", 3, 2, 2, .separate = true },
};
enum { N_JPEGS = sizeof jpegs / sizeof jpegs[0], N_PNGS = 6, N_WEBPS = 3, N_ALL = N_JPEGS + N_PNGS + N_WEBPS };

static const t_png pngs[N_PNGS] = {
    { PNG_COLOR_TYPE_RGB, 8, .interlaced = false },     { PNG_COLOR_TYPE_GRAY, 8, .interlaced = false },
    { PNG_COLOR_TYPE_PALETTE, 4, .transparent = true }, { PNG_COLOR_TYPE_RGB_ALPHA, 16, .interlaced = true },
    { PNG_COLOR_TYPE_GRAY, 1, .interlaced = true },     { PNG_COLOR_TYPE_GRAY_ALPHA, 8, .interlaced = false },
};

static blob make(int k)
{
    if (k < N_JPEGS) return t_jpeg_make(jpegs[k]);
    if (k < N_JPEGS + N_PNGS) return t_png_make(pngs[k - N_JPEGS]);
    uint8_t rgba[W * H * 4];
    for (int i = 0; i < W * H * 4; i++) rgba[i] = (uint8_t)(i / 4 % W * 3 + i / (4 * W) * (i % 4 + 1));
    const int w = k - N_JPEGS - N_PNGS;
    return t_webp_make((t_webp){ .lossless = w == 0, .alpha = w == 2, .width = W, .height = H, .rgba = rgba });
}

static eff_image *decode_ok(blob b)
{
    eff_error err = { 0 };
    eff_image *im = NULL;
    T_OK(eff_image_decode(&im, b.data, b.size, &err), err);
    assert_int_equal(eff_image_width(im), W);
    assert_int_equal(eff_image_height(im), H);
    return im;
}

static void refused(const void *bytes, size_t size, eff_status status, const char *says)
{
    eff_error err = { 0 };
    eff_image *im = (eff_image *)&err;
    const eff_status s = eff_image_decode(&im, bytes, size, &err);
    if (s != status) fail_msg("expected status %d and \"%s\", found %d \"%s\"", (int)status, says, (int)s, err.msg);
    assert_int_equal(err.code, status);
    assert_null(im);
    if (!strstr(err.msg, says)) fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    assert_null(strchr(err.msg, '\n'));
}

/* ------------------------------------------------------------------------------------------------- tests */

/* As libjpeg's own defaults decode, and as Pillow makes RGB of it. */
static void plain_jpeg(uint8_t *rgb, blob b)
{
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr e;
    c.err = jpeg_std_error(&e);
    jpeg_create_decompress(&c);
    jpeg_mem_src(&c, b.data, b.size);
    jpeg_read_header(&c, TRUE);
    jpeg_start_decompress(&c);
    uint8_t row[W * 4];
    while (c.output_scanline < H) {
        uint8_t *const d = rgb + (size_t)c.output_scanline * W * 3;
        jpeg_read_scanlines(&c, (JSAMPROW[]){ row }, 1);
        for (int i = 0; i < W * 3; i++)
            if (c.output_components == 4) {
                const int k = row[i / 3 * 4 + 3], ink = 255 - row[i / 3 * 4 + i % 3];
                d[i] = (uint8_t)(k - (int)floor(ink * k / 255.0 + 0.5));
            } else
                d[i] = c.output_components == 1 ? row[i / 3] : row[i];
    }
    jpeg_finish_decompress(&c);
    jpeg_destroy_decompress(&c);
}

static void test_jpeg_pixels(void **state)
{
    (void)state;
    uint8_t want[W * H * 3];
    for (int k = 0; k < N_JPEGS; k++) {
        const blob b = t_jpeg_make(jpegs[k]);
        eff_image *const im = decode_ok(b);
        plain_jpeg(want, b);
        if (memcmp(want, eff_image_pixels(im), sizeof want)) fail_msg("%s: pixels differ", jpegs[k].name);
        eff_image_free(im);
        free(b.data);
    }
}

/* Every colour type and depth, with and without transparency, plain and interlaced. */
static void test_png_pixels(void **state)
{
    (void)state;
    static const struct {
        int colour, bits;
    } t[] = { { PNG_COLOR_TYPE_GRAY, 1 },        { PNG_COLOR_TYPE_GRAY, 2 },      { PNG_COLOR_TYPE_GRAY, 4 },
              { PNG_COLOR_TYPE_GRAY, 8 },        { PNG_COLOR_TYPE_GRAY, 16 },     { PNG_COLOR_TYPE_PALETTE, 1 },
              { PNG_COLOR_TYPE_PALETTE, 2 },     { PNG_COLOR_TYPE_PALETTE, 4 },   { PNG_COLOR_TYPE_PALETTE, 8 },
              { PNG_COLOR_TYPE_RGB, 8 },         { PNG_COLOR_TYPE_RGB, 16 },      { PNG_COLOR_TYPE_GRAY_ALPHA, 8 },
              { PNG_COLOR_TYPE_GRAY_ALPHA, 16 }, { PNG_COLOR_TYPE_RGB_ALPHA, 8 }, { PNG_COLOR_TYPE_RGB_ALPHA, 16 } };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        for (int variant = 0; variant < 4; variant++) {
            const bool alpha = t[i].colour & PNG_COLOR_MASK_ALPHA, colour = t[i].colour & PNG_COLOR_MASK_COLOR;
            const blob b = t_png_make((t_png){ t[i].colour, t[i].bits, variant & 1, variant & 2 && !alpha });
            eff_image *const im = decode_ok(b);
            for (int p = 0; p < W * H * 3; p++) {
                const int x = p / 3 % W, y = p / (3 * W), c = p % 3;
                const unsigned v = t_sample(x, y, colour && t[i].colour != PNG_COLOR_TYPE_PALETTE ? c : 0, t[i].bits);
                const unsigned want = t[i].colour == PNG_COLOR_TYPE_PALETTE ? t_palette(v, c)
                                      : t[i].bits == 16                     ? v >> 8
                                                                            : v * 255 / ((1u << t[i].bits) - 1);
                if (eff_image_pixels(im)[p] != want)
                    fail_msg("colour type %d, %d bits, variant %d at %d,%d,%d: %d, expected %u", t[i].colour, t[i].bits,
                             variant, x, y, c, eff_image_pixels(im)[p], want);
            }
            eff_image_free(im);
            free(b.data);
        }
    for (int w = 1; w < 9; w++) /* passes that are empty */
        for (int h = 1; h < 9; h++) {
            const blob b = t_png_make((t_png){ PNG_COLOR_TYPE_GRAY, 8, .interlaced = true, .width = w, .height = h });
            eff_error err = { 0 };
            eff_image *im = NULL;
            T_OK(eff_image_decode(&im, b.data, b.size, &err), err);
            for (int p = 0; p < w * h * 3; p++)
                assert_int_equal(eff_image_pixels(im)[p], t_sample(p / 3 % w, p / (3 * w), 0, 8));
            eff_image_free(im);
            free(b.data);
        }
}

static void test_webp_pixels(void **state)
{
    (void)state;
    uint8_t rgba[W * H * 4], want[W * H * 3];
    for (int i = 0; i < W * H * 4; i++) rgba[i] = (uint8_t)t_sample(i / 4 % W, i / (4 * W), i % 4, 8);
    for (int k = 0; k < 4; k++) {
        const t_webp kind = { .lossless = k < 2, .alpha = k & 1, .width = W, .height = H, .rgba = rgba };
        const blob b = t_webp_make(kind);
        if (kind.lossless)
            for (int i = 0; i < W * H * 3; i++) want[i] = rgba[i / 3 * 4 + i % 3];
        else
            assert_non_null(WebPDecodeRGBInto(b.data, b.size, want, sizeof want, W * 3));
        eff_image *const im = decode_ok(b);
        if (memcmp(want, eff_image_pixels(im), sizeof want)) fail_msg("kind %d: pixels differ", k);
        eff_image_free(im);
        free(b.data);
    }
}

/* The first frame on its canvas, the rest black; what the second one shows does not matter. */
static void test_webp_animation(void **state)
{
    (void)state;
    uint8_t one[10 * 8 * 4], two[W * H * 4];
    for (int i = 0; i < 10 * 8 * 4; i++) one[i] = (uint8_t)(100 + i % 151);
    memset(two, 200, sizeof two);
    const t_webp first = { .lossless = true, .alpha = true, .width = 10, .height = 8, .rgba = one },
                 second = { .lossless = false, .width = W, .height = H, .rgba = two };
    const blob b = t_webp_animation(W, H, 12, 6, first, second);
    eff_image *const im = decode_ok(b);
    for (int i = 0; i < W * H * 3; i++) {
        const int x = i / 3 % W - 12, y = i / (3 * W) - 6;
        const int want = x >= 0 && x < 10 && y >= 0 && y < 8 ? one[(y * 10 + x) * 4 + i % 3] : 0;
        assert_int_equal(eff_image_pixels(im)[i], want);
    }
    eff_image_free(im);
    free(b.data);
    const blob wide = t_webp_animation(W, H, 40, 6, first, second); /* a frame that leaves the canvas */
    refused(wide.data, wide.size, EFF_EFORMAT, "WebP");
    free(wide.data);
}

static void test_truncated_anywhere(void **state)
{
    (void)state;
    for (int k = 0; k < N_ALL; k++) {
        const blob b = make(k);
        for (size_t n = 0; n < b.size; n++) {
            uint8_t *const exact = malloc(n ? n : 1); /* so that a read past the end is seen */
            memcpy(exact, b.data, n);
            refused(exact, n, EFF_EFORMAT, n == 0 ? "empty" : "");
            free(exact);
        }
        free(b.data);
    }
}

/* Any single bit may flip: an image or a clean refusal, the same by both ways in. */
static void test_bit_flips(void **state)
{
    (void)state;
    int read = 0, total = 0;
    const eff_preprocess p = {
        .geometry = EFF_GEOM_SQUASH, .side = 8, .height = 8, .width = 8, .std = { 1, 1, 1 }, .icc = 1
    };
    for (int k = 0; k < N_ALL; k++) {
        const blob b = make(k);
        for (size_t i = 0; i < b.size; i++) {
            const int bit = (int)(eff_rng_bits(7, (uint64_t)k, i) % 8);
            b.data[i] ^= (uint8_t)(1 << bit);
            eff_error err = { 0 }, again = { 0 };
            eff_image *im = NULL;
            float x[2][8 * 8 * 3];
            const eff_status s = eff_image_decode(&im, b.data, b.size, &err);
            assert_int_equal(eff_prepare_bytes(b.data, b.size, &p, x[0], &again), s);
            total++;
            if (s == EFF_OK) {
                read++;
                assert_non_null(im);
                if (k >= N_JPEGS && k < N_JPEGS + N_PNGS) fail_msg("PNG: a flipped bit in byte %zu was not noticed", i);
                assert_int_equal(eff_image_prepare(im, &p, x[1], &err), EFF_OK);
                assert_memory_equal(x[0], x[1], sizeof x[0]);
            } else {
                assert_null(im);
                if (s != EFF_EFORMAT && s != EFF_EUNSUPPORTED) fail_msg("byte %zu: status %d: %s", i, (int)s, err.msg);
                assert_true(err.msg[0]);
                assert_string_equal(err.msg, again.msg);
            }
            eff_image_free(im);
            b.data[i] ^= (uint8_t)(1 << bit);
        }
        free(b.data);
    }
    print_message("%d flips, %d still read\n", total, read);
}

static void test_png_headers(void **state)
{
    (void)state;
    static const struct {
        uint32_t w, h;
        const char *says;
    } t[] = { { 100000, 100000, "100000 x 100000" },
              { 65501, 1, "65501 x 1" },
              { 1, 65501, "1 x 65501" },
              { 65000, 65000, "65000 x 65000" },
              { 11585, 11585, "cannot hold" },
              { 4000, 4000, "cannot hold" },
              { 0x7fffffff, 0x7fffffff, "2147483647" },
              { 0, 5, "" },
              { 0xffffffffu, 1, "" } };
    const blob b = make(N_JPEGS);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        t_put32(b.data + 16, t[i].w);
        t_put32(b.data + 20, t[i].h);
        t_put32(b.data + 29, t_crc32(b.data + 12, 17));
        refused(b.data, b.size, EFF_EFORMAT, t[i].says);
    }
    free(b.data);
}

static void test_jpeg_headers(void **state)
{
    (void)state;
    static const struct {
        int w, h;
        const char *says;
    } t[] = { { 65500, 65500, "65500 x 65500" }, { 65535, 65535, "" }, { 65535, 1, "" }, { 0, 10, "" }, { 10, 0, "" },
              { 11585, 11585, "cannot hold" } };
    for (int k = 0; k < N_JPEGS; k++) {
        const blob b = t_jpeg_make(jpegs[k]);
        size_t sof = 2;
        while (b.data[sof + 1] != 0xc0 && b.data[sof + 1] != 0xc1 && b.data[sof + 1] != 0xc2 && b.data[sof + 1] != 0xc9)
            sof += 2 + (size_t)(b.data[sof + 2] << 8 | b.data[sof + 3]);
        for (size_t i = 0; i < sizeof t / sizeof t[0] - jpegs[k].arithmetic; i++) { /* which may use less than a bit */
            b.data[sof + 5] = (uint8_t)(t[i].h >> 8);
            b.data[sof + 6] = (uint8_t)t[i].h;
            b.data[sof + 7] = (uint8_t)(t[i].w >> 8);
            b.data[sof + 8] = (uint8_t)t[i].w;
            refused(b.data, b.size, EFF_EFORMAT, t[i].says);
        }
        b.data[sof + 5] = 0;
        b.data[sof + 6] = b.data[sof + 8] = 16;
        b.data[sof + 7] = 0;
        b.data[sof + 4] = 12; /* bits */
        refused(b.data, b.size, EFF_EUNSUPPORTED, "recision");
        free(b.data);
    }
}

static void test_many_scans(void **state)
{
    (void)state;
    blob b = t_jpeg_make((t_jpeg){ "few", 1, 1, 1, .scans = 11 * 20 });
    eff_image_free(decode_ok(b));
    free(b.data);
    b = t_jpeg_make((t_jpeg){ "many", 1, 1, 1, .scans = 11 * 64 });
    refused(b.data, b.size, EFF_EFORMAT, "scans");
    free(b.data);
}

/* Two components: grey and something, which no rule tells how to show. */
static void test_kinds_not_read(void **state)
{
    (void)state;
    const blob b = t_jpeg_make((t_jpeg){ "two", 1, 1, 1, .rgb = false });
    size_t sof = 2;
    while (b.data[sof + 1] != 0xc0) sof += 2 + (size_t)(b.data[sof + 2] << 8 | b.data[sof + 3]);
    blob two = { NULL, 0 };
    t_append(&two, b.data, sof);
    t_append(&two, "\xff\xc0\0\x0e\x08", 5);
    t_append(&two, b.data + sof + 5, 4);
    t_append(&two, "\2\1\x11\0\2\x11\0", 7);
    t_append(&two, b.data + sof + 13, b.size - sof - 13);
    refused(two.data, two.size, EFF_EUNSUPPORTED, "found 2");
    free(two.data);
    free(b.data);
}

static void test_other_contents(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        eff_status status;
        const char *says;
    } t[] = {
        { "GIF89a\1\0\1\0", 10, EFF_EUNSUPPORTED, "GIF" },
        { "RIFF\x20\0\0\0WEBPVP8 ", 16, EFF_EFORMAT, "WebP" },
        { "BM\x36\0\0\0", 6, EFF_EUNSUPPORTED, "BMP" },
        { "\0\0\0\x1c"
          "ftypheic",
          12, EFF_EUNSUPPORTED, "HEIC" },
        { "\0\0\0\x1c"
          "ftypisom",
          12, EFF_EFORMAT, "none of them" },
        { "RIFF\x20\0\0\0WAVEfmt ", 16, EFF_EFORMAT, "none of them" },
        { "<html>", 6, EFF_EFORMAT, "3c 68 74 6d 6c 3e (\"<html>\")" },
        { "\n", 1, EFF_EFORMAT, "0a (\".\")" },
        { "\x89PN", 3, EFF_EFORMAT, "none of them" },
        { "\x89PNG\n\n\n\n0123456789", 18, EFF_EFORMAT, "PNG" },
        { "\xff\xd8", 2, EFF_EFORMAT, "JPEG" },
        { "", 0, EFF_EFORMAT, "empty" },
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) refused(t[i].bytes, t[i].size, t[i].status, t[i].says);
}

static void write_file(const char *path, const void *data, size_t n)
{
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

static void file_refused(const char *path, const char *says)
{
    eff_error err = { 0 };
    eff_image *im = NULL;
    assert_int_equal(eff_image_load(&im, path, &err), EFF_EFORMAT);
    assert_null(im);
    if (!strstr(err.msg, says)) fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
}

static void test_files(void **state)
{
    (void)state;
    file_refused(t_tmp("missing.jpg"), "no such file");
    mkdir(t_tmp("folder.png"), 0700);
    file_refused(t_tmp("folder.png"), "directory");
    write_file(t_tmp("empty.jpg"), "", 0);
    file_refused(t_tmp("empty.jpg"), "empty");
    const blob b = t_jpeg_make(jpegs[0]);
    write_file(t_tmp("wrong_suffix.png"), b.data, b.size);
    free(b.data);
    eff_error err = { 0 };
    eff_image *im = NULL;
    T_OK(eff_image_load(&im, t_tmp("wrong_suffix.png"), &err), err);
    eff_image_free(im);
    /* a hole of a gigabyte: refused by its size, not read */
    FILE *const f = fopen(t_tmp("large.jpg"), "wb");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), (off_t)1 << 30), 0);
    fclose(f);
    file_refused(t_tmp("large.jpg"), "limit");
}

static void test_png_save(void **state)
{
    (void)state;
    uint8_t *const rgb = t_synth_u8(H, W, 9);
    eff_error err = { 0 };
    eff_image *im = NULL, *back = NULL;
    T_OK(eff_image_from_rgb(&im, rgb, W, H, &err), err);
    assert_memory_equal(eff_image_pixels(im), rgb, W * H * 3);
    T_OK(eff_png_save(im, t_tmp("saved.png"), &err), err);
    T_OK(eff_image_load(&back, t_tmp("saved.png"), &err), err);
    assert_int_equal(eff_image_width(back), W);
    assert_int_equal(eff_image_height(back), H);
    assert_memory_equal(eff_image_pixels(back), rgb, W * H * 3);
    eff_image_free(back);
    assert_int_equal(eff_png_save(im, t_tmp("no/such/folder.png"), &err), EFF_EIO);
    /* out of memory at any point: the old file stays */
    for (long n = 0;; n++) {
        assert_true(n < 100);
        eff_alloc_fail_after(n);
        const eff_status s = eff_png_save(im, t_tmp("saved.png"), &err);
        eff_alloc_fail_after(-1);
        if (s == EFF_OK) break;
        assert_int_equal(s, EFF_ENOMEM);
        T_OK(eff_image_load(&back, t_tmp("saved.png"), &err), err);
        eff_image_free(back);
    }
    eff_image_free(im);
    free(rgb);
    /* more pixels in a row than the formats, or their libraries, have room for */
    uint8_t *bytes, *const row = calloc(1000001, 3);
    size_t size;
    const eff_image wide = { .width = 1000001, .height = 1, .rgb = row };
    assert_int_equal(eff_png_save(&wide, t_tmp("wide.png"), &err), EFF_EIO);
    assert_non_null(strstr(err.msg, "PNG cannot be written: "));
    assert_int_not_equal(access(t_tmp("wide.png"), F_OK), 0);
    assert_true(eff_jpeg_encode(&bytes, &size, row, 65501, 1, 90, &err) < 0);
    assert_true(!bytes && strstr(err.msg, "JPEG cannot be written: "));
    free(row);
}

static void test_from_rgb_arguments(void **state)
{
    (void)state;
    const uint8_t px[3] = { 1, 2, 3 };
    eff_error err;
    eff_image *im;
    static const int bad[][2] = { { 0, 1 },     { 1, 0 },         { -1, 1 },
                                  { 65501, 1 }, { 65500, 65500 }, { INT32_MAX, INT32_MAX } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eff_image_from_rgb(&im, px, bad[i][0], bad[i][1], &err), EFF_EARG);
        assert_int_equal(err.code, EFF_EARG);
        assert_null(im);
    }
    assert_int_equal(eff_image_from_rgb(&im, NULL, 1, 1, &err), EFF_EARG);
    assert_int_equal(eff_image_load(&im, NULL, &err), EFF_EARG);
    assert_int_equal(eff_image_decode(NULL, px, 3, NULL), EFF_EARG);
    eff_image_free(NULL);
}

static eff_status stop_begin(void *ctx, const eff_picture *p, eff_error *err)
{
    (void)ctx;
    (void)err;
    assert_true(p->width == W && p->height == H && p->reduced == 1 && p->orientation == 1 && !p->icc);
    return EFF_OK;
}

static uint8_t *stop_row(void *ctx) { return ctx; }

static bool stop_done(void *ctx) { return (*((int *)ctx + W * 4))-- > 0; }

/* A sink may have seen enough. */
static void test_stopped(void **state)
{
    (void)state;
    for (int k = 0; k < N_ALL; k++) {
        const blob b = make(k);
        int room[W * 4 + 1];
        const eff_sink sink = { .ctx = room, .begin = stop_begin, .row = stop_row, .done = stop_done };
        for (int rows = 0; rows < 3; rows++) {
            room[W * 4] = rows;
            eff_error err = { 0 };
            assert_int_equal(eff_decode(b.data, b.size, &sink, &err), EFF_ECANCELLED);
            assert_int_equal(room[W * 4], -1);
        }
        free(b.data);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (int k = 0; k < N_ALL; k++) {
        const blob b = make(k);
        eff_status s = EFF_ENOMEM;
        for (long n = 0; s != EFF_OK; n++) {
            assert_true(n < 100);
            eff_error err = { 0 };
            eff_image *im = NULL;
            eff_alloc_fail_after(n);
            s = eff_image_decode(&im, b.data, b.size, &err);
            eff_alloc_fail_after(-1);
            if (s != EFF_OK && s != EFF_ENOMEM) fail_msg("allocation %ld: status %d: %s", n, (int)s, err.msg);
            assert_int_equal(s == EFF_OK, im != NULL);
            eff_image_free(im);
        }
        free(b.data);
    }
}

/* What is not read is called by its name, from its first bytes alone; a byte less of them, and it is no known format.
 */
static void test_other_formats(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *name;
    } file[] = {
        { "GIF8", 4, "a GIF" },
        { "BM", 2, "a BMP" },
        { "\0\0\0\x18"
          "ftyphei",
          11, "a HEIC" },
        { "\0\0\0\x18"
          "ftyphev",
          11, "a HEIC" },
        { "\0\0\0\x18"
          "ftypmif1",
          12, "a HEIF" },
        { "\0\0\0\x18"
          "ftypmsf1",
          12, "a HEIF" },
        { "\0\0\0\x0cjP  ", 8, "a JPEG 2000" },
        { "\0\0\0\x0cJXL ", 8, "a JPEG XL" },
        { "\xff\x0a", 2, "a JPEG XL" },
        { "8BPS", 4, "a Photoshop" },
    };
    for (size_t i = 0; i < sizeof file / sizeof *file; i++)
        for (size_t less = 0; less < 2; less++) {
            eff_image *im;
            eff_error err = { 0 };
            const eff_status s = eff_image_decode(&im, file[i].bytes, file[i].n - less, &err);
            char says[64];
            snprintf(says, sizeof says, "found %s image, which is not read", file[i].name);
            if (s != (less ? EFF_EFORMAT : EFF_EUNSUPPORTED) || !strstr(err.msg, less ? "found none of them" : says))
                fail_msg("%s, %zu bytes: %d '%s'", file[i].name, file[i].n - less, s, err.msg);
            assert_null(im);
        }
    /* a brand of AVIF in any place of the first box, and not behind its end or that of the file */
    static const uint8_t box[] = "\0\0\0\x1c"
                                 "ftypmif1\0\0\0\0miafMA1Bavif";
    static const uint8_t animated[] = "\0\0\0\x10"
                                      "ftypavis\0\0\0\0",
                         beyond[] = "\0\0\0\x18"
                                    "ftypmif1\0\0\0\0miafMA1Bavif";
    assert_true(eff_is_avif(box, 28) && eff_is_avif(animated, 16));
    for (size_t n = 0; n < 28; n++) assert_false(eff_is_avif(box, n));
    assert_false(eff_is_avif(beyond, 28));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_pixels),
        cmocka_unit_test(test_png_pixels),
        cmocka_unit_test(test_webp_pixels),
        cmocka_unit_test(test_webp_animation),
        cmocka_unit_test(test_truncated_anywhere),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_png_headers),
        cmocka_unit_test(test_jpeg_headers),
        cmocka_unit_test(test_many_scans),
        cmocka_unit_test(test_kinds_not_read),
        cmocka_unit_test(test_other_contents),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_png_save),
        cmocka_unit_test(test_from_rgb_arguments),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_other_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
