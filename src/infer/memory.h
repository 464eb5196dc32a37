/* SPDX-License-Identifier: Apache-2.0 */
/* Static placement of buffers with known lifetimes in one arena. */
#ifndef EFF_INFER_MEMORY_H
#define EFF_INFER_MEMORY_H

#include "base/error.h"

typedef struct eff_buffer {
    size_t bytes;
    int first, last; /* steps between which it lives, both inclusive */
    size_t offset;   /* filled; a multiple of EFF_ALIGN              */
} eff_buffer;

/** Place n buffers: largest first, each at the lowest offset where no buffer that lives at the same time overlaps.
 * @return the arena's size in *total */
eff_status eff_place_buffers(eff_buffer *b, int n, size_t *total, eff_error *err);

#endif
