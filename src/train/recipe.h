/* SPDX-License-Identifier: Apache-2.0 */
/* Recipes: every value of a training run by name, what it is and why it was chosen. A recipe is picked by the data,
 * each value can be replaced, and what is kept of a run (args.json) is this list. */
#ifndef EFF_TRAIN_RECIPE_H
#define EFF_TRAIN_RECIPE_H

#include "image/augment.h"
#include "train/mix.h"
#include "train/optim.h"
#include "train/schedule.h"
#include "train/trainer.h"

#include <effnet/train.h>

typedef enum eff_key { /* values of a recipe; their names, ranges and meanings are in recipe.c */
                       EFF_KEY_HEAD_FIRST,
                       EFF_KEY_EPOCHS,
                       EFF_KEY_BATCH,
                       EFF_KEY_MICRO_BATCH,
                       EFF_KEY_RECOMPUTE,
                       EFF_KEY_OPEN_BLOCKS,
                       EFF_KEY_OPTIMIZER,
                       EFF_KEY_LR,
                       EFF_KEY_LR_FINAL,
                       EFF_KEY_SCHEDULE,
                       EFF_KEY_WARMUP,
                       EFF_KEY_DECAY_RATE,
                       EFF_KEY_DECAY_EPOCHS,
                       EFF_KEY_LAYER_DECAY,
                       EFF_KEY_MOMENTUM,
                       EFF_KEY_WEIGHT_DECAY,
                       EFF_KEY_DECAY_ON,
                       EFF_KEY_CLIP,
                       EFF_KEY_FROZEN_BN,
                       EFF_KEY_BN_MOMENTUM,
                       EFF_KEY_EMA,
                       EFF_KEY_SMOOTHING,
                       EFF_KEY_CLASS_BETA,
                       EFF_KEY_MIXUP,
                       EFF_KEY_CUTMIX,
                       EFF_KEY_DROPOUT,
                       EFF_KEY_DROP_PATH,
                       EFF_KEY_PATIENCE,
                       EFF_KEY_KEEP,
                       EFF_KEY_RESOLUTION,
                       EFF_KEYS
} eff_key;

enum { EFF_WHY_LEN = 120, EFF_AUGMENT_LEN = 320 };

struct eff_recipe {
    const char *name; /* static */
    double v[EFF_KEYS];
    char why[EFF_KEYS][EFF_WHY_LEN];
    eff_augment augment;
    char augment_why[EFF_WHY_LEN];
    char text[48]; /* of the value asked for last; eff_recipe_value() */
    char augment_text[EFF_AUGMENT_LEN];
};

/** What a recipe is picked from. */
typedef struct eff_facts {
    bool pretrained;
    int images, classes; /* of the training part                         */
    int least, most;     /* images of its smallest and largest class     */
    int side;            /* of the network's input, pixels               */
    double dropout;      /* of the network's table                       */
    int blocks, late;    /* of the network; those of them that put out images of a sixteenth of the side or less */
} eff_facts;

/** @param name  NULL = by the facts. EFF_EARG naming the recipes there are */
eff_status eff_recipe_pick(eff_recipe *r, const char *name, const eff_facts *f, eff_error *err);

/** Set value k, and why. */
__attribute__((format(printf, 4, 5))) void eff_recipe_put(eff_recipe *r, eff_key k, double v, const char *why, ...);

/** What a recipe makes of a table: dropout, stochastic depth, batch norm's momentum. */
void eff_recipe_shape(const eff_recipe *r, eff_table *t);
/** Trainer (threads, level and seed are the caller's), optimiser, mixing, and the schedule for so many steps an epoch.
 */
eff_trainer_opts eff_recipe_trainer(const eff_recipe *r);
eff_optim_opts eff_recipe_optim(const eff_recipe *r);
eff_mix eff_recipe_mix(const eff_recipe *r);
eff_schedule eff_recipe_schedule(const eff_recipe *r, long steps_per_epoch);

static inline int eff_recipe_int(const eff_recipe *r, eff_key k) { return (int)r->v[k]; }

#endif
