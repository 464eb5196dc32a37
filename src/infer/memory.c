/* SPDX-License-Identifier: Apache-2.0 */
/* Greedy placement by size. For the networks here it stays within a few percent of the largest sum of live buffers. */
#include "infer/memory.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>

typedef struct placed {
    const eff_buffer *b;
    int index;
} placed;

static int larger_first(const void *x, const void *y)
{
    const placed *a = x, *b = y;
    if (a->b->bytes != b->b->bytes) return a->b->bytes < b->b->bytes ? 1 : -1;
    return a->index - b->index; /* a total order: the same plan every time */
}

static bool alive_together(const eff_buffer *a, const eff_buffer *b) { return a->first <= b->last && b->first <= a->last; }

eff_status eff_place_buffers(eff_buffer *b, int n, size_t *total, eff_error *err)
{
    *total = 0;
    placed *order = eff_malloc((size_t)n * sizeof *order);
    if (!order) return eff_fail_memory(err, (size_t)n * sizeof *order);
    for (int i = 0; i < n; i++) order[i] = (placed){ &b[i], i };
    qsort(order, (size_t)n, sizeof *order, larger_first);
    for (int i = 0; i < n; i++) {
        eff_buffer *p = &b[order[i].index];
        p->bytes = eff_round_up(p->bytes, EFF_ALIGN);
        size_t at = 0;
        for (bool moved = true; moved;) { /* climb over whatever lies in the way until nothing does */
            moved = false;
            for (int j = 0; j < i; j++) {
                const eff_buffer *q = order[j].b;
                if (alive_together(p, q) && at < q->offset + q->bytes && q->offset < at + p->bytes) {
                    at = q->offset + q->bytes;
                    moved = true;
                }
            }
        }
        p->offset = at;
        if (at + p->bytes > *total) *total = at + p->bytes;
    }
    eff_free(order);
    return EFF_OK;
}
