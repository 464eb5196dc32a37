/* SPDX-License-Identifier: Apache-2.0 */
/* Safetensors: eight bytes of header length, a JSON header, then the data. A file is accepted only if the tensors tile the
 * data exactly: no overlap, no hole, nothing after the last. */
#include "formats/safetensors.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "formats/dtype.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Limits on a header before the JSON parser, which builds a tree of many times its size, gets to see it. */
enum {
    MAX_HEADER = 100 << 20,     /* as the format's own library                                   */
    MAX_DEPTH = 3,              /* { "name": { "shape": [                                        */
    MAX_VALUES = 1 << 22,
    CHUNK = 1 << 16,            /* elements converted at a time by the writer                    */
};

static const char *const foreign_dtypes[] = { "U16",     "U32",     "U64",     "C64",     "F8_E4M3",
                                              "F8_E5M2", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F4" };

/* ---------------------------------------------------------------------------------------------- reading */

typedef struct reader {
    uint64_t data;        /* where the data begins in the file */
    uint64_t *begin;      /* of each tensor, bytes from there  */
} reader;

typedef struct entry { /* one tensor of the header, before it is in the directory */
    const char *name;  /* in the JSON tree */
    uint64_t begin, end;
    size_t order;
    eff_tensor t;
} entry;

static eff_status read_storage(void *ctx, int storage, uint64_t offset, void *buf, size_t n, eff_error *err)
{
    const eff_checkpoint *const c = ctx;
    const reader *const r = c->impl;
    return eff_file_read_at(c->fd, buf, n, r->data + r->begin[storage] + offset, err);
}

static eff_status st_read(const eff_checkpoint *c, const eff_tensor *t, float *out, eff_error *err)
{
    return eff_tensor_gather(t, read_storage, (void *)(uintptr_t)c, out, err);
}

static bool st_place(const eff_checkpoint *c, const eff_tensor *t, uint64_t *at)
{
    const reader *const r = c->impl;
    *at = r->data + r->begin[t->storage];
    return t->dtype == EFF_F32 && *at % sizeof(float) == 0; /* strides are row-major always */
}

static void st_close(eff_checkpoint *c)
{
    reader *const r = c->impl;
    if (r) eff_free(r->begin);
    eff_free(r);
}

/* Depth and size of the JSON, strings skipped. It need not be valid: this only bounds what the parser will build. */
static eff_status scan_header(const char *s, size_t n, eff_error *err)
{
    int depth = 0;
    size_t values = 0, objects = 0;
    bool string = false;
    for (size_t i = 0; i < n; i++) {
        if (string) {
            if (s[i] == '\\')
                i++;
            else if (s[i] == '"')
                string = false;
            continue;
        }
        switch (s[i]) {
        case '"': string = true; break;
        case '{': objects++; /* fall through */
        case '[':
            values++;
            if (++depth > MAX_DEPTH)
                return eff_fail(err, EFF_EFORMAT, "header: nested more than %d deep at byte %zu", MAX_DEPTH, i);
            break;
        case '}': /* fall through */
        case ']': depth--; break;
        case ',': values++; break;
        }
    }
    if (objects > EFF_MAX_TENSORS + 2 || values > MAX_VALUES)
        return eff_fail(err, EFF_EFORMAT, "header: more than %d tensors", EFF_MAX_TENSORS);
    return EFF_OK;
}

static const char *type_name(const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "a number";
    case JSON_REAL: return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    default: return "null";
    }
}

static eff_status parse_dtype(const char *name, const json_t *j, eff_dtype *out, eff_error *err)
{
    if (!json_is_string(j))
        return eff_fail(err, EFF_EFORMAT, "tensor %.100s: dtype: expected a string, found %s", name,
                        j ? type_name(j) : "nothing");
    const char *const s = json_string_value(j);
    for (int t = EFF_F32; t <= EFF_BOOL; t++)
        if (!strcmp(s, eff_dtype_name((eff_dtype)t))) {
            *out = (eff_dtype)t;
            return EFF_OK;
        }
    for (size_t i = 0; i < sizeof foreign_dtypes / sizeof *foreign_dtypes; i++)
        if (!strcmp(s, foreign_dtypes[i]))
            return eff_fail(err, EFF_EUNSUPPORTED, "tensor %.100s: dtype %s is not read", name, s);
    return eff_fail(err, EFF_EFORMAT, "tensor %.100s: dtype \"%.40s\" is unknown", name, s);
}

/* A size: an integer of 0 or more. */
static eff_status parse_size(const char *name, const char *field, size_t i, const json_t *j, int64_t *out, eff_error *err)
{
    if (!json_is_integer(j))
        return eff_fail(err, EFF_EFORMAT, "tensor %.100s: %s[%zu]: expected an integer, found %s", name, field, i,
                        type_name(j));
    const json_int_t v = json_integer_value(j);
    if (v < 0) return eff_fail(err, EFF_EFORMAT, "tensor %.100s: %s[%zu] is negative: %lld", name, field, i, (long long)v);
    *out = v;
    return EFF_OK;
}

static eff_status parse_tensor(const char *name, const json_t *j, uint64_t data_size, entry *e, eff_error *err)
{
    if (!json_is_object(j))
        return eff_fail(err, EFF_EFORMAT, "tensor %.100s: expected an object, found %s", name, type_name(j));
    eff_status s = parse_dtype(name, json_object_get(j, "dtype"), &e->t.dtype, err);
    if (s != EFF_OK) return s;
    const json_t *const shape = json_object_get(j, "shape"), *const offsets = json_object_get(j, "data_offsets");
    if (!json_is_array(shape))
        return eff_fail(err, EFF_EFORMAT, "tensor %.100s: shape: expected an array, found %s", name,
                        shape ? type_name(shape) : "nothing");
    if (json_array_size(shape) > EFF_MAX_DIMS)
        return eff_fail(err, EFF_EUNSUPPORTED, "tensor %.100s: %zu dimensions, at most %d are read", name,
                        json_array_size(shape), EFF_MAX_DIMS);
    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return eff_fail(err, EFF_EFORMAT, "tensor %.100s: data_offsets: expected an array of two integers", name);
    e->t.ndim = (int)json_array_size(shape);
    for (int i = 0; i < e->t.ndim && s == EFF_OK; i++)
        s = parse_size(name, "shape", (size_t)i, json_array_get(shape, (size_t)i), &e->t.dim[i], err);
    int64_t at[2];
    for (size_t i = 0; i < 2 && s == EFF_OK; i++)
        s = parse_size(name, "data_offsets", i, json_array_get(offsets, i), &at[i], err);
    if (s != EFF_OK) return s;
    e->begin = (uint64_t)at[0];
    e->end = (uint64_t)at[1];
    if (e->begin > e->end)
        return eff_fail(err, EFF_EFORMAT, "tensor %.100s: data_offsets run backwards: %llu to %llu", name,
                        (unsigned long long)e->begin, (unsigned long long)e->end);
    if (e->end > data_size)
        return eff_fail(err, EFF_EFORMAT, "tensor %.100s: data_offsets end at %llu, the file holds %llu bytes of data", name,
                        (unsigned long long)e->end, (unsigned long long)data_size);
    size_t count;
    if (!eff_tensor_count(e->t.ndim, e->t.dim, &count))
        return eff_fail(err, EFF_EFORMAT, "tensor %.100s: the product of its shape is too large", name);
    const size_t want = count * eff_dtype_size(e->t.dtype); /* fits: eff_tensor_count allows 8 bytes an element */
    if (e->end - e->begin != want)
        return eff_fail(err, EFF_EFORMAT, "tensor %.100s: its shape needs %zu bytes, data_offsets give %llu", name, want,
                        (unsigned long long)(e->end - e->begin));
    eff_tensor_strides(e->t.ndim, e->t.dim, e->t.stride);
    e->t.count = count;
    return EFF_OK;
}

static eff_status parse_metadata(eff_checkpoint *c, const json_t *meta, const char *key, eff_error *err)
{
    if (!json_is_object(meta))
        return eff_fail(err, EFF_EFORMAT, "__metadata__: expected an object, found %s", type_name(meta));
    for (void *it = json_object_iter((json_t *)(uintptr_t)meta); it;
         it = json_object_iter_next((json_t *)(uintptr_t)meta, it))
        if (!json_is_string(json_object_iter_value(it)))
            return eff_fail(err, EFF_EFORMAT, "__metadata__: %.100s: expected a string, found %s", json_object_iter_key(it),
                            type_name(json_object_iter_value(it)));
    const json_t *const own = json_object_get(meta, key);
    if (!own) return EFF_OK;
    c->metadata = eff_strdup(json_string_value(own));
    return c->metadata ? EFF_OK : eff_fail_memory(err, json_string_length(own));
}

static int by_place(const void *pa, const void *pb)
{
    const entry *const a = pa, *const b = pb;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* The entries, sorted by place, must tile [0, data_size). */
static eff_status check_tiling(const entry *e, size_t n, uint64_t data_size, eff_error *err)
{
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (e[i].begin < at)
            return eff_fail(err, EFF_EFORMAT, "tensor %.100s: its data overlap those of %.100s", e[i].name, e[i - 1].name);
        if (e[i].begin > at)
            return eff_fail(err, EFF_EFORMAT, "tensor %.100s: %llu bytes before its data belong to no tensor", e[i].name,
                            (unsigned long long)(e[i].begin - at));
        at = e[i].end;
    }
    if (at != data_size)
        return eff_fail(err, EFF_EFORMAT, "%llu bytes after the last tensor belong to none",
                        (unsigned long long)(data_size - at));
    return EFF_OK;
}

static eff_status fill(eff_checkpoint *c, reader *r, json_t *root, uint64_t data_size, const char *key, eff_error *err)
{
    const size_t all = json_object_size(root);
    if (all > EFF_MAX_TENSORS + 1u) return eff_fail(err, EFF_EFORMAT, "header: more than %d tensors", EFF_MAX_TENSORS);
    size_t n = 0;
    eff_status s = EFF_OK;
    entry *const e = eff_calloc(all, sizeof *e);
    r->begin = eff_malloc(all * sizeof *r->begin);
    if (!e || !r->begin) {
        s = eff_fail_memory(err, all * sizeof *e);
        goto end;
    }
    for (void *it = json_object_iter(root); it && s == EFF_OK; it = json_object_iter_next(root, it)) {
        const char *const name = json_object_iter_key(it);
        if (!strcmp(name, "__metadata__")) {
            s = parse_metadata(c, json_object_iter_value(it), key, err);
            continue;
        }
        e[n].name = name;
        e[n].order = n;
        s = parse_tensor(name, json_object_iter_value(it), data_size, &e[n], err);
        n++;
    }
    if (s != EFF_OK) goto end;
    qsort(e, n, sizeof *e, by_place);
    s = check_tiling(e, n, data_size, err);
    for (size_t i = 0; i < n && s == EFF_OK; i++) {
        r->begin[i] = e[i].begin;
        e[i].t.storage = (int)i;
        s = eff_checkpoint_add(c, e[i].name, strlen(e[i].name), &e[i].t, e[i].t.count, err);
    }
end:
    eff_free(e);
    return s;
}

eff_status eff_safetensors_open(eff_checkpoint *c, uint64_t size, const char *key, eff_error *err)
{
    c->format = "safetensors";
    c->read = st_read;
    c->place = st_place;
    c->close = st_close;
    reader *const r = eff_calloc(1, sizeof *r);
    if (!r) return eff_fail_memory(err, sizeof *r);
    c->impl = r;

    uint64_t length;
    if (size < 8)
        return eff_fail(err, EFF_EFORMAT, "the file has %llu bytes, too few for a header", (unsigned long long)size);
    eff_status s = eff_file_read_at(c->fd, &length, 8, 0, err);
    if (s != EFF_OK) return s;
    if (length > size - 8)
        return eff_fail(err, EFF_EFORMAT, "header: %llu bytes announced, the file has %llu after its length",
                        (unsigned long long)length, (unsigned long long)(size - 8));
    if (length > MAX_HEADER)
        return eff_fail(err, EFF_EFORMAT, "header: %llu bytes, at most %d are read", (unsigned long long)length, MAX_HEADER);
    r->data = 8 + length;

    json_t *root = NULL;
    char *const text = eff_malloc((size_t)length);
    if (!text) return eff_fail_memory(err, (size_t)length);
    s = eff_file_read_at(c->fd, text, (size_t)length, 8, err);
    if (s == EFF_OK) s = scan_header(text, (size_t)length, err);
    if (s != EFF_OK) goto end;
    s = eff_json_parse(&root, text, (size_t)length, "header", err);
    if (s != EFF_OK) goto end;
    if (!json_is_object(root)) {
        s = eff_fail(err, EFF_EFORMAT, "header: expected a JSON object, found %s", type_name(root));
        goto end;
    }
    s = fill(c, r, root, size - r->data, key, err);
end:
    json_decref(root);
    eff_free(text);
    return s;
}

/* ---------------------------------------------------------------------------------------------- writing */

static eff_status describe(json_t *root, const eff_st_tensor *t, uint64_t *at, eff_error *err)
{
    size_t count;
    if (t->ndim < 0 || t->ndim > EFF_MAX_DIMS || !eff_tensor_count(t->ndim, t->dim, &count))
        return eff_fail(err, EFF_EARG, "tensor %.100s: its shape cannot be written", t->name);
    if (!strcmp(t->name, "__metadata__") || json_object_get(root, t->name))
        return eff_fail(err, EFF_EARG, "tensor %.100s: the name is taken", t->name);
    if (!eff_utf8_is_line(t->name, strlen(t->name)))
        return eff_fail(err, EFF_EARG, "tensor %.100s: the name is not a line of UTF-8 text", t->name);
    json_t *const shape = json_array();
    bool ok = shape != NULL;
    for (int i = 0; i < t->ndim && ok; i++) ok = json_array_append_new(shape, json_integer(t->dim[i])) == 0;
    const uint64_t end = *at + count * eff_dtype_size(t->dtype);
    json_t *const j = ok ? json_pack("{s:s, s:O, s:[I, I]}", "dtype", eff_dtype_name(t->dtype), "shape", shape,
                                     "data_offsets", (json_int_t)*at, (json_int_t)end)
                         : NULL;
    json_decref(shape);
    if (json_object_set_new(root, t->name, j) != 0) return eff_fail_memory(err, 0); /* also for a NULL j */
    *at = end;
    return EFF_OK;
}

static bool is_utf8(const char *s)
{
    for (size_t left = strlen(s), n; left; s += n, left -= n)
        if (!(n = eff_utf8_length(s, left))) return false;
    return true;
}

static eff_status build_header(const eff_st_tensor *t, size_t n, const eff_st_meta *meta, size_t nmeta, char **out,
                               eff_error *err)
{
    uint64_t at = 0;
    eff_status s = EFF_OK;
    json_t *const root = json_object();
    if (!root) return eff_fail_memory(err, 0);
    if (nmeta) {
        json_t *const m = json_object();
        if (!m) s = eff_fail_memory(err, 0);
        for (size_t i = 0; i < nmeta && s == EFF_OK; i++)
            if (!is_utf8(meta[i].key) || !is_utf8(meta[i].value))
                s = eff_fail(err, EFF_EARG, "metadata %.100s is not UTF-8 text", meta[i].key);
            else if (json_object_set_new(m, meta[i].key, json_string(meta[i].value)) != 0)
                s = eff_fail_memory(err, strlen(meta[i].value));
        if (json_object_set_new(root, "__metadata__", m) != 0 && s == EFF_OK) s = eff_fail_memory(err, 0);
    }
    for (size_t i = 0; i < n && s == EFF_OK; i++) s = describe(root, &t[i], &at, err);
    if (s == EFF_OK) {
        *out = json_dumps(root, JSON_COMPACT);
        if (!*out) s = eff_fail_memory(err, 0);
    }
    json_decref(root);
    return s;
}

static eff_status put(FILE *f, const void *p, size_t n, eff_error *err)
{
    if (n == 0) return EFF_OK;
    errno = 0;
    if (fwrite(p, 1, n, f) == n) return EFF_OK;
    return eff_fail(err, EFF_EIO, "cannot write: %s", strerror(errno ? errno : EIO));
}

static eff_status put_tensor(FILE *f, const eff_st_tensor *t, void *scratch, eff_error *err)
{
    size_t count = 0;
    eff_tensor_count(t->ndim, t->dim, &count);
    const size_t size = eff_dtype_size(t->dtype);
    if (t->dtype == EFF_F32) return put(f, t->data, count * size, err);
    eff_status s = EFF_OK;
    for (size_t i = 0, k; i < count && s == EFF_OK; i += k) {
        k = count - i < CHUNK ? count - i : CHUNK;
        eff_dtype_from_f32(t->dtype, t->data + i, k, scratch);
        s = put(f, scratch, k * size, err);
    }
    return s;
}

/* The length, the header, spaces up to a multiple of 8. */
static eff_status put_header(FILE *f, const char *header, eff_error *err)
{
    const size_t length = strlen(header);
    const uint64_t padded = eff_round_up(length, 8);
    eff_status s = put(f, &padded, 8, err);
    if (s == EFF_OK) s = put(f, header, length, err);
    return s == EFF_OK ? put(f, "       ", (size_t)padded - length, err) : s;
}

eff_status eff_safetensors_write(FILE *f, const eff_st_tensor *t, size_t n, const eff_st_meta *meta, size_t nmeta,
                                 eff_error *err)
{
    char *header = NULL;
    void *scratch = NULL;
    for (size_t i = 0; i < n; i++)
        if (t[i].dtype != EFF_F32 && t[i].dtype != EFF_F16 && t[i].dtype != EFF_BF16)
            return eff_fail(err, EFF_EARG, "tensor %.100s: dtype %s is not written", t[i].name, eff_dtype_name(t[i].dtype));
    eff_status s = build_header(t, n, meta, nmeta, &header, err);
    if (s != EFF_OK) return s;
    scratch = eff_malloc((size_t)CHUNK * 2);
    if (!scratch) {
        s = eff_fail_memory(err, (size_t)CHUNK * 2);
        goto end;
    }
    s = put_header(f, header, err);
    for (size_t i = 0; i < n && s == EFF_OK; i++) s = put_tensor(f, &t[i], scratch, err);
end:
    eff_free(scratch);
    free(header); /* jansson's */
    return s;
}

static eff_status copy_tensor(FILE *f, const eff_checkpoint *c, const eff_tensor *t, void *scratch, eff_error *err)
{
    float *const data = eff_malloc(t->count * sizeof *data); /* fits: eff_tensor_count allows 8 bytes an element */
    if (!data) return eff_fail_memory(err, t->count * sizeof *data);
    const eff_st_tensor copy = { t->name, t->dtype, .ndim = 1, .dim = { (int64_t)t->count }, .data = data };
    eff_status s = c->read(c, t, data, err);
    if (s != EFF_OK) eff_error_prefix(err, "tensor %.100s", t->name);
    else s = put_tensor(f, &copy, scratch, err);
    eff_free(data);
    return s;
}

eff_status eff_safetensors_copy(FILE *f, const eff_checkpoint *c, const eff_st_meta *meta, size_t nmeta, eff_error *err)
{
    char *header = NULL;
    size_t n = 0;
    void *const scratch = eff_malloc((size_t)CHUNK * 8);
    eff_st_tensor *const list = eff_calloc(c->count, sizeof *list);
    eff_status s = scratch && list ? EFF_OK : eff_fail_memory(err, c->count * sizeof *list);
    for (size_t i = 0; i < c->count && s == EFF_OK; i++) {
        const eff_tensor *const t = &c->tensor[i];
        if (t->dtype == EFF_OPAQUE) continue;
        list[n] = (eff_st_tensor){ .name = t->name, .dtype = t->dtype, .ndim = t->ndim };
        memcpy(list[n++].dim, t->dim, sizeof t->dim);
    }
    if (s == EFF_OK) s = build_header(list, n, meta, nmeta, &header, err);
    if (s == EFF_OK) s = put_header(f, header, err);
    for (size_t i = 0; i < c->count && s == EFF_OK; i++)
        if (c->tensor[i].dtype != EFF_OPAQUE) s = copy_tensor(f, c, &c->tensor[i], scratch, err);
    free(header); /* jansson's */
    eff_free(list);
    eff_free(scratch);
    return s;
}

eff_status eff_safetensors_save(const char *path, const eff_st_tensor *t, size_t n, const eff_st_meta *meta, size_t nmeta,
                                eff_error *err)
{
    eff_save save;
    eff_status s = eff_save_begin(&save, path, err);
    if (s != EFF_OK) return s;
    s = eff_safetensors_write(save.f, t, n, meta, nmeta, err);
    if (s == EFF_OK) return eff_save_commit(&save, err);
    eff_save_abort(&save);
    return s;
}
