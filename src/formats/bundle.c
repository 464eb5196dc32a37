/* SPDX-License-Identifier: Apache-2.0 */
/* A TensorFlow checkpoint is opened by its index alone; of the data files only the sizes are looked at. Each tensor
 * must lie within its data file and apart from the others, and fill exactly the bytes that its shape and type take. Its
 * checksum is compared while it is read, which takes no memory beside the tensor's own. */
#include "formats/bundle.h"

#include "base/crc32c.h"
#include "base/file.h"
#include "base/mem.h"
#include "formats/bundle_index.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_INDEX = 64 << 20,   /* bytes; that of B7 with averages and optimiser has half a MB */
    MAX_POINTER = 64 << 10, /* of the file "checkpoint" */
    DATA_SUFFIX = 21,       /* ".data-00000-of-00001" and NUL */
};

static const char index_suffix[] = ".index";

typedef struct extent { /* where a tensor lies */
    uint32_t shard, crc;
    uint64_t offset, size;
} extent;

typedef struct reader {
    char *base; /* the path without ".index"                      */
    uint32_t shards;
    uint64_t *shard_bytes; /* of each data file, UINT64_MAX = not looked at  */
    extent *at;            /* [c->count]                                     */
    size_t capacity;
    int fd; /* of data file `open`, or -1                     */
    uint32_t open;
} reader;

/* --------------------------------------------------------------------------------------------- data files */

static void data_suffix(char out[DATA_SUFFIX + 10], const reader *r, uint32_t shard)
{
    snprintf(out, DATA_SUFFIX + 10, ".data-%05u-of-%05u", shard, r->shards);
}

/* The path of a file of the checkpoint. */
static char *path_with(const reader *r, const char *suffix)
{
    const size_t room = strlen(r->base) + strlen(suffix) + 1;
    char *const path = eff_malloc(room);
    if (path) snprintf(path, room, "%s%s", r->base, suffix);
    return path;
}

/* The index, then the data files in their order. */
static char *bundle_file(const eff_checkpoint *c, size_t i)
{
    const reader *const r = c->impl;
    char suffix[DATA_SUFFIX + 10];
    if (i > r->shards) return NULL;
    if (i) data_suffix(suffix, r, (uint32_t)i - 1);
    return path_with(r, i ? suffix : index_suffix);
}

/* Make r->fd the one of this data file. */
static eff_status open_shard(reader *r, uint32_t shard, eff_error *err)
{
    if (r->fd >= 0 && r->open == shard) return EFF_OK;
    char suffix[DATA_SUFFIX + 10];
    data_suffix(suffix, r, shard);
    char *const path = path_with(r, suffix);
    if (!path) return eff_fail_memory(err, strlen(r->base) + sizeof suffix);
    if (r->fd >= 0) close(r->fd);
    uint64_t size;
    const eff_status s = eff_file_open(path, &r->fd, &size, err);
    eff_free(path);
    if (s != EFF_OK) {
        eff_error_prefix(err, "data file %s", suffix);
        return s;
    }
    r->open = shard;
    r->shard_bytes[shard] = size;
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------------ opening */

static const struct {
    int type;
    eff_dtype dtype;
} types[] = {
    { 1, EFF_F32 }, { 2, EFF_F64 }, { 3, EFF_I32 },   { 4, EFF_U8 },    { 5, EFF_I16 },
    { 6, EFF_I8 },  { 9, EFF_I64 }, { 10, EFF_BOOL }, { 14, EFF_BF16 }, { 19, EFF_F16 },
};

static eff_dtype dtype_of(int type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type) return types[i].dtype;
    return EFF_OPAQUE; /* strings, complex and quantised numbers, states of random generators: listed, never read */
}

/* Does the entry take the bytes that it should? An opaque element takes at least one. */
static eff_status check_size(const eff_bundle_entry *e, const eff_tensor *t, eff_error *err)
{
    const int len = e->len < 100 ? (int)e->len : 100;
    size_t count;
    if (!eff_tensor_count(e->ndim, e->dim, &count))
        return EFF_OK; /* refused with a word for it by eff_checkpoint_add() */
    if (t->dtype == EFF_OPAQUE ? e->size >= count : e->size == count * eff_dtype_size(t->dtype)) return EFF_OK;
    return eff_fail(err, EFF_EFORMAT, "tensor %.*s: expected %llu bytes for its shape and type, found %llu", len,
                    e->name, (unsigned long long)count * eff_dtype_size(t->dtype), (unsigned long long)e->size);
}

static eff_status grow(reader *r, size_t count, eff_error *err)
{
    if (count < r->capacity) return EFF_OK;
    const size_t capacity = r->capacity ? 2 * r->capacity : 64;
    extent *const more = eff_realloc(r->at, capacity * sizeof *more);
    if (!more) return eff_fail_memory(err, capacity * sizeof *more);
    r->at = more;
    r->capacity = capacity;
    return EFF_OK;
}

static eff_status note_shards(reader *r, uint32_t shards, eff_error *err)
{
    if (r->shard_bytes) return EFF_OK;
    r->shards = shards;
    r->shard_bytes = eff_malloc(shards * sizeof *r->shard_bytes);
    if (!r->shard_bytes) return eff_fail_memory(err, shards * sizeof *r->shard_bytes);
    memset(r->shard_bytes, 0xff, shards * sizeof *r->shard_bytes);
    return EFF_OK;
}

static eff_status add_entry(void *ctx, uint32_t shards, const eff_bundle_entry *e, eff_error *err)
{
    eff_checkpoint *const c = ctx;
    reader *const r = c->impl;
    const int len = e->len < 100 ? (int)e->len : 100;
    eff_tensor t = { .dtype = dtype_of(e->type), .ndim = e->ndim, .storage = (int)c->count };
    memcpy(t.dim, e->dim, sizeof t.dim);
    eff_tensor_strides(t.ndim, t.dim, t.stride);
    eff_status s = note_shards(r, shards, err);
    if (s == EFF_OK) s = grow(r, c->count, err);
    if (s == EFF_OK) s = check_size(e, &t, err);
    if (s == EFF_OK) s = eff_checkpoint_add(c, e->name, e->len, &t, e->size / eff_dtype_size(t.dtype), err);
    if (s != EFF_OK) return s;
    if (e->shard >= shards)
        return eff_fail(err, EFF_EFORMAT, "tensor %.*s: in data file %u of %u", len, e->name, e->shard, shards);
    if (r->shard_bytes[e->shard] == UINT64_MAX) {
        s = open_shard(r, e->shard, err);
        if (s != EFF_OK) return s;
        c->bytes += r->shard_bytes[e->shard];
    }
    const uint64_t room = r->shard_bytes[e->shard];
    if (e->offset > room || e->size > room - e->offset)
        return eff_fail(err, EFF_EFORMAT,
                        "tensor %.*s: bytes %llu + %llu lie past the end of its data file (%llu bytes)", len, e->name,
                        (unsigned long long)e->offset, (unsigned long long)e->size, (unsigned long long)room);
    r->at[c->count - 1] = (extent){ e->shard, e->crc, e->offset, e->size };
    return EFF_OK;
}

static int by_place(const void *pa, const void *pb)
{
    const extent *const a = *(const extent *const *)pa, *const b = *(const extent *const *)pb;
    if (a->shard != b->shard) return a->shard < b->shard ? -1 : 1;
    if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
    return (a->size > b->size) - (a->size < b->size);
}

static eff_status check_overlap(const eff_checkpoint *c, eff_error *err)
{
    const reader *const r = c->impl;
    if (!c->count) return EFF_OK;
    const extent **const order = eff_malloc(c->count * sizeof *order);
    if (!order) return eff_fail_memory(err, c->count * sizeof *order);
    for (size_t i = 0; i < c->count; i++) order[i] = &r->at[i];
    qsort(order, c->count, sizeof *order, by_place);
    eff_status s = EFF_OK;
    for (size_t i = 1; i < c->count && s == EFF_OK; i++)
        if (order[i - 1]->shard == order[i]->shard && order[i]->size &&
            order[i]->offset < order[i - 1]->offset + order[i - 1]->size)
            s = eff_fail(err, EFF_EFORMAT, "tensor %.90s overlaps tensor %.90s", c->tensor[order[i] - r->at].name,
                         c->tensor[order[i - 1] - r->at].name);
    eff_free(order);
    return s;
}

/* ------------------------------------------------------------------------------------------------ reading */

typedef struct pass { /* through one tensor, from its first byte to its last */
    reader *r;
    const extent *at;
    uint64_t done;
    uint32_t crc;
} pass;

static eff_status read_data(void *ctx, int storage, uint64_t offset, void *buf, size_t n, eff_error *err)
{
    pass *const p = ctx;
    (void)storage;
    const eff_status s = eff_file_read_at(p->r->fd, buf, n, p->at->offset + offset, err);
    if (s != EFF_OK || offset != p->done) return s;
    p->crc = eff_crc32c(p->crc, buf, n);
    p->done += n;
    return EFF_OK;
}

static eff_status bundle_read(const eff_checkpoint *c, const eff_tensor *t, float *out, eff_error *err)
{
    reader *const r = c->impl;
    pass p = { .r = r, .at = &r->at[t->storage] };
    if (t->dtype == EFF_OPAQUE) return eff_fail(err, EFF_EUNSUPPORTED, "elements of its type are not read");
    if (t->count == 0) return EFF_OK;
    eff_status s = open_shard(r, p.at->shard, err);
    if (s == EFF_OK) s = eff_tensor_gather(t, read_data, &p, out, err);
    if (s != EFF_OK) return s;
    /* a tensor fills its bytes, whatever the order of its axes, so that a gather has seen all of them */
    const uint32_t found = eff_crc32c_mask(p.crc);
    if (p.done != p.at->size || found != p.at->crc)
        return eff_fail(err, EFF_EFORMAT, "damaged: checksum %08x expected, %08x found", p.at->crc, found);
    return EFF_OK;
}

static void bundle_close(eff_checkpoint *c)
{
    reader *const r = c->impl;
    if (!r) return;
    if (r->fd >= 0) close(r->fd);
    eff_free(r->base);
    eff_free(r->shard_bytes);
    eff_free(r->at);
    eff_free(r);
}

static bool has_suffix(const char *s, const char *suffix)
{
    const size_t n = strlen(s), k = strlen(suffix);
    return n > k && strcmp(s + n - k, suffix) == 0;
}

bool eff_bundle_is_index_name(const char *path) { return has_suffix(path, index_suffix); }

eff_status eff_bundle_open(eff_checkpoint *c, const char *path, uint64_t size, eff_error *err)
{
    c->format = "tensorflow-bundle";
    c->read = bundle_read;
    c->file = bundle_file;
    c->close = bundle_close;
    c->bytes = size;
    reader *const r = eff_calloc(1, sizeof *r);
    if (!r) return eff_fail_memory(err, sizeof *r);
    r->fd = -1;
    c->impl = r;
    if (!path || !has_suffix(path, index_suffix))
        return eff_fail(
            err, EFF_EFORMAT,
            "the index of a TensorFlow checkpoint: expected it under its name, NAME.index, beside its data");
    if (size > MAX_INDEX)
        return eff_fail(err, EFF_EFORMAT, "index: %llu bytes, at most %d are read", (unsigned long long)size,
                        MAX_INDEX);
    r->base = eff_strndup(path, strlen(path) - strlen(index_suffix));
    unsigned char *const bytes = eff_malloc((size_t)size);
    eff_status s = r->base && bytes ? EFF_OK : eff_fail_memory(err, (size_t)size);
    if (s == EFF_OK) s = eff_file_read_at(c->fd, bytes, (size_t)size, 0, err);
    if (s == EFF_OK) s = eff_bundle_index_read(bytes, (size_t)size, add_entry, c, err);
    if (s == EFF_OK) s = check_overlap(c, err);
    c->files = 1 + (size_t)r->shards;
    eff_free(bytes);
    return s;
}

/* ------------------------------------------------------------------------------------------ finding the index */

bool eff_bundle_is_index(int fd, uint64_t size)
{
    static const unsigned char footer[8] = { 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb };
    unsigned char tail[8];
    return size >= 48 && eff_file_read_at(fd, tail, 8, size - 8, NULL) == EFF_OK && !memcmp(tail, footer, 8);
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* "head" + separator + "tail[0..n)" + suffix; NULL when memory ends. */
static char *join(const char *head, const char *separator, const char *tail, size_t n, const char *suffix)
{
    const size_t room = strlen(head) + strlen(separator) + n + strlen(suffix) + 1;
    char *const s = eff_malloc(room);
    if (s) snprintf(s, room, "%s%s%.*s%s", head, separator, (int)n, tail, suffix);
    return s;
}

bool eff_bundle_is_prefix(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0) return false;
    char *const index = join(path, "", "", 0, index_suffix);
    const bool is = !index || is_file(index); /* out of memory: eff_bundle_find() will say so */
    eff_free(index);
    return is;
}

/* model_checkpoint_path: "/where/it/was/written/model.ckpt-123". Folders move, so only the last part counts. */
static eff_status follow_pointer(char **file, const char *folder, const char *pointer, eff_error *err)
{
    static const char field[] = "model_checkpoint_path: \"";
    unsigned char *text;
    size_t size;
    eff_status s = eff_file_read_all(pointer, MAX_POINTER, &text, &size, err);
    if (s != EFF_OK) return s;
    const char *name = (const char *)text;
    while (name &&
           strncmp(name, field, strlen(field)) != 0) { /* at the start of a line: not all_model_checkpoint_paths */
        name = strchr(name, '\n');
        if (name) name++;
    }
    const char *const end = name ? strchr(name + strlen(field), '"') : NULL;
    if (end) {
        name += strlen(field);
        for (const char *p = name; p < end; p++)
            if (*p == '/') name = p + 1;
        *file = join(folder, "/", name, (size_t)(end - name), index_suffix);
        if (!*file)
            s = eff_fail_memory(err, size);
        else if (!is_file(*file))
            s = eff_fail(err, EFF_EFORMAT, "its file \"checkpoint\" names %.*s, which is not in the folder",
                         end - name > 100 ? 100 : (int)(end - name), name);
    } else {
        s = eff_fail(err, EFF_EFORMAT, "its file \"checkpoint\" names no checkpoint");
    }
    eff_free(text);
    return s;
}

static eff_status only_index(char **file, const char *folder, eff_error *err)
{
    DIR *const d = opendir(folder);
    if (!d) return eff_fail(err, EFF_EFORMAT, "the folder cannot be read");
    eff_status s = EFF_OK;
    int found = 0;
    for (const struct dirent *e; s == EFF_OK && (e = readdir(d));) {
        if (!has_suffix(e->d_name, index_suffix) || found++) continue;
        *file = join(folder, "/", e->d_name, strlen(e->d_name), "");
        if (!*file) s = eff_fail_memory(err, 256);
    }
    closedir(d);
    if (s == EFF_OK && found == 0)
        s = eff_fail(err, EFF_EFORMAT,
                     "expected a file, found a directory without a TensorFlow checkpoint (NAME.index)");
    if (s == EFF_OK && found > 1)
        s = eff_fail(err, EFF_EFORMAT,
                     "a folder with %d TensorFlow checkpoints and no file \"checkpoint\": name one of them", found);
    return s;
}

static eff_status find_in_folder(char **file, const char *folder, eff_error *err)
{
    char *const pointer = join(folder, "/", "checkpoint", 10, "");
    if (!pointer) return eff_fail_memory(err, strlen(folder) + 12);
    const eff_status s = is_file(pointer) ? follow_pointer(file, folder, pointer, err) : only_index(file, folder, err);
    eff_free(pointer);
    return s;
}

/* "NAME" of "NAME.data-00000-of-00001": its length, or 0 for another name. */
static size_t data_file_of(const char *path)
{
    static const char pattern[] = ".data-#####-of-#####"; /* #: a digit */
    const size_t n = strlen(path), k = DATA_SUFFIX - 1;
    for (size_t i = 0; n > k && i < k; i++) {
        const char c = path[n - k + i];
        if (pattern[i] == '#' ? c < '0' || c > '9' : c != pattern[i]) return 0;
    }
    return n > k ? n - k : 0;
}

eff_status eff_bundle_find(char **file, const char *path, eff_error *err)
{
    struct stat st;
    const bool there = stat(path, &st) == 0;
    *file = NULL;
    eff_status s = EFF_OK;
    if (there && S_ISDIR(st.st_mode)) {
        s = find_in_folder(file, path, err);
    } else {
        const size_t stem = there ? data_file_of(path) : strlen(path);
        if (stem) *file = join("", "", path, stem, index_suffix);
        if (stem && *file && !is_file(*file)) {
            eff_free(*file);
            *file = NULL;
        }
        if (!*file) *file = eff_strdup(path);
        if (!*file) s = eff_fail_memory(err, strlen(path) + 1);
    }
    if (s != EFF_OK) {
        eff_free(*file);
        *file = NULL;
    }
    return s;
}
