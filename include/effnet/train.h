/* SPDX-License-Identifier: Apache-2.0 */
/* train.h — training steps on batches in memory. This interface may change. */
#ifndef EFFNET_TRAIN_H
#define EFFNET_TRAIN_H

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

/** Prepare to train `m`, whose weights change in place; it must outlive the session. */
EFF_API eff_status eff_session_create(eff_session **out, eff_model *m, const eff_session_opts *o, eff_error *err);

/** One step of the optimiser on a batch.
 * @param x       float32 [n][h][w][3], normalised
 * @param target  float32 [n][classes], each row a distribution (label smoothing, mixup: the caller's)
 * @param loss    mean cross-entropy before the step, or NULL
 * @return EFF_EARG when n is out of range; EFF_EFORMAT when the gradient is not finite (nothing was changed) */
EFF_API eff_status eff_session_step(eff_session *s, const float *x, const float *target, int n, double lr, double *loss,
                                    eff_error *err);
EFF_API const char *eff_session_cpu(const eff_session *s);
EFF_API int eff_session_threads(const eff_session *s);
EFF_API void eff_session_free(eff_session *s);

#ifdef __cplusplus
}
#endif
#endif
