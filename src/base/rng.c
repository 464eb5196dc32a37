/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <math.h>

double eff_rng_normal(uint64_t seed, uint64_t stream, uint64_t i)
{
    const double u = 1.0 - eff_rng_uniform(seed, stream, 2 * i); /* (0, 1]: log is finite */
    const double v = eff_rng_uniform(seed, stream, 2 * i + 1);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

void eff_rng_order(size_t *order, size_t n, uint64_t seed, uint64_t stream)
{
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t i = n; i-- > 1;) {
        const size_t j = (size_t)eff_rng_below(i + 1, seed, stream, i), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}
