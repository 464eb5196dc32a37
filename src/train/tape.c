/* SPDX-License-Identifier: Apache-2.0 */
/* From graph to tape. Every node either starts an op or extends the view of the op before it; a node that extends a view must be
 * the only reader of what it extends, so that everybody who reads an op reads the same view. */
#include "train/tape.h"

#include "base/mem.h"

typedef struct lowering {
    eff_tape *t;
    int *owner;  /* op whose stored tensor or view a node's value is */
    int *reads;  /* nodes that read a node's value                   */
} lowering;

static eff_tape_op *add_op(lowering *l, eff_tape_kind kind, int node)
{
    const eff_node *d = &l->t->g->node[node];
    eff_tape_op *o = &l->t->op[l->t->n];
    *o = (eff_tape_op){ .kind = kind, .node = d, .in = { -1, -1 }, .h = d->h, .w = d->w, .c = d->c, .act = EFF_ACT_NONE,
                        .first_reader = -1, .last_reader = -1 };
    for (int j = 0; j < 2; j++)
        if (d->in[j] >= 0) o->in[j] = l->owner[d->in[j]];
    l->owner[node] = l->t->n++;
    return o;
}

/* A node that extends the view of its input's op. */
static bool extend(lowering *l, int node)
{
    const eff_node *d = &l->t->g->node[node];
    eff_tape_op *o = &l->t->op[l->owner[d->in[0]]];
    l->owner[node] = l->owner[d->in[0]];
    if (l->reads[d->in[0]] != 1) return false;
    switch (d->op) {
    case EFF_NODE_BN:
        if (!eff_tape_plain(o)) return false;
        o->bn = d;
        return true;
    case EFF_NODE_ACT:
        if (o->act != EFF_ACT_NONE || o->se) return false;
        o->act = d->act;
        return true;
    case EFF_NODE_SE:
        if (o->se) return false;
        o->se = d;
        return true;
    default: return false;
    }
}

static bool lower_node(lowering *l, int i)
{
    const eff_node *d = &l->t->g->node[i];
    switch (d->op) {
    case EFF_NODE_INPUT: add_op(l, EFF_TAPE_INPUT, i); return true;
    case EFF_NODE_CONV: add_op(l, EFF_TAPE_CONV, i); return true;
    case EFF_NODE_DWCONV: add_op(l, EFF_TAPE_DWCONV, i); return true;
    case EFF_NODE_ADD: add_op(l, EFF_TAPE_ADD, i); return true;
    case EFF_NODE_MAXPOOL: add_op(l, EFF_TAPE_MAXPOOL, i); return true;
    case EFF_NODE_BN:
    case EFF_NODE_ACT:
    case EFF_NODE_SE: return extend(l, i);
    case EFF_NODE_MEAN: /* mean and dropout belong to the head */
    case EFF_NODE_DROPOUT:
        l->owner[i] = l->owner[d->in[0]];
        if (d->op == EFF_NODE_DROPOUT) l->t->dropout = d->drop;
        return true;
    case EFF_NODE_LINEAR: add_op(l, EFF_TAPE_HEAD, i); return i == l->t->g->nnodes - 1;
    }
    return false;
}

static bool learns_any(const eff_node *d, const bool *learns, const eff_graph *g)
{
    for (int i = 0; d && i < 4; i++)
        if (d->param[i] >= 0 && !eff_param_is_buffer(g->param[d->param[i]].kind) && (!learns || learns[d->param[i]])) return true;
    return false;
}

static void mark(eff_tape *t, const bool *learns)
{
    for (int i = 0; i < t->n; i++) {
        eff_tape_op *o = &t->op[i];
        o->trainable = learns_any(o->node, learns, t->g) || learns_any(o->bn, learns, t->g) || learns_any(o->se, learns, t->g);
        o->needs_grad = o->trainable;
        for (int j = 0; j < 2; j++) {
            if (o->in[j] < 0) continue;
            eff_tape_op *in = &t->op[o->in[j]];
            o->needs_grad |= in->needs_grad;
            if (in->first_reader < 0) in->first_reader = i;
            in->last_reader = i;
        }
    }
}

eff_status eff_tape_create(eff_tape *out, const eff_graph *g, const bool *learns, eff_error *err)
{
    const size_t n = (size_t)g->nnodes;
    *out = (eff_tape){ 0 };
    if (!g->classes) return eff_fail(err, EFF_EARG, "the network has no classifier, so there is nothing to train it by");
    *out = (eff_tape){ .g = g, .op = eff_malloc(n * sizeof *out->op) };
    lowering l = { .t = out, .owner = eff_malloc(n * sizeof *l.owner), .reads = eff_calloc(n, sizeof *l.reads) };
    eff_status s = EFF_OK;
    if (!out->op || !l.owner || !l.reads) {
        s = eff_fail_memory(err, n * (sizeof *out->op + 2 * sizeof *l.owner));
        goto end;
    }
    for (int i = 0; i < g->nnodes; i++)
        for (int j = 0; j < 2; j++)
            if (g->node[i].in[j] >= 0) l.reads[g->node[i].in[j]]++;
    for (int i = 0; s == EFF_OK && i < g->nnodes; i++)
        if (!lower_node(&l, i)) s = eff_fail(err, EFF_EUNSUPPORTED, "node %d of the graph cannot be trained", i);
    if (s == EFF_OK) mark(out, learns);
    for (int i = 0; s == EFF_OK && i < out->n; i++) {
        const eff_tape_op *o = &out->op[i];
        if (o->se && (o->first_reader != o->last_reader || out->op[o->first_reader].kind != EFF_TAPE_CONV))
            s = eff_fail(err, EFF_EUNSUPPORTED, "squeeze-and-excitation that no single convolution reads cannot be trained");
    }
end:
    eff_free(l.owner);
    eff_free(l.reads);
    if (s != EFF_OK) eff_tape_destroy(out);
    return s;
}

void eff_tape_destroy(eff_tape *t)
{
    eff_free(t->op);
    *t = (eff_tape){ 0 };
}
