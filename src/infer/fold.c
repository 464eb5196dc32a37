/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering of a graph to steps. A node is fused into its producer only when that is its sole reader, so no value that someone
 * else needs is lost; dropout is the identity here. */
#include "infer/fold.h"

#include "base/mem.h"

#include <stdbool.h>

enum { NOBODY = -1, SEVERAL = -2 };

typedef struct lowering {
    const eff_graph *g;
    int *reader; /* the one node that reads this node's value, NOBODY or SEVERAL */
    bool *done;  /* belongs to a step already                                    */
} lowering;

static void find_readers(lowering *l)
{
    for (int i = 0; i < l->g->nnodes; i++) l->reader[i] = NOBODY;
    for (int i = 0; i < l->g->nnodes; i++)
        for (int j = 0; j < 2; j++) {
            const int in = l->g->node[i].in[j];
            if (in >= 0) l->reader[in] = l->reader[in] == NOBODY ? i : SEVERAL;
        }
}

/* Node whose value `node` has at inference: dropout passes its input through. */
static int source(const eff_graph *g, int node)
{
    while (node >= 0 && g->node[node].op == EFF_NODE_DROPOUT) node = g->node[node].in[0];
    return node;
}

/* The sole reader of the step's value so far, if it is an `op`; else -1. */
static int next_is(const lowering *l, const eff_step *s, eff_node_op op)
{
    const int r = l->reader[s->out];
    return r >= 0 && l->g->node[r].op == op ? r : -1;
}

static void take(lowering *l, eff_step *s, int node)
{
    l->done[node] = true;
    s->out = node;
}

static bool take_act(lowering *l, eff_step *s)
{
    const int r = next_is(l, s, EFF_NODE_ACT);
    if (r < 0) return false;
    s->act = l->g->node[r].act;
    take(l, s, r);
    return true;
}

/* Batch norm, activation and residual that follow a convolution. */
static void fuse_tail(lowering *l, eff_step *s)
{
    const eff_graph *g = l->g;
    const int bn = next_is(l, s, EFF_NODE_BN);
    if (bn >= 0) {
        s->bn = bn;
        take(l, s, bn);
    }
    const bool acted = take_act(l, s);
    if (s->op != EFF_STEP_CONV) return;
    const int add = next_is(l, s, EFF_NODE_ADD);
    if (add < 0) return;
    const int other = source(g, g->node[add].in[0] == s->out ? g->node[add].in[1] : g->node[add].in[0]);
    if (other > s->node) return; /* not computed yet: that branch takes the addition */
    s->res = other;
    s->res_after = acted;
    take(l, s, add);
    if (!acted) take_act(l, s);
}

static eff_step start_step(const eff_graph *g, int i)
{
    const eff_node *d = &g->node[i];
    eff_step s = { .node = i, .bn = -1, .in = source(g, d->in[0]), .res = -1, .out = i, .act = EFF_ACT_NONE };
    switch (d->op) {
    case EFF_NODE_DWCONV: s.op = EFF_STEP_DWCONV; break;
    case EFF_NODE_SE: s.op = EFF_STEP_SE; break;
    case EFF_NODE_MAXPOOL: s.op = EFF_STEP_MAXPOOL; break;
    case EFF_NODE_MEAN: s.op = EFF_STEP_MEAN; break;
    case EFF_NODE_ACT:
        s.op = EFF_STEP_ACT;
        s.act = d->act;
        break;
    case EFF_NODE_ADD:
        s.op = EFF_STEP_ADD;
        s.res = source(g, d->in[1]);
        break;
    default: s.op = EFF_STEP_CONV; /* CONV and LINEAR; the builder puts every BN behind a convolution */
    }
    return s;
}

eff_status eff_fold(eff_step **steps, int *count, const eff_graph *g, eff_error *err)
{
    const size_t n = (size_t)g->nnodes;
    lowering l = { .g = g, .reader = eff_malloc(n * sizeof *l.reader), .done = eff_calloc(n, sizeof *l.done) };
    eff_step *step = eff_malloc(n * sizeof *step);
    eff_status status = EFF_OK;
    if (!l.reader || !l.done || !step) {
        eff_free(step);
        step = NULL;
        status = eff_fail_memory(err, n * sizeof *step);
        goto end;
    }
    find_readers(&l);
    *count = 0;
    for (int i = 0; i < g->nnodes; i++) {
        if (l.done[i] || g->node[i].op == EFF_NODE_INPUT || g->node[i].op == EFF_NODE_DROPOUT) continue;
        eff_step s = start_step(g, i);
        if (g->node[i].op == EFF_NODE_CONV || g->node[i].op == EFF_NODE_DWCONV) fuse_tail(&l, &s);
        step[(*count)++] = s;
    }
end:
    *steps = step;
    eff_free(l.done);
    eff_free(l.reader);
    return status;
}

/* Whether step i alone reads node's value. */
static bool alone(const eff_step *step, int count, int i, int node)
{
    for (int j = 0; j < count; j++)
        if (j != i && (step[j].in == node || step[j].res == node)) return false;
    return step[i].in == node && step[i].res != node;
}

/* Step i reads what step i-1 has put out, and nobody else does. */
static bool follows(const eff_step *step, int count, int i, eff_step_op op)
{
    return i < count && step[i].op == op && alone(step, count, i, step[i - 1].out);
}

static bool pointwise(const eff_step *s, const eff_graph *g)
{
    const eff_node *d = &g->node[s->node];
    return s->op == EFF_STEP_CONV && d->op == EFF_NODE_CONV && d->kernel == 1 && d->stride == 1;
}

int eff_block_at(eff_block *b, const eff_step *step, int count, int i, const eff_graph *g)
{
    enum { FEW = 4, MOST_TAPS = 16, MOST_STRIDE = 4 }; /* channels and sizes beyond these go layer by layer */
    const eff_step *s = &step[i];
    *b = (eff_block){ 0 };
    if (s->op == EFF_STEP_CONV) {
        if (g->node[s->node].op != EFF_NODE_CONV || s->res >= 0) return 0;
        if (!pointwise(s, g) && g->node[s->in].c > FEW) return 0;
        if (!follows(step, count, i + 1, EFF_STEP_DWCONV)) return 0;
        b->expand = s;
        i++;
    }
    b->dw = &step[i];
    const eff_node *d = &g->node[step[i].node];
    if (b->dw->op != EFF_STEP_DWCONV || d->kernel > MOST_TAPS || d->stride > MOST_STRIDE) return 0;
    if (follows(step, count, i + 1, EFF_STEP_SE)) b->se = &step[++i];
    if (!follows(step, count, i + 1, EFF_STEP_CONV) || !pointwise(&step[i + 1], g)) return 0;
    b->project = &step[i + 1];
    b->steps = (int)(b->project - s) + 1;
    return 1;
}

int eff_mean_after(const eff_step *step, int count, int i, const eff_graph *g)
{
    return pointwise(&step[i], g) && step[i].res < 0 && follows(step, count, i + 1, EFF_STEP_MEAN);
}
