/* SPDX-License-Identifier: Apache-2.0 */
/* Averages of models; the public functions of effnet/care.h check their pointers and call these. */
#ifndef EFF_MODEL_AVERAGE_H
#define EFF_MODEL_AVERAGE_H

#include "model/model.h"

eff_status eff_average_fits(const eff_model *a, const eff_model *b, eff_error *err);
eff_status eff_average_models(eff_model **out, const eff_model *const *models, int n, double decay, eff_error *err);

#endif
