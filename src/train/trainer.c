/* SPDX-License-Identifier: Apache-2.0 */
/* Making a trainer: its tape, its memory, its packed weights; and one pass over a batch. */
#include "train/trainer.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "infer/memory.h"
#include "train/loss.h"
#include "train/train_internal.h"

#include <string.h>

enum { LINE = EFF_ALIGN / sizeof(float) };
enum { SPARE_SMALL, SPARE_SCRATCH, SPARE_PARTS, SPARE_GRADS, SPARE_ARENA }; /* numbers of the large blocks */

/* ------------------------------------------------------------------------------------------ memory */

static bool learns(const eff_trainer *t, int param)
{
    return !eff_param_is_buffer(t->graph->param[param].kind) && (!t->o.learns || t->o.learns[param]);
}

/* Vectors are handed out twice: first to count (block NULL), then for real. */
typedef struct vectors {
    float *block;
    size_t used;
} vectors;

static float *take(vectors *v, size_t n)
{
    float *at = v->block ? v->block + v->used : NULL;
    v->used += eff_round_up(n, LINE);
    return at;
}

static void lay_out_bn(vectors *v, bn_state *bn, size_t c, size_t batch, bool pooled)
{
    float **const all[] = { &bn->scale, &bn->shift, &bn->mean, &bn->rstd, &bn->a, &bn->b, &bn->c0 };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) *all[i] = take(v, c);
    bn->s1 = take(v, batch * 2 * c);
    bn->s2 = take(v, batch * 2 * c);
    if (!pooled) return;
    bn->pool_mean = (double *)(void *)take(v, 2 * c); /* lines are aligned for doubles */
    bn->pool_m2 = (double *)(void *)take(v, 2 * c);
    bn->start_mean = take(v, c);
    bn->start_var = take(v, c);
}

static void lay_out_se(vectors *v, const eff_trainer *t, se_state *se, int c, int q)
{
    const size_t batch = (size_t)t->o.batch;
    se->pooled = take(v, batch * (size_t)c);
    se->gate = take(v, batch * (size_t)c);
    se->dgate = take(v, batch * (size_t)c);
    se->mid = take(v, batch * (size_t)q);
    se->act = take(v, batch * (size_t)q);
    se->dmid = take(v, batch * (size_t)q);
    se->w1 = take(v, eff_gemm_packed_size(&t->k, q, c));
    se->w2 = take(v, eff_gemm_packed_size(&t->k, c, q));
    se->w1t = take(v, eff_gemm_packed_size(&t->k, c, q));
    se->w2t = take(v, eff_gemm_packed_size(&t->k, q, c));
    se->b1 = take(v, eff_padded(&t->k, q));
    se->b2 = take(v, eff_padded(&t->k, c));
}

static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

static void lay_out(eff_trainer *t, vectors *v)
{
    size_t widest = 0;
    for (int i = 1; i < t->tape.n; i++) {
        const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
        op_state *s = &t->op[i];
        const int taps = o->node->kernel * o->node->kernel, depth = o->kind == EFF_TAPE_HEAD ? in->c : taps * in->c;
        widest = max_size(widest, max_size((size_t)depth, (size_t)o->c));
        if (o->kind == EFF_TAPE_CONV || o->kind == EFF_TAPE_HEAD) {
            s->w = take(v, eff_gemm_packed_size(&t->k, o->c, depth));
            s->wt = in->needs_grad ? take(v, eff_gemm_packed_size(&t->k, depth, o->c)) : NULL;
        } else if (o->kind == EFF_TAPE_DWCONV) {
            s->w = take(v, eff_padded(&t->k, o->c) * (size_t)taps);
            s->wt = in->needs_grad ? take(v, eff_padded(&t->k, o->c) * (size_t)taps) : NULL;
        }
        if (o->kind == EFF_TAPE_HEAD) s->bias = take(v, eff_padded(&t->k, o->c));
        if (o->bn) lay_out_bn(v, &s->bn, (size_t)o->c, (size_t)t->o.batch, t->o.pool_statistics && t->o.bn == EFF_BN_BATCH);
        if (o->se) lay_out_se(v, t, &s->se, o->c, o->se->squeeze);
    }
    t->zeros = take(v, widest + LINE);
    t->ones = take(v, widest + LINE);
    const eff_tape_op *head = &t->tape.op[t->tape.n - 1], *last = &t->tape.op[head->in[0]];
    t->features = take(v, (size_t)t->o.batch * (size_t)last->c);
    t->dfeatures = take(v, (size_t)t->o.batch * (size_t)last->c);
    t->logits = take(v, (size_t)t->o.batch * (size_t)head->c);
    t->dlogits = take(v, (size_t)t->o.batch * (size_t)head->c);
    for (int i = 1; i < t->tape.n; i++)
        if (t->tape.op[i].kind == EFF_TAPE_CONV || t->tape.op[i].kind == EFF_TAPE_DWCONV) t->op[i].bias = t->zeros;
}

/* Floats a worker needs for op i, both ways; the layout is that of forward.c, backward.c and depthwise.c. */
static size_t scratch_for(const eff_trainer *t, int i)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    const size_t c = (size_t)o->c, view = eff_tape_plain(in) ? 0 : eff_tape_floats(in);
    size_t need = chunk_pixels(o->c) * c;
    if (o->kind == EFF_TAPE_CONV) {
        const int k = o->node->kernel, depth = k * k * in->c, pointwise = k == 1 && o->node->stride == 1;
        const size_t step = chunk_pixels(depth > o->c ? depth : o->c), patch = step * (size_t)depth;
        const size_t gated = !in->se ? 0 : eff_train_keeps_gated(in) ? view : chunk_pixels(in->c) * (size_t)in->c;
        need = max_size(need, patch + max_size(pointwise ? 0 : view, gated));
        need = max_size(need, step * c + patch * (pointwise ? 1 : 2) + (pointwise ? 0 : view));
    } else if (o->kind == EFF_TAPE_DWCONV) need = max_size(need, eff_train_dwconv_scratch(t, i));
    else if (o->kind == EFF_TAPE_MAXPOOL) need = max_size(need, eff_tape_floats(in));
    else if (o->kind == EFF_TAPE_HEAD) need = max_size(need, chunk_pixels(in->c) * (size_t)in->c);
    const size_t widest = max_size(c, (size_t)in->c), squeezed = o->se ? (size_t)o->se->squeeze : 0;
    return max_size(need, 4 * widest + max_size(widest, 4 * squeezed) + (in->se ? 4 * (size_t)in->se->squeeze : 0));
}

size_t eff_train_part_floats(const eff_trainer *t, int i)
{
    const eff_tape_op *o = &t->tape.op[i];
    if (!o->trainable) return 0;
    if (o->kind == EFF_TAPE_CONV) return eff_round_up(t->graph->param[o->node->param[0]].count, LINE);
    if (o->kind != EFF_TAPE_DWCONV) return 0;
    return eff_padded(&t->k, o->c) * (size_t)o->node->kernel * (size_t)o->node->kernel;
}

/* Ops whose time forward is one: with frozen statistics those of a block, else each its own. */
static void number_slots(eff_trainer *t)
{
    for (int i = 1; i < t->tape.n; i++) {
        const eff_node *d = t->tape.op[i].node, *before = t->tape.op[i - 1].node;
        const bool same = t->o.bn == EFF_BN_FROZEN && i > 1 && d->stage == before->stage && d->index == before->index;
        t->op[i].slot = same ? t->op[i - 1].slot : i;
    }
}

/* With frozen statistics nothing waits for the whole batch: a large expanded image is computed where it is read, twice. */
static void mark_fused(eff_trainer *t)
{
    const size_t least = t->o.fuse_bytes ? t->o.fuse_bytes : EFF_FUSE_BYTES;
    for (int i = 1; i + 1 < t->tape.n; i++) {
        const eff_tape_op *o = &t->tape.op[i], *r = &t->tape.op[i + 1];
        const bool expand = o->kind == EFF_TAPE_CONV && o->node->kernel == 1 && o->node->stride == 1 && o->bn && !o->se;
        const bool pair = r->kind == EFF_TAPE_DWCONV && r->in[0] == i && o->last_reader == i + 1;
        t->op[i].fused = t->o.bn == EFF_BN_FROZEN && expand && pair && !t->tape.op[o->in[0]].se && t->op[i].slot == t->op[i + 1].slot &&
                         eff_tape_floats(o) * sizeof(float) >= least;
    }
}

/* Is z of op i dropped after the forward pass and computed again? What only the next convolution of the same block reads. */
static bool drops(const eff_trainer *t, int i)
{
    const eff_tape_op *o = &t->tape.op[i];
    if (!t->o.recompute || t->op[i].fused || !o->needs_grad || (o->kind != EFF_TAPE_CONV && o->kind != EFF_TAPE_DWCONV)) return false;
    if (o->first_reader != i + 1 || o->last_reader != i + 1) return false;
    const eff_tape_op *r = &t->tape.op[i + 1];
    return (r->kind == EFF_TAPE_CONV || r->kind == EFF_TAPE_DWCONV) && r->node->stage == o->node->stage && r->node->index == o->node->index;
}

/* The op whose backward needs z of dropped op i first: the reader of the last of its chain. */
static int needed_by(const eff_trainer *t, int i)
{
    while (drops(t, i)) i++;
    return i;
}

/* Stored tensors and gradients in one arena. Time: op i runs forward at its slot and backward at 2n - i. */
static eff_status place_arena(eff_trainer *t, bool real, eff_error *err)
{
    const int n = t->tape.n;
    eff_buffer *b = eff_calloc(3 * (size_t)n, sizeof *b); /* z, g, z again */
    if (!b) return eff_fail_memory(err, 3 * (size_t)n * sizeof *b);
    for (int i = 0; i < n; i++) {
        const eff_tape_op *o = &t->tape.op[i];
        const size_t bytes = eff_tape_floats(o) * sizeof(float) * (size_t)t->o.batch;
        const bool stored = o->kind != EFF_TAPE_INPUT && o->kind != EFF_TAPE_HEAD && !t->op[i].fused;
        const int writer = o->last_reader + (o->last_reader > 0 && t->op[o->last_reader].fused); /* of its gradient */
        const int slot = t->op[i].slot, last = o->last_reader > i ? t->op[o->last_reader].slot : slot;
        b[i] = (eff_buffer){ .bytes = stored ? bytes : 0, .first = slot, .last = last };
        b[n + i] = (eff_buffer){ .bytes = stored && o->needs_grad ? bytes : 0, .first = 2 * n - writer, .last = 2 * n - i };
        if (drops(t, i)) b[2 * n + i] = (eff_buffer){ .bytes = bytes, .first = 2 * n - needed_by(t, i), .last = 2 * n - i };
        else if (o->needs_grad && !eff_tape_plain(o)) b[i].last = 2 * n - i;
    }
    for (int r = 0; r < n; r++) { /* a reader that learns, or must find its maxima, reads its inputs again */
        const eff_tape_op *o = &t->tape.op[r];
        int when = o->trainable || (o->kind == EFF_TAPE_MAXPOOL && o->needs_grad) ? 2 * n - r : 0;
        if (drops(t, r)) when = 2 * n - r; /* and one that is dropped reads them for that; later, if it learns */
        for (int j = 0; when && j < 2; j++)
            if (o->in[j] >= 0 && !drops(t, o->in[j]) && b[o->in[j]].last < when) b[o->in[j]].last = when;
        if (t->op[r].fused && t->tape.op[r + 1].needs_grad && b[o->in[0]].last < 2 * n - r) b[o->in[0]].last = 2 * n - r;
    }
    eff_status s = eff_place_buffers(b, 3 * n, &t->arena_bytes, err);
    if (s == EFF_OK && real) {
        t->arena = eff_spare_take(t->o.spare, SPARE_ARENA, t->arena_bytes);
        if (!t->arena) s = eff_fail_memory(err, t->arena_bytes);
        for (int i = 0; s == EFF_OK && i < n; i++) {
            t->op[i].z = t->op[i].z_first = t->arena + b[i].offset / sizeof(float);
            t->op[i].z_again = drops(t, i) ? t->arena + b[2 * n + i].offset / sizeof(float) : NULL;
            t->op[i].g = t->arena + b[n + i].offset / sizeof(float);
        }
    }
    eff_free(b);
    return s;
}

/* Sizes of everything, before anything is allocated. */
static eff_status measure(eff_trainer *t, eff_error *err)
{
    vectors v = { 0 };
    lay_out(t, &v);
    t->small_floats = v.used;
    number_slots(t);
    mark_fused(t);
    for (int i = 1; i < t->tape.n; i++) {
        const size_t before = t->op[i - 1].fused ? eff_train_part_floats(t, i - 1) : 0;
        t->scratch_floats = max_size(t->scratch_floats, scratch_for(t, i));
        t->part_floats = max_size(t->part_floats, eff_train_part_floats(t, i) + before);
    }
    t->scratch_floats = eff_round_up(t->scratch_floats, LINE);
    t->part_floats = eff_round_up(t->part_floats, LINE);
    t->max_groups = t->o.batch < EFF_MAX_GROUPS ? (size_t)t->o.batch : EFF_MAX_GROUPS;
    for (int i = 0; i < t->graph->nparams; i++)
        if (learns(t, i)) t->grad_floats += eff_round_up(t->graph->param[i].count, LINE);
    return place_arena(t, false, err);
}

static eff_status allocate(eff_trainer *t, eff_error *err)
{
    eff_spare *const s = t->o.spare;
    t->small = eff_spare_take(s, SPARE_SMALL, t->small_floats * sizeof(float));
    t->scratch = eff_spare_take(s, SPARE_SCRATCH, t->scratch_floats * (size_t)t->o.threads * sizeof(float));
    t->part_sums = eff_spare_take(s, SPARE_PARTS, t->part_floats * t->max_groups * sizeof(float));
    t->grad_block = eff_spare_take(s, SPARE_GRADS, t->grad_floats * sizeof(float));
    t->grad = eff_calloc((size_t)t->graph->nparams, sizeof *t->grad);
    if (!t->small || !t->scratch || !t->part_sums || !t->grad_block || !t->grad)
        return eff_fail_memory(err, (t->small_floats + t->grad_floats) * sizeof(float));
    vectors v = { .block = t->small };
    memset(t->small, 0, t->small_floats * sizeof(float));
    lay_out(t, &v);
    for (float *p = t->ones, *end = t->features; p < end; p++) *p = 1.0f;
    float *at = t->grad_block;
    for (int i = 0; i < t->graph->nparams; i++) {
        if (!learns(t, i)) continue;
        t->grad[i] = at;
        at += eff_round_up(t->graph->param[i].count, LINE);
    }
    return place_arena(t, true, err);
}

/* ------------------------------------------------------------------------------------------ making */

void eff_trainer_opts_init(eff_trainer_opts *o) { *o = (eff_trainer_opts){ .batch = 1 }; }

/* Everything but the memory: tape, kernels, sizes. */
static eff_status prepare(eff_trainer *t, const eff_model *m, const eff_trainer_opts *o, eff_error *err)
{
    if (o->batch < 1 || o->batch > 65536) return eff_fail(err, EFF_EARG, "batch: expected 1..65536, found %d", o->batch);
    unsigned features;
    eff_status s = eff_cpu_select(o->cpu, &features, err);
    if (s != EFF_OK) return s;
    t->o = *o;
    if (t->o.pool) t->o.threads = eff_pool_threads(t->o.pool);
    if (!t->o.threads) t->o.threads = eff_cpu_count();
    eff_kernels_init(&t->k, features);
    eff_train_kernels_init(&t->tk, features);
    s = eff_graph_build(&t->graph, &m->table, o->height, o->width, err);
    if (s == EFF_OK) s = eff_tape_create(&t->tape, t->graph, o->learns, err);
    if (s != EFF_OK) return s;
    t->op = eff_calloc((size_t)t->tape.n, sizeof *t->op);
    return t->op ? measure(t, err) : eff_fail_memory(err, (size_t)t->tape.n * sizeof *t->op);
}

eff_status eff_trainer_create(eff_trainer **out, eff_model *m, const eff_trainer_opts *o, eff_error *err)
{
    *out = NULL;
    if (!m->weights) return eff_fail(err, EFF_EARG, "%s has no weights to train", m->table.name);
    eff_trainer *t = eff_calloc(1, sizeof *t);
    if (!t) return eff_fail_memory(err, sizeof *t);
    t->m = m;
    eff_status s = prepare(t, m, o, err);
    t->pool = t->o.pool;
    if (s == EFF_OK && !t->pool) s = eff_pool_create(&t->pool, t->o.threads, err);
    if (s == EFF_OK) s = allocate(t, err);
    t->o.learns = NULL; /* borrowed only until here */
    if (s != EFF_OK) {
        eff_trainer_free(t);
        return s;
    }
    eff_trainer_zero(t);
    *out = t;
    return EFF_OK;
}

eff_trainer_memory eff_trainer_memory_used(const eff_trainer *t)
{
    eff_trainer_memory u = { .gradients = t->grad_floats * sizeof(float), .activations = t->arena_bytes,
                             .scratch = (t->small_floats + t->scratch_floats * (size_t)t->o.threads +
                                         t->part_floats * t->max_groups) * sizeof(float),
                             .input_floats = eff_tape_floats(&t->tape.op[0]) };
    for (int i = 0; i < t->graph->nparams; i++) u.weights += eff_round_up(t->graph->param[i].count, LINE) * sizeof(float);
    return u;
}

eff_status eff_trainer_plan_memory(eff_trainer_memory *out, const eff_model *m, const eff_trainer_opts *o, eff_error *err)
{
    eff_trainer *t = eff_calloc(1, sizeof *t);
    if (!t) return eff_fail_memory(err, sizeof *t);
    const eff_status s = prepare(t, m, o, err);
    if (s == EFF_OK) *out = eff_trainer_memory_used(t);
    eff_trainer_free(t);
    return s;
}

void eff_trainer_free(eff_trainer *t)
{
    if (!t) return;
    if (t->pool != t->o.pool) eff_pool_free(t->pool);
    eff_tape_destroy(&t->tape);
    eff_graph_free(t->graph);
    eff_free(t->op);
    eff_free(t->grad);
    if (!t->o.spare) {
        eff_free(t->grad_block);
        eff_free(t->small);
        eff_free(t->arena);
        eff_free(t->scratch);
        eff_free(t->part_sums);
    }
    eff_free(t);
}

void eff_trainer_zero(eff_trainer *t)
{
    memset(t->grad_block, 0, t->grad_floats * sizeof(float));
    t->step_images = 0;
}

float *const *eff_trainer_grads(const eff_trainer *t) { return t->grad; }
const float *eff_trainer_logits(const eff_trainer *t) { return t->logits; }
eff_pool *eff_trainer_pool(const eff_trainer *t) { return t->pool; }
const char *eff_trainer_cpu(const eff_trainer *t) { return t->tk.name; }
int eff_trainer_threads(const eff_trainer *t) { return t->o.threads; }

/* ----------------------------------------------------------------------------------------- packing */

/* With frozen statistics the backward pass takes the gradient of what batch norm puts out as it is: its factor is in the weights. */
static const float *frozen_scale(const eff_trainer *t, const eff_tape_op *o, const op_state *s)
{
    return o->bn && t->o.bn == EFF_BN_FROZEN ? s->bn.scale : NULL;
}

/* Row tap, column ci of output co: the order of patches, so that a row is contiguous in ci. */
static void pack_conv(const eff_trainer *t, op_state *s, const float *w, int out, int in, int taps, const float *scale)
{
    eff_gemm_pack_conv(&t->k, s->w, w, out, in, taps, NULL);
    if (!s->wt) return;
    eff_gemm_pack_conv_back(&t->k, s->wt, w, out, in, taps);
    float *p = s->wt;
    for (int q = 0; scale && q < eff_gemm_groups(&t->k, taps * in); q++) { /* groups of columns, a row an output */
        const int width = eff_gemm_group_start(&t->k, taps * in, q + 1) - eff_gemm_group_start(&t->k, taps * in, q);
        for (int o = 0; o < out; o++)
            for (int j = 0; j < width; j++) *p++ *= scale[o];
    }
}

/* The backward weights of a convolution of stride 1 are turned round: its gradient is a convolution too. */
static void pack_dwconv(const eff_trainer *t, op_state *s, const float *w, int c, int taps, int stride, const float *scale)
{
    const size_t padded = eff_padded(&t->k, c);
    for (int tap = 0; tap < taps; tap++)
        for (int j = 0; j < c; j++) {
            const float v = w[(size_t)j * (size_t)taps + (size_t)tap];
            const int back = stride == 1 ? taps - 1 - tap : tap;
            s->w[(size_t)tap * padded + (size_t)j] = v;
            if (s->wt) s->wt[(size_t)back * padded + (size_t)j] = v * (scale ? scale[j] : 1.0f);
        }
}

static void pack_op(void *ctx, int task, int worker)
{
    (void)worker;
    eff_trainer *t = ctx;
    const eff_tape_op *o = &t->tape.op[task];
    op_state *s = &t->op[task];
    float *const *w = t->m->weights;
    if (task == 0) return;
    const eff_tape_op *in = &t->tape.op[o->in[0]];
    const int taps = o->node->kernel * o->node->kernel;
    if (o->kind == EFF_TAPE_CONV) pack_conv(t, s, w[o->node->param[0]], o->c, in->c, taps, frozen_scale(t, o, s));
    if (o->kind == EFF_TAPE_DWCONV) pack_dwconv(t, s, w[o->node->param[0]], o->c, taps, o->node->stride, frozen_scale(t, o, s));
    if (o->kind == EFF_TAPE_HEAD) {
        pack_conv(t, s, w[o->node->param[0]], o->c, in->c, 1, NULL);
        memcpy(s->bias, w[o->node->param[1]], (size_t)o->c * sizeof(float));
    }
    if (o->se) {
        const int c = o->c, q = o->se->squeeze;
        eff_gemm_pack_conv(&t->k, s->se.w1, w[o->se->param[0]], q, c, 1, NULL);
        eff_gemm_pack_conv(&t->k, s->se.w2, w[o->se->param[2]], c, q, 1, NULL);
        eff_gemm_pack_conv_back(&t->k, s->se.w1t, w[o->se->param[0]], q, c, 1);
        eff_gemm_pack_conv_back(&t->k, s->se.w2t, w[o->se->param[2]], c, q, 1);
        memcpy(s->se.b1, w[o->se->param[1]], (size_t)q * sizeof(float));
        memcpy(s->se.b2, w[o->se->param[3]], (size_t)c * sizeof(float));
    }
}

void eff_train_pack(eff_trainer *t) { eff_pool_run(t->pool, pack_op, t, t->tape.n); }

/* -------------------------------------------------------------------------------------------- pass */

double eff_trainer_pass(eff_trainer *t, const eff_pass *p)
{
    t->pass = p;
    t->groups = p->n < EFF_MAX_GROUPS ? p->n : EFF_MAX_GROUPS;
    for (int i = 1; i < t->tape.n; i++)
        if (t->tape.op[i].bn && t->o.bn == EFF_BN_FROZEN) eff_train_finish_forward(t, i);
    eff_train_pack(t);
    eff_train_forward(t);
    t->step_images += p->n;
    if (!p->target) return 0;
    const double loss = eff_cross_entropy(t->dlogits, t->logits, p->target, p->weight, p->n, t->graph->classes);
    eff_train_backward(t);
    return loss;
}
