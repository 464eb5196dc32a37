/* SPDX-License-Identifier: Apache-2.0 */
/* Telling jansson's failures apart: where memory ended it calls the text wrong, or says nothing, but malloc() left its mark. */
#include "base/json.h"

#include <errno.h>

eff_status eff_json_parse(json_t **out, const char *text, size_t n, const char *what, eff_error *err)
{
    json_error_t e = { .text = "" };
    errno = 0;
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
    if (*out) return EFF_OK;
    if (errno == ENOMEM)
        return eff_fail(err, EFF_ENOMEM, "%s: out of memory for its JSON", what);
    return eff_fail(err, EFF_EFORMAT, "%s: not JSON at line %d: %s", what, e.line, e.text);
}
