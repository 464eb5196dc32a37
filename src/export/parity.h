/* SPDX-License-Identifier: Apache-2.0 */
/* The gate of every export: the file and the model it was made of answer the same pictures. */
#ifndef EFF_EXPORT_PARITY_H
#define EFF_EXPORT_PARITY_H

#include "model/model.h"

#include <effnet/export.h>

/** Run the ONNX file at `path` and the model `m`, fill *p. A file that cannot be run did not pass: p->reason says why.
 */
eff_status eff_parity_run(eff_parity *p, const eff_model *m, const char *path, const eff_export_opts *o,
                          eff_error *err);

#endif
