/* SPDX-License-Identifier: Apache-2.0 */
/* train.h — training: recipes and whole runs over a set of images, and single steps on batches in memory. This interface may
 * change. */
#ifndef EFFNET_TRAIN_H
#define EFFNET_TRAIN_H

#include <effnet/data.h>
#include <effnet/effnet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eff_session eff_session; /* a model in training: plan, gradients, optimiser; one caller at a time */

typedef enum eff_optimizer {
    EFF_OPTIMIZER_RMSPROP = 0, /* TensorFlow's, decay 0.9, momentum 0.9, eps 1e-3: the paper's  */
    EFF_OPTIMIZER_SGD = 1,     /* Nesterov momentum 0.9                                          */
    EFF_OPTIMIZER_ADAMW = 2
} eff_optimizer;

typedef struct eff_session_opts {
    int batch;              /* largest batch of a step (default 1)                                    */
    int threads;            /* 0 = every CPU the process may use                                      */
    const char *cpu;        /* level cap; NULL = EFFNET_CPU or the best                               */
    int height, width;      /* input; 0 = the model's                                                 */
    int frozen_bn;          /* batch norm keeps its running statistics                                */
    eff_optimizer optimizer;
    double weight_decay;
    double ema;             /* decay of averaged weights, 0 = none                                    */
    uint64_t seed;          /* of dropout and stochastic depth                                        */
    int recompute;          /* less memory for more time: what the convolutions inside a block put out is not kept for the
                             * backward pass but computed again, to the same bits                     */
    uint8_t reserved[28];
} eff_session_opts;
/** The defaults named above. Always start here. */
EFF_API void eff_session_opts_init(eff_session_opts *o);

/** Memory that training takes: the model's weights and everything a session allocates, with a batch of inputs. */
typedef struct eff_train_memory {
    size_t total;
    size_t weights, gradients, optimizer; /* optimiser state with the averaged weights     */
    size_t activations;                   /* stored outputs and their gradients            */
    size_t scratch;                       /* packed weights, statistics, workers' buffers  */
    size_t input;
} eff_train_memory;

/** What a session with these options would take, without making it.
 * @return EFF_EARG when the network cannot be built at that size */
EFF_API eff_status eff_train_memory_plan(const eff_model *m, const eff_session_opts *o, eff_train_memory *out, eff_error *err);

/** Prepare to train `m`, whose weights change in place; it must outlive the session. Release with eff_session_free().
 * @return EFF_EARG for an untrained model (eff_model_init() first), an option out of range or an unknown CPU level */
EFF_API eff_status eff_session_create(eff_session **out, eff_model *m, const eff_session_opts *o, eff_error *err);

/** One step of the optimiser on a batch.
 * @param x       float32 [n][h][w][3], normalised
 * @param target  float32 [n][classes], each row a distribution (label smoothing, mixup: the caller's)
 * @param loss    mean cross-entropy before the step, or NULL
 * @return EFF_EARG when n is out of range; EFF_EFORMAT when the gradient is not finite (nothing was changed) */
EFF_API eff_status eff_session_step(eff_session *s, const float *x, const float *target, int n, double lr, double *loss,
                                    eff_error *err);
/** CPU level in use; static storage. */
EFF_API const char *eff_session_cpu(const eff_session *s);
/** Workers in use. */
EFF_API int eff_session_threads(const eff_session *s);
/** Release a session; NULL is fine, the model stays. */
EFF_API void eff_session_free(eff_session *s);

/* ---------------------------------------------------------------------------------------------- recipes */

typedef struct eff_recipe eff_recipe; /* every value of a run by name, and why it is so */

/** Recipes by number with a line on each and (1, 0) whether it starts from pretrained weights; NULL past the end. Static storage; what is
 * not asked for may be NULL. */
EFF_API const char *eff_recipe_listed(int i, const char **about, int *needs_weights);

/** The recipe called `name`, or (NULL) the one that fits: "transfer" when `start` has weights, else by the number of images.
 * Release with eff_recipe_free().
 * @return EFF_EARG for an unknown name, or one that needs weights which `start` lacks */
EFF_API eff_status eff_recipe_create(eff_recipe **out, const char *name, const eff_model *start, const eff_dataset *d, eff_error *err);
/** Release a recipe; NULL is fine. */
EFF_API void eff_recipe_free(eff_recipe *r);
/** What it is called; borrowed. */
EFF_API const char *eff_recipe_name(const eff_recipe *r);

/** Replace values: "epochs=20,lr=1e-3"; "augment=SPEC" comes last, its commas are its own. r NULL: only look whether any recipe would
 * take the text.
 * @return EFF_EARG naming the key and what it may be, with *r unchanged */
EFF_API eff_status eff_recipe_set(eff_recipe *r, const char *text, eff_error *err);

/** How many values a recipe has. */
EFF_API int eff_recipe_count(void);
/** Key of value i, with what it means; NULL past the end. Static storage. */
EFF_API const char *eff_recipe_key(int i, const char **about);
/** Value i as text, and why it was chosen; both borrowed until the next call for this recipe. */
EFF_API const char *eff_recipe_value(eff_recipe *r, int i, const char **why);
/** Whether value i does anything beside the others: the decay of a schedule that is not followed does not. */
EFF_API int eff_recipe_matters(const eff_recipe *r, int i);

/* ------------------------------------------------------------------------------------------------- runs */

typedef enum eff_run_phase {
    EFF_RUN_NOTE,     /* `text`: something to tell: what was decided and why                   */
    EFF_RUN_FEATURES, /* head-first: `step` of `steps` images through the frozen body          */
    EFF_RUN_STEP,     /* after a step of the optimiser                                         */
    EFF_RUN_EVAL,     /* `step` of `steps` validation images scored                            */
    EFF_RUN_EPOCH     /* an epoch is over, its row is in log.csv, the state is saved           */
} eff_run_phase;

typedef struct eff_run_event {
    eff_run_phase phase;
    int epoch, epochs;        /* 1-based                                                       */
    long step, steps;         /* within the epoch, or of what the phase counts                 */
    double loss, top1;        /* of training, mean of the epoch so far                         */
    double val_loss, val_top1;/* EPOCH                                                         */
    double lr, images_per_s;
    double eta;               /* seconds to the end of the run as it goes; NaN: not known yet  */
    int best;                 /* EPOCH: the best so far                                        */
    const char *text;
} eff_run_event;

typedef struct eff_run_opts {
    const char *out;          /* the RUN folder: made if it is missing; a folder with a run in it is refused. NULL: nothing is
                               * written, for eff_run_find_lr()                                */
    int threads;              /* 0 = every CPU the process may use                             */
    const char *cpu;          /* level cap; NULL = EFFNET_CPU or the best                      */
    uint64_t seed;
    size_t memory;            /* bytes the run may take; 0 = no limit. Batches are cut into micro-batches to fit */
    size_t cache;             /* bytes for decoded images (default 512 MB)                     */
    double seconds;           /* time the whole run may take; 0 = no limit. Epochs are cut to fit */
    double save_every;        /* seconds between saves within an epoch (default 60)            */
    const char *source;       /* what the weights are called, for the record; borrowed         */
    const char *data;         /* what the set is called, likewise                              */
    int (*event)(void *ctx, const eff_run_event *e); /* NULL; non-zero: finish the step, save, EFF_ECANCELLED */
    void *ctx;
    uint8_t reserved[32];
} eff_run_opts;
/** The defaults named above. Always start here. */
EFF_API void eff_run_opts_init(eff_run_opts *o);

typedef struct eff_run eff_run;

/** Prepare a run of `recipe` on the training part of `d`, starting from `start` (with weights or, from scratch, without). All three
 * are borrowed: d until eff_run_free(), the others for the call. Writes args.json and split.csv into the RUN folder. Release with
 * eff_run_free().
 * @return EFF_EARG when it does not fit the memory, saying what would, when the folder holds a run already or another process
 * trains there; EFF_EIO when the folder cannot be written */
EFF_API eff_status eff_run_create(eff_run **out, const eff_model *start, const eff_dataset *d, const eff_recipe *recipe,
                                  const eff_run_opts *o, eff_error *err);

/** Take up the run in the folder o->out where it was saved. What its recipe and seed decide is as it was; threads, cpu, cache,
 * save_every and event are those given now. Release with eff_run_free().
 * @return EFF_EFORMAT when there is no run in the folder or a file of it is damaged, EFF_EARG when another process trains there */
EFF_API eff_status eff_run_resume(eff_run **out, const eff_run_opts *o, eff_error *err);

/** Train to the end, and write what a run leaves behind: model.effnet (the best epoch's averaged weights), last.state, log.csv,
 * metrics.json, report.html, TensorBoard events.
 * @return EFF_ECANCELLED when the event function asked to stop: saved, eff_run_resume() goes on; EFF_EARG without a folder; EFF_EIO
 * when it cannot be written; EFF_EFORMAT for an image that is no longer readable or a loss that stays without bounds */
EFF_API eff_status eff_run_train(eff_run *r, eff_error *err);

typedef struct eff_lr_point {
    double lr, loss; /* smoothed */
} eff_lr_point;
/** Try rates from 1e-6 to 1, one step each, on a copy: the run's weights stay as they are.
 * @param points  *n of them, at most 100; borrowed until the run is freed
 * @param best    the rate suggested, a tenth of that at the least loss
 * @return EFF_EFORMAT when no rate gave a finite loss, EFF_ECANCELLED */
EFF_API eff_status eff_run_find_lr(eff_run *r, const eff_lr_point **points, int *n, double *best, eff_error *err);

/** The recipe as it was settled, with the limits of memory and time; borrowed until eff_run_free(). */
EFF_API eff_recipe *eff_run_recipe(eff_run *r);
/** JSON text of metrics.json, once trained; NULL before. Borrowed until eff_run_free(). */
EFF_API const char *eff_run_metrics(const eff_run *r);
/** What the run takes, bytes; borrowed until eff_run_free(). */
EFF_API const eff_train_memory *eff_run_memory(const eff_run *r);
/** Release a run; NULL is fine. What is in its folder stays. */
EFF_API void eff_run_free(eff_run *r);

#ifdef __cplusplus
}
#endif
#endif
