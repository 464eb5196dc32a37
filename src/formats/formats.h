/* SPDX-License-Identifier: Apache-2.0 */
/* What the rest of effnet asks of files: load a model from any of them, save one. */
#ifndef EFF_FORMATS_FORMATS_H
#define EFF_FORMATS_FORMATS_H

#include "model/model.h"

/** Load what `spec` means (cli.md, MODEL): an existing path wins; else an argument with '/' or a known suffix is a missing file
 * (EFF_EFORMAT); else a built-in name. */
eff_status eff_formats_load(eff_model **out, const char *spec, const eff_model_opts *o, eff_error *err);

/** Save by suffix: .effnet, .safetensors, .json. Another suffix is EFF_EARG. */
eff_status eff_formats_save(const eff_model *m, const char *path, eff_error *err);

/** Class names from a file (effnet.h, eff_model_set_classes); EFF_EFORMAT naming the line, *m unchanged. */
eff_status eff_formats_read_classes(eff_model *m, const char *path, eff_error *err);

#endif
