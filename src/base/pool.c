/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks are claimed one at a time from a ticket that carries the job's number and how many tasks are left, so a worker that
 * wakes late finds nothing to claim and holds nobody up: a job is over when its tasks are done, not when every worker has seen
 * it. Between jobs workers spin briefly (layers follow each other within microseconds), then sleep.
 * Invariant: fn, ctx and tasks are read only by the holder of a claimed task, and change only when no task is claimed. */
#define _GNU_SOURCE
#include "base/pool.h"

#include "base/cpu.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { SPINS = 2000 }; /* about 20 us; longer steals a core from whoever else is on the machine */

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
    _Atomic uint64_t ticket; /* job number << 32 | tasks not claimed yet */
    atomic_int done;         /* tasks finished                           */
    atomic_int sleepers;     /* workers asleep or about to be            */
    atomic_bool quit;
    pthread_mutex_t lock;
    pthread_cond_t wake, finished;
};

/* Numbers below FLT_MIN become 0 within tasks: a product of two small activations costs a hundred cycles otherwise, and no result
 * here is that exact. A thread's mode is its own: workers keep it, the caller gets its own back. */
#if defined(__x86_64__)
enum { FLUSH = 1 << 15 | 1 << 6 }; /* of MXCSR: results, operands */
#elif defined(__aarch64__)
enum { FLUSH = 1 << 24 }; /* of FPCR: both */

static inline unsigned control(void)
{
    uint64_t v;
    __asm__ volatile("mrs %0, fpcr" : "=r"(v));
    return (unsigned)v;
}

static inline void set_control(unsigned v) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)v)); }
#endif

static inline unsigned flush_denormals(void)
{
#if defined(__x86_64__)
    const unsigned before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(before | FLUSH);
    return before;
#elif defined(__aarch64__)
    const unsigned before = control();
    set_control(before | FLUSH);
    return before;
#else
    return 0;
#endif
}

static inline void restore_denormals(unsigned before)
{
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr((__builtin_ia32_stmxcsr() & ~(unsigned)FLUSH) | (before & FLUSH));
#elif defined(__aarch64__)
    set_control((control() & ~(unsigned)FLUSH) | (before & FLUSH));
#else
    (void)before;
#endif
}

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* YIELD does nothing on most cores; this takes some tens of cycles */
#endif
}

static uint32_t job_of(uint64_t ticket) { return (uint32_t)(ticket >> 32); }

/* Claim and run tasks until none is left. */
static void work(eff_pool *p, int index)
{
    uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    while ((uint32_t)t) {
        if (!atomic_compare_exchange_weak_explicit(&p->ticket, &t, t - 1, memory_order_acq_rel, memory_order_acquire)) continue;
        const int tasks = p->tasks;
        p->fn(p->ctx, tasks - (int)(uint32_t)t, index);
        if (atomic_fetch_add_explicit(&p->done, 1, memory_order_acq_rel) + 1 == tasks && index != 0) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->finished);
            pthread_mutex_unlock(&p->lock);
        }
        t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    }
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    eff_pool *p = w->pool;
    uint32_t seen = 0;
    flush_denormals();
    for (;;) {
        for (int i = 0; i < p->spins && job_of(atomic_load_explicit(&p->ticket, memory_order_acquire)) == seen; i++) relax();
        if (job_of(atomic_load_explicit(&p->ticket, memory_order_acquire)) == seen) {
            pthread_mutex_lock(&p->lock);
            atomic_fetch_add(&p->sleepers, 1);
            while (job_of(atomic_load(&p->ticket)) == seen) pthread_cond_wait(&p->wake, &p->lock);
            atomic_fetch_sub(&p->sleepers, 1);
            pthread_mutex_unlock(&p->lock);
        }
        if (atomic_load(&p->quit)) return NULL;
        seen = job_of(atomic_load_explicit(&p->ticket, memory_order_acquire));
        work(p, w->index);
    }
}

/* Publish a new job of `tasks` tasks and wake whoever sleeps. */
static void post(eff_pool *p, int tasks)
{
    const uint32_t next = job_of(atomic_load_explicit(&p->ticket, memory_order_relaxed)) + 1;
    atomic_store(&p->ticket, (uint64_t)next << 32 | (uint32_t)tasks);
    if (atomic_load(&p->sleepers) == 0) return; /* one that is about to sleep looks at the ticket again first */
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

/* A job of the caller and the workers. */
static void run_together(eff_pool *p, eff_task_fn *fn, void *ctx, int tasks)
{
    p->fn = fn;
    p->ctx = ctx;
    p->tasks = tasks;
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    post(p, tasks);
    work(p, 0);
    for (int i = 0; i < p->spins && atomic_load_explicit(&p->done, memory_order_acquire) < tasks; i++) relax();
    if (atomic_load_explicit(&p->done, memory_order_acquire) == tasks) return;
    pthread_mutex_lock(&p->lock);
    while (atomic_load_explicit(&p->done, memory_order_acquire) < tasks) pthread_cond_wait(&p->finished, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void eff_pool_run(eff_pool *p, eff_task_fn *fn, void *ctx, int tasks)
{
    const unsigned mode = flush_denormals();
    if (!p || p->threads == 1 || tasks <= 1) {
        for (int t = 0; t < tasks; t++) fn(ctx, t, 0);
    } else {
        run_together(p, fn, ctx, tasks);
    }
    restore_denormals(mode);
}

eff_status eff_pool_create(eff_pool **out, int threads, eff_error *err)
{
    *out = NULL;
    if (threads < 1 || threads > EFF_MAX_THREADS)
        return eff_fail(err, EFF_EARG, "threads: expected 1..%d, found %d", EFF_MAX_THREADS, threads);
    eff_pool *p = eff_calloc(1, sizeof *p);
    if (!p) return eff_fail_memory(err, sizeof *p);
    p->threads = threads;
    p->spins = threads <= eff_cpu_count() ? SPINS : 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->finished, NULL);
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
    post(p, 0);
    for (int i = 1; i <= p->started; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    eff_free(p->workers);
    eff_free(p);
}
