/* SPDX-License-Identifier: Apache-2.0 */
/* One step of a run: batch, targets, micro-batches, update; and what happens when numbers stop being finite. A step
 * that is not finite changes nothing: it is left out and counted. Three in a row take the run back to its last save
 * with half the learning rate; after three such rollbacks it ends, naming the images. */
#include "train/run_internal.h"

#include "base/mem.h"
#include "train/loss.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BAD_IN_A_ROW = 3, MOST_ROLLBACKS = 3 };

/* ------------------------------------------------------------------------------------------- equipment */

/* Which parameters learn: the last `open` blocks, head and classifier; all when open < 0. */
static void fill_learns(bool *learns, const eff_graph *g, int open)
{
    const int head = g->node[g->nnodes - 1].stage;
    for (int i = 0; i < g->nparams; i++) {
        const eff_node *n = &g->node[g->param[i].node];
        const bool in_block = n->stage >= 0 && n->stage < head;
        learns[i] = open < 0 || eff_param_is_classifier(g->param[i].kind) || (n->stage == head && open > 0) ||
                    (in_block && n->index >= g->blocks - open);
    }
}

static eff_trainer_opts trainer_opts(const eff_run *r, int micro)
{
    eff_trainer_opts o = eff_recipe_trainer(&r->r);
    o.batch = micro;
    o.threads = r->o.threads;
    o.cpu = r->o.cpu;
    o.pool_statistics = true;
    o.seed = r->o.seed;
    return o;
}

eff_status eff_run_plan_memory(eff_train_memory *out, const eff_run *r, int micro, eff_error *err)
{
    eff_trainer_opts to = trainer_opts(r, micro);
    const eff_optim_opts oo = eff_recipe_optim(&r->r);
    eff_trainer_memory tm;
    bool *learns = eff_malloc((size_t)r->m->graph->nparams * sizeof *learns);
    if (!learns) return eff_fail_memory(err, (size_t)r->m->graph->nparams);
    fill_learns(learns, r->m->graph, eff_recipe_int(&r->r, EFF_KEY_OPEN_BLOCKS));
    to.learns = learns;
    const eff_status s = eff_trainer_plan_memory(&tm, r->m, &to, err);
    eff_free(learns);
    if (s != EFF_OK) return s;
    const size_t image = (size_t)r->height * (size_t)r->width * 3 * sizeof(float),
                 batch = (size_t)eff_recipe_int(&r->r, EFF_KEY_BATCH);
    *out = (eff_train_memory){ .weights = 2 * tm.weights,
                               .gradients = tm.gradients,
                               .activations = tm.activations,
                               .scratch = tm.scratch,
                               .optimizer = eff_optim_bytes(r->m, &oo),
                               .input = EFF_LOADER_BATCHES * batch * image };
    out->total = out->weights + out->gradients + out->optimizer + out->activations + out->scratch + out->input;
    return EFF_OK;
}

static eff_status make_trainer(eff_run *r, eff_error *err)
{
    const eff_graph *g = r->m->graph;
    eff_trainer_opts to = trainer_opts(r, r->micro);
    eff_optim_opts oo = eff_recipe_optim(&r->r);
    bool *learns = eff_malloc((size_t)g->nparams * sizeof *learns);
    float *rates = eff_malloc((size_t)g->nparams * sizeof *rates);
    eff_status s = learns && rates ? EFF_OK : eff_fail_memory(err, (size_t)g->nparams);
    if (s == EFF_OK) {
        fill_learns(learns, g, eff_recipe_int(&r->r, EFF_KEY_OPEN_BLOCKS));
        eff_layer_rates(rates, g, r->r.v[EFF_KEY_LAYER_DECAY]);
        to.learns = learns;
        oo.lr_scale = rates;
        s = eff_trainer_create(&r->t, r->m, &to, err);
    }
    if (s == EFF_OK) s = eff_optim_create(&r->opt, r->m, eff_trainer_grads(r->t), &oo, err);
    eff_free(rates);
    eff_free(learns);
    return s;
}

static eff_status make_loader(eff_run *r, eff_error *err)
{
    const eff_loader_opts o = { .batch = eff_recipe_int(&r->r, EFF_KEY_BATCH),
                                .height = r->height,
                                .width = r->width,
                                .rule = &r->m->meta.preprocess,
                                .augment = &r->r.augment,
                                .shuffle = true,
                                .drop_last = true,
                                .seed = r->o.seed,
                                .threads = r->o.threads,
                                .cache_bytes = r->o.cache };
    return eff_loader_create(&r->loader, r->d, EFF_PART_TRAIN, &o, err);
}

static eff_status make_class_weights(eff_run *r, eff_error *err)
{
    const double beta = r->r.v[EFF_KEY_CLASS_BETA];
    if (beta <= 0) return EFF_OK;
    int *count = eff_malloc((size_t)r->classes * sizeof *count);
    r->class_weight = eff_malloc((size_t)r->classes * sizeof *r->class_weight);
    if (!count || !r->class_weight) {
        eff_free(count);
        return eff_fail_memory(err, (size_t)r->classes * sizeof *count);
    }
    for (int c = 0; c < r->classes; c++) count[c] = (int)eff_dataset_class_count(r->d, EFF_PART_TRAIN, c);
    eff_class_weights(r->class_weight, count, r->classes, beta);
    eff_free(count);
    return EFF_OK;
}

eff_status eff_run_equip(eff_run *r, eff_error *err)
{
    const size_t batch = (size_t)eff_recipe_int(&r->r, EFF_KEY_BATCH), classes = (size_t)r->classes;
    eff_status s = make_trainer(r, err);
    if (s == EFF_OK) s = make_loader(r, err);
    if (s == EFF_OK) s = make_class_weights(r, err);
    if (s != EFF_OK) return s;
    for (int i = 0; i < r->m->graph->nparams; i++)
        if (eff_param_is_buffer(r->m->graph->param[i].kind)) r->nbuffers += r->m->graph->param[i].count;
    r->target = eff_malloc(batch * classes * sizeof *r->target);
    r->weight = eff_malloc(batch * sizeof *r->weight);
    r->buffers = eff_malloc((r->nbuffers + 1) * sizeof *r->buffers);
    if (!r->target || !r->weight || !r->buffers)
        return eff_fail_memory(err, (batch * classes + r->nbuffers) * sizeof(float));
    r->steps = eff_loader_steps(r->loader);
    r->sched = eff_recipe_schedule(&r->r, r->steps);
    return EFF_OK;
}

/* --------------------------------------------------------------------------------------- the step itself */

/* Running statistics to (or back from) r->buffers: the forward pass moves them before anybody knows whether the loss is
 * finite. */
static void copy_buffers(eff_run *r, bool back)
{
    float *at = r->buffers;
    for (int i = 0; i < r->m->graph->nparams; i++) {
        const eff_param *p = &r->m->graph->param[i];
        if (!eff_param_is_buffer(p->kind)) continue;
        if (back)
            memcpy(r->m->weights[i], at, p->count * sizeof *at);
        else
            memcpy(at, r->m->weights[i], p->count * sizeof *at);
        at += p->count;
    }
}

static void make_targets(eff_run *r, eff_batch *b, long update)
{
    for (int i = 0; i < b->n; i++)
        eff_target(r->target + (size_t)i * (size_t)r->classes, b->label[i], r->classes, r->r.v[EFF_KEY_SMOOTHING]);
    if (r->class_weight)
        eff_image_weights(r->weight, b->label, r->class_weight, b->n);
    else
        for (int i = 0; i < b->n; i++) r->weight[i] = 1.0f / (float)b->n;
    const eff_mix mix = eff_recipe_mix(&r->r);
    const eff_mixed by = eff_mix_draw(&mix, r->height, r->width, r->o.seed, (uint64_t)update);
    eff_mix_images(b->x, b->n, r->height, r->width, &by);
    eff_mix_targets(r->target, b->n, r->classes, &by);
}

static long count_hits(const eff_run *r, const int *label, int n)
{
    const float *logits = eff_trainer_logits(r->t);
    long hits = 0;
    for (int i = 0; i < n; i++) {
        int top;
        eff_top_k(logits + (size_t)i * (size_t)r->classes, r->classes, 1, &top);
        hits += top == label[i];
    }
    return hits;
}

static eff_status broken(eff_run *r, const eff_batch *b, double loss, eff_error *err)
{
    eff_progress *p = &r->p;
    p->skipped++;
    if (++p->in_a_row < BAD_IN_A_ROW) {
        eff_run_note(r, "step %ld of epoch %d gave a loss of %g: left out", p->step + 1, p->epoch + 1, loss);
        return EFF_OK;
    }
    if (p->rollbacks == MOST_ROLLBACKS) {
        char names[200] = "";
        for (int i = 0; i < b->n && i < 3; i++) {
            const size_t used = strlen(names);
            snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                     eff_dataset_item(r->d, EFF_PART_TRAIN, b->item[i]).path);
        }
        return eff_fail(err, EFF_EFORMAT,
                        "training diverges (loss %g) also at %g of the learning rate; the last batch began with %s",
                        loss, p->lr_factor, names);
    }
    const long skipped = p->skipped;
    const int rollbacks = p->rollbacks + 1, epoch = p->epoch;
    const double factor = p->lr_factor / 2;
    const eff_status s = eff_run_load_state(r, err);
    if (s != EFF_OK) return s;
    p->skipped = skipped;
    p->rollbacks = rollbacks;
    p->lr_factor = factor;
    p->in_a_row = 0;
    eff_run_note(r, "%d steps in a row were not finite in epoch %d: back to the last save with %g of the learning rate",
                 BAD_IN_A_ROW, epoch + 1, factor);
    return eff_run_save_state(r, err); /* so that a run cut off here does not walk the same way again */
}

eff_status eff_run_step(eff_run *r, eff_error *err)
{
    eff_progress *p = &r->p;
    eff_batch b;
    eff_status s = eff_loader_next(r->loader, &b, err);
    if (s != EFF_OK) return s;
    const long update = (long)p->epoch * r->steps + p->step;
    const size_t image = (size_t)r->height * (size_t)r->width * 3;
    make_targets(r, &b, update);
    copy_buffers(r, false);
    eff_trainer_zero(r->t);
    double loss = 0;
    long hits = 0;
    const int passes = (b.n + r->micro - 1) / r->micro;
    for (int k = 0; k < passes; k++) {
        const int at = k * r->micro, n = b.n - at < r->micro ? b.n - at : r->micro;
        const eff_pass pass = { .x = b.x + (size_t)at * image,
                                .target = r->target + (size_t)at * (size_t)r->classes,
                                .weight = r->weight + at,
                                .n = n,
                                .step = (uint64_t)(update * passes + k) };
        loss += eff_trainer_pass(r->t, &pass);
        hits += count_hits(r, b.label + at, n);
    }
    double norm = NAN;
    if (isfinite(loss))
        norm = eff_optim_step(r->opt, eff_trainer_pool(r->t), p->lr_factor * eff_schedule_at(&r->sched, update));
    if (isfinite(norm)) {
        p->loss_sum += loss;
        p->counted++;
        p->seen += b.n;
        p->hits += hits;
        p->in_a_row = 0;
    } else {
        copy_buffers(r, true);
        const int rollbacks = p->rollbacks;
        s = broken(r, &b, loss, err);
        if (s != EFF_OK || p->rollbacks != rollbacks) return s; /* the step to come is another one */
    }
    p->step++;
    return EFF_OK;
}
