/* SPDX-License-Identifier: Apache-2.0 */
/* The index is a table as LevelDB writes them: blocks of sorted, prefix-compressed keys with a checksum each, a block
 * that says where they are, and a footer that says where that one is. The value of the empty key is a
 * BundleHeaderProto, that of every other key a BundleEntryProto; the few fields needed are decoded by hand and the
 * others passed over. Keys must ascend strictly over the whole table and blocks over the whole file, so no byte is
 * read, checked or expanded twice. */
#include "formats/bundle_index.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "formats/snappy.h"

#include <string.h>

enum {
    FOOTER = 48,
    TRAILER = 5,          /* behind each block: compression, checksum of both       */
    MAX_BLOCK = 16 << 20, /* bytes, expanded; TensorFlow begins a new one at 256 KiB */
    BUNDLE_VERSION = 1,   /* of the format                                          */
};

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        const eff_status s_ = (call);                                                                                  \
        if (s_) return s_;                                                                                             \
    } while (0)

/* ------------------------------------------------------------------------------------------------ numbers */

typedef struct span { /* bytes not yet read */
    const unsigned char *p, *end;
} span;

static size_t left(const span *s) { return (size_t)(s->end - s->p); }

static uint64_t fixed(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static bool take_varint(span *s, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && s->p < s->end; shift += 7) {
        const unsigned char b = *s->p++;
        *out |= (uint64_t)(b & 127) << shift;
        if (b < 128) return shift < 63 || b < 2;
    }
    return false;
}

static bool take_bytes(span *s, uint64_t n, span *out)
{
    if (n > left(s)) return false;
    *out = (span){ s->p, s->p + n };
    s->p += n;
    return true;
}

/* ------------------------------------------------------------------------------------------------- blocks */

typedef struct handle {
    uint64_t offset, size;
} handle;

static bool take_handle(span *s, handle *h) { return take_varint(s, &h->offset) && take_varint(s, &h->size); }

/* A block, checked and expanded. `own` is what to free. */
typedef struct block {
    span entries;
    unsigned char *own;
} block;

static eff_status fail_block(const handle *h, eff_status code, const char *what, eff_error *err)
{
    return eff_fail(err, code, "index: block at byte %llu: %s", (unsigned long long)h->offset, what);
}

/* Behind the entries stand the places where a key is written whole, and their number. We read from the start and do not
 * need them, but a block whose own map is wrong is damaged. */
static eff_status cut_restarts(block *b, const handle *h, const unsigned char *bytes, size_t n, eff_error *err)
{
    const uint64_t count = n >= 4 ? fixed(bytes + n - 4, 4) : 0;
    if (n < 4 || count > (n - 4) / 4) return fail_block(h, EFF_EFORMAT, "its restart points do not fit into it", err);
    const size_t end = n - 4 - 4 * (size_t)count;
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t at = fixed(bytes + end + 4 * i, 4);
        if (at > end || at < before || (i == 0 && at))
            return fail_block(h, EFF_EFORMAT, "its restart points are not in order", err);
        before = at;
    }
    b->entries = (span){ bytes, bytes + end };
    return EFF_OK;
}

static eff_status open_block(block *b, const unsigned char *bytes, size_t n, const handle *h, eff_error *err)
{
    *b = (block){ 0 };
    const size_t room = n - FOOTER;
    if (h->offset > room || room - h->offset < TRAILER || h->size > room - h->offset - TRAILER)
        return eff_fail(err, EFF_EFORMAT, "index: a block of %llu bytes at byte %llu reaches past the end (%zu bytes)",
                        (unsigned long long)h->size, (unsigned long long)h->offset, n);
    const unsigned char *const p = bytes + h->offset;
    const size_t size = (size_t)h->size;
    const uint32_t found = eff_crc32c_mask(eff_crc32c(0, p, size + 1)), want = (uint32_t)fixed(p + size + 1, 4);
    if (found != want)
        return eff_fail(err, EFF_EFORMAT, "index: block at byte %llu: checksum %08x expected, %08x found",
                        (unsigned long long)h->offset, want, found);
    const unsigned char compression = p[size];
    if (compression > 1)
        return eff_fail(err, EFF_EUNSUPPORTED, "index: block at byte %llu: compression %d is not read",
                        (unsigned long long)h->offset, compression);
    if (size > MAX_BLOCK) return fail_block(h, EFF_EFORMAT, "larger than any that TensorFlow writes", err);
    if (!compression) return cut_restarts(b, h, p, size, err);
    size_t expanded;
    eff_status s = eff_snappy_expand(p, size, MAX_BLOCK, &b->own, &expanded, err);
    if (s != EFF_OK) {
        eff_error_prefix(err, "index: block at byte %llu", (unsigned long long)h->offset);
        return s;
    }
    s = cut_restarts(b, h, b->own, expanded, err);
    if (s != EFF_OK) eff_free(b->own);
    return s;
}

typedef struct key {
    unsigned char bytes[EFF_MAX_TENSOR_NAME];
    size_t len;
    bool any; /* one has been read */
} key;

/* The next entry of a block: `k` becomes its key. Keys must ascend strictly. */
static eff_status next_entry(span *entries, key *k, span *value, const handle *h, eff_error *err)
{
    uint64_t shared, fresh, size;
    span suffix;
    if (!take_varint(entries, &shared) || !take_varint(entries, &fresh) || !take_varint(entries, &size) ||
        shared > k->len || !take_bytes(entries, fresh, &suffix) || !take_bytes(entries, size, value))
        return fail_block(h, EFF_EFORMAT, "an entry reaches past its end", err);
    if (fresh > sizeof k->bytes - shared)
        return eff_fail(err, EFF_EFORMAT, "index: block at byte %llu: a name of %llu bytes, expected at most %d",
                        (unsigned long long)h->offset, (unsigned long long)shared + fresh, EFF_MAX_TENSOR_NAME);
    if (k->any) { /* only what follows the shared part can differ */
        const size_t old = k->len - (size_t)shared, n = old < fresh ? old : (size_t)fresh;
        const int c = n ? memcmp(suffix.p, k->bytes + shared, n) : 0;
        if (c == 0 && fresh == old)
            return eff_fail(err, EFF_EFORMAT, "index: tensor %.*s occurs twice", k->len < 100 ? (int)k->len : 100,
                            k->bytes);
        if (c < 0 || (c == 0 && fresh < old))
            return eff_fail(err, EFF_EFORMAT, "index: the name behind %.*s is not in order",
                            k->len < 100 ? (int)k->len : 100, k->bytes);
    }
    if (fresh) memcpy(k->bytes + shared, suffix.p, (size_t)fresh);
    k->len = (size_t)(shared + fresh);
    k->any = true;
    return EFF_OK;
}

/* ----------------------------------------------------------------------------------------- protocol buffers */

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct field {
    uint64_t number;
    int wire;
    uint64_t value; /* of a varint or fixed one */
    span bytes;
} field;

/* The next field of a message that has bytes left. */
static bool next_field(span *m, field *f)
{
    uint64_t tag, n;
    if (!take_varint(m, &tag)) return false;
    f->number = tag >> 3;
    f->wire = (int)(tag & 7);
    switch (f->wire) {
    case WIRE_VARINT: return take_varint(m, &f->value);
    case WIRE_BYTES: return take_varint(m, &n) && take_bytes(m, n, &f->bytes);
    case WIRE_64:
    case WIRE_32: {
        const int width = f->wire == WIRE_64 ? 8 : 4;
        if (!take_bytes(m, (uint64_t)width, &f->bytes)) return false;
        f->value = fixed(f->bytes.p, width);
        return true;
    }
    default: return false;
    }
}

/* BundleHeaderProto { 1: num_shards  2: endianness (1 = big)  3: VersionDef { 2: min_consumer } } */
static eff_status read_header(span m, uint32_t *shards, eff_error *err)
{
    uint64_t count = 0, big = 0, version = 0;
    field f, g;
    bool ok = true;
    while (ok && m.p < m.end) {
        ok = next_field(&m, &f);
        if (ok && f.number == 1 && f.wire == WIRE_VARINT) count = f.value;
        if (ok && f.number == 2 && f.wire == WIRE_VARINT) big = f.value;
        if (!ok || f.number != 3 || f.wire != WIRE_BYTES) continue;
        for (span v = f.bytes; ok && v.p < v.end;) {
            ok = next_field(&v, &g);
            if (ok && g.number == 2 && g.wire == WIRE_VARINT) version = g.value;
        }
    }
    if (!ok) return eff_fail(err, EFF_EFORMAT, "index: the header is damaged");
    if (big) return eff_fail(err, EFF_EUNSUPPORTED, "index: byte order: expected little, found big");
    if (version > BUNDLE_VERSION)
        return eff_fail(err, EFF_EUNSUPPORTED, "index: written for readers of version %llu, this one has %d",
                        (unsigned long long)version, BUNDLE_VERSION);
    if (count < 1 || count > EFF_BUNDLE_SHARDS)
        return eff_fail(err, EFF_EFORMAT, "index: data files: expected 1..%d, found %llu", EFF_BUNDLE_SHARDS,
                        (unsigned long long)count);
    *shards = (uint32_t)count;
    return EFF_OK;
}

static eff_status fail_entry(const eff_bundle_entry *e, eff_status code, const char *what, eff_error *err)
{
    return eff_fail(err, code, "tensor %.*s: %s", e->len < 100 ? (int)e->len : 100, e->name, what);
}

/* TensorShapeProto { 2: repeated Dim { 1: size }  3: unknown_rank } */
static eff_status read_shape(eff_bundle_entry *e, span m, eff_error *err)
{
    static const char damaged[] = "its shape in the index is damaged";
    field f, g;
    while (m.p < m.end) {
        if (!next_field(&m, &f)) return fail_entry(e, EFF_EFORMAT, damaged, err);
        if (f.number == 3 && f.wire == WIRE_VARINT && f.value)
            return fail_entry(e, EFF_EFORMAT, "a shape of unknown rank", err);
        if (f.number != 2 || f.wire != WIRE_BYTES) continue;
        if (e->ndim == EFF_MAX_DIMS) return fail_entry(e, EFF_EUNSUPPORTED, "more than 8 dimensions are not read", err);
        int64_t *const size = &e->dim[e->ndim++];
        *size = 0;
        for (span d = f.bytes; d.p < d.end;) {
            if (!next_field(&d, &g)) return fail_entry(e, EFF_EFORMAT, damaged, err);
            if (g.number == 1 && g.wire == WIRE_VARINT) *size = (int64_t)g.value;
        }
    }
    return EFF_OK;
}

/* BundleEntryProto { 1: dtype  2: shape  3: shard_id  4: offset  5: size  6: fixed32 crc32c  7: repeated slices } */
static eff_status read_entry(eff_bundle_entry *e, span m, eff_error *err)
{
    field f;
    uint64_t type = 0, shard = 0;
    while (m.p < m.end) {
        if (!next_field(&m, &f)) return fail_entry(e, EFF_EFORMAT, "its entry in the index is damaged", err);
        if (f.wire == WIRE_VARINT) switch (f.number) {
            case 1: type = f.value; break;
            case 3: shard = f.value; break;
            case 4: e->offset = f.value; break;
            case 5: e->size = f.value; break;
            default: break;
            }
        else if (f.number == 2 && f.wire == WIRE_BYTES)
            TRY(read_shape(e, f.bytes, err));
        else if (f.number == 6 && f.wire == WIRE_32)
            e->crc = (uint32_t)f.value;
        else if (f.number == 7)
            return fail_entry(e, EFF_EUNSUPPORTED, "saved in slices (a partitioned variable), which are not read", err);
    }
    if (shard > EFF_BUNDLE_SHARDS)
        return fail_entry(e, EFF_EFORMAT, "the number of its data file is out of range", err);
    e->type = type < 1000 ? (int)type : 1000; /* no such type either */
    e->shard = (uint32_t)shard;
    return EFF_OK;
}

/* -------------------------------------------------------------------------------------------------- table */

typedef struct reading {
    key last;
    uint32_t shards; /* 0: the header has not been read */
    eff_bundle_add *add;
    void *ctx;
} reading;

static eff_status read_block(reading *r, span entries, const handle *h, eff_error *err)
{
    while (entries.p < entries.end) {
        span value;
        TRY(next_entry(&entries, &r->last, &value, h, err));
        if (!r->shards) {
            if (r->last.len) return eff_fail(err, EFF_EFORMAT, "index: expected a header before the first tensor");
            TRY(read_header(value, &r->shards, err));
            continue;
        }
        eff_bundle_entry e = { .name = (const char *)r->last.bytes, .len = r->last.len };
        if (r->last.bytes[0] == 0) /* names of slices begin so */
            return eff_fail(err, EFF_EUNSUPPORTED,
                            "index: it has variables saved in slices (partitioned), which are not read");
        TRY(read_entry(&e, value, err));
        TRY(r->add(r->ctx, r->shards, &e, err));
    }
    return EFF_OK;
}

eff_status eff_bundle_index_read(const unsigned char *bytes, size_t n, eff_bundle_add *add, void *ctx, eff_error *err)
{
    static const unsigned char magic[8] = { 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb };
    handle meta, index;
    if (n < FOOTER || memcmp(bytes + n - 8, magic, 8) != 0)
        return eff_fail(err, EFF_EFORMAT, "index: it does not end as a TensorFlow index does: damaged or cut short");
    span footer = { bytes + n - FOOTER, bytes + n - 8 };
    if (!take_handle(&footer, &meta) || !take_handle(&footer, &index))
        return eff_fail(err, EFF_EFORMAT, "index: its footer is damaged");

    reading r = { .add = add, .ctx = ctx };
    key separator = { .len = 0 };
    block list, unused;
    uint64_t end = 0;                               /* of the last block */
    TRY(open_block(&unused, bytes, n, &meta, err)); /* TensorFlow writes nothing into it; damage is damage */
    eff_free(unused.own);
    TRY(open_block(&list, bytes, n, &index, err));
    eff_status s = EFF_OK;
    while (s == EFF_OK && list.entries.p < list.entries.end) {
        span value;
        handle h;
        block b;
        s = next_entry(&list.entries, &separator, &value, &index, err);
        if (s != EFF_OK) break;
        if (!take_handle(&value, &h)) {
            s = fail_block(&index, EFF_EFORMAT, "an entry that is no place of a block", err);
            break;
        }
        if (h.offset < end) {
            s = fail_block(&h, EFF_EFORMAT, "it overlaps the one before", err);
            break;
        }
        s = open_block(&b, bytes, n, &h, err);
        if (s != EFF_OK) break;
        end = h.offset + h.size + TRAILER;
        s = read_block(&r, b.entries, &h, err);
        eff_free(b.own);
    }
    eff_free(list.own);
    if (s == EFF_OK && !r.shards) return eff_fail(err, EFF_EFORMAT, "index: it is empty");
    return s;
}
