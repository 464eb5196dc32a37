/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of images from folders as hostile as a file system allows, and from LIST files right and wrong. */
#define _GNU_SOURCE
#include "support.h"

#include "base/mem.h"

#include <effnet/eval.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (!f) fail_msg("cannot write %s", path);
    fputs(text, f);
    fclose(f);
}

static void put_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "w");
    if (!f) fail_msg("cannot write %s", path);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* A new folder with this name under the test's own. */
static char *folder(const char *name)
{
    char *p;
    assert_true(asprintf(&p, "%s", t_tmp("%s", name)) > 0);
    assert_int_equal(mkdir(p, 0777), 0);
    return p;
}

static const char *in(const char *dir, const char *name)
{
    static char buf[8][4096];
    static int turn;
    char *b = buf[turn++ % 8];
    snprintf(b, sizeof buf[0], "%s/%s", dir, name);
    return b;
}

/* Four classes: "tench, Tinca tinca" (n01440764), "goldfish", "7up", "3". */
static eff_model *model(void)
{
    eff_error err = { 0 };
    eff_model *m;
    T_OK(eff_model_load(&m, "efficientnet-b0@classes=4,width=0.35,depth=0.35,resolution=32", NULL, &err), err);
    const char *names = t_tmp("names.tsv");
    put(names, "0\tn01440764\ttench, Tinca tinca\n1\tn01443537\tgoldfish\n2\tn2\t7up\n3\tn3\t3\n");
    T_OK(eff_model_set_classes(m, names, &err), err);
    return m;
}

static void expect_names(const eff_filelist *l, const char *dir, const char *const *want, size_t n)
{
    const size_t cut = strlen(dir) + 1;
    for (size_t i = 0; i < eff_filelist_count(l) && i < n; i++)
        assert_string_equal(eff_filelist_paths(l)[i] + cut, want[i]);
    assert_int_equal(eff_filelist_count(l), n);
}

static void folder_of_images(void **state)
{
    (void)state;
    char *d = folder("images");
    static const char *const files[] = { "b.JPG",     "a.jpeg",        "c.png",        "d.webp",    "e.bmp",  "f.gif",
                                         "g.tif",     "h.TIFF",        "z.txt",        "noext",     ".h.jpg", "jpg",
                                         "i.jpg.bak", "k.avif", "l.AVIFS", "new\nline.png", "\xff\xfe.png", "sp ace.png" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) put(in(d, files[i]), "x");
    assert_int_equal(mkdir(in(d, "sub.jpg"), 0777), 0); /* a folder that looks like an image */
    put(in(d, "sub.jpg/in.png"), "x");
    assert_int_equal(mkdir(in(d, "sub"), 0777), 0);
    put(in(d, "sub/in.png"), "x");
    assert_int_equal(mkdir(in(d, "empty"), 0777), 0);
    assert_int_equal(mkdir(in(d, ".hidden"), 0777), 0);
    put(in(d, ".hidden/in.png"), "x");
    assert_int_equal(mkfifo(in(d, "pipe.png"), 0666), 0); /* opening it would wait for ever */
    assert_int_equal(symlink("nowhere", in(d, "dangling.png")), 0);
    assert_int_equal(symlink("self.png", in(d, "self.png")), 0);
    assert_int_equal(symlink(".", in(d, "loop")), 0);
    assert_int_equal(symlink("../..", in(d, "sub/up")), 0);
    assert_int_equal(symlink("c.png", in(d, "link.png")), 0);
    static const char *const want[] = { "a.jpeg",       "b.JPG",          "c.png",         "d.webp",
                                        "dangling.png", "e.bmp",          "f.gif",         "g.tif",
                                        "h.TIFF",       "k.avif",         "l.AVIFS",       "link.png",       "new\nline.png", "self.png",
                                        "sp ace.png",   "sub.jpg/in.png", "sub/in.png",    "\xff\xfe.png" };
    eff_error err = { 0 };
    eff_filelist *l;
    T_OK(eff_filelist_images(&l, (const char *const[]){ d }, 1, &err), err);
    /* sub/up leads out to the folder of the whole test, whose names.tsv and others are no images */
    expect_names(l, d, want, sizeof want / sizeof *want);
    assert_int_equal(eff_filelist_label(l, 0), -1);
    assert_int_equal(eff_filelist_label(l, 999), -1);
    eff_filelist_free(l);
    free(d);
}

static void operands_in_order(void **state)
{
    (void)state;
    char *d = folder("order"), *e = folder("order-empty");
    put(in(d, "2.png"), "x");
    put(in(d, "1.png"), "x");
    eff_error err = { 0 };
    eff_filelist *l;
    const char *const paths[] = { "missing.jpg", d, "notes.txt", d };
    T_OK(eff_filelist_images(&l, paths, 4, &err), err);
    assert_int_equal(eff_filelist_count(l), 6);
    assert_string_equal(eff_filelist_paths(l)[0], "missing.jpg");
    assert_string_equal(eff_filelist_paths(l)[1], in(d, "1.png"));
    assert_string_equal(eff_filelist_paths(l)[2], in(d, "2.png"));
    assert_string_equal(eff_filelist_paths(l)[3], "notes.txt"); /* named by hand: the suffix does not matter */
    assert_string_equal(eff_filelist_paths(l)[4], in(d, "1.png"));
    eff_filelist_free(l);
    const char *const slashed[] = { in(d, "") };
    T_OK(eff_filelist_images(&l, slashed, 1, &err), err);
    assert_string_equal(eff_filelist_paths(l)[0], in(d, "1.png"));
    eff_filelist_free(l);
    assert_int_equal(eff_filelist_images(&l, (const char *const[]){ e }, 1, &err), EFF_EFORMAT);
    assert_null(l);
    free(d);
    free(e);
}

/* Links that fan out: 2^40 paths, but only 40 folders. */
static void fan_of_links(void **state)
{
    (void)state;
    char *d = folder("fan");
    for (int i = 0; i < 40; i++) {
        char name[32], target[32];
        snprintf(name, sizeof name, "%02d", i);
        assert_int_equal(mkdir(in(d, name), 0777), 0);
        snprintf(target, sizeof target, "../%02d", i + 1);
        for (int k = 0; k < 2 && i < 39; k++) {
            snprintf(name, sizeof name, "%02d/%c", i, 'a' + k);
            assert_int_equal(symlink(target, in(d, name)), 0);
        }
        snprintf(name, sizeof name, "%02d/x.png", i);
        put(in(d, name), "x");
    }
    eff_error err = { 0 };
    eff_filelist *l;
    T_OK(eff_filelist_images(&l, (const char *const[]){ in(d, "00") }, 1, &err), err);
    assert_int_equal(eff_filelist_count(l), 40);
    eff_filelist_free(l);
    free(d);
}

static void deep_folders(void **state)
{
    (void)state;
    char *d = folder("deep"), path[2000];
    size_t n = (size_t)snprintf(path, sizeof path, "%s", d);
    for (int i = 0; i < 400; i++) {
        n += (size_t)snprintf(path + n, sizeof path - n, "/d");
        assert_int_equal(mkdir(path, 0777), 0);
    }
    snprintf(path + n, sizeof path - n, "/x.png");
    put(path, "x");
    eff_error err = { 0 };
    eff_filelist *l;
    T_OK(eff_filelist_images(&l, (const char *const[]){ d }, 1, &err), err);
    assert_int_equal(eff_filelist_count(l), 1);
    assert_string_equal(eff_filelist_paths(l)[0], path);
    eff_filelist_free(l);
    unlink(path);
    for (int i = 0; i < 400; i++) { /* here, because the clean-up's own paths are shorter */
        path[n] = 0;
        rmdir(path);
        n -= 2;
    }
    free(d);
}

static void class_folders(void **state)
{
    (void)state;
    eff_model *m = model();
    char *d = folder("classes");
    static const char *const dirs[] = { "tench", "goldfish", "7up", "n3", "empty-and-unknown", ".git" };
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) assert_int_equal(mkdir(in(d, dirs[i]), 0777), 0);
    put(in(d, "tench/b.png"), "x");
    put(in(d, "tench/a.png"), "x");
    put(in(d, "tench/notes.txt"), "x");
    put(in(d, "7up/x.jpg"), "x");
    put(in(d, "n3/y.jpg"), "x");
    put(in(d, ".git/y.jpg"), "x");
    put(in(d, "stray.jpg"), "x"); /* of no class */
    assert_int_equal(mkdir(in(d, "n3/more"), 0777), 0);
    put(in(d, "n3/more/z.jpg"), "x");
    eff_error err = { 0 };
    eff_filelist *l;
    T_OK(eff_filelist_labelled(&l, d, m, &err), err);
    static const char *const want[] = { "7up/x.jpg", "n3/more/z.jpg", "n3/y.jpg", "tench/a.png", "tench/b.png" };
    static const int labels[] = { 2, 3, 3, 0, 0 };
    expect_names(l, d, want, 5);
    for (size_t i = 0; i < 5; i++) assert_int_equal(eff_filelist_label(l, i), labels[i]);
    eff_filelist_free(l);

    put(in(d, "empty-and-unknown/x.jpg"), "x"); /* no longer empty */
    assert_int_equal(eff_filelist_labelled(&l, d, m, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "empty-and-unknown"));
    assert_null(l);

    char *none = folder("no-classes");
    put(in(none, "x.jpg"), "x");
    assert_int_equal(eff_filelist_labelled(&l, none, m, &err), EFF_EFORMAT);
    assert_int_equal(eff_filelist_labelled(&l, in(none, "missing"), m, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "no such"));
    eff_model_free(m);
    free(d);
    free(none);
}

static void unreadable_folder(void **state)
{
    (void)state;
    if (geteuid() == 0) { /* root reads everything */
        skip();
        return;
    }
    char *d = folder("locked");
    put(in(d, "a.png"), "x");
    assert_int_equal(mkdir(in(d, "sub"), 0), 0);
    eff_error err = { 0 };
    eff_filelist *l;
    T_OK(eff_filelist_images(&l, (const char *const[]){ d }, 1, &err), err);
    assert_int_equal(eff_filelist_count(l), 2); /* the folder itself stands for what is in it: opening it tells why */
    assert_string_equal(eff_filelist_paths(l)[1], in(d, "sub"));
    eff_filelist_free(l);
    free(d);
}

static void list_file(void **state)
{
    (void)state;
    eff_model *m = model();
    char *d = folder("list");
    const char *path = in(d, "list.tsv");
    put(path, "\xEF\xBB\xBF# made by hand\n\nfile\tclass\tnote\n"
              "b.jpg\t1\n"
              "a dir/x.png\ttench\tfurther\tcolumns\r\n"
              "/abs/y.png\tn01440764\n"
              "# between\n"
              "file2.jpg\t7up\n" /* only the first line is a heading */
              "b.jpg\t3\n"       /* the name "3" and the number 3 are one class here */
              "u.jpg\ttench, Tinca tinca");
    eff_error err = { 0 };
    eff_filelist *l;
    T_OK(eff_filelist_labelled(&l, path, m, &err), err);
    static const char *const want[] = { "b.jpg", "a dir/x.png", "/abs/y.png", "file2.jpg", "b.jpg", "u.jpg" };
    static const int labels[] = { 1, 0, 0, 2, 3, 0 };
    assert_int_equal(eff_filelist_count(l), 6);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(eff_filelist_paths(l)[i], want[i][0] == '/' ? want[i] : in(d, want[i]));
        assert_int_equal(eff_filelist_label(l, i), labels[i]);
    }
    eff_filelist_free(l);

    char *cwd = get_current_dir_name(); /* a list without a folder in its name: files as they are written */
    assert_int_equal(chdir(d), 0);
    T_OK(eff_filelist_labelled(&l, "list.tsv", m, &err), err);
    assert_string_equal(eff_filelist_paths(l)[0], "b.jpg");
    eff_filelist_free(l);
    assert_int_equal(chdir(cwd), 0);
    free(cwd);
    eff_model_free(m);
    free(d);
}

static void bad_lists(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "", "found none" },
        { "# only\n\n", "found none" },
        { "file\tclass\n", "found none" },
        { "a.jpg\n", "line 1: expected a file, a tab and a class, found no tab" },
        { "a.jpg\t1\n\tgoldfish\n", "line 2: expected a file, a tab and a class, found no file" },
        { "a.jpg\t1\nb.jpg\tshark\n", "line 2: expected one of the model's 4 classes, found 'shark'" },
        { "a.jpg\t4\n", "found '4'" },
        { "a.jpg\t-1\n", "found '-1'" },
        { "a.jpg\t\n", "found ''" },
        { "a.jpg\t1 \n", "found '1 '" },
        { "a.jpg\t99999999999999999999\n", "line 1" },
        { "a.jpg\t1\na\x1b[2J.jpg\tx\x1b[2J\n", "found 'x?[2J'" },
    };
    eff_model *m = model();
    const char *path = t_tmp("bad.tsv");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        eff_error err = { 0 };
        eff_filelist *l = NULL;
        put(path, bad[i].text);
        assert_int_equal(eff_filelist_labelled(&l, path, m, &err), EFF_EFORMAT);
        if (!strstr(err.msg, bad[i].says)) fail_msg("'%s' does not say '%s'", err.msg, bad[i].says);
        assert_null(l);
    }
    eff_error err = { 0 };
    eff_filelist *l = NULL;
    put_bytes(path, "a.jpg\t1\nb\0.jpg\t1\n", 17);
    assert_int_equal(eff_filelist_labelled(&l, path, m, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "line 2"));
    assert_int_equal(mkfifo(t_tmp("list-pipe"), 0666), 0);
    assert_int_equal(eff_filelist_labelled(&l, t_tmp("list-pipe"), m, &err), EFF_EFORMAT);
    unlink(t_tmp("list-pipe"));
    eff_model_free(m);
}

static void memory_ends_anywhere(void **state)
{
    (void)state;
    eff_model *m = model();
    char *d = folder("memory");
    assert_int_equal(mkdir(in(d, "tench"), 0777), 0);
    assert_int_equal(mkdir(in(d, "tench/sub"), 0777), 0);
    for (int i = 0; i < 70; i++) { /* more than the first allocation holds */
        char name[32];
        snprintf(name, sizeof name, "tench/%sx%d.png", i % 2 ? "sub/" : "", i);
        put(in(d, name), "x");
    }
    char *list = strdup(in(d, "l.tsv"));
    put(list, "a.jpg\t1\nb.jpg\t1\n");
    for (int kind = 0; kind < 3; kind++) {
        for (long n = 0;; n++) {
            eff_error err = { 0 };
            eff_filelist *l = NULL;
            eff_alloc_fail_after(n);
            const eff_status s = kind == 0   ? eff_filelist_labelled(&l, d, m, &err)
                                 : kind == 1 ? eff_filelist_images(&l, (const char *const[]){ d }, 1, &err)
                                             : eff_filelist_labelled(&l, list, m, &err);
            eff_alloc_fail_after(-1);
            if (s == EFF_OK) {
                assert_true(n > 5);
                eff_filelist_free(l);
                break;
            }
            assert_int_equal(s, EFF_ENOMEM);
            assert_null(l);
        }
    }
    eff_filelist_free(NULL);
    eff_model_free(m);
    free(d);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_of_images), cmocka_unit_test(operands_in_order), cmocka_unit_test(fan_of_links),
        cmocka_unit_test(deep_folders),     cmocka_unit_test(class_folders),     cmocka_unit_test(unreadable_folder),
        cmocka_unit_test(list_file),        cmocka_unit_test(bad_lists),         cmocka_unit_test(memory_ends_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
