/* SPDX-License-Identifier: Apache-2.0 */
/* A network for other classes, and the features of its frozen body. */
#include "train/transfer.h"

#include "base/mem.h"
#include "formats/defaults.h"

#include <string.h>

eff_status eff_model_adapt(eff_model **out, const eff_model *from, int classes, int side, uint64_t seed, eff_error *err)
{
    eff_table t = from->table;
    eff_model *m = NULL;
    *out = NULL;
    t.classes = classes;
    if (side) t.height = t.width_px = side;
    eff_status s = eff_model_new(&m, &t, err);
    if (s == EFF_OK) s = eff_model_alloc_weights(m, err);
    if (s != EFF_OK) goto fail;
    m->meta.preprocess = from->meta.preprocess;
    if (side) eff_preprocess_resize(&m->meta.preprocess, side, side);
    for (int i = 0; i < m->graph->nparams; i++) { /* the classifier comes last, so the others have their numbers */
        const eff_param *p = &m->graph->param[i];
        if (from->weights && !eff_param_is_classifier(p->kind))
            memcpy(m->weights[i], from->weights[i], p->count * sizeof(float));
        else
            eff_param_init(m->weights[i], p, seed, i);
    }
    if ((s = eff_copy_text(&m->meta.family, from->meta.family, err)) != EFF_OK ||
        (s = eff_copy_text(&m->meta.origin, from->meta.origin, err)) != EFF_OK ||
        (s = eff_copy_text(&m->meta.licence, from->meta.licence, err)) != EFF_OK ||
        (s = eff_copy_text(&m->meta.note, from->meta.note, err)) != EFF_OK)
        goto fail;
    m->meta.format = "effnet";
    eff_model_refresh_info(m);
    *out = m;
    return EFF_OK;
fail:
    eff_model_destroy(m);
    return s;
}

/* -------------------------------------------------------------------------------------------- features */

typedef struct gather {
    float *out;
    const eff_engine *e;
    const char *const *paths;
    int d;
    int (*progress)(void *ctx, size_t done);
    void *ctx;
    eff_error failure;
} gather;

static int on_image(void *ctx, size_t index, const eff_error *failure, const float *logits)
{
    gather *g = ctx;
    (void)logits;
    if (failure) {
        eff_fail(&g->failure, failure->code, "%s: %s", g->paths[index], failure->msg);
        return 1;
    }
    memcpy(g->out + index * (size_t)g->d, g->e->features, (size_t)g->d * sizeof(float));
    return g->progress && g->progress(g->ctx, index + 1);
}

eff_status eff_features(float *out, eff_engine *e, const char *const *paths, size_t n,
                        int (*progress)(void *ctx, size_t done), void *ctx, eff_error *err)
{
    gather g = { .out = out, .e = e, .paths = paths, .d = eff_engine_features(e), .progress = progress, .ctx = ctx };
    const eff_status s = eff_engine_score_files(e, paths, n, NULL, on_image, &g, err);
    if (s == EFF_ECANCELLED && g.failure.code != EFF_OK) {
        if (err) *err = g.failure;
        return g.failure.code;
    }
    return s;
}
