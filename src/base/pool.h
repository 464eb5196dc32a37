/* SPDX-License-Identifier: Apache-2.0 */
/* Thread pool. A job is `tasks` independent pieces; the cut into pieces is the caller's and must not depend on the number of
 * threads, which is how results keep the same bits at any thread count. */
#ifndef EFF_BASE_POOL_H
#define EFF_BASE_POOL_H

#include "base/error.h"

typedef struct eff_pool eff_pool;

/** fn(ctx, task, worker): task 0..tasks-1, worker 0..threads-1 (for per-worker scratch). */
typedef void eff_task_fn(void *ctx, int task, int worker);

/** @param threads  1..EFF_MAX_THREADS; the caller's own thread is worker 0, so threads-1 are started */
eff_status eff_pool_create(eff_pool **out, int threads, eff_error *err);

/** Run all tasks and return when every one is done. Not re-entrant: one job at a time. pool NULL runs them here.
 * Within tasks numbers below FLT_MIN are 0 (x86-64); the caller's own mode stands again afterwards. */
void eff_pool_run(eff_pool *p, eff_task_fn *fn, void *ctx, int tasks);

int eff_pool_threads(const eff_pool *p); /* NULL: 1 */
void eff_pool_free(eff_pool *p);

#endif
