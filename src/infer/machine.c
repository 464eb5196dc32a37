/* SPDX-License-Identifier: Apache-2.0 */
/* Ceilings of this machine, measured with the kernels' own instruction sets: multiply-adds in registers a level, and reads from
 * each cache and from memory. The best of several tries counts, since others on the machine can only slow a try down. */
#define _GNU_SOURCE
#include <effnet/bench.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/pool.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct trial {
    eff_kernels k;
    long rounds;
    float *buffer; /* threads * floats, or NULL: multiply-adds */
    size_t floats;
    volatile float sink[256]; /* results, so that nothing is left out */
} trial;

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void work(void *ctx, int task, int worker)
{
    trial *t = ctx;
    float sum = 0;
    (void)worker;
    if (!t->buffer) sum = t->k.fma_peak(t->rounds);
    else
        for (long r = 0; r < t->rounds; r++) sum += t->k.read_sum(t->buffer + (size_t)task * t->floats, t->floats);
    t->sink[task] = sum;
}

/* Best rate of `unit` a round over about `budget` seconds, `threads` at once. */
static double rate(trial *t, eff_pool *pool, int threads, double unit, double budget)
{
    double best = 0, start = seconds_now();
    t->rounds = 1;
    for (;;) { /* grow until a try is long enough to time */
        const double s = seconds_now();
        eff_pool_run(pool, work, t, threads);
        const double took = seconds_now() - s;
        if (took > budget / 20 || t->rounds > 1L << 40) break;
        t->rounds *= took > budget / 200 ? 2 : 8;
    }
    do {
        const double s = seconds_now();
        eff_pool_run(pool, work, t, threads);
        const double r = unit * (double)t->rounds * threads / (seconds_now() - s);
        if (r > best) best = r;
    } while (seconds_now() - start < budget);
    return best * 1e-9;
}

static void cpu_name(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !colon) continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, size, "%s", colon + 2);
        break;
    }
    if (f) fclose(f);
}

static size_t cache_size(int name)
{
    const long n = sysconf(name);
    return n > 0 ? (size_t)n : 0;
}

static void measure_peaks(eff_machine *m, trial *t, eff_pool *pool, double budget)
{
    static const char *const levels[] = { "ref", "avx2", "avx512", "neon" };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        unsigned features;
        eff_kernels k;
        if (eff_cpu_select(levels[i], &features, NULL) != EFF_OK) continue;
        eff_kernels_init(&k, features);
        if (strcmp(k.name, levels[i]) != 0) continue; /* this machine does not have it */
        t->k = k;
        t->buffer = NULL;
        eff_peak *p = &m->peak[m->npeaks++];
        p->level = levels[i];
        p->gflops_one = rate(t, NULL, 1, k.fma_flops, budget / 2);
        p->gflops_all = rate(t, pool, m->threads, k.fma_flops, budget / 2);
    }
}

static eff_status measure_bandwidths(eff_machine *m, trial *t, eff_pool *pool, double budget, eff_error *err)
{
    /* half of each cache, so that it holds what is read beside what else it holds; memory: well past the last cache */
    const size_t l3 = m->l3 ? m->l3 : 8u << 20;
    const struct {
        const char *where;
        size_t bytes;
    } rows[] = { { "L1", m->l1 ? m->l1 / 2 : 16u << 10 }, { "L2", m->l2 ? m->l2 / 2 : 128u << 10 },
                 { "L3", l3 / 2 / (size_t)m->threads }, { "memory", l3 * 4 } };
    eff_kernels k;
    unsigned features;
    eff_status s = eff_cpu_select(NULL, &features, err);
    if (s != EFF_OK) return s;
    eff_kernels_init(&k, features);
    t->k = k;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        t->floats = rows[i].bytes / sizeof(float) / 128 * 128;
        const size_t bytes = t->floats * sizeof(float) * (size_t)m->threads;
        t->buffer = eff_malloc_aligned(bytes);
        if (!t->buffer) return eff_fail_memory(err, bytes);
        for (size_t j = 0; j < bytes / sizeof(float); j++) t->buffer[j] = (float)(j & 3);
        eff_bandwidth *b = &m->bandwidth[m->nbandwidths++];
        *b = (eff_bandwidth){ .where = rows[i].where, .bytes = t->floats * sizeof(float) };
        b->gb_one = rate(t, NULL, 1, (double)b->bytes, budget / 2);
        b->gb_all = rate(t, pool, m->threads, (double)b->bytes, budget / 2);
        eff_free(t->buffer);
        t->buffer = NULL;
    }
    return EFF_OK;
}

EFF_API eff_status eff_machine_measure(eff_machine *out, int threads, double seconds, eff_error *err)
{
    if (!out || !(seconds > 0)) return eff_fail(err, EFF_EARG, "eff_machine_measure: out and a time above 0 are needed");
    *out = (eff_machine){ .threads = threads ? threads : eff_cpu_count(), .l1 = cache_size(_SC_LEVEL1_DCACHE_SIZE),
                          .l2 = cache_size(_SC_LEVEL2_CACHE_SIZE), .l3 = cache_size(_SC_LEVEL3_CACHE_SIZE) };
    cpu_name(out->cpu, sizeof out->cpu);
    eff_pool *pool;
    eff_status s = eff_pool_create(&pool, out->threads, err);
    if (s != EFF_OK) return s;
    trial *t = eff_calloc(1, sizeof *t);
    s = t ? EFF_OK : eff_fail_memory(err, sizeof *t);
    if (s == EFF_OK) {
        const double budget = seconds / 7; /* three levels, four sizes */
        measure_peaks(out, t, pool, budget);
        s = measure_bandwidths(out, t, pool, budget, err);
    }
    eff_free(t);
    eff_pool_free(pool);
    return s;
}
