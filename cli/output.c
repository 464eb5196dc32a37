/* SPDX-License-Identifier: Apache-2.0 */
/* Printing for people and for scripts. Every number in JSON is finite, every string valid UTF-8. */
#include "output.h"

#include "options.h"
#include "progress.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
    fputs("effnet: out of memory\n", stderr);
    exit(CLI_FAILED);
}

void *cli_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p) out_of_memory();
    return p;
}

void *cli_realloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) out_of_memory();
    p = realloc(p, bytes ? bytes : 1);
    if (!p) out_of_memory();
    return p;
}

/* ----------------------------------------------------------------------------------------------- errors */

static char *buffer(size_t *room)
{
    static char ring[8][4608]; /* a path of PATH_MAX fits */
    static int turn;
    *room = sizeof ring[0];
    return ring[turn++ % 8];
}

const char *cli_clean(const char *s)
{
    size_t room, i = 0;
    char *b = buffer(&room);
    for (; s[i] && i + 1 < room; i++) {
        const unsigned char c = (unsigned char)s[i];
        b[i] = (char)(c < 32 || c == 127 ? '?' : c);
    }
    b[i] = 0;
    return b;
}

/* Characters, not bytes: names may be UTF-8. */
static int width_of(const char *s)
{
    int n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

const char *cli_cut(const char *s, int most)
{
    const char *clean = cli_clean(s);
    if (width_of(clean) <= most) return clean;
    size_t room;
    char *b = buffer(&room);
    int n = 0, chars = 0;
    for (; clean[n]; n++) {
        chars += ((unsigned char)clean[n] & 0xC0) != 0x80;
        if (chars > most - 3) break;
    }
    snprintf(b, room, "%.*s...", n, clean);
    return b;
}

void cli_error(const char *fmt, ...)
{
    char msg[8192];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    for (char *p = msg; *p; p++)
        if ((unsigned char)*p < 32 || *p == 127) *p = '?';
    cli_progress_hide();
    fprintf(stderr, "effnet: %s\n", msg);
}

int cli_exit_code(eff_status s)
{
    switch (s) {
    case EFF_OK: return CLI_OK;
    case EFF_EARG: return CLI_USAGE;
    case EFF_EFORMAT:
    case EFF_EUNSUPPORTED: return CLI_DATA;
    default: return CLI_FAILED;
    }
}

int cli_fail(const eff_error *err, const char *what)
{
    char quoted[300] = "";
    if (what) snprintf(quoted, sizeof quoted, "'%.280s'", what);
    if (what && !strstr(err->msg, quoted))
        cli_error("%s: %s", what, err->msg);
    else
        cli_error("%s", err->msg); /* it has the name already */
    return cli_exit_code(err->code);
}

bool cli_flush(void)
{
    static bool said;
    errno = 0;
    const bool flushed = fflush(stdout) == 0;
    if (flushed && !ferror(stdout)) return true;
    const int e = errno;
    if (!said) cli_error("standard output: %s", e ? strerror(e) : "could not be written");
    said = true;
    return false;
}

/* ---------------------------------------------------------------------------------------------- numbers */

const char *cli_human(double n)
{
    static const char unit[] = " kMBT";
    size_t room;
    char *b = buffer(&room);
    if (!(fabs(n) < 1e18)) {
        snprintf(b, room, "%.3g", n);
        return b;
    }
    if (fabs(n) < 1000) {
        snprintf(b, room, "%.0f", n);
        return b;
    }
    int u = 0;
    while (fabs(n) >= 999.95 && u < 4) n /= 1000, u++; /* 999.95 would print as 1000.0 */
    snprintf(b, room, fabs(n) < 9.995 ? "%.2f%c" : "%.1f%c", n, unit[u]);
    return b;
}

const char *cli_exact(uint64_t n)
{
    char digits[24];
    size_t room;
    char *b = buffer(&room), *p = b;
    const int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) *p++ = ',';
        *p++ = digits[i];
    }
    *p = 0;
    return b;
}

const char *cli_bytes(double n)
{
    static const char *const unit[] = { "bytes", "kB", "MB", "GB", "TB", "PB" };
    size_t room;
    char *b = buffer(&room);
    int u = 0;
    while (n >= 999.95 && u < 5) n /= 1000, u++;
    snprintf(b, room, u == 0 ? "%.0f %s" : "%.1f %s", n, unit[u]);
    return b;
}

/* ----------------------------------------------------------------------------------------------- tables */

void cli_table_begin(cli_table *t, const char *align)
{
    *t = (cli_table){ .columns = (int)strlen(align), .align = align };
}

void cli_cell(cli_table *t, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (t->cells == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->cell = cli_realloc(t->cell, (size_t)t->room, sizeof *t->cell);
    }
    const char *clean = cli_clean(text);
    char *copy = cli_alloc(strlen(clean) + 1, 1);
    strcpy(copy, clean);
    t->cell[t->cells++] = copy;
}

void cli_table_end(cli_table *t, int indent)
{
    int *wide = cli_alloc((size_t)t->columns, sizeof *wide);
    for (int i = 0; i < t->cells; i++) {
        const int w = width_of(t->cell[i]);
        if (w > wide[i % t->columns]) wide[i % t->columns] = w;
    }
    for (int i = 0; i < t->cells; i++) {
        const int c = i % t->columns, pad = wide[c] - width_of(t->cell[i]);
        const bool right = t->align[c] == 'r', last = c == t->columns - 1;
        printf("%*s%s%*s%s", (c ? 2 : indent) + (right ? pad : 0), "", t->cell[i], right || last ? 0 : pad, "",
               last ? "\n" : "");
        free(t->cell[i]);
    }
    free(t->cell);
    free(wide);
    *t = (cli_table){ 0 };
}

/* ------------------------------------------------------------------------------------------------- JSON */

/* Length of the valid UTF-8 character at s, or 0. */
static int utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80) return 1;
    const int n = s[0] >= 0xC2 && s[0] < 0xE0   ? 2
                  : s[0] >= 0xE0 && s[0] < 0xF0 ? 3
                  : s[0] >= 0xF0 && s[0] < 0xF5 ? 4
                                                : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if (s[0] == 0xE0 && s[1] < 0xA0) return 0; /* longer than needed */
    if (s[0] == 0xED && s[1] > 0x9F) return 0; /* half of a pair */
    if (s[0] == 0xF0 && s[1] < 0x90) return 0;
    if (s[0] == 0xF4 && s[1] > 0x8F) return 0; /* past the last code point */
    return n;
}

static json_t *checked(json_t *j)
{
    if (!j) out_of_memory();
    return j;
}

json_t *cli_json_text(const char *s)
{
    if (!s) return json_null();
    char *clean = cli_alloc(3 * strlen(s) + 1, 1), *p = clean;
    while (*s) {
        const int n = utf8_length((const unsigned char *)s);
        memcpy(p, n ? s : "\xEF\xBF\xBD", n ? (size_t)n : 3);
        p += n ? n : 3;
        s += n ? n : 1;
    }
    *p = 0;
    json_t *j = checked(json_string(clean));
    free(clean);
    return j;
}

json_t *cli_json_number(double x) { return isfinite(x) ? checked(json_real(x)) : json_null(); }
json_t *cli_json_count(uint64_t n)
{
    return n <= INT64_MAX ? checked(json_integer((json_int_t)n)) : cli_json_number((double)n);
}
json_t *cli_json_object(void) { return checked(json_object()); }
json_t *cli_json_array(void) { return checked(json_array()); }

void cli_json_set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) out_of_memory();
}

void cli_json_add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0) out_of_memory();
}

bool cli_json_print(json_t *j)
{
    /* 12 digits: more than a float has, fewer than show a double's last rounding */
    char *text = json_dumps(j, JSON_REAL_PRECISION(12));
    if (!text) out_of_memory();
    puts(text);
    free(text);
    json_decref(j);
    return cli_flush();
}
