/* SPDX-License-Identifier: Apache-2.0 */
/* The training plan: forward and backward of a graph over a batch. Parallel over images and groups of images, whose cut depends
 * on the batch alone; all sums run in that order, so the gradients have the same bits at any thread count. */
#ifndef EFF_TRAIN_TRAINER_H
#define EFF_TRAIN_TRAINER_H

#include "base/mem.h"
#include "base/pool.h"
#include "model/model.h"

typedef enum eff_bn_mode {
    EFF_BN_BATCH, /* normalise with the batch's statistics and update the running ones */
    EFF_BN_FROZEN /* normalise with the running statistics, which stay as they are     */
} eff_bn_mode;

typedef struct eff_trainer_opts {
    int batch;            /* largest number of images a pass                                           */
    int threads;          /* 0 = every CPU the process may use                                         */
    eff_pool *pool;       /* borrowed, its threads count; NULL = its own, of `threads`                 */
    const char *cpu;      /* level cap, NULL = EFFNET_CPU or the best                                  */
    eff_spare *spare;     /* borrowed, for this trainer alone while it lives; NULL = memory of its own  */
    int height, width;    /* input; 0 = the table's                                                    */
    eff_bn_mode bn;
    const bool *learns;   /* by parameter number, borrowed for the call; NULL = all                    */
    bool stochastic;      /* dropout and stochastic depth                                              */
    bool recompute;       /* inside a block, compute what its convolutions put out again in the backward pass instead of
                             keeping it: less memory, one more forward pass of those, the same bits     */
    bool pool_statistics; /* running statistics move once a step, by the statistics of all passes since eff_trainer_zero()
                             taken as one batch; each pass still normalises with its own. After every pass they stand where
                             they would if it were the step's last. Otherwise each pass moves them.     */
    size_t fuse_bytes;    /* with frozen statistics, an expanded image of so many bytes or more is computed twice, band by
                             band, instead of being stored: less memory traffic; the same bits but for batch norm's
                             own gradients, whose sums over pixels are cut elsewhere. 0: as measured best                */
    uint64_t seed;        /* of the stochastic parts                                                   */
} eff_trainer_opts;
void eff_trainer_opts_init(eff_trainer_opts *o);

typedef struct eff_trainer eff_trainer;

/** Plan training of `m`, whose weights are changed in place by eff_trainer_pass() (running statistics) and the optimiser.
 * `m` must outlive the trainer. */
eff_status eff_trainer_create(eff_trainer **out, eff_model *m, const eff_trainer_opts *o, eff_error *err);
void eff_trainer_free(eff_trainer *t);

typedef struct eff_pass {
    const float *x;       /* [n][h][w][3], normalised                                                  */
    const float *target;  /* [n][classes], rows sum to 1; NULL = forward only, with the pass's BN mode */
    const float *weight;  /* [n] of each image in the mean loss, NULL = 1/n                            */
    int n;                /* images, 1..batch                                                          */
    uint64_t step;        /* counter of the stochastic parts                                           */
} eff_pass;

/** Forward, loss, backward. Gradients are added to those there (eff_trainer_zero() first), running statistics updated.
 * @return mean cross-entropy, nats (0 without targets) */
double eff_trainer_pass(eff_trainer *t, const eff_pass *p);
void eff_trainer_zero(eff_trainer *t);

/** Gradients by parameter number, NULL for buffers and what does not learn; the shapes of the parameters. */
float *const *eff_trainer_grads(const eff_trainer *t);
const float *eff_trainer_logits(const eff_trainer *t); /* [n][classes] of the last pass */
eff_pool *eff_trainer_pool(const eff_trainer *t);
const char *eff_trainer_cpu(const eff_trainer *t);
int eff_trainer_threads(const eff_trainer *t);

typedef struct eff_trainer_memory { /* bytes */
    size_t weights;      /* the model's own                                   */
    size_t gradients;
    size_t activations;  /* stored tensors and their gradients, the whole batch */
    size_t scratch;      /* packed weights, statistics, partial sums, workers */
    size_t input_floats; /* of one image                                      */
} eff_trainer_memory;

/** What a trainer with these options would allocate, without making it; `m` needs no weights. */
eff_status eff_trainer_plan_memory(eff_trainer_memory *out, const eff_model *m, const eff_trainer_opts *o, eff_error *err);
eff_trainer_memory eff_trainer_memory_used(const eff_trainer *t);

#endif
