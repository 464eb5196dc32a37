/* SPDX-License-Identifier: Apache-2.0 */
/* What a run would take before it is begun: memory by the rules that a run itself follows, time by steps that are
 * thrown away. */
#ifndef EFF_TRAIN_RUN_PLAN_H
#define EFF_TRAIN_RUN_PLAN_H

#include <effnet/train.h>

#include <stdbool.h>

typedef struct eff_run_needs {
    size_t memory;        /* of training, as eff_run_memory() has it   */
    size_t cache, cached; /* bytes of decoded pictures, how many images */
    uint64_t macs;        /* of the network with the set's classes, one image */
    long steps;           /* an epoch                                  */
    int micro;
    bool recompute;
} eff_run_needs;

/** What eff_run_create() would settle on with these arguments, without making anything: `start` needs no weights.
 * @return EFF_EARG when it does not fit o->memory */
eff_status eff_run_plan(eff_run_needs *out, const eff_model *start, const eff_dataset *d, const eff_recipe *recipe,
                        const eff_run_opts *o, eff_error *err);

typedef struct eff_run_speed {
    double first, later; /* seconds of a step whose pictures must be decoded, and of one whose are in the cache */
    long steps;          /* that were timed */
} eff_run_speed;

/** Time steps for about `seconds` on a run that was created (without a folder, if nothing shall be written); its
 * weights stay as they are. At least two steps are taken twice, the first of them
 * not timed. */
eff_status eff_run_time(eff_run_speed *out, eff_run *r, double seconds, eff_error *err);

/** Training images whose decoded pictures the run keeps in memory. */
size_t eff_run_kept(const eff_run *r);

#endif
