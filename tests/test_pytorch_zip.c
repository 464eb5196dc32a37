/* SPDX-License-Identifier: Apache-2.0 */
/* PyTorch archives built here: odd but sound ones, unsound ones, and storages that many tensors share. */
#define _GNU_SOURCE
#include "checkpoints.h"
#include "pickles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

typedef struct item {
    const char *name;
    const void *data;
    size_t n;
    zip_int32_t method;
} item;

static const char *make_zip(const item *it, size_t n)
{
    const char *const path = t_tmp("made.pth");
    int code;
    zip_t *const z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    assert_non_null(z);
    for (size_t i = 0; i < n; i++) {
        zip_source_t *const s = zip_source_buffer(z, it[i].data, it[i].n, 0);
        const zip_int64_t k = zip_file_add(z, it[i].name, s, 0);
        assert_true(k >= 0);
        zip_set_file_compression(z, (zip_uint64_t)k, it[i].method, 0);
    }
    assert_int_equal(zip_close(z), 0);
    return path;
}

static void pickle_of(t_buffer *b, const t_spec *s)
{
    T_PUT(b, "\x80\x02}");
    t_put_str(b, "w");
    t_put_tensor(b, s);
    T_PUT(b, "s.");
}

static void archives(void **state)
{
    (void)state;
    static const float x[6] = { 0, 1, 2, 3, 4, 5 };
    static const char zeros[1 << 20];
    t_buffer o = { 0 }, big = { 0 };
    static char long_root[600], noise[1 << 20];
    t_buffer none = { 0 }, many = { 0 };
    unsigned char *const long_pickle = calloc(9, 1 << 20);
    memset(long_root, 'r', 590);
    strcpy(long_root + 590, "/data.pkl");
    for (size_t i = 0; i < sizeof noise; i += 3) noise[i] = (char)(i * i >> 7);
    pickle_of(&none, &(t_spec){ .numel = 6, .ndim = 1, .nstride = 1, .dim = { 0 }, .stride = { 1 } });
    T_PUT(&many, "\x80\x02](");
    for (int i = 0; i < 30; i++) t_put_tensor(&many, &(t_spec){ .type = "ByteStorage", .numel = sizeof noise });
    T_PUT(&many, "e.");
    pickle_of(&o, &t_vector);
    pickle_of(&big, &(t_spec){ .type = "ByteStorage", .numel = sizeof zeros });
    const item pkl = { "m/data.pkl", o.p, o.n, ZIP_CM_STORE }, data = { "m/data/0", x, sizeof x, ZIP_CM_DEFLATE };
    const struct { item it[3]; size_t n; eff_status code; const char *says;
    } t[] = {
        { { pkl, data }, 2, EFF_OK, "" },
        { { pkl, data, { "m/byteorder", "little", 6, ZIP_CM_DEFLATE } }, 3, EFF_OK, "" },
        { { { "data.pkl", o.p, o.n, ZIP_CM_DEFLATE }, { "data/0", x, sizeof x, ZIP_CM_STORE } }, 2, EFF_OK, "" },
        { { { "\xd0\xbc/data.pkl", o.p, o.n, ZIP_CM_STORE }, { "\xd0\xbc/data/0", x, sizeof x, ZIP_CM_STORE } },
          2,
          EFF_OK,
          "" },
        { { pkl, data, { "m/byteorder", "big", 3, ZIP_CM_STORE } },
          3,
          EFF_EUNSUPPORTED,
          "byteorder: expected little, found big" },
        { { pkl, data, { "m/byteorder", zeros, 100, ZIP_CM_STORE } }, 3, EFF_EFORMAT, "byteorder: 100 bytes" },
        { { pkl, data, { "m/constants.pkl", "x", 1, ZIP_CM_STORE } },
          3,
          EFF_EUNSUPPORTED,
          "a TorchScript archive is not read" },
        { { pkl }, 1, EFF_EFORMAT, "tensor w: its storage 0 is not in the file" },
        { { pkl, { "m/data/0", x, 20, ZIP_CM_STORE } },
          2,
          EFF_EFORMAT,
          "tensor w: storage 0: expected 24 bytes (6 F32), found 20" },
        { { pkl, { "m/data/0", zeros, 25, ZIP_CM_STORE } },
          2,
          EFF_EFORMAT,
          "storage 0: expected 24 bytes (6 F32), found 25" },
        { { { "m/data.pkl", big.p, big.n, ZIP_CM_STORE }, { "m/data/0", zeros, sizeof zeros, ZIP_CM_DEFLATE } },
          2,
          EFF_EFORMAT,
          "data/0: 1048576 bytes compressed to" },
        { { { "m/data.pkl", big.p, big.n, ZIP_CM_STORE }, { "m/data/0", zeros, sizeof zeros, ZIP_CM_STORE } },
          2,
          EFF_OK,
          "" },
        { { { "m/data.pkl", zeros, sizeof zeros, ZIP_CM_DEFLATE } },
          1,
          EFF_EFORMAT,
          "data.pkl: 1048576 bytes compressed to" },
        { { { "a.npy", "x", 1, ZIP_CM_STORE } }, 1, EFF_EUNSUPPORTED, "a NumPy .npz archive" },
        { { pkl, data, { "m/constants.pkl", zeros, sizeof zeros, ZIP_CM_DEFLATE } },
          3,
          EFF_EFORMAT,
          "constants.pkl: 1048576 bytes compressed to" },
        { { { "config.json", "x", 1, ZIP_CM_STORE } }, 1, EFF_EFORMAT, "a zip archive without data.pkl" },
        { { { long_root, o.p, o.n, ZIP_CM_STORE } }, 1, EFF_EFORMAT, "a zip archive without data.pkl" },
        { { { "m/data.pkl", none.p, none.n, ZIP_CM_DEFLATE }, data }, 2, EFF_OK, "" },
        { { { "m/data.pkl", long_pickle, 9 << 20, ZIP_CM_STORE } }, 1, EFF_EFORMAT, "data.pkl: 9437184 bytes, at most 8388608" },
        { { { "m/data.pkl", many.p, many.n, ZIP_CM_DEFLATE }, { "m/data/0", noise, sizeof noise, ZIP_CM_DEFLATE } },
          2,
          EFF_EFORMAT,
          "reading all tensors up to this one expands the file more than 16 times" },
        { { { "metadata.json", "x", 1, ZIP_CM_STORE }, { "config.json", "x", 1, ZIP_CM_STORE } },
          2,
          EFF_EUNSUPPORTED,
          "a Keras model (.keras)" },
        { { { "a/b/data.pkl", o.p, o.n, ZIP_CM_STORE } }, 1, EFF_EFORMAT, "a zip archive without data.pkl" },
        { { { "m/data.pkl", "\x80\x02", 2, ZIP_CM_STORE } },
          1,
          EFF_EFORMAT,
          "data.pkl: pickle byte 2: the pickle ends early" },
        { { { "m/data.pkl", "", 0, ZIP_CM_STORE } }, 1, EFF_EFORMAT, "data.pkl: pickle byte 0: the pickle ends early" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        eff_checkpoint *c;
        eff_error err = { 0 };
        const eff_status s = t_open_here(&c, make_zip(t[i].it, t[i].n), &err);
        if (s != t[i].code || !strstr(err.msg, t[i].says))
            fail_msg("%zu: %d \"%s\", expected \"%s\"", i, s, err.msg, t[i].says);
        if (s == EFF_OK) T_OK(t_read_all(c, &err), err);
        if (s == EFF_OK && c->tensor[0].count == 6) t_check_tensor(c, "w", 6, x);
        eff_checkpoint_close(c);
    }
    free(o.p);
    free(big.p);
    free(none.p);
    free(many.p);
    free(long_pickle);
}

/* Many tensors on one storage, stored and compressed, read in any order, and damage in a part that no tensor uses. */
static void shared_storage(void **state)
{
    (void)state;
    enum { N = 100000 };
    float *const x = malloc(N * sizeof *x);
    for (int i = 0; i < N; i++) x[i] = (float)(i ^ (i >> 3));
    const t_spec parts[4] = {
        { .numel = N, .offset = 90000, .ndim = 1, .nstride = 1, .dim = { 10000 }, .stride = { 1 } },
        { .numel = N, .offset = 5, .ndim = 1, .nstride = 1, .dim = { 100 }, .stride = { 1 } },
        { .numel = N, .offset = 50000, .ndim = 2, .nstride = 2, .dim = { 30, 40 }, .stride = { 7, 300 } },
        { .numel = N, .offset = 99999 },
    };
    t_buffer o = { 0 };
    T_PUT(&o, "\x80\x02](");
    for (int i = 0; i < 4; i++) t_put_tensor(&o, &parts[i]);
    T_PUT(&o, "e.");
    for (zip_int32_t method = ZIP_CM_STORE; method <= ZIP_CM_DEFLATE; method += ZIP_CM_DEFLATE) {
        const item it[2] = { { "m/data.pkl", o.p, o.n, method }, { "m/data/0", x, N * sizeof *x, method } };
        const char *const path = make_zip(it, 2);
        for (int damaged = 0; damaged < (method == ZIP_CM_STORE ? 2 : 1); damaged++) {
            if (damaged) { /* an element between the parts; it is stored as it is */
                size_t n;
                unsigned char *const b = t_file(path, &n);
                unsigned char *const hit = memmem(b, n, &x[70000], 8);
                assert_non_null(hit);
                hit[1] ^= 1;
                FILE *const f = fopen(path, "wb");
                assert_int_equal(fwrite(b, 1, n, f), n);
                fclose(f);
                free(b);
            }
            eff_checkpoint *c;
            eff_error err = { 0 };
            T_OK(t_open_here(&c, path, &err), err);
            for (int k = 0; k < 8; k++) {
                const t_spec *const s = &parts[k % 4];
                float got[10000];
                const eff_status st = eff_checkpoint_read(c, (size_t)k % 4, got, &err);
                if (damaged) {
                    assert_int_equal(st, EFF_EFORMAT);
                    assert_non_null(strstr(err.msg, "m/data/0: CRC error"));
                    continue;
                }
                T_OK(st, err);
                for (size_t i = 0; i < c->tensor[k % 4].count; i++) {
                    const int64_t at = s->ndim == 2 ? (int64_t)(i / 40) * 7 + (int64_t)(i % 40) * 300 : (int64_t)i;
                    if (got[i] != x[s->offset + at]) fail_msg("tensor %d[%zu]", k % 4, i);
                }
            }
            eff_checkpoint_close(c);
        }
    }
    free(o.p);
    free(x);
}

/* A pickle that is another sound one after a byte of it has changed: only its checksum tells. */
static void changed_pickle(void **state)
{
    (void)state;
    static const float x[6] = { 0, 1, 2, 3, 4, 5 };
    t_buffer o = { 0 };
    T_PUT(&o, "\x80\x02}");
    t_put_str(&o, "a.weight");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "s.");
    const item it[2] = { { "m/data.pkl", o.p, o.n, ZIP_CM_STORE }, { "m/data/0", x, sizeof x, ZIP_CM_STORE } };
    size_t n;
    unsigned char *const b = t_file(make_zip(it, 2), &n);
    eff_checkpoint *c;
    eff_error err = { 0 };
    T_OK(t_open_bytes(&c, b, n, &err), err);
    assert_string_equal(c->tensor[0].name, "a.weight");
    eff_checkpoint_close(c);
    unsigned char *const hit = memmem(b, n, "a.weight", 8);
    assert_non_null(hit);
    *hit = 'b';
    assert_int_equal(t_open_bytes(&c, b, n, &err), EFF_EFORMAT);
    if (!strstr(err.msg, "CRC error")) fail_msg("'%s' does not say that a checksum is wrong", err.msg);
    free(b);
    free(o.p);
}

/* ZIP64: a sound end record, and one that claims more members than the file has bytes. */
static void zip64(void **state)
{
    (void)state;
    size_t n;
    unsigned char *const b = t_file(t_data("checkpoints/bad/pt_good_rezipped.pth"), &n);
    unsigned char out[8192], *const end = b + n - 22;
    assert_memory_equal(end, "PK\5\6", 4);
    for (int claim = 0; claim < 2; claim++) {
        uint64_t entries = end[10], size = 0, at = 0, where = n - 22;
        memcpy(&size, end + 12, 4);
        memcpy(&at, end + 16, 4);
        if (claim) entries = 1ULL << 40;
        size_t k = n - 22;
        memcpy(out, b, k);
        memcpy(out + k, "PK\6\6\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0", 24);
        memcpy(out + k + 24, &entries, 8);
        memcpy(out + k + 32, &entries, 8);
        memcpy(out + k + 40, &size, 8);
        memcpy(out + k + 48, &at, 8);
        k += 56;
        memcpy(out + k, "PK\6\7\0\0\0\0", 8);
        memcpy(out + k + 8, &where, 8);
        memcpy(out + k + 16, "\1\0\0\0", 4);
        k += 20;
        memcpy(out + k, end, 22);
        memset(out + k + 8, 0xff, 12);
        eff_checkpoint *c;
        eff_error err = { 0 };
        const eff_status s = t_open_bytes(&c, out, k + 22, &err);
        if (claim) {
            assert_int_equal(s, EFF_EFORMAT);
            assert_non_null(strstr(err.msg, "zip archive damaged or cut short"));
        } else {
            T_OK(s, err);
            assert_int_equal(c->count, 6);
            eff_checkpoint_close(c);
        }
    }
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives),
        cmocka_unit_test(shared_storage),
        cmocka_unit_test(zip64),
        cmocka_unit_test(changed_pickle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
