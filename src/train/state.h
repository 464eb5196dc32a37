/* SPDX-License-Identifier: Apache-2.0 */
/* What a run needs to go on bit for bit: weights, averaged weights, the optimiser's vectors and counter, and the
 * progress of the loop as JSON. One safetensors file, saved atomically, whose metadata also carries the table: a run
 * can be taken up from it alone. */
#ifndef EFF_TRAIN_STATE_H
#define EFF_TRAIN_STATE_H

#include "model/model.h"
#include "train/optim.h"

#include <jansson.h>

/** @param progress  borrowed; numbers are kept to the bit */
eff_status eff_state_save(const char *path, const eff_model *m, const eff_optim *opt, const json_t *progress,
                          eff_error *err);

typedef struct eff_state eff_state;

/** Open a saved state. EFF_EFORMAT when it is damaged. */
eff_status eff_state_open(eff_state **out, const char *path, eff_error *err);
void eff_state_close(eff_state *s);

/** A model of the state's table with its weights. */
eff_status eff_state_model(eff_model **out, const eff_state *s, eff_error *err);
const json_t *eff_state_progress(const eff_state *s); /* borrowed until eff_state_close() */

/** Put weights (of a model with the same table) and, unless NULL, the optimiser back. */
eff_status eff_state_restore(const eff_state *s, eff_model *m, eff_optim *opt, eff_error *err);

#endif
