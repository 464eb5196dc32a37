/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of labelled images in all their forms, from folders as hostile as a file system allows; the promises of the
 * split; the CSV there and back. Pictures are small and made by formula. */
#define _GNU_SOURCE
#include "pictures.h"
#include "support.h"

#include "base/mem.h"

#include <effnet/data.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------------------------------------------- making sets */

static void make_folders(char *path)
{
    for (char *p = path + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        if (mkdir(path, 0777) != 0) assert_int_equal(errno, EEXIST);
        *p = '/';
    }
}

static const char *in(const char *set, const char *fmt, va_list ap)
{
    static char buf[4][4096];
    static int turn;
    char *const b = buf[turn++ % 4];
    const int n = snprintf(b, sizeof buf[0], "%s/", t_tmp("%s", set));
    vsnprintf(b + n, sizeof buf[0] - (size_t)n, fmt, ap);
    make_folders(b);
    return b;
}

static const char *at(const char *set, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static const char *at(const char *set, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *const p = in(set, fmt, ap);
    va_end(ap);
    return p;
}

static void put(const char *path, const void *bytes, size_t n)
{
    FILE *const f = fopen(path, "wb");
    if (!f) fail_msg("cannot write %s", path);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* A picture of its own for every salt. */
static t_bytes picture(unsigned salt)
{
    static const uint8_t end_mark[2] = { 0xff, 0xd9 };
    uint8_t pixels[8 * 8 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 5 + salt * 40);
    t_bytes b = t_jpeg_make((t_jpeg){ .components = 3, .h = 1, .v = 1, .width = 8, .height = 8, .pixels = pixels });
    /* a comment in front of the end makes the bytes differ where the pixels would not */
    const uint8_t comment[] = {
        0xff, 0xfe, 0, 6, (uint8_t)(salt >> 24), (uint8_t)(salt >> 16), (uint8_t)(salt >> 8), (uint8_t)salt
    };
    b.size -= 2;
    t_append(&b, comment, sizeof comment);
    t_append(&b, end_mark, 2);
    return b;
}

static void put_picture(const char *path, unsigned salt)
{
    const t_bytes b = picture(salt);
    put(path, b.data, b.size);
    free(b.data);
}

static eff_dataset *open_with(const char *path, const eff_dataset_opts *o)
{
    eff_error err = { 0 };
    eff_dataset *d = NULL;
    T_OK(eff_dataset_open(&d, path, o, &err), err);
    return d;
}

static eff_dataset *open_set(const char *path) { return open_with(path, NULL); }

static void expect_refusal(const char *path, const char *message)
{
    eff_error err = { 0 };
    eff_dataset *d = NULL;
    assert_int_equal(eff_dataset_open(&d, path, NULL, &err), EFF_EFORMAT);
    assert_null(d);
    if (!strstr(err.msg, message)) fail_msg("expected '%s', found '%s'", message, err.msg);
}

static void expect_excluded(const eff_dataset *d, const char *path, const char *reason)
{
    const char *why = NULL, *p;
    for (size_t i = 0; (p = eff_dataset_excluded(d, i, &why)); i++)
        if (!strcmp(p, path)) {
            if (!strstr(why, reason)) fail_msg("%s: expected '%s', found '%s'", path, reason, why);
            return;
        }
    fail_msg("%s is not left out", path);
}

static size_t count_excluded(const eff_dataset *d)
{
    size_t n = 0;
    while (eff_dataset_excluded(d, n, NULL)) n++;
    return n;
}

static void expect_remark(const eff_dataset *d, const char *text)
{
    for (size_t i = 0; eff_dataset_remark(d, i); i++)
        if (strstr(eff_dataset_remark(d, i), text)) return;
    fail_msg("no remark '%s'", text);
}

/* Where the file whose path ends so went: its part, or -1. */
static int part_of(const eff_dataset *d, const char *end)
{
    for (int p = 0; p < 3; p++)
        for (size_t i = 0; i < eff_dataset_count(d, (eff_part)p); i++) {
            const char *const path = eff_dataset_item(d, (eff_part)p, i).path;
            const size_t n = strlen(path), m = strlen(end);
            if (n >= m && !strcmp(path + n - m, end)) return p;
        }
    return -1;
}

static void expect_same(const eff_dataset *a, const eff_dataset *b)
{
    assert_int_equal(eff_dataset_classes(a), eff_dataset_classes(b));
    for (int c = 0; c < eff_dataset_classes(a); c++)
        assert_string_equal(eff_dataset_class_name(a, c), eff_dataset_class_name(b, c));
    for (int p = 0; p < 3; p++) {
        assert_int_equal(eff_dataset_count(a, (eff_part)p), eff_dataset_count(b, (eff_part)p));
        for (size_t i = 0; i < eff_dataset_count(a, (eff_part)p); i++) {
            const eff_item x = eff_dataset_item(a, (eff_part)p, i), y = eff_dataset_item(b, (eff_part)p, i);
            assert_int_equal(x.label, y.label);
            assert_int_equal(x.width, y.width);
            assert_string_equal(strrchr(x.path, '/'), strrchr(y.path, '/'));
            assert_int_equal(!x.group, !y.group);
            if (x.group) assert_string_equal(x.group, y.group);
        }
    }
    assert_true(eff_dataset_fingerprint(a) == eff_dataset_fingerprint(b));
}

/* ----------------------------------------------------------------------------------------------------------- folders
 */

static void given_parts(void **state)
{
    (void)state;
    unsigned salt = 0;
    for (int i = 0; i < 3; i++) {
        put_picture(at("given", "train/b/%d.jpg", i), ++salt);
        put_picture(at("given", "train/a/deep/er/%d.png", i), ++salt); /* the content decides, not the name */
        put_picture(at("given", "train/C/%d", i), ++salt);
    }
    put_picture(at("given", "train/one/1.jpg"), ++salt);
    put_picture(at("given", "valid/a/1.jpg"), ++salt);
    put_picture(at("given", "valid/b/1.jpg"), ++salt);
    put_picture(at("given", "valid/only/1.jpg"), ++salt);
    put_picture(at("given", "test/b/1.jpg"), ++salt);
    put_picture(at("given", "test/b/2.jpg"), 1); /* as train/b/0.jpg */
    put_picture(at("given", "train/stray.jpg"), ++salt);
    put(at("given", "README.md"), "x", 1);
    mkdir(at("given", "train/empty"), 0777);
    mkdir(at("given", "extra"), 0777);
    eff_dataset *d = open_set(t_tmp("given"));
    assert_string_equal(eff_dataset_split_origin(d), "given");
    assert_int_equal(eff_dataset_classes(d), 3);
    assert_string_equal(eff_dataset_class_name(d, 0), "C");
    assert_string_equal(eff_dataset_class_name(d, 1), "a");
    assert_string_equal(eff_dataset_class_name(d, 2), "b");
    assert_null(eff_dataset_class_name(d, 3));
    assert_int_equal(eff_dataset_count(d, EFF_PART_TRAIN), 9);
    assert_int_equal(eff_dataset_count(d, EFF_PART_VAL), 2);
    assert_int_equal(eff_dataset_count(d, EFF_PART_TEST), 2);
    assert_int_equal(eff_dataset_class_count(d, EFF_PART_TRAIN, 2), 3);
    assert_int_equal(eff_dataset_class_count(d, EFF_PART_VAL, 0), 0);
    const eff_item first = eff_dataset_item(d, EFF_PART_TRAIN, 0);
    assert_string_equal(first.path + strlen(first.path) - 10, "/train/C/0");
    assert_int_equal(first.width, 8);
    assert_int_equal(first.label, 0);
    assert_null(first.group);
    assert_int_equal(eff_dataset_item(d, EFF_PART_TRAIN, 9).label, -1);
    assert_int_equal(count_excluded(d), 3);
    expect_excluded(d, "train/one/1.jpg", "class 'one' has 1 image, at least 2 are needed");
    expect_excluded(d, "valid/only/1.jpg", "class 'only' has no image to train on");
    expect_excluded(d, "train/stray.jpg", "no class folder");
    expect_remark(d, "class 'empty' has no image that can be read");
    expect_remark(d, "class 'one' has 1 image, at least 2 are needed: left out");
    expect_remark(d, "class 'only' has no image to train on: left out");
    expect_remark(d, "class 'C' has 3 images to train on and none to validate on");
    expect_remark(d, "folder 'extra' is none of train, val and test");
    expect_remark(d, "the same bytes on both sides of the split: train/b/0.jpg (training) and test/b/2.jpg (testing)");
    eff_dataset_free(d);
}

static void parts_missing(void **state)
{
    (void)state;
    unsigned salt = 100;
    for (int i = 0; i < 5; i++) {
        put_picture(at("notval", "train/a/%d.jpg", i), ++salt);
        put_picture(at("notval", "train/b/%d.jpg", i), ++salt);
        put_picture(at("notval", "test/a/%d.jpg", i), ++salt);
    }
    eff_dataset *d = open_set(t_tmp("notval"));
    assert_string_equal(eff_dataset_split_origin(d), "made, seed 0");
    assert_int_equal(eff_dataset_count(d, EFF_PART_TRAIN), 8);
    assert_int_equal(eff_dataset_count(d, EFF_PART_VAL), 2);
    assert_int_equal(eff_dataset_count(d, EFF_PART_TEST), 5);
    for (size_t i = 0; i < 5; i++) assert_non_null(strstr(eff_dataset_item(d, EFF_PART_TEST, i).path, "/test/a/"));
    eff_dataset_free(d);
    put_picture(at("notrain", "val/a/1.jpg"), ++salt);
    expect_refusal(t_tmp("notrain"), "expected a folder 'train' beside 'val', found none");
    mkdir(at("notval", "val/"), 0777);
    mkdir(at("notval", "valid/"), 0777);
    expect_refusal(t_tmp("notval"), "expected one folder for validation, found 'val' and 'valid'");
    expect_refusal(t_tmp("nothing-here"), "no such file or folder");
    put_picture(at("single", "a/1.jpg"), ++salt);
    put_picture(at("single", "a/2.jpg"), ++salt);
    expect_refusal(t_tmp("single"), "expected at least two classes with images to train on, found one, 'a'");
    mkdir(at("bare", "x"), 0777);
    expect_refusal(t_tmp("bare"), "found none");
    put(at("bare", "x/1.jpg"), "no image", 8);
    expect_refusal(t_tmp("bare"), "found none (1 files left out; x/1.jpg: image: expected a JPEG");
}

static void hostile(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        put_picture(at("hostile", "a/%u.jpg", i), 200 + i);
        put_picture(at("hostile", "b/%u.jpg", i), 210 + i);
    }
    const t_bytes good = picture(220);
    put(at("hostile", "a/cut.jpg"), good.data, good.size - 20);
    put(at("hostile", "a/half.jpg"), good.data, good.size / 2);
    put(at("hostile", "a/new\nline.jpg"), good.data, good.size);
    put(at("hostile", "a/latin\xe9.jpg"), good.data, good.size);
    put(at("hostile", "a/.hidden.jpg"), good.data, good.size);
    put(at("hostile", ".dot/1.jpg"), good.data, good.size);
    put(at("hostile", "a/.dot/1.jpg"), good.data, good.size);
    put(at("hostile", "bad\tname/1.jpg"), good.data, good.size);
    put(at("hostile", "a/sub/dir.jpg/in.jpg"), good.data, good.size);
    put(at("hostile", "a/big.gif"), "GIF89a....", 10);
    put(at("hostile", "a/Thumbs.db"), "what", 4);
    put(at("hostile", "a/empty.jpg"), "", 0);
    free(good.data);
    assert_int_equal(mkfifo(at("hostile", "a/pipe.jpg"), 0666), 0);
    assert_int_equal(symlink("/dev/zero", at("hostile", "a/zero.jpg")), 0);
    assert_int_equal(symlink("nowhere", at("hostile", "a/dangling.jpg")), 0);
    assert_int_equal(symlink("self.jpg", at("hostile", "a/self.jpg")), 0);
    assert_int_equal(symlink(".", at("hostile", "a/loop")), 0);
    assert_int_equal(symlink("../b", at("hostile", "a/into_b")), 0);
    assert_int_equal(symlink("../..", at("hostile", "b/up")), 0); /* out to the folder of the whole test: another set */
    assert_int_equal(symlink("a", at("hostile", "same_as_a")), 0);
    unlink(at("hostile", "b/up"));
    assert_int_equal(symlink("..", at("hostile", "b/up")), 0);
    for (int threads = 1; threads <= 3; threads++) {
        eff_dataset_opts o;
        eff_dataset_opts_init(&o);
        o.threads = threads;
        eff_dataset *d = open_with(t_tmp("hostile"), &o);
        assert_int_equal(eff_dataset_classes(d), 2);
        assert_int_equal(eff_dataset_count(d, EFF_PART_TRAIN) + eff_dataset_count(d, EFF_PART_VAL), 11);
        assert_true(part_of(d, "a/sub/dir.jpg/in.jpg") >= 0);
        expect_excluded(d, "a/cut.jpg", "truncated");
        expect_excluded(d, "a/half.jpg", "JPEG");
        expect_excluded(d, "a/new?line.jpg", "control characters");
        expect_excluded(d, "a/latin?.jpg", "not UTF-8");
        expect_excluded(d, "bad?name", "a class name");
        expect_excluded(d, "a/big.gif", "a GIF image, which is not read");
        expect_excluded(d, "a/Thumbs.db", "none of them");
        expect_excluded(d, "a/empty.jpg", "empty");
        expect_excluded(d, "a/pipe.jpg", "a pipe");
        expect_excluded(d, "a/zero.jpg", "a device");
        expect_excluded(d, "a/dangling.jpg", "nowhere");
        expect_excluded(d, "a/self.jpg", "circle");
        expect_excluded(d, "a/loop", "read already");
        expect_excluded(d, "a/into_b", "read already");
        expect_excluded(d, "b/up", "read already");
        expect_excluded(d, "same_as_a", "under another name");
        assert_int_equal(count_excluded(d), 16);
        eff_dataset_free(d);
    }
}

static int stop_at_once(void *ctx, size_t done, size_t total)
{
    size_t *const last = ctx;
    assert_true(done <= total);
    *last = total;
    return 1;
}

static void options_are_checked(void **state)
{
    (void)state;
    eff_dataset_opts o;
    eff_error err = { 0 };
    eff_dataset *d;
    eff_dataset_opts_init(&o);
    o.val_fraction = 1;
    assert_int_equal(eff_dataset_open(&d, t_tmp("hostile"), &o, &err), EFF_EARG);
    eff_dataset_opts_init(&o);
    o.threads = -1;
    assert_int_equal(eff_dataset_open(&d, t_tmp("hostile"), &o, &err), EFF_EARG);
    eff_dataset_opts_init(&o);
    size_t seen = 0;
    o.progress = stop_at_once;
    o.ctx = &seen;
    assert_int_equal(eff_dataset_open(&d, t_tmp("hostile"), &o, &err), EFF_ECANCELLED);
    assert_null(d);
    assert_true(seen > 10);
}

static void classes_of_a_model(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m;
    T_OK(eff_model_load(&m, "efficientnet-b0@classes=3,width=0.35,depth=0.35,resolution=32", NULL, &err), err);
    put(t_tmp("names.txt"), "zebra\nb\na\n", 10);
    T_OK(eff_model_set_classes(m, t_tmp("names.txt"), &err), err);
    eff_dataset_opts o;
    eff_dataset_opts_init(&o);
    o.model = m;
    eff_dataset *d = open_with(t_tmp("given"), &o);
    assert_int_equal(eff_dataset_classes(d), 3);
    assert_string_equal(eff_dataset_class_name(d, 0), "zebra");
    assert_int_equal(eff_dataset_class_count(d, EFF_PART_TRAIN, 0), 0);
    assert_int_equal(eff_dataset_class_count(d, EFF_PART_TRAIN, 1), 3);
    assert_int_equal(eff_dataset_class_count(d, EFF_PART_TRAIN, 2), 3);
    expect_excluded(d, "train/C/0", "the model has no class 'C'");
    expect_remark(d, "class 'zebra' has no image to train on");
    eff_dataset_free(d);
    eff_model_free(m);
}

/* ------------------------------------------------------------------------------------------------------------- split
 */

enum { LARGE = 40, SMALL = 7 };

static void stratified(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LARGE; i++) put_picture(at("split", "large/%u.jpg", i), 1000 + i);
    for (unsigned i = 0; i < SMALL; i++) put_picture(at("split", "small/%u.jpg", i), 2000 + i);
    for (unsigned i = 0; i < 2; i++) put_picture(at("split", "two/%u.jpg", i), 3000 + i);
    eff_dataset *d = open_set(t_tmp("split")), *again = open_set(t_tmp("split/"));
    static const size_t val[3] = { 8, 1, 1 };
    for (int c = 0; c < 3; c++) assert_int_equal(eff_dataset_class_count(d, EFF_PART_VAL, c), val[c]);
    assert_int_equal(eff_dataset_count(d, EFF_PART_TRAIN), LARGE + SMALL + 2 - 10);
    expect_same(d, again);
    eff_dataset_free(again);

    eff_dataset_opts o;
    eff_dataset_opts_init(&o);
    o.seed = 1;
    eff_dataset *other = open_with(t_tmp("split"), &o);
    assert_string_equal(eff_dataset_split_origin(other), "made, seed 1");
    assert_int_equal(eff_dataset_class_count(other, EFF_PART_VAL, 0), 8);
    assert_true(eff_dataset_fingerprint(d) != eff_dataset_fingerprint(other));
    eff_dataset_free(other);

    /* ten images more move at most as many others: here, two that the class gives more and those that newcomers
     * displace */
    int was[LARGE], moved = 0;
    char name[32];
    for (int i = 0; i < LARGE; i++) {
        snprintf(name, sizeof name, "large/%d.jpg", i);
        was[i] = part_of(d, name);
    }
    for (unsigned i = 0; i < 10; i++) put_picture(at("split", "large/0_new%u.jpg", i), 4000 + i);
    eff_dataset *more = open_set(t_tmp("split"));
    assert_int_equal(eff_dataset_class_count(more, EFF_PART_VAL, 0), 10);
    for (int i = 0; i < LARGE; i++) {
        snprintf(name, sizeof name, "large/%d.jpg", i);
        moved += part_of(more, name) != was[i];
    }
    assert_true(moved <= 4); /* shares: 8 of 40, 10 of 50; of ten newcomers, few have a low rank */
    eff_dataset_free(more);
    eff_dataset_free(d);
}

static void together(void **state)
{
    (void)state;
    FILE *f = fopen(at("groups", "list.csv"), "w");
    fputs("Path,GROUP,label\n", f);
    for (unsigned i = 0; i < 60; i++) { /* twenty groups of three, some over both classes */
        put_picture(at("groups", "%u.jpg", i), 5000 + i);
        fprintf(f, "%u.jpg,g%u,%s\n", i, i % 20, i % 20 < 3 ? (i % 2 ? "a" : "b") : i % 20 < 12 ? "a" : "b");
    }
    for (unsigned i = 0; i < 12; i++) { /* and four pictures that are there three times, without a group */
        put_picture(at("groups", "copy%u.jpg", i), 6000 + i % 4);
        fprintf(f, "copy%u.jpg,,a\n", i);
    }
    for (unsigned i = 0; i < 6; i++) { /* a class of one group cannot be split; one of two groups is */
        put_picture(at("groups", "mono%u.jpg", i), 7000 + i);
        put_picture(at("groups", "duo%u.jpg", i), 7100 + i);
        fprintf(f, "mono%u.jpg,m,mono\nduo%u.jpg,d%u,duo\n", i, i, i % 2);
    }
    fclose(f);
    for (uint64_t seed = 0; seed < 6; seed++) {
        eff_dataset_opts o;
        eff_dataset_opts_init(&o);
        o.seed = seed;
        eff_dataset *d = open_with(t_tmp("groups/list.csv"), &o);
        int side[20], twice[4];
        memset(side, -1, sizeof side);
        memset(twice, -1, sizeof twice);
        char name[32];
        for (int i = 0; i < 60; i++) {
            snprintf(name, sizeof name, "/%d.jpg", i);
            const int p = part_of(d, name);
            assert_true(p == EFF_PART_TRAIN || p == EFF_PART_VAL);
            assert_true(side[i % 20] < 0 || side[i % 20] == p);
            side[i % 20] = p;
        }
        for (int i = 0; i < 12; i++) {
            snprintf(name, sizeof name, "/copy%d.jpg", i);
            const int p = part_of(d, name);
            assert_true(twice[i % 4] < 0 || twice[i % 4] == p);
            twice[i % 4] = p;
        }
        for (int c = 0; c < 2; c++) { /* within a group of the share */
            const size_t val = eff_dataset_class_count(d, EFF_PART_VAL, c),
                         all = val + eff_dataset_class_count(d, EFF_PART_TRAIN, c);
            assert_true(val * 5 + 15 >= all && val * 5 <= all + 15);
        }
        assert_int_equal(eff_dataset_class_count(d, EFF_PART_VAL, 2), 3);
        assert_int_equal(eff_dataset_class_count(d, EFF_PART_VAL, 3), 0);
        expect_remark(d, "class 'mono': its 6 images belong together");
        expect_remark(d, "8 files have the same bytes as another of the same class");
        eff_dataset_free(d);
    }
}

static void many_classes(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 300; c++) put_picture(at("many", "class%u/1.jpg", c), 10000 + c);
    for (unsigned c = 0; c < 300; c += 2) put_picture(at("many", "class%u/2.jpg", c), 20000 + c);
    eff_dataset *d = open_set(t_tmp("many"));
    assert_int_equal(eff_dataset_classes(d), 150);
    assert_int_equal(eff_dataset_count(d, EFF_PART_VAL), 150);
    assert_int_equal(count_excluded(d), 150);
    size_t remarks = 0;
    while (eff_dataset_remark(d, remarks)) remarks++;
    assert_int_equal(remarks, 21);
    expect_remark(d, "130 more: classes that are left out");
    eff_dataset_free(d);
    /* thousands of classes from few files, each in a spelling of its own */
    FILE *const f = fopen(at("many", "list.csv"), "w");
    fputs("path,label,split\n", f);
    for (unsigned i = 0; i < 6000; i++) {
        for (unsigned k = 0; k <= i / 300; k++) fputs("./", f);
        fprintf(f, "class%u/1.jpg,name %u,%s\n", i % 300, i % 2000, i < 4000 ? "train" : "val");
    }
    fclose(f);
    d = open_set(t_tmp("many/list.csv"));
    assert_int_equal(eff_dataset_classes(d), 2000);
    for (int c = 0; c < 2000; c++) {
        assert_int_equal(eff_dataset_class_count(d, EFF_PART_TRAIN, c), 2);
        assert_int_equal(eff_dataset_class_count(d, EFF_PART_VAL, c), 1);
    }
    eff_dataset_free(d);
}

/* --------------------------------------------------------------------------------------------------------------- CSV
 */

static void there_and_back(void **state)
{
    (void)state;
    put_picture(at("trip", "it's, \"here\"/with, comma/1.jpg"), 8000);
    put_picture(at("trip", "it's, \"here\"/ blank .jpg"), 8001);
    put_picture(at("trip", "it's, \"here\"/\xe2\x82\xac.jpg"), 8002);
    for (unsigned i = 0; i < 6; i++) put_picture(at("trip", "other/%u.jpg", i), 8010 + i);
    eff_error err = { 0 };
    static const char *const where[] = { "trip/split.csv", "elsewhere.csv" };
    for (int i = 0; i < 2; i++) {
        eff_dataset *d = open_set(t_tmp("trip"));
        T_OK(eff_dataset_save(d, t_tmp("%s", where[i]), &err), err);
        eff_dataset *back = open_set(t_tmp("%s", where[i]));
        assert_string_equal(eff_dataset_split_origin(back), "given");
        assert_int_equal(count_excluded(back), 0);
        expect_same(d, back);
        T_OK(eff_dataset_save(back, t_tmp("trip/again.csv"), &err), err); /* from a CSV too */
        eff_dataset *twice = open_set(t_tmp("trip/again.csv"));
        expect_same(d, twice);
        eff_dataset_free(twice);
        eff_dataset_free(back);
        eff_dataset_free(d);
    }
    FILE *const f = fopen(t_tmp("trip/split.csv"), "r");
    char line[256];
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(line, "path,label,group,split\n");
    assert_non_null(fgets(line, sizeof line, f));
    assert_true(line[0] != '/'); /* relative */
    fclose(f);
    eff_dataset *d = open_set(t_tmp("trip/split.csv"));
    assert_int_equal(eff_dataset_save(d, t_tmp("no/such/folder.csv"), &err), EFF_EIO);
    assert_int_equal(eff_dataset_save(d, NULL, &err), EFF_EARG);
    assert_int_equal(eff_dataset_save(NULL, "x.csv", &err), EFF_EARG);
    put_picture(at("trips", "x/1.jpg"), 8020); /* a folder whose name begins with the other's */
    /* names that are written otherwise, through a link, and from a folder that is gone */
    assert_int_equal(symlink(t_tmp("trip"), t_tmp("link")), 0);
    static const char *const names[] = { "trip//other.csv", "trip/.//./other.csv", "trip/./../trip//other.csv",
                                         "link/other.csv", "trips/other.csv" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        T_OK(eff_dataset_save(d, t_tmp("%s", names[i]), &err), err);
        eff_dataset *const back = open_set(t_tmp("%s", names[i]));
        expect_same(d, back);
        eff_dataset_free(back);
    }
    assert_int_equal(eff_dataset_save(d, "/./proc", &err), EFF_EIO); /* a folder is there */
    const int here = open(".", O_RDONLY | O_DIRECTORY);
    assert_true(here >= 0 && mkdir(t_tmp("gone"), 0777) == 0 && chdir(t_tmp("gone")) == 0 && rmdir(t_tmp("gone")) == 0);
    const eff_status s = eff_dataset_save(d, t_tmp("trip/other.csv"), &err);
    assert_int_equal(fchdir(here), 0);
    close(here);
    T_OK(s, err);
    eff_dataset_free(d);
}

static const char *csv(const char *text)
{
    put(at("csv", "list.csv"), text, strlen(text));
    return t_tmp("csv/list.csv");
}

static void csv_forms(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) put_picture(at("csv", "%u.jpg", i), 9000 + i);
    put_picture(at("csv", "a, \"b\".jpg"), 9100);
    /* a byte order mark, CRLF, columns in another order, blanks, quotes, a column that is not used, no end of line at
     * the end */
    eff_dataset *d = open_set(csv("\xEF\xBB\xBF\"split\", LABEL ,note,path\r\n"
                                  "train,cat,\"two\r\nlines\",0.jpg\r\n\r\n"
                                  "train, cat ,,\"a, \"\"b\"\".jpg\"\r\n"
                                  "Train,dog,,1.jpg\r\nTRAIN,\"dog\",, 2.jpg\r\n"
                                  "validation,dog,,3.jpg\r\ntest,cat,,4.jpg\r\n"
                                  "valid,cat,,missing.jpg\r\ntrain,cat,,0.jpg\r\nval,cow,,5.jpg"));
    assert_int_equal(eff_dataset_count(d, EFF_PART_TRAIN), 4);
    assert_int_equal(eff_dataset_count(d, EFF_PART_VAL), 1);
    assert_int_equal(eff_dataset_count(d, EFF_PART_TEST), 1);
    assert_int_equal(part_of(d, "/a, \"b\".jpg"), EFF_PART_TRAIN);
    expect_excluded(d, "missing.jpg", "no such file");
    expect_excluded(d, "0.jpg", "listed twice");
    expect_excluded(d, "5.jpg", "class 'cow' has no image to train on");
    expect_remark(d, "column 3 ('note') is not used");
    eff_dataset_free(d);
}

static void csv_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        { "", "line 1: expected a header that names the columns path, label[, group][, split], found no 'path'" },
        { "path,lable\n", "line 1: expected a header" },
        { "path,\"label\n", "line 1, column 2: expected a closing quote, found the end of the file" },
        { "path,label,Path\n", "line 1, column 3: expected 'path' once, found it again" },
        { "path,label\n", "expected a row for each image after the header, found none" },
        { "path,label\n\n0.jpg\n", "line 3: expected 2 columns as in the header, found 1" },
        { "path,label\n0.jpg,a,b\n", "line 2: expected 2 columns as in the header, found 3" },
        { "path,label\n0.jpg,\n", "line 2, column 2 (label): expected the name of a class, found ''" },
        { "path,label\n,a\n", "line 2, column 1 (path): expected a file, found ''" },
        { "label,path\n\"a\nb\",0.jpg\n", "line 2, column 1 (label): expected the name of a class, found 'a?b'" },
        { "path,label\n0.jpg,\xff\n", "line 2, column 2 (label)" },
        { "path,label,split\n0.jpg,a,train\n\"x\ny\",b,dev\n",
          "line 3, column 3 (split): expected train, val or test, found 'dev'" },
        { "path,label,split\n0.jpg,a,train\n1.jpg,a,\n",
          "line 3, column 3 (split): expected train, val or test in every row" },
        { "path,label\n\"0.jpg,a\n", "line 2, column 1: expected a closing quote, found the end of the file" },
        { "path,label\n\"0.jpg\"x,a\n",
          "line 2, column 1: expected a comma or the line's end after a quote, found 'x'" },
        { "path,label\n0\"1\".jpg,a\n", "line 2, column 1: expected a field with quotes to be quoted as a whole" },
        { "path,label\n0.jpg,a\n1.jpg,b\n0.jpg,b\n", "line 4: expected '0.jpg' with the label and split of line 2" },
        { "path,label,split\n0.jpg,a,train\n0.jpg,a,val\n",
          "line 3: expected '0.jpg' with the label and split of line 2" },
        { "path,label\n0.jpg,a\n1.jpg,a\n", "expected at least two classes with images to train on, found one, 'a'" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect_refusal(csv(bad[i].text), bad[i].message);
    put(at("csv", "zero.csv"), "path,label\n0.jpg,a\0b\n", 20);
    expect_refusal(t_tmp("csv/zero.csv"), "line 2, column 2: expected text, found a zero byte");
}

/* ------------------------------------------------------------------------------------------------------------ memory
 */

/* Every allocation fails once; under ASan nothing leaks. */
static void without_memory(void **state)
{
    (void)state;
    eff_dataset_opts o;
    eff_dataset_opts_init(&o);
    o.threads = 1;
    const char *const sets[] = { "trip", "trip/split.csv", "given" };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        eff_status s = EFF_ENOMEM;
        for (long n = 0; s != EFF_OK; n++) {
            eff_error err = { 0 };
            eff_dataset *d = NULL;
            eff_alloc_fail_after(n);
            s = eff_dataset_open(&d, t_tmp("%s", sets[i]), &o, &err);
            if (s == EFF_OK) s = eff_dataset_save(d, t_tmp("trip/memory.csv"), &err);
            eff_alloc_fail_after(-1);
            eff_dataset_free(d);
            if (s != EFF_OK && (s != EFF_ENOMEM || !strstr(err.msg, "memory")))
                fail_msg("allocation %ld: %d %s", n, s, err.msg);
            if (s != EFF_OK) assert_int_not_equal(access(t_tmp("trip/memory.csv"), F_OK), 0);
        }
        unlink(t_tmp("trip/memory.csv"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_parts),
        cmocka_unit_test(parts_missing),
        cmocka_unit_test(hostile),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(classes_of_a_model),
        cmocka_unit_test(stratified),
        cmocka_unit_test(together),
        cmocka_unit_test(many_classes),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(csv_forms),
        cmocka_unit_test(csv_errors),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
