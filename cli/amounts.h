/* SPDX-License-Identifier: Apache-2.0 */
/* Options that are amounts with a unit: times and sizes. */
#ifndef EFFNET_CLI_AMOUNTS_H
#define EFFNET_CLI_AMOUNTS_H

#include "options.h"

/** A time such as "30m", "1h30m", "90s" or "90" as seconds; a size such as "800M" or "2G" as bytes. *out stays as it is
 * where the option is unset. @return CLI_OK or an exit status */
int cli_time_option(const cli_args *a, const char *name, double *out);
int cli_size_option(const cli_args *a, const char *name, size_t *out);

#endif
