/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters, multiply-adds and activation sizes of a graph (reference §2: MACs of convolutions and linear layers, batch 1). */
#ifndef EFF_MODEL_COUNT_H
#define EFF_MODEL_COUNT_H

#include "model/graph.h"

typedef struct eff_counts {
    uint64_t params, bn_buffers, macs;
    uint64_t macs_stem, macs_dw, macs_pw, macs_full, macs_se, macs_head, macs_fc; /* columns of model_stats.tsv */
    uint64_t conv_out_elems;
    int conv_layers, blocks;
} eff_counts;

void eff_count(eff_counts *out, const eff_graph *g);

/** Rows for people and JSON: stem, stages, head (if any), classifier. Sums of params and macs are the totals.
 * @return number of rows written, at most EFF_MAX_STAGES + 3 */
int eff_count_rows(eff_stage_info *rows, const eff_table *t, const eff_graph *g);

#endif
