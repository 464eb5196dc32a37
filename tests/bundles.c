/* SPDX-License-Identifier: Apache-2.0 */
/* Written from the format's description, with nothing of the reader in it but the names; a checksum of its own, bit by
 * bit. */
#include "bundles.h"

#include "formats/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------------------------- bytes */

void t_add_bytes(t_bytes *b, const void *p, size_t n)
{
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n) + 64;
        b->p = realloc(b->p, b->room);
        assert_non_null(b->p);
    }
    if (n) memcpy(b->p + b->n, p, n);
    b->n += n;
}

void t_add_le(t_bytes *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) t_add_bytes(b, &(unsigned char){ (unsigned char)(v >> 8 * i) }, 1);
}

void t_add_varint(t_bytes *b, uint64_t v)
{
    for (; v > 127; v >>= 7) t_add_le(b, (v & 127) | 128, 1);
    t_add_le(b, v, 1);
}

void t_add_field(t_bytes *b, int field, uint64_t v)
{
    t_add_varint(b, (uint64_t)field << 3);
    t_add_varint(b, v);
}

void t_add_message(t_bytes *b, int field, const t_bytes *m)
{
    t_add_varint(b, (uint64_t)field << 3 | 2);
    t_add_varint(b, m->n);
    t_add_bytes(b, m->p, m->n);
}

void t_bytes_free(t_bytes *b)
{
    free(b->p);
    *b = (t_bytes){ 0 };
}

static uint32_t masked(const unsigned char *p, size_t n)
{
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0x82f63b78u : 0);
            table[i] = c;
        }
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) crc = crc >> 8 ^ table[(crc ^ p[i]) & 255];
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* ------------------------------------------------------------------------------------------------- tensors */

static void add_key(t_bundle *b, const char *name, t_bytes value)
{
    assert_true(b->n < T_BUNDLE_TENSORS);
    b->key[b->n].name = strdup(name);
    b->key[b->n].len = strlen(name);
    b->key[b->n++].value = value;
}

void t_bundle_begin(t_bundle *b, int shards)
{
    *b = (t_bundle){ .shards = shards };
    t_bytes header = { 0 }, version = { 0 };
    t_add_field(&header, 1, (uint64_t)shards);
    t_add_field(&version, 1, 1); /* producer */
    t_add_message(&header, 3, &version);
    t_bytes_free(&version);
    add_key(b, "", header);
}

void t_bundle_add(t_bundle *b, const char *name, int type, int ndim, const int64_t *dim, const void *data, size_t size,
                  int shard)
{
    t_bytes value = { 0 }, shape = { 0 };
    for (int i = 0; i < ndim; i++) {
        t_bytes d = { 0 };
        t_add_field(&d, 1, (uint64_t)dim[i]);
        t_add_message(&shape, 2, &d);
        t_bytes_free(&d);
    }
    t_add_field(&value, 1, (uint64_t)type);
    t_add_message(&value, 2, &shape);
    if (shard) t_add_field(&value, 3, (uint64_t)shard);
    if (b->data[shard].n) t_add_field(&value, 4, b->data[shard].n);
    t_add_field(&value, 5, size);
    t_add_varint(&value, 6 << 3 | 5);
    t_add_le(&value, masked(data, size), 4);
    t_add_bytes(&b->data[shard], data, size);
    t_bytes_free(&shape);
    add_key(b, name, value);
}

static int by_name(const void *pa, const void *pb)
{
    const t_bundle_key *const a = pa, *const b = pb;
    return strcmp(a->name, b->name);
}

void t_bundle_sort(t_bundle *b) { qsort(b->key + 1, (size_t)b->n - 1, sizeof *b->key, by_name); }

void t_bundle_free(t_bundle *b)
{
    for (int i = 0; i < b->n; i++) {
        free(b->key[i].name);
        t_bytes_free(&b->key[i].value);
    }
    for (int i = 0; i < 4; i++) t_bytes_free(&b->data[i]);
}

void t_bundle_add_model(t_bundle *b, const eff_model *m, const char *scope, float scale, int averages)
{
    for (int p = 0; p < m->graph->nparams; p++) {
        const eff_param *const q = &m->graph->param[p];
        char name[EFF_TENSOR_NAME], full[2 * EFF_TENSOR_NAME];
        assert_true(eff_name_of_param(name, EFF_FAMILY_TF, &m->table, m->graph, p));
        snprintf(full, sizeof full, "%s%s%s%s", scope, *scope ? "/" : "", name,
                 averages ? "/ExponentialMovingAverage" : "");
        float *const v = malloc(q->count * sizeof *v);
        assert_non_null(v);
        const int *const d = q->dim;
        int64_t dim[4] = { d[0] };
        const bool depthwise = strstr(name, "depthwise_kernel") != NULL;
        if (q->ndim == 4) { /* [o][i][h][w] to [h][w][i][o]; depthwise, [c][1][h][w], to [h][w][c][1] */
            const int order[4] = { 2, 3, depthwise ? 0 : 1, depthwise ? 1 : 0 };
            for (int k = 0; k < 4; k++) dim[k] = d[order[k]];
            size_t at = 0;
            for (int h = 0; h < d[2]; h++)
                for (int w = 0; w < d[3]; w++)
                    for (int64_t i = 0; i < dim[2]; i++)
                        for (int64_t o = 0; o < dim[3]; o++) {
                            const int64_t out = depthwise ? i : o, in = depthwise ? o : i;
                            v[at++] = scale * m->weights[p][((out * d[1] + in) * d[2] + h) * d[3] + w];
                        }
        } else if (q->ndim == 2) {
            dim[0] = d[1];
            dim[1] = d[0];
            for (int i = 0; i < d[1]; i++)
                for (int o = 0; o < d[0]; o++) v[i * d[0] + o] = scale * m->weights[p][o * d[1] + i];
        } else {
            for (size_t i = 0; i < q->count; i++) v[i] = scale * m->weights[p][i];
        }
        t_bundle_add(b, full, 1, q->ndim, dim, v, q->count * sizeof *v, p % b->shards);
        free(v);
    }
}

/* --------------------------------------------------------------------------------------------------- index */

/* Snappy: a literal of up to 60 bytes, or where the last 4 bytes come again, a copy of 4. Small, not clever. */
static t_bytes squeeze(const t_bytes *in)
{
    t_bytes out = { 0 };
    t_add_varint(&out, in->n);
    for (size_t i = 0; i < in->n;) {
        if (i >= 4 && in->n - i >= 4 && !memcmp(in->p + i, in->p + i - 4, 4)) {
            size_t n = 4;
            while (n < 11 && i + n < in->n && in->p[i + n] == in->p[i + n - 4]) n++; /* overlaps itself */
            t_add_le(&out, (n - 4) << 2 | 1, 1);
            t_add_le(&out, 4, 1);
            i += n;
            continue;
        }
        const size_t n = in->n - i < 60 ? in->n - i < 4 ? in->n - i : 4 : 4;
        t_add_le(&out, (n - 1) << 2, 1);
        t_add_bytes(&out, in->p + i, n);
        i += n;
    }
    return out;
}

typedef struct place {
    uint64_t at, size;
} place;

static place put_block(t_bytes *file, const t_bytes *block, int snappy)
{
    t_bytes body = { 0 };
    if (snappy)
        body = squeeze(block);
    else
        t_add_bytes(&body, block->p, block->n);
    const place where = { file->n, body.n };
    t_add_le(&body, snappy ? 1 : 0, 1);
    t_add_bytes(file, body.p, body.n);
    t_add_le(file, masked(body.p, body.n), 4);
    t_bytes_free(&body);
    return where;
}

static void put_handle(t_bytes *b, place h)
{
    t_add_varint(b, h.at);
    t_add_varint(b, h.size);
}

static void put_entry(t_bytes *block, const t_bundle_key *before, const char *name, size_t len, const t_bytes *value)
{
    size_t shared = 0;
    while (before && shared < before->len && shared < len && before->name[shared] == name[shared]) shared++;
    t_add_varint(block, shared);
    t_add_varint(block, len - shared);
    t_add_varint(block, value->n);
    t_add_bytes(block, name + shared, len - shared);
    t_add_bytes(block, value->p, value->n);
}

static void put_restarts(t_bytes *block, const uint32_t *at, int n)
{
    for (int i = 0; i < n; i++) t_add_le(block, at[i], 4);
    t_add_le(block, (uint64_t)n, 4);
}

t_bytes t_bundle_index(const t_bundle *b)
{
    const int per_block = b->block_keys ? b->block_keys : 40;
    t_bytes file = { 0 }, list = { 0 }, meta = { 0 };
    for (int i = 0; i < b->n; i += per_block) {
        t_bytes block = { 0 }, value = { 0 };
        uint32_t restart[T_BUNDLE_TENSORS / 16 + 1];
        int restarts = 0, last = i;
        for (int k = i; k < b->n && k < i + per_block; k++) {
            const bool whole = (k - i) % 16 == 0;
            if (whole) restart[restarts++] = (uint32_t)block.n;
            put_entry(&block, whole ? NULL : &b->key[k - 1], b->key[k].name, b->key[k].len, &b->key[k].value);
            last = k;
        }
        put_restarts(&block, restart, restarts);
        put_handle(&value, put_block(&file, &block, b->snappy));
        put_entry(&list, NULL, b->key[last].name, b->key[last].len, &value);
        t_bytes_free(&block);
        t_bytes_free(&value);
    }
    put_restarts(&meta, &(uint32_t){ 0 }, 1);
    put_restarts(&list, &(uint32_t){ 0 }, 1); /* every key is written whole, so the others may be left out */
    const place m = put_block(&file, &meta, 0), l = put_block(&file, &list, 0);
    const size_t footer = file.n;
    put_handle(&file, m);
    put_handle(&file, l);
    while (file.n < footer + 40) t_add_le(&file, 0, 1);
    t_add_le(&file, 0xdb4775248b80fb57u, 8);
    t_bytes_free(&list);
    t_bytes_free(&meta);
    return file;
}

static void write_file(const char *path, const t_bytes *b)
{
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->p ? b->p : (const unsigned char *)"", 1, b->n, f), b->n);
    assert_int_equal(fclose(f), 0);
}

void t_bundle_write(const t_bundle *b, const char *base)
{
    char path[4200];
    t_bytes index = t_bundle_index(b);
    snprintf(path, sizeof path, "%s.index", base);
    write_file(path, &index);
    t_bytes_free(&index);
    for (int i = 0; i < b->shards && i < 4; i++) {
        snprintf(path, sizeof path, "%s.data-%05d-of-%05d", base, i, b->shards);
        write_file(path, &b->data[i]);
    }
}
