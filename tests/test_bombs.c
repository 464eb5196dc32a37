/* SPDX-License-Identifier: Apache-2.0 */
/* Small files that promise much: each is refused by both ways in, in under 50 ms and with less than 64 MB more memory.
 * Every try has a process of its own, whose peak says what it took. Under a sanitizer only the refusal counts. */
#include "pictures.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <png.h>
#include <zlib.h>

enum { MOST_MS = 50, MOST_MB = 64 };

/* CPU time: what the machine does beside us is no fault of the decoder. */
static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static long peak_kb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

typedef struct outcome {
    eff_status status;
    double ms;
    long kb;
    eff_error err;
} outcome;

static outcome try(t_bytes b, int rows)
{
    outcome o = { .status = EFF_ECANCELLED };
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static float x[8 * 8 * 3];
        const eff_preprocess p = {
            .geometry = EFF_GEOM_SQUASH, .side = 8, .height = 8, .width = 8, .std = { 1, 1, 1 }, .icc = 1
        };
        eff_image *im = NULL;
        const long before = peak_kb();
        const double start = now_ms();
        o.status =
            rows ? eff_prepare_bytes(b.data, b.size, &p, x, &o.err) : eff_image_decode(&im, b.data, b.size, &o.err);
        o.ms = now_ms() - start;
        o.kb = peak_kb() - before;
        _exit(write(fd[1], &o, sizeof o) == (ssize_t)sizeof o ? 0 : 1);
    }
    close(fd[1]);
    const ssize_t n = read(fd[0], &o, sizeof o);
    close(fd[0]);
    int status;
    waitpid(child, &status, 0);
    if (n != (ssize_t)sizeof o || status != 0) fail_msg("the decoder did not come back (status %d)", status);
    return o;
}

static void refused(const char *what, t_bytes b, const char *says)
{
    for (int rows = 0; rows < 2; rows++) {
        outcome best = try(b, rows);
        for (int again = 0; again < 4 && best.ms >= MOST_MS; again++) { /* the machine may have been busy */
            const outcome o = try(b, rows);
            if (o.ms < best.ms) best = o;
        }
        print_message("%-44s %8zu bytes %6.2f ms %6.1f MB  %s\n", what, b.size, best.ms, (double)best.kb / 1024,
                      rows ? "" : best.err.msg);
        eff_image *im = NULL; /* and here, where a sanitizer's or a profiler's eye is on it */
        eff_error err = { 0 };
        assert_int_equal(eff_image_decode(&im, b.data, b.size, &err), EFF_EFORMAT);
        assert_string_equal(err.msg, best.err.msg);
        if (best.status != EFF_EFORMAT) fail_msg("%s: status %d: %s", what, (int)best.status, best.err.msg);
        if (!strstr(best.err.msg, says)) fail_msg("%s: \"%s\" does not say \"%s\"", what, best.err.msg, says);
        if (!T_SANITIZED && !(best.ms < MOST_MS)) fail_msg("%s: took %g ms", what, best.ms);
        if (!T_SANITIZED && !(best.kb < MOST_MB * 1024)) fail_msg("%s: took %ld kB", what, best.kb);
    }
    free(b.data);
}

/* --------------------------------------------------------------------------------------------------- PNG */

static void chunk(t_bytes *b, const char *name, const void *data, size_t n)
{
    uint8_t word[4];
    t_put32(word, (uint32_t)n);
    t_append(b, word, 4);
    const size_t at = b->size;
    t_append(b, name, 4);
    t_append(b, data, n);
    t_put32(word, t_crc32(b->data + at, n + 4));
    t_append(b, word, 4);
}

/* A zlib stream of 32 MB of zeros, `times` over: each part ends on a byte, so that it can be repeated. */
static t_bytes zeros(int times)
{
    enum { PART = 32 << 20 };
    uint8_t *const in = calloc(PART, 1), *const out = malloc(PART / 100);
    z_stream z = { .next_in = in, .avail_in = PART, .next_out = out, .avail_out = PART / 100 };
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FULL_FLUSH), Z_OK);
    const size_t n = PART / 100 - z.avail_out;
    deflateEnd(&z);
    t_bytes b = { NULL, 0 };
    t_append(&b, "\x78\x9c", 2);
    for (int i = 0; i < times; i++) t_append(&b, out, n);
    t_append(&b, "\3\0\0\0\0\1", 6); /* the last block, and a checksum */
    free(in);
    free(out);
    return b;
}

static t_bytes png(uint32_t w, uint32_t h, int bits, int colour, int interlaced, const char *before, t_bytes data,
                   t_bytes pixels)
{
    t_bytes b = { NULL, 0 };
    uint8_t head[13] = { [8] = (uint8_t)bits, (uint8_t)colour, 0, 0, (uint8_t)interlaced };
    t_put32(head, w);
    t_put32(head + 4, h);
    t_append(&b, "\x89PNG\r\n\x1a\n", 8);
    chunk(&b, "IHDR", head, 13);
    if (before) chunk(&b, before, data.data, data.size);
    chunk(&b, "IDAT", pixels.data, pixels.size);
    chunk(&b, "IEND", NULL, 0);
    return b;
}

static void test_png(void **state)
{
    (void)state;
    const t_bytes none = { NULL, 0 }, much = zeros(128), some = zeros(1), little = { much.data, 3000 };
    refused("PNG of 60000 x 60000", png(60000, 60000, 8, 2, 0, NULL, none, some), "60000 x 60000");
    refused("PNG, one bit, 11500 x 11500", png(11500, 11500, 1, 0, 0, NULL, none, little), "cannot hold");
    refused("PNG, one bit, 11500 x 11500, interlaced", png(11500, 11500, 1, 0, 1, NULL, none, little), "cannot hold");
    const t_bytes even = zeros(12);
    refused("PNG of 10000 x 10000, all even", png(10000, 10000, 8, 6, 0, NULL, none, even), "cannot hold");
    free(even.data);
    refused("PNG of one pixel, 4 GB behind it", png(1, 1, 8, 2, 0, NULL, none, much), "more compressed data");
    refused("PNG of one pixel, interlaced, 4 GB behind it", png(1, 1, 8, 2, 1, NULL, none, much),
            "more compressed data");
    refused("PNG of 1000 x 900, 4 GB behind it", png(1000, 900, 8, 2, 0, NULL, none, much), "more compressed data");
    refused("PNG of 1000 x 900, interlaced, 29 MB behind it", png(1000, 900, 8, 2, 1, NULL, none, some),
            "more compressed data");
    for (int k = 0; k < 3; k++) { /* text and profiles that would inflate to 4 GB; the pixels are not there */
        static const char *const names[] = { "iCCP", "zTXt", "iTXt" };
        t_bytes text = { NULL, 0 };
        t_append(&text, k == 2 ? "name\0\1\0\0\0" : "name\0\0", k == 2 ? 9 : 6);
        t_append(&text, much.data, much.size);
        refused(names[k], png(1, 1, 8, 2, 0, names[k], text, none), "PNG");
        free(text.data);
    }
    free(much.data);
    free(some.data);
}

/* -------------------------------------------------------------------------------------------------- JPEG */

/* A thousand scans over 8000 x 8000 pixels, of which each would be walked over every time. */
static t_bytes jpeg(int scans, int w, int h, bool padded)
{
    const t_bytes j = t_jpeg_make((t_jpeg){ "scans", 1, 1, 1, .scans = 11 * 64 });
    size_t at = 2, sof = 0, last = 0;
    int found = 0;
    while (at + 4 < j.size) { /* no entropy-coded byte of this picture is 0xff but in markers */
        if (j.data[at] != 0xff || j.data[at + 1] == 0 || j.data[at + 1] == 0xff) {
            at++;
            continue;
        }
        if (j.data[at + 1] == 0xc2) sof = at;
        if (j.data[at + 1] == 0xda) last = at, found++;
        at += 2 + (size_t)(j.data[at + 2] << 8 | j.data[at + 3]);
    }
    assert_true(sof && found == 11 * 64);
    uint8_t *const d = j.data + sof + 5;
    d[0] = (uint8_t)(h >> 8), d[1] = (uint8_t)h, d[2] = (uint8_t)(w >> 8), d[3] = (uint8_t)w;
    t_bytes b = { NULL, 0 };
    t_append(&b, j.data, j.size - 2);
    for (; found < scans; found++) t_append(&b, j.data + last, j.size - 2 - last);
    uint8_t *const comment = calloc(1, 60002);
    memcpy(comment, "\xff\xfe\xea\x60", 4);
    for (int i = 0; padded && i < 6; i++) t_append(&b, comment, 60002);
    free(comment);
    t_append(&b, "\xff\xd9", 2);
    free(j.data);
    return b;
}

static void test_jpeg(void **state)
{
    (void)state;
    refused("JPEG, 1000 scans, 43 x 29", jpeg(1000, T_W, T_H, false), "scans");
    refused("JPEG, 1000 scans, 8000 x 8000", jpeg(1000, 8000, 8000, true), "scans");
    refused("JPEG, 704 scans, 8000 x 8000", jpeg(704, 8000, 8000, true), "scans");
    refused("JPEG, 1000 scans, 8000 x 8000, too short", jpeg(1000, 8000, 8000, false), "cannot hold");
    refused("JPEG, 1000 scans, 65000 x 65000", jpeg(1000, 65000, 65000, true), "65000 x 65000");
}

/* -------------------------------------------------------------------------------------------------- WebP */

static t_bytes webp(bool lossless, uint32_t w, uint32_t h)
{
    static uint8_t rgba[64 * 64 * 4];
    memset(rgba, 77, sizeof rgba);
    const t_bytes b = t_webp_make((t_webp){ .lossless = lossless, .width = 64, .height = 64, .rgba = rgba });
    const uint32_t bits = (w - 1) | (h - 1) << 14;
    for (int i = 0; i < 4; i++)
        if (lossless)
            b.data[21 + i] = (uint8_t)(i < 3 ? bits >> (8 * i) : (bits >> 24) | (b.data[24] & 0xf0u));
        else
            b.data[26 + i] = (uint8_t)((i < 2 ? w : h) >> (8 * (i % 2)));
    return b;
}

static t_bytes webp_canvas(uint32_t w, uint32_t h)
{
    static uint8_t rgba[64 * 64 * 4];
    const t_webp k = { .lossless = true, .width = 64, .height = 64, .rgba = rgba };
    const t_bytes b = t_webp_animation(64, 64, 0, 0, k, k);
    for (int i = 0; i < 3; i++) {
        b.data[24 + i] = (uint8_t)((w - 1) >> (8 * i));
        b.data[27 + i] = (uint8_t)((h - 1) >> (8 * i));
    }
    return b;
}

static void test_webp(void **state)
{
    (void)state;
    for (int lossless = 0; lossless < 2; lossless++) {
        refused(lossless ? "WebP, lossless, 16383 x 16383" : "WebP, lossy, 16383 x 16383", webp(lossless, 16383, 16383),
                "16383 x 16383");
        refused(lossless ? "WebP, lossless, 11000 x 11000" : "WebP, lossy, 11000 x 11000", webp(lossless, 11000, 11000),
                "cannot hold");
    }
    refused("WebP, a canvas of 16777216 x 255", webp_canvas(16777216, 255), "16777216 x 255");
    refused("WebP, a canvas of 16000 x 8000", webp_canvas(16000, 8000), "cannot hold");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_png), cmocka_unit_test(test_jpeg),
                                        cmocka_unit_test(test_webp) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
