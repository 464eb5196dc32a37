/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of an ONNX file's way through the worker. Wire format and names stay there; what crosses is numbers: every
 * value is one, a node is an operator, the values it reads and the one that it makes. On this side each number is held
 * against its range, and the whole against the rule that a value is made once and before it is read. Of the weights
 * only floats are looked at: nothing that effnet runs has others. */
#include "formats/onnx_stream.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "formats/dtype.h"
#include "formats/import.h"
#include "formats/onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct eff_onnx_source {
    json_t *graph;     /* texts of nodes and attributes */
    eff_map map;       /* the weights                   */
    eff_checkpoint *c; /* their names                   */
};

enum { MOST_ATTRIBUTES = 64 };

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        const eff_status s_ = (call);                                                                                  \
        if (s_) return s_;                                                                                             \
    } while (0)

bool eff_onnx_begins(const unsigned char *h, size_t n)
{
    /* a protobuf that begins as ONNX is written: ir_version (3 or more; a TensorFlow SavedModel has 1 there), then
     * another field of the ModelProto */
    return n >= 16 && h[0] == 0x08 && h[1] >= 3 && h[1] < 64 &&
           (h[2] == 0x12 || h[2] == 0x1a || h[2] == 0x3a || h[2] == 0x42);
}

/* ------------------------------------------------------------------------------------------ the worker's side */

typedef struct file { /* of a checkpoint: c->impl */
    eff_map map;
    eff_onnx g;
    size_t *tensor; /* of g, by the checkpoint's order */
} file;

static eff_status read_weight(const eff_checkpoint *c, const eff_tensor *t, float *out, eff_error *err)
{
    const file *const f = c->impl;
    (void)err;
    eff_dtype_to_f32(t->dtype, f->g.tensor[f->tensor[t->storage]].raw.p, t->count, out);
    return EFF_OK;
}

static void close_file(eff_checkpoint *c)
{
    file *const f = c->impl;
    eff_onnx_close(&f->g);
    eff_file_unmap(&f->map);
    eff_free(f->tensor);
    eff_free(f);
}

static eff_dtype dtype_of(int type)
{
    return type == EFF_ONNX_FLOAT ? EFF_F32 : type == EFF_ONNX_INT64 ? EFF_I64 : EFF_U8;
}

/* Floats first: they lie aligned in the stream then. */
static eff_status add_weights(eff_checkpoint *c, file *f, eff_error *err)
{
    f->tensor = eff_calloc(f->g.ntensors, sizeof *f->tensor);
    if (!f->tensor) return eff_fail_memory(err, f->g.ntensors * sizeof *f->tensor);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < f->g.ntensors; i++) {
            const eff_onnx_tensor *const w = &f->g.tensor[i];
            if ((w->shape.type == EFF_ONNX_FLOAT) != (pass == 0)) continue;
            eff_tensor t = { .dtype = dtype_of(w->shape.type), .ndim = w->shape.ndim, .storage = (int)c->count };
            memcpy(t.dim, w->shape.dim, (size_t)t.ndim * sizeof *t.dim);
            eff_tensor_strides(t.ndim, t.dim, t.stride);
            f->tensor[c->count] = i;
            TRY(eff_checkpoint_add(c, (const char *)w->name.p, w->name.n, &t, w->count, err));
        }
    return EFF_OK;
}

/* NULL where it is no line of UTF-8, or memory ended. */
static json_t *text_json(eff_slice s)
{
    if (!s.n) return json_string("");
    return eff_utf8_is_line((const char *)s.p, s.n) ? json_stringn((const char *)s.p, s.n) : NULL;
}

static json_t *ints_json(const int64_t *v, int n)
{
    json_t *const list = json_array();
    bool ok = list != NULL;
    for (int i = 0; i < n && ok; i++) ok = json_array_append_new(list, json_integer((json_int_t)v[i])) == 0;
    if (ok) return list;
    json_decref(list);
    return NULL;
}

static json_t *end_json(eff_slice name, const eff_onnx_shape *s, int value)
{
    return json_pack("[i, o, i, o]", value, text_json(name), s->type, ints_json(s->dim, s->ndim)); /* NULL of a NULL */
}

/* A float's bits, so that every one of them crosses as it is. */
static json_t *attribute_json(const eff_onnx_attribute *a)
{
    uint32_t bits;
    memcpy(&bits, &a->f, sizeof bits);
    return json_pack("[o, I, I, o, o]", text_json(a->name), (json_int_t)bits, (json_int_t)a->i,
                     ints_json(a->ints, a->nints), text_json(a->text));
}

static json_t *node_json(const eff_onnx *g, const eff_onnx_node *n)
{
    int64_t in[EFF_ONNX_INPUTS];
    for (int i = 0; i < n->nin; i++) in[i] = n->in[i];
    json_t *list = json_array();
    bool ok = list != NULL;
    for (int i = 0; i < n->nattributes && ok; i++)
        ok = json_array_append_new(list, attribute_json(&g->attribute[n->attributes + i])) == 0;
    if (!ok) {
        json_decref(list);
        list = NULL;
    }
    return json_pack("[o, o, o, i, o]", text_json(n->op), text_json(n->name), ints_json(in, n->nin), n->out, list);
}

static eff_status write_graph(json_t *root, const eff_checkpoint *c, const file *f, eff_error *err)
{
    const eff_onnx *const g = &f->g;
    json_t *const weights = json_object(), *const nodes = json_array();
    bool ok = eff_json_put(root, "ir", json_integer((json_int_t)g->ir)) &&
              eff_json_put(root, "opset", json_integer((json_int_t)g->opset)) &&
              eff_json_put(root, "values", json_integer(g->nvalues));
    ok = eff_json_put(root, "weights", weights) && ok; /* taken over, also where something before has failed */
    ok = eff_json_put(root, "nodes", nodes) && ok;
    if (!ok) return eff_fail_memory(err, 0);
    ok = eff_json_put(root, "input", end_json(g->input_name, &g->input_shape, g->input)) &&
         eff_json_put(root, "output", end_json(g->output_name, &g->output_shape, g->output));
    for (size_t i = 0; i < c->count && ok; i++)
        ok = eff_json_put(weights, c->tensor[i].name, json_integer(g->tensor[f->tensor[i]].value));
    for (size_t i = 0; i < g->nnodes && ok; i++) ok = json_array_append_new(nodes, node_json(g, &g->node[i])) == 0;
    return ok ? EFF_OK : eff_fail(err, EFF_EUNSUPPORTED, "ONNX: a name or text of the graph is no line of UTF-8 text");
}

static void append_shape(char *to, size_t room, const char *what, const eff_onnx_shape *s)
{
    size_t n = strlen(to);
    n += (size_t)snprintf(to + n, room - n, ", %s %s [", what,
                          s->type == EFF_ONNX_FLOAT   ? "float32"
                          : s->type == EFF_ONNX_UINT8 ? "uint8"
                                                      : "other");
    for (int i = 0; i < s->ndim && n < room; i++)
        n += (size_t)(s->dim[i] < 0 ? snprintf(to + n, room - n, "%sany", i ? ", " : "")
                                    : snprintf(to + n, room - n, "%s%" PRId64, i ? ", " : "", s->dim[i]));
    if (n < room) snprintf(to + n, room - n, "]");
}

/* For people. */
static eff_status note_graph(eff_checkpoint *c, const eff_onnx *g, eff_error *err)
{
    char note[256];
    snprintf(note, sizeof note, "opset %" PRId64 ", %zu nodes", g->opset, g->nnodes);
    append_shape(note, sizeof note, "input", &g->input_shape);
    append_shape(note, sizeof note, "output", &g->output_shape);
    return eff_copy_text(&c->note, note, err);
}

static eff_status describe(eff_checkpoint *c, const file *f, eff_error *err)
{
    const eff_onnx *const g = &f->g;
    json_t *const root = json_object();
    eff_status s = root ? write_graph(root, c, f, err) : eff_fail_memory(err, 0);
    char *const text = s == EFF_OK ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (s != EFF_OK) return s;
    c->graph = text ? eff_strdup(text) : NULL;
    free(text); /* jansson's */
    if (!c->graph) return eff_fail_memory(err, 0);
    if (strlen(c->graph) > EFF_IMPORT_MOST_TEXT)
        return eff_fail(err, EFF_EUNSUPPORTED, "ONNX: the graph takes more than %d bytes as text",
                        EFF_IMPORT_MOST_TEXT);
    return note_graph(c, g, err);
}

eff_status eff_onnx_open_weights(eff_checkpoint *c, uint64_t size, eff_error *err)
{
    c->format = "onnx";
    if (size > EFF_ONNX_MOST_BYTES)
        return eff_fail(err, EFF_EFORMAT, "ONNX: expected at most %" PRIu64 " bytes, found %" PRIu64,
                        EFF_ONNX_MOST_BYTES, size);
    file *const f = eff_calloc(1, sizeof *f);
    if (!f) return eff_fail_memory(err, sizeof *f);
    c->impl = f;
    c->read = read_weight;
    c->close = close_file;
    if (!eff_file_map(&f->map, c->fd, size)) return eff_fail_memory(err, (size_t)size);
    TRY(eff_onnx_parse(&f->g, f->map.base, (size_t)size, err));
    TRY(add_weights(c, f, err));
    return describe(c, f, err);
}

/* --------------------------------------------------------------------------------------------- on this side */

typedef struct receiver {
    eff_onnx *g;
    eff_error *err;
} receiver;

static eff_status unsound(const receiver *r, const char *what, size_t i)
{
    return eff_fail(r->err, EFF_EFORMAT, "ONNX: the import worker sent no sound graph: %s %zu", what, i);
}

/* A whole number within lo..hi. */
static bool take(const json_t *j, int64_t lo, int64_t hi, int64_t *out)
{
    if (!json_is_integer(j)) return false;
    *out = json_integer_value(j);
    return *out >= lo && *out <= hi;
}

static bool take_int(const json_t *j, int lo, int hi, int *out)
{
    int64_t v;
    if (!take(j, lo, hi, &v)) return false;
    *out = (int)v;
    return true;
}

/* At most `most` whole numbers. */
static bool take_list(const json_t *j, int most, int64_t lo, int64_t hi, int64_t *out, int *n)
{
    if (!json_is_array(j) || json_array_size(j) > (size_t)most) return false;
    *n = (int)json_array_size(j);
    for (int i = 0; i < *n; i++)
        if (!take(json_array_get(j, (size_t)i), lo, hi, &out[i])) return false;
    return true;
}

static bool take_text(const json_t *j, eff_slice *out)
{
    const char *const s = json_string_value(j);
    if (!s || !eff_utf8_is_line(s, json_string_length(j))) return false;
    *out = (eff_slice){ (const unsigned char *)s, json_string_length(j) };
    return true;
}

static bool is_list(const json_t *j, size_t n) { return json_is_array(j) && json_array_size(j) == n; }

static bool take_end(const receiver *r, const json_t *j, int *value, eff_slice *name, eff_onnx_shape *s)
{
    return is_list(j, 4) && take_int(json_array_get(j, 0), 0, r->g->nvalues - 1, value) &&
           take_text(json_array_get(j, 1), name) && take_int(json_array_get(j, 2), 0, INT32_MAX, &s->type) &&
           take_list(json_array_get(j, 3), EFF_ONNX_DIMS, -1, INT32_MAX, s->dim, &s->ndim);
}

static bool take_attribute(const json_t *j, eff_onnx_attribute *a)
{
    int64_t bits;
    if (!is_list(j, 5) || !take_text(json_array_get(j, 0), &a->name) ||
        !take(json_array_get(j, 1), 0, UINT32_MAX, &bits) || !take(json_array_get(j, 2), INT64_MIN, INT64_MAX, &a->i) ||
        !take_list(json_array_get(j, 3), (int)(sizeof a->ints / sizeof *a->ints), INT64_MIN, INT64_MAX, a->ints,
                   &a->nints) ||
        !take_text(json_array_get(j, 4), &a->text))
        return false;
    const uint32_t f = (uint32_t)bits;
    memcpy(&a->f, &f, sizeof a->f);
    return true;
}

static bool take_node(const receiver *r, const json_t *j, eff_onnx_node *n)
{
    eff_onnx *const g = r->g;
    int64_t in[EFF_ONNX_INPUTS];
    const json_t *const attributes = json_array_get(j, 4);
    if (!is_list(j, 5) || !take_text(json_array_get(j, 0), &n->op) || !n->op.n ||
        !take_text(json_array_get(j, 1), &n->name) ||
        !take_list(json_array_get(j, 2), EFF_ONNX_INPUTS, -1, g->nvalues - 1, in, &n->nin) ||
        !take_int(json_array_get(j, 3), 0, g->nvalues - 1, &n->out) || !json_is_array(attributes))
        return false;
    for (int i = 0; i < n->nin; i++) n->in[i] = (int)in[i];
    n->attributes = (int)g->nattributes;
    n->nattributes = (int)json_array_size(attributes);
    for (int i = 0; i < n->nattributes; i++)
        if (!take_attribute(json_array_get(attributes, (size_t)i), &g->attribute[g->nattributes++])) return false;
    return true;
}

static eff_status take_nodes(const receiver *r, const json_t *nodes)
{
    eff_onnx *const g = r->g;
    const size_t n = json_array_size(nodes);
    size_t attributes = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t k = json_array_size(json_array_get(json_array_get(nodes, i), 4));
        if (k > MOST_ATTRIBUTES) return unsound(r, "node", i);
        attributes += k;
    }
    g->node = eff_calloc(n, sizeof *g->node);
    g->attribute = eff_calloc(attributes, sizeof *g->attribute);
    if (!g->node || !g->attribute) return eff_fail_memory(r->err, attributes * sizeof *g->attribute);
    for (; g->nnodes < n; g->nnodes++)
        if (!take_node(r, json_array_get(nodes, g->nnodes), &g->node[g->nnodes])) return unsound(r, "node", g->nnodes);
    return EFF_OK;
}

static bool take_weight(const receiver *r, const json_t *weights, const eff_tensor *from, eff_onnx_tensor *t)
{
    static const struct {
        eff_dtype dtype;
        int type;
    } types[] = { { EFF_F32, EFF_ONNX_FLOAT }, { EFF_I64, EFF_ONNX_INT64 }, { EFF_U8, EFF_ONNX_UINT8 } };
    const eff_onnx_source *const from_worker = r->g->source;
    uint64_t at;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == from->dtype) t->shape.type = types[i].type;
    if (!t->shape.type || from->ndim > EFF_ONNX_DIMS ||
        !take_int(json_object_get(weights, from->name), 0, r->g->nvalues - 1, &t->value))
        return false;
    t->name = (eff_slice){ (const unsigned char *)from->name, strlen(from->name) };
    t->shape.ndim = from->ndim;
    memcpy(t->shape.dim, from->dim, (size_t)from->ndim * sizeof *from->dim);
    t->count = from->count;
    if (from->dtype != EFF_F32) return true;
    if (!from_worker->c->place(from_worker->c, from, &at)) return false;
    t->raw = (eff_slice){ (const unsigned char *)from_worker->map.base + at, from->count * sizeof(float) };
    return true;
}

static eff_status take_weights(const receiver *r, const json_t *weights)
{
    eff_onnx *const g = r->g;
    const eff_checkpoint *const c = g->source->c;
    if (json_object_size(weights) != c->count) return unsound(r, "weights beside", c->count);
    g->tensor = eff_calloc(c->count, sizeof *g->tensor);
    if (!g->tensor) return eff_fail_memory(r->err, c->count * sizeof *g->tensor);
    for (; g->ntensors < c->count; g->ntensors++)
        if (!take_weight(r, weights, &c->tensor[g->ntensors], &g->tensor[g->ntensors]))
            return unsound(r, "weight", g->ntensors);
    return EFF_OK;
}

static eff_status take_graph(const receiver *r, const json_t *root)
{
    eff_onnx *const g = r->g;
    const json_t *const nodes = json_object_get(root, "nodes"), *const weights = json_object_get(root, "weights");
    /* a node makes one value, a weight is one, and so is the input */
    const uint64_t values = (uint64_t)json_array_size(nodes) + g->source->c->count + 1;
    if (!json_is_array(nodes) || !json_is_object(weights) || values > INT32_MAX ||
        !take_int(json_object_get(root, "values"), (int)values, (int)values, &g->nvalues))
        return unsound(r, "values", (size_t)values);
    if (!take(json_object_get(root, "ir"), 0, INT32_MAX, &g->ir) ||
        !take(json_object_get(root, "opset"), EFF_ONNX_OPSET, EFF_ONNX_OPSET, &g->opset))
        return unsound(r, "expected opset", EFF_ONNX_OPSET);
    if (!take_end(r, json_object_get(root, "input"), &g->input, &g->input_name, &g->input_shape) ||
        !take_end(r, json_object_get(root, "output"), &g->output, &g->output_name, &g->output_shape))
        return unsound(r, "input and output of values", (size_t)values);
    TRY(take_weights(r, weights));
    TRY(take_nodes(r, nodes));
    return eff_onnx_check(g, r->err);
}

eff_status eff_onnx_of_checkpoint(eff_onnx *out, eff_checkpoint *c, eff_error *err)
{
    const receiver r = { out, err };
    *out = (eff_onnx){ .input = -1, .output = -1 };
    eff_onnx_source *const from = eff_calloc(1, sizeof *from);
    if (!from) {
        eff_checkpoint_close(c);
        return eff_fail_memory(err, sizeof *from);
    }
    out->source = from;
    from->c = c;
    eff_status s = EFF_OK;
    struct stat st;
    if (strcmp(c->format, "onnx") != 0 || !c->graph || !c->place || fstat(c->fd, &st) != 0)
        s = eff_fail(err, EFF_EFORMAT, "ONNX: expected an ONNX file, found %s", c->format);
    else if (!eff_file_map(&from->map, c->fd, (uint64_t)st.st_size))
        s = eff_fail_memory(err, (size_t)st.st_size);
    if (s == EFF_OK) s = eff_json_parse(&from->graph, c->graph, strlen(c->graph), "ONNX: the graph", err);
    if (s == EFF_OK) s = take_graph(&r, from->graph);
    if (s != EFF_OK) eff_onnx_close(out);
    return s;
}

eff_status eff_onnx_open(eff_onnx *out, const char *path, eff_error *err)
{
    int fd;
    uint64_t size;
    eff_checkpoint *c = NULL;
    eff_status s = eff_file_open(path, &fd, &size, err);
    if (s == EFF_OK) s = eff_checkpoint_open_fd(&c, fd, size, NULL, err);
    return s == EFF_OK ? eff_onnx_of_checkpoint(out, c, err) : s;
}

void eff_onnx_source_free(eff_onnx_source *s)
{
    if (!s) return;
    json_decref(s->graph);
    eff_file_unmap(&s->map);
    eff_checkpoint_close(s->c);
    eff_free(s);
}
