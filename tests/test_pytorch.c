/* SPDX-License-Identifier: Apache-2.0 */
/* PyTorch files: golden ones against the manifest, then legacy streams built here for what the golden ones lack. */
#define _GNU_SOURCE
#include "checkpoints.h"
#include "pickles.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void golden(void **state)
{
    (void)state;
    static const struct {
        const char *file, *format;
    } f[] = { { "small_torchvision.pth", "pytorch-zip" },
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

static void views(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_checkpoint *c;
    T_OK(eff_checkpoint_open(&c, t_data("checkpoints/views.pth"), &err), err);
    static const struct {
        const char *name, *dtype;
        int ndim;
        int64_t dim[2];
    } want[] = {
        { "t", "F32", 2, { 6, 4 } }, { "a", "F32", 1, { 6 } }, { "b", "F32", 2, { 3, 4 } }, { "n", "I64", 0, { 0 } },
        { "e", "F32", 2, { 0, 3 } }, { "d", "F64", 1, { 2 } }, { "h", "U8", 1, { 2 } },
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
        t_check_tensor(c, "t", 24, t);
        t_check_tensor(c, "a", 6, x + 3);
        t_check_tensor(c, "b", 12, x + 9);
        t_check_tensor(c, "n", 1, x + 5);
        t_check_tensor(c, "e", 0, NULL);
        t_check_tensor(c, "d", 2, (const float[]){ 1.5f, -2 });
        t_check_tensor(c, "h", 2, x + 1);
    }
    eff_checkpoint_close(c);
}

/* ---------------------------------------------------------------------------- streams built here */

static eff_status open_object(eff_checkpoint **c, t_buffer *object, eff_error *err)
{
    t_buffer b = { 0 };
    t_put_stream(&b, object, "0", T_SYSTEM, 6, 6);
    const eff_status s = t_open_bytes(c, b.p, b.n, err);
    free(b.p);
    free(object->p);
    *object = (t_buffer){ 0 };
    return s;
}

static void expect(t_buffer *object, eff_status code, const char *says)
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
    t_buffer o = { 0 };
    T_PUT(&o, "}(");
    t_put_str(&o, "arch");
    t_put_str(&o, "tf_efficientnet_b0");
    t_put_str(&o, "epoch");
    T_PUT(&o, "K\7");
    t_put_str(&o, "state_dict");
    T_PUT(&o, "ccollections\nOrderedDict\n)R(");
    t_put_str(&o, "a.weight");
    t_put_tensor(&o, &t_vector);
    t_put_str(&o, "num");
    t_put_tensor(&o, &(t_spec){ .numel = 6, .offset = 3 });
    T_PUT(&o, "u}"); /* OrderedDict's _metadata */
    t_put_str(&o, "_metadata");
    T_PUT(&o, ")sb");
    t_put_str(&o, "optimizer");
    T_PUT(&o, "}(");
    t_put_str(&o, "state");
    T_PUT(&o, "}K\2}");
    t_put_str(&o, "momentum");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "ss");
    t_put_str(&o, "list");
    T_PUT(&o, "](N");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "eu");
    t_put_str(&o, "args"); /* an object of a class: its state is not looked into */
    T_PUT(&o, "cargparse\nNamespace\n)\x81}");
    t_put_str(&o, "weight");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "sb");
    t_put_str(&o, "rng");
    T_PUT(&o, "cnumpy.core.multiarray\nscalar\n)R");
    t_put_str(&o, "pairs"); /* Python 2's OrderedDict([[key, value], ...]) */
    T_PUT(&o, "ccollections\nOrderedDict\n](](");
    t_put_str(&o, "p");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "ee\x85Ru");
    eff_checkpoint *c;
    eff_error err = { 0 };
    T_OK(open_object(&c, &o, &err), err);
    static const char *const want[] = { "state_dict.a.weight", "state_dict.num", "optimizer.state.2.momentum",
                                        "optimizer.list.1", "pairs.p" };
    assert_int_equal(c->count, 5);
    for (size_t i = 0; i < 5; i++) assert_string_equal(c->tensor[i].name, want[i]);
    assert_string_equal(c->arch_hint, "tf_efficientnet_b0");
    t_check_tensor(c, "state_dict.num", 1, (const float[]){ 3 });
    t_check_tensor(c, "pairs.p", 6, (const float[]){ 0, 1, 2, 3, 4, 5 });
    eff_checkpoint_close(c);
}

/* A hint is the name of an architecture or it is left out: the file is as good without it. */
static void odd_hints(void **state)
{
    (void)state;
    char longest[258];
    memset(longest, 'b', sizeof longest);
    longest[256] = longest[257] = '\0';
    static const char *const no_name[] = { "", "b 0", "b0\n", "\x1b[2Jb0", "b0\x7f", "b0\xc3\xa9" };
    for (size_t i = 0; i < 2 + sizeof no_name / sizeof *no_name; i++) {
        if (i == 1) longest[256] = 'b'; /* one too many */
        const char *const arch = i < 2 ? longest : no_name[i - 2];
        t_buffer o = { 0 };
        T_PUT(&o, "}(");
        t_put_str(&o, "arch");
        t_put_str(&o, arch);
        t_put_str(&o, "weight");
        t_put_tensor(&o, &t_vector);
        T_PUT(&o, "u");
        eff_checkpoint *c;
        eff_error err = { 0 };
        T_OK(open_object(&c, &o, &err), err);
        assert_int_equal(c->count, 1);
        if (i == 0)
            assert_string_equal(c->arch_hint, arch);
        else
            assert_null(c->arch_hint);
        eff_checkpoint_close(c);
    }
}

/* A file that holds one tensor and no dict, in every way that PyTorch has of building one. */
static void rebuilders(void **state)
{
    (void)state;
    static const float x[] = { 0, 1, 2, 3, 4, 5 };
    for (int i = 0; i < 5; i++) {
        t_buffer o = { 0 };
        if (i == 0) t_put_tensor(&o, &t_vector);
        if (i == 1)
            t_put_tensor(
                &o,
                &(t_spec){
                    .rebuild = "_rebuild_tensor", .numel = 6, .ndim = 1, .nstride = 1, .dim = { 6 }, .stride = { 1 } });
        if (i == 2) {
            T_PUT(&o, "ctorch._utils\n_rebuild_parameter\n");
            t_put_tensor(&o, &t_vector);
            T_PUT(&o, "\x88)\x87R");
        }
        if (i == 3) { /* a subclass: (function, type, arguments, state) */
            T_PUT(&o, "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch.nn."
                      "parameter\nParameter\n(");
            t_put_storage(&o, &t_vector);
            T_PUT(&o, "K\0K\6\x85K\1\x85tNtR");
        }
        if (i == 4) { /* a torch.Size as shape, the storage of a GPU */
            T_PUT(&o, "ctorch._utils\n_rebuild_tensor_v2\n((");
            t_put_str(&o, "storage");
            T_PUT(&o, "ctorch.cuda\nFloatStorage\n");
            t_put_str(&o, "0");
            t_put_str(&o, "cuda:0");
            T_PUT(&o, "K\6NtQK\0ctorch\nSize\nK\6\x85\x85RK\1\x85tR");
        }
        eff_checkpoint *c;
        eff_error err = { 0 };
        T_OK(open_object(&c, &o, &err), err);
        assert_int_equal(c->count, 1);
        t_check_tensor(c, "tensor", 6, x);
        eff_checkpoint_close(c);
    }
    t_buffer o = { 0 };
    t_put_tensor(&o, &(t_spec){ .rebuild = "_rebuild_qtensor", .numel = 6 });
    expect(&o, EFF_EUNSUPPORTED, "tensor tensor: a tensor made by torch._utils._rebuild_qtensor is not read");
}

static void storage_types(void **state)
{
    (void)state;
    static const struct {
        const char *type, *dtype;
        int64_t numel;
    } t[] = {
        { "FloatStorage", "F32", 6 },  { "HalfStorage", "F16", 12 }, { "BFloat16Storage", "BF16", 12 },
        { "DoubleStorage", "F64", 3 }, { "LongStorage", "I64", 3 },  { "IntStorage", "I32", 6 },
        { "ShortStorage", "I16", 12 }, { "CharStorage", "I8", 24 },  { "ByteStorage", "U8", 24 },
        { "BoolStorage", "BOOL", 24 },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        t_buffer o = { 0 }, b = { 0 };
        t_put_tensor(&o, &(t_spec){ .type = t[i].type,
                                    .numel = t[i].numel,
                                    .ndim = 1,
                                    .nstride = 1,
                                    .dim = { t[i].numel },
                                    .stride = { 1 } });
        t_put_stream(&b, &o, "0", T_SYSTEM, t[i].numel, 6);
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
    t_buffer o = { 0 };
    t_put_tensor(&o, &(t_spec){ .type = "ComplexFloatStorage", .numel = 6 });
    expect(&o, EFF_EUNSUPPORTED, "tensor tensor: elements of a torch.ComplexFloatStorage are not read");
    t_put_tensor(&o, &(t_spec){ .type = "SomeStorage", .numel = 6 });
    expect(&o, EFF_EUNSUPPORTED, "storage 0: storage type torch.SomeStorage is not read");
}

static void legacy_views(void **state)
{
    (void)state;
    t_buffer o = { 0 };
    eff_checkpoint *c;
    eff_error err = { 0 };
    t_put_tensor(&o, &(t_spec){ .numel = 6,
                                .offset = 1,
                                .ndim = 1,
                                .nstride = 1,
                                .dim = { 2 },
                                .stride = { 1 },
                                .view = (const int64_t[]){ 2, 3 } });
    T_OK(open_object(&c, &o, &err), err);
    t_check_tensor(c, "tensor", 2, (const float[]){ 3, 4 });
    eff_checkpoint_close(c);
    t_put_tensor(&o, &(t_spec){ .numel = 6,
                                .offset = 1,
                                .ndim = 1,
                                .nstride = 1,
                                .dim = { 3 },
                                .stride = { 1 },
                                .view = (const int64_t[]){ 2, 3 } });
    expect(&o, EFF_EFORMAT, "reach outside its storage");
    t_put_tensor(&o, &(t_spec){ .numel = 6, .view = (const int64_t[]){ 4, 3 } });
    expect(&o, EFF_EFORMAT, "tensor tensor: view: outside its storage of 6");
    t_put_tensor(&o, &(t_spec){ .numel = 6, .view = (const int64_t[]){ INT64_MAX, 1 } });
    expect(&o, EFF_EFORMAT, "view: outside its storage");
    t_put_tensor(&o, &(t_spec){ .numel = 6, .view = (const int64_t[]){ -1, 1 } });
    expect(&o, EFF_EFORMAT, "view: outside its storage");
}

static void bad_tensors(void **state)
{
    (void)state;
    static const struct {
        t_spec s;
        const char *says;
    } t[] = {
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
        { { .numel = 6, .ndim = 1, .nstride = 1, .dim = { 3 }, .stride = { -1 }, .offset = 5 },
          "stride[0] is negative" },
        { { .numel = 6, .ndim = 1, .nstride = 1, .dim = { -3 }, .stride = { 1 } }, "shape[0] is negative: -3" },
        { { .numel = 6, .ndim = 2, .nstride = 1, .dim = { 2, 3 }, .stride = { 3 } }, "2 dimensions but 1 strides" },
        { { .numel = 6, .ndim = 9, .nstride = 9 }, "9 dimensions, at most 8 are read" },
        { { .numel = 6, .ndim = 2, .nstride = 2, .dim = { INT64_MAX, 2 } }, "the product of its shape is too large" },
        { { .numel = 6, .ndim = 1, .nstride = 1, .dim = { 1LL << 40 }, .stride = { 0 } },
          "1099511627776 elements over a storage of 6" },
        { { .numel = 6, .ndim = 2, .nstride = 2, .dim = { 3, 2 }, .stride = { INT64_MAX, 1 } }, "reach outside" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        t_buffer o = { 0 };
        t_put_tensor(&o, &t[i].s);
        const eff_status code = strstr(t[i].says, "at most") ? EFF_EUNSUPPORTED : EFF_EFORMAT;
        expect(&o, code, t[i].says);
    }
    t_buffer o = { 0 };
    T_PUT(&o, "](");
    t_put_tensor(&o, &t_vector);
    t_put_tensor(&o, &(t_spec){ .numel = 6, .type = "IntStorage" });
    T_PUT(&o, "e");
    expect(&o, EFF_EFORMAT, "storage 0: named with two types or sizes");
    T_PUT(&o, "}(");
    t_put_str(&o, "a");
    t_put_tensor(&o, &t_vector);
    t_put_str(&o, "a");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "u");
    expect(&o, EFF_EFORMAT, "tensor a: occurs twice");
    T_PUT(&o, "K\1Q");
    expect(&o, EFF_EFORMAT, "a persistent id that is no ('storage'");
    T_PUT(&o, "](");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "ctorch._utils\n_rebuild_tensor_v2\n)Re");
    expect(&o, EFF_EFORMAT, "tensor 1: expected (storage, offset, size, stride)");
    T_PUT(&o, "](");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "ctorch._utils\n_rebuild_parameter\n)Re");
    expect(&o, EFF_EFORMAT, "tensor 1: a parameter without data");
}

static void not_state_dicts(void **state)
{
    (void)state;
    t_buffer o = { 0 };
    static const struct {
        const char *object, *says;
    } t[] = {
        { "}", "found a dict without any" },
        { "ccollections\nOrderedDict\n)R", "found a dict without any" },
        { "N", "found None without any" },
        { "]", "found a list without any" },
        { "X\1\0\0\0a", "found a string without any" },
        { "ctorchvision.models.efficientnet\nEfficientNet\n)\x81}b",
          "found a Python object of torchvision.models.efficientnet.EfficientNet" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const char *const text = t[i].object;
        const size_t n = strstr(text, "X\1") ? 6 : strlen(text);
        t_buffer b = { 0 };
        t_put(&o, text, n);
        t_put_stream(&b, &o, "", T_SYSTEM, 0, 0);
        eff_checkpoint *c;
        eff_error err = { 0 };
        assert_int_equal(t_open_bytes(&c, b.p, b.n, &err), EFF_EFORMAT);
        if (!strstr(err.msg, t[i].says)) fail_msg("\"%s\" does not say \"%s\"", err.msg, t[i].says);
        free(b.p);
        free(o.p);
        o = (t_buffer){ 0 };
    }
}

static void hostile_names(void **state)
{
    (void)state;
    static const char *const refused[] = { "os\nsystem",           "posix\nsystem",     "nt\nsystem",
                                           "os.path\njoin",        "subprocess\nPopen", "builtins\neval",
                                           "builtins\nexec",       "__builtin__\nopen", "importlib.util\nfind_spec",
                                           "runpy\nrun_path",      "pickle\nloads",     "ctypes\nCDLL",
                                           "operator\nattrgetter", "webbrowser\nopen",  "socket\nsocket" };
    static const char *const inert[] = { "argparse\nNamespace", "builtins\nset", "numpy\ndtype",
                                         "code.models\nNet",    "osx\nthing",    "torch\ndevice" };
    for (size_t i = 0; i < sizeof refused / sizeof *refused + sizeof inert / sizeof *inert; i++) {
        const bool bad = i < sizeof refused / sizeof *refused;
        const char *const name = bad ? refused[i] : inert[i - sizeof refused / sizeof *refused];
        for (int how = 0; how < 4; how++) { /* called, instantiated, named only, through STACK_GLOBAL */
            t_buffer o = { 0 };
            T_PUT(&o, "}(");
            t_put_str(&o, "weight");
            t_put_tensor(&o, &t_vector);
            t_put_str(&o, "x");
            if (how < 3) {
                T_PUT(&o, "c");
                t_put(&o, name, strlen(name));
                T_PUT(&o, "\n");
            } else {
                char module[32];
                snprintf(module, sizeof module, "%.*s", (int)strcspn(name, "\n"), name);
                t_put_str(&o, module);
                t_put_str(&o, strchr(name, '\n') + 1);
                T_PUT(&o, "\x93");
            }
            if (how == 0) T_PUT(&o, "X\x0c\0\0\0touch pwned!\x85R");
            if (how == 1) T_PUT(&o, ")\x81}b");
            T_PUT(&o, "u");
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
    t_buffer o = { 0 };
    eff_checkpoint *c;
    eff_error err = { 0 };
    T_PUT(&o, "}q\0(");
    t_put_str(&o, "w");
    t_put_tensor(&o, &t_vector);
    t_put_str(&o, "self");
    T_PUT(&o, "h\0u");
    T_OK(open_object(&c, &o, &err), err);
    assert_int_equal(c->count, 1);
    eff_checkpoint_close(c);

    /* a dict of tensors under nine names; a tuple without any under a thousand */
    for (int barren = 0; barren < 2; barren++) {
        T_PUT(&o, "](}");
        t_put_str(&o, "w");
        if (barren)
            T_PUT(&o, "K\1K\2\x86q\0");
        else
            t_put_tensor(&o, &t_vector);
        T_PUT(&o, "s");
        if (!barren) T_PUT(&o, "q\0");
        for (int i = 0; i < (barren ? 1000 : 8); i++) T_PUT(&o, "h\0");
        if (barren) t_put_tensor(&o, &t_vector);
        T_PUT(&o, "e");
        if (barren) {
            T_OK(open_object(&c, &o, &err), err);
            assert_int_equal(c->count, 1);
            eff_checkpoint_close(c);
        } else {
            expect(&o, EFF_EFORMAT, "one dict of tensors under more than 8 names");
        }
    }

    /* each level holds the one below eight times, 8^16 paths: with a tensor at the bottom, and with none but beside
     * them */
    for (int barren = 0; barren < 2; barren++) {
        if (barren) {
            T_PUT(&o, "](");
            t_put_tensor(&o, &t_vector);
        }
        T_PUT(&o, "](");
        if (barren)
            T_PUT(&o, "N");
        else
            t_put_tensor(&o, &t_vector);
        T_PUT(&o, "eq\0");
        for (int level = 1; level <= 16; level++) {
            T_PUT(&o, "0](");
            for (int i = 0; i < 8; i++) t_put(&o, (const unsigned char[]){ 'h', (unsigned char)(level - 1) }, 2);
            t_put(&o, (const unsigned char[]){ 'e', 'q', (unsigned char)level }, 3);
        }
        if (!barren) {
            expect(&o, EFF_EFORMAT, "one dict of tensors under more than 8 names");
            continue;
        }
        T_PUT(&o, "e");
        T_OK(open_object(&c, &o, &err), err);
        assert_int_equal(c->count, 1);
        eff_checkpoint_close(c);
    }

    for (int deep = 30; deep <= 40; deep += 10) {
        for (int i = 0; i < deep; i++) T_PUT(&o, "]");
        t_put_tensor(&o, &t_vector);
        for (int i = 0; i < deep; i++) T_PUT(&o, "a");
        if (deep == 40) {
            expect(&o, EFF_EFORMAT, "nested more than 32 deep");
            break;
        }
        T_OK(open_object(&c, &o, &err), err);
        eff_checkpoint_close(c);
    }
    T_PUT(&o, "](");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "N");
    for (int i = 0; i < 200000; i++) T_PUT(&o, "\x85"); /* would be the end of a walk that recurses without a bound */
    T_PUT(&o, "e");
    expect(&o, EFF_EFORMAT, "nested more than 32 deep");

    char key[EFF_MAX_TENSOR_NAME];
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = 0;
    for (int extra = 0; extra < 2; extra++) {
        T_PUT(&o, "}");
        t_put_str(&o, key + 2 - extra); /* 1021 or 1022 bytes, a dot, two */
        T_PUT(&o, "}");
        t_put_str(&o, "xx");
        t_put_tensor(&o, &t_vector);
        T_PUT(&o, "ss");
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
    static const struct {
        const char *keys, *system;
        int64_t count;
        size_t data;
        eff_status code;
        const char *says;
    } t[] = {
        { "0", T_SYSTEM, 6, 6, EFF_OK, "" },
        { "0", "}", 6, 7, EFF_OK, "" },
        { "0", "}U\x0dlittle_endian\x89s", 6, 6, EFF_EUNSUPPORTED, "byte order: expected little, found big" },
        { "0", "N", 6, 6, EFF_EFORMAT, "system info: expected a dict" },
        { "00", T_SYSTEM, 6, 6, EFF_EFORMAT, "storage 0: listed twice" },
        { "1", T_SYSTEM, 6, 6, EFF_EFORMAT, "storage 1: no tensor says" },
        { "", T_SYSTEM, 6, 6, EFF_EFORMAT, "tensor tensor: its storage 0 is not in the file" },
        { "0", T_SYSTEM, 5, 6, EFF_EFORMAT, "storage 0: expected 6 elements, found 5" },
        { "0", T_SYSTEM, -6, 6, EFF_EFORMAT, "storage 0: expected 6 elements, found -6" },
        { "0", T_SYSTEM, 6, 5, EFF_EFORMAT, "tensor tensor: storage 0: expected 24 bytes (6 F32), found 20" },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        t_buffer o = { 0 }, b = { 0 };
        t_put_tensor(&o, &t_vector);
        t_put_stream(&b, &o, t[i].keys, t[i].system, t[i].count, t[i].data);
        eff_checkpoint *c;
        eff_error err = { 0 };
        const eff_status s = t_open_bytes(&c, b.p, b.n, &err);
        if (s != t[i].code || !strstr(err.msg, t[i].says))
            fail_msg("%d \"%s\", expected \"%s\"", s, err.msg, t[i].says);
        eff_checkpoint_close(c);
        free(o.p);
        free(b.p);
    }
    /* pickles longer than what is read at first */
    t_buffer o = { 0 };
    T_PUT(&o, "}(");
    char *const pad = calloc(1, 700001);
    memset(pad, 'x', 700000);
    t_put_str(&o, "comment");
    t_put_str(&o, pad);
    t_put_str(&o, "w");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "u");
    free(pad);
    eff_checkpoint *c;
    eff_error err = { 0 };
    T_OK(open_object(&c, &o, &err), err);
    t_check_tensor(c, "w", 6, (const float[]){ 0, 1, 2, 3, 4, 5 });
    eff_checkpoint_close(c);
    /* the start of the stream */
    static const struct {
        const char *p;
        size_t n;
        eff_status code;
        const char *says;
    } head[] = {
#define B(literal) literal, sizeof literal - 1
        { B("\x80\x02K\1."), EFF_EFORMAT, "a Python pickle, but not one that PyTorch wrote" },
        { B("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x18."), EFF_EFORMAT, "not one that PyTorch wrote" },
        { B("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xea\x03."), EFF_EUNSUPPORTED,
          "protocol: expected 1001" },
        { B("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."), EFF_EFORMAT,
          "pickle 2 of 5: pickle byte 0: the pickle ends early" },
        { B("\x80\x02"), EFF_EFORMAT, "pickle 1 of 5: pickle byte 2: the pickle ends early" },
        { B("\x80\x02"
            "cos\nsystem\nX\1\0\0\0x\x85R."),
          EFF_EFORMAT, "wants to call os.system" },
    };
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        assert_int_equal(t_open_bytes(&c, head[i].p, head[i].n, &err), head[i].code);
        if (!strstr(err.msg, head[i].says)) fail_msg("\"%s\" does not say \"%s\"", err.msg, head[i].says);
    }
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
            s = t_open_here(&c, t_data("checkpoints/%s", file[f]), &err);
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
        cmocka_unit_test(golden),      cmocka_unit_test(views),           cmocka_unit_test(names),
        cmocka_unit_test(rebuilders),  cmocka_unit_test(storage_types),   cmocka_unit_test(legacy_views),
        cmocka_unit_test(bad_tensors), cmocka_unit_test(not_state_dicts), cmocka_unit_test(hostile_names),
        cmocka_unit_test(structures),  cmocka_unit_test(streams),         cmocka_unit_test(no_memory),
        cmocka_unit_test(odd_hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
