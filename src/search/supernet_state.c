/* SPDX-License-Identifier: Apache-2.0 */
/* A supernet in a file: safetensors, called weight.PLACE, optim1.PLACE and optim2.PLACE, with the progress as JSON in
 * the metadata. A checksum finds values that changed, which the format itself would not notice. */
#include "search/supernet_internal.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "formats/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, VECTOR_NAME = 16 };
static const char *const vector_name[EFF_BANK_VECTORS] = { "weight", "optim1", "optim2" };

/* ------------------------------------------------------------------------------------------------- progress */

static bool is_print(const char *s)
{
    return strlen(s) == EFF_PRINT - 1 && strspn(s, "0123456789abcdef") == EFF_PRINT - 1;
}

eff_status eff_supernet_progress_read(eff_supernet_progress *out, const char *text, eff_error *err)
{
    json_t *root = NULL;
    const char *print, *data, *sum;
    json_int_t version, step, steps;
    double loss;
    eff_status e = eff_json_parse(&root, text, strlen(text), "metadata", err);
    if (e != EFF_OK) return e;
    if (json_unpack(root, "{s:I, s:s, s:s, s:I, s:I, s:F, s:s}", "supernet", &version, "print", &print, "data", &data,
                    "step", &step, "steps", &steps, "train_loss", &loss, "check", &sum) != 0)
        e = eff_fail(err, EFF_EFORMAT, "this is no supernet's state: its metadata are others");
    else if (version != VERSION)
        e = eff_fail(err, EFF_EFORMAT, "supernet's state: expected version %d, found %lld", VERSION,
                     (long long)version);
    else if (!is_print(print) || !is_print(data) || !is_print(sum))
        e = eff_fail(err, EFF_EFORMAT, "supernet's state: expected fingerprints of %d hexadecimal digits",
                     EFF_PRINT - 1);
    else if (step < 1 || step > steps)
        e = eff_fail(err, EFF_EFORMAT, "supernet's state: expected a step in 1..%lld, found %lld", (long long)steps,
                     (long long)step);
    if (e == EFF_OK) {
        *out = (eff_supernet_progress){ .step = (long)step, .steps = (long)steps, .train_loss = loss };
        memcpy(out->print, print, EFF_PRINT);
        memcpy(out->data, data, EFF_PRINT);
        memcpy(out->check, sum, EFF_PRINT);
    }
    json_decref(root);
    return e;
}

char *eff_supernet_progress_write(const eff_supernet_progress *p)
{
    json_t *const root = json_pack("{s:i, s:s, s:s, s:I, s:I, s:f, s:s}", "supernet", VERSION, "print", p->print,
                                   "data", p->data, "step", (json_int_t)p->step, "steps", (json_int_t)p->steps,
                                   "train_loss", p->train_loss, "check", p->check);
    char *const text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

static void checksum(char out[EFF_PRINT], const eff_bank *b, const eff_supernet_progress *p)
{
    const int64_t at[] = { p->step, p->steps };
    uint64_t h = eff_hash(EFF_HASH_START, p->print, EFF_PRINT);
    h = eff_hash(h, p->data, EFF_PRINT);
    h = eff_hash(h, at, sizeof at);
    h = eff_hash(h, &p->train_loss, sizeof p->train_loss);
    for (int i = 0; i < b->n; i++)
        for (int k = 0; k < EFF_BANK_VECTORS && b->entry[i].v[k]; k++)
            h = eff_hash(h, b->entry[i].v[k], b->entry[i].param.count * sizeof(float));
    snprintf(out, EFF_PRINT, "%016llx", (unsigned long long)h);
}

/* ----------------------------------------------------------------------------------------------------- file */

eff_status eff_supernet_save(eff_supernet *n, const char *path, eff_error *err)
{
    const eff_bank *const b = n->bank;
    const size_t most = (size_t)b->n * EFF_BANK_VECTORS;
    size_t count = 0;
    checksum(n->at.check, b, &n->at);
    char *const text = eff_supernet_progress_write(&n->at);
    eff_st_tensor *const t = eff_calloc(most, sizeof *t);
    char(*const name)[EFF_NAME_LEN + VECTOR_NAME] = eff_calloc(most, sizeof *name);
    eff_status e = text && t && name ? EFF_OK : eff_fail_memory(err, most * (sizeof *t + sizeof *name));
    for (int k = 0; e == EFF_OK && k < EFF_BANK_VECTORS; k++)
        for (int i = 0; i < b->n; i++) {
            const eff_param *const p = &b->entry[i].param;
            if (!b->entry[i].v[k]) continue;
            snprintf(name[count], sizeof *name, "%s.%s", vector_name[k], p->name);
            t[count] =
                (eff_st_tensor){ .name = name[count], .dtype = EFF_F32, .ndim = p->ndim, .data = b->entry[i].v[k] };
            for (int d = 0; d < p->ndim; d++) t[count].dim[d] = p->dim[d];
            count++;
        }
    const eff_st_meta meta[] = { { "format", "pt" }, { EFF_MODELFILE_KEY, text } };
    if (e == EFF_OK) e = eff_safetensors_save(path, t, count, meta, 2, err);
    free(text); /* jansson's */
    eff_free(name);
    eff_free(t);
    return e;
}

static eff_status read_tensors(eff_bank *b, const eff_checkpoint *file, eff_error *err)
{
    eff_index index = { 0 };
    eff_status e = eff_index_build(&index, file, err);
    for (int k = 0; k < EFF_BANK_VECTORS; k++)
        for (int i = 0; e == EFF_OK && i < b->n; i++) {
            char name[EFF_NAME_LEN + VECTOR_NAME];
            const eff_param *const p = &b->entry[i].param;
            if (!b->entry[i].v[k]) continue;
            snprintf(name, sizeof name, "%s.%s", vector_name[k], p->name);
            const eff_tensor *const t = eff_index_find(&index, name);
            if (!t)
                e = eff_fail(err, EFF_EFORMAT, "the supernet's state has no tensor %s", name);
            else if (t->count != p->count || t->dtype != EFF_F32)
                e = eff_fail(err, EFF_EFORMAT, "tensor %s: expected %zu elements of F32, found %zu of %s", name,
                             p->count, t->count, eff_dtype_name(t->dtype));
            else
                e = file->read(file, t, b->entry[i].v[k], err);
        }
    eff_index_free(&index);
    return e;
}

static eff_status read_state(eff_supernet *n, const eff_checkpoint *file, eff_error *err)
{
    eff_supernet_progress p;
    char sum[EFF_PRINT];
    if (!file->metadata) return eff_fail(err, EFF_EFORMAT, "this is no supernet's state: it has no effnet metadata");
    eff_status e = eff_supernet_progress_read(&p, file->metadata, err);
    if (e == EFF_OK && strcmp(p.print, n->at.print) != 0)
        e = eff_fail(err, EFF_EFORMAT,
                     "this is another supernet, by its space, recipe or seed: expected fingerprint %s, found %s",
                     n->at.print, p.print);
    if (e == EFF_OK) e = read_tensors(n->bank, file, err);
    if (e != EFF_OK) return e;
    checksum(sum, n->bank, &p);
    if (strcmp(sum, p.check) != 0)
        return eff_fail(err, EFF_EFORMAT, "the supernet's state is damaged: expected checksum %s, found %s", p.check,
                        sum);
    n->at = p;
    return EFF_OK;
}

eff_status eff_supernet_restore(eff_supernet *n, const char *path, eff_error *err)
{
    eff_checkpoint *file = NULL;
    eff_status e = eff_checkpoint_open(&file, path, err);
    if (e == EFF_OK) e = read_state(n, file, err);
    eff_checkpoint_close(file);
    if (e != EFF_OK) {
        eff_bank_reset(n->bank, n->job.seed);
        n->at.step = n->at.steps = 0;
        n->at.data[0] = '\0';
    }
    return e;
}
