/* SPDX-License-Identifier: Apache-2.0 */
/* report.h — what was trained or evaluated, as one HTML file to look at. This interface may change. */
#ifndef EFFNET_REPORT_H
#define EFFNET_REPORT_H

#include <effnet/eval.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A line of the table of facts: "learning rate", "0.01", "picked by the finder". */
typedef struct eff_report_fact {
    const char *key, *value, *why; /* why: NULL or ""                                         */
} eff_report_fact;

/** An epoch of the curves; NaN where a value was not measured. */
typedef struct eff_report_epoch {
    double epoch;
    double train_loss, val_loss;
    double train_top1, val_top1;   /* fractions                                               */
    double learning_rate;
} eff_report_epoch;

/** What the model said of an image. */
typedef struct eff_report_image {
    const char *path;              /* as it can be opened                                     */
    int label, predicted;
    float prob, true_prob;         /* of the predicted class and of the true one              */
} eff_report_image;

typedef struct eff_report_excluded {
    const char *path, *reason;
} eff_report_excluded;

/** Everything is borrowed for the call. Text may hold anything; what is missing (NULL, 0) leaves its section out. */
typedef struct eff_report {
    const char *title, *subtitle;
    const eff_report_fact *facts;
    size_t nfacts;
    const eff_report_epoch *epochs;
    size_t nepochs;
    const eff_metrics_result *metrics;
    const char *const *class_names; /* [metrics->classes]; NULL entries are written as numbers */
    const eff_report_image *images; /* all that `metrics` counted; the worst are shown        */
    size_t nimages;
    const eff_report_excluded *excluded;
    size_t nexcluded;
    int pictures;                   /* of mistakes, at most (default 24)                      */
    int picture_side;               /* pixels of the longer side (default 160)                */
    uint8_t reserved[32];
} eff_report;
/** An empty report with the defaults named above. Always start here. */
EFF_API void eff_report_init(eff_report *r);

/** Write the report: one file that needs nothing beside it. Atomic. The pictures of the worst mistakes are read again;
 * one that can no longer be read has a placeholder.
 * @return EFF_EARG when a label or a count is out of range, EFF_EIO when the file cannot be written */
EFF_API eff_status eff_report_save(const eff_report *r, const char *path, eff_error *err);

/** The wrong answers, those given with the greatest confidence first, at most `most`.
 * @param index  receives numbers of images, room for `most`
 * @return how many */
EFF_API size_t eff_report_worst(const eff_report_image *images, size_t n, size_t *index, size_t most);

/** A line of a chart, or points with names. */
typedef struct eff_chart_series {
    const char *name;
    const double *x, *y;           /* [n]; what is not finite is left out                      */
    const double *lo, *hi;         /* [n] each: intervals of y; or NULL                        */
    const char *const *labels;     /* [n] drawn beside the points; or NULL                     */
    size_t n;
} eff_chart_series;

/** Everything is borrowed for the call. */
typedef struct eff_chart {
    const char *title;             /* drawn above                                              */
    const char *x_label, *y_label; /* with units                                               */
    const char *note;              /* drawn below; or NULL                                     */
    const eff_chart_series *series;
    size_t nseries;                /* 1..6                                                     */
    int log_x;                     /* logarithmic axis                                         */
    int percent;                   /* y is a fraction, written as per cent                     */
    uint8_t reserved[32];
} eff_chart;

/** Draw n charts, one below the other, into one SVG file under a heading (or NULL). Atomic.
 * @return EFF_EARG for no chart or series out of range, EFF_EIO when the file cannot be written */
EFF_API eff_status eff_chart_save(const eff_chart *charts, size_t n, const char *heading, const char *path,
                                  eff_error *err);

#ifdef __cplusplus
}
#endif
#endif
