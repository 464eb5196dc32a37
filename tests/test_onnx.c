/* SPDX-License-Identifier: Apache-2.0 */
/* Exported ONNX, read back and run operator by operator, against the plan that made it; files that are damaged or contradict
 * themselves; and the gate, which a file with one changed weight must not pass. */
#include "forward.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "export/parity.h"
#include "formats/onnx.h"
#include "formats/onnx_eval.h"
#include "formats/onnx_stream.h"
#include "formats/onnx_wire.h"
#include "model/table_json.h"

#include <effnet/care.h>
#include <effnet/export.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every operator and activation, both paddings, non-square and odd sizes. */
static const char *const specs[] = {
    "efficientnet-b0@width=0.2,depth=0.3,resolution=40x57,classes=7",
    "efficientnet-b0@width=0.2,depth=0.3,resolution=57x40,classes=7,padding=symmetric,eps=1e-5",
    "efficientnet-lite0@width=0.2,depth=0.3,resolution=33x48,classes=5",
    "efficientnet-edgetpu-s@width=0.2,depth=0.3,resolution=40,classes=3",
    "efficientnet-v2-b0@width=0.2,depth=0.3,resolution=41x36,classes=4,padding=symmetric",
    "resnet18@width=0.125,resolution=45x64,classes=3",
    "resnet50@width=0.0625,depth=0.3,resolution=40,classes=2",
    "mobilenetv1-0.25@resolution=37,classes=3",
    "mobilenetv2-0.35@resolution=32x48,classes=1",
    "mnasnet-a1@width=0.25,resolution=40,classes=6",
};
static const char hswish[] = "{\"name\":\"hswish\",\"stem\":{\"channels\":7,\"stride\":1,\"pool\":true},\"act\":\"hswish\",\"resolution\":[19,14],"
                             "\"classes\":4,\"stages\":[{\"op\":\"conv\",\"channels\":7,\"repeats\":2,\"skip\":true,\"act\":\"hswish\"},"
                             "{\"op\":\"mbconv\",\"kernel\":5,\"stride\":2,\"channels\":10,\"se\":0.25,\"act\":\"none\"}]}";

/* A network whose batch norms do something. */
static eff_model *model_of(const eff_table *t)
{
    eff_error err = { 0 };
    eff_model *m;
    T_OK(eff_model_new(&m, t, &err), err);
    T_OK(eff_model_init(m, 5, &err), err);
    for (int p = 0; p < m->graph->nparams; p++) {
        const eff_param *q = &m->graph->param[p];
        for (size_t i = 0; i < q->count; i++) {
            const float u = (float)eff_rng_uniform(9, (uint64_t)p, i);
            if (q->kind == EFF_PARAM_BN_GAMMA || q->kind == EFF_PARAM_BN_VAR) m->weights[p][i] = 0.6f + 0.8f * u;
            if (q->kind == EFF_PARAM_BN_BETA || q->kind == EFF_PARAM_BN_MEAN || q->kind == EFF_PARAM_SE_BIAS)
                m->weights[p][i] = 0.4f * u - 0.2f;
            if (q->kind == EFF_PARAM_FC_BIAS) m->weights[p][i] = 0.2f * u;
            if (q->ndim > 1) /* what goes in comes out as large: else deep layers would not matter, and no mistake in them */
                m->weights[p][i] = (2.0f * u - 1.0f) * sqrtf(6.0f * (float)q->dim[0] / (float)q->count);
        }
    }
    return m;
}

static eff_model *built_in(const char *spec)
{
    eff_error err = { 0 };
    eff_table t;
    T_OK(eff_table_builtin(&t, spec, &err), err);
    return model_of(&t);
}

static void write_onnx(const eff_model *m, const char *path, bool with_preprocess)
{
    eff_error err = { 0 };
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    T_OK(eff_onnx_write(f, m, with_preprocess, &err), err);
    assert_int_equal(fclose(f), 0);
}

static int count_ops(const eff_onnx *g, const char *op)
{
    int n = 0;
    for (size_t i = 0; i < g->nnodes; i++) n += eff_slice_is(g->node[i].op, op);
    return n;
}

/* ------------------------------------------------------------------------------------------- the numbers */

/* Each side rounds every sum of a network of some 20 layers once: 1e-4 of the largest logit is a wrong operator's size many
 * times over, and far above both. */
static void check_close(const float *got, const float *want, int n, int classes, const char *what)
{
    double worst = 0, size = 0, image = 0;
    for (int i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
        size = fmax(size, fabs((double)want[i]));
        image = fmax(image, fabs((double)want[i] - (double)want[i % classes]));
    }
    assert_true(size > 0 && image > 1e-2 * size);
    t_figure(worst / size, 1e-4, "largest difference over the largest logit, %s", what);
}

static void check_model(eff_model *m, const char *what)
{
    enum { N = 3 };
    eff_error err = { 0 };
    const eff_preprocess *rule = eff_model_get_preprocess(m);
    const int h = rule->height, w = rule->width, classes = m->table.classes;
    const size_t pixels = (size_t)h * (size_t)w;
    uint8_t *u8 = malloc(N * pixels * 3);
    float *x = malloc(N * pixels * 3 * sizeof *x), *planes = malloc(N * pixels * 3 * sizeof *planes);
    float *got = malloc((size_t)(N * classes) * sizeof *got);
    for (int i = 0; i < N; i++) {
        uint8_t *one = t_synth_u8(h, w, i);
        memcpy(u8 + (size_t)i * pixels * 3, one, pixels * 3);
        free(one);
    }
    for (size_t i = 0; i < N * pixels * 3; i++) {
        const size_t image = i / (3 * pixels), pixel = i / 3 % pixels, c = i % 3;
        x[i] = ((float)u8[i] - rule->mean[c]) / rule->std[c];
        planes[(image * 3 + c) * pixels + pixel] = x[i];
    }
    float *want = t_forward(m, x, N, h, w, 1, NULL);
    for (int bytes = 0; bytes < 2; bytes++) {
        eff_onnx g;
        uint64_t size;
        write_onnx(m, t_tmp("m.onnx"), bytes);
        T_OK(eff_onnx_open(&g, t_tmp("m.onnx"), &err), err);
        T_OK(eff_onnx_size(&size, m, bytes, &err), err);
        int fd;
        uint64_t on_disk;
        T_OK(eff_file_open(t_tmp("m.onnx"), &fd, &on_disk, &err), err);
        close(fd);
        assert_true(size == on_disk);
        assert_int_equal(g.ir, 8);
        assert_int_equal(g.opset, 17);
        assert_int_equal(g.input_shape.dim[0], -1);
        assert_int_equal(g.input_shape.dim[1], bytes ? h : 3);
        assert_int_equal(g.output_shape.dim[1], classes);
        assert_int_equal(count_ops(&g, "BatchNormalization") + count_ops(&g, "Dropout"), 0);
        const void *in = bytes ? (const void *)u8 : (const void *)planes;
        T_OK(eff_onnx_eval(&g, in, N, got, (size_t)(N * classes), EFF_ONNX_ANY_WORK, &err), err);
        check_close(got, want, N * classes, classes, what);
        float *one = malloc((size_t)classes * sizeof *one); /* alone as among others */
        T_OK(eff_onnx_eval(&g, in, 1, one, (size_t)classes, EFF_ONNX_ANY_WORK, &err), err);
        assert_memory_equal(one, got, (size_t)classes * sizeof *one);
        free(one);
        eff_onnx_close(&g);
    }
    free(want), free(got), free(x), free(planes), free(u8);
    eff_model_free(m);
}

static void test_numbers(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_table t;
    json_t *j = json_loads(hswish, 0, NULL);
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) check_model(built_in(specs[i]), specs[i]);
    T_OK(eff_table_from_json(&t, j, &err), err);
    json_decref(j);
    check_model(model_of(&t), "hswish, max pool, squeeze without activation");
}

static void test_same_bytes_and_limit(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m = built_in(specs[0]), *large;
    eff_table t;
    unsigned char *a, *b;
    size_t na, nb;
    uint64_t bytes = 0;
    write_onnx(m, t_tmp("a.onnx"), true);
    write_onnx(m, t_tmp("b.onnx"), true);
    T_OK(eff_file_read_all(t_tmp("a.onnx"), 1 << 24, &a, &na, &err), err);
    T_OK(eff_file_read_all(t_tmp("b.onnx"), 1 << 24, &b, &nb, &err), err);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    eff_free(a), eff_free(b);
    eff_model_free(m);

    T_OK(eff_table_builtin(&t, "resnet50@width=6", &err), err);
    T_OK(eff_model_new(&large, &t, &err), err);
    assert_int_equal(eff_onnx_size(&bytes, large, false, &err), EFF_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "whose files end at 2147483647"));
    assert_true(bytes > 4 * large->info.params - (1 << 20)); /* every parameter is in it */
    assert_int_equal(eff_export_onnx(large, t_tmp("large.onnx"), NULL, &(eff_parity){ 0 }, &err), EFF_EUNSUPPORTED);
    eff_model_free(large);
}

/* --------------------------------------------------------------------------------------------- bad files */

/* Cut anywhere a file is refused; with any byte changed it is refused or computed, and neither harms. */
static void test_damage(void **state)
{
    (void)state;
    eff_error err = { 0 };
    unsigned char *bytes;
    size_t n;
    eff_table t;
    eff_onnx g;
    json_t *j = json_loads(hswish, 0, NULL);
    T_OK(eff_table_from_json(&t, j, &err), err);
    json_decref(j);
    eff_model *m = model_of(&t);
    write_onnx(m, t_tmp("m.onnx"), false);
    T_OK(eff_file_read_all(t_tmp("m.onnx"), 1 << 24, &bytes, &n, &err), err);
    for (size_t cut = 0; cut < n; cut += 1 + cut / 500) {
        unsigned char *part = malloc(cut ? cut : 1); /* no byte behind it: a sanitizer sees one too far */
        memcpy(part, bytes, cut);
        err = (eff_error){ 0 };
        assert_int_not_equal(eff_onnx_parse(&g, part, cut, &err), EFF_OK);
        assert_true(strncmp(err.msg, "ONNX: ", 6) == 0);
        free(part);
    }
    float *x = calloc(19 * 14 * 3, sizeof *x), y[4];
    int refused = 0, computed = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        const size_t at = (size_t)(eff_rng_bits(1, 1, i) % (i % 2 ? n : 4096));
        const unsigned char kept = bytes[at];
        bytes[at] = (unsigned char)eff_rng_bits(1, 2, i);
        err = (eff_error){ 0 };
        eff_status s = eff_onnx_parse(&g, bytes, n, &err);
        if (s == EFF_OK) {
            if (g.input_shape.ndim == 4 && g.input_shape.dim[1] == 3 && g.input_shape.dim[2] == 19 && g.input_shape.dim[3] == 14 &&
                g.input_shape.dim[0] == -1)
                s = eff_onnx_eval(&g, x, 1, y, 4, 1000000, &err);
            eff_onnx_close(&g);
        }
        bytes[at] = kept;
        assert_true(s == EFF_OK || *err.msg);
        *(s == EFF_OK ? &computed : &refused) += 1;
    }
    printf("%d refused, %d computed\n", refused, computed);
    assert_true(refused > 100 && computed > 100);
    free(x);
    eff_free(bytes);
    eff_model_free(m);
}

/* Hand-made files: what is wrong with them, as fields of the wire. */
typedef struct part { /* a graph: ops in order, each "Op in in ... > out" */
    const char *ops[4];
    const char *expect;
    int opset;
    int raw; /* bytes of the weight "w", a [1,2,1,1] */
} part;

static void add_words(eff_wire *node, const char *text)
{
    char copy[128];
    snprintf(copy, sizeof copy, "%s", text);
    bool out = false;
    int n = 0;
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "), n++)
        if (strcmp(word, ">") == 0) out = true;
        else eff_wire_text(node, n == 0 ? 4 : out ? 2 : 1, word);
}

static void add_shape(eff_wire *graph, int field, const char *name, int ndim, const int *dim)
{
    eff_wire v = { 0 }, type = { 0 }, tensor = { 0 }, shape = { 0 }, d = { 0 };
    for (int i = 0; i < ndim; i++) {
        eff_wire_number(&d, 1, (uint64_t)dim[i]);
        eff_wire_message(&shape, 1, &d);
    }
    eff_wire_number(&tensor, 1, EFF_ONNX_FLOAT);
    eff_wire_message(&tensor, 2, &shape);
    eff_wire_message(&type, 1, &tensor);
    eff_wire_text(&v, 1, name);
    eff_wire_message(&v, 2, &type);
    eff_wire_message(graph, field, &v);
    eff_wire *const all[] = { &v, &type, &tensor, &shape, &d };
    for (int i = 0; i < 5; i++) eff_wire_free(all[i]);
}

static eff_wire craft(const part *p)
{
    static const float weight[4] = { 1, 2, 3, 4 };
    eff_wire model = { 0 }, graph = { 0 }, node = { 0 };
    eff_wire_number(&node, 2, (uint64_t)(p->opset ? p->opset : 17));
    eff_wire_text(&node, 1, "ai.onnx"); /* fields may come in any order */
    eff_wire_message(&model, 8, &node);
    eff_wire_text(&node, 1, "com.example"); /* operators of others, of which none is used */
    eff_wire_number(&node, 2, 1);
    eff_wire_message(&model, 8, &node);
    for (int i = 0; i < 4 && p->ops[i]; i++) {
        add_words(&node, p->ops[i]);
        eff_wire_message(&graph, 1, &node);
    }
    const uint64_t dims[] = { 1, 2, 1, 1 };
    for (int i = 0; i < 4; i++) eff_wire_number(&node, 1, dims[i]);
    eff_wire_number(&node, 2, EFF_ONNX_FLOAT);
    eff_wire_text(&node, 8, "w");
    eff_wire_bytes(&node, 9, weight, p->raw ? (size_t)p->raw : 8);
    eff_wire_message(&graph, 5, &node);
    add_shape(&graph, 11, "x", 4, (const int[]){ 1, 2, 3, 3 });
    add_shape(&graph, 12, "y", 2, (const int[]){ 1, 9 });
    eff_wire_message(&model, 7, &graph);
    eff_wire_free(&graph);
    eff_wire_free(&node);
    return model;
}

static void test_contradictions(void **state)
{
    (void)state;
    static const part parts[] = {
        { { "Conv x w > c", "Flatten c > y" }, NULL, 0, 0 },
        { { "Conv x w > c", "Flatten c > y" }, "expected opset 17, found 13", 13, 0 },
        { { "Conv x w > c", "Flatten c > y" }, "tensor w: its 12 bytes", 0, 12 },
        { { "Flatten c > y", "Conv x w > c" }, "reads a value that nothing before it makes", 0, 0 },
        { { "Conv x w > c", "Relu x > c", "Flatten c > y" }, "value c is made twice", 0, 0 },
        { { "Conv x w > x", "Flatten x > y" }, "value x is made twice", 0, 0 },
        { { "Conv x w > c" }, "nothing makes the output", 0, 0 },
        { { "Conv x w > c d", "Flatten c > y" }, "more than one output", 0, 0 },
        { { "Conv x w" }, "no operator or no output", 0, 0 },
        { { "Softsign x > c", "Flatten c > y" }, "an operator that no export of effnet uses", 0, 0 },
        { { "Conv x x > c", "Flatten c > y" }, "the output has 1 elements", 0, 0 },
        { { "Conv w x > c", "Flatten c > y" }, "smaller than the window", 0, 0 },
        { { "Conv x > c", "Flatten c > y" }, "an input is missing", 0, 0 },
        { { "Add x w > c", "Flatten c > y" }, "the output has 18 elements", 0, 0 },
        { { "MaxPool x > c", "Flatten c > y" }, "expected a kernel_shape", 0, 0 },
        { { "Gemm x w w > y" }, "another number of dimensions", 0, 0 },
        { { "Transpose x > c", "Flatten c > y" }, "expected a perm", 0, 0 },
        { { "Cast x > c", "Flatten c > y" }, "expected uint8 to float", 0, 0 },
        { { "Clip x w > c", "Flatten c > y" }, "expected bounds of one number", 0, 0 },
        { { "ReduceMean x > c", "Flatten c > y" }, "expected the mean over axes 2 and 3", 0, 0 },
        { { "GlobalAveragePool x > c", "Flatten c > y" }, "the output has 2 elements", 0, 0 }, /* of files of others */
    };
    float x[18], y[9];
    for (int i = 0; i < 18; i++) x[i] = (float)i;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        eff_error err = { 0 };
        eff_onnx g;
        eff_wire bytes = craft(&parts[i]);
        eff_status s = eff_onnx_parse(&g, bytes.p, bytes.n, &err);
        if (s == EFF_OK) {
            s = eff_onnx_eval(&g, x, 1, y, 9, EFF_ONNX_ANY_WORK, &err);
            if (s == EFF_OK) assert_int_equal(eff_onnx_eval(&g, x, 1, y, 9, 30, &err), EFF_EUNSUPPORTED);
            eff_onnx_close(&g);
        }
        eff_wire_free(&bytes);
        if (!parts[i].expect) {
            assert_int_equal(s, EFF_OK);
            for (int k = 0; k < 9; k++) assert_true(y[k] == x[k] + 2 * x[9 + k]); /* by hand */
        } else if (s == EFF_OK || !strstr(err.msg, parts[i].expect))
            fail_msg("case %zu: expected \"%s\", found \"%s\"", i, parts[i].expect, s == EFF_OK ? "no error" : err.msg);
    }
}

/* ---------------------------------------------------------------------------------------------- the gate */

static void save_bytes(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_true(f && fwrite(p, 1, n, f) == n && fclose(f) == 0);
}

/* Add `by` to weight number `at` of tensor `name` in the file. */
static void change_weight(const char *path, const char *name, size_t at, float by)
{
    eff_error err = { 0 };
    eff_onnx g;
    unsigned char *bytes;
    size_t n;
    bool found = false;
    T_OK(eff_file_read_all(path, 1 << 26, &bytes, &n, &err), err);
    T_OK(eff_onnx_parse(&g, bytes, n, &err), err);
    /* a tensor's name stands shortly before its data */
    for (size_t i = 0; i < g.ntensors && !found; i++) {
        unsigned char *raw = bytes + (g.tensor[i].raw.p - bytes);
        const size_t len = strlen(name), before = (size_t)(raw - bytes);
        for (size_t back = len; back < len + 8 && back <= before && !found; back++)
            found = memcmp(raw - back, name, len) == 0 && g.tensor[i].count > at;
        if (!found) continue;
        float v;
        memcpy(&v, raw + 4 * at, sizeof v);
        v += by;
        memcpy(raw + 4 * at, &v, sizeof v);
    }
    assert_true(found);
    eff_onnx_close(&g);
    save_bytes(path, bytes, n);
    eff_free(bytes);
}

static void test_gate(void **state)
{
    (void)state;
    static const struct {
        const char *tensor;
        float by;
        const char *reason;
    } changes[] = {
        { "stem.conv.bias", 0.3f, "differs by" },
        { "blocks.1.0.dw.conv.weight", -0.5f, "differs by" },
        { "blocks.3.0.se.reduce.weight", 2.0f, "differs by" },
        { "head.fc.bias", 0.05f, "differs by" },
        { "head.fc.weight", NAN, "a logit is not a finite number" },
    };
    const struct {
        const char *library, *name;
    } runtimes[] = { { "none", "effnet's evaluator" }, { getenv("EFFNET_ORT"), "ONNX Runtime " } };
    const char *const path = t_tmp("gate.onnx");
    eff_error err = { 0 };
    eff_parity p;
    eff_export_opts o;
    eff_model *m = built_in(specs[0]), *other = built_in("efficientnet-b0@width=0.2,depth=0.3,resolution=40x56,classes=7");
    eff_export_opts_init(&o);
    o.threads = 2;
    for (int r = 0; r < 2; r++) {
        if (!(o.runtime = runtimes[r].library)) continue; /* EFFNET_ORT is not set */
        for (o.with_preprocess = 0; o.with_preprocess < 2; o.with_preprocess++) {
            T_OK(eff_export_onnx(m, path, &o, &p, &err), err);
            assert_true(p.passed && p.images == 8 && p.same_top1 == 8 && p.spread > 0);
            t_figure(p.max_dp, 1e-5, "largest difference of a probability, an export run by %s", p.runtime);
            assert_memory_equal(p.runtime, runtimes[r].name, strlen(runtimes[r].name));
        }
        for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
            write_onnx(m, path, false);
            change_weight(path, changes[i].tensor, 1, changes[i].by);
            T_OK(eff_export_check(m, path, &o, &p, &err), err);
            if (p.passed || !strstr(p.reason, changes[i].reason)) fail_msg("%s: \"%s\"", changes[i].tensor, p.reason);
            if (isfinite(changes[i].by)) assert_true(p.rounding >= 0 && p.rounding < 1e-3 * p.max_dlogit); /* told beside it */
        }
    }
    o.runtime = "none";
    T_OK(eff_export_check(other, path, &o, &p, &err), err);
    assert_true(!p.passed && strstr(p.reason, "input is not what the model takes"));
    T_OK(eff_export_check(m, t_tmp("none.onnx"), &o, &p, &err), err);
    assert_true(!p.passed && strstr(p.reason, "no such file"));

    /* refused: what was there stays, and nothing new is there */
    save_bytes(path, "old", 3);
    o.bar = 0;
    o.cpu = NULL;
    T_OK(eff_export_onnx(m, path, &o, &p, &err), err);
    unsigned char *bytes;
    size_t n;
    if (!p.passed) { /* at the reference level both sides may agree to the bit */
        T_OK(eff_file_read_all(path, 1 << 20, &bytes, &n, &err), err);
        assert_true(n == 3 && memcmp(bytes, "old", 3) == 0);
        eff_free(bytes);
    }
    o.bar = 1e-3;
    o.images = (const char *const[]){ path };
    o.nimages = 1;
    assert_int_equal(eff_export_onnx(m, path, &o, &p, &err), EFF_EFORMAT); /* not a photograph */
    o.nimages = 0;
    o.runtime = t_data("checkpoints/views.pth");
    assert_int_equal(eff_export_onnx(m, path, &o, &p, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "expected ONNX Runtime's shared library"));
    o.runtime = "libm.so.6"; /* a library, but another */
    assert_int_equal(eff_export_onnx(m, path, &o, &p, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "has no OrtGetApiBase"));
    eff_model_free(m);
    eff_model_free(other);
}

/* A body's features pass the same gate, and a changed weight is seen in them. */
static void test_body(void **state)
{
    (void)state;
    const char *const path = t_tmp("body.onnx");
    eff_error err = { 0 };
    eff_parity p;
    eff_export_opts o;
    eff_model *m = built_in(specs[0]), *body;
    T_OK(eff_model_with_head(&body, m, 0, 0, &err), err);
    const int d = eff_model_features(m);
    eff_export_opts_init(&o);
    for (int r = 0; r < 2; r++) {
        if (!(o.runtime = r ? getenv("EFFNET_ORT") : "none")) continue;
        for (o.with_preprocess = 0; o.with_preprocess < 2; o.with_preprocess++) {
            T_OK(eff_export_onnx(body, path, &o, &p, &err), err);
            assert_true(p.passed && p.images == 8 && p.features == d && p.spread > 0 && p.max_dlogit < 1e-4 * p.spread);
            assert_true(p.same_top1 == 0 && p.max_dp == 0);
        }
        eff_onnx g;
        T_OK(eff_onnx_open(&g, path, &err), err);
        assert_true(eff_slice_is(g.output_name, "features") && g.output_shape.dim[1] == d);
        eff_onnx_close(&g);
        write_onnx(body, path, false);
        change_weight(path, "blocks.1.0.dw.conv.weight", 1, -0.5f);
        T_OK(eff_export_check(body, path, &o, &p, &err), err);
        assert_true(!p.passed && strstr(p.reason, "a feature differs by") && p.rounding < 1e-3 * p.max_dlogit);
        T_OK(eff_export_check(m, path, &o, &p, &err), err); /* and it is not the whole network */
        assert_true(!p.passed);
    }
    eff_model_free(body);
    eff_model_free(m);
}

/* ----------------------------------------------------------------------------------- names of libraries */

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *names, *loads_as, *refusal; /* one of the last two */
        eff_status status;
    } cases[] = {
        { "efficientnet-b0@classes=3", "timm", "tf_efficientnet_b0", NULL, EFF_OK },
        { "efficientnet-b0@classes=3,padding=symmetric,eps=1e-5", "timm", "efficientnet_b0", NULL, EFF_OK },
        { "efficientnet-b0@classes=3,padding=symmetric,eps=1e-5", "torchvision", "efficientnet_b0", NULL, EFF_OK },
        { "efficientnet-lite0@classes=3", "timm", "tf_efficientnet_lite0", NULL, EFF_OK },
        { "efficientnet-lite0@classes=3", "lukemelas", "", NULL, EFF_OK },
        { "resnet18@classes=3", "torchvision", "resnet18", NULL, EFF_OK },
        { "mobilenetv2-1.0@classes=3", "torchvision", "mobilenet_v2", NULL, EFF_OK },
        { "mobilenetv2-1.0@classes=3", "timm", "mobilenetv2_100", NULL, EFF_OK },
        { "efficientnet-b0@width=0.2,classes=3", "timm", "", NULL, EFF_OK },
        { "efficientnet-b0@classes=3", "torchvision", NULL, "load and answer differently: there padding is symmetric", EFF_EUNSUPPORTED },
        { "efficientnet-lite0@classes=3,padding=symmetric,eps=1e-5", "torchvision", NULL, "torchvision has no network like", EFF_EARG },
        { "mobilenetv1-0.25@classes=3", "torchvision", NULL, "torchvision has no network like", EFF_EARG },
        { "efficientnet-b0@classes=3", "tim", NULL, "did you mean timm", EFF_EARG },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const path = t_tmp("names.safetensors");
        eff_error err = { 0 };
        char loads_as[64];
        eff_model *m = built_in(cases[i].spec), *back;
        unlink(path);
        const eff_status s = eff_export_weights(m, path, cases[i].names, loads_as, &err);
        if (s != cases[i].status || (cases[i].refusal && !strstr(err.msg, cases[i].refusal)))
            fail_msg("%s as %s: %s", cases[i].spec, cases[i].names, err.msg);
        if (s == EFF_OK) {
            assert_string_equal(loads_as, cases[i].loads_as);
            eff_model_opts o;
            eff_model_opts_init(&o);
            o.family = strcmp(cases[i].names, "timm") == 0 && m->table.pad == EFF_PAD_SAME ? "timm_tf" : cases[i].names;
            T_OK(eff_model_load(&back, path, &o, &err), err);
            assert_int_equal(back->table.pad, m->table.pad);
            for (int p = 0; p < m->graph->nparams; p++)
                assert_memory_equal(back->weights[p], m->weights[p], m->graph->param[p].count * sizeof(float));
            eff_model_free(back);
        } else {
            assert_int_equal(access(path, F_OK), -1);
        }
        eff_model_free(m);
    }
}

/* The value of an entry of a file's metadata, "" where there is none. */
static void metadata(const eff_wire *file, const char *key, char *out, size_t room)
{
    eff_slice rest = { file->p, file->n };
    eff_wire_field f, g;
    out[0] = '\0';
    while (eff_wire_next(&rest, &f)) {
        if (f.number != 14) continue; /* metadata_props */
        eff_slice entry = f.bytes, value = { 0 };
        bool right = false;
        while (eff_wire_next(&entry, &g)) {
            if (g.number == 1) right = eff_slice_is(g.bytes, key);
            if (g.number == 2) value = g.bytes;
        }
        if (right) snprintf(out, room, "%.*s", (int)value.n, (const char *)value.p);
    }
}

/* What other readers are told beside the graph. */
static void test_metadata(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m;
    T_OK(eff_model_load(&m, "b0@width=0.1,depth=0.1,resolution=32,classes=3", NULL, &err), err);
    T_OK(eff_model_init(m, 1, &err), err);
    T_OK(eff_model_set_origin(m, "here", NULL, &err), err);
    FILE *const names = fopen(t_tmp("names.tsv"), "w");
    assert_true(names && fputs("0\tid0\ta\n1\tid1\tb \"c\"\n2\tid2\td\n", names) >= 0 && fclose(names) == 0);
    for (int fitted = 0; fitted < 2; fitted++)
        for (int bytes = 0; bytes < 2; bytes++) {
            char text[512];
            eff_wire file = { 0 };
            unsigned char *p;
            if (fitted) {
                T_OK(eff_model_set_temperature(m, 1.5, &err), err);
                T_OK(eff_model_set_classes(m, t_tmp("names.tsv"), &err), err);
            }
            write_onnx(m, t_tmp("told.onnx"), bytes);
            T_OK(eff_file_read_all(t_tmp("told.onnx"), 1 << 24, &p, &file.n, &err), err);
            file.p = p;
            metadata(&file, "temperature", text, sizeof text);
            assert_string_equal(text, fitted ? "1.5" : "");
            metadata(&file, "class_names", text, sizeof text);
            assert_string_equal(text, fitted ? "[\"a\",\"b \\\"c\\\"\",\"d\"]" : "");
            metadata(&file, "class_ids", text, sizeof text);
            assert_string_equal(text, fitted ? "[\"id0\",\"id1\",\"id2\"]" : "");
            metadata(&file, "input", text, sizeof text);
            assert_string_equal(text, bytes ? "uint8 NHWC RGB" : "float32 NCHW RGB, (pixel - mean) / std");
            metadata(&file, "origin", text, sizeof text);
            assert_string_equal(text, "here");
            metadata(&file, "licence", text, sizeof text);
            assert_string_equal(text, "");
            metadata(&file, "preprocess", text, sizeof text);
            eff_preprocess again = { 0 };
            T_OK(eff_preprocess_parse(&again, text, &err), err);
            assert_memory_equal(&again, eff_model_get_preprocess(m), sizeof again);
            eff_free(p);
        }
    eff_model_free(m);
}

/* Files with one oddity each, put beside or in place of what a sound one has. */
typedef enum odd {
    SOUND,
    FAR_DIM,
    MANY_DIMS,
    MANY_INTS,
    INTS_CUT,
    INTS_PACKED,
    MANY_INPUTS,
    DOMAIN,
    NO_TENSOR,
    NO_TYPE,
    NO_NAME,
    NO_INPUT,
    NO_OUTPUT,
    TWO_INPUTS,
    TWO_OUTPUTS,
    FLOAT_DATA,
    DIMS_CUT,
    TYPE_99,
    FUNCTIONS,
    SPARSE,
    LONG_NAME,
    GRAPH_CUT,
    NODE_CUT,
    TYPE_CUT,
    OPSET_CUT,
    NO_GRAPH,
    OVERFLOW,
    ODDITIES
} odd;

static const char *const refusal[ODDITIES] = {
    [FAR_DIM] = "expected dimensions up to 2147483647",
    [MANY_DIMS] = "expected at most",
    [MANY_INTS] = "numbers",
    [INTS_CUT] = "an attribute",
    [MANY_INPUTS] = "inputs",
    [DOMAIN] = "is of domain org.other",
    [NO_TENSOR] = "is no tensor",
    [NO_TYPE] = "has no type",
    [NO_NAME] = "a value has no name",
    [NO_INPUT] = "expected an input and an output",
    [NO_OUTPUT] = "expected an input and an output",
    [TWO_INPUTS] = "expected one input",
    [TWO_OUTPUTS] = "expected one output",
    [FLOAT_DATA] = "elsewhere than in raw_data",
    [DIMS_CUT] = "a tensor",
    [TYPE_99] = "has data type 99",
    [FUNCTIONS] = "functions are not read",
    [SPARSE] = "ONNX: ",
    [LONG_NAME] = "xxxxx",
    [GRAPH_CUT] = "the graph",
    [NODE_CUT] = "ONNX: ",
    [TYPE_CUT] = "ONNX: ",
    [OPSET_CUT] = "ONNX: ",
    [NO_GRAPH] = "ONNX: ",
    [OVERFLOW] = "tensor w: its",
};

static void add_odd_value(eff_wire *graph, int field, const char *name, odd k)
{
    eff_wire v = { 0 }, type = { 0 };
    eff_wire_text(&v, 1, name);
    if (k == NO_TENSOR) eff_wire_text(&type, 4, ""); /* a sequence */
    if (k != NO_TYPE) eff_wire_message(&v, 2, &type);
    if (k == TYPE_CUT) eff_wire_bytes(&v, 2, "\x0a\x07", 2);
    eff_wire_message(graph, field, &v);
    eff_wire_free(&v);
    eff_wire_free(&type);
}

static void add_odd_node(eff_wire *graph, odd k)
{
    eff_wire node = { 0 }, attribute = { 0 };
    add_words(&node, k == MANY_INPUTS ? "Conv x w w w w w w w w w w w w w w w w w > c" : "Conv x w > c");
    eff_wire_text(&attribute, 1, "pads");
    for (int i = 0; i < (k == MANY_INTS ? 100 : 0); i++) eff_wire_number(&attribute, 8, 0);
    if (k == INTS_CUT) eff_wire_bytes(&attribute, 8, "\x00\x80", 2);
    if (k == INTS_PACKED) eff_wire_bytes(&attribute, 8, "\0\0\0\0", 4);
    if (k == MANY_INTS || k == INTS_CUT || k == INTS_PACKED) eff_wire_message(&node, 5, &attribute);
    if (k == DOMAIN) eff_wire_text(&node, 7, "org.other");
    if (k == INTS_PACKED) eff_wire_text(&node, 7, "ai.onnx");
    if (k == NODE_CUT) eff_wire_raw(&node, "\x0a\x09", 2);
    eff_wire_message(graph, 1, &node);
    add_words(&node, "Flatten c > y");
    eff_wire_message(graph, 1, &node);
    eff_wire_free(&node);
    eff_wire_free(&attribute);
}

static void add_odd_tensor(eff_wire *graph, odd k)
{
    static const float weight[2] = { 1, 2 };
    eff_wire t = { 0 };
    const uint64_t sides[] = { 1, k == FAR_DIM ? (uint64_t)1 << 31 : 2, 1, 1 };
    if (k == DIMS_CUT) eff_wire_bytes(&t, 1, "\x01\x82", 2);
    for (int i = 0; i < 4 && k != OVERFLOW; i++) eff_wire_number(&t, 1, sides[i]);
    for (int i = 0; i < 5 && k == OVERFLOW; i++) eff_wire_number(&t, 1, INT32_MAX);
    for (int i = 0; i < 9 && k == MANY_DIMS; i++) eff_wire_number(&t, 1, 1);
    eff_wire_number(&t, 2, k == TYPE_99 ? 99 : EFF_ONNX_FLOAT);
    if (k == LONG_NAME) {
        char name[200];
        memset(name, 'x', sizeof name);
        eff_wire_bytes(&t, 8, name, sizeof name);
        eff_wire_bytes(&t, 9, weight, 3);
    } else {
        eff_wire_text(&t, 8, k == NO_NAME ? "" : "w");
        eff_wire_bytes(&t, k == FLOAT_DATA ? 4 : 9, weight, sizeof weight);
    }
    eff_wire_message(graph, 5, &t);
    eff_wire_free(&t);
}

static eff_wire craft_odd(odd k)
{
    eff_wire model = { 0 }, graph = { 0 }, opset = { 0 };
    eff_wire_number(&opset, 2, 17);
    if (k == OPSET_CUT) eff_wire_raw(&opset, "\x10", 1);
    eff_wire_message(&model, 8, &opset);
    add_odd_node(&graph, k);
    add_odd_tensor(&graph, k);
    if (k == NO_TENSOR || k == NO_TYPE || k == TYPE_CUT)
        add_odd_value(&graph, 11, "x", k);
    else if (k != NO_INPUT)
        add_shape(&graph, 11, "x", 4, (const int[]){ 1, 2, 3, 3 });
    if (k == TWO_INPUTS) add_shape(&graph, 11, "z", 4, (const int[]){ 1, 2, 3, 3 });
    add_shape(&graph, 11, "w", 4, (const int[]){ 1, 2, 1, 1 }); /* weights may be named among the inputs */
    if (k != NO_OUTPUT) add_shape(&graph, 12, "y", 2, (const int[]){ 1, 9 });
    if (k == TWO_OUTPUTS) add_shape(&graph, 12, "c", 4, (const int[]){ 1, 1, 3, 3 });
    if (k == SPARSE) eff_wire_text(&graph, 15, "");
    if (k == GRAPH_CUT) eff_wire_raw(&graph, "\x0a\x7f", 2);
    if (k != NO_GRAPH) eff_wire_message(&model, 7, &graph);
    if (k == FUNCTIONS) eff_wire_text(&model, 25, "");
    eff_wire_free(&graph);
    eff_wire_free(&opset);
    return model;
}

static void test_oddities(void **state)
{
    (void)state;
    for (int k = 0; k < ODDITIES; k++) {
        eff_error err = { 0 };
        eff_onnx g;
        eff_wire bytes = craft_odd((odd)k);
        const eff_status s = eff_onnx_parse(&g, bytes.p, bytes.n, &err);
        if (s == EFF_OK) eff_onnx_close(&g);
        eff_wire_free(&bytes);
        if (refusal[k] ? s == EFF_OK || !strstr(err.msg, refusal[k]) : s != EFF_OK)
            fail_msg("oddity %d: %d '%s'", k, s, err.msg);
    }
    for (long n = 0;; n++) { /* and one that is sound, where memory ends */
        eff_error err = { 0 };
        eff_onnx g;
        eff_wire bytes = craft_odd(INTS_PACKED);
        eff_alloc_fail_after(n);
        const eff_status s = eff_onnx_parse(&g, bytes.p, bytes.n, &err);
        eff_alloc_fail_after(-1);
        eff_wire_free(&bytes);
        if (s == EFF_OK) {
            eff_onnx_close(&g);
            assert_true(n > 5);
            break;
        }
        assert_int_equal(s, EFF_ENOMEM);
    }
}

static void test_untrained(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m = built_in(specs[0]);
    FILE *const f = tmpfile();
    float **const weights = m->weights;
    m->weights = NULL;
    assert_int_equal(eff_onnx_write(f, m, false, &err), EFF_EARG);
    m->weights = weights;
    assert_int_equal(ftell(f), 0);
    fclose(f);
    eff_model_free(m);
}

/* The wire: numbers of every length, and fields that are none. */
static void test_wire(void **state)
{
    (void)state;
    for (int bits = 0; bits <= 64; bits++) {
        const uint64_t v = bits ? UINT64_MAX >> (64 - bits) : 0;
        eff_wire w = { 0 };
        eff_wire_field f;
        eff_wire_number(&w, 3, v);
        assert_int_equal(w.n, 1 + eff_wire_number_bytes(v));
        eff_slice all = { w.p, w.n };
        assert_true(eff_wire_next(&all, &f) && f.number == 3 && f.type == EFF_WIRE_NUMBER && f.value == v &&
                    all.n == 0);
        all = (eff_slice){ w.p, w.n - 1 }; /* cut short */
        assert_false(eff_wire_next(&all, &f));
        assert_int_equal(all.n, 0);
        eff_wire_free(&w);
    }
    static const struct {
        const char *bytes;
        size_t n;
        bool good;
    } fields[] = {
        { "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, true }, /* 64 bits, then 65, then a byte too many */
        { "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, false },
        { "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 12, false },
        { "\x00\x01", 2, false },                /* number 0 */
        { "\xf8\xff\xff\xff\x0f\x01", 6, true }, /* the largest, and the next */
        { "\x80\x80\x80\x80\x10\x01", 6, false },
        { "\x1a\x02"
          "ab",
          4, true },
        { "\x1a\x03"
          "ab",
          4, false },
        { "\x1a", 1, false },
        { "\x1d"
          "abcd",
          5, true },
        { "\x1d"
          "abc",
          4, false },
        { "\x19"
          "abcdefgh",
          9, true },
        { "\x19"
          "abcdefg",
          8, false },
        { "\x1b\x1c", 2, false }, /* a group */
        { "\x1e\x01", 2, false },
        { "", 0, false },
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        eff_slice all = { (const unsigned char *)fields[i].bytes, fields[i].n };
        eff_wire_field f;
        if (eff_wire_next(&all, &f) != fields[i].good) fail_msg("field %zu", i);
        assert_int_equal(all.n, 0);
    }
    const eff_slice ab = { (const unsigned char *)"ab", 2 }, nothing = { NULL, 0 };
    assert_true(eff_slice_is(ab, "ab") && !eff_slice_is(ab, "ac") && !eff_slice_is(ab, "abc"));
    assert_true(eff_slice_is(nothing, "") && !eff_slice_is(nothing, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_same_bytes_and_limit),
        cmocka_unit_test(test_damage),  cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_gate),    cmocka_unit_test(test_body),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_wire),    cmocka_unit_test(test_oddities), cmocka_unit_test(test_untrained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
