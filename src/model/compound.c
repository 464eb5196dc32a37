/* SPDX-License-Identifier: Apache-2.0 */
/* Compound scaling of models: depth alpha^phi, width beta^phi, resolution gamma^phi (Tan & Le 2019, section 3.3). */
#include "model/compound.h"

#include <math.h>

eff_status eff_scale_model(eff_model **out, const eff_model *base, double width, double depth, int resolution, eff_error *err)
{
    eff_table t;
    *out = NULL;
    if (resolution < 0)
        return eff_fail(err, EFF_EARG, "resolution: expected 1..%d, or 0 to keep it, found %d", EFF_MAX_SIDE, resolution);
    const eff_status s = eff_table_scale(&t, &base->table, width, depth, resolution, err);
    if (s) return s;
    return eff_model_new(out, &t, err);
}

static eff_status constant(const char *name, double v, double lowest, double highest, eff_error *err)
{
    if (v >= lowest && v <= highest) return EFF_OK;
    return eff_fail(err, EFF_EARG, "%s: expected %g..%g, found %g", name, lowest, highest, v);
}

/* The side that a base's side becomes. The paper's sides are near gamma^phi * 224, so the nearest pixel is taken. */
static eff_status scaled_side(int side, double factor, int *out, eff_error *err)
{
    const double px = side * factor;
    if (!(px < EFF_MAX_SIDE + 0.5))
        return eff_fail(err, EFF_EARG, "resolution: %d pixels times %g is more than %d", side, factor, EFF_MAX_SIDE);
    *out = (int)lround(px);
    return EFF_OK;
}

eff_status eff_scale_compound(eff_model **out, const eff_model *base, eff_compound *c, eff_error *err)
{
    eff_table t;
    eff_status s;
    *out = NULL;
    if ((s = constant("alpha", c->alpha, 1, 100, err)) || (s = constant("beta", c->beta, 1, 100, err)) ||
        (s = constant("gamma", c->gamma, 1, 100, err)) || (s = constant("phi", c->phi, 0, 100, err)))
        return s;
    c->depth = pow(c->alpha, c->phi);
    c->width = pow(c->beta, c->phi);
    c->resolution = pow(c->gamma, c->phi);
    c->product = c->alpha * c->beta * c->beta * c->gamma * c->gamma;
    c->macs_predicted = (double)base->info.macs * c->depth * c->width * c->width * c->resolution * c->resolution;

    s = eff_table_scale(&t, &base->table, c->width, c->depth, 0, err);
    if (!s) s = scaled_side(base->table.height, c->resolution, &t.height, err);
    if (!s) s = scaled_side(base->table.width_px, c->resolution, &t.width_px, err);
    if (s) {
        eff_error_prefix(err, "phi %g", c->phi);
        return s;
    }
    return eff_model_new(out, &t, err);
}
