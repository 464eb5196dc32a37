/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose parsers are kept out of this process (PyTorch, Keras, ONNX): the worker reads them and sends a
 * safetensors stream, whose metadata say under EFF_IMPORT_KEY, as JSON, what the tensors alone do not. */
#ifndef EFF_FORMATS_IMPORT_H
#define EFF_FORMATS_IMPORT_H

#include "formats/checkpoint.h"

#define EFF_IMPORT_KEY "effnet-import"
enum { EFF_IMPORT_MOST_TEXT = 4 << 20 }; /* bytes of it: what a parser of JSON makes of them is many times as large */
#define EFF_HDF5_MAGIC "\x89HDF\r\n\x1a\n"

/** Fill `c` from the file c->fd, which is replaced by the worker's stream. On failure the caller closes `c`. */
eff_status eff_import(eff_checkpoint *c, eff_error *err);

/** The second half of it: fill `c` from the stream `fd` of `size` bytes, which takes the place of c->fd (-1: none). */
eff_status eff_import_receive(eff_checkpoint *c, int fd, uint64_t size, eff_error *err);

/** The worker's side: write the stream for `c` to descriptor `fd`. */
eff_status eff_import_send(int fd, const eff_checkpoint *c, eff_error *err);

#endif
