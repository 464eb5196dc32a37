/* SPDX-License-Identifier: Apache-2.0 */
/* The backward pass, last op first. An op's gradient buffer g goes through three states:
 *   1. the gradient of its view, summed over its readers;
 *   2. the gradient of what batch norm puts out: through SE and the activation, in place, with the sums batch norm needs;
 *   3. the gradient dz of the stored tensor, formed chunk by chunk where it is used and never stored.
 * Step 2 of an op runs in the task of the reader that finishes it, chunk by chunk while it is in cache (with SE, which needs the
 * sums of the whole image first, image by image); step 3 needs the sums over all images, so it waits for the op's own turn.
 * Tasks are groups of images: each sums its own weight gradients, in image order. */
#include "train/train_internal.h"

#include <math.h>
#include <string.h>

/* A group's sum of the weight gradient of the op at work. */
static float *part_of(const eff_trainer *t, int group) { return t->part_sums + (size_t)group * t->part_floats; }

/* ----------------------------------------------------------------------- step 2: to batch norm's output */

/* d = dL/d(view), where view = act * gate. The reader has summed d * view in dgate; times (1 - gate) that is the gradient before
 * the sigmoid, without a division. It goes on through the two small layers to the mean. */
static void back_gate(const eff_trainer *t, int i, int b, float *dmean)
{
    const eff_tape_op *o = &t->tape.op[i];
    const se_state *se = &t->op[i].se;
    const size_t c = (size_t)o->c, q = (size_t)o->se->squeeze;
    float *dgate = se->dgate + (size_t)b * c, *dmid = se->dmid + (size_t)b * q;
    const float *gate = se->gate + (size_t)b * c, *mid = se->mid + (size_t)b * q;
    for (size_t j = 0; j < c; j++) dgate[j] *= 1.0f - gate[j];
    const eff_gemm to_mid = { .a = dgate, .b = se->w2t, .bias = t->zeros, .c = dmid, .m = 1, .k = o->c, .n = (int)q,
                              .groups = eff_gemm_groups(&t->k, (int)q) };
    t->k.gemm(&to_mid);
    float *unused = dmean; /* there are more channels than squeezed ones, or room for them: see the scratch's size */
    memset(unused, 0, 4 * q * sizeof *unused);
    const eff_act_back a = { .d = dmid, .z = mid, .scale = t->ones, .shift = t->zeros, .mean = t->zeros, .s1 = unused,
                             .s2 = unused + 2 * q, .pixels = 1, .c = (int)q, .act = o->se->act };
    t->tk.act_back(&a);
    const eff_gemm to_mean = { .a = dmid, .b = se->w1t, .bias = t->zeros, .c = dmean, .m = 1, .k = (int)q, .n = o->c,
                               .groups = eff_gemm_groups(&t->k, o->c) };
    t->k.gemm(&to_mean);
    for (size_t j = 0; j < c; j++) dmean[j] /= (float)pixels_of(o);
}

/* n pixels at z, their gradient at d: through SE where `dmean` is given, and the activation. */
static void through_act(const eff_trainer *t, int i, int b, float *d, const float *z, size_t n, float *y, const float *dmean, float *unused)
{
    const eff_tape_op *o = &t->tape.op[i];
    const op_state *s = &t->op[i];
    const size_t c = (size_t)o->c;
    const eff_act_back a = { .d = d, .z = z, .y = y,
                             .scale = o->bn ? s->bn.scale : t->ones, .shift = o->bn ? s->bn.shift : t->zeros,
                             .mean = o->bn ? s->bn.mean : t->zeros, .gate = dmean ? s->se.gate + (size_t)b * c : NULL, .add = dmean,
                             .s1 = o->bn ? s->bn.s1 + (size_t)b * 2 * c : unused, .s2 = o->bn ? s->bn.s2 + (size_t)b * 2 * c : unused + 2 * c,
                             .pixels = n, .c = o->c, .act = o->act };
    t->tk.act_back(&a);
}

void eff_train_act_back(const eff_trainer *t, int i, int b, size_t first, size_t n, float *y)
{
    const eff_tape_op *o = &t->tape.op[i];
    const size_t at = first * (size_t)o->c;
    through_act(t, i, b, image_of(t->op[i].g, o, b) + at, image_of(t->op[i].z, o, b) + at, n, y, NULL, NULL);
}

void eff_train_act_back_at(const eff_trainer *t, int i, int b, float *d, const float *z, size_t n, float *y)
{
    through_act(t, i, b, d, z, n, y, NULL, NULL);
}

/* All readers of op i have added their part for image b. */
static void complete(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i];
    const size_t c = (size_t)o->c;
    float *unused = scratch, *dmean = o->se ? scratch + 4 * c : NULL;
    if (o->se) back_gate(t, i, b, dmean);
    else if (!o->bn && o->act == EFF_ACT_NONE) return;
    if (o->bn) eff_train_clear_sums(t, i, b);
    else memset(unused, 0, 4 * c * sizeof *unused);
    through_act(t, i, b, image_of(t->op[i].g, o, b), image_of(t->op[i].z, o, b), pixels_of(o), NULL, dmean, unused);
}

void eff_train_hand_back(const eff_trainer *t, int i, int reader, int b, float *scratch)
{
    if (t->tape.op[i].needs_grad && t->tape.op[i].first_reader == reader) complete(t, i, b, scratch);
}

/* --------------------------------------------------------------------------- step 3: convolutions */

/* With frozen statistics a is part of the packed weights and of the joined sums, and g is used as it is. */
const float *eff_train_stored_gradient(const eff_trainer *t, int i, int b, size_t first, size_t n, float *out)
{
    const eff_tape_op *o = &t->tape.op[i];
    const op_state *s = &t->op[i];
    const size_t at = first * (size_t)o->c;
    const float *g = image_of(s->g, o, b) + at;
    if (!o->bn || t->o.bn == EFF_BN_FROZEN) return g;
    t->tk.affine2(out, g, image_of(s->z, o, b) + at, s->bn.a, s->bn.b, s->bn.c0, n, o->c);
    return out;
}

/* Gradient of the patches back onto the pixels they came from. */
static void scatter_patches(float *dx, const float *patch, const eff_patches *e, int first, int count)
{
    const size_t c = (size_t)e->c;
    for (int i = first; i < first + count; i++) {
        const int y0 = i / e->out_w * e->stride - e->pad_top, x0 = i % e->out_w * e->stride - e->pad_left;
        for (int ky = 0; ky < e->kernel; ky++)
            for (int kx = 0; kx < e->kernel; kx++, patch += c) {
                const int y = y0 + ky, x = x0 + kx;
                if (y < 0 || y >= e->h || x < 0 || x >= e->w) continue;
                float *at = dx + ((size_t)y * (size_t)e->w + (size_t)x) * c;
                for (size_t j = 0; j < c; j++) at[j] += patch[j];
            }
    }
}

void eff_train_add_weight_gradient(const eff_trainer *t, int i, float *part, const float *dz, const float *a, size_t n, bool fresh)
{
    const eff_tape_op *o = &t->tape.op[i];
    const int depth = o->node->kernel * o->node->kernel * t->tape.op[o->in[0]].c;
    const bool wide_in = depth >= o->c; /* vectors run over the wider side */
    const eff_outer w = { .a = wide_in ? dz : a, .b = wide_in ? a : dz, .c = part,
                          .lda = (size_t)(wide_in ? o->c : depth), .ldb = (size_t)(wide_in ? depth : o->c),
                          .ldc = (size_t)(wide_in ? depth : o->c), .m = wide_in ? o->c : depth,
                          .n = wide_in ? depth : o->c, .k = (int)n, .fresh = fresh };
    t->tk.outer(&w);
}

/* `first`: of its group, whose sums begin here. */
static void back_conv(const eff_trainer *t, int i, int b, int group, bool first, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i];
    const int input = o->in[0];
    const eff_tape_op *in = &t->tape.op[input];
    const op_state *s = &t->op[i];
    const int k = o->node->kernel, depth = k * k * in->c, pointwise = k == 1 && o->node->stride == 1;
    const size_t pixels = pixels_of(o), step = chunk_pixels(depth > o->c ? depth : o->c);
    const bool dx = in->needs_grad, write = eff_train_writes(t, input, i);
    const bool finishes = pointwise && eff_train_finishes(t, input, i);
    float *gin = dx ? image_of(t->op[input].g, in, b) : NULL;
    /* scratch: dz chunk, patch or view chunk, gradient of patches, then the input's whole view */
    float *dz_chunk = scratch, *x_chunk = dz_chunk + step * (size_t)o->c, *dp_chunk = x_chunk + step * (size_t)depth;
    float *rest = dp_chunk + (pointwise ? 0 : step * (size_t)depth);
    const float *x = !pointwise || eff_tape_plain(in) ? eff_train_view_image(t, input, b, rest) : NULL;
    const eff_patches e = eff_train_patches(in, o, x);
    if (dx && !pointwise && write) memset(gin, 0, eff_tape_floats(in) * sizeof *gin);
    float *dgate = in->se ? t->op[input].se.dgate + (size_t)b * (size_t)in->c : NULL;
    if (dgate) memset(dgate, 0, (size_t)in->c * sizeof *dgate);
    if (finishes) eff_train_clear_sums(t, input, b);
    for (size_t p = 0; p < pixels; p += step) {
        const size_t n = pixels - p < step ? pixels - p : step;
        const float *dz = eff_train_stored_gradient(t, i, b, p, n, dz_chunk), *a = x_chunk;
        if (pointwise && x) a = x + p * (size_t)in->c;
        else if (pointwise && !finishes && (o->trainable || dgate)) eff_train_view(t, input, b, p, n, x_chunk);
        else if (!pointwise) eff_patches_gather(x_chunk, &e, (int)p, (int)n);
        float *out = pointwise ? gin + p * (size_t)in->c : dp_chunk;
        if (dx) {
            const eff_gemm g = { .a = dz, .b = s->wt, .bias = t->zeros, .c = out, .lda = (size_t)o->c, .ldc = (size_t)depth,
                                 .res = pointwise && !write ? out : NULL, .ldr = (size_t)depth, .m = (int)n, .k = o->c, .n = depth,
                                 .groups = eff_gemm_groups(&t->k, depth) };
            t->k.gemm(&g);
            if (!pointwise) scatter_patches(gin, dp_chunk, &e, (int)p, (int)n);
            else if (dgate) t->tk.column_dot(out, a, n, in->c, dgate);
            if (finishes) eff_train_act_back(t, input, b, p, n, x_chunk); /* which leaves the view there */
        }
        if (o->trainable) eff_train_add_weight_gradient(t, i, part_of(t, group), dz, a, n, first && p == 0);
    }
    if (dgate && !pointwise) t->tk.column_dot(gin, x, pixels_of(in), in->c, dgate);
    if (!finishes) eff_train_hand_back(t, input, i, b, scratch);
}

/* ------------------------------------------------------------------------------------------- others */

static void give(const eff_trainer *t, int to, int reader, int b, const float *d, float factor)
{
    const eff_tape_op *o = &t->tape.op[to];
    if (!o->needs_grad) return;
    float *g = image_of(t->op[to].g, o, b);
    const size_t n = eff_tape_floats(o);
    const bool write = eff_train_writes(t, to, reader);
    if (write && factor == 1.0f) memcpy(g, d, n * sizeof *g);
    else if (write)
        for (size_t j = 0; j < n; j++) g[j] = d[j] * factor;
    else if (factor == 1.0f) t->k.add(g, d, n);
    else
        for (size_t j = 0; j < n; j++) g[j] += d[j] * factor;
}

static void back_add(const eff_trainer *t, int i, int b)
{
    const eff_tape_op *o = &t->tape.op[i];
    const float *d = image_of(t->op[i].g, o, b);
    give(t, o->in[0], i, b, d, eff_train_drop_scale(t, i, b));
    give(t, o->in[1], i, b, d, 1.0f);
}

/* The gradient goes to the first largest element of each window, as PyTorch's does. */
static void back_maxpool(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i];
    const int input = o->in[0];
    const eff_tape_op *in = &t->tape.op[input];
    if (!in->needs_grad) return;
    const eff_node *d = o->node;
    const float *x = eff_train_view_image(t, input, b, scratch), *dy = image_of(t->op[i].g, o, b);
    float *g = image_of(t->op[input].g, in, b);
    if (eff_train_writes(t, input, i)) memset(g, 0, eff_tape_floats(in) * sizeof *g);
    for (int oy = 0; oy < o->h; oy++)
        for (int ox = 0; ox < o->w; ox++)
            for (int j = 0; j < o->c; j++) {
                size_t best = SIZE_MAX;
                for (int t2 = 0; t2 < d->kernel * d->kernel; t2++) {
                    const int iy = oy * d->stride - d->pad_top + t2 / d->kernel, ix = ox * d->stride - d->pad_left + t2 % d->kernel;
                    if (iy < 0 || iy >= in->h || ix < 0 || ix >= in->w) continue;
                    const size_t at = ((size_t)iy * (size_t)in->w + (size_t)ix) * (size_t)in->c + (size_t)j;
                    if (best == SIZE_MAX || x[at] > x[best]) best = at;
                }
                if (best != SIZE_MAX) g[best] += *dy;
                dy++;
            }
}

static void back_head(const eff_trainer *t, int i, int b)
{
    const int input = t->tape.op[i].in[0];
    const eff_tape_op *in = &t->tape.op[input];
    if (!in->needs_grad) return;
    const size_t c = (size_t)in->c, pixels = pixels_of(in);
    const float *df = t->dfeatures + (size_t)b * c;
    float *g = image_of(t->op[input].g, in, b);
    for (size_t j = 0; j < c; j++) g[j] = df[j] * eff_train_dropout(t, b, (int)j) / (float)pixels;
    for (size_t p = 1; p < pixels; p++) memcpy(g + p * c, g, c * sizeof *g);
}

static void task_backward(void *ctx, int group, int worker)
{
    const eff_trainer *t = ctx;
    const int i = t->now, first = group * t->pass->n / t->groups, end = (group + 1) * t->pass->n / t->groups;
    const eff_tape_op *o = &t->tape.op[i];
    float *scratch = t->scratch + (size_t)worker * t->scratch_floats;
    if (o->kind == EFF_TAPE_DWCONV) memset(part_of(t, group), 0, eff_train_part_floats(t, i) * sizeof(float));
    for (int b = first; b < end; b++) {
        switch (o->kind) {
        case EFF_TAPE_INPUT: break;
        case EFF_TAPE_CONV: back_conv(t, i, b, group, b == first, scratch); break;
        case EFF_TAPE_DWCONV:
            eff_train_dwconv_back(t, i, b, part_of(t, group), b == first, scratch);
            if (!eff_train_finishes(t, o->in[0], i) && !t->op[o->in[0]].fused) eff_train_hand_back(t, o->in[0], i, b, scratch);
            break;
        case EFF_TAPE_ADD: back_add(t, i, b); break;
        case EFF_TAPE_MAXPOOL: back_maxpool(t, i, b, scratch); break;
        case EFF_TAPE_HEAD: back_head(t, i, b); break;
        }
        for (int j = 0; j < 2 && o->kind != EFF_TAPE_CONV && o->kind != EFF_TAPE_DWCONV; j++)
            if (o->in[j] > 0) eff_train_hand_back(t, o->in[j], i, b, scratch);
    }
}

/* ------------------------------------------------------------------------- joining the groups' sums */

typedef struct join {
    const eff_trainer *t;
    size_t offset;            /* of the sums in a group's                               */
    float *grad;              /* [out][in][taps]                                        */
    const float *scale;       /* [out] of frozen batch norm, or ones                     */
    size_t in, out, taps, span;
    bool transposed;          /* the sums are [taps][in][out], not [out][taps][in]      */
} join;

enum { JOIN_BLOCK = 256 }; /* elements summed at a time */

/* Rows of the groups' sums, read in memory order and added where they belong. */
static void task_join(void *ctx, int task, int worker)
{
    (void)worker;
    const join *j = ctx;
    const size_t rows = j->transposed ? j->taps * j->in : j->out * j->taps, width = j->transposed ? j->out : j->in;
    const size_t from = (size_t)task * j->span, to = from + j->span < rows ? from + j->span : rows;
    for (size_t r = from; r < to; r++) {
        /* element e of row r of the sums is element at + e * stride of the gradient */
        const size_t at = j->transposed ? r % j->in * j->taps + r / j->in : r / j->taps * j->in * j->taps + r % j->taps;
        const size_t stride = j->transposed ? j->in * j->taps : j->taps;
        const float own = j->transposed ? 1.0f : j->scale[r / j->taps];
        for (size_t e0 = 0; e0 < width; e0 += JOIN_BLOCK) {
            const size_t n = width - e0 < JOIN_BLOCK ? width - e0 : JOIN_BLOCK;
            float sum[JOIN_BLOCK];
            const size_t first = j->offset + r * width + e0;
            memcpy(sum, part_of(j->t, 0) + first, n * sizeof *sum);
            for (int g = 1; g < j->t->groups; g++) j->t->k.add(sum, part_of(j->t, g) + first, n);
            for (size_t e = 0; e < n; e++) j->grad[at + (e0 + e) * stride] += sum[e] * (j->transposed ? j->scale[e0 + e] : own);
        }
    }
}

/* With frozen batch norm the sums lack its factor. */
static const float *frozen_scale(const eff_trainer *t, int i)
{
    return t->tape.op[i].bn && t->o.bn == EFF_BN_FROZEN ? t->op[i].bn.scale : t->ones;
}

static void join_conv(const eff_trainer *t, int i, size_t offset)
{
    enum { ELEMENTS = 8192 }; /* a task */
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    float *grad = t->grad[o->node->param[0]];
    if (!grad) return;
    const int taps = o->node->kernel * o->node->kernel;
    join j = { .t = t, .offset = offset, .grad = grad, .scale = frozen_scale(t, i), .in = (size_t)in->c, .out = (size_t)o->c, .taps = (size_t)taps,
               .transposed = taps * in->c < o->c };
    const size_t rows = j.transposed ? j.taps * j.in : j.out * j.taps, width = j.transposed ? j.out : j.in;
    j.span = ELEMENTS / width + 1;
    eff_pool_run(t->pool, task_join, &j, (int)((rows + j.span - 1) / j.span));
}

static void join_dwconv(const eff_trainer *t, int i)
{
    const eff_tape_op *o = &t->tape.op[i];
    float *grad = t->grad[o->node->param[0]];
    if (!grad) return;
    const size_t taps = (size_t)o->node->kernel * (size_t)o->node->kernel, padded = eff_padded(&t->k, o->c);
    const float *scale = frozen_scale(t, i);
    for (size_t j = 0; j < (size_t)o->c; j++)
        for (size_t tap = 0; tap < taps; tap++) {
            float sum = 0;
            for (int g = 0; g < t->groups; g++) sum += part_of(t, g)[tap * padded + j];
            grad[j * taps + tap] += sum * scale[j];
        }
}

/* Gradients of SE's layers from the vectors that each image kept. */
static void join_se(const eff_trainer *t, int i)
{
    const eff_tape_op *o = &t->tape.op[i];
    const se_state *se = &t->op[i].se;
    const int n = t->pass->n, c = o->c, q = o->se->squeeze;
    float *w1 = t->grad[o->se->param[0]], *b1 = t->grad[o->se->param[1]];
    float *w2 = t->grad[o->se->param[2]], *b2 = t->grad[o->se->param[3]];
    if (b1) t->tk.column_dot(se->dmid, NULL, (size_t)n, q, b1);
    if (b2) t->tk.column_dot(se->dgate, NULL, (size_t)n, c, b2);
    if (w1) { /* [squeeze][c] */
        const eff_outer g = { .a = se->dmid, .b = se->pooled, .c = w1, .lda = (size_t)q, .ldb = (size_t)c, .ldc = (size_t)c,
                              .m = q, .n = c, .k = n };
        t->tk.outer(&g);
    }
    if (w2) { /* [c][squeeze] */
        const eff_outer g = { .a = se->dgate, .b = se->act, .c = w2, .lda = (size_t)c, .ldb = (size_t)q, .ldc = (size_t)q,
                              .m = c, .n = q, .k = n };
        t->tk.outer(&g);
    }
}

static void back_linear(eff_trainer *t, int i)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    float *dw = t->grad[o->node->param[0]], *db = t->grad[o->node->param[1]];
    const int n = t->pass->n;
    if (db) t->tk.column_dot(t->dlogits, NULL, (size_t)n, o->c, db);
    if (dw) {
        const eff_outer g = { .a = t->dlogits, .b = t->features, .c = dw, .lda = (size_t)o->c, .ldb = (size_t)in->c,
                              .ldc = (size_t)in->c, .m = o->c, .n = in->c, .k = n };
        t->tk.outer(&g);
    }
    if (!in->needs_grad) return;
    const eff_gemm g = { .a = t->dlogits, .b = t->op[i].wt, .bias = t->zeros, .c = t->dfeatures, .lda = (size_t)o->c,
                         .ldc = (size_t)in->c, .m = n, .k = o->c, .n = in->c, .groups = eff_gemm_groups(&t->k, in->c) };
    t->k.gemm(&g);
}

void eff_train_backward(eff_trainer *t)
{
    for (int i = t->tape.n - 1; i > 0; i--) {
        const eff_tape_op *o = &t->tape.op[i];
        if (!o->needs_grad) continue;
        if (o->kind == EFF_TAPE_HEAD) back_linear(t, i);
        if (o->bn) eff_train_finish_backward(t, i);
        if (t->op[i].fused) continue; /* its reader's task has done the rest */
        if (o->se) join_se(t, i);
        eff_train_recompute(t, i);
        t->now = i;
        eff_pool_run(t->pool, task_backward, t, t->groups);
        if (o->kind == EFF_TAPE_CONV) join_conv(t, i, 0);
        if (o->kind == EFF_TAPE_DWCONV) join_dwconv(t, i);
        if (t->op[i - 1].fused) join_conv(t, i - 1, eff_train_part_floats(t, i));
    }
}
