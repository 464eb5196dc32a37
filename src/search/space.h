/* SPDX-License-Identifier: Apache-2.0 */
/* The search space: a table of stages in which some fields of each stage are open, as in MnasNet's factorised
 * hierarchical space (Tan et al. 2019, section 4.1): all layers of a stage are alike, stages differ. A child is one
 * option for every decision, and a child makes a table. Plain data, freely copied. */
#ifndef EFF_SEARCH_SPACE_H
#define EFF_SEARCH_SPACE_H

#include "model/table.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Fields of a stage, in the order in which its decisions are taken. */
typedef enum eff_field {
    EFF_FIELD_OP,      /* conv, dsconv, mbconv, fused (options are values of eff_op) */
    EFF_FIELD_KERNEL,  /* 3, 5, 7 */
    EFF_FIELD_EXPAND,  /* 1, 3, 4, 6: no effect on conv and dsconv */
    EFF_FIELD_SE,      /* 0, 0.25: no effect on conv and dsconv */
    EFF_FIELD_SKIP,    /* 1, 0 */
    EFF_FIELD_FILTERS, /* times the base's channels, rounded to the table's divisor; 1 leaves them as they are */
    EFF_FIELD_LAYERS,  /* added to the base's repeats; at least one is left */
    EFF_FIELDS
} eff_field;

enum {
    EFF_MAX_OPTIONS = 8,
    EFF_MAX_DECISIONS = EFF_MAX_STAGES * EFF_FIELDS,
    EFF_CHILD_TEXT = EFF_MAX_DECISIONS + EFF_MAX_STAGES /* bytes of the longest child as digits, with its end */
};

typedef struct eff_decision {
    int stage;
    eff_field field;
    int n; /* options, 1..EFF_MAX_OPTIONS; one: the field is set to it */
    double option[EFF_MAX_OPTIONS];
} eff_decision;

typedef struct eff_space {
    char name[EFF_NAME_LEN];
    eff_table base; /* what is not decided is as it is here */
    int ndecisions; /* stage by stage, in the order of eff_field */
    eff_decision decision[EFF_MAX_DECISIONS];
} eff_space;

typedef struct eff_child {
    uint8_t choice[EFF_MAX_DECISIONS]; /* number of the option of each decision; 0 beyond ndecisions */
} eff_child;

/** Load a space: one that is built in (share/spaces: "bench", "mnasnet", "small"), or a path to a JSON file
 * (docs/search.md). Every child of what is loaded has a sound table.
 * @param base  takes the place of the file's base; where the file lists stages it must have as many. NULL: the file's
 * @return EFF_EFORMAT naming the field: an unknown operator or key, a kernel that is not odd and positive, a list
 * without options, an option twice, a stage that is not there, a space with nothing to decide */
eff_status eff_space_load(eff_space *out, const char *spec, const eff_table *base, eff_error *err);
eff_status eff_space_from_json(eff_space *out, const json_t *j, const eff_table *base, eff_error *err);
/** New reference, NULL when memory ends; read back it is the same space. */
json_t *eff_space_to_json(const eff_space *s);

/** Children: all ways to choose, and how many of them are different networks (what has no effect on an operator, or
 * rounds to the same, counts once). Exact up to 2^53. */
void eff_space_size(const eff_space *s, double *choices, double *networks);

/** Put the first option that makes the same network wherever a choice has no effect, so that equal networks are equal
 * children. (Networks are told apart by operator: a dsconv without activation is not taken for an mbconv.) */
void eff_space_canonical(const eff_space *s, eff_child *c);

/** The network of a child, called SPACE-DIGITS after its canonical form, cut to fit; children that are one network have
 * one table. @return EFF_EARG naming the stage when the child is none of the space */
eff_status eff_space_table(eff_table *out, const eff_space *s, const eff_child *c, eff_error *err);

/** The child as digits, a group for every stage with decisions: "0120-10222", and back.
 * @return bytes needed, as snprintf; at most EFF_CHILD_TEXT - 1 */
int eff_child_format(const eff_space *s, const eff_child *c, char *buf, size_t size);
eff_status eff_child_parse(eff_child *out, const eff_space *s, const char *text, eff_error *err);

/** Name of a field as in JSON: "op", "kernel" ... */
const char *eff_field_name(eff_field f);
const char *const *eff_field_names(void); /* EFF_FIELDS of them, in the order of the enum */

#endif
