/* SPDX-License-Identifier: Apache-2.0 */
/* Figures printed in Tan & Le 2019 (arXiv 1905.11946), to stand beside ours; the text changed between versions, so both
 * readings of the accuracies are kept. */
#ifndef EFFNET_CLI_PAPER_H
#define EFFNET_CLI_PAPER_H

#include <effnet/effnet.h>
#include <stdbool.h>

typedef struct paper_model {
    const char *name;    /* "efficientnet-b0" */
    double phi;          /* whose formula the released coefficients are nearest to; B1's skip width */
    double width, depth; /* released coefficients */
    int resolution;
    const char *params, *flops;   /* as printed in table 2, both versions; FLOPS counts multiply-adds */
    double top1_earlier, top1_v5; /* ImageNet, per cent */
} paper_model;

enum { PAPER_MODELS = 8 };
extern const paper_model paper_models[PAPER_MODELS];

/** The paper's model that `m` is (name, coefficients, 1,000 classes), or NULL. */
const paper_model *paper_find(const eff_model_info *m);
/** The released model nearest to phi, within a quarter, or NULL. */
const paper_model *paper_at(double phi);
/** The phi whose constant^phi is `factor`. */
double paper_phi(double constant, double factor);
/** Are these the paper's alpha, beta, gamma (1.2, 1.1, 1.15)? */
bool paper_constants(double alpha, double beta, double gamma);

/* A row of table 3 or 7: a network scaled in one dimension or in all, and what the paper prints of it. */
typedef struct paper_scaled {
    int table;
    const char *base; /* as effnet calls it; the rows of a base follow each other, the unscaled one first */
    const char *item; /* as the paper calls it                                                            */
    double depth, width, resolution; /* factors                                                           */
    bool stated;       /* the paper prints them; else those of table 3's MobileNetV1 are taken             */
    const char *flops; /* as printed                                                                      */
    double top1;       /* ImageNet, per cent: both versions; table 7's first row as in v5                 */
} paper_scaled;

enum { PAPER_SCALED = 19 };
extern const paper_scaled paper_rows[PAPER_SCALED];

/* What our count says of the printed figure. */
typedef enum paper_verdict {
    PAPER_AGREES,   /* rounds to it                                                                   */
    PAPER_NEAR,     /* within 5 %                                                                     */
    PAPER_OFF,      /* further, for no reason that we see                                             */
    PAPER_TOO_MANY, /* more than the factor's square times the base, which is the most it can be      */
    PAPER_SWAPPED,  /* another row of the base has this one's figure, and this one that row's         */
    PAPER_UNSTATED  /* the coefficients are not printed                                               */
} paper_verdict;

/** The unscaled network that row `row` comes from. */
int paper_base(int row);
/** Verdict on row `row` from the multiply-adds counted for all rows; *other: the row it is swapped with. */
paper_verdict paper_judge(int row, const uint64_t macs[PAPER_SCALED], int *other);

/** "16.2B", "5.3M" as a number, and half a unit of its last digit. */
double paper_number(const char *printed, double *half);

/* A network that the paper compares with (tables 2 and 3); NULL where it prints no figure. */
typedef struct paper_other {
    const char *family, *name, *params, *flops;
    double top1; /* ImageNet, per cent */
} paper_other;

enum { PAPER_OTHERS = 4 };
extern const paper_other paper_others[PAPER_OTHERS];

#endif
