/* SPDX-License-Identifier: Apache-2.0 */
/* Made-up checkpoints; allocation failures end the program, as in the rest of the tests' support. */
#define _GNU_SOURCE
#include "fakefile.h"

#include "formats/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static eff_status read_halves(const eff_checkpoint *c, const eff_tensor *t, float *out, eff_error *err)
{
    (void)c, (void)err;
    for (size_t i = 0; i < t->count; i++) out[i] = 0.5f;
    return EFF_OK;
}

void t_fake_add(eff_checkpoint *c, const char *name, eff_dtype dtype, int ndim, int64_t d0, int64_t d1, int64_t d2,
                int64_t d3)
{
    c->tensor = realloc(c->tensor, (c->count + 1) * sizeof *c->tensor);
    assert_non_null(c->tensor);
    eff_tensor *t = &c->tensor[c->count++];
    *t = (eff_tensor){ .name = strdup(name), .dtype = dtype, .ndim = ndim, .dim = { d0, d1, d2, d3 } };
    eff_tensor_strides(ndim, t->dim, t->stride);
    assert_true(eff_tensor_count(ndim, t->dim, &t->count));
}

eff_checkpoint *t_fake(eff_family f, const eff_table *t, const eff_graph *g)
{
    eff_checkpoint *c = calloc(1, sizeof *c);
    assert_non_null(c);
    FILE *sparse = tmpfile();
    assert_non_null(sparse);
    c->fd = dup(fileno(sparse));
    fclose(sparse);
    assert_int_equal(ftruncate(c->fd, (off_t)1 << 36), 0);
    c->bytes = (uint64_t)1 << 36;
    c->format = "fake";
    c->read = read_halves;
    for (int p = 0; p < g->nparams; p++) {
        char name[EFF_TENSOR_NAME];
        const int *d = g->param[p].dim;
        if (!eff_name_of_param(name, f, t, g, p))
            fail_msg("%s has no name for %s", eff_family_name(f), g->param[p].name);
        t_fake_add(c, name, EFF_F32, g->param[p].ndim, d[0], d[1], d[2], d[3]);
    }
    return c;
}

eff_tensor *t_fake_find(eff_checkpoint *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->tensor[i].name, name) == 0) return &c->tensor[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

void t_fake_remove(eff_checkpoint *c, const char *name)
{
    eff_tensor *t = t_fake_find(c, name);
    free(t->name);
    *t = c->tensor[--c->count];
}

void t_fake_free(eff_checkpoint *c)
{
    for (size_t i = 0; i < c->count; i++) free(c->tensor[i].name);
    free(c->tensor);
    free(c->arch_hint);
    close(c->fd);
    free(c);
}

void t_save_as(const eff_model *m, eff_family f, eff_dtype dtype, int extra, const char *path)
{
    const int n = m->graph->nparams;
    eff_st_tensor *t = calloc((size_t)(n + extra), sizeof *t);
    char(*names)[EFF_TENSOR_NAME] = calloc((size_t)(n + extra), sizeof *names);
    static const float one = 1;
    eff_error err = { 0 };
    for (int p = 0; p < n + extra; p++) {
        t[p] = (eff_st_tensor){ .name = names[p], .dtype = dtype, .data = p < n ? m->weights[p] : &one };
        if (p >= n) {
            snprintf(names[p], sizeof names[p], "extra.%d", p - n);
            continue;
        }
        assert_true(eff_name_of_param(names[p], f, &m->table, m->graph, p));
        t[p].ndim = m->graph->param[p].ndim;
        for (int d = 0; d < t[p].ndim; d++) t[p].dim[d] = m->graph->param[p].dim[d];
    }
    T_OK(eff_safetensors_save(path, t, (size_t)(n + extra), NULL, 0, &err), err);
    free(names);
    free(t);
}
