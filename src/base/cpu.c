/* SPDX-License-Identifier: Apache-2.0 */
/* CPU detection and the cap by level. */
#define _GNU_SOURCE
#include "base/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row a level, weakest first; `mask` is everything a cap at this level leaves. */
static const struct {
    const char *name;
    unsigned need, mask;
} levels[] = {
    { "ref", 0, 0 },
    { "avx2", EFF_CPU_AVX2, EFF_CPU_AVX2 },
    { "avx512", EFF_CPU_AVX512, EFF_CPU_AVX2 | EFF_CPU_AVX512 },
    { "avx512vnni", EFF_CPU_AVX512VNNI, EFF_CPU_AVX2 | EFF_CPU_AVX512 | EFF_CPU_AVX512VNNI },
    { "avx512bf16", EFF_CPU_AVX512BF16, EFF_CPU_AVX2 | EFF_CPU_AVX512 | EFF_CPU_AVX512VNNI | EFF_CPU_AVX512BF16 },
    { "neon", EFF_CPU_NEON, EFF_CPU_NEON },
};
enum { N_LEVELS = sizeof levels / sizeof levels[0] };

unsigned eff_cpu_detect(void)
{
    unsigned f = 0;
#if defined(__x86_64__)
    __builtin_cpu_init(); /* asks XGETBV too, so a set bit means the OS saves the registers */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) f |= EFF_CPU_AVX2;
    if ((f & EFF_CPU_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        f |= EFF_CPU_AVX512;
    if ((f & EFF_CPU_AVX512) && __builtin_cpu_supports("avx512vnni")) f |= EFF_CPU_AVX512VNNI;
    if ((f & EFF_CPU_AVX512VNNI) && __builtin_cpu_supports("avx512bf16")) f |= EFF_CPU_AVX512BF16;
#elif defined(__aarch64__)
    f |= EFF_CPU_NEON;
#endif
    return f;
}

eff_status eff_cpu_select(const char *level, unsigned *features, eff_error *err)
{
    const char *from = "";
    if (!level) {
        level = getenv("EFFNET_CPU");
        if (level && *level) from = " (from EFFNET_CPU)";
    }
    const unsigned have = eff_cpu_detect();
    if (!level || !*level) {
        *features = have;
        return EFF_OK;
    }
    for (int i = 0; i < N_LEVELS; i++)
        if (!strcmp(level, levels[i].name)) {
            *features = have & levels[i].mask;
            return EFF_OK;
        }
    return eff_fail(err, EFF_EARG, "CPU level '%s'%s: expected ref, avx2, avx512, avx512vnni, avx512bf16 or neon", level, from);
}

int eff_cpu_level_known(const char *name)
{
    for (int i = 0; i < N_LEVELS; i++)
        if (!strcmp(name, levels[i].name)) return 1;
    return 0;
}

static char g_levels[64];

static void make_levels(void)
{
    const unsigned have = eff_cpu_detect();
    size_t n = 0;
    for (int i = 0; i < N_LEVELS; i++)
        if ((have & levels[i].need) == levels[i].need)
            n += (size_t)snprintf(g_levels + n, sizeof g_levels - n, "%s%s", n ? " " : "", levels[i].name);
}

const char *eff_cpu_levels(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_levels);
    return g_levels;
}

int eff_cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    const int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > EFF_MAX_THREADS ? EFF_MAX_THREADS : n;
}
