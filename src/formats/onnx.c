/* SPDX-License-Identifier: Apache-2.0 */
/* From graph to ONNX. Batch norm is folded into the convolution before it with the function that the inference plan
 * uses, so the file's weights are the ones that predict here; dropout is gone; padding is written as numbers, which is
 * the only form in which TensorFlow's SAME means the same everywhere. Nodes and names are built in memory, weights are
 * streamed.
 */
#include "formats/onnx.h"

#include "base/mem.h"
#include "base/number.h"
#include "formats/modelfile.h"
#include "formats/onnx_wire.h"
#include "formats/safetensors.h"
#include "image/preprocess.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
enum { /* field numbers of onnx.proto */
    MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_PRODUCER_VERSION = 3, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14,
    OPSET_DOMAIN = 1, OPSET_VERSION = 2,
    ENTRY_KEY = 1, ENTRY_VALUE = 2,
    GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_TENSOR = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12,
    NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5,
    ATTRIBUTE_NAME = 1, ATTRIBUTE_INT = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20,
    ATTRIBUTE_IS_INT = 2, ATTRIBUTE_IS_INTS = 7,
    TENSOR_DIM = 1, TENSOR_DATA_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9,
    VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TYPE_ELEMENT = 1, TYPE_SHAPE = 2, SHAPE_DIM = 1,
    DIM_VALUE = 1, DIM_PARAM = 2
};
/* clang-format on */

enum { VALUE_NAME_LEN = EFF_NAME_LEN + 16 };

#define AS_TEXT_(x)  #x
#define AS_TEXT(x)   AS_TEXT_(x)
#define VERSION_TEXT AS_TEXT(EFF_VERSION_MAJOR) "." AS_TEXT(EFF_VERSION_MINOR) "." AS_TEXT(EFF_VERSION_PATCH)

typedef struct value_name {
    char s[VALUE_NAME_LEN];
} value_name;

typedef struct blob { /* a tensor of weights, made when it is written */
    enum { FOLDED_WEIGHT, FOLDED_BIAS, PARAMETER } kind;
    int conv, bn, param; /* nodes; parameter of PARAMETER */
    size_t count;
    size_t head, head_end; /* the message before its data, in writer.heads */
} blob;

typedef struct writer {
    const eff_model *m;
    eff_graph *g;
    value_name *value;            /* by node: what its output is called in the file */
    eff_wire model, graph, heads; /* `graph` is without the blobs */
    eff_wire part, inner, innermost;
    blob *blobs;
    int nblobs;
    bool has_bounds; /* of ReLU6 */
} writer;

/* -------------------------------------------------------------------------------------------- tensors */

static void tensor_head(eff_wire *w, const char *name, int ndim, const int *dim, size_t count)
{
    for (int i = 0; i < ndim; i++) eff_wire_number(w, TENSOR_DIM, (uint64_t)dim[i]);
    eff_wire_number(w, TENSOR_DATA_TYPE, EFF_ONNX_FLOAT);
    eff_wire_text(w, TENSOR_NAME, name);
    eff_wire_head(w, TENSOR_RAW, (uint64_t)count * sizeof(float));
}

/* A small tensor that no parameter holds; ndim 0 is a scalar. */
static void add_constant(writer *w, const char *name, int ndim, int n, const float *v)
{
    tensor_head(&w->part, name, ndim, &n, (size_t)n);
    eff_wire_raw(&w->part, v, (size_t)n * sizeof *v);
    eff_wire_message(&w->graph, GRAPH_TENSOR, &w->part);
}

static void add_blob(writer *w, blob b, const char *name, int ndim, const int *dim)
{
    b.head = w->heads.n;
    tensor_head(&w->heads, name, ndim, dim, b.count);
    b.head_end = w->heads.n;
    w->blobs[w->nblobs++] = b;
}

static void add_parameter(writer *w, int p)
{
    const eff_param *q = &w->g->param[p];
    add_blob(w, (blob){ .kind = PARAMETER, .param = p, .count = q->count }, q->name, q->ndim, q->dim);
}

/* Bytes that a blob takes in the graph's message. */
static uint64_t blob_bytes(const blob *b)
{
    const uint64_t n = b->head_end - b->head + (uint64_t)b->count * sizeof(float);
    return 1 + eff_wire_number_bytes(n) + n; /* the tag of a field below 16 is a byte */
}

/* ---------------------------------------------------------------------------------------------- nodes */

/* A node without attributes so far; finish() it. Inputs end at the first NULL. */
static void start(writer *w, const char *op, const char *out, const char *in0, const char *in1, const char *in2)
{
    const char *const in[] = { in0, in1, in2 };
    for (int i = 0; i < 3 && in[i]; i++) eff_wire_text(&w->part, NODE_INPUT, in[i]);
    eff_wire_text(&w->part, NODE_OUTPUT, out);
    eff_wire_text(&w->part, NODE_NAME, out);
    eff_wire_text(&w->part, NODE_OP, op);
}

static void finish(writer *w) { eff_wire_message(&w->graph, GRAPH_NODE, &w->part); }

static void attribute(writer *w, const char *name, int n, const int *v)
{
    eff_wire_text(&w->inner, ATTRIBUTE_NAME, name);
    for (int i = 0; i < n; i++) eff_wire_number(&w->inner, ATTRIBUTE_INTS, (uint64_t)v[i]);
    eff_wire_number(&w->inner, ATTRIBUTE_TYPE, ATTRIBUTE_IS_INTS);
    eff_wire_message(&w->part, NODE_ATTRIBUTE, &w->inner);
}

static void attribute_int(writer *w, const char *name, int v)
{
    eff_wire_text(&w->inner, ATTRIBUTE_NAME, name);
    eff_wire_number(&w->inner, ATTRIBUTE_INT, (uint64_t)v);
    eff_wire_number(&w->inner, ATTRIBUTE_TYPE, ATTRIBUTE_IS_INT);
    eff_wire_message(&w->part, NODE_ATTRIBUTE, &w->inner);
}

static void simple(writer *w, const char *op, const char *out, const char *in0, const char *in1)
{
    start(w, op, out, in0, in1, NULL);
    finish(w);
}

/* `base` with `end` behind it. */
static value_name join(const char *base, const char *end)
{
    value_name v;
    snprintf(v.s, sizeof v.s, "%.*s%s", (int)(sizeof v.s - strlen(end) - 1), base, end);
    return v;
}

static void window(writer *w, const eff_node *n)
{
    attribute(w, "kernel_shape", 2, (const int[]){ n->kernel, n->kernel });
    attribute(w, "pads", 4, (const int[]){ n->pad_top, n->pad_left, n->pad_bottom, n->pad_right });
    attribute(w, "strides", 2, (const int[]){ n->stride, n->stride });
}

static void add_act(writer *w, eff_act act, const char *out, const char *in)
{
    static const float zero = 0.0f, six = 6.0f;
    switch (act) {
    case EFF_ACT_NONE:
    case EFF_ACT_SIGMOID: return; /* the graph has no node for them */
    case EFF_ACT_RELU: simple(w, "Relu", out, in, NULL); return;
    case EFF_ACT_HSWISH: simple(w, "HardSwish", out, in, NULL); return;
    case EFF_ACT_RELU6:
        if (!w->has_bounds) {
            add_constant(w, "zero", 0, 1, &zero);
            add_constant(w, "six", 0, 1, &six);
        }
        w->has_bounds = true;
        start(w, "Clip", out, in, "zero", "six");
        finish(w);
        return;
    case EFF_ACT_SILU: {
        const value_name gate = join(out, ".sigmoid"); /* opset 17 has no SiLU */
        simple(w, "Sigmoid", gate.s, in, NULL);
        simple(w, "Mul", out, in, gate.s);
        return;
    }
    }
}

/* The convolution at node i with the batch norm behind it. */
static void add_conv(writer *w, int i)
{
    const eff_node *n = &w->g->node[i];
    const int bn = i + 1; /* the graph puts it there */
    assert(bn < w->g->nnodes && w->g->node[bn].op == EFF_NODE_BN && w->g->node[bn].in[0] == i);
    const eff_param *p = &w->g->param[n->param[0]];
    const char *out = w->value[bn].s;
    const value_name bias = join(out, ".bias");
    add_blob(w, (blob){ .kind = FOLDED_WEIGHT, .conv = i, .bn = bn, .count = p->count }, p->name, p->ndim, p->dim);
    add_blob(w, (blob){ .kind = FOLDED_BIAS, .conv = i, .bn = bn, .count = (size_t)n->c }, bias.s, 1, &n->c);
    start(w, "Conv", out, w->value[n->in[0]].s, p->name, bias.s);
    window(w, n);
    if (n->op == EFF_NODE_DWCONV) attribute_int(w, "group", n->c);
    finish(w);
}

/* The mean over an image, which stays of four dimensions. Not GlobalAveragePool: ONNX Runtime adds up its pixels one
 * after another, and on flat parts of a picture its rounding errors, all of one sign, came to ten times this one's. */
static void add_mean(writer *w, const char *out, const char *in)
{
    start(w, "ReduceMean", out, in, NULL, NULL);
    attribute(w, "axes", 2, (const int[]){ 2, 3 });
    attribute_int(w, "keepdims", 1);
    finish(w);
}

/* Squeeze and excitation, node i. */
static void add_se(writer *w, int i)
{
    const eff_node *n = &w->g->node[i];
    const char *out = w->value[i].s, *in = w->value[n->in[0]].s;
    const value_name mean = join(out, ".mean"), gate = join(out, ".gate");
    const value_name mid[2] = { join(out, ".reduce"), join(out, ".expand") };
    const value_name act = n->act == EFF_ACT_NONE ? mid[0] : join(out, ".act");
    add_mean(w, mean.s, in);
    for (int k = 0; k < 2; k++) {
        const int *const at = n->param + (size_t)2 * (size_t)k; /* weight and bias */
        const eff_param *p = &w->g->param[at[0]];
        add_parameter(w, at[0]);
        add_parameter(w, at[1]);
        start(w, "Conv", mid[k].s, k ? act.s : mean.s, p->name, w->g->param[at[1]].name);
        attribute(w, "kernel_shape", 2, (const int[]){ 1, 1 });
        finish(w);
        if (!k && n->act != EFF_ACT_NONE) add_act(w, n->act, act.s, mid[0].s);
    }
    simple(w, "Sigmoid", gate.s, mid[1].s, NULL);
    simple(w, "Mul", out, in, gate.s);
}

/* [batch][c][1][1] to [batch][c]. */
static void add_flatten(writer *w, const char *out, const char *in)
{
    start(w, "Flatten", out, in, NULL, NULL);
    attribute_int(w, "axis", 1);
    finish(w);
}

static void add_linear(writer *w, const eff_node *n)
{
    const value_name flat = join("head", ".flat");
    add_flatten(w, flat.s, w->value[n->in[0]].s);
    add_parameter(w, n->param[0]);
    add_parameter(w, n->param[1]);
    start(w, "Gemm", "logits", flat.s, w->g->param[n->param[0]].name, w->g->param[n->param[1]].name);
    attribute_int(w, "transB", 1);
    finish(w);
}

/* What node i's output is called: its parameters' part of the network, or its block and what it does. */
static value_name name_value(const writer *w, int i)
{
    const eff_node *n = &w->g->node[i];
    value_name v;
    switch (n->op) {
    case EFF_NODE_CONV:
    case EFF_NODE_DWCONV:
    case EFF_NODE_SE: { /* "blocks.0.0.se.reduce.weight": the part is what stands before the last two words */
        v = join(w->g->param[n->param[0]].name, "");
        *strrchr(v.s, '.') = '\0';
        if (n->op == EFF_NODE_SE) *strrchr(v.s, '.') = '\0';
        return v;
    }
    case EFF_NODE_ACT: return join(w->value[n->in[0]].s, ".act");
    case EFF_NODE_ADD: snprintf(v.s, sizeof v.s, "blocks.%d.%d.add", n->stage, n->block); return v;
    case EFF_NODE_MAXPOOL: return join("stem.pool", "");
    case EFF_NODE_MEAN: return join("head.mean", "");
    case EFF_NODE_LINEAR: return join("logits", "");
    case EFF_NODE_INPUT: return join("input", "");
    default: return w->value[n->in[0]]; /* batch norm is in its convolution, dropout does nothing */
    }
}

static void add_node(writer *w, int i)
{
    const eff_node *n = &w->g->node[i];
    const char *out = w->value[i].s, *in = n->in[0] >= 0 ? w->value[n->in[0]].s : NULL;
    switch (n->op) {
    case EFF_NODE_CONV:
    case EFF_NODE_DWCONV: add_conv(w, i); break;
    case EFF_NODE_ACT: add_act(w, n->act, out, in); break;
    case EFF_NODE_SE: add_se(w, i); break;
    case EFF_NODE_ADD: simple(w, "Add", out, in, w->value[n->in[1]].s); break;
    case EFF_NODE_MEAN: add_mean(w, out, in); break;
    case EFF_NODE_LINEAR: add_linear(w, n); break;
    case EFF_NODE_MAXPOOL:
        start(w, "MaxPool", out, in, NULL, NULL);
        window(w, n);
        finish(w);
        break;
    case EFF_NODE_INPUT:
    case EFF_NODE_BN:
    case EFF_NODE_DROPOUT: break;
    }
}

/* From bytes to what the network reads. */
static void add_preprocess(writer *w)
{
    const eff_preprocess *p = &w->m->meta.preprocess;
    const char *const last = w->value[0].s;
    add_constant(w, "preprocess.mean", 1, 3, p->mean);
    add_constant(w, "preprocess.std", 1, 3, p->std);
    start(w, "Cast", "preprocess.float", "input", NULL, NULL);
    attribute_int(w, "to", EFF_ONNX_FLOAT);
    finish(w);
    simple(w, "Sub", "preprocess.centred", "preprocess.float", "preprocess.mean");
    simple(w, "Div", "preprocess.scaled", "preprocess.centred", "preprocess.std");
    start(w, "Transpose", last, "preprocess.scaled", NULL, NULL);
    attribute(w, "perm", 4, (const int[]){ 0, 3, 1, 2 });
    finish(w);
}

/* --------------------------------------------------------------------------------------- around the graph */

/* An input or output: images first, then these dimensions. */
static void add_value(writer *w, int field, const char *name, int element, int ndim, const int *dim)
{
    eff_wire shape = { 0 };
    eff_wire_text(&w->innermost, DIM_PARAM, "batch");
    eff_wire_message(&shape, SHAPE_DIM, &w->innermost);
    for (int i = 0; i < ndim; i++) {
        eff_wire_number(&w->innermost, DIM_VALUE, (uint64_t)dim[i]);
        eff_wire_message(&shape, SHAPE_DIM, &w->innermost);
    }
    eff_wire_number(&w->innermost, TYPE_ELEMENT, (uint64_t)element);
    eff_wire_message(&w->innermost, TYPE_SHAPE, &shape);
    eff_wire_message(&w->inner, TYPE_TENSOR, &w->innermost);
    eff_wire_text(&w->part, VALUE_NAME, name);
    eff_wire_message(&w->part, VALUE_TYPE, &w->inner);
    eff_wire_message(&w->graph, field, &w->part);
    eff_wire_free(&shape);
}

static void add_metadata(writer *w, const char *key, const char *value)
{
    if (!value) return;
    eff_wire_text(&w->part, ENTRY_KEY, key);
    eff_wire_text(&w->part, ENTRY_VALUE, value);
    eff_wire_message(&w->model, MODEL_METADATA, &w->part);
}

/* A list of texts as JSON, null where there is none. */
static eff_status add_list(writer *w, const char *key, char *const *text, int n, eff_error *err)
{
    if (!text) return EFF_OK;
    json_t *const list = json_array();
    bool ok = list != NULL;
    for (int i = 0; ok && i < n; i++)
        ok = json_array_append_new(list, text[i] ? json_string(text[i]) : json_null()) == 0;
    char *const dump = ok ? json_dumps(list, JSON_COMPACT) : NULL;
    add_metadata(w, key, dump);
    json_decref(list);
    free(dump); /* jansson's */
    return dump ? EFF_OK : eff_fail(err, EFF_ENOMEM, "out of memory for the JSON of %s", key);
}

/* One entry for each thing that a reader elsewhere can use, JSON where it is not text; and the whole model file's text.
 */
static eff_status add_all_metadata(writer *w, bool with_preprocess, eff_error *err)
{
    const eff_meta *const meta = &w->m->meta;
    char *text = NULL, spec[512], number[40];
    add_metadata(w, "input", with_preprocess ? "uint8 NHWC RGB" : "float32 NCHW RGB, (pixel - mean) / std");
    eff_preprocess_write(&meta->preprocess, spec, sizeof spec);
    add_metadata(w, "preprocess", spec);
    eff_number_print(number, sizeof number, "%.17g", meta->temperature);
    if (meta->temperature > 0) add_metadata(w, "temperature", number);
    add_metadata(w, "origin", meta->origin);
    add_metadata(w, "licence", meta->licence);
    eff_status s = add_list(w, "class_names", meta->class_names, w->m->table.classes, err);
    if (s == EFF_OK) s = add_list(w, "class_ids", meta->class_ids, w->m->table.classes, err);
    if (s == EFF_OK) s = eff_modelfile_text(&text, w->m, err);
    add_metadata(w, EFF_MODELFILE_KEY, text);
    eff_free(text);
    return s;
}

/* ---------------------------------------------------------------------------------------------- data */

/* The values of a blob; `room` holds the largest, and twice the channels behind it. */
static const float *blob_values(const writer *w, const blob *b, float *room, size_t most)
{
    if (b->kind == PARAMETER) return w->m->weights[b->param];
    const int channels = w->g->node[b->conv].c;
    float *const scale = room + most, *const shift = scale + channels;
    eff_bn_fold(scale, shift, &w->g->node[b->bn], w->m->weights);
    if (b->kind == FOLDED_BIAS) return shift;
    const float *const weight = w->m->weights[w->g->node[b->conv].param[0]];
    const size_t each = b->count / (size_t)channels;
    for (size_t i = 0; i < b->count; i++) room[i] = weight[i] * scale[i / each];
    return room;
}

static eff_status write_blobs(FILE *f, const writer *w, eff_error *err)
{
    size_t most = 0, channels = 0;
    for (int i = 0; i < w->nblobs; i++) {
        const blob *b = &w->blobs[i];
        if (b->kind == FOLDED_WEIGHT && b->count > most) most = b->count;
        if (b->kind == FOLDED_BIAS && b->count > channels) channels = b->count;
    }
    float *const room = eff_malloc((most + 2 * channels) * sizeof *room);
    if (!room) return eff_fail_memory(err, (most + 2 * channels) * sizeof *room);
    eff_wire head = { 0 };
    for (int i = 0; i < w->nblobs; i++) {
        const blob *b = &w->blobs[i];
        head.n = 0;
        eff_wire_head(&head, GRAPH_TENSOR, b->head_end - b->head + (uint64_t)b->count * sizeof(float));
        eff_wire_raw(&head, w->heads.p + b->head, b->head_end - b->head);
        if (head.failed) break;
        fwrite(head.p, 1, head.n, f);
        fwrite(blob_values(w, b, room, most), sizeof(float), b->count, f);
    }
    eff_free(room);
    const bool failed = head.failed;
    eff_wire_free(&head);
    return failed ? eff_fail_memory(err, 256) : EFF_OK;
}

/* -------------------------------------------------------------------------------------------- public */

static void free_writer(writer *w)
{
    eff_wire *const all[] = { &w->model, &w->graph, &w->heads, &w->part, &w->inner, &w->innermost };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) eff_wire_free(all[i]);
    eff_free(w->value);
    eff_free(w->blobs);
    eff_graph_free(w->g);
}

/* Everything but the data. `graph` gets the length of the graph's message, *bytes that of the file. */
static eff_status build(writer *w, uint64_t *graph, uint64_t *bytes, const eff_model *m, bool with_preprocess,
                        eff_error *err)
{
    const eff_preprocess *p = &m->meta.preprocess;
    w->m = m;
    eff_status s = eff_graph_build(&w->g, &m->table, p->height, p->width, err);
    if (s != EFF_OK) return s;
    w->value = eff_calloc((size_t)w->g->nnodes, sizeof *w->value);
    w->blobs = eff_calloc((size_t)w->g->nparams, sizeof *w->blobs); /* a batch norm's four become one bias */
    if (!w->value || !w->blobs) return eff_fail_memory(err, (size_t)w->g->nnodes * sizeof *w->value);
    for (int i = 0; i < w->g->nnodes; i++) w->value[i] = name_value(w, i);
    if (with_preprocess) {
        w->value[0] = join("preprocess", "");
        add_preprocess(w);
    }
    for (int i = 0; i < w->g->nnodes; i++) add_node(w, i);
    const char *const output = m->table.classes ? "logits" : "features";
    const int outputs = eff_graph_outputs(w->g);
    if (!m->table.classes) add_flatten(w, output, w->value[w->g->nnodes - 1].s);
    eff_wire_text(&w->graph, GRAPH_NAME, m->table.name);
    const int nhwc[] = { p->height, p->width, 3 }, nchw[] = { 3, p->height, p->width };
    add_value(w, GRAPH_INPUT, "input", with_preprocess ? EFF_ONNX_UINT8 : EFF_ONNX_FLOAT, 3,
              with_preprocess ? nhwc : nchw);
    add_value(w, GRAPH_OUTPUT, output, EFF_ONNX_FLOAT, 1, &outputs);

    eff_wire_number(&w->model, MODEL_IR, EFF_ONNX_IR);
    eff_wire_text(&w->model, MODEL_PRODUCER, "effnet");
    eff_wire_text(&w->model, MODEL_PRODUCER_VERSION, VERSION_TEXT);
    eff_wire_text(&w->part, OPSET_DOMAIN, "");
    eff_wire_number(&w->part, OPSET_VERSION, EFF_ONNX_OPSET);
    eff_wire_message(&w->model, MODEL_OPSET, &w->part);
    s = add_all_metadata(w, with_preprocess, err);
    if (s != EFF_OK) return s;
    if (w->model.failed || w->graph.failed || w->heads.failed || w->part.failed)
        return eff_fail_memory(err, w->graph.n);
    *graph = w->graph.n;
    for (int i = 0; i < w->nblobs; i++) *graph += blob_bytes(&w->blobs[i]);
    *bytes = w->model.n + 1 + eff_wire_number_bytes(*graph) + *graph;
    if (*bytes <= EFF_ONNX_MOST_BYTES) return EFF_OK;
    return eff_fail(err, EFF_EUNSUPPORTED,
                    "%.64s would be %llu bytes as ONNX, whose files end at %llu: export it as .safetensors",
                    m->table.name, (unsigned long long)*bytes, (unsigned long long)EFF_ONNX_MOST_BYTES);
}

eff_status eff_onnx_size(uint64_t *bytes, const eff_model *m, bool with_preprocess, eff_error *err)
{
    uint64_t graph;
    writer w = { 0 };
    const eff_status s = build(&w, &graph, bytes, m, with_preprocess, err);
    free_writer(&w);
    return s;
}

eff_status eff_onnx_write(FILE *f, const eff_model *m, bool with_preprocess, eff_error *err)
{
    uint64_t graph, bytes;
    writer w = { 0 };
    if (!m->weights) return eff_fail(err, EFF_EARG, "%s is untrained: there are no weights to export", m->table.name);
    eff_status s = build(&w, &graph, &bytes, m, with_preprocess, err);
    if (s == EFF_OK) {
        eff_wire_head(&w.model, MODEL_GRAPH, graph);
        if (w.model.failed) s = eff_fail_memory(err, w.model.n);
    }
    if (s == EFF_OK) {
        fwrite(w.model.p, 1, w.model.n, f);
        fwrite(w.graph.p, 1, w.graph.n, f);
        s = write_blobs(f, &w, err);
    }
    free_writer(&w);
    return s;
}
