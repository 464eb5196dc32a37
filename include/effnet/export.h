/* SPDX-License-Identifier: Apache-2.0 */
/* export.h — leaving effnet: models as ONNX and in the names of other libraries, each held against the original before
 * it gets its name. This interface may change. */
#ifndef EFFNET_EXPORT_H
#define EFFNET_EXPORT_H

#include <effnet/effnet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eff_export_opts {
    int with_preprocess; /* ONNX: the input is uint8 [batch][h][w][3] RGB, mean and standard deviation are in the graph */
    const char *runtime; /* ONNX Runtime's shared library; NULL = what the loader finds, else effnet's evaluator;
                          * "none" = effnet's evaluator */
    const char *const *images; /* photographs to compare on; NULL = built-in ones */
    size_t nimages;
    double bar;      /* largest difference allowed of a probability, and of a logit relative to the spread of them   */
    int threads;     /* 0 = every CPU the process may use                                                            */
    const char *cpu; /* level of our side, as in eff_engine_opts                                                     */
    uint8_t reserved[32];
} eff_export_opts;
/** Built-in images, bar 0.001. Always start here. */
EFF_API void eff_export_opts_init(eff_export_opts *o);

/** How an exported file answers beside the model it was made of. */
typedef struct eff_parity {
    char runtime[64]; /* "ONNX Runtime 1.32.0", "effnet's evaluator"                        */
    int images, same_top1;
    int features;      /* 0; or of a body without classes how many it gives: they are what max_dlogit, spread and
                        * rounding tell of, and same_top1 and max_dp stay 0                   */
    double max_dp;     /* largest difference of a probability                                */
    double max_dlogit; /* largest difference of a logit                                      */
    double spread;     /* standard deviation of all logits: what max_dlogit is measured by   */
    double rounding;   /* 0; or, of a file beyond the bar, how far a logit here moves by sums in another order */
    int passed;        /* 1, or 0 and `reason`                                               */
    char reason[252];
} eff_parity;

/** Write `m` as ONNX (docs/export.md), run the file, compare, and only then give it its name.
 * @param parity  filled on EFF_OK. When it did not pass there is no file: what was at `path` before is as it was.
 * @return EFF_EARG for a model without weights or an option out of range, EFF_EUNSUPPORTED above 2 GiB, EFF_EFORMAT for a
 * photograph that cannot be read or a runtime that cannot be loaded, EFF_EIO when the file cannot be written */
EFF_API eff_status eff_export_onnx(const eff_model *m, const char *path, const eff_export_opts *o, eff_parity *parity,
                                   eff_error *err);

/** The comparison alone, of a file that is there. *parity is filled on EFF_OK.
 * @return EFF_EARG for a model without weights or an option out of range, EFF_EFORMAT for a file, a photograph or a runtime
 * that cannot be read, EFF_EUNSUPPORTED for a graph with operators that are not read */
EFF_API eff_status eff_export_check(const eff_model *m, const char *path, const eff_export_opts *o, eff_parity *parity,
                                    eff_error *err);

/** Write the weights as safetensors in the names of "timm", "torchvision", "lukemelas" or "neutral".
 * @param loads_as  what the file is for there, such as "tf_efficientnet_b0"; "" for a network that has no name there
 * @return EFF_EUNSUPPORTED where the library has no such network or would compute it by other rules (padding, epsilon
 * of batch norm), so that it would load and answer differently; EFF_EARG for a model without weights or an unknown library;
 * EFF_EIO when the file cannot be written */
EFF_API eff_status eff_export_weights(const eff_model *m, const char *path, const char *names, char loads_as[64],
                                      eff_error *err);

/** Write the names of the classes beside `path` (its suffix replaced): ".labels.txt", one a line, and ".id2label.json",
 * an object with id2label and label2id as other libraries read them.
 * @return EFF_EARG when the model has none, EFF_EIO when they cannot be written */
EFF_API eff_status eff_export_labels(const eff_model *m, const char *path, eff_error *err);

#ifdef __cplusplus
}
#endif
#endif
