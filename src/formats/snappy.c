/* SPDX-License-Identifier: Apache-2.0 */
/* A Snappy block is its expanded length and then a row of elements: a literal, or a copy of bytes that have been put
 * out before. Every length is checked against what is left on both sides before a byte moves; a block is accepted when
 * both sides end together. */
#include "formats/snappy.h"

#include "base/mem.h"

#include <string.h>

enum { MAX_RATIO = 32 }; /* the densest element gives 64 bytes for 3 */

typedef struct stream {
    const unsigned char *in, *end;
    unsigned char *out;
    size_t done, size;
} stream;

/* The next n <= 4 bytes as a number; false when they are not there. */
static bool take(stream *s, int n, uint32_t *out)
{
    *out = 0;
    if (s->end - s->in < n) return false;
    for (int i = 0; i < n; i++) *out |= (uint32_t)*s->in++ << 8 * i;
    return true;
}

static bool take_length(stream *s, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 35 && s->in < s->end; shift += 7) {
        const unsigned char b = *s->in++;
        *out |= (uint64_t)(b & 127) << shift;
        if (b < 128) return *out <= UINT32_MAX;
    }
    return false;
}

static bool literal(stream *s, unsigned tag)
{
    uint32_t extra = 0;
    const unsigned code = tag >> 2;
    if (code >= 60 && !take(s, (int)code - 59, &extra)) return false;
    const size_t n = (size_t)(code < 60 ? code : extra) + 1;
    if (n > (size_t)(s->end - s->in) || n > s->size - s->done) return false;
    memcpy(s->out + s->done, s->in, n);
    s->in += n;
    s->done += n;
    return true;
}

static bool copy(stream *s, unsigned tag)
{
    uint32_t back;
    size_t n = (tag >> 2) + 1;
    if ((tag & 3) == 1) {
        n = (tag >> 2 & 7) + 4;
        if (!take(s, 1, &back)) return false;
        back |= tag >> 5 << 8;
    } else if (!take(s, (tag & 3) == 2 ? 2 : 4, &back)) {
        return false;
    }
    if (back == 0 || back > s->done || n > s->size - s->done) return false;
    for (; n; n--, s->done++) s->out[s->done] = s->out[s->done - back]; /* may overlap: a run of a few bytes */
    return true;
}

eff_status eff_snappy_expand(const unsigned char *in, size_t n, size_t limit, unsigned char **out, size_t *size,
                             eff_error *err)
{
    stream s = { .in = in, .end = in + n };
    uint64_t length;
    if (!take_length(&s, &length)) return eff_fail(err, EFF_EFORMAT, "Snappy data without a length");
    if (length / MAX_RATIO > n || length > limit)
        return eff_fail(err, EFF_EFORMAT, "%zu bytes of Snappy data announce %llu, expected at most %zu", n,
                        (unsigned long long)length, n * MAX_RATIO < limit ? n * MAX_RATIO : limit);
    s.size = (size_t)length;
    s.out = eff_malloc(s.size);
    if (!s.out) return eff_fail_memory(err, s.size);
    bool ok = true;
    while (ok && s.in < s.end) {
        const unsigned tag = *s.in++;
        ok = tag & 3 ? copy(&s, tag) : literal(&s, tag);
    }
    if (!ok || s.done != s.size) {
        eff_free(s.out);
        return eff_fail(err, EFF_EFORMAT, "Snappy data is damaged at byte %zu", (size_t)(s.in - in));
    }
    *out = s.out;
    *size = s.size;
    return EFF_OK;
}
