/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of a Snappy block, as tables of TensorFlow checkpoints may hold them. */
#ifndef EFF_FORMATS_SNAPPY_H
#define EFF_FORMATS_SNAPPY_H

#include "base/error.h"

#include <stddef.h>

/** Expand in[0..n) into *out (eff_malloc'ed) of *size bytes. Nothing is allocated that n bytes cannot expand to, and
 * nothing above `limit` bytes. Damage is EFF_EFORMAT. */
eff_status eff_snappy_expand(const unsigned char *in, size_t n, size_t limit, unsigned char **out, size_t *size,
                             eff_error *err);

#endif
