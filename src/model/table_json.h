/* SPDX-License-Identifier: Apache-2.0 */
/* The table as JSON, alone in a file or inside a model file: one schema (docs/formats.md). */
#ifndef EFF_MODEL_TABLE_JSON_H
#define EFF_MODEL_TABLE_JSON_H

#include "model/table.h"

#include <jansson.h>

json_t *eff_table_to_json(const eff_table *t); /* new reference, NULL when memory ends */
/** Unknown keys, wrong types and values out of range are EFF_EFORMAT naming the field ("stages[2].kernel"). */
eff_status eff_table_from_json(eff_table *out, const json_t *j, eff_error *err);

#endif
