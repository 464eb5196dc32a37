/* SPDX-License-Identifier: Apache-2.0 */
/* Making an inference plan and going through its launches. Every sum has an order that does not depend on how work is
 * cut, so the result has the same bits at any thread count. */
#include "infer/plan_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "infer/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------- memory */

static size_t node_bytes(const eff_node *d) { return node_floats(d) * sizeof(float); }

/* An SE, ACT or ADD step works in place when it is the last to read its input. */
static int in_place(const launch *l)
{
    return l->s.op == EFF_STEP_SE || l->s.op == EFF_STEP_ACT || l->s.op == EFF_STEP_ADD;
}

static eff_status place(eff_plan *p, int keep_all, eff_error *err)
{
    const int n = p->nlaunches;
    const size_t nodes = (size_t)p->g->nnodes;
    eff_buffer *buf = eff_calloc((size_t)n * 2, sizeof *buf); /* outputs, then what launches need for themselves */
    int *owner = eff_malloc(nodes * sizeof *owner);           /* buffer that holds a node's value, or -1 */
    p->value = eff_calloc(nodes, sizeof *p->value);
    eff_status s = EFF_OK;
    if (!buf || !owner || !p->value) {
        s = eff_fail_memory(err, nodes * (sizeof *owner + sizeof *p->value));
        goto end;
    }
    for (size_t i = 0; i < nodes; i++) owner[i] = -1;
    for (int i = 0; i < n; i++) {
        const launch *l = &p->launch[i];
        for (int j = 0; j < 2; j++) {
            const int read = j ? l->s.res : l->s.in;
            if (read >= 0 && owner[read] >= 0 && buf[owner[read]].last < i) buf[owner[read]].last = i;
        }
        buf[i] = (eff_buffer){ .bytes = node_bytes(&p->g->node[l->s.out]), .first = i, .last = keep_all ? n : i };
        buf[n + i] = (eff_buffer){ .bytes = l->temp_bytes, .first = i, .last = i };
        owner[l->s.out] = i;
    }
    if (!keep_all)
        for (int i = 0; i < n; i++) { /* merge in-place steps into the buffer of their input */
            const launch *l = &p->launch[i];
            const int in = l->s.in >= 0 ? owner[l->s.in] : -1;
            if (!in_place(l) || in < 0 || buf[in].last != i || l->s.res == l->s.in) continue;
            const int root = in, self = owner[l->s.out];
            buf[root].last = buf[self].last;
            buf[self].bytes = 0;
            for (size_t v = 0; v < nodes; v++)
                if (owner[v] == self) owner[v] = root;
        }
    s = eff_place_buffers(buf, 2 * n, &p->arena_bytes, err);
    if (s != EFF_OK) goto end;
    if (p->weights) {
        p->arena = eff_malloc_aligned(p->arena_bytes + EFF_ALIGN);
        if (!p->arena) {
            s = eff_fail_memory(err, p->arena_bytes);
            goto end;
        }
        for (size_t v = 0; v < nodes; v++)
            if (owner[v] >= 0) p->value[v] = (float *)(void *)(p->arena + buf[owner[v]].offset);
        for (int i = 0; i < n; i++) p->launch[i].temp = (float *)(void *)(p->arena + buf[n + i].offset);
    }
end:
    eff_free(owner);
    eff_free(buf);
    return s;
}

static eff_status place_scratch(eff_plan *p, eff_error *err)
{
    int se = 0, mid = 0;
    for (int i = 0; i < p->nlaunches; i++) {
        const launch *l = &p->launch[i];
        const eff_node *d = l->block ? l->block->se : l->s.op == EFF_STEP_SE ? l->node : NULL;
        if (!d) continue;
        se = max_int(se, d->c);
        mid = max_int(mid, d->squeeze);
    }
    const size_t line = EFF_ALIGN / sizeof(float);
    p->scratch_floats = eff_round_up(p->scratch_floats, line);
    const size_t workers = p->scratch_floats * (size_t)p->threads, vec = eff_round_up((size_t)se, line) + line;
    const size_t total = workers + vec + eff_round_up((size_t)mid, line) + line;
    p->scratch = eff_malloc_aligned(total * sizeof(float));
    if (!p->scratch) return eff_fail_memory(err, total * sizeof(float));
    p->se_mean = p->scratch + workers;
    p->se_mid = p->se_mean + vec;
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------- making */

/* One launch a step, a block or a convolution with the mean after it. Everything lives layer by layer with keep_all. */
static eff_status make_launches(eff_plan *p, const eff_step *step, int count, int keep_all, eff_error *err)
{
    const eff_graph *g = p->g;
    eff_status s = EFF_OK;
    for (int i = 0; s == EFF_OK && i < count;) {
        launch *l = &p->launch[p->nlaunches++];
        eff_block part;
        const bool whole = !keep_all && eff_block_at(&part, step, count, i, g);
        const eff_node *in = &g->node[step[i].in];
        l->s = whole ? *part.project : step[i];
        l->s.in = step[i].in;
        l->node = &g->node[l->s.node];
        l->h = in->h, l->w = in->w, l->c = in->c;
        l->direct = l->node->op == EFF_NODE_LINEAR ||
                    (l->node->op == EFF_NODE_CONV && l->node->kernel == 1 && l->node->stride == 1);
        l->first_row = p->nrows;
        l->nrows = whole ? (part.se ? 3 : 2) : 1;
        p->nrows += l->nrows;
        if (!whole && !keep_all && eff_mean_after(step, count, i, g)) {
            l->mean = &g->node[step[i + 1].node];
            l->s.out = step[++i].out;
        }
        l->winograd = !whole && !l->mean && eff_winograd_suits(p, l);
        if (whole) s = eff_block_plan(p, l, &part, err);
        if (s == EFF_OK) eff_step_cut(p, l);
        i += whole ? part.steps : 1;
    }
    return s;
}

eff_status eff_plan_create(eff_plan **out, const eff_graph *g, float *const *weights, const eff_kernels *k, int threads,
                           int keep_all, eff_error *err)
{
    *out = NULL;
    eff_step *step = NULL;
    int count;
    eff_plan *p = eff_calloc(1, sizeof *p);
    if (!p) return eff_fail_memory(err, sizeof *p);
    p->g = g;
    p->k = *k;
    p->threads = threads;
    p->parts = threads;
    eff_status s = eff_fold(&step, &count, g, err);
    if (s != EFF_OK) goto fail;
    p->step = step;
    p->launch = eff_calloc((size_t)count, sizeof *p->launch);
    if (!p->launch) {
        s = eff_fail_memory(err, (size_t)count * sizeof *p->launch);
        goto fail;
    }
    s = make_launches(p, step, count, keep_all, err);
    if (s == EFF_OK) s = eff_plan_pack_weights(p, weights, err);
    if (s == EFF_OK && weights) {
        p->weights = eff_malloc_aligned(p->weight_floats * sizeof(float));
        s = p->weights ? eff_plan_pack_weights(p, weights, err)
                       : eff_fail_memory(err, p->weight_floats * sizeof(float));
    }
    if (s == EFF_OK) s = place(p, keep_all, err);
    if (s == EFF_OK && weights) s = place_scratch(p, err);
    if (s != EFF_OK) goto fail;
    *out = p;
    return EFF_OK;
fail:
    eff_plan_free(p);
    return s;
}

eff_status eff_plan_share(eff_plan **out, const eff_plan *of, eff_error *err)
{
    *out = NULL;
    eff_plan *p = eff_malloc(sizeof *p);
    if (!p) return eff_fail_memory(err, sizeof *p);
    *p = *of;
    p->lead = of;
    p->arena = NULL;
    p->scratch = NULL;
    p->value = NULL;
    p->profile = NULL;
    p->threads = p->parts = 1;
    const size_t bytes = (size_t)p->nlaunches * sizeof *p->launch;
    p->launch = eff_malloc(bytes);
    eff_status s = p->launch ? EFF_OK : eff_fail_memory(err, bytes);
    if (s == EFF_OK) {
        memcpy(p->launch, of->launch, bytes);
        for (int i = 0; i < p->nlaunches; i++) eff_step_cut(p, &p->launch[i]);
        s = place(p, 0, err);
    }
    if (s == EFF_OK) s = place_scratch(p, err);
    if (s == EFF_OK)
        *out = p;
    else
        eff_plan_free(p);
    return s;
}

void eff_plan_free(eff_plan *p)
{
    if (!p) return;
    if (!p->lead) {
        for (int i = 0; p->launch && i < p->nlaunches; i++) eff_free(p->launch[i].block);
        eff_free(p->step);
        eff_free(p->weights);
    }
    eff_free(p->launch);
    eff_free(p->arena);
    eff_free(p->scratch);
    eff_free(p->value);
    eff_free(p->profile);
    eff_free(p);
}

size_t eff_plan_activation_bytes(const eff_plan *p) { return p->arena_bytes; }
size_t eff_plan_weight_bytes(const eff_plan *p) { return p->weight_floats * sizeof(float); }
size_t eff_plan_scratch_bytes(const eff_plan *p) { return p->scratch_floats * sizeof(float) * (size_t)p->threads; }
const float *eff_plan_value(const eff_plan *p, int node) { return p->value[node]; }

/* ------------------------------------------------------------------------------------------- profile */

static uint64_t node_macs(const eff_plan *p, const eff_node *d)
{
    const eff_node *in = &p->g->node[d->in[0]];
    const uint64_t out = (uint64_t)d->h * (uint64_t)d->w * (uint64_t)d->c,
                   taps = (uint64_t)d->kernel * (uint64_t)d->kernel;
    switch (d->op) {
    case EFF_NODE_CONV: return out * taps * (uint64_t)in->c;
    case EFF_NODE_DWCONV: return out * taps;
    case EFF_NODE_LINEAR: return (uint64_t)d->c * (uint64_t)in->c;
    case EFF_NODE_SE: return 2 * (uint64_t)d->squeeze * (uint64_t)d->c;
    default: return 0;
    }
}

static const char *const step_name[] = {
    [EFF_STEP_CONV] = "conv", [EFF_STEP_DWCONV] = "dwconv", [EFF_STEP_SE] = "se",  [EFF_STEP_MAXPOOL] = "maxpool",
    [EFF_STEP_MEAN] = "mean", [EFF_STEP_ACT] = "act",       [EFF_STEP_ADD] = "add"
};

/* A row for node `d`, which turns an image of node `in` into one of node `out`. Its name is "blocks.3.1.project": the
 * parameter's without its last two parts (SE: "blocks.3.1.se"), else the operator. */
static eff_plan_layer make_row(const eff_plan *p, const eff_node *d, const eff_node *in, const eff_node *out,
                               const char *op)
{
    eff_plan_layer r = { .op = op,
                         .kernel = d->kernel,
                         .stride = d->stride,
                         .macs = node_macs(p, d),
                         .in = { in->h, in->w, in->c },
                         .out = { out->h, out->w, out->c } };
    snprintf(r.name, sizeof r.name, "%s", d->param[0] >= 0 ? p->g->param[d->param[0]].name : op);
    for (int i = 0; d->param[0] >= 0 && i < (d->op == EFF_NODE_LINEAR ? 1 : 2); i++) {
        char *dot = strrchr(r.name, '.');
        if (dot) *dot = '\0';
    }
    return r;
}

static void make_rows(const eff_plan *p, const launch *l, eff_plan_layer *r)
{
    const eff_node *node = p->g->node, *in = &node[l->s.in], *out = &node[l->s.out];
    const block *b = l->block;
    if (!b) {
        *r = make_row(p, l->node, in, l->mean ? l->mean : out, step_name[l->s.op]);
        r->computed = l->winograd ? eff_winograd_macs(l) : r->macs;
        return;
    }
    const eff_step *e = b->part.expand;
    *r = make_row(p, b->dw, in, b->dw, e ? "conv+dwconv" : "dwconv");
    if (e) r->macs += node_macs(p, &node[e->node]);
    r->computed = r->macs;
    if (b->se) *++r = make_row(p, b->se, b->dw, b->dw, "se");
    r->computed = r->macs;
    *++r = make_row(p, l->node, b->dw, out, "conv");
    r->computed = r->macs;
}

eff_status eff_plan_profile(eff_plan *p, eff_error *err)
{
    if (!p->profile) p->profile = eff_malloc((size_t)p->nrows * sizeof *p->profile);
    if (!p->profile) return eff_fail_memory(err, (size_t)p->nrows * sizeof *p->profile);
    for (int i = 0; i < p->nlaunches; i++) make_rows(p, &p->launch[i], p->profile + p->launch[i].first_row);
    return EFF_OK;
}

int eff_plan_profiled(const eff_plan *p) { return p->profile != NULL; }

int eff_plan_layers(const eff_plan *p, const eff_plan_layer **rows)
{
    *rows = p->profile;
    return p->profile ? p->nrows : 0;
}

void eff_plan_tick(eff_plan *p, const launch *l, int row)
{
    if (!p->profile) return;
    eff_plan_layer *r = &p->profile[l->first_row + row];
    const double now = 1e9 * eff_clock();
    r->ns += now - p->clock;
    r->runs++;
    p->clock = now;
}

/* ------------------------------------------------------------------------------------------- running */

void eff_plan_run(eff_plan *p, eff_pool *pool, const float *x, float *logits)
{
    assert(p->weights);
    p->x = x;
    if (p->profile) p->clock = 1e9 * eff_clock();
    for (int i = 0; i < p->nlaunches; i++) {
        p->now = &p->launch[i];
        if (p->now->block)
            eff_block_run(p, p->now, pool);
        else
            eff_step_run(p, p->now, pool);
    }
    const launch *last = &p->launch[p->nlaunches - 1];
    memcpy(logits, p->value[last->s.out], node_bytes(&p->g->node[last->s.out]));
}

const float *eff_plan_features(const eff_plan *p)
{
    const launch *last = &p->launch[p->nlaunches - 1];
    return last->node->op == EFF_NODE_LINEAR ? input_of(p, last) : p->value[last->s.out];
}
