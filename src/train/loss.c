/* SPDX-License-Identifier: Apache-2.0 */
/* The loss, in double: a batch has few logits, and a tiny loss must keep its digits. */
#include "train/loss.h"

#include <math.h>
#include <stddef.h>

double eff_cross_entropy(float *d, const float *logits, const float *target, const float *weight, int n, int classes)
{
    double loss = 0;
    for (int i = 0; i < n; i++, d += classes, logits += classes, target += classes) {
        const double w = weight ? (double)weight[i] : 1.0 / n;
        double top = -INFINITY, sum = 0, dot = 0, mass = 0;
        for (int j = 0; j < classes; j++)
            if (!((double)logits[j] <= top)) top = (double)logits[j]; /* a NaN wins and shows in the loss */
        for (int j = 0; j < classes; j++) {
            sum += exp((double)logits[j] - top);
            dot += (double)target[j] * ((double)logits[j] - top);
            mass += (double)target[j];
        }
        loss += w * (mass * log(sum) - dot);
        for (int j = 0; j < classes; j++)
            d[j] = (float)(w * (mass * exp((double)logits[j] - top) / sum - (double)target[j]));
    }
    return loss;
}

void eff_target(float *target, int label, int classes, double smoothing)
{
    for (int j = 0; j < classes; j++) target[j] = (float)(smoothing / classes + (j == label ? 1.0 - smoothing : 0.0));
}

void eff_target_mix(float *target, const float *other, int classes, double lambda)
{
    for (int j = 0; j < classes; j++) target[j] = (float)(lambda * (double)target[j] + (1.0 - lambda) * (double)other[j]);
}

void eff_image_weights(float *weight, const int *label, const float *class_weight, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)class_weight[label[i]];
    for (int i = 0; i < n; i++) weight[i] = sum > 0 ? (float)((double)class_weight[label[i]] / sum) : 0.0f;
}

void eff_class_weights(float *weight, const int *count, int classes, double beta)
{
    double sum = 0;
    int present = 0;
    for (int j = 0; j < classes; j++) {
        const double w = count[j] > 0 ? (1.0 - beta) / (1.0 - pow(beta, count[j])) : 0.0;
        weight[j] = (float)w;
        sum += w;
        present += count[j] > 0;
    }
    for (int j = 0; j < classes && sum > 0; j++) weight[j] = (float)((double)weight[j] * present / sum);
}
