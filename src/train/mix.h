/* SPDX-License-Identifier: Apache-2.0 */
/* Mixing within a batch: mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019), image b with image n - 1 - b as timm
 * pairs them. One lambda and one box a batch, a pure function of (seed, step). */
#ifndef EFF_TRAIN_MIX_H
#define EFF_TRAIN_MIX_H

#include <stdbool.h>
#include <stdint.h>

typedef struct eff_mix {
    double mixup, cutmix; /* alpha of Beta(alpha, alpha); 0 = never                    */
    double probability;   /* of mixing a batch at all                                  */
    double cut;           /* of cutmix rather than mixup where both are there          */
} eff_mix;

/** What a batch is mixed by. */
typedef struct eff_mixed {
    double lambda; /* the own part, of the target too; 1 = not mixed                    */
    bool cuts;     /* rows y0..y1 - 1, columns x0..x1 - 1 come from the partner         */
    int y0, y1, x0, x1;
} eff_mixed;

/** Draw for images of height x width. The lambda of a box is what the box leaves, clipped as it is. */
eff_mixed eff_mix_draw(const eff_mix *m, int height, int width, uint64_t seed, uint64_t step);

/** x[n][height][width][3] in place; the middle image of an odd batch is its own partner. */
void eff_mix_images(float *x, int n, int height, int width, const eff_mixed *by);

/** target[n][classes] in place. */
void eff_mix_targets(float *target, int n, int classes, const eff_mixed *by);

/** Beta(alpha, alpha), number `draw` of a seed. */
double eff_mix_beta(double alpha, uint64_t seed, uint64_t draw);

#endif
