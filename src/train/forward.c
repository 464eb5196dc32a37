/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass. An op's task computes one image: its input view chunk by chunk, the convolution, and the sums of the batch
 * statistics while the output is in cache. Between ops the statistics of all images are joined in image order. With frozen
 * statistics nothing is joined, and an image's task goes on through its block. */
#include "train/train_internal.h"

#include "base/rng.h"

#include <string.h>

/* Streams of random numbers: one a use, so that nothing is drawn twice. */
enum { STREAM_DROP_PATH = 0x1000, STREAM_DROPOUT = 0x0800 };

float eff_train_drop_scale(const eff_trainer *t, int i, int b)
{
    const float p = t->tape.op[i].node->drop;
    if (!t->o.stochastic || p <= 0.0f) return 1.0f;
    const uint64_t at = t->pass->step * (uint64_t)t->o.batch + (uint64_t)b;
    return eff_rng_uniform(t->o.seed, STREAM_DROP_PATH + (uint64_t)i, at) < (double)p ? 0.0f : 1.0f / (1.0f - p);
}

float eff_train_dropout(const eff_trainer *t, int b, int j)
{
    const float p = t->tape.dropout;
    if (!t->o.stochastic || p <= 0.0f) return 1.0f;
    const uint64_t at = t->pass->step * (uint64_t)t->o.batch + (uint64_t)b;
    return eff_rng_uniform(t->o.seed, STREAM_DROPOUT + (uint64_t)j * 0x10000u, at) < (double)p ? 0.0f : 1.0f / (1.0f - p);
}

/* ------------------------------------------------------------------------------------------- views */

void eff_train_view(const eff_trainer *t, int i, int b, size_t first, size_t count, float *out)
{
    const eff_tape_op *o = &t->tape.op[i];
    const op_state *s = &t->op[i];
    const size_t c = (size_t)o->c;
    const float *z = (i == 0 ? t->pass->x + (size_t)b * eff_tape_floats(o) : image_of(s->z, o, b)) + first * c;
    if (eff_tape_plain(o)) {
        memcpy(out, z, count * c * sizeof *out);
        return;
    }
    t->tk.affine_act(out, z, o->bn ? s->bn.scale : t->ones, o->bn ? s->bn.shift : t->zeros,
                     o->se ? s->se.gate + (size_t)b * c : NULL, count, o->c, o->act);
}

const float *eff_train_view_image(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i];
    if (i == 0) return t->pass->x + (size_t)b * eff_tape_floats(o);
    if (eff_tape_plain(o)) return image_of(t->op[i].z, o, b);
    eff_train_view(t, i, b, 0, pixels_of(o), scratch);
    return scratch;
}

eff_patches eff_train_patches(const eff_tape_op *in, const eff_tape_op *o, const float *x)
{
    return (eff_patches){ .x = x, .h = in->h, .w = in->w, .c = in->c, .out_w = o->w, .kernel = o->node->kernel,
                          .stride = o->node->stride, .pad_top = o->node->pad_top, .pad_left = o->node->pad_left };
}

/* The gate of image b of op i from the mean of its activation. Where `keep`, the whole gated view is left in `view`, else only a
 * chunk of it is there at a time. */
static void compute_gate(const eff_trainer *t, int i, int b, bool keep, float *view)
{
    const eff_tape_op *o = &t->tape.op[i];
    const op_state *s = &t->op[i];
    const se_state *se = &s->se;
    const int c = o->c, q = o->se->squeeze;
    float *pooled = se->pooled + (size_t)b * (size_t)c, *mid = se->mid + (size_t)b * (size_t)q;
    float *gate = se->gate + (size_t)b * (size_t)c, *act = se->act + (size_t)b * (size_t)q;
    const size_t pixels = pixels_of(o), step = chunk_pixels(c);
    memset(pooled, 0, (size_t)c * sizeof *pooled);
    for (size_t p = 0; p < pixels; p += step) {
        const size_t n = pixels - p < step ? pixels - p : step;
        float *at = keep ? view + p * (size_t)c : view;
        t->tk.affine_act(at, image_of(s->z, o, b) + p * (size_t)c, o->bn ? s->bn.scale : t->ones, o->bn ? s->bn.shift : t->zeros,
                         NULL, n, c, o->act);
        t->tk.column_dot(at, NULL, n, c, pooled);
    }
    for (int j = 0; j < c; j++) pooled[j] /= (float)pixels;
    const eff_gemm reduce = { .a = pooled, .b = se->w1, .bias = se->b1, .c = mid, .m = 1, .k = c, .n = q,
                              .groups = eff_gemm_groups(&t->k, q), .act = EFF_ACT_NONE };
    t->k.gemm(&reduce);
    memcpy(act, mid, (size_t)q * sizeof *act);
    t->k.act(act, (size_t)q, o->se->act);
    const eff_gemm expand = { .a = act, .b = se->w2, .bias = se->b2, .c = gate, .m = 1, .k = q, .n = c,
                              .groups = eff_gemm_groups(&t->k, c), .act = EFF_ACT_SIGMOID };
    t->k.gemm(&expand);
    if (keep) t->k.scale(view, gate, pixels, c);
}

/* ------------------------------------------------------------------------------------- convolutions */

static void conv_image(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    const op_state *s = &t->op[i];
    const int k = o->node->kernel, depth = k * k * in->c, pointwise = k == 1 && o->node->stride == 1;
    float *z = image_of(s->z, o, b), *patch = scratch;
    const size_t pixels = pixels_of(o), step = chunk_pixels(depth > o->c ? depth : o->c);
    float *rest = scratch + step * (size_t)depth;
    const float *x = NULL; /* the input's whole view, where it is not evaluated chunk by chunk */
    if (in->se) {
        const bool keep = eff_train_keeps_gated(in);
        compute_gate(t, o->in[0], b, keep, rest);
        if (keep) x = rest;
    }
    if (!x && (!pointwise || eff_tape_plain(in))) x = eff_train_view_image(t, o->in[0], b, rest);
    const eff_patches e = eff_train_patches(in, o, x);
    for (size_t p = 0; p < pixels; p += step) {
        const size_t n = pixels - p < step ? pixels - p : step;
        const float *a = patch;
        if (pointwise && x) a = x + p * (size_t)in->c;
        else if (pointwise) eff_train_view(t, o->in[0], b, p, n, patch);
        else eff_patches_gather(patch, &e, (int)p, (int)n);
        const eff_gemm g = { .a = a, .b = s->w, .bias = s->bias, .c = z + p * (size_t)o->c, .lda = (size_t)depth,
                             .ldc = (size_t)o->c, .m = (int)n, .k = depth, .n = o->c, .groups = eff_gemm_groups(&t->k, o->c) };
        t->k.gemm(&g);
        eff_train_add_sums(t, i, b, p, n);
    }
}

static void add_image(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i];
    const size_t pixels = pixels_of(o), step = chunk_pixels(o->c), c = (size_t)o->c;
    const float keep = eff_train_drop_scale(t, i, b);
    float *z = image_of(t->op[i].z, o, b);
    for (size_t p = 0; p < pixels; p += step) {
        const size_t n = pixels - p < step ? pixels - p : step;
        eff_train_view(t, o->in[1], b, p, n, z + p * c);
        if (keep == 0.0f) continue;
        eff_train_view(t, o->in[0], b, p, n, scratch);
        if (keep != 1.0f)
            for (size_t j = 0; j < n * c; j++) scratch[j] *= keep;
        t->k.add(z + p * c, scratch, n * c);
    }
}

static void maxpool_image(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    const eff_node *d = o->node;
    const eff_window m = { .x = eff_train_view_image(t, o->in[0], b, scratch), .y = image_of(t->op[i].z, o, b), .h = in->h,
                            .w_in = in->w, .c = in->c, .out_w = o->w, .kernel = d->kernel, .stride = d->stride,
                            .pad_top = d->pad_top, .pad_left = d->pad_left, .rows = o->h };
    t->k.maxpool(&m);
}

static void head_image(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *in = &t->tape.op[t->tape.op[i].in[0]];
    const size_t pixels = pixels_of(in), step = chunk_pixels(in->c);
    float *f = t->features + (size_t)b * (size_t)in->c;
    memset(f, 0, (size_t)in->c * sizeof *f);
    for (size_t p = 0; p < pixels; p += step) {
        const size_t n = pixels - p < step ? pixels - p : step;
        eff_train_view(t, t->tape.op[i].in[0], b, p, n, scratch);
        t->tk.column_dot(scratch, NULL, n, in->c, f);
    }
    for (int j = 0; j < in->c; j++) f[j] = f[j] / (float)pixels * eff_train_dropout(t, b, j);
}

static void forward_image(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i];
    if (t->op[i].fused) return;
    if (o->bn && t->o.bn == EFF_BN_BATCH && !t->again) eff_train_clear_sums(t, i, b);
    switch (o->kind) {
    case EFF_TAPE_INPUT: break;
    case EFF_TAPE_CONV: conv_image(t, i, b, scratch); break;
    case EFF_TAPE_DWCONV: eff_train_dwconv(t, i, b, scratch); break;
    case EFF_TAPE_ADD: add_image(t, i, b, scratch); break;
    case EFF_TAPE_MAXPOOL: maxpool_image(t, i, b, scratch); break;
    case EFF_TAPE_HEAD: head_image(t, i, b, scratch); break;
    }
}

static void task_forward(void *ctx, int b, int worker)
{
    const eff_trainer *t = ctx;
    for (int i = t->now; i < t->end; i++) forward_image(t, i, b, t->scratch + (size_t)worker * t->scratch_floats);
}

static void run_head(eff_trainer *t, int i)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    const eff_gemm g = { .a = t->features, .b = t->op[i].w, .bias = t->op[i].bias, .c = t->logits, .lda = (size_t)in->c,
                         .ldc = (size_t)o->c, .m = t->pass->n, .k = in->c, .n = o->c, .groups = eff_gemm_groups(&t->k, o->c) };
    t->k.gemm(&g);
}

static void run_ops(eff_trainer *t, int from, int end)
{
    t->now = from;
    t->end = end;
    eff_pool_run(t->pool, task_forward, t, t->pass->n);
}

void eff_train_forward(eff_trainer *t)
{
    t->again = false;
    for (int i = 1; i < t->tape.n; i++) t->op[i].z = t->op[i].z_first;
    for (int i = 1, end; i < t->tape.n; i = end) {
        for (end = i + 1; end < t->tape.n && t->op[end].slot == t->op[i].slot;) end++;
        run_ops(t, i, end);
        if (t->tape.op[i].bn && t->o.bn == EFF_BN_BATCH) eff_train_finish_forward(t, i);
    }
    run_head(t, t->tape.n - 1);
}

void eff_train_recompute(eff_trainer *t, int i)
{
    int from = i;
    for (int j = t->tape.op[i].in[0]; j > 0 && t->op[j].z_again && t->op[j].z == t->op[j].z_first; j = t->tape.op[j].in[0]) {
        t->op[j].z = t->op[j].z_again;
        from = j;
    }
    if (from == i) return;
    t->again = true;
    run_ops(t, from, i);
    t->again = false;
}
