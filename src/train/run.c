/* SPDX-License-Identifier: Apache-2.0 */
/* A training run: settled (recipe, memory, time), begun or taken up, run epoch by epoch, finished. What it computes
 * depends on the recipe, the seed and the images alone, so a run that was cut off anywhere ends with the same model. */
#include "train/run_internal.h"
#include "train/run_plan.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/cache.h"
#include "train/transfer.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

/* --------------------------------------------------------------------------------------------- helpers */

bool eff_run_tell(eff_run *r, const eff_run_event *e) { return r->o.event && r->o.event(r->o.ctx, e) != 0; }

bool eff_run_note(eff_run *r, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const eff_run_event e = { .phase = EFF_RUN_NOTE, .epoch = r->p.epoch + 1, .eta = NAN, .text = text };
    return eff_run_tell(r, &e);
}

char *eff_run_path(const eff_run *r, const char *name)
{
    const size_t n = strlen(r->out) + strlen(name) + 2;
    char *path = eff_malloc(n);
    if (path) snprintf(path, n, "%s/%s", r->out, name);
    return path;
}

static bool has_file(const eff_run *r, const char *name)
{
    struct stat st;
    char *path = eff_run_path(r, name);
    const bool there = path && stat(path, &st) == 0;
    eff_free(path);
    return there;
}

EFF_API void eff_run_opts_init(eff_run_opts *o) { *o = (eff_run_opts){ .cache = (size_t)512 << 20, .save_every = 60 }; }

/* ---------------------------------------------------------------------------------------------- recipe */

/* Blocks that put out images of a sixteenth of the input's side or less: 11 of Lite0's and B0's 16. */
static int late_blocks(const eff_model *m)
{
    const eff_graph *g = m->graph;
    int early = 0;
    for (int i = 0; i < g->nnodes; i++) {
        const eff_node *n = &g->node[i];
        const bool ends = i + 1 == g->nnodes || g->node[i + 1].index != n->index || g->node[i + 1].stage != n->stage;
        if (ends && n->stage >= 0 && n->stage < m->table.nstages && n->h > (m->table.height + 15) / 16)
            early = n->index + 1;
    }
    return g->blocks - early;
}

static eff_facts facts_of(const eff_model *start, const eff_dataset *d)
{
    eff_facts f = { .pretrained = start->weights != NULL,
                    .images = (int)eff_dataset_count(d, EFF_PART_TRAIN),
                    .classes = eff_dataset_classes(d),
                    .side = start->table.height,
                    .dropout = start->table.dropout,
                    .blocks = start->graph->blocks,
                    .late = late_blocks(start) };
    eff_dataset_class_range(d, EFF_PART_TRAIN, &f.least, &f.most);
    return f;
}

EFF_API eff_status eff_recipe_create(eff_recipe **out, const char *name, const eff_model *start, const eff_dataset *d,
                                     eff_error *err)
{
    if (!out || !start || !d) return eff_fail(err, EFF_EARG, "eff_recipe_create: out, start and d are needed");
    *out = eff_malloc(sizeof **out);
    if (!*out) return eff_fail_memory(err, sizeof **out);
    const eff_facts f = facts_of(start, d);
    const eff_status s = eff_recipe_pick(*out, name, &f, err);
    if (s != EFF_OK) {
        eff_free(*out);
        *out = NULL;
    }
    return s;
}

/* -------------------------------------------------------------------------------------------- settling */

static eff_status name_classes(eff_model *m, const eff_dataset *d, eff_error *err)
{
    const int n = eff_dataset_classes(d);
    m->meta.class_names = eff_calloc((size_t)n, sizeof *m->meta.class_names);
    if (!m->meta.class_names) return eff_fail_memory(err, (size_t)n * sizeof(char *));
    for (int c = 0; c < n; c++) {
        m->meta.class_names[c] = eff_strdup(eff_dataset_class_name(d, c));
        if (!m->meta.class_names[c]) return eff_fail_memory(err, 0);
    }
    eff_model_refresh_info(m);
    return EFF_OK;
}

static eff_status make_model(eff_run *r, const eff_model *start, eff_error *err)
{
    eff_table shaped = start->table;
    eff_model view = *start; /* the same weights under another table */
    eff_recipe_shape(&r->r, &shaped);
    view.table = shaped;
    const eff_status s = eff_model_adapt(&r->m, &view, eff_dataset_classes(r->d),
                                         eff_recipe_int(&r->r, EFF_KEY_RESOLUTION), r->o.seed, err);
    if (s != EFF_OK) return s;
    r->m->meta.preprocess.icc = 1; /* colours as they are meant; training decodes the same way */
    return name_classes(r->m, r->d, err);
}

/* The largest micro-batch that fits what the run may take, and recomputing blocks where batch norm would suffer from
 * smaller ones; the cache gets what is left. */
static eff_status fit_memory(eff_run *r, eff_error *err)
{
    const int batch = eff_recipe_int(&r->r, EFF_KEY_BATCH), asked = eff_recipe_int(&r->r, EFF_KEY_MICRO_BATCH);
    const int wanted = asked && asked < batch ? asked : batch;
    const bool frozen = r->r.v[EFF_KEY_FROZEN_BN] != 0, recomputed = r->r.v[EFF_KEY_RECOMPUTE] != 0;
    r->micro = wanted;
    eff_status s = eff_run_plan_memory(&r->memory, r, r->micro, err);
    if (s != EFF_OK || !r->o.memory) return s;
    if (r->memory.total > r->o.memory && !r->settled && !frozen && !recomputed) {
        r->r.v[EFF_KEY_RECOMPUTE] = 1;
        s = eff_run_plan_memory(&r->memory, r, r->micro, err);
    }
    while (s == EFF_OK && !r->settled && r->memory.total > r->o.memory &&
           (r->micro > 1 || r->r.v[EFF_KEY_RECOMPUTE] == 0)) {
        if (r->micro > 1)
            r->micro = (r->micro + 1) / 2;
        else
            r->r.v[EFF_KEY_RECOMPUTE] = 1;
        s = eff_run_plan_memory(&r->memory, r, r->micro, err);
    }
    if (s != EFF_OK) return s;
    const double mb = (double)r->o.memory / 1e6;
    if (r->memory.total > r->o.memory && r->settled) { /* other threads than then, perhaps: what is computed stays */
        r->o.cache = 0;
        return EFF_OK;
    }
    if (r->memory.total > r->o.memory)
        return eff_fail(
            err, EFF_EARG,
            "training %s at %dx%d takes at least %.0f MB, a memory of %.0f MB was asked for: a smaller resolution, "
            "fewer open blocks or a smaller network fit",
            r->m->table.name, r->height, r->width, (double)r->memory.total / 1e6, mb);
    if (r->micro < wanted) {
        r->r.v[EFF_KEY_MICRO_BATCH] = r->micro;
        snprintf(r->r.why[EFF_KEY_MICRO_BATCH], EFF_WHY_LEN, "fits the memory of %.0f MB", mb);
        eff_run_note(r, "micro-batches of %d of the batch's %d images fit the memory%s", r->micro, batch,
                     frozen ? "" : "; batch norm sees so many at a time");
    }
    if (r->r.v[EFF_KEY_RECOMPUTE] != 0 && !recomputed) {
        snprintf(r->r.why[EFF_KEY_RECOMPUTE], EFF_WHY_LEN, "fits the memory of %.0f MB", mb);
        eff_run_note(r, "blocks are computed again on the way back to fit the memory");
    }
    if (r->o.cache > r->o.memory - r->memory.total) r->o.cache = r->o.memory - r->memory.total;
    return EFF_OK;
}

eff_status eff_run_plan(eff_run_needs *out, const eff_model *start, const eff_dataset *d, const eff_recipe *recipe,
                        const eff_run_opts *o, eff_error *err)
{
    eff_run r = { .o = *o, .d = d, .r = *recipe };
    eff_table t = start->table;
    const int side = eff_recipe_int(recipe, EFF_KEY_RESOLUTION);
    r.o.event = NULL;
    eff_recipe_shape(recipe, &t);
    t.classes = r.classes = eff_dataset_classes(d);
    if (side) t.height = t.width_px = side;
    r.height = t.height;
    r.width = t.width_px;
    eff_status s = eff_model_new(&r.m, &t, err);
    if (s == EFF_OK) s = fit_memory(&r, err);
    if (s == EFF_OK) {
        const size_t batch = (size_t)eff_recipe_int(recipe, EFF_KEY_BATCH);
        const eff_cache_opts c = { .height = r.height, .width = r.width, .bytes = r.o.cache };
        *out = (eff_run_needs){ .memory = r.memory.total,
                                .macs = r.m->info.macs,
                                .steps = eff_steps_of(eff_dataset_count(d, EFF_PART_TRAIN), batch, true),
                                .micro = r.micro,
                                .recompute = r.r.v[EFF_KEY_RECOMPUTE] != 0 };
        eff_cache_forecast(d, EFF_PART_TRAIN, &c, &out->cached, &out->cache);
    }
    eff_model_destroy(r.m);
    return s;
}

static eff_status copy_model(eff_model **out, const eff_model *m, const eff_dataset *d, uint64_t seed, eff_error *err)
{
    const eff_status s = eff_model_adapt(out, m, m->table.classes, 0, seed, err);
    return s == EFF_OK ? name_classes(*out, d, err) : s;
}

/* From the recipe and r->m to a run that can step. */
static eff_status settle(eff_run *r, eff_error *err)
{
    snprintf(r->print, sizeof r->print, "%016llx", (unsigned long long)eff_dataset_fingerprint(r->d));
    r->classes = r->m->table.classes;
    r->height = r->m->table.height;
    r->width = r->m->table.width_px;
    r->p.lr_factor = 1;
    r->p.head_l2 = -1;
    eff_status s = fit_memory(r, err);
    if (s == EFF_OK) s = copy_model(&r->kept, r->m, r->d, r->o.seed, err);
    if (s == EFF_OK) s = eff_run_equip(r, err);
    return s;
}

/* --------------------------------------------------------------------------------------------- making */

static eff_status new_run(eff_run **out, const eff_run_opts *o, eff_error *err)
{
    *out = NULL;
    if (!o || (o->out && !*o->out)) return eff_fail(err, EFF_EARG, "a run needs options and a folder");
    eff_run *r = eff_calloc(1, sizeof *r);
    if (!r) return eff_fail_memory(err, sizeof *r);
    r->o = *o;
    r->folder = -1;
    r->began = eff_clock();
    if (o->out && !(r->out = eff_strdup(o->out))) {
        eff_free(r);
        return eff_fail_memory(err, strlen(o->out));
    }
    *out = r;
    return EFF_OK;
}

/* The RUN folder with what is known before the first step. args.json comes last: it is what makes a folder a run that
 * can be taken up, whatever becomes of the weights that it began with. */
static eff_status open_folder(eff_run *r, eff_error *err)
{
    eff_status s = eff_run_hold_folder(r, true, err);
    char *path = s == EFF_OK ? eff_run_path(r, "split.csv") : NULL;
    if (s == EFF_OK) s = path ? eff_dataset_save(r->d, path, err) : eff_fail_memory(err, 0);
    eff_free(path);
    if (s == EFF_OK) s = eff_run_save_state(r, err);
    return s == EFF_OK ? eff_run_save_args(r, false, err) : s;
}

EFF_API eff_status eff_run_create(eff_run **out, const eff_model *start, const eff_dataset *d, const eff_recipe *recipe,
                                  const eff_run_opts *o, eff_error *err)
{
    if (!out || !start || !d || !recipe)
        return eff_fail(err, EFF_EARG, "eff_run_create: out, start, d and recipe are needed");
    eff_run *r;
    eff_status s = new_run(&r, o, err);
    if (s != EFF_OK) return s;
    r->d = d;
    r->r = *recipe;
    if ((o->source && !(r->source = eff_strdup(o->source))) || (o->data && !(r->data = eff_strdup(o->data))))
        s = eff_fail_memory(err, 0);
    if (s == EFF_OK && r->out && has_file(r, "args.json"))
        s = eff_fail(err, EFF_EARG, "%s holds a run already: go on with it (--resume %s) or choose another folder",
                     r->out, r->out);
    if (s == EFF_OK) s = make_model(r, start, err);
    if (s == EFF_OK) s = settle(r, err);
    if (s == EFF_OK && r->out) s = open_folder(r, err);
    if (s != EFF_OK) {
        eff_run_free(r);
        return s;
    }
    *out = r;
    return EFF_OK;
}

static eff_status saved_model(eff_run *r, eff_error *err)
{
    eff_state *st;
    char *path = eff_run_path(r, "last.state");
    eff_status s = path ? eff_state_open(&st, path, err) : eff_fail_memory(err, 0);
    if (s == EFF_OK) {
        s = eff_state_model(&r->m, st, err);
        eff_state_close(st);
    }
    if (s != EFF_OK && path) eff_error_prefix(err, "%s", path);
    eff_free(path);
    return s;
}

EFF_API eff_status eff_run_resume(eff_run **out, const eff_run_opts *o, eff_error *err)
{
    eff_run *r;
    eff_dataset_opts data;
    eff_dataset_opts_init(&data);
    if (!out || !o || !o->out) return eff_fail(err, EFF_EARG, "eff_run_resume: out and a folder are needed");
    eff_status s = new_run(&r, o, err);
    if (s != EFF_OK) return s;
    s = eff_run_hold_folder(r, false, err);
    if (s == EFF_OK) s = eff_run_load_args(r, &r->settled, err);
    char *path = s == EFF_OK ? eff_run_path(r, "split.csv") : NULL;
    data.threads = o->threads;
    if (s == EFF_OK && !path) s = eff_fail_memory(err, 0);
    if (path) s = eff_dataset_open(&r->own_data, path, &data, err);
    if (path && s != EFF_OK) eff_error_prefix(err, "%s", path);
    eff_free(path);
    r->d = r->own_data;
    if (s == EFF_OK) s = saved_model(r, err);
    if (r->settled) r->o.seconds = 0; /* the time has been fitted */
    if (s == EFF_OK) s = settle(r, err);
    if (s == EFF_OK) s = eff_run_load_state(r, err);
    if (s != EFF_OK) {
        eff_run_free(r);
        return s;
    }
    *out = r;
    return EFF_OK;
}

EFF_API void eff_run_free(eff_run *r)
{
    if (!r) return;
    eff_loader_free(r->loader);
    eff_events_close(r->events);
    eff_optim_free(r->opt);
    eff_trainer_free(r->t);
    eff_model_destroy(r->kept);
    eff_model_destroy(r->m);
    eff_dataset_free(r->own_data);
    eff_free(r->target);
    eff_free(r->weight);
    eff_free(r->class_weight);
    eff_free(r->buffers);
    eff_free(r->p.rows);
    eff_free(r->metrics);
    eff_run_release_folder(r);
    eff_free(r->out);
    eff_free(r->source);
    eff_free(r->data);
    eff_free(r);
}

EFF_API eff_recipe *eff_run_recipe(eff_run *r) { return &r->r; }
EFF_API const char *eff_run_metrics(const eff_run *r) { return r->metrics; }
EFF_API const eff_train_memory *eff_run_memory(const eff_run *r) { return &r->memory; }

/* -------------------------------------------------------------------------------------------- the loop */

static double smooth(double old, double now) { return old > 0 ? 0.9 * old + 0.1 * now : now; }

static double eta_of(const eff_run *r)
{
    if (r->step_seconds <= 0) return NAN;
    const double epochs = r->r.v[EFF_KEY_EPOCHS] - r->p.epoch, steps = epochs * (double)r->steps - (double)r->p.step;
    return steps * r->step_seconds + (epochs + 1) * r->eval_seconds;
}

/* A step, and what the caller hears of it. */
static eff_status step_and_tell(eff_run *r, bool *stop, eff_error *err)
{
    const double start = eff_clock();
    const eff_status s = eff_run_step(r, err);
    if (s != EFF_OK) return s;
    r->step_seconds = smooth(r->step_seconds, eff_clock() - start);
    const eff_progress *p = &r->p;
    const long update = (long)p->epoch * r->steps + p->step - 1;
    const eff_run_event e = { .phase = EFF_RUN_STEP,
                              .epoch = p->epoch + 1,
                              .epochs = eff_recipe_int(&r->r, EFF_KEY_EPOCHS),
                              .step = p->step,
                              .steps = r->steps,
                              .loss = p->loss_sum / (double)(p->counted ? p->counted : 1),
                              .top1 = (double)p->hits / (double)(p->seen ? p->seen : 1),
                              .eta = eta_of(r),
                              .lr = p->lr_factor * eff_schedule_at(&r->sched, update < 0 ? 0 : update),
                              .images_per_s = r->r.v[EFF_KEY_BATCH] / r->step_seconds };
    *stop = eff_run_tell(r, &e);
    return EFF_OK;
}

/* Is this epoch better than the best? Equal accuracy: the lower loss, since small sets tie often. */
static bool better(const eff_progress *p, const eff_scores *s, bool keep_last)
{
    if (!p->best_epoch || keep_last) return true;
    return s->top1 > p->best_top1 || (s->top1 == p->best_top1 && s->loss < p->best_loss);
}

static eff_status end_epoch(eff_run *r, double seconds, bool *stop, eff_error *err)
{
    eff_progress *p = &r->p;
    eff_scores scores;
    const double start = eff_clock();
    eff_run_update_kept(r);
    eff_status s = eff_run_score(&scores, r, r->kept, EFF_PART_VAL, err);
    if (s != EFF_OK) return s;
    r->eval_seconds = eff_clock() - start;
    const bool best = better(p, &scores, r->r.v[EFF_KEY_KEEP] != 0);
    const double lr = p->lr_factor * eff_schedule_at(&r->sched, (long)(p->epoch + 1) * r->steps - 1);
    const eff_epoch_row row = { .epoch = p->epoch + 1,
                                .lr = lr,
                                .train_loss = p->counted ? p->loss_sum / (double)p->counted : (double)NAN,
                                .train_top1 = p->seen ? (double)p->hits / (double)p->seen : (double)NAN,
                                .val_loss = scores.loss,
                                .val_top1 = scores.top1,
                                .seconds = seconds + r->eval_seconds,
                                .images_per_s = r->step_seconds > 0 ? r->r.v[EFF_KEY_BATCH] / r->step_seconds : 0 };
    eff_scores_free(&scores);
    s = eff_run_add_row(r, row, err);
    if (s != EFF_OK) return s;
    if (best) {
        p->best_epoch = p->epoch + 1;
        p->best_top1 = row.val_top1;
        p->best_loss = isfinite(row.val_loss) ? row.val_loss : DBL_MAX;
        s = eff_run_save_model(r, err);
    }
    p->epoch++;
    p->step = 0;
    p->loss_sum = 0;
    p->counted = p->seen = p->hits = 0;
    if (s == EFF_OK) s = eff_run_save_log(r, err);
    if (s == EFF_OK) s = eff_run_add_events(r, &row, err);
    if (s == EFF_OK) s = eff_run_save_state(r, err);
    if (s != EFF_OK) return s;
    const eff_run_event e = { .phase = EFF_RUN_EPOCH,
                              .epoch = row.epoch,
                              .epochs = eff_recipe_int(&r->r, EFF_KEY_EPOCHS),
                              .step = r->steps,
                              .steps = r->steps,
                              .loss = row.train_loss,
                              .top1 = row.train_top1,
                              .val_loss = row.val_loss,
                              .val_top1 = row.val_top1,
                              .lr = row.lr,
                              .images_per_s = row.images_per_s,
                              .eta = eta_of(r),
                              .best = best };
    *stop = eff_run_tell(r, &e);
    return EFF_OK;
}

static bool out_of_patience(const eff_run *r)
{
    const int patience = eff_recipe_int(&r->r, EFF_KEY_PATIENCE);
    return patience && r->p.best_epoch && r->p.epoch - r->p.best_epoch >= patience;
}

/* Saved, and the caller told that it was the caller's wish. */
static eff_status stopped(eff_run *r, eff_error *err)
{
    const eff_status s = eff_run_save_state(r, err);
    return s == EFF_OK ? eff_fail(err, EFF_ECANCELLED, "stopped in epoch %d; what was learnt is saved", r->p.epoch + 1)
                       : s;
}

static eff_status run_epochs(eff_run *r, eff_error *err)
{
    const int epochs = eff_recipe_int(&r->r, EFF_KEY_EPOCHS);
    bool stop = false;
    double start = eff_clock();
    while (r->p.epoch < epochs && !out_of_patience(r)) {
        if (stop) return stopped(r, err);
        if (r->p.step < r->steps) {
            const eff_status s = step_and_tell(r, &stop, err);
            if (s != EFF_OK) return s;
            if (!stop && r->p.step < r->steps && eff_clock() - r->saved > r->o.save_every) {
                const eff_status saved = eff_run_save_state(r, err);
                if (saved != EFF_OK) return saved;
            }
        } else {
            const eff_status s = end_epoch(r, eff_clock() - start, &stop, err);
            if (s != EFF_OK) return s;
            start = eff_clock();
        }
    }
    if (r->p.epoch < epochs)
        eff_run_note(r, "%d epochs without a better one: stopped after epoch %d",
                     eff_recipe_int(&r->r, EFF_KEY_PATIENCE), r->p.epoch);
    return EFF_OK;
}

/* Before the first epoch: classifier, time, first save. */
static eff_status begin(eff_run *r, eff_error *err)
{
    eff_status s = EFF_OK;
    if (r->r.v[EFF_KEY_HEAD_FIRST] != 0) s = eff_run_head_first(r, err);
    if (s == EFF_OK) s = eff_run_fit_time(r, err);
    if (s == EFF_OK) s = eff_run_save_args(r, true, err);
    r->p.begun = s == EFF_OK;
    if (s == EFF_OK) s = eff_run_save_state(r, err);
    return s;
}

EFF_API eff_status eff_run_train(eff_run *r, eff_error *err)
{
    if (!r->out) return eff_fail(err, EFF_EARG, "a run without a folder cannot be trained");
    eff_status s = EFF_OK;
    if (!r->p.begun)
        s = begin(r, err);
    else if (r->p.epoch < eff_recipe_int(&r->r, EFF_KEY_EPOCHS))
        eff_run_note(r, "going on with step %ld of epoch %d", r->p.step + 1, r->p.epoch + 1);
    if (s == EFF_OK) s = run_epochs(r, err);
    return s == EFF_OK ? eff_run_finish(r, err) : s;
}
