/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass. An op's task computes one image: its input view chunk by chunk, the convolution, and the sums of the batch
 * statistics while the output is in cache. Between ops the statistics of all images are joined in image order. */
#include "train/train_internal.h"

#include "base/rng.h"

#include <math.h>
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
    t->tk.affine_act(out, z, o->bn ? s->bn.scale : t->ones, o->bn ? s->bn.shift : t->zeros, count, o->c, o->act);
    if (o->se) t->k.scale(out, s->se.gate + (size_t)b * c, count, o->c);
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

/* The gate of image b of op i from the mean of its activation; the whole gated view is left in `view`. */
static void compute_gate(const eff_trainer *t, int i, int b, float *view)
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
        t->tk.affine_act(view + p * (size_t)c, image_of(s->z, o, b) + p * (size_t)c, o->bn ? s->bn.scale : t->ones,
                         o->bn ? s->bn.shift : t->zeros, n, c, o->act);
        t->tk.column_dot(view + p * (size_t)c, NULL, n, c, pooled);
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
    t->k.scale(view, gate, pixels, c);
}

/* ------------------------------------------------------------------------------------- convolutions */

static void conv_image(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    const op_state *s = &t->op[i];
    const int k = o->node->kernel, depth = k * k * in->c, pointwise = k == 1 && o->node->stride == 1;
    float *z = image_of(s->z, o, b);
    const size_t pixels = pixels_of(o), step = chunk_pixels(depth);
    const float *x = NULL; /* the input's whole view, where it is not evaluated chunk by chunk */
    float *patch = scratch;
    if (in->se) {
        compute_gate(t, o->in[0], b, scratch);
        x = scratch;
    } else if (!pointwise || eff_tape_plain(in)) x = eff_train_view_image(t, o->in[0], b, scratch);
    if (x == scratch) patch = scratch + eff_tape_floats(in);
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
    }
}

static void dwconv_image(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    const eff_node *d = o->node;
    const eff_dwconv a = { .x = eff_train_view_image(t, o->in[0], b, scratch), .w = t->op[i].w, .bias = t->op[i].bias,
                           .y = image_of(t->op[i].z, o, b), .h = in->h, .w_in = in->w, .c = in->c, .out_h = o->h, .out_w = o->w,
                           .kernel = d->kernel, .stride = d->stride, .pad_top = d->pad_top, .pad_left = d->pad_left,
                           .rows = o->h };
    t->k.dwconv(&a);
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
    eff_maxpool(image_of(t->op[i].z, o, b), eff_train_view_image(t, o->in[0], b, scratch), in->h, in->w, in->c, o->w, d->kernel,
                d->stride, d->pad_top, d->pad_left, 0, o->h);
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

static void task_forward(void *ctx, int b, int worker)
{
    const eff_trainer *t = ctx;
    const int i = t->now;
    const eff_tape_op *o = &t->tape.op[i];
    float *scratch = t->scratch + (size_t)worker * t->scratch_floats;
    switch (o->kind) {
    case EFF_TAPE_INPUT: break;
    case EFF_TAPE_CONV: conv_image(t, i, b, scratch); break;
    case EFF_TAPE_DWCONV: dwconv_image(t, i, b, scratch); break;
    case EFF_TAPE_ADD: add_image(t, i, b, scratch); break;
    case EFF_TAPE_MAXPOOL: maxpool_image(t, i, b, scratch); break;
    case EFF_TAPE_HEAD: head_image(t, i, b, scratch); break;
    }
    if (o->bn && t->o.bn == EFF_BN_BATCH) {
        const bn_state *bn = &t->op[i].bn;
        float *s1 = bn->s1 + (size_t)b * (size_t)o->c, *s2 = bn->s2 + (size_t)b * (size_t)o->c;
        memset(s1, 0, (size_t)o->c * sizeof *s1);
        memset(s2, 0, (size_t)o->c * sizeof *s2);
        const float *z = image_of(t->op[i].z, o, b);
        t->tk.moments(z, z, pixels_of(o), o->c, s1, s2); /* around the image's first pixel */
    }
}

/* ----------------------------------------------------------------------------------- batch statistics */

/* Mean and variance of channel j over all images. Each image's sums are around its own first pixel, so that nothing cancels where
 * the mean is many deviations away from zero; the images' means and squares are then joined in double, in image order. */
static void batch_moments(const eff_trainer *t, int i, int j, double *mean, double *var)
{
    const eff_tape_op *o = &t->tape.op[i];
    const bn_state *bn = &t->op[i].bn;
    const double pixels = (double)pixels_of(o);
    double sum = 0, inner = 0, square = 0;
    for (int b = 0; b < t->pass->n; b++) {
        const double s1 = (double)bn->s1[(size_t)b * (size_t)o->c + (size_t)j];
        sum += (double)image_of(t->op[i].z, o, b)[j] + s1 / pixels;
        inner += (double)bn->s2[(size_t)b * (size_t)o->c + (size_t)j] - s1 * s1 / pixels;
    }
    *mean = sum / t->pass->n;
    for (int b = 0; b < t->pass->n; b++) {
        const double s1 = (double)bn->s1[(size_t)b * (size_t)o->c + (size_t)j];
        const double off = (double)image_of(t->op[i].z, o, b)[j] + s1 / pixels - *mean;
        square += off * off;
    }
    *var = (inner + pixels * square) / (pixels * t->pass->n);
    if (*var < 0) *var = 0;
}

/* Statistics become the affine map of each channel; running statistics follow with the unbiased variance, as PyTorch's do. */
static void finish_bn(eff_trainer *t, int i)
{
    const eff_tape_op *o = &t->tape.op[i];
    const bn_state *bn = &t->op[i].bn;
    float *const *w = t->m->weights;
    const float *gamma = w[o->bn->param[0]], *beta = w[o->bn->param[1]];
    float *run_mean = w[o->bn->param[2]], *run_var = w[o->bn->param[3]];
    const double count = (double)t->pass->n * (double)pixels_of(o), momentum = t->m->table.bn_momentum;
    for (int j = 0; j < o->c; j++) {
        double mean = (double)run_mean[j], var = (double)run_var[j];
        if (t->o.bn == EFF_BN_BATCH) {
            batch_moments(t, i, j, &mean, &var);
            run_mean[j] = (float)((1 - momentum) * (double)run_mean[j] + momentum * mean);
            run_var[j] = (float)((1 - momentum) * (double)run_var[j] + momentum * (count > 1 ? var * count / (count - 1) : var));
        }
        const double rstd = 1.0 / sqrt(var + (double)o->bn->eps);
        bn->mean[j] = (float)mean;
        bn->rstd[j] = (float)rstd;
        bn->scale[j] = (float)((double)gamma[j] * rstd);
        bn->shift[j] = (float)((double)beta[j] - mean * (double)gamma[j] * rstd);
    }
}

static void run_head(eff_trainer *t, int i)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    const eff_gemm g = { .a = t->features, .b = t->op[i].w, .bias = t->op[i].bias, .c = t->logits, .lda = (size_t)in->c,
                         .ldc = (size_t)o->c, .m = t->pass->n, .k = in->c, .n = o->c, .groups = eff_gemm_groups(&t->k, o->c) };
    t->k.gemm(&g);
}

void eff_train_forward(eff_trainer *t)
{
    for (int i = 1; i < t->tape.n; i++) {
        const eff_tape_op *o = &t->tape.op[i];
        t->now = i;
        eff_pool_run(t->pool, task_forward, t, t->pass->n);
        if (o->bn) finish_bn(t, i);
        if (o->kind == EFF_TAPE_HEAD) run_head(t, i);
    }
}
