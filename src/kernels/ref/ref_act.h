/* SPDX-License-Identifier: Apache-2.0 */
/* Activations by their definitions, for both reference files. */
#ifndef EFF_KERNELS_REF_REF_ACT_H
#define EFF_KERNELS_REF_REF_ACT_H

#include "base/act.h"

#include <math.h>

static inline float activate(float x, eff_act act)
{
    switch (act) {
    case EFF_ACT_NONE: return x;
    case EFF_ACT_RELU: return x < 0.0f ? 0.0f : x;
    case EFF_ACT_RELU6: return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x;
    case EFF_ACT_SILU: return x / (1.0f + expf(-x));
    case EFF_ACT_HSWISH: return x * activate(x + 3.0f, EFF_ACT_RELU6) / 6.0f;
    case EFF_ACT_SIGMOID: return 1.0f / (1.0f + expf(-x));
    }
    return x;
}

#endif
