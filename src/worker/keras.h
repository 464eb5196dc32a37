/* SPDX-License-Identifier: Apache-2.0 */
/* Keras' conventions: what variables are called, what the layers in front of a network do to its input, and its zip
 * archive. */
#ifndef EFF_WORKER_KERAS_H
#define EFF_WORKER_KERAS_H

#include "formats/checkpoint.h"

#include <zip.h>

/** LAYER/LEAF ("stem_conv/kernel") for a dataset at `path`. Keras 3 has "layers/conv2d_1/vars/0", `layer` being what
 * its group is called; older files end in "stem_conv/kernel:0".
 * @return false for the states of an optimiser and the like */
bool eff_keras_name(char *out, size_t size, const char *path, const char *layer);

/** Find out from the model's configuration (JSON, NULL = not in the file) and its Normalization layer how pictures are
 * normalised, and note it in `c`. */
eff_status eff_keras_input(eff_checkpoint *c, const char *config, eff_error *err);

/** Is the archive a Keras model? */
bool eff_keras_is_zip(zip_t *z);
/** Its weights and configuration, eff_malloc'ed. `size`: of the archive, bytes. */
eff_status eff_keras_unzip(zip_t *z, uint64_t size, unsigned char **weights, size_t *n, char **config, eff_error *err);

#endif
