/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints of TensorFlow (version 2 of its format): NAME.index and NAME.data-00000-of-00001 beside it. */
#ifndef EFF_FORMATS_BUNDLE_H
#define EFF_FORMATS_BUNDLE_H

#include "formats/checkpoint.h"

#include <stdbool.h>

/** Which file to open for what a person calls a checkpoint: NAME for NAME.index, one of its data files, a folder with a
 * file "checkpoint" or with exactly one index; anything else is itself. *file is eff_malloc'ed.
 * @return EFF_EFORMAT for a folder in which there is none or no telling which */
eff_status eff_bundle_find(char **file, const char *path, eff_error *err);

/** Does `path` name no file itself, but a checkpoint whose index is PATH.index? */
bool eff_bundle_is_prefix(const char *path);

/** By content: does the file end as an index does? By name: does it end in ".index"? */
bool eff_bundle_is_index(int fd, uint64_t size);
bool eff_bundle_is_index_name(const char *path);

/** Fill `c` (its fd set) from the index of `size` bytes that lies at `path`. On failure the caller closes `c`. */
eff_status eff_bundle_open(eff_checkpoint *c, const char *path, uint64_t size, eff_error *err);

#endif
