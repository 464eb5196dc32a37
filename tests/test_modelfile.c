/* SPDX-License-Identifier: Apache-2.0 */
/* The model file: there and back to the bit, fields of later versions kept, hostile metadata refused by name;
 * saving that fails leaves what was there; class name files; what a MODEL argument means. */
#include "fakefile.h"

#include "base/mem.h"
#include "formats/formats.h"
#include "formats/modelfile.h"
#include "formats/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static eff_model *small_model(void)
{
    const eff_table t = t_golden_table("small");
    return t_formula_model("small", &t);
}

static eff_status load(eff_model **m, const char *spec, eff_error *err)
{
    const eff_model_opts o = { 0 };
    *err = (eff_error){ 0 };
    return eff_formats_load(m, spec, &o, err);
}

static void fails(const char *spec, eff_status want, const char *says)
{
    eff_model *m;
    eff_error err;
    const eff_status s = load(&m, spec, &err);
    if (s != want || !strstr(err.msg, says))
        fail_msg("%s: %d \"%s\", expected %d and \"%s\"", spec, s, err.msg, want, says);
    assert_null(m);
}

static char *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s is not there", path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *b = malloc(*n + 1);
    assert_int_equal(fread(b, 1, *n, f), *n);
    b[*n] = '\0';
    fclose(f);
    return b;
}

static void put(const char *path, const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static char *copy(const char *s)
{
    char *c = eff_strdup(s);
    assert_non_null(c);
    return c;
}

/* A model with every field of the metadata in use. */
static eff_model *full_model(void)
{
    eff_model *m = small_model();
    m->meta.class_names = eff_calloc(10, sizeof(char *));
    m->meta.class_ids = eff_calloc(10, sizeof(char *));
    for (int i = 0; i < 10; i++) {
        char s[64];
        snprintf(s, sizeof s, "Kanj\xc4\xabvaram \"%d\" \\ \xf0\x9f\xa5\xbb, sari", i);
        m->meta.class_names[i] = copy(s);
        if (i != 4) m->meta.class_ids[i] = copy(&"n00000001"[i % 3]);
    }
    m->meta.family = copy("timm_tf");
    m->meta.origin = copy("weights by formula");
    m->meta.licence = copy("Apache-2.0");
    m->meta.temperature = 1.3700000000000001;
    m->meta.records[EFF_RECORD_METRICS] = copy("{\"top1\":0.5,\"interval\":[0.25,0.75],\"set\":\"\xc3\xa9\"}");
    m->meta.records[EFF_RECORD_TRAINING] = copy("{\"recipe\":\"transfer\",\"more\":{\"kept\":[null,0.125]}}");
    m->meta.extra = copy("{\"threshold\":0.29999999999999999,\"calibration\":null,\"z\":\"\xc3\xa9\"}");
    m->meta.preprocess = (eff_preprocess){ .geometry = EFF_GEOM_SQUARE,
                                           .filter = EFF_FILTER_TF1_BICUBIC,
                                           .height = 33,
                                           .width = 47,
                                           .fraction = 0.8751,
                                           .mean = { 1.0f / 3, 127, 123.675f },
                                           .std = { 58.395f, 1e-5f, 3e5f } };
    m->table.dropout = 0.1 + 0.2; /* needs all 17 digits */
    m->table.bn_eps = 1e-3;
    return m;
}

static void same_rule(const eff_preprocess *a, const eff_preprocess *b) /* by field: the struct has padding */
{
    assert_int_equal(a->geometry, b->geometry);
    assert_int_equal(a->filter, b->filter);
    assert_int_equal(a->side, b->side);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->width, b->width);
    assert_true(a->fraction == b->fraction);
    assert_memory_equal(a->mean, b->mean, sizeof a->mean);
    assert_memory_equal(a->std, b->std, sizeof a->std);
    assert_int_equal(a->icc, b->icc);
    assert_int_equal(a->scaled_dct, b->scaled_dct);
}

static void same_model(const eff_model *a, const eff_model *b)
{
    assert_string_equal(a->table.name, b->table.name);
    assert_true(a->table.dropout == b->table.dropout && a->table.bn_eps == b->table.bn_eps &&
                a->table.width == b->table.width);
    assert_int_equal(a->graph->nparams, b->graph->nparams);
    for (int p = 0; p < a->graph->nparams; p++)
        assert_memory_equal(a->weights[p], b->weights[p], a->graph->param[p].count * sizeof(float));
    same_rule(&a->meta.preprocess, &b->meta.preprocess);
    for (int i = 0; i < a->table.classes; i++) {
        assert_string_equal(a->meta.class_names[i], b->meta.class_names[i]);
        if (a->meta.class_ids[i]) assert_string_equal(a->meta.class_ids[i], b->meta.class_ids[i]);
        else assert_null(b->meta.class_ids[i]);
    }
    assert_string_equal(a->meta.family, b->meta.family);
    assert_string_equal(a->meta.origin, b->meta.origin);
    assert_string_equal(a->meta.licence, b->meta.licence);
    assert_true(a->meta.temperature == b->meta.temperature);
    for (int i = 0; i < EFF_RECORDS; i++) assert_string_equal(a->meta.records[i], b->meta.records[i]);
    assert_string_equal(a->meta.extra, b->meta.extra);
}

static void test_round_trip(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m = full_model(), *got, *again;
    const char *first = t_tmp("first.effnet"), *second = t_tmp("second.effnet");
    T_OK(eff_formats_save(m, first, &err), err);
    T_OK(load(&got, first, &err), err);
    same_model(m, got);
    assert_string_equal(got->meta.format, "effnet");
    assert_int_equal(got->info.has_class_names, 1);
    assert_string_equal(got->info.licence, "Apache-2.0");
    T_OK(eff_formats_save(got, second, &err), err);
    size_t n1, n2; /* the same model gives the same bytes, however often it went through a file */
    char *b1 = slurp(first, &n1), *b2 = slurp(second, &n2);
    assert_int_equal(n1, n2);
    assert_memory_equal(b1, b2, n1);
    T_OK(load(&again, second, &err), err);
    same_model(m, again);
    free(b1);
    free(b2);
    eff_model_destroy(m);
    eff_model_destroy(got);
    eff_model_destroy(again);
}

/* What the public setters take, refuse by one line (and then change nothing), and put into the file. */
/* The weights of a model file are its own bytes in memory. What is done to them stays in memory; the file may be
 * replaced and removed meanwhile; values are checked wherever they lie in a tensor. */
static void test_mapped(void **state)
{
    (void)state;
    const char *path = t_tmp("mapped.effnet");
    eff_error err = { 0 };
    size_t n, again;
    eff_model *made = small_model(), *m;
    T_OK(eff_formats_save(made, path, &err), err);
    char *before = slurp(path, &n);
    T_OK(load(&m, path, &err), err);
    assert_non_null(m->map.base);
    assert_null(m->weight_block);
    for (int i = 0; i < m->graph->nparams; i++) {
        const size_t count = m->graph->param[i].count;
        assert_memory_equal(m->weights[i], made->weights[i], count * sizeof(float));
        for (size_t j = 0; j < count; j++) m->weights[i][j] += 1;
    }
    char *after = slurp(path, &again);
    assert_int_equal(again, n);
    assert_memory_equal(before, after, n);
    T_OK(eff_formats_save(m, path, &err), err); /* over the file that it is mapped from */
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < m->graph->nparams; i++)
        for (size_t j = 0; j < m->graph->param[i].count; j++)
            assert_true(m->weights[i][j] == made->weights[i][j] + 1);
    eff_model_destroy(m);
    free(before);
    free(after);

    int largest = 0;
    for (int i = 0; i < made->graph->nparams; i++)
        if (made->graph->param[i].count > made->graph->param[largest].count) largest = i;
    const size_t count = made->graph->param[largest].count, at[] = { 0, 255, 256, count / 2, count - 1 };
    assert_true(count > 512);
    for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
        char says[64];
        float *v = &made->weights[largest][at[k]];
        const float was = *v;
        *v = k % 2 ? -INFINITY : NAN;
        T_OK(eff_formats_save(made, path, &err), err);
        snprintf(says, sizeof says, "element %zu: expected a finite value, found %s", at[k], k % 2 ? "-inf" : "nan");
        fails(path, EFF_EFORMAT, says);
        *v = was;
    }
    eff_model_destroy(made);
}

static void test_records(void **state)
{
    (void)state;
    static const double bad[] = { 0, -1, 0.00999, 100.01, NAN, INFINITY, -INFINITY };
    static const char *const no_object[] = { "", "{", "[]", "1", "{\"a\":1,\"a\":2}", "{\"a\":NaN}", "{} {}", "{\"a\":\"\xff\"}" };
    eff_error err = { 0 };
    eff_model *m = small_model(), *got;
    assert_true(eff_model_temperature(m) == 1);
    assert_null(eff_model_record(m, EFF_RECORD_METRICS));
    T_OK(eff_model_set_temperature(m, 1.75, &err), err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(eff_model_set_temperature(m, bad[i], &err), EFF_EARG);
        assert_non_null(strstr(err.msg, "temperature: expected a number in 0.01..100, found "));
    }
    T_OK(eff_model_set_record(m, EFF_RECORD_METRICS, " { \"top1\" : 0.75 }\n", &err), err);
    assert_string_equal(eff_model_record(m, EFF_RECORD_METRICS), "{\"top1\":0.75}");
    for (size_t i = 0; i < sizeof no_object / sizeof *no_object; i++) {
        err.msg[0] = '\0';
        assert_int_equal(eff_model_set_record(m, EFF_RECORD_METRICS, no_object[i], &err), EFF_EARG);
        assert_non_null(strstr(err.msg, "metrics: "));
        assert_null(strchr(err.msg, '\n'));
    }
    char *const large = malloc((1 << 20) + 32);
    memset(large, 'x', 1 << 20);
    memcpy(large, "{\"a\":\"", 6);
    strcpy(large + (1 << 20) - 1, "\"}");
    assert_int_equal(eff_model_set_record(m, EFF_RECORD_TRAINING, large, &err), EFF_EARG);
    strcpy(large + (1 << 20) - 2, "\"}"); /* 1 MiB to the byte */
    T_OK(eff_model_set_record(m, EFF_RECORD_TRAINING, large, &err), err);
    free(large);
    T_OK(eff_model_set_record(m, EFF_RECORD_TRAINING, NULL, &err), err);
    assert_null(eff_model_record(m, EFF_RECORD_TRAINING));
    assert_int_equal(eff_model_set_record(m, (eff_record)2, "{}", &err), EFF_EARG);
    const char *const path = t_tmp("records.effnet");
    T_OK(eff_formats_save(m, path, &err), err);
    T_OK(load(&got, path, &err), err);
    assert_true(eff_model_temperature(got) == 1.75);
    assert_string_equal(eff_model_record(got, EFF_RECORD_METRICS), "{\"top1\":0.75}");
    assert_null(eff_model_record(got, EFF_RECORD_TRAINING));
    eff_model_destroy(got);
    eff_model_destroy(m);
}

/* Nothing optional at all, and every geometry and filter. */
static void test_rules(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m = small_model(), *got;
    for (int g = EFF_GEOM_SHORT; g <= EFF_GEOM_SQUASH; g++)
        for (int f = EFF_FILTER_BILINEAR; f <= EFF_FILTER_TF2_BICUBIC_AA; f++) {
            eff_preprocess p = { .geometry = (eff_geometry)g, .filter = (eff_filter)f, .height = 224, .width = 200 + f,
                                 .mean = { 127, 127, 127 }, .std = { 0.1f, 0.7f, 128.00001f } };
            if (g == EFF_GEOM_SQUARE) p.fraction = 1.0 / (1 + f);
            else p.side = 256 + f;
            p.icc = f % 2;
            p.scaled_dct = (int)(f % 3);
            m->meta.preprocess = p;
            char *text;
            json_t *root;
            T_OK(eff_modelfile_text(&text, m, &err), err);
            T_OK(eff_modelfile_parse(&root, text, &err), err);
            T_OK(eff_model_new(&got, &m->table, &err), err);
            T_OK(eff_modelfile_meta(got, root, &err), err);
            same_rule(&got->meta.preprocess, &p);
            assert_null(got->meta.class_names);
            assert_null(got->meta.family);
            assert_null(got->meta.extra);
            json_decref(root);
            eff_free(text);
            eff_model_destroy(got);
        }
    eff_model_destroy(m);
}

static void test_other_forms(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m = full_model(), *got;
    T_OK(eff_formats_save(m, t_tmp("plain.SafeTensors"), &err), err);
    T_OK(load(&got, t_tmp("plain.SafeTensors"), &err), err);
    assert_string_equal(got->meta.format, "safetensors");
    assert_string_equal(got->meta.family, "neutral");
    assert_null(got->meta.class_names);
    for (int p = 0; p < m->graph->nparams; p++)
        assert_memory_equal(m->weights[p], got->weights[p], m->graph->param[p].count * sizeof(float));
    eff_model_destroy(got);
    T_OK(eff_formats_save(m, t_tmp("table.json"), &err), err);
    T_OK(load(&got, t_tmp("table.json"), &err), err);
    assert_string_equal(got->meta.format, "table");
    assert_null(got->weights);
    assert_true(got->table.dropout == m->table.dropout);
    assert_int_equal(eff_formats_save(got, t_tmp("untrained.effnet"), &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "untrained"));
    eff_model_destroy(got);
    static const char *const wrong[] = { "m.onnx", "m", "effnet", ".effnet", "m.effnet.bak", "" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(eff_formats_save(m, wrong[i], &err), EFF_EARG);
    eff_model_destroy(m);
}

/* ------------------------------------------------------------------------------------- hostile metadata */

static void save_with(const eff_model *m, const char *text, const char *path)
{
    eff_error err = { 0 };
    eff_st_tensor t[400];
    assert_true(m->graph->nparams <= 400);
    for (int p = 0; p < m->graph->nparams; p++) {
        const eff_param *q = &m->graph->param[p];
        t[p] = (eff_st_tensor){ .name = q->name, .dtype = EFF_F32, .ndim = q->ndim, .data = m->weights[p] };
        for (int d = 0; d < q->ndim; d++) t[p].dim[d] = q->dim[d];
    }
    const eff_st_meta meta = { "effnet", text };
    T_OK(eff_safetensors_save(path, t, (size_t)m->graph->nparams, &meta, 1, &err), err);
}

static void test_hostile_metadata(void **state)
{
    (void)state;
    static const struct {
        const char *path, *value; /* "a.b": replaced by the JSON value, removed when that is NULL */
        eff_status want;
        const char *says;
    } changes[] = {
        { "schema", NULL, EFF_EFORMAT, "schema: expected" },
        { "schema", "\"other\"", EFF_EFORMAT, "schema: expected \"effnet-model\", found other" },
        { "schema", "7", EFF_EFORMAT, "schema: expected" },
        { "version", NULL, EFF_EFORMAT, "version: expected" },
        { "version", "\"1\"", EFF_EFORMAT, "version: expected" },
        { "version", "0", EFF_EFORMAT, "version: expected" },
        { "version", "1.5", EFF_EFORMAT, "version: expected" },
        { "version", "2", EFF_EUNSUPPORTED, "version: 2 is newer" },
        { "version", "9223372036854775807", EFF_EUNSUPPORTED, "is newer" },
        { "table", NULL, EFF_EFORMAT, "table: missing" },
        { "table", "[]", EFF_EFORMAT, "table" },
        { "table.classes", "-1", EFF_EFORMAT, "table: classes" },
        { "table.classes", "11", EFF_EFORMAT, "class_names: expected 11 entries, one a class, found 10" },
        { "table.classes", "1e300", EFF_EFORMAT, "table: classes" },
        { "table.surprise", "1", EFF_EFORMAT, "surprise" },
        { "table.stages", "[]", EFF_EFORMAT, "stages" },
        { "table.stem.channels", "24", EFF_EFORMAT,
          "tensor stem.conv.weight: expected shape [24, 3, 3, 3], found [16, 3, 3, 3]" },
        { "table.stem.channels", "4000000000", EFF_EFORMAT, "stem.channels" },
        { "preprocess", NULL, EFF_EFORMAT, "preprocess: missing" },
        { "preprocess", "\"short=2\"", EFF_EFORMAT, "preprocess: expected an object" },
        { "preprocess", "{}", EFF_EFORMAT, "preprocess: expected 5 keys" },
        { "preprocess.mean", NULL, EFF_EFORMAT, "preprocess: expected 5 keys" },
        { "preprocess.extra", "1", EFF_EFORMAT, "preprocess: expected 5 keys" },
        { "preprocess.icc", "\"maybe\"", EFF_EFORMAT, "expected ignore or srgb" },
        { "preprocess.icc", "true", EFF_EFORMAT, "preprocess.icc" },
        { "preprocess.icc", "\"srgb,scaled-dct=on\"", EFF_EFORMAT, "preprocess.icc" },
        { "preprocess.scaled-dct", "1", EFF_EFORMAT, "expected off, on or fast" },
        { "preprocess.mean", "[1,2]", EFF_EFORMAT, "mean" },
        { "preprocess.mean", "[1,2,3,4]", EFF_EFORMAT, "mean" },
        { "preprocess.mean", "[1,2,3,4,5,6,7,8,9]", EFF_EFORMAT, "mean" },
        { "preprocess.mean", "[1,\"2\",3]", EFF_EFORMAT, "mean" },
        { "preprocess.mean", "[]", EFF_EFORMAT, "mean" },
        { "preprocess.std", "[1,0,1]", EFF_EFORMAT, "std" },
        { "preprocess.std", "[1,-1,1]", EFF_EFORMAT, "std" },
        { "preprocess.std", "1e300", EFF_EFORMAT, "std" },
        { "preprocess.filter", "\"nearest\"", EFF_EFORMAT, "filter" },
        { "preprocess.filter", "\"bicubic,size=1\"", EFF_EFORMAT, "preprocess.filter" },
        { "preprocess.filter", "3", EFF_EFORMAT, "filter" },
        { "preprocess.filter", "{}", EFF_EFORMAT, "preprocess.filter" },
        { "preprocess.filter", "null", EFF_EFORMAT, "preprocess.filter" },
        { "preprocess.size", "[0,224]", EFF_EFORMAT, "size" },
        { "preprocess.size", "[224,99999999]", EFF_EFORMAT, "size" },
        { "preprocess.size", "[224.5,224]", EFF_EFORMAT, "size" },
        { "preprocess.square", "0", EFF_EFORMAT, "square" },
        { "preprocess.square", "1.01", EFF_EFORMAT, "square" },
        { "class_names", "{}", EFF_EFORMAT, "class_names: expected an array" },
        { "class_names", "[\"a\"]", EFF_EFORMAT, "class_names: expected 10 entries, one a class, found 1" },
        { "class_names", "[0,1,2,3,4,5,6,7,8,9]", EFF_EFORMAT, "class_names[0]: expected a string" },
        { "class_names", "[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",null,\"a\",\"a\"]", EFF_EFORMAT,
          "class_names[7]: expected a string" },
        { "class_names", "[\"a\",\"b\\n\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]", EFF_EFORMAT,
          "class_names[1]: expected one line" },
        { "class_ids", "[\"\\u001b[2J\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]", EFF_EFORMAT,
          "class_ids[0]: expected one line" },
        { "family", "1", EFF_EFORMAT, "family: expected a string" },
        { "family", "\"\\u007f\"", EFF_EFORMAT, "family: expected one line" },
        { "origin", "[]", EFF_EFORMAT, "origin: expected a string" },
        { "licence", "false", EFF_EFORMAT, "licence: expected a string" },
        { "licence", "null", EFF_OK, "" },
        { "class_ids", "null", EFF_OK, "" },
        { "temperature", "null", EFF_OK, "" },
        { "temperature", "1", EFF_OK, "" },
        { "temperature", "0.01", EFF_OK, "" },
        { "temperature", "100", EFF_OK, "" },
        { "temperature", "0.0099", EFF_EFORMAT, "temperature: expected a number in 0.01..100, found 0.0099" },
        { "temperature", "100.5", EFF_EFORMAT, "temperature: expected a number in 0.01..100" },
        { "temperature", "-1", EFF_EFORMAT, "temperature: expected a number in 0.01..100" },
        { "temperature", "0", EFF_EFORMAT, "temperature: expected a number in 0.01..100" },
        { "temperature", "\"1\"", EFF_EFORMAT, "temperature: expected a number" },
        { "temperature", "[1]", EFF_EFORMAT, "temperature: expected a number" },
        { "metrics", "null", EFF_OK, "" },
        { "metrics", "{}", EFF_OK, "" },
        { "metrics", "[]", EFF_EFORMAT, "metrics: expected a JSON object" },
        { "training", "\"a\"", EFF_EFORMAT, "training: expected a JSON object" },
        { "training", "{\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}", EFF_OK, "" },
        { "training", "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", EFF_EFORMAT, "training: expected at most 16 levels" },
        { "later", "{\"deep\":[[[1]]]}", EFF_OK, "" },
    };
    eff_error err = { 0 };
    eff_model *m = full_model(), *got;
    char *text;
    const char *path = t_tmp("hostile.effnet");
    T_OK(eff_modelfile_text(&text, m, &err), err);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        json_t *root = json_loads(text, 0, NULL), *at = root;
        char key[64], *part = key, *dot;
        snprintf(key, sizeof key, "%s", changes[i].path);
        while ((dot = strchr(part, '.'))) {
            *dot = '\0';
            at = json_object_get(at, part);
            part = dot + 1;
        }
        if (changes[i].value)
            assert_int_equal(json_object_set_new(at, part, json_loads(changes[i].value, JSON_DECODE_ANY, NULL)), 0);
        else json_object_del(at, part);
        char *changed = json_dumps(root, JSON_COMPACT);
        save_with(m, changed, path);
        const eff_status s = load(&got, path, &err);
        if (s != changes[i].want || !strstr(err.msg, changes[i].says))
            fail_msg("%s = %s: %d \"%s\", expected %d and \"%s\"", changes[i].path, changes[i].value, s, err.msg,
                     changes[i].want, changes[i].says);
        eff_model_destroy(got);
        free(changed);
        json_decref(root);
    }
    static const char *const texts[] = {
        "", "{", "null", "[]", "\"effnet-model\"", "{\"schema\":\"effnet-model\",\"schema\":\"effnet-model\"}"
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        save_with(m, texts[i], path);
        fails(path, EFF_EFORMAT, i < 2 || i == 5 ? "not JSON" : "expected");
    }
    /* cut anywhere, the text is refused and nothing is leaked */
    for (size_t n = 0; n < strlen(text); n += 7) {
        char *cut = strndup(text, n);
        json_t *root;
        assert_int_not_equal(eff_modelfile_parse(&root, cut, &err), EFF_OK);
        assert_null(root);
        free(cut);
    }
    eff_free(text);
    /* a name as long as a tensor file may have, and longer */
    char *const longest = malloc(5001);
    memset(longest, 'x', 5000);
    longest[4096] = '\0';
    eff_free(m->meta.origin);
    m->meta.origin = copy(longest);
    T_OK(eff_formats_save(m, path, &err), err);
    T_OK(load(&got, path, &err), err);
    assert_string_equal(got->meta.origin, longest);
    eff_model_destroy(got);
    longest[4096] = 'x';
    longest[4097] = '\0';
    eff_free(m->meta.origin);
    m->meta.origin = copy(longest);
    T_OK(eff_formats_save(m, path, &err), err);
    fails(path, EFF_EFORMAT, "origin: expected at most 4096 bytes");
    free(longest);
    eff_model_destroy(m);
}

static void test_own_file_against_claims(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m = full_model(), *got;
    const char *path = t_tmp("claims.effnet");
    T_OK(eff_formats_save(m, path, &err), err);
    static const struct {
        eff_model_opts o;
        eff_status want;
    } cases[] = {
        { { .family = "timm_tf" }, EFF_OK },
        { { .family = "timm" }, EFF_EARG },
        { { .classes = 10 }, EFF_OK },
        { { .classes = 9 }, EFF_EARG },
        { { .architecture = "b0@width=0.35,depth=0.5" }, EFF_OK },
        { { .architecture = "b0" }, EFF_EARG },
        { { .architecture = "lite0@width=0.35,depth=0.5" }, EFF_EARG },
        { { .architecture = "b0@classes=10" }, EFF_EARG },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const eff_status s = eff_formats_load(&got, path, &cases[i].o, &err);
        if (s != cases[i].want) fail_msg("case %zu: %d %s", i, s, err.msg);
        eff_model_destroy(got);
    }
    const eff_model_opts larger = { .height = 66, .width = 94 };
    T_OK(eff_formats_load(&got, path, &larger, &err), err);
    assert_int_equal(got->table.height, 66);
    assert_int_equal(got->meta.preprocess.width, 94);
    assert_true(got->meta.preprocess.fraction == m->meta.preprocess.fraction);
    eff_model_destroy(got);
    /* tensors that do not fit the table, in an own file */
    m->meta.extra[0] = ' ';
    const char *broken = t_tmp("broken.effnet");
    eff_free(m->meta.extra);
    m->meta.extra = NULL;
    m->weights[eff_graph_find_param(m->graph, "stem.bn.running_var")][2] = -1;
    T_OK(eff_formats_save(m, broken, &err), err);
    fails(broken, EFF_EFORMAT, "tensor stem.bn.running_var: element 2");
    eff_model_destroy(m);
}

/* ------------------------------------------------------------------------------------------ failures */

static void test_save_failures(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m = small_model();
    const char *dir = t_tmp("dir.effnet"), *kept = t_tmp("kept.effnet"), *locked = t_tmp("locked");
    static const char *const forms[] = { "x.effnet", "x.safetensors", "x.json" };
    for (int i = 0; i < 3; i++) assert_int_equal(eff_formats_save(m, t_tmp("nowhere/%s", forms[i]), &err), EFF_EIO);
    assert_int_equal(mkdir(dir, 0777), 0);
    assert_int_equal(eff_formats_save(m, dir, &err), EFF_EIO);
    assert_non_null(strstr(err.msg, "directory"));
    assert_int_equal(rmdir(dir), 0); /* and still empty */
    if (geteuid() != 0) {
        assert_int_equal(mkdir(locked, 0555), 0);
        for (int i = 0; i < 3; i++) assert_int_equal(eff_formats_save(m, t_tmp("locked/%s", forms[i]), &err), EFF_EIO);
        assert_int_equal(chmod(locked, 0755), 0);
    }
    /* a save that cannot be made leaves the old file as it was */
    put(kept, "precious", 8);
    float **const weights = m->weights;
    m->weights = NULL;
    assert_int_equal(eff_formats_save(m, kept, &err), EFF_EARG);
    m->weights = weights;
    size_t n;
    char *b = slurp(kept, &n);
    assert_string_equal(b, "precious");
    free(b);
    eff_model_destroy(m);
}

/* At whatever allocation memory ends: a clear status, nothing leaked, no temporary file left. */
static void test_no_memory(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m = full_model(), *got = NULL;
    const char *path = t_tmp("memory.effnet"), *foreign = t_tmp("memory.pth"), *names = t_tmp("memory.txt");
    T_OK(eff_formats_save(m, path, &err), err);
    t_save_as(m, EFF_FAMILY_LUKEMELAS, EFF_F32, 0, foreign);
    put(names, "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", 20);
    const eff_model_opts o = { 0 };
    for (int what = 0; what < 4; what++) {
        long tried = 0;
        for (eff_status s = EFF_ENOMEM; s != EFF_OK; tried++) {
            eff_alloc_fail_after(tried);
            s = what == 0   ? eff_formats_load(&got, path, &o, &err)
                : what == 1 ? eff_formats_load(&got, foreign, &o, &err)
                : what == 2 ? eff_formats_save(m, path, &err)
                            : eff_formats_read_classes(m, names, &err);
            eff_alloc_fail_after(-1);
            if (s != EFF_OK && s != EFF_ENOMEM) fail_msg("%d, allocation %ld: %d %s", what, tried, s, err.msg);
            if (what < 2 && s != EFF_OK) assert_null(got);
            assert_true(tried < 20000);
        }
        assert_true(tried > 2);
        if (what < 2) eff_model_destroy(got);
    }
    T_OK(load(&got, path, &err), err); /* the last save was whole */
    eff_model_destroy(got);
    eff_model_destroy(m);
}

/* ------------------------------------------------------------------------------------- what MODEL means */

static void test_model_argument(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m;
    fails("b9", EFF_EARG, "efficientnet-b8");
    fails("efficientnet-b00", EFF_EARG, "did you mean");
    fails("zzzzzzzzzzzzzzz", EFF_EARG, "unknown model");
    fails("", EFF_EARG, "");
    fails("efficientnet-b0@classes=0", EFF_EARG, "classes");
    fails("folder/b0", EFF_EFORMAT, "no such file");
    static const char *const missing[] = { "m.effnet", "m.json",  "m.pth",  "m.pt", "m.safetensors",
                                           "m.h5",     "m.keras", "m.onnx", "M.PTH" };
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) fails(missing[i], EFF_EFORMAT, "no such file");
    fails(t_tmp("."), EFF_EFORMAT, "directory");
    put(t_tmp("empty.effnet"), "", 0);
    fails(t_tmp("empty.effnet"), EFF_EFORMAT, "empty");
    put(t_tmp("text.pth"), "hello, world\n", 13);
    fails(t_tmp("text.pth"), EFF_EFORMAT, "text");
    put(t_tmp("almost.json"), " {\"name\": 1", 11);
    fails(t_tmp("almost.json"), EFF_EFORMAT, "not JSON");
    put(t_tmp("twice.json"), "{\"a\":1,\"a\":2}", 13);
    fails(t_tmp("twice.json"), EFF_EFORMAT, "duplicate");
    put(t_tmp("brace"), "{", 1);
    fails(t_tmp("brace"), EFF_EFORMAT, "not JSON");

    /* an existing path wins over a built-in name */
    T_OK(load(&m, "b3", &err), err);
    eff_model *tiny;
    T_OK(load(&tiny, "b0@width=0.35,depth=0.5,name=mine", &err), err);
    char *cwd = getcwd(NULL, 0);
    T_OK(eff_formats_save(tiny, t_tmp("table.json"), &err), err);
    assert_int_equal(rename(t_tmp("table.json"), t_tmp("b3")), 0);
    assert_int_equal(chdir(t_tmp(".")), 0);
    eff_model *found;
    T_OK(load(&found, "b3", &err), err);
    assert_string_equal(found->table.name, "mine");
    assert_int_equal(chdir(cwd), 0);
    free(cwd);
    assert_int_equal(unlink(t_tmp("b3")), 0);
    eff_model_destroy(m);
    eff_model_destroy(tiny);
    eff_model_destroy(found);

    const eff_model_opts o = { .classes = 37, .height = 96, .width = 128 };
    T_OK(eff_formats_load(&m, "lite0", &o, &err), err);
    assert_int_equal(m->table.classes, 37);
    assert_int_equal(m->info.height, 96);
    assert_int_equal(m->meta.preprocess.width, 128);
    assert_string_equal(m->info.format, "builtin");
    eff_model_destroy(m);
    const eff_model_opts wrong[] = {
        { .family = "timm" }, { .architecture = "b1" }, { .classes = -3 }, { .height = 100000 }
    };
    for (int i = 0; i < 4; i++) assert_int_equal(eff_formats_load(&m, "b0", &wrong[i], &err), EFF_EARG);
}

/* ------------------------------------------------------------------------------------------- classes */

static void test_class_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says; /* NULL = good: names a, b, c */
        bool ids;
    } files[] = {
        { "a\nb\nc\n", NULL, false },
        { "a\r\nb\r\nc", NULL, false },
        { "\xef\xbb\xbf" "a\nb\nc\n\n\r\n", NULL, false },
        { "0\ta\n1\tb\n2\tc\n", NULL, false },
        { "2\tc\n0\ta\n1\tb\n", NULL, false },
        { "index\tname\n0\ta\n1\tb\n2\tc\n", NULL, false },
        { "index\tsynset\tname\n0\tn1\ta\n1\tn2\tb\n2\tn3\tc\n", NULL, true },
        { "a\nb\n", "2 class names for a model of 3 classes: class 2 has none", false },
        { "", "0 class names for a model of 3 classes", false },
        { "a\nb\nc\nd\n", "line 4: class 3 is beyond the model's 3 classes", false },
        { "a\n\nc\n", "line 2: empty", false },
        { "0\ta\n1\tb\n1\tc\n", "line 3: class 1 was named before", false },
        { "0\ta\n1\tb\n3\tc\n", "line 3: class 3 is beyond", false },
        { "0\ta\n1\tb\n-1\tc\n", "line 3: expected a class index, found \"-1\"", false },
        { "0\ta\n1\tb\nx\tc\n", "line 3: expected a class index", false },
        { "0\ta\n1\tb\n99999999999\tc\n", "line 3: expected a class index", false },
        { "0\ta\n1\tx\tb\n2\tc\n", "line 2: expected 2 columns as before, found 3", false },
        { "0\ta\n1\tb\nc\n", "line 3: expected 2 columns as before, found 1", false },
        { "0\tx\ty\ta\n", "line 1: expected 2 or 3 columns, found more", false },
        { "0\ta\n1\t\n2\tc\n", "line 2: the name of class 1 is empty", false },
        { "0\ta\n2\tc\n", "2 class names for a model of 3 classes: class 1 has none", false },
        { "a\nb\xff\nc\n", "line 2: byte 2 is not UTF-8", false },
        { "a\n\xc0\x80\nc\n", "line 2: byte 1 is not UTF-8", false },
        { "a\nb\x1b[0m\nc\n", "line 2: byte 2 is a control character", false },
    };
    eff_error err = { 0 };
    eff_model *m;
    T_OK(load(&m, "b0@width=0.35,depth=0.5,classes=3", &err), err);
    const char *path = t_tmp("classes.txt");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        put(path, files[i].text, strlen(files[i].text));
        char **before = m->meta.class_names;
        const eff_status s = eff_formats_read_classes(m, path, &err);
        if (files[i].says) {
            assert_int_equal(s, EFF_EFORMAT);
            if (!strstr(err.msg, files[i].says))
                fail_msg("file %zu: \"%s\", expected \"%s\"", i, err.msg, files[i].says);
            assert_ptr_equal(m->meta.class_names, before);
            continue;
        }
        if (s != EFF_OK) fail_msg("file %zu: %s", i, err.msg);
        for (int k = 0; k < 3; k++) {
            const char want[2] = { (char)('a' + k), 0 };
            assert_string_equal(m->meta.class_names[k], want);
            const char id[3] = { 'n', (char)('1' + k), 0 };
            if (files[i].ids) assert_string_equal(m->meta.class_ids[k], id);
        }
        if (!files[i].ids) assert_null(m->meta.class_ids);
    }
    put(path, "a\0b\nb\nc\n", 8);
    assert_int_equal(eff_formats_read_classes(m, path, &err), EFF_EFORMAT);
    assert_int_equal(eff_formats_read_classes(m, t_tmp("none.txt"), &err), EFF_EFORMAT);
    assert_int_equal(eff_formats_read_classes(m, t_tmp("."), &err), EFF_EFORMAT);
    eff_model_destroy(m);

    /* the names that ship */
    T_OK(load(&m, "b0", &err), err);
    T_OK(eff_formats_read_classes(m, t_data("../../share/imagenet_classes.tsv"), &err), err);
    assert_string_equal(m->meta.class_names[0], "tench, Tinca tinca");
    assert_string_equal(m->meta.class_ids[999], "n15075141");
    for (int i = 1; i < 1000; i++) assert_true(strcmp(m->meta.class_ids[i - 1], m->meta.class_ids[i]) < 0);
    eff_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_rules),
        cmocka_unit_test(test_other_forms),    cmocka_unit_test(test_hostile_metadata),
        cmocka_unit_test(test_own_file_against_claims), cmocka_unit_test(test_save_failures),
        cmocka_unit_test(test_no_memory),      cmocka_unit_test(test_model_argument),
        cmocka_unit_test(test_class_files), cmocka_unit_test(test_records),
        cmocka_unit_test(test_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
