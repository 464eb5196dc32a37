/* SPDX-License-Identifier: Apache-2.0 */
/* Typed fields of JSON objects: each reader either stores a value of the wanted type or leaves one line that says where
 * another was found. */
#include "base/json_fields.h"

#include "base/nearest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

const char *eff_json_type(const json_t *v)
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

void eff_json_wrong_type(eff_json_reader *r, const char *key, const char *expected, const json_t *v)
{
    r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: expected %s, found %s", r->at, key, expected, eff_json_type(v));
}

const json_t *eff_json_find(const eff_json_reader *r, const char *key)
{
    return r->status ? NULL : json_object_get(r->obj, key);
}

void eff_json_take_int(eff_json_reader *r, const char *key, const json_t *v, int *out)
{
    if (!v || r->status) return;
    if (!json_is_integer(v)) {
        eff_json_wrong_type(r, key, "an integer", v);
        return;
    }
    const json_int_t x = json_integer_value(v);
    if (x < INT_MIN || x > INT_MAX)
        r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: %lld is out of range", r->at, key, (long long)x);
    else
        *out = (int)x;
}

void eff_json_read_int(eff_json_reader *r, const char *key, int *out)
{
    eff_json_take_int(r, key, eff_json_find(r, key), out);
}

void eff_json_read_real(eff_json_reader *r, const char *key, double *out)
{
    const json_t *const v = eff_json_find(r, key);
    if (!v) return;
    if (json_is_number(v))
        *out = json_number_value(v);
    else
        eff_json_wrong_type(r, key, "a number", v);
}

void eff_json_read_bool(eff_json_reader *r, const char *key, bool *out)
{
    const json_t *const v = eff_json_find(r, key);
    if (!v) return;
    if (json_is_boolean(v))
        *out = json_is_true(v);
    else
        eff_json_wrong_type(r, key, "true or false", v);
}

void eff_json_read_text(eff_json_reader *r, const char *key, char *out, size_t size)
{
    const json_t *const v = eff_json_find(r, key);
    if (!v) return;
    if (!json_is_string(v)) {
        eff_json_wrong_type(r, key, "a string", v);
        return;
    }
    const size_t n = json_string_length(v);
    if (n < 1 || n >= size || strlen(json_string_value(v)) != n)
        r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: expected 1..%zu bytes, found %zu", r->at, key, size - 1, n);
    else
        memcpy(out, json_string_value(v), n + 1);
}

int eff_json_read_choice(eff_json_reader *r, const char *key, const char *const *names, int n, int if_absent)
{
    const json_t *const v = eff_json_find(r, key);
    if (!v) return if_absent;
    if (!json_is_string(v)) {
        eff_json_wrong_type(r, key, "a string", v);
        return if_absent;
    }
    const char *const s = json_string_value(v);
    for (int i = 0; i < n; i++)
        if (strcmp(s, names[i]) == 0) return i;
    char list[96];
    eff_name_list(list, sizeof list, names, n);
    r->status = eff_fail(r->err, EFF_EFORMAT, "%s%s: expected %s, found '%.40s'", r->at, key, list, s);
    return if_absent;
}

void eff_json_known_keys(eff_json_reader *r, const char *const *keys, int n)
{
    const char *key;
    json_t *v;
    if (r->status) return;
    json_object_foreach((json_t *)r->obj, key, v) {
        int i = 0;
        while (i < n && strcmp(key, keys[i]) != 0) i++;
        if (i < n) continue;
        const char *const near_key = eff_nearest_name(key, keys, n);
        r->status = eff_fail(r->err, EFF_EFORMAT, "%s%.40s: unknown key%s%s%s", r->at, key,
                             near_key ? "; did you mean " : "", near_key ? near_key : "", near_key ? "?" : "");
        return;
    }
}

bool eff_json_enter(eff_json_reader *r, eff_json_reader *outer, const char *key)
{
    const json_t *const v = eff_json_find(outer, key);
    if (!v) return false;
    if (!json_is_object(v)) {
        eff_json_wrong_type(outer, key, "an object", v);
        return false;
    }
    *r = (eff_json_reader){ .obj = v, .err = outer->err };
    snprintf(r->at, sizeof r->at, "%s.", key);
    return true;
}
