/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine can do at this level: multiply-adds that depend on nothing but registers, and reads of a buffer. The
 * ceilings that every measured rate is held against. */
#include "kernels/vec/vec.h"

/* More chains than latency times throughput of any core so far (4 cycles x 2; AArch64: x 4), within the registers. */
#if defined(__aarch64__)
enum { CHAINS = 20 };
#else
enum { CHAINS = 12 };
#endif

#if defined(EFF_BF16)
enum { PRODUCTS = 2 }; /* in a word */
#else
enum { PRODUCTS = 1 };
#endif

/* Tells the compiler that v changes here, so that chains that look alike are not merged. */
INLINE void opaque(vf *v)
{
#if defined(__aarch64__)
    __asm__ volatile("" : "+w"(*v));
#elif VL == 16 && !defined(__AVX512F__)
    __asm__ volatile("" : "+m"(*v)); /* lowered: no register holds it */
#else
    __asm__ volatile("" : "+x"(*v));
#endif
}

static float fma_peak(long rounds)
{
    vf acc[CHAINS];
    const vf a = vset1(0.999f), b = vset1(1e-3f);
    UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = vset1((float)i);
    for (long r = 0; r < rounds; r++) {
        UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = vmac(a, b, acc[i]); /* the sum in place, as AArch64 has it */
        UNROLL for (int i = 0; i < CHAINS; i++) opaque(&acc[i]);
    }
    vf sum = acc[0];
    UNROLL for (int i = 1; i < CHAINS; i++) sum += acc[i];
    return sum[0];
}

static float read_sum(const float *x, size_t n)
{
    vf sum[8];
    UNROLL for (int i = 0; i < 8; i++) sum[i] = vset1(0.0f);
    for (size_t i = 0; i + 8 * VL <= n; i += 8 * VL) {
        UNROLL for (int j = 0; j < 8; j++) sum[j] += vload(x + i + (size_t)(j * VL));
    }
    UNROLL for (int i = 1; i < 8; i++) sum[0] += sum[i];
    return sum[0][0];
}

void LEVEL_NAME(eff_peak_init)(eff_kernels *k)
{
    k->fma_peak = fma_peak;
    k->fma_flops = 2 * CHAINS * VL * PRODUCTS;
    k->read_sum = read_sum;
}
