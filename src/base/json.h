/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text from outside: one object or array, no key twice. */
#ifndef EFF_BASE_JSON_H
#define EFF_BASE_JSON_H

#include "base/error.h"

#include <jansson.h>

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/** Parse text[0..n), called `what` in messages. *out is NULL on failure, else released with json_decref(). */
eff_status eff_json_parse(json_t **out, const char *text, size_t n, const char *what, eff_error *err);

/** Put v, which is taken over, under `key`; false when memory ended, also for v (NULL). */
static inline bool eff_json_put(json_t *o, const char *key, json_t *v) { return json_object_set_new(o, key, v) == 0; }
/** x, or null where it is no finite number, which JSON cannot say. */
static inline json_t *eff_json_real(double x) { return isfinite(x) ? json_real(x) : json_null(); }

/** A seed as the text of a whole number: JSON's own numbers may not hold it. */
static inline json_t *eff_json_seed(uint64_t seed) { return json_sprintf("%llu", (unsigned long long)seed); }

/** The number under `key`; NaN where there is none. For JSON of our own making, as the next one. */
static inline double eff_json_number(const json_t *o, const char *key)
{
    const json_t *const v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}
/** The text under `key`, borrowed from o; "" where there is none. */
static inline const char *eff_json_text(const json_t *o, const char *key)
{
    const char *const s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

#endif
