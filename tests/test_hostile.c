/* SPDX-License-Identifier: Apache-2.0 */
/* The corners of the parsers that no writer reaches and few mutations find: pickles that say odd things in sound form, sizes at
 * the edge of what fits, limits, and a process that runs out of descriptors or whose disk fails. */
#define _GNU_SOURCE
#include "checkpoints.h"
#include "pickles.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/modelfile.h"
#include "formats/safetensors.h"

#include <effnet/eval.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TINY "b0@width=0.01,depth=0.01,resolution=32,classes=2"

/* ------------------------------------------------------------------------------------------------ pickles */

/* Opcodes, put together from parts: a storage of six floats, a tensor on it, a dict with one entry w. */
#define PERSID(view) "(\x8c\x07storagectorch\nFloatStorage\n\x8c\x01" "0\x8c\x03" "cpuK\x06" view "tQ"
#define TENSOR_ON(storage, offset, size, stride) "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset size stride "\x89)tR"
#define TENSOR(offset, size, stride) TENSOR_ON(PERSID(""), offset, size, stride)
#define VECTOR TENSOR("K\0", "K\x06\x85", "K\1\x85")
#define DICT(value) "}\x8c\x01w" value "s"
#define ORDERED(args) "ccollections\nOrderedDict\n" args "R"
#define PARAMETER(name, data) "ctorch._utils\n" name "\n(" data "\x89)tR"
#define MAX_INT64 "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"
#define OBJECT(text) text, sizeof(text) - 1

static void odd_pickles(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        size_t n;
        const char *says; /* NULL: it has one tensor or more */
    } t[] = {
        { OBJECT(DICT(VECTOR)), NULL },
        { OBJECT(DICT(TENSOR("K\0", "](K\2K\3e", "](K\3K\1e"))), NULL },
        { OBJECT(DICT(TENSOR("K\0", "ctorch\nSize\nK\2K\3\x86\x85R", "K\3K\1\x86"))), NULL },
        { OBJECT(DICT(TENSOR("K\0", "K\3K\3\x86", "K\0K\1\x86"))), NULL }, /* more elements than there are */
        { OBJECT(DICT(TENSOR("K\0", "ctorch\nSize\n(K\1K\2tR", "K\1\x85"))), "shape: expected a tuple of integers" },
        { OBJECT(DICT(TENSOR("K\0", "K\6", "K\1\x85"))), "shape: expected a tuple of integers" },
        { OBJECT(DICT(TENSOR("K\0", "K\6\x85", "N\x85"))), "strides: expected a tuple of integers" },
        { OBJECT(DICT(TENSOR("N", "K\6\x85", "K\1\x85"))), "its offset is no integer" },
        { OBJECT(DICT(TENSOR(MAX_INT64, "K\2\x85", "K\1\x85"))), "reach outside its storage" },
        { OBJECT(DICT(TENSOR_ON("N", "K\0", "K\6\x85", "K\1\x85"))), "expected (storage, offset, size, stride)" },
        { OBJECT(DICT(TENSOR_ON(PERSID("(NK\1K\4t"), "K\0", "K\4\x85", "K\1\x85"))), NULL },
        { OBJECT(DICT(TENSOR_ON(PERSID("K\1"), "K\0", "K\6\x85", "K\1\x85"))), "view: expected (key, offset, size)" },
        { OBJECT(DICT(TENSOR_ON(PERSID("(NK\1t"), "K\0", "K\6\x85", "K\1\x85"))), "view: expected (key, offset, size)" },
        { OBJECT(DICT(TENSOR_ON(PERSID("(NNK\1t"), "K\0", "K\1\x85", "K\1\x85"))), "view: outside its storage of 6" },
        { OBJECT(DICT(TENSOR_ON(PERSID("(NK\1Nt"), "K\0", "K\1\x85", "K\1\x85"))), "view: outside its storage of 6" },
        { OBJECT(DICT(TENSOR_ON(PERSID("(NK\1K\1t"), MAX_INT64, "K\1\x85", "K\1\x85"))), "view: outside its storage of 6" },
        { OBJECT(DICT("ctorch._utils\n_rebuild_tensor_v2\n]R")), "a tensor made by torch._utils._rebuild_tensor_v2 is not read" },
        { OBJECT("}\x8c\0ctorch._utils\n_rebuild_tensor_v2\n]Rs"), "the top level: a tensor made by" },
        { OBJECT(DICT(PARAMETER("_rebuild_parameter", VECTOR))), NULL },
        { OBJECT(DICT(PARAMETER("_rebuild_parameter_with_state", VECTOR))), NULL },
        { OBJECT(DICT("ctorch._utils\n_rebuild_parameter\n)R")), "a parameter without data" },
        { OBJECT(DICT(PARAMETER("_rebuild_parameter", PARAMETER("_rebuild_parameter", PARAMETER("_rebuild_parameter",
          PARAMETER("_rebuild_parameter", PARAMETER("_rebuild_parameter", VECTOR))))))), "_rebuild_parameter is not read" },
        { OBJECT(DICT("ctorch._tensor\n_rebuild_from_type_v2\n(NNtR")), "_rebuild_from_type_v2 is not read" },
        { OBJECT(DICT("ctorch._tensor\n_rebuild_from_type_v2\n(NNNtR")), "_rebuild_from_type_v2 is not read" },
        { OBJECT(DICT("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nNNtR")), "is not read" },
        { OBJECT(ORDERED("](]\x8c\1wa" "]\x8c\1v" "a\x85\x85" "e\x85")), "found a dict without any" },
        { OBJECT(ORDERED("](](\x8c\1w" VECTOR "e\x8c\1v" VECTOR "\x86K\1(\x8c\1x" VECTOR "Nte\x85")), NULL },
        { OBJECT(ORDERED("](](\x8c\1wctorch._utils\n_rebuild_tensor_v2\n]Re\x8c\1v" VECTOR "\x86" "e\x85")), "tensor w: a tensor made by" },
        { OBJECT(ORDERED("N\x85")), "found a dict without any" },
        { OBJECT("}(\x8c\4archK\1\x8c\1w" VECTOR "u"), NULL },
        { OBJECT("}(\x8c\4arch\x8c\0\x8c\1w" VECTOR "u"), NULL },
        { OBJECT("}(\x8c\4arch\x8c\3b 0\x8c\1w" VECTOR "u"), NULL },
        { OBJECT("}(NN\x8c\1w" VECTOR "K\7K\7u"), NULL },
        { OBJECT("ccalled\nby_nobody\n)R"), "a Python object of called.by_nobody" },
        { OBJECT("N"), "found None" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        t_buffer o = { 0 }, file = { 0 };
        eff_checkpoint *c;
        eff_error err = { 0 };
        t_put(&o, t[i].object, t[i].n);
        t_put_stream(&file, &o, memmem(o.p, o.n, "FloatStorage", 12) ? "0" : "", T_SYSTEM, 6, 6);
        const eff_status s = t_open_bytes(&c, file.p, file.n, &err);
        if (t[i].says ? s == EFF_OK || !strstr(err.msg, t[i].says) : s != EFF_OK || !c->count)
            fail_msg("%zu: %d \"%s\", expected %s", i, s, err.msg, t[i].says ? t[i].says : "tensors");
        if (s == EFF_OK) T_OK(t_read_all(c, &err), err);
        eff_checkpoint_close(c);
        free(o.p);
        free(file.p);
    }
}

/* Keys of storages and of dicts that are too long, and a storage list with something else in it. */
static void odd_keys(void **state)
{
    (void)state;
    static const struct {
        size_t outer, inner;
        const char *says;
    } t[] = { { 1000, 23, NULL }, { 1000, 24, "a name of more than 1024 bytes" }, { 1024, 0, "a name of more than 1024 bytes" },
              { 1025, 1, "a name of more than 1024 bytes" } };
    char key[1100];
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        t_buffer o = { 0 }, file = { 0 };
        eff_checkpoint *c;
        eff_error err = { 0 };
        memset(key, 'k', sizeof key);
        key[t[i].outer] = '\0';
        T_PUT(&o, "}");
        t_put_str(&o, key);
        T_PUT(&o, "}");
        key[t[i].inner] = '\0';
        t_put_str(&o, key);
        t_put_tensor(&o, &t_vector);
        T_PUT(&o, "ss");
        t_put_stream(&file, &o, "0", T_SYSTEM, 6, 6);
        const eff_status s = t_open_bytes(&c, file.p, file.n, &err);
        if (t[i].says ? !strstr(err.msg, t[i].says) : s != EFF_OK) fail_msg("%zu: %d \"%s\"", i, s, err.msg);
        eff_checkpoint_close(c);
        free(o.p);
        free(file.p);
    }
    static const char list[] = "\x80\x02](K\1e.";
    t_buffer o = { 0 }, file = { 0 };
    eff_checkpoint *c;
    eff_error err = { 0 };
    T_PUT(&o, "}");
    t_put_str(&o, "w");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "s");
    t_put_stream(&file, &o, "", T_SYSTEM, 0, 0);
    file.n -= 8 + sizeof "\x80\x02](e." - 1;
    t_put(&file, list, sizeof list - 1);
    assert_int_equal(t_open_bytes(&c, file.p, file.n, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "storage key 0: expected a string"));
    file.n -= sizeof list - 1;
    T_PUT(&file, "\x80\x02](");
    memset(key, 's', 60);
    key[60] = '\0';
    t_put_str(&file, key);
    T_PUT(&file, "e.");
    assert_int_equal(t_open_bytes(&c, file.p, file.n, &err), EFF_EFORMAT);
    key[40] = '\0'; /* so much of it is shown */
    assert_non_null(strstr(err.msg, key));
    assert_null(strstr(err.msg, "sssssssssssssssssssssssssssssssssssssssss"));
    assert_non_null(strstr(err.msg, ": no tensor says what its elements are"));
    free(o.p);
    free(file.p);
}

/* Strides that jump over whole windows of a large storage. */
static void far_strides(void **state)
{
    (void)state;
    enum { N = 2500000 };
    static const t_spec specs[] = {
        { .numel = N, .ndim = 2, .nstride = 2, .dim = { 2, 3 }, .stride = { 1200000, 100000 } },
        { .numel = N, .ndim = 2, .nstride = 2, .dim = { 2, 3 }, .stride = { 1500000, 0 } },
        { .numel = N, .offset = 7, .ndim = 3, .nstride = 3, .dim = { 2, 2, 2 }, .stride = { 0, 1100000, 3 } },
    };
    t_buffer o = { 0 }, file = { 0 };
    eff_checkpoint *c;
    eff_error err = { 0 };
    T_PUT(&o, "](");
    for (size_t i = 0; i < 3; i++) t_put_tensor(&o, &specs[i]);
    T_PUT(&o, "e");
    t_put_stream(&file, &o, "0", T_SYSTEM, N, N);
    T_OK(t_open_bytes(&c, file.p, file.n, &err), err);
    for (size_t i = 0; i < 3; i++) {
        const t_spec *const s = &specs[i];
        float got[8];
        T_OK(eff_checkpoint_read(c, i, got, &err), err);
        for (int64_t k = 0; k < (int64_t)c->tensor[i].count; k++) {
            int64_t at = s->offset, rest = k;
            for (int d = s->ndim - 1; d >= 0; rest /= s->dim[d--]) at += rest % s->dim[d] * s->stride[d];
            if (got[k] != (float)at) fail_msg("tensor %zu[%d]: %g, expected %g", i, (int)k, (double)got[k], (double)at);
        }
    }
    eff_checkpoint_close(c);
    free(o.p);
    free(file.p);
}

/* ------------------------------------------------------------------------------------------------- limits */

static void directory_limits(void **state)
{
    (void)state;
    char name[2000];
    eff_error err = { 0 };
    eff_checkpoint *const c = eff_calloc(1, sizeof *c);
    const eff_tensor one = { .ndim = 1, .dim = { 1 }, .stride = { 1 } };
    eff_tensor t = one;
    c->fd = -1;
    memset(name, 'n', sizeof name);
    assert_int_equal(eff_checkpoint_add(c, name, 1025, &one, 1, &err), EFF_EFORMAT);
    assert_int_equal(eff_checkpoint_add(c, name, 0, &one, 1, &err), EFF_EFORMAT);
    t.ndim = -1;
    assert_int_equal(eff_checkpoint_add(c, name, 1, &t, 1, &err), EFF_EUNSUPPORTED);
    t = one;
    t.offset = INT64_MAX;
    t.dim[0] = 2;
    assert_int_equal(eff_checkpoint_add(c, name, 1, &t, 1, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "reach outside"));
    for (int i = 0; i < (16 << 20) / 1024; i++) T_OK(eff_checkpoint_add(c, name, 1024, &one, 1, &err), err);
    assert_int_equal(eff_checkpoint_add(c, name, 1, &one, 1, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "the names take more than 16777216 bytes"));
    assert_int_equal(eff_checkpoint_finish(c, &err), EFF_EFORMAT); /* one name, twice and more */
    eff_checkpoint_close(c);
}

/* A header that announces more than any file of weights needs, in a file that has it. */
static void long_header(void **state)
{
    (void)state;
    const uint64_t length = 101 << 20;
    eff_checkpoint *c;
    eff_error err = { 0 };
    const int fd = memfd_create("header", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, &length, 8), 8);
    assert_int_equal(write(fd, "{}", 2), 2);
    assert_int_equal(ftruncate(fd, (off_t)length + 8), 0); /* no memory behind it */
    assert_int_equal(eff_checkpoint_open_fd(&c, fd, length + 8, NULL, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "header: 105906176 bytes, at most 104857600 are read");

    const float x = 0;
    const eff_st_tensor t = { "a", EFF_F32, 1, { 1 }, &x };
    const eff_st_meta bad[2] = { { "\xff", "v" }, { "k", "\xff" } };
    for (int i = 0; i < 2; i++) assert_int_equal(eff_safetensors_save(t_tmp("meta"), &t, 1, &bad[i], 1, &err), EFF_EARG);
    assert_string_equal(err.msg, "metadata k is not UTF-8 text");
}

static eff_model *tiny(int classes)
{
    eff_error err = { 0 };
    eff_table t;
    eff_model *m;
    T_OK(eff_table_builtin(&t, TINY, &err), err);
    t.classes = classes;
    T_OK(eff_model_new(&m, &t, &err), err);
    return m;
}

/* A model whose names would not fit into a file that can be read again is not written; long lines are not even taken. */
static void metadata_limits(void **state)
{
    (void)state;
    enum { CLASSES = 2200 };
    char *text;
    json_t *root;
    eff_error err = { 0 };
    eff_model *m = tiny(CLASSES);
    m->meta.class_names = eff_calloc(CLASSES, sizeof(char *));
    for (int i = 0; i < CLASSES; i++) {
        m->meta.class_names[i] = eff_malloc(4097);
        memset(m->meta.class_names[i], 'n', 4096);
        m->meta.class_names[i][4096] = '\0';
    }
    assert_int_equal(eff_modelfile_text(&text, m, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "metadata: at most 8388608 bytes can be read back"));
    eff_model_destroy(m);

    text = malloc((9 << 20) + 1);
    memset(text, ' ', 9 << 20);
    text[9 << 20] = '\0';
    assert_int_equal(eff_modelfile_parse(&root, text, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "expected at most 8388608 bytes, found 9437184"));

    m = tiny(1);
    memset(text, 'n', 5000);
    for (int kind = 0; kind < 3; kind++) { /* a name, a name with an index, an id */
        const char *const path = t_tmp("long.tsv");
        FILE *const f = fopen(path, "w");
        assert_non_null(f);
        fprintf(f, "%s%.*s%s\n", kind ? "0\t" : "", kind < 2 ? 4097 : 4096, text, kind == 2 ? "n\tname" : "");
        fclose(f);
        assert_int_equal(eff_model_set_classes(m, path, &err), EFF_EFORMAT);
        assert_string_equal(err.msg, "line 1: expected at most 4096 bytes a name");
    }
    text[5000] = '\0';
    assert_int_equal(eff_model_set_origin(m, text, NULL, &err), EFF_EARG);
    assert_int_equal(eff_model_set_origin(m, "a", "b\nc", &err), EFF_EARG);
    assert_string_equal(err.msg, "licence: expected one line of UTF-8 text of at most 4096 bytes");
    assert_null(eff_model_get_info(m)->origin); /* nothing was taken */
    text[4096] = '\0';
    T_OK(eff_model_set_origin(m, text, "CC0", &err), err);
    T_OK(eff_model_set_origin(m, NULL, m->meta.licence, &err), err); /* its own string */
    assert_null(eff_model_get_info(m)->origin);
    assert_string_equal(eff_model_get_info(m)->licence, "CC0");
    eff_model_destroy(m);
    free(text);
}

/* The rule's values, each of another kind than it should be, and together longer than any rule. */
static void odd_rules(void **state)
{
    (void)state;
    static const char *const rule[] = {
        "\"short\":9,\"filter\":\"bilinear\",\"crop\":[8,8],\"mean\":[1,2,3],\"std\":[1,true,2]",
        "\"short\":9.0,\"filter\":\"bilinear\",\"crop\":[8,8],\"mean\":1,\"std\":1",
        "\"short\":1e300,\"filter\":\"bilinear\",\"crop\":8,\"mean\":1,\"std\":1",
        "\"short\":9,\"filter\":\"bilinear\",\"crop\":8,\"mean\":[1,2,3,4,5],\"std\":1",
        "\"short\":9,\"filter\":\"a,b\",\"crop\":8,\"mean\":1,\"std\":1",
        "\"short\":9,\"filter\":null,\"crop\":8,\"mean\":1,\"std\":1",
        "\"short\":9,\"filter\":\"bilinear\",\"crop\":8,\"mean\":1",
        "\"short\":9,\"filter\":\"bilinear\",\"crop\":8,\"mean\":1,\"a key that is much too long to be one\":1",
    };
    char text[2048], table[1024], filler[500];
    json_t *root;
    eff_error err = { 0 };
    snprintf(table, sizeof table, "{\"schema\":\"effnet-model\",\"version\":1,\"table\":{\"stages\":[{\"op\":\"conv\",\"channels\":8}]}");
    memset(filler, 'f', sizeof filler);
    eff_model *const m = tiny(2);
    for (size_t i = 0; i < sizeof rule / sizeof *rule + 2; i++) {
        const size_t n = sizeof rule / sizeof *rule;
        if (i < n) snprintf(text, sizeof text, "%s,\"preprocess\":{%s}}", table, rule[i]);
        else
            snprintf(text, sizeof text, "%s,\"preprocess\":{\"filter\":\"%.*s\",\"short\":%s,\"crop\":8,\"mean\":1,\"std\":1}}", table,
                     i == n ? 480 : 496, filler, "0.12345678901234567");
        T_OK(eff_modelfile_parse(&root, text, &err), err);
        assert_int_equal(eff_modelfile_meta(m, root, i % 2 ? NULL : &err), EFF_EFORMAT);
        json_decref(root);
    }
    eff_model_destroy(m);
}

/* ------------------------------------------------------------------------------------------- the environment */

static int next_descriptor(void)
{
    const int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return fd;
}

/* Descriptors end: at the file, at the copy that libzip gets, at a folder, at a folder of class folders. */
static void no_descriptors(void **state)
{
    (void)state;
    const char *const path = t_data("checkpoints/views.pth"), *const folder = t_data("checkpoints");
    struct rlimit all, few;
    eff_checkpoint *c;
    eff_filelist *l;
    eff_error file = { 0 }, copy = { 0 }, dir = { 0 }, classes = { 0 };
    eff_model *const m = tiny(2);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    few = all;
    few.rlim_cur = (rlim_t)next_descriptor();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    const eff_status at_file = eff_checkpoint_open(&c, path, &file);
    const eff_status at_dir = eff_filelist_images(&l, &folder, 1, &dir);
    const eff_status at_classes = eff_filelist_labelled(&l, folder, m, &classes);
    few.rlim_cur++;
    setrlimit(RLIMIT_NOFILE, &few);
    const eff_status at_copy = eff_checkpoint_open(&c, path, &copy);
    setrlimit(RLIMIT_NOFILE, &all);
    if (at_file != EFF_EIO) fail_msg("%d %s", at_file, file.msg);
    if (at_dir != EFF_EIO) fail_msg("%d %s", at_dir, dir.msg);
    if (at_classes != EFF_EIO) fail_msg("%d %s", at_classes, classes.msg);
    if (at_copy != EFF_EIO) fail_msg("%d %s", at_copy, copy.msg);
    assert_non_null(strstr(copy.msg, "no descriptor for the import worker: "));
    eff_model_destroy(m);
}

/* Folders: more of them than the first allocation holds, each twice; links that lead nowhere; one without pictures. */
static void odd_folders(void **state)
{
    (void)state;
    char path[256], to[512];
    snprintf(path, sizeof path, "%s", t_tmp("tree"));
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(mkdir(t_tmp("bare"), 0777), 0);
    for (int i = 0; i < 80; i++) {
        snprintf(to, sizeof to, "%s/%d", path, i);
        assert_int_equal(mkdir(to, 0777), 0);
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        snprintf(to, sizeof to, "%s/link%d", path, i);
        assert_int_equal(symlink(name, to), 0);
    }
    snprintf(to, sizeof to, "%s/nowhere", path);
    assert_int_equal(symlink("missing", to), 0);
    snprintf(to, sizeof to, "%s/nowhere.png", path);
    assert_int_equal(symlink("missing", to), 0);
    eff_filelist *l;
    eff_error err = { 0 };
    const char *const paths[2] = { path, t_tmp("bare") };
    T_OK(eff_filelist_images(&l, paths, 1, &err), err);
    assert_int_equal(eff_filelist_count(l), 1); /* the link that calls itself a picture is reported by whoever opens it */
    assert_int_equal(eff_filelist_label(l, 0), -1);
    assert_int_equal(eff_filelist_label(l, 1), -1);
    eff_filelist_free(l);
    assert_int_equal(eff_filelist_images(&l, paths, 2, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "bare: expected images"));
    eff_model *const m = tiny(2);
    assert_int_equal(eff_filelist_labelled(&l, t_data("checkpoints/bad.tsv/x"), m, &err), EFF_EFORMAT);
    assert_int_equal(eff_filelist_labelled(&l, path, m, &err), EFF_EFORMAT); /* no picture in a class's folder */
    eff_model_destroy(m);
}

/* What the caller says about a file: out of range, or not what the file says. */
static void odd_options(void **state)
{
    (void)state;
    const char *const own = t_tmp("own.effnet"), *const table = t_tmp("own.json"), *const other = t_tmp("other.json");
    eff_error err = { 0 };
    eff_model *m = tiny(2);
    T_OK(eff_model_init(m, 1, &err), err);
    T_OK(eff_model_save(m, own, &err), err);
    T_OK(eff_model_save(m, table, &err), err);
    m->table.stage[6].channels = 16; /* as many parameters, of other shapes */
    T_OK(eff_model_save(m, other, &err), err);
    eff_model_destroy(m);
    const struct {
        eff_model_opts o;
        const char *says;
    } t[] = {
        { { .classes = -1 }, "classes: expected 1..1000000, found -1" },
        { { .classes = 1000001 }, "classes: expected 1..1000000, found 1000001" },
        { { .height = -1 }, "resolution: expected sides of" },
        { { .width = -1 }, "resolution: expected sides of" },
        { { .height = 16385 }, "resolution: expected sides of" },
        { { .width = 16385 }, "resolution: expected sides of" },
        { { .classes = 3 }, "classes: the weights have 2, 3 were asked for" },
        { { .family = "timm" }, "family timm: the model file says none" },
        { { .family = "nobody" }, "nobody" },
        { { .architecture = "b0" }, "is not the model file's network" },
        { { .architecture = "resnet50" }, "is not the model file's network" },
        { { .architecture = other }, "is not the model file's network" },
        { { .architecture = "missing.json" }, "missing.json: no such file" },
        { { .architecture = table, .width = 40 }, NULL },
        { { .architecture = TINY, .height = 40, .classes = 2 }, NULL },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const eff_status s = eff_model_load(&m, own, &t[i].o, &err);
        if (t[i].says ? s == EFF_OK || !strstr(err.msg, t[i].says) : s != EFF_OK) fail_msg("%zu: %d \"%s\"", i, s, err.msg);
        if (s == EFF_OK) {
            const eff_preprocess *const p = eff_model_get_preprocess(m);
            assert_int_equal(p->height, t[i].o.height ? 40 : 32);
            assert_int_equal(p->width, t[i].o.width ? 40 : 32);
        }
        eff_model_free(m);
    }
    assert_int_equal(eff_model_load(&m, own, &t[0].o, NULL), EFF_EARG); /* nobody asks why */
    assert_int_equal(eff_model_load(&m, t_data("checkpoints/bad/st_nan_inf_negative_var.safetensors"), NULL, NULL), EFF_EFORMAT);
}

static void files_that_fail(void **state)
{
    (void)state;
    char byte, here[PATH_MAX];
    eff_error err = { 0 };
    eff_save s;
    assert_int_equal(eff_file_read_at(-1, &byte, 1, 0, &err), EFF_EIO);
    int fd;
    uint64_t size;
    assert_int_equal(eff_file_open(t_data("checkpoints/bad.tsv/x"), &fd, &size, &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "Not a directory");
    /* a folder takes the name while the file is written */
    const char *const taken = t_tmp("taken");
    T_OK(eff_save_begin(&s, taken, &err), err);
    assert_int_equal(mkdir(taken, 0777), 0);
    assert_int_equal(eff_save_commit(&s, &err), EFF_EIO);
    assert_non_null(strstr(err.msg, "cannot write"));
    assert_int_equal(rmdir(taken), 0);
    /* a name without a folder */
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(t_tmp(".")), 0);
    T_OK(eff_save_begin(&s, "plain", &err), err);
    fputs("x", s.f);
    T_OK(eff_save_commit(&s, &err), err);
    assert_int_equal(access("plain", R_OK), 0);
    assert_int_equal(chdir(here), 0);
}

/* Every kind of checkpoint, one byte of which is gone at the end, or that is cut at any length. */
static void cut_anywhere(void **state)
{
    (void)state;
    static const char *const files[] = { "views.pth", "bad/pt_good_tiny.pth", "bad/pt_malicious_legacy.pth", "bad/st_trailing_data.safetensors",
                                         "bad/st_missing_tensors.safetensors" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t n;
        unsigned char *const b = t_file(t_data("checkpoints/%s", files[i]), &n);
        for (size_t k = 0; k < n; k++) {
            eff_checkpoint *c;
            eff_error err = { 0 };
            unsigned char *const exact = malloc(k ? k : 1);
            memcpy(exact, b, k);
            const eff_status s = t_open_bytes(&c, exact, k, &err);
            if (s == EFF_OK) t_read_all(c, &err);
            else if (!err.msg[0] || (s != EFF_EFORMAT && s != EFF_EUNSUPPORTED)) fail_msg("%s cut at %zu: %d \"%s\"", files[i], k, s, err.msg);
            eff_checkpoint_close(c);
            free(exact);
        }
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_pickles),     cmocka_unit_test(odd_keys),  cmocka_unit_test(far_strides),    cmocka_unit_test(directory_limits),
        cmocka_unit_test(metadata_limits), cmocka_unit_test(odd_rules), cmocka_unit_test(no_descriptors), cmocka_unit_test(files_that_fail),
        cmocka_unit_test(cut_anywhere),    cmocka_unit_test(odd_folders), cmocka_unit_test(odd_options), cmocka_unit_test(long_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
