/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, one file each. */
#ifndef EFFNET_CLI_COMMANDS_H
#define EFFNET_CLI_COMMANDS_H

#include "options.h"

extern const cli_cmd cmd_info, cmd_scale, cmd_convert, cmd_predict, cmd_eval, cmd_train, cmd_data, cmd_advise, cmd_search, cmd_bench, cmd_pull;
extern const cli_cmd cmd_scale_fit, cmd_scale_study; /* of `scale` */

/* Commands and sub-commands of the contract that this version does not have yet; NULL at the end. */
extern const char *const cli_later[];

typedef struct cli_about {
    const char *summary;  /* one line                                */
    const char *about;    /* paragraphs for the man page             */
    const char *models;   /* what MODEL means                        */
    const char *examples; /* as those of a command                   */
} cli_about;
extern const cli_about cli_program;

#endif
