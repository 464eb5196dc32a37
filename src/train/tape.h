/* SPDX-License-Identifier: Apache-2.0 */
/* The tape: a graph as training sees it. Only what a convolution or an addition puts out is stored; batch norm, activation and
 * squeeze-and-excitation that follow are a *view* of the stored tensor, applied again whenever it is read, forward and backward.
 * That is one stored tensor a convolution where frameworks keep three, and fewer trips to memory than reading them back. */
#ifndef EFF_TRAIN_TAPE_H
#define EFF_TRAIN_TAPE_H

#include "model/graph.h"

typedef enum eff_tape_kind {
    EFF_TAPE_INPUT,
    EFF_TAPE_CONV,    /* dense, by GEMM            */
    EFF_TAPE_DWCONV,
    EFF_TAPE_ADD,
    EFF_TAPE_MAXPOOL,
    EFF_TAPE_HEAD     /* mean, dropout, linear     */
} eff_tape_kind;

typedef struct eff_tape_op {
    eff_tape_kind kind;
    const eff_node *node;   /* the convolution, addition... ; HEAD: the linear layer    */
    int in[2];              /* ops whose views are read; -1 = none                      */
    int h, w, c;            /* of what is stored                                        */
    const eff_node *bn;     /* the view, applied in this order; NULL = absent           */
    eff_act act;
    const eff_node *se;     /* read by one convolution, whose task computes the gate    */
    int first_reader;       /* the reader that comes first: the last to hand gradients back; -1 = nobody */
    int last_reader;
    bool trainable;         /* has parameters that learn                                */
    bool needs_grad;        /* it, or something before it, learns                       */
} eff_tape_op;

typedef struct eff_tape {
    const eff_graph *g;
    int n;
    eff_tape_op *op;
    float dropout;          /* of the head                                              */
} eff_tape;

/** @param learns  by parameter number; NULL = all
 *  @return EFF_EUNSUPPORTED when the graph has a chain that is not a view (no built-in has) */
eff_status eff_tape_create(eff_tape *out, const eff_graph *g, const bool *learns, eff_error *err);
void eff_tape_destroy(eff_tape *t);

static inline size_t eff_tape_floats(const eff_tape_op *o) { return (size_t)o->h * (size_t)o->w * (size_t)o->c; }
/** A view that is the stored tensor itself. */
static inline bool eff_tape_plain(const eff_tape_op *o) { return !o->bn && !o->se && o->act == EFF_ACT_NONE; }

#endif
