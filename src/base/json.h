/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text from outside: one object or array, no key twice. */
#ifndef EFF_BASE_JSON_H
#define EFF_BASE_JSON_H

#include "base/error.h"

#include <jansson.h>

/** Parse text[0..n), called `what` in messages. *out is NULL on failure, else released with json_decref(). */
eff_status eff_json_parse(json_t **out, const char *text, size_t n, const char *what, eff_error *err);

#endif
