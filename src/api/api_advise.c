/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions of advice. */
#include "scale/advise_internal.h"

EFF_API void eff_advise_opts_init(eff_advise_opts *o) { *o = (eff_advise_opts){ .seconds = 60, .longest = 12 * 3600 }; }

EFF_API eff_status eff_advise(eff_advice **out, const eff_dataset *d, const eff_advise_opts *o, eff_error *err)
{
    if (!out || !d || !o) return eff_fail(err, EFF_EARG, "eff_advise: out, d and o are needed");
    *out = NULL;
    if (o->nweights && !o->weights) return eff_fail(err, EFF_EARG, "eff_advise: expected names of weights, found NULL");
    if (!(o->seconds > 0 && o->seconds <= 86400))
        return eff_fail(err, EFF_EARG, "advice: expected 0..86400 seconds to measure in, found %g", o->seconds);
    if (!(o->longest > 0))
        return eff_fail(err, EFF_EARG, "advice: expected a longest training, found %g seconds", o->longest);
    if (!eff_dataset_count(d, EFF_PART_TRAIN)) return eff_fail(err, EFF_EARG, "advice: the set has no training images");
    return eff_advise_make(out, d, o, err);
}

EFF_API void eff_advice_free(eff_advice *a) { eff_advise_free(a); }

EFF_API const eff_variant *eff_advice_variant(const eff_advice *a, int i)
{
    return i >= 0 && i < a->n ? &a->c[a->decision.order[i]].v : NULL;
}

EFF_API const char *eff_advice_reason(const eff_advice *a, int i)
{
    return i >= 0 && i < a->decision.nreasons ? a->decision.reason[i] : NULL;
}

EFF_API eff_advice_facts eff_advice_get_facts(const eff_advice *a)
{
    return (
        eff_advice_facts){ .probed = a->s.probed, .side = a->s.side, .memory_bytes = a->s.memory, .seconds = a->took };
}
