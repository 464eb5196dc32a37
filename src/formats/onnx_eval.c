/* SPDX-License-Identifier: Apache-2.0 */
/* The evaluator of ONNX files. It knows neither graph nor plan: it takes the operators of the file in the order in
 * which they stand and computes each with the reference kernels, in the layout the file says (NCHW), so that a mistake
 * of the exporter cannot be undone by the same mistake here. */
#include "formats/onnx_eval.h"

#include "base/mem.h"
#include "formats/onnx.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <string.h>

enum { ROWS_A_STEP = 64 }; /* output pixels whose patches are gathered at once */

typedef struct value {
    int type; /* 0 = not made, or gone */
    int ndim;
    int64_t dim[EFF_ONNX_DIMS];
    size_t count;
    void *data; /* float or uint8_t, owned */
} value;

typedef struct run {
    const eff_onnx *g;
    eff_kernels k;
    value *value;
    size_t *last; /* by value: the last node that reads it */
    uint64_t work;
    size_t at; /* node being computed */
    eff_error *err;
} run;

typedef eff_status op_fn(run *r, const eff_onnx_node *n, value *y);

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        const eff_status s_ = (call);                                                                                  \
        if (s_) return s_;                                                                                             \
    } while (0)

/* ------------------------------------------------------------------------------------------- checking */

static eff_status wrong(const run *r, eff_status code, const char *what)
{
    const eff_onnx_node *n = &r->g->node[r->at];
    return eff_fail(r->err, code, "ONNX: node %zu, %.*s \"%.*s\": %s", r->at, n->op.n < 40 ? (int)n->op.n : 40,
                    (const char *)n->op.p, n->name.n < 60 ? (int)n->name.n : 60,
                    n->name.n ? (const char *)n->name.p : "", what);
}

static eff_status charge(run *r, size_t a, size_t b)
{
    size_t n;
    if (!eff_mul(a, b, &n) || n > r->work) return wrong(r, EFF_EUNSUPPORTED, "more work than is allowed");
    r->work -= n;
    return EFF_OK;
}

/* Input i, of these dimensions (0 = any), float. */
static eff_status input(const run *r, const eff_onnx_node *n, int i, int ndim, const value **v)
{
    *v = i < n->nin && n->in[i] >= 0 ? &r->value[n->in[i]] : NULL;
    if (!*v || !(*v)->type) return wrong(r, EFF_EFORMAT, "an input is missing");
    if ((*v)->type != EFF_ONNX_FLOAT) return wrong(r, EFF_EFORMAT, "expected an input of type float");
    if (ndim && (*v)->ndim != ndim) return wrong(r, EFF_EFORMAT, "an input has another number of dimensions");
    return EFF_OK;
}

static eff_status make(run *r, value *y, int type, int ndim, const int64_t *dim)
{
    size_t count = 1, bytes;
    y->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        if (dim[i] < 1 || !eff_mul(count, (size_t)dim[i], &count)) return wrong(r, EFF_EFORMAT, "the output is empty");
        y->dim[i] = dim[i];
    }
    TRY(charge(r, count, 1));
    if (!eff_mul(count, type == EFF_ONNX_FLOAT ? sizeof(float) : 1, &bytes))
        return wrong(r, EFF_EUNSUPPORTED, "the output is too large");
    y->count = count;
    y->data = eff_malloc_aligned(bytes);
    if (!y->data) return eff_fail_memory(r->err, bytes);
    y->type = type;
    return EFF_OK;
}

static float *floats(const value *v) { return v->data; }

static int64_t int_of(const run *r, const eff_onnx_node *n, const char *name, int64_t otherwise)
{
    const eff_onnx_attribute *a = eff_onnx_find(r->g, n, name);
    return a ? a->i : otherwise;
}

/* ------------------------------------------------------------------------------------------- windows */

typedef struct window {
    int kernel, stride, top, left, out_h, out_w;
} window;

/* `count` whole numbers of attribute `name`, each in lo..hi; as `otherwise` where it is missing. */
static eff_status ints_of(int *out, const run *r, const eff_onnx_node *n, const char *name, int count, int otherwise,
                          int lo, int hi)
{
    const eff_onnx_attribute *a = eff_onnx_find(r->g, n, name);
    if (a && a->nints != count) return wrong(r, EFF_EUNSUPPORTED, "a window that is not of two dimensions");
    for (int i = 0; i < count; i++) {
        if (a && (a->ints[i] < lo || a->ints[i] > hi)) return wrong(r, EFF_EUNSUPPORTED, "a window out of range");
        out[i] = a ? (int)a->ints[i] : otherwise;
    }
    return EFF_OK;
}

static eff_status window_of(window *w, const run *r, const eff_onnx_node *n, const value *x, int kernel)
{
    enum { MOST = 1024 };
    const eff_onnx_attribute *a = eff_onnx_find(r->g, n, "auto_pad");
    int shape[2] = { 0 }, pads[4] = { 0 }, strides[2] = { 0 }, dilations[2] = { 0 };
    if (a && !eff_slice_is(a->text, "NOTSET")) return wrong(r, EFF_EUNSUPPORTED, "expected explicit pads");
    if (int_of(r, n, "ceil_mode", 0)) return wrong(r, EFF_EUNSUPPORTED, "ceil_mode");
    TRY(ints_of(shape, r, n, "kernel_shape", 2, kernel, 1, MOST));
    TRY(ints_of(pads, r, n, "pads", 4, 0, 0, MOST));
    TRY(ints_of(strides, r, n, "strides", 2, 1, 1, MOST));
    TRY(ints_of(dilations, r, n, "dilations", 2, 1, 1, 1));
    if (shape[0] != shape[1] || strides[0] != strides[1] || (kernel && shape[0] != kernel))
        return wrong(r, EFF_EUNSUPPORTED, "expected a square window");
    *w = (window){ .kernel = shape[0], .stride = strides[0], .top = pads[0], .left = pads[1] };
    const int64_t h = x->dim[2] + pads[0] + pads[2] - shape[0], v = x->dim[3] + pads[1] + pads[3] - shape[0];
    if (h < 0 || v < 0) return wrong(r, EFF_EFORMAT, "the input is smaller than the window");
    if (x->dim[2] > (1 << 24) || x->dim[3] > (1 << 24)) return wrong(r, EFF_EUNSUPPORTED, "the input is too large");
    if ((h / strides[0] + 1) * (v / strides[0] + 1) > INT32_MAX)
        return wrong(r, EFF_EUNSUPPORTED, "the output is too large");
    w->out_h = (int)(h / strides[0]) + 1;
    w->out_w = (int)(v / strides[0]) + 1;
    return EFF_OK;
}

/* ----------------------------------------------------------------------------- layouts, an image at a time */

static void to_channels_last(float *dst, const float *src, size_t c, size_t pixels)
{
    for (size_t j = 0; j < c; j++)
        for (size_t p = 0; p < pixels; p++) dst[p * c + j] = src[j * pixels + p];
}

static void to_channels_first(float *dst, const float *src, size_t c, size_t pixels)
{
    for (size_t j = 0; j < c; j++)
        for (size_t p = 0; p < pixels; p++) dst[j * pixels + p] = src[p * c + j];
}

/* ---------------------------------------------------------------------------------------- convolution */

typedef struct conv { /* one node's, for all images; blocks are owned */
    window w;
    int h, width, in, out;
    float *weight, *bias, *x, *y, *patches;
} conv;

static void conv_free(conv *c)
{
    eff_free(c->weight);
    eff_free(c->bias);
    eff_free(c->x);
    eff_free(c->y);
    eff_free(c->patches);
}

static void conv_dense(const run *r, const conv *c)
{
    const int depth = c->w.kernel * c->w.kernel * c->in, pixels = c->w.out_h * c->w.out_w;
    const eff_patches p = { .x = c->x,
                            .h = c->h,
                            .w = c->width,
                            .c = c->in,
                            .out_w = c->w.out_w,
                            .kernel = c->w.kernel,
                            .stride = c->w.stride,
                            .pad_top = c->w.top,
                            .pad_left = c->w.left };
    for (int first = 0; first < pixels; first += ROWS_A_STEP) {
        const int rows = pixels - first < ROWS_A_STEP ? pixels - first : ROWS_A_STEP;
        eff_patches_gather(c->patches, &p, first, rows);
        const eff_gemm g = { .a = c->patches,
                             .b = c->weight,
                             .bias = c->bias,
                             .c = c->y + (size_t)first * (size_t)c->out,
                             .lda = (size_t)depth,
                             .ldc = (size_t)c->out,
                             .m = rows,
                             .k = depth,
                             .n = c->out,
                             .groups = eff_gemm_groups(&r->k, c->out) };
        r->k.gemm(&g);
    }
}

static void conv_depthwise(const run *r, const conv *c)
{
    const eff_window d = { .x = c->x,
                           .w = c->weight,
                           .bias = c->bias,
                           .y = c->y,
                           .h = c->h,
                           .w_in = c->width,
                           .c = c->in,
                           .out_h = c->w.out_h,
                           .out_w = c->w.out_w,
                           .kernel = c->w.kernel,
                           .stride = c->w.stride,
                           .pad_top = c->w.top,
                           .pad_left = c->w.left,
                           .rows = c->w.out_h };
    r->k.dwconv(&d);
}

/* Room for one image, and the weights as the kernels want them. */
static eff_status conv_prepare(conv *c, const run *r, const float *weight, const float *bias, bool depthwise)
{
    const size_t taps = (size_t)c->w.kernel * (size_t)c->w.kernel, padded = eff_padded(&r->k, c->out);
    const size_t depth = depthwise ? taps : taps * (size_t)c->in;
    const size_t n = depthwise ? padded * taps : eff_gemm_packed_size(&r->k, c->out, (int)depth);
    c->weight = eff_malloc_aligned(n * sizeof(float));
    c->bias = eff_malloc_aligned(padded * sizeof(float));
    c->x = eff_malloc_aligned((size_t)c->in * (size_t)c->h * (size_t)c->width * sizeof(float));
    c->y = eff_malloc_aligned((size_t)c->out * (size_t)c->w.out_h * (size_t)c->w.out_w * sizeof(float));
    c->patches = eff_malloc_aligned(depthwise ? 1 : ROWS_A_STEP * depth * sizeof(float));
    if (!c->weight || !c->bias || !c->x || !c->y || !c->patches) return eff_fail_memory(r->err, n * sizeof(float));
    memset(c->bias, 0, padded * sizeof(float));
    if (bias) memcpy(c->bias, bias, (size_t)c->out * sizeof(float));
    if (!depthwise) {
        eff_gemm_pack_conv(&r->k, c->weight, weight, c->out, c->in, (int)taps, NULL);
        return EFF_OK;
    }
    memset(c->weight, 0, n * sizeof(float));
    for (size_t t = 0; t < taps; t++)
        for (size_t j = 0; j < (size_t)c->out; j++) c->weight[t * padded + j] = weight[j * taps + t];
    return EFF_OK;
}

static eff_status op_conv(run *r, const eff_onnx_node *n, value *y)
{
    const value *x, *w, *b = NULL;
    conv c = { 0 };
    TRY(input(r, n, 0, 4, &x));
    TRY(input(r, n, 1, 4, &w));
    if (n->nin > 2 && n->in[2] >= 0) TRY(input(r, n, 2, 1, &b));
    const int64_t groups = int_of(r, n, "group", 1), in = x->dim[1], out = w->dim[0];
    const bool depthwise = groups != 1;
    if (depthwise ? groups != in || out != in || w->dim[1] != 1 : w->dim[1] != in)
        return wrong(r, EFF_EUNSUPPORTED, "its channels are neither dense nor depthwise");
    if (w->dim[2] != w->dim[3] || w->dim[2] > 1024) return wrong(r, EFF_EUNSUPPORTED, "expected a square window");
    if (in > (1 << 20) || out > (1 << 20)) return wrong(r, EFF_EUNSUPPORTED, "too many channels");
    if (b && b->dim[0] != out) return wrong(r, EFF_EFORMAT, "its bias has another number of channels");
    TRY(window_of(&c.w, r, n, x, (int)w->dim[2]));
    TRY(make(r, y, EFF_ONNX_FLOAT, 4, (const int64_t[]){ x->dim[0], out, c.w.out_h, c.w.out_w }));
    TRY(charge(r, y->count,
               w->count / (size_t)out)); /* bounds the patches too: as large as weights and an image's output */
    if (w->count / (size_t)out > (1 << 24)) return wrong(r, EFF_EUNSUPPORTED, "too many weights");
    c.h = (int)x->dim[2];
    c.width = (int)x->dim[3];
    c.in = (int)in;
    c.out = (int)out;
    const eff_status s = conv_prepare(&c, r, floats(w), b ? floats(b) : NULL, depthwise);
    const size_t from = x->count / (size_t)x->dim[0], to = y->count / (size_t)x->dim[0];
    for (int64_t i = 0; s == EFF_OK && i < x->dim[0]; i++) {
        to_channels_last(c.x, floats(x) + (size_t)i * from, (size_t)in, from / (size_t)in);
        if (depthwise)
            conv_depthwise(r, &c);
        else
            conv_dense(r, &c);
        to_channels_first(floats(y) + (size_t)i * to, c.y, (size_t)out, to / (size_t)out);
    }
    conv_free(&c);
    return s;
}

/* -------------------------------------------------------------------------------------------- pooling */

static eff_status op_maxpool(run *r, const eff_onnx_node *n, value *y)
{
    const value *x;
    window w;
    TRY(input(r, n, 0, 4, &x));
    TRY(window_of(&w, r, n, x, 0));
    if (w.kernel == 0) return wrong(r, EFF_EFORMAT, "expected a kernel_shape");
    TRY(make(r, y, EFF_ONNX_FLOAT, 4, (const int64_t[]){ x->dim[0], x->dim[1], w.out_h, w.out_w }));
    TRY(charge(r, y->count, (size_t)w.kernel * (size_t)w.kernel));
    const int h = (int)x->dim[2], v = (int)x->dim[3];
    eff_window m = { .h = h, .w_in = v, .c = 1, .out_w = w.out_w, .kernel = w.kernel, .stride = w.stride,
                     .pad_top = w.top, .pad_left = w.left, .rows = w.out_h };
    for (size_t i = 0; i < (size_t)x->dim[0] * (size_t)x->dim[1]; i++) { /* a channel at a time */
        m.y = floats(y) + i * (size_t)w.out_h * (size_t)w.out_w;
        m.x = floats(x) + i * (size_t)h * (size_t)v;
        r->k.maxpool(&m);
    }
    return EFF_OK;
}

static eff_status op_mean(run *r, const eff_onnx_node *n, value *y)
{
    const value *x;
    TRY(input(r, n, 0, 4, &x));
    TRY(make(r, y, EFF_ONNX_FLOAT, 4, (const int64_t[]){ x->dim[0], x->dim[1], 1, 1 }));
    TRY(charge(r, x->count, 1));
    if (x->dim[2] > INT32_MAX || x->dim[3] > INT32_MAX) return wrong(r, EFF_EUNSUPPORTED, "the input is too large");
    for (size_t i = 0; i < y->count; i++)
        r->k.mean(floats(y) + i, floats(x) + i * (size_t)x->dim[2] * (size_t)x->dim[3], (int)x->dim[2], (int)x->dim[3],
                  1, 0, 1);
    return EFF_OK;
}

/* As GlobalAveragePool, if that is what it is asked. */
static eff_status op_reduce_mean(run *r, const eff_onnx_node *n, value *y)
{
    const eff_onnx_attribute *const a = eff_onnx_find(r->g, n, "axes");
    if (!a || a->nints != 2 || a->ints[0] != 2 || a->ints[1] != 3 || int_of(r, n, "keepdims", 1) != 1)
        return wrong(r, EFF_EUNSUPPORTED, "expected the mean over axes 2 and 3, which are kept");
    return op_mean(r, n, y);
}

/* --------------------------------------------------------------------------------------- element by element */

static eff_status apply(run *r, const eff_onnx_node *n, value *y, eff_act act)
{
    const value *x;
    TRY(input(r, n, 0, 0, &x));
    TRY(make(r, y, EFF_ONNX_FLOAT, x->ndim, x->dim));
    memcpy(y->data, x->data, x->count * sizeof(float));
    r->k.act(y->data, y->count, act);
    return EFF_OK;
}

static eff_status op_relu(run *r, const eff_onnx_node *n, value *y) { return apply(r, n, y, EFF_ACT_RELU); }
static eff_status op_sigmoid(run *r, const eff_onnx_node *n, value *y) { return apply(r, n, y, EFF_ACT_SIGMOID); }
static eff_status op_hardswish(run *r, const eff_onnx_node *n, value *y) { return apply(r, n, y, EFF_ACT_HSWISH); }

static eff_status op_clip(run *r, const eff_onnx_node *n, value *y)
{
    const value *x, *bound[2] = { NULL, NULL };
    TRY(input(r, n, 0, 0, &x));
    for (int i = 0; i < 2; i++) {
        if (i + 1 < n->nin && n->in[i + 1] >= 0) TRY(input(r, n, i + 1, 0, &bound[i]));
        if (bound[i] && bound[i]->count != 1) return wrong(r, EFF_EFORMAT, "expected bounds of one number");
    }
    TRY(make(r, y, EFF_ONNX_FLOAT, x->ndim, x->dim));
    for (size_t i = 0; i < x->count; i++) {
        float v = floats(x)[i];
        if (bound[0] && v < *floats(bound[0])) v = *floats(bound[0]);
        if (bound[1] && v > *floats(bound[1])) v = *floats(bound[1]);
        floats(y)[i] = v;
    }
    return EFF_OK;
}

typedef enum arithmetic { ADD, SUB, MUL, DIV } arithmetic;

static float compute(arithmetic op, float a, float b)
{
    switch (op) {
    case ADD: return a + b;
    case SUB: return a - b;
    case MUL: return a * b;
    case DIV: return a / b;
    }
    return 0.0f;
}

/* Dimensions are aligned at the end; of length 1 they repeat. */
static eff_status binary(run *r, const eff_onnx_node *n, value *y, arithmetic op)
{
    const value *in[2];
    int64_t dim[EFF_ONNX_DIMS], at[EFF_ONNX_DIMS] = { 0 };
    size_t step[2][EFF_ONNX_DIMS], place[2] = { 0, 0 };
    TRY(input(r, n, 0, 0, &in[0]));
    TRY(input(r, n, 1, 0, &in[1]));
    const int ndim = in[0]->ndim > in[1]->ndim ? in[0]->ndim : in[1]->ndim;
    for (int i = 0; i < ndim; i++) dim[i] = 1;
    for (int k = 0; k < 2; k++) {
        size_t stride = 1;
        for (int i = ndim - 1; i >= 0; i--) {
            const int from = i - (ndim - in[k]->ndim);
            const int64_t d = from >= 0 ? in[k]->dim[from] : 1;
            if (d != 1 && dim[i] != 1 && dim[i] != d) return wrong(r, EFF_EFORMAT, "its inputs do not fit each other");
            if (d != 1) dim[i] = d;
            step[k][i] = d == 1 ? 0 : stride;
            stride *= (size_t)d;
        }
    }
    TRY(make(r, y, EFF_ONNX_FLOAT, ndim, dim));
    for (size_t e = 0; e < y->count; e++) {
        floats(y)[e] = compute(op, floats(in[0])[place[0]], floats(in[1])[place[1]]);
        for (int i = ndim - 1; i >= 0; i--) { /* the next element: count up, last dimension first */
            place[0] += step[0][i];
            place[1] += step[1][i];
            if (++at[i] < dim[i]) break;
            place[0] -= step[0][i] * (size_t)dim[i];
            place[1] -= step[1][i] * (size_t)dim[i];
            at[i] = 0;
        }
    }
    return EFF_OK;
}

static eff_status op_add(run *r, const eff_onnx_node *n, value *y) { return binary(r, n, y, ADD); }
static eff_status op_sub(run *r, const eff_onnx_node *n, value *y) { return binary(r, n, y, SUB); }
static eff_status op_mul(run *r, const eff_onnx_node *n, value *y) { return binary(r, n, y, MUL); }
static eff_status op_div(run *r, const eff_onnx_node *n, value *y) { return binary(r, n, y, DIV); }

/* ------------------------------------------------------------------------------------- shape and type */

static eff_status op_flatten(run *r, const eff_onnx_node *n, value *y)
{
    const value *x;
    TRY(input(r, n, 0, 0, &x));
    if (x->ndim < 1 || int_of(r, n, "axis", 1) != 1) return wrong(r, EFF_EUNSUPPORTED, "expected axis 1");
    TRY(make(r, y, EFF_ONNX_FLOAT, 2, (const int64_t[]){ x->dim[0], (int64_t)(x->count / (size_t)x->dim[0]) }));
    memcpy(y->data, x->data, x->count * sizeof(float));
    return EFF_OK;
}

static eff_status op_transpose(run *r, const eff_onnx_node *n, value *y)
{
    const value *x;
    const eff_onnx_attribute *perm = eff_onnx_find(r->g, n, "perm");
    int64_t dim[EFF_ONNX_DIMS], at[EFF_ONNX_DIMS] = { 0 };
    size_t stride[EFF_ONNX_DIMS], step[EFF_ONNX_DIMS], place = 0;
    unsigned seen = 0;
    TRY(input(r, n, 0, 0, &x));
    if (!perm || perm->nints != x->ndim) return wrong(r, EFF_EFORMAT, "expected a perm for every dimension");
    for (int i = x->ndim - 1; i >= 0; i--) stride[i] = i == x->ndim - 1 ? 1 : stride[i + 1] * (size_t)x->dim[i + 1];
    for (int i = 0; i < x->ndim; i++) {
        if (perm->ints[i] < 0 || perm->ints[i] >= x->ndim || seen & 1u << perm->ints[i])
            return wrong(r, EFF_EFORMAT, "perm is no permutation");
        seen |= 1u << perm->ints[i];
        dim[i] = x->dim[perm->ints[i]];
        step[i] = stride[perm->ints[i]];
    }
    TRY(make(r, y, EFF_ONNX_FLOAT, x->ndim, dim));
    for (size_t e = 0; e < y->count; e++) {
        floats(y)[e] = floats(x)[place];
        for (int i = x->ndim - 1; i >= 0; i--) {
            place += step[i];
            if (++at[i] < dim[i]) break;
            place -= step[i] * (size_t)dim[i];
            at[i] = 0;
        }
    }
    return EFF_OK;
}

static eff_status op_cast(run *r, const eff_onnx_node *n, value *y)
{
    const value *x = n->nin == 1 && n->in[0] >= 0 ? &r->value[n->in[0]] : NULL;
    if (!x || !x->type) return wrong(r, EFF_EFORMAT, "an input is missing");
    if (x->type != EFF_ONNX_UINT8 || int_of(r, n, "to", 0) != EFF_ONNX_FLOAT)
        return wrong(r, EFF_EUNSUPPORTED, "expected uint8 to float");
    TRY(make(r, y, EFF_ONNX_FLOAT, x->ndim, x->dim));
    for (size_t i = 0; i < x->count; i++) floats(y)[i] = ((const uint8_t *)x->data)[i];
    return EFF_OK;
}

/* y = x * w^T + b */
static eff_status op_gemm(run *r, const eff_onnx_node *n, value *y)
{
    const value *x, *w, *b;
    const eff_onnx_attribute *alpha = eff_onnx_find(r->g, n, "alpha"), *beta = eff_onnx_find(r->g, n, "beta");
    TRY(input(r, n, 0, 2, &x));
    TRY(input(r, n, 1, 2, &w));
    TRY(input(r, n, 2, 1, &b));
    if ((alpha && alpha->f != 1.0f) || (beta && beta->f != 1.0f) || int_of(r, n, "transA", 0) ||
        !int_of(r, n, "transB", 0))
        return wrong(r, EFF_EUNSUPPORTED, "expected x * transposed weights + bias");
    if (w->dim[1] != x->dim[1] || b->dim[0] != w->dim[0])
        return wrong(r, EFF_EFORMAT, "its inputs do not fit each other");
    if (x->dim[0] > (1 << 24) || w->dim[0] > (1 << 24) || w->dim[1] > (1 << 24))
        return wrong(r, EFF_EUNSUPPORTED, "the weights are too large");
    TRY(make(r, y, EFF_ONNX_FLOAT, 2, (const int64_t[]){ x->dim[0], w->dim[0] }));
    TRY(charge(r, y->count, (size_t)x->dim[1]));
    const int depth = (int)w->dim[1], out = (int)w->dim[0];
    const size_t packed = eff_gemm_packed_size(&r->k, out, depth), padded = eff_padded(&r->k, out);
    float *const room = eff_malloc_aligned((packed + padded) * sizeof(float));
    if (!room) return eff_fail_memory(r->err, (packed + padded) * sizeof(float));
    eff_gemm_pack(&r->k, room, floats(w), out, depth, NULL);
    memset(room + packed, 0, padded * sizeof(float));
    memcpy(room + packed, floats(b), (size_t)out * sizeof(float));
    const eff_gemm g = { .a = floats(x),
                         .b = room,
                         .bias = room + packed,
                         .c = floats(y),
                         .lda = (size_t)depth,
                         .ldc = (size_t)out,
                         .m = (int)x->dim[0],
                         .k = depth,
                         .n = out,
                         .groups = eff_gemm_groups(&r->k, out) };
    r->k.gemm(&g);
    eff_free(room);
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------- running */

static const struct {
    const char *name;
    op_fn *run;
} ops[] = {
    { "Conv", op_conv },
    { "Mul", op_mul },
    { "Sigmoid", op_sigmoid },
    { "Add", op_add },
    { "Clip", op_clip },
    { "Relu", op_relu },
    { "HardSwish", op_hardswish },
    { "GlobalAveragePool", op_mean },
    { "ReduceMean", op_reduce_mean },
    { "MaxPool", op_maxpool },
    { "Flatten", op_flatten },
    { "Gemm", op_gemm },
    { "Cast", op_cast },
    { "Sub", op_sub },
    { "Div", op_div },
    { "Transpose", op_transpose },
};

static void forget(value *v)
{
    eff_free(v->data);
    *v = (value){ 0 };
}

/* Weights are taken out of the file when a node needs them, so that each is in memory a second time only while it is
 * used. */
static eff_status load_weight(run *r, const eff_onnx_tensor *t)
{
    value *v = &r->value[t->value];
    if (v->type) return EFF_OK;
    if (t->shape.type != EFF_ONNX_FLOAT) return wrong(r, EFF_EUNSUPPORTED, "weights that are not float");
    TRY(make(r, v, EFF_ONNX_FLOAT, t->shape.ndim, t->shape.dim));
    memcpy(v->data, t->raw.p, t->raw.n);
    return EFF_OK;
}

static eff_status load_input(run *r, const void *x, int batch)
{
    const eff_onnx_shape *s = &r->g->input_shape;
    int64_t dim[EFF_ONNX_DIMS];
    value *v = &r->value[r->g->input];
    for (int i = 0; i < s->ndim; i++) {
        dim[i] = s->dim[i] < 0 ? batch : s->dim[i];
        if (i && s->dim[i] < 0)
            return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: only the number of images may be open");
    }
    if (s->type != EFF_ONNX_FLOAT && s->type != EFF_ONNX_UINT8)
        return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: the input has data type %d", s->type);
    TRY(make(r, v, s->type, s->ndim, dim));
    memcpy(v->data, x, v->count * (s->type == EFF_ONNX_FLOAT ? sizeof(float) : 1));
    return EFF_OK;
}

static eff_status run_node(run *r, const eff_onnx_node *n, const eff_onnx_tensor *const *weight)
{
    for (int i = 0; i < n->nin; i++)
        if (n->in[i] >= 0 && weight[n->in[i]]) TRY(load_weight(r, weight[n->in[i]]));
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (eff_slice_is(n->op, ops[i].name)) {
            TRY(ops[i].run(r, n, &r->value[n->out]));
            for (int k = 0; k < n->nin; k++)
                if (n->in[k] >= 0 && r->last[n->in[k]] == r->at) forget(&r->value[n->in[k]]);
            return EFF_OK;
        }
    return wrong(r, EFF_EUNSUPPORTED, "an operator that no export of effnet uses");
}

static eff_status run_all(run *r, const void *x, int batch, float *out, size_t n)
{
    const eff_onnx *g = r->g;
    const size_t values = (size_t)g->nvalues;
    r->value = eff_calloc(values, sizeof *r->value);
    r->last = eff_calloc(values, sizeof *r->last);
    const eff_onnx_tensor **weight = eff_calloc(values, sizeof *weight);
    eff_status s = r->value && r->last && weight ? EFF_OK : eff_fail_memory(r->err, values * sizeof *r->value);
    for (size_t i = 0; s == EFF_OK && i < g->ntensors; i++) weight[g->tensor[i].value] = &g->tensor[i];
    for (size_t i = 0; s == EFF_OK && i < g->nnodes; i++)
        for (int k = 0; k < g->node[i].nin; k++)
            if (g->node[i].in[k] >= 0) r->last[g->node[i].in[k]] = i;
    if (s == EFF_OK) r->last[g->output] = SIZE_MAX; /* stays */
    if (s == EFF_OK && g->nnodes == 0) s = eff_fail(r->err, EFF_EFORMAT, "ONNX: the graph has no nodes");
    if (s == EFF_OK) s = load_input(r, x, batch);
    for (r->at = 0; s == EFF_OK && r->at < g->nnodes; r->at++) s = run_node(r, &g->node[r->at], weight);
    if (s == EFF_OK) {
        const value *y = &r->value[g->output];
        if (y->type != EFF_ONNX_FLOAT || y->count != n || y->ndim != 2 || y->dim[0] != batch)
            s = eff_fail(r->err, EFF_EFORMAT, "ONNX: the output has %zu elements in %d dimensions, expected %zu in 2",
                         y->count, y->ndim, n);
        else
            memcpy(out, y->data, n * sizeof *out);
    }
    eff_free(weight);
    return s;
}

eff_status eff_onnx_eval(const eff_onnx *g, const void *x, int batch, float *out, size_t n, uint64_t work,
                         eff_error *err)
{
    run r = { .g = g, .work = work, .err = err };
    eff_kernels_init_ref(&r.k);
    const eff_status s = run_all(&r, x, batch, out, n);
    for (int i = 0; r.value && i < g->nvalues; i++) forget(&r.value[i]);
    eff_free(r.value);
    eff_free(r.last);
    return s;
}
