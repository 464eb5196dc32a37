/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a study share (study*.c). A study is a list of distinct networks, a row of seeds, and lines of
 * points that say which network stands where. */
#ifndef EFF_SCALE_STUDY_INTERNAL_H
#define EFF_SCALE_STUDY_INTERNAL_H

#include "data/dataset.h"
#include "model/model.h"
#include "scale/compare.h"
#include "scale/grid.h"
#include "scale/network.h"
#include "scale/pictures.h"
#include "scale/saturation.h"
#include "scale/trial.h"
#include "train/recipe.h"
#include "trials/store.h"

#include <effnet/study.h>

#include <jansson.h>

enum {
    EFF_LINES = 4,        /* depth, width, resolution, compound                         */
    EFF_FIGURE_LINES = 3, /* of Figure 4, beside the width line                         */
    EFF_MAX_POINTS = 10,
    EFF_MOST_SEEDS = 64
};

typedef struct eff_point {
    double target; /* times the base's MACs */
    int network;
    eff_factors by;
    double deviation; /* of the MACs paid from the target: 0.02 = 2 % above                  */
} eff_point;

typedef struct eff_study_line {
    const char *name; /* "depth" ... "compound"; of Figure 4: "d=1.0, r=1.3"                   */
    int n;
    eff_point point[EFF_MAX_POINTS];
} eff_study_line;

typedef struct eff_work { /* a network, and its trials */
    eff_network net;
    double step, score; /* seconds of a step of training, of scoring an image; estimated    */
    double seconds;     /* of one trial; estimated */
    bool counts;        /* it is trained (a grid's networks of the wrong cost are not)        */
    char what[48];      /* for people: "depth x4" */
} eff_work;

struct eff_study {
    eff_study_opts o;
    char *store_path, *base_name, *data_name, *cpu; /* copies */
    const eff_dataset *d;
    eff_table base; /* with the set's classes */
    uint64_t base_macs, base_params;
    eff_recipe recipe;
    const char *level;      /* of the CPU, in use */
    char print[20];         /* fingerprint of the set, as text */
    int images, scored;     /* of training, of validation */
    int source_h, source_w; /* of decoded pictures */

    eff_grid grid; /* FIT */
    int paper;     /* FIT: the work of 1.2, 1.1, 1.15                         */
    eff_study_line line[EFF_LINES], figure[EFF_FIGURE_LINES]; /* CURVES; a line without points is not there */
    int nfigure;
    eff_work *work;
    int nworks;

    eff_store *store;
    int64_t *id;     /* of the trials, [nworks][repeats]; 0: not in a store */
    double *top1;    /* [nworks][repeats], NaN = not there                  */
    double *seconds; /* they took                                           */
    int trials, finished, failed;
    char failure[200]; /* of the first that failed */

    char cuts[400];             /* what was cut, and why                               */
    int asked_epochs;           /* before that                                         */
    double decode;              /* seconds to decode the set, estimated                */
    double spent;               /* seconds of the trials that are done, whoever did them */
    double left;                /* estimated seconds of those that are not             */
    double pace;                /* what trials took over what was estimated            */
    int workers;                /* at it now                                           */
    double began;               /* clock: of this sitting                              */
    double claimed, trial_part; /* estimated seconds of the trial being trained here, and how much of it is done */
    bool settled, timed_out;
    char *plan_text, *results_text;
};

/* study.c */
int eff_study_epochs(const eff_study *s);
/** Tell the caller; true when it asks to stop. */
bool eff_study_tell(eff_study *s, const eff_study_event *e);
bool eff_study_note(eff_study *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
eff_trial_job eff_study_job(const eff_study *s, int work, int repeat);
/** Estimated seconds of a trial of work `i` with so many epochs. */
double eff_study_trial_seconds(const eff_study *s, int i, int epochs);

/* study_plan.c */
/** The networks of the study, from its options. */
eff_status eff_study_lay_out(eff_study *s, eff_error *err);
/** Networks that are trained. */
int eff_study_counted(const eff_study *s);
/** Steps per second of every network, and of decoding. */
eff_status eff_study_measure(eff_study *s, eff_error *err);
/** Cut the plan to o.seconds; what was cut is in s->cuts. */
eff_status eff_study_cut(eff_study *s, eff_error *err);
/** Seconds of the plan as it stands, decoding not counted. */
double eff_study_total(const eff_study *s, int epochs);

/* study_store.c */
/** Look up what was settled; s->settled. Points, repeats, Figure 4 and epochs are those then. */
eff_status eff_study_open_store(eff_study *s, eff_error *err);
eff_status eff_study_settle(eff_study *s, eff_error *err);
/** Make sure that every trial is in the store. */
eff_status eff_study_enter(eff_study *s, eff_error *err);
/** Bring s->top1 and the counts up to date. */
eff_status eff_study_refresh(eff_study *s, eff_error *err);

/* study_results.c */
eff_layout eff_study_layout(const eff_study *s);
json_t *eff_study_plan_json(eff_study *s);
json_t *eff_study_results_json(eff_study *s);
/** The curve of diminishing returns through a line, whose points (what each paid, its mean top-1) come in x and y. */
eff_saturation eff_study_saturation(const eff_study *s, const eff_study_line *l, double x[EFF_MAX_POINTS],
                                    double y[EFF_MAX_POINTS]);
/** Works of a fit that are not distinguishable from the best, best first. @return how many, 0 before there is one */
int eff_study_best(const eff_study *s, int *work);

/* study_words.c, study_html.c */
/** Sentences, computed from the results; an array of strings. */
json_t *eff_study_words(const eff_study *s);
char *eff_study_html(const eff_study *s, const json_t *results); /* NULL when memory ended */

#endif
