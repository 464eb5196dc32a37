/* SPDX-License-Identifier: Apache-2.0 */
/* Trials as text in a store: the recipe as part of a key, and results. */
#ifndef EFF_SCALE_TRIAL_TEXT_H
#define EFF_SCALE_TRIAL_TEXT_H

#include "scale/trial.h"

#include <jansson.h>

/** The recipe's values that do something to a trial, but for its epochs. New reference, NULL when memory ends. */
json_t *eff_trial_recipe_json(const eff_recipe *r);

/** A JSON text with sorted keys, so that the same thing is the same text; takes j over. Release with free(). */
eff_status eff_trial_dump(char **out, json_t *j, eff_error *err);

/** A JSON text in *text, in place of the one that was there; takes j over. @return it, NULL when memory ended */
const char *eff_trial_keep(char **text, json_t *j);

/** What a trial gave. What decides nothing (seconds, threads) is not part of it. `latency` in seconds is, where it is
 * above 0. Release with free(). */
eff_status eff_trial_result_text(char **out, const eff_trial_score *r, double latency, eff_error *err);

/** Its accuracy read back, and its latency (NULL to ignore; 0 where there is none). EFF_EFORMAT for what is no result. */
eff_status eff_trial_result_read(double *top1, double *latency, const char *text, eff_error *err);

#endif
