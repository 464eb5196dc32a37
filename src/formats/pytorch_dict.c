/* SPDX-License-Identifier: Apache-2.0 */
/* From a pickle's values to tensors. A dict is walked again for every name it has (at most MAX_VISITS times, once when there
 * is no tensor in it) and never within itself, so shared and cyclic pickles end. */
#include "formats/pytorch_dict.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_NESTING = 32,
    MAX_VISITS = 8,
    /* flags beside the count of visits */
    INSIDE = 0x80, /* the walk is within this value            */
    BARREN = 0x40, /* it was walked, and there is no tensor in it */
};

/* ---------------------------------------------------------------------------------------------- storages */

static const struct {
    const char *name;
    int dtype;
    size_t item;
} storage_types[] = {
    { "FloatStorage", EFF_F32, 4 },       { "HalfStorage", EFF_F16, 2 }, { "BFloat16Storage", EFF_BF16, 2 },
    { "DoubleStorage", EFF_F64, 8 },      { "LongStorage", EFF_I64, 8 }, { "IntStorage", EFF_I32, 4 },
    { "ShortStorage", EFF_I16, 2 },       { "CharStorage", EFF_I8, 1 },  { "ByteStorage", EFF_U8, 1 },
    { "BoolStorage", EFF_BOOL, 1 },       { "ComplexFloatStorage", -1, 8 }, { "ComplexDoubleStorage", -1, 16 },
    { "QInt8Storage", -1, 1 },            { "QUInt8Storage", -1, 1 },    { "QInt32Storage", -1, 4 },
    { "UntypedStorage", -1, 1 },
};

static eff_status storage_type(const eff_pickle *p, const eff_pk_value *v, eff_pt_storage *s, eff_error *err)
{
    if (v->kind != EFF_PK_GLOBAL) return eff_fail(err, EFF_EFORMAT, "a storage whose type is no class");
    const eff_pk_value *const m = eff_pk_get(p, v, EFF_PK_MODULE), *const name = eff_pk_get(p, v, EFF_PK_NAME);
    if (eff_pk_is_str(m, "torch") || eff_pk_is_str(m, "torch.cuda") || eff_pk_is_str(m, "torch.storage"))
        for (size_t i = 0; i < sizeof storage_types / sizeof *storage_types; i++)
            if (eff_pk_is_str(name, storage_types[i].name)) {
                s->type = storage_types[i].name;
                s->dtype = storage_types[i].dtype;
                s->item = storage_types[i].item;
                return EFF_OK;
            }
    char text[168];
    eff_pk_global_text(p, v, text, sizeof text);
    return eff_fail(err, EFF_EUNSUPPORTED, "storage type %s is not read", text);
}

/* A persistent id is ('storage', type, key, device, elements) and, in the legacy stream, None or (key, offset, size). */
static eff_status parse_persid(const eff_pickle *p, const eff_pk_value *persid, eff_pt_storage *s, const eff_pk_value **view,
                               eff_error *err)
{
    const eff_pk_value *const id = eff_pk_get(p, persid, 0);
    if (id->kind != EFF_PK_TUPLE || id->n < 5 || id->n > 6 || !eff_pk_is_str(eff_pk_get(p, id, 0), "storage"))
        return eff_fail(err, EFF_EFORMAT, "a persistent id that is no ('storage', type, key, device, elements)");
    const eff_pk_value *const key = eff_pk_get(p, id, 2), *const numel = eff_pk_get(p, id, 4);
    *s = (eff_pt_storage){ 0 };
    if (key->kind != EFF_PK_STR || key->n == 0 || key->n > 256 || memchr(key->u.s, 0, key->n) ||
        memchr(key->u.s, '/', key->n))
        return eff_fail(err, EFF_EFORMAT, "a storage without a proper key");
    s->key = (const char *)key->u.s;
    s->key_len = key->n;
    if (numel->kind != EFF_PK_INT || numel->u.i < 0 || numel->u.i > INT64_MAX / 16)
        return eff_fail(err, EFF_EFORMAT, "storage %.*s: its number of elements is not one", (int)key->n, s->key);
    s->numel = (uint64_t)numel->u.i;
    *view = id->n == 6 ? eff_pk_get(p, id, 5) : NULL;
    if (*view && (*view)->kind == EFF_PK_NONE) *view = NULL;
    const eff_status st = storage_type(p, eff_pk_get(p, id, 1), s, err);
    if (st != EFF_OK) eff_error_prefix(err, "storage %.*s", (int)key->n, s->key);
    return st;
}

static int compare_keys(const char *a, size_t na, const char *b, size_t nb)
{
    const int c = memcmp(a, b, na < nb ? na : nb);
    return c ? c : na < nb ? -1 : na > nb;
}

static int by_key(const void *pa, const void *pb)
{
    const eff_pt_storage *const a = pa, *const b = pb;
    return compare_keys(a->key, a->key_len, b->key, b->key_len);
}

eff_pt_storage *eff_pt_find_storage(eff_pt_storage *s, size_t n, const char *key, size_t key_len)
{
    for (size_t lo = 0, hi = n; lo < hi;) {
        const size_t mid = lo + (hi - lo) / 2;
        const int c = compare_keys(key, key_len, s[mid].key, s[mid].key_len);
        if (c == 0) return &s[mid];
        if (c < 0) hi = mid;
        else lo = mid + 1;
    }
    return NULL;
}

eff_status eff_pt_storages(const eff_pickle *p, eff_pt_storage **out, size_t *count, eff_error *err)
{
    size_t all = 0, n = 0;
    *out = NULL;
    *count = 0;
    for (size_t i = 0; i < p->nvalues; i++) all += p->value[i].kind == EFF_PK_PERSID;
    eff_pt_storage *const s = eff_malloc(all * sizeof *s);
    if (!s) return eff_fail_memory(err, all * sizeof *s);
    eff_status st = EFF_OK;
    for (size_t i = 0; i < p->nvalues && st == EFF_OK; i++) {
        const eff_pk_value *view;
        if (p->value[i].kind == EFF_PK_PERSID) st = parse_persid(p, &p->value[i], &s[n++], &view, err);
    }
    if (st == EFF_OK) qsort(s, n, sizeof *s, by_key);
    size_t kept = 0;
    for (size_t i = 0; i < n && st == EFF_OK; i++) {
        if (kept == 0 || by_key(&s[kept - 1], &s[i]))
            s[kept++] = s[i];
        else if (s[kept - 1].type != s[i].type || s[kept - 1].numel != s[i].numel)
            st = eff_fail(err, EFF_EFORMAT, "storage %.*s: named with two types or sizes", (int)s[i].key_len, s[i].key);
    }
    if (st != EFF_OK) {
        eff_free(s);
        return st;
    }
    *out = s;
    *count = kept;
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------ hostile names */

/* Modules that act on the machine or load more code; a dot at the end stands for their submodules too. */
static const char *const hostile_modules[] = {
    "os.", "posix", "nt", "posixpath", "ntpath", "subprocess", "_posixsubprocess", "commands", "popen2", "pty", "sys",
    "shutil", "socket", "ssl", "runpy", "importlib.", "imp", "zipimport", "pkgutil", "ctypes.", "_ctypes", "cffi.",
    "code", "codeop", "compileall", "webbrowser", "pip.", "signal", "asyncio.", "multiprocessing.", "threading",
    "_thread", "pickle", "_pickle", "cPickle", "marshal", "shelve", "operator", "_operator", "timeit", "profile",
    "cProfile", "pdb", "bdb", "trace", "urllib.", "urllib2", "http.", "httplib", "ftplib", "smtplib", "telnetlib",
    "requests.", "tempfile", "fileinput", "glob", "gc", "inspect", "site", "venv.", "winreg", "distutils.",
    "setuptools.", "doctest", "unittest.", "linecache",
};

static const char *const harmless_builtins[] = {
    "set", "frozenset", "list", "dict", "tuple", "int", "long", "float", "bool", "str", "unicode", "bytes", "bytearray",
    "complex", "slice", "range", "xrange", "object", "type", "Ellipsis", "NotImplemented",
};

static bool in_modules(const eff_pk_value *module)
{
    const char *const s = (const char *)module->u.s;
    for (size_t i = 0; i < sizeof hostile_modules / sizeof *hostile_modules; i++) {
        const char *const h = hostile_modules[i];
        const size_t n = strcspn(h, ".");
        if (module->n < n || memcmp(s, h, n) != 0) continue;
        if (module->n == n || (h[n] == '.' && s[n] == '.')) return true;
    }
    return false;
}

static bool is_hostile(const eff_pk_value *module, const eff_pk_value *name)
{
    if (!eff_pk_is_str(module, "builtins") && !eff_pk_is_str(module, "__builtin__")) return in_modules(module);
    for (size_t i = 0; i < sizeof harmless_builtins / sizeof *harmless_builtins; i++)
        if (eff_pk_is_str(name, harmless_builtins[i])) return false;
    return true;
}

eff_status eff_pt_check_globals(const eff_pickle *p, eff_error *err)
{
    for (size_t i = 0; i < p->nvalues; i++) {
        const eff_pk_value *const v = &p->value[i];
        if (v->kind != EFF_PK_GLOBAL || !is_hostile(eff_pk_get(p, v, EFF_PK_MODULE), eff_pk_get(p, v, EFF_PK_NAME)))
            continue;
        char text[168];
        eff_pk_global_text(p, v, text, sizeof text);
        return eff_fail(err, EFF_EFORMAT, "refused: the file wants to call %s, which no weights need", text);
    }
    return EFF_OK;
}

/* ----------------------------------------------------------------------------------------------- tensors */

typedef struct walk {
    eff_checkpoint *c;
    const eff_pickle *p;
    eff_pt_storage *storage;
    size_t nstorages;
    uint8_t *visits; /* a value */
    char path[EFF_MAX_TENSOR_NAME + 1];
    size_t len;
    eff_error *err;
} walk;

static eff_status refuse(walk *w, eff_status code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static eff_status refuse(walk *w, eff_status code, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (w->len == 0) return eff_fail(w->err, code, "the top level: %s", text);
    return eff_fail(w->err, code, "tensor %.*s: %s", (int)(w->len < 100 ? w->len : 100), w->path, text);
}

static const eff_pk_value *callable_of(const eff_pickle *p, const eff_pk_value *v)
{
    return v->kind == EFF_PK_OBJECT ? eff_pk_get(p, v, EFF_PK_CALLABLE) : NULL;
}

/* The tuple of arguments of a call of module.name, NULL when `v` is none. */
static const eff_pk_value *call_args(const eff_pickle *p, const eff_pk_value *v, const char *module, const char *name)
{
    const eff_pk_value *const f = callable_of(p, v);
    if (!f || !eff_pk_is_global(p, f, module, name)) return NULL;
    const eff_pk_value *const args = eff_pk_get(p, v, EFF_PK_ARGS);
    return args->kind == EFF_PK_TUPLE ? args : NULL;
}

static eff_status dims(walk *w, const eff_pk_value *v, const char *what, int64_t *out, int *n)
{
    const eff_pk_value *const size = call_args(w->p, v, "torch", "Size"); /* torch.Size((2, 3)), else a plain tuple */
    if (size && size->n == 1) v = eff_pk_get(w->p, size, 0);
    if (v->kind != EFF_PK_TUPLE && v->kind != EFF_PK_LIST)
        return refuse(w, EFF_EFORMAT, "%s: expected a tuple of integers", what);
    if (v->n > EFF_MAX_DIMS)
        return refuse(w, EFF_EUNSUPPORTED, "%u dimensions, at most %d are read", v->n, EFF_MAX_DIMS);
    for (uint32_t i = 0; i < v->n; i++) {
        const eff_pk_value *const d = eff_pk_get(w->p, v, i);
        if (d->kind != EFF_PK_INT) return refuse(w, EFF_EFORMAT, "%s: expected a tuple of integers", what);
        out[i] = d->u.i;
    }
    *n = (int)v->n;
    return EFF_OK;
}

/* Apply the legacy stream's view (key, offset, size): *offset becomes relative to the storage, *numel the end of the
 * view. */
static eff_status apply_view(walk *w, const eff_pk_value *view, int64_t *offset, uint64_t *numel)
{
    if (!view) return EFF_OK;
    if (view->kind != EFF_PK_TUPLE || view->n != 3) return refuse(w, EFF_EFORMAT, "view: expected (key, offset, size)");
    const eff_pk_value *const o = eff_pk_get(w->p, view, 1), *const n = eff_pk_get(w->p, view, 2);
    int64_t end;
    if (o->kind != EFF_PK_INT || n->kind != EFF_PK_INT || o->u.i < 0 || n->u.i < 0 ||
        __builtin_add_overflow(o->u.i, n->u.i, &end) || (uint64_t)end > *numel ||
        __builtin_add_overflow(*offset, o->u.i, offset))
        return refuse(w, EFF_EFORMAT, "view: outside its storage of %llu elements", (unsigned long long)*numel);
    *numel = (uint64_t)end;
    return EFF_OK;
}

/* _rebuild_tensor_v2(storage, offset, size, stride, ...) and its older form of four arguments. */
static eff_status add_tensor(walk *w, const eff_pk_value *args)
{
    if (args->n < 4 || eff_pk_get(w->p, args, 0)->kind != EFF_PK_PERSID)
        return refuse(w, EFF_EFORMAT, "expected (storage, offset, size, stride)");
    eff_pt_storage id;
    const eff_pk_value *view;
    eff_status s = parse_persid(w->p, eff_pk_get(w->p, args, 0), &id, &view, w->err);
    if (s != EFF_OK) return s;
    const eff_pt_storage *const st = eff_pt_find_storage(w->storage, w->nstorages, id.key, id.key_len);
    const int key_len = (int)id.key_len;
    if (!st || !st->present) return refuse(w, EFF_EFORMAT, "its storage %.*s is not in the file", key_len, id.key);
    if (st->dtype < 0) return refuse(w, EFF_EUNSUPPORTED, "elements of a torch.%s are not read", st->type);
    if (st->bytes != st->numel * st->item)
        return refuse(w, EFF_EFORMAT, "storage %.*s: expected %llu bytes (%llu %s), found %llu", key_len, id.key,
                      (unsigned long long)st->numel * st->item, (unsigned long long)st->numel,
                      eff_dtype_name((eff_dtype)st->dtype), (unsigned long long)st->bytes);
    eff_tensor t = { .dtype = (eff_dtype)st->dtype, .storage = (int)(st - w->storage) };
    const eff_pk_value *const offset = eff_pk_get(w->p, args, 1);
    if (offset->kind != EFF_PK_INT || offset->u.i < 0)
        return refuse(w, EFF_EFORMAT, "its offset is no integer of 0 or more");
    t.offset = offset->u.i;
    uint64_t numel = st->numel;
    int nstride;
    s = apply_view(w, view, &t.offset, &numel);
    if (s == EFF_OK) s = dims(w, eff_pk_get(w->p, args, 2), "shape", t.dim, &t.ndim);
    if (s == EFF_OK) s = dims(w, eff_pk_get(w->p, args, 3), "strides", t.stride, &nstride);
    if (s != EFF_OK) return s;
    if (nstride != t.ndim) return refuse(w, EFF_EFORMAT, "%d dimensions but %d strides", t.ndim, nstride);
    return eff_checkpoint_add(w->c, w->path, w->len, &t, numel, w->err);
}

/* If `v` is made by one of PyTorch's functions that rebuild tensors, add it: *is says so. */
static eff_status try_tensor(walk *w, const eff_pk_value *v, bool *is)
{
    const eff_pickle *const p = w->p;
    *is = true;
    for (int wrapped = 0; wrapped < 4; wrapped++) {
        const eff_pk_value *args;
        if ((args = call_args(p, v, "torch._utils", "_rebuild_tensor_v2")) ||
            (args = call_args(p, v, "torch._utils", "_rebuild_tensor")))
            return add_tensor(w, args);
        if ((args = call_args(p, v, "torch._utils", "_rebuild_parameter")) ||
            (args = call_args(p, v, "torch._utils", "_rebuild_parameter_with_state"))) {
            if (args->n == 0) return refuse(w, EFF_EFORMAT, "a parameter without data");
            v = eff_pk_get(p, args, 0);
            continue;
        }
        if ((args = call_args(p, v, "torch._tensor", "_rebuild_from_type_v2")) && args->n >= 3 &&
            eff_pk_is_global(p, eff_pk_get(p, args, 0), "torch._utils", "_rebuild_tensor_v2") &&
            eff_pk_get(p, args, 2)->kind == EFF_PK_TUPLE)
            return add_tensor(w, eff_pk_get(p, args, 2));
        break;
    }
    const eff_pk_value *const f = callable_of(p, v);
    if (f && f->kind == EFF_PK_GLOBAL) {
        const eff_pk_value *const m = eff_pk_get(p, f, EFF_PK_MODULE), *const name = eff_pk_get(p, f, EFF_PK_NAME);
        if (m->n >= 6 && !memcmp(m->u.s, "torch.", 6) && name->n >= 8 && !memcmp(name->u.s, "_rebuild", 8)) {
            char text[168];
            eff_pk_global_text(p, f, text, sizeof text);
            return refuse(w, EFF_EUNSUPPORTED, "a tensor made by %s is not read", text);
        }
    }
    *is = false;
    return EFF_OK;
}

/* Extend the path by ".key"; false when the key names nothing that is listed. */
static bool enter(walk *w, const eff_pk_value *key, eff_status *s)
{
    char number[24];
    const char *text = number;
    size_t n;
    if (key->kind == EFF_PK_STR) {
        text = (const char *)key->u.s;
        n = key->n;
    } else if (key->kind == EFF_PK_INT) {
        n = (size_t)snprintf(number, sizeof number, "%lld", (long long)key->u.i);
    } else {
        return false;
    }
    const size_t dot = w->len > 0;
    if (n > EFF_MAX_TENSOR_NAME - w->len - dot || w->len + dot > EFF_MAX_TENSOR_NAME) {
        *s = refuse(w, EFF_EFORMAT, "a name of more than %d bytes", EFF_MAX_TENSOR_NAME);
        return false;
    }
    if (dot) w->path[w->len++] = '.';
    memcpy(w->path + w->len, text, n);
    w->len += n;
    return true;
}

static eff_status walk_value(walk *w, uint32_t id, int depth);

static eff_status walk_entry(walk *w, const eff_pk_value *key, uint32_t value, int depth)
{
    const size_t len = w->len;
    eff_status s = EFF_OK;
    if (enter(w, key, &s)) s = walk_value(w, value, depth + 1);
    w->len = len;
    return s;
}

static eff_status walk_items(walk *w, const eff_pk_value *v, int depth)
{
    eff_status s = EFF_OK;
    const bool pairs = v->kind == EFF_PK_DICT;
    for (uint32_t i = 0; i + pairs < v->n && s == EFF_OK; i += 1 + pairs) {
        const eff_pk_value number = { .kind = EFF_PK_INT, .u.i = i };
        s = walk_entry(w, pairs ? eff_pk_get(w->p, v, i) : &number, eff_pk_item(w->p, v, i + pairs), depth);
    }
    return s;
}

/* OrderedDict([[k, v], ...]), as Python 2 wrote it. */
static eff_status walk_pair_list(walk *w, const eff_pk_value *list, int depth)
{
    eff_status s = EFF_OK;
    for (uint32_t i = 0; i < list->n && s == EFF_OK; i++) {
        const eff_pk_value *const pair = eff_pk_get(w->p, list, i);
        if ((pair->kind == EFF_PK_LIST || pair->kind == EFF_PK_TUPLE) && pair->n == 2)
            s = walk_entry(w, eff_pk_get(w->p, pair, 0), eff_pk_item(w->p, pair, 1), depth);
    }
    return s;
}

static eff_status walk_object(walk *w, const eff_pk_value *v, int depth)
{
    eff_status s = EFF_OK;
    const eff_pk_value *const args = call_args(w->p, v, "collections", "OrderedDict");
    if (args && args->n == 1 && eff_pk_get(w->p, args, 0)->kind == EFF_PK_LIST)
        s = walk_pair_list(w, eff_pk_get(w->p, args, 0), depth);
    if (s == EFF_OK) s = walk_items(w, eff_pk_get(w->p, v, EFF_PK_PAIRS), depth);
    return s;
}

static eff_status walk_value(walk *w, uint32_t id, int depth)
{
    const eff_pk_value *const v = eff_pk_at(w->p, id);
    if (v->kind != EFF_PK_DICT && v->kind != EFF_PK_LIST && v->kind != EFF_PK_TUPLE && v->kind != EFF_PK_OBJECT)
        return EFF_OK;
    if (v->kind == EFF_PK_OBJECT) { /* a tensor may be listed under any number of names */
        bool tensor;
        const eff_status s = try_tensor(w, v, &tensor);
        if (tensor || s != EFF_OK) return s;
    }
    uint8_t *const visits = &w->visits[id];
    if (*visits & (INSIDE | BARREN)) return EFF_OK;
    if (depth > MAX_NESTING) return refuse(w, EFF_EFORMAT, "nested more than %d deep", MAX_NESTING);
    if (*visits == MAX_VISITS) return refuse(w, EFF_EFORMAT, "one dict of tensors under more than %d names", MAX_VISITS);
    ++*visits;
    *visits |= INSIDE;
    const size_t before = w->c->count;
    const eff_status s = v->kind == EFF_PK_OBJECT ? walk_object(w, v, depth) : walk_items(w, v, depth);
    *visits &= (uint8_t)~INSIDE;
    if (w->c->count == before) *visits |= BARREN;
    return s;
}

/* ---------------------------------------------------------------------------------- the file as a whole */

/* {'arch': 'tf_efficientnet_b0', 'state_dict': ...}, as training scripts save. */
static eff_status keep_arch(walk *w, const eff_pk_value *root)
{
    if (root->kind != EFF_PK_DICT) return EFF_OK;
    for (uint32_t i = 0; i + 1 < root->n; i += 2) {
        const eff_pk_value *const v = eff_pk_get(w->p, root, i + 1);
        if (!eff_pk_is_str(eff_pk_get(w->p, root, i), "arch") || v->kind != EFF_PK_STR || v->n == 0 || v->n > 256) continue;
        for (uint32_t k = 0; k < v->n; k++)
            if (v->u.s[k] <= 0x20 || v->u.s[k] >= 0x7f) return EFF_OK; /* no architecture's name */
        w->c->arch_hint = eff_strndup((const char *)v->u.s, v->n);
        return w->c->arch_hint ? EFF_OK : eff_fail_memory(w->err, v->n);
    }
    return EFF_OK;
}

static eff_status no_tensors(walk *w, const eff_pk_value *root)
{
    char text[168];
    const eff_pk_value *const f = callable_of(w->p, root);
    if (f && f->kind == EFF_PK_GLOBAL && !eff_pk_is_global(w->p, f, "collections", "OrderedDict")) {
        eff_pk_global_text(w->p, f, text, sizeof text);
        return eff_fail(w->err, EFF_EFORMAT, "expected a dict of tensors (a state_dict), found a Python object of %s", text);
    }
    static const char *const kinds[] = { "None",     "a boolean",      "a number",  "a number", "a number",
                                         "a string", "bytes",          "a list",    "a tuple",  "a set",
                                         "a dict",   "a name of code", "a storage", "a dict" };
    return eff_fail(w->err, EFF_EFORMAT, "expected a dict of tensors (a state_dict), found %s without any",
                    kinds[root->kind]);
}

eff_status eff_pt_tensors(eff_checkpoint *c, const eff_pickle *p, eff_pt_storage *st, size_t n, eff_error *err)
{
    walk *const w = eff_calloc(1, sizeof *w);
    eff_status s = EFF_OK;
    if (!w) return eff_fail_memory(err, sizeof *w);
    *w = (walk){ .c = c, .p = p, .storage = st, .nstorages = n, .err = err };
    w->visits = eff_calloc(p->nvalues, 1);
    if (!w->visits) {
        s = eff_fail_memory(err, p->nvalues);
        goto end;
    }
    const eff_pk_value *const root = eff_pk_at(p, p->root);
    bool tensor = false;
    memcpy(w->path, "tensor", 6); /* the name of a file's only tensor, saved without a dict */
    w->len = 6;
    s = try_tensor(w, root, &tensor);
    w->len = 0;
    if (s == EFF_OK && !tensor) s = walk_value(w, p->root, 0);
    if (s == EFF_OK) s = keep_arch(w, root);
    if (s == EFF_OK && c->count == 0) s = no_tensors(w, root);
end:
    eff_free(w->visits);
    eff_free(w);
    return s;
}
