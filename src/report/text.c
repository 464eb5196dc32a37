/* SPDX-License-Identifier: Apache-2.0 */
/* A growing buffer, and the two encodings that what comes from outside goes through. */
#include "report/text.h"

#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void eff_text_free(eff_text *t)
{
    eff_free(t->s);
    *t = (eff_text){ 0 };
}

static void put_bytes(eff_text *t, const char *s, size_t n)
{
    size_t need;
    if (t->failed || !eff_add(t->n, n + 1, &need)) {
        t->failed = true;
        return;
    }
    if (need > t->room) {
        const size_t room = need < SIZE_MAX / 4 ? 2 * need + 1024 : need;
        char *const p = eff_realloc(t->s, room);
        if (!p) {
            t->failed = true;
            return;
        }
        t->s = p;
        t->room = room;
    }
    memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = '\0';
}

void eff_text_put(eff_text *t, const char *s) { put_bytes(t, s, strlen(s)); }

void eff_text_print(eff_text *t, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    const int n = eff_number_vprint(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n > 0) put_bytes(t, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static void escape_one(eff_text *t, const char *s, size_t length)
{
    const unsigned char c = (unsigned char)*s;
    if (length == 0 || c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[1] < 0xa0)) /* C0, DEL, C1 */
        put_bytes(t, "\xef\xbf\xbd", 3);
    else if (c == '<')
        put_bytes(t, "&lt;", 4);
    else if (c == '>')
        put_bytes(t, "&gt;", 4);
    else if (c == '&')
        put_bytes(t, "&amp;", 5);
    else if (c == '"')
        put_bytes(t, "&quot;", 6);
    else if (c == '\'')
        put_bytes(t, "&#39;", 5);
    else
        put_bytes(t, s, length);
}

void eff_text_escape(eff_text *t, const char *s) { eff_text_escape_cut(t, s, SIZE_MAX); }

void eff_text_escape_cut(eff_text *t, const char *s, size_t most)
{
    size_t left = strlen(s), chars = 0;
    for (const char *p = s; left; chars++) {
        const size_t length = eff_utf8_length(p, left), step = length ? length : 1;
        if (chars + 1 == most && left > step) { /* this is the last that fits, and more follow */
            put_bytes(t, "\xe2\x80\xa6", 3);
            return;
        }
        escape_one(t, p, length);
        p += step;
        left -= step;
    }
}

void eff_text_base64(eff_text *t, const unsigned char *bytes, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const uint32_t b1 = i + 1 < n ? bytes[i + 1] : 0, b2 = i + 2 < n ? bytes[i + 2] : 0;
        const uint32_t v = (uint32_t)bytes[i] << 16 | b1 << 8 | b2;
        char four[4] = { digit[v >> 18], digit[v >> 12 & 63], '=', '=' };
        if (i + 1 < n) four[2] = digit[v >> 6 & 63];
        if (i + 2 < n) four[3] = digit[v & 63];
        put_bytes(t, four, 4);
    }
}
