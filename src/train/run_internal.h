/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a training run share (run*.c): the run itself. */
#ifndef EFF_TRAIN_RUN_INTERNAL_H
#define EFF_TRAIN_RUN_INTERNAL_H

#include "data/loader.h"
#include "infer/engine.h"
#include "report/events.h"
#include "train/optim.h"
#include "train/recipe.h"
#include "train/schedule.h"
#include "train/state.h"
#include "train/trainer.h"

#include <effnet/eval.h>
#include <effnet/train.h>

#include <jansson.h>

typedef struct eff_epoch_row { /* a line of log.csv */
    int epoch;
    double lr, train_loss, train_top1, val_loss, val_top1, seconds, images_per_s;
} eff_epoch_row;

typedef struct eff_progress { /* all that the loop remembers; kept in last.state */
    bool begun;               /* the classifier is fitted and the time; before that, weights are as they were given */
    int epoch;                /* that is being run, 0-based; `epochs` when over                 */
    long step;                /* next one in it                                                 */
    double loss_sum;          /* of this epoch so far, steps that counted                       */
    long counted, seen, hits;
    long skipped; /* steps left out for numbers that were not finite                */
    int in_a_row, rollbacks;
    double lr_factor; /* halved by every rollback                                       */
    int best_epoch;   /* 1-based, 0 = none; ties go to the lower loss                   */
    double best_top1, best_loss;
    double seconds; /* spent, over all sittings                                       */
    int nrows;
    eff_epoch_row *rows;
    double head_accuracy, head_l2; /* of head-first; l2 < 0: there was none                  */
} eff_progress;

typedef struct eff_scores { /* a model's answers on a part */
    float *logits;          /* [n][classes] */
    int *label;
    size_t n;
    double loss, top1;
} eff_scores;

struct eff_run {
    eff_run_opts o;
    char *out, *source, *data;
    int folder; /* OUT, open and locked; -1: nothing is written */
    const eff_dataset *d;
    char print[20];        /* its fingerprint, as text */
    eff_dataset *own_data; /* when it was opened here */
    eff_model *m;          /* in training             */
    eff_model *kept;       /* what would be kept: averaged weights where there are, for scoring and saving */
    eff_recipe r;
    eff_trainer *t;
    eff_optim *opt;
    eff_loader *loader;
    eff_events *events;
    eff_schedule sched;
    eff_train_memory memory;
    eff_progress p;
    bool settled; /* memory and time were fitted when it began: they are not fitted again */
    long steps; /* an epoch */
    int micro, classes, height, width;
    float *target, *weight, *class_weight; /* of a batch; of the classes, or NULL */
    float *buffers;                        /* running statistics before the step, in case it must be undone */
    size_t nbuffers;
    double step_seconds, eval_seconds; /* as they went lately; 0 = not known */
    double began, saved;               /* clock: of this sitting, of the last save */
    char *metrics;                     /* JSON text */
    eff_lr_point point[100];
    int npoints;
};

/** Tell the caller; true when it asks to stop. */
bool eff_run_tell(eff_run *r, const eff_run_event *e);
bool eff_run_note(eff_run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** "OUT/name"; eff_free() it. */
char *eff_run_path(const eff_run *r, const char *name);

/* run_folder.c */
/** Open OUT (make it, if `make`) for this process alone, and remove what a killed process left half-written. EFF_EARG
 * when another process trains there. */
eff_status eff_run_hold_folder(eff_run *r, bool make, eff_error *err);
void eff_run_release_folder(eff_run *r);

/* run_step.c */
/** Weights, loader, optimiser for what the recipe says. */
eff_status eff_run_equip(eff_run *r, eff_error *err);
/** What the run would take with micro-batches of `micro`. */
eff_status eff_run_plan_memory(eff_train_memory *out, const eff_run *r, int micro, eff_error *err);
/** The step at r->p: from batch to weights. EFF_EFORMAT when the numbers stay broken: the images are named. */
eff_status eff_run_step(eff_run *r, eff_error *err);

/* run_head.c */
eff_status eff_run_head_first(eff_run *r, eff_error *err);

/* run_probe.c */
/** Cut the epochs to the time that is left. */
eff_status eff_run_fit_time(eff_run *r, eff_error *err);

/* run_score.c */
/** Score a part by `m`; eff_scores_free(). */
eff_status eff_run_score(eff_scores *s, eff_run *r, const eff_model *m, eff_part part, eff_error *err);
void eff_scores_free(eff_scores *s);
/** Bring r->kept up to date. */
void eff_run_update_kept(eff_run *r);

/* run_files.c */
eff_status eff_run_save_args(const eff_run *r, bool settled, eff_error *err);
/** Fill recipe, seed, source, data, and limits from OUT/args.json. *settled: memory and time have been fitted. */
eff_status eff_run_load_args(eff_run *r, bool *settled, eff_error *err);
/** The same from text, called args.json in messages. */
eff_status eff_run_parse_args(eff_run *r, const char *text, size_t n, bool *settled, eff_error *err);
eff_status eff_run_save_state(eff_run *r, eff_error *err);
/** Read OUT/last.state back into the run, which is equipped. */
eff_status eff_run_load_state(eff_run *r, eff_error *err);
/** Only what the loop remembers. */
eff_status eff_run_read_progress(eff_run *r, const json_t *j, eff_error *err);
eff_status eff_run_save_log(const eff_run *r, eff_error *err);
/** A row's figures for TensorBoard. */
eff_status eff_run_add_events(eff_run *r, const eff_epoch_row *row, eff_error *err);
/** kept -> model.effnet */
eff_status eff_run_save_model(eff_run *r, eff_error *err);
eff_status eff_run_add_row(eff_run *r, eff_epoch_row row, eff_error *err);

/* run_finish.c */
/** The best model's answers, its temperature, metrics.json, report.html. */
eff_status eff_run_finish(eff_run *r, eff_error *err);

#endif
