/* SPDX-License-Identifier: Apache-2.0 */
/* Engines that take pixels: the bits of preparing first, at any number of threads and images; engines of one model on
 * several threads at once. */
#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { SIDE = 64, CLASSES = 10, IMAGES = 3, ENGINES = 3, IMAGE = SIDE * SIDE * 3 };

static eff_model *model;
static uint8_t rgb[IMAGES * IMAGE];
static float want[IMAGES * CLASSES];

static eff_engine *engine(int threads)
{
    eff_error err = { 0 };
    eff_engine *e;
    eff_engine_opts o;
    eff_engine_opts_init(&o);
    o.threads = threads;
    o.max_batch = IMAGES;
    T_OK(eff_engine_create(&e, model, &o, &err), err);
    return e;
}

/* What is wanted comes by the long way: an image, prepared by the model's rule, which leaves its size as it is. */
static int setup(void **state)
{
    (void)state;
    eff_error err = { 0 };
    T_OK(eff_model_load(&model, "efficientnet-b0@width=0.25,depth=0.4,resolution=64,classes=10", NULL, &err), err);
    T_OK(eff_model_init(model, 5, &err), err);
    eff_preprocess p = { 0 };
    T_OK(eff_preprocess_parse(&p, "squash=64,filter=bicubic,crop=64,mean=123.7:116.3:103.5,std=58.4:57.1:57.4", &err),
         err);
    eff_model_set_preprocess(model, &p);
    for (int i = 0; i < IMAGES * IMAGE; i++) rgb[i] = (uint8_t)(i * 7919 >> 5 ^ i >> 3);
    eff_engine *e = engine(1);
    static float x[IMAGE];
    for (int i = 0; i < IMAGES; i++) {
        eff_image *im;
        T_OK(eff_image_from_rgb(&im, rgb + i * IMAGE, SIDE, SIDE, &err), err);
        T_OK(eff_image_prepare(im, &p, x, &err), err);
        T_OK(eff_engine_run(e, x, 1, want + i * CLASSES, &err), err);
        eff_image_free(im);
    }
    eff_engine_free(e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    eff_model_free(model);
    return 0;
}

static void test_same_bits(void **state)
{
    (void)state;
    assert_memory_not_equal(want, want + CLASSES, CLASSES * sizeof *want); /* the images differ */
    for (int threads = 1; threads <= 2; threads++) {
        eff_engine *e = engine(threads);
        eff_error err = { 0 };
        for (int n = 1; n <= IMAGES; n++) {
            float got[IMAGES * CLASSES] = { 0 };
            T_OK(eff_engine_run_pixels(e, rgb, n, got, &err), err);
            assert_memory_equal(got, want, (size_t)n * CLASSES * sizeof *got);
        }
        eff_engine_free(e);
    }
}

static void test_refused(void **state)
{
    (void)state;
    eff_engine *e = engine(1);
    eff_error err = { 0 };
    float y[IMAGES * CLASSES];
    assert_int_equal(eff_engine_run_pixels(NULL, rgb, 1, y, &err), EFF_EARG);
    assert_int_equal(eff_engine_run_pixels(e, NULL, 1, y, &err), EFF_EARG);
    assert_int_equal(eff_engine_run_pixels(e, rgb, 1, NULL, &err), EFF_EARG);
    assert_int_equal(eff_engine_run_pixels(e, rgb, 0, y, &err), EFF_EARG);
    assert_int_equal(eff_engine_run_pixels(e, rgb, IMAGES + 1, y, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "expected 1..3"));
    eff_alloc_fail_after(0);
    assert_int_equal(eff_engine_run_pixels(e, rgb, 1, y, &err), EFF_ENOMEM);
    eff_alloc_fail_after(-1);
    T_OK(eff_engine_run_pixels(e, rgb, 1, y, &err), err);
    eff_alloc_fail_after(0); /* from then on nothing is allocated */
    T_OK(eff_engine_run_pixels(e, rgb, IMAGES, y, &err), err);
    eff_alloc_fail_after(-1);
    assert_memory_equal(y, want, sizeof want);
    const eff_preprocess sound = *eff_model_get_preprocess(model);
    eff_preprocess bad = sound;
    bad.std[1] = 0;
    eff_model_set_preprocess(model, &bad);
    assert_int_equal(eff_engine_run_pixels(e, rgb, 1, y, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "std"));
    eff_model_set_preprocess(model, &sound);
    eff_engine_free(e);
}

static void *use_one(void *wrong)
{
    eff_engine *e = engine(2);
    for (int n = IMAGES; n > 0; n--) {
        float got[IMAGES * CLASSES];
        if (eff_engine_run_pixels(e, rgb, n, got, NULL) || memcmp(got, want, (size_t)n * CLASSES * sizeof *got))
            *(int *)wrong = n;
    }
    eff_engine_free(e);
    return NULL;
}

static void test_engines_side_by_side(void **state)
{
    (void)state;
    pthread_t thread[ENGINES];
    int wrong[ENGINES] = { 0 };
    for (int i = 0; i < ENGINES; i++) assert_int_equal(pthread_create(&thread[i], NULL, use_one, &wrong[i]), 0);
    for (int i = 0; i < ENGINES; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < ENGINES; i++) assert_int_equal(wrong[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_engines_side_by_side),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
