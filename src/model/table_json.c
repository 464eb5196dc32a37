/* SPDX-License-Identifier: Apache-2.0 */
/* The table's JSON schema. Writing gives every field; reading fills what is left out, so that a person can write a short
 * table, and refuses what it does not know. Write and read back is the identity: reals are kept to all their digits. */
#include "model/table_json.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------- writing */

static json_t *stage_to_json(const eff_stage *s)
{
    return json_pack("{s:s, s:i, s:i, s:f, s:i, s:i, s:f, s:s, s:b, s:b, s:i}", "op", eff_op_name(s->op), "kernel", s->kernel,
                     "stride", s->stride, "expand", s->expand, "channels", s->channels, "repeats", s->repeats, "se", s->se,
                     "act", eff_act_name(s->act), "skip", s->skip, "fixed_repeats", s->fixed_repeats, "expand_from",
                     s->expand_from);
}

json_t *eff_table_to_json(const eff_table *t)
{
    json_t *const j = json_pack(
        "{s:s, s:{s:i, s:i, s:i, s:b, s:b}, s:{s:i, s:b}, s:s, s:s, s:{s:f, s:f}, s:i, s:b, s:[i, i], s:i, s:f, s:f, s:f, s:f}",
        "name", t->name, "stem", "channels", t->stem_channels, "kernel", t->stem_kernel, "stride", t->stem_stride, "pool",
        t->stem_pool, "fixed", t->stem_fixed, "head", "channels", t->head_channels, "fixed", t->head_fixed, "act",
        eff_act_name(t->act), "padding", eff_pad_name(t->pad), "bn", "eps", t->bn_eps, "momentum", t->bn_momentum, "divisor",
        t->divisor, "round_up_90", t->round_up_90, "resolution", t->height, t->width_px, "classes", t->classes, "dropout",
        t->dropout, "drop_path", t->drop_path, "width", t->width, "depth", t->depth);
    json_t *const stages = json_array();
    int bad = !j || json_object_set_new(j, "stages", stages); /* takes `stages` over even when it fails */
    if (!j) json_decref(stages);
    for (int i = 0; !bad && i < t->nstages; i++) bad = json_array_append_new(stages, stage_to_json(&t->stage[i]));
    if (!bad) return j;
    json_decref(j);
    return NULL;
}

/* ------------------------------------------------------------------------------------------- reading */

/* An object being read and where it is, for messages: "" or "stages[2]." or "stem.". The first failure sticks. */
typedef struct reader {
    const json_t *obj;
    char at[32];
    eff_status status;
    eff_error *err;
} reader;

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a real number";
    case JSON_NULL: return "null";
    default: return json_is_true(v) ? "true" : "false";
    }
}

static void wrong_type(reader *r, const char *key, const char *expected, const json_t *v)
{
    r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: expected %s, found %s", r->at, key, expected, type_name(v));
}

/* The value of `key`, or NULL when it is left out or something already failed. */
static const json_t *field(const reader *r, const char *key) { return r->status ? NULL : json_object_get(r->obj, key); }

static void integer(reader *r, const char *key, const json_t *v, int *out)
{
    if (!v || r->status) return;
    if (!json_is_integer(v)) {
        wrong_type(r, key, "an integer", v);
        return;
    }
    const json_int_t x = json_integer_value(v);
    if (x < INT_MIN || x > INT_MAX)
        r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: %lld is out of range", r->at, key, (long long)x);
    else
        *out = (int)x;
}

static void read_int(reader *r, const char *key, int *out) { integer(r, key, field(r, key), out); }

static void read_real(reader *r, const char *key, double *out)
{
    const json_t *const v = field(r, key);
    if (!v) return;
    if (json_is_number(v))
        *out = json_number_value(v);
    else
        wrong_type(r, key, "a number", v);
}

static void read_bool(reader *r, const char *key, bool *out)
{
    const json_t *const v = field(r, key);
    if (!v) return;
    if (json_is_boolean(v))
        *out = json_is_true(v);
    else
        wrong_type(r, key, "true or false", v);
}

/* One of n names; its position is the enum's value. */
static int read_choice(reader *r, const char *key, const char *const *names, int n, int if_absent)
{
    const json_t *const v = field(r, key);
    if (!v) return if_absent;
    if (!json_is_string(v)) {
        wrong_type(r, key, "a string", v);
        return if_absent;
    }
    const char *const s = json_string_value(v);
    for (int i = 0; i < n; i++)
        if (strcmp(s, names[i]) == 0) return i;
    char list[96] = "";
    for (int i = 0; i < n; i++) {
        const size_t len = strlen(list);
        snprintf(list + len, sizeof list - len, "%s%s", i == 0 ? "" : i == n - 1 ? " or " : ", ", names[i]);
    }
    r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: expected %s, found '%.40s'", r->at, key, list, s);
    return if_absent;
}

static void known_keys(reader *r, const char *const *keys, int n)
{
    const char *key;
    json_t *v;
    if (r->status) return;
    json_object_foreach((json_t *)r->obj, key, v) {
        int i = 0;
        while (i < n && strcmp(key, keys[i]) != 0) i++;
        if (i < n) continue;
        const char *const near_key = eff_nearest_name(key, keys, n);
        r->status = eff_fail(r->err, EFF_EFORMAT, "%s%.40s: unknown key%s%s%s", r->at, key, near_key ? "; did you mean " : "",
                             near_key ? near_key : "", near_key ? "?" : "");
        return;
    }
}

/* Begin reading the object under `key` of `outer`; false when it is left out or not an object. */
static bool enter(reader *r, reader *outer, const char *key)
{
    const json_t *const v = field(outer, key);
    if (!v) return false;
    if (!json_is_object(v)) {
        wrong_type(outer, key, "an object", v);
        return false;
    }
    *r = (reader){ .obj = v, .err = outer->err };
    snprintf(r->at, sizeof r->at, "%s.", key);
    return true;
}

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

static eff_status read_stem(eff_table *t, reader *outer)
{
    static const char *const keys[] = { "channels", "kernel", "stride", "pool", "fixed" };
    reader r;
    if (!enter(&r, outer, "stem")) return outer->status;
    known_keys(&r, keys, COUNT(keys));
    read_int(&r, "channels", &t->stem_channels);
    read_int(&r, "kernel", &t->stem_kernel);
    read_int(&r, "stride", &t->stem_stride);
    read_bool(&r, "pool", &t->stem_pool);
    read_bool(&r, "fixed", &t->stem_fixed);
    return r.status;
}

static eff_status read_head(eff_table *t, reader *outer)
{
    static const char *const keys[] = { "channels", "fixed" };
    reader r;
    if (!enter(&r, outer, "head")) return outer->status;
    known_keys(&r, keys, COUNT(keys));
    read_int(&r, "channels", &t->head_channels);
    read_bool(&r, "fixed", &t->head_fixed);
    return r.status;
}

static eff_status read_bn(eff_table *t, reader *outer)
{
    static const char *const keys[] = { "eps", "momentum" };
    reader r;
    if (!enter(&r, outer, "bn")) return outer->status;
    known_keys(&r, keys, COUNT(keys));
    read_real(&r, "eps", &t->bn_eps);
    read_real(&r, "momentum", &t->bn_momentum);
    return r.status;
}

/* What an operator usually has where the table does not say. */
static void stage_defaults(eff_stage *s, eff_op op, eff_act act)
{
    *s = (eff_stage){ .op = op, .kernel = 3, .stride = 1, .expand = 1, .repeats = 1, .act = act };
    if (op == EFF_OP_MBCONV) s->expand = 6;
    if (op == EFF_OP_FUSED || op == EFF_OP_BOTTLENECK) s->expand = 4;
    s->skip = op != EFF_OP_CONV && op != EFF_OP_DSCONV;
}

static eff_status read_stage(eff_stage *s, const json_t *j, int i, eff_act act, eff_error *err)
{
    static const char *const keys[] = { "op", "kernel", "stride", "expand", "channels", "repeats", "se", "act", "skip",
                                        "fixed_repeats", "expand_from" };
    reader r = { .obj = j, .err = err };
    int n;
    if (!json_is_object(j))
        return eff_fail(err, EFF_EFORMAT, "stages[%d]: expected an object, found %s", i, type_name(j));
    snprintf(r.at, sizeof r.at, "stages[%d].", i);
    known_keys(&r, keys, COUNT(keys));
    if (!r.status && (!json_object_get(j, "op") || !json_object_get(j, "channels")))
        return eff_fail(err, EFF_EFORMAT, "stages[%d]: %s is missing", i, json_object_get(j, "op") ? "channels" : "op");
    const char *const *const ops = eff_op_names(&n);
    stage_defaults(s, (eff_op)read_choice(&r, "op", ops, n, 0), act);
    const char *const *const acts = eff_act_names(&n);
    s->act = (eff_act)read_choice(&r, "act", acts, n, act);
    read_int(&r, "kernel", &s->kernel);
    read_int(&r, "stride", &s->stride);
    read_real(&r, "expand", &s->expand);
    read_int(&r, "channels", &s->channels);
    read_int(&r, "repeats", &s->repeats);
    read_real(&r, "se", &s->se);
    read_bool(&r, "skip", &s->skip);
    read_bool(&r, "fixed_repeats", &s->fixed_repeats);
    read_int(&r, "expand_from", &s->expand_from);
    return r.status;
}

static eff_status read_stages(eff_table *t, reader *r)
{
    const json_t *const v = field(r, "stages");
    if (r->status) return r->status;
    if (!v) return eff_fail(r->err, EFF_EFORMAT, "stages: missing");
    if (!json_is_array(v)) {
        wrong_type(r, "stages", "an array", v);
        return r->status;
    }
    const size_t n = json_array_size(v);
    if (n < 1 || n > EFF_MAX_STAGES)
        return eff_fail(r->err, EFF_EFORMAT, "stages: expected 1..%d, found %zu", EFF_MAX_STAGES, n);
    t->nstages = (int)n;
    for (int i = 0; i < t->nstages && !r->status; i++)
        r->status = read_stage(&t->stage[i], json_array_get(v, (size_t)i), i, t->act, r->err);
    return r->status;
}

static void read_resolution(eff_table *t, reader *r)
{
    const json_t *const v = field(r, "resolution");
    if (!v) return;
    if (json_is_array(v) && json_array_size(v) == 2) {
        integer(r, "resolution[0]", json_array_get(v, 0), &t->height);
        integer(r, "resolution[1]", json_array_get(v, 1), &t->width_px);
    } else if (json_is_integer(v)) {
        integer(r, "resolution", v, &t->height);
        t->width_px = t->height;
    } else {
        wrong_type(r, "resolution", "an integer or [height, width]", v);
    }
}

static void read_name(eff_table *t, reader *r)
{
    const json_t *const v = field(r, "name");
    if (!v) return;
    if (!json_is_string(v)) {
        wrong_type(r, "name", "a string", v);
        return;
    }
    const size_t n = json_string_length(v);
    if (n < 1 || n >= sizeof t->name || strlen(json_string_value(v)) != n) {
        r->status = eff_fail(r->err, EFF_EFORMAT, "name: expected 1..%d bytes, found %zu", EFF_NAME_LEN - 1, n);
        return;
    }
    memcpy(t->name, json_string_value(v), n + 1);
}

eff_status eff_table_from_json(eff_table *out, const json_t *j, eff_error *err)
{
    static const char *const keys[] = { "name", "stem", "stages", "head", "act", "padding", "bn", "divisor", "round_up_90",
                                        "resolution", "classes", "dropout", "drop_path", "width", "depth" };
    eff_table t = { .name = "table", .stem_channels = 32, .stem_kernel = 3, .stem_stride = 2, .bn_eps = 1e-3,
                    .bn_momentum = 0.01, .divisor = 8, .round_up_90 = true, .height = 224, .width_px = 224, .classes = 1000,
                    .width = 1, .depth = 1 };
    reader r = { .obj = j, .err = err };
    int n;
    if (!j || !json_is_object(j))
        return eff_fail(err, EFF_EFORMAT, "table: expected an object, found %s", j ? type_name(j) : "nothing");
    known_keys(&r, keys, COUNT(keys));
    read_name(&t, &r);
    const char *const *const acts = eff_act_names(&n);
    t.act = (eff_act)read_choice(&r, "act", acts, n, EFF_ACT_SILU);
    const char *const *const pads = eff_pad_names(&n);
    t.pad = (eff_pad)read_choice(&r, "padding", pads, n, EFF_PAD_SAME);
    read_int(&r, "divisor", &t.divisor);
    read_bool(&r, "round_up_90", &t.round_up_90);
    read_resolution(&t, &r);
    read_int(&r, "classes", &t.classes);
    read_real(&r, "dropout", &t.dropout);
    read_real(&r, "drop_path", &t.drop_path);
    read_real(&r, "width", &t.width);
    read_real(&r, "depth", &t.depth);
    if (!r.status) r.status = read_stem(&t, &r);
    if (!r.status) r.status = read_head(&t, &r);
    if (!r.status) r.status = read_bn(&t, &r);
    if (!r.status) r.status = read_stages(&t, &r);
    if (r.status) return r.status;
    const eff_status s = eff_table_check(&t, err);
    if (s) {
        if (err) err->code = EFF_EFORMAT; /* the same rules, here about a file */
        return EFF_EFORMAT;
    }
    *out = t;
    return EFF_OK;
}
