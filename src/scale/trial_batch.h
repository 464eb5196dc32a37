/* SPDX-License-Identifier: Apache-2.0 */
/* What every short training does alike, that of a trial (trial.c) and that of a supernet (search/supernet.c): the order
 * of images, how a batch is made of them, a step of the optimiser, and scoring through the inference plan. */
#ifndef EFF_SCALE_TRIAL_BATCH_H
#define EFF_SCALE_TRIAL_BATCH_H

#include "infer/plan.h"
#include "scale/trial.h"
#include "train/trainer.h"

/** The network of a job, with the recipe's dropout and batch norm, without weights. */
eff_status eff_trial_model(eff_model **out, const eff_trial_job *j, eff_error *err);
eff_trainer_opts eff_trial_trainer_opts(const eff_trial_job *j);

/** Images on their way into a network. */
typedef struct eff_trial_batch {
    const eff_trial_job *job; /* borrowed: recipe, seed, CPU level          */
    eff_augment augment;      /* its pixels are those of this input         */
    int height, width, size, classes;
    size_t image;      /* floats                                     */
    float *x, *target; /* room for what is trained or scored at once */
    int *label;
    size_t *order; /* of the epoch's images                      */
} eff_trial_batch;

eff_status eff_trial_batch_open(eff_trial_batch *b, const eff_trial_job *j, eff_error *err);
void eff_trial_batch_close(eff_trial_batch *b); /* zeroed is fine */

/** Shuffle n images for an epoch: a function of the job's seed and the epoch. */
eff_status eff_trial_batch_order(eff_trial_batch *b, size_t n, uint32_t epoch, eff_error *err);
/** Make images first..first+n-1 of the epoch's order as training sees them. */
eff_status eff_trial_batch_make(eff_trial_batch *b, eff_pool *pool, const eff_view *v, size_t first, int n,
                                uint32_t epoch, eff_error *err);
/** A step of the optimiser on the n images just made. @return the loss, not finite when it failed */
double eff_trial_batch_step(eff_trial_batch *b, eff_trainer *t, eff_optim *opt, int n, double lr, uint64_t update);

enum { EFF_SCORED = 64 }; /* images scored together, at most */

/** An inference plan for every worker of a pool. */
typedef struct eff_scoring {
    eff_trial_batch *b;
    eff_pool *pool;
    eff_plan **plan;
    float *logits;
} eff_scoring;

eff_status eff_scoring_open(eff_scoring *s, eff_trial_batch *b, const eff_model *m, eff_pool *pool, eff_error *err);
void eff_scoring_close(eff_scoring *s);
/** Logits of images first..first+n-1 of a view as they are. */
eff_status eff_scoring_run(eff_scoring *s, const eff_view *v, size_t first, int n, eff_error *err);

/** Accuracy and loss of a model over a view. @return EFF_EFORMAT, with `diverged` set, when its answers are not finite
 */
eff_status eff_trial_batch_score(eff_trial_score *out, eff_trial_batch *b, const eff_model *m, eff_pool *pool,
                                 const eff_view *v, eff_error *err);

#endif
