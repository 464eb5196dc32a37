/* SPDX-License-Identifier: Apache-2.0 */
/* data.h — sets of labelled images for training: what is in them, what was left out and why, how they are split. This
 * interface may change. */
#ifndef EFFNET_DATA_H
#define EFFNET_DATA_H

#include <effnet/effnet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eff_dataset eff_dataset;

typedef enum eff_part { EFF_PART_TRAIN = 0, EFF_PART_VAL = 1, EFF_PART_TEST = 2 } eff_part;

typedef struct eff_dataset_opts {
    double val_fraction;    /* of each class, where the set brings no split (default 0.2)                 */
    uint64_t seed;          /* of the split                                                               */
    int min_images;         /* a class with fewer images to train and validate on, or none to train on, is
                             * left out with all its images (default 2); not where a model is given       */
    const eff_model *model; /* classes and their order are its own; NULL: training classes in byte order  */
    int threads;            /* for checking files; 0 = every CPU                                          */
    int (*progress)(void *ctx, size_t done, size_t total); /* or NULL; non-zero stops with EFF_ECANCELLED */
    void *ctx;
    uint8_t reserved[32];
} eff_dataset_opts;
/** The defaults named above. Always start here. */
EFF_API void eff_dataset_opts_init(eff_dataset_opts *o);

/** Open a set: a folder with train/ and val/ (also valid/, validation/; test/ is kept apart), a folder of class
 * folders, or a CSV with columns path,label[,group][,split] (a header names them; paths relative to the file). Where
 * nothing is given to validate on, it is split off training: stratified, seeded, whole groups and files of the same
 * bytes on one side. Every file is decoded once: what cannot be read is left out, with the reason. docs/data.md has
 * the rules. Release with eff_dataset_free().
 * @param o  NULL: the defaults
 * @return EFF_EFORMAT when fewer than two classes with images remain, or the list is malformed (line and column
 * named); EFF_EARG for an option out of range; EFF_ECANCELLED */
EFF_API eff_status eff_dataset_open(eff_dataset **out, const char *path, const eff_dataset_opts *o, eff_error *err);
/** Release a set; NULL is fine. */
EFF_API void eff_dataset_free(eff_dataset *d);

/** Number of classes. */
EFF_API int eff_dataset_classes(const eff_dataset *d);
/** Name of class c; borrowed until eff_dataset_free(). */
EFF_API const char *eff_dataset_class_name(const eff_dataset *d, int c);
/** Images of a part, which are numbered in a fixed order. */
EFF_API size_t eff_dataset_count(const eff_dataset *d, eff_part part);
/** Images of one class of a part. */
EFF_API size_t eff_dataset_class_count(const eff_dataset *d, eff_part part, int c);

typedef struct eff_item {
    const char *path;   /* as it can be opened                                                */
    int label;          /* class, 0..classes-1                                                */
    int width, height;  /* upright, pixels                                                    */
    const char *group;  /* images that must stay on one side of a split, or NULL              */
} eff_item;
/** Image i of a part, below its count; strings are borrowed until eff_dataset_free(). */
EFF_API eff_item eff_dataset_item(const eff_dataset *d, eff_part part, size_t i);

/** What was left out: path within the set, as it can be shown (control characters replaced), and reason. Borrowed; NULL
 * past the end. */
EFF_API const char *eff_dataset_excluded(const eff_dataset *d, size_t i, const char **reason);
/** Things worth knowing about the set ("class x has 1 image"). Borrowed; NULL past the end. */
EFF_API const char *eff_dataset_remark(const eff_dataset *d, size_t i);

/** Where the split came from: "given" (folders or column), or "made, seed 7". Borrowed. */
EFF_API const char *eff_dataset_split_origin(const eff_dataset *d);

/** Keep the split: a CSV path,label,group,split that eff_dataset_open() reads back to the same set. Files below the
 * folder of `path` are named relative to it, others by their whole path. Atomic.
 * @return EFF_EIO when it cannot be written */
EFF_API eff_status eff_dataset_save(const eff_dataset *d, const char *path, eff_error *err);

/** 64 bits that change with what the files hold, their order, labels, parts and groups, and not with where they lie:
 * a set that was moved, or is opened from its saved split, has the same. */
EFF_API uint64_t eff_dataset_fingerprint(const eff_dataset *d);

/* ------------------------------------------------------------------------------------------ looking at it */

typedef struct eff_sheet_opts {
    const char *augment;        /* SPEC of how training images are made; NULL: the evaluation rule        */
    const eff_preprocess *rule; /* of the model; NULL: ImageNet's mean and std, and a size is needed      */
    int height, width;          /* of an image; 0: the rule's. The evaluation rule makes no other         */
    int images;                 /* rows: training images, shared out over the classes (default 12)        */
    int variants;               /* columns beside the original, how epochs 0, 1 ... see it (default 6;
                                 * the evaluation rule makes one)                                         */
    uint64_t seed;              /* that of training shows what training sees                              */
    uint8_t reserved[32];
} eff_sheet_opts;
/** The defaults named above. Always start here. */
EFF_API void eff_sheet_opts_init(eff_sheet_opts *o);

/** Draw a contact sheet as a PNG: a row an image, class by class, the original on the left and what is made from it
 * beside. Atomic.
 * @return EFF_EARG for a SPEC that is none, or no images or sizes; EFF_EFORMAT naming a file that is no longer
 * readable; EFF_EIO when the sheet cannot be written */
EFF_API eff_status eff_dataset_sheet(const eff_dataset *d, const eff_sheet_opts *o, const char *path, eff_error *err);

#ifdef __cplusplus
}
#endif
#endif
