/* SPDX-License-Identifier: Apache-2.0 */
/* bfloat16: the upper half of a float32. Two neighbours along a sum lie in one word of four bytes, the first in its
 * lower half; a word is kept in the memory of a float, whose value it is not. */
#ifndef EFF_KERNELS_BF16_H
#define EFF_KERNELS_BF16_H

#include <stdint.h>
#include <string.h>

/** The nearest bfloat16, ties to even; a NaN stays one. */
static inline uint16_t eff_bf16_round(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if (x != x) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline float eff_bf16_value(uint16_t b)
{
    const uint32_t u = (uint32_t)b << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/** Two values, rounded, as a word at *to. */
static inline void eff_bf16_pair(float *to, float first, float second)
{
    const uint32_t u = eff_bf16_round(first) | (uint32_t)eff_bf16_round(second) << 16;
    memcpy(to, &u, sizeof u);
}

/** Half 0 or 1 of the word at *from. */
static inline float eff_bf16_half(const float *from, int half)
{
    uint32_t u;
    memcpy(&u, from, sizeof u);
    return eff_bf16_value((uint16_t)(half ? u >> 16 : u));
}

#endif
