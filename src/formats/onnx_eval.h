/* SPDX-License-Identifier: Apache-2.0 */
/* Runs an ONNX file as it was read, operator by operator: what an export is held against where ONNX Runtime is not at
 * hand. */
#ifndef EFF_FORMATS_ONNX_EVAL_H
#define EFF_FORMATS_ONNX_EVAL_H

#include "formats/onnx_read.h"

#define EFF_ONNX_ANY_WORK UINT64_MAX

/** Score `batch` images.
 * @param x     of the input's type and shape, `batch` where that is open
 * @param n     elements of the output expected
 * @param work  multiply-adds and elements allowed; more is EFF_EUNSUPPORTED
 * @return EFF_EFORMAT where shapes contradict each other, EFF_EUNSUPPORTED for an operator that no export uses. *g is
 * only read: threads may share it. */
eff_status eff_onnx_eval(const eff_onnx *g, const void *x, int batch, float *out, size_t n, uint64_t work,
                         eff_error *err);

#endif
