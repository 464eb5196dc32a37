/* SPDX-License-Identifier: Apache-2.0 */
/* The model file: what __metadata__["effnet"] of a .effnet file says, and writing one (docs/formats.md). */
#ifndef EFF_FORMATS_MODELFILE_H
#define EFF_FORMATS_MODELFILE_H

#include "model/model.h"

#include <jansson.h>

enum { EFF_MODELFILE_VERSION = 1 }; /* a reader refuses higher ones; fields may be added without raising it */

#define EFF_TEMPERATURE_LEAST 0.01
#define EFF_TEMPERATURE_MOST  100.0

/** `code` unless t is a temperature that a model file may hold. */
eff_status eff_modelfile_check_temperature(double t, eff_status code, eff_error *err);

/** The key of a record, and the record as it is kept: compact JSON; eff_free() it. `code` when v is none, naming the
 * key. */
const char *eff_modelfile_record_key(eff_record which);
eff_status eff_modelfile_record(char **out, eff_record which, const json_t *v, eff_status code, eff_error *err);

/** Parse the JSON text, check schema and version. *root: release with json_decref(). */
eff_status eff_modelfile_parse(json_t **root, const char *text, eff_error *err);

/** The table in it. */
eff_status eff_modelfile_table(eff_table *t, const json_t *root, eff_error *err);

/** Everything beside the table, into a model made of that table. */
eff_status eff_modelfile_meta(eff_model *m, const json_t *root, eff_error *err);

/** The JSON text for a model; eff_free() it. The same model gives the same bytes. */
eff_status eff_modelfile_text(char **out, const eff_model *m, eff_error *err);

/** Write all of a model as .effnet, or its tensors alone as plain safetensors. Atomic. EFF_EARG when it has no
 * weights. */
eff_status eff_modelfile_save(const eff_model *m, const char *path, bool tensors_only, eff_error *err);

#endif
