/* SPDX-License-Identifier: Apache-2.0 */
/* Activations: named by tables, computed by kernels. */
#ifndef EFF_BASE_ACT_H
#define EFF_BASE_ACT_H

typedef enum eff_act {
    EFF_ACT_NONE,
    EFF_ACT_RELU,
    EFF_ACT_RELU6,
    EFF_ACT_SILU,   /* x * sigmoid(x), "swish"     */
    EFF_ACT_HSWISH, /* x * relu6(x + 3) / 6        */
    EFF_ACT_SIGMOID /* gates only, not of a stage  */
} eff_act;

#endif
