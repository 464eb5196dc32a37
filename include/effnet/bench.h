/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h — what this machine can do, and where an engine's time goes. This interface may change. */
#ifndef EFFNET_BENCH_H
#define EFFNET_BENCH_H

#include <effnet/effnet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eff_peak {
    const char *level;             /* CPU level                                               */
    eff_precision precision;       /* of what is multiplied                                   */
    double gflops_one, gflops_all; /* multiply-adds, two operations each: one thread, all     */
} eff_peak;

typedef struct eff_bandwidth {
    const char *where;     /* "L1", "L2", "L3", "memory", "block"                                  */
    size_t bytes;          /* read again and again: by each thread in L1 and L2, by all together elsewhere */
    double gb_one, gb_all; /* 1e9 bytes a second read                                         */
} eff_bandwidth;

typedef struct eff_machine {
    char cpu[128];     /* the processor's own name                                            */
    int threads;       /* that "all" means                                                    */
    size_t l1, l2, l3; /* bytes, 0 when the system does not say                               */
    int npeaks, nbandwidths;
    eff_peak peak[8];
    eff_bandwidth bandwidth[4];
} eff_machine;

/** Measure peaks up to the level `cpu` (NULL = EFFNET_CPU or the best found) and bandwidths, for about `seconds`.
 * @param threads  that "all" means; 0 = every CPU the process may use
 * @return EFF_EARG for an unknown level, threads below 0 or no time */
EFF_API eff_status eff_machine_measure(eff_machine *out, const char *cpu, int threads, double seconds, eff_error *err);

/** Measure the one peak of the level that an engine with this cap and precision uses, for about `seconds`.
 * @return EFF_EARG for a precision that the level has not, as eff_engine_create() */
EFF_API eff_status eff_peak_measure(eff_peak *out, const char *cpu, eff_precision precision, int threads,
                                    double seconds, eff_error *err);

/** Measure reading a block of `bytes` again and again, for about `seconds`: each thread its part of it. out->where is
 * "block", and gb_one is what one thread alone reads of all of it.
 * @return EFF_EARG for an unknown level, threads below 0, no bytes or no time */
EFF_API eff_status eff_bandwidth_measure(eff_bandwidth *out, const char *cpu, int threads, size_t bytes, double seconds,
                                         eff_error *err);

/** One step of an engine's plan, times summed over the images since eff_engine_profile(). */
typedef struct eff_layer {
    const char *name; /* "blocks.3.1.project"                                                 */
    const char *op;   /* "conv", "dwconv", "se", "maxpool", "mean", "act", "add"              */
    int kernel, stride;
    int in[3], out[3]; /* height, width, channels                                             */
    uint64_t macs;     /* one image                                                           */
    uint64_t computed; /* of them: four of nine where a 3x3 convolution runs in Winograd's form */
    double ms;         /* mean of an image                                                    */
} eff_layer;

/** Measure every step from now on; called again, start from zero. Costs about 50 ns a step.
 * @return EFF_ENOMEM */
EFF_API eff_status eff_engine_profile(eff_engine *e, eff_error *err);
/** Steps of the plan; 0 before eff_engine_profile(). Row i is written to *row (i < the count) when row is not NULL; its
 * strings are borrowed until the engine is freed. */
EFF_API int eff_engine_layer(const eff_engine *e, int i, eff_layer *row);

#ifdef __cplusplus
}
#endif
#endif
