/* SPDX-License-Identifier: Apache-2.0 */
/* Error messages: bounded, one line of valid UTF-8 without control characters, whatever a file's names contain. */
#include "base/error.h"

#include "base/number.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* Control characters, and bytes that are no UTF-8 (a hostile name, or a character cut in two), become '?'. */
static void sanitize(char *s)
{
    for (size_t left = strlen(s), len; left; s += len, left -= len) {
        len = eff_utf8_length(s, left);
        if (len <= 1 && (len == 0 || (unsigned char)*s < 0x20 || *s == 0x7f)) {
            *s = '?';
            len = 1;
        }
    }
}

eff_status eff_fail(eff_error *err, eff_status code, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        err->code = code;
        eff_number_vprint(err->msg, sizeof err->msg, fmt, ap);
        va_end(ap);
        sanitize(err->msg);
    }
    return code;
}

eff_status eff_fail_memory(eff_error *err, size_t bytes)
{
    return eff_fail(err, EFF_ENOMEM, "out of memory: %zu bytes could not be had", bytes);
}

void eff_error_prefix(eff_error *err, const char *fmt, ...)
{
    if (!err) return;
    char line[2 * sizeof err->msg + 2];
    va_list ap;
    va_start(ap, fmt);
    eff_number_vprint(line, sizeof err->msg, fmt, ap);
    va_end(ap);
    const size_t n = strlen(line);
    snprintf(line + n, sizeof line - n, ": %s", err->msg);
    line[sizeof err->msg - 1] = '\0'; /* a message that is cut stays a valid line */
    memcpy(err->msg, line, sizeof err->msg);
    sanitize(err->msg);
}
