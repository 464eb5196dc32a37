/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: the same bits at any number of threads, with and without a cache, wherever a run is taken up; the evaluation
 * rule to the bit; orders; files that vanish; loaders that are freed at any moment. */
#define _GNU_SOURCE
#include "pictures.h"
#include "support.h"

#include "base/mem.h"
#include "data/loader.h"
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMAGES = 23, SIDE = 24, BATCH = 5, STEPS = 5, EPOCHS = 3, VALUES = SIDE * SIDE * 3 };

static eff_dataset *set; /* IMAGES to train on, one a class to validate on */

static void put(const char *path, t_bytes b)
{
    FILE *const f = fopen(path, "wb");
    if (!f) fail_msg("cannot write %s", path);
    assert_int_equal(fwrite(b.data, 1, b.size, f), b.size);
    fclose(f);
    free(b.data);
}

/* JPEGs of many sizes, some large enough to be decoded smaller, one lying on its side, and a PNG. */
static t_bytes picture(int i)
{
    const int w = 30 + 17 * (i % 9), h = 40 + 23 * (i % 7);
    if (i % 8 == 3) return t_png_make((t_png){ .colour = 2, .bits = 8, .width = w, .height = h });
    uint8_t *const pixels = t_synth_u8(h, w, i);
    t_bytes exif = t_exif(i % 8 + 1, false);
    const t_bytes b = t_jpeg_make((t_jpeg){ .components = 3,
                                            .h = 2,
                                            .v = 2,
                                            .width = w,
                                            .height = h,
                                            .pixels = pixels,
                                            .extra = { .exif = exif.data, .exif_size = exif.size } });
    free(exif.data);
    free(pixels);
    return b;
}

static int make_set(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const char *const parts[] = { "train", "val" };
    mkdir(t_tmp("set"), 0777);
    for (int p = 0; p < 2; p++) {
        mkdir(t_tmp("set/%s", parts[p]), 0777);
        for (int c = 0; c < 3; c++) mkdir(t_tmp("set/%s/class%d", parts[p], c), 0777);
    }
    for (int i = 0; i < IMAGES; i++) put(t_tmp("set/train/class%d/%02d.jpg", i % 3, i), picture(i));
    for (int i = 0; i < 3; i++) put(t_tmp("set/val/class%d/%d.jpg", i, i), picture(100 + i));
    T_OK(eff_dataset_open(&set, t_tmp("set"), NULL, &err), err);
    assert_int_equal(eff_dataset_count(set, EFF_PART_TRAIN), IMAGES);
    return 0;
}

static int free_set(void **state)
{
    (void)state;
    eff_dataset_free(set);
    return 0;
}

static eff_preprocess rule_of(const char *more)
{
    eff_error err = { 0 };
    eff_preprocess p = { 0 };
    T_OK(eff_preprocess_parse(&p, "short=26,filter=bicubic,crop=24,mean=123.675:116.28:103.53,std=58.395:57.12:57.375",
                              &err),
         err);
    if (more) T_OK(eff_preprocess_parse(&p, more, &err), err);
    return p;
}

static eff_loader *make(const eff_preprocess *rule, const eff_augment *augment, int threads, size_t cache)
{
    const eff_loader_opts o = { .batch = BATCH,
                                .height = SIDE,
                                .width = SIDE,
                                .rule = rule,
                                .augment = augment,
                                .shuffle = augment != NULL,
                                .seed = 7,
                                .threads = threads,
                                .cache_bytes = cache };
    eff_error err = { 0 };
    eff_loader *l = NULL;
    T_OK(eff_loader_create(&l, set, EFF_PART_TRAIN, &o, &err), err);
    assert_int_equal(eff_loader_steps(l), STEPS);
    return l;
}

static eff_batch next(eff_loader *l)
{
    eff_error err = { 0 };
    eff_batch b = { 0 };
    T_OK(eff_loader_next(l, &b, &err), err);
    return b;
}

/* ------------------------------------------------------------------------------------------------------ same bits */

typedef struct kept {
    float x[BATCH * VALUES];
    size_t item[BATCH];
    int label[BATCH], n;
} kept;

static void expect_batch(const kept *k, const eff_batch *b, int epoch, int step)
{
    assert_int_equal(b->epoch, epoch);
    assert_int_equal(b->step, step);
    assert_int_equal(b->n, k->n);
    assert_memory_equal(b->item, k->item, (size_t)k->n * sizeof *k->item);
    assert_memory_equal(b->label, k->label, (size_t)k->n * sizeof *k->label);
    assert_memory_equal(b->x, k->x, (size_t)k->n * VALUES * sizeof(float));
}

static void same_bits(const eff_preprocess *rule, const eff_augment *augment)
{
    kept *const all = calloc(EPOCHS * STEPS, sizeof *all);
    eff_loader *l = make(rule, augment, 1, 0);
    for (int i = 0; i < EPOCHS * STEPS; i++) {
        const eff_batch b = next(l);
        assert_int_equal(b.epoch * STEPS + b.step, i);
        all[i].n = b.n;
        memcpy(all[i].item, b.item, (size_t)b.n * sizeof *b.item);
        memcpy(all[i].label, b.label, (size_t)b.n * sizeof *b.label);
        memcpy(all[i].x, b.x, (size_t)b.n * VALUES * sizeof *b.x);
        for (int k = 0; k < b.n; k++)
            assert_int_equal(b.label[k], eff_dataset_item(set, EFF_PART_TRAIN, b.item[k]).label);
    }
    size_t images, bytes;
    eff_loader_cached(l, &images, &bytes);
    assert_int_equal(images + bytes, 0);
    eff_loader_free(l);
    static const size_t caches[] = { 0, 20000, (size_t)1 << 30 };
    static const int order[] = {
        7, 2, 3, 14, 0, 4, 5, 9, 1, 13, 6
    }; /* taken up anywhere, one batch or two from there */
    for (int threads = 1; threads <= 3; threads += t_brief() ? 2 : 1)
        for (size_t c = 0; c < 3; c++) {
            l = make(rule, augment, threads, caches[c]);
            for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
                eff_loader_seek(l, (uint32_t)(order[i] / STEPS), order[i] % STEPS);
                for (int at = order[i]; at < EPOCHS * STEPS && at < order[i] + 1 + (int)i % 2; at++) {
                    const eff_batch b = next(l);
                    expect_batch(&all[at], &b, at / STEPS, at % STEPS);
                }
            }
            eff_loader_seek(l, 0, 0);
            for (int i = 0; i < EPOCHS * STEPS; i++) {
                const eff_batch b = next(l);
                expect_batch(&all[i], &b, i / STEPS, i % STEPS);
            }
            eff_loader_cached(l, &images, &bytes);
            assert_true(bytes <= caches[c]);
            assert_true(c == 0 ? images == 0 : c == 1 ? images > 0 && images < IMAGES : images == IMAGES);
            eff_loader_free(l);
        }
    free(all);
}

static void same_evaluated(void **state)
{
    (void)state;
    const eff_preprocess rule = rule_of(NULL);
    same_bits(&rule, NULL);
}

static void same_augmented(void **state)
{
    (void)state;
    const eff_preprocess rule = rule_of(NULL);
    eff_augment a;
    eff_error err = { 0 };
    T_OK(eff_augment_preset(&a, "standard", &err), err);
    same_bits(&rule, &a);
}

/* What predict sees, kept as 8 bits, as floats where the filter does not round, and where a JPEG is decoded at half its
 * size. */
static void evaluation_is_predictions(void **state)
{
    (void)state;
    static const char *const rules[] = { "mean=127,std=128", "filter=tf2-bicubic", "filter=lanczos,scaled-dct=on",
                                         "icc=srgb" };
    float *const x = malloc(VALUES * sizeof *x);
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        const eff_preprocess rule = rule_of(rules[r]);
        eff_loader *const l = make(&rule, NULL, 2, (size_t)1 << 30);
        for (int i = 0; i < 2 * STEPS; i++) {
            const eff_batch b = next(l);
            for (int k = 0; k < b.n; k++) {
                eff_error err = { 0 };
                assert_int_equal(b.item[k], (i % STEPS) * BATCH + k);
                T_OK(eff_prepare_file(eff_dataset_item(set, EFF_PART_TRAIN, b.item[k]).path, &rule, x, &err), err);
                assert_memory_equal(x, b.x + (size_t)k * VALUES, VALUES * sizeof *x);
            }
        }
        size_t images, bytes;
        eff_loader_cached(l, &images, &bytes);
        assert_int_equal(images, IMAGES);
        assert_int_equal(bytes, (size_t)IMAGES * VALUES * (r == 1 ? sizeof(float) : 1));
        eff_loader_free(l);
    }
    free(x);
}

/* --------------------------------------------------------------------------------------------------------- orders */

static void orders(void **state)
{
    (void)state;
    const eff_preprocess rule = rule_of(NULL);
    size_t order[2][IMAGES];
    for (int drop = 0; drop < 2; drop++) {
        const eff_loader_opts o = { .batch = BATCH,
                                    .height = SIDE,
                                    .width = SIDE,
                                    .rule = &rule,
                                    .shuffle = true,
                                    .drop_last = drop,
                                    .threads = 2,
                                    .cache_bytes = 1 << 20 };
        eff_loader *l;
        eff_error err = { 0 };
        T_OK(eff_loader_create(&l, set, EFF_PART_TRAIN, &o, &err), err);
        const int steps = drop ? IMAGES / BATCH : STEPS;
        assert_int_equal(eff_loader_steps(l), steps);
        for (int epoch = 0; epoch < 2; epoch++) {
            int seen[IMAGES] = { 0 }, n = 0;
            for (int step = 0; step < steps; step++) {
                const eff_batch b = next(l);
                for (int k = 0; k < b.n; k++) {
                    assert_int_equal(seen[b.item[k]]++, 0);
                    order[epoch][n++] = b.item[k];
                }
            }
            assert_int_equal(n, drop ? IMAGES / BATCH * BATCH : IMAGES);
        }
        assert_memory_not_equal(order[0], order[1], sizeof order[0] / 2);
        eff_loader_free(l);
    }
    /* fewer than a batch: one short batch all the same */
    const eff_loader_opts o = {
        .batch = 64, .height = SIDE, .width = SIDE, .rule = &rule, .drop_last = true, .threads = 1
    };
    eff_loader *l;
    eff_error err = { 0 };
    T_OK(eff_loader_create(&l, set, EFF_PART_VAL, &o, &err), err);
    assert_int_equal(eff_loader_steps(l), 1);
    for (int i = 0; i < 3; i++) {
        const eff_batch b = next(l);
        assert_int_equal(b.n, 3);
        assert_int_equal(b.epoch, i);
    }
    eff_loader_free(l);
    assert_int_equal(eff_loader_create(&l, set, EFF_PART_TEST, &o, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "the set has no images to test on");
    eff_loader_opts wrong = o;
    wrong.width = SIDE + 1;
    assert_int_equal(eff_loader_create(&l, set, EFF_PART_VAL, &wrong, &err), EFF_EARG);
    assert_null(l);
}

/* The decoded size: the short side keeps 48 pixels and a photograph is not kept whole. */
static void decoded_smaller(void **state)
{
    (void)state;
    assert_int_equal(eff_image_reduction(48 * 8, 48 * 9, 48), 8);
    assert_int_equal(eff_image_reduction(48 * 8 - 8, 48 * 9, 48), 4);
    assert_int_equal(eff_image_reduction(48 * 8 - 7, 48 * 9, 48), 8); /* rounded up */
    assert_int_equal(eff_image_reduction(50, 9999, 48), 1);
    assert_int_equal(eff_image_reduction(20, 30, 48), 1);
    const eff_preprocess rule = rule_of(NULL);
    eff_augment a;
    eff_error err = { 0 };
    T_OK(eff_augment_preset(&a, "none", &err), err);
    eff_loader *const l = make(&rule, &a, 1, (size_t)1 << 30);
    for (int i = 0; i < STEPS; i++) next(l);
    size_t images, bytes, want = 0, whole = 0;
    for (size_t i = 0; i < IMAGES; i++) {
        const eff_item it = eff_dataset_item(set, EFF_PART_TRAIN, i);
        FILE *const f = fopen(it.path, "rb");
        const int by = getc(f) == 0xff ? eff_image_reduction(it.width, it.height, 2 * SIDE) : 1;
        fclose(f);
        whole += (size_t)it.width * (size_t)it.height * 3;
        want += (size_t)((it.width + by - 1) / by) * (size_t)((it.height + by - 1) / by) * 3;
    }
    eff_loader_cached(l, &images, &bytes);
    assert_int_equal(images, IMAGES);
    assert_int_equal(bytes, want);
    assert_true(want < whole);
    eff_loader_free(l);
}

/* ------------------------------------------------------------------------------------------------------ what fails */

static void freed_at_any_moment(void **state)
{
    (void)state;
    const eff_preprocess rule = rule_of(NULL);
    for (int i = 0; i < 24; i++) {
        eff_loader *const l = make(&rule, NULL, 1 + i % 3, i % 2 ? 20000 : 0);
        if (i % 4 == 1) eff_loader_seek(l, 9, 3);
        for (int k = 0; k < i / 6; k++) next(l);
        if (i % 4 == 2) eff_loader_seek(l, 1, 1);
        if (i % 4 == 2) eff_loader_seek(l, 4000000000u, 4);
        if (i % 8 == 2) next(l);
        eff_loader_free(l);
    }
    eff_loader_free(NULL);
}

static void vanished_files(void **state)
{
    (void)state;
    mkdir(t_tmp("gone"), 0777);
    for (int c = 0; c < 2; c++) {
        mkdir(t_tmp("gone/class%d", c), 0777);
        for (int i = 0; i < 6; i++) put(t_tmp("gone/class%d/%d.jpg", c, i), picture(c * 6 + i));
    }
    eff_error err = { 0 };
    eff_dataset *d;
    T_OK(eff_dataset_open(&d, t_tmp("gone"), NULL, &err), err);
    const eff_preprocess rule = rule_of(NULL);
    const eff_loader_opts o = { .batch = 4, .height = SIDE, .width = SIDE, .rule = &rule, .threads = 3 };
    const char *const second = eff_dataset_item(d, EFF_PART_TRAIN, 5).path, *const third =
                                                                                eff_dataset_item(d, EFF_PART_TRAIN, 6)
                                                                                    .path;
    unlink(second);
    assert_int_equal(truncate(third, 30), 0);
    eff_loader *l;
    T_OK(eff_loader_create(&l, d, EFF_PART_TRAIN, &o, &err), err);
    eff_batch b = next(l);
    assert_int_equal(b.n, 4);
    char want[128];
    snprintf(want, sizeof want, "%s: no such file", second + strlen(t_tmp("gone")) + 1);
    for (int i = 0; i < 3; i++) { /* the same one every time: the first of the batch, and nothing is skipped */
        assert_int_equal(eff_loader_next(l, &b, &err), EFF_EFORMAT);
        assert_string_equal(err.msg, want);
    }
    eff_loader_seek(l, 5, 0);
    b = next(l);
    assert_int_equal(b.epoch, 5);
    eff_loader_free(l);
    eff_dataset_free(d);
}

/* Every allocation fails once, also those of the worker. */
static void without_memory(void **state)
{
    (void)state;
    const eff_preprocess rule = rule_of(NULL);
    eff_augment a;
    eff_error err = { 0 };
    T_OK(eff_augment_preset(&a, "light", &err), err);
    for (int augmented = 0; augmented < 2; augmented++) {
        const eff_loader_opts o = { .batch = 3,
                                    .height = SIDE,
                                    .width = SIDE,
                                    .rule = &rule,
                                    .augment = augmented ? &a : NULL,
                                    .threads = 1,
                                    .cache_bytes = 20000 };
        eff_status s = EFF_ENOMEM;
        for (long n = 0; s != EFF_OK; n++) {
            eff_loader *l = NULL;
            eff_batch b;
            eff_alloc_fail_after(n);
            s = eff_loader_create(&l, set, EFF_PART_VAL, &o, &err);
            if (s == EFF_OK) s = eff_loader_next(l, &b, &err);
            eff_alloc_fail_after(-1);
            eff_loader_free(l);
            if (s != EFF_OK && (s != EFF_ENOMEM || !strstr(err.msg, "memory")))
                fail_msg("allocation %ld: %d %s", n, s, err.msg);
        }
    }
}

/* ----------------------------------------------------------------------------------------------------------- sheet */

static void contact_sheet(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const eff_preprocess rule = rule_of(NULL);
    eff_sheet_opts o;
    eff_sheet_opts_init(&o);
    o.augment = "none";
    o.rule = &rule;
    o.images = 4;
    o.variants = 2;
    T_OK(eff_dataset_sheet(set, &o, t_tmp("sheet.png"), &err), err);
    eff_image *im;
    T_OK(eff_image_load(&im, t_tmp("sheet.png"), &err), err);
    assert_int_equal(eff_image_width(im), 4 + 3 * (SIDE + 4));
    assert_int_equal(eff_image_height(im), 4 + 4 * (SIDE + 4));
    const size_t row = (size_t)eff_image_width(im) * 3;
    const uint8_t *const page = eff_image_pixels(im);
    assert_int_equal(page[0], 255);
    for (int r = 0; r < 4; r++) /* nothing is drawn at random: both variants are the same */
        for (int y = 0; y < SIDE; y++) {
            const uint8_t *const line = page + (size_t)(4 + r * (SIDE + 4) + y) * row;
            assert_memory_equal(line + (4 + SIDE + 4) * 3, line + (4 + 2 * (SIDE + 4)) * 3, SIDE * 3);
        }
    eff_image_free(im);
    o.augment = NULL; /* the evaluation rule: back to the pixels that its resize made */
    T_OK(eff_dataset_sheet(set, &o, t_tmp("sheet.png"), &err), err);
    T_OK(eff_image_load(&im, t_tmp("sheet.png"), &err), err);
    assert_int_equal(eff_image_width(im), 4 + 2 * (SIDE + 4));
    float *const x = malloc(VALUES * sizeof *x);
    const eff_preprocess bare = rule_of("mean=0,std=1");
    T_OK(eff_prepare_file(eff_dataset_item(set, EFF_PART_TRAIN, 0).path, &bare, x, &err), err);
    for (int y = 0; y < SIDE; y++)
        for (int i = 0; i < SIDE * 3; i++)
            assert_int_equal(
                eff_image_pixels(im)[((size_t)(4 + y) * (size_t)eff_image_width(im) + 4 + SIDE + 4) * 3 + (size_t)i],
                (int)x[y * SIDE * 3 + i]);
    free(x);
    eff_image_free(im);
    o.augment = "nosuch";
    assert_int_equal(eff_dataset_sheet(set, &o, t_tmp("sheet.png"), &err), EFF_EARG);
    o.augment = "none";
    o.images = 0;
    assert_int_equal(eff_dataset_sheet(set, &o, t_tmp("sheet.png"), &err), EFF_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_evaluated),
        cmocka_unit_test(same_augmented),
        cmocka_unit_test(evaluation_is_predictions),
        cmocka_unit_test(orders),
        cmocka_unit_test(decoded_smaller),
        cmocka_unit_test(freed_at_any_moment),
        cmocka_unit_test(vanished_files),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(contact_sheet),
    };
    return cmocka_run_group_tests(tests, make_set, free_set);
}
