/* SPDX-License-Identifier: Apache-2.0 */
/* Header lines of HTTP. Whatever is not understood is as if it had not been said; what is kept is bounded. */
#include "fetch/reply.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* "1234" in s[0..n), all of it. */
static bool number(const char *s, size_t n, uint64_t *out)
{
    uint64_t v = 0;
    if (n == 0 || n > 18) return false;
    for (; n; n--, s++) {
        if (*s < '0' || *s > '9') return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *out = v;
    return true;
}

static void keep(char *out, size_t room, const char *s, size_t n)
{
    out[0] = '\0';
    if (n >= room) return;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] > 0x7e) return;
    memcpy(out, s, n);
    out[n] = '\0';
}

/* HTTP/1.1 206 Partial Content */
static bool status_line(eff_reply *r, const char *s, size_t n)
{
    if (n < 8 || strncasecmp(s, "HTTP/", 5) != 0) return false;
    const char *const space = memchr(s, ' ', n);
    uint64_t v = 0;
    if (!space || (size_t)(s + n - space) < 4 || !number(space + 1, 3, &v)) v = 0;
    const size_t bytes = r->bytes;
    *r = (eff_reply){ .status = (int)v, .bytes = bytes };
    return true;
}

/* bytes 100-199/200, or with a '*' for the total */
static void content_range(eff_reply *r, const char *s, size_t n)
{
    if (n < 6 || strncasecmp(s, "bytes ", 6) != 0) return;
    const char *const end = s + n;
    s += 6;
    const char *const dash = memchr(s, '-', (size_t)(end - s));
    const char *const slash = dash ? memchr(dash, '/', (size_t)(end - dash)) : NULL;
    uint64_t first, last, total = 0;
    if (!slash || !number(s, (size_t)(dash - s), &first) || !number(dash + 1, (size_t)(slash - dash - 1), &last))
        return;
    const size_t left = (size_t)(end - slash - 1);
    if (!(left == 1 && slash[1] == '*') && !number(slash + 1, left, &total)) return;
    if (last < first || (total && last >= total)) return;
    r->first = first;
    r->last = last;
    r->total = total;
    r->has_range = true;
}

static bool is(const char *line, size_t n, const char *name)
{
    return strlen(name) == n && strncasecmp(line, name, n) == 0;
}

bool eff_reply_line(eff_reply *r, const char *line, size_t n)
{
    r->bytes += n;
    if (r->bytes > EFF_REPLY_MOST) r->too_much = true;
    if (r->too_much) return false;
    while (n && isspace((unsigned char)line[n - 1])) n--;
    if (status_line(r, line, n)) return true;
    const char *const colon = n ? memchr(line, ':', n) : NULL;
    if (!colon) return true;
    const size_t name = (size_t)(colon - line);
    const char *v = colon + 1;
    size_t left = n - name - 1;
    while (left && isspace((unsigned char)*v)) {
        v++;
        left--;
    }
    if (is(line, name, "ETag")) {
        if (left >= 2 && v[0] == '"' && v[left - 1] == '"') keep(r->etag, sizeof r->etag, v, left);
    } else if (is(line, name, "Last-Modified")) {
        keep(r->modified, sizeof r->modified, v, left);
    } else if (is(line, name, "Content-Encoding")) {
        if (left && !is(v, left, "identity")) keep(r->encoding, sizeof r->encoding, v, left);
        if (left && !is(v, left, "identity") && !*r->encoding) strcpy(r->encoding, "unknown");
    } else if (is(line, name, "Content-Length")) {
        r->has_length = number(v, left, &r->length);
    } else if (is(line, name, "Content-Range")) {
        content_range(r, v, left);
    }
    return true;
}

const char *eff_reply_validator(const eff_reply *r) { return *r->etag ? r->etag : r->modified; }

eff_status eff_reply_redirect(const char *from, const char *to, eff_error *err)
{
    const bool safe = strncasecmp(to, "https://", 8) == 0, plain = strncasecmp(to, "http://", 7) == 0;
    if (!safe && !plain)
        return eff_fail(err, EFF_EIO, "the server redirects to '%.120s', which is neither http nor https", to);
    if (plain && strncasecmp(from, "https://", 8) == 0)
        return eff_fail(err, EFF_EIO, "the server redirects from https to '%.120s', which is not encrypted", to);
    return EFF_OK;
}
