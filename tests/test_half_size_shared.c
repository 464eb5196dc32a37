/* SPDX-License-Identifier: Apache-2.0 */
/* The promise of `scaled-dct` on every photograph of the shared data: at the least shrinking at which it sets in, and
 * at more, no value is further than one level from the full decode. */
#define _GNU_SOURCE
#include "support.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "image/preprocess.h"

static int photographs, tries, halved;
static double worst;

static void compare(const char *path, const uint8_t *bytes, size_t size, int w, int h)
{
    static const int shrink[] = { 16, 20, 32 };
    for (size_t k = 0; k < sizeof shrink / sizeof shrink[0]; k++)
        for (int f = 0; f < 3; f++) {
            const int side = (w < h ? w : h) / shrink[k];
            if (side < 4) continue;
            eff_preprocess p = {
                .side = side, .height = side, .width = side, .filter = (eff_filter)f, .std = { 1, 1, 1 }
            };
            const size_t n = (size_t)side * (size_t)side * 3;
            float *const x = malloc(2 * n * sizeof *x);
            eff_error err = { 0 };
            if (eff_prepare_bytes(bytes, size, &p, x, &err) != EFF_OK) fail_msg("%s: %s", path, err.msg);
            p.scaled_dct = 1;
            if (eff_prepare_bytes(bytes, size, &p, x + n, &err) != EFF_OK) fail_msg("%s: %s", path, err.msg);
            tries++;
            halved += memcmp(x, x + n, n * sizeof *x) != 0;
            for (size_t i = 0; i < n; i++) {
                const double d = fabs((double)x[i] - (double)x[n + i]);
                if (d > 1) print_message("%s: off by %g at side %d, filter %d\n", path, d, side, f);
                if (d > worst) worst = d;
            }
            free(x);
        }
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    const char *const dot = strrchr(path, '.');
    if (type != FTW_F || !dot || (strcasecmp(dot, ".jpg") && strcasecmp(dot, ".jpeg"))) return 0;
    unsigned char *bytes = NULL;
    size_t size = 0;
    eff_error err = { 0 };
    eff_image *im = NULL;
    if (eff_file_read_all(path, EFF_IMAGE_MAX_FILE, &bytes, &size, &err) == EFF_OK &&
        eff_image_decode(&im, bytes, size, &err) == EFF_OK) {
        photographs++;
        compare(path, bytes, size, im->width, im->height);
    }
    eff_image_free(im);
    eff_free(bytes);
    return 0;
}

static void test_within_one_level(void **state)
{
    (void)state;
    assert_int_equal(nftw(t_shared("data"), visit, 16, FTW_PHYS), 0);
    print_message("%d photographs, %d results, %d of them from half the size, largest difference %g\n", photographs,
                  tries, halved, worst);
    assert_true(photographs > 1000 && halved > 50);
    assert_true(worst <= 1);
}

int main(void)
{
    if (!t_have_shared()) return 77;
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_within_one_level) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
