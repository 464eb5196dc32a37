/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders: pictures encoded here and read back, every truncation, bit flips, headers that promise too much, formats
 * that are recognised but not read, files that are no files. */
#include "support.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>

#include "base/mem.h"
#include "base/rng.h"
#include "image/image.h"

enum { W = 43, H = 29 };

typedef struct blob {
    uint8_t *data;
    size_t size;
} blob;

static uint32_t crc(const uint8_t *p, size_t n)
{
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int b = 0; b < 8; b++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* ---------------------------------------------------------------------------------------------- encoders */

typedef struct jpeg_kind {
    const char *name;
    int components; /* 1, 3, 4 */
    int h, v;       /* sampling of the first one */
    bool progressive, rgb, arithmetic;
    int restart, scans; /* scans > 0: that many, as a hostile file would have */
} jpeg_kind;

static const jpeg_kind jpegs[] = {
    { "420", 3, 2, 2, .progressive = false },
    { "422", 3, 2, 1, .restart = 3 },
    { "444", 3, 1, 1, .rgb = false },
    { "gray", 1, 1, 1, .progressive = false },
    { "progressive", 3, 2, 2, .progressive = true },
    { "progressive gray", 1, 1, 1, .progressive = true },
    { "rgb", 3, 1, 1, .rgb = true },
    { "arithmetic", 3, 2, 2, .arithmetic = true },
};
enum { N_JPEGS = sizeof jpegs / sizeof jpegs[0] };

static blob make_jpeg(jpeg_kind k)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr e;
    static jpeg_scan_info scans[1000];
    uint8_t *const rgb = t_synth_u8(H, W, 3);
    unsigned char *mem = NULL;
    unsigned long size = 0;
    c.err = jpeg_std_error(&e);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &mem, &size);
    c.image_width = W;
    c.image_height = H;
    c.input_components = k.components;
    c.in_color_space = k.components == 1 ? JCS_GRAYSCALE : k.components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&c);
    if (k.rgb) jpeg_set_colorspace(&c, JCS_RGB);
    jpeg_set_quality(&c, 90, TRUE);
    c.comp_info[0].h_samp_factor = k.h;
    c.comp_info[0].v_samp_factor = k.v;
    c.restart_interval = (unsigned)k.restart;
    c.arith_code = k.arithmetic;
    if (k.progressive) jpeg_simple_progression(&c);
    if (k.scans) { /* every coefficient of a grey picture bit by bit */
        int n = 0;
        for (int s = 0; s < 64 && n < k.scans; s++)
            for (int al = 10; al >= 0 && n < k.scans; al--)
                scans[n++] =
                    (jpeg_scan_info){ .comps_in_scan = 1, .Ss = s, .Se = s, .Ah = al == 10 ? 0 : al + 1, .Al = al };
        c.scan_info = scans;
        c.num_scans = n;
    }
    jpeg_start_compress(&c, TRUE);
    uint8_t row[W * 4];
    while (c.next_scanline < H) {
        for (int i = 0; i < W; i++)
            for (int ch = 0; ch < k.components; ch++)
                row[i * k.components + ch] = rgb[((size_t)c.next_scanline * W + (size_t)i) * 3 + (size_t)(ch % 3)];
        jpeg_write_scanlines(&c, (JSAMPROW[]){ row }, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(rgb);
    return (blob){ mem, size };
}

static void png_grow(png_structp p, png_bytep d, size_t n)
{
    blob *const b = png_get_io_ptr(p);
    b->data = realloc(b->data, b->size + n);
    memcpy(b->data + b->size, d, n);
    b->size += n;
}

static void png_no_flush(png_structp p) { (void)p; }

static blob make_png(int colour, int bits, bool interlace, bool transparent)
{
    blob b = { NULL, 0 };
    png_structp p = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(p);
    png_set_write_fn(p, &b, png_grow, png_no_flush);
    png_set_IHDR(p, info, W, H, bits, colour, interlace ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
    if (colour == PNG_COLOR_TYPE_PALETTE) {
        png_color pal[4] = { { 1, 2, 3 }, { 50, 60, 70 }, { 9, 9, 200 }, { 255, 0, 0 } };
        png_set_PLTE(p, info, pal, 4);
    }
    if (transparent) png_set_tRNS(p, info, NULL, 0, &(png_color_16){ .red = 4, .green = 5, .blue = 6, .gray = 7 });
    const png_text text = { .compression = PNG_TEXT_COMPRESSION_zTXt,
                            .key = (png_charp)(uintptr_t) "Comment",
                            .text = (png_charp)(uintptr_t) "a chunk that is skipped",
                            .text_length = 23 };
    png_set_text(p, info, &text, 1);
    png_write_info(p, info);
    uint8_t *const rgb = t_synth_u8(H, W, 3);
    static uint8_t image[H][W * 8];
    png_bytep rows[H];
    memset(image, 0, sizeof image);
    for (int y = 0; y < H; y++) {
        rows[y] = image[y];
        if (colour == PNG_COLOR_TYPE_RGB && bits == 8) memcpy(rows[y], rgb + (size_t)y * W * 3, W * 3);
        if (colour == PNG_COLOR_TYPE_GRAY && bits == 8)
            for (int x = 0; x < W; x++) rows[y][x] = rgb[((size_t)y * W + (size_t)x) * 3];
    }
    png_write_image(p, rows);
    png_write_end(p, info);
    png_destroy_write_struct(&p, &info);
    free(rgb);
    return b;
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

/* As libjpeg's own defaults decode. */
static void plain_jpeg(uint8_t *rgb, blob b)
{
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr e;
    c.err = jpeg_std_error(&e);
    jpeg_create_decompress(&c);
    jpeg_mem_src(&c, b.data, b.size);
    jpeg_read_header(&c, TRUE);
    jpeg_start_decompress(&c);
    uint8_t row[W * 3];
    while (c.output_scanline < H) {
        uint8_t *const d = rgb + (size_t)c.output_scanline * W * 3;
        jpeg_read_scanlines(&c, (JSAMPROW[]){ row }, 1);
        for (int i = 0; i < W * 3; i++) d[i] = c.output_components == 1 ? row[i / 3] : row[i];
    }
    jpeg_finish_decompress(&c);
    jpeg_destroy_decompress(&c);
}

static void test_jpeg_pixels(void **state)
{
    (void)state;
    uint8_t want[W * H * 3];
    for (int k = 0; k < N_JPEGS; k++) {
        const blob b = make_jpeg(jpegs[k]);
        eff_image *const im = decode_ok(b);
        plain_jpeg(want, b);
        if (memcmp(want, eff_image_pixels(im), sizeof want)) fail_msg("%s: pixels differ", jpegs[k].name);
        eff_image_free(im);
        free(b.data);
    }
}

static void test_png_pixels(void **state)
{
    (void)state;
    uint8_t *const rgb = t_synth_u8(H, W, 3);
    for (int gray = 0; gray < 2; gray++) {
        const blob b = make_png(gray ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, 8, false, false);
        eff_image *const im = decode_ok(b);
        for (size_t i = 0; i < W * H * 3; i++) assert_int_equal(eff_image_pixels(im)[i], rgb[gray ? i / 3 * 3 : i]);
        eff_image_free(im);
        free(b.data);
    }
    free(rgb);
}

static void test_truncated_anywhere(void **state)
{
    (void)state;
    for (int k = 0; k < N_JPEGS + 2; k++) {
        const blob b = k < N_JPEGS ? make_jpeg(jpegs[k])
                                   : make_png(k == N_JPEGS ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, 8, false, false);
        for (size_t n = 0; n < b.size; n++) {
            uint8_t *const exact = malloc(n ? n : 1); /* so that a read past the end is seen */
            memcpy(exact, b.data, n);
            refused(exact, n, EFF_EFORMAT, n == 0 ? "empty" : "");
            free(exact);
        }
        free(b.data);
    }
}

/* Any single bit may flip: an image of the same size or a clean refusal. */
static void test_bit_flips(void **state)
{
    (void)state;
    int read = 0, total = 0;
    for (int k = 0; k < N_JPEGS + 1; k++) {
        const blob b = k < N_JPEGS ? make_jpeg(jpegs[k]) : make_png(PNG_COLOR_TYPE_RGB, 8, false, false);
        for (size_t i = 0; i < b.size; i++) {
            const int bit = (int)(eff_rng_bits(7, (uint64_t)k, i) % 8);
            b.data[i] ^= (uint8_t)(1 << bit);
            eff_error err = { 0 };
            eff_image *im = NULL;
            const eff_status s = eff_image_decode(&im, b.data, b.size, &err);
            total++;
            if (s == EFF_OK) {
                read++;
                assert_non_null(im);
                if (k == N_JPEGS) fail_msg("PNG: a flipped bit in byte %zu was not noticed", i);
            } else {
                assert_null(im);
                if (s != EFF_EFORMAT && s != EFF_EUNSUPPORTED) fail_msg("byte %zu: status %d: %s", i, (int)s, err.msg);
                assert_true(err.msg[0]);
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
              { 0x7fffffff, 0x7fffffff, "2147483647" },
              { 0, 5, "" },
              { 0xffffffffu, 1, "" } };
    const blob b = make_png(PNG_COLOR_TYPE_RGB, 8, false, false);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        put32(b.data + 16, t[i].w);
        put32(b.data + 20, t[i].h);
        put32(b.data + 29, crc(b.data + 12, 17));
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
        const blob b = make_jpeg(jpegs[k]);
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
    blob b = make_jpeg((jpeg_kind){ "few", 1, 1, 1, .scans = 11 * 20 });
    eff_image_free(decode_ok(b));
    free(b.data);
    b = make_jpeg((jpeg_kind){ "many", 1, 1, 1, .scans = 11 * 64 });
    refused(b.data, b.size, EFF_EFORMAT, "scans");
    free(b.data);
}

static void test_kinds_not_read(void **state)
{
    (void)state;
    static const struct {
        int colour, bits, interlace, transparent;
        const char *says;
    } t[] = {
        { PNG_COLOR_TYPE_PALETTE, 8, 0, 0, "a palette" },     { PNG_COLOR_TYPE_PALETTE, 2, 0, 0, "a palette" },
        { PNG_COLOR_TYPE_RGB_ALPHA, 8, 0, 0, "alpha" },       { PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0, 0, "alpha" },
        { PNG_COLOR_TYPE_RGB, 16, 0, 0, "16 bits" },          { PNG_COLOR_TYPE_GRAY, 16, 0, 0, "16 bits" },
        { PNG_COLOR_TYPE_GRAY, 1, 0, 0, "less than 8 bits" }, { PNG_COLOR_TYPE_GRAY, 4, 0, 0, "less than 8 bits" },
        { PNG_COLOR_TYPE_RGB, 8, 1, 0, "interlacing" },       { PNG_COLOR_TYPE_RGB, 8, 0, 1, "transparent" },
        { PNG_COLOR_TYPE_GRAY, 8, 0, 1, "transparent" },
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        const blob b = make_png(t[i].colour, t[i].bits, t[i].interlace, t[i].transparent);
        refused(b.data, b.size, EFF_EUNSUPPORTED, t[i].says);
        free(b.data);
    }
    const blob b = make_jpeg((jpeg_kind){ "cmyk", 4, 1, 1, .progressive = false });
    refused(b.data, b.size, EFF_EUNSUPPORTED, "CMYK");
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
        { "RIFF\x20\0\0\0WEBPVP8 ", 16, EFF_EUNSUPPORTED, "WebP" },
        { "BM\x36\0\0\0", 6, EFF_EUNSUPPORTED, "BMP" },
        { "II*\0\x08\0\0\0", 8, EFF_EUNSUPPORTED, "TIFF" },
        { "MM\0*\0\0\0\x08", 8, EFF_EUNSUPPORTED, "TIFF" },
        { "\0\0\0\x1c"
          "ftypheic",
          12, EFF_EUNSUPPORTED, "HEIC" },
        { "\0\0\0\x1c"
          "ftypavif",
          12, EFF_EUNSUPPORTED, "AVIF" },
        { "\0\0\0\x1c"
          "ftypisom",
          12, EFF_EFORMAT, "neither" },
        { "RIFF\x20\0\0\0WAVEfmt ", 16, EFF_EFORMAT, "neither" },
        { "<html>", 6, EFF_EFORMAT, "3c 68 74 6d 6c 3e (\"<html>\")" },
        { "\n", 1, EFF_EFORMAT, "0a (\".\")" },
        { "\x89PN", 3, EFF_EFORMAT, "neither" },
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
    const blob b = make_jpeg(jpegs[0]);
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

static void test_out_of_memory(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        const blob b = k ? make_png(PNG_COLOR_TYPE_RGB, 8, false, false) : make_jpeg(jpegs[4]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_pixels),        cmocka_unit_test(test_png_pixels),
        cmocka_unit_test(test_truncated_anywhere), cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_png_headers),        cmocka_unit_test(test_jpeg_headers),
        cmocka_unit_test(test_many_scans),         cmocka_unit_test(test_kinds_not_read),
        cmocka_unit_test(test_other_contents),     cmocka_unit_test(test_files),
        cmocka_unit_test(test_png_save),           cmocka_unit_test(test_from_rgb_arguments),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
