/* SPDX-License-Identifier: Apache-2.0 */
/* Ceilings of this machine, measured with the kernels' own instruction sets: multiply-adds in registers a level, and reads from
 * each cache and from memory. The best of several tries counts, since others on the machine can only slow a try down. */
#define _GNU_SOURCE
#include <effnet/bench.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/pool.h"
#include "infer/engine.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMORY_BYTES = 1 << 29 }; /* read at most, for the bandwidth of memory */

typedef struct trial {
    eff_kernels k;
    long rounds;
    float *buffer; /* threads * floats, or NULL: multiply-adds */
    size_t floats;
    volatile float *sink; /* [threads]: results, so that nothing is left out */
} trial;

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
    double best = 0, start = eff_clock();
    t->rounds = 1;
    for (;;) { /* grow until a try is long enough to time */
        const double s = eff_clock();
        eff_pool_run(pool, work, t, threads);
        const double took = eff_clock() - s;
        if (took > budget / 20 || t->rounds > 1L << 40) break;
        t->rounds *= took > budget / 200 ? 2 : 8;
    }
    do {
        const double s = eff_clock();
        eff_pool_run(pool, work, t, threads);
        const double r = unit * (double)t->rounds * threads / (eff_clock() - s);
        if (r > best) best = r;
    } while (eff_clock() - start < budget);
    return best * 1e-9;
}

static void cpu_name(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, size, "%s", colon + 2);
        break;
    }
    if (f) (void)fclose(f);
}

/* A line of the system's description of one cache of the first CPU; empty when there is none. */
static void cache_field(char *out, int size, int index, const char *field)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, field);
    FILE *f = fopen(path, "r");
    if (!f || !fgets(out, size, f)) out[0] = '\0';
    if (f) (void)fclose(f);
}

/* Bytes of the data cache of a level. The kernel knows what is shared within the machine; the C library guesses. */
static size_t cache_size(int level, int name)
{
    char text[32];
    for (int i = 0; i < 8; i++) {
        cache_field(text, sizeof text, i, "level");
        if (strtol(text, NULL, 10) != level) continue;
        cache_field(text, sizeof text, i, "type");
        if (text[0] != 'D' && text[0] != 'U') continue; /* Data or Unified */
        cache_field(text, sizeof text, i, "size");
        const long kib = strtol(text, NULL, 10); /* "32768K" */
        if (kib > 0 && kib < 1L << 24) return (size_t)kib << 10;
    }
    const long n = sysconf(name);
    return n > 0 ? (size_t)n : 0;
}

/* The level of kernels `k` is measured by `t`. */
static eff_peak measure_peak(trial *t, eff_pool *pool, int threads, double budget)
{
    eff_peak p = { .level = t->k.name, .precision = t->k.bf16 ? EFF_BFLOAT16 : EFF_FLOAT32 };
    t->buffer = NULL;
    p.gflops_one = rate(t, NULL, 1, t->k.fma_flops, budget / 2);
    p.gflops_all = threads > 1 ? rate(t, pool, threads, t->k.fma_flops, budget / 2) : p.gflops_one;
    return p;
}

static void measure_peaks(eff_machine *m, trial *t, eff_pool *pool, unsigned allowed, double budget)
{
    static const struct {
        const char *name;
        eff_precision precision;
    } levels[] = { { "ref", EFF_FLOAT32 },
                   { "avx2", EFF_FLOAT32 },
                   { "avx512", EFF_FLOAT32 },
                   { "avx512bf16", EFF_BFLOAT16 },
                   { "neon", EFF_FLOAT32 } };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        unsigned features;
        if (eff_cpu_select(levels[i].name, &features, NULL) != EFF_OK) continue;
        if (eff_precision_kernels(&t->k, levels[i].precision, features & allowed, NULL) != EFF_OK) continue;
        if (!strcmp(t->k.name, levels[i].name)) m->peak[m->npeaks++] = measure_peak(t, pool, m->threads, budget);
    }
}

/* Reading b->bytes, rounded up; each thread so many, or where they are shared all together. */
static eff_status measure_bandwidth(eff_bandwidth *b, trial *t, eff_pool *pool, int threads, bool shared, double budget,
                                    eff_error *err)
{
    const size_t n = (size_t)threads, line = 128, one = eff_round_up(b->bytes / sizeof(float), line);
    const size_t each = shared ? eff_round_up(one / n, line) : one;
    const size_t floats = each * n > one ? each * n : one;
    t->buffer = eff_malloc_aligned(floats * sizeof(float));
    if (!t->buffer) return eff_fail_memory(err, floats * sizeof(float));
    for (size_t j = 0; j < floats; j++) t->buffer[j] = (float)(j & 3);
    b->bytes = one * sizeof(float);
    t->floats = one;
    b->gb_one = b->gb_all = rate(t, NULL, 1, (double)(t->floats * sizeof(float)), budget / 2);
    t->floats = each;
    if (n > 1) b->gb_all = rate(t, pool, threads, (double)(t->floats * sizeof(float)), budget / 2);
    eff_free(t->buffer);
    t->buffer = NULL;
    return EFF_OK;
}

static eff_status measure_bandwidths(eff_machine *m, trial *t, eff_pool *pool, unsigned allowed, double budget,
                                     eff_error *err)
{
    /* Half of each cache, so that it holds what is read beside what else it holds; memory: well past the last cache.
     * L3 and memory are shared: there all threads together read what one reads alone. */
    const size_t l3 = m->l3 ? m->l3 : 8u << 20, past = l3 < MEMORY_BYTES / 4 ? 4 * l3 : MEMORY_BYTES;
    const struct {
        const char *where;
        size_t bytes;
        bool shared;
    } rows[] = { { "L1", m->l1 ? m->l1 / 2 : 16u << 10, false },
                 { "L2", m->l2 ? m->l2 / 2 : 128u << 10, false },
                 { "L3", l3 / 2, true },
                 { "memory", past, true } };
    eff_status s = EFF_OK;
    eff_kernels_init(&t->k, allowed);
    for (size_t i = 0; s == EFF_OK && i < sizeof rows / sizeof *rows; i++) {
        eff_bandwidth *b = &m->bandwidth[m->nbandwidths++];
        *b = (eff_bandwidth){ .where = rows[i].where, .bytes = rows[i].bytes };
        s = measure_bandwidth(b, t, pool, m->threads, rows[i].shared, budget, err);
    }
    return s;
}

/* What every measurement needs: the level's features, workers, a trial. */
static eff_status prepare(trial *t, eff_pool **pool, unsigned *allowed, const char *cpu, int threads, eff_error *err)
{
    eff_status s = eff_cpu_select(cpu, allowed, err);
    if (s == EFF_OK) s = eff_pool_create(pool, threads, err);
    if (s != EFF_OK) return s;
    t->sink = eff_calloc((size_t)threads, sizeof *t->sink);
    return t->sink ? EFF_OK : eff_fail_memory(err, (size_t)threads * sizeof *t->sink);
}

EFF_API eff_status eff_machine_measure(eff_machine *out, const char *cpu, int threads, double seconds, eff_error *err)
{
    if (!out || threads < 0 || !(seconds > 0))
        return eff_fail(err, EFF_EARG, "eff_machine_measure: out, threads from 0 and a time above 0 are needed");
    *out = (eff_machine){ .threads = threads ? threads : eff_cpu_count(),
                          .l1 = cache_size(1, _SC_LEVEL1_DCACHE_SIZE),
                          .l2 = cache_size(2, _SC_LEVEL2_CACHE_SIZE),
                          .l3 = cache_size(3, _SC_LEVEL3_CACHE_SIZE) };
    cpu_name(out->cpu, sizeof out->cpu);
    eff_pool *pool = NULL;
    trial t = { 0 };
    unsigned allowed;
    eff_status s = prepare(&t, &pool, &allowed, cpu, out->threads, err);
    if (s == EFF_OK) {
        const double budget = seconds / 8; /* up to four levels, four sizes */
        measure_peaks(out, &t, pool, allowed, budget);
        s = measure_bandwidths(out, &t, pool, allowed, budget, err);
    }
    eff_free((void *)t.sink);
    eff_pool_free(pool);
    return s;
}

EFF_API eff_status eff_peak_measure(eff_peak *out, const char *cpu, eff_precision precision, int threads, double seconds,
                                    eff_error *err)
{
    if (!out || threads < 0 || !(seconds > 0))
        return eff_fail(err, EFF_EARG, "eff_peak_measure: out, threads from 0 and a time above 0 are needed");
    if (!threads) threads = eff_cpu_count();
    eff_pool *pool = NULL;
    trial t = { 0 };
    unsigned allowed;
    eff_status s = prepare(&t, &pool, &allowed, cpu, threads, err);
    if (s == EFF_OK) s = eff_precision_kernels(&t.k, precision, allowed, err);
    if (s == EFF_OK) *out = measure_peak(&t, pool, threads, seconds);
    eff_free((void *)t.sink);
    eff_pool_free(pool);
    return s;
}

EFF_API eff_status eff_bandwidth_measure(eff_bandwidth *out, const char *cpu, int threads, size_t bytes, double seconds,
                                         eff_error *err)
{
    if (!out || threads < 0 || !bytes || bytes > SIZE_MAX / 4 || !(seconds > 0))
        return eff_fail(err, EFF_EARG, "eff_bandwidth_measure: out, threads from 0, bytes and a time above 0 are needed");
    if (!threads) threads = eff_cpu_count();
    eff_pool *pool = NULL;
    trial t = { 0 };
    unsigned allowed;
    eff_status s = prepare(&t, &pool, &allowed, cpu, threads, err);
    if (s == EFF_OK) {
        eff_kernels_init(&t.k, allowed);
        *out = (eff_bandwidth){ .where = "block", .bytes = bytes };
        s = measure_bandwidth(out, &t, pool, threads, true, seconds, err);
    }
    eff_free((void *)t.sink);
    eff_pool_free(pool);
    return s;
}
