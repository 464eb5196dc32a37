/* SPDX-License-Identifier: Apache-2.0 */
/* The inference plan: a graph with batch norm folded into the convolutions, activations and residuals fused into them, weights
 * packed for one CPU level, and every buffer placed. Made once, run many times; running neither allocates nor fails. */
#ifndef EFF_INFER_PLAN_H
#define EFF_INFER_PLAN_H

#include "base/pool.h"
#include "kernels/kernels.h"
#include "model/graph.h"

typedef struct eff_plan eff_plan;

/** @param weights  by parameter number, borrowed for the call; NULL plans memory only (eff_plan_run() must not be called)
 *  @param threads  workers that will run it (per-worker scratch)
 *  @param keep_all every node's output keeps its own memory, for eff_plan_value()
 *  The graph must outlive the plan. */
eff_status eff_plan_create(eff_plan **out, const eff_graph *g, float *const *weights, const eff_kernels *k, int threads,
                           int keep_all, eff_error *err);

/** A plan with memory of its own for one worker, and the weights of `of`, which must outlive it: so that several images
 * are computed at once. Not of one with keep_all. */
eff_status eff_plan_share(eff_plan **out, const eff_plan *of, eff_error *err);

/** One image: x float32 [h][w][3], logits [eff_graph_outputs()]. `pool` may be NULL. */
void eff_plan_run(eff_plan *p, eff_pool *pool, const float *x, float *logits);

/** The pooled features of the last run, which the classifier read, [eff_graph_features()]. Until the next run. */
const float *eff_plan_features(const eff_plan *p);

/** Output of `node` in the last run, [h][w][c]; NULL when it was fused into a later one. Only with keep_all. */
const float *eff_plan_value(const eff_plan *p, int node);

/** Time and shape of one step. */
typedef struct eff_plan_layer {
    char name[EFF_NAME_LEN]; /* "blocks.3.1.project"                                  */
    const char *op;          /* "conv", "dwconv", "se", "maxpool", "mean", "act", "add" */
    int kernel, stride, in[3], out[3];
    uint64_t macs;           /* one image                                             */
    uint64_t computed;       /* of them; fewer in Winograd's form                     */
    double ns;               /* summed over runs                                      */
    long runs;
} eff_plan_layer;

/** Measure every step from now on (about 50 ns a step); again: start from zero. */
eff_status eff_plan_profile(eff_plan *p, eff_error *err);
int eff_plan_profiled(const eff_plan *p); /* whether it does */
/** Rows measured, borrowed until the plan is freed; 0 when eff_plan_profile() was not called. */
int eff_plan_layers(const eff_plan *p, const eff_plan_layer **rows);

size_t eff_plan_activation_bytes(const eff_plan *p); /* peak of activations, one image */
size_t eff_plan_scratch_bytes(const eff_plan *p);
size_t eff_plan_weight_bytes(const eff_plan *p);
void eff_plan_free(eff_plan *p);

#endif
