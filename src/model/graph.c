/* SPDX-License-Identifier: Apache-2.0 */
/* From table to graph: every stage unrolled into nodes, each with its output shape, padding and named parameters. A node's
 * inputs have lower numbers than the node, and every product of dimensions of a finished graph fits a size_t. */
#include "model/graph.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { /* upper bounds of what one block (bottleneck, MBConv) and stem, head and classifier together need */
    BLOCK_NODES = 12,
    BLOCK_PARAMS = 20,
    OUTER_NODES = 12,
    OUTER_PARAMS = 12
};

/* A tensor of more elements than this, or a graph of more multiply-adds, is refused as too large. */
#define MAX_ELEMENTS ((uint64_t)1 << 40)
#define MAX_MACS     ((uint64_t)1 << 62)

typedef struct builder {
    eff_graph *g;
    const eff_table *t;
    int max_nodes, max_params;
    int stage, block, index;
    uint64_t macs;
    bool too_large;
} builder;

static uint64_t limited(builder *b, uint64_t x, uint64_t y, uint64_t limit)
{
    uint64_t r;
    if (__builtin_mul_overflow(x, y, &r) || r > limit) {
        b->too_large = true;
        return limit;
    }
    return r;
}

/* --------------------------------------------------------------------------------- nodes and parameters */

/* A node after `in`, with its shape until the caller says otherwise. */
static eff_node *add_node(builder *b, eff_node_op op, int in)
{
    eff_graph *const g = b->g;
    assert(g->nnodes < b->max_nodes);
    eff_node *const n = &g->node[g->nnodes++];
    *n = (eff_node){ .op = op, .in = { in, -1 }, .param = { -1, -1, -1, -1 }, .kernel = 1, .stride = 1 };
    if (in >= 0) {
        n->h = g->node[in].h;
        n->w = g->node[in].w;
        n->c = g->node[in].c;
    }
    n->stage = b->stage;
    n->block = b->block;
    n->index = b->index;
    return n;
}

static int last(const builder *b) { return b->g->nnodes - 1; }

static int add_param(builder *b, eff_param_kind kind, const char *prefix, const char *name, int ndim, int d0, int d1, int k)
{
    eff_graph *const g = b->g;
    assert(g->nparams < b->max_params);
    eff_param *const p = &g->param[g->nparams];
    p->kind = kind;
    p->ndim = ndim;
    p->dim[0] = d0;
    p->dim[1] = ndim > 1 ? d1 : 1;
    p->dim[2] = p->dim[3] = ndim > 2 ? k : 1;
    uint64_t count = (uint64_t)d0;
    for (int i = 1; i < ndim; i++) count = limited(b, count, (uint64_t)p->dim[i], MAX_ELEMENTS);
    p->count = (size_t)count;
    p->node = last(b);
    const int len = snprintf(p->name, sizeof p->name, "%s%s", prefix, name);
    assert(len < (int)sizeof p->name);
    (void)len;
    return g->nparams++;
}

/* TensorFlow's SAME puts the odd pixel after; the symmetric rule has k/2 on both sides and may leave the last row unread. */
static int pad_axis(eff_pad rule, int n, int k, int s, int *before, int *after)
{
    if (rule == EFF_PAD_SYMMETRIC) {
        *before = *after = k / 2;
        return (n + 2 * (k / 2) - k) / s + 1;
    }
    const int out = (n + s - 1) / s;
    const int need = (out - 1) * s + k - n;
    const int total = need > 0 ? need : 0;
    *before = total / 2;
    *after = total - total / 2;
    return out;
}

static void set_window(builder *b, eff_node *n, int k, int stride)
{
    n->kernel = k;
    n->stride = stride;
    n->h = pad_axis(b->t->pad, n->h, k, stride, &n->pad_top, &n->pad_bottom);
    n->w = pad_axis(b->t->pad, n->w, k, stride, &n->pad_left, &n->pad_right);
}

static void charge_macs(builder *b, uint64_t out_elements, uint64_t per_element)
{
    b->macs += limited(b, out_elements, per_element, MAX_MACS);
    if (b->macs > MAX_MACS) b->too_large = true;
}

static uint64_t elements(builder *b, const eff_node *n)
{
    return limited(b, limited(b, (uint64_t)n->h, (uint64_t)n->w, MAX_ELEMENTS), (uint64_t)n->c, MAX_ELEMENTS);
}

static int add_act(builder *b, int in, eff_act act)
{
    if (act == EFF_ACT_NONE) return in;
    add_node(b, EFF_NODE_ACT, in)->act = act;
    return last(b);
}

/* Convolution (dense, or depthwise when out is 0), BN, activation; parameters are NAME.conv.* and NAME.bn.*. */
static int add_conv(builder *b, int in, const char *name, int out, int k, int stride, eff_act act)
{
    const int c = b->g->node[in].c;
    const bool depthwise = out == 0;
    eff_node *n = add_node(b, depthwise ? EFF_NODE_DWCONV : EFF_NODE_CONV, in);
    set_window(b, n, k, stride);
    if (!depthwise) n->c = out;
    const eff_param_kind kind = depthwise ? EFF_PARAM_DWCONV : EFF_PARAM_CONV;
    n->param[0] = add_param(b, kind, name, ".conv.weight", 4, n->c, depthwise ? 1 : c, k);
    charge_macs(b, elements(b, n), (uint64_t)k * (uint64_t)k * (uint64_t)(depthwise ? 1 : c));

    n = add_node(b, EFF_NODE_BN, last(b));
    n->eps = (float)b->t->bn_eps;
    n->param[0] = add_param(b, EFF_PARAM_BN_GAMMA, name, ".bn.weight", 1, n->c, 0, 0);
    n->param[1] = add_param(b, EFF_PARAM_BN_BETA, name, ".bn.bias", 1, n->c, 0, 0);
    n->param[2] = add_param(b, EFF_PARAM_BN_MEAN, name, ".bn.running_mean", 1, n->c, 0, 0);
    n->param[3] = add_param(b, EFF_PARAM_BN_VAR, name, ".bn.running_var", 1, n->c, 0, 0);
    return add_act(b, last(b), act);
}

/* ------------------------------------------------------------------------------------------- blocks */

/* "blocks.S.J.part" in one buffer: the caller uses it before the next call. */
typedef struct part_name {
    char s[EFF_NAME_LEN];
} part_name;

static const char *part(const builder *b, part_name *p, const char *name)
{
    snprintf(p->s, sizeof p->s, "blocks.%d.%d.%s", b->stage, b->block, name);
    return p->s;
}

static int add_se(builder *b, int in, int squeeze, eff_act act)
{
    part_name p;
    eff_node *const n = add_node(b, EFF_NODE_SE, in);
    n->act = act;
    n->squeeze = squeeze;
    n->param[0] = add_param(b, EFF_PARAM_SE_WEIGHT, part(b, &p, "se.reduce"), ".weight", 4, squeeze, n->c, 1);
    n->param[1] = add_param(b, EFF_PARAM_SE_BIAS, p.s, ".bias", 1, squeeze, 0, 0);
    n->param[2] = add_param(b, EFF_PARAM_SE_WEIGHT, part(b, &p, "se.expand"), ".weight", 4, n->c, squeeze, 1);
    n->param[3] = add_param(b, EFF_PARAM_SE_BIAS, p.s, ".bias", 1, n->c, 0, 0);
    charge_macs(b, (uint64_t)n->c, 2 * (uint64_t)squeeze);
    return last(b);
}

static int add_sum(builder *b, int branch, int shortcut)
{
    eff_node *const n = add_node(b, EFF_NODE_ADD, branch);
    n->in[1] = shortcut;
    n->drop = (float)(b->t->drop_path * b->index / b->g->blocks); /* grows linearly from the first block on */
    return last(b);
}

static bool same_shape(const builder *b, int x, int y)
{
    const eff_node *const p = &b->g->node[x], *const q = &b->g->node[y];
    return p->h == q->h && p->w == q->w && p->c == q->c;
}

static int add_inverted(builder *b, const eff_stage *s, int in, int stride)
{
    part_name p;
    const int c = b->g->node[in].c;
    const int mid = eff_stage_mid(s, b->block == 0 && s->expand_from ? s->expand_from : c);
    int x = in;
    if (s->op == EFF_OP_FUSED) {
        x = add_conv(b, x, part(b, &p, "expand"), mid, s->kernel, stride, s->act);
    } else {
        if (s->expand != 1 || mid != c) x = add_conv(b, x, part(b, &p, "expand"), mid, 1, 1, s->act);
        x = add_conv(b, x, part(b, &p, "dw"), 0, s->kernel, stride, s->act);
    }
    if (s->se > 0) x = add_se(b, x, eff_stage_squeeze(s, c), s->act);
    x = add_conv(b, x, part(b, &p, "project"), s->channels, 1, 1, EFF_ACT_NONE);
    return eff_stage_shortcut(s, c, stride) ? add_sum(b, x, in) : x;
}

static int add_plain(builder *b, const eff_stage *s, int in, int stride)
{
    part_name p;
    int x;
    if (s->op == EFF_OP_CONV) {
        x = add_conv(b, in, part(b, &p, "conv"), s->channels, s->kernel, stride, s->act);
    } else {
        x = add_conv(b, in, part(b, &p, "dw"), 0, s->kernel, stride, s->act);
        x = add_conv(b, x, part(b, &p, "project"), s->channels, 1, 1, s->act);
    }
    return eff_stage_shortcut(s, b->g->node[in].c, stride) ? add_sum(b, x, in) : x;
}

static int add_residual(builder *b, const eff_stage *s, int in, int stride)
{
    part_name p;
    int x;
    if (s->op == EFF_OP_BASIC) {
        x = add_conv(b, in, part(b, &p, "conv1"), s->channels, s->kernel, stride, s->act);
        x = add_conv(b, x, part(b, &p, "conv2"), s->channels, s->kernel, 1, EFF_ACT_NONE);
    } else {
        const int mid = eff_stage_mid(s, 0);
        x = add_conv(b, in, part(b, &p, "reduce"), mid, 1, 1, s->act);
        x = add_conv(b, x, part(b, &p, "conv"), mid, s->kernel, stride, s->act);
        x = add_conv(b, x, part(b, &p, "expand"), s->channels, 1, 1, EFF_ACT_NONE);
    }
    int shortcut = in;
    if (stride != 1 || !same_shape(b, x, in))
        shortcut = add_conv(b, in, part(b, &p, "shortcut"), s->channels, 1, stride, EFF_ACT_NONE);
    return add_act(b, add_sum(b, x, shortcut), s->act);
}

static int add_block(builder *b, const eff_stage *s, int in)
{
    const int stride = b->block == 0 ? s->stride : 1;
    if (eff_op_residual(s->op)) return add_residual(b, s, in, stride);
    if (s->op == EFF_OP_CONV || s->op == EFF_OP_DSCONV) return add_plain(b, s, in, stride);
    return add_inverted(b, s, in, stride);
}

/* -------------------------------------------------------------------------------------------- graph */

static void build(builder *b, int height, int width)
{
    const eff_table *const t = b->t;
    eff_graph *const g = b->g;

    b->stage = EFF_STAGE_STEM;
    eff_node *n = add_node(b, EFF_NODE_INPUT, -1);
    n->h = height;
    n->w = width;
    n->c = 3;
    int x = add_conv(b, 0, "stem", t->stem_channels, t->stem_kernel, t->stem_stride, t->act);
    if (t->stem_pool) {
        set_window(b, add_node(b, EFF_NODE_MAXPOOL, x), 3, 2);
        x = last(b);
    }
    for (b->stage = 0; b->stage < t->nstages; b->stage++)
        for (b->block = 0; b->block < t->stage[b->stage].repeats; b->block++) {
            x = add_block(b, &t->stage[b->stage], x);
            b->index++;
        }
    b->block = b->index = 0;
    if (t->head_channels) x = add_conv(b, x, "head", t->head_channels, 1, 1, t->act);

    n = add_node(b, EFF_NODE_MEAN, x);
    n->h = n->w = 1;
    if (!t->classes) return; /* the features are what it gives */
    n = add_node(b, EFF_NODE_DROPOUT, last(b));
    n->drop = (float)t->dropout;
    const int features = n->c;
    n = add_node(b, EFF_NODE_LINEAR, last(b));
    n->c = t->classes;
    n->param[0] = add_param(b, EFF_PARAM_FC_WEIGHT, "head.fc", ".weight", 2, t->classes, features, 0);
    n->param[1] = add_param(b, EFF_PARAM_FC_BIAS, "head.fc", ".bias", 1, t->classes, 0, 0);
    charge_macs(b, (uint64_t)t->classes, (uint64_t)features);
    g->classes = t->classes;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const eff_param *const *)a)->name, (*(const eff_param *const *)b)->name);
}

eff_status eff_graph_build(eff_graph **out, const eff_table *t, int height, int width, eff_error *err)
{
    *out = NULL;
    eff_status s = eff_table_check(t, err);
    if (s) return s;
    if (height == 0) height = t->height;
    if (width == 0) width = t->width_px;
    if (height < 1 || height > EFF_MAX_SIDE || width < 1 || width > EFF_MAX_SIDE)
        return eff_fail(err, EFF_EARG, "resolution: expected sides in 1..%d, found %dx%d", EFF_MAX_SIDE, height, width);

    builder b = { .t = t };
    int blocks = 0;
    for (int i = 0; i < t->nstages; i++) blocks += t->stage[i].repeats;
    b.max_nodes = blocks * BLOCK_NODES + OUTER_NODES;
    b.max_params = blocks * BLOCK_PARAMS + OUTER_PARAMS;
    const size_t node_bytes = (size_t)b.max_nodes * sizeof(eff_node);
    const size_t param_bytes = (size_t)b.max_params * (sizeof(eff_param) + sizeof(eff_param *));

    eff_graph *const g = b.g = eff_calloc(1, sizeof *g);
    if (g) g->node = eff_calloc((size_t)b.max_nodes, sizeof *g->node);
    if (g) g->param = eff_calloc((size_t)b.max_params, sizeof *g->param);
    if (g) g->by_name = eff_calloc((size_t)b.max_params, sizeof *g->by_name);
    if (!g || !g->node || !g->param || !g->by_name) {
        s = eff_fail_memory(err, node_bytes + param_bytes);
        goto fail;
    }
    g->blocks = blocks;
    build(&b, height, width);
    if (b.too_large) {
        s = eff_fail(err, EFF_EARG, "the network is too large at %dx%d: a tensor exceeds 2^40 elements, or the whole 2^62"
                     " multiply-adds", height, width);
        goto fail;
    }
    for (int i = 0; i < g->nparams; i++) g->by_name[i] = &g->param[i];
    qsort(g->by_name, (size_t)g->nparams, sizeof *g->by_name, compare_names);
    *out = g;
    return EFF_OK;
fail:
    eff_graph_free(g);
    return s;
}

bool eff_graph_same_params(const eff_graph *a, const eff_graph *b)
{
    if (a->nparams != b->nparams) return false;
    for (int i = 0; i < a->nparams; i++) {
        const eff_param *const p = &a->param[i], *const q = &b->param[i];
        if (strcmp(p->name, q->name) != 0 || memcmp(p->dim, q->dim, sizeof p->dim) != 0) return false;
    }
    return true;
}

void eff_graph_free(eff_graph *g)
{
    if (!g) return;
    eff_free(g->node);
    eff_free(g->param);
    eff_free(g->by_name);
    eff_free(g);
}

int eff_graph_find_param(const eff_graph *g, const char *name)
{
    int lo = 0, hi = g->nparams;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        const int order = strcmp(name, g->by_name[mid]->name);
        if (order == 0) return (int)(g->by_name[mid] - g->param);
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return -1;
}
