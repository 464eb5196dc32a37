/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a search share (search*.c). A search is a list of tries (children, in the order in which they were
 * proposed) and a list of jobs (what is trained or scored, as it stands in the store). Which job comes next follows
 * from the options and the results so far, never from who did them or when: every process that looks sees the same
 * list. */
#ifndef EFF_SEARCH_SEARCH_INTERNAL_H
#define EFF_SEARCH_SEARCH_INTERNAL_H

#include "data/dataset.h"
#include "model/model.h"
#include "report/text.h"
#include "scale/compare.h"
#include "scale/pictures.h"
#include "scale/trial.h"
#include "search/controller.h"
#include "search/objective.h"
#include "search/rank.h"
#include "search/space.h"
#include "search/supernet.h"
#include "train/recipe.h"
#include "trials/store.h"

#include <effnet/search.h>

#include <jansson.h>

enum { EFF_LEVELS = 3, EFF_LEVEL_FACTOR = 3, EFF_MOST_TRIALS = 100000, EFF_MOST_REPEATS = 64 };

typedef enum eff_job_kind {
    EFF_JOB_TRAIN,    /* a network from random weights                                      */
    EFF_JOB_SUPERNET, /* the weights that all children share, into a file beside the store  */
    EFF_JOB_SCORE     /* a child with the supernet's weights                                */
} eff_job_kind;

typedef struct eff_job {
    eff_job_kind kind;
    eff_table table; /* TRAIN: without name                     */
    eff_child child; /* SCORE                                   */
    int level;       /* TRAIN: 0 brief, the last one to the full */
    uint64_t seed;
    double macs;    /* of its network: asked for at every step */
    char what[112]; /* for people */
    int64_t id;     /* in the store                            */
    bool over, failed;
    double top1, latency; /* NaN when not there; seconds             */
    double seconds;       /* it took                                 */
    char reason[160];     /* it failed                               */
} eff_job;

typedef struct eff_try { /* a child that was proposed */
    eff_child child;
    eff_table table;
    bool control;           /* drawn by chance                                                    */
    long number;            /* of the controller's proposals; -1: by chance                        */
    double cost[EFF_COSTS]; /* latency NaN until it is known                                       */
    int job;                /* -1: it keeps not to the limits, or cannot be built: nothing to train */
    int same_as;            /* the try before it of the same network, -1: none                      */
    bool adds;              /* a network that none before it was                                    */
} eff_try;

typedef struct eff_rival { /* the base, and what else is trained to the full beside the winner */
    char name[EFF_NAME_LEN];
    eff_table table;
    double cost[EFF_COSTS];
    int job[EFF_MOST_REPEATS];
} eff_rival;

struct eff_search {
    eff_search_opts o;
    char *space_spec, *store_path, *data_name, *cpu; /* copies */
    const eff_dataset *d;
    eff_space space;
    double choices, networks; /* size of the space                                        */
    eff_recipe recipe;        /* brief                                                    */
    eff_objective objective;
    eff_controller_opts controller_opts;
    eff_controller *controller;
    bool by_supernet;
    const char *level; /* of the CPU, in use                                       */
    char print[20];    /* fingerprint of the set, as text                          */
    int images, scored, source_h, source_w;

    eff_try *tries;
    int ntries, room;
    int entered;    /* distinct networks among them that are scored             */
    long asked;     /* of the controller's proposals                             */
    bool drawn;     /* the try after the last is drawn and not entered: an error came between */
    int seen;       /* tries of which the controller was told, or need not be   */
    bool exhausted; /* nothing new was found any more                           */

    eff_job *jobs;
    int njobs, jobs_room;
    int supernet_job;     /* -1: none                                                 */
    int *sample, nsample; /* tries trained to the full, and their jobs                */
    int *sample_job;
    int *finalist, nfinalists; /* tries, best first by brief score                         */
    int *finalist_job[EFF_LEVELS];
    int winner; /* try, -1: not known yet                                   */
    int winner_job[EFF_MOST_REPEATS];
    eff_rival rival[1 + EFF_SEARCH_MOST_RIVALS]; /* the base first                              */
    int nrivals;
    int stage;     /* 0 children, 1 to 3 finals                                */
    bool complete; /* no job will be added any more                            */

    eff_store *store;
    eff_supernet *supernet;             /* loaded, where this process scores with it                */
    double step_per_mac, score_per_mac; /* seconds a step (image); estimated                  */
    double supernet_step;               /* seconds                                                  */
    double mean_macs;                   /* of a child                                               */
    double decode, began, pace, spent;
    int workers, finished, failures;
    double claimed, job_part; /* estimated seconds of the job done here, and how much of it is done */
    int asked_trials;         /* before they were cut to the time */
    bool settled, timed_out;
    char cuts[200];
    char *plan_text, *results_text;
};

/* search.c */
bool eff_search_tell(eff_search *s, const eff_study_event *e);
int eff_search_epochs(const eff_search *s, int level);
int eff_search_supernet_epochs(const eff_search *s);
/** Without name and coefficients, which do not tell networks apart. */
void eff_search_plain(eff_table *t);

/* search_children.c */
/** A child drawn uniformly, canonical. */
void eff_search_draw_child(eff_child *c, const eff_space *space, uint64_t seed, uint64_t stream);
/** Costs of a table that can be counted; latency is NaN. EFF_EARG when it cannot be built. */
eff_status eff_search_count(double cost[EFF_COSTS], const eff_table *t, eff_error *err);
/** The table of a child and its costs. *can: it can be built at all. EFF_ENOMEM, nothing else. */
eff_status eff_search_build(eff_table *t, double cost[EFF_COSTS], bool *can, const eff_space *space, const eff_child *c,
                            eff_error *err);
/** Seconds of one image on one thread, by the inference plan. */
eff_status eff_search_latency(const eff_search *s, const eff_table *t, double *seconds, eff_error *err);
/** Propose as many children as may be by now, and enter them as jobs. */
eff_status eff_search_propose(eff_search *s, eff_error *err);
/** Reward of a try: NaN until it is known, 0 for a child that failed. */
double eff_search_reward(const eff_search *s, int i);
/** The scored try of the highest reward, the first of equals; -1 where none is scored. */
int eff_search_best(const eff_search *s);
double eff_search_top1(const eff_search *s, int i); /* NaN: not known, or failed */
double eff_search_cost(const eff_search *s, int i, eff_cost c);
bool eff_search_children_over(const eff_search *s);
/** Some child of the space keeps to the limits (looked for by chance and by descent). EFF_EARG says how near one comes.
 */
eff_status eff_search_reach(const eff_search *s, eff_error *err);

/* search_finals.c */
/** Add the jobs of the finals whose turn it is; s->complete when there are no more. */
eff_status eff_search_finals(eff_search *s, eff_error *err);

/* search_jobs.c */
/** Open the store, or nothing when there is none; what was settled there holds. */
eff_status eff_search_open_store(eff_search *s, eff_error *err);
/** Keep the number of children for whoever comes later. */
eff_status eff_search_settle(eff_search *s, eff_error *err);
/** A job of this kind, which may be there already: *index is its place. */
eff_status eff_search_add_job(eff_search *s, const eff_job *job, int *index, eff_error *err);
/** See how the jobs stand. */
eff_status eff_search_refresh(eff_search *s, eff_error *err);
/** Do a job that was claimed. *stop: the caller asked to. */
eff_status eff_search_do(eff_search *s, int job, eff_pictures *p, bool *stop, eff_error *err);
eff_trial_job eff_search_trial(const eff_search *s, const eff_table *t, eff_recipe *recipe, int level, uint64_t seed);
double eff_search_job_seconds(const eff_search *s, const eff_job *j); /* estimated */
/** Estimated seconds of training a network of `macs` for so many epochs, and of scoring it. */
double eff_search_train_seconds(const eff_search *s, double macs, int epochs);

/* search_plan.c */
eff_status eff_search_measure(eff_search *s, eff_error *err);
/** Cut the number of children to the time. */
eff_status eff_search_cut(eff_search *s, eff_error *err);
/** Estimated seconds of all jobs that are not over, those to come as well. */
double eff_search_left(const eff_search *s);
/** Jobs there are and will be, as far as can be told. */
int eff_search_total(const eff_search *s);
double eff_search_part(const eff_search *s); /* of the whole that is done, 0..1 */

/* search_results.c */
json_t *eff_search_plan_json(eff_search *s);
json_t *eff_search_results_json(eff_search *s);

/* search_words.c */
json_t *eff_search_words(const json_t *results);

/* search_draw.c */
/** A table (JSON) as a drawing with a caption. */
void eff_search_draw(eff_text *t, const json_t *table, const char *title);

/* search_html.c */
char *eff_search_html(const json_t *results); /* NULL when memory ended */

#endif
