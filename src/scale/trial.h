/* SPDX-License-Identifier: Apache-2.0 */
/* One trial: a network from random weights through a fixed recipe, and its accuracy on the validation images at the
 * end. A function of table, seed, recipe, images and CPU level; the number of threads changes nothing. */
#ifndef EFF_SCALE_TRIAL_H
#define EFF_SCALE_TRIAL_H

#include "model/table.h"
#include "scale/pictures.h"
#include "train/recipe.h"

typedef struct eff_trial_job {
    const eff_table *table;   /* with the set's number of classes                                     */
    const eff_recipe *recipe; /* pixels of its augmentation are those of an input of `pixels` a side  */
    int pixels;
    uint64_t seed;
    int threads;
    const char *cpu;
    /** Asked after every step; true gives the trial up. */
    bool (*tell)(void *ctx, long step, long steps);
    void *ctx;
} eff_trial_job;

typedef struct eff_trial_score {
    double top1, loss; /* on the validation images */
    double train_loss; /* mean of the last epoch   */
    int hits, images;
    double seconds; /* it took */
    bool diverged;  /* its numbers stopped being finite: eff_trial_train() failed, and would again */
} eff_trial_score;

/** @return EFF_ECANCELLED when it was given up; EFF_EFORMAT when it diverged, or a file cannot be read any more */
eff_status eff_trial_train(eff_trial_score *out, const eff_trial_job *job, eff_pictures *p, eff_error *err);

/** Seconds of one step of training and of scoring an image, measured with random pictures for about `seconds`, and no
 * more than `most` steps. */
eff_status eff_trial_measure(double *step, double *score, const eff_trial_job *job, long most, double seconds,
                             eff_error *err);

/** What a trial with this table takes, without its pictures. */
eff_status eff_trial_memory(size_t *bytes, const eff_trial_job *job, eff_error *err);

/** The recipe of trials: short, and the same for every network. */
void eff_trial_recipe(eff_recipe *r, const eff_facts *f);
/** What trials cannot do of a recipe: EFF_EARG naming the value. */
eff_status eff_trial_check_recipe(const eff_recipe *r, eff_error *err);

#endif
