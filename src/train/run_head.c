/* SPDX-License-Identifier: Apache-2.0 */
/* Head-first: before anything else learns, the classifier is fitted on the frozen body's features (linear probing
 * before fine-tuning, Kumar et al. 2022). Features are computed once by the inference plan. */
#include "train/run_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "train/transfer.h"

#include <string.h>

typedef struct telling {
    eff_run *r;
    size_t n;
} telling;

static int on_feature(void *ctx, size_t done)
{
    const telling *t = ctx;
    const eff_run_event e = { .phase = EFF_RUN_FEATURES, .step = (long)done, .steps = (long)t->n };
    return eff_run_tell(t->r, &e);
}

/* Parameter numbers of the classifier. */
static void find_classifier(const eff_graph *g, int *w, int *b)
{
    for (int i = 0; i < g->nparams; i++) {
        if (g->param[i].kind == EFF_PARAM_FC_WEIGHT) *w = i;
        if (g->param[i].kind == EFF_PARAM_FC_BIAS) *b = i;
    }
}

/* Weight of each image by its class, or NULL. */
static float *image_weights(const eff_run *r, const int *label, size_t n)
{
    if (!r->class_weight) return NULL;
    float *w = eff_malloc(n * sizeof *w);
    for (size_t i = 0; w && i < n; i++) w[i] = r->class_weight[label[i]];
    return w;
}

eff_status eff_run_head_first(eff_run *r, eff_error *err)
{
    const size_t n = eff_dataset_count(r->d, EFF_PART_TRAIN);
    const eff_engine_opts o = { .threads = r->o.threads, .cpu = r->o.cpu, .max_batch = 1 };
    eff_engine *e = NULL;
    const char **path = eff_malloc(n * sizeof *path);
    int *label = eff_malloc(n * sizeof *label), w = 0, b = 0;
    float *x = NULL, *weight = NULL;
    eff_linear_fit fit = { 0 };
    const double start = eff_clock();
    eff_status s = path && label ? EFF_OK : eff_fail_memory(err, n * sizeof *path);
    for (size_t i = 0; s == EFF_OK && i < n; i++) {
        const eff_item item = eff_dataset_item(r->d, EFF_PART_TRAIN, i);
        path[i] = item.path;
        label[i] = item.label;
    }
    if (s == EFF_OK) s = eff_engine_new(&e, r->m, &o, err);
    if (s != EFF_OK) goto end;
    const int d = eff_engine_features(e);
    x = eff_malloc(n * (size_t)d * sizeof *x);
    weight = image_weights(r, label, n);
    if (!x || (r->class_weight && !weight)) {
        s = eff_fail_memory(err, n * (size_t)d * sizeof *x);
        goto end;
    }
    telling t = { .r = r, .n = n };
    s = eff_features(x, e, path, n, on_feature, &t, err);
    if (s != EFF_OK) goto end;
    r->eval_seconds = (eff_clock() - start) * (double)eff_dataset_count(r->d, EFF_PART_VAL) / (double)n;
    find_classifier(r->m->graph, &w, &b);
    s = eff_linear_train(r->m->weights[w], r->m->weights[b], &fit, x, label, weight, n, d, r->classes, -1, r->o.seed,
                         e->pool, r->o.cpu, err);
    if (s != EFF_OK) goto end;
    r->p.head_accuracy = fit.accuracy;
    r->p.head_l2 = fit.l2;
    if (eff_optim_ema(r->opt)) { /* averages begin with the fitted classifier */
        memcpy(eff_optim_ema(r->opt)[w], r->m->weights[w], r->m->graph->param[w].count * sizeof(float));
        memcpy(eff_optim_ema(r->opt)[b], r->m->weights[b], r->m->graph->param[b].count * sizeof(float));
    }
    eff_run_note(r, "classifier on frozen features: %.1f %% in cross-validation (l2 %g), %.1f s", 100 * fit.accuracy,
                 fit.l2, eff_clock() - start);
end:
    eff_free(weight);
    eff_free(x);
    eff_free(label);
    eff_free(path);
    eff_engine_destroy(e);
    return s;
}
