/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering: the graph becomes a list of steps, each one kernel launch with what could be fused into it. */
#ifndef EFF_INFER_FOLD_H
#define EFF_INFER_FOLD_H

#include "model/graph.h"

typedef enum eff_step_op {
    EFF_STEP_CONV,    /* dense convolution or linear layer, as GEMM  */
    EFF_STEP_DWCONV,
    EFF_STEP_SE,      /* in place on its input when nobody else reads that */
    EFF_STEP_MAXPOOL,
    EFF_STEP_MEAN,
    EFF_STEP_ACT,     /* what could not be fused                     */
    EFF_STEP_ADD
} eff_step_op;

typedef struct eff_step {
    eff_step_op op;
    int node;       /* the convolution, pool... itself                                       */
    int bn;         /* batch norm folded into it, or -1                                      */
    int in;         /* node whose value is read                                              */
    int res;        /* node whose value is added (ADD: the shortcut), or -1                  */
    int out;        /* last node fused: its value is what the step writes                    */
    eff_act act;
    int res_after;  /* the residual is added after the activation                            */
} eff_step;

/** Lower `g`. *steps is eff_malloc'ed, *count long. */
eff_status eff_fold(eff_step **steps, int *count, const eff_graph *g, eff_error *err);

#endif
