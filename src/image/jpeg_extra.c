/* SPDX-License-Identifier: Apache-2.0 */
/* The segments of a JPEG file. A segment is looked at only when all of it is in the file, and the walk only goes
 * forward. */
#include "image/jpeg_extra.h"

#include "base/mem.h"
#include "image/exif.h"
#include "image/icc.h"

#include <stdbool.h>
#include <string.h>

enum { SOI = 0xd8, EOI = 0xd9, SOS = 0xda, RST0 = 0xd0, RST7 = 0xd7, TEM = 0x01, APP1 = 0xe1, APP2 = 0xe2 };
enum { ICC_HEAD = 14, MAX_PIECES = 255 }; /* "ICC_PROFILE\0", number, count */

typedef struct segment {
    int marker;
    const uint8_t *data;
    size_t size;
} segment;

typedef struct walk {
    const uint8_t *at, *end;
} walk;

/** The next marker; what lies before it (pixels, stray bytes) is passed over. false at the end or at a cut-off segment.
 */
static bool next_segment(walk *w, segment *s)
{
    for (;;) {
        if (w->at >= w->end) return false;
        const uint8_t *p = memchr(w->at, 0xff, (size_t)(w->end - w->at));
        if (!p) return false;
        while (p < w->end && *p == 0xff) p++;
        if (p == w->end) return false;
        w->at = p + 1;
        const int m = *p;
        if (m == 0 || m == TEM || (m >= RST0 && m <= RST7) || m == SOI) continue;
        *s = (segment){ .marker = m };
        if (m == EOI) return true;
        if (w->end - w->at < 2) return false;
        const size_t length = (size_t)w->at[0] << 8 | w->at[1];
        if (length < 2 || length > (size_t)(w->end - w->at)) return false;
        s->data = w->at + 2;
        s->size = length - 2;
        w->at += length;
        return true;
    }
}

typedef struct pieces {
    const uint8_t *data[MAX_PIECES];
    size_t size[MAX_PIECES], total;
    int count; /* how many there are to be; -1 once they contradict each other */
} pieces;

static void add_piece(pieces *p, const segment *s)
{
    const int number = s->data[12], count = s->data[13];
    if (p->count == 0) p->count = count;
    if (p->count != count || number < 1 || number > count || p->data[number - 1]) {
        p->count = -1;
        return;
    }
    p->data[number - 1] = s->data + ICC_HEAD;
    p->size[number - 1] = s->size - ICC_HEAD;
    p->total += s->size - ICC_HEAD;
}

static eff_status join(eff_jpeg_extra *x, const pieces *p, eff_error *err)
{
    if (p->count < 1 || p->total == 0 || p->total > EFF_ICC_MAX) return EFF_OK;
    for (int i = 0; i < p->count; i++)
        if (!p->data[i]) return EFF_OK;
    x->icc = p->data[0];
    x->icc_size = p->total;
    if (p->count == 1) return EFF_OK;
    x->icc = x->joined = eff_malloc(p->total);
    if (!x->joined) return eff_fail_memory(err, p->total);
    uint8_t *to = x->joined;
    for (int i = 0; i < p->count; to += p->size[i], i++) memcpy(to, p->data[i], p->size[i]);
    return EFF_OK;
}

eff_status eff_jpeg_extra_read(eff_jpeg_extra *x, const uint8_t *bytes, size_t size, eff_error *err)
{
    *x = (eff_jpeg_extra){ .orientation = 1 };
    pieces icc = { .count = 0 };
    walk w = { bytes, bytes + size };
    bool exif = false;
    for (segment s; next_segment(&w, &s) && s.marker != SOS && s.marker != EOI;) {
        if (s.marker == APP1 && !exif && s.size >= 6 && !memcmp(s.data, "Exif\0\0", 6)) {
            exif = true;
            x->orientation = eff_exif_orientation(s.data, s.size);
        }
        if (s.marker == APP2 && s.size >= ICC_HEAD && !memcmp(s.data, "ICC_PROFILE", 12)) add_piece(&icc, &s);
    }
    return join(x, &icc, err);
}

void eff_jpeg_extra_free(eff_jpeg_extra *x)
{
    eff_free(x->joined);
    *x = (eff_jpeg_extra){ .orientation = 1 };
}

int eff_jpeg_count_scans(const uint8_t *bytes, size_t size, int most)
{
    walk w = { bytes, bytes + size };
    int n = 0;
    for (segment s; n < most && next_segment(&w, &s) && s.marker != EOI;) n += s.marker == SOS;
    return n;
}
