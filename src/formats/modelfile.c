/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata of a model file. Every field is checked before it is believed; top-level fields of later minor
 * additions are kept as they are and written again, so that passing a file through an older effnet loses
 * nothing. */
#include "formats/modelfile.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"
#include "formats/safetensors.h"
#include "image/preprocess.h"
#include "model/table_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA "effnet-model"

enum {
    MAX_RECORD = 1 << 20, /* bytes */
    MAX_DEPTH = 16,       /* levels of a record: far below what the JSON reader takes, so that it can be read back */
    MAX_JSON = 8 << 20    /* bytes: names of 200,000 classes; jansson's tree is some 30 times larger at worst */
};

#define TRY(call)                     \
    do {                              \
        const eff_status s_ = (call); \
        if (s_) return s_;            \
    } while (0)

static const char *const known[] = { "schema",    "version", "table",  "preprocess", "class_names",
                                     "class_ids", "family",  "origin", "licence",    "temperature",
                                     "metrics",   "training" };

static bool is_known(const char *key)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(key, known[i]) == 0) return true;
    return false;
}

static eff_status no_json_memory(eff_error *err)
{
    return eff_fail(err, EFF_ENOMEM, "out of memory for the model file's JSON");
}

/* ---------------------------------------------------------------------------------- preprocessing rule */

/* The object has the keys of eff_preprocess_parse(); its text form is the way in and out, so both say the same. */

static json_t *numbers_to_json(char *text, char separator, size_t want)
{
    json_t *list = json_array();
    for (char *at = text, *next; list && at; at = next) {
        next = strchr(at, separator);
        if (next) *next++ = '\0';
        if (json_array_append_new(list, json_loads(at, JSON_DECODE_ANY, NULL))) {
            json_decref(list);
            return NULL;
        }
    }
    while (list && json_array_size(list) < want) /* "224" stands for 224x224, "127" for all three channels */
        if (json_array_append(list, json_array_get(list, 0))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* Keys that are written only where they say something else than a rule without them. */
static const char *const optional[] = { "icc", "scaled-dct" };

static json_t *preprocess_to_json(const eff_preprocess *p)
{
    char spec[512];
    json_t *o = json_object();
    eff_preprocess_write(p, spec, sizeof spec); /* fits: eight numbers of at most 31 bytes, and words */
    for (char *item = spec, *next; o && item; item = next) {
        next = strchr(item, ',');
        if (next) *next++ = '\0';
        char *value = strchr(item, '=');
        *value++ = '\0';
        json_t *v;
        if (strcmp(item, "filter") == 0 || strcmp(item, optional[0]) == 0 || strcmp(item, optional[1]) == 0)
            v = json_string(value);
        else if (strcmp(item, "crop") == 0 || strcmp(item, "size") == 0) v = numbers_to_json(value, 'x', 2);
        else if (strcmp(item, "mean") == 0 || strcmp(item, "std") == 0) v = numbers_to_json(value, ':', 3);
        else v = json_loads(value, JSON_DECODE_ANY, NULL);
        if (json_object_set_new(o, item, v)) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

/* Append v as the text form writes it; false when it does not fit or is of no such type. */
static bool append_value(char *spec, size_t size, const json_t *v)
{
    char *const at = spec + strlen(spec);
    const int room = (int)(size - strlen(spec));
    if (json_is_string(v)) return snprintf(at, (size_t)room, "%s", json_string_value(v)) < room;
    if (json_is_integer(v)) return snprintf(at, (size_t)room, "%lld", (long long)json_integer_value(v)) < room;
    if (!json_is_real(v)) return false;
    const int n = eff_number_print(at, (size_t)room, "%.17g", json_real_value(v));
    if (n >= room - 2) return false;
    if (!at[strspn(at, "-0123456789")]) strcpy(at + n, ".0"); /* 224.0 is no number of pixels */
    return true;
}

static eff_status preprocess_from_json(eff_preprocess *out, const json_t *o, eff_error *err)
{
    char spec[512] = "";
    const char *key;
    json_t *v;
    if (!json_is_object(o)) return eff_fail(err, EFF_EFORMAT, "preprocess: expected an object");
    size_t want = 5;
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
        if (json_object_get(o, optional[i])) want++;
    if (json_object_size(o) != want)
        return eff_fail(err, EFF_EFORMAT,
                        "preprocess: expected 5 keys (short, square or squash; filter; crop or size; mean; std)"
                        " besides icc and scaled-dct, found %zu",
                        json_object_size(o) + 5 - want);
    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        const size_t n = strlen(spec);
        bool ok = snprintf(spec + n, sizeof spec - n, "%s%.20s=", n ? "," : "", key) < (int)(sizeof spec - n);
        const char *separator = strcmp(key, "mean") == 0 || strcmp(key, "std") == 0 ? ":" : "x";
        if (json_is_array(v)) {
            for (size_t i = 0; ok && i < json_array_size(v); i++) {
                ok = i < 4 && json_is_number(json_array_get(v, i)) &&
                     append_value(spec, sizeof spec - 2, json_array_get(v, i));
                if (ok && i + 1 < json_array_size(v)) strcat(spec, separator);
            }
        } else if (ok) {
            ok = append_value(spec, sizeof spec, v);
        }
        if (!ok || strpbrk(spec + n + 1, ",")) /* a string could carry keys of its own */
            return eff_fail(err, EFF_EFORMAT, "preprocess.%.40s: expected a number, numbers or a name", key);
    }
    eff_preprocess p = { 0 };
    const eff_status s = eff_preprocess_read(&p, spec, err);
    if (s == EFF_EARG) {
        if (err) err->code = EFF_EFORMAT;
        return EFF_EFORMAT;
    }
    if (s == EFF_OK) *out = p;
    return s;
}

/* --------------------------------------------------------------------------------------------- reading */

static eff_status line_of(const char **out, const char *field, const json_t *v, eff_error *err)
{
    if (!json_is_string(v)) return eff_fail(err, EFF_EFORMAT, "%s: expected a string", field);
    if (json_string_length(v) > EFF_META_LINE)
        return eff_fail(err, EFF_EFORMAT, "%s: expected at most %d bytes, found %zu", field, EFF_META_LINE,
                        json_string_length(v));
    if (!eff_utf8_is_line(json_string_value(v), json_string_length(v)))
        return eff_fail(err, EFF_EFORMAT, "%s: expected one line of text, found a control character", field);
    *out = json_string_value(v);
    return EFF_OK;
}

static eff_status read_line(char **out, const char *field, const json_t *root, eff_error *err)
{
    const json_t *v = json_object_get(root, field);
    const char *s;
    if (!v || json_is_null(v)) return EFF_OK;
    TRY(line_of(&s, field, v, err));
    *out = eff_strdup(s);
    return *out ? EFF_OK : eff_fail_memory(err, strlen(s));
}

static eff_status read_lines(char ***out, const char *field, const json_t *root, int classes, bool holes,
                             eff_error *err)
{
    const json_t *list = json_object_get(root, field);
    if (!list || json_is_null(list)) return EFF_OK;
    if (!json_is_array(list)) return eff_fail(err, EFF_EFORMAT, "%s: expected an array", field);
    if (json_array_size(list) != (size_t)classes)
        return eff_fail(err, EFF_EFORMAT, "%s: expected %d entries, one a class, found %zu", field, classes,
                        json_array_size(list));
    if (!classes) return EFF_OK;
    *out = eff_calloc((size_t)classes, sizeof **out); /* the model frees it, also when this stops half way */
    if (!*out) return eff_fail_memory(err, (size_t)classes * sizeof **out);
    for (int i = 0; i < classes; i++) {
        char at[48];
        const char *s;
        const json_t *v = json_array_get(list, (size_t)i);
        if (holes && json_is_null(v)) continue;
        snprintf(at, sizeof at, "%s[%d]", field, i);
        TRY(line_of(&s, at, v, err));
        (*out)[i] = eff_strdup(s);
        if (!(*out)[i]) return eff_fail_memory(err, strlen(s));
    }
    return EFF_OK;
}

eff_status eff_modelfile_check_temperature(double t, eff_status code, eff_error *err)
{
    if (t >= EFF_TEMPERATURE_LEAST && t <= EFF_TEMPERATURE_MOST) return EFF_OK;
    return eff_fail(err, code, "temperature: expected a number in %g..%g, found %g", EFF_TEMPERATURE_LEAST,
                    EFF_TEMPERATURE_MOST, t);
}

static eff_status read_temperature(double *out, const json_t *root, eff_error *err)
{
    const json_t *v = json_object_get(root, "temperature");
    if (!v || json_is_null(v)) return EFF_OK;
    if (!json_is_number(v)) return eff_fail(err, EFF_EFORMAT, "temperature: expected a number");
    TRY(eff_modelfile_check_temperature(json_number_value(v), EFF_EFORMAT, err));
    *out = json_number_value(v);
    return EFF_OK;
}

static bool is_deeper(const json_t *v, int levels)
{
    const char *key;
    json_t *child;
    size_t i;
    if (!json_is_object(v) && !json_is_array(v)) return false;
    if (levels == 0) return true;
    json_object_foreach((json_t *)(uintptr_t)v, key, child)
        if (is_deeper(child, levels - 1)) return true;
    json_array_foreach(v, i, child)
        if (is_deeper(child, levels - 1)) return true;
    return false;
}

const char *eff_modelfile_record_key(eff_record which) { return which == EFF_RECORD_METRICS ? "metrics" : "training"; }

eff_status eff_modelfile_record(char **out, eff_record which, const json_t *v, eff_status code, eff_error *err)
{
    const char *const key = eff_modelfile_record_key(which);
    *out = NULL;
    if (!json_is_object(v)) return eff_fail(err, code, "%s: expected a JSON object", key);
    if (is_deeper(v, MAX_DEPTH))
        return eff_fail(err, code, "%s: expected at most %d levels of objects and arrays", key, MAX_DEPTH);
    char *const text = json_dumps(v, JSON_COMPACT);
    if (!text) return no_json_memory(err);
    const size_t n = strlen(text);
    if (n <= MAX_RECORD) *out = eff_strdup(text);
    free(text); /* jansson's */
    if (n > MAX_RECORD) return eff_fail(err, code, "%s: expected at most %d bytes, found %zu", key, MAX_RECORD, n);
    return *out ? EFF_OK : eff_fail_memory(err, n);
}

static eff_status read_records(char **out, const json_t *root, eff_error *err)
{
    for (int i = 0; i < EFF_RECORDS; i++) {
        const json_t *const v = json_object_get(root, eff_modelfile_record_key((eff_record)i));
        if (v && !json_is_null(v)) TRY(eff_modelfile_record(&out[i], (eff_record)i, v, EFF_EFORMAT, err));
    }
    return EFF_OK;
}

eff_status eff_modelfile_parse(json_t **root, const char *text, eff_error *err)
{
    json_t *j;
    *root = NULL;
    const size_t n = strlen(text);
    if (n > MAX_JSON) return eff_fail(err, EFF_EFORMAT, "metadata: expected at most %d bytes, found %zu", MAX_JSON, n);
    eff_status s = eff_json_parse(&j, text, n, "metadata", err);
    if (s != EFF_OK) return s;
    const json_t *schema = json_object_get(j, "schema"), *version = json_object_get(j, "version");
    if (!json_is_object(j))
        s = eff_fail(err, EFF_EFORMAT, "metadata: expected a JSON object");
    else if (!json_is_string(schema) || strcmp(json_string_value(schema), SCHEMA) != 0)
        s = eff_fail(err, EFF_EFORMAT, "schema: expected \"" SCHEMA "\", found %s%.40s",
                     json_is_string(schema) ? "" : "none", json_is_string(schema) ? json_string_value(schema) : "");
    else if (!json_is_integer(version) || json_integer_value(version) < 1)
        s = eff_fail(err, EFF_EFORMAT, "version: expected a whole number from 1 up");
    else if (json_integer_value(version) > EFF_MODELFILE_VERSION)
        s = eff_fail(err, EFF_EUNSUPPORTED, "version: %lld is newer than this effnet reads (%d)",
                     (long long)json_integer_value(version), EFF_MODELFILE_VERSION);
    if (s == EFF_OK) *root = j;
    else json_decref(j);
    return s;
}

eff_status eff_modelfile_table(eff_table *t, const json_t *root, eff_error *err)
{
    const json_t *v = json_object_get(root, "table");
    if (!v) return eff_fail(err, EFF_EFORMAT, "table: missing");
    const eff_status s = eff_table_from_json(t, v, err);
    if (s != EFF_OK) eff_error_prefix(err, "table");
    return s;
}

static eff_status read_extra(char **out, const json_t *root, eff_error *err)
{
    json_t *rest = json_object();
    const char *key;
    json_t *v;
    bool ok = rest != NULL;
    json_object_foreach((json_t *)(uintptr_t)root, key, v)
        if (ok && !is_known(key)) ok = json_object_set(rest, key, v) == 0;
    char *text = ok && json_object_size(rest) ? json_dumps(rest, JSON_COMPACT) : NULL;
    if (!ok || (json_object_size(rest) && !text)) {
        json_decref(rest);
        return no_json_memory(err);
    }
    json_decref(rest);
    if (!text) return EFF_OK;
    *out = eff_strdup(text);
    free(text); /* jansson's */
    return *out ? EFF_OK : eff_fail_memory(err, 0);
}

eff_status eff_modelfile_meta(eff_model *m, const json_t *root, eff_error *err)
{
    eff_meta *meta = &m->meta;
    const json_t *p = json_object_get(root, "preprocess");
    if (!p) return eff_fail(err, EFF_EFORMAT, "preprocess: missing");
    TRY(preprocess_from_json(&meta->preprocess, p, err));
    TRY(read_lines(&meta->class_names, "class_names", root, m->table.classes, false, err));
    TRY(read_lines(&meta->class_ids, "class_ids", root, m->table.classes, true, err));
    TRY(read_line(&meta->family, "family", root, err));
    TRY(read_line(&meta->origin, "origin", root, err));
    TRY(read_line(&meta->licence, "licence", root, err));
    TRY(read_temperature(&meta->temperature, root, err));
    TRY(read_records(meta->records, root, err));
    return read_extra(&meta->extra, root, err);
}

/* --------------------------------------------------------------------------------------------- writing */

static json_t *lines_to_json(char **s, int n)
{
    json_t *list = json_array();
    for (int i = 0; list && i < n; i++)
        if (json_array_append_new(list, s[i] ? json_string(s[i]) : json_null())) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* False also for a NULL v. */
static bool set(json_t *o, const char *key, json_t *v) { return json_object_set_new(o, key, v) == 0; }

static bool set_line(json_t *o, const char *key, const char *s) { return !s || set(o, key, json_string(s)); }

static bool set_records(json_t *o, char *const *record)
{
    for (int i = 0; i < EFF_RECORDS; i++)
        if (record[i] && !set(o, eff_modelfile_record_key((eff_record)i), json_loads(record[i], 0, NULL))) return false;
    return true;
}

eff_status eff_modelfile_text(char **out, const eff_model *m, eff_error *err)
{
    const eff_meta *meta = &m->meta;
    const int n = m->table.classes;
    *out = NULL;
    json_t *o = json_object(), *extra = NULL;
    bool ok = o && set(o, "schema", json_string(SCHEMA)) && set(o, "version", json_integer(EFF_MODELFILE_VERSION)) &&
              set(o, "table", eff_table_to_json(&m->table)) &&
              set(o, "preprocess", preprocess_to_json(&meta->preprocess)) &&
              (!meta->class_names || set(o, "class_names", lines_to_json(meta->class_names, n))) &&
              (!meta->class_ids || set(o, "class_ids", lines_to_json(meta->class_ids, n))) &&
              set_line(o, "family", meta->family) && set_line(o, "origin", meta->origin) &&
              set_line(o, "licence", meta->licence) &&
              (!(meta->temperature > 0) || set(o, "temperature", json_real(meta->temperature))) &&
              set_records(o, meta->records);
    if (ok && meta->extra) {
        extra = json_loads(meta->extra, 0, NULL);
        ok = extra && json_object_update_missing(o, extra) == 0;
    }
    char *text = ok ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(extra);
    json_decref(o);
    if (!text) return no_json_memory(err);
    const size_t length = strlen(text);
    if (length <= MAX_JSON) *out = eff_strdup(text);
    free(text);
    if (length > MAX_JSON)
        return eff_fail(err, EFF_EARG, "metadata: at most %d bytes can be read back, this model's are %zu", MAX_JSON,
                        length);
    return *out ? EFF_OK : eff_fail_memory(err, length);
}

eff_status eff_modelfile_save(const eff_model *m, const char *path, bool tensors_only, eff_error *err)
{
    const eff_graph *g = m->graph;
    if (!m->weights)
        return eff_fail(err, EFF_EARG,
                        "%s is untrained: there are no weights to save (its table can be saved as .json)",
                        m->table.name);
    eff_status s = EFF_OK;
    char *text = NULL;
    eff_st_tensor *t = eff_calloc((size_t)g->nparams, sizeof *t);
    if (!t) return eff_fail_memory(err, (size_t)g->nparams * sizeof *t);
    for (int p = 0; p < g->nparams; p++) {
        const eff_param *q = &g->param[p];
        t[p] = (eff_st_tensor){ .name = q->name, .dtype = EFF_F32, .ndim = q->ndim, .data = m->weights[p] };
        for (int i = 0; i < q->ndim; i++) t[p].dim[i] = q->dim[i];
    }
    if (!tensors_only) s = eff_modelfile_text(&text, m, err);
    const eff_st_meta meta[] = { { "format", "pt" }, { EFF_MODELFILE_KEY, text } };
    if (s == EFF_OK) s = eff_safetensors_save(path, t, (size_t)g->nparams, meta, tensors_only ? 1 : 2, err);
    eff_free(text);
    eff_free(t);
    return s;
}
