/* SPDX-License-Identifier: Apache-2.0 */
/* Learning rate by step. */
#ifndef EFF_TRAIN_SCHEDULE_H
#define EFF_TRAIN_SCHEDULE_H

typedef enum eff_schedule_kind {
    EFF_SCHED_CONSTANT,
    EFF_SCHED_EXPONENTIAL, /* base * rate^floor(step / every), the paper's staircase; smooth: without the floor */
    EFF_SCHED_COSINE,      /* from base to final over `steps`                                              */
    EFF_SCHED_ONE_CYCLE    /* up by a cosine to base at `peak` of the steps, down by a cosine to final     */
} eff_schedule_kind;

typedef struct eff_schedule {
    eff_schedule_kind kind;
    double base, final;     /* final: COSINE, ONE_CYCLE                                                    */
    double start;           /* warm-up begins here; ONE_CYCLE begins here                                  */
    long warmup;            /* steps of linear warm-up from start to base; decay counts from step 0 all the same */
    long steps;             /* of the whole run                                                            */
    double rate, every;     /* EXPONENTIAL: 0.97 and 2.4 epochs in steps                                   */
    int smooth;
    double peak;            /* ONE_CYCLE: 0.3                                                              */
} eff_schedule;

/** Rate at `step`, 0-based. */
double eff_schedule_at(const eff_schedule *s, long step);

#endif
