/* SPDX-License-Identifier: Apache-2.0 */
/* What transfer learning needs beside training: a pretrained network with a new classifier, the frozen body's features,
 * and the classifier fitted on them. */
#ifndef EFF_TRAIN_TRANSFER_H
#define EFF_TRAIN_TRANSFER_H

#include "infer/engine.h"
#include "model/model.h"

/** A model like `from` with `classes` outputs (0: its pooled features) and an input of `side` pixels (0 = its own; the preprocessing rule
 * follows in proportion). Weights are copied, those of the classifier are new (paper's initialisation by `seed`; an
 * untrained `from` gives a wholly new network). Class names, ids and what else the file said of the old classes are
 * dropped. */
eff_status eff_model_adapt(eff_model **out, const eff_model *from, int classes, int side, uint64_t seed,
                           eff_error *err);

/** Pooled features of files under the model's own evaluation rule, [n][features], by an engine of the model.
 * @param progress  NULL, or asked after every file; non-zero stops with EFF_ECANCELLED
 * @return EFF_EFORMAT naming the file that cannot be read */
eff_status eff_features(float *out, eff_engine *e, const char *const *paths, size_t n,
                        int (*progress)(void *ctx, size_t done), void *ctx, eff_error *err);

typedef struct eff_linear_fit {
    double l2;       /* chosen by cross-validation inside the training images */
    double accuracy; /* its cross-validated accuracy                          */
    float *held;     /* in: [n] or NULL. Of each image the share of several cross-validations that were right about it
                      * while it was held out; NaN where it never was */
} eff_linear_fit;

/** Softmax regression on features: minimise the mean cross-entropy (images weighing weight[i], NULL = equally) plus
 * l2/2 |W|^2 over standardised features, by L-BFGS, all sums in a fixed order. l2 < 0: the best of a ladder by
 * cross-validation.
 * @param w, b  [classes][d], [classes]: for the features as they are */
eff_status eff_linear_train(float *w, float *b, eff_linear_fit *fit, const float *x, const int *label,
                            const float *weight, size_t n, int d, int classes, double l2, uint64_t seed, eff_pool *pool,
                            const char *cpu, eff_error *err);

#endif
