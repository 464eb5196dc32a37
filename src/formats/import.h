/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose parsers are kept out of this process (PyTorch, Keras): the worker reads them and sends a safetensors
 * stream, whose metadata say under EFF_IMPORT_KEY, as JSON, what the tensors alone do not. */
#ifndef EFF_FORMATS_IMPORT_H
#define EFF_FORMATS_IMPORT_H

#include "formats/checkpoint.h"

#define EFF_IMPORT_KEY "effnet-import"
#define EFF_HDF5_MAGIC "\x89HDF\r\n\x1a\n"

/** Fill `c` from the file c->fd, which is replaced by the worker's stream. On failure the caller closes `c`. */
eff_status eff_import(eff_checkpoint *c, eff_error *err);

/** The worker's side: write the stream for `c` to descriptor `fd`. */
eff_status eff_import_send(int fd, const eff_checkpoint *c, eff_error *err);

#endif
