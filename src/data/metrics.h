/* SPDX-License-Identifier: Apache-2.0 */
/* The measure that the inside shares with the public metrics (effnet/eval.h). */
#ifndef EFF_DATA_METRICS_H
#define EFF_DATA_METRICS_H

/** -log of the probability that logits give to the label, summed in double. It is what a part is scored by; the loss
 * that is trained on needs its gradient too and has its own sums (train/loss.c). */
double eff_log_loss(const float *logits, int classes, int label);

#endif
