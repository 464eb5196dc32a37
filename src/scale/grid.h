/* SPDX-License-Identifier: Apache-2.0 */
/* The paper's grid search at phi = 1: which alpha, beta, gamma there are, and which networks they round to. */
#ifndef EFF_SCALE_GRID_H
#define EFF_SCALE_GRID_H

#include "scale/network.h"

typedef struct eff_grid_opts {
    double target; /* alpha * beta^2 * gamma^2 is within `tolerance` of it      */
    double tolerance;
    double step;  /* constants are 1, 1 + step, 1 + 2 step ...                 */
    double paid;  /* networks that cost more or less than the target by more than this part are left out */
    int multiple; /* of the input's side, pixels                               */
} eff_grid_opts;

typedef struct eff_grid_candidate {
    double alpha, beta, gamma, product;
    double paid; /* MACs over the base's                                    */
    int network; /* that it rounds to                                       */
} eff_grid_candidate;

typedef struct eff_grid {
    eff_grid_candidate *candidate; /* alpha rising, then beta, then gamma                     */
    int ncandidates;
    eff_network *network; /* distinct, in the order in which candidates lead to them */
    bool *kept;           /* [nnetworks] its cost is near enough to the target       */
    int nnetworks, nkept;
} eff_grid;

/** @return EFF_EARG when an option makes no sense, or no candidate is on the grid or none is near enough in cost: it
 * says what would be */
eff_status eff_grid_make(eff_grid *g, const eff_table *base, const eff_grid_opts *o, uint64_t base_macs,
                         eff_error *err);
void eff_grid_free(eff_grid *g);

#endif
