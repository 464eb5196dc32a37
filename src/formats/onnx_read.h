/* SPDX-License-Identifier: Apache-2.0 */
/* An ONNX file read back: its nodes in order, its weights, its input and output, each value under a number. Nothing of
 * it is believed: lengths are held against the file, every value is made once and before it is read. */
#ifndef EFF_FORMATS_ONNX_READ_H
#define EFF_FORMATS_ONNX_READ_H

#include "base/error.h"
#include "formats/onnx_wire.h"

enum { EFF_ONNX_DIMS = 6, EFF_ONNX_INPUTS = 4 };

typedef struct eff_onnx_shape {
    int type; /* TensorProto.DataType                 */
    int ndim;
    int64_t dim[EFF_ONNX_DIMS]; /* -1: any number of them (images) */
} eff_onnx_shape;

typedef struct eff_onnx_tensor {
    int value;
    eff_slice name;
    eff_onnx_shape shape;
    size_t count;  /* elements                                                              */
    eff_slice raw; /* as many, little-endian, anywhere; of floats only where the worker sent it */
} eff_onnx_tensor;

typedef struct eff_onnx_attribute {
    eff_slice name;
    float f;
    int64_t i;
    int nints; /* of a list */
    int64_t ints[8];
    eff_slice text;
} eff_onnx_attribute;

typedef struct eff_onnx_node {
    eff_slice op, name;
    int nin, in[EFF_ONNX_INPUTS]; /* values; -1 = left out */
    int out;
    int attributes, nattributes; /* in eff_onnx.attribute */
} eff_onnx_node;

typedef struct eff_onnx_source eff_onnx_source;

typedef struct eff_onnx {
    eff_onnx_source *source; /* what all slices point into (onnx_stream.c); NULL: the bytes that were parsed, borrowed */
    int64_t ir, opset;
    eff_onnx_node *node;
    eff_onnx_attribute *attribute;
    eff_onnx_tensor *tensor;
    size_t nnodes, nattributes, ntensors;
    int nvalues;
    int input, output; /* values: one of each */
    eff_slice input_name, output_name;
    eff_onnx_shape input_shape, output_shape;
} eff_onnx;

/** Read a file's bytes, which are borrowed: in the worker, and in tests (eff_onnx_open() in onnx_stream.h is for the others).
 * EFF_EFORMAT for what is damaged or contradicts itself, EFF_EUNSUPPORTED for what effnet does not write.
 * Free *out with eff_onnx_close() when this gave EFF_OK. */
eff_status eff_onnx_parse(eff_onnx *out, const unsigned char *bytes, size_t size, eff_error *err);
void eff_onnx_close(eff_onnx *g);

/** Is every value made once, and before it is read? Numbers of values must be in range. EFF_EFORMAT if not. */
eff_status eff_onnx_check(const eff_onnx *g, eff_error *err);

/** The attribute of `n` called `name`, or NULL. */
const eff_onnx_attribute *eff_onnx_find(const eff_onnx *g, const eff_onnx_node *n, const char *name);

#endif
