/* SPDX-License-Identifier: Apache-2.0 */
/* Scoring a part of the set by the evaluation rule, file by file as `predict` would, so that a run's figures are those
 * that its model file gives. */
#include "train/run_internal.h"

#include "base/mem.h"
#include "data/metrics.h"

#include <string.h>

typedef struct scoring {
    eff_run *r;
    eff_scores *s;
    size_t hits;
    eff_part part;
    eff_error failure;
} scoring;

static int on_image(void *ctx, size_t i, const eff_error *failure, const float *logits)
{
    scoring *g = ctx;
    const int classes = g->r->classes, label = g->s->label[i];
    if (failure) {
        eff_fail(&g->failure, failure->code, "%s: %s", eff_dataset_item(g->r->d, g->part, i).path, failure->msg);
        return 1;
    }
    memcpy(g->s->logits + i * (size_t)classes, logits, (size_t)classes * sizeof *logits);
    int best;
    eff_top_k(logits, classes, 1, &best);
    g->s->loss += eff_log_loss(logits, classes, label);
    g->hits += best == label;
    const eff_run_event e = {
        .phase = EFF_RUN_EVAL, .epoch = g->r->p.epoch + 1, .step = (long)i + 1, .steps = (long)g->s->n
    };
    eff_run_tell(g->r, &e); /* an evaluation is short: a wish to stop is heard after it */
    return 0;
}

eff_status eff_run_score(eff_scores *out, eff_run *r, const eff_model *m, eff_part part, eff_error *err)
{
    const size_t n = eff_dataset_count(r->d, part), classes = (size_t)r->classes;
    *out = (eff_scores){ .n = n,
                         .logits = eff_malloc((n + 1) * classes * sizeof(float)),
                         .label = eff_malloc((n + 1) * sizeof(int)) };
    const char **path = eff_malloc((n + 1) * sizeof *path);
    eff_engine *e = NULL;
    eff_status s = out->logits && out->label && path ? EFF_OK : eff_fail_memory(err, n * classes * sizeof(float));
    for (size_t i = 0; s == EFF_OK && i < n; i++) {
        const eff_item item = eff_dataset_item(r->d, part, i);
        path[i] = item.path;
        out->label[i] = item.label;
    }
    const eff_engine_opts o = { .threads = r->o.threads, .cpu = r->o.cpu, .max_batch = 1 };
    if (s == EFF_OK) s = eff_engine_new(&e, m, &o, err);
    scoring g = { .r = r, .s = out, .part = part };
    if (s == EFF_OK) s = eff_engine_score_files(e, path, n, NULL, on_image, &g, err);
    if (s == EFF_ECANCELLED && g.failure.code != EFF_OK) {
        s = g.failure.code;
        if (err) *err = g.failure;
    }
    if (s == EFF_OK && n) {
        out->loss /= (double)n;
        out->top1 = (double)g.hits / (double)n;
    }
    eff_engine_destroy(e);
    eff_free(path);
    if (s != EFF_OK) eff_scores_free(out);
    return s;
}

void eff_scores_free(eff_scores *s)
{
    eff_free(s->logits);
    eff_free(s->label);
    *s = (eff_scores){ 0 };
}

void eff_run_update_kept(eff_run *r)
{
    float *const *ema = r->opt ? eff_optim_ema(r->opt) : NULL;
    for (int i = 0; i < r->m->graph->nparams; i++)
        memcpy(r->kept->weights[i], ema ? ema[i] : r->m->weights[i], r->m->graph->param[i].count * sizeof(float));
}
