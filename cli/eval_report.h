/* SPDX-License-Identifier: Apache-2.0 */
/* What `effnet eval` keeps of every image, and the report made of it. */
#ifndef EFFNET_CLI_EVAL_REPORT_H
#define EFFNET_CLI_EVAL_REPORT_H

#include "common.h"

#include <effnet/report.h>

typedef struct eval_images {
    eff_report_image *answer; /* [room] of the answers; n so far */
    eff_report_excluded *bad; /* of the files left out; their reasons are owned */
    size_t n, nbad, room;
    float *prob; /* scratch */
} eval_images;

void eval_images_begin(eval_images *v, size_t files, int classes);
void eval_images_add(eval_images *v, const eff_model *m, const char *path, int label, const float *logits);
void eval_images_add_bad(eval_images *v, const char *path, const char *reason);
void eval_images_free(eval_images *v);

/** Write the report. @return the exit status; one line was printed when it is not CLI_OK */
int eval_report_save(const cli_args *a, const eff_model *m, const eff_engine *e, const eff_metrics_result *r,
                     const eval_images *v, double seconds, const char *path);

/** The worst mistakes, for --json. */
json_t *eval_worst_json(const eff_model *m, const eval_images *v);

#endif
