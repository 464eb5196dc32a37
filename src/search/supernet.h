/* SPDX-License-Identifier: Apache-2.0 */
/* A single-path one-shot supernet (Guo et al. 2020): one set of weights for all children of a space. Every step trains
 * one child drawn uniformly, on weights that it shares with all others; a child is scored with what it inherits, after
 * its batch norm statistics were measured anew. Tensors are shared by place (stage, layer, convolution) and by operator
 * and kernel; a narrower child uses the first channels of the widest. */
#ifndef EFF_SEARCH_SUPERNET_H
#define EFF_SEARCH_SUPERNET_H

#include "scale/pictures.h"
#include "scale/trial.h"
#include "search/space.h"
#include "train/recipe.h"

typedef struct eff_supernet eff_supernet;

typedef struct eff_supernet_opts {
    const eff_space *space;   /* borrowed; its base has the set's number of classes and the resolution of training */
    const eff_recipe *recipe; /* borrowed: epochs, batch, rate, smoothing, augmentation                          */
    int pixels;               /* what the recipe's augmentation is meant for (eff_trial_job)                     */
    uint64_t seed;
    int threads;
    const char *cpu;
} eff_supernet_opts;

eff_status eff_supernet_create(eff_supernet **out, const eff_supernet_opts *o, eff_error *err);
void eff_supernet_free(eff_supernet *n);

/** Train, or go on training, to the recipe's last step. After every epoch the state is kept in the file `path`, whole
 * or not at all, and taken up from there when it exists: the end is the same to the bit.
 * @param tell  asked after every step; true stops with EFF_ECANCELLED
 * @return EFF_EFORMAT when it diverged, or `path` is no state of this supernet */
eff_status eff_supernet_train(eff_supernet *n, eff_pictures *p, const char *path,
                              bool (*tell)(void *ctx, long step, long steps), void *ctx, eff_error *err);

/** Whether eff_supernet_train() failed because its numbers stopped being finite: it would again. */
bool eff_supernet_diverged(const eff_supernet *n);

/** Take up a supernet that was trained to the end. @return EFF_EFORMAT when the file is another one's, or unfinished */
eff_status eff_supernet_load(eff_supernet *n, const char *path, eff_error *err);

/** Score a child on the validation images with inherited weights. Before, batch norm's statistics are the mean over
 * training batches of the child itself. A function of the supernet and the child. */
eff_status eff_supernet_score(eff_trial_score *out, eff_supernet *n, const eff_child *c, eff_pictures *p,
                              eff_error *err);

/** Bytes that training takes, without pictures. */
eff_status eff_supernet_memory(size_t *bytes, const eff_supernet_opts *o, eff_error *err);

#endif
