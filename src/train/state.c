/* SPDX-License-Identifier: Apache-2.0 */
/* The state file. Tensors are called weight.NAME, ema.NAME, optim1.NAME and optim2.NAME by the parameter's neutral
 * name; the metadata is the model file's, with a key "run" for the loop's progress. */
#include "train/state.h"

#include "base/json.h"
#include "base/mem.h"
#include "formats/checkpoint.h"
#include "formats/modelfile.h"
#include "formats/safetensors.h"
#include "formats/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROLES = 4, ROLE_NAME = 16 };
static const char *const role_name[ROLES] = { "weight", "ema", "optim1", "optim2" };

/* Where values of a role of parameter i are, or NULL. */
static float *values(int role, int i, const eff_model *m, const eff_optim *opt)
{
    if (role == 0) return m->weights[i];
    if (!opt) return NULL;
    if (role == 1) return eff_optim_ema(opt) ? eff_optim_ema(opt)[i] : NULL;
    return eff_optim_state(opt, i, role - 2);
}

/* Metadata of the model with the progress beside it; free() it. */
static char *metadata(const eff_model *m, const eff_optim *opt, const json_t *progress, eff_error *err)
{
    char *text = NULL, *all = NULL;
    if (eff_modelfile_text(&text, m, err) != EFF_OK) return NULL;
    json_t *root = json_loads(text, 0, NULL), *run = json_deep_copy(progress);
    if (root && run && !json_object_set_new(run, "updates", json_integer(opt ? eff_optim_steps(opt) : 0)) &&
        !json_object_set(root, "run", run))
        all = json_dumps(root, JSON_COMPACT);
    json_decref(run);
    json_decref(root);
    eff_free(text);
    if (!all) eff_fail(err, EFF_ENOMEM, "out of memory for the state's JSON");
    return all;
}

eff_status eff_state_save(const char *path, const eff_model *m, const eff_optim *opt, const json_t *progress,
                          eff_error *err)
{
    const int n = m->graph->nparams;
    eff_status s = EFF_OK;
    size_t count = 0;
    char *text = metadata(m, opt, progress, err);
    eff_st_tensor *t = eff_calloc((size_t)n * ROLES, sizeof *t);
    char(*name)[EFF_NAME_LEN + ROLE_NAME] = eff_calloc((size_t)n * ROLES, sizeof *name);
    if (!text || !t || !name) {
        s = eff_fail_memory(err, (size_t)n * ROLES * (sizeof *t + sizeof *name));
        goto end;
    }
    for (int role = 0; role < ROLES; role++)
        for (int i = 0; i < n; i++) {
            const eff_param *p = &m->graph->param[i];
            const float *v = values(role, i, m, opt);
            if (!v) continue;
            snprintf(name[count], sizeof *name, "%s.%s", role_name[role], p->name);
            t[count] = (eff_st_tensor){ .name = name[count], .dtype = EFF_F32, .ndim = p->ndim, .data = v };
            for (int k = 0; k < p->ndim; k++) t[count].dim[k] = p->dim[k];
            count++;
        }
    const eff_st_meta meta[] = { { "format", "pt" }, { EFF_MODELFILE_KEY, text } };
    s = eff_safetensors_save(path, t, count, meta, 2, err);
end:
    free(text); /* jansson's */
    eff_free(name);
    eff_free(t);
    return s;
}

struct eff_state {
    eff_checkpoint *file;
    eff_index index;
    json_t *root;
    const json_t *run;
    eff_table table;
};

eff_status eff_state_open(eff_state **out, const char *path, eff_error *err)
{
    *out = NULL;
    eff_state *st = eff_calloc(1, sizeof *st);
    if (!st) return eff_fail_memory(err, sizeof *st);
    eff_status s = eff_checkpoint_open(&st->file, path, err);
    if (s == EFF_OK && !st->file->metadata)
        s = eff_fail(err, EFF_EFORMAT, "this is no saved run: it has no effnet metadata");
    if (s == EFF_OK) s = eff_modelfile_parse(&st->root, st->file->metadata, err);
    if (s == EFF_OK) s = eff_modelfile_table(&st->table, st->root, err);
    if (s == EFF_OK) s = eff_index_build(&st->index, st->file, err);
    st->run = json_object_get(st->root, "run");
    if (s == EFF_OK && !json_is_object(st->run))
        s = eff_fail(err, EFF_EFORMAT, "this is no saved run: its metadata has no progress");
    if (s != EFF_OK) {
        eff_state_close(st);
        return s;
    }
    *out = st;
    return EFF_OK;
}

void eff_state_close(eff_state *s)
{
    if (!s) return;
    eff_index_free(&s->index);
    json_decref(s->root);
    eff_checkpoint_close(s->file);
    eff_free(s);
}

const json_t *eff_state_progress(const eff_state *s) { return s->run; }

/* Read one tensor into `to`, [p->count]. */
static eff_status read_one(const eff_state *st, int role, const eff_param *p, float *to, eff_error *err)
{
    char name[EFF_NAME_LEN + ROLE_NAME];
    snprintf(name, sizeof name, "%s.%s", role_name[role], p->name);
    const eff_tensor *t = eff_index_find(&st->index, name);
    if (!t) return eff_fail(err, EFF_EFORMAT, "the saved run has no tensor %s", name);
    if (t->count != p->count || t->ndim != p->ndim)
        return eff_fail(err, EFF_EFORMAT, "tensor %s: expected %zu elements, found %zu", name, p->count, t->count);
    return st->file->read(st->file, t, to, err);
}

eff_status eff_state_restore(const eff_state *st, eff_model *m, eff_optim *opt, eff_error *err)
{
    eff_status s = EFF_OK;
    for (int role = 0; role < ROLES; role++)
        for (int i = 0; s == EFF_OK && i < m->graph->nparams; i++) {
            float *to = values(role, i, m, opt);
            if (to) s = read_one(st, role, &m->graph->param[i], to, err);
        }
    const json_t *updates = json_object_get(st->run, "updates");
    if (s == EFF_OK && (!json_is_integer(updates) || json_integer_value(updates) < 0))
        return eff_fail(err, EFF_EFORMAT, "the saved run does not say how many updates it has had");
    if (s == EFF_OK && opt) eff_optim_resume(opt, (long)json_integer_value(updates));
    return s;
}

eff_status eff_state_model(eff_model **out, const eff_state *st, eff_error *err)
{
    *out = NULL;
    eff_model *m = NULL;
    eff_status s = eff_model_new(&m, &st->table, err);
    if (s == EFF_OK) s = eff_modelfile_meta(m, st->root, err);
    if (s == EFF_OK) s = eff_model_alloc_weights(m, err);
    if (s == EFF_OK) s = eff_state_restore(st, m, NULL, err);
    if (s != EFF_OK) {
        eff_model_destroy(m);
        return s;
    }
    eff_free(m->meta.extra); /* the progress is not the model's */
    m->meta.extra = NULL;
    m->meta.format = "effnet";
    eff_model_refresh_info(m);
    *out = m;
    return EFF_OK;
}
