/* SPDX-License-Identifier: Apache-2.0 */
/* What `effnet info` says of a file as a file: its bytes and hash, the tensors in it and their types, and what had to
 * be assumed to make a model of it. */
#ifndef EFFNET_CLI_FILE_FACTS_H
#define EFFNET_CLI_FILE_FACTS_H

#include "options.h"
#include "output.h"

typedef struct cli_file_facts {
    bool known; /* false: what was read is no file (a built-in) */
    uint64_t bytes;
    size_t files; /* of a TensorFlow checkpoint: its index and data files, whose bytes and hash these are as if they
                     were one; else 0 */
    char sha256[65];
} cli_file_facts;

/** Read the file at `path`, if it is one, or the files of c (NULL: none was opened). @return CLI_OK or the exit status
 * after one line */
int cli_find_facts(cli_file_facts *f, const char *path, const eff_checkpoint *c);

/** Lines of info's list of facts. `c`: the directory of its tensors, NULL when it has none. `hint` ends the line on
 * them. */
void cli_print_facts(const cli_file_facts *f, const char *format, const eff_checkpoint *c, const char *hint);
/** What of a model is not said by its file, and the options that override it. */
void cli_print_assumed(const cli_args *a, const eff_model *m);

/** The keys "file" and "assumed" of info's JSON; m NULL: no model was made of it. */
void cli_facts_json(json_t *j, const cli_file_facts *f, const cli_args *a, const eff_model *m, const eff_checkpoint *c);

#endif
