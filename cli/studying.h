/* SPDX-License-Identifier: Apache-2.0 */
/* What `scale fit` and `scale study` share: their options, the way from options to a study that ran, what is seen of
 * it. */
#ifndef EFFNET_CLI_STUDYING_H
#define EFFNET_CLI_STUDYING_H

#include "common.h"

#include <effnet/study.h>

/* Rows of an option table. */
#define CLI_STUDY_OPTS(folder)                                                                                         \
    { 'b',       "base",           "MODEL", "network that is scaled: a built-in, with changes, or a table in JSON",    \
      CLI_MODEL, "efficientnet-b0" },                                                                                  \
        { 'o', "out", "DIR", "folder for what is found", CLI_PATH, folder },                                           \
        { 0, "store", "FILE", "file of the trials; several processes may share it [DIR/trials.db]", CLI_PATH },        \
        { 0, "repeats", "N", "seeds of each network [3]", CLI_INT, NULL, 1, 64 },                                      \
        { 0, "time", "T", "fit the plan to this time: 30m, 2h, 90s", CLI_TEXT },                                       \
        { 'e', "epochs", "N", "passes of a trial over the training images [the recipe's]", CLI_INT, NULL, 1, 100000 }, \
        { 0, "set", "KEY=V,...", "replace any value of the recipe; --plan lists them", CLI_TEXT },                     \
        { 0, "augment", "SPEC", "how training images are varied: shifts, mirror, colours", CLI_TEXT },                 \
        { 0,          "val", "PART", "part of each class kept for validation, where DATA has no val/",                 \
          CLI_NUMBER, "0.2", 0.01,   0.9 },                                                                            \
        { 0, "multiple", "N", "sides of inputs are multiples of so many pixels", CLI_INT, "1", 1, 1024 },              \
        { 0, "image-cache", "SIZE", "memory for decoded images", CLI_TEXT, "1.5G" },                                   \
    {                                                                                                                  \
        0, "plan", NULL, "only say what would be trained, and how long it takes", CLI_FLAG                             \
    }

typedef struct cli_study {
    const cli_args *a;
    bool talks, finishing;
    int phase; /* of the progress bar */
    double began;
} cli_study;

/** Run the study that the options and *o (of its kind) describe, save what it found, and print it: for people by
 * `print`, given the results (or the plan) as JSON. @return the exit status */
int cli_study_run(const cli_args *a, eff_study_opts *o, void (*print)(const json_t *results, bool plan));

/** Fields for tables: "0.612", a number's cell by `format`, "58.1-63.3" or "-". Static buffers. */
double cli_field(const json_t *j, const char *key); /* NaN where there is none */
const char *cli_percent(const json_t *point);       /* its top1 */
const char *cli_interval(const json_t *point);
const char *cli_pixels(const json_t *point);
const char *cli_duration(double seconds);

/** The sentences of the conclusion, wrapped. */
void cli_print_words(const json_t *results);

/** What a search does as a study does: tell of an event (ctx is a cli_study), make the recipe from --set, --epochs and
 * --augment, find the store (*path is malloc'ed; NULL: only planning), read what the library says in JSON, print the
 * recipe of a plan. */
int cli_study_event(void *ctx, const eff_study_event *e);
int cli_study_recipe(const cli_args *a, const eff_model *base, const eff_dataset *d, eff_recipe **out);
int cli_study_store(const cli_args *a, char **path);
json_t *cli_parsed(const char *text);
void cli_print_recipe(const json_t *plan);

#endif
