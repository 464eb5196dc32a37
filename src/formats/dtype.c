/* SPDX-License-Identifier: Apache-2.0 */
/* Element types. All conversions of halves work on bits, so that they do not depend on the rounding mode or on what the
 * compiler thinks of _Float16; NaN payloads survive as far as they fit. What a type became in float32 is again that in
 * float32 when it has been written in the type. */
#include "formats/dtype.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor files are little-endian and are read as they are");

static const struct {
    char name[8];
    size_t size;
} dtypes[] = {
    [EFF_F32] = { "F32", 4 }, [EFF_F16] = { "F16", 2 }, [EFF_BF16] = { "BF16", 2 }, [EFF_F64] = { "F64", 8 },
    [EFF_I64] = { "I64", 8 }, [EFF_I32] = { "I32", 4 }, [EFF_I16] = { "I16", 2 },   [EFF_I8] = { "I8", 1 },
    [EFF_U8] = { "U8", 1 },   [EFF_BOOL] = { "BOOL", 1 }, [EFF_OPAQUE] = { "OTHER", 1 },
};

const char *eff_dtype_name(eff_dtype t) { return dtypes[t].name; }
size_t eff_dtype_size(eff_dtype t) { return dtypes[t].size; }

static float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static uint32_t to_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

float eff_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, mant = h & 0x3ff;
    const uint32_t exp = (h >> 10) & 0x1f;
    if (exp == 31) return from_bits(sign | 0x7f800000 | mant << 13);
    if (exp) return from_bits(sign | (exp + 112) << 23 | mant << 13); /* 112 = 127 - 15 */
    const float f = (float)mant * 0x1p-24f;                           /* subnormal: exact in float32 */
    return from_bits(sign | to_bits(f));
}

float eff_bf16_to_f32(uint16_t h) { return from_bits((uint32_t)h << 16); }

uint16_t eff_f32_to_f16(float x)
{
    const uint32_t u = to_bits(x), a = u & 0x7fffffff;
    const uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff)); /* NaN stays one */
    if (a >= 0x477ff000) return sign | 0x7c00;                               /* 65520 and more round to infinity */
    uint32_t mant, drop; /* the result is mant without its `drop` low bits, rounded */
    if (a >= 0x38800000) { /* 2^-14, the least normal */
        mant = a - 0x38000000; /* exponent bias 127 to 15 */
        drop = 13;
    } else {
        const uint32_t e = a >> 23;
        if (e < 102) return sign; /* below 2^-25: zero */
        mant = (a & 0x7fffff) | 0x800000;
        drop = 126 - e;
    }
    const uint32_t half = 1u << (drop - 1), rest = mant & ((1u << drop) - 1);
    uint32_t r = mant >> drop;
    r += rest > half || (rest == half && (r & 1)); /* a carry runs into the exponent, as it should */
    return (uint16_t)(sign | r);
}

uint16_t eff_f32_to_bf16(float x)
{
    const uint32_t u = to_bits(x);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* One loop a type; memcpy because tensor data may start at any byte. */
#define CONVERT(type, expr)                       \
    for (size_t i = 0; i < n; i++) {              \
        type v;                                   \
        memcpy(&v, p + i * sizeof v, sizeof v);   \
        out[i] = (expr);                          \
    }                                             \
    return

void eff_dtype_to_f32(eff_dtype t, const void *raw, size_t n, float *out)
{
    const unsigned char *const p = raw;
    if (!n) return;
    switch (t) {
    case EFF_F32: memcpy(out, p, n * sizeof *out); return;
    case EFF_F16: CONVERT(uint16_t, eff_f16_to_f32(v));
    case EFF_BF16: CONVERT(uint16_t, eff_bf16_to_f32(v));
    case EFF_F64: CONVERT(double, (float)v);
    case EFF_I64: CONVERT(int64_t, (float)v);
    case EFF_I32: CONVERT(int32_t, (float)v);
    case EFF_I16: CONVERT(int16_t, (float)v);
    case EFF_I8: CONVERT(int8_t, (float)v);
    case EFF_U8: CONVERT(uint8_t, (float)v);
    case EFF_BOOL: CONVERT(uint8_t, v != 0 ? 1.0f : 0.0f);
    case EFF_OPAQUE: return; /* no format asks */
    }
}

/* The whole number nearest to zero in the type's range; NaN is 0. */
static int64_t whole(float x, int64_t lo, int64_t hi)
{
    if (!(x > (float)lo)) return x <= (float)lo ? lo : 0;
    return x >= (float)hi ? hi : (int64_t)x;
}

#define STORE(type, expr)                         \
    for (size_t i = 0; i < n; i++) {              \
        const type v = (expr);                    \
        memcpy(p + i * sizeof v, &v, sizeof v);   \
    }                                             \
    return

void eff_dtype_from_f32(eff_dtype t, const float *x, size_t n, void *raw)
{
    unsigned char *const p = raw;
    if (!n) return;
    switch (t) {
    case EFF_F32: memcpy(p, x, n * sizeof *x); return;
    case EFF_F16: STORE(uint16_t, eff_f32_to_f16(x[i]));
    case EFF_BF16: STORE(uint16_t, eff_f32_to_bf16(x[i]));
    case EFF_F64: STORE(double, x[i]);
    case EFF_I64: STORE(int64_t, whole(x[i], INT64_MIN, INT64_MAX));
    case EFF_I32: STORE(int32_t, (int32_t)whole(x[i], INT32_MIN, INT32_MAX));
    case EFF_I16: STORE(int16_t, (int16_t)whole(x[i], INT16_MIN, INT16_MAX));
    case EFF_I8: STORE(int8_t, (int8_t)whole(x[i], INT8_MIN, INT8_MAX));
    case EFF_U8: STORE(uint8_t, (uint8_t)whole(x[i], 0, UINT8_MAX));
    case EFF_BOOL: STORE(uint8_t, x[i] != 0);
    case EFF_OPAQUE: return; /* no format asks */
    }
}
