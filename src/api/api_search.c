/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions of searches that need no search yet. */
#include "formats/formats.h"
#include "search/space.h"

#include <effnet/search.h>

EFF_API void eff_search_opts_init(eff_search_opts *o)
{
    *o = (eff_search_opts){ .space = "small",
                            .controller = "evolution",
                            .evaluator = "proxy",
                            .cost = "macs",
                            .exponent = -0.07,
                            .trials = 100,
                            .control = 0.2,
                            .ahead = 3,
                            .finalists = 9,
                            .sample = 8,
                            .repeats = 3,
                            .cache = (size_t)1536 << 20 };
}

EFF_API eff_status eff_search_base(eff_model **out, const char *space, const char *base, eff_error *err)
{
    const eff_model_opts plain = { 0 };
    eff_space s;
    if (!out || !space) return eff_fail(err, EFF_EARG, "eff_search_base: out and space are needed");
    if (base) return eff_formats_load(out, base, &plain, err);
    const eff_status e = eff_space_load(&s, space, NULL, err);
    return e == EFF_OK ? eff_model_new(out, &s.base, err) : e;
}
