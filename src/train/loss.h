/* SPDX-License-Identifier: Apache-2.0 */
/* Targets and the loss. A target is a distribution over classes, so that label smoothing, mixup and cutmix are ways of writing
 * targets and the loss is one function. */
#ifndef EFF_TRAIN_LOSS_H
#define EFF_TRAIN_LOSS_H

/** Cross-entropy of softmax(logits) against targets, weighted: loss = sum of weight[i] * CE_i (weight NULL: 1/n each).
 * d[i][j] = weight[i] * (softmax - target), [n][classes].
 * @return the loss, nats */
double eff_cross_entropy(float *d, const float *logits, const float *target, const float *weight, int n, int classes);

/** target[classes] = (1 - smoothing) * onehot(label) + smoothing / classes. */
void eff_target(float *target, int label, int classes, double smoothing);

/** target = lambda * target + (1 - lambda) * other: mixup and cutmix. */
void eff_target_mix(float *target, const float *other, int classes, double lambda);

/** Weight of each image in the mean loss when classes weigh class_weight[label]: normalised to sum 1 over the batch. */
void eff_image_weights(float *weight, const int *label, const float *class_weight, int n);

/** Class weights by the effective number of samples (Cui et al. 2019): (1 - beta) / (1 - beta^count), mean 1 over the classes
 * that have images; a class without any has weight 0. */
void eff_class_weights(float *weight, const int *count, int classes, double beta);

#endif
