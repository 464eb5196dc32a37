/* SPDX-License-Identifier: Apache-2.0 */
/* An ONNX file on its way out of the worker: its weights as any tensors, its graph as JSON beside them. */
#ifndef EFF_FORMATS_ONNX_STREAM_H
#define EFF_FORMATS_ONNX_STREAM_H

#include "formats/checkpoint.h"
#include "formats/onnx_read.h"

/** Does a file that begins so look like ONNX? */
bool eff_onnx_begins(const unsigned char *head, size_t n);

/** The worker's side: fill `c` from the ONNX file c->fd of `size` bytes. On failure the caller closes `c`. */
eff_status eff_onnx_open_weights(eff_checkpoint *c, uint64_t size, eff_error *err);

/** Read a file through the worker. EFF_EFORMAT for what is damaged, contradicts itself or is no ONNX, EFF_EUNSUPPORTED
 * for what effnet does not write. Free *out with eff_onnx_close() when this gave EFF_OK. */
eff_status eff_onnx_open(eff_onnx *out, const char *path, eff_error *err);

/** The same of what eff_checkpoint_open() gave for the file; `c` is taken whatever the outcome. */
eff_status eff_onnx_of_checkpoint(eff_onnx *out, eff_checkpoint *c, eff_error *err);

/** Part of eff_onnx_close(); NULL is fine. */
void eff_onnx_source_free(eff_onnx_source *s);

#endif
