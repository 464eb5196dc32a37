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

/** Steps that can run as one because nobody else reads what is between them. */
typedef struct eff_block {
    const eff_step *expand; /* 1x1 convolution, or one of few channels (the stem); NULL: none */
    const eff_step *dw, *se /* or NULL */, *project;
    int steps;              /* how many they are                                              */
} eff_block;

/** The block that begins at step i, if one does. */
int eff_block_at(eff_block *b, const eff_step *step, int count, int i, const eff_graph *g);
/** The global mean right after the 1x1 convolution of step i, if it alone reads that. */
int eff_mean_after(const eff_step *step, int count, int i, const eff_graph *g);

/** Lower `g`. *steps is eff_malloc'ed, *count long. */
eff_status eff_fold(eff_step **steps, int *count, const eff_graph *g, eff_error *err);

#endif
