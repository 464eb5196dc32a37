/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, one file each. */
#ifndef EFFNET_CLI_COMMANDS_H
#define EFFNET_CLI_COMMANDS_H

#include "options.h"

extern const cli_cmd cmd_info, cmd_scale, cmd_convert, cmd_predict, cmd_eval, cmd_bench;

#endif
