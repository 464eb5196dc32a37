/* SPDX-License-Identifier: Apache-2.0 */
/* A model in memory: table, graph, weights by parameter number, and what the model file says beside them. */
#ifndef EFF_MODEL_MODEL_H
#define EFF_MODEL_MODEL_H

#include "base/file.h"
#include "model/count.h"
#include "model/graph.h"
#include "model/table.h"

enum { EFF_RECORDS = EFF_RECORD_TRAINING + 1 };

enum { EFF_META_LINE = 4096 }; /* bytes of a class name, an id, an origin: what a model file may say on one line */

typedef struct eff_meta {
    eff_preprocess preprocess;
    char **class_names, **class_ids; /* [classes] or NULL; ids such as WordNet synsets        */
    char *family;                    /* naming the weights came in, or NULL                   */
    char *origin, *licence;          /* of the weights, or NULL                               */
    char *note;                      /* which tensors of a checkpoint they are, or NULL       */
    double temperature;              /* that the logits are divided by before softmax; 0: none was fitted */
    char *records[EFF_RECORDS];      /* JSON objects by eff_record, compact; or NULL          */
    char *extra;                     /* JSON object: what a model file says that this version does not use, kept as it was; or NULL */
    const char *format;              /* static: "builtin", "table", "effnet", "safetensors"...*/
} eff_meta;

struct eff_model {
    eff_table table;
    eff_graph *graph;     /* at the table's input size                                        */
    float **weights;      /* [graph->nparams], or NULL when untrained                         */
    float *weight_block;  /* what they point into, each 64-byte aligned; or NULL              */
    eff_map map;          /* the file that they point into instead, aligned as floats are     */
    eff_meta meta;
    eff_model_info info;  /* filled by eff_model_refresh_info()                               */
    eff_stage_info rows[EFF_MAX_STAGES + 3];
};

/** A model of this table without weights; default preprocessing of its size. */
eff_status eff_model_new(eff_model **out, const eff_table *t, eff_error *err);

/** Allocate the weight arrays (not initialised). */
eff_status eff_model_alloc_weights(eff_model *m, eff_error *err);

/** The paper's initialisation (reference §1.10). */
eff_status eff_model_init_weights(eff_model *m, uint64_t seed, eff_error *err);

/** The same for a parameter alone, as number `number` of its network. */
void eff_param_init(float *w, const eff_param *p, uint64_t seed, int number);

/** Release a model and all it owns; NULL is fine. The public eff_model_free() calls this. */
void eff_model_destroy(eff_model *m);

/** Recompute m->info after a change. Its activation_bytes is a plan's to tell and is kept. */
void eff_model_refresh_info(eff_model *m);

/** Batch norm `bn` of running statistics as y = scale * x + shift, in double and rounded once: folded so into the convolution
 * before it, wherever that is done. */
void eff_bn_fold(float *scale, float *shift, const eff_node *bn, float *const *weights);

/** NaN, infinities and negative variances are refused: EFF_EFORMAT naming the tensor, the element and the value. */
eff_status eff_check_values(const char *name, eff_param_kind kind, const float *v, size_t n, eff_error *err);

#endif
