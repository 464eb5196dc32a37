/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share: opening a model by the options that settle what it is, engines, and printing a model's table. */
#ifndef EFFNET_CLI_COMMON_H
#define EFFNET_CLI_COMMON_H

#include "options.h"
#include "output.h"

/* Rows of an option table, for commands that take a checkpoint as MODEL. */
#define CLI_OPT_FAMILY                                                                                                 \
    {                                                                                                                  \
        0, "family", "NAME", "whose names a checkpoint uses: timm, timm_tf, torchvision, lukemelas, tf, keras",        \
            CLI_CHOICE, .choices = "timm timm_tf torchvision lukemelas tf keras"                                       \
    }
#define CLI_OPT_MODEL                                                                                                  \
    {                                                                                                                  \
        0, "model", "NAME", "architecture of a checkpoint, where its shapes cannot tell", CLI_MODEL                    \
    }
#define CLI_OPT_PREPROCESS                                                                                             \
    {                                                                                                                  \
        0, "preprocess", "SPEC", "how images become input: short=256,filter=bicubic,crop=224 ...", CLI_TEXT            \
    }
#define CLI_OPT_RESOLUTION                                                                                             \
    {                                                                                                                  \
        0, "resolution", "N|HxW", "input size in pixels [the model's]", CLI_SIZE, NULL, 1, 8192                        \
    }
#define CLI_OPT_CHANNELS                                                                                               \
    {                                                                                                                  \
        0, "channels", "N", "adapt a stem for grey or four channels to N = 3", CLI_INT, NULL, 3, 3                     \
    }
#define CLI_OPT_DTYPE                                                                                                  \
    {                                                                                                                  \
        0, "dtype", "TYPE", "operands of the network's products: f32, or bf16 on a CPU that has it", CLI_CHOICE,       \
            "f32", .choices = "f32 bf16", .later = "int8"                                                              \
    }
#define CLI_OPT_CLASS_NAMES                                                                                            \
    {                                                                                                                  \
        0, "classes", "FILE", "names of the classes, one a line", CLI_PATH                                             \
    }

/** Load MODEL by --family, --model, --resolution and --preprocess (and --classes, a FILE of names or a number, by its
 * type in the command's table), as far as the command has them. @return CLI_OK, or the exit status after one line on
 * stderr */
int cli_open_model(const cli_args *a, const char *spec, eff_model **out);

/** As cli_open_model(), but quiet on failure: the error comes back, and `what` it is about. */
eff_status cli_try_model(const cli_args *a, const char *spec, eff_model **out, const char **what, eff_error *err);

/** CLI_OK if the model has weights; else CLI_USAGE after a line that says what to give instead. */
int cli_need_weights(const cli_args *a, const eff_model *m);

/** CLI_OK if the model has classes; else CLI_USAGE after a line: it gives features. */
int cli_need_classes(const cli_args *a, const eff_model *m);

/** "10 classes", or "448 features, no classes". A static buffer. */
const char *cli_outputs_text(const eff_model *m);

/** An engine at the size of the model's preprocessing, by --threads and --cpu. @return CLI_OK or the exit status */
int cli_open_engine(const cli_args *a, const eff_model *m, int batch, eff_precision precision, eff_engine **out);

/** --dtype. */
eff_precision cli_precision(const cli_args *a);

/** Line on stderr with -v: what runs where. */
void cli_say_engine(const cli_args *a, const eff_model *m, const eff_engine *e);

/** Class i's name, or its number as text. One of eight static buffers, or the model's. */
const char *cli_label(const eff_model *m, int i);

/** The suffix of a file's name with its dot, "" = none. */
const char *cli_suffix(const char *path);

/** What follows the last slash; a path that ends in one as it is. */
const char *cli_base_name(const char *path);

/** "224x168" or, square, "224". One of eight static buffers. */
const char *cli_size_text(int height, int width);

/** The same for JSON: a number or [height, width]. */
json_t *cli_json_size(int height, int width);

/* The architecture for people (title, rows, totals) and as JSON (keys of `info`). */
void cli_print_model(const eff_model *m, bool verbose);
json_t *cli_model_json(const eff_model *m);

/** Are these two names of one existing file? */
bool cli_same_file(const char *a, const char *b);
/** Size of what the path names, -1 when there is nothing. */
double cli_file_bytes(const char *path);

#endif
