/* SPDX-License-Identifier: Apache-2.0 */
#include "scale/trial_text.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

json_t *eff_trial_recipe_json(const eff_recipe *recipe)
{
    eff_recipe r = *recipe; /* it keeps the text of a value */
    json_t *const j = json_object();
    bool good = j != NULL;
    for (int i = 0; good && i < eff_recipe_count(); i++)
        if (i != EFF_KEY_EPOCHS && i != EFF_KEY_KEEP && eff_recipe_matters(&r, i))
            good = eff_json_put(j, eff_recipe_key(i, NULL), json_string(eff_recipe_value(&r, i, NULL)));
    if (good) return j;
    json_decref(j);
    return NULL;
}

eff_status eff_trial_dump(char **out, json_t *j, eff_error *err)
{
    *out = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(j);
    return *out ? EFF_OK : eff_fail_memory(err, 0);
}

const char *eff_trial_keep(char **text, json_t *j)
{
    free(*text);
    *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return *text;
}

eff_status eff_trial_result_text(char **out, const eff_trial_score *r, double latency, eff_error *err)
{
    json_t *const j = json_pack("{s:f, s:f, s:f, s:i, s:i}", "top1", r->top1, "loss", r->loss, "train_loss",
                                r->train_loss, "hits", r->hits, "images", r->images);
    if (j && latency > 0 && !eff_json_put(j, "latency", json_real(latency))) {
        json_decref(j);
        return eff_fail_memory(err, 0);
    }
    return eff_trial_dump(out, j, err);
}

eff_status eff_trial_result_read(double *top1, double *latency, const char *text, eff_error *err)
{
    json_t *j = NULL;
    eff_status e = text ? eff_json_parse(&j, text, strlen(text), "result", err)
                        : eff_fail(err, EFF_EFORMAT, "result: there is none");
    const json_t *const v = json_object_get(j, "top1"), *const l = json_object_get(j, "latency");
    if (e == EFF_OK && (!json_is_number(v) || !(json_number_value(v) >= 0 && json_number_value(v) <= 1)))
        e = eff_fail(err, EFF_EFORMAT, "result: top1: expected 0..1");
    if (e == EFF_OK && l && !(json_is_number(l) && json_number_value(l) > 0))
        e = eff_fail(err, EFF_EFORMAT, "result: latency: expected a positive number");
    if (e == EFF_OK) *top1 = json_number_value(v);
    if (e == EFF_OK && latency) *latency = l ? json_number_value(l) : 0;
    json_decref(j);
    if (e == EFF_EFORMAT) eff_error_prefix(err, "damaged trial store");
    return e;
}
