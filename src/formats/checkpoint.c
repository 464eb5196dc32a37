/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a tensor file by its content, and what all formats share: the checked directory of tensors and the strided read.
 * Invariant: every tensor in a directory lies wholly within its storage, has a unique UTF-8 name, and counts no more
 * elements than a size_t of bytes can say. */
#include "formats/checkpoint.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "formats/bundle.h"
#include "formats/dtype.h"
#include "formats/import.h"
#include "formats/onnx_stream.h"
#include "formats/pytorch.h"
#include "formats/safetensors.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 512,         /* looked at to tell a format: a tar's magic ends at 265          */
    WINDOW = 1 << 20,         /* elements of a storage held at a time by a strided read         */
    CHUNK = 1 << 16,          /* elements converted at a time by a contiguous read              */
    MAX_EXPANDED = 1 << 24,   /* elements of a tensor that repeats its storage through strides  */
};

/* ------------------------------------------------------------------------------------------- directory */

void eff_tensor_strides(int ndim, const int64_t *dim, int64_t *stride)
{
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        stride[i] = step;
        if (dim[i] > 1 && __builtin_mul_overflow(step, dim[i], &step)) step = INT64_MAX; /* no such tensor is accepted */
    }
}

int eff_tensor_count(int ndim, const int64_t *dim, size_t *out)
{
    size_t n = 1, bytes;
    bool empty = false;
    for (int i = 0; i < ndim; i++) {
        if (dim[i] < 0) return 0;
        empty |= dim[i] == 0;
    }
    for (int i = 0; i < ndim && !empty; i++)
        if (!eff_mul(n, (size_t)dim[i], &n)) return 0;
    if (!eff_mul(n, 8, &bytes) || bytes > INT64_MAX) return 0;
    *out = empty ? 0 : n;
    return 1;
}

/* Index of the farthest element of a tensor that has one; false when it does not fit. */
static bool farthest(const eff_tensor *t, int64_t *out)
{
    int64_t far = t->offset, reach;
    for (int i = 0; i < t->ndim; i++)
        if (__builtin_mul_overflow(t->dim[i] - 1, t->stride[i], &reach) || __builtin_add_overflow(far, reach, &far))
            return false;
    *out = far;
    return true;
}

static eff_status check_tensor(eff_tensor *t, const char *name, int len, uint64_t numel, eff_error *err)
{
    if (t->ndim < 0 || t->ndim > EFF_MAX_DIMS)
        return eff_fail(err, EFF_EUNSUPPORTED, "tensor %.*s: %d dimensions, at most %d are read", len, name, t->ndim,
                        EFF_MAX_DIMS);
    for (int i = 0; i < t->ndim; i++) {
        if (t->dim[i] < 0)
            return eff_fail(err, EFF_EFORMAT, "tensor %.*s: shape[%d] is negative: %lld", len, name, i,
                            (long long)t->dim[i]);
        if (t->stride[i] < 0)
            return eff_fail(err, EFF_EFORMAT, "tensor %.*s: stride[%d] is negative: %lld", len, name, i,
                            (long long)t->stride[i]);
    }
    if (t->offset < 0)
        return eff_fail(err, EFF_EFORMAT, "tensor %.*s: its offset is negative: %lld", len, name, (long long)t->offset);
    if (!eff_tensor_count(t->ndim, t->dim, &t->count))
        return eff_fail(err, EFF_EFORMAT, "tensor %.*s: the product of its shape is too large", len, name);
    if (t->count == 0) return EFF_OK;
    int64_t far;
    if (!farthest(t, &far) || (uint64_t)far >= numel)
        return eff_fail(err, EFF_EFORMAT, "tensor %.*s: shape and strides reach outside its storage of %llu elements",
                        len, name, (unsigned long long)numel);
    if (t->count > numel && t->count > MAX_EXPANDED)
        return eff_fail(err, EFF_EFORMAT, "tensor %.*s: %zu elements over a storage of %llu", len, name, t->count,
                        (unsigned long long)numel);
    return EFF_OK;
}

eff_status eff_checkpoint_add(eff_checkpoint *c, const char *name, size_t len, const eff_tensor *t, uint64_t numel,
                              eff_error *err)
{
    if (len == 0 || len > EFF_MAX_TENSOR_NAME)
        return eff_fail(err, EFF_EFORMAT, "tensor %zu: a name of %zu bytes, expected 1 to %d", c->count, len,
                        EFF_MAX_TENSOR_NAME);
    if (!eff_utf8_is_line(name, len))
        return eff_fail(err, EFF_EFORMAT, "tensor %zu: its name is not a line of UTF-8 text", c->count);
    if (c->count >= EFF_MAX_TENSORS) return eff_fail(err, EFF_EFORMAT, "more than %d tensors", EFF_MAX_TENSORS);
    if (c->name_bytes + len > EFF_MAX_NAME_BYTES)
        return eff_fail(err, EFF_EFORMAT, "tensor %zu: the names take more than %d bytes", c->count, EFF_MAX_NAME_BYTES);
    eff_tensor copy = *t;
    const eff_status s = check_tensor(&copy, name, (int)(len < 100 ? len : 100), numel, err);
    if (s != EFF_OK) return s;
    if (c->count == c->capacity) {
        const size_t capacity = c->capacity ? 2 * c->capacity : 64;
        eff_tensor *const more = eff_realloc(c->tensor, capacity * sizeof *more);
        if (!more) return eff_fail_memory(err, capacity * sizeof *more);
        c->tensor = more;
        c->capacity = capacity;
    }
    copy.name = eff_strndup(name, len);
    if (!copy.name) return eff_fail_memory(err, len + 1);
    c->tensor[c->count++] = copy;
    c->name_bytes += len;
    return EFF_OK;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

eff_status eff_checkpoint_finish(const eff_checkpoint *c, eff_error *err)
{
    if (c->count < 2) return EFF_OK;
    const char **const names = eff_malloc(c->count * sizeof *names);
    if (!names) return eff_fail_memory(err, c->count * sizeof *names);
    for (size_t i = 0; i < c->count; i++) names[i] = c->tensor[i].name;
    qsort(names, c->count, sizeof *names, by_name);
    eff_status s = EFF_OK;
    for (size_t i = 1; i < c->count && s == EFF_OK; i++)
        if (!strcmp(names[i - 1], names[i])) s = eff_fail(err, EFF_EFORMAT, "tensor %.100s: occurs twice", names[i]);
    eff_free(names);
    return s;
}

/* ---------------------------------------------------------------------------------------- strided read */

static bool is_row_major(const eff_tensor *t)
{
    int64_t want[EFF_MAX_DIMS];
    eff_tensor_strides(t->ndim, t->dim, want);
    for (int i = 0; i < t->ndim; i++)
        if (t->dim[i] != 1 && t->stride[i] != want[i]) return false;
    return true;
}

static eff_status read_row_major(const eff_tensor *t, eff_storage_read *read, void *ctx, float *out, eff_error *err)
{
    const size_t size = eff_dtype_size(t->dtype);
    const uint64_t at = (uint64_t)t->offset * size;
    if (t->dtype == EFF_F32) return read(ctx, t->storage, at, out, t->count * size, err);
    const size_t chunk = t->count < CHUNK ? t->count : CHUNK;
    void *const raw = eff_malloc(chunk * size);
    if (!raw) return eff_fail_memory(err, chunk * size);
    eff_status s = EFF_OK;
    for (size_t i = 0, n; i < t->count && s == EFF_OK; i += n) {
        n = t->count - i < chunk ? t->count - i : chunk;
        s = read(ctx, t->storage, at + i * size, raw, n * size, err);
        if (s == EFF_OK) eff_dtype_to_f32(t->dtype, raw, n, out + i);
    }
    eff_free(raw);
    return s;
}

/* Dimensions by falling stride, those of size 1 left out: a window of the storage is then a range of indices at every
 * level. */
typedef struct gather {
    int n;
    int64_t dim[EFF_MAX_DIMS], src[EFF_MAX_DIMS], dst[EFF_MAX_DIMS];
    int64_t reach[EFF_MAX_DIMS + 1]; /* farthest step that levels i and below can make together */
    int64_t lo, hi;                  /* the window, elements */
    const float *window;
    float *out;
} gather;

static void gather_plan(gather *g, const eff_tensor *t)
{
    int64_t dst[EFF_MAX_DIMS];
    eff_tensor_strides(t->ndim, t->dim, dst);
    g->n = 0;
    for (int i = 0; i < t->ndim; i++) {
        if (t->dim[i] == 1) continue;
        int k = g->n++;
        for (; k > 0 && g->src[k - 1] < t->stride[i]; k--) {
            g->dim[k] = g->dim[k - 1];
            g->src[k] = g->src[k - 1];
            g->dst[k] = g->dst[k - 1];
        }
        g->dim[k] = t->dim[i];
        g->src[k] = t->stride[i];
        g->dst[k] = dst[i];
    }
    g->reach[g->n] = 0;
    for (int i = g->n - 1; i >= 0; i--) g->reach[i] = g->reach[i + 1] + (g->dim[i] - 1) * g->src[i];
}

/* Copy what of levels `level` and below, starting at storage element `src`, lies in the window. Depth: EFF_MAX_DIMS. A level only
 * goes where src < hi and src + reach >= lo, which holds at the start too. */
static void gather_place(const gather *g, int level, int64_t src, int64_t dst)
{
    if (level == g->n) {
        assert(src >= g->lo && src < g->hi);
        g->out[dst] = g->window[src - g->lo];
        return;
    }
    const int64_t step = g->src[level], inner = g->reach[level + 1];
    int64_t first = 0, end = g->dim[level];
    if (step > 0) {
        if (g->lo > src + inner) first = (g->lo - inner - src - 1) / step + 1;
        const int64_t e = (g->hi - src - 1) / step + 1;
        if (e < end) end = e;
    }
    for (int64_t i = first; i < end; i++) gather_place(g, level + 1, src + i * step, dst + i * g->dst[level]);
}

static eff_status read_strided(const eff_tensor *t, eff_storage_read *read, void *ctx, float *out, eff_error *err)
{
    gather g = { .out = out };
    gather_plan(&g, t);
    const size_t size = eff_dtype_size(t->dtype);
    const int64_t span = g.reach[0] + 1, step = span < WINDOW ? span : WINDOW;
    eff_status s = EFF_OK;
    void *raw = NULL;
    float *window = eff_malloc((size_t)step * sizeof *window);
    if (window && t->dtype != EFF_F32) raw = eff_malloc((size_t)step * size);
    if (!window || (t->dtype != EFF_F32 && !raw)) {
        s = eff_fail_memory(err, (size_t)step * sizeof *window);
        goto end;
    }
    g.window = window;
    for (int64_t at = 0; at < span && s == EFF_OK; at += step) {
        const int64_t n = span - at < step ? span - at : step;
        g.lo = t->offset + at;
        g.hi = g.lo + n;
        s = read(ctx, t->storage, (uint64_t)g.lo * size, raw ? raw : window, (size_t)n * size, err);
        if (s != EFF_OK) break;
        if (raw) eff_dtype_to_f32(t->dtype, raw, (size_t)n, window);
        gather_place(&g, 0, t->offset, 0);
    }
end:
    eff_free(raw);
    eff_free(window);
    return s;
}

eff_status eff_tensor_gather(const eff_tensor *t, eff_storage_read *read, void *ctx, float *out, eff_error *err)
{
    if (t->count == 0) return EFF_OK;
    return is_row_major(t) ? read_row_major(t, read, ctx, out, err) : read_strided(t, read, ctx, out, err);
}

/* ---------------------------------------------------------------------------------- telling formats apart */

typedef struct magic {
    const char *bytes;
    unsigned char at, n;
    bool readable_one_day; /* a format of models: EFF_EUNSUPPORTED */
    const char *what;
} magic;

static const magic magics[] = {
    { EFF_HDF5_MAGIC, 0, 8, true, "an HDF5 file (Keras weights)" },
    { "TFL3", 4, 4, true, "a TensorFlow Lite model" },
    { "GGUF", 0, 4, true, "a GGUF file" },
    { "\x93NUMPY", 0, 6, true, "a NumPy array" },
    { "\x89PNG\r\n\x1a\n", 0, 8, false, "a PNG image" },
    { "\xff\xd8\xff", 0, 3, false, "a JPEG image" },
    { "GIF8", 0, 4, false, "a GIF image" },
    { "WEBP", 8, 4, false, "a WebP image" },
    { "\x1f\x8b", 0, 2, false, "a gzip archive" },
    { "\x28\xb5\x2f\xfd", 0, 4, false, "a zstd archive" },
    { "\xfd" "7zXZ", 0, 5, false, "an xz archive" },
    { "BZh", 0, 3, false, "a bzip2 archive" },
    { "\x7f" "ELF", 0, 4, false, "a program" },
    { "%PDF", 0, 4, false, "a PDF document" },
    { "SQLite format 3", 0, 15, false, "an SQLite database" },
    { "version https://git-lfs", 0, 23, false, "a Git LFS pointer (the file itself was not fetched)" },
    { "<!DOCTYPE", 0, 9, false, "a web page" },
    { "<!doctype", 0, 9, false, "a web page" },
    { "<html", 0, 5, false, "a web page" },
};

static bool looks_like_text(const unsigned char *h, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (h[i] < 0x20 && h[i] != '\n' && h[i] != '\r' && h[i] != '\t') return false;
    return true;
}

/* n >= 9 */
static eff_status refuse(const unsigned char *h, size_t n, eff_error *err)
{
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const magic *const m = &magics[i];
        if (n < (size_t)m->at + m->n || memcmp(h + m->at, m->bytes, m->n) != 0) continue;
        if (m->readable_one_day) return eff_fail(err, EFF_EUNSUPPORTED, "%s is not read yet", m->what);
        return eff_fail(err, EFF_EFORMAT, "expected a model file or checkpoint, found %s", m->what);
    }
    if (n >= 262 && !memcmp(h + 257, "ustar", 5))
        return eff_fail(err, EFF_EUNSUPPORTED, "a tar archive (a checkpoint of PyTorch 0.1?) is not read");
    if (looks_like_text(h, n)) return eff_fail(err, EFF_EFORMAT, "expected a model file or checkpoint, found text");
    return eff_fail(err, EFF_EFORMAT,
                    "expected a model file or checkpoint, found bytes of no known format (%02x %02x %02x %02x)", h[0],
                    h[1], h[2], h[3]);
}

/* A safetensors header of 0x280 bytes begins as a pickle does; the brace and a length that the file can hold do not. */
static bool looks_like_safetensors(const unsigned char *h, size_t n, uint64_t size)
{
    uint64_t length = 0;
    if (n < 9 || h[8] != '{') return false;
    for (int i = 7; i >= 0; i--) length = length << 8 | h[i];
    return length <= size - 8;
}

static bool is_zip(const unsigned char *h, size_t n)
{
    return n >= 4 && h[0] == 'P' && h[1] == 'K' && (!memcmp(h + 2, "\3\4", 2) || !memcmp(h + 2, "\5\6", 2));
}

static bool is_pickle(const unsigned char *h, size_t n) { return n >= 2 && h[0] == 0x80 && h[1] <= 5; }

/* jailed: what takes more than a few bounded steps to parse is left to the worker. */
static eff_status open_format(eff_checkpoint *c, uint64_t size, const char *path, bool jailed, eff_error *err)
{
    unsigned char h[HEAD_BYTES];
    const size_t n = size < sizeof h ? (size_t)size : sizeof h;
    if (n == 0) return eff_fail(err, EFF_EFORMAT, "the file is empty");
    const eff_status s = eff_file_read_at(c->fd, h, n, 0, err);
    if (s != EFF_OK) return s;
    if (looks_like_safetensors(h, n, size)) return eff_safetensors_open(c, size, EFF_MODELFILE_KEY, err);
    if (eff_bundle_is_index(c->fd, size)) return eff_bundle_open(c, path, size, err);
    if (is_zip(h, n)) return jailed ? eff_import(c, err) : eff_pytorch_open_zip(c, err);
    if (is_pickle(h, n)) return jailed ? eff_import(c, err) : eff_pytorch_open_legacy(c, size, err);
    if (jailed && n >= 8 && !memcmp(h, EFF_HDF5_MAGIC, 8)) return eff_import(c, err);
    if (n >= 9 && h[8] == '{' && !looks_like_text(h, 8)) return eff_safetensors_open(c, size, EFF_MODELFILE_KEY, err);
    if (eff_onnx_begins(h, n)) return jailed ? eff_import(c, err) : eff_onnx_open_weights(c, size, err);
    if (n < 9) return eff_fail(err, EFF_EFORMAT, "the file has %zu bytes, too few for any checkpoint", n);
    if (path && eff_bundle_is_index_name(path)) return eff_bundle_open(c, path, size, err); /* says what is wrong with it */
    return refuse(h, n, err);
}

/* ------------------------------------------------------------------------------------------ public calls */

static eff_status open_fd(eff_checkpoint **out, int fd, uint64_t size, const char *path, bool jailed, eff_error *err)
{
    *out = NULL;
    eff_checkpoint *const c = eff_calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return eff_fail_memory(err, sizeof *c);
    }
    c->fd = fd;
    c->bytes = size;
    eff_status s = open_format(c, size, path, jailed, err);
    if (s == EFF_OK) s = eff_checkpoint_finish(c, err);
    if (s != EFF_OK) {
        eff_checkpoint_close(c);
        return s;
    }
    *out = c;
    return EFF_OK;
}

eff_status eff_checkpoint_open_fd(eff_checkpoint **out, int fd, uint64_t size, const char *path, eff_error *err)
{
    return open_fd(out, fd, size, path, true, err);
}

eff_status eff_checkpoint_parse_fd(eff_checkpoint **out, int fd, uint64_t size, const char *path, eff_error *err)
{
    return open_fd(out, fd, size, path, false, err);
}

EFF_API eff_status eff_checkpoint_open(eff_checkpoint **out, const char *path, eff_error *err)
{
    int fd;
    uint64_t size;
    char *file;
    *out = NULL;
    eff_status s = eff_bundle_find(&file, path, err);
    if (s == EFF_OK) s = eff_file_open(file, &fd, &size, err);
    if (s == EFF_OK) s = eff_checkpoint_open_fd(out, fd, size, file, err);
    eff_free(file);
    return s;
}

EFF_API void eff_checkpoint_close(eff_checkpoint *c)
{
    if (!c) return;
    if (c->close) c->close(c);
    for (size_t i = 0; i < c->count; i++) eff_free(c->tensor[i].name);
    eff_free(c->tensor);
    eff_free(c->metadata);
    eff_free(c->arch_hint);
    eff_free(c->note);
    eff_free(c->graph);
    if (c->fd >= 0) close(c->fd);
    eff_free(c);
}

EFF_API const char *eff_checkpoint_format(const eff_checkpoint *c) { return c->format; }
EFF_API const char *eff_checkpoint_note(const eff_checkpoint *c) { return c->note; }
EFF_API size_t eff_checkpoint_count(const eff_checkpoint *c) { return c->count; }
EFF_API uint64_t eff_checkpoint_bytes(const eff_checkpoint *c) { return c->bytes; }

EFF_API void eff_checkpoint_tensor(const eff_checkpoint *c, size_t i, eff_tensor_info *out)
{
    *out = (eff_tensor_info){ 0 };
    if (i >= c->count) return;
    const eff_tensor *const t = &c->tensor[i];
    out->name = t->name;
    out->dtype = eff_dtype_name(t->dtype);
    out->ndim = t->ndim;
    memcpy(out->shape, t->dim, sizeof out->shape);
}

EFF_API eff_status eff_checkpoint_read(const eff_checkpoint *c, size_t i, float *out, eff_error *err)
{
    if (i >= c->count) return eff_fail(err, EFF_EARG, "tensor %zu of %zu asked for", i, c->count);
    const eff_status s = c->read(c, &c->tensor[i], out, err);
    if (s != EFF_OK) eff_error_prefix(err, "tensor %.100s", c->tensor[i].name);
    return s;
}
