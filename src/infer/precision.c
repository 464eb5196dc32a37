/* SPDX-License-Identifier: Apache-2.0 */
/* Which precisions a CPU has. bfloat16 is not emulated where its instruction is missing: whoever asks for it wants
 * speed. */
#include "infer/engine.h"

#include "base/cpu.h"

eff_status eff_precision_kernels(eff_kernels *k, eff_precision p, unsigned features, eff_error *err)
{
    if (p != EFF_FLOAT32 && p != EFF_BFLOAT16)
        return eff_fail(err, EFF_EARG, "precision: expected EFF_FLOAT32 or EFF_BFLOAT16, found %d", (int)p);
    eff_kernels_init(k, features);
    if (p == EFF_FLOAT32) return EFF_OK;
    if (!(features & EFF_CPU_AVX512BF16))
        return eff_fail(err, EFF_EARG, "bfloat16: expected a CPU with AVX512_BF16 (level avx512bf16), found level %s",
                        k->name);
    eff_kernels_init_bf16(k, features);
    return EFF_OK;
}
