/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the head of HTTP replies, line by line; what is kept of it is bounded, printable, and consistent. The
 * last line is also tried as where a reply redirects to. */
#include "fuzz_expect.h"

#include "base/mem.h"
#include "fetch/reply.h"

#include <string.h>
#include <strings.h>

static void printable(const char *s, size_t room)
{
    const size_t n = strnlen(s, room);
    FUZZ_EXPECT(n < room);
    for (size_t i = 0; i < n; i++) FUZZ_EXPECT(s[i] >= 0x20 && s[i] <= 0x7e);
}

static void redirect(const char *line, size_t n)
{
    eff_error err = { 0 };
    char *const to = eff_strndup(line, n);
    if (!to) return;
    const eff_status safe = eff_reply_redirect("https://h/f", to, &err),
                     plain = eff_reply_redirect("http://h/f", to, &err);
    FUZZ_EXPECT(safe != EFF_OK || plain == EFF_OK);
    FUZZ_EXPECT(plain == EFF_OK || err.msg[0]);
    FUZZ_EXPECT((safe == EFF_OK) == !strncasecmp(to, "https://", 8));
    eff_free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_reply r = { 0 };
    const char *line = (const char *)data, *const end = line + size;
    while (line < end) {
        const char *const stop = memchr(line, '\n', (size_t)(end - line));
        const size_t n = stop ? (size_t)(stop - line) + 1 : (size_t)(end - line);
        const bool more = eff_reply_line(&r, line, n);
        FUZZ_EXPECT(more == (r.bytes <= EFF_REPLY_MOST));
        FUZZ_EXPECT(r.status >= 0 && r.status <= 999);
        FUZZ_EXPECT(!r.has_range || (r.first <= r.last && (!r.total || r.last < r.total)));
        printable(r.etag, sizeof r.etag);
        printable(r.modified, sizeof r.modified);
        printable(r.encoding, sizeof r.encoding);
        printable(eff_reply_validator(&r), sizeof r.etag);
        if (!stop) redirect(line, n);
        line += n;
    }
    return 0;
}
