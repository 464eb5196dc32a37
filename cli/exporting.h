/* SPDX-License-Identifier: Apache-2.0 */
/* What `effnet convert` does for an OUT that is not effnet's own: ONNX, and weights in the names of other libraries. */
#ifndef EFFNET_CLI_EXPORTING_H
#define EFFNET_CLI_EXPORTING_H

#include "options.h"
#include "output.h"

#include <effnet/effnet.h>

/* Rows of convert's option table. */
#define CLI_OPTS_EXPORT                                                                                                  \
    { 0, "with-preprocess", NULL, ".onnx: the input is uint8 NHWC, mean and deviation are in the graph", CLI_FLAG },     \
        { 0, "check", "PATH", ".onnx: photographs to compare on, a file or a folder [built-in ones]", CLI_PATH },        \
        { 0, "bar", "X", ".onnx: largest difference allowed, of a probability or of the logits' spread", CLI_NUMBER,     \
          "0.001", 0, 1 },                                                                                               \
        { 0, "ort", "FILE", ".onnx: ONNX Runtime's shared library, or none for effnet's evaluator", CLI_PATH },          \
        { 0, "names", "NAME", ".safetensors: whose names the tensors get [neutral]", CLI_CHOICE,                         \
          .choices = "neutral timm torchvision lukemelas" },                                                             \
    { 0, "labels", NULL, "also the names of the classes beside OUT: .labels.txt and .id2label.json", CLI_FLAG }

/** Is `out` for these functions: an .onnx, or a .safetensors with --names other than neutral? */
bool cli_is_export(const cli_args *a, const char *out);

/** Usage errors among the options above, for an OUT of this suffix. @return CLI_OK or CLI_USAGE */
int cli_check_export(const cli_args *a, const char *suffix);

/** CLI_OK if there is what --labels asks for; else CLI_USAGE after a line. */
int cli_need_labels(const cli_args *a, const eff_model *m);

/** What convert --json prints, whatever OUT is; `parity` (taken over) differs. */
json_t *cli_converted_json(const char *in, const char *out, const eff_model *m, json_t *parity);

/** Write, compare, print. @return the exit status */
int cli_export(const cli_args *a, const char *in, const char *out, const eff_model *m);

/** --labels: the files beside `out`. @return CLI_OK or the exit status */
int cli_export_labels(const cli_args *a, const char *out, const eff_model *m);

#endif
