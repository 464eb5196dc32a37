/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the binary seeds of the fuzz targets: `tool_seeds FOLDER` (tools/make_corpus.sh calls it). Pickles come out of the golden
 * checkpoints; networks are the smallest that are recognised, in every container and spelling. */
#define _GNU_SOURCE
#include "bundles.h"
#include "pickles.h"
#include "support.h"

#include "base/mem.h"
#include "formats/dtype.h"
#include "formats/modelfile.h"
#include "formats/names.h"
#include "formats/onnx.h"
#include "formats/safetensors.h"
#include "model/table_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#define TINY "b0@width=0.01,depth=0.01,resolution=32,classes=2"

static const char *folder;

static void must(eff_status s, const eff_error *err)
{
    if (s == EFF_OK) return;
    fprintf(stderr, "tool_seeds: %s\n", err->msg);
    exit(1);
}

static const char *at(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void save(const char *name, const void *p, size_t n)
{
    FILE *const f = fopen(at(name), "wb");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0) {
        perror(at(name));
        exit(1);
    }
}

/* ---------------------------------------------------------------------------------------------- networks */

/* One stage of each operator's kind: a few kilobytes. */
static eff_model *smallest(void)
{
    static const char text[] = "{\"name\":\"seed\",\"stem\":{\"channels\":4},\"resolution\":8,\"classes\":2,\"head\":{\"channels\":4},"
                               "\"stages\":[{\"op\":\"mbconv\",\"channels\":4,\"expand\":1,\"se\":0.25}]}";
    eff_error err = { 0 };
    eff_table t;
    eff_model *m;
    json_t *const j = json_loads(text, 0, NULL);
    must(eff_table_from_json(&t, j, &err), &err);
    json_decref(j);
    must(eff_model_new(&m, &t, &err), &err);
    must(eff_model_init_weights(m, 1, &err), &err);
    return m;
}

static eff_st_tensor *tensors_of(const eff_model *m, eff_family f, eff_dtype dtype)
{
    const eff_graph *const g = m->graph;
    eff_st_tensor *const t = calloc((size_t)g->nparams, sizeof *t);
    for (int p = 0; t && p < g->nparams; p++) {
        char name[EFF_TENSOR_NAME];
        if (!eff_name_of_param(name, f, &m->table, g, p)) abort();
        t[p] = (eff_st_tensor){ .name = strdup(name), .dtype = dtype, .ndim = g->param[p].ndim, .data = m->weights[p] };
        for (int i = 0; i < t[p].ndim; i++) t[p].dim[i] = g->param[p].dim[i];
    }
    return t;
}

static void free_tensors(eff_st_tensor *t, int n)
{
    for (int i = 0; i < n; i++) free((void *)(uintptr_t)t[i].name);
    free(t);
}

/* An object pickle: a dict of the model's tensors, which lie one behind the other in storage 0. */
static size_t put_state_dict(t_buffer *b, const eff_model *m, const eff_st_tensor *t)
{
    int64_t numel = 0, offset = 0;
    for (int p = 0; p < m->graph->nparams; p++) numel += (int64_t)m->graph->param[p].count;
    T_PUT(b, "}(");
    for (int p = 0; p < m->graph->nparams; p++) {
        t_spec s = { .numel = numel, .offset = offset, .ndim = t[p].ndim, .nstride = t[p].ndim };
        int64_t step = 1;
        for (int i = t[p].ndim - 1; i >= 0; step *= t[p].dim[i--]) {
            s.dim[i] = t[p].dim[i];
            s.stride[i] = step;
        }
        t_put_str(b, t[p].name);
        t_put_tensor(b, &s);
        offset += step;
    }
    T_PUT(b, "u");
    return (size_t)numel;
}

static void save_zip(const char *name, const t_buffer *pickle, const void *data, size_t n, zip_int32_t method)
{
    const struct {
        const char *name;
        const void *p;
        size_t n;
    } item[] = { { "m/data.pkl", pickle->p, pickle->n }, { "m/byteorder", "little", 6 }, { "m/data/0", data, n } };
    int code;
    remove(at(name));
    zip_t *const z = zip_open(at(name), ZIP_CREATE | ZIP_TRUNCATE, &code);
    for (size_t i = 0; z && i < 3; i++) {
        const zip_int64_t k = zip_file_add(z, item[i].name, zip_source_buffer(z, item[i].p, item[i].n, 0), 0);
        if (k < 0 || zip_set_file_compression(z, (zip_uint64_t)k, method, 0)) abort();
        zip_file_set_mtime(z, (zip_uint64_t)k, 315532800, 0); /* the same bytes every time */
    }
    if (!z || zip_close(z) != 0) {
        fprintf(stderr, "tool_seeds: cannot write %s\n", name);
        exit(1);
    }
}

static void save_containers(const eff_model *m, const char *tag)
{
    char name[128];
    t_buffer object = { 0 }, file = { 0 };
    eff_st_tensor *const t = tensors_of(m, EFF_FAMILY_LUKEMELAS, EFF_F32);
    const size_t numel = put_state_dict(&object, m, t);
    t_put_stream(&file, &object, "0", T_SYSTEM, (int64_t)numel, numel);
    snprintf(name, sizeof name, "model/%s_legacy", tag);
    save(name, file.p, file.n);
    const float *const data = (const float *)(const void *)(file.p + file.n - numel * sizeof(float));
    t_buffer whole = { 0 };
    T_PUT(&whole, "\x80\x02");
    t_put(&whole, object.p, object.n);
    T_PUT(&whole, ".");
    snprintf(name, sizeof name, "model/%s_zip", tag);
    save_zip(name, &whole, data, numel * sizeof *data, ZIP_CM_STORE);
    free_tensors(t, m->graph->nparams);
    free(object.p);
    free(file.p);
    free(whole.p);
}

static void networks(void)
{
    eff_error err = { 0 };
    eff_table t;
    eff_model *m;
    must(eff_table_builtin(&t, TINY, &err), &err);
    must(eff_model_new(&m, &t, &err), &err);
    must(eff_model_init_weights(m, 1, &err), &err);
    for (int f = 0; f < EFF_FAMILY_COUNT; f++) {
        char name[128];
        eff_st_tensor *const s = tensors_of(m, (eff_family)f, EFF_F16);
        snprintf(name, sizeof name, "model/tiny_%s", eff_family_name((eff_family)f));
        must(eff_safetensors_save(at(name), s, (size_t)m->graph->nparams, NULL, 0, &err), &err);
        free_tensors(s, m->graph->nparams);
    }
    save_containers(m, "tiny");
    eff_model_destroy(m);
    m = smallest();
    must(eff_modelfile_save(m, at("model/smallest_effnet"), false, &err), &err);
    eff_model_destroy(m);
}

/* ONNX with every operator that is exported; cut short and in the wrong order. */
static void onnx(void)
{
    static const char *const acts[] = { "silu", "relu6", "hswish", "relu" };
    for (int i = 0; i < 4; i++) {
        char text[512], name[64];
        eff_error err = { 0 };
        eff_table t;
        eff_model *m;
        snprintf(text, sizeof text,
                 "{\"stem\":{\"channels\":3,\"pool\":%s},\"resolution\":[9,7],\"classes\":2,\"act\":\"%s\",\"stages\":["
                 "{\"op\":\"mbconv\",\"channels\":3,\"expand\":2,\"se\":0.5},{\"op\":\"basic\",\"channels\":4}]}",
                 i & 1 ? "true" : "false", acts[i]);
        json_t *const j = json_loads(text, 0, NULL);
        must(eff_table_from_json(&t, j, &err), &err);
        json_decref(j);
        must(eff_model_new(&m, &t, &err), &err);
        must(eff_model_init_weights(m, 1, &err), &err);
        snprintf(name, sizeof name, "onnx/%s", acts[i]);
        FILE *const f = fopen(at(name), "wb+");
        if (!f) abort();
        must(eff_onnx_write(f, m, i > 1, &err), &err);
        if (i == 3) { /* half a file */
            static char half[1 << 16];
            rewind(f);
            const size_t n = fread(half, 1, sizeof half, f);
            save("onnx/half", half, n / 2);
        }
        if (fclose(f) != 0) abort();
        eff_model_destroy(m);
    }
}

/* ------------------------------------------------------------------------------------------------- texts */

static void metadata(void)
{
    static const char *const rule[] = { "short=9,filter=bilinear,crop=8x6,mean=1:2:3,std=0.5", "squash=8,filter=lanczos,crop=8",
                                        "square=0.875,filter=tf1-bicubic,size=8,mean=127,std=128" };
    for (int i = 0; i < 3; i++) {
        static char cat[] = "cat", dog[] = "dog, hound", id[] = "n01";
        eff_error err = { 0 };
        char name[64], *text;
        eff_model *const m = smallest();
        must(eff_preprocess_parse(&m->meta.preprocess, rule[i], &err), &err);
        if (i) must(eff_model_set_origin(m, "a seed", i == 2 ? "CC0" : NULL, &err), &err);
        m->meta.class_names = eff_calloc(2, sizeof(char *));
        m->meta.class_ids = i == 2 ? eff_calloc(2, sizeof(char *)) : NULL;
        if (!m->meta.class_names) abort();
        m->meta.class_names[0] = eff_strdup(cat);
        m->meta.class_names[1] = eff_strdup(dog);
        if (m->meta.class_ids) m->meta.class_ids[1] = eff_strdup(id);
        if (i == 1) m->meta.extra = eff_strdup("{\"later\":[1,2.5,{\"x\":null}]}");
        if (i == 2) {
            must(eff_model_set_temperature(m, 1.25, &err), &err);
            must(eff_model_set_record(m, EFF_RECORD_METRICS, "{\"top1\":0.75,\"interval\":[0.5,0.9],\"n\":20,\"set\":\"val\"}", &err), &err);
            must(eff_model_set_record(m, EFF_RECORD_TRAINING, "{\"recipe\":\"transfer\",\"epochs\":3,\"seed\":1,\"x\":[{}]}", &err), &err);
        }
        must(eff_modelfile_text(&text, m, &err), &err);
        snprintf(name, sizeof name, "modelfile/rule_%d", i);
        save(name, text, strlen(text));
        eff_free(text);
        eff_model_destroy(m);
    }
}

static void tables(void)
{
    static const char *const names[] = { "b0", "lite0", "v2-s", "efficientnet-edgetpu-s", "mnasnet-a1", "mobilenetv1-1.0", "mobilenetv2-1.0",
                                         "resnet18", "resnet50" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        eff_error err = { 0 };
        eff_table t;
        char name[64];
        must(eff_table_builtin(&t, names[i], &err), &err);
        json_t *const j = eff_table_to_json(&t);
        char *const text = json_dumps(j, JSON_COMPACT);
        snprintf(name, sizeof name, "table/%s", names[i]);
        save(name, text, strlen(text));
        free(text);
        json_decref(j);
    }
}

/* ----------------------------------------------------------------------------------------------- pickles */

static void golden_pickles(void)
{
    static const char *const files[] = { "views", "small_lukemelas", "small_torchvision", "bad/pt_good_tiny" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int code;
        char name[64];
        zip_stat_t st;
        zip_t *const z = zip_open(t_data("checkpoints/%s.pth", files[i]), ZIP_RDONLY, &code);
        const zip_int64_t k = z ? zip_name_locate(z, "data.pkl", ZIP_FL_NODIR) : -1;
        if (k < 0 || zip_stat_index(z, (zip_uint64_t)k, 0, &st) != 0) abort();
        char *const bytes = malloc(st.size);
        zip_file_t *const f = zip_fopen_index(z, (zip_uint64_t)k, 0);
        if (!bytes || !f || zip_fread(f, bytes, st.size) != (zip_int64_t)st.size) abort();
        snprintf(name, sizeof name, "pickle/%s", strrchr(files[i], '/') ? strrchr(files[i], '/') + 1 : files[i]);
        save(name, bytes, st.size);
        zip_fclose(f);
        zip_discard(z);
        free(bytes);
    }
}

static void small_archives(void)
{
    static const float x[6] = { 0, 1, 2, 3, 4, 5 };
    const int64_t view[2] = { 1, 4 };
    t_buffer o = { 0 }, dict = { 0 }, p = { 0 };
    T_PUT(&o, "}");
    t_put_str(&o, "w");
    t_put_tensor(&o, &t_vector);
    T_PUT(&o, "s");
    save("pytorch/object", o.p, o.n);
    T_PUT(&p, "\x80\x02");
    t_put(&p, o.p, o.n);
    T_PUT(&p, ".");
    save_zip("pytorch/stored", &p, x, sizeof x, ZIP_CM_STORE);
    save_zip("pytorch/deflated", &p, x, sizeof x, ZIP_CM_DEFLATE);
    T_PUT(&dict, "}(");
    t_put_str(&dict, "arch");
    t_put_str(&dict, "tf_efficientnet_b0");
    t_put_str(&dict, "state_dict");
    T_PUT(&dict, "}");
    t_put_str(&dict, "w");
    t_put_tensor(&dict, &(t_spec){ .numel = 6, .ndim = 2, .nstride = 2, .dim = { 2, 2 }, .stride = { 1, 2 }, .view = view });
    T_PUT(&dict, "su");
    save("pytorch/object_nested", dict.p, dict.n);
    t_buffer stream = { 0 };
    t_put_stream(&stream, &dict, "0", T_SYSTEM, 6, 6);
    save("pytorch/legacy", stream.p, stream.n);
    free(o.p);
    free(p.p);
    free(dict.p);
    free(stream.p);
}

/* -------------------------------------------------------------------------------------------- TensorFlow */

/* Tensors over the bytes 0..63, which the fuzz target puts beside an index. */
static void seed_bundle(const char *name, int snappy, int block_keys, bool one_block)
{
    static t_bundle b;
    static const struct {
        const char *name;
        int type, ndim;
        int64_t dim[4];
        size_t size;
    } tensors[] = {
        { "_GRAPH", 7, 0, { 0 }, 3 },
        { "global_step", 9, 0, { 0 }, 8 },
        { "n/head/dense/bias", 14, 1, { 2 }, 4 },
        { "n/head/dense/kernel", 1, 2, { 1, 2 }, 8 },
        { "n/stem/conv2d/kernel", 19, 4, { 1, 1, 4, 1 }, 8 },
        { "n/stem/conv2d/kernel/ExponentialMovingAverage", 1, 4, { 1, 1, 1, 2 }, 8 },
        { "n/stem/conv2d/kernel/RMSProp", 1, 1, { 1 }, 4 },
        { "n/stem/tpu_batch_normalization/gamma", 2, 1, { 1 }, 8 },
        { "n/stem/tpu_batch_normalization/gamma/ExponentialMovingAverage", 1, 1, { 0 }, 0 },
    };
    unsigned char data[64];
    for (int i = 0; i < 64; i++) data[i] = (unsigned char)i;
    t_bundle_begin(&b, 1);
    for (size_t i = 0, at = 0; i < sizeof tensors / sizeof *tensors; at += tensors[i++].size)
        t_bundle_add(&b, tensors[i].name, tensors[i].type, tensors[i].ndim, tensors[i].dim, data + at, tensors[i].size, 0);
    b.snappy = snappy;
    b.block_keys = one_block ? T_BUNDLE_TENSORS : block_keys;
    t_bytes index = t_bundle_index(&b), seed = { 0 };
    if (one_block) { /* the first of the file: up to the list of blocks, whose place the footer has */
        t_add_le(&seed, (uint64_t)snappy, 1);
        const unsigned char *const footer = index.p + index.n - 48; /* varint: where the meta block begins */
        const size_t end = footer[0] < 128 ? footer[0] : (size_t)(footer[0] & 127) | (size_t)footer[1] << 7;
        t_add_bytes(&seed, index.p, end - 5);
    } else {
        t_add_le(&seed, 'F', 1);
        t_add_bytes(&seed, index.p, index.n);
    }
    save(name, seed.p, seed.n);
    t_bytes_free(&index);
    t_bytes_free(&seed);
    t_bundle_free(&b);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: tool_seeds FOLDER\n");
        return 2;
    }
    folder = argv[1];
    networks();
    onnx();
    metadata();
    tables();
    golden_pickles();
    small_archives();
    seed_bundle("bundle/whole", 0, 0, false);
    seed_bundle("bundle/whole_snappy", 1, 3, false);
    seed_bundle("bundle/block", 0, 0, true);
    seed_bundle("bundle/block_snappy", 1, 0, true);
    return 0;
}
