/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that measure for advice share. */
#ifndef EFF_SCALE_ADVISE_INTERNAL_H
#define EFF_SCALE_ADVISE_INTERNAL_H

#include "model/model.h"
#include "scale/advise.h"

typedef struct eff_source { /* a file with weights */
    char *path;
    eff_model *model;
} eff_source;

struct eff_advice {
    const eff_dataset *d; /* while it is being made */
    eff_advise_opts o;
    eff_source *source;
    int nsources;
    eff_candidate c[EFF_ADVISE_MOST];
    int n;
    eff_situation s;
    eff_advised decision;
    size_t *item;          /* [s.probed] training images that classifiers are fitted on */
    double decode_seconds; /* an image, all threads at it                               */
    double fit_seconds;    /* of a run's first classifier, an image                     */
    double judge_seconds;  /* of that and of judging it, an image                       */
    double per_mac;        /* seconds of training a multiply-add takes; 0: not measured */
    double per_picture;    /* seconds more for a picture that is not decoded yet        */
    double began, took;
};

/** Ask the caller, who may want to stop. @return EFF_ECANCELLED then */
eff_status eff_advise_tell(eff_advice *a, const char *what, eff_error *err);

/** The model that candidate c would start from: that of its weights, or its built-in without any. *own: to be freed. */
eff_status eff_advise_start(const eff_model **out, eff_model **own, const eff_advice *a, const eff_candidate *c,
                            eff_error *err);

/* advise_measure.c */
eff_status eff_advise_decoding(eff_advice *a, eff_error *err);
/** Latency of one image, for about `seconds`. */
eff_status eff_advise_latency(eff_advice *a, eff_candidate *c, double seconds, eff_error *err);
/** Recipe, memory and multiply-adds of c; sets whether it fits. */
eff_status eff_advise_needs(eff_advice *a, eff_candidate *c, eff_error *err);
/** Training time of c from what has been measured so far. */
void eff_advise_estimate(eff_advice *a, eff_candidate *c);
/** Time steps of c itself for about `seconds`; the others can be estimated again. */
eff_status eff_advise_time(eff_advice *a, eff_candidate *c, double seconds, eff_error *err);

/* advise_probe.c */
/** Choose the images, as many as about `seconds` allow for the most important candidates. */
eff_status eff_advise_choose_images(eff_advice *a, double seconds, eff_error *err);
/** Classifiers on candidates' features, the most telling first, for about `seconds`. */
eff_status eff_advise_probe(eff_advice *a, double seconds, eff_error *err);
/** The other resolutions of the weights `source`, as far as `seconds` allow. */
eff_status eff_advise_probe_source(eff_advice *a, int source, double seconds, eff_error *err);

#endif
