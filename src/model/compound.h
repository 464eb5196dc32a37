/* SPDX-License-Identifier: Apache-2.0 */
/* Compound scaling of models; the public functions of effnet/scale.h check their pointers and call these. */
#ifndef EFF_MODEL_COMPOUND_H
#define EFF_MODEL_COMPOUND_H

#include "model/model.h"

#include <effnet/scale.h>

eff_status eff_scale_model(eff_model **out, const eff_model *base, double width, double depth, int resolution, eff_error *err);
eff_status eff_scale_compound(eff_model **out, const eff_model *base, eff_compound *c, eff_error *err);

#endif
