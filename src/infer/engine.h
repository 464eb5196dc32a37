/* SPDX-License-Identifier: Apache-2.0 */
/* An engine: a plan at one input size, its workers, and the way from files to logits. */
#ifndef EFF_INFER_ENGINE_H
#define EFF_INFER_ENGINE_H

#include "infer/plan.h"
#include "model/model.h"

struct eff_engine {
    const eff_model *model;
    eff_graph *graph;      /* at the engine's input size */
    eff_kernels kernels;
    eff_pool *pool;
    eff_plan *plan;
    eff_plan **lane; /* [threads]: for several images, one a worker; NULL: none */
    const float *features; /* what the classifier read of the image that a callback of score_files is told of */
    int threads, max_batch;
    float *pixels; /* [max_batch][h][w][3], from the first call of eff_engine_take_pixels() on */
};

/** Kernels for a precision, with these features of the CPU. @return EFF_EARG when they do not have it (precision.c) */
eff_status eff_precision_kernels(eff_kernels *k, eff_precision p, unsigned features, eff_error *err);

eff_status eff_engine_new(eff_engine **out, const eff_model *m, const eff_engine_opts *o, eff_error *err);
void eff_engine_destroy(eff_engine *e);
/* features: what the classifier read of each image, [n][eff_engine_features()], or NULL. */
void eff_engine_score(eff_engine *e, const float *x, int n, float *logits, float *features);
/** How many features the network has. */
int eff_engine_features(const eff_engine *e);
eff_status eff_engine_score_files(eff_engine *e, const char *const *paths, size_t n, const eff_preprocess *p,
                                  eff_result_fn *fn, void *ctx, eff_error *err);

/** Normalise n images of uint8 [h][w][3] by the model's rule into e->pixels. */
eff_status eff_engine_take_pixels(eff_engine *e, const uint8_t *rgb, int n, eff_error *err);

/** Time single images (of zeros: speed does not depend on what they show) for about `seconds`, at least and at most so
 * many; least and mean seconds of one. */
eff_status eff_engine_time(eff_engine *e, double seconds, int least_runs, int most_runs, double *least, double *mean,
                           eff_error *err);

/** Peak activation memory of the inference plan for one image of `g`; 0 when it cannot be planned. */
size_t eff_activation_peak(const eff_graph *g);

#endif
