/* SPDX-License-Identifier: Apache-2.0 */
/* Workers wait for the job number to change: they spin briefly (layers follow each other within microseconds), then sleep.
 * Invariant: a worker touches the job's fields only between seeing a new number and decrementing `busy`, and the owner
 * writes them only when `busy` is zero. */
#define _GNU_SOURCE
#include "base/pool.h"

#include "base/cpu.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { SPINS = 4000 }; /* about 20 us; longer steals a core from whoever else is on the machine */

typedef struct worker {
    eff_pool *pool;
    int index;
    pthread_t thread;
} worker;

struct eff_pool {
    int threads, started;
    int spins; /* 0 when there are more threads than CPUs: spinning would only hinder the one that works */
    worker *workers;
    eff_task_fn *fn;
    void *ctx;
    int tasks;
    atomic_int next;      /* next task to take                    */
    atomic_int busy;      /* workers that have not finished a job */
    atomic_uint job;      /* number of the current job            */
    atomic_bool quit;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void work(eff_pool *p, int index)
{
    const int tasks = p->tasks;
    for (;;) {
        const int t = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (t >= tasks) return;
        p->fn(p->ctx, t, index);
    }
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    eff_pool *p = w->pool;
    unsigned seen = 0;
    for (;;) {
        for (int i = 0; i < p->spins && atomic_load_explicit(&p->job, memory_order_acquire) == seen; i++) relax();
        if (atomic_load_explicit(&p->job, memory_order_acquire) == seen) {
            pthread_mutex_lock(&p->lock);
            while (atomic_load_explicit(&p->job, memory_order_acquire) == seen) pthread_cond_wait(&p->wake, &p->lock);
            pthread_mutex_unlock(&p->lock);
        }
        if (atomic_load(&p->quit)) return NULL;
        seen = atomic_load_explicit(&p->job, memory_order_acquire);
        work(p, w->index);
        if (atomic_fetch_sub_explicit(&p->busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static void post(eff_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add_explicit(&p->job, 1, memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

void eff_pool_run(eff_pool *p, eff_task_fn *fn, void *ctx, int tasks)
{
    if (!p || p->threads == 1 || tasks <= 1) {
        for (int t = 0; t < tasks; t++) fn(ctx, t, 0);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    p->tasks = tasks;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->busy, p->threads - 1, memory_order_relaxed);
    post(p);
    work(p, 0);
    for (int i = 0; i < p->spins && atomic_load_explicit(&p->busy, memory_order_acquire); i++) relax();
    if (atomic_load_explicit(&p->busy, memory_order_acquire)) {
        pthread_mutex_lock(&p->lock);
        while (atomic_load_explicit(&p->busy, memory_order_acquire)) pthread_cond_wait(&p->done, &p->lock);
        pthread_mutex_unlock(&p->lock);
    }
}

eff_status eff_pool_create(eff_pool **out, int threads, eff_error *err)
{
    *out = NULL;
    if (threads < 1 || threads > 256) return eff_fail(err, EFF_EARG, "threads: expected 1..256, found %d", threads);
    eff_pool *p = eff_calloc(1, sizeof *p);
    if (!p) return eff_fail_memory(err, sizeof *p);
    p->threads = threads;
    p->spins = threads <= eff_cpu_count() ? SPINS : 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    p->workers = eff_calloc((size_t)threads, sizeof *p->workers);
    if (!p->workers) {
        eff_pool_free(p);
        return eff_fail_memory(err, (size_t)threads * sizeof *p->workers);
    }
    for (int i = 1; i < threads; i++) {
        worker *w = &p->workers[i];
        *w = (worker){ .pool = p, .index = i };
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
            eff_pool_free(p);
            return eff_fail(err, EFF_ENOMEM, "thread %d of %d could not be started", i + 1, threads);
        }
        p->started++;
    }
    *out = p;
    return EFF_OK;
}

int eff_pool_threads(const eff_pool *p) { return p ? p->threads : 1; }

void eff_pool_free(eff_pool *p)
{
    if (!p) return;
    atomic_store(&p->quit, true);
    post(p);
    for (int i = 1; i <= p->started; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    eff_free(p->workers);
    eff_free(p);
}
