/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol buffers on the wire: every length is held against what is left before anything is read. Written here and not
 * with a library because exporting must stream weights that no second copy in memory exists of, and reading must point
 * into the file: generated code builds the whole message both times. */
#include "formats/onnx_wire.h"

#include "base/mem.h"

#include <string.h>

enum { MAX_VARINT = 10, MAX_FIELD = (1 << 29) - 1 };

/* ------------------------------------------------------------------------------------------ writing */

static bool make_room(eff_wire *w, size_t n)
{
    const size_t need = w->n + n; /* both lie in memory */
    if (w->failed) return false;
    if (need <= w->room) return true;
    const size_t room = need > 2 * w->room ? need + 256 : 2 * w->room;
    unsigned char *const p = eff_realloc(w->p, room);
    if (!p) {
        w->failed = true;
        return false;
    }
    w->p = p;
    w->room = room;
    return true;
}

void eff_wire_raw(eff_wire *w, const void *p, size_t n)
{
    if (!n || !make_room(w, n)) return;
    memcpy(w->p + w->n, p, n);
    w->n += n;
}

static void append_varint(eff_wire *w, uint64_t v)
{
    unsigned char b[MAX_VARINT];
    size_t n = 0;
    for (; v > 127; v >>= 7) b[n++] = (unsigned char)(v | 128);
    b[n++] = (unsigned char)v;
    eff_wire_raw(w, b, n);
}

static void append_tag(eff_wire *w, int field, eff_wire_type t)
{
    append_varint(w, (uint64_t)field << 3 | (uint64_t)t);
}

void eff_wire_number(eff_wire *w, int field, uint64_t v)
{
    append_tag(w, field, EFF_WIRE_NUMBER);
    append_varint(w, v);
}

void eff_wire_head(eff_wire *w, int field, uint64_t n)
{
    append_tag(w, field, EFF_WIRE_BYTES);
    append_varint(w, n);
}

void eff_wire_bytes(eff_wire *w, int field, const void *p, size_t n)
{
    eff_wire_head(w, field, n);
    eff_wire_raw(w, p, n);
}

void eff_wire_text(eff_wire *w, int field, const char *s) { eff_wire_bytes(w, field, s, strlen(s)); }

size_t eff_wire_number_bytes(uint64_t v)
{
    size_t n = 1;
    for (; v > 127; v >>= 7) n++;
    return n;
}

void eff_wire_message(eff_wire *w, int field, eff_wire *inner)
{
    if (inner->failed) w->failed = true;
    eff_wire_bytes(w, field, inner->p, inner->n);
    inner->n = 0;
}

void eff_wire_free(eff_wire *w)
{
    eff_free(w->p);
    *w = (eff_wire){ 0 };
}

/* ------------------------------------------------------------------------------------------ reading */

bool eff_wire_take_number(eff_slice *rest, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < rest->n && i < MAX_VARINT; i++) {
        const unsigned char b = rest->p[i];
        if (i == MAX_VARINT - 1 && b > 1) return false; /* 65 bits */
        *v |= (uint64_t)(b & 127) << (7 * i);
        if (b < 128) {
            rest->p += i + 1;
            rest->n -= i + 1;
            return true;
        }
    }
    return false;
}

static bool take_bytes(eff_slice *rest, uint64_t n, eff_slice *out)
{
    if (n > rest->n) return false;
    *out = (eff_slice){ rest->p, (size_t)n };
    rest->p += n;
    rest->n -= (size_t)n;
    return true;
}

static bool take_field(eff_slice *rest, eff_wire_field *f)
{
    uint64_t tag, n;
    if (!eff_wire_take_number(rest, &tag) || tag >> 3 == 0 || tag >> 3 > MAX_FIELD) return false;
    *f = (eff_wire_field){ .number = (int)(tag >> 3), .type = (eff_wire_type)(tag & 7) };
    switch (tag & 7) {
    case EFF_WIRE_NUMBER: return eff_wire_take_number(rest, &f->value);
    case EFF_WIRE_BYTES:
        return eff_wire_take_number(rest, &n) && take_bytes(rest, n, &f->bytes);
    case EFF_WIRE_32:
    case EFF_WIRE_64: {
        eff_slice bits;
        if (!take_bytes(rest, (tag & 7) == EFF_WIRE_32 ? 4 : 8, &bits)) return false;
        memcpy(&f->value, bits.p, bits.n);
        return true;
    }
    default: return false; /* groups are of protocol buffers before ONNX */
    }
}

bool eff_wire_next(eff_slice *rest, eff_wire_field *f)
{
    if (!rest->n) return false;
    if (take_field(rest, f)) return true;
    *rest = (eff_slice){ 0 };
    return false;
}

bool eff_slice_is(eff_slice s, const char *text)
{
    return s.n == strlen(text) && (s.n == 0 || memcmp(s.p, text, s.n) == 0);
}
