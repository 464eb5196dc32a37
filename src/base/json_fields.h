/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a JSON object whose fields have types. What is left out keeps its value, what is unknown or of another type
 * is refused with its place ("stages[2].kernel"). The first failure sticks: later reads change nothing, so that a
 * caller reads all fields and looks at the status once. */
#ifndef EFF_BASE_JSON_FIELDS_H
#define EFF_BASE_JSON_FIELDS_H

#include "base/json.h"

typedef struct eff_json_reader {
    const json_t *obj;
    char at[32]; /* where the object is, in front of a key: "" or "stages[2]." or "stem." */
    eff_status status;
    eff_error *err;
} eff_json_reader;

/** What a value is, for messages: "an object", "null" ... */
const char *eff_json_type(const json_t *v);

void eff_json_wrong_type(eff_json_reader *r, const char *key, const char *expected, const json_t *v);

/** Refuse a key that is not among the n, with the nearest of them. */
void eff_json_known_keys(eff_json_reader *r, const char *const *keys, int n);

/** Begin reading the object under `key` of `outer`; false when it is left out or not an object. */
bool eff_json_enter(eff_json_reader *r, eff_json_reader *outer, const char *key);

/** The value of `key`, or NULL when it is left out or something already failed. */
const json_t *eff_json_find(const eff_json_reader *r, const char *key);

void eff_json_read_int(eff_json_reader *r, const char *key, int *out);
void eff_json_read_real(eff_json_reader *r, const char *key, double *out);
void eff_json_read_bool(eff_json_reader *r, const char *key, bool *out);
void eff_json_read_text(eff_json_reader *r, const char *key, char *out, size_t size); /* 1..size-1 bytes */
/** One of n names; its position is the enum's value. */
int eff_json_read_choice(eff_json_reader *r, const char *key, const char *const *names, int n, int if_absent);

/** The integer v, or nothing when it is NULL; called `key` in messages. */
void eff_json_take_int(eff_json_reader *r, const char *key, const json_t *v, int *out);

#endif
