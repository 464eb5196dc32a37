/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolutions of one image, both ways, in bands of rows: what a band reads and writes stays in cache from the first
 * touch to the last, and rows that the next band needs again are moved to the front of the scratch. A fused input (the block's
 * expanded image, which is large) is never in memory as a whole: its band is multiplied out of the block's input, and on the way
 * back its gradient goes on into the block's input and the expanding weights before the next band comes. */
#include "train/train_internal.h"

#include <string.h>

static int clamp(int v, int most) { return v < 0 ? 0 : v > most ? most : v; }

/* Rows at hand in a scratch. */
typedef struct window {
    float *at;       /* row `from`      */
    int from, to;
    size_t row;      /* floats          */
} window;

/* Keep rows from `from` on, which become the first. @return the first row to be filled in up to `to` */
static int slide(window *w, int from, int to)
{
    if (from < w->to) memmove(w->at, w->at + (size_t)(from - w->from) * w->row, (size_t)(w->to - from) * w->row * sizeof *w->at);
    const int first = from < w->to ? w->to : from;
    w->from = from;
    w->to = to > first ? to : first;
    return first;
}

size_t eff_train_dwconv_scratch(const eff_trainer *t, int i)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    const size_t out_row = (size_t)o->w * (size_t)o->c, rows = (size_t)band_in(in, o->node);
    const size_t whole = o->node->kernel < o->node->stride ? (size_t)in->h : rows;
    const size_t deep = t->op[o->in[0]].fused ? (size_t)t->tape.op[in->in[0]].c : 0; /* channels of the block's input */
    const size_t forward = rows * (size_t)in->w * ((size_t)in->c + deep);
    const size_t backward = (size_t)band_out(in, o->node) * out_row + whole * (size_t)in->w * ((deep ? 3 : 2) * (size_t)in->c + deep);
    return forward > backward ? forward : backward;
}

/* Pixels first..first+n-1 of what fused op i would store, in z. @return the same pixels of its input's view, in x or where they lie */
static const float *expand(const eff_trainer *t, int i, int b, size_t first, size_t n, float *z, float *x)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    const float *a = x;
    if (eff_tape_plain(in)) a = eff_train_view_image(t, o->in[0], b, NULL) + first * (size_t)in->c;
    else eff_train_view(t, o->in[0], b, first, n, x);
    const eff_gemm g = { .a = a, .b = t->op[i].w, .bias = t->op[i].bias, .c = z, .lda = (size_t)in->c, .ldc = (size_t)o->c,
                         .m = (int)n, .k = in->c, .n = o->c, .groups = eff_gemm_groups(&t->k, o->c) };
    t->k.gemm(&g);
    return a;
}

/* Pixels of the view of op i, fused or stored. */
static void view_of(const eff_trainer *t, int i, int b, size_t first, size_t n, float *out, float *x)
{
    const eff_tape_op *o = &t->tape.op[i];
    if (!t->op[i].fused) {
        eff_train_view(t, i, b, first, n, out);
        return;
    }
    expand(t, i, b, first, n, out, x);
    t->tk.affine_act(out, out, t->op[i].bn.scale, t->op[i].bn.shift, NULL, n, o->c, o->act);
}

/* The other way, from the gradient g of what batch norm puts out: with frozen statistics that is all its convolution needs. */
static void expand_back(const eff_trainer *t, int i, int b, size_t first, size_t n, const float *g, const float *x, float *part, bool fresh)
{
    const eff_tape_op *o = &t->tape.op[i];
    const int input = o->in[0];
    const eff_tape_op *in = &t->tape.op[input];
    if (o->trainable) eff_train_add_weight_gradient(t, i, part, g, x, n, fresh);
    if (!in->needs_grad) return;
    float *out = image_of(t->op[input].g, in, b) + first * (size_t)in->c;
    const eff_gemm m = { .a = g, .b = t->op[i].wt, .bias = t->zeros, .c = out, .lda = (size_t)o->c, .ldc = (size_t)in->c,
                         .res = eff_train_writes(t, input, i) ? NULL : out, .ldr = (size_t)in->c, .m = (int)n, .k = o->c, .n = in->c,
                         .groups = eff_gemm_groups(&t->k, in->c) };
    t->k.gemm(&m);
    if (eff_train_finishes(t, input, i)) eff_train_act_back(t, input, b, first, n, NULL);
}

void eff_train_dwconv(const eff_trainer *t, int i, int b, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i], *in = &t->tape.op[o->in[0]];
    const eff_node *d = o->node;
    const size_t in_row = (size_t)in->w * (size_t)in->c, out_row = (size_t)o->w * (size_t)o->c;
    const bool plain = eff_tape_plain(in);
    const float *x = plain ? eff_train_view_image(t, o->in[0], b, NULL) : NULL;
    float *z = image_of(t->op[i].z, o, b);
    const int step = band_rows(in->h, in->w, in->c) / d->stride < 1 ? 1 : band_rows(in->h, in->w, in->c) / d->stride;
    window w = { .at = scratch, .row = in_row };
    float *deep = scratch + (size_t)band_in(in, d) * in_row; /* of a fused input */
    for (int o0 = 0; o0 < o->h; o0 += step) {
        const int n = o->h - o0 < step ? o->h - o0 : step, top = o0 * d->stride - d->pad_top;
        const int i0 = clamp(top, in->h), i1 = clamp(top + (n - 1) * d->stride + d->kernel, in->h);
        if (!plain) {
            const int first = slide(&w, i0, i1);
            view_of(t, o->in[0], b, (size_t)first * (size_t)in->w, (size_t)(w.to - first) * (size_t)in->w,
                    w.at + (size_t)(first - i0) * in_row, deep);
        }
        const eff_window a = { .x = plain ? x + (size_t)i0 * in_row : w.at, .w = t->op[i].w, .bias = t->op[i].bias,
                               .y = z + (size_t)o0 * out_row, .h = i1 - i0, .w_in = in->w, .c = in->c, .out_h = n, .out_w = o->w,
                               .kernel = d->kernel, .stride = d->stride, .pad_top = i0 - top, .pad_left = d->pad_left, .rows = n };
        t->k.dwconv(&a);
        eff_train_add_sums(t, i, b, (size_t)o0 * (size_t)o->w, (size_t)n * (size_t)o->w);
    }
}

/* Gradient of a band of input rows r0..r1-1 from output rows o0..o1-1 at dz. */
static void band_dx(const eff_trainer *t, int i, const eff_dw_back *a, int r0, int o0)
{
    const eff_node *d = t->tape.op[i].node;
    if (d->stride > 1) {
        t->tk.dw_dx(a);
        return;
    }
    /* a convolution with the kernel turned round */
    const eff_window f = { .x = a->dy, .w = t->op[i].wt, .bias = t->zeros, .y = a->dx, .h = a->out_h, .w_in = a->out_w, .c = a->c,
                           .out_h = a->h, .out_w = a->w_in, .kernel = d->kernel, .stride = 1, .pad_top = d->kernel - 1 - d->pad_top + o0 - r0,
                           .pad_left = d->kernel - 1 - d->pad_left, .rows = a->h };
    t->k.dwconv(&f);
}

void eff_train_dwconv_back(const eff_trainer *t, int i, int b, float *part, bool first_image, float *scratch)
{
    const eff_tape_op *o = &t->tape.op[i];
    const int input = o->in[0];
    const eff_tape_op *in = &t->tape.op[input];
    const eff_node *d = o->node;
    const int s = d->stride, k = d->kernel, pad = d->pad_top, rows = k < s ? in->h : band_rows(in->h, in->w, in->c);
    const size_t in_row = (size_t)in->w * (size_t)in->c, out_row = (size_t)o->w * (size_t)o->c;
    const bool plain = eff_tape_plain(in), dx = in->needs_grad, write = eff_train_writes(t, input, i);
    const bool finishes = eff_train_finishes(t, input, i), fused = t->op[input].fused;
    /* scratch: rows of dz; the band's view; its gradient, where that is added to another reader's or has no memory of its own; of a
     * fused input the band itself and that of the block's input */
    window w = { .at = scratch, .row = out_row };
    float *view = scratch + (size_t)band_out(in, d) * out_row, *added = view + (size_t)rows * in_row;
    float *z = added + (size_t)rows * in_row, *deep = z + (size_t)rows * in_row;
    float *gin = dx && !fused ? image_of(t->op[input].g, in, b) : NULL;
    if (finishes) eff_train_clear_sums(t, input, b);
    if (fused && eff_train_finishes(t, in->in[0], input)) eff_train_clear_sums(t, in->in[0], b);
    for (int r0 = 0; r0 < in->h; r0 += rows) {
        const int n = in->h - r0 < rows ? in->h - r0 : rows;
        const size_t first = (size_t)r0 * (size_t)in->w, pixels = (size_t)n * (size_t)in->w;
        /* output rows with a tap on the band */
        const int lowest = r0 + pad - k + 1, o0 = lowest > 0 ? clamp((lowest + s - 1) / s, o->h) : 0;
        const int o1 = clamp((r0 + n - 1 + pad) / s + 1, o->h);
        const float *dz = image_of(t->op[i].g, o, b) + (size_t)o0 * out_row;
        if (o->bn && t->o.bn == EFF_BN_BATCH) {
            const int from = slide(&w, o0, o1);
            eff_train_stored_gradient(t, i, b, (size_t)from * (size_t)o->w, (size_t)(w.to - from) * (size_t)o->w,
                                      w.at + (size_t)(from - o0) * out_row);
            dz = w.at;
        }
        float *g = fused ? added : dx ? gin + (size_t)r0 * in_row : NULL;
        eff_dw_back a = { .dy = dz, .w = t->op[i].wt, .dw = part, .dx = write ? g : added, .h = n, .w_in = in->w, .c = in->c,
                          .out_h = o1 - o0, .out_w = o->w, .kernel = k, .stride = s, .pad_top = r0 + pad - o0 * s,
                          .pad_left = d->pad_left };
        if (dx) {
            band_dx(t, i, &a, r0, o0);
            if (!write) t->k.add(g, added, pixels * (size_t)in->c);
            if (fused) {
                const float *x = expand(t, input, b, first, pixels, z, deep);
                eff_train_act_back_at(t, input, b, g, z, pixels, view);
                expand_back(t, input, b, first, pixels, g, x, part + eff_train_part_floats(t, i), first_image && r0 == 0);
            } else if (finishes) eff_train_act_back(t, input, b, first, pixels, o->trainable ? view : NULL);
        }
        if (!o->trainable) continue;
        a.x = view;
        if (plain) a.x = eff_train_view_image(t, input, b, NULL) + (size_t)r0 * in_row;
        else if (!finishes) view_of(t, input, b, first, pixels, view, deep);
        t->tk.dw_dw(&a);
    }
    if (fused && dx && !eff_train_finishes(t, in->in[0], input)) eff_train_hand_back(t, in->in[0], input, b, scratch);
}
