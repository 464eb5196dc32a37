/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of an HDF5 file is walked once and becomes a directory of datasets. The library sees bytes in memory and no
 * file. What would lead out of these bytes is refused by name: links that are not hard, external and virtual storage,
 * filters beyond gzip and shuffle (plug-ins are off). Claims are held against the size of the file before anything is
 * read. */
#include "worker/hdf5.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "worker/keras.h"

#include <hdf5.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    MAX_DEPTH = 24,      /* of groups; a model within a model takes three more                   */
    MAX_LINKS = 1 << 16, /* followed, those to the same object counted each time                 */
    MAX_PATH = EFF_MAX_TENSOR_NAME,
    MAX_CONFIG = 8 << 20, /* bytes of model_config                                                */
};

typedef struct bytes { /* of the file */
    void *p;
    size_t n;
} bytes;

typedef struct reader {
    hid_t file;
    bytes image;
    char **path; /* of each tensor, by its number as a storage */
    size_t n, capacity;
} reader;

typedef struct walker {
    eff_checkpoint *c;
    reader *r;
    char path[MAX_PATH + 1];
    char layer[MAX_PATH + 1]; /* what the attribute "name" of the group around calls it, or "" */
    size_t links;
    uint64_t claimed; /* bytes of all datasets, as float32 */
    int depth;
    eff_status status;
    eff_error *err;
} walker;

/* --------------------------------------------------------------------------------------------- the library */

/* libhdf5 waits before it reads damaged metadata again, as though somebody else were still writing them; the filter
 * forbids to sleep, and in memory nothing changes. This stands in for the C library's. */
__attribute__((visibility("default"))) int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)wanted, (void)left;
    return 0;
}

void eff_hdf5_prepare(void)
{
    H5dont_atexit();
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
}

static herr_t keep_reason(unsigned n, const H5E_error2_t *e, void *line)
{
    if (n == 0 && e->desc) snprintf(line, 120, "%s", e->desc);
    return 0;
}

/* The innermost of the library's reasons. */
static eff_status fail_library(eff_error *err, const char *what)
{
    char line[120] = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_reason, line);
    return eff_fail(err, EFF_EFORMAT, "HDF5: %s: %s", what, line);
}

/* A file driver whose file is the image. (The library's own for images in memory looks for a file first.) */
typedef struct image_file {
    H5FD_t pub; /* the library's part; must be the first */
    const unsigned char *p;
    haddr_t n, eoa;
} image_file;

static H5FD_t *image_open(const char *name, unsigned flags, hid_t access, haddr_t limit)
{
    (void)name, (void)limit;
    const bytes *const b = H5Pget_driver_info(access);
    image_file *const f = b && !(flags & H5F_ACC_RDWR) ? eff_calloc(1, sizeof *f) : NULL;
    if (f) f->p = b->p, f->n = b->n;
    return f ? &f->pub : NULL;
}

static herr_t image_close(H5FD_t *f)
{
    eff_free(f);
    return 0;
}

static herr_t image_query(const H5FD_t *f, unsigned long *flags)
{
    (void)f;
    *flags = H5FD_FEAT_DATA_SIEVE;
    return 0;
}

static haddr_t image_eoa(const H5FD_t *f, H5FD_mem_t type)
{
    (void)type;
    return ((const image_file *)f)->eoa;
}

static herr_t image_set_eoa(H5FD_t *f, H5FD_mem_t type, haddr_t at)
{
    (void)type;
    ((image_file *)f)->eoa = at;
    return 0;
}

static haddr_t image_eof(const H5FD_t *f, H5FD_mem_t type)
{
    (void)type;
    return ((const image_file *)f)->n;
}

static herr_t image_read(H5FD_t *file, H5FD_mem_t type, hid_t how, haddr_t at, size_t n, void *out)
{
    (void)type, (void)how;
    const image_file *const f = (const image_file *)file;
    if (at > f->n || n > f->n - at) return -1; /* a part behind the end is no part of the file */
    memcpy(out, f->p + at, n);
    return 0;
}

static herr_t image_write(H5FD_t *f, H5FD_mem_t type, hid_t how, haddr_t at, size_t n, const void *p)
{
    (void)f, (void)type, (void)how, (void)at, (void)n, (void)p;
    return -1;
}

static const H5FD_class_t image_driver = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = 512, /* the first for drivers of others */
#endif
    .name = "effnet-image",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .fapl_size = sizeof(bytes),
    .open = image_open,
    .close = image_close,
    .query = image_query,
    .get_eoa = image_eoa,
    .set_eoa = image_set_eoa,
    .get_eof = image_eof,
    .read = image_read,
    .write = image_write,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

static hid_t open_image(const bytes *image)
{
    hid_t file = -1;
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS), driver = H5FDregister(&image_driver);
    /* an absolute name: for another one the library asks where it is */
    if (access >= 0 && driver >= 0 && H5Pset_driver(access, driver, image) >= 0)
        file = H5Fopen("/image", H5F_ACC_RDONLY, access);
    return file; /* `access` is left: closing it clears the reason of a failure */
}

/* --------------------------------------------------------------------------------------------- attributes */

/* A string attribute, of fixed or variable length, eff_malloc'ed; *out = NULL when there is none of the kind. */
static eff_status read_text(hid_t object, const char *name, char **out, eff_error *err)
{
    eff_status s = EFF_OK;
    *out = NULL;
    if (H5Aexists(object, name) <= 0) return EFF_OK;
    const hid_t a = H5Aopen(object, name, H5P_DEFAULT), type = H5Aget_type(a), space = H5Aget_space(a);
    if (H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1) goto end;
    if (H5Tis_variable_str(type) > 0) {
        char *text = NULL;
        if (H5Aread(a, type, &text) < 0)
            s = fail_library(err, name);
        else if (text && strlen(text) <= MAX_CONFIG && !(*out = eff_strdup(text)))
            s = eff_fail_memory(err, strlen(text));
        H5free_memory(text);
        goto end;
    }
    const size_t n = H5Tget_size(type);
    if (n == 0 || n > MAX_CONFIG) goto end;
    char *const text = eff_calloc(n + 1, 1);
    if (!text)
        s = eff_fail_memory(err, n);
    else if (H5Aread(a, type, text) < 0)
        s = fail_library(err, name);
    if (s == EFF_OK)
        *out = text;
    else
        eff_free(text);
end:
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(a);
    return s;
}

/* --------------------------------------------------------------------------------------------- datasets */

static hid_t half_type(void)
{
    const hid_t t = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(t, 15, 10, 5, 0, 10);
    H5Tset_size(t, 2);
    H5Tset_ebias(t, 15);
    return t;
}

/* Whole numbers and IEEE floats of either byte order; -1: of another kind, which no weights are. */
static int dtype_of(hid_t type)
{
    const size_t n = H5Tget_size(type);
    if (H5Tget_class(type) == H5T_INTEGER) {
        if (H5Tget_sign(type) == H5T_SGN_NONE) return n == 1 ? EFF_U8 : -1;
        return n == 1 ? EFF_I8 : n == 2 ? EFF_I16 : n == 4 ? EFF_I32 : n == 8 ? EFF_I64 : -1;
    }
    if (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0) return EFF_F32;
    if (H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0) return EFF_F64;
    const hid_t half = half_type();
    const bool is_half = H5Tequal(type, half) > 0;
    H5Tclose(half);
    return is_half ? EFF_F16 : -1;
}

static eff_status check_storage(const walker *w, hid_t set, const eff_tensor *t, eff_error *err)
{
    eff_status s = EFF_OK;
    const hid_t made = H5Dget_create_plist(set);
    const H5D_layout_t layout = H5Pget_layout(made);
    const int filters = H5Pget_nfilters(made);
    if (layout == H5D_VIRTUAL)
        s = eff_fail(err, EFF_EUNSUPPORTED, "dataset %.90s: virtual, its data would come from other files", w->path);
    else if (H5Pget_external_count(made) > 0)
        s = eff_fail(err, EFF_EUNSUPPORTED, "dataset %.90s: external, its data would come from other files", w->path);
    else if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
        s = fail_library(err, w->path);
    for (int i = 0; i < filters && s == EFF_OK; i++) {
        unsigned flags, config;
        size_t nvalues = 0;
        char name[64] = "";
        const H5Z_filter_t f = H5Pget_filter2(made, (unsigned)i, &flags, &nvalues, NULL, sizeof name, name, &config);
        if (f != H5Z_FILTER_DEFLATE && f != H5Z_FILTER_SHUFFLE)
            s = eff_fail(err, EFF_EUNSUPPORTED, "dataset %.90s: filter %d (%.40s), only gzip and shuffle are read",
                         w->path, (int)f, name);
    }
    if (s == EFF_OK && t->count && H5Dget_storage_size(set) == 0)
        s = eff_fail(err, EFF_EFORMAT, "dataset %.90s: %zu elements, no data in the file", w->path, t->count);
    H5Pclose(made);
    return s;
}

static eff_status remember_path(walker *w, eff_error *err)
{
    reader *const r = w->r;
    if (r->n == r->capacity) {
        const size_t capacity = r->capacity ? 2 * r->capacity : 64;
        char **const more = eff_realloc(r->path, capacity * sizeof *more);
        if (!more) return eff_fail_memory(err, capacity * sizeof *more);
        r->path = more;
        r->capacity = capacity;
    }
    r->path[r->n] = eff_strdup(w->path);
    return r->path[r->n++] ? EFF_OK : eff_fail_memory(err, sizeof w->path);
}

static eff_status add_dataset(walker *w, hid_t set, eff_error *err)
{
    char name[EFF_MAX_TENSOR_NAME + 1];
    hsize_t dim[H5S_MAX_RANK];
    const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    const int dtype = dtype_of(type), ndim = H5Sget_simple_extent_ndims(space);
    H5Tclose(type);
    eff_status s = EFF_OK;
    if (dtype < 0 || ndim < 0 || ndim > EFF_MAX_DIMS || H5Sget_simple_extent_dims(space, dim, NULL) < 0 ||
        !eff_keras_name(name, sizeof name, w->path, w->layer)) {
        H5Sclose(space);
        return EFF_OK; /* nothing that could be weights */
    }
    H5Sclose(space);
    eff_tensor t = { .dtype = (eff_dtype)dtype, .ndim = ndim, .storage = (int)w->r->n };
    for (int i = 0; i < ndim; i++) t.dim[i] = dim[i] > INT64_MAX ? -1 : (int64_t)dim[i];
    if (!eff_tensor_count(ndim, t.dim, &t.count))
        return eff_fail(err, EFF_EFORMAT, "dataset %.90s: the product of its shape is too large", w->path);
    w->claimed += t.count * sizeof(float); /* no overflow: the limit is far below */
    if (w->claimed > ((uint64_t)64 << 20) + 4 * (uint64_t)w->r->image.n)
        return eff_fail(err, EFF_EFORMAT, "dataset %.90s: %zu elements, more than a file of %zu bytes can hold",
                        w->path, t.count, w->r->image.n);
    eff_tensor_strides(ndim, t.dim, t.stride);
    s = check_storage(w, set, &t, err);
    if (s == EFF_OK) s = remember_path(w, err);
    return s == EFF_OK ? eff_checkpoint_add(w->c, name, strlen(name), &t, t.count, err) : s;
}

/* --------------------------------------------------------------------------------------------- the walk */

static herr_t visit(hid_t group, const char *name, const H5L_info_t *link, void *walker_);

static eff_status enter_group(walker *w, hid_t group, eff_error *err)
{
    char outer[sizeof w->layer], *layer;
    if (w->depth >= MAX_DEPTH)
        return eff_fail(err, EFF_EFORMAT, "group %.90s: more than %d groups deep", w->path, MAX_DEPTH);
    eff_status s = read_text(group, "name", &layer, err);
    if (s != EFF_OK) return s;
    memcpy(outer, w->layer, sizeof outer);
    snprintf(w->layer, sizeof w->layer, "%s", layer ? layer : "");
    eff_free(layer);
    w->depth++;
    hsize_t at = 0;
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, &at, visit, w) < 0 && w->status == EFF_OK)
        w->status = fail_library(err, w->path[0] ? w->path : "/");
    w->depth--;
    memcpy(w->layer, outer, sizeof outer);
    return w->status;
}

static eff_status follow(walker *w, hid_t group, const char *name, const H5L_info_t *link, eff_error *err)
{
    const size_t before = strlen(w->path), n = strlen(name);
    if (n == 0 || before + 1 + n > MAX_PATH || !eff_utf8_is_line(name, n))
        return eff_fail(err, EFF_EFORMAT, "group %.90s: the name of a member is no line of text, or too long", w->path);
    if (++w->links > MAX_LINKS) return eff_fail(err, EFF_EFORMAT, "more than %d members", MAX_LINKS);
    snprintf(w->path + before, sizeof w->path - before, "%s%s", before ? "/" : "", name);
    eff_status s = EFF_OK;
    if (link->type != H5L_TYPE_HARD) {
        s = eff_fail(err, EFF_EUNSUPPORTED, "%.90s: %s, and links are not followed", w->path,
                     link->type == H5L_TYPE_SOFT       ? "a soft link"
                     : link->type == H5L_TYPE_EXTERNAL ? "a link into another file"
                                                       : "a link of an unknown kind");
    } else {
        const hid_t object = H5Oopen(group, name, H5P_DEFAULT);
        if (object < 0)
            s = fail_library(err, w->path);
        else if (H5Iget_type(object) == H5I_GROUP)
            s = enter_group(w, object, err);
        else if (H5Iget_type(object) == H5I_DATASET)
            s = add_dataset(w, object, err);
        if (object >= 0) H5Oclose(object);
    }
    w->path[before] = '\0';
    return s;
}

static herr_t visit(hid_t group, const char *name, const H5L_info_t *link, void *walker_)
{
    walker *const w = walker_;
    w->status = follow(w, group, name, link, w->err);
    return w->status == EFF_OK ? 0 : -1;
}

/* --------------------------------------------------------------------------------------------- public */

static eff_status h5_read(const eff_checkpoint *c, const eff_tensor *t, float *out, eff_error *err)
{
    const reader *const r = c->impl;
    if (t->count == 0) return EFF_OK;
    const hid_t set = H5Dopen2(r->file, r->path[t->storage], H5P_DEFAULT);
    eff_status s = EFF_OK;
    if (set < 0 || H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0)
        s = fail_library(err, "its data cannot be read");
    if (set >= 0) H5Dclose(set);
    return s;
}

static void h5_close(eff_checkpoint *c)
{
    reader *const r = c->impl;
    if (!r) return;
    if (r->file >= 0) H5Fclose(r->file);
    for (size_t i = 0; i < r->n; i++) eff_free(r->path[i]);
    eff_free(r->path);
    eff_free(r->image.p);
    eff_free(r);
}

eff_status eff_hdf5_open(eff_checkpoint *c, void *image, size_t n, char **config, eff_error *err)
{
    *config = NULL;
    c->format = "keras-h5";
    c->read = h5_read;
    c->close = h5_close;
    reader *const r = eff_calloc(1, sizeof *r);
    walker *const w = eff_calloc(1, sizeof *w);
    eff_status s = EFF_OK;
    if (!r || !w) {
        s = eff_fail_memory(err, sizeof *w);
        eff_free(r);
        eff_free(image);
        goto end;
    }
    c->impl = r;
    r->image = (bytes){ image, n };
    r->file = open_image(&r->image);
    if (r->file < 0) {
        s = fail_library(err, "the file cannot be opened");
        goto end;
    }
    *w = (walker){ .c = c, .r = r, .err = err };
    const hid_t root = H5Gopen2(r->file, "/", H5P_DEFAULT);
    s = root < 0 ? fail_library(err, "/") : enter_group(w, root, err);
    if (s == EFF_OK) s = read_text(root, "model_config", config, err);
    if (root >= 0) H5Gclose(root);
end:
    eff_free(w);
    return s;
}
