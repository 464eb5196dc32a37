/* SPDX-License-Identifier: Apache-2.0 */
/* A photograph of 12,000 x 9,000 pixels (324 MB decoded) goes through in a small part of that, whichever way up it is
 * and whichever filter resizes it. Each try has a process of its own, whose peak says what it took. */
#include "pictures.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jpeglib.h>

enum { W = 12000, H = 9000, MOST_MB = 64 }; /* beside the file and what the program had */

static const char *write_jpeg(const t_bytes *exif)
{
    const char *const path = t_tmp("large_%d.jpg", exif != NULL);
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr e;
    c.err = jpeg_std_error(&e);
    jpeg_create_compress(&c);
    jpeg_stdio_dest(&c, f);
    c.image_width = W;
    c.image_height = H;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 80, TRUE);
    jpeg_start_compress(&c, TRUE);
    if (exif) {
        t_bytes block = { NULL, 0 };
        t_append(&block, "Exif\0\0", 6);
        t_append(&block, exif->data, exif->size);
        jpeg_write_marker(&c, JPEG_APP0 + 1, block.data, (unsigned)block.size);
        free(block.data);
    }
    uint8_t *const small = t_synth_u8(256, W, 3);
    while (c.next_scanline < H) {
        JSAMPROW row = small + (size_t)(c.next_scanline / 3 % 256) * W * 3;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(small);
    const long size = ftell(f);
    fclose(f);
    print_message("%s: %.1f MB\n", path, (double)size / 1048576);
    return path;
}

static long peak_kb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static void bounded(const char *path, eff_geometry geometry, eff_filter filter)
{
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static float x[224 * 224 * 3];
        const eff_preprocess p = { .geometry = geometry,
                                   .filter = filter,
                                   .side = 256,
                                   .height = 224,
                                   .width = 224,
                                   .fraction = 0.875,
                                   .std = { 1, 1, 1 } };
        const long before = peak_kb();
        struct timespec t[2];
        clock_gettime(CLOCK_MONOTONIC, &t[0]);
        eff_error err = { 0 };
        const eff_status s = eff_prepare_file(path, &p, x, &err);
        clock_gettime(CLOCK_MONOTONIC, &t[1]);
        const double mb = (double)(peak_kb() - before) / 1024;
        printf("filter %d: %.1f MB more, %.2f s %s\n", (int)filter, mb,
               (double)(t[1].tv_sec - t[0].tv_sec) + (double)(t[1].tv_nsec - t[0].tv_nsec) * 1e-9, err.msg);
        fflush(stdout);
        FILE *const f = fopen(path, "rb");
        fseek(f, 0, SEEK_END);
        _exit(s == EFF_OK && (T_SANITIZED || mb < MOST_MB + (double)ftell(f) / 1048576) ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static void test_bounded_memory(void **state)
{
    (void)state;
    const t_bytes six = t_exif(6, true);
    const char *const plain = write_jpeg(NULL), *const turned = write_jpeg(&six);
    bounded(plain, EFF_GEOM_SHORT, EFF_FILTER_BICUBIC);
    bounded(turned, EFF_GEOM_SHORT, EFF_FILTER_BICUBIC);
    bounded(plain, EFF_GEOM_SHORT, EFF_FILTER_LANCZOS);
    bounded(turned, EFF_GEOM_SQUASH, EFF_FILTER_BILINEAR);
    bounded(plain, EFF_GEOM_SQUARE, EFF_FILTER_TF1_BICUBIC);
    bounded(turned, EFF_GEOM_SQUARE, EFF_FILTER_TF2_BICUBIC_AA);
    free(six.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_bounded_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
