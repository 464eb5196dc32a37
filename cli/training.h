/* SPDX-License-Identifier: Apache-2.0 */
/* What commands say about training: its memory, whether that fits, how fast a step is. */
#ifndef EFFNET_CLI_TRAINING_H
#define EFFNET_CLI_TRAINING_H

#include "common.h"

#include <effnet/train.h>

#define CLI_OPT_RECOMPUTE                                                                                              \
    {                                                                                                                  \
        0, "recompute", NULL, "with --train: less memory, compute blocks again in the backward pass", CLI_FLAG         \
    }
#define CLI_OPT_FROZEN_BN                                                                                              \
    {                                                                                                                  \
        0, "frozen-bn", NULL, "with --train: batch norm keeps its running statistics, as in fine-tuning", CLI_FLAG     \
    }
#define CLI_OPT_MEMORY                                                                                                 \
    {                                                                                                                  \
        0, "memory", "SIZE", "refuse training that needs more memory than this: 800M, 2G", CLI_TEXT                    \
    }

/** "800M", "1.5G", "2000000": bytes; false when it is no size. */
bool cli_read_size(const char *s, double *bytes);
/** "30m", "1h30m", "90s", "90": seconds; false when it is no time. */
bool cli_read_time(const char *s, double *seconds);

/** Options of a training session for --batch, --threads, --cpu and --seed. */
eff_session_opts cli_session_opts(const cli_args *a);

/** CLI_OK when training fits --memory (or none is set); else CLI_USAGE after a line that says what would fit. */
int cli_check_memory(const cli_args *a, const eff_model *m, const eff_session_opts *o);

/** Memory of training, for people and as JSON {"batch","total_bytes",...}. */
void cli_print_train_memory(const eff_train_memory *t, int batch);
json_t *cli_train_memory_json(const eff_train_memory *t, int batch);

/** bench --train: steps a second with random pictures. */
int cli_bench_train(const cli_args *a, eff_model *m);

#endif
