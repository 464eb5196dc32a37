/* SPDX-License-Identifier: Apache-2.0 */
/* PyTorch checkpoints: the zip of torch.save since 1.6 and the stream of pickles before. Nothing in them is executed. */
#ifndef EFF_FORMATS_PYTORCH_H
#define EFF_FORMATS_PYTORCH_H

#include "formats/checkpoint.h"

/** Fill `c` (its fd set). On failure the caller closes `c`. */
eff_status eff_pytorch_open_zip(eff_checkpoint *c, eff_error *err);
eff_status eff_pytorch_open_legacy(eff_checkpoint *c, uint64_t size, eff_error *err);

#endif
