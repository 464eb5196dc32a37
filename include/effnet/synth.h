/* SPDX-License-Identifier: Apache-2.0 */
/* synth.h — a set of labelled pictures that is made, not collected: synthetic sarees. The "regions" are invented,
 * nothing is said about real ones. This interface may change. */
#ifndef EFFNET_SYNTH_H
#define EFFNET_SYNTH_H

#include <effnet/data.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { EFF_SYNTH_MAX_CLASSES = 208, EFF_SYNTH_MAX_IMAGES = 100000, EFF_SYNTH_MIN_SIZE = 32, EFF_SYNTH_MAX_SIZE = 1024 };

typedef struct eff_synth_opts {
    int classes;       /* 2..EFF_SYNTH_MAX_CLASSES (default 9)                                            */
    int train, val;    /* images a class in train/ and val/ (default 200 and 50)                          */
    int size;          /* pixels a side (default 256)                                                     */
    double difficulty; /* 0..1: how small the differences are, how much else varies (default 0.5)         */
    uint64_t seed;
    int threads; /* 0 = every CPU                                                                   */
    uint8_t reserved[32];
} eff_synth_opts;
/** The defaults named above. Always start here. */
EFF_API void eff_synth_opts_init(eff_synth_opts *o);

/** Name of class c, which no real place has; NULL when c is out of range. Static storage. */
EFF_API const char *eff_synth_class_name(int c);

/** Attribute i of class c ("motif", "border" ...) and its value; NULL past the last. Static storage. */
EFF_API const char *eff_synth_class_attribute(int c, int i, const char **value);

/** One picture of the set that eff_synth_write() makes with these options, before it becomes a JPEG. `train`, `val` and
 * `threads` do not matter: a larger set begins with the smaller one. Release with eff_image_free().
 * @return EFF_EARG naming the option that is out of range */
EFF_API eff_status eff_synth_render(eff_image **out, const eff_synth_opts *o, int c, eff_part part, int number,
                                    eff_error *err);

/** Called on the caller's thread now and then. Return non-zero to stop. */
typedef int eff_synth_progress(void *ctx, size_t done, size_t total);

/** Write DIR/train/NAME/NNNN.jpg, DIR/val/NAME/NNNN.jpg, and when all are there DIR/synth.json and DIR/README.md. DIR
 * is made, or must be empty. The same options give the same bytes at any number of threads. No file is ever there in
 * part.
 * @return EFF_EARG for options out of range or a DIR that holds something, EFF_EIO when it cannot be written,
 * EFF_ECANCELLED */
EFF_API eff_status eff_synth_write(const char *dir, const eff_synth_opts *o, eff_synth_progress *progress, void *ctx,
                                   eff_error *err);

#ifdef __cplusplus
}
#endif
#endif
