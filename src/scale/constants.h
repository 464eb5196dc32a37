/* SPDX-License-Identifier: Apache-2.0 */
/* alpha, beta, gamma from what a fit left behind. */
#ifndef EFF_SCALE_CONSTANTS_H
#define EFF_SCALE_CONSTANTS_H

#include "base/error.h"

typedef struct eff_constants {
    double alpha, beta, gamma;
} eff_constants;

/** From the JSON of a fit, {"best":[{"alpha":..,"beta":..,"gamma":..}, ...], ...}, of which the first counts, or one
 * such object alone.
 * @return EFF_EFORMAT naming the field; constants are 1..100 */
eff_status eff_constants_parse(eff_constants *c, const char *text, size_t n, eff_error *err);

/** From a file of that, or from the store of a fit that is finished. */
eff_status eff_constants_load(eff_constants *c, const char *path, eff_error *err);

#endif
