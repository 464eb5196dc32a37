/* SPDX-License-Identifier: Apache-2.0 */
/* The C library reads and writes numbers in the calling thread's locale: it is "C" while one of these runs, and restored. */
#define _GNU_SOURCE
#include "base/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 128 }; /* bytes of a number: a double never needs more than 25 */

static locale_t enter_c_locale(void)
{
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return c ? uselocale(c) : (locale_t)0;
}

static void leave_c_locale(locale_t before)
{
    if (before) freelocale(uselocale(before));
}

bool eff_number_read(const char *s, size_t n, double *v)
{
    char text[MAX_TEXT];
    if (n == 0 || n >= sizeof text) return false;
    memcpy(text, s, n);
    text[n] = '\0';
    if (strspn(text, "0123456789.eE+-") != n) return false;
    char *end;
    const locale_t before = enter_c_locale();
    *v = strtod(text, &end);
    leave_c_locale(before);
    return *end == '\0' && isfinite(*v);
}

int eff_number_vprint(char *buf, size_t size, const char *fmt, va_list ap)
{
    const locale_t before = enter_c_locale();
    const int n = vsnprintf(buf, size, fmt, ap);
    leave_c_locale(before);
    return n;
}

int eff_number_print(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int n = eff_number_vprint(buf, size, fmt, ap);
    va_end(ap);
    return n;
}
