/* SPDX-License-Identifier: Apache-2.0 */
/* CPU levels: what this machine can run and what the user allows. A level is a set of feature bits; levels are ordered. */
#ifndef EFF_BASE_CPU_H
#define EFF_BASE_CPU_H

#include "base/error.h"

enum { /* feature bits; set only when the operating system saves the registers too */
    EFF_CPU_AVX2 = 1u << 0,       /* with FMA                                  */
    EFF_CPU_AVX512 = 1u << 1,     /* F, BW, DQ, VL                             */
    EFF_CPU_AVX512VNNI = 1u << 2,
    EFF_CPU_AVX512BF16 = 1u << 3,
    EFF_CPU_NEON = 1u << 4
};

/** Features of this machine. */
unsigned eff_cpu_detect(void);

/** Features to use: the machine's, capped by `level` (NULL = the variable EFFNET_CPU, and without it no cap).
 * @return EFF_EARG naming the levels when `level` is not one */
eff_status eff_cpu_select(const char *level, unsigned *features, eff_error *err);

enum { EFF_MAX_THREADS = 256 };

/** CPUs this process may run on (its affinity mask), in 1..EFF_MAX_THREADS. */
int eff_cpu_count(void);

#endif
