/* SPDX-License-Identifier: Apache-2.0 */
/* TensorFlow checkpoints: what a writer of our own makes comes back to the bit in every form in which it may lie there,
 * and each fault is refused in one line that says what it is. Of what TensorFlow itself wrote there is little here
 * (networks: test_recognise_shared.c). */
#include "bundles.h"
#include "checkpoints.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "formats/checkpoint.h"
#include "formats/formats.h"
#include "formats/names.h"
#include "formats/snappy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char small_net[] = "b0@width=0.1,depth=0.3,resolution=32,classes=7";

static eff_model *random_model(const char *spec, uint64_t seed)
{
    eff_error err = { 0 };
    eff_table t;
    eff_model *m;
    T_OK(eff_table_builtin(&t, spec, &err), err);
    T_OK(eff_model_new(&m, &t, &err), err);
    T_OK(eff_model_init_weights(m, seed, &err), err);
    for (int p = 0; p < m->graph->nparams; p++) /* no two elements alike, none negative: some are variances */
        if (m->graph->param[p].ndim == 1)
            for (size_t i = 0; i < m->graph->param[p].count; i++)
                m->weights[p][i] = 0.5f + (float)(p * 7 + (int)i % 101) / 64;
    return m;
}

static eff_model *load(const char *path)
{
    eff_error err = { 0 };
    eff_model *m;
    const eff_model_opts o = { 0 };
    if (eff_formats_load(&m, path, &o, &err) != EFF_OK) fail_msg("%s: %s", path, err.msg);
    return m;
}

static void same_weights(const eff_model *got, const eff_model *want)
{
    assert_int_equal(got->graph->nparams, want->graph->nparams);
    for (int p = 0; p < got->graph->nparams; p++)
        assert_memory_equal(got->weights[p], want->weights[p], want->graph->param[p].count * sizeof(float));
    assert_string_equal(got->meta.family, "tf");
    assert_string_equal(got->meta.format, "tensorflow-bundle");
    assert_int_equal(got->table.pad, EFF_PAD_SAME);
    assert_true(got->table.bn_eps == 1e-3);
}

static const char *folder(const char *name)
{
    const char *const path = t_tmp("%s", name);
    mkdir(path, 0777);
    return path;
}

static void write_text(const char *path, const char *text)
{
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* ------------------------------------------------------------------------------------------------ checksum */

static void test_checksum(void **state)
{
    (void)state;
    static const unsigned char zeros[32];
    unsigned char bytes[100];
    assert_int_equal(eff_crc32c(0, "123456789", 9), 0xe3069283u); /* the check value of CRC-32C */
    assert_int_equal(eff_crc32c(0, zeros, 32), 0x8a9136aau);      /* RFC 3720, B.4 */
    for (int i = 0; i < 100; i++) bytes[i] = (unsigned char)(i * 37);
    for (size_t cut = 0; cut <= 90; cut++) /* in two parts, at any alignment */
        assert_int_equal(eff_crc32c(eff_crc32c(0, bytes + 3, cut), bytes + 3 + cut, 90 - cut),
                         eff_crc32c(0, bytes + 3, 90));
}

/* -------------------------------------------------------------------------------------------------- Snappy */

static void test_snappy(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t n;
        const char *out; /* NULL: refused, saying */
        const char *says;
    } cases[] = {
        { "\0", 1, "", NULL },
        { "\5\20hello", 7, "hello", NULL },
        { "\5\360\4hello", 8, "hello", NULL },          /* length in one more byte */
        { "\5\364\4\0hello", 9, "hello", NULL },        /* in two */
        { "\5\370\4\0\0hello", 10, "hello", NULL },     /* in three */
        { "\5\374\4\0\0\0hello", 11, "hello", NULL },   /* in four */
        { "\12\4ab\21\2", 6, "ababababab", NULL },      /* 8 bytes from 2 back, over themselves */
        { "\7\10abc\16\3\0", 8, "abcabca", NULL },      /* offset in two bytes */
        { "\7\10abc\17\3\0\0\0", 10, "abcabca", NULL }, /* in four */
        { "", 0, NULL, "without a length" },
        { "\200\200\200\200\200\1", 6, NULL, "without a length" },
        { "\5\20hell", 6, NULL, "damaged" },  /* literal longer than the data */
        { "\4\20hello", 7, NULL, "damaged" }, /* than the output */
        { "\6\20hello", 7, NULL, "damaged" }, /* output not full */
        { "\5\360", 2, NULL, "damaged" },
        { "\10\4ab\21\3", 6, NULL, "damaged" }, /* from before the start */
        { "\10\4ab\21\0", 6, NULL, "damaged" }, /* from nowhere */
        { "\10\4ab\16\2", 6, NULL, "damaged" }, /* offset cut */
        { "\3\4ab\21\2", 6, NULL, "damaged" },  /* copy past the end */
        { "\377\377\377\377\17\0x", 7, NULL, "announce 4294967295" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *out;
        size_t n;
        eff_error err = { 0 };
        const eff_status s = eff_snappy_expand((const unsigned char *)cases[i].in, cases[i].n, 1 << 20, &out, &n, &err);
        if (!cases[i].out) {
            assert_int_equal(s, EFF_EFORMAT);
            if (!strstr(err.msg, cases[i].says)) fail_msg("case %zu: %s", i, err.msg);
            continue;
        }
        if (s != EFF_OK) fail_msg("case %zu: %s", i, err.msg);
        assert_int_equal(n, strlen(cases[i].out));
        assert_memory_equal(out, cases[i].out, n);
        eff_free(out);
    }
}

/* ---------------------------------------------------------------------------------------------- good files */

/* A training checkpoint as the official code leaves it: weights, averages, slots of RMSProp, the step; and a string. */
static void fill(t_bundle *b, const eff_model *m, const char *scope, bool averages)
{
    const int64_t one = 1;
    const int64_t step = 218949;
    if (averages) t_bundle_add_model(b, m, scope, 1, 1);
    t_bundle_add_model(b, m, scope, averages ? 0.5f : 1, 0);
    t_bundle_add(b, "efficientnet-b0/stem/conv2d/kernel/RMSProp", 1, 1, &one, &(float){ 2 }, 4, 0);
    t_bundle_add(b, "efficientnet-b0/stem/conv2d/kernel/RMSProp_1", 1, 1, &one, &(float){ 3 }, 4, 0);
    t_bundle_add(b, "global_step", 9, 0, NULL, &step, sizeof step, 0);
    t_bundle_add(b, "_CHECKPOINTABLE_OBJECT_GRAPH", 7, 0, NULL, "\2ab\0\0\0\0", 7, 0);
    t_bundle_sort(b);
}

static void test_forms(void **state)
{
    (void)state;
    static const struct {
        const char *net;
        int shards, block_keys, snappy;
        bool averages;
        const char *scope, *note;
    } forms[] = {
        { small_net, 1, 0, 0, true, "efficientnet-b0", "scope efficientnet-b0, the moving averages" },
        { small_net, 3, 5, 1, true, "efficientnet-b0", "the moving averages" },
        { small_net, 2, 1, 0, false, "efficientnet-b0", "no moving averages" },
        { small_net, 1, 1000, 1, false, "a/b", "scope a/b, " },
        { small_net, 1, 0, 0, false, "", "no moving averages" },
        { "lite0@width=0.1,depth=0.3,classes=3", 1, 0, 0, true, "efficientnet-lite0", "the moving averages" },
        { "efficientnet-v2-b0@width=0.1,classes=3", 1, 0, 0, true, "efficientnetv2-b0", "the moving averages" },
        { "efficientnet-edgetpu-s@width=0.1,classes=3", 1, 0, 0, false, "efficientnet-edgetpu-S", "no moving" },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        static t_bundle b;
        eff_model *const want = random_model(forms[i].net, i);
        t_bundle_begin(&b, forms[i].shards);
        b.block_keys = forms[i].block_keys;
        b.snappy = forms[i].snappy;
        fill(&b, want, forms[i].scope, forms[i].averages);
        char base[4096];
        snprintf(base, sizeof base, "%s/model.ckpt-%zu", folder("forms"), i);
        t_bundle_write(&b, base);
        t_bundle_free(&b);
        eff_model *const m = load(base);
        same_weights(m, want);
        assert_string_equal(m->table.name, want->table.name);
        if (!strstr(m->meta.note, forms[i].note)) fail_msg("form %zu: %s", i, m->meta.note);
        assert_string_equal(m->info.note, m->meta.note);
        eff_model_destroy(m);
        eff_model_destroy(want);
    }
}

/* Every way of calling a checkpoint, and folders that leave open which one is meant. */
static void test_names(void **state)
{
    (void)state;
    static t_bundle b;
    eff_error err = { 0 };
    eff_model *const want = random_model(small_net, 1), *other = random_model(small_net, 2), *m;
    const eff_model_opts o = { 0 };
    const char *const dir = folder("named");
    t_bundle_begin(&b, 1);
    fill(&b, want, "efficientnet-b0", true);
    t_bundle_write(&b, t_tmp("named/model.ckpt-7"));
    t_bundle_free(&b);
    static const char *const names[] = { "named/model.ckpt-7", "named/model.ckpt-7.index",
                                         "named/model.ckpt-7.data-00000-of-00001", "named" };
    for (int i = 0; i < 4; i++) {
        m = load(t_tmp("%s", names[i]));
        same_weights(m, want);
        eff_model_destroy(m);
    }
    t_bundle_begin(&b, 1);
    fill(&b, other, "efficientnet-b0", true);
    t_bundle_write(&b, t_tmp("named/model.ckpt-8"));
    t_bundle_free(&b);
    assert_int_equal(eff_formats_load(&m, dir, &o, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "2 TensorFlow checkpoints"));
    /* the pointer may have been written elsewhere; only the last part of the path counts */
    const char *const pointer = t_tmp("named/checkpoint");
    write_text(pointer, "all_model_checkpoint_paths: \"x\"\nmodel_checkpoint_path: \"/far/../away/model.ckpt-8\"\n");
    m = load(dir);
    same_weights(m, other);
    eff_model_destroy(m);
    write_text(pointer, "model_checkpoint_path: \"model.ckpt-9\"\n");
    assert_int_equal(eff_formats_load(&m, dir, &o, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "names model.ckpt-9, which is not in the folder"));
    write_text(pointer, "hello\n");
    assert_int_equal(eff_formats_load(&m, dir, &o, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "names no checkpoint"));
    assert_int_equal(eff_formats_load(&m, folder("nothing"), &o, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "found a directory without"));
    assert_int_equal(eff_formats_load(&m, "nowhere.ckpt", &o, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "no such file"));
    eff_model_destroy(other);
    eff_model_destroy(want);
}

/* Types and shapes, listed and read; the batch norms of other machines; a file with two networks. */
static void test_directory(void **state)
{
    (void)state;
    static t_bundle b;
    eff_error err = { 0 };
    eff_checkpoint *c;
    eff_tensor_info x;
    const int64_t d23[] = { 2, 3 }, zero[] = { 0, 4 };
    const float f[6] = { 1, 2, 3, 4, 5, 6.5f };
    const uint16_t half[6] = { 0x3c00, 0xc000, 0, 0x3800, 0x7bff, 1 },
                   bf[6] = { 0x3f80, 0xbf80, 0, 0x4000, 0x4040, 0x4080 };
    const int64_t big = -5;
    t_bundle_begin(&b, 1);
    t_bundle_add(&b, "a", 1, 2, d23, f, sizeof f, 0);
    t_bundle_add(&b, "b", 19, 2, d23, half, sizeof half, 0);
    t_bundle_add(&b, "c", 14, 2, d23, bf, sizeof bf, 0);
    t_bundle_add(&b, "d", 9, 0, NULL, &big, sizeof big, 0);
    t_bundle_add(&b, "e", 8, 2, d23, f, 24, 0); /* complex, so far as the reader cares */
    t_bundle_add(&b, "z", 1, 2, zero, f, 0, 0);
    t_bundle_write(&b, t_tmp("types"));
    t_bundle_free(&b);
    T_OK(eff_checkpoint_open(&c, t_tmp("types"), &err), err);
    assert_int_equal(eff_checkpoint_count(c), 6);
    float v[6];
    static const float want[4][6] = {
        { 1, 2, 3, 4, 5, 6.5f }, { 1, -2, 0, 0.5f, 65504, 0x1p-24f }, { 1, -1, 0, 2, 3, 4 }, { -5 }
    };
    for (size_t i = 0; i < 4; i++) {
        eff_checkpoint_tensor(c, i, &x);
        assert_int_equal(x.ndim, i < 3 ? 2 : 0);
        T_OK(eff_checkpoint_read(c, i, v, &err), err);
        assert_memory_equal(v, want[i], (i < 3 ? 6 : 1) * sizeof *v);
    }
    eff_checkpoint_tensor(c, 4, &x);
    assert_string_equal(x.dtype, "OTHER");
    assert_int_equal(eff_checkpoint_read(c, 4, v, &err), EFF_EUNSUPPORTED);
    T_OK(eff_checkpoint_read(c, 5, v, &err), err);
    assert_true(eff_checkpoint_bytes(c) > 24 + 12 + 12 + 8 + 24);
    eff_checkpoint_close(c);

    eff_model *const net = random_model(small_net, 3), *m;
    static const char *const layers[] = { "batch_normalization", "sync_batch_normalization" };
    for (int k = 0; k < 2; k++) {
        t_bundle_begin(&b, 1);
        t_bundle_add_model(&b, net, "s", 1, 0);
        for (int i = 0; i < b.n; i++) {
            char *const at = strstr(b.key[i].name, "tpu_batch"), full[300];
            if (!at) continue;
            snprintf(full, sizeof full, "%.*s%s%s", (int)(at - b.key[i].name), b.key[i].name, layers[k],
                     at + strlen("tpu_batch_normalization"));
            free(b.key[i].name);
            b.key[i].name = strdup(full);
            b.key[i].len = strlen(full);
        }
        t_bundle_sort(&b);
        t_bundle_write(&b, t_tmp("norms"));
        t_bundle_free(&b);
        m = load(t_tmp("norms"));
        same_weights(m, net);
        eff_model_destroy(m);
    }
    t_bundle_begin(&b, 1);
    t_bundle_add_model(&b, net, "student", 1, 0);
    t_bundle_add_model(&b, net, "teacher", 1, 0);
    t_bundle_sort(&b);
    t_bundle_write(&b, t_tmp("two"));
    t_bundle_free(&b);
    const eff_model_opts o = { 0 };
    assert_int_equal(eff_formats_load(&m, t_tmp("two"), &o, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "several networks, under student and teacher"));
    eff_model_destroy(net);
}

/* ----------------------------------------------------------------------------------------------- bad files */

static void put_shape(t_bytes *value, const int64_t *dim, int n)
{
    t_bytes shape = { 0 };
    for (int i = 0; i < n; i++) {
        t_bytes d = { 0 };
        t_add_field(&d, 1, (uint64_t)dim[i]);
        t_add_message(&shape, 2, &d);
        t_bytes_free(&d);
    }
    t_add_message(value, 2, &shape);
    t_bytes_free(&shape);
}

/* Replace the value of key `k`. */
static void set_entry(t_bundle *b, int k, int64_t shard, uint64_t offset, uint64_t size, const int64_t *dim, int n)
{
    t_bytes *const v = &b->key[k].value;
    v->n = 0;
    t_add_field(v, 1, 1);
    put_shape(v, dim, n);
    t_add_field(v, 3, (uint64_t)shard);
    t_add_field(v, 4, offset);
    t_add_field(v, 5, size);
}

static void set_header(t_bundle *b, uint64_t shards, uint64_t big, uint64_t version)
{
    t_bytes *const v = &b->key[0].value, inner = { 0 };
    v->n = 0;
    t_add_field(v, 1, shards);
    if (big) t_add_field(v, 2, big);
    t_add_field(&inner, 2, version);
    t_add_message(v, 3, &inner);
    t_bytes_free(&inner);
}

static void rename_key(t_bundle *b, int k, const char *name, size_t len)
{
    free(b->key[k].name);
    b->key[k].name = calloc(len + 1, 1);
    assert_non_null(b->key[k].name);
    memcpy(b->key[k].name, name, len);
    b->key[k].len = len;
}

/* Two tensors a and b of 2 x 3 floats, written with one thing wrong. */
static void bad_keys(t_bundle *b, int which)
{
    static const int64_t d23[] = { 2, 3 }, huge[] = { INT64_MAX, 4 }, deep[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 },
                         minus[] = { -1, 3 };
    static char longest[1025];
    t_bytes *const v = &b->key[1].value;
    switch (which) {
    case 0: set_header(b, 0, 0, 0); break;
    case 1: set_header(b, 100000, 0, 0); break;
    case 2: set_header(b, 1, 1, 0); break;
    case 3: set_header(b, 1, 0, 2); break;
    case 4: b->key[0].value.n--; break;
    case 5: rename_key(b, 0, "A", 1); break;
    case 6: rename_key(b, 2, "a", 1); break;
    case 7: rename_key(b, 2, "Z", 1); break;
    case 8: rename_key(b, 1, "\0a", 2); break;
    case 9:
        memset(longest, 'b', sizeof longest);
        rename_key(b, 2, longest, sizeof longest);
        break;
    case 10: set_entry(b, 1, 0, 40, 24, d23, 2); break;
    case 11: set_entry(b, 1, 0, UINT64_MAX - 3, 24, d23, 2); break;
    case 12: set_entry(b, 1, 0, 12, 24, d23, 2); break;
    case 13: set_entry(b, 1, 0, 0, 20, d23, 2); break;
    case 14: set_entry(b, 1, 0, 0, 24, huge, 2); break;
    case 15: set_entry(b, 1, 0, 0, 4, deep, 9); break;
    case 16: set_entry(b, 1, 0, 0, 24, minus, 2); break;
    case 17: set_entry(b, 1, 1, 0, 24, d23, 2); break;
    case 18: set_entry(b, 1, 100000, 0, 24, d23, 2); break;
    case 19: set_header(b, 2, 0, 0); break; /* the files are of one */
    case 20: t_add_message(v, 7, &(t_bytes){ 0 }); break;
    case 21: v->n -= 2; break;
    case 22: t_add_varint(v, 5 << 3 | 3); break; /* a group */
    case 23: b->data[0].n -= 30; break;
    case 24:
        rename_key(b, 1, "\xff", 1);
        b->n = 2;
        break;
    case 25: b->n = 0; break;
    case 26:
        v->n = 0;
        t_add_le(v, 0x01180212, 4);
        break; /* a shape of unknown rank */
    case 27:   /* a number of 65 bits */
        t_add_varint(v, 5 << 3);
        t_add_le(v, UINT64_MAX, 8);
        t_add_le(v, 0x02ff, 2);
        break;
    default: fail();
    }
}

static const struct {
    eff_status want;
    const char *says;
} bad_key_words[] = {
    { EFF_EFORMAT, "data files: expected 1..99999, found 0" },
    { EFF_EFORMAT, "data files: expected 1..99999, found 100000" },
    { EFF_EUNSUPPORTED, "byte order: expected little, found big" },
    { EFF_EUNSUPPORTED, "readers of version 2" },
    { EFF_EFORMAT, "the header is damaged" },
    { EFF_EFORMAT, "expected a header before the first tensor" },
    { EFF_EFORMAT, "tensor a occurs twice" },
    { EFF_EFORMAT, "the name behind a is not in order" },
    { EFF_EUNSUPPORTED, "saved in slices" },
    { EFF_EFORMAT, "a name of 1025 bytes" },
    { EFF_EFORMAT, "tensor a: bytes 40 + 24 lie past the end of its data file (48 bytes)" },
    { EFF_EFORMAT, "lie past the end" },
    { EFF_EFORMAT, "tensor b overlaps tensor a" },
    { EFF_EFORMAT, "tensor a: expected 24 bytes for its shape and type, found 20" },
    { EFF_EFORMAT, "tensor a: the product of its shape is too large" },
    { EFF_EUNSUPPORTED, "tensor a: more than 8 dimensions" },
    { EFF_EFORMAT, "tensor a: shape[0] is negative: -1" },
    { EFF_EFORMAT, "tensor a: in data file 1 of 1" },
    { EFF_EFORMAT, "the number of its data file is out of range" },
    { EFF_EFORMAT, "data file .data-00000-of-00002: no such file" },
    { EFF_EUNSUPPORTED, "tensor a: saved in slices" },
    { EFF_EFORMAT, "tensor a: its entry in the index is damaged" },
    { EFF_EFORMAT, "tensor a: its entry in the index is damaged" },
    { EFF_EFORMAT, "past the end of its data file (18 bytes)" },
    { EFF_EFORMAT, "not a line of UTF-8" },
    { EFF_EFORMAT, "it is empty" },
    { EFF_EFORMAT, "unknown rank" },
    { EFF_EFORMAT, "tensor a: its entry in the index is damaged" },
};

static void two_tensors(t_bundle *b)
{
    static const int64_t d23[] = { 2, 3 };
    static const float f[6] = { 1, 2, 3, 4, 5, 6 };
    t_bundle_begin(b, 1);
    t_bundle_add(b, "a", 1, 2, d23, f, sizeof f, 0);
    t_bundle_add(b, "b", 1, 2, d23, f, sizeof f, 0);
}

static void refused(const char *path, eff_status want, const char *says, size_t i)
{
    eff_error err = { 0 };
    eff_checkpoint *c;
    const eff_status s = eff_checkpoint_open(&c, path, &err);
    if (s != want || !strstr(err.msg, says))
        fail_msg("case %zu: %d \"%s\", expected %d and \"%s\"", i, s, err.msg, want, says);
    assert_null(c);
    assert_null(strchr(err.msg, '\n'));
}

static void test_bad_keys(void **state)
{
    (void)state;
    const char *const base = t_tmp("badkeys");
    for (size_t i = 0; i < sizeof bad_key_words / sizeof *bad_key_words; i++) {
        static t_bundle b;
        two_tensors(&b);
        const int n = b.n;
        bad_keys(&b, (int)i);
        t_bundle_write(&b, base);
        refused(base, bad_key_words[i].want, bad_key_words[i].says, i);
        b.n = n;
        t_bundle_free(&b);
    }
}

/* The table itself, byte by byte: every byte of a block is under a checksum, so whichever changes is noticed; a file
 * cut anywhere has no footer. The padding of the footer alone is free. */
static void test_bad_table(void **state)
{
    (void)state;
    static t_bundle b;
    eff_error err = { 0 };
    eff_checkpoint *c;
    two_tensors(&b);
    char base[4096], path[4200];
    snprintf(base, sizeof base, "%s", t_tmp("badtable"));
    snprintf(path, sizeof path, "%s.index", base);
    t_bundle_write(&b, base);
    t_bytes whole = t_bundle_index(&b);
    t_bundle_free(&b);
    int passed = 0;
    for (size_t i = 0; i < 2 * whole.n; i++) {
        const size_t at = i / 2;
        FILE *const f = fopen(path, "wb");
        assert_non_null(f);
        whole.p[at] ^= 0x55;
        fwrite(whole.p, 1, i & 1 ? at : whole.n, f); /* changed, or cut here */
        whole.p[at] ^= 0x55;
        fclose(f);
        const eff_status s = eff_checkpoint_open(&c, path, &err);
        if (s == EFF_OK) {
            assert_true(!(i & 1) && at >= whole.n - 48 && at < whole.n - 8);
            passed++;
            eff_checkpoint_close(c);
        } else {
            assert_true(s == EFF_EFORMAT || s == EFF_EUNSUPPORTED);
            assert_true(strlen(err.msg) > 8 && !strchr(err.msg, '\n'));
        }
    }
    assert_true(passed > 20 && passed < 40);
    t_bytes_free(&whole);
}

/* Blocks with sound checksums that say wrong things. */
static void test_bad_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *block; /* put where the list of blocks is */
        size_t n;
        int compression;
        eff_status want;
        const char *says;
    } cases[] = {
        { "", 0, 0, EFF_EFORMAT, "restart points do not fit" },
        { "\1\0\0\0", 4, 0, EFF_EFORMAT, "restart points do not fit" },
        { "\5\0\0\0\1\0\0\0", 8, 0, EFF_EFORMAT, "restart points are not in order" },
        { "\0\0\0\0", 4, 0, EFF_EFORMAT, "it is empty" },
        { "\0\1\5a\0\0\0\0\0\0", 10, 0, EFF_EFORMAT, "an entry reaches past its end" },
        { "\1\0\0\0\0\0\0", 7, 0, EFF_EFORMAT, "an entry reaches past its end" }, /* shares what is not there */
        { "\0\1\0a\0\0\0\0", 8, 0, EFF_EFORMAT, "an entry that is no place of a block" },
        { "\0\1\2a\0\177\0\0\0\0", 10, 0, EFF_EFORMAT, "a block of 127 bytes at byte 0 reaches past the end" },
        { "\0\0\0\0", 4, 2, EFF_EUNSUPPORTED, "compression 2 is not read" },
        { "\377\377\377\7\0x", 6, 1, EFF_EFORMAT, "announce 16777215" }, /* a bomb */
        { "\4\14\0\0\0\0", 6, 1, EFF_EFORMAT, "it is empty" },
        { "\4\20\0\0\0\0", 6, 1, EFF_EFORMAT, "damaged" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        t_bytes file = { 0 };
        t_add_bytes(&file, cases[i].block, cases[i].n);
        t_add_le(&file, (uint64_t)cases[i].compression, 1);
        t_add_le(&file, eff_crc32c_mask(eff_crc32c(0, file.p, file.n)), 4);
        const size_t footer = file.n;
        for (int k = 0; k < 2; k++) {
            t_add_varint(&file, 0);
            t_add_varint(&file, cases[i].n);
        }
        while (file.n < footer + 40) t_add_le(&file, 0, 1);
        t_add_le(&file, 0xdb4775248b80fb57u, 8);
        const char *const path = t_tmp("block.index");
        FILE *const f = fopen(path, "wb");
        assert_non_null(f);
        fwrite(file.p, 1, file.n, f);
        fclose(f);
        refused(path, cases[i].want, cases[i].says, i);
        t_bytes_free(&file);
    }
}

/* Data is looked at only when a tensor is read; then a wrong byte shows, whatever the order of the axes. */
static void test_bad_data(void **state)
{
    (void)state;
    static t_bundle b;
    eff_error err = { 0 };
    eff_model *const net = random_model(small_net, 4), *m;
    const eff_model_opts o = { 0 };
    t_bundle_begin(&b, 1);
    t_bundle_add_model(&b, net, "n", 1, 0);
    t_bundle_sort(&b);
    b.data[0].p[b.data[0].n - 100] ^= 1; /* in the last: the classifier */
    t_bundle_write(&b, t_tmp("data"));
    t_bundle_free(&b);
    eff_checkpoint *c;
    T_OK(eff_checkpoint_open(&c, t_tmp("data"), &err), err);
    eff_checkpoint_close(c);
    assert_int_equal(eff_formats_load(&m, t_tmp("data"), &o, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "head/dense/kernel: damaged: checksum"));
    eff_model_destroy(net);
}

/* TensorFlow's own writing: the first twenty tensors of the small network in two data files, five in one, and that one
 * damaged. */
static void test_written_by_tensorflow(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t tensors; /* 0: refused, */
        const char *says;
    } files[] = {
        { "sharded", 20, NULL },
        { "good", 5, NULL },
        { "bad_footer/model.ckpt", 0, "does not end as a TensorFlow index does" },
        { "bad_index_crc", 0, "index: block at byte 0: checksum" },
        { "truncated_index", 0, "does not end as a TensorFlow index does" },
        { "truncated_data", 0, "past the end of its data file (1934 bytes)" },
        { "missing_data", 0, "data file .data-00000-of-00001: no such file" },
    };
    const eff_table t = t_golden_table("small");
    eff_model *const m = t_formula_model("small", &t);
    eff_error err = { 0 };
    eff_checkpoint *c;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *const path = t_data("checkpoints/tensorflow/%s", files[i].name);
        if (!files[i].tensors) {
            refused(path, EFF_EFORMAT, files[i].says, i);
            continue;
        }
        T_OK(eff_checkpoint_open(&c, path, &err), err);
        assert_int_equal(eff_checkpoint_count(c), files[i].tensors);
        T_OK(t_read_all(c, &err), err);
        for (int p = 0; p < m->graph->nparams; p++) { /* vectors are laid out alike everywhere */
            char name[EFF_TENSOR_NAME], full[200];
            size_t n;
            assert_true(eff_name_of_param(name, EFF_FAMILY_TF, &t, m->graph, p));
            snprintf(full, sizeof full, "efficientnet-b0/%s", name);
            bool there = false;
            for (size_t k = 0; k < c->count; k++) there |= strcmp(c->tensor[k].name, full) == 0;
            if (!there || m->graph->param[p].ndim != 1) continue;
            float *const v = t_tensor(c, full, &n);
            assert_int_equal(n, m->graph->param[p].count);
            assert_memory_equal(v, m->weights[p], n * sizeof *v);
            free(v);
        }
        eff_checkpoint_close(c);
    }
    T_OK(eff_checkpoint_open(&c, t_data("checkpoints/tensorflow/bad_tensor_crc"), &err), err);
    assert_int_equal(t_read_all(c, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "damaged: checksum"));
    eff_checkpoint_close(c);
    eff_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),  cmocka_unit_test(test_snappy),
        cmocka_unit_test(test_forms),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_directory), cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_bad_table), cmocka_unit_test(test_bad_blocks),
        cmocka_unit_test(test_bad_data),  cmocka_unit_test(test_written_by_tensorflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
