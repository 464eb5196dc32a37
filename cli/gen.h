/* SPDX-License-Identifier: Apache-2.0 */
/* The generator of man pages and shell completions, which runs while building: it is linked with the commands' tables,
 * so what it writes cannot differ from what the program accepts. */
#ifndef EFFNET_CLI_GEN_H
#define EFFNET_CLI_GEN_H

#include "commands.h"

#include <stdio.h>

typedef enum gen_value {
    GEN_FLAG,  /* takes no value                            */
    GEN_FREE,  /* a number or text that nothing can guess   */
    GEN_WORDS, /* one of the words in *words                */
    GEN_FILES,
    GEN_MODELS
} gen_value;

/** What can be offered as the value of an option. */
gen_value gen_value_of(const cli_opt *o, const char **words);
/** Does this version have it? */
bool gen_has(const cli_opt *o);
/** Option i of a command, its own first, then the common ones; NULL after the last. Those of later versions are left
 * out. */
const cli_opt *gen_option(const cli_cmd *cmd, int i);
/** Name of a command's man page: "effnet-data-synth". */
void gen_page(const cli_cmd *cmd, char *out, size_t room);
/** Write the names of the built-in architectures, long and short ones, a space before each. */
void gen_models(FILE *f);

void gen_man_overview(FILE *f);
void gen_man_command(FILE *f, const cli_cmd *cmd);
void gen_bash(FILE *f);
void gen_zsh(FILE *f);
void gen_fish(FILE *f);

#endif
