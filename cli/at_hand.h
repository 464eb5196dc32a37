/* SPDX-License-Identifier: Apache-2.0 */
/* Pretrained weights at hand: where they are kept, and what is called what. */
#ifndef EFFNET_CLI_AT_HAND_H
#define EFFNET_CLI_AT_HAND_H

#include <effnet/effnet.h>

#include <stdbool.h>
#include <stddef.h>

/** Is there a regular file of this name? */
bool cli_is_file(const char *path);

/** Weights for the built-in `name` in the cache: their path in `out`. */
bool cli_cached_weights(const char *name, char *out, size_t room);

/** Does a file's name look like weights (.effnet, .pth, .pt, .safetensors)? */
bool cli_weights_name(const char *path);

/** Weights by the name that the catalogue has for them, if they were pulled: their path in `out`.
 * @return EFF_EARG when they were not (err says how to) or when there is no such name (err stays as it is) */
eff_status cli_pulled_weights(const char *name, char *out, size_t room, eff_error *err);

/** How to come by weights for the built-in `name`: "effnet pull lite0"; NULL where the catalogue has none. Valid until
 * the next call. */
const char *cli_weights_hint(const char *name);

#endif
