/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers over a model's parameters, with the averaged copy of the weights beside them. */
#ifndef EFF_TRAIN_OPTIM_H
#define EFF_TRAIN_OPTIM_H

#include "base/mem.h"
#include "base/pool.h"
#include "model/model.h"

typedef enum eff_optim_kind {
    EFF_RMSPROP, /* TensorFlow's: accumulator starts at 1, eps inside the root, learning rate inside the momentum buffer */
    EFF_SGD,     /* Nesterov momentum                                                                                    */
    EFF_ADAMW    /* decoupled weight decay (Loshchilov & Hutter 2019)                                                    */
} eff_optim_kind;

typedef enum eff_decay {
    EFF_DECAY_MATRICES, /* tensors of more than one dimension                                      */
    EFF_DECAY_PAPER,    /* everything but batch norm: SE and classifier biases too (reference §6.1) */
    EFF_DECAY_ALL
} eff_decay;

typedef struct eff_optim_opts {
    eff_optim_kind kind;
    double decay;            /* RMSProp: of the squared gradient (0.9)               */
    double momentum;         /* RMSProp, SGD (0.9)                                   */
    double beta1, beta2;     /* AdamW (0.9, 0.999)                                   */
    double eps;              /* RMSProp 1e-3, AdamW 1e-8                             */
    double weight_decay;
    eff_decay decays;        /* which tensors weight_decay acts on                   */
    double clip_norm;        /* global norm of the gradient; 0 = no clipping         */
    const float *lr_scale;   /* by parameter number, borrowed for eff_optim_create(); NULL = all 1 */
    double ema;              /* decay of the averaged weights; 0 = none              */
    bool ema_ramp;           /* min(ema, (1 + t) / (10 + t)) at update t             */
    eff_spare *spare;        /* its last block, as in eff_trainer_opts               */
} eff_optim_opts;
/** The usual constants of `kind`: those of the paper for RMSProp. */
void eff_optim_opts_init(eff_optim_opts *o, eff_optim_kind kind);

enum { EFF_OPTIM_VECTORS = 2 }; /* of state beside a parameter, at most */
int eff_optim_vectors(eff_optim_kind k);
/** What vector `which` holds before the first step. */
float eff_optim_start(eff_optim_kind k, int which);

typedef struct eff_optim eff_optim;
/** `m` must outlive it; grads as eff_trainer_grads() gives them decide which parameters learn. */
eff_status eff_optim_create(eff_optim **out, eff_model *m, float *const *grads, const eff_optim_opts *o, eff_error *err);
void eff_optim_free(eff_optim *o);

/** Bytes of state that eff_optim_create() would allocate when every parameter of `m` learns. */
size_t eff_optim_bytes(const eff_model *m, const eff_optim_opts *o);

/** One update of the weights with learning rate lr, then of the averages (running statistics too).
 * @return the gradient's global norm before clipping; not finite: nothing was changed */
double eff_optim_step(eff_optim *o, eff_pool *pool, double lr);

/** Averaged weights by parameter number, or NULL. */
float *const *eff_optim_ema(const eff_optim *o);
long eff_optim_steps(const eff_optim *o);

/** State vector `which` (0, 1) of parameter `i` as it is kept with a run, as long as the parameter; NULL when there is none. */
float *eff_optim_state(const eff_optim *o, int i, int which);
/** Go on counting from `steps`, when state was put back. */
void eff_optim_resume(eff_optim *o, long steps);

/** lr_scale[nparams] for layer-wise rates: decay^(blocks between the parameter's block and the classifier). */
void eff_layer_rates(float *lr_scale, const eff_graph *g, double decay);

#endif
