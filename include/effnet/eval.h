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
 * skipped; paths relative to the list's folder). Order: byte-sorted for folders, as written for lists. Release with
 * eff_filelist_free().
 * @return EFF_EFORMAT naming the line or folder whose class the model does not have, or when nothing is in it */
EFF_API eff_status eff_filelist_labelled(eff_filelist **out, const char *path, const eff_model *m, eff_error *err);

/** Unlabelled images: a file stands for itself, a folder for the files in it (recursively, byte-sorted; only names that end
 * in a known image suffix). Missing files are kept, so that they are reported when opened. Release with eff_filelist_free().
 * @return EFF_EFORMAT for a folder that cannot be read */
EFF_API eff_status eff_filelist_images(eff_filelist **out, const char *const *paths, size_t n, eff_error *err);

/** Number of files. */
EFF_API size_t eff_filelist_count(const eff_filelist *l);
/** [count] paths as they can be opened; borrowed until eff_filelist_free(). */
EFF_API const char *const *eff_filelist_paths(const eff_filelist *l);
/** Class of file i (below the count), -1 when unlabelled. */
EFF_API int eff_filelist_label(const eff_filelist *l, size_t i);
/** Release a list; NULL is fine. */
EFF_API void eff_filelist_free(eff_filelist *l);

typedef struct eff_class_metrics {
    int n, correct, predicted;       /* images of the class, of them right, images called so */
    double recall, recall_lo, recall_hi;
    double precision, precision_lo, precision_hi; /* Wilson intervals, 95 %; NaN when the count is 0 */
} eff_class_metrics;

enum { EFF_CALIBRATION_BINS = 15 };

/** Answers whose confidence (probability of the first class) is in (i / 15, (i + 1) / 15]. */
typedef struct eff_calibration_bin {
    int n, correct;
    double confidence, accuracy;     /* means; NaN when the bin is empty                     */
} eff_calibration_bin;

typedef struct eff_metrics_result {
    int n, classes;
    double top1, top5, lo, hi;       /* fractions; Wilson interval of top1, 95 %             */
    double temperature;              /* the figures below are at it, those called plain at 1 */
    double loss, plain_loss;         /* mean cross-entropy, nats                             */
    double ece, plain_ece;           /* expected calibration error, 15 equal-width bins      */
    eff_calibration_bin bins[EFF_CALIBRATION_BINS], plain_bins[EFF_CALIBRATION_BINS];
    const eff_class_metrics *per_class; /* [classes]                                         */
    const int *confusion;            /* [classes][classes]: row = true, column = predicted   */
} eff_metrics_result;

typedef struct eff_metrics eff_metrics;
/** Begin to add up answers of a model of so many classes. Release with eff_metrics_free().
 * @return EFF_EARG for no classes, or more than a table of confusions can have */
EFF_API eff_status eff_metrics_create(eff_metrics **out, int classes, eff_error *err);
/** Before the first image: probabilities are softmax(logits / temperature). The default is 1. */
EFF_API void eff_metrics_set_temperature(eff_metrics *m, double temperature);
/** Add an answer: float32 [classes] scores before softmax, for an image of class `label`, 0..classes-1. */
EFF_API void eff_metrics_add(eff_metrics *m, int label, const float *logits);
/** Results so far; borrowed until the next call on m. */
EFF_API const eff_metrics_result *eff_metrics_get(eff_metrics *m);
/** Release what was added up; NULL is fine. */
EFF_API void eff_metrics_free(eff_metrics *m);

/** Wilson score interval of k successes in n trials, 95 %; NaN when n is 0. */
EFF_API void eff_wilson(int k, int n, double *lo, double *hi);

typedef struct eff_calibration {
    double temperature;              /* fitted, 0.05..20                                     */
    size_t n;                        /* answers that counted: those of finite scores         */
    double loss_before, loss_after;  /* mean cross-entropy at temperature 1 and at that one  */
} eff_calibration;

/** The temperature at which n answers, logits [n][classes] on images not trained on, are least surprised by their labels:
 * the minimum of the cross-entropy, which is convex in 1/T, with one image's weight of doubt added (Platt 1999), without
 * which a set answered without a mistake would ask for certainty.
 * @return EFF_EARG when a label is out of range or no answer is finite */
EFF_API eff_status eff_temperature_fit(eff_calibration *out, const float *logits, const int *labels, size_t n,
                                       int classes, eff_error *err);

/** prob[i] = softmax(logits / temperature)[i], i < n. */
EFF_API void eff_softmax_at(const float *logits, int n, double temperature, float *prob);

/** prob[i] = softmax(logits)[i], i < n. */
EFF_API void eff_softmax(const float *logits, int n, float *prob);
/** Indices of the k largest of v[n], best first, ties to the lower index; -1 for those beyond n. */
EFF_API void eff_top_k(const float *v, int n, int k, int *index);

#ifdef __cplusplus
}
#endif
#endif
