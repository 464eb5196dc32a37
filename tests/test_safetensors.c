/* SPDX-License-Identifier: Apache-2.0 */
/* Safetensors: the golden files bit by bit, headers written here that must and must not be read, and the writer. */
#define _GNU_SOURCE
#include "checkpoints.h"

#include "base/mem.h"
#include "formats/dtype.h"
#include "formats/safetensors.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void golden(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_checkpoint *c;
    T_OK(eff_checkpoint_open(&c, t_data("checkpoints/small_timm_tf.safetensors"), &err), err);
    assert_string_equal(eff_checkpoint_format(c), "safetensors");
    assert_int_equal(eff_checkpoint_count(c), 228);
    assert_null(c->metadata);
    t_check_manifest(c, "small", "");
    eff_checkpoint_close(c);
}

/* One float rounded to nearest even at 1 + mant_bits bits by the FPU, not by our code. */
static float rounded(float x, int least_exp, int mant_bits)
{
    int e;
    if (x == 0) return x;
    frexp((double)x, &e);
    const double unit = ldexp(1, (e < least_exp ? least_exp : e) - 1 - mant_bits);
    return (float)(nearbyint((double)x / unit) * unit);
}

static void golden_halves(void **state)
{
    (void)state;
    static const struct { const char *file, *dtype; int least_exp, mant_bits; } half[] = {
        { "small_timm_tf_f16.safetensors", "F16", -13, 10 }, { "small_timm_tf_bf16.safetensors", "BF16", -125, 7 } };
    eff_error err = { 0 };
    eff_checkpoint *full, *c;
    T_OK(eff_checkpoint_open(&full, t_data("checkpoints/small_timm_tf.safetensors"), &err), err);
    for (size_t k = 0; k < 2; k++) {
        T_OK(eff_checkpoint_open(&c, t_data("checkpoints/%s", half[k].file), &err), err);
        assert_int_equal(c->count, full->count);
        for (size_t i = 0; i < c->count; i++) {
            eff_tensor_info info;
            eff_checkpoint_tensor(c, i, &info);
            size_t n, m;
            float *const got = t_tensor(c, info.name, &n), *const want = t_tensor(full, info.name, &m);
            assert_int_equal(n, m);
            if (strcmp(info.dtype, "I64")) {
                assert_string_equal(info.dtype, half[k].dtype);
                for (size_t j = 0; j < n; j++) {
                    const float r = rounded(want[j], half[k].least_exp, half[k].mant_bits);
                    if (memcmp(&got[j], &r, 4))
                        fail_msg("%s[%zu]: %a, expected %a", info.name, j, (double)got[j], (double)r);
                }
            }
            free(got);
            free(want);
        }
        eff_checkpoint_close(c);
    }
    eff_checkpoint_close(full);
}

/* ------------------------------------------------------------------------------------------- crafted headers */

static size_t craft(unsigned char *out, const char *header, size_t data)
{
    const uint64_t n = strlen(header);
    memcpy(out, &n, 8);
    memcpy(out + 8, header, n);
    for (size_t i = 0; i < data; i++) out[8 + n + i] = (unsigned char)(i + 1);
    return 8 + n + data;
}

/* Header lengths whose first bytes are those of a pickle (80 02), of a zip archive or of another format's magic. */
static void lengths_like_magic(void **state)
{
    (void)state;
    static const unsigned lengths[] = { 0x80, 0x180, 0x280, 0x380, 0x480, 0x580, 0x10280, 0x8b1f, 0xd8ff, 0x308 };
    static const char tensor[] = "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *const header = calloc(lengths[i] + 1, 1);
        unsigned char *const b = malloc(lengths[i] + 64);
        eff_error err = { 0 };
        eff_checkpoint *c;
        memset(header, ' ', lengths[i]);
        memcpy(header, tensor, sizeof tensor - 1);
        T_OK(t_open_bytes(&c, b, craft(b, header, 8), &err), err);
        assert_string_equal(eff_checkpoint_format(c), "safetensors");
        assert_int_equal(c->count, 1);
        eff_checkpoint_close(c);
        free(b);
        free(header);
    }
}

static void headers(void **state)
{
    (void)state;
#define T(dtype, shape, offsets) "{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
    static const struct { const char *header; size_t data; const char *says; /* NULL: read */
    } h[] = {
        { "{}", 0, NULL },
        { "{}   \n ", 0, NULL },
        { "{\"a\":" T("\"U8\"", "[3]", "[0,3]") "}", 3, NULL },
        { "{\"a\":" T("\"U8\"", "[]", "[0,1]") "}", 1, NULL },
        { "{\"b\":" T("\"U8\"", "[2]", "[3,5]") ",\"a\":" T("\"I8\"", "[3]", "[0,3]") "}", 5, NULL },
        { "{\"a\":" T("\"F32\"", "[0,4]", "[0,0]") ",\"b\":" T("\"F32\"", "[1]", "[0,4]") "}", 4, NULL },
        { "{\"a\":" T("\"F32\"", "[9223372036854775807,0,3]", "[0,0]") "}", 0, NULL },
        { "{\"__metadata__\":{\"effnet\":\"{}\",\"x\":\"y\"}}", 0, NULL },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"more\":null}}", 1, NULL },
        { "{\"__metadata__\":{\"effnet\":1}}", 0, "__metadata__: effnet: expected a string, found a number" },
        { "{\"__metadata__\":[]}", 0, "__metadata__: expected an object, found an array" },
        { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "duplicate object key" },
        { "{\"a\":5}", 0, "tensor a: expected an object, found a number" },
        { "{\"a\":{}}", 0, "tensor a: dtype: expected a string, found nothing" },
        { "{\"a\":" T("\"F8_E4M3\"", "[1]", "[0,1]") "}", 1, "tensor a: dtype F8_E4M3 is not read" },
        { "{\"a\":" T("\"f32\"", "[1]", "[0,4]") "}", 4, "tensor a: dtype \"f32\" is unknown" },
        { "{\"a\":" T("\"U8\"", "3", "[0,3]") "}", 3, "tensor a: shape: expected an array, found a number" },
        { "{\"a\":" T("\"U8\"", "[3.0]", "[0,3]") "}", 3,
          "tensor a: shape[0]: expected an integer, found a number with a fraction" },
        { "{\"a\":" T("\"U8\"", "[\"3\"]", "[0,3]") "}", 3, "shape[0]: expected an integer, found a string" },
        { "{\"a\":" T("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, "tensor a: 9 dimensions, at most 8" },
        { "{\"a\":" T("\"U8\"", "[3]", "[0,3,3]") "}", 3, "tensor a: data_offsets: expected an array of two integers" },
        { "{\"a\":" T("\"U8\"", "[3]", "[0,3e0]") "}", 3, "data_offsets[1]: expected an integer" },
        { "{\"a\":" T("\"U8\"", "[3]", "[0,9223372036854775807]") "}", 3,
          "data_offsets end at 9223372036854775807, the file holds 3" },
        { "{\"a\":" T("\"F64\"", "[2305843009213693952]", "[0,0]") "}", 0, "the product of its shape is too large" },
        { "{\"a\":" T("\"U8\"", "[3]", "[1,4]") "}", 4, "tensor a: 1 bytes before its data belong to no tensor" },
        { "{\"a\":" T("\"U8\"", "[3]", "[0,3]") ",\"b\":" T("\"U8\"", "[3]", "[0,3]") "}", 3,
          "tensor b: its data overlap those of a" },
        { "{\"a\":" T("\"U8\"", "[3]", "[0,3]") "}", 4, "1 bytes after the last tensor belong to none" },
        { "{\"\":" T("\"U8\"", "[3]", "[0,3]") "}", 3, "a name of 0 bytes" },
        { "{\"a\\u0000b\":" T("\"U8\"", "[3]", "[0,3]") "}", 3, "header: not JSON" },
        { "{\"a\\nb\":" T("\"U8\"", "[3]", "[0,3]") "}", 3, "tensor 0: its name is not a line of UTF-8 text" },
        { "{\"\xff\":" T("\"U8\"", "[3]", "[0,3]") "}", 3, "header: not JSON" },
        { "{} x", 0, "header: not JSON" },
        { "{\"a\":[[[]]]}", 0, "header: nested more than 3 deep" },
        { "{", 0, "header: not JSON" },
    };
#undef T
    unsigned char buf[1024];
    for (size_t i = 0; i < sizeof h / sizeof *h; i++) {
        eff_error err = { 0 };
        eff_checkpoint *c;
        const size_t n = craft(buf, h[i].header, h[i].data);
        const eff_status s = t_open_bytes(&c, buf, n, &err);
        if (h[i].says) {
            if (s != EFF_EFORMAT && s != EFF_EUNSUPPORTED) fail_msg("%s: was read", h[i].header);
            if (!strstr(err.msg, h[i].says)) fail_msg("%s: \"%s\" does not say \"%s\"", h[i].header, err.msg, h[i].says);
            assert_null(c);
            continue;
        }
        if (s != EFF_OK) fail_msg("%s: %s", h[i].header, err.msg);
        T_OK(t_read_all(c, &err), err);
        for (size_t k = 0; k < c->count; k++) {
            float x[8];
            if (!c->tensor[k].count) continue;
            T_OK(eff_checkpoint_read(c, k, x, &err), err);
            if (c->tensor[k].dtype == EFF_U8) assert_true(x[0] == (strcmp(c->tensor[k].name, "b") ? 1 : 4));
        }
        eff_checkpoint_close(c);
    }
}

static void limits(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_checkpoint *c;
    /* many tiny tensors: one too many is refused before a tree is built */
    const size_t n = EFF_MAX_TENSORS + 1, room = n * 64 + 64;
    char *const header = malloc(room);
    size_t at = 0;
    header[at++] = '{';
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(header + at, room - at,
                               "%s\"%zx\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", i);
    header[at++] = '}';
    header[at] = 0;
    unsigned char *const buf = malloc(at + 8);
    assert_int_equal(t_open_bytes(&c, buf, craft(buf, header, 0), &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "more than 131072 tensors"));
    /* commas alone */
    memset(header + 1, ',', at - 2);
    assert_int_equal(t_open_bytes(&c, buf, craft(buf, header, 0), &err), EFF_EFORMAT);
    free(header);
    free(buf);
    /* a file cut after it was opened */
    unsigned char small[256];
    const size_t size = craft(small, "{\"a\":{\"dtype\":\"U8\",\"shape\":[64],\"data_offsets\":[0,64]}}", 64);
    const char *const path = t_tmp("cut.safetensors");
    FILE *const f = fopen(path, "wb");
    assert_int_equal(fwrite(small, 1, size, f), size);
    fclose(f);
    T_OK(eff_checkpoint_open(&c, path, &err), err);
    assert_int_equal(truncate(path, (off_t)size - 9), 0);
    float x[64];
    assert_int_equal(eff_checkpoint_read(c, 0, x, &err), EFF_EFORMAT);
    assert_memory_equal(err.msg, "tensor a: ", 10);
    assert_int_equal(eff_checkpoint_read(c, 1, x, &err), EFF_EARG);
    eff_checkpoint_close(c);
}

/* ------------------------------------------------------------------------------------------------- writing */

static void round_trip(void **state)
{
    (void)state;
    float a[3 * 5 * 7], b[1] = { -0.0f }, big[3] = { 65519.0f, 65520.0f, -1e30f };
    for (int i = 0; i < 105; i++) a[i] = ldexpf((float)(i - 50) * 1.2345f, i - 60);
    a[104] = NAN;
    const eff_st_tensor t[] = {
        { "blocks.0.0.dw.conv.weight", EFF_F32, 3, { 3, 5, 7 }, a }, { "scalar", EFF_F32, 0, { 0 }, b },
        { "empty", EFF_F32, 2, { 0, 4 }, NULL },                     { "half", EFF_F16, 1, { 3 }, big },
        { "brain \xc3\xa9\"\\", EFF_BF16, 2, { 35, 3 }, a },
    };
    const eff_st_meta meta[] = { { "effnet", "{\"schema\":\"x\\n\"}" }, { "format", "pt" } };
    const char *const path = t_tmp("out.safetensors");
    eff_error err = { 0 };
    T_OK(eff_safetensors_save(path, t, 5, meta, 2, &err), err);
    size_t n;
    unsigned char *const bytes = t_file(path, &n);
    uint64_t header;
    memcpy(&header, bytes, 8);
    assert_int_equal(header % 8, 0);
    assert_int_equal(n, 8 + header + 105 * 4 + 4 + 6 + 210);
    assert_memory_equal(bytes + 8 + header, a, sizeof a);
    free(bytes);

    eff_checkpoint *c;
    T_OK(eff_checkpoint_open(&c, path, &err), err);
    assert_string_equal(c->metadata, meta[0].value);
    assert_int_equal(c->count, 5);
    for (size_t i = 0; i < 5; i++) {
        size_t count, want;
        float *const x = t_tensor(c, t[i].name, &count);
        assert_true(eff_tensor_count(t[i].ndim, t[i].dim, &want));
        assert_int_equal(count, want);
        for (size_t k = 0; k < count; k++) {
            float w = t[i].data[k];
            if (t[i].dtype == EFF_F16) w = k == 0 ? 65504.0f : k == 1 ? INFINITY : -INFINITY;
            if (t[i].dtype == EFF_BF16) w = eff_bf16_to_f32(eff_f32_to_bf16(w));
            if (isnan(w) ? !isnan(x[k]) : memcmp(&w, &x[k], 4))
                fail_msg("%s[%zu]: %a, expected %a", t[i].name, k, (double)x[k], (double)w);
        }
        free(x);
    }
    eff_checkpoint_close(c);
}

static void writer_refuses(void **state)
{
    (void)state;
    const float x[4] = { 0 };
    const char *const path = t_tmp("refused.safetensors");
    const eff_st_tensor good = { "a", EFF_F32, 1, { 4 }, x };
    const struct { eff_st_tensor second; const char *says; } bad[] = {
        { { "a", EFF_F32, 1, { 4 }, x }, "tensor a: the name is taken" },
        { { "__metadata__", EFF_F32, 1, { 4 }, x }, "the name is taken" },
        { { "\xff", EFF_F32, 1, { 4 }, x }, "not a line of UTF-8" },
        { { "b", EFF_I64, 1, { 4 }, x }, "dtype I64 is not written" },
        { { "b", EFF_F32, 1, { -4 }, x }, "shape cannot be written" },
        { { "b", EFF_F32, 9, { 1 }, x }, "shape cannot be written" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const eff_st_tensor t[2] = { good, bad[i].second };
        eff_error err = { 0 };
        assert_int_equal(eff_safetensors_save(path, t, 2, NULL, 0, &err), EFF_EARG);
        if (!strstr(err.msg, bad[i].says)) fail_msg("\"%s\" does not say \"%s\"", err.msg, bad[i].says);
        assert_int_equal(access(path, F_OK), -1);
    }
    const eff_st_meta meta = { "k", "\xff" };
    eff_error err = { 0 };
    assert_int_equal(eff_safetensors_save(path, &good, 1, &meta, 1, &err), EFF_EARG);
    assert_int_equal(eff_safetensors_save(t_tmp("no/such/folder/x"), &good, 1, NULL, 0, &err), EFF_EIO);
}

/* A full disk: the header fits in the stream's buffer, the data do not. */
static void disk_full(void **state)
{
    (void)state;
    FILE *const f = fopen("/dev/full", "wb");
    if (!f) skip();
    float *const x = calloc(1 << 20, sizeof *x);
    eff_error err = { 0 };
    for (int type = EFF_F32; type <= EFF_BF16; type++) {
        const eff_st_tensor t = { "a", (eff_dtype)type, 1, { 1 << 20 }, x };
        assert_int_equal(eff_safetensors_write(f, &t, 1, NULL, 0, &err), EFF_EIO);
        assert_non_null(strstr(err.msg, strerror(ENOSPC)));
    }
    free(x);
    fclose(f);
}

/* Out of memory at every allocation in turn. */
static void no_memory(void **state)
{
    (void)state;
    float x[64] = { 0 };
    const eff_st_tensor t[2] = { { "a", EFF_F32, 2, { 8, 8 }, x }, { "b", EFF_F16, 1, { 64 }, x } };
    const eff_st_meta meta = { "effnet", "{}" };
    const char *const path = t_tmp("memory.safetensors");
    eff_error err = { 0 };
    eff_status s = EFF_ENOMEM;
    long i = 0;
    for (; s != EFF_OK; i++) {
        eff_alloc_fail_after(i);
        s = eff_safetensors_save(path, t, 2, &meta, 1, &err);
        eff_alloc_fail_after(-1);
        if (s != EFF_OK) assert_int_equal(s, EFF_ENOMEM);
        assert_true(i < 1000);
    }
    assert_true(i > 2);
    s = EFF_ENOMEM;
    for (i = 0; s != EFF_OK; i++) {
        eff_checkpoint *c = NULL;
        eff_alloc_fail_after(i);
        s = eff_checkpoint_open(&c, path, &err);
        for (size_t k = 0; k < 2 && s == EFF_OK; k++) s = eff_checkpoint_read(c, k, x, &err);
        eff_alloc_fail_after(-1);
        eff_checkpoint_close(c);
        if (s != EFF_OK) assert_int_equal(s, EFF_ENOMEM);
        assert_true(i < 1000);
    }
    assert_true(i > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),    cmocka_unit_test(golden_halves), cmocka_unit_test(headers),
        cmocka_unit_test(limits),    cmocka_unit_test(round_trip),    cmocka_unit_test(writer_refuses),
        cmocka_unit_test(disk_full), cmocka_unit_test(no_memory),     cmocka_unit_test(lengths_like_magic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
