/* SPDX-License-Identifier: Apache-2.0 */
/* The space's JSON schema (docs/search.md). Reading goes field by field and refuses what it does not know; writing
 * gives the base as a table and every stage its own lists, so that what is read back is the same space. */
#include "search/space.h"

#include "base/file.h"
#include "base/json_fields.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/utf8.h"
#include "model/table_json.h"
#include "search/space_shipped.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 20 };

static const char *const offered[] = { "conv", "dsconv", "mbconv", "fused" }; /* the first of eff_op, in its order */
enum { NOFFERED = sizeof offered / sizeof *offered };

/* ------------------------------------------------------------------------------------------- options */

static void read_op(eff_json_reader *r, const char *key, const json_t *v, double *out)
{
    if (!json_is_string(v)) {
        eff_json_wrong_type(r, key, "an operator", v);
        return;
    }
    const char *const op = json_string_value(v);
    char list[64];
    int n;
    for (int i = 0; i < NOFFERED; i++)
        if (strcmp(op, offered[i]) == 0) {
            *out = i;
            return;
        }
    eff_name_list(list, sizeof list, offered, NOFFERED);
    const char *const *const known = eff_op_names(&n);
    const char *const near_op = eff_nearest_name(op, offered, NOFFERED);
    for (int i = NOFFERED; i < n; i++)
        if (strcmp(op, known[i]) == 0) {
            r->status =
                eff_fail(r->err, EFF_EFORMAT, "%s%s: %s is not offered in a search; expected %s", r->at, key, op, list);
            return;
        }
    if (near_op)
        r->status =
            eff_fail(r->err, EFF_EFORMAT, "%s%s: unknown operator '%.40s'; did you mean %s?", r->at, key, op, near_op);
    else
        r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: unknown operator '%.40s'; expected %s", r->at, key, op, list);
}

static void read_whole(eff_json_reader *r, const char *key, const json_t *v, int lo, int hi, double *out)
{
    int x = 0;
    eff_json_take_int(r, key, v, &x);
    if (r->status) return;
    if (x < lo || x > hi)
        r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: expected %d..%d, found %d", r->at, key, lo, hi, x);
    *out = x;
}

static void read_kernel(eff_json_reader *r, const char *key, const json_t *v, double *out)
{
    int x = 0;
    eff_json_take_int(r, key, v, &x);
    if (r->status) return;
    if (x < 1 || x > EFF_MAX_KERNEL || x % 2 == 0)
        r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: expected an odd number in 1..%d, found %d", r->at, key,
                             EFF_MAX_KERNEL, x);
    *out = x;
}

static void read_number(eff_json_reader *r, const char *key, const json_t *v, double lo, double hi, double *out)
{
    if (!json_is_number(v)) {
        eff_json_wrong_type(r, key, "a number", v);
        return;
    }
    *out = json_number_value(v);
    if (!(*out >= lo && *out <= hi))
        r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: expected %g..%g, found %g", r->at, key, lo, hi, *out);
}

static void read_option(eff_json_reader *r, eff_field f, const char *key, const json_t *v, double *out)
{
    switch (f) {
    case EFF_FIELD_OP: read_op(r, key, v, out); break;
    case EFF_FIELD_KERNEL: read_kernel(r, key, v, out); break;
    case EFF_FIELD_EXPAND: read_number(r, key, v, 1, EFF_MAX_EXPAND, out); break;
    case EFF_FIELD_SE: read_number(r, key, v, 0, EFF_MAX_SE, out); break;
    case EFF_FIELD_SKIP:
        if (json_is_boolean(v))
            *out = json_is_true(v);
        else
            eff_json_wrong_type(r, key, "true or false", v);
        break;
    case EFF_FIELD_FILTERS: read_number(r, key, v, EFF_MIN_COEF, EFF_MAX_COEF, out); break;
    default: read_whole(r, key, v, -EFF_MAX_REPEATS, EFF_MAX_REPEATS, out); break;
    }
}

static json_t *option_to_json(eff_field f, double v)
{
    switch (f) {
    case EFF_FIELD_OP: return json_string(eff_op_name((eff_op)v));
    case EFF_FIELD_KERNEL:
    case EFF_FIELD_LAYERS: return json_integer((json_int_t)v);
    case EFF_FIELD_SKIP: return json_boolean(v != 0);
    default: return json_real(v);
    }
}

/* The options of a field into *d; one that is left out is left as it is. */
static void read_options(eff_json_reader *r, eff_field f, eff_decision *d)
{
    const char *const name = eff_field_name(f);
    const json_t *const v = eff_json_find(r, name);
    if (!v) return;
    if (!json_is_array(v)) {
        eff_json_wrong_type(r, name, "a list of options", v);
        return;
    }
    const size_t n = json_array_size(v);
    if (n < 1 || n > EFF_MAX_OPTIONS) {
        r->status =
            eff_fail(r->err, EFF_EFORMAT, "%s%s: expected 1..%d options, found %zu", r->at, name, EFF_MAX_OPTIONS, n);
        return;
    }
    *d = (eff_decision){ .field = f, .n = (int)n };
    for (int i = 0; i < d->n && !r->status; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s[%d]", name, i);
        read_option(r, f, key, json_array_get(v, (size_t)i), &d->option[i]);
        for (int k = 0; k < i && !r->status; k++)
            if (d->option[k] == d->option[i])
                r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: the same option as %s[%d]", r->at, key, name, k);
    }
}

/* ------------------------------------------------------------------------------------------- stages */

/* Lists that hold for every stage without its own; n = 0 where there is none. */
typedef struct defaults {
    eff_decision field[EFF_FIELDS];
} defaults;

static eff_status read_defaults(defaults *out, eff_json_reader *outer)
{
    eff_json_reader r;
    if (!eff_json_enter(&r, outer, "choices")) return outer->status;
    eff_json_known_keys(&r, eff_field_names(), EFF_FIELDS);
    for (int f = 0; f < EFF_FIELDS; f++) read_options(&r, (eff_field)f, &out->field[f]);
    return r.status;
}

/* The decisions of stage i: `v` is its object, or NULL where the file lists no stages. */
static eff_status read_stage(eff_space *s, const json_t *v, int i, const defaults *all, eff_error *err)
{
    const char *keys[EFF_FIELDS + 1] = { "fixed" };
    memcpy(keys + 1, eff_field_names(), EFF_FIELDS * sizeof *keys);
    eff_json_reader r = { .obj = v, .err = err };
    defaults own = *all;
    bool fixed = false;
    if (v) {
        if (!json_is_object(v))
            return eff_fail(err, EFF_EFORMAT, "stages[%d]: expected an object, found %s", i, eff_json_type(v));
        snprintf(r.at, sizeof r.at, "stages[%d].", i);
        eff_json_known_keys(&r, keys, EFF_FIELDS + 1);
        eff_json_read_bool(&r, "fixed", &fixed);
        for (int f = 0; f < EFF_FIELDS && !r.status; f++) {
            if (fixed && json_object_get(v, eff_field_name((eff_field)f)))
                return eff_fail(err, EFF_EFORMAT, "stages[%d].%s: a fixed stage has no options", i,
                                eff_field_name((eff_field)f));
            read_options(&r, (eff_field)f, &own.field[f]);
        }
        if (r.status) return r.status;
    }
    for (int f = 0; f < EFF_FIELDS && !fixed; f++) {
        if (!own.field[f].n) continue;
        if (eff_op_residual(s->base.stage[i].op))
            return eff_fail(err, EFF_EFORMAT,
                            "stages[%d]: the base has %s here, which has no options; expected \"fixed\": true", i,
                            eff_op_name(s->base.stage[i].op));
        own.field[f].stage = i;
        s->decision[s->ndecisions++] = own.field[f];
    }
    return EFF_OK;
}

static eff_status read_stages(eff_space *s, eff_json_reader *r, const defaults *all)
{
    const json_t *const v = eff_json_find(r, "stages");
    if (v && !json_is_array(v)) {
        eff_json_wrong_type(r, "stages", "an array", v);
        return r->status;
    }
    if (v && json_array_size(v) != (size_t)s->base.nstages)
        return eff_fail(r->err, EFF_EFORMAT, "stages: expected %d, one for every stage of the base, found %zu",
                        s->base.nstages, json_array_size(v));
    for (int i = 0; i < s->base.nstages && !r->status; i++)
        r->status = read_stage(s, v ? json_array_get(v, (size_t)i) : NULL, i, all, r->err);
    return r->status;
}

/* -------------------------------------------------------------------------------------------- whole */

static eff_status read_base(eff_table *out, eff_json_reader *r)
{
    const json_t *const v = eff_json_find(r, "base");
    eff_status s;
    if (r->status) return r->status;
    if (!v) return eff_fail(r->err, EFF_EFORMAT, "base: missing; expected the name of a built-in or a table");
    if (json_is_string(v)) {
        s = eff_table_builtin(out, json_string_value(v), r->err);
    } else if (json_is_object(v)) {
        s = eff_table_from_json(out, v, r->err);
    } else {
        eff_json_wrong_type(r, "base", "the name of a built-in or a table", v);
        return r->status;
    }
    if (s == EFF_OK) return s;
    eff_error_prefix(r->err, "base");
    if (r->err) r->err->code = EFF_EFORMAT; /* the same words, here about a file */
    return EFF_EFORMAT;
}

/* The table's limits hold for every child when they hold for the one with the most channels and layers. */
static eff_status check_largest(const eff_space *s, eff_error *err)
{
    eff_child c = { { 0 } };
    eff_table t;
    for (int d = 0; d < s->ndecisions; d++) {
        const eff_decision *const open = &s->decision[d];
        if (open->field != EFF_FIELD_FILTERS && open->field != EFF_FIELD_LAYERS) continue;
        for (int k = 1; k < open->n; k++)
            if (open->option[k] > open->option[c.choice[d]]) c.choice[d] = (uint8_t)k;
    }
    if (eff_space_table(&t, s, &c, err) == EFF_OK) return EFF_OK;
    eff_error_prefix(err, "the largest child");
    if (err) err->code = EFF_EFORMAT;
    return EFF_EFORMAT;
}

eff_status eff_space_from_json(eff_space *out, const json_t *j, const eff_table *base, eff_error *err)
{
    static const char *const keys[] = { "name", "base", "choices", "stages" };
    eff_json_reader r = { .obj = j, .err = err };
    eff_space s = { .name = "space" };
    defaults all = { { { 0 } } };
    double choices, networks;
    if (!j || !json_is_object(j))
        return eff_fail(err, EFF_EFORMAT, "space: expected an object, found %s", j ? eff_json_type(j) : "nothing");
    eff_json_known_keys(&r, keys, sizeof keys / sizeof *keys);
    eff_json_read_text(&r, "name", s.name, sizeof s.name);
    if (!r.status && !eff_utf8_is_line(s.name, strlen(s.name)))
        r.status = eff_fail(err, EFF_EFORMAT, "name: expected text without control characters");
    if (base)
        s.base = *base;
    else if (!r.status)
        r.status = read_base(&s.base, &r);
    if (!r.status) r.status = read_defaults(&all, &r);
    if (!r.status) r.status = read_stages(&s, &r, &all);
    if (!r.status) r.status = check_largest(&s, err);
    if (r.status) return r.status;
    eff_space_size(&s, &choices, &networks);
    if (choices < 2)
        return eff_fail(err, EFF_EFORMAT, "space: nothing to decide: no stage has a list of two options or more");
    if (networks < 2)
        return eff_fail(err, EFF_EFORMAT, "space: nothing to decide: all %.0f children are one network", choices);
    *out = s;
    return EFF_OK;
}

static json_t *stage_to_json(const eff_space *s, int stage)
{
    json_t *const j = json_object();
    bool ok = j;
    for (int d = 0; ok && d < s->ndecisions; d++) {
        const eff_decision *const open = &s->decision[d];
        if (open->stage != stage) continue;
        json_t *const list = json_array();
        for (int k = 0; ok && k < open->n; k++)
            ok = json_array_append_new(list, option_to_json(open->field, open->option[k])) == 0;
        ok = eff_json_put(j, eff_field_name(open->field), list) && ok; /* takes `list` over even when it fails */
    }
    if (ok && json_object_size(j) == 0) ok = eff_json_put(j, "fixed", json_true());
    if (ok) return j;
    json_decref(j);
    return NULL;
}

json_t *eff_space_to_json(const eff_space *s)
{
    json_t *const j = json_pack("{s:s, s:o, s:[]}", "name", s->name, "base", eff_table_to_json(&s->base), "stages");
    bool ok = j;
    for (int i = 0; ok && i < s->base.nstages; i++)
        ok = json_array_append_new(json_object_get(j, "stages"), stage_to_json(s, i)) == 0;
    if (ok) return j;
    json_decref(j);
    return NULL;
}

/* ------------------------------------------------------------------------------------------ loading */

static eff_status parse(eff_space *out, const char *text, size_t n, const eff_table *base, eff_error *err)
{
    json_t *j;
    eff_status s = eff_json_parse(&j, text, n, "space", err);
    if (s == EFF_OK) s = eff_space_from_json(out, j, base, err);
    json_decref(j);
    return s;
}

/* What was given is neither a name nor a file. */
static eff_status no_such_space(const char *spec, eff_error *err)
{
    const char *names[8];
    char list[96];
    int n = 0;
    for (int i = 0; i < eff_shipped_space_count && n < 8; i++) names[n++] = eff_shipped_spaces[i].name;
    const char *const near_name = eff_nearest_name(spec, names, n);
    if (near_name) return eff_fail(err, EFF_EFORMAT, "no such file or space; did you mean %s?", near_name);
    eff_name_list(list, sizeof list, names, n);
    return eff_fail(err, EFF_EFORMAT, "no such file or space; expected %s, or a file", list);
}

eff_status eff_space_load(eff_space *out, const char *spec, const eff_table *base, eff_error *err)
{
    unsigned char *text = NULL;
    size_t n = 0;
    for (int i = 0; i < eff_shipped_space_count; i++)
        if (strcmp(spec, eff_shipped_spaces[i].name) == 0)
            return parse(out, eff_shipped_spaces[i].text, strlen(eff_shipped_spaces[i].text), base, err);
    if (access(spec, F_OK) != 0) return no_such_space(spec, err);
    eff_status s = eff_file_read_all(spec, MAX_FILE, &text, &n, err);
    if (s == EFF_OK) s = parse(out, (const char *)text, n, base, err);
    eff_free(text);
    return s;
}
