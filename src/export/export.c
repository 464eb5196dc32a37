/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a model for others: a file gets its name only after it was read back from the disk and found to be the model.
 */
#include "export/export.h"

#include "base/file.h"
#include "base/mem.h"
#include "export/parity.h"
#include "formats/onnx.h"
#include "formats/recognise.h"
#include "formats/safetensors.h"

#include <jansson.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------------------------------- ONNX */

/* All bytes to the file, so that it can be read under its temporary name. */
static eff_status flush(eff_save *save, eff_error *err)
{
    errno = 0;
    if (!ferror(save->f) && fflush(save->f) == 0) return EFF_OK;
    return eff_fail(err, EFF_EIO, "cannot write: %s", strerror(errno ? errno : EIO));
}

eff_status eff_export_onnx_file(const eff_model *m, const char *path, const eff_export_opts *o, eff_parity *p,
                                eff_error *err)
{
    eff_save save = { 0 };
    uint64_t bytes;
    *p = (eff_parity){ 0 };
    eff_status s = eff_onnx_size(&bytes, m, o->with_preprocess != 0, err);
    if (s == EFF_OK) s = eff_save_begin(&save, path, err);
    if (s == EFF_OK) s = eff_onnx_write(save.f, m, o->with_preprocess != 0, err);
    if (s == EFF_OK) s = flush(&save, err);
    if (s == EFF_OK) s = eff_parity_run(p, m, save.temp, o, err);
    if (s == EFF_OK && p->passed) s = eff_save_commit(&save, err);
    eff_save_abort(&save);
    return s;
}

/* -------------------------------------------------------------------------------- names of other libraries */

typedef struct library { /* what a library calls a network, in each set of rules */
    const char *ours, *tf, *timm, *torchvision;
} library;

/* The first that a name begins with; what follows is put behind theirs. */
static const library networks[] = {
    { "efficientnet-b", "tf_efficientnet_b", "efficientnet_b", "efficientnet_b" },
    { "efficientnet-l2", "tf_efficientnet_l2", "efficientnet_l2", NULL },
    { "efficientnet-lite", "tf_efficientnet_lite", "efficientnet_lite", NULL },
    { "efficientnet-edgetpu-s", "tf_efficientnet_es", "efficientnet_es", NULL },
    { "efficientnet-edgetpu-m", "tf_efficientnet_em", "efficientnet_em", NULL },
    { "efficientnet-edgetpu-l", "tf_efficientnet_el", "efficientnet_el", NULL },
    { "efficientnet-v2-b", "tf_efficientnetv2_b", NULL, NULL },
    { "efficientnet-v2-", "tf_efficientnetv2_", "efficientnetv2_", "efficientnet_v2_" },
    { "resnet", NULL, "resnet", "resnet" },
    { "mobilenetv1-1.0", NULL, "mobilenetv1_100", NULL },
    { "mobilenetv2-1.0", NULL, "mobilenetv2_100", "mobilenet_v2" },
    { "mnasnet-a1", NULL, "semnasnet_100", NULL },
    { "mnasnet-b1", NULL, "mnasnet_100", "mnasnet1_0" },
};

/* Is the network what effnet calls so, whatever its number of classes? */
static eff_status is_builtin(bool *same, const eff_model *m, eff_error *err)
{
    eff_table t;
    eff_graph *g = NULL;
    *same = false;
    if (strchr(m->table.name, '@') || eff_table_builtin(&t, m->table.name, NULL) != EFF_OK) return EFF_OK;
    t.classes = m->table.classes;
    const eff_status s = eff_graph_build(&g, &t, 0, 0, err);
    if (s != EFF_OK) return s;
    *same = g->nparams == m->graph->nparams;
    for (int i = 0; *same && i < g->nparams; i++)
        *same = strcmp(g->param[i].name, m->graph->param[i].name) == 0 &&
                memcmp(g->param[i].dim, m->graph->param[i].dim, sizeof g->param[i].dim) == 0;
    eff_graph_free(g);
    return EFF_OK;
}

static eff_status find_theirs(char out[64], const eff_model *m, eff_family f, eff_error *err)
{
    bool known;
    const eff_status s = is_builtin(&known, m, err);
    out[0] = '\0';
    if (s != EFF_OK || !known) return s;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        const library *const l = &networks[i];
        const size_t n = strlen(l->ours);
        const char *const name = f == EFF_FAMILY_TIMM_TF       ? l->tf
                                 : f == EFF_FAMILY_TIMM        ? l->timm
                                 : f == EFF_FAMILY_TORCHVISION ? l->torchvision
                                                               : NULL;
        if (strncmp(m->table.name, l->ours, n) != 0) continue;
        if (name) snprintf(out, 64, "%s%s", name, m->table.name + n);
        break;
    }
    return EFF_OK;
}

static bool same_rules(eff_family f, const eff_table *t, eff_pad *pad, double *eps)
{
    eff_family_rules(f, t, pad, eps);
    return *pad == t->pad && fabs(*eps - t->bn_eps) <= 1e-3 * *eps;
}

/* torchvision's spelling for this network: it has four classes of them. EFF_NAMING_COUNT = none */
static eff_family torchvision_naming(const eff_table *t)
{
    bool plain = true, se = false, three = true;
    for (int i = 0; i < t->nstages; i++) {
        plain &= t->stage[i].op == EFF_OP_MBCONV;
        se |= t->stage[i].se > 0;
        three &= t->stage[i].kernel == 3;
    }
    if (!plain || se) return EFF_FAMILY_TORCHVISION;
    if (t->act == EFF_ACT_RELU6 && three) return EFF_NAMING_MOBILENET;
    return t->act == EFF_ACT_RELU ? EFF_NAMING_MNASNET : EFF_NAMING_COUNT;
}

/* Which spelling, by whose rules. */
static eff_status choose_family(eff_family *naming, eff_family *family, const eff_table *t, const char *names,
                                eff_error *err)
{
    eff_pad pad;
    double eps;
    const eff_status s = eff_family_parse(family, names, err);
    if (s != EFF_OK) return s;
    if (*family == EFF_FAMILY_TIMM && t->pad == EFF_PAD_SAME) *family = EFF_FAMILY_TIMM_TF;
    *naming = *family == EFF_FAMILY_TORCHVISION ? torchvision_naming(t) : *family;
    if (*naming == EFF_NAMING_COUNT) return eff_fail(err, EFF_EARG, "names: %s has no network like %s", names, t->name);
    if (same_rules(*family, t, &pad, &eps)) return EFF_OK;
    return eff_fail(
        err, EFF_EUNSUPPORTED,
        "in %s it would load and answer differently: there padding is %s and batch norm's epsilon %g, here %s and %g",
        names, eff_pad_name(pad), eps, eff_pad_name(t->pad), t->bn_eps);
}

/* The tensors in the names of `naming`, in the order of the graph. */
static eff_status name_tensors(eff_st_tensor *t, char (*name)[EFF_TENSOR_NAME], const eff_model *m, eff_family naming,
                               const char *names, eff_error *err)
{
    for (int i = 0; i < m->graph->nparams; i++) {
        const eff_param *const p = &m->graph->param[i];
        if (!eff_name_of_param(name[i], naming, &m->table, m->graph, i))
            return eff_fail(err, EFF_EARG, "names: %s has no network like %s (nothing there is its %s)", names,
                            m->table.name, p->name);
        t[i] = (eff_st_tensor){ .name = name[i], .dtype = EFF_F32, .ndim = p->ndim, .data = m->weights[i] };
        for (int d = 0; d < p->ndim; d++) t[i].dim[d] = p->dim[d];
    }
    return EFF_OK;
}

/* Is the file the model, bit for bit? */
static eff_status read_back(const char *path, const eff_model *m, eff_family naming, eff_error *err)
{
    eff_checkpoint *c = NULL;
    eff_index x = { 0 };
    eff_fit fit = { 0 };
    eff_model *back = NULL;
    eff_status s = eff_checkpoint_open(&c, path, err);
    if (s != EFF_OK) return s;
    s = eff_index_build(&x, c, err);
    if (s == EFF_OK) s = eff_fit_make(&fit, &x, naming, &m->table, m->graph, err);
    if (s == EFF_OK) s = eff_model_new(&back, &m->table, err);
    if (s == EFF_OK) s = eff_weights_read(back, &x, &fit, err);
    for (int i = 0; s == EFF_OK && i < m->graph->nparams; i++)
        if (memcmp(back->weights[i], m->weights[i], m->graph->param[i].count * sizeof(float)) != 0)
            s = eff_fail(err, EFF_EIO, "read back, tensor %s is not what was written", m->graph->param[i].name);
    eff_model_destroy(back);
    eff_fit_free(&fit);
    eff_index_free(&x);
    eff_checkpoint_close(c);
    return s;
}

eff_status eff_export_weights_file(const eff_model *m, const char *path, const char *names, char loads_as[64],
                                   eff_error *err)
{
    static const eff_st_meta meta[] = { { "format", "pt" } };
    const size_t n = (size_t)m->graph->nparams;
    eff_family naming, family;
    eff_save save = { 0 };
    loads_as[0] = '\0';
    if (!m->weights) return eff_fail(err, EFF_EARG, "%s is untrained: there are no weights to export", m->table.name);
    eff_status s = choose_family(&naming, &family, &m->table, names, err);
    if (s != EFF_OK) return s;
    eff_st_tensor *const t = eff_calloc(n, sizeof *t);
    char(*const name)[EFF_TENSOR_NAME] = eff_calloc(n, sizeof *name);
    if (!t || !name) s = eff_fail_memory(err, n * sizeof *name);
    if (s == EFF_OK) s = name_tensors(t, name, m, naming, names, err);
    if (s == EFF_OK) s = eff_save_begin(&save, path, err);
    if (s == EFF_OK) s = eff_safetensors_write(save.f, t, n, meta, 1, err);
    if (s == EFF_OK) s = flush(&save, err);
    if (s == EFF_OK) s = read_back(save.temp, m, naming, err);
    if (s == EFF_OK) s = find_theirs(loads_as, m, family, err);
    if (s == EFF_OK) s = eff_save_commit(&save, err);
    eff_save_abort(&save);
    eff_free(name);
    eff_free(t);
    return s;
}

/* --------------------------------------------------------------------------------------------- labels */

static eff_status save_beside(const char *path, const char *suffix, const char *text, eff_error *err)
{
    const char *const slash = strrchr(path, '/'), *const dot = strrchr(slash ? slash : path, '.');
    const size_t stem = dot ? (size_t)(dot - path) : strlen(path), n = stem + strlen(suffix) + 1;
    char *const name = eff_malloc(n);
    eff_save save = { 0 };
    if (!name) return eff_fail_memory(err, n);
    snprintf(name, n, "%.*s%s", (int)stem, path, suffix);
    eff_status s = eff_save_begin(&save, name, err);
    if (s == EFF_OK) {
        fputs(text, save.f); /* a failed write is seen on commit */
        s = eff_save_commit(&save, err);
    }
    if (s != EFF_OK) eff_error_prefix(err, "%.120s", name);
    eff_free(name);
    return s;
}

/* {"id2label": {"0": name}, "label2id": {name: 0}}; of a name that two classes share the first has it. */
static char *labels_json(const eff_model *m)
{
    json_t *const all = json_object(), *const names = json_object(), *const ids = json_object();
    bool ok = all && names && ids;
    for (int i = 0; ok && i < m->table.classes; i++) {
        char number[16];
        const char *const label = m->meta.class_names[i];
        snprintf(number, sizeof number, "%d", i);
        ok = json_object_set_new(names, number, json_string(label)) == 0 &&
             (json_object_get(ids, label) || json_object_set_new(ids, label, json_integer(i)) == 0);
    }
    ok = ok && json_object_set(all, "id2label", names) == 0 && json_object_set(all, "label2id", ids) == 0;
    char *const text = ok ? json_dumps(all, JSON_INDENT(2)) : NULL;
    json_decref(all);
    json_decref(names);
    json_decref(ids);
    return text;
}

eff_status eff_export_label_files(const eff_model *m, const char *path, eff_error *err)
{
    if (!m->meta.class_names) return eff_fail(err, EFF_EARG, "labels: the model has no names of classes");
    size_t n = 1;
    for (int i = 0; i < m->table.classes; i++) n += strlen(m->meta.class_names[i]) + 1;
    char *const lines = eff_malloc(n), *end = lines;
    if (!lines) return eff_fail_memory(err, n);
    *end = '\0';
    for (int i = 0; i < m->table.classes; i++) {
        end = stpcpy(end, m->meta.class_names[i]);
        end = stpcpy(end, "\n");
    }
    eff_status s = save_beside(path, ".labels.txt", lines, err);
    eff_free(lines);
    if (s != EFF_OK) return s;
    char *const text = labels_json(m);
    if (!text) return eff_fail(err, EFF_ENOMEM, "out of memory for the labels' JSON");
    s = save_beside(path, ".id2label.json", text, err);
    free(text); /* jansson's */
    return s;
}
