/* SPDX-License-Identifier: Apache-2.0 */
/* The list of commands, and what is said of the program as a whole: in `effnet --help` and on its man page. */
#include "commands.h"

const cli_cmd *const cli_commands[] = { &cmd_info,  &cmd_scale, &cmd_convert, &cmd_predict, &cmd_eval,
                                        &cmd_train, &cmd_data,  &cmd_advise,  &cmd_search,  &cmd_pull,
                                        &cmd_bench, NULL };

const char *const cli_later[] = { "data check", "data split", "explain", "embed",
                                  "quantize", "serve",      NULL };

const cli_about cli_program = {
    .summary = "EfficientNet in C: look at networks, scale them, classify images",
    .about = "effnet works with convolutional networks for images, EfficientNet and its relatives, without any\n"
             "framework. It reads published weights, turns them into self-describing model files, classifies\n"
             "photographs on the CPU, and shows what a network is made of and what scaling it costs.\n"
             "Results go to standard output, everything else to standard error.",
    .models = "Wherever a MODEL is asked for, an existing path wins: a model file (.effnet), a checkpoint of PyTorch\n"
              "(.pth, .pt) or in safetensors, or a table in JSON. Anything else is the name of a built-in\n"
              "architecture, which is untrained. b0 and lite0 are short for efficientnet-b0 and\n"
              "efficientnet-lite0, and so on. A name can carry changes after an @: width, depth, resolution,\n"
              "classes, divisor, dropout. Example: b0@width=0.5,resolution=160,classes=10.",
    .examples = "  effnet info b0                           look at EfficientNet-B0\n"
                "  effnet convert weights.pth lite0.effnet  turn a checkpoint into a model file\n"
                "  effnet predict lite0.effnet photo.jpg    say what is on a photograph\n",
};
