/* SPDX-License-Identifier: Apache-2.0 */
/* The graph: ops with static shapes and named parameters, in an order in which every input precedes its user. The only form
 * in which a network exists; training and inference plans are made from it. Shapes are of one image, NHWC. */
#ifndef EFF_MODEL_GRAPH_H
#define EFF_MODEL_GRAPH_H

#include "model/table.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum eff_node_op {
    EFF_NODE_INPUT,
    EFF_NODE_CONV,    /* dense convolution, no bias; param[0] = weight [out][in][k][k]              */
    EFF_NODE_DWCONV,  /* depthwise, no bias; param[0] = weight [c][1][k][k]                         */
    EFF_NODE_BN,      /* param = gamma, beta, running mean, running variance                        */
    EFF_NODE_ACT,
    EFF_NODE_SE,      /* x * sigmoid(W2 act(W1 mean(x) + b1) + b2); param = W1 [s][c][1][1], b1, W2 [c][s][1][1], b2 */
    EFF_NODE_ADD,     /* in[0] = branch (stochastic depth drops this one), in[1] = shortcut         */
    EFF_NODE_MAXPOOL, /* padding counts as -inf                                                     */
    EFF_NODE_MEAN,    /* global mean over height and width -> 1 x 1 x c                             */
    EFF_NODE_DROPOUT, /* identity at inference                                                      */
    EFF_NODE_LINEAR   /* param = weight [classes][c], bias. Without classes the graph ends at MEAN   */
} eff_node_op;

enum { EFF_STAGE_STEM = -1 }; /* node.stage: -1 stem, 0..nstages-1, nstages head and classifier */

typedef struct eff_node {
    eff_node_op op;
    int in[2];                 /* node numbers, -1 = none                         */
    int h, w, c;               /* of the output                                   */
    int kernel, stride;
    int pad_top, pad_left, pad_bottom, pad_right;
    eff_act act;               /* ACT, and SE's inner one                         */
    int squeeze;               /* SE                                              */
    float eps;                 /* BN                                              */
    float drop;                /* ADD: stochastic depth; DROPOUT: rate            */
    int param[4];              /* parameter numbers, -1 = none                    */
    int stage, block, index;   /* block within its stage; index over all blocks   */
} eff_node;

typedef enum eff_param_kind {
    EFF_PARAM_CONV, EFF_PARAM_DWCONV, EFF_PARAM_BN_GAMMA, EFF_PARAM_BN_BETA, EFF_PARAM_BN_MEAN, EFF_PARAM_BN_VAR,
    EFF_PARAM_SE_WEIGHT, EFF_PARAM_SE_BIAS, EFF_PARAM_FC_WEIGHT, EFF_PARAM_FC_BIAS
} eff_param_kind;

typedef struct eff_param {
    char name[EFF_NAME_LEN];   /* neutral: "blocks.1.0.expand.bn.running_mean" (reference §8.1) */
    eff_param_kind kind;
    int ndim, dim[4];          /* PyTorch's shape: conv [out][in][k][k], depthwise [c][1][k][k], fc [out][in] */
    size_t count;              /* elements                                        */
    int node;                  /* that uses it                                    */
} eff_param;

typedef struct eff_graph {
    int nnodes, nparams;
    eff_node *node;
    eff_param *param;
    int classes, blocks;
    eff_param **by_name; /* into `param`, sorted by name for eff_graph_find_param() */
} eff_graph;

/** Build `t` at height x width (0 = the table's). EFF_EARG when the input is too small for the strides or a size overflows. */
eff_status eff_graph_build(eff_graph **out, const eff_table *t, int height, int width, eff_error *err);
void eff_graph_free(eff_graph *g);

/** Whether two graphs have the same parameters: names and shapes, in this order. */
bool eff_graph_same_params(const eff_graph *a, const eff_graph *b);

/** Number of the parameter called `name`, or -1. */
int eff_graph_find_param(const eff_graph *g, const char *name);

/** Values that the network gives: logits, or, without classes, the pooled features. */
static inline int eff_graph_outputs(const eff_graph *g) { return g->node[g->nnodes - 1].c; }

/** Values that a classifier reads. */
static inline int eff_graph_features(const eff_graph *g)
{
    const eff_node *last = &g->node[g->nnodes - 1];
    return last->op == EFF_NODE_LINEAR ? g->node[last->in[0]].c : last->c;
}

static inline int eff_param_is_buffer(eff_param_kind k) { return k == EFF_PARAM_BN_MEAN || k == EFF_PARAM_BN_VAR; }
static inline int eff_param_is_classifier(eff_param_kind k)
{
    return k == EFF_PARAM_FC_WEIGHT || k == EFF_PARAM_FC_BIAS;
}

#endif
