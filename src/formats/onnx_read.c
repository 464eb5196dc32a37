/* SPDX-License-Identifier: Apache-2.0 */
/* Reading ONNX: messages are walked field by field, fields that nothing here uses are skipped, names become numbers in
 * a hash table. What could change the result and is not understood (other data types, weights outside the file,
 * sub-graphs, functions) is refused by name. */
#include "formats/onnx_read.h"

#include "base/mem.h"
#include "formats/onnx.h"
#include "formats/onnx_stream.h"

#include <stdio.h>
#include <string.h>

typedef struct name_slot {
    eff_slice name; /* p NULL = free */
    int value;
} name_slot;

typedef struct reader {
    eff_onnx *g;
    name_slot *slot;
    size_t slots; /* a power of two */
    size_t node_room, attribute_room, tensor_room;
    unsigned char *made; /* by value: something gives it */
    size_t made_room;
    int inputs, outputs;
    eff_error *err;
} reader;

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        const eff_status s_ = (call);                                                                                  \
        if (s_) return s_;                                                                                             \
    } while (0)

static eff_status damaged(const reader *r, const char *what)
{
    return eff_fail(r->err, EFF_EFORMAT, "ONNX: %s is damaged: its fields do not fit into its length", what);
}

/* printf's "%.*s" of at most 60 bytes. */
static int shown(eff_slice s) { return s.n < 60 ? (int)s.n : 60; }

#define SHOWN(s) shown(s), (const char *)((s).n ? (s).p : (const unsigned char *)"")

/* Room for one more element behind n. */
static eff_status grow(void *array, size_t *room, size_t n, size_t size, eff_error *err)
{
    if (n < *room) return EFF_OK;
    const size_t want = *room ? 2 * *room : 64;
    size_t bytes;
    void *p = NULL, *old;
    memcpy(&old, array, sizeof old);
    if (eff_mul(want, size, &bytes)) p = eff_realloc(old, bytes);
    if (!p) return eff_fail_memory(err, want * size);
    memcpy(array, &p, sizeof p);
    *room = want;
    return EFF_OK;
}

/* ---------------------------------------------------------------------------------------------- names */

static uint64_t hash_of(eff_slice s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++) h = (h ^ s.p[i]) * 0x100000001b3u;
    return h ^ h >> 29;
}

static name_slot *slot_of(const reader *r, eff_slice name)
{
    size_t i = (size_t)hash_of(name) & (r->slots - 1);
    while (r->slot[i].name.p && (r->slot[i].name.n != name.n || memcmp(r->slot[i].name.p, name.p, name.n) != 0))
        i = (i + 1) & (r->slots - 1);
    return &r->slot[i];
}

static eff_status widen(reader *r)
{
    const size_t n = r->slots ? 2 * r->slots : 256;
    name_slot *const old = r->slot, *const slot = eff_calloc(n, sizeof *slot);
    const size_t had = r->slots;
    if (!slot) return eff_fail_memory(r->err, n * sizeof *slot);
    r->slot = slot;
    r->slots = n;
    for (size_t i = 0; i < had; i++)
        if (old[i].name.p) *slot_of(r, old[i].name) = old[i];
    eff_free(old);
    return EFF_OK;
}

/* The number of the value called `name`, a new one if need be. */
static eff_status value_of(reader *r, eff_slice name, int *value)
{
    if (!name.n) return eff_fail(r->err, EFF_EFORMAT, "ONNX: a value has no name");
    if (2 * (size_t)r->g->nvalues >= r->slots) TRY(widen(r));
    name_slot *const s = slot_of(r, name);
    if (!s->name.p) {
        TRY(grow(&r->made, &r->made_room, (size_t)r->g->nvalues, 1, r->err));
        r->made[r->g->nvalues] = 0;
        *s = (name_slot){ name, r->g->nvalues++ };
    }
    *value = s->value;
    return EFF_OK;
}

static eff_status make_value(reader *r, eff_slice name, int *value)
{
    TRY(value_of(r, name, value));
    if (r->made[*value]) return eff_fail(r->err, EFF_EFORMAT, "ONNX: value %.*s is made twice", SHOWN(name));
    r->made[*value] = 1;
    return EFF_OK;
}

/* -------------------------------------------------------------------------------------------- tensors */

static size_t bytes_of(int type)
{
    return type == EFF_ONNX_FLOAT ? 4 : type == EFF_ONNX_UINT8 ? 1 : type == EFF_ONNX_INT64 ? 8 : 0;
}

static eff_status add_dim(eff_onnx_shape *s, uint64_t v, const reader *r, eff_slice name)
{
    if (s->ndim == EFF_ONNX_DIMS)
        return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: %.*s: expected at most %d dimensions", SHOWN(name),
                        EFF_ONNX_DIMS);
    if (v > INT32_MAX)
        return eff_fail(r->err, EFF_EFORMAT, "ONNX: %.*s: expected dimensions up to %d, found %llu", SHOWN(name),
                        INT32_MAX, (unsigned long long)v);
    s->dim[s->ndim++] = (int64_t)v;
    return EFF_OK;
}

/* One number, or a packed list of them. */
static eff_status add_dims(eff_onnx_shape *s, const eff_wire_field *f, const reader *r, eff_slice name)
{
    uint64_t v;
    if (f->type == EFF_WIRE_NUMBER) return add_dim(s, f->value, r, name);
    eff_slice rest = f->bytes;
    while (rest.n) {
        if (!eff_wire_take_number(&rest, &v)) return damaged(r, "a tensor");
        TRY(add_dim(s, v, r, name));
    }
    return EFF_OK;
}

static eff_status check_tensor(const eff_onnx_tensor *t, const reader *r, eff_slice name, size_t *count)
{
    const size_t size = bytes_of(t->shape.type);
    size_t n = 1, bytes;
    bool fits = true;
    if (!size)
        return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: tensor %.*s has data type %d", SHOWN(name), t->shape.type);
    for (int i = 0; i < t->shape.ndim && fits; i++) fits = eff_mul(n, (size_t)t->shape.dim[i], &n);
    if (!fits || !eff_mul(n, size, &bytes) || bytes != t->raw.n)
        return eff_fail(r->err, EFF_EFORMAT, "ONNX: tensor %.*s: its %zu bytes are not what its shape needs",
                        SHOWN(name), t->raw.n);
    *count = n;
    return EFF_OK;
}

static eff_status read_tensor(reader *r, eff_slice rest)
{
    eff_onnx_tensor t = { 0 };
    eff_slice name = { 0 };
    eff_wire_field f;
    while (eff_wire_next(&rest, &f)) {
        if (f.number == 1)
            TRY(add_dims(&t.shape, &f, r, name));
        else if (f.number == 2 && f.type == EFF_WIRE_NUMBER)
            t.shape.type = (int)(f.value & INT32_MAX);
        else if (f.number == 8)
            name = f.bytes;
        else if (f.number == 9)
            t.raw = f.bytes;
        else if ((f.number >= 3 && f.number <= 7) || f.number == 10 || f.number == 11 || f.number == 13)
            return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: tensor %.*s keeps its data elsewhere than in raw_data",
                            SHOWN(name));
    }
    if (!rest.p) return damaged(r, "a tensor");
    t.name = name;
    TRY(check_tensor(&t, r, name, &t.count));
    TRY(make_value(r, name, &t.value));
    TRY(grow(&r->g->tensor, &r->tensor_room, r->g->ntensors, sizeof t, r->err));
    r->g->tensor[r->g->ntensors++] = t;
    return EFF_OK;
}

/* ---------------------------------------------------------------------------------------------- nodes */

static eff_status add_int(eff_onnx_attribute *a, uint64_t v, const reader *r)
{
    const int most = (int)(sizeof a->ints / sizeof *a->ints);
    if (a->nints == most)
        return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: attribute %.*s: expected at most %d numbers", SHOWN(a->name),
                        most);
    a->ints[a->nints++] = (int64_t)v;
    return EFF_OK;
}

static eff_status read_attribute(reader *r, eff_slice rest)
{
    eff_onnx_attribute a = { 0 };
    eff_wire_field f;
    uint64_t v;
    while (eff_wire_next(&rest, &f)) {
        if (f.number == 1)
            a.name = f.bytes;
        else if (f.number == 2 && f.type == EFF_WIRE_32)
            memcpy(&a.f, &f.value, sizeof a.f);
        else if (f.number == 3 && f.type == EFF_WIRE_NUMBER)
            a.i = (int64_t)f.value;
        else if (f.number == 4)
            a.text = f.bytes;
        else if (f.number == 8 && f.type == EFF_WIRE_NUMBER)
            TRY(add_int(&a, f.value, r));
        else if (f.number == 8) {
            while (f.bytes.n) {
                if (!eff_wire_take_number(&f.bytes, &v)) return damaged(r, "an attribute");
                TRY(add_int(&a, v, r));
            }
        } else if (f.number != 20 && f.number != 13) /* its type, its documentation */
            return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: attribute %.*s is neither number, numbers nor text",
                            SHOWN(a.name));
    }
    if (!rest.p) return damaged(r, "an attribute");
    TRY(grow(&r->g->attribute, &r->attribute_room, r->g->nattributes, sizeof a, r->err));
    r->g->attribute[r->g->nattributes++] = a;
    return EFF_OK;
}

static eff_status read_input(reader *r, eff_onnx_node *n, eff_slice name)
{
    if (n->nin == EFF_ONNX_INPUTS)
        return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: node %zu: expected at most %d inputs", r->g->nnodes,
                        EFF_ONNX_INPUTS);
    n->in[n->nin] = -1;
    if (name.n) TRY(value_of(r, name, &n->in[n->nin]));
    n->nin++;
    return EFF_OK;
}

static eff_status read_node(reader *r, eff_slice rest)
{
    eff_onnx_node n = { .out = -1, .attributes = (int)r->g->nattributes };
    eff_wire_field f;
    if (r->g->nattributes > INT32_MAX) return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: too many attributes");
    while (eff_wire_next(&rest, &f)) {
        if (f.number == 1)
            TRY(read_input(r, &n, f.bytes));
        else if (f.number == 2) {
            if (n.out >= 0)
                return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: node %zu has more than one output", r->g->nnodes);
            TRY(make_value(r, f.bytes, &n.out));
        } else if (f.number == 3)
            n.name = f.bytes;
        else if (f.number == 4)
            n.op = f.bytes;
        else if (f.number == 5) {
            TRY(read_attribute(r, f.bytes));
            n.nattributes++;
        } else if (f.number == 7 && f.bytes.n && !eff_slice_is(f.bytes, "ai.onnx"))
            return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: node %zu is of domain %.*s", r->g->nnodes, SHOWN(f.bytes));
    }
    if (!rest.p) return damaged(r, "a node");
    if (!n.op.n || n.out < 0)
        return eff_fail(r->err, EFF_EFORMAT, "ONNX: node %zu has no operator or no output", r->g->nnodes);
    TRY(grow(&r->g->node, &r->node_room, r->g->nnodes, sizeof n, r->err));
    r->g->node[r->g->nnodes++] = n;
    return EFF_OK;
}

/* -------------------------------------------------------------------------------------- input and output */

static eff_status read_dim(eff_onnx_shape *s, eff_slice rest, const reader *r, eff_slice name)
{
    eff_wire_field f;
    uint64_t v = 0;
    bool fixed = false;
    while (eff_wire_next(&rest, &f))
        if (f.number == 1 && f.type == EFF_WIRE_NUMBER) {
            v = f.value;
            fixed = true;
        }
    if (!rest.p) return damaged(r, "a dimension");
    TRY(add_dim(s, v, r, name));
    if (!fixed) s->dim[s->ndim - 1] = -1;
    return EFF_OK;
}

/* TypeProto.Tensor within TypeProto. */
static eff_status read_type(eff_onnx_shape *s, eff_slice type, const reader *r, eff_slice name)
{
    eff_wire_field t, e, d;
    while (eff_wire_next(&type, &t)) {
        if (t.number != 1 || t.type != EFF_WIRE_BYTES)
            return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: %.*s is no tensor", SHOWN(name));
        while (eff_wire_next(&t.bytes, &e)) {
            if (e.number == 1 && e.type == EFF_WIRE_NUMBER) s->type = (int)(e.value & INT32_MAX);
            while (e.number == 2 && eff_wire_next(&e.bytes, &d))
                if (d.number == 1 && d.type == EFF_WIRE_BYTES) TRY(read_dim(s, d.bytes, r, name));
            if (e.number == 2 && !e.bytes.p) return damaged(r, "a shape");
        }
        if (!t.bytes.p) return damaged(r, "a type");
    }
    return type.p ? EFF_OK : damaged(r, "a type");
}

static eff_status read_value(eff_slice *name, eff_onnx_shape *s, eff_slice rest, const reader *r)
{
    eff_wire_field f;
    eff_slice type = { 0 };
    *name = (eff_slice){ 0 };
    *s = (eff_onnx_shape){ 0 };
    while (eff_wire_next(&rest, &f)) {
        if (f.number == 1) *name = f.bytes;
        if (f.number == 2) type = f.bytes;
    }
    if (!rest.p) return damaged(r, "an input or output");
    return type.n ? read_type(s, type, r, *name)
                  : eff_fail(r->err, EFF_EFORMAT, "ONNX: %.*s has no type", SHOWN(*name));
}

/* ---------------------------------------------------------------------------------------------- graph */

/* Weights first, then inputs (a weight may be listed among them), then the nodes in order. */
static eff_status read_graph(reader *r, eff_slice graph)
{
    eff_onnx *const g = r->g;
    for (int pass = 0; pass < 4; pass++) {
        eff_slice rest = graph;
        eff_wire_field f;
        while (eff_wire_next(&rest, &f)) {
            if (f.number == 15 || f.number == 14) /* sparse weights, quantisation */
                return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: sparse or quantised tensors are not read");
            if (pass == 0 && f.number == 5) TRY(read_tensor(r, f.bytes));
            if (pass == 1 && f.number == 11) {
                eff_slice name;
                eff_onnx_shape s;
                int value;
                TRY(read_value(&name, &s, f.bytes, r));
                TRY(value_of(r, name, &value));
                if (r->made[value] == 1) continue; /* a weight */
                if (r->inputs++) return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: expected one input, found more");
                r->made[value] = 2;
                g->input = value;
                g->input_name = name;
                g->input_shape = s;
            }
            if (pass == 2 && f.number == 1) TRY(read_node(r, f.bytes));
            if (pass == 3 && f.number == 12) {
                if (r->outputs++) return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: expected one output, found more");
                TRY(read_value(&g->output_name, &g->output_shape, f.bytes, r));
                TRY(value_of(r, g->output_name, &g->output));
            }
        }
        if (!rest.p && graph.n) return damaged(r, "the graph");
    }
    if (!r->inputs || !r->outputs)
        return eff_fail(r->err, EFF_EFORMAT, "ONNX: expected an input and an output, found none");
    return EFF_OK;
}

static eff_status read_opset(reader *r, eff_slice rest)
{
    eff_wire_field f;
    int64_t version = 0;
    bool standard = true;
    while (eff_wire_next(&rest, &f)) {
        if (f.number == 1) standard = f.bytes.n == 0 || eff_slice_is(f.bytes, "ai.onnx");
        if (f.number == 2 && f.type == EFF_WIRE_NUMBER) version = (int64_t)f.value;
    }
    if (!rest.p) return damaged(r, "the opset");
    if (standard) r->g->opset = version;
    return EFF_OK;
}

static eff_status read_model(reader *r, eff_slice rest)
{
    eff_slice graph = { 0 };
    eff_wire_field f;
    const bool any = rest.n > 0;
    while (eff_wire_next(&rest, &f)) {
        if (f.number == 1 && f.type == EFF_WIRE_NUMBER) r->g->ir = (int64_t)f.value;
        if (f.number == 7 && f.type == EFF_WIRE_BYTES) graph = f.bytes;
        if (f.number == 8 && f.type == EFF_WIRE_BYTES) TRY(read_opset(r, f.bytes));
        if (f.number == 25) return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: functions are not read");
    }
    if (!rest.p && any) return damaged(r, "the file");
    if (!graph.n) return eff_fail(r->err, EFF_EFORMAT, "ONNX: the file has no graph");
    if (r->g->opset != EFF_ONNX_OPSET)
        return eff_fail(r->err, EFF_EUNSUPPORTED, "ONNX: expected opset %d, found %lld", EFF_ONNX_OPSET,
                        (long long)r->g->opset);
    TRY(read_graph(r, graph));
    return eff_onnx_check(r->g, r->err);
}

/* --------------------------------------------------------------------------------------------- public */

eff_status eff_onnx_parse(eff_onnx *out, const unsigned char *bytes, size_t size, eff_error *err)
{
    reader r = { .g = out, .err = err };
    *out = (eff_onnx){ .input = -1, .output = -1 };
    const eff_status s = read_model(&r, (eff_slice){ bytes, size });
    eff_free(r.slot);
    eff_free(r.made);
    if (s != EFF_OK) eff_onnx_close(out);
    return s;
}

static eff_status check_order(const eff_onnx *g, unsigned char *made, eff_error *err)
{
    int twice = made[g->input]++;
    for (size_t i = 0; i < g->ntensors; i++) twice |= made[g->tensor[i].value]++;
    for (size_t i = 0; i < g->nnodes && !twice; i++) {
        const eff_onnx_node *const n = &g->node[i];
        for (int k = 0; k < n->nin; k++)
            if (n->in[k] >= 0 && !made[n->in[k]])
                return eff_fail(err, EFF_EFORMAT, "ONNX: node %zu (%.*s) reads a value that nothing before it makes", i,
                                SHOWN(n->name));
        twice = made[n->out]++;
    }
    if (twice) return eff_fail(err, EFF_EFORMAT, "ONNX: a value is made twice");
    return made[g->output] ? EFF_OK : eff_fail(err, EFF_EFORMAT, "ONNX: nothing makes the output");
}

eff_status eff_onnx_check(const eff_onnx *g, eff_error *err)
{
    unsigned char *const made = eff_calloc((size_t)g->nvalues, 1);
    const eff_status s = made ? check_order(g, made, err) : eff_fail_memory(err, (size_t)g->nvalues);
    eff_free(made);
    return s;
}

void eff_onnx_close(eff_onnx *g)
{
    eff_onnx_source_free(g->source);
    eff_free(g->node);
    eff_free(g->attribute);
    eff_free(g->tensor);
    *g = (eff_onnx){ 0 };
}

const eff_onnx_attribute *eff_onnx_find(const eff_onnx *g, const eff_onnx_node *n, const char *name)
{
    for (int i = 0; i < n->nattributes; i++)
        if (eff_slice_is(g->attribute[n->attributes + i].name, name)) return &g->attribute[n->attributes + i];
    return NULL;
}
