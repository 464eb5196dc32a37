/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs an exported file: ONNX Runtime, loaded while the program runs, or our own evaluator. */
#ifndef EFF_EXPORT_RUNTIME_H
#define EFF_EXPORT_RUNTIME_H

#include "formats/onnx_read.h"

typedef struct eff_runtime eff_runtime;

/** Load the library at `path`, NULL = the one that the loader finds. *out is NULL, with EFF_OK, when path is NULL and
 * there is none.
 * @return EFF_EFORMAT when `path` is no library of ONNX Runtime, or one that knows nothing of its first interface */
eff_status eff_runtime_load(eff_runtime **out, const char *path, eff_error *err);

/** Read the model at `path`. EFF_EFORMAT with the runtime's own words when it refuses. */
eff_status eff_runtime_open(eff_runtime *r, const char *path, int threads, eff_error *err);

/** Run it: x as `g` says its input is, `batch` images, out [batch][classes]. */
eff_status eff_runtime_run(eff_runtime *r, const eff_onnx *g, const void *x, int batch, float *out, int classes,
                           eff_error *err);

const char *eff_runtime_version(const eff_runtime *r);
void eff_runtime_free(eff_runtime *r);

#endif
