/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of batches. The caller plans them: which images, in which order; workers claim the images one at a time, the
 * nearest batch first, and make each where it belongs. Nothing that a worker makes depends on which worker it is or
 * what was made before. Invariant: a slot's plan changes only while no worker has an image of it claimed; a worker
 * writes to its image's floats only. */
#define _GNU_SOURCE
#include "data/loader.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/cache.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SLOTS = EFF_LOADER_BATCHES, /* a batch of large photographs does not hold up the next step */
    WORKER_NICE = 10 /* beside the trainer it gets a tenth of a CPU, and all of one that the trainer leaves alone */
};

#define STREAM_ORDER ((uint64_t)0x6f726472 << 32) /* the epoch goes below */

typedef struct slot {
    float *x;
    int *label;
    size_t *item;
    int n, claimed, finished; /* images */
    uint32_t epoch;
    long step;
    int first_bad; /* the first image that failed, or -1: the same however the work was shared out */
    eff_error failure;
} slot;

struct eff_loader {
    const eff_dataset *d;
    eff_part part;
    eff_loader_opts o;
    eff_preprocess rule;
    eff_augment augment;
    size_t count, values; /* images of the part; floats of an image */
    long steps;
    eff_cache *cache;
    size_t *order; /* of epoch `order_epoch`, if it has_order */
    uint32_t order_epoch;
    bool has_order;
    slot slot[SLOTS];
    int head;     /* the slot that is handed out next */
    bool started; /* every slot but the one handed out is planned */
    bool handed;  /* the slot before `head` is the caller's */
    uint32_t next_epoch;
    long next_step;
    pthread_mutex_t lock; /* of the slots' counters and failures, busy and quit */
    pthread_cond_t work, ready;
    int busy; /* images being made */
    bool quit;
    pthread_t *thread;
    int threads;
};

/* -------------------------------------------------------------------------------------------------- planning */

static void make_order(eff_loader *l, uint32_t epoch)
{
    if (l->has_order && (l->order_epoch == epoch || !l->o.shuffle)) return;
    if (l->o.shuffle)
        eff_rng_order(l->order, l->count, l->o.seed, STREAM_ORDER | epoch);
    else
        for (size_t i = 0; i < l->count; i++) l->order[i] = i;
    l->order_epoch = epoch;
    l->has_order = true;
}

/* Put the next batch into a slot. */
static void plan(eff_loader *l, slot *s)
{
    make_order(l, l->next_epoch);
    const size_t batch = (size_t)l->o.batch, first = (size_t)l->next_step * batch;
    const size_t n = l->count - first < batch ? l->count - first : batch;
    s->epoch = l->next_epoch;
    s->step = l->next_step;
    s->n = (int)n;
    s->claimed = s->finished = 0;
    s->first_bad = -1;
    for (size_t i = 0; i < n; i++) {
        s->item[i] = l->order[first + i];
        s->label[i] = l->d->sample[l->d->first[l->part] + s->item[i]].label;
    }
    if (++l->next_step == l->steps) {
        l->next_step = 0;
        l->next_epoch++;
    }
}

static void plan_all(eff_loader *l)
{
    for (int k = 0; k < SLOTS; k++) plan(l, &l->slot[k]);
    l->head = 0;
    l->handed = false;
    l->started = true;
    pthread_cond_broadcast(&l->work);
}

/* --------------------------------------------------------------------------------------------------- workers */

static eff_status make_image(const eff_loader *l, float *x, size_t item, uint32_t epoch, eff_error *err)
{
    if (!l->o.augment) return eff_cache_prepared(l->cache, item, x, err);
    const eff_image *im;
    eff_status s = eff_cache_picture(l->cache, item, &im, err);
    if (s != EFF_OK) return s;
    const eff_draw draw = { .seed = l->o.seed, .epoch = epoch, .sample = (uint32_t)item };
    s = eff_augment_apply(x, l->o.height, l->o.width, &l->augment, l->rule.mean, l->rule.std, im->rgb, im->width,
                          im->height, draw, err);
    eff_cache_release(l->cache, item, im);
    return s;
}

/* The next image to make, of the batch that is wanted first. */
static slot *claim(eff_loader *l, int *image)
{
    for (int k = 0; k < SLOTS; k++) {
        slot *const s = &l->slot[(l->head + k) % SLOTS];
        if (s->claimed == s->n) continue;
        *image = s->claimed++;
        return s;
    }
    return NULL;
}

static void lower_priority(void)
{
    const id_t self = (id_t)syscall(SYS_gettid); /* on Linux a thread has a priority of its own */
    errno = 0;
    const int now = getpriority(PRIO_PROCESS, self);
    if (errno == 0) setpriority(PRIO_PROCESS, self, now + WORKER_NICE > 19 ? 19 : now + WORKER_NICE);
}

static void *worker_main(void *arg)
{
    eff_loader *const l = arg;
    lower_priority();
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        int i = 0;
        slot *const s = claim(l, &i);
        if (!s) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        l->busy++;
        const size_t item = s->item[i];
        const uint32_t epoch = s->epoch;
        pthread_mutex_unlock(&l->lock);
        eff_error err = { .code = EFF_OK };
        const eff_status made = make_image(l, s->x + (size_t)i * l->values, item, epoch, &err);
        pthread_mutex_lock(&l->lock);
        if (made != EFF_OK && (s->first_bad < 0 || i < s->first_bad)) {
            s->first_bad = i;
            s->failure = err;
            s->failure.code = made;
        }
        l->busy--;
        if (++s->finished == s->n || l->busy == 0) pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ------------------------------------------------------------------------------------------ making and freeing */

static eff_status check(const eff_dataset *d, eff_part part, const eff_loader_opts *o, eff_error *err)
{
    static const char *const names[] = { "train", "validate", "test" };
    if (!d || !o->rule) return eff_fail(err, EFF_EARG, "loader: expected a set and a rule, found NULL");
    if ((unsigned)part >= EFF_PARTS)
        return eff_fail(err, EFF_EARG, "part of a set: expected 0..2, found %d", (int)part);
    if (o->batch < 1) return eff_fail(err, EFF_EARG, "batch: expected at least 1 image, found %d", o->batch);
    if (o->height < 1 || o->width < 1 || o->height > EFF_PREPROCESS_MAX_SIDE || o->width > EFF_PREPROCESS_MAX_SIDE)
        return eff_fail(err, EFF_EARG, "image size: expected 1..%d pixels, found %dx%d", EFF_PREPROCESS_MAX_SIDE,
                        o->height, o->width);
    if (o->threads < 0 || o->threads > EFF_MAX_THREADS)
        return eff_fail(err, EFF_EARG, "threads: expected 1..%d, found %d", EFF_MAX_THREADS, o->threads);
    const eff_status s = eff_preprocess_check(o->rule, err);
    if (s != EFF_OK) return s;
    if (!o->augment && (o->rule->height != o->height || o->rule->width != o->width))
        return eff_fail(err, EFF_EARG, "preprocessing gives %dx%d, batches are of %dx%d", o->rule->height,
                        o->rule->width, o->height, o->width);
    if (!eff_dataset_count(d, part)) return eff_fail(err, EFF_EFORMAT, "the set has no images to %s on", names[part]);
    return EFF_OK;
}

static eff_status make_slots(eff_loader *l, eff_error *err)
{
    const size_t batch = (size_t)l->o.batch;
    size_t floats;
    if (!eff_mul(batch, l->values * sizeof(float), &floats)) return eff_fail_memory(err, SIZE_MAX);
    for (int k = 0; k < SLOTS; k++) {
        slot *const s = &l->slot[k];
        s->x = eff_malloc_aligned(floats);
        s->label = eff_malloc(batch * sizeof *s->label);
        s->item = eff_malloc(batch * sizeof *s->item);
        if (!s->x || !s->label || !s->item) return eff_fail_memory(err, floats);
    }
    l->order = eff_malloc(l->count * sizeof *l->order);
    return l->order ? EFF_OK : eff_fail_memory(err, l->count * sizeof *l->order);
}

static eff_status start_workers(eff_loader *l, int threads, eff_error *err)
{
    l->thread = eff_calloc((size_t)threads, sizeof *l->thread);
    if (!l->thread) return eff_fail_memory(err, (size_t)threads * sizeof *l->thread);
    for (; l->threads < threads; l->threads++)
        if (pthread_create(&l->thread[l->threads], NULL, worker_main, l) != 0)
            return eff_fail(err, EFF_ENOMEM, "thread %d of %d could not be started", l->threads + 1, threads);
    return EFF_OK;
}

eff_status eff_loader_create(eff_loader **out, const eff_dataset *d, eff_part part, const eff_loader_opts *o,
                             eff_error *err)
{
    *out = NULL;
    eff_status s = check(d, part, o, err);
    if (s != EFF_OK) return s;
    eff_loader *const l = eff_calloc(1, sizeof *l);
    if (!l) return eff_fail_memory(err, sizeof *l);
    l->d = d;
    l->part = part;
    l->o = *o;
    l->rule = *o->rule;
    if (o->augment) l->augment = *o->augment;
    l->count = eff_dataset_count(d, part);
    l->values = (size_t)o->height * (size_t)o->width * 3;
    const size_t batch = (size_t)o->batch;
    if (l->count < batch) l->o.batch = (int)l->count; /* a single short batch; no memory for more */
    l->steps = eff_steps_of(l->count, batch, o->drop_last);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    const eff_cache_opts co = {
        .height = o->height, .width = o->width, .rule = *o->rule, .prepared = !o->augment, .bytes = o->cache_bytes
    };
    s = eff_cache_create(&l->cache, d, part, &co, err);
    if (s == EFF_OK) s = make_slots(l, err);
    if (s == EFF_OK) s = start_workers(l, o->threads ? o->threads : eff_cpu_count(), err);
    if (s == EFF_OK)
        *out = l;
    else
        eff_loader_free(l);
    return s;
}

void eff_loader_free(eff_loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->quit = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->threads; i++) pthread_join(l->thread[i], NULL);
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    for (int k = 0; k < SLOTS; k++) {
        eff_free(l->slot[k].x);
        eff_free(l->slot[k].label);
        eff_free(l->slot[k].item);
    }
    eff_cache_free(l->cache);
    eff_free(l->order);
    eff_free(l->thread);
    eff_free(l);
}

/* ----------------------------------------------------------------------------------------------------- batches */

long eff_loader_steps(const eff_loader *l) { return l->steps; }

void eff_loader_seek(eff_loader *l, uint32_t epoch, long step)
{
    pthread_mutex_lock(&l->lock);
    for (int k = 0; k < SLOTS; k++) l->slot[k].claimed = l->slot[k].n;
    while (l->busy) pthread_cond_wait(&l->ready, &l->lock);
    l->next_epoch = epoch + (uint32_t)(step / l->steps);
    l->next_step = step % l->steps;
    plan_all(l);
    pthread_mutex_unlock(&l->lock);
}

/* One line that names the file, with room left for the reason. */
static eff_status report(const eff_loader *l, const slot *s, eff_error *err)
{
    const eff_sample *const bad = &l->d->sample[l->d->first[l->part] + s->item[s->first_bad]];
    const eff_status code = s->failure.code == EFF_EUNSUPPORTED ? EFF_EFORMAT : s->failure.code;
    return eff_fail(err, code, "%.120s: %s", bad->rel, s->failure.msg);
}

eff_status eff_loader_next(eff_loader *l, eff_batch *out, eff_error *err)
{
    eff_status status = EFF_OK;
    pthread_mutex_lock(&l->lock);
    if (!l->started) plan_all(l);
    if (l->handed) { /* the caller is done with it */
        plan(l, &l->slot[(l->head + SLOTS - 1) % SLOTS]);
        l->handed = false;
        pthread_cond_broadcast(&l->work);
    }
    slot *const s = &l->slot[l->head];
    const double since = eff_clock();
    while (s->finished < s->n) pthread_cond_wait(&l->ready, &l->lock);
    if (s->first_bad >= 0) {
        status = report(l, s, err); /* and again if it is asked again: nothing is skipped */
    } else {
        *out = (eff_batch){ .x = s->x,
                            .label = s->label,
                            .item = s->item,
                            .n = s->n,
                            .epoch = s->epoch,
                            .step = s->step,
                            .waited = eff_clock() - since };
        l->head = (l->head + 1) % SLOTS;
        l->handed = true;
    }
    pthread_mutex_unlock(&l->lock);
    return status;
}

void eff_loader_cached(const eff_loader *l, size_t *images, size_t *bytes) { eff_cache_size(l->cache, images, bytes); }
