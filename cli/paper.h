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
/** Are these the paper's alpha, beta, gamma (1.2, 1.1, 1.15)? */
bool paper_constants(double alpha, double beta, double gamma);

#endif
