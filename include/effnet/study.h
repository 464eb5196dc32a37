/* SPDX-License-Identifier: Apache-2.0 */
/* study.h — compound scaling redone on one's own images: the grid search for alpha, beta and gamma, and what depth,
 * width, resolution and all together are worth at the same cost. Many short trainings, kept in a store that several
 * processes share and that survives being killed. docs/scaling.md has the rules. This interface may change. */
#ifndef EFFNET_STUDY_H
#define EFFNET_STUDY_H

#include <effnet/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eff_study eff_study;

typedef enum eff_study_kind {
    EFF_STUDY_FIT,   /* networks of the grid at phi = 1, for alpha, beta, gamma          */
    EFF_STUDY_CURVES /* four lines of growing networks, and the paper's Figure 4         */
} eff_study_kind;

typedef enum eff_study_phase {
    EFF_STUDY_NOTE,    /* `text`: something to tell                                       */
    EFF_STUDY_MEASURE, /* `done` of `total` networks timed                                */
    EFF_STUDY_DECODE,  /* `done` of `total` images decoded                                */
    EFF_STUDY_STEP,    /* within a trial                                                  */
    EFF_STUDY_TRIAL,   /* a trial is over, here or elsewhere                              */
    EFF_STUDY_WAIT     /* what is left runs in other processes                            */
} eff_study_phase;

typedef struct eff_study_event {
    eff_study_phase phase;
    size_t done, total; /* trials, but for MEASURE and DECODE                             */
    double part;        /* of the whole, 0..1                                             */
    double eta;         /* seconds to the end of all trials; NaN: not known               */
    double left;        /* STEP: seconds to the end of this trial; NaN: not known         */
    const char *text;   /* NOTE; TRIAL: its network and its accuracy                      */
} eff_study_event;

typedef struct eff_study_opts {
    eff_study_kind kind;
    const char *store;         /* file of the trials, made if it is missing; NULL: only planning    */
    int repeats;               /* seeds of each network; 0 = what the store says, else 3            */
    uint64_t seed;             /* the first                                                         */
    int threads;               /* 0 = every CPU the process may use                                 */
    const char *cpu;           /* level cap; NULL = EFFNET_CPU or the best                          */
    size_t cache;              /* bytes for decoded images (default 1.5 GB)                         */
    double seconds;            /* for the whole; 0 = no limit. The plan is cut to fit               */
    int multiple;              /* sides of inputs are multiples of so many pixels (default 1)       */
    double target;             /* FIT: alpha * beta^2 * gamma^2 (default 2), within ...             */
    double tolerance;          /* ... so much (default 0.1)                                         */
    double step;               /* FIT: of the grid (default 0.1)                                    */
    double paid;               /* FIT: networks whose true cost is off by a larger part are left out (default 0.35) */
    int points;                /* CURVES: x1 x2 x4 ... of the base's MACs; 0 = what the store says, else 4 */
    double alpha, beta, gamma; /* CURVES: of the compound line (default 1.2, 1.1, 1.15)      */
    int figure4;               /* CURVES: 1 yes, 0 no, -1 = when the time allows (default)          */
    double gain;               /* CURVES: a line bends where a doubling gains less (default 0.01)   */
    const char *base, *data;   /* what they are called, for the record; borrowed               */
    int (*event)(void *ctx, const eff_study_event *e); /* NULL; non-zero: stop, EFF_ECANCELLED, nothing done is lost */
    void *ctx;
    uint8_t reserved[32];
} eff_study_opts;
/** The defaults named above. Always start here. */
EFF_API void eff_study_opts_init(eff_study_opts *o);

/** The recipe of all trials for this base and set, to be changed by eff_recipe_set(). Release with eff_recipe_free().
 * @return EFF_ENOMEM */
EFF_API eff_status eff_study_recipe(eff_recipe **out, const eff_model *base, const eff_dataset *d, eff_error *err);

/** Make the plan: which networks, what they really cost, and (measured for some seconds) how long it will take; cut to
 * the time there is. A store that has been begun keeps to what was settled then. `d` is borrowed until
 * eff_study_free(), which releases the study, the others for the call.
 * @return EFF_EARG for constants below 1 or a product far from 2, a grid without candidates, a resolution below the
 * network's stride; EFF_EFORMAT for a store that is none, or of another experiment */
EFF_API eff_status eff_study_create(eff_study **out, const eff_model *base, const eff_dataset *d,
                                    const eff_recipe *recipe, const eff_study_opts *o, eff_error *err);

/** Train what is still to be trained, beside whoever else does, and return when all is done.
 * @return EFF_ECANCELLED when the event function asked to stop, or the time was over: the results hold what there is;
 * EFF_EIO when the store cannot be written */
EFF_API eff_status eff_study_run(eff_study *s, eff_error *err);

/** The plan as JSON text, borrowed until the next call or eff_study_free(). docs/scaling.md explains the fields. NULL when
 * memory ended. */
EFF_API const char *eff_study_plan(eff_study *s);
/** The results as far as there are any, likewise. Borrowed until the next call or eff_study_free(). */
EFF_API const char *eff_study_results(eff_study *s);

/** Write the results into the folder `dir`, made if it is missing: study.html, study.csv and study.json, or fit.*.
 * @return EFF_EIO when they cannot be written */
EFF_API eff_status eff_study_save(eff_study *s, const char *dir, eff_error *err);

/** Release a study; NULL is fine. What is in its store stays. */
EFF_API void eff_study_free(eff_study *s);

/** alpha, beta and gamma from what a fit left behind: its fit.json, or its store.
 * @return EFF_EFORMAT when it is neither, or not finished */
EFF_API eff_status eff_study_constants(const char *path, double *alpha, double *beta, double *gamma, eff_error *err);

#ifdef __cplusplus
}
#endif
#endif
