/* SPDX-License-Identifier: Apache-2.0 */
/* Which kind of file it is its first bytes tell. */
#include "scale/constants.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "trials/store.h"

#include <string.h>

enum { LONGEST = 16 << 20 };

static eff_status read_one(double *out, const json_t *o, const char *name, eff_error *err)
{
    const json_t *const v = json_object_get(o, name);
    if (!v) return eff_fail(err, EFF_EFORMAT, "constants: %s: expected a number, found none", name);
    if (!json_is_number(v)) return eff_fail(err, EFF_EFORMAT, "constants: %s: expected a number", name);
    *out = json_number_value(v);
    if (!(*out >= 1 && *out <= 100))
        return eff_fail(err, EFF_EFORMAT, "constants: %s: expected 1..100, found %g", name, *out);
    return EFF_OK;
}

eff_status eff_constants_parse(eff_constants *c, const char *text, size_t n, eff_error *err)
{
    json_t *j = NULL;
    eff_status s = eff_json_parse(&j, text, n, "constants", err);
    if (s != EFF_OK) return s;
    const json_t *o = j;
    if (json_is_object(j) && json_object_get(j, "best")) {
        o = json_array_get(json_object_get(j, "best"), 0);
        if (!o) s = eff_fail(err, EFF_EFORMAT, "constants: best: expected a list with at least one entry");
    }
    if (s == EFF_OK && o == j && strcmp(eff_json_text(j, "kind"), "fit") == 0)
        s = eff_fail(err, EFF_EFORMAT, "constants: the results of a fit that has no best network yet");
    if (s == EFF_OK && !json_is_object(o))
        s = eff_fail(err, EFF_EFORMAT, "constants: expected an object with alpha, beta and gamma");
    eff_constants k = { 0 };
    if (s == EFF_OK) s = read_one(&k.alpha, o, "alpha", err);
    if (s == EFF_OK) s = read_one(&k.beta, o, "beta", err);
    if (s == EFF_OK) s = read_one(&k.gamma, o, "gamma", err);
    if (s == EFF_OK) *c = k;
    json_decref(j);
    return s;
}

static eff_status from_store(eff_constants *c, const char *path, eff_error *err)
{
    eff_store *s = NULL;
    char *text = NULL;
    eff_status e = eff_store_look(&s, path, err);
    if (e == EFF_OK && strcmp(eff_store_kind(s), "scale fit") != 0)
        e = eff_fail(err, EFF_EFORMAT, "the store of a %.40s, expected that of a fit", eff_store_kind(s));
    if (e == EFF_OK) e = eff_store_get_note(s, "best", &text, err);
    if (e == EFF_OK && !text) e = eff_fail(err, EFF_EFORMAT, "the store of a fit that is not finished");
    if (e == EFF_OK) e = eff_constants_parse(c, text, strlen(text), err);
    eff_free(text);
    eff_store_close(s);
    return e;
}

eff_status eff_constants_load(eff_constants *c, const char *path, eff_error *err)
{
    static const char sqlite[] = "SQLite format 3";
    unsigned char *bytes = NULL;
    size_t n = 0;
    eff_status s = eff_file_read_all(path, LONGEST, &bytes, &n, err);
    if (s == EFF_OK && n >= sizeof sqlite && !memcmp(bytes, sqlite, sizeof sqlite))
        s = from_store(c, path, err);
    else if (s == EFF_OK)
        s = eff_constants_parse(c, (const char *)bytes, n, err);
    eff_free(bytes);
    return s;
}
