/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 files as Keras writes them, through the HDF5 library. Only the worker may include this. */
#ifndef EFF_WORKER_HDF5_H
#define EFF_WORKER_HDF5_H

#include "formats/checkpoint.h"

/** Before the process is confined. */
void eff_hdf5_prepare(void);

/** Fill `c` with the datasets of the n bytes at `image`, which is taken (eff_free) whatever the outcome. Names are the
 * paths as eff_keras_name() spells them. *config (eff_malloc'ed) is the text of the root's attribute "model_config", or
 * NULL. On failure the caller closes `c`. */
eff_status eff_hdf5_open(eff_checkpoint *c, void *image, size_t n, char **config, eff_error *err);

#endif
