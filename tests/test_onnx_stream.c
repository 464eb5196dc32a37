/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX through the worker: what arrives is what its parser reads, damaged files are refused in one line, and a graph
 * that a worker made up is believed in nothing. */
#define _GNU_SOURCE
#include "checkpoints.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "formats/import.h"
#include "formats/onnx.h"
#include "formats/onnx_eval.h"
#include "formats/onnx_stream.h"
#include "formats/safetensors.h"
#include "model/table_json.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void write_small(const char *path)
{
    static const char text[] = "{\"stem\":{\"channels\":4},\"resolution\":8,\"classes\":2,"
                               "\"stages\":[{\"op\":\"mbconv\",\"channels\":4,\"expand\":2,\"se\":0.25}]}";
    eff_error err = { 0 };
    eff_table t;
    eff_model *m;
    json_t *const j = json_loads(text, 0, NULL);
    T_OK(eff_table_from_json(&t, j, &err), err);
    json_decref(j);
    T_OK(eff_model_new(&m, &t, &err), err);
    T_OK(eff_model_init_weights(m, 3, &err), err);
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    T_OK(eff_onnx_write(f, m, true, &err), err);
    assert_int_equal(fclose(f), 0);
    eff_model_destroy(m);
}

static void same_slice(eff_slice a, eff_slice b)
{
    assert_int_equal(a.n, b.n);
    if (a.n) assert_memory_equal(a.p, b.p, a.n);
}

static const eff_onnx_tensor *tensor_of(const eff_onnx *g, eff_slice name)
{
    for (size_t i = 0; i < g->ntensors; i++)
        if (g->tensor[i].name.n == name.n && !memcmp(g->tensor[i].name.p, name.p, name.n)) return &g->tensor[i];
    fail_msg("no tensor %.*s", (int)name.n, (const char *)name.p);
    return NULL;
}

static void same_graph(void **state)
{
    (void)state;
    const char *const path = t_tmp("small.onnx");
    eff_error err = { 0 };
    eff_onnx here, there;
    size_t n;
    write_small(path);
    unsigned char *const bytes = t_file(path, &n);
    T_OK(eff_onnx_parse(&here, bytes, n, &err), err);
    T_OK(eff_onnx_open(&there, path, &err), err);
    assert_true(here.ir == there.ir && here.opset == there.opset && here.nvalues == there.nvalues);
    assert_true(here.input == there.input && here.output == there.output);
    same_slice(here.input_name, there.input_name);
    same_slice(here.output_name, there.output_name);
    assert_memory_equal(&here.input_shape, &there.input_shape, sizeof here.input_shape);
    assert_memory_equal(&here.output_shape, &there.output_shape, sizeof here.output_shape);
    assert_true(here.nnodes == there.nnodes && here.nattributes == there.nattributes &&
                here.ntensors == there.ntensors);
    assert_true(here.nnodes > 10 && here.nattributes > 10);
    for (size_t i = 0; i < here.nnodes; i++) {
        const eff_onnx_node *const a = &here.node[i], *const b = &there.node[i];
        same_slice(a->op, b->op);
        same_slice(a->name, b->name);
        assert_true(a->nin == b->nin && a->out == b->out && a->nattributes == b->nattributes);
        assert_memory_equal(a->in, b->in, (size_t)a->nin * sizeof *a->in);
        for (int k = 0; k < a->nattributes; k++) {
            const eff_onnx_attribute *const x = &here.attribute[a->attributes + k],
                                            *const y = &there.attribute[b->attributes + k];
            same_slice(x->name, y->name);
            same_slice(x->text, y->text);
            assert_true(x->i == y->i && x->nints == y->nints && !memcmp(&x->f, &y->f, sizeof x->f));
            assert_memory_equal(x->ints, y->ints, (size_t)x->nints * sizeof *x->ints);
        }
    }
    for (size_t i = 0; i < here.ntensors; i++) {
        const eff_onnx_tensor *const a = &here.tensor[i], *const b = tensor_of(&there, a->name);
        assert_true(a->value == b->value && a->count == b->count);
        assert_memory_equal(&a->shape, &b->shape, sizeof a->shape);
        same_slice(a->raw, b->raw);
    }
    eff_onnx_close(&here);
    eff_onnx_close(&there);
    free(bytes);
}

/* Cut and changed, through the binary: the same answer as from the parser alone, in one line. */
static void damaged_files(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_onnx g;
    size_t n;
    write_small(t_tmp("small.onnx"));
    unsigned char *const bytes = t_file(t_tmp("small.onnx"), &n);
    int refused = 0, read = 0;
    for (uint64_t i = 0; i < 60; i++) {
        const size_t at = (size_t)(eff_rng_bits(5, 1, i) % n), keep = i % 3 ? n : at;
        const unsigned char was = bytes[at];
        if (i % 3) bytes[at] = (unsigned char)eff_rng_bits(5, 2, i);
        FILE *const f = fopen(t_tmp("bad.onnx"), "wb");
        assert_true(f && fwrite(bytes, 1, keep, f) == keep && fclose(f) == 0);
        eff_error alone = { 0 };
        err = (eff_error){ 0 };
        const eff_status s = eff_onnx_open(&g, t_tmp("bad.onnx"), &err);
        if (s == EFF_OK)
            eff_onnx_close(&g);
        else
            assert_true(err.msg[0] && !strchr(err.msg, '\n') && (s == EFF_EFORMAT || s == EFF_EUNSUPPORTED));
        const eff_status p = eff_onnx_parse(&g, bytes, keep, &alone);
        if (p == EFF_OK) eff_onnx_close(&g);
        if (p != EFF_OK) assert_int_not_equal(s, EFF_OK);
        if (p != EFF_OK && !strncmp(err.msg, "ONNX", 4)) assert_string_equal(err.msg, alone.msg);
        *(s == EFF_OK ? &read : &refused) += 1;
        bytes[at] = was;
    }
    /* the model is whole, and something that is no field stands behind it */
    unsigned char *const longer = malloc(n + 1);
    assert_non_null(longer);
    memcpy(longer, bytes, n);
    longer[n] = 0xff;
    err = (eff_error){ 0 };
    assert_int_equal(eff_onnx_parse(&g, longer, n + 1, &err), EFF_EFORMAT);
    if (!strstr(err.msg, "the file")) fail_msg("'%s' does not say that the file is damaged", err.msg);
    free(longer);
    print_message("%d refused, %d read\n", refused, read);
    assert_true(refused > 15 && read > 5);
    assert_int_equal(eff_onnx_open(&g, t_data("checkpoints/views.pth"), &err), EFF_EFORMAT);
    assert_string_equal(err.msg, "ONNX: expected an ONNX file, found pytorch-zip");
    free(bytes);
}

/* ------------------------------------------------------------------------------------------ a graph made up */

static const char sound[] =
    "{\"ir\":8,\"opset\":17,\"values\":4,\"weights\":{\"w\":1},\"input\":[0,\"x\",1,[-1,2,3,3]],"
    "\"output\":[3,\"y\",1,[-1,9]],\"nodes\":[[\"Conv\",\"c\",[0,1],2,[[\"pads\",0,0,[0,0,0,0],\"\"]]],"
    "[\"Flatten\",\"f\",[2],3,[]]]}";

/* As a worker would send it: the weight "w" and the graph. */
static eff_status receive(eff_onnx *g, const char *format, const char *graph, eff_error *err)
{
    static const float w[2] = { 1, 2 };
    const eff_st_tensor t = { .name = "w", .dtype = EFF_F32, .ndim = 4, .dim = { 1, 2, 1, 1 }, .data = w };
    json_t *const words = json_object();
    assert_true(eff_json_put(words, "format", json_string(format)));
    if (graph) assert_true(eff_json_put(words, "graph", json_string(graph)));
    char *const text = json_dumps(words, 0);
    const eff_st_meta meta = { EFF_IMPORT_KEY, text };
    const int fd = memfd_create("stream", 0);
    FILE *const f = fdopen(dup(fd), "wb");
    T_OK(eff_safetensors_write(f, &t, 1, &meta, 1, err), *err);
    const long size = ftell(f);
    assert_int_equal(fclose(f), 0);
    free(text);
    json_decref(words);
    eff_checkpoint *const c = eff_calloc(1, sizeof *c);
    assert_non_null(c);
    c->fd = -1;
    const eff_status s = eff_import_receive(c, fd, (uint64_t)size, err);
    if (s == EFF_OK) return eff_onnx_of_checkpoint(g, c, err);
    eff_checkpoint_close(c);
    return s;
}

static void made_up(void **state)
{
    (void)state;
    static const struct {
        const char *was, *is, *says;
    } changes[] = {
        { "\"values\":4", "\"values\":5", "values 4" },
        { "\"values\":4", "\"values\":2000000000", "values 4" },
        { "\"opset\":17", "\"opset\":18", "expected opset 17" },
        { "\"ir\":8", "\"ir\":\"8\"", "expected opset 17" },
        { "{\"w\":1}", "{\"w\":4}", "weight 0" },
        { "{\"w\":1}", "{\"w\":-1}", "weight 0" },
        { "{\"w\":1}", "{\"v\":1}", "weight 0" },
        { "{\"w\":1}", "{\"w\":1,\"v\":1}", "weights beside 1" },
        { "{\"w\":1}", "{\"w\":0}", "a value is made twice" },
        { "[0,\"x\"", "[4,\"x\"", "input and output" },
        { "[0,\"x\"", "[0,7", "input and output" },
        { "[3,\"y\"", "[-1,\"y\"", "input and output" },
        { "[-1,2,3,3]", "[-2,2,3,3]", "input and output" },
        { "[-1,2,3,3]", "[-1,2,3,3,3,3,3]", "input and output" },
        { "[-1,2,3,3]", "[-1,2,3,3000000000]", "input and output" },
        { "[0,1],2", "[0,4],2", "node 0" },
        { "[0,1],2", "[0,-2],2", "node 0" },
        { "[0,1],2", "[0,1,1,1,1],2", "node 0" },
        { "[0,1],2", "[0,1],4", "node 0" },
        { "[0,1],2", "[0,1],1", "a value is made twice" },
        { "[0,1],2", "[0,3],2", "reads a value that nothing before it makes" },
        { "[2],3,[]", "[2],2,[]", "a value is made twice" },
        { "[2],3,[]", "[2],3,{}", "node 1" },
        { "[2],3,[]", "[2],3", "node 1" },
        { "\"Conv\"", "\"\"", "node 0" },
        { "\"Conv\"", "null", "node 0" },
        { "\"Conv\"", "\"a\\nb\"", "node 0" },
        { "[0,0,0,0],\"\"", "[0,0,0,0,0,0,0,0,0],\"\"", "node 0" },
        { "[0,0,0,0],\"\"", "[0,0,0,0.5],\"\"", "node 0" },
        { "\"pads\",0", "\"pads\",4294967296", "node 0" },
        { sound, "[]", "values 2" },
        { sound, "{}", "values 2" },
        { sound, "{", "the graph: not JSON" },
    };
    eff_error err = { 0 };
    eff_onnx g;
    float x[18], y[9];
    for (int i = 0; i < 18; i++) x[i] = (float)i;
    T_OK(receive(&g, "onnx", sound, &err), err);
    T_OK(eff_onnx_eval(&g, x, 1, y, 9, EFF_ONNX_ANY_WORK, &err), err);
    for (int i = 0; i < 9; i++) assert_true(y[i] == x[i] + 2 * x[9 + i]);
    eff_onnx_close(&g);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char graph[600];
        const char *const at = strstr(sound, changes[i].was);
        assert_non_null(at);
        snprintf(graph, sizeof graph, "%.*s%s%s", (int)(at - sound), sound, changes[i].is, at + strlen(changes[i].was));
        err = (eff_error){ 0 };
        if (receive(&g, "onnx", graph, &err) != EFF_EFORMAT || !strstr(err.msg, changes[i].says))
            fail_msg("%zu: expected \"%s\", found \"%s\"", i, changes[i].says, err.msg);
    }
    assert_int_equal(receive(&g, "keras", sound, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "graph: expected none"));
    assert_int_equal(receive(&g, "keras", NULL, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "expected an ONNX file, found keras"));
}

/* All of it in this process, as the worker and who asked it do it between them. */
static eff_status through(const char *path, eff_error *err)
{
    int fd;
    uint64_t size;
    eff_onnx g;
    FILE *const pipe = tmpfile();
    eff_checkpoint *sent = eff_calloc(1, sizeof *sent), *got = eff_calloc(1, sizeof *got);
    eff_status s = sent && got ? eff_file_open(path, &fd, &size, err) : eff_fail_memory(err, sizeof *sent);
    assert_non_null(pipe);
    if (got) got->fd = -1;
    if (s == EFF_OK) {
        sent->fd = fd;
        s = eff_onnx_open_weights(sent, size, err);
        const int to = dup(fileno(pipe));
        if (s == EFF_OK) s = eff_import_send(to, sent, err);
        if (fcntl(to, F_GETFD) >= 0) close(to); /* it was not taken over */
        if (s == EFF_OK)
            s = eff_import_receive(got, dup(fileno(pipe)), (uint64_t)lseek(fileno(pipe), 0, SEEK_END), err);
    }
    if (s == EFF_OK) {
        s = eff_onnx_of_checkpoint(&g, got, err); /* takes it over */
        got = NULL;
        if (s == EFF_OK) eff_onnx_close(&g);
    }
    if (sent) eff_checkpoint_close(sent);
    if (got) eff_checkpoint_close(got);
    fclose(pipe);
    return s;
}

/* Words of a file that are no line of text, or too long a one, are not sent on. */
static void words(void **state)
{
    (void)state;
    static char bad[] = "caf\xe9", good[] = "a line", long_one[1 << 16];
    memset(long_one, 'x', sizeof long_one - 1);
    char *const said[] = { bad, long_one, good };
    for (int i = 0; i < 3; i++) {
        eff_error err = { 0 };
        FILE *const pipe = tmpfile();
        assert_non_null(pipe);
        const eff_checkpoint sent = { .fd = -1, .format = "keras", .arch_hint = said[i], .note = said[i] };
        eff_checkpoint *const got = eff_calloc(1, sizeof *got);
        got->fd = -1;
        T_OK(eff_import_send(dup(fileno(pipe)), &sent, &err), err);
        T_OK(eff_import_receive(got, dup(fileno(pipe)), (uint64_t)lseek(fileno(pipe), 0, SEEK_END), &err), err);
        if (i < 2)
            assert_true(!got->arch_hint && !got->note);
        else
            assert_true(!strcmp(got->arch_hint, good) && !strcmp(got->note, good));
        eff_checkpoint_close(got);
        fclose(pipe);
    }
}

static void full_disk(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const eff_checkpoint sent = { .fd = -1, .format = "keras" };
    const int to = open("/dev/full", O_WRONLY);
    assert_true(to >= 0);
    assert_int_equal(eff_import_send(to, &sent, &err), EFF_EIO);
    assert_non_null(strstr(err.msg, "cannot be written"));
}

static void memory_ends(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s", t_tmp("memory.onnx"));
    write_small(path);
    json_set_alloc_funcs(eff_malloc, eff_free);
    for (long n = 0;; n += n < 200 ? 1 : 5) {
        eff_error err = { 0 };
        eff_alloc_fail_after(n);
        const eff_status s = through(path, &err);
        const long asked = eff_alloc_count();
        eff_alloc_fail_after(-1);
        if (s == EFF_OK) {
            assert_true(asked <= n && n > 200);
            break;
        }
        /* jansson does not tell a text that is none from memory that ended */
        if (s != EFF_ENOMEM && !(s == EFF_EUNSUPPORTED && strstr(err.msg, "no line of UTF-8")))
            fail_msg("allocation %ld: %d '%s'", n, s, err.msg);
    }
    json_set_alloc_funcs(malloc, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(same_graph), cmocka_unit_test(damaged_files),
                                        cmocka_unit_test(made_up),    cmocka_unit_test(memory_ends),
                                        cmocka_unit_test(words),      cmocka_unit_test(full_disk) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
