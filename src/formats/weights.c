/* SPDX-License-Identifier: Apache-2.0 */
/* Weights are read straight into the model's arrays, one tensor at a time, so that loading needs little more
 * than the model. A model is either filled completely from tensors of exactly the expected shapes, or not at
 * all. */
#include "formats/weights.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_SHOWN = 90 }; /* bytes of a file's tensor name in a message: a hostile one may be long */

void eff_shape_text(char *buf, size_t size, const int64_t *dim, int ndim)
{
    size_t n = (size_t)snprintf(buf, size, "[");
    for (int i = 0; i < ndim && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, i ? ", %lld" : "%lld", (long long)dim[i]);
    if (n < size) snprintf(buf + n, size - n, "]");
}

/* ------------------------------------------------------------------------------------------- index */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const eff_tensor *const *)a)->name, (*(const eff_tensor *const *)b)->name);
}

eff_status eff_index_build(eff_index *x, const eff_checkpoint *c, eff_error *err)
{
    *x = (eff_index){ .file = c, .count = c->count };
    x->sorted = eff_calloc(c->count ? c->count : 1, sizeof *x->sorted);
    if (!x->sorted) return eff_fail_memory(err, c->count * sizeof *x->sorted);
    for (size_t i = 0; i < c->count; i++) x->sorted[i] = &c->tensor[i];
    qsort(x->sorted, x->count, sizeof *x->sorted, by_name);
    return EFF_OK;
}

void eff_index_free(eff_index *x)
{
    eff_free(x->sorted);
    x->sorted = NULL;
    x->count = 0;
}

const eff_tensor *eff_index_find(const eff_index *x, const char *name)
{
    eff_tensor key = { .name = (char *)(uintptr_t)name };
    const eff_tensor *p = &key;
    const eff_tensor **hit = x->count ? bsearch(&p, x->sorted, x->count, sizeof *x->sorted, by_name) : NULL;
    return hit ? *hit : NULL;
}

/* --------------------------------------------------------------------------------------------- fit */

static bool is_float(eff_dtype t) { return t == EFF_F32 || t == EFF_F16 || t == EFF_BF16 || t == EFF_F64; }

static bool same_shape(const eff_param *q, const eff_tensor *t)
{
    if (q->ndim != t->ndim) return false;
    for (int i = 0; i < q->ndim; i++)
        if (q->dim[i] != t->dim[i]) return false;
    return true;
}

/* Tensors may be views of shared memory, so a small file can claim to hold a huge network. */
static eff_status check_size(const eff_fit *fit, const eff_checkpoint *c, eff_error *err)
{
    const uint64_t limit = c->bytes;
    uint64_t claimed = 0;
    for (int p = 0; p < fit->nparams; p++) {
        const eff_tensor *t = fit->tensor[p];
        claimed += (uint64_t)t->count * eff_dtype_size(t->dtype);
        if (claimed > limit)
            return eff_fail(
                err, EFF_EFORMAT,
                "tensor %.*s: the network's tensors share memory: they need more than the file's %llu bytes",
                NAME_SHOWN, t->name, (unsigned long long)limit);
    }
    return EFF_OK;
}

static eff_status fail_shape(const eff_param *q, const eff_tensor *t, eff_error *err)
{
    char want[64], found[100];
    int64_t dim[4];
    if (!is_float(t->dtype))
        return eff_fail(err, EFF_EFORMAT, "tensor %.*s: expected floating point, found %s", NAME_SHOWN, t->name,
                        eff_dtype_name(t->dtype));
    for (int i = 0; i < q->ndim; i++) dim[i] = q->dim[i];
    if (strcmp(q->name, "stem.conv.weight") == 0 && t->ndim == 4 && t->dim[0] == dim[0] && t->dim[2] == dim[2] &&
        t->dim[3] == dim[3])
        return eff_fail(err, EFF_EFORMAT, "tensor %.*s: expected %d input channels, found %lld: --channels %d adapts the stem",
                        NAME_SHOWN, t->name, (int)dim[1], (long long)t->dim[1], (int)dim[1]);
    eff_shape_text(want, sizeof want, dim, q->ndim);
    eff_shape_text(found, sizeof found, t->dim, t->ndim);
    return eff_fail(err, EFF_EFORMAT, "tensor %.*s: expected shape %s, found %s", NAME_SHOWN, t->name, want, found);
}

/* The first tensor that no parameter uses. Integers are passed over: PyTorch counts batches
 * (num_batches_tracked) in some. */
static const eff_tensor *find_unused(const eff_fit *fit, const eff_checkpoint *c, eff_error *err, eff_status *status)
{
    const eff_tensor *unused = NULL;
    bool *used = eff_calloc(c->count ? c->count : 1, sizeof *used);
    *status = EFF_OK;
    if (!used) {
        *status = eff_fail_memory(err, c->count);
        return NULL;
    }
    for (int p = 0; p < fit->nparams; p++)
        if (fit->tensor[p]) used[fit->tensor[p] - c->tensor] = true;
    for (size_t i = 0; i < c->count && !unused; i++) {
        const char *dot = strrchr(c->tensor[i].name, '.');
        const bool counter = strcmp(dot ? dot + 1 : c->tensor[i].name, "num_batches_tracked") == 0;
        if (!used[i] && !counter && is_float(c->tensor[i].dtype)) unused = &c->tensor[i];
    }
    eff_free(used);
    return unused;
}

eff_status eff_fit_make(eff_fit *fit, const eff_index *x, eff_family f, const eff_table *t, const eff_graph *g,
                        eff_error *err)
{
    char name[EFF_TENSOR_NAME], first_missing[EFF_TENSOR_NAME] = "";
    int wrong = -1, missing = 0;
    *fit = (eff_fit){ .nparams = g->nparams };
    fit->tensor = eff_calloc((size_t)g->nparams + 1, sizeof *fit->tensor);
    if (!fit->tensor) return eff_fail_memory(err, (size_t)g->nparams * sizeof *fit->tensor);
    for (int p = 0; p < g->nparams; p++) {
        if (!eff_name_of_param(name, f, t, g, p))
            return eff_fail(err, EFF_EUNSUPPORTED, "how %s names \"%s\" of %s is not known", eff_family_name(f),
                            g->param[p].name, t->name);
        const eff_tensor *found = fit->tensor[p] = eff_index_find(x, name);
        if (!found) {
            if (!missing++) memcpy(first_missing, name, sizeof name);
        } else if (!is_float(found->dtype) || !same_shape(&g->param[p], found)) {
            if (wrong < 0) wrong = p;
        } else {
            fit->right++;
        }
    }
    if (wrong >= 0) return fail_shape(&g->param[wrong], fit->tensor[wrong], err);
    if (missing > 1)
        return eff_fail(err, EFF_EFORMAT, "tensor %s is missing, and %d others of %d", first_missing, missing - 1,
                        g->nparams);
    if (missing) return eff_fail(err, EFF_EFORMAT, "tensor %s is missing", first_missing);
    eff_status s;
    const eff_tensor *unused = find_unused(fit, x->file, err, &s);
    if (unused)
        return eff_fail(err, EFF_EFORMAT, "tensor %.*s belongs to no parameter of %s", NAME_SHOWN, unused->name,
                        t->name);
    return s == EFF_OK ? check_size(fit, x->file, err) : s;
}

void eff_fit_free(eff_fit *fit)
{
    eff_free(fit->tensor);
    *fit = (eff_fit){ 0 };
}

/* ------------------------------------------------------------------------------------------ values */

static eff_status check_values(const eff_tensor *t, eff_param_kind kind, const float *v, eff_error *err)
{
    char name[NAME_SHOWN + 16];
    snprintf(name, sizeof name, "tensor %.*s", NAME_SHOWN, t->name);
    return eff_check_values(name, kind, v, t->count, err);
}

static eff_status read_tensor(const eff_checkpoint *c, const eff_tensor *t, float *out, eff_error *err)
{
    const eff_status s = c->read(c, t, out, err);
    if (s != EFF_OK) eff_error_prefix(err, "tensor %.*s", NAME_SHOWN, t->name);
    return s;
}

/* Let the weights point into the file where all of them lie there as they are needed; false: nothing was done. */
static bool map_weights(eff_model *m, const eff_checkpoint *c, const eff_fit *fit)
{
    struct stat st; /* now: the file may have been cut since its header was read */
    uint64_t at;
    if (!c->place || fstat(c->fd, &st)) return false;
    const uint64_t size = (uint64_t)st.st_size;
    for (int p = 0; p < fit->nparams; p++) {
        const eff_tensor *t = fit->tensor[p];
        if (!c->place(c, t, &at) || at > size || t->count > (size - at) / sizeof(float)) return false;
    }
    float **const weights = eff_calloc((size_t)fit->nparams + 1, sizeof *weights);
    if (!weights || !eff_file_map(&m->map, c->fd, size)) {
        eff_free(weights);
        return false;
    }
    for (int p = 0; p < fit->nparams; p++) {
        c->place(c, fit->tensor[p], &at);
        weights[p] = (float *)(void *)((char *)m->map.base + at);
    }
    m->weights = weights;
    return true;
}

eff_status eff_weights_map(eff_model *m, const eff_index *x, const eff_fit *fit, eff_error *err)
{
    if (!map_weights(m, x->file, fit)) return eff_weights_read(m, x, fit, err);
    eff_status s = EFF_OK;
    for (int p = 0; s == EFF_OK && p < fit->nparams; p++)
        s = check_values(fit->tensor[p], m->graph->param[p].kind, m->weights[p], err);
    return s;
}

eff_status eff_weights_read(eff_model *m, const eff_index *x, const eff_fit *fit, eff_error *err)
{
    eff_status s = eff_model_alloc_weights(m, err);
    for (int p = 0; s == EFF_OK && p < fit->nparams; p++) {
        const eff_tensor *t = fit->tensor[p];
        s = read_tensor(x->file, t, m->weights[p], err);
        if (s == EFF_OK) s = check_values(t, m->graph->param[p].kind, m->weights[p], err);
    }
    return s;
}

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), k = strlen(tail);
    return n >= k && strcmp(s + n - k, tail) == 0;
}

eff_status eff_weights_check_file(const eff_checkpoint *c, eff_error *err)
{
    eff_status s = EFF_OK;
    float *v = NULL;
    size_t room = 0;
    uint64_t left = c->bytes;
    for (size_t i = 0; s == EFF_OK && i < c->count; i++) {
        const eff_tensor *t = &c->tensor[i];
        const uint64_t bytes = (uint64_t)t->count * eff_dtype_size(t->dtype);
        /* tensors that repeat or share their elements are no weights; reading them all could take any amount of memory and time */
        if (!is_float(t->dtype) || !t->count || bytes > left) continue;
        left -= bytes;
        if (t->count > room) {
            eff_free(v);
            v = eff_malloc(t->count * sizeof *v); /* fits: eff_tensor_count allows 8 bytes an element */
            room = v ? t->count : 0;
            if (!v) return eff_fail_memory(err, t->count);
        }
        s = read_tensor(c, t, v, err);
        const bool var = ends_with(t->name, "running_var") || ends_with(t->name, "moving_variance");
        if (s == EFF_OK) s = check_values(t, var ? EFF_PARAM_BN_VAR : EFF_PARAM_CONV, v, err);
    }
    eff_free(v);
    return s;
}
