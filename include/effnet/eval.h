/* SPDX-License-Identifier: Apache-2.0 */
/* eval.h — lists of labelled files, and what a model's answers on them are worth. This interface may change. */
#ifndef EFFNET_EVAL_H
#define EFFNET_EVAL_H

#include <effnet/effnet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eff_filelist eff_filelist;

/** Labelled images: `path` is a folder of class folders (named by class name, first synonym or id of the model), or a
 * tab-separated LIST of file and class (index or name; further columns ignored; '#' lines and a first line beginning "file" are
 * skipped; paths relative to the list's folder). Order: byte-sorted for folders, as written for lists.
 * @return EFF_EFORMAT naming the line or folder whose class the model does not have, or when nothing is in it */
EFF_API eff_status eff_filelist_labelled(eff_filelist **out, const char *path, const eff_model *m, eff_error *err);

/** Unlabelled images: a file stands for itself, a folder for the files in it (recursively, byte-sorted; only names that end
 * in a known image suffix). Missing files are kept, so that they are reported when opened. */
EFF_API eff_status eff_filelist_images(eff_filelist **out, const char *const *paths, size_t n, eff_error *err);

EFF_API size_t eff_filelist_count(const eff_filelist *l);
EFF_API const char *const *eff_filelist_paths(const eff_filelist *l);
EFF_API int eff_filelist_label(const eff_filelist *l, size_t i); /* -1 when unlabelled */
EFF_API void eff_filelist_free(eff_filelist *l);

typedef struct eff_class_metrics {
    int n, correct, predicted;       /* images of the class, of them right, images called so */
    double recall, recall_lo, recall_hi;
    double precision, precision_lo, precision_hi; /* Wilson intervals, 95 %; NaN when the count is 0 */
} eff_class_metrics;

typedef struct eff_metrics_result {
    int n, classes;
    double top1, top5, lo, hi;       /* fractions; Wilson interval of top1, 95 %             */
    double loss;                     /* mean cross-entropy, nats                             */
    double ece;                      /* expected calibration error, 15 equal-width bins      */
    const eff_class_metrics *per_class; /* [classes]                                         */
    const int *confusion;            /* [classes][classes]: row = true, column = predicted   */
} eff_metrics_result;

typedef struct eff_metrics eff_metrics;
EFF_API eff_status eff_metrics_create(eff_metrics **out, int classes, eff_error *err);
EFF_API void eff_metrics_add(eff_metrics *m, int label, const float *logits);
/** Results so far; borrowed until the next call on m. */
EFF_API const eff_metrics_result *eff_metrics_get(eff_metrics *m);
EFF_API void eff_metrics_free(eff_metrics *m);

/** Wilson score interval of k successes in n trials, 95 %; NaN when n is 0. */
EFF_API void eff_wilson(int k, int n, double *lo, double *hi);

/** prob[i] = softmax(logits)[i]; and indices of the k largest, best first, ties to the lower index;
 * -1 for those beyond n. */
EFF_API void eff_softmax(const float *logits, int n, float *prob);
EFF_API void eff_top_k(const float *v, int n, int k, int *index);

#ifdef __cplusplus
}
#endif
#endif
