/* SPDX-License-Identifier: Apache-2.0 */
/* TIFF and AVIF, decoded by the worker: the pixels are Pillow's (tests/data/pictures, made by
 * tools/make_worker_pictures.py), damage is refused in one line and never by the filter, and a stream that a worker
 * made up is believed in nothing. */
#define _GNU_SOURCE
#include "checkpoints.h"
#include "tsv.h"

#include "base/rng.h"
#include "image/image.h"
#include "image/pixel_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool is_read(const char *name) /* by this build */ { return strstr(name, ".tif") ? EFF_TIFF : EFF_AVIF; }

static int difference(const eff_image *a, const eff_image *b)
{
    int most = 0;
    assert_true(a->width == b->width && a->height == b->height);
    for (size_t i = 0; i < (size_t)a->width * (size_t)a->height * 3; i++)
        if (abs(a->rgb[i] - b->rgb[i]) > most) most = abs(a->rgb[i] - b->rgb[i]);
    return most;
}

static void pixels(void **state)
{
    (void)state;
    t_tsv t = t_tsv_load(t_data("pictures/list.tsv"));
    int wrong = 0, lossy = 0, files = 0;
    for (int i = 0; i < t.rows; i++) {
        const char *const name = t_tsv_get(&t, i, "file");
        const int levels = atoi(t_tsv_get(&t, i, "levels"));
        eff_error err = { 0 };
        eff_image *im = NULL, *want;
        T_OK(eff_image_read(&want, t_data("pictures/%s", t_tsv_get(&t, i, "pixels")), &err), err);
        const eff_status s = eff_image_read(&im, t_data("pictures/%s", name), &err);
        if (!is_read(name)) {
            assert_int_equal(s, EFF_EUNSUPPORTED);
            assert_non_null(strstr(err.msg, "which this build does not read"));
        } else if (s != EFF_OK) {
            print_error("%s: %s\n", name, err.msg);
            wrong++;
        } else {
            const int d = difference(im, want);
            if (levels && d > lossy) lossy = d;
            if (d > levels) {
                print_error("%s: differs by %d levels\n", name, d);
                wrong++;
            }
            assert_true(!!im->icc == !strncmp(name, "profile", 7));
            files++;
        }
        eff_image_destroy(im);
        eff_image_destroy(want);
    }
    print_message("%d of %d files read; the lossy ones differ by at most %d\n", files, t.rows, lossy);
    t_figure(wrong, 0, "TIFF and AVIF pictures that differ from Pillow's by more than their bound, %d files", files);
    t_tsv_free(&t);
}

/* ------------------------------------------------------------------------------------------------------ damage */

/* One line, no signal of the filter. */
static void check_refusal(const char *name, const eff_error *err)
{
    if (!err->msg[0] || strchr(err->msg, '\n') || strstr(err->msg, "system call"))
        fail_msg("%s: \"%s\"", name, err->msg);
}

static void damage(void **state)
{
    (void)state;
    static const char *const names[] = { "rgb_predictor.tif", "ycbcr_jpeg.tif", "rgb_zstd.tif", "rgb_lzma.tif",
                                         "grey_fax.tif",      "tiles.tif",      "ycbcr.tif",    "usual.avif",
                                         "alpha.avif",        "pictures.avifs" };
    int refused = 0, read = 0;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t n;
        if (!is_read(names[k])) continue;
        unsigned char *const bytes = t_file(t_data("pictures/%s", names[k]), &n);
        for (uint64_t i = 0; i < 24; i++) {
            const size_t at = 4 + (size_t)(eff_rng_bits(k, 1, i) % (n - 4)), keep = i % 4 ? n : at;
            const unsigned char was = bytes[at];
            eff_error err = { 0 };
            eff_image *im;
            if (i % 4 && at >= 12) bytes[at] = (unsigned char)eff_rng_bits(k, 2, i);
            const eff_status s = eff_image_decode_bytes(&im, bytes, keep, &err);
            if (s != EFF_OK) check_refusal(names[k], &err);
            *(s == EFF_OK ? &read : &refused) += 1;
            eff_image_destroy(im);
            bytes[at] = was;
        }
        free(bytes);
    }
    print_message("%d refused, %d read\n", refused, read);
    assert_true(refused > 20 || !(EFF_TIFF && EFF_AVIF));
}

typedef struct tag {
    uint16_t number, type;
    uint32_t value;
} tag;

/* A TIFF of these tags and nothing but eight bytes of data. */
static size_t craft(uint8_t *to, const tag *t, size_t n)
{
    size_t at = 0;
    const uint16_t count = (uint16_t)n;
    memcpy(to, "II*\0\x10\0\0\0abcdefgh", at = 16);
    memcpy(to + at, &count, 2);
    at += 2;
    for (size_t i = 0; i < n; i++, at += 12) {
        const uint32_t one = 1;
        memcpy(to + at, &t[i].number, 2);
        memcpy(to + at + 2, &t[i].type, 2);
        memcpy(to + at + 4, &one, 4);
        memcpy(to + at + 8, &t[i].value, 4);
    }
    memset(to + at, 0, 4);
    return at + 4;
}

/* A grey picture of 8 x 1, with one tag changed or added. */
static void crafted(void **state)
{
    (void)state;
    if (!EFF_TIFF) skip();
    static const tag grey[] = { { 256, 4, 8 }, { 257, 4, 1 }, { 258, 3, 8 }, { 259, 3, 1 },
                                { 262, 3, 1 }, { 273, 4, 8 }, { 278, 4, 1 }, { 279, 4, 8 } };
    enum { N = sizeof grey / sizeof *grey };
    static const struct {
        tag change;
        eff_status code;
        const char *says;
    } cases[] = {
        { { 256, 4, 8 }, EFF_OK, NULL },
        { { 256, 4, 0 }, EFF_EFORMAT, "truncated or corrupt" },
        { { 256, 4, 70000 }, EFF_EFORMAT, "at most 65500 pixels a side" },
        { { 256, 4, 60000 }, EFF_EFORMAT, "truncated or corrupt" },
        { { 257, 4, 60000 }, EFF_EFORMAT, "truncated or corrupt" },
        { { 258, 3, 32 }, EFF_EUNSUPPORTED, "bits a sample 32 is not read" },
        { { 258, 3, 12 }, EFF_EUNSUPPORTED, "bits a sample 12 is not read" },
        { { 259, 3, 77 }, EFF_EFORMAT, "truncated or corrupt" },
        { { 262, 3, 8 }, EFF_EUNSUPPORTED, "photometric interpretation 8 is not read" },
        { { 262, 3, 2 }, EFF_EFORMAT, "expected 3 samples a pixel, found 1" },
        { { 273, 4, 4000000000u }, EFF_EFORMAT, "truncated or corrupt" },
        { { 254, 4, 1 }, EFF_EUNSUPPORTED, "only a preview" },
        { { 277, 3, 9 }, EFF_EUNSUPPORTED, "samples a pixel: 9" },
        { { 322, 4, 4000000000u }, EFF_EFORMAT, "" },
        { { 339, 3, 3 }, EFF_EUNSUPPORTED, "sample format 3" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[16 + 2 + 12 * (N + 1) + 4];
        tag t[N + 1];
        size_t n = 0;
        bool placed = false;
        for (size_t k = 0; k < N; k++) {
            const bool same = grey[k].number == cases[i].change.number;
            if (!placed && grey[k].number >= cases[i].change.number) {
                t[n++] = cases[i].change;
                placed = true;
            }
            if (!same) t[n++] = grey[k];
        }
        if (!placed) t[n++] = cases[i].change;
        eff_error err = { 0 };
        eff_image *im;
        const size_t size = craft(bytes, t, n);
        const eff_status s = eff_image_decode_bytes(&im, bytes, size, &err);
        if (s != cases[i].code || (cases[i].says && !strstr(err.msg, cases[i].says)))
            fail_msg("case %zu: expected \"%s\", found %d \"%s\"", i, cases[i].says ? cases[i].says : "", s, err.msg);
        if (s == EFF_OK)
            for (size_t k = 0; k < 8; k++) assert_int_equal(im->rgb[3 * k + 1], "abcdefgh"[k]);
        else
            check_refusal("crafted", &err);
        eff_image_destroy(im);
    }
}

/* The content tells, and what merely looks alike does not go to the worker. */
static void heads(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *says;
    } t[] = {
        { "II*\0\x08\0\0\0", 8, "TIFF" },
        { "MM\0*\0\0\0\x08", 8, "TIFF" },
        { "II+\0\x08\0\0\0", 8, "TIFF" },
        { "II*", 3, "found none of them" },
        { "\0\0\0\x10"
          "ftypavif\0\0\0\0",
          16, "AVIF" },
        { "\0\0\0\x18"
          "ftypmif1\0\0\0\0miafavif",
          24, "AVIF" },
        { "\0\0\0\x14"
          "ftypmif1\0\0\0\0miafavif",
          24, "found a HEIF image" }, /* the box ends before it */
        { "\0\0\0\x18"
          "ftypmif1\0\0\0\0miafheic",
          24, "found a HEIF image" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        eff_error err = { 0 };
        eff_image *im;
        assert_int_not_equal(eff_image_decode_bytes(&im, (const uint8_t *)t[i].bytes, t[i].size, &err), EFF_OK);
        if (!strstr(err.msg, t[i].says)) fail_msg("%zu: expected \"%s\", found \"%s\"", i, t[i].says, err.msg);
    }
}

/* --------------------------------------------------------------------------------------------- a stream made up */

typedef struct counter {
    uint8_t row[64];
    int rows;
} counter;

static eff_status on_begin(void *ctx, const eff_picture *p, eff_error *err)
{
    (void)ctx, (void)err;
    assert_true((size_t)p->width * p->pixels <= sizeof((counter *)ctx)->row);
    return EFF_OK;
}

static uint8_t *on_row(void *ctx) { return ((counter *)ctx)->row; }

static bool on_done(void *ctx)
{
    ((counter *)ctx)->rows++;
    return true;
}

static void made_up(void **state)
{
    (void)state;
    static const struct {
        eff_pixel_head h;
        int more; /* bytes than it needs */
        const char *says;
    } cases[] = {
        { { EFF_PIXEL_MAGIC, 2, 3, 1, 3, 0 }, 0, NULL },
        { { EFF_PIXEL_MAGIC, 2, 3, 8, 1, 5 }, 0, NULL },
        { { EFF_PIXEL_MAGIC, 2, 3, 5, 4, 0 }, 0, NULL },
        { { "effpix2", 2, 3, 1, 3, 0 }, 0, "another beginning" },
        { { EFF_PIXEL_MAGIC, 2, 3, 1, 3, 0 }, 1, "another number of bytes" },
        { { EFF_PIXEL_MAGIC, 2, 3, 1, 3, 0 }, -1, "another number of bytes" },
        { { EFF_PIXEL_MAGIC, 2, 3, 0, 3, 0 }, 0, "orientation" },
        { { EFF_PIXEL_MAGIC, 2, 3, 9, 3, 0 }, 0, "orientation" },
        { { EFF_PIXEL_MAGIC, 2, 3, 1, 2, 0 }, 0, "pixels of no kind" },
        { { EFF_PIXEL_MAGIC, 0, 3, 1, 3, 0 }, 0, "at least one pixel" },
        { { EFF_PIXEL_MAGIC, 65501, 1, 1, 3, 0 }, 0, "at most 65500" },
        { { EFF_PIXEL_MAGIC, 65500, 65500, 1, 3, 0 }, 0, "at most 65500" },
        { { EFF_PIXEL_MAGIC, 6000, 6000, 1, 3, 0 }, 0, "is no photograph" },
        { { EFF_PIXEL_MAGIC, 2, 3, 1, 3, 5u << 20 }, 0, "a profile that is too large" },
        { { EFF_PIXEL_MAGIC, 2, 3, 1, 3, UINT64_MAX }, 0, "a profile that is too large" },
        { { EFF_PIXEL_MAGIC, 2, 3, 1, 3, 4 }, -4, "another number of bytes" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const eff_pixel_head *const h = &cases[i].h;
        const uint64_t data = h->icc_size + (uint64_t)h->width * h->height * h->pixels;
        const size_t n = sizeof *h + (data < 4096 ? (size_t)data : 4096) + (size_t)cases[i].more;
        uint8_t *const stream = calloc(n, 1);
        assert_non_null(stream);
        memcpy(stream, h, sizeof *h);
        eff_error err = { 0 };
        counter c = { 0 };
        const eff_sink sink = { .ctx = &c, .begin = on_begin, .row = on_row, .done = on_done };
        const eff_status s = eff_pixel_stream_read(stream, n, 1000, &sink, &err);
        if (cases[i].says ? s != EFF_EFORMAT || !strstr(err.msg, cases[i].says) || c.rows : s != EFF_OK || c.rows != 3)
            fail_msg("case %zu: %d \"%s\"", i, s, err.msg);
        free(stream);
    }
    eff_error err = { 0 };
    assert_int_equal(eff_pixel_stream_read((const uint8_t *)EFF_PIXEL_MAGIC, 8, 1000, NULL, &err), EFF_EFORMAT);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A process a picture: what that costs. */
static void cost(void **state)
{
    (void)state;
    if (!EFF_TIFF) skip();
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        eff_error err = { 0 };
        eff_image *im;
        const double start = now();
        T_OK(eff_image_read(&im, t_data("pictures/grey.tif"), &err), err);
        const double t = now() - start;
        best = t < best ? t : best;
        eff_image_destroy(im);
    }
    print_message("a small picture through the worker: %.1f ms\n", 1e3 * best);
    if (!T_SANITIZED) assert_true(best < 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pixels), cmocka_unit_test(damage),  cmocka_unit_test(crafted),
                                        cmocka_unit_test(heads),  cmocka_unit_test(made_up), cmocka_unit_test(cost) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
