/* SPDX-License-Identifier: Apache-2.0 */
/* A bench: all networks of a small space, each trained once. A TSV with a header; columns child, macs, params and top1,
 * in any order, others are passed over, so are lines that begin with '#'. */
#ifndef EFF_TOOLS_SEARCH_BENCH_H
#define EFF_TOOLS_SEARCH_BENCH_H

#include "search/objective.h"
#include "search/space.h"

typedef struct bench_row {
    eff_child child; /* canonical */
    double cost[EFF_COSTS];
    double top1; /* NaN: did not train */
    double reward;
} bench_row;

typedef struct bench {
    bench_row *row; /* in the order of their choices */
    int n;
} bench;

/** @return EFF_EFORMAT naming the line: a column or number that is missing or out of range, a child that is none of the
 * space or comes twice; or a network of the space that is not there */
eff_status bench_load(bench *b, const char *path, const eff_space *s, eff_error *err);
void bench_free(bench *b);

/** NULL when it is not there. */
const bench_row *bench_find(const bench *b, const eff_child *canonical);

#endif
