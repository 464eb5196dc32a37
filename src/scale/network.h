/* SPDX-License-Identifier: Apache-2.0 */
/* A scaled network and what it really costs, counted on its graph after channels, repeats and pixels were rounded; and
 * the factor whose network costs nearest to what is wanted. Two networks are one when their tables are, whatever
 * factors led there. */
#ifndef EFF_SCALE_NETWORK_H
#define EFF_SCALE_NETWORK_H

#include "model/table.h"

#include <jansson.h>

/** How much deeper, wider and sharper than its base a network is. */
typedef struct eff_factors {
    double depth, width, resolution;
} eff_factors;

typedef struct eff_network {
    eff_table table; /* without name and coefficients: equal networks have equal tables */
    eff_factors by;  /* as asked for, before rounding                               */
    uint64_t macs, params;
    double paid; /* MACs over the base's                                        */
} eff_network;

/** Scale `base` (whose own network has `base_macs`, 0 = this is it). The sides of the input become multiples of
 * `multiple` pixels.
 * @return EFF_EARG when the result cannot be built, also where its input is smaller than its strides together */
eff_status eff_network_make(eff_network *out, const eff_table *base, eff_factors by, int multiple, uint64_t base_macs,
                            eff_error *err);

/** The way along which a network grows: factors of power t of these. (2, 1, 1) is depth alone; t = 1 doubles it. */
typedef struct eff_direction {
    double alpha, beta, gamma;
} eff_direction;

/** Of all networks from_t, t >= 0 along a direction, starting from `start`, the one whose MACs are nearest (by ratio)
 * to `target` times the base's. A cheaper one wins a tie. */
eff_status eff_network_nearest(eff_network *out, const eff_table *base, eff_factors start, eff_direction d,
                               double target, int multiple, uint64_t base_macs, eff_error *err);

/** The same for constants that grow together, where one more layer or pixel may cost far more than its share. Beside
 * the network of the nearest power, three are looked at in which two of the factors are those of the power at which the
 * product of the constants is the target, and the third, down to the base's, takes up what rounding left over. Of those
 * whose cost is within the part `close` of the target, the one is taken whose factors are nearest to that power's;
 * where none is, the one that costs nearest. */
eff_status eff_network_compound(eff_network *out, const eff_table *base, eff_direction d, double target, double close,
                                int multiple, uint64_t base_macs, eff_error *err);

bool eff_network_same(const eff_network *a, const eff_network *b);

#endif
