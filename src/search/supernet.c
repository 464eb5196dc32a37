/* SPDX-License-Identifier: Apache-2.0 */
/* Making and training a supernet. A step makes the network of one child anew, copies its part of the bank into it,
 * trains it as a trial is trained, and copies weights and the optimiser's vectors back. All networks are made alike, so
 * a space with nothing to choose trains its one network to the bits of a trial. The optimiser counts the supernet's
 * steps, not those a tensor took part in: only a tensor first drawn after hundreds of steps would notice. */
#include "search/supernet.h"

#include "base/cpu.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "search/supernet_internal.h"

#include <effnet/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAM_CHILD 0x6368696c64u

/* ------------------------------------------------------------------------------------------------ making it */

static eff_status check(const eff_supernet_opts *o, eff_error *err)
{
    const eff_status e = eff_trial_check_recipe(o->recipe, err);
    if (e != EFF_OK) return e;
    if (o->recipe->v[EFF_KEY_EMA] != 0)
        return eff_fail(err, EFF_EARG, "recipe: ema: expected 0, found %g: a supernet keeps no averaged weights",
                        o->recipe->v[EFF_KEY_EMA]);
    return EFF_OK;
}

static eff_trial_job job_of(const eff_supernet_opts *o)
{
    return (eff_trial_job){ .table = &o->space->base,
                            .recipe = o->recipe,
                            .pixels = o->pixels,
                            .seed = o->seed,
                            .threads = o->threads ? o->threads : eff_cpu_count(),
                            .cpu = o->cpu };
}

/* What decides the weights, beside the images. */
static eff_status make_print(char print[EFF_PRINT], const eff_supernet_opts *o, eff_error *err)
{
    eff_recipe r = *o->recipe;
    json_t *const j = eff_space_to_json(o->space);
    char *const text = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(j);
    if (!text) return eff_fail(err, EFF_ENOMEM, "out of memory for the space's JSON");
    uint64_t h = eff_hash(EFF_HASH_START, text, strlen(text) + 1);
    for (int i = 0; i < eff_recipe_count(); i++) {
        const char *const v = eff_recipe_value(&r, i, NULL);
        h = eff_hash(h, v, strlen(v) + 1);
    }
    const int64_t numbers[] = { (int64_t)o->seed, o->pixels };
    snprintf(print, EFF_PRINT, "%016llx", (unsigned long long)eff_hash(h, numbers, sizeof numbers));
    free(text); /* jansson's */
    return EFF_OK;
}

eff_status eff_supernet_create(eff_supernet **out, const eff_supernet_opts *o, eff_error *err)
{
    *out = NULL;
    eff_status e = check(o, err);
    if (e != EFF_OK) return e;
    eff_supernet *const n = eff_calloc(1, sizeof *n);
    if (!n) return eff_fail_memory(err, sizeof *n);
    n->space = o->space;
    n->job = job_of(o);
    e = make_print(n->at.print, o, err);
    if (e == EFF_OK) e = eff_pool_create(&n->pool, n->job.threads, err);
    if (e == EFF_OK) e = eff_bank_plan(&n->bank, o->space, eff_recipe_optim(o->recipe).kind, err);
    if (e == EFF_OK) e = eff_bank_alloc(n->bank, err);
    if (e == EFF_OK) e = eff_trial_batch_open(&n->b, &n->job, err);
    if (e != EFF_OK) {
        eff_supernet_free(n);
        return e;
    }
    eff_bank_reset(n->bank, n->job.seed);
    *out = n;
    return EFF_OK;
}

void eff_supernet_free(eff_supernet *n)
{
    if (!n) return;
    eff_view_free(&n->seen);
    eff_view_free(&n->kept);
    eff_trial_batch_close(&n->b);
    eff_bank_free(n->bank);
    eff_spare_free(&n->spare);
    eff_pool_free(n->pool);
    eff_free(n);
}

eff_status eff_supernet_look(eff_supernet *n, eff_pictures *p, eff_error *err)
{
    char print[EFF_PRINT];
    snprintf(print, sizeof print, "%016llx", (unsigned long long)eff_pictures_fingerprint(p));
    if (!strcmp(n->viewed, print)) return EFF_OK;
    n->viewed[0] = '\0';
    eff_view_free(&n->seen);
    eff_view_free(&n->kept);
    eff_status e = eff_view_make(&n->seen, p, EFF_PART_TRAIN, n->b.height, n->b.width, n->pool, err);
    if (e == EFF_OK) e = eff_view_make(&n->kept, p, EFF_PART_VAL, n->b.height, n->b.width, n->pool, err);
    if (e == EFF_OK) memcpy(n->viewed, print, sizeof print);
    return e;
}

/* --------------------------------------------------------------------------------------------------- a child */

void eff_supernet_draw(eff_child *c, const eff_space *s, uint64_t seed, long step)
{
    *c = (eff_child){ { 0 } };
    for (int d = 0; d < s->ndecisions; d++) {
        const uint64_t at = (uint64_t)step * EFF_MAX_DECISIONS + (uint64_t)d;
        c->choice[d] = (uint8_t)eff_rng_below((uint64_t)s->decision[d].n, seed, STREAM_CHILD, at);
    }
}

eff_status eff_member_open(eff_member *k, eff_supernet *n, const eff_child *c, eff_error *err)
{
    *k = (eff_member){ .m = NULL };
    eff_status e = eff_space_table(&k->table, n->space, c, err);
    eff_trial_job job = n->job;
    job.table = &k->table;
    if (e == EFF_OK) e = eff_trial_model(&k->m, &job, err);
    if (e == EFF_OK) e = eff_model_alloc_weights(k->m, err);
    if (e != EFF_OK) return e;
    k->place = eff_malloc((size_t)k->m->graph->nparams * sizeof *k->place);
    if (!k->place) return eff_fail_memory(err, (size_t)k->m->graph->nparams * sizeof *k->place);
    return eff_bank_places(k->place, n->bank, k->m, err);
}

void eff_member_close(eff_member *k)
{
    eff_model_destroy(k->m);
    eff_free(k->place);
    *k = (eff_member){ .m = NULL };
}

/* -------------------------------------------------------------------------------------------------- training */

/* Train the child of a step on the `batch` images just made. */
static eff_status take_step(eff_supernet *n, long step, int batch, double lr, double *loss, eff_error *err)
{
    eff_child c;
    eff_member k;
    eff_trainer *t = NULL;
    eff_optim *opt = NULL;
    eff_trainer_opts o = eff_trial_trainer_opts(&n->job);
    eff_optim_opts oo = eff_recipe_optim(n->job.recipe);
    o.pool = n->pool;
    o.spare = oo.spare = &n->spare;
    eff_supernet_draw(&c, n->space, n->job.seed, step);
    eff_status e = eff_member_open(&k, n, &c, err);
    if (e == EFF_OK) e = eff_trainer_create(&t, k.m, &o, err);
    if (e == EFF_OK) e = eff_optim_create(&opt, k.m, eff_trainer_grads(t), &oo, err);
    if (e == EFF_OK) {
        eff_bank_gather(n->bank, k.place, k.m, opt);
        eff_optim_resume(opt, step);
        *loss = eff_trial_batch_step(&n->b, t, opt, batch, lr, (uint64_t)step);
        if (isfinite(*loss))
            eff_bank_scatter(n->bank, k.place, k.m, opt);
        else
            e = eff_fail(err, EFF_EFORMAT, "diverged: the loss was %g in step %ld of %ld, of %s", *loss, step + 1,
                         n->at.steps, k.table.name);
        n->diverged = !isfinite(*loss);
    }
    eff_optim_free(opt);
    eff_trainer_free(t);
    eff_member_close(&k);
    return e;
}

static eff_status train_epoch(eff_supernet *n, long epoch, long per_epoch, bool (*tell)(void *, long, long), void *ctx,
                              eff_error *err)
{
    const eff_schedule sched = eff_recipe_schedule(n->job.recipe, per_epoch);
    const size_t batch = (size_t)n->b.size < n->seen.n ? (size_t)n->b.size : n->seen.n;
    double sum = 0;
    eff_status e = eff_trial_batch_order(&n->b, n->seen.n, (uint32_t)epoch, err);
    for (long i = 0; e == EFF_OK && i < per_epoch; i++) {
        const long step = epoch * per_epoch + i;
        double loss = NAN;
        e = eff_trial_batch_make(&n->b, n->pool, &n->seen, (size_t)i * batch, (int)batch, (uint32_t)epoch, err);
        if (e == EFF_OK) e = take_step(n, step, (int)batch, eff_schedule_at(&sched, step), &loss, err);
        sum += loss;
        if (e == EFF_OK && tell && tell(ctx, step + 1, n->at.steps)) e = eff_fail(err, EFF_ECANCELLED, "stopped");
    }
    if (e == EFF_OK) n->at.step = (epoch + 1) * per_epoch;
    if (e == EFF_OK) n->at.train_loss = sum / (double)per_epoch;
    return e;
}

/* Begin anew, or from the file when it is there. */
static eff_status begin(eff_supernet *n, const char *path, long per_epoch, long steps, eff_error *err)
{
    if (access(path, F_OK) != 0) {
        eff_bank_reset(n->bank, n->job.seed);
        memcpy(n->at.data, n->viewed, EFF_PRINT);
        n->at.step = 0;
        n->at.steps = steps;
        return EFF_OK;
    }
    const eff_status e = eff_supernet_restore(n, path, err);
    if (e != EFF_OK) return e;
    if (strcmp(n->at.data, n->viewed) != 0)
        return eff_fail(err, EFF_EFORMAT, "this is a supernet of other images: expected fingerprint %s, found %s",
                        n->viewed, n->at.data);
    if (n->at.steps != steps || n->at.step % per_epoch != 0)
        return eff_fail(err, EFF_EFORMAT,
                        "the supernet's state: expected whole epochs of %ld steps, %ld in all, found %ld of %ld",
                        per_epoch, steps, n->at.step, n->at.steps);
    return EFF_OK;
}

eff_status eff_supernet_train(eff_supernet *n, eff_pictures *p, const char *path,
                              bool (*tell)(void *ctx, long step, long steps), void *ctx, eff_error *err)
{
    eff_status e = eff_supernet_look(n, p, err);
    if (e != EFF_OK) return e;
    const size_t batch = (size_t)n->b.size < n->seen.n ? (size_t)n->b.size : n->seen.n;
    const long per_epoch = (long)(n->seen.n / batch), epochs = eff_recipe_int(n->job.recipe, EFF_KEY_EPOCHS);
    e = begin(n, path, per_epoch, per_epoch * epochs, err);
    for (long epoch = n->at.step / per_epoch; e == EFF_OK && epoch < epochs; epoch++) {
        e = train_epoch(n, epoch, per_epoch, tell, ctx, err);
        if (e == EFF_OK) e = eff_supernet_save(n, path, err);
    }
    if (e != EFF_OK) n->at.step = 0; /* the bank may stand between two epochs: it is not to be scored */
    return e;
}

bool eff_supernet_diverged(const eff_supernet *n) { return n->diverged; }

eff_status eff_supernet_load(eff_supernet *n, const char *path, eff_error *err)
{
    eff_status e = eff_supernet_restore(n, path, err);
    if (e == EFF_OK && n->at.step < n->at.steps)
        e = eff_fail(err, EFF_EFORMAT, "the supernet is not trained yet: %ld of %ld steps", n->at.step, n->at.steps);
    if (e != EFF_OK) n->at.step = 0;
    return e;
}

/* --------------------------------------------------------------------------------------------------- memory */

/* What a trial of a child takes; 0 where there is none. */
static size_t memory_of(const eff_supernet_opts *o, const eff_child *c)
{
    eff_table t;
    size_t bytes = 0;
    eff_trial_job job = job_of(o);
    job.table = &t;
    if (eff_space_table(&t, o->space, c, NULL) != EFF_OK || eff_trial_memory(&bytes, &job, NULL) != EFF_OK) return 0;
    return bytes;
}

/* The child that takes most, decision by decision: more of anything takes more, whatever the rest is. */
static size_t most_memory(const eff_supernet_opts *o)
{
    eff_child best = { { 0 } };
    size_t most = memory_of(o, &best);
    for (int d = 0; d < o->space->ndecisions; d++)
        for (int k = 1; k < o->space->decision[d].n; k++) {
            eff_child c = best;
            c.choice[d] = (uint8_t)k;
            const size_t bytes = memory_of(o, &c);
            if (bytes <= most) continue;
            most = bytes;
            best = c;
        }
    return most;
}

eff_status eff_supernet_memory(size_t *bytes, const eff_supernet_opts *o, eff_error *err)
{
    eff_bank *b;
    eff_status e = check(o, err);
    if (e == EFF_OK) e = eff_bank_plan(&b, o->space, eff_recipe_optim(o->recipe).kind, err);
    if (e != EFF_OK) return e;
    *bytes = b->floats * sizeof(float) + most_memory(o);
    eff_bank_free(b);
    return EFF_OK;
}
