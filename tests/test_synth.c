/* SPDX-License-Identifier: Apache-2.0 */
/* The synthetic set: the same bytes from the same options, classes that differ, and nothing in the amounts or the
 * places of colour that would tell them. What a network gains by detail is measured by tools/synth_resolution.c. */
#include "support.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "data/synth.h"
#include "image/image.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static eff_synth_opts options(int classes, int train, int val, int size)
{
    eff_synth_opts o;
    eff_synth_opts_init(&o);
    o.classes = classes;
    o.train = train;
    o.val = val;
    o.size = size;
    return o;
}

/* ---------------------------------------------------------------------------------------------- the files */

static size_t count_files(const char *dir)
{
    size_t n = 0;
    char path[4096];
    DIR *const d = opendir(dir);
    if (!d) return 0;
    for (const struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (*e->d_name == '.') continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            n += count_files(path);
        else
            n++;
    }
    closedir(d);
    return n;
}

static void assert_same_file(const char *a, const char *b, const char *name)
{
    eff_error err = { 0 };
    unsigned char *x, *y;
    size_t nx, ny;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", a, name);
    T_OK(eff_file_read_all(path, 1 << 24, &x, &nx, &err), err);
    snprintf(path, sizeof path, "%s/%s", b, name);
    T_OK(eff_file_read_all(path, 1 << 24, &y, &ny, &err), err);
    assert_int_equal(nx, ny);
    assert_memory_equal(x, y, nx);
    eff_free(x);
    eff_free(y);
}

static void test_same_bytes(void **state)
{
    (void)state;
    eff_error err = { 0 };
    char one[256], three[256], name[512];
    eff_synth_opts o = options(4, 3, 2, 48);
    o.threads = 1;
    snprintf(one, sizeof one, "%s", t_tmp("synth_one"));
    snprintf(three, sizeof three, "%s", t_tmp("synth_three"));
    T_OK(eff_synth_write(one, &o, NULL, NULL, &err), err);
    assert_int_equal(count_files(one), 4 * 5 + 2);
    o.threads = 3;
    o.train = 5;                             /* a larger set begins with the smaller one */
    assert_int_equal(mkdir(three, 0777), 0); /* empty: fine */
    T_OK(eff_synth_write(three, &o, NULL, NULL, &err), err);
    assert_int_equal(count_files(three), 4 * 7 + 2);
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < 5; i++) {
            snprintf(name, sizeof name, "%s/%s/%04d.jpg", i < 3 ? "train" : "val", eff_synth_class_name(c),
                     i < 3 ? i : i - 3);
            assert_same_file(one, three, name);
        }
    /* what is rendered is what is written */
    eff_image *im;
    uint8_t *bytes;
    unsigned char *file;
    size_t size, file_size;
    T_OK(eff_synth_render(&im, &o, 2, EFF_PART_VAL, 1, &err), err);
    T_OK(eff_jpeg_encode(&bytes, &size, im->rgb, 48, 48, 92, &err), err);
    snprintf(name, sizeof name, "%s/val/%s/0001.jpg", one, eff_synth_class_name(2));
    T_OK(eff_file_read_all(name, 1 << 24, &file, &file_size, &err), err);
    assert_int_equal(size, file_size);
    assert_memory_equal(bytes, file, size);
    eff_free(bytes);
    eff_free(file);
    /* and everything about it matters: another seed, part, number or class is another picture */
    for (int k = 0; k < 4; k++) {
        eff_image *other;
        o.seed = k == 0;
        T_OK(eff_synth_render(&other, &o, k == 3 ? 1 : 2, k == 1 ? EFF_PART_TRAIN : EFF_PART_VAL, k == 2 ? 0 : 1, &err),
             err);
        assert_memory_not_equal(im->rgb, other->rgb, 48 * 48 * 3);
        eff_image_free(other);
    }
    eff_image_free(im);
}

static void test_refused(void **state)
{
    (void)state;
    const struct {
        eff_synth_opts o;
        const char *said;
    } rows[] = {
        { options(1, 5, 5, 64), "classes: expected 2..208, found 1" },
        { options(209, 5, 5, 64), "classes: expected 2..208, found 209" },
        { options(9, 0, 5, 64), "train: expected 1..100000, found 0" },
        { options(9, 5, -1, 64), "val: expected 0..100000, found -1" },
        { options(9, 5, 5, 31), "size: expected 32..1024, found 31" },
    };
    eff_error err;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(eff_synth_write(t_tmp("synth_refused"), &rows[i].o, NULL, NULL, &err), EFF_EARG);
        assert_string_equal(err.msg, rows[i].said);
    }
    eff_synth_opts o = options(2, 1, 0, 32);
    o.difficulty = NAN;
    assert_int_equal(eff_synth_write(t_tmp("synth_refused"), &o, NULL, NULL, &err), EFF_EARG);
    assert_string_equal(err.msg, "difficulty: expected 0..1, found nan");
    o.difficulty = 1;
    assert_int_equal(access(t_tmp("synth_refused"), F_OK), -1); /* nothing was begun */
    eff_image *im;
    assert_int_equal(eff_synth_render(&im, &o, 2, EFF_PART_TRAIN, 0, &err), EFF_EARG);
    assert_null(im);
    assert_int_equal(eff_synth_render(&im, &o, 0, EFF_PART_TEST, 0, &err), EFF_EARG);
    /* folders: one that holds something, a file, one whose parent is missing */
    assert_int_equal(eff_synth_write(t_tmp("."), &o, NULL, NULL, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "expected a new or empty folder, found '"));
    FILE *const f = fopen(t_tmp("synth_file"), "w");
    fclose(f);
    assert_int_equal(eff_synth_write(t_tmp("synth_file"), &o, NULL, NULL, &err), EFF_EARG);
    assert_int_equal(eff_synth_write(t_tmp("synth_missing/set"), &o, NULL, NULL, &err), EFF_EIO);
}

static int stop_at_once(void *ctx, size_t done, size_t total)
{
    *(size_t *)ctx = done;
    return done < total;
}

/* A disk that is full: no picture is there in part, and the set does not look whole. */
static void test_disk_full(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_synth_opts o = options(2, 2, 0, 64);
    struct rlimit before;
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit small = { 600, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const eff_status s = eff_synth_write(t_tmp("synth_full"), &o, NULL, NULL, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(s, EFF_EIO);
    assert_string_equal(err.msg, "train/alakanda/0000.jpg: cannot write: File too large");
    assert_int_equal(count_files(t_tmp("synth_full")), 0);

    size_t done = 0;
    o = options(2, 40, 0, 32);
    o.threads = 1;
    assert_int_equal(eff_synth_write(t_tmp("synth_stopped"), &o, stop_at_once, &done, &err), EFF_ECANCELLED);
    assert_in_range(done, 1, 79);
    assert_int_equal(count_files(t_tmp("synth_stopped")), done); /* whole pictures, no synth.json */
}

/* Memory that ends at any allocation is reported as that, and nothing is lost or left half-written. */
static void test_no_memory(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_synth_opts o = options(2, 1, 0, 32);
    o.threads = 1;
    eff_status s = EFF_ENOMEM;
    for (long n = 0; s == EFF_ENOMEM; n++) {
        char dir[256];
        snprintf(dir, sizeof dir, "%s", t_tmp("synth_memory%ld", n));
        eff_alloc_fail_after(n);
        s = eff_synth_write(dir, &o, NULL, NULL, &err);
        eff_alloc_fail_after(-1);
        if (s == EFF_ENOMEM)
            assert_true(count_files(dir) <= 3); /* synth.json, the fourth, is there only when all is well */
    }
    assert_int_equal(s, EFF_OK);
    eff_image *im = NULL;
    s = EFF_ENOMEM;
    for (long n = 0; s == EFF_ENOMEM; n++) {
        eff_alloc_fail_after(n);
        s = eff_synth_render(&im, &o, 0, EFF_PART_TRAIN, 0, &err);
        eff_alloc_fail_after(-1);
        assert_true((s == EFF_OK) == (im != NULL));
    }
    assert_int_equal(s, EFF_OK);
    eff_image_free(im);
}

/* ------------------------------------------------------------------------------------------------ classes */

static void test_classes_differ(void **state)
{
    (void)state;
    const char *value;
    assert_null(eff_synth_class_name(-1));
    assert_null(eff_synth_class_name(EFF_SYNTH_MAX_CLASSES));
    assert_null(eff_synth_class_attribute(0, 9, &value));
    for (int a = 0; a < EFF_SYNTH_MAX_CLASSES; a++) {
        assert_true(strspn(eff_synth_class_name(a), "abcdefghijklmnopqrstuvwxyz") == strlen(eff_synth_class_name(a)));
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(eff_synth_class_name(a), eff_synth_class_name(b));
            int differ = 0;
            const char *va, *vb;
            for (int i = 0; eff_synth_class_attribute(a, i, &va); i++) {
                eff_synth_class_attribute(b, i, &vb);
                differ += strcmp(va, vb) != 0;
            }
            assert_true(differ > 0);
            if (a / 3 == b / 3) assert_in_range(differ, 1, 2);
        }
    }
    /* of each group of three, whatever single attribute is hidden, the others still tell two classes apart */
    for (int i = 0; eff_synth_class_attribute(0, i, &value); i++) {
        int values = 0;
        for (int a = 0; a < 9; a++) {
            bool seen = false;
            const char *va, *vb;
            eff_synth_class_attribute(a, i, &va);
            for (int b = 0; b < a; b++) {
                eff_synth_class_attribute(b, i, &vb);
                seen |= !strcmp(va, vb);
            }
            values += !seen;
        }
        assert_in_range(values, 1, 3); /* no attribute alone tells more than three sorts among the nine */
    }
}

/* ------------------------------------------------------------------------------------- what must not tell */

enum { CLASSES = 9, EACH = 40, SIZE = 64, BINS = 64, CELLS = 8, MEANS = CELLS * CELLS * 3, ALL = CLASSES * EACH };

typedef struct features {
    double histogram[2][ALL][BINS]; /* square roots of shares: joint RGB, four levels each */
    double mean[2][ALL][MEANS];     /* the picture in 8 x 8 cells                          */
    eff_synth_kit *kit;
    eff_synth_opts o;
    float *scratch[2];
    uint8_t *rgb[2];
} features;

static void measure(void *ctx, int task, int worker)
{
    features *const f = ctx;
    const int part = task / ALL, i = task % ALL;
    uint8_t *const p = f->rgb[worker];
    eff_scene_render(p, f->scratch[worker], f->kit, &f->o, i / EACH, (eff_part)part, (uint32_t)(i % EACH));
    double *const h = f->histogram[part][i], *const m = f->mean[part][i];
    for (int k = 0; k < SIZE * SIZE; k++) {
        const uint8_t *const q = p + k * 3;
        h[(q[0] >> 6) * 16 + (q[1] >> 6) * 4 + (q[2] >> 6)] += 1.0 / (SIZE * SIZE);
        const int cell = k / SIZE * CELLS / SIZE * CELLS + k % SIZE * CELLS / SIZE;
        for (int c = 0; c < 3; c++) m[cell * 3 + c] += q[c] / 255.0 / (SIZE / CELLS * SIZE / CELLS);
    }
    for (int k = 0; k < BINS; k++) h[k] = sqrt(h[k]);
}

/* Share of part 1 that is nearest to its own class's mean of part 0. */
static double nearest_mean(const double *x, int n)
{
    double *const mean = calloc(CLASSES * (size_t)n, sizeof *mean);
    int right = 0;
    for (int i = 0; i < ALL; i++)
        for (int k = 0; k < n; k++) mean[i / EACH * n + k] += x[i * n + k] / EACH;
    for (int i = 0; i < ALL; i++) {
        double best = INFINITY;
        int at = -1;
        for (int c = 0; c < CLASSES; c++) {
            double d = 0;
            for (int k = 0; k < n; k++) d += pow(x[(ALL + i) * n + k] - mean[c * n + k], 2);
            if (d < best) best = d, at = c;
        }
        right += at == i / EACH;
    }
    free(mean);
    return (double)right / ALL;
}

/* Softmax regression on centred features, full-batch with momentum and weight decay. */
static double regression(const double *x, int n)
{
    double *const w = calloc(CLASSES * (size_t)n, sizeof *w), *const v = calloc(CLASSES * (size_t)n, sizeof *v);
    double *const g = calloc(CLASSES * (size_t)n, sizeof *g), *const centre = calloc((size_t)n, sizeof *centre);
    for (int i = 0; i < ALL; i++)
        for (int k = 0; k < n; k++) centre[k] += x[i * n + k] / ALL;
    int right = 0;
    for (int step = 0; step <= 150; step++) {
        memset(g, 0, CLASSES * (size_t)n * sizeof *g);
        const double *const part = step < 150 ? x : x + ALL * n; /* the last time the other part is scored */
        for (int i = 0; i < ALL; i++) {
            double z[CLASSES] = { 0 }, top = -INFINITY, sum = 0;
            int at = -1;
            for (int c = 0; c < CLASSES; c++) {
                for (int k = 0; k < n; k++) z[c] += w[c * n + k] * (part[i * n + k] - centre[k]);
                if (z[c] > top) top = z[c], at = c;
            }
            if (step == 150) right += at == i / EACH;
            for (int c = 0; c < CLASSES; c++) sum += z[c] = exp(z[c] - top);
            for (int c = 0; c < CLASSES; c++) {
                const double d = (z[c] / sum - (c == i / EACH)) / ALL;
                for (int k = 0; k < n; k++) g[c * n + k] += d * (part[i * n + k] - centre[k]);
            }
        }
        for (int k = 0; k < CLASSES * n; k++) {
            v[k] = 0.9 * v[k] - 2 * (g[k] + 1e-3 * w[k]);
            w[k] += v[k];
        }
    }
    free(w), free(v), free(g), free(centre);
    return (double)right / ALL;
}

static void test_colour_tells_nothing(void **state)
{
    (void)state;
    eff_error err = { 0 };
    features *const f = calloc(1, sizeof *f);
    eff_pool *pool;
    f->o = options(CLASSES, 1, 1, SIZE);
    T_OK(eff_synth_kit_create(&f->kit, &err), err);
    T_OK(eff_pool_create(&pool, 2, &err), err);
    for (int w = 0; w < 2; w++) {
        f->scratch[w] = malloc(eff_scene_scratch(SIZE) * sizeof(float));
        f->rgb[w] = malloc(SIZE * SIZE * 3);
    }
    eff_pool_run(pool, measure, f, 2 * ALL);
    /* Chance and three standard deviations of a share of ALL guesses; two points more for what crop and area let
     * through. */
    const double chance = 1.0 / CLASSES, bound = chance + 3 * sqrt(chance * (1 - chance) / ALL) + 0.02;
    const double got[] = { nearest_mean(&f->histogram[0][0][0], BINS), regression(&f->histogram[0][0][0], BINS),
                           nearest_mean(&f->mean[0][0][0], MEANS) };
    static const char *const what[] = { "colour histogram, nearest mean", "colour histogram, regression",
                                        "mean image" };
    for (int i = 0; i < 3; i++) {
        print_message("%s: %.3f (bound %.3f)\n", what[i], got[i], bound);
        if (got[i] > bound) fail_msg("%s: %.3f of the pictures, expected at most %.3f", what[i], got[i], bound);
    }
    for (int w = 0; w < 2; w++) free(f->scratch[w]), free(f->rgb[w]);
    eff_pool_free(pool);
    eff_free(f->kit);
    free(f);
}

/* That the classifier of the test above can learn at all: the same features tell light pictures from dark ones. */
static void test_classifier_learns(void **state)
{
    (void)state;
    double *const x = calloc(2 * ALL * BINS, sizeof *x);
    for (int i = 0; i < 2 * ALL; i++)
        for (int k = 0; k < BINS; k++)
            x[i * BINS + k] = 0.1 * eff_rng_uniform(7, (uint64_t)i, (uint64_t)k) + (k == i % ALL / EACH ? 0.1 : 0);
    assert_true(nearest_mean(x, BINS) > 0.9);
    assert_true(regression(x, BINS) > 0.9);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_disk_full),         cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_classes_differ),    cmocka_unit_test(test_colour_tells_nothing),
        cmocka_unit_test(test_classifier_learns),
    };
    if (t_brief()) cmocka_set_skip_filter("test_c*"); /* statistics of pictures, hardly a thread */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
