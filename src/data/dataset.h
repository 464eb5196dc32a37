/* SPDX-License-Identifier: Apache-2.0 */
/* A set of labelled images from the inside. It is made in steps, each in a file of its own: what is there
 * (dataset_folder.c, dataset_csv.c), what of it can be read (dataset_check.c), which classes that makes and what goes
 * to which part (dataset_classes.c, split.c). A sample that drops out keeps its place with a reason until the end. */
#ifndef EFF_DATA_DATASET_H
#define EFF_DATA_DATASET_H

#include "base/error.h"

#include <effnet/data.h>

#include <stdbool.h>

enum { EFF_PARTS = 3, EFF_DIGEST = 32 };

typedef struct eff_sample {
    const char *path;           /* as it can be opened                                         */
    const char *rel;            /* as it is known within the set; what the split goes by        */
    const char *name;           /* of its class, as found                                       */
    const char *group;          /* or NULL                                                      */
    int part;                   /* eff_part, or -1 where nothing says which                     */
    int label;                  /* once the classes are settled                                 */
    int width, height;          /* upright                                                      */
    bool scalable;              /* the decoder can make it smaller on its way                   */
    uint8_t digest[EFF_DIGEST]; /* SHA-256 of the file                                          */
    uint64_t bytes;
    const char *reason; /* why it is left out, or NULL                                  */
} eff_sample;

typedef struct eff_note {
    const char *path, *text;
} eff_note;

typedef struct eff_notes {
    eff_note *note;
    size_t n, room;
} eff_notes;

typedef struct eff_text eff_text; /* a block of text */

struct eff_dataset {
    eff_text *text;     /* every string of the set */
    eff_sample *sample; /* in the order of the parts once it is settled */
    size_t n, room;
    eff_notes found; /* classes by name, also those without an image; `text` unused */
    eff_notes excluded, remarks;
    size_t first[EFF_PARTS + 1]; /* samples of part p: first[p] to first[p + 1] */
    const char **class_name;
    size_t *class_count; /* [EFF_PARTS][classes] */
    int classes;
    uint64_t seed;
    double val_fraction;
    int min_images;
    bool made; /* the split */
    char origin[48];
    uint64_t fingerprint;
};

/** Images of the smallest and the largest class of a part. */
void eff_dataset_class_range(const eff_dataset *d, eff_part part, int *least, int *most);

/** Text that lives as long as the set; NULL when memory ends. */
const char *eff_dataset_keep(eff_dataset *d, const char *text, size_t n);
/** The same, as printf; no longer than a few hundred bytes beside its arguments. */
const char *eff_dataset_print(eff_dataset *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Add a sample; its strings are kept already. */
eff_status eff_dataset_add(eff_dataset *d, const eff_sample *s, eff_error *err);
/** Note that a class was found, that a path is left out, a remark: NULL for either string says that memory ended. */
eff_status eff_dataset_found(eff_dataset *d, const char *class_name, eff_error *err);
eff_status eff_dataset_exclude(eff_dataset *d, const char *rel, const char *reason, eff_error *err);
eff_status eff_dataset_add_remark(eff_dataset *d, const char *text, eff_error *err);

/** The steps. */
eff_status eff_dataset_read_folder(eff_dataset *d, const char *path, eff_error *err);
eff_status eff_dataset_read_csv(eff_dataset *d, const char *path, eff_error *err);
eff_status eff_dataset_check(eff_dataset *d, const eff_dataset_opts *o, eff_error *err);
eff_status eff_dataset_settle(eff_dataset *d, const eff_model *m, eff_error *err);

/** Give samples of part -1 to training or validation. Samples with one digest or one group stay together. */
eff_status eff_dataset_split(eff_dataset *d, eff_error *err);

#endif
