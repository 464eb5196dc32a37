/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions of models. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "fetch/digest.h"
#include "formats/checkpoint.h"
#include "formats/formats.h"
#include "formats/modelfile.h"
#include "infer/engine.h"
#include "jail/jail.h"
#include "model/average.h"
#include "model/compound.h"
#include "model/table_json.h"
#include "train/transfer.h"

#include <effnet/care.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

EFF_API void eff_jail_enable(int on) { eff_jail_set(on != 0); }

EFF_API void eff_model_opts_init(eff_model_opts *o) { *o = (eff_model_opts){ 0 }; }

/* Add what only the layers above model/ can tell. On failure *m is released. */
static eff_status complete(eff_model **m, eff_error *err)
{
    (*m)->info.activation_bytes = eff_activation_peak((*m)->graph);
    if ((*m)->info.activation_bytes) return EFF_OK; /* no network runs in nothing: planning found no memory */
    eff_model_destroy(*m);
    *m = NULL;
    return eff_fail(err, EFF_ENOMEM, "out of memory for planning the network");
}

EFF_API eff_status eff_model_load(eff_model **out, const char *spec, const eff_model_opts *o, eff_error *err)
{
    eff_model_opts defaults;
    if (!out || !spec) return eff_fail(err, EFF_EARG, "eff_model_load: out and spec are needed");
    *out = NULL;
    if (!o) {
        eff_model_opts_init(&defaults);
        o = &defaults;
    }
    const eff_status s = eff_formats_load(out, spec, o, err);
    return s == EFF_OK ? complete(out, err) : s;
}

EFF_API eff_status eff_model_scale(eff_model **out, const eff_model *base, double width, double depth, int resolution,
                                   eff_error *err)
{
    if (!out || !base) return eff_fail(err, EFF_EARG, "eff_model_scale: out and base are needed");
    const eff_status s = eff_scale_model(out, base, width, depth, resolution, err);
    return s == EFF_OK ? complete(out, err) : s;
}

EFF_API eff_status eff_model_scale_compound(eff_model **out, const eff_model *base, eff_compound *c, eff_error *err)
{
    if (!out || !base || !c) return eff_fail(err, EFF_EARG, "eff_model_scale_compound: out, base and c are needed");
    const eff_status s = eff_scale_compound(out, base, c, err);
    return s == EFF_OK ? complete(out, err) : s;
}

EFF_API int eff_model_features(const eff_model *m) { return eff_graph_features(m->graph); }

EFF_API eff_status eff_model_with_head(eff_model **out, const eff_model *from, int classes, uint64_t seed, eff_error *err)
{
    if (!out || !from) return eff_fail(err, EFF_EARG, "eff_model_with_head: out and from are needed");
    *out = NULL;
    if (!from->weights)
        return eff_fail(err, EFF_EARG, "%s is an untrained architecture, its head is not worth changing", from->table.name);
    if (classes < 0 || classes > EFF_MAX_CLASSES)
        return eff_fail(err, EFF_EARG, "classes: expected 0..%d, found %d", EFF_MAX_CLASSES, classes);
    char note[64];
    snprintf(note, sizeof note, "{\"head\":\"new, not trained\",\"seed\":%lld}", (long long)seed);
    eff_status s = eff_model_adapt(out, from, classes, 0, seed, err);
    if (s == EFF_OK && classes) s = eff_model_set_record(*out, EFF_RECORD_TRAINING, note, err);
    if (s == EFF_OK) return complete(out, err);
    eff_model_destroy(*out);
    *out = NULL;
    return s;
}

EFF_API eff_status eff_average_check(const eff_model *a, const eff_model *b, eff_error *err)
{
    if (!a || !b) return eff_fail(err, EFF_EARG, "eff_average_check: two models are needed");
    return eff_average_fits(a, b, err);
}

EFF_API eff_status eff_model_average(eff_model **out, const eff_model *const *models, int n, double decay, eff_error *err)
{
    if (!out || !models) return eff_fail(err, EFF_EARG, "eff_model_average: out and models are needed");
    const eff_status s = eff_average_models(out, models, n, decay, err);
    return s == EFF_OK ? complete(out, err) : s;
}

EFF_API eff_status eff_file_sha256(const char *path, char hex[65], uint64_t *bytes, eff_error *err)
{
    int fd;
    uint64_t size;
    if (!path || !hex) return eff_fail(err, EFF_EARG, "eff_file_sha256: path and hex are needed");
    eff_status s = eff_file_open(path, &fd, &size, err);
    if (s != EFF_OK) return s;
    s = eff_digest_file(fd, hex, &size, NULL, NULL, err);
    close(fd);
    if (s == EFF_OK && bytes) *bytes = size;
    return s;
}

/* Add file `i` of the checkpoint. */
static eff_status digest_member(eff_digest *d, const eff_checkpoint *c, size_t i, uint64_t *bytes, eff_error *err)
{
    int fd;
    uint64_t size;
    char *const path = c->file(c, i);
    if (!path) return eff_fail_memory(err, 256);
    eff_status s = eff_file_open(path, &fd, &size, err);
    if (s == EFF_OK) {
        s = eff_digest_add_file(d, fd, bytes, NULL, NULL, err);
        close(fd);
    }
    const char *const slash = strrchr(path, '/');
    if (s != EFF_OK) eff_error_prefix(err, "%.200s", slash ? slash + 1 : path);
    eff_free(path);
    return s;
}

EFF_API eff_status eff_checkpoint_sha256(const eff_checkpoint *c, char hex[65], uint64_t *bytes, size_t *files, eff_error *err)
{
    eff_digest d;
    if (!c || !hex || !bytes || !files)
        return eff_fail(err, EFF_EARG, "eff_checkpoint_sha256: a checkpoint, hex, bytes and files are needed");
    *bytes = 0;
    *files = c->files;
    if (!c->files) return EFF_OK;
    eff_status s = eff_digest_begin(&d, err);
    for (size_t i = 0; s == EFF_OK && i < c->files; i++) s = digest_member(&d, c, i, bytes, err);
    if (!eff_digest_end(&d, hex) && s == EFF_OK) s = eff_fail(err, EFF_ENOMEM, "SHA-256 cannot be computed");
    return s;
}

EFF_API void eff_model_free(eff_model *m) { eff_model_destroy(m); }

EFF_API eff_status eff_model_init(eff_model *m, uint64_t seed, eff_error *err) { return eff_model_init_weights(m, seed, err); }

EFF_API eff_status eff_model_save(const eff_model *m, const char *path, eff_error *err)
{
    if (!m || !path) return eff_fail(err, EFF_EARG, "eff_model_save: model and path are needed");
    return eff_formats_save(m, path, err);
}

EFF_API eff_status eff_model_set_classes(eff_model *m, const char *path, eff_error *err)
{
    const eff_status s = eff_formats_read_classes(m, path, err);
    if (s == EFF_OK) m->info.has_class_names = 1;
    return s;
}

EFF_API void eff_model_set_preprocess(eff_model *m, const eff_preprocess *p) { m->meta.preprocess = *p; }

static eff_status check_line(const char *field, const char *s, eff_error *err)
{
    if (!s) return EFF_OK;
    const size_t n = strlen(s);
    if (n <= EFF_META_LINE && eff_utf8_is_line(s, n)) return EFF_OK;
    return eff_fail(err, EFF_EARG, "%s: expected one line of UTF-8 text of at most %d bytes", field, EFF_META_LINE);
}

EFF_API eff_status eff_model_set_origin(eff_model *m, const char *origin, const char *licence, eff_error *err)
{
    eff_status s = check_line("origin", origin, err);
    if (s == EFF_OK) s = check_line("licence", licence, err);
    if (s != EFF_OK) return s;
    char *const o = origin ? eff_strdup(origin) : NULL, *const l = licence ? eff_strdup(licence) : NULL;
    if ((origin && !o) || (licence && !l)) { /* neither is changed */
        eff_free(o);
        eff_free(l);
        return eff_fail_memory(err, (size_t)2 * EFF_META_LINE);
    }
    eff_free(m->meta.origin);
    eff_free(m->meta.licence);
    m->meta.origin = o;
    m->meta.licence = l;
    m->info.origin = m->meta.origin;
    m->info.licence = m->meta.licence;
    return EFF_OK;
}

EFF_API double eff_model_temperature(const eff_model *m) { return m->meta.temperature > 0 ? m->meta.temperature : 1; }

EFF_API eff_status eff_model_set_temperature(eff_model *m, double temperature, eff_error *err)
{
    const eff_status s = eff_modelfile_check_temperature(temperature, EFF_EARG, err);
    if (s == EFF_OK) m->meta.temperature = temperature;
    return s;
}

EFF_API const char *eff_model_record(const eff_model *m, eff_record which)
{
    return (int)which >= 0 && (int)which < EFF_RECORDS ? m->meta.records[which] : NULL;
}

EFF_API eff_status eff_model_set_record(eff_model *m, eff_record which, const char *json, eff_error *err)
{
    if ((int)which < 0 || (int)which >= EFF_RECORDS)
        return eff_fail(err, EFF_EARG, "record: there is none of number %d", (int)which);
    char *text = NULL;
    if (json) {
        json_t *j;
        eff_status s = eff_json_parse(&j, json, strlen(json), eff_modelfile_record_key(which), err);
        if (s == EFF_OK) s = eff_modelfile_record(&text, which, j, EFF_EARG, err);
        json_decref(j);
        if (s == EFF_EFORMAT) { /* here the text is the caller's argument */
            if (err) err->code = EFF_EARG;
            return EFF_EARG;
        }
        if (s != EFF_OK) return s;
    }
    eff_free(m->meta.records[which]);
    m->meta.records[which] = text;
    return EFF_OK;
}

EFF_API const eff_preprocess *eff_model_get_preprocess(const eff_model *m) { return &m->meta.preprocess; }
EFF_API const eff_model_info *eff_model_get_info(const eff_model *m) { return &m->info; }

EFF_API const char *eff_model_class_name(const eff_model *m, int i)
{
    return m->meta.class_names && i >= 0 && i < m->table.classes ? m->meta.class_names[i] : NULL;
}

/* "tench, Tinca tinca": the first synonym is "tench". */
static int is_first_synonym(const char *name, const char *s)
{
    const size_t n = strlen(s);
    return !strncmp(name, s, n) && name[n] == ',';
}

EFF_API int eff_model_find_class(const eff_model *m, const char *s)
{
    const int n = m->table.classes;
    char **const names = m->meta.class_names, **const ids = m->meta.class_ids;
    for (int i = 0; i < n; i++)
        if ((names && !strcmp(names[i], s)) || (ids && ids[i] && !strcmp(ids[i], s))) return i;
    for (int i = 0; names && i < n; i++)
        if (is_first_synonym(names[i], s)) return i;
    char *end;
    const long v = strtol(s, &end, 10);
    return *s >= '0' && *s <= '9' && !*end && v < n ? (int)v : -1;
}

EFF_API char *eff_model_table_json(const eff_model *m)
{
    json_t *j = eff_table_to_json(&m->table);
    if (!j) return NULL;
    char *text = json_dumps(j, JSON_INDENT(2));
    json_decref(j);
    return text;
}

EFF_API int eff_model_tensor_count(const eff_model *m) { return m->graph->nparams; }

EFF_API const float *eff_model_tensor(const eff_model *m, int i, eff_tensor_info *info)
{
    if (i < 0 || i >= m->graph->nparams) return NULL;
    const eff_param *p = &m->graph->param[i];
    if (info) {
        *info = (eff_tensor_info){ .name = p->name, .dtype = "F32", .ndim = p->ndim };
        for (int d = 0; d < p->ndim; d++) info->shape[d] = p->dim[d];
    }
    return m->weights ? m->weights[i] : NULL;
}
