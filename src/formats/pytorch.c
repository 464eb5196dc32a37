/* SPDX-License-Identifier: Apache-2.0 */
/* The two containers of torch.save. Both are opened the same way: parse the pickle, find where every storage lies and how
 * long it is, then list the tensors; the data of a storage is only read when a tensor on it is. */
#include "formats/pytorch.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/pytorch_dict.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

enum {
    MAX_PICKLE = 8 << 20,      /* bytes of data.pkl; that of a training checkpoint of B7 has 0.4 MB       */
    FIRST_PICKLE = 256 << 10,  /* of a legacy file, tried first; doubled until the pickles are whole      */
    MAX_RATIO = 200,           /* compressed members: float data shrinks little, a zip bomb a thousandfold */
    MAX_WORK = 16,             /* bytes to read for all tensors, per byte of file, beyond the first MB    */
};

typedef struct reader {
    zip_t *zip;       /* NULL: legacy */
    int fd;           /* legacy: the checkpoint's */
    uint64_t size;    /* zip: of the file */
    char root[512];   /* of the archive's folder, with its slash */
    eff_pt_storage *storage;
    size_t n;
} reader;

static void pt_close(eff_checkpoint *c)
{
    reader *const r = c->impl;
    if (!r) return;
    if (r->zip) zip_discard(r->zip);
    eff_free(r->storage);
    eff_free(r);
}

/* -------------------------------------------------------------------------------------------- zip: opening */

static eff_status zip_fail(eff_error *err, zip_error_t *e, const char *what)
{
    const int code = zip_error_code_zip(e);
    return eff_fail(err, code == ZIP_ER_MEMORY ? EFF_ENOMEM : EFF_EFORMAT, "%s: %s", what, zip_error_strerror(e));
}

static eff_status zip_start(eff_checkpoint *c, reader *r, eff_error *err)
{
    struct stat file;
    const int fd = dup(c->fd); /* libzip closes the one it gets */
    if (fd >= 0 && fstat(fd, &file) == 0) r->size = (uint64_t)file.st_size;
    if (fd < 0) return eff_fail(err, EFF_EIO, "no file descriptor left");
    int code;
    r->zip = zip_fdopen(fd, 0, &code);
    if (r->zip) return EFF_OK;
    close(fd);
    zip_error_t e;
    zip_error_init_with_code(&e, code);
    const eff_status s = zip_fail(err, &e, "zip archive damaged or cut short");
    zip_error_fini(&e);
    return s;
}

/* What else a zip without data.pkl may be. */
static eff_status not_pytorch(zip_t *z, eff_error *err)
{
    const zip_int64_t n = zip_get_num_entries(z, 0);
    const char *const first = n > 0 ? zip_get_name(z, 0, 0) : NULL;
    const size_t len = first ? strlen(first) : 0;
    if (zip_name_locate(z, "config.json", 0) >= 0 && zip_name_locate(z, "metadata.json", 0) >= 0)
        return eff_fail(err, EFF_EUNSUPPORTED, "a Keras model (.keras) without model.weights.h5 is not read");
    if (len > 4 && !strcmp(first + len - 4, ".npy"))
        return eff_fail(err, EFF_EUNSUPPORTED, "a NumPy .npz archive is not read");
    return eff_fail(err, EFF_EFORMAT, "a zip archive without data.pkl: expected a PyTorch checkpoint");
}

/* The archive's one folder is named after the file it was saved as: find FOLDER/data.pkl. */
static eff_status find_root(reader *r, eff_error *err)
{
    static const char pickle[] = "data.pkl";
    const zip_int64_t n = zip_get_num_entries(r->zip, 0);
    for (zip_int64_t i = 0; i < n; i++) {
        const char *const name = zip_get_name(r->zip, (zip_uint64_t)i, 0);
        if (!name) continue;
        const char *const slash = strchr(name, '/'), *const base = slash ? slash + 1 : name;
        const size_t len = (size_t)(base - name);
        if (strcmp(base, pickle) != 0 || len >= sizeof r->root) continue;
        memcpy(r->root, name, len);
        return EFF_OK;
    }
    return not_pytorch(r->zip, err);
}

/* Number, size and soundness of member ROOT/name. @return EFF_OK with *index -1 and size 0 when there is none */
static eff_status find_member(const reader *r, const char *name, zip_int64_t *index, zip_stat_t *st, eff_error *err)
{
    char path[sizeof r->root + 300];
    snprintf(path, sizeof path, "%s%s", r->root, name);
    zip_stat_init(st);
    st->size = 0;
    *index = zip_name_locate(r->zip, path, 0);
    if (*index < 0) return EFF_OK;
    const zip_uint64_t need = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(r->zip, (zip_uint64_t)*index, 0, st) != 0 || (st->valid & need) != need)
        return zip_fail(err, zip_get_error(r->zip), name);
    if ((st->valid & ZIP_STAT_ENCRYPTION_METHOD) && st->encryption_method != ZIP_EM_NONE)
        return eff_fail(err, EFF_EUNSUPPORTED, "%s: encrypted members are not read", name);
    if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE)
        return eff_fail(err, EFF_EUNSUPPORTED, "%s: compression method %d is not read", name, (int)st->comp_method);
    if (st->size > 4096 && st->size / MAX_RATIO > st->comp_size)
        return eff_fail(err, EFF_EFORMAT, "%s: %llu bytes compressed to %llu, which weights do not allow", name,
                        (unsigned long long)st->size, (unsigned long long)st->comp_size);
    return EFF_OK;
}

/* Read n bytes, all there must be; zero bytes left are checked too, since libzip compares the CRC at the end. */
static eff_status read_member(zip_t *z, zip_int64_t index, const char *name, void *buf, size_t n, eff_error *err)
{
    unsigned char extra;
    zip_file_t *const f = zip_fopen_index(z, (zip_uint64_t)index, 0);
    if (!f) return zip_fail(err, zip_get_error(z), name);
    eff_status s = EFF_OK;
    for (size_t got = 0; got <= n && s == EFF_OK;) {
        const zip_int64_t k = zip_fread(f, got < n ? (char *)buf + got : (char *)&extra, got < n ? n - got : 1);
        if (k < 0) s = zip_fail(err, zip_file_get_error(f), name);
        else if (k == 0 && got == n) break;
        else if (k == 0 || got == n)
            s = eff_fail(err, EFF_EFORMAT, "%s: expected %zu bytes, found %s", name, n, k ? "more" : "less");
        got += k > 0 ? (size_t)k : 0;
    }
    zip_fclose(f);
    return s;
}

static eff_status check_byteorder(const reader *r, eff_error *err)
{
    zip_int64_t i;
    zip_stat_t st;
    char text[16] = { 0 };
    eff_status s = find_member(r, "byteorder", &i, &st, err);
    if (s != EFF_OK || i < 0) return s;
    if (st.size >= sizeof text) return eff_fail(err, EFF_EFORMAT, "byteorder: %llu bytes", (unsigned long long)st.size);
    s = read_member(r->zip, i, "byteorder", text, (size_t)st.size, err);
    if (s == EFF_OK && strcmp(text, "little") != 0)
        s = eff_fail(err, EFF_EUNSUPPORTED, "byteorder: expected little, found %s", text);
    return s;
}

static eff_status read_data_pickle(const reader *r, unsigned char **out, size_t *n, eff_error *err)
{
    zip_int64_t i;
    zip_stat_t st;
    eff_status s = find_member(r, "constants.pkl", &i, &st, err);
    if (s == EFF_OK && i >= 0)
        return eff_fail(err, EFF_EUNSUPPORTED, "a TorchScript archive is not read, only a state_dict");
    if (s == EFF_OK) s = find_member(r, "data.pkl", &i, &st, err);
    if (s != EFF_OK) return s;
    if (st.size > MAX_PICKLE)
        return eff_fail(err, EFF_EFORMAT, "data.pkl: %llu bytes, at most %d are read", (unsigned long long)st.size,
                        MAX_PICKLE);
    const size_t size = (size_t)st.size;
    unsigned char *const buf = eff_malloc(size);
    if (!buf) return eff_fail_memory(err, size);
    s = read_member(r->zip, i, "data.pkl", buf, size, err);
    if (s != EFF_OK) {
        eff_free(buf);
        return s;
    }
    *out = buf;
    *n = size;
    return EFF_OK;
}

static eff_status locate_members(const reader *r, eff_error *err)
{
    eff_status s = EFF_OK;
    uint64_t left = r->size;
    for (size_t k = 0; k < r->n && s == EFF_OK; k++) {
        eff_pt_storage *const st = &r->storage[k];
        char name[300];
        zip_int64_t i;
        zip_stat_t found;
        snprintf(name, sizeof name, "data/%.*s", (int)st->key_len, st->key);
        s = find_member(r, name, &i, &found, err);
        if (s != EFF_OK || i < 0) continue;
        if (found.comp_size > left)
            return eff_fail(err, EFF_EFORMAT, "%s: the members overlap, or they are larger than the file", name);
        left -= found.comp_size;
        st->present = true;
        st->at = (uint64_t)i;
        st->bytes = found.size;
        st->stored = found.comp_method == ZIP_CM_STORE;
    }
    return s;
}

/* Each tensor on a compressed member inflates it from its start: a sum that no file of weights comes near shows a bomb. */
static eff_status check_work(const eff_checkpoint *c, const reader *r, eff_error *err)
{
    const uint64_t limit = r->size * MAX_WORK + (1 << 20);
    uint64_t work = 0;
    for (size_t i = 0; i < c->count; i++) {
        const eff_pt_storage *const s = &r->storage[c->tensor[i].storage];
        if (s->stored || c->tensor[i].count == 0) continue;
        if (s->bytes > limit - work)
            return eff_fail(err, EFF_EFORMAT, "tensor %.100s: reading all tensors up to this one expands the file more than %d times",
                            c->tensor[i].name, MAX_WORK);
        work += s->bytes;
    }
    return EFF_OK;
}

/* -------------------------------------------------------------------------------------------- zip: reading */

typedef struct member { /* being read from start to end */
    zip_file_t *f;
    const char *name;
    uint64_t at;
    bool may_seek; /* libzip can (in stored members) and the CRC has been checked before: else all bytes must pass it */
} member;

static eff_status member_bytes(member *m, void *buf, size_t n, eff_error *err)
{
    for (size_t got = 0; got < n;) {
        const zip_int64_t k = zip_fread(m->f, (char *)buf + got, n - got);
        if (k < 0) return zip_fail(err, zip_file_get_error(m->f), m->name);
        if (k == 0) return eff_fail(err, EFF_EFORMAT, "%s: ends %zu bytes early", m->name, n - got);
        got += (size_t)k;
    }
    m->at += n;
    return EFF_OK;
}

static eff_status member_skip(member *m, uint64_t n, eff_error *err)
{
    unsigned char waste[4096];
    eff_status s = EFF_OK;
    if (n > sizeof waste && m->may_seek) {
        m->at += n;
        return zip_fseek(m->f, (zip_int64_t)n, SEEK_CUR) == 0 ? EFF_OK : zip_fail(err, zip_file_get_error(m->f), m->name);
    }
    while (n && s == EFF_OK) {
        const size_t k = n < sizeof waste ? (size_t)n : sizeof waste;
        s = member_bytes(m, waste, k, err);
        n -= k;
    }
    return s;
}

/* Read on to the end, where libzip compares the CRC. */
static eff_status member_drain(const member *m, eff_error *err)
{
    unsigned char waste[4096];
    zip_int64_t k;
    while ((k = zip_fread(m->f, waste, sizeof waste)) > 0) {}
    return k < 0 ? zip_fail(err, zip_file_get_error(m->f), m->name) : EFF_OK;
}

static eff_status read_zip_storage(void *ctx, int storage, uint64_t offset, void *buf, size_t n, eff_error *err)
{
    member *const m = ctx;
    (void)storage;
    const eff_status s = member_skip(m, offset - m->at, err); /* a gather asks for ascending ranges */
    return s == EFF_OK ? member_bytes(m, buf, n, err) : s;
}

static eff_status zip_read(const eff_checkpoint *c, const eff_tensor *t, float *out, eff_error *err)
{
    const reader *const r = c->impl;
    eff_pt_storage *const st = &r->storage[t->storage];
    if (t->count == 0) return EFF_OK;
    const char *const name = zip_get_name(r->zip, st->at, 0);
    member m = { .f = zip_fopen_index(r->zip, st->at, 0),
                 .name = name ? name : "a member",
                 .may_seek = st->checked && st->stored };
    if (!m.f) return zip_fail(err, zip_get_error(r->zip), m.name);
    eff_status s = eff_tensor_gather(t, read_zip_storage, &m, out, err);
    if (s == EFF_OK && !st->checked) {
        s = member_drain(&m, err);
        st->checked = s == EFF_OK;
    }
    zip_fclose(m.f);
    return s;
}

eff_status eff_pytorch_open_zip(eff_checkpoint *c, eff_error *err)
{
    c->format = "pytorch-zip";
    c->read = zip_read;
    c->close = pt_close;
    reader *const r = eff_calloc(1, sizeof *r);
    if (!r) return eff_fail_memory(err, sizeof *r);
    c->impl = r;
    unsigned char *bytes = NULL;
    size_t n = 0;
    eff_pickle p = { 0 };
    eff_status s = zip_start(c, r, err);
    if (s == EFF_OK) s = find_root(r, err);
    if (s == EFF_OK) s = check_byteorder(r, err);
    if (s == EFF_OK) s = read_data_pickle(r, &bytes, &n, err);
    if (s != EFF_OK) goto end;
    s = eff_pickle_parse(&p, bytes, n, err);
    if (s != EFF_OK) {
        eff_error_prefix(err, "data.pkl");
        goto end;
    }
    s = eff_pt_check_globals(&p, err);
    if (s == EFF_OK) s = eff_pt_storages(&p, &r->storage, &r->n, err);
    if (s == EFF_OK) s = locate_members(r, err);
    if (s == EFF_OK) s = eff_pt_tensors(c, &p, r->storage, r->n, err);
    if (s == EFF_OK) s = check_work(c, r, err);
end:
    eff_pickle_free(&p);
    eff_free(bytes);
    return s;
}

/* ------------------------------------------------------------------------------------- the legacy stream */

enum { MAGIC, PROTOCOL, SYSTEM, OBJECT, KEYS, NPICKLES };

typedef struct stream {
    eff_pickle pickle[NPICKLES];
    uint64_t end; /* where the storages begin */
    bool cut;     /* more bytes are needed */
} stream;

static void stream_free(stream *s)
{
    for (int i = 0; i < NPICKLES; i++) eff_pickle_free(&s->pickle[i]);
}

static eff_status check_magic(const eff_pickle *p, eff_error *err)
{
    static const unsigned char magic[10] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };
    const eff_pk_value *const v = eff_pk_at(p, p->root);
    if (v->kind == EFF_PK_BIGINT && v->n == sizeof magic && !memcmp(v->u.s, magic, sizeof magic)) return EFF_OK;
    const eff_status s = eff_pt_check_globals(p, err);
    return s != EFF_OK ? s : eff_fail(err, EFF_EFORMAT, "a Python pickle, but not one that PyTorch wrote");
}

static eff_status check_system(const eff_pickle *p, eff_error *err)
{
    const eff_pk_value *const v = eff_pk_at(p, p->root);
    if (v->kind != EFF_PK_DICT) return eff_fail(err, EFF_EFORMAT, "system info: expected a dict");
    for (uint32_t i = 0; i + 1 < v->n; i += 2) {
        const eff_pk_value *const x = eff_pk_get(p, v, i + 1);
        if (eff_pk_is_str(eff_pk_get(p, v, i), "little_endian") && (x->kind != EFF_PK_BOOL || !x->u.i))
            return eff_fail(err, EFF_EUNSUPPORTED, "byte order: expected little, found big");
    }
    return EFF_OK;
}

static eff_status parse_stream(stream *st, const unsigned char *bytes, size_t n, eff_error *err)
{
    eff_status s = EFF_OK;
    size_t at = 0;
    *st = (stream){ 0 };
    for (int i = 0; i < NPICKLES && s == EFF_OK; i++) {
        eff_pickle *const p = &st->pickle[i];
        s = eff_pickle_parse(p, bytes + at, n - at, err);
        st->cut = p->cut;
        if (s != EFF_OK) eff_error_prefix(err, "pickle %d of %d", i + 1, (int)NPICKLES);
        else if (i == MAGIC) s = check_magic(p, err);
        else if (i == PROTOCOL && (eff_pk_at(p, p->root)->kind != EFF_PK_INT || eff_pk_at(p, p->root)->u.i != 1001))
            s = eff_fail(err, EFF_EUNSUPPORTED, "protocol: expected 1001");
        else if (i == SYSTEM) s = check_system(p, err);
        at += p->end;
    }
    st->end = at;
    return s;
}

/* The pickles come first and nothing says how long they are: read a part of the file, more when it does not suffice. */
static eff_status load_stream(int fd, uint64_t size, stream *st, unsigned char **out, eff_error *err)
{
    const size_t limit = size < MAX_PICKLE ? (size_t)size : MAX_PICKLE;
    for (size_t n = FIRST_PICKLE;; n *= 4) {
        if (n > limit) n = limit;
        unsigned char *const bytes = eff_malloc(n);
        if (!bytes) return eff_fail_memory(err, n);
        eff_status s = eff_file_read_at(fd, bytes, n, 0, err);
        if (s == EFF_OK) s = parse_stream(st, bytes, n, err);
        if (s == EFF_OK) {
            *out = bytes;
            return EFF_OK;
        }
        const bool more = st->cut && s == EFF_EFORMAT && n < limit;
        stream_free(st);
        eff_free(bytes);
        if (!more) return s;
    }
}

/* Storages follow in the order of the list of keys, each with its number of elements in front. */
static eff_status locate_stream(const reader *r, const stream *st, uint64_t size, eff_error *err)
{
    const eff_pickle *const p = &st->pickle[KEYS];
    const eff_pk_value *const list = eff_pk_at(p, p->root);
    if (list->kind != EFF_PK_LIST) return eff_fail(err, EFF_EFORMAT, "storage keys: expected a list");
    uint64_t at = st->end;
    for (uint32_t i = 0; i < list->n; i++) {
        const eff_pk_value *const key = eff_pk_get(p, list, i);
        if (key->kind != EFF_PK_STR) return eff_fail(err, EFF_EFORMAT, "storage key %u: expected a string", i);
        const int shown = (int)(key->n < 40 ? key->n : 40);
        eff_pt_storage *const s = eff_pt_find_storage(r->storage, r->n, (const char *)key->u.s, key->n);
        if (!s)
            return eff_fail(err, EFF_EFORMAT, "storage %.*s: no tensor says what its elements are", shown,
                            (const char *)key->u.s);
        if (s->present) return eff_fail(err, EFF_EFORMAT, "storage %.*s: listed twice", shown, s->key);
        int64_t count;
        if (size - at < sizeof count)
            return eff_fail(err, EFF_EFORMAT, "cut short: the file ends before storage %.*s", shown, s->key);
        const eff_status e = eff_file_read_at(r->fd, &count, sizeof count, at, err);
        if (e != EFF_OK) return e;
        at += sizeof count;
        if (count < 0 || (uint64_t)count != s->numel)
            return eff_fail(err, EFF_EFORMAT, "storage %.*s: expected %llu elements, found %lld", shown, s->key,
                            (unsigned long long)s->numel, (long long)count);
        const uint64_t bytes = s->numel * s->item; /* fits: parse_persid limits numel */
        s->present = true;
        s->at = at;
        s->bytes = bytes < size - at ? bytes : size - at;
        at += s->bytes;
    }
    return EFF_OK;
}

static eff_status read_stream_storage(void *ctx, int storage, uint64_t offset, void *buf, size_t n, eff_error *err)
{
    const reader *const r = ctx;
    return eff_file_read_at(r->fd, buf, n, r->storage[storage].at + offset, err);
}

static eff_status legacy_read(const eff_checkpoint *c, const eff_tensor *t, float *out, eff_error *err)
{
    return eff_tensor_gather(t, read_stream_storage, c->impl, out, err);
}

eff_status eff_pytorch_open_legacy(eff_checkpoint *c, uint64_t size, eff_error *err)
{
    c->format = "pytorch-legacy";
    c->read = legacy_read;
    c->close = pt_close;
    reader *const r = eff_calloc(1, sizeof *r);
    if (!r) return eff_fail_memory(err, sizeof *r);
    c->impl = r;
    r->fd = c->fd;
    unsigned char *bytes = NULL;
    stream st;
    eff_status s = load_stream(c->fd, size, &st, &bytes, err);
    if (s != EFF_OK) return s;
    const eff_pickle *const p = &st.pickle[OBJECT];
    s = eff_pt_check_globals(p, err);
    if (s == EFF_OK) s = eff_pt_storages(p, &r->storage, &r->n, err);
    if (s == EFF_OK) s = locate_stream(r, &st, size, err);
    if (s == EFF_OK) s = eff_pt_tensors(c, p, r->storage, r->n, err);
    stream_free(&st);
    eff_free(bytes);
    return s;
}
