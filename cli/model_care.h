/* SPDX-License-Identifier: Apache-2.0 */
/* What `effnet convert` makes of models before it writes one: the average of several, a new classifier, none. */
#ifndef EFFNET_CLI_MODEL_CARE_H
#define EFFNET_CLI_MODEL_CARE_H

#include "options.h"
#include "output.h"

/* Rows of convert's option table. */
#define CLI_OPTS_CARE                                                                                                  \
    { 0, "classes", "N|FILE", "a new classifier of N classes, to be trained; or the names of the classes", CLI_NAMES,  \
      NULL, 1, 1000000 },                                                                                              \
        { 0, "head", "none", "drop the classifier: the model gives its pooled features", CLI_CHOICE,                   \
          .choices = "none" },                                                                                         \
        { 0, "average", NULL, "average the weights of all IN: checkpoints of one network", CLI_FLAG },                 \
        { 0, "decay", "D", "--average: exponential moving average in the order of IN [the mean]", CLI_NUMBER, NULL, 0, 1 }, \
    {                                                                                                                  \
        'o', "output", "OUT", "the file to write, if it is not the last operand", CLI_PATH                             \
    }

/** Which operands are read and which is written: the first *inputs of a->files, and *out. @return CLI_OK or CLI_USAGE */
int cli_care_operands(const cli_args *a, int *inputs, const char **out);

/** The model that is to be written: of one input or the average of several, with the head that was asked for.
 * @return CLI_OK, or the exit status after one line */
int cli_care_open(const cli_args *a, int inputs, eff_model **out);

/** What was made of it, for people (lines) and as keys of convert's JSON. */
void cli_care_print(const cli_args *a, int inputs, const eff_model *m);
void cli_care_json(const cli_args *a, int inputs, const eff_model *m, json_t *j);

#endif
