/* SPDX-License-Identifier: Apache-2.0 */
/* Running a model at a size and holding its logits against golden ones. */
#ifndef EFF_TESTS_FORWARD_H
#define EFF_TESTS_FORWARD_H

#include "support.h"

/** Logits of `n` inputs float [n][h][w][3], malloc'ed [n][classes]. */
float *t_forward(const eff_model *m, const float *x, int n, int h, int w, int threads, const char *cpu);

typedef struct t_deviation {
    double worst, bound; /* max |difference| to the float64 logits and what is allowed, in std over the classes */
} t_deviation;

/** Logits of synth_u8(h, w, 1), ImageNet normalisation, against `want` [2][classes]: float32 and float64 run of the
 * reference. */
t_deviation t_synth_deviation(const eff_model *m, int h, int w, const double *want, int threads, const char *cpu);

/** max |got - want| <= max(1e-3 * std over classes, 10 * the reference's own float32 deviation), row by row.
 * `summary` names the row of a summary_*.tsv that holds that deviation. */
void t_check_logits(const float *got, const double *want, int rows, int classes, const char *summary);

/** Table of a golden model in a family: "tf" (SAME, 1e-3) or "torchvision" (symmetric; 1e-5, B5-B7 1e-3) or "timm". */
eff_table t_family_table(const char *model, const char *family);

/** One row of b1..b7, lite0..4: forward/<model>_<family>_<h>x<w>_logits.npy, input synth_u8(h, w, 1). */
void t_check_synth(const char *model, const char *family, int h, int w, int threads, const char *cpu);

#endif
