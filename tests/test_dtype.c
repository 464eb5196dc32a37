/* SPDX-License-Identifier: Apache-2.0 */
/* Element types: every half and bfloat16 both ways against arithmetic in double, and strided reads against a plain loop. */
#include "checkpoints.h"

#include "base/mem.h"
#include "base/rng.h"
#include "formats/dtype.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* Value of a small float from its definition. */
static double value_of(unsigned h, int exp_bits, int mant_bits)
{
    const int bias = (1 << (exp_bits - 1)) - 1, e = (int)(h >> mant_bits) & ((1 << exp_bits) - 1);
    const double m = h & ((1u << mant_bits) - 1), sign = h & 0x8000 ? -1 : 1;
    if (e == (1 << exp_bits) - 1) return m != 0 ? (double)NAN : sign * (double)INFINITY;
    return sign * (e ? ldexp(m + (1 << mant_bits), e - bias - mant_bits) : ldexp(m, 1 - bias - mant_bits));
}

/* x rounded to nearest even with 1 + mant_bits significant bits, by the FPU. */
static double round_to(double x, int exp_bits, int mant_bits)
{
    if (x == 0 || !isfinite(x)) return x;
    const int bias = (1 << (exp_bits - 1)) - 1;
    int e;
    frexp(x, &e);
    if (e < 2 - bias) e = 2 - bias;
    const double unit = ldexp(1, e - 1 - mant_bits), r = nearbyint(x / unit) * unit;
    return fabs(r) >= ldexp(1, bias + 1) ? copysign((double)INFINITY, x) : r;
}

static void every_small_float(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 65536; h++) {
        const float f = eff_f16_to_f32((uint16_t)h), b = eff_bf16_to_f32((uint16_t)h);
        const double wf = value_of(h, 5, 10), wb = value_of(h, 8, 7);
        if (isnan(wf) ? !isnan(f) : bits(f) != bits((float)wf)) fail_msg("f16 %04x: %a, expected %a", h, (double)f, wf);
        if (isnan(wb) ? !isnan(b) : bits(b) != bits((float)wb)) fail_msg("bf16 %04x: %a, expected %a", h, (double)b, wb);
        if (isnan(wf)) assert_true(isnan(eff_f16_to_f32(eff_f32_to_f16(f))));
        else assert_int_equal(eff_f32_to_f16(f), h);
        if (isnan(wb)) assert_true(isnan(eff_bf16_to_f32(eff_f32_to_bf16(b))));
        else assert_int_equal(eff_f32_to_bf16(b), h);
    }
}

static void check_rounding(float x)
{
    const float f = eff_f16_to_f32(eff_f32_to_f16(x)), b = eff_bf16_to_f32(eff_f32_to_bf16(x));
    const float wf = (float)round_to((double)x, 5, 10), wb = (float)round_to((double)x, 8, 7);
    if (bits(f) != bits(wf)) fail_msg("f16 of %a: %a, expected %a", (double)x, (double)f, (double)wf);
    if (bits(b) != bits(wb)) fail_msg("bf16 of %a: %a, expected %a", (double)x, (double)b, (double)wb);
}

static void rounding(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7c00; h++) { /* around every half and every midpoint between two */
        const float a = eff_f16_to_f32((uint16_t)h), b = eff_f16_to_f32((uint16_t)(h + 1));
        const float mid = isinf(b) ? 65520.0f : (a + b) / 2;
        for (int k = -1; k <= 1; k++) {
            check_rounding(float_of(bits(mid) + (uint32_t)k));
            check_rounding(-float_of(bits(mid) + (uint32_t)k));
            if (a > 0) check_rounding(float_of(bits(a) + (uint32_t)k));
        }
    }
    for (uint64_t i = 0; i < 300000; i++) { /* any bits, and bits next to ties of bfloat16 */
        const uint32_t u = (uint32_t)(eff_rng_uniform(11, 1, i) * 4294967296.0);
        const uint32_t tie = (u & 0xffff0000u) | 0x8000u;
        if (!isnan(float_of(u))) check_rounding(float_of(u));
        for (int k = -1; k <= 1; k++)
            if (!isnan(float_of(tie + (uint32_t)k))) check_rounding(float_of(tie + (uint32_t)k));
    }
}

static void every_type(void **state)
{
    (void)state;
    unsigned char raw[1 + 3 * 8];
    float out[3];
#define CHECK(type, dtype, v0, v1, v2)                                             \
    do {                                                                           \
        const type v[3] = { v0, v1, v2 };                                          \
        assert_int_equal(eff_dtype_size(dtype), sizeof *v);                        \
        memcpy(raw + 1, v, sizeof v); /* off any alignment */                      \
        eff_dtype_to_f32(dtype, raw + 1, 3, out);                                  \
        for (int i = 0; i < 3; i++) assert_int_equal(bits(out[i]), bits((float)v[i])); \
    } while (0)
    CHECK(float, EFF_F32, 1.5f, -0.0f, INFINITY);
    CHECK(double, EFF_F64, 0.1, 1e300, -1e-320);
    CHECK(int64_t, EFF_I64, INT64_MIN, 16777217, -1);
    CHECK(int32_t, EFF_I32, INT32_MIN, 16777219, -1);
    CHECK(int16_t, EFF_I16, INT16_MIN, 32767, -1);
    CHECK(int8_t, EFF_I8, -128, 127, -1);
    CHECK(uint8_t, EFF_U8, 0, 255, 128);
#undef CHECK
    memcpy(raw, "\0\1\2", 3);
    eff_dtype_to_f32(EFF_BOOL, raw, 3, out);
    assert_true(out[0] == 0 && out[1] == 1 && out[2] == 1);
    eff_dtype_to_f32(EFF_F32, NULL, 0, NULL);
    assert_string_equal(eff_dtype_name(EFF_BF16), "BF16");
}

/* What a type has no room for goes to its end, fractions towards zero, and what is no number to 0. */
static void stored(void **state)
{
    (void)state;
    static const float x[] = { NAN, -INFINITY, INFINITY, -1e30f, 1e30f, 0.75f, -0.75f, 3.9f, -3.9f };
    enum { N = sizeof x / sizeof *x };
    static const struct {
        eff_dtype type;
        int64_t lo, hi;
    } whole[] = { { EFF_I64, INT64_MIN, INT64_MAX },
                  { EFF_I32, INT32_MIN, INT32_MAX },
                  { EFF_I16, INT16_MIN, INT16_MAX },
                  { EFF_I8, INT8_MIN, INT8_MAX },
                  { EFF_U8, 0, UINT8_MAX } };
    for (size_t k = 0; k < sizeof whole / sizeof *whole; k++) {
        const int64_t lo = whole[k].lo, hi = whole[k].hi, below = lo < -3 ? -3 : lo;
        const int64_t want[N] = { 0, lo, hi, lo, hi, 0, 0, 3, below };
        unsigned char raw[8 * N];
        const size_t size = eff_dtype_size(whole[k].type);
        eff_dtype_from_f32(whole[k].type, x, N, raw);
        for (size_t i = 0; i < N; i++) {
            int64_t v = raw[(i + 1) * size - 1] & 0x80 && lo < 0 ? -1 : 0; /* the sign; the rest over it */
            memcpy(&v, raw + i * size, size);
            if (v != want[i])
                fail_msg("%s of %g: %lld, expected %lld", eff_dtype_name(whole[k].type), (double)x[i], (long long)v,
                         (long long)want[i]);
        }
    }
    uint16_t half[N], brain[N];
    double wide[N];
    float same[N];
    unsigned char truth[3];
    eff_dtype_from_f32(EFF_F16, x, N, half);
    eff_dtype_from_f32(EFF_BF16, x, N, brain);
    eff_dtype_from_f32(EFF_F64, x, N, wide);
    eff_dtype_from_f32(EFF_F32, x, N, same);
    eff_dtype_from_f32(EFF_BOOL, (const float[]){ 0, -0.5f, 2 }, 3, truth);
    for (int i = 0; i < N; i++) {
        assert_true(half[i] == eff_f32_to_f16(x[i]) && brain[i] == eff_f32_to_bf16(x[i]) &&
                    bits(same[i]) == bits(x[i]));
        assert_true(i == 0 ? isnan(wide[i]) : wide[i] == (double)x[i]);
    }
    assert_memory_equal(truth, "\0\1\1", 3);
    eff_dtype_from_f32(EFF_F32, NULL, 0, NULL);
}

/* ----------------------------------------------------------------------------------------- strided reads */

typedef struct memory {
    const unsigned char *bytes;
    size_t size;
    uint64_t next; /* ranges must ascend */
} memory;

static eff_status read_memory(void *ctx, int storage, uint64_t offset, void *buf, size_t n, eff_error *err)
{
    memory *const m = ctx;
    (void)err;
    assert_int_equal(storage, 5);
    assert_true(offset >= m->next && offset <= m->size && n <= m->size - offset);
    memcpy(buf, m->bytes + offset, n);
    m->next = offset + n;
    return EFF_OK;
}

static eff_status failing_read(void *ctx, int storage, uint64_t offset, void *buf, size_t n, eff_error *err)
{
    (void)ctx, (void)storage, (void)offset, (void)buf, (void)n;
    return eff_fail(err, EFF_EIO, "no");
}

/* Element by element, the definition. */
static void naive(const eff_tensor *t, const unsigned char *bytes, float *out)
{
    int64_t at[EFF_MAX_DIMS] = { 0 };
    for (size_t i = 0; i < t->count; i++) {
        int64_t src = t->offset;
        for (int d = 0; d < t->ndim; d++) src += at[d] * t->stride[d];
        eff_dtype_to_f32(t->dtype, bytes + (size_t)src * eff_dtype_size(t->dtype), 1, out + i);
        for (int d = t->ndim - 1; d >= 0 && ++at[d] == t->dim[d]; d--) at[d] = 0;
    }
}

static void check_gather(eff_tensor *t, const unsigned char *bytes, size_t size)
{
    eff_error err = { 0 };
    assert_true(eff_tensor_count(t->ndim, t->dim, &t->count));
    float *const want = malloc((t->count + 1) * 4), *const got = t_guarded(t->count);
    naive(t, bytes, want);
    memory m = { .bytes = bytes, .size = size };
    T_OK(eff_tensor_gather(t, read_memory, &m, got, &err), err);
    assert_memory_equal(got, want, t->count * 4);
    t_guard_check(got, t->count);
    if (t->count) assert_int_equal(eff_tensor_gather(t, failing_read, NULL, got, &err), EFF_EIO);
    t_guard_free(got);
    free(want);
}

static unsigned pick(uint64_t seed, uint64_t *i, unsigned n) { return (unsigned)(eff_rng_uniform(seed, 2, (*i)++) * n); }

static void strides(void **state)
{
    (void)state;
    enum { BYTES = 1 << 16 };
    unsigned char *const bytes = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++) bytes[i] = (unsigned char)(i * 167 + (i >> 8)); /* no NaN is compared: bits are */
    for (uint64_t seed = 1; seed <= 400; seed++) {
        uint64_t k = 0;
        eff_tensor t = { .dtype = (eff_dtype)pick(seed, &k, 10), .storage = 5 };
        t.ndim = (int)pick(seed, &k, EFF_MAX_DIMS + 1);
        t.offset = pick(seed, &k, 9);
        int64_t far = t.offset;
        for (int d = 0; d < t.ndim; d++) {
            t.dim[d] = 1 + pick(seed, &k, t.ndim > 4 ? 3 : 6);
            t.stride[d] = pick(seed, &k, 4) == 0 ? 0 : pick(seed, &k, 60); /* 0, overlapping, gaps, any order */
            far += (t.dim[d] - 1) * t.stride[d];
        }
        if ((size_t)(far + 1) * eff_dtype_size(t.dtype) <= BYTES) check_gather(&t, bytes, BYTES);
    }
    free(bytes);
}

/* More than one window of the storage, for an element of 1 and of 8 bytes. */
static void windows(void **state)
{
    (void)state;
    static const struct { eff_dtype type; int64_t h, w, sh, sw, offset; } c[] = {
        { EFF_F32, 1301, 1703, 1, 1301, 3 },  { EFF_I8, 1301, 1703, 1, 1301, 0 }, { EFF_F64, 700, 1600, 1600, 1, 1 },
        { EFF_F16, 2, 40, 1500000, 1, 7 },    { EFF_I16, 3, 2, 1, 2097151, 0 },   { EFF_I64, 1201, 997, 1, 1201, 2 },
        { EFF_U8, 5, 1 << 19, 0, 3, 1 },      { EFF_I8, 2, 1100, 1200000, 1000, 0 }, { EFF_U8, 700, 1600, 1700, 1, 5 },
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        eff_tensor t = { .dtype = c[i].type,
                         .ndim = 2,
                         .dim = { c[i].h, c[i].w },
                         .stride = { c[i].sh, c[i].sw },
                         .offset = c[i].offset,
                         .storage = 5 };
        const size_t n =
            (size_t)(c[i].offset + (c[i].h - 1) * c[i].sh + (c[i].w - 1) * c[i].sw + 1) * eff_dtype_size(t.dtype);
        unsigned char *const bytes = malloc(n);
        for (size_t k = 0; k < n; k++) bytes[k] = (unsigned char)(k * 167 + (k >> 8) + (k >> 16));
        check_gather(&t, bytes, n);
        free(bytes);
    }
}

/* ------------------------------------------------------------------------------------------ the directory */

static eff_status add(eff_checkpoint *c, const char *name, eff_tensor t, uint64_t numel, eff_error *err)
{
    return eff_checkpoint_add(c, name, strlen(name), &t, numel, err);
}

static void directory(void **state)
{
    (void)state;
    eff_checkpoint c = { 0 };
    eff_error err = { 0 };
    T_OK(add(&c, "a", (eff_tensor){ .ndim = 2, .dim = { 2, 3 }, .stride = { 1, 2 } }, 6, &err), err);
    T_OK(add(&c, "scalar", (eff_tensor){ .offset = 5 }, 6, &err), err);
    T_OK(add(&c, "empty", (eff_tensor){ .ndim = 2, .dim = { 0, INT64_MAX }, .stride = { 9, 9 } }, 0, &err), err);
    assert_int_equal(c.tensor[0].count, 6);
    assert_int_equal(c.tensor[1].count, 1);
    assert_int_equal(c.tensor[2].count, 0);
    static const struct { const char *name; eff_tensor t; uint64_t numel; const char *says;
    } bad[] = {
        { "far",
          { .ndim = 2, .dim = { 2, 3 }, .stride = { 1, 3 } },
          7,
          "tensor far: shape and strides reach outside its storage of 7" },
        { "off", { .offset = 6 }, 6, "tensor off: shape and strides reach" },
        { "back",
          { .ndim = 1, .dim = { 3 }, .stride = { -1 }, .offset = 4 },
          9,
          "tensor back: stride[0] is negative: -1" },
        { "neg", { .ndim = 1, .dim = { -3 }, .stride = { 1 } }, 9, "tensor neg: shape[0] is negative" },
        { "o", { .offset = -1 }, 9, "tensor o: its offset is negative" },
        { "big",
          { .ndim = 2, .dim = { INT64_MAX, 3 }, .stride = { 1, 1 } },
          9,
          "the product of its shape is too large" },
        { "wrap", { .ndim = 2, .dim = { 3, 3 }, .stride = { INT64_MAX, 1 } }, 9, "reach outside" },
        { "wide", { .ndim = 1, .dim = { 1 << 25 }, .stride = { 0 } }, 1, "33554432 elements over a storage of 1" },
        { "dims", { .ndim = 9 }, 9, "9 dimensions, at most 8" },
        { "", { 0 }, 9, "a name of 0 bytes" },
        { "\xff", { 0 }, 9, "tensor 3: its name is not a line of UTF-8" },
        { "a\nb", { 0 }, 9, "its name is not a line of UTF-8" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_true(add(&c, bad[i].name, bad[i].t, bad[i].numel, &err) < 0);
        if (!strstr(err.msg, bad[i].says)) fail_msg("\"%s\" does not say \"%s\"", err.msg, bad[i].says);
        assert_int_equal(c.count, 3);
    }
    T_OK(eff_checkpoint_finish(&c, &err), err);
    T_OK(add(&c, "scalar", (eff_tensor){ 0 }, 1, &err), err);
    assert_int_equal(eff_checkpoint_finish(&c, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "tensor scalar: occurs twice"));
    for (size_t i = 0; i < c.count; i++) eff_free(c.tensor[i].name);
    eff_free(c.tensor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_float), cmocka_unit_test(rounding),
        cmocka_unit_test(every_type),        cmocka_unit_test(stored),
        cmocka_unit_test(strides),           cmocka_unit_test(windows),
        cmocka_unit_test(directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
