/* SPDX-License-Identifier: Apache-2.0 */
/* A model as ONNX: opset 17, IR 8, one input ("input"), one output ("logits", of a body without classes
 * "features"), any number of images at once. */
#ifndef EFF_FORMATS_ONNX_H
#define EFF_FORMATS_ONNX_H

#include "model/model.h"

#include <stdio.h>

enum { EFF_ONNX_OPSET = 17, EFF_ONNX_IR = 8 };

/* TensorProto.DataType, as far as these files use them */
enum { EFF_ONNX_FLOAT = 1, EFF_ONNX_UINT8 = 2, EFF_ONNX_INT64 = 7 };

#define EFF_ONNX_MOST_BYTES ((uint64_t)INT32_MAX) /* a message of protocol buffers ends there */

/** Bytes of the file that eff_onnx_write() would make; the model needs no weights for it. EFF_EUNSUPPORTED above
 * EFF_ONNX_MOST_BYTES. */
eff_status eff_onnx_size(uint64_t *bytes, const eff_model *m, bool with_preprocess, eff_error *err);

/** Write `m` at the size of its preprocessing. The same model gives the same bytes. A failed write is seen in f's error
 * flag.
 * @param with_preprocess  input uint8 [batch][h][w][3], mean and standard deviation in the graph; else float32
 *                         [batch][3][h][w], normalised
 * @return EFF_EARG for a model without weights */
eff_status eff_onnx_write(FILE *f, const eff_model *m, bool with_preprocess, eff_error *err);

#endif
