/* SPDX-License-Identifier: Apache-2.0 */
/* Counting: a walk over the nodes of a graph. A multiply-add is one of a convolution or linear layer (BN, activations, pooling
 * and additions are not counted), SE's two layers included; "conv outputs" are those of convolutions and of SE's two layers. */
#include "model/count.h"

#include <string.h>

typedef struct cost {
    uint64_t params, buffers, macs, outputs;
    int convs;
} cost;

static uint64_t elements(const eff_node *n) { return (uint64_t)n->h * (uint64_t)n->w * (uint64_t)n->c; }

static cost node_cost(const eff_graph *g, const eff_node *n)
{
    cost c = { 0 };
    for (int i = 0; i < 4; i++) {
        if (n->param[i] < 0) continue;
        const eff_param *const p = &g->param[n->param[i]];
        if (eff_param_is_buffer(p->kind))
            c.buffers += p->count;
        else
            c.params += p->count;
    }
    switch (n->op) {
    case EFF_NODE_CONV:
    case EFF_NODE_DWCONV:
        c.convs = 1;
        c.outputs = elements(n);
        c.macs = (uint64_t)n->h * (uint64_t)n->w * g->param[n->param[0]].count; /* every weight once a position */
        break;
    case EFF_NODE_SE:
        c.convs = 2;
        c.outputs = (uint64_t)n->squeeze + (uint64_t)n->c;
        c.macs = 2 * (uint64_t)n->squeeze * (uint64_t)n->c;
        break;
    case EFF_NODE_LINEAR: c.macs = g->param[n->param[0]].count; break;
    default: break;
    }
    return c;
}

/* The column of model_stats.tsv that a node's multiply-adds belong to: the stem by place, a 1x1 after the last block is the
 * head's, other dense convolutions by whether they see a neighbourhood. */
static uint64_t *column(eff_counts *out, const eff_node *n, int head_stage)
{
    switch (n->op) {
    case EFF_NODE_DWCONV: return &out->macs_dw;
    case EFF_NODE_SE: return &out->macs_se;
    case EFF_NODE_LINEAR: return &out->macs_fc;
    default:
        if (n->stage == EFF_STAGE_STEM) return &out->macs_stem;
        if (n->stage == head_stage) return &out->macs_head;
        return n->kernel == 1 ? &out->macs_pw : &out->macs_full;
    }
}

void eff_count(eff_counts *out, const eff_graph *g)
{
    *out = (eff_counts){ .blocks = g->blocks };
    const int head_stage = g->node[g->nnodes - 1].stage;
    for (int i = 0; i < g->nnodes; i++) {
        const cost c = node_cost(g, &g->node[i]);
        out->params += c.params;
        out->bn_buffers += c.buffers;
        out->macs += c.macs;
        out->conv_out_elems += c.outputs;
        out->conv_layers += c.convs;
        *column(out, &g->node[i], head_stage) += c.macs;
    }
}

/* --------------------------------------------------------------------------------------------- rows */

static void shape(int to[3], const eff_node *n)
{
    to[0] = n->h;
    to[1] = n->w;
    to[2] = n->c;
}

/* Rows by place: stem, one a stage, head (only with a 1x1 convolution), classifier or, without classes, pooling. */
static int row_of(const eff_table *t, const eff_node *n)
{
    if (n->stage == EFF_STAGE_STEM) return 0;
    if (n->stage < t->nstages) return 1 + n->stage;
    const bool classifier = n->op == EFF_NODE_MEAN || n->op == EFF_NODE_DROPOUT || n->op == EFF_NODE_LINEAR;
    return 1 + t->nstages + (classifier && t->head_channels ? 1 : 0);
}

int eff_count_rows(eff_stage_info *rows, const eff_table *t, const eff_graph *g)
{
    const int n = t->nstages + 2 + (t->head_channels ? 1 : 0);
    memset(rows, 0, (size_t)n * sizeof *rows);
    rows[0] = (eff_stage_info){ .role = "stem", .op = "conv", .act = eff_act_name(t->act), .kernel = t->stem_kernel,
                                .stride = t->stem_stride, .channels = t->stem_channels, .repeats = 1, .expand = 1 };
    for (int i = 0; i < t->nstages; i++) {
        const eff_stage *const s = &t->stage[i];
        rows[1 + i] = (eff_stage_info){ .role = "stage", .op = eff_op_name(s->op), .act = eff_act_name(s->act),
                                        .kernel = s->kernel, .stride = s->stride, .channels = s->channels,
                                        .repeats = s->repeats, .expand = s->expand, .se = s->se };
    }
    if (t->head_channels)
        rows[n - 2] = (eff_stage_info){ .role = "head", .op = "conv", .act = eff_act_name(t->act), .kernel = 1, .stride = 1,
                                        .channels = t->head_channels, .repeats = 1, .expand = 1 };
    rows[n - 1] = (eff_stage_info){ .role = "classifier", .op = "linear", .act = "none", .kernel = 1, .stride = 1,
                                    .channels = t->classes, .repeats = 1, .expand = 1 };
    if (!t->classes) {
        rows[n - 1].role = "features";
        rows[n - 1].op = "mean";
        rows[n - 1].channels = eff_graph_features(g);
    }

    int current = 0; /* rows follow one another in node order, so a row's input is the output of the one before */
    shape(rows[0].in, &g->node[0]);
    for (int i = 0; i < g->nnodes; i++) {
        const eff_node *const node = &g->node[i];
        const cost c = node_cost(g, node);
        const int r = row_of(t, node);
        if (r != current) {
            memcpy(rows[r].in, rows[current].out, sizeof rows[r].in);
            current = r;
        }
        rows[r].params += c.params;
        rows[r].macs += c.macs;
        rows[r].activation_bytes += 4 * c.outputs;
        shape(rows[r].out, node);
    }
    return n;
}
