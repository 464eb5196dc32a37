/* SPDX-License-Identifier: Apache-2.0 */
/* Pretrained weights at hand: where they are kept, and what is called what. */
#ifndef EFFNET_CLI_AT_HAND_H
#define EFFNET_CLI_AT_HAND_H

#include <stdbool.h>
#include <stddef.h>

/** Is there a regular file of this name? */
bool cli_is_file(const char *path);

/** Weights for the built-in `name` in the cache: their path in `out`. */
bool cli_cached_weights(const char *name, char *out, size_t room);

/** Does a file's name look like weights (.effnet, .pth, .pt, .safetensors)? */
bool cli_weights_name(const char *path);

/** How to come by weights for the built-in `name`: "sh tools/fetch_weights.sh lite0", or the published file to give
 * with --from; NULL where we know none. */
const char *cli_weights_hint(const char *name);

#endif
