/* SPDX-License-Identifier: Apache-2.0 */
/* What `effnet scale` says of the paper: the released family beside the formula, tables 3 and 7 counted again, and a
 * picture of the published figures. */
#ifndef EFFNET_CLI_SCALE_PAPER_H
#define EFFNET_CLI_SCALE_PAPER_H

#include "common.h"
#include "paper.h"

/** The released networks whose phi is in first..last, and where they leave the formula. @return an exit status */
int scale_print_released(double first, double last);
/** The released network `p` for scripts; *status: an exit status. */
json_t *scale_released_json(const paper_model *p, int *status);

/** Table 3 or 7 with exact counts, and what is to be said of the printed ones. @return an exit status */
int scale_table(const cli_args *a, int table);

/** Published accuracy against published cost and size as an SVG file. @return an exit status */
int scale_plot(const char *path);

#endif
