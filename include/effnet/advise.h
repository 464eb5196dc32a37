/* SPDX-License-Identifier: Apache-2.0 */
/* advise.h — which network at which resolution, for these images on this machine: measured, with reasons. This
 * interface may change. */
#ifndef EFFNET_ADVISE_H
#define EFFNET_ADVISE_H

#include <effnet/data.h>
#include <effnet/effnet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eff_advise_opts {
    const char *const *weights; /* files with pretrained weights: what is at hand; borrowed for the call        */
    size_t nweights;            /* of one network the first counts                                              */
    double seconds;             /* all measuring together takes about so long (default 60)                      */
    double longest;             /* seconds that the training may take (default 12 hours)                        */
    size_t memory;              /* bytes that the training process may take; 0 = what the machine has available */
    int threads;                /* 0 = every CPU the process may use                                            */
    const char *cpu;            /* level cap; NULL = EFFNET_CPU or the best                                     */
    uint64_t seed;              /* of which images are looked at                                                */
    int (*progress)(void *ctx, double part, const char *what); /* part 0..1; non-zero: EFF_ECANCELLED; NULL      */
    void *ctx;
    uint8_t reserved[32];
} eff_advise_opts;
/** The defaults named above. Always start here. */
EFF_API void eff_advise_opts_init(eff_advise_opts *o);

/** A network at a resolution. */
typedef struct eff_variant {
    const char *model;   /* a built-in's name, or what the weights' table is called                  */
    const char *weights; /* the file it starts from; NULL: none at hand, it would start from scratch */
    int resolution;      /* of its input, pixels                                                     */
    int native;          /* it is the size that the network is made for                              */
    const char *recipe;  /* that `train` would pick, and its epochs                                  */
    int epochs;
    double train_seconds;             /* of the whole run, as its metrics count them                              */
    int train_measured;               /* its own steps were timed; else those of another one, by multiply-adds    */
    double images_per_s;              /* in training, once pictures are decoded: measured or scaled likewise       */
    double memory_bytes;              /* of the training process at its peak                                      */
    int micro_batch;                  /* images in memory at once                                                 */
    double memory_option;             /* bytes to give `train --memory`, without which it takes too much; 0: none  */
    double latency_ms;                /* of one image                                                             */
    int latency_measured;             /* else that of another one, by multiply-adds                               */
    double probe, probe_lo, probe_hi; /* accuracy of a linear classifier on its features, 95 %; NaN: not measured */
    int fits_memory, fits_time;
    int enlarges; /* most photographs are smaller than its input                              */
} eff_variant;

typedef struct eff_advice eff_advice;

/** Measure and decide. `d` is borrowed for the call. Release with eff_advice_free().
 * @return EFF_EARG for an option out of range or a set without training images, EFF_EFORMAT or EFF_EUNSUPPORTED naming a
 * file of weights that holds no network, EFF_ECANCELLED */
EFF_API eff_status eff_advise(eff_advice **out, const eff_dataset *d, const eff_advise_opts *o, eff_error *err);
/** Release an advice; NULL is fine. */
EFF_API void eff_advice_free(eff_advice *a);

/** Variants, the recommended one first, then in the order in which they would be tried; NULL past the end. Borrowed until
 * eff_advice_free(). */
EFF_API const eff_variant *eff_advice_variant(const eff_advice *a, int i);
/** Why, sentence by sentence; NULL past the end. Borrowed until eff_advice_free(). */
EFF_API const char *eff_advice_reason(const eff_advice *a, int i);
/** What was looked at: images that the linear classifiers were fitted on, median short side of the photographs, bytes
 * of memory that training may take (0: not known), seconds that all took. */
typedef struct eff_advice_facts {
    size_t probed;
    int side;
    double memory_bytes, seconds;
} eff_advice_facts;
/** What the advice rests on, by value. */
EFF_API eff_advice_facts eff_advice_get_facts(const eff_advice *a);

#ifdef __cplusplus
}
#endif
#endif
