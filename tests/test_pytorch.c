/* SPDX-License-Identifier: Apache-2.0 */
/* PyTorch files: golden ones against the manifest, then streams and archives built here for what the golden ones lack. */
#define _GNU_SOURCE
#include "checkpoints.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

static void golden(void **state)
{
    (void)state;
    static const struct { const char *file, *format; } f[] = { { "small_torchvision.pth", "pytorch-zip" },
                                                               { "small_lukemelas.pth", "pytorch-zip" },
                                                               { "small_timm_legacy.pth", "pytorch-legacy" } };
    for (size_t i = 0; i < 3; i++) {
        eff_error err = { 0 };
        eff_checkpoint *c;
        T_OK(eff_checkpoint_open(&c, t_data("checkpoints/%s", f[i].file), &err), err);
        assert_string_equal(eff_checkpoint_format(c), f[i].format);
        assert_int_equal(eff_checkpoint_count(c), 228);
        t_check_manifest(c, "small", "");
        t_check_manifest(c, "small", ""); /* a second time: storages already checked are read another way */
        eff_checkpoint_close(c);
    }
}

static void check_tensor(const eff_checkpoint *c, const char *name, size_t n, const float *want)
{
    size_t count;
    float *const x = t_tensor(c, name, &count);
    assert_int_equal(count, n);
    if (n) assert_memory_equal(x, want, n * sizeof *want);
    free(x);
}

static void views(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_checkpoint *c;
    T_OK(eff_checkpoint_open(&c, t_data("checkpoints/views.pth"), &err), err);
    static const struct { const char *name, *dtype; int ndim; int64_t dim[2]; } want[] = {
        { "t", "F32", 2, { 6, 4 } }, { "a", "F32", 1, { 6 } },    { "b", "F32", 2, { 3, 4 } }, { "n", "I64", 0, { 0 } },
        { "e", "F32", 2, { 0, 3 } }, { "d", "F64", 1, { 2 } },    { "h", "U8", 1, { 2 } },
    };
    assert_int_equal(eff_checkpoint_count(c), 7);
    for (size_t i = 0; i < 7; i++) {
        eff_tensor_info info;
        eff_checkpoint_tensor(c, i, &info);
        assert_string_equal(info.name, want[i].name);
        assert_string_equal(info.dtype, want[i].dtype);
        assert_int_equal(info.ndim, want[i].ndim);
        for (int d = 0; d < info.ndim; d++) assert_int_equal(info.shape[d], want[i].dim[d]);
    }
    eff_tensor_info none;
    eff_checkpoint_tensor(c, 7, &none);
    assert_null(none.name);
    float t[24], x[24];
    for (int i = 0; i < 24; i++) {
        t[i] = (float)(i % 4 * 6 + i / 4);
        x[i] = (float)i;
    }
    for (int twice = 0; twice < 2; twice++) {
        check_tensor(c, "t", 24, t);
        check_tensor(c, "a", 6, x + 3);
        check_tensor(c, "b", 12, x + 9);
        check_tensor(c, "n", 1, x + 5);
        check_tensor(c, "e", 0, NULL);
        check_tensor(c, "d", 2, (const float[]){ 1.5f, -2 });
        check_tensor(c, "h", 2, x + 1);
    }
    eff_checkpoint_close(c);
}

/* ------------------------------------------------------------------------------- building pickles by hand */

typedef struct buffer {
    unsigned char *p;
    size_t n, cap;
} buffer;

static void put(buffer *b, const void *p, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = 2 * (b->n + n);
        b->p = realloc(b->p, b->cap);
        assert_non_null(b->p);
    }
    if (n) memcpy(b->p + b->n, p, n);
    b->n += n;
}

#define P(b, literal) put(b, literal, sizeof literal - 1)

static void put_str(buffer *b, const char *s)
{
    const uint32_t n = (uint32_t)strlen(s);
    P(b, "X");
    put(b, &n, 4);
    put(b, s, n);
}

static void put_int(buffer *b, int64_t i)
{
    P(b, "\x8a\x08");
    put(b, &i, 8);
}

static void put_ints(buffer *b, const int64_t *i, int n)
{
    P(b, "(");
    for (int k = 0; k < n; k++) put_int(b, i[k]);
    P(b, "t");
}

typedef struct spec { /* of a tensor, and how it differs from a sound one */
    const char *type, *key, *rebuild; /* NULL: FloatStorage, 0, _rebuild_tensor_v2 */
    int64_t numel, offset;
    int ndim, nstride;
    int64_t dim[9], stride[9];
    const int64_t *view; /* offset and size, of the legacy stream */
} spec;

static void put_storage(buffer *b, const spec *s)
{
    P(b, "(");
    put_str(b, "storage");
    P(b, "ctorch\n");
    put(b, s->type ? s->type : "FloatStorage", strlen(s->type ? s->type : "FloatStorage"));
    P(b, "\n");
    put_str(b, s->key ? s->key : "0");
    put_str(b, "cpu");
    put_int(b, s->numel);
    if (s->view) {
        P(b, "(");
        put_str(b, "view");
        put_int(b, s->view[0]);
        put_int(b, s->view[1]);
        P(b, "t");
    }
    P(b, "tQ");
}

static void put_tensor(buffer *b, const spec *s)
{
    const char *const f = s->rebuild ? s->rebuild : "_rebuild_tensor_v2";
    P(b, "ctorch._utils\n");
    put(b, f, strlen(f));
    P(b, "\n(");
    put_storage(b, s);
    put_int(b, s->offset);
    put_ints(b, s->dim, s->ndim);
    put_ints(b, s->stride, s->nstride);
    P(b, "\x89" "ccollections\nOrderedDict\n)RtR");
}

static const spec vector = { .numel = 6, .ndim = 1, .nstride = 1, .dim = { 6 }, .stride = { 1 } };

/* The legacy stream around an object pickle (without its header and STOP); storage 0 holds 6 floats, 0 to 5. */
static void wrap_with(buffer *out, const buffer *object, const char *keys, const char *system, int64_t count, size_t data)
{
    P(out, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02");
    put(out, system, strlen(system));
    P(out, ".\x80\x02");
    put(out, object->p, object->n);
    P(out, ".\x80\x02](");
    for (const char *k = keys; *k; k++) put_str(out, (const char[]){ *k, 0 });
    P(out, "e.");
    put(out, &count, 8);
    for (size_t i = 0; i < data; i++) {
        const float v = (float)i;
        put(out, &v, 4);
    }
}

#define SYSTEM "}U\x0dlittle_endian\x88s"

static eff_status open_object(eff_checkpoint **c, buffer *object, eff_error *err)
{
    buffer b = { 0 };
    wrap_with(&b, object, "0", SYSTEM, 6, 6);
    const eff_status s = t_open_bytes(c, b.p, b.n, err);
    free(b.p);
    free(object->p);
    *object = (buffer){ 0 };
    return s;
}

static void expect(buffer *object, eff_status code, const char *says)
{
    eff_checkpoint *c;
    eff_error err = { 0 };
    const eff_status s = open_object(&c, object, &err);
    if (s != code || !strstr(err.msg, says)) fail_msg("%d \"%s\", expected %d \"%s\"", s, err.msg, code, says);
    assert_null(c);
}

static void names(void **state)
{
    (void)state;
    buffer o = { 0 };
    P(&o, "}(");
    put_str(&o, "arch");
    put_str(&o, "tf_efficientnet_b0");
    put_str(&o, "epoch");
    P(&o, "K\7");
    put_str(&o, "state_dict");
    P(&o, "ccollections\nOrderedDict\n)R(");
    put_str(&o, "a.weight");
    put_tensor(&o, &vector);
    put_str(&o, "num");
    put_tensor(&o, &(spec){ .numel = 6, .offset = 3 });
    P(&o, "u}"); /* OrderedDict's _metadata */
    put_str(&o, "_metadata");
    P(&o, ")sb");
    put_str(&o, "optimizer");
    P(&o, "}(");
    put_str(&o, "state");
    P(&o, "}K\2}");
    put_str(&o, "momentum");
    put_tensor(&o, &vector);
    P(&o, "ss");
    put_str(&o, "list");
    P(&o, "](N");
    put_tensor(&o, &vector);
    P(&o, "eu");
    put_str(&o, "args"); /* an object of a class: its state is not looked into */
    P(&o, "cargparse\nNamespace\n)\x81}");
    put_str(&o, "weight");
    put_tensor(&o, &vector);
    P(&o, "sb");
    put_str(&o, "rng");
    P(&o, "cnumpy.core.multiarray\nscalar\n)R");
    put_str(&o, "pairs"); /* Python 2's OrderedDict([[key, value], ...]) */
    P(&o, "ccollections\nOrderedDict\n](](");
    put_str(&o, "p");
    put_tensor(&o, &vector);
    P(&o, "ee\x85Ru");
    eff_checkpoint *c;
    eff_error err = { 0 };
    T_OK(open_object(&c, &o, &err), err);
    static const char *const want[] = { "state_dict.a.weight", "state_dict.num", "optimizer.state.2.momentum", "optimizer.list.1", "pairs.p" };
    assert_int_equal(c->count, 5);
    for (size_t i = 0; i < 5; i++) assert_string_equal(c->tensor[i].name, want[i]);
    assert_string_equal(c->arch_hint, "tf_efficientnet_b0");
    check_tensor(c, "state_dict.num", 1, (const float[]){ 3 });
    check_tensor(c, "pairs.p", 6, (const float[]){ 0, 1, 2, 3, 4, 5 });
    eff_checkpoint_close(c);
}

/* A file that holds one tensor and no dict, in every way that PyTorch has of building one. */
static void rebuilders(void **state)
{
    (void)state;
    static const float x[] = { 0, 1, 2, 3, 4, 5 };
    for (int i = 0; i < 5; i++) {
        buffer o = { 0 };
        if (i == 0) put_tensor(&o, &vector);
        if (i == 1) put_tensor(&o, &(spec){ .rebuild = "_rebuild_tensor", .numel = 6, .ndim = 1, .nstride = 1, .dim = { 6 }, .stride = { 1 } });
        if (i == 2) {
            P(&o, "ctorch._utils\n_rebuild_parameter\n");
            put_tensor(&o, &vector);
            P(&o, "\x88)\x87R");
        }
        if (i == 3) { /* a subclass: (function, type, arguments, state) */
            P(&o, "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch.nn.parameter\nParameter\n(");
            put_storage(&o, &vector);
            P(&o, "K\0K\6\x85K\1\x85tNtR");
        }
        if (i == 4) { /* a torch.Size as shape, the storage of a GPU */
            P(&o, "ctorch._utils\n_rebuild_tensor_v2\n((");
            put_str(&o, "storage");
            P(&o, "ctorch.cuda\nFloatStorage\n");
            put_str(&o, "0");
            put_str(&o, "cuda:0");
            P(&o, "K\6NtQK\0ctorch\nSize\nK\6\x85\x85RK\1\x85tR");
        }
        eff_checkpoint *c;
        eff_error err = { 0 };
        T_OK(open_object(&c, &o, &err), err);
        assert_int_equal(c->count, 1);
        check_tensor(c, "tensor", 6, x);
        eff_checkpoint_close(c);
    }
    buffer o = { 0 };
    put_tensor(&o, &(spec){ .rebuild = "_rebuild_qtensor", .numel = 6 });
    expect(&o, EFF_EUNSUPPORTED, "tensor tensor: a tensor made by torch._utils._rebuild_qtensor is not read");
}

static void storage_types(void **state)
{
    (void)state;
    static const struct { const char *type, *dtype; int64_t numel; } t[] = {
        { "FloatStorage", "F32", 6 }, { "HalfStorage", "F16", 12 }, { "BFloat16Storage", "BF16", 12 }, { "DoubleStorage", "F64", 3 },
        { "LongStorage", "I64", 3 },  { "IntStorage", "I32", 6 },   { "ShortStorage", "I16", 12 },     { "CharStorage", "I8", 24 },
        { "ByteStorage", "U8", 24 },  { "BoolStorage", "BOOL", 24 },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        buffer o = { 0 }, b = { 0 };
        put_tensor(&o, &(spec){ .type = t[i].type, .numel = t[i].numel, .ndim = 1, .nstride = 1, .dim = { t[i].numel }, .stride = { 1 } });
        wrap_with(&b, &o, "0", SYSTEM, t[i].numel, 6);
        eff_checkpoint *c;
        eff_error err = { 0 };
        eff_tensor_info info;
        T_OK(t_open_bytes(&c, b.p, b.n, &err), err);
        eff_checkpoint_tensor(c, 0, &info);
        assert_string_equal(info.dtype, t[i].dtype);
        T_OK(t_read_all(c, &err), err);
        eff_checkpoint_close(c);
        free(o.p);
        free(b.p);
    }
    buffer o = { 0 };
    put_tensor(&o, &(spec){ .type = "ComplexFloatStorage", .numel = 6 });
    expect(&o, EFF_EUNSUPPORTED, "tensor tensor: elements of a torch.ComplexFloatStorage are not read");
    put_tensor(&o, &(spec){ .type = "SomeStorage", .numel = 6 });
    expect(&o, EFF_EUNSUPPORTED, "storage 0: storage type torch.SomeStorage is not read");
}

static void legacy_views(void **state)
{
    (void)state;
    buffer o = { 0 };
    eff_checkpoint *c;
    eff_error err = { 0 };
    put_tensor(&o, &(spec){ .numel = 6, .offset = 1, .ndim = 1, .nstride = 1, .dim = { 2 }, .stride = { 1 }, .view = (const int64_t[]){ 2, 3 } });
    T_OK(open_object(&c, &o, &err), err);
    check_tensor(c, "tensor", 2, (const float[]){ 3, 4 });
    eff_checkpoint_close(c);
    put_tensor(&o, &(spec){ .numel = 6, .offset = 1, .ndim = 1, .nstride = 1, .dim = { 3 }, .stride = { 1 }, .view = (const int64_t[]){ 2, 3 } });
    expect(&o, EFF_EFORMAT, "reach outside its storage");
    put_tensor(&o, &(spec){ .numel = 6, .view = (const int64_t[]){ 4, 3 } });
    expect(&o, EFF_EFORMAT, "tensor tensor: view: outside its storage of 6");
    put_tensor(&o, &(spec){ .numel = 6, .view = (const int64_t[]){ INT64_MAX, 1 } });
    expect(&o, EFF_EFORMAT, "view: outside its storage");
    put_tensor(&o, &(spec){ .numel = 6, .view = (const int64_t[]){ -1, 1 } });
    expect(&o, EFF_EFORMAT, "view: outside its storage");
}

static void bad_tensors(void **state)
{
    (void)state;
    static const struct { spec s; const char *says; } t[] = {
        { { .numel = 7 }, "storage 0: expected 7 elements, found 6" },
        { { .numel = -1 }, "storage 0: its number of elements is not one" },
        { { .numel = INT64_MAX }, "its number of elements is not one" },
        { { .numel = 6, .key = "1" }, "storage 0: no tensor says what its elements are" },
        { { .numel = 6, .key = "../0" }, "a storage without a proper key" },
        { { .numel = 6, .key = "" }, "a storage without a proper key" },
        { { .numel = 6, .offset = 6 }, "tensor tensor: shape and strides reach outside its storage of 6" },
        { { .numel = 6, .offset = -1 }, "its offset is no integer of 0 or more" },
        { { .numel = 6, .ndim = 1, .nstride = 1, .dim = { 7 }, .stride = { 1 } }, "reach outside its storage of 6" },
        { { .numel = 6, .ndim = 1, .nstride = 1, .dim = { 3 }, .stride = { 3 } }, "reach outside" },
        { { .numel = 6, .ndim = 1, .nstride = 1, .dim = { 3 }, .stride = { -1 }, .offset = 5 }, "stride[0] is negative" },
        { { .numel = 6, .ndim = 1, .nstride = 1, .dim = { -3 }, .stride = { 1 } }, "shape[0] is negative: -3" },
        { { .numel = 6, .ndim = 2, .nstride = 1, .dim = { 2, 3 }, .stride = { 3 } }, "2 dimensions but 1 strides" },
        { { .numel = 6, .ndim = 9, .nstride = 9 }, "9 dimensions, at most 8 are read" },
        { { .numel = 6, .ndim = 2, .nstride = 2, .dim = { INT64_MAX, 2 } }, "the product of its shape is too large" },
        { { .numel = 6, .ndim = 1, .nstride = 1, .dim = { 1LL << 40 }, .stride = { 0 } }, "1099511627776 elements over a storage of 6" },
        { { .numel = 6, .ndim = 2, .nstride = 2, .dim = { 3, 2 }, .stride = { INT64_MAX, 1 } }, "reach outside" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        buffer o = { 0 };
        put_tensor(&o, &t[i].s);
        const eff_status code = strstr(t[i].says, "at most") ? EFF_EUNSUPPORTED : EFF_EFORMAT;
        expect(&o, code, t[i].says);
    }
    buffer o = { 0 };
    P(&o, "](");
    put_tensor(&o, &vector);
    put_tensor(&o, &(spec){ .numel = 6, .type = "IntStorage" });
    P(&o, "e");
    expect(&o, EFF_EFORMAT, "storage 0: named with two types or sizes");
    P(&o, "}(");
    put_str(&o, "a");
    put_tensor(&o, &vector);
    put_str(&o, "a");
    put_tensor(&o, &vector);
    P(&o, "u");
    expect(&o, EFF_EFORMAT, "tensor a: occurs twice");
    P(&o, "K\1Q");
    expect(&o, EFF_EFORMAT, "a persistent id that is no ('storage'");
    P(&o, "](");
    put_tensor(&o, &vector);
    P(&o, "ctorch._utils\n_rebuild_tensor_v2\n)Re");
    expect(&o, EFF_EFORMAT, "tensor 1: expected (storage, offset, size, stride)");
    P(&o, "](");
    put_tensor(&o, &vector);
    P(&o, "ctorch._utils\n_rebuild_parameter\n)Re");
    expect(&o, EFF_EFORMAT, "tensor 1: a parameter without data");
}

static void not_state_dicts(void **state)
{
    (void)state;
    buffer o = { 0 };
    static const struct { const char *object, *says; } t[] = {
        { "}", "found a dict without any" },
        { "ccollections\nOrderedDict\n)R", "found a dict without any" },
        { "N", "found None without any" },
        { "]", "found a list without any" },
        { "X\1\0\0\0a", "found a string without any" },
        { "ctorchvision.models.efficientnet\nEfficientNet\n)\x81}b", "found a Python object of torchvision.models.efficientnet.EfficientNet" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const char *const text = t[i].object;
        const size_t n = strstr(text, "X\1") ? 6 : strlen(text);
        buffer b = { 0 };
        put(&o, text, n);
        wrap_with(&b, &o, "", SYSTEM, 0, 0);
        eff_checkpoint *c;
        eff_error err = { 0 };
        assert_int_equal(t_open_bytes(&c, b.p, b.n, &err), EFF_EFORMAT);
        if (!strstr(err.msg, t[i].says)) fail_msg("\"%s\" does not say \"%s\"", err.msg, t[i].says);
        free(b.p);
        free(o.p);
        o = (buffer){ 0 };
    }
}

static void hostile_names(void **state)
{
    (void)state;
    static const char *const refused[] = { "os\nsystem", "posix\nsystem", "nt\nsystem", "os.path\njoin", "subprocess\nPopen", "builtins\neval",
                                           "builtins\nexec", "__builtin__\nopen", "importlib.util\nfind_spec", "runpy\nrun_path",
                                           "pickle\nloads", "ctypes\nCDLL", "operator\nattrgetter", "webbrowser\nopen", "socket\nsocket" };
    static const char *const inert[] = { "argparse\nNamespace", "builtins\nset", "numpy\ndtype", "code.models\nNet", "osx\nthing", "torch\ndevice" };
    for (size_t i = 0; i < sizeof refused / sizeof *refused + sizeof inert / sizeof *inert; i++) {
        const bool bad = i < sizeof refused / sizeof *refused;
        const char *const name = bad ? refused[i] : inert[i - sizeof refused / sizeof *refused];
        for (int how = 0; how < 4; how++) { /* called, instantiated, named only, through STACK_GLOBAL */
            buffer o = { 0 };
            P(&o, "}(");
            put_str(&o, "weight");
            put_tensor(&o, &vector);
            put_str(&o, "x");
            if (how < 3) {
                P(&o, "c");
                put(&o, name, strlen(name));
                P(&o, "\n");
            } else {
                char module[32];
                snprintf(module, sizeof module, "%.*s", (int)strcspn(name, "\n"), name);
                put_str(&o, module);
                put_str(&o, strchr(name, '\n') + 1);
                P(&o, "\x93");
            }
            if (how == 0) P(&o, "X\x0c\0\0\0touch pwned!\x85R");
            if (how == 1) P(&o, ")\x81}b");
            P(&o, "u");
            if (bad) {
                expect(&o, EFF_EFORMAT, "refused: the file wants to call ");
                continue;
            }
            eff_checkpoint *c;
            eff_error err = { 0 };
            T_OK(open_object(&c, &o, &err), err);
            assert_int_equal(c->count, 1);
            eff_checkpoint_close(c);
        }
    }
}

/* Shared, cyclic and deep structures: each ends, and quickly. */
static void structures(void **state)
{
    (void)state;
    buffer o = { 0 };
    eff_checkpoint *c;
    eff_error err = { 0 };
    P(&o, "}q\0(");
    put_str(&o, "w");
    put_tensor(&o, &vector);
    put_str(&o, "self");
    P(&o, "h\0u");
    T_OK(open_object(&c, &o, &err), err);
    assert_int_equal(c->count, 1);
    eff_checkpoint_close(c);

    /* a dict of tensors under nine names; a tuple without any under a thousand */
    for (int barren = 0; barren < 2; barren++) {
        P(&o, "](}");
        put_str(&o, "w");
        if (barren) P(&o, "K\1K\2\x86q\0");
        else put_tensor(&o, &vector);
        P(&o, "s");
        if (!barren) P(&o, "q\0");
        for (int i = 0; i < (barren ? 1000 : 8); i++) P(&o, "h\0");
        if (barren) put_tensor(&o, &vector);
        P(&o, "e");
        if (barren) {
            T_OK(open_object(&c, &o, &err), err);
            assert_int_equal(c->count, 1);
            eff_checkpoint_close(c);
        } else {
            expect(&o, EFF_EFORMAT, "one dict of tensors under more than 8 names");
        }
    }

    /* each level holds the next one eight times: 8^16 paths */
    P(&o, "](");
    put_tensor(&o, &vector);
    P(&o, "eq\0");
    for (int level = 1; level <= 16; level++) {
        P(&o, "0](");
        for (int i = 0; i < 8; i++) put(&o, (const unsigned char[]){ 'h', (unsigned char)(level - 1) }, 2);
        put(&o, (const unsigned char[]){ 'e', 'q', (unsigned char)level }, 3);
    }
    expect(&o, EFF_EFORMAT, "one dict of tensors under more than 8 names");

    for (int deep = 30; deep <= 40; deep += 10) {
        for (int i = 0; i < deep; i++) P(&o, "]");
        put_tensor(&o, &vector);
        for (int i = 0; i < deep; i++) P(&o, "a");
        if (deep == 40) {
            expect(&o, EFF_EFORMAT, "nested more than 32 deep");
            break;
        }
        T_OK(open_object(&c, &o, &err), err);
        eff_checkpoint_close(c);
    }
    P(&o, "](");
    put_tensor(&o, &vector);
    P(&o, "N");
    for (int i = 0; i < 200000; i++) P(&o, "\x85"); /* would be the end of a walk that recurses without a bound */
    P(&o, "e");
    expect(&o, EFF_EFORMAT, "nested more than 32 deep");

    char key[EFF_MAX_TENSOR_NAME];
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = 0;
    for (int extra = 0; extra < 2; extra++) {
        P(&o, "}");
        put_str(&o, key + 2 - extra); /* 1021 or 1022 bytes, a dot, two */
        P(&o, "}");
        put_str(&o, "xx");
        put_tensor(&o, &vector);
        P(&o, "ss");
        if (extra) {
            expect(&o, EFF_EFORMAT, "a name of more than 1024 bytes");
        } else {
            T_OK(open_object(&c, &o, &err), err);
            assert_int_equal(strlen(c->tensor[0].name), EFF_MAX_TENSOR_NAME);
            eff_checkpoint_close(c);
        }
    }
}

static void streams(void **state)
{
    (void)state;
    static const struct { const char *keys, *system; int64_t count; size_t data; eff_status code; const char *says; } t[] = {
        { "0", SYSTEM, 6, 6, EFF_OK, "" },
        { "0", "}", 6, 7, EFF_OK, "" },
        { "0", "}U\x0dlittle_endian\x89s", 6, 6, EFF_EUNSUPPORTED, "byte order: expected little, found big" },
        { "0", "N", 6, 6, EFF_EFORMAT, "system info: expected a dict" },
        { "00", SYSTEM, 6, 6, EFF_EFORMAT, "storage 0: listed twice" },
        { "1", SYSTEM, 6, 6, EFF_EFORMAT, "storage 1: no tensor says" },
        { "", SYSTEM, 6, 6, EFF_EFORMAT, "tensor tensor: its storage 0 is not in the file" },
        { "0", SYSTEM, 5, 6, EFF_EFORMAT, "storage 0: expected 6 elements, found 5" },
        { "0", SYSTEM, -6, 6, EFF_EFORMAT, "storage 0: expected 6 elements, found -6" },
        { "0", SYSTEM, 6, 5, EFF_EFORMAT, "tensor tensor: storage 0: expected 24 bytes (6 F32), found 20" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        buffer o = { 0 }, b = { 0 };
        put_tensor(&o, &vector);
        wrap_with(&b, &o, t[i].keys, t[i].system, t[i].count, t[i].data);
        eff_checkpoint *c;
        eff_error err = { 0 };
        const eff_status s = t_open_bytes(&c, b.p, b.n, &err);
        if (s != t[i].code || !strstr(err.msg, t[i].says)) fail_msg("%d \"%s\", expected \"%s\"", s, err.msg, t[i].says);
        eff_checkpoint_close(c);
        free(o.p);
        free(b.p);
    }
    /* pickles longer than what is read at first */
    buffer o = { 0 };
    P(&o, "}(");
    char *const pad = calloc(1, 700001);
    memset(pad, 'x', 700000);
    put_str(&o, "comment");
    put_str(&o, pad);
    put_str(&o, "w");
    put_tensor(&o, &vector);
    P(&o, "u");
    free(pad);
    eff_checkpoint *c;
    eff_error err = { 0 };
    T_OK(open_object(&c, &o, &err), err);
    check_tensor(c, "w", 6, (const float[]){ 0, 1, 2, 3, 4, 5 });
    eff_checkpoint_close(c);
    /* the start of the stream */
    static const struct { const char *p; size_t n; eff_status code; const char *says; } head[] = {
#define B(literal) literal, sizeof literal - 1
        { B("\x80\x02K\1."), EFF_EFORMAT, "a Python pickle, but not one that PyTorch wrote" },
        { B("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x18."), EFF_EFORMAT, "not one that PyTorch wrote" },
        { B("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xea\x03."), EFF_EUNSUPPORTED, "protocol: expected 1001" },
        { B("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."), EFF_EFORMAT, "pickle 2 of 5: pickle byte 0: the pickle ends early" },
        { B("\x80\x02"), EFF_EFORMAT, "pickle 1 of 5: pickle byte 2: the pickle ends early" },
        { B("\x80\x02" "cos\nsystem\nX\1\0\0\0x\x85R."), EFF_EFORMAT, "wants to call os.system" },
    };
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        assert_int_equal(t_open_bytes(&c, head[i].p, head[i].n, &err), head[i].code);
        if (!strstr(err.msg, head[i].says)) fail_msg("\"%s\" does not say \"%s\"", err.msg, head[i].says);
    }
}

/* ------------------------------------------------------------------------------------------------ archives */

typedef struct item {
    const char *name;
    const void *data;
    size_t n;
    zip_int32_t method;
} item;

static const char *make_zip(const item *it, size_t n)
{
    const char *const path = t_tmp("made.pth");
    int code;
    zip_t *const z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    assert_non_null(z);
    for (size_t i = 0; i < n; i++) {
        zip_source_t *const s = zip_source_buffer(z, it[i].data, it[i].n, 0);
        const zip_int64_t k = zip_file_add(z, it[i].name, s, 0);
        assert_true(k >= 0);
        zip_set_file_compression(z, (zip_uint64_t)k, it[i].method, 0);
    }
    assert_int_equal(zip_close(z), 0);
    return path;
}

static void pickle_of(buffer *b, const spec *s)
{
    P(b, "\x80\x02}");
    put_str(b, "w");
    put_tensor(b, s);
    P(b, "s.");
}

static void archives(void **state)
{
    (void)state;
    static const float x[6] = { 0, 1, 2, 3, 4, 5 };
    static const char zeros[1 << 20];
    buffer o = { 0 }, big = { 0 };
    pickle_of(&o, &vector);
    pickle_of(&big, &(spec){ .type = "ByteStorage", .numel = sizeof zeros });
    const item pkl = { "m/data.pkl", o.p, o.n, ZIP_CM_STORE }, data = { "m/data/0", x, sizeof x, ZIP_CM_DEFLATE };
    const struct { item it[3]; size_t n; eff_status code; const char *says; } t[] = {
        { { pkl, data }, 2, EFF_OK, "" },
        { { pkl, data, { "m/byteorder", "little", 6, ZIP_CM_DEFLATE } }, 3, EFF_OK, "" },
        { { { "data.pkl", o.p, o.n, ZIP_CM_DEFLATE }, { "data/0", x, sizeof x, ZIP_CM_STORE } }, 2, EFF_OK, "" },
        { { { "\xd0\xbc/data.pkl", o.p, o.n, ZIP_CM_STORE }, { "\xd0\xbc/data/0", x, sizeof x, ZIP_CM_STORE } }, 2, EFF_OK, "" },
        { { pkl, data, { "m/byteorder", "big", 3, ZIP_CM_STORE } }, 3, EFF_EUNSUPPORTED, "byteorder: expected little, found big" },
        { { pkl, data, { "m/byteorder", zeros, 100, ZIP_CM_STORE } }, 3, EFF_EFORMAT, "byteorder: 100 bytes" },
        { { pkl, data, { "m/constants.pkl", "x", 1, ZIP_CM_STORE } }, 3, EFF_EUNSUPPORTED, "a TorchScript archive is not read" },
        { { pkl }, 1, EFF_EFORMAT, "tensor w: its storage 0 is not in the file" },
        { { pkl, { "m/data/0", x, 20, ZIP_CM_STORE } }, 2, EFF_EFORMAT, "tensor w: storage 0: expected 24 bytes (6 F32), found 20" },
        { { pkl, { "m/data/0", zeros, 25, ZIP_CM_STORE } }, 2, EFF_EFORMAT, "storage 0: expected 24 bytes (6 F32), found 25" },
        { { { "m/data.pkl", big.p, big.n, ZIP_CM_STORE }, { "m/data/0", zeros, sizeof zeros, ZIP_CM_DEFLATE } }, 2, EFF_EFORMAT,
          "data/0: 1048576 bytes compressed to" },
        { { { "m/data.pkl", big.p, big.n, ZIP_CM_STORE }, { "m/data/0", zeros, sizeof zeros, ZIP_CM_STORE } }, 2, EFF_OK, "" },
        { { { "m/data.pkl", zeros, sizeof zeros, ZIP_CM_DEFLATE } }, 1, EFF_EFORMAT, "data.pkl: 1048576 bytes compressed to" },
        { { { "a.npy", "x", 1, ZIP_CM_STORE } }, 1, EFF_EUNSUPPORTED, "a NumPy .npz archive" },
        { { { "metadata.json", "x", 1, ZIP_CM_STORE }, { "config.json", "x", 1, ZIP_CM_STORE } }, 2, EFF_EUNSUPPORTED, "a Keras model (.keras)" },
        { { { "a/b/data.pkl", o.p, o.n, ZIP_CM_STORE } }, 1, EFF_EFORMAT, "a zip archive without data.pkl" },
        { { { "m/data.pkl", "\x80\x02", 2, ZIP_CM_STORE } }, 1, EFF_EFORMAT, "data.pkl: pickle byte 2: the pickle ends early" },
        { { { "m/data.pkl", "", 0, ZIP_CM_STORE } }, 1, EFF_EFORMAT, "data.pkl: pickle byte 0: the pickle ends early" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        eff_checkpoint *c;
        eff_error err = { 0 };
        const eff_status s = eff_checkpoint_open(&c, make_zip(t[i].it, t[i].n), &err);
        if (s != t[i].code || !strstr(err.msg, t[i].says)) fail_msg("%zu: %d \"%s\", expected \"%s\"", i, s, err.msg, t[i].says);
        if (s == EFF_OK) T_OK(t_read_all(c, &err), err);
        if (s == EFF_OK && c->tensor[0].count == 6) check_tensor(c, "w", 6, x);
        eff_checkpoint_close(c);
    }
    free(o.p);
    free(big.p);
}

/* Many tensors on one storage, stored and compressed, read in any order, and damage in a part that no tensor uses. */
static void shared_storage(void **state)
{
    (void)state;
    enum { N = 100000 };
    float *const x = malloc(N * sizeof *x);
    for (int i = 0; i < N; i++) x[i] = (float)(i ^ (i >> 3));
    const spec parts[4] = {
        { .numel = N, .offset = 90000, .ndim = 1, .nstride = 1, .dim = { 10000 }, .stride = { 1 } },
        { .numel = N, .offset = 5, .ndim = 1, .nstride = 1, .dim = { 100 }, .stride = { 1 } },
        { .numel = N, .offset = 50000, .ndim = 2, .nstride = 2, .dim = { 30, 40 }, .stride = { 7, 300 } },
        { .numel = N, .offset = 99999 },
    };
    buffer o = { 0 };
    P(&o, "\x80\x02](");
    for (int i = 0; i < 4; i++) put_tensor(&o, &parts[i]);
    P(&o, "e.");
    for (zip_int32_t method = ZIP_CM_STORE; method <= ZIP_CM_DEFLATE; method += ZIP_CM_DEFLATE) {
        const item it[2] = { { "m/data.pkl", o.p, o.n, method }, { "m/data/0", x, N * sizeof *x, method } };
        const char *const path = make_zip(it, 2);
        for (int damaged = 0; damaged < (method == ZIP_CM_STORE ? 2 : 1); damaged++) {
            if (damaged) { /* an element between the parts; it is stored as it is */
                size_t n;
                unsigned char *const b = t_file(path, &n);
                unsigned char *const hit = memmem(b, n, &x[70000], 8);
                assert_non_null(hit);
                hit[1] ^= 1;
                FILE *const f = fopen(path, "wb");
                assert_int_equal(fwrite(b, 1, n, f), n);
                fclose(f);
                free(b);
            }
            eff_checkpoint *c;
            eff_error err = { 0 };
            T_OK(eff_checkpoint_open(&c, path, &err), err);
            for (int k = 0; k < 8; k++) {
                const spec *const s = &parts[k % 4];
                float got[10000];
                const eff_status st = eff_checkpoint_read(c, (size_t)k % 4, got, &err);
                if (damaged) {
                    assert_int_equal(st, EFF_EFORMAT);
                    assert_non_null(strstr(err.msg, "m/data/0: CRC error"));
                    continue;
                }
                T_OK(st, err);
                for (size_t i = 0; i < c->tensor[k % 4].count; i++) {
                    const int64_t at = s->ndim == 2 ? (int64_t)(i / 40) * 7 + (int64_t)(i % 40) * 300 : (int64_t)i;
                    if (got[i] != x[s->offset + at]) fail_msg("tensor %d[%zu]", k % 4, i);
                }
            }
            eff_checkpoint_close(c);
        }
    }
    free(o.p);
    free(x);
}

/* ZIP64: a sound end record, and one that claims more members than the file has bytes. */
static void zip64(void **state)
{
    (void)state;
    size_t n;
    unsigned char *const b = t_file(t_data("checkpoints/bad/pt_good_rezipped.pth"), &n);
    unsigned char out[8192], *const end = b + n - 22;
    assert_memory_equal(end, "PK\5\6", 4);
    for (int claim = 0; claim < 2; claim++) {
        uint64_t entries = end[10], size = 0, at = 0, where = n - 22;
        memcpy(&size, end + 12, 4);
        memcpy(&at, end + 16, 4);
        if (claim) entries = 1ULL << 40;
        size_t k = n - 22;
        memcpy(out, b, k);
        memcpy(out + k, "PK\6\6\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0", 24);
        memcpy(out + k + 24, &entries, 8);
        memcpy(out + k + 32, &entries, 8);
        memcpy(out + k + 40, &size, 8);
        memcpy(out + k + 48, &at, 8);
        k += 56;
        memcpy(out + k, "PK\6\7\0\0\0\0", 8);
        memcpy(out + k + 8, &where, 8);
        memcpy(out + k + 16, "\1\0\0\0", 4);
        k += 20;
        memcpy(out + k, end, 22);
        memset(out + k + 8, 0xff, 12);
        eff_checkpoint *c;
        eff_error err = { 0 };
        const eff_status s = t_open_bytes(&c, out, k + 22, &err);
        if (claim) {
            assert_int_equal(s, EFF_EFORMAT);
            assert_non_null(strstr(err.msg, "zip archive damaged or cut short"));
        } else {
            T_OK(s, err);
            assert_int_equal(c->count, 6);
            eff_checkpoint_close(c);
        }
    }
    free(b);
}

static void no_memory(void **state)
{
    (void)state;
    static const char *const file[] = { "views.pth", "bad/pt_good_tiny.pth", "small_timm_legacy.pth" };
    for (size_t f = 0; f < 3; f++) {
        eff_status s = EFF_ENOMEM;
        long i = 0, step = f == 2 ? 7 : 1;
        for (; s != EFF_OK; i += step) {
            eff_checkpoint *c = NULL;
            eff_error err = { 0 };
            float *const x = malloc(1 << 20);
            eff_alloc_fail_after(i);
            s = eff_checkpoint_open(&c, t_data("checkpoints/%s", file[f]), &err);
            for (size_t k = 0; s == EFF_OK && k < c->count; k++) s = eff_checkpoint_read(c, k, x, &err);
            eff_alloc_fail_after(-1);
            eff_checkpoint_close(c);
            free(x);
            if (s != EFF_OK) assert_int_equal(s, EFF_ENOMEM);
            assert_true(i < 5000);
        }
        assert_true(i > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),        cmocka_unit_test(views),           cmocka_unit_test(names),         cmocka_unit_test(rebuilders),
        cmocka_unit_test(storage_types), cmocka_unit_test(legacy_views),    cmocka_unit_test(bad_tensors),   cmocka_unit_test(not_state_dicts),
        cmocka_unit_test(hostile_names), cmocka_unit_test(structures),      cmocka_unit_test(streams),       cmocka_unit_test(archives),
        cmocka_unit_test(shared_storage), cmocka_unit_test(zip64),   cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
