/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of a plan: batch norm folded in, in the order in which kernels read them, all in one block of memory, launch
 * after launch: what comes next in memory is what will be read next. Launches are packed by several threads. */
#include "infer/plan_internal.h"

#include "base/mem.h"
#include "base/pool.h"
#include "model/model.h"

#include <stdatomic.h>
#include <string.h>

static const float *param_of(float *const *weights, const eff_node *d, int i) { return weights[d->param[i]]; }

/* Scale and shift of the batch norm at node `bn`; without one (-1): 1 and 0. */
static void fold_bn(float *scale, float *shift, float *const *weights, const eff_plan *p, int bn, int c)
{
    if (bn >= 0) {
        eff_bn_fold(scale, shift, &p->g->node[bn], weights);
        return;
    }
    for (int i = 0; i < c; i++) scale[i] = 1.0f;
    memset(shift, 0, (size_t)c * sizeof *shift);
}

/* OIHW weight to [out][ky][kx][width], the order of patches; zeros beyond `in`. */
static void reorder_patches(float *dst, const float *w, int out, int in, int width, int taps)
{
    for (int o = 0; o < out; o++)
        for (int t = 0; t < taps; t++)
            for (int i = 0; i < width; i++)
                *dst++ = i < in ? w[((size_t)o * (size_t)in + (size_t)i) * (size_t)taps + (size_t)t] : 0.0f;
}

/* Values that a pixel of `in` channels has as an operand: whole words of them. */
static int operand_width(const eff_plan *p, int in) { return p->k.bf16 ? 2 * words(p, in) : in; }

/* Weight [n][in][taps] for dense products of patches [tap][in]. */
static eff_status pack_columns(const eff_plan *p, float *dst, const float *w, int n, int in, int taps,
                               const float *scale, eff_error *err)
{
    if (!p->k.bf16) {
        eff_gemm_pack_conv(&p->k, dst, w, n, in, taps, scale);
        return EFF_OK;
    }
    const int width = operand_width(p, in);
    const size_t bytes = (size_t)n * (size_t)taps * (size_t)width * sizeof(float);
    float *ordered = eff_malloc(bytes);
    if (!ordered) return eff_fail_memory(err, bytes);
    reorder_patches(ordered, w, n, in, width, taps);
    eff_gemm_pack_bf16(&p->k, dst, ordered, n, taps * width, scale);
    eff_free(ordered);
    return EFF_OK;
}

/* Takes n floats from the weight block. Everything starts on a cache line. */
static float *reserve(eff_plan *p, size_t n)
{
    float *at = p->weights ? p->weights + p->weight_floats : NULL;
    p->weight_floats += eff_round_up(n, EFF_ALIGN / sizeof(float));
    return at;
}

/* A dense convolution or linear layer `node` with `in` inputs; winograd: for that. */
static eff_status pack_conv(eff_plan *p, packed *out, int node, int bn, int in, bool winograd, float *const *weights,
                            eff_error *err)
{
    const eff_node *d = &p->g->node[node];
    const bool linear = d->op == EFF_NODE_LINEAR;
    const int taps = linear ? 1 : d->kernel * d->kernel, width = operand_width(p, in);
    const size_t padded = eff_padded(&p->k, d->c);
    const size_t floats = winograd ? eff_winograd_packed_size(p, d->c, in)
                                   : eff_gemm_packed_size(&p->k, d->c, words(p, taps * width));
    float *bias = reserve(p, padded), *b = reserve(p, floats);
    if (!b) return EFF_OK;
    const size_t bytes = (size_t)d->c * sizeof(float);
    float *scale = eff_malloc(bytes);
    if (!scale) return eff_fail_memory(err, bytes);
    memset(bias, 0, padded * sizeof *bias);
    fold_bn(scale, bias, weights, p, bn, d->c);
    if (linear) memcpy(bias, param_of(weights, d, 1), (size_t)d->c * sizeof *bias);
    const float *w = param_of(weights, d, 0);
    const eff_status s = winograd ? eff_winograd_pack(p, b, w, d->c, in, scale, err)
                                  : pack_columns(p, b, w, d->c, in, taps, scale, err);
    eff_free(scale);
    if (s != EFF_OK) return s;
    *out = (packed){ b, bias };
    return EFF_OK;
}

/* Depthwise weights of channels c0 .. c0+c-1, padded to whole vectors: [taps][c], or by_vector [c / vl][taps][vl]. */
static void fill_dwconv(const eff_plan *p, float *b, float *bias, const float *w, const float *scale,
                        const float *shift, int c0, int c, int kernel, bool by_vector)
{
    const size_t padded = eff_padded(&p->k, c), taps = (size_t)kernel * (size_t)kernel, vl = (size_t)p->k.vl;
    memset(bias, 0, padded * sizeof *bias);
    memset(b, 0, padded * taps * sizeof *b);
    memcpy(bias, shift + c0, (size_t)c * sizeof *bias);
    for (size_t t = 0; t < taps; t++)
        for (size_t i = 0; i < (size_t)c; i++)
            b[by_vector ? (i / vl * taps + t) * vl + i % vl : t * padded + i] =
                w[((size_t)c0 + i) * taps + t] * scale[(size_t)c0 + i];
}

static eff_status pack_dwconv(eff_plan *p, packed *out, int node, int bn, float *const *weights, eff_error *err)
{
    const eff_node *d = &p->g->node[node];
    const size_t padded = eff_padded(&p->k, d->c), bytes = 2 * (size_t)d->c * sizeof(float);
    float *bias = reserve(p, padded), *b = reserve(p, padded * (size_t)d->kernel * (size_t)d->kernel);
    if (!b) return EFF_OK;
    float *scale = eff_malloc(bytes);
    if (!scale) return eff_fail_memory(err, bytes);
    fold_bn(scale, scale + d->c, weights, p, bn, d->c);
    fill_dwconv(p, b, bias, param_of(weights, d, 0), scale, scale + d->c, 0, d->c, d->kernel, false);
    eff_free(scale);
    *out = (packed){ b, bias };
    return EFF_OK;
}

/* What a block's groups of channels need, group after group. */
static eff_status pack_groups(eff_plan *p, block *b, float *const *weights, eff_error *err)
{
    const channel_group last = eff_block_group(p, b, b->groups - 1);
    float *own = reserve(p, last.at + last.floats);
    if (!own) return EFF_OK;
    const eff_step *e = b->part.expand;
    const eff_node *en = e ? &p->g->node[e->node] : NULL;
    const size_t mid = (size_t)b->mid, bytes = 4 * mid * sizeof(float);
    const int taps = e ? en->kernel * en->kernel : 1, in = e ? p->g->node[en->in[0]].c : 0;
    float *scale = eff_malloc(bytes); /* and shift, of the expansion and of the depthwise convolution */
    if (!scale) return eff_fail_memory(err, bytes);
    float *shift = scale + mid, *dscale = shift + mid, *dshift = dscale + mid;
    fold_bn(dscale, dshift, weights, p, b->part.dw->bn, b->mid);
    if (e) fold_bn(scale, shift, weights, p, e->bn, b->mid);
    eff_status s = EFF_OK;
    for (int i = 0; s == EFF_OK && i < b->groups; i++) {
        const channel_group g = eff_block_group(p, b, i);
        float *at = own + g.at;
        if (e) {
            memset(at, 0, eff_padded(&p->k, g.c) * sizeof *at);
            memcpy(at, shift + g.c0, (size_t)g.c * sizeof *at);
            s = pack_columns(p, at + g.b, param_of(weights, en, 0) + (size_t)g.c0 * (size_t)(in * taps), g.c, in, taps,
                             scale + g.c0, err);
        }
        fill_dwconv(p, at + g.dw, at + g.dw_bias, param_of(weights, b->dw, 0), dscale, dshift, g.c0, g.c, b->dw->kernel,
                    true);
    }
    eff_free(scale);
    b->own = own;
    return s;
}

/* One of SE's layers: 0 squeezes, 1 excites. */
static void pack_se(eff_plan *p, packed *to, const eff_node *d, int layer, float *const *weights)
{
    const int out = layer ? d->c : d->squeeze, in = layer ? d->squeeze : d->c;
    const size_t padded = eff_padded(&p->k, out);
    float *bias = reserve(p, padded), *b = reserve(p, eff_gemm_packed_size(&p->k, out, in));
    if (!b) return;
    eff_gemm_pack(&p->k, b, param_of(weights, d, 2 * layer), out, in, NULL);
    memset(bias, 0, padded * sizeof *bias);
    memcpy(bias, param_of(weights, d, 2 * layer + 1), (size_t)out * sizeof *bias);
    *to = (packed){ b, bias };
}

static eff_status pack_block(eff_plan *p, launch *l, float *const *weights, eff_error *err)
{
    block *b = l->block;
    const eff_step *j = b->part.project;
    eff_status s = pack_groups(p, b, weights, err);
    const size_t start = p->weight_floats;
    if (s != EFF_OK) return s;
    if (b->se) {
        pack_se(p, &b->squeeze, b->se, 0, weights);
        pack_se(p, &b->excite, b->se, 1, weights);
    }
    b->late = p->weight_floats - start + (size_t)eff_gemm_group_start(&p->k, l->node->c, 1) * (size_t)words(p, b->mid);
    return pack_conv(p, &l->conv, j->node, j->bn, b->mid, false, weights, err);
}

static eff_status pack_launch(eff_plan *p, launch *l, float *const *weights, eff_error *err)
{
    if (l->block) return pack_block(p, l, weights, err);
    switch (l->s.op) {
    case EFF_STEP_CONV:
        return pack_conv(p, &l->conv, l->s.node, l->s.bn, l->node->op == EFF_NODE_LINEAR ? l->h * l->w * l->c : l->c,
                         l->winograd, weights, err);
    case EFF_STEP_DWCONV: return pack_dwconv(p, &l->conv, l->s.node, l->s.bn, weights, err);
    case EFF_STEP_SE:
        pack_se(p, &l->conv, l->node, 0, weights);
        pack_se(p, &l->excite, l->node, 1, weights);
        return EFF_OK;
    default: return EFF_OK;
    }
}

typedef struct packing {
    eff_plan *p;
    float *const *weights;
    atomic_bool failed; /* for want of memory: there is nothing else */
} packing;

static void task_pack(void *ctx, int task, int worker)
{
    (void)worker;
    packing *k = ctx;
    launch *l = &k->p->launch[k->p->nlaunches - 1 - task]; /* the largest, which are the last, first */
    eff_plan own = *k->p;                                  /* with a place in the weights of its own */
    own.weight_floats = l->weights_at;
    if (pack_launch(&own, l, k->weights, NULL) != EFF_OK) atomic_store(&k->failed, true);
}

eff_status eff_plan_pack_weights(eff_plan *p, float *const *weights, eff_error *err)
{
    eff_status s = EFF_OK;
    if (!p->weights) {
        p->weight_floats = 0;
        for (int i = 0; s == EFF_OK && i < p->nlaunches; i++) {
            p->launch[i].weights_at = p->weight_floats;
            s = pack_launch(p, &p->launch[i], weights, err);
        }
        return s;
    }
    /* workers of its own: a plan is made once, and does not know whose will run it */
    eff_pool *pool = NULL;
    packing k = { .p = p, .weights = weights };
    if (p->threads > 1) s = eff_pool_create(&pool, p->threads, err);
    if (s == EFF_OK) eff_pool_run(pool, task_pack, &k, p->nlaunches);
    if (k.failed) s = eff_fail_memory(err, p->weight_floats * sizeof(float));
    eff_pool_free(pool);
    return s;
}
