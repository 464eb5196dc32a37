/* SPDX-License-Identifier: Apache-2.0 */
/* The table's JSON schema. Writing gives every field; reading fills what is left out, so that a person can write a short
 * table, and refuses what it does not know. Write and read back is the identity: reals are kept to all their digits. */
#include "model/table_json.h"

#include "base/json_fields.h"

#include <stdio.h>

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

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

static eff_status read_stem(eff_table *t, eff_json_reader *outer)
{
    static const char *const keys[] = { "channels", "kernel", "stride", "pool", "fixed" };
    eff_json_reader r;
    if (!eff_json_enter(&r, outer, "stem")) return outer->status;
    eff_json_known_keys(&r, keys, COUNT(keys));
    eff_json_read_int(&r, "channels", &t->stem_channels);
    eff_json_read_int(&r, "kernel", &t->stem_kernel);
    eff_json_read_int(&r, "stride", &t->stem_stride);
    eff_json_read_bool(&r, "pool", &t->stem_pool);
    eff_json_read_bool(&r, "fixed", &t->stem_fixed);
    return r.status;
}

static eff_status read_head(eff_table *t, eff_json_reader *outer)
{
    static const char *const keys[] = { "channels", "fixed" };
    eff_json_reader r;
    if (!eff_json_enter(&r, outer, "head")) return outer->status;
    eff_json_known_keys(&r, keys, COUNT(keys));
    eff_json_read_int(&r, "channels", &t->head_channels);
    eff_json_read_bool(&r, "fixed", &t->head_fixed);
    return r.status;
}

static eff_status read_bn(eff_table *t, eff_json_reader *outer)
{
    static const char *const keys[] = { "eps", "momentum" };
    eff_json_reader r;
    if (!eff_json_enter(&r, outer, "bn")) return outer->status;
    eff_json_known_keys(&r, keys, COUNT(keys));
    eff_json_read_real(&r, "eps", &t->bn_eps);
    eff_json_read_real(&r, "momentum", &t->bn_momentum);
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
    eff_json_reader r = { .obj = j, .err = err };
    int n;
    if (!json_is_object(j))
        return eff_fail(err, EFF_EFORMAT, "stages[%d]: expected an object, found %s", i, eff_json_type(j));
    snprintf(r.at, sizeof r.at, "stages[%d].", i);
    eff_json_known_keys(&r, keys, COUNT(keys));
    if (!r.status && (!json_object_get(j, "op") || !json_object_get(j, "channels")))
        return eff_fail(err, EFF_EFORMAT, "stages[%d]: %s is missing", i, json_object_get(j, "op") ? "channels" : "op");
    const char *const *const ops = eff_op_names(&n);
    stage_defaults(s, (eff_op)eff_json_read_choice(&r, "op", ops, n, 0), act);
    const char *const *const acts = eff_act_names(&n);
    s->act = (eff_act)eff_json_read_choice(&r, "act", acts, n, act);
    eff_json_read_int(&r, "kernel", &s->kernel);
    eff_json_read_int(&r, "stride", &s->stride);
    eff_json_read_real(&r, "expand", &s->expand);
    eff_json_read_int(&r, "channels", &s->channels);
    eff_json_read_int(&r, "repeats", &s->repeats);
    eff_json_read_real(&r, "se", &s->se);
    eff_json_read_bool(&r, "skip", &s->skip);
    eff_json_read_bool(&r, "fixed_repeats", &s->fixed_repeats);
    eff_json_read_int(&r, "expand_from", &s->expand_from);
    return r.status;
}

static eff_status read_stages(eff_table *t, eff_json_reader *r)
{
    const json_t *const v = eff_json_find(r, "stages");
    if (r->status) return r->status;
    if (!v) return eff_fail(r->err, EFF_EFORMAT, "stages: missing");
    if (!json_is_array(v)) {
        eff_json_wrong_type(r, "stages", "an array", v);
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

static void read_resolution(eff_table *t, eff_json_reader *r)
{
    const json_t *const v = eff_json_find(r, "resolution");
    if (!v) return;
    if (json_is_array(v) && json_array_size(v) == 2) {
        eff_json_take_int(r, "resolution[0]", json_array_get(v, 0), &t->height);
        eff_json_take_int(r, "resolution[1]", json_array_get(v, 1), &t->width_px);
    } else if (json_is_integer(v)) {
        eff_json_take_int(r, "resolution", v, &t->height);
        t->width_px = t->height;
    } else {
        eff_json_wrong_type(r, "resolution", "an integer or [height, width]", v);
    }
}

eff_status eff_table_from_json(eff_table *out, const json_t *j, eff_error *err)
{
    static const char *const keys[] = { "name", "stem", "stages", "head", "act", "padding", "bn", "divisor", "round_up_90",
                                        "resolution", "classes", "dropout", "drop_path", "width", "depth" };
    eff_table t = { .name = "table", .stem_channels = 32, .stem_kernel = 3, .stem_stride = 2, .bn_eps = 1e-3,
                    .bn_momentum = 0.01, .divisor = 8, .round_up_90 = true, .height = 224, .width_px = 224, .classes = 1000,
                    .width = 1, .depth = 1 };
    eff_json_reader r = { .obj = j, .err = err };
    int n;
    if (!j || !json_is_object(j))
        return eff_fail(err, EFF_EFORMAT, "table: expected an object, found %s", j ? eff_json_type(j) : "nothing");
    eff_json_known_keys(&r, keys, COUNT(keys));
    eff_json_read_text(&r, "name", t.name, sizeof t.name);
    const char *const *const acts = eff_act_names(&n);
    t.act = (eff_act)eff_json_read_choice(&r, "act", acts, n, EFF_ACT_SILU);
    const char *const *const pads = eff_pad_names(&n);
    t.pad = (eff_pad)eff_json_read_choice(&r, "padding", pads, n, EFF_PAD_SAME);
    eff_json_read_int(&r, "divisor", &t.divisor);
    eff_json_read_bool(&r, "round_up_90", &t.round_up_90);
    read_resolution(&t, &r);
    eff_json_read_int(&r, "classes", &t.classes);
    eff_json_read_real(&r, "dropout", &t.dropout);
    eff_json_read_real(&r, "drop_path", &t.drop_path);
    eff_json_read_real(&r, "width", &t.width);
    eff_json_read_real(&r, "depth", &t.depth);
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
