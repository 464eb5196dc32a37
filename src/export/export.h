/* SPDX-License-Identifier: Apache-2.0 */
/* What include/effnet/export.h promises, behind its argument checks. */
#ifndef EFF_EXPORT_EXPORT_H
#define EFF_EXPORT_EXPORT_H

#include "model/model.h"

#include <effnet/export.h>

eff_status eff_export_onnx_file(const eff_model *m, const char *path, const eff_export_opts *o, eff_parity *p,
                                eff_error *err);
eff_status eff_export_weights_file(const eff_model *m, const char *path, const char *names, char loads_as[64],
                                   eff_error *err);
eff_status eff_export_label_files(const eff_model *m, const char *path, eff_error *err);

#endif
