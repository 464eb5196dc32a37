/* SPDX-License-Identifier: Apache-2.0 */
/* The network within a tensor file: out of training checkpoints, of TensorFlow's variables, of a stem for other
 * pictures. */
#ifndef EFF_FORMATS_UNWRAP_H
#define EFF_FORMATS_UNWRAP_H

#include "formats/checkpoint.h"

/** A view of the tensors of `file` that are the network, under the names and in the layout that recognition knows:
 * prefixes such as "state_dict.module." and scopes taken off, moving averages preferred to the weights they follow,
 * optimiser states left out, TensorFlow's and Keras' axes in PyTorch's order. *view->note says what was chosen. `channels` 3: a
 * stem for another number of input channels is adapted to colour. *view = NULL: the file is what it is. The view
 * borrows the file; eff_checkpoint_close() it first.
 * @return EFF_EFORMAT when there are several networks and no telling which */
eff_status eff_unwrap(eff_checkpoint **view, const eff_checkpoint *file, int channels, eff_error *err);

#endif
