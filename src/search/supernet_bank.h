/* SPDX-License-Identifier: Apache-2.0 */
/* The tensors that the children of a space share. A parameter's place is its name in the network, and inside a stage
 * the operator and kernel it belongs to ("blocks.2.0.project.conv.weight/mbconv5"); a place is as large as the largest
 * child needs it, dimension by dimension, and a smaller one uses the leading block. */
#ifndef EFF_SEARCH_SUPERNET_BANK_H
#define EFF_SEARCH_SUPERNET_BANK_H

#include "model/model.h"
#include "search/space.h"
#include "train/optim.h"

#include <jansson.h>

enum { EFF_BANK_VECTORS = 1 + EFF_OPTIM_VECTORS };

typedef struct eff_bank_entry {
    eff_param param; /* named by its place, as large as the largest           */
    float
        *v[EFF_BANK_VECTORS]; /* weights, the optimiser's vectors; NULL where it is a buffer, which is nobody else's */
} eff_bank_entry;

typedef struct eff_bank {
    int n, capacity;
    eff_bank_entry *entry; /* numbered as they are met: those of a space of one network as its parameters are */
    json_t *index;         /* number by place                                                                */
    eff_optim_kind kind;
    size_t floats;
    float *block;
} eff_bank;

/** Find all places of a space, without memory for them. @return EFF_EARG when no child can be built */
eff_status eff_bank_plan(eff_bank **out, const eff_space *s, eff_optim_kind kind, eff_error *err);
/** Allocate what was planned; eff_bank_reset() fills it. */
eff_status eff_bank_alloc(eff_bank *b, eff_error *err);
void eff_bank_free(eff_bank *b);
/** Random weights, as a network of `seed` begins with, and a fresh optimiser. */
void eff_bank_reset(eff_bank *b, uint64_t seed);

/** Where each parameter of a child is: place[nparams]. @return EFF_EARG naming what has no place */
eff_status eff_bank_places(int *place, const eff_bank *b, const eff_model *m, eff_error *err);
/** Fill a child's weights and, unless NULL, its optimiser. Running statistics begin at mean 0 and variance 1. */
void eff_bank_gather(const eff_bank *b, const int *place, eff_model *m, eff_optim *opt);
/** Put them back where they came from; what the child does not use stays as it was. */
void eff_bank_scatter(eff_bank *b, const int *place, const eff_model *m, const eff_optim *opt);

#endif
