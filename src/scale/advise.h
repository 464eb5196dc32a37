/* SPDX-License-Identifier: Apache-2.0 */
/* Advice from the inside: what is known of each candidate, and the decision as a pure function of it. Candidates are
 * made, measured (advise_measure.c, advise_probe.c) and judged (advise_decide.c); advise.c goes through the steps. */
#ifndef EFF_SCALE_ADVISE_H
#define EFF_SCALE_ADVISE_H

#include "base/error.h"

#include <effnet/advise.h>

#include <stdbool.h>

enum { EFF_ADVISE_MOST = 64, EFF_REASONS_MOST = 16, EFF_REASON_LEN = 400 };

typedef struct eff_candidate {
    eff_variant v;
    char name[128];
    int source;             /* number of its weights; -1: none at hand                                  */
    bool reduced;           /* a cut-down network that `train` takes where there are no weights         */
    uint64_t macs;          /* one image                                                                */
    long steps, batch;      /* of an epoch, of a step                                                   */
    double feature_seconds; /* an image through the network, decoding with it; 0: not measured       */
    float *held; /* [probed] how often a classifier was right about each image (eff_linear_fit); NULL: not probed */
} eff_candidate;

/* What a decision is made from. */
typedef struct eff_situation {
    size_t images, validation; /* to train and to validate on                                         */
    int classes, least, most;  /* images of the smallest and largest class                            */
    int side;                  /* median short side of the photographs                                */
    double memory;             /* bytes that there are; 0: not known                                  */
    double longest;            /* seconds that training may take                                      */
    size_t probed;             /* images that classifiers were fitted on                              */
    eff_candidate *c;
    int n;
} eff_situation;

typedef struct eff_advised {
    int order[EFF_ADVISE_MOST]; /* numbers of candidates, the recommended one first                     */
    char reason[EFF_REASONS_MOST][EFF_REASON_LEN];
    int nreasons;
} eff_advised;

/** Rank the candidates and say why. A candidate with weights always stands before one without. s->n is at least 1. */
void eff_advise_decide(eff_advised *out, const eff_situation *s);

/** What eff_advise() and eff_advice_free() promise, arguments checked. */
eff_status eff_advise_make(eff_advice **out, const eff_dataset *d, const eff_advise_opts *o, eff_error *err);
void eff_advise_free(eff_advice *a);

/** Accuracy of b minus that of a on the same images, with its 95 % interval (Agresti & Min 2005: half an image is added
 * to each of the four counts; an image may be right in part). NaN: no answer. */
typedef struct eff_paired {
    double difference, lo, hi;
    size_t n; /* images that both have an answer for */
} eff_paired;
eff_paired eff_compare_paired(const float *a, const float *b, size_t n);

#endif
