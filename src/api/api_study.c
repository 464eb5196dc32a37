/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions of studies that need no study yet. */
#include "base/mem.h"
#include "scale/constants.h"
#include "scale/trial.h"

#include <effnet/study.h>

EFF_API void eff_study_opts_init(eff_study_opts *o)
{
    *o = (eff_study_opts){ .cache = (size_t)1536 << 20,
                           .multiple = 1,
                           .target = 2,
                           .tolerance = 0.1,
                           .step = 0.1,
                           .paid = 0.35,
                           .alpha = 1.2,
                           .beta = 1.1,
                           .gamma = 1.15,
                           .figure4 = -1,
                           .gain = 0.01 };
}

EFF_API eff_status eff_study_recipe(eff_recipe **out, const eff_model *base, const eff_dataset *d, eff_error *err)
{
    if (!out || !base || !d) return eff_fail(err, EFF_EARG, "eff_study_recipe: out, base and set are needed");
    const eff_model_info *const i = eff_model_get_info(base);
    const eff_facts f = { .images = (int)eff_dataset_count(d, EFF_PART_TRAIN),
                          .classes = eff_dataset_classes(d),
                          .side = i->height < i->width_px ? i->height : i->width_px };
    *out = eff_malloc(sizeof **out);
    if (!*out) return eff_fail_memory(err, sizeof **out);
    eff_trial_recipe(*out, &f);
    return EFF_OK;
}

EFF_API eff_status eff_study_constants(const char *path, double *alpha, double *beta, double *gamma, eff_error *err)
{
    eff_constants c;
    if (!path || !alpha || !beta || !gamma)
        return eff_fail(err, EFF_EARG, "eff_study_constants: path, alpha, beta and gamma are needed");
    const eff_status s = eff_constants_load(&c, path, err);
    if (s != EFF_OK) return s;
    *alpha = c.alpha;
    *beta = c.beta;
    *gamma = c.gamma;
    return EFF_OK;
}
