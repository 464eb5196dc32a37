/* SPDX-License-Identifier: Apache-2.0 */
/* What network a tensor file holds, from the names and shapes of its tensors. */
#ifndef EFF_FORMATS_RECOGNISE_H
#define EFF_FORMATS_RECOGNISE_H

#include "formats/weights.h"

/** What the caller says about a file; everything may be left open. */
typedef struct eff_claim {
    const char *family;       /* NULL = by names and hint                                                   */
    const eff_table *table;   /* NULL = by names and shapes; classes are taken from the file when 0 in it   */
    bool keep_padding;        /* of *table; else the family's                                               */
    bool keep_eps;
} eff_claim;

typedef struct eff_recognised {
    eff_table table;     /* padding and BN epsilon as the family has them                                   */
    eff_fit fit;         /* where each parameter of a graph of `table` is in the file                       */
    eff_family naming;   /* how the file spells them                                                        */
    eff_family family;   /* whose rules hold: `naming`, unless neutral names were claimed for another family */
} eff_recognised;

/** Which network is in the file. Free *out with eff_recognised_free() when this gave EFF_OK.
 * @return EFF_EARG when the names leave the family open or contradict claim->family, EFF_EFORMAT when nothing known
 * fits */
eff_status eff_recognise(eff_recognised *out, const eff_index *x, const eff_claim *claim, eff_error *err);
void eff_recognised_free(eff_recognised *r);

/** Padding and BN epsilon of weights published in a family for a network like `t`; neutral: the table's own. */
void eff_family_rules(eff_family f, const eff_table *t, eff_pad *pad, double *bn_eps);

#endif
