/* SPDX-License-Identifier: Apache-2.0 */
/* The set of labelled images that a command works on. */
#ifndef EFFNET_CLI_OPEN_SET_H
#define EFFNET_CLI_OPEN_SET_H

#include "options.h"

#include <effnet/data.h>

/** Open the set that the first operand names, split by --val and --seed, looked at on --threads, with a progress bar. The caller
 * frees *out. @return CLI_OK or an exit status */
int cli_open_set(const cli_args *a, eff_dataset **out);

#endif
