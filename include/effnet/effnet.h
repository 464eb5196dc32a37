/* SPDX-License-Identifier: Apache-2.0 */
/* effnet.h — the stable interface: models, images, inference.
 *
 *     eff_error err = {0};
 *     eff_model *m; eff_engine *e; eff_image *im;
 *     if (eff_model_load(&m, "lite0.effnet", NULL, &err)) ...           err.msg says which tensor or field
 *     eff_engine_opts o; eff_engine_opts_init(&o);
 *     if (eff_engine_create(&e, m, &o, &err)) ...
 *     if (eff_image_load(&im, "photo.jpg", &err)) ...
 *     eff_image_prepare(im, eff_model_get_preprocess(m), x, &err);      x: float [h][w][3]
 *     eff_engine_run(e, x, 1, logits, &err);
 *
 * Every function that can fail returns an eff_status and fills the caller's eff_error (NULL to ignore). Each says which
 * failures it has; two need no word: EFF_EARG for NULL where something is needed, EFF_ENOMEM wherever memory is taken.
 * An object made through `out` is the caller's, to be released by the function named there; *out is NULL after a failure.
 * Objects are opaque; every *_free accepts NULL. Strings are UTF-8. Nothing here prints or exits.
 */
#ifndef EFFNET_EFFNET_H
#define EFFNET_EFFNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define EFF_API __attribute__((visibility("default")))
#else
#define EFF_API
#endif

#define EFF_VERSION_MAJOR 0
#define EFF_VERSION_MINOR 1
#define EFF_VERSION_PATCH 0

/** The library's version as "MAJOR.MINOR.PATCH"; static storage. */
EFF_API const char *eff_version(void);

/* ------------------------------------------------------------------------------------------ errors */

typedef enum eff_status { /* values are ABI: append, never renumber */
    EFF_OK = 0,
    EFF_EARG = -1,         /* the caller's argument: unknown name, value out of range (exit 2)           */
    EFF_ENOMEM = -2,       /* memory (exit 1)                                                            */
    EFF_EIO = -3,          /* the environment: disk full, output unwritable (exit 1)                     */
    EFF_EFORMAT = -4,      /* an input missing, unreadable or malformed (exit 3)                         */
    EFF_EUNSUPPORTED = -5, /* well-formed, but nothing effnet reads (exit 3)                             */
    EFF_ECANCELLED = -6    /* a callback asked to stop                                                   */
} eff_status;

/** What went wrong, in one line without the file's name (the caller knows it). Caller-owned. */
typedef struct eff_error {
    eff_status code;
    char msg[252];
} eff_error;

/* ------------------------------------------------------------------------------------ preprocessing */

typedef enum eff_geometry {
    EFF_GEOM_SHORT = 0,  /* short side to `side` (long side truncated), centre crop height x width        */
    EFF_GEOM_SQUARE = 1, /* centre square of `fraction` of the short side, then resize to height x width  */
    EFF_GEOM_SQUASH = 2  /* stretch to side x side, centre crop height x width                            */
} eff_geometry;

typedef enum eff_filter {
    EFF_FILTER_BILINEAR = 0,    /* Pillow's, antialiased, 8-bit arithmetic                                */
    EFF_FILTER_BICUBIC = 1,     /* Pillow's, a = -0.5                                                     */
    EFF_FILTER_LANCZOS = 2,     /* Pillow's, a = 3                                                        */
    EFF_FILTER_TF1_BILINEAR = 3,/* tf.compat.v1.image.resize_bilinear: no half-pixel shift, no antialias  */
    EFF_FILTER_TF1_BICUBIC = 4, /* tf.compat.v1.image.resize_bicubic: a = -0.75, 1024-entry table         */
    EFF_FILTER_TF2_BILINEAR = 5,/* tf.image.resize, half-pixel centres, no antialias                      */
    EFF_FILTER_TF2_BICUBIC = 6, /* a = -0.5                                                               */
    EFF_FILTER_TF2_BILINEAR_AA = 7,
    EFF_FILTER_TF2_BICUBIC_AA = 8
} eff_filter;

/** How a photograph becomes the network's input (reference: each family's evaluation rule). Plain data. */
typedef struct eff_preprocess {
    eff_geometry geometry;
    eff_filter filter;
    int side;           /* pixels; EFF_GEOM_SHORT and EFF_GEOM_SQUASH */
    int height, width;  /* of the network's input, pixels             */
    double fraction;    /* EFF_GEOM_SQUARE, 0..1                      */
    float mean[3];      /* RGB on the 0..255 scale                    */
    float std[3];
    int icc;            /* 1: an embedded colour profile is converted to sRGB; 0: it is ignored          */
    int scaled_dct;     /* 1: a large JPEG may be decoded at half size where that changes no value by more
                         * than one level; 2: at 1/2, 1/4 or 1/8, down to the size resized to, which
                         * changes more (docs/formats.md); 0: never                                      */
    uint8_t reserved[24];
} eff_preprocess;

/** Replace the keys that SPEC names ("short=256,filter=bicubic,crop=224,mean=127,std=128") in *p.
 * Keys: short, squash (pixels); square (fraction); crop, size (N or HxW); filter; mean, std (one or r:g:b);
 * icc (ignore or srgb); scaled-dct (off, on or fast).
 * @return EFF_EARG naming the key, with *p unchanged. */
EFF_API eff_status eff_preprocess_parse(eff_preprocess *p, const char *spec, eff_error *err);

/** Write *p as a SPEC that eff_preprocess_parse() reads back to the same rule. @return bytes needed, as snprintf. */
EFF_API int eff_preprocess_format(const eff_preprocess *p, char *buf, size_t size);

/* -------------------------------------------------------------------------------------------- images */

typedef struct eff_image eff_image; /* decoded RGB, 8 bits a channel; immutable */

/** Decode a JPEG, PNG, WebP, TIFF or AVIF file (the content decides, not the suffix) and turn it upright as its EXIF orientation
 * says. Release with eff_image_free().
 * @return EFF_EFORMAT for a missing, damaged or too large file, EFF_EUNSUPPORTED for another kind of image, EFF_EIO where
 * the worker of TIFF and AVIF cannot be started */
EFF_API eff_status eff_image_load(eff_image **out, const char *path, eff_error *err);

/** Decode an image from memory; `bytes` is borrowed for the call. Release with eff_image_free().
 * @return EFF_EFORMAT, EFF_EUNSUPPORTED, EFF_EIO as eff_image_load() */
EFF_API eff_status eff_image_decode(eff_image **out, const void *bytes, size_t size, eff_error *err);

/** Wrap a copy of RGB bytes, [height][width][3], rows tightly packed. Release with eff_image_free().
 * @return EFF_EARG for a size below one pixel or above the limits of decoding */
EFF_API eff_status eff_image_from_rgb(eff_image **out, const uint8_t *rgb, int width, int height, eff_error *err);

/** Pixels a row. */
EFF_API int eff_image_width(const eff_image *im);
/** Rows. */
EFF_API int eff_image_height(const eff_image *im);
/** uint8 [height][width][3] RGB; borrowed until eff_image_free(). */
EFF_API const uint8_t *eff_image_pixels(const eff_image *im);
/** Release an image; NULL is fine. */
EFF_API void eff_image_free(eff_image *im);

/** Resize, crop and normalise by the rule `p`.
 * @param x  float32 [p->height][p->width][3] RGB, written only on EFF_OK
 * @return EFF_EARG for a rule with a value out of range, naming it */
EFF_API eff_status eff_image_prepare(const eff_image *im, const eff_preprocess *p, float *x, eff_error *err);

/** eff_image_load() and eff_image_prepare() in one, with the same result but for `scaled_dct`: rows are resized as they are
 * decoded, so that a photograph of any size needs little memory.
 * @param x  float32 [p->height][p->width][3] RGB, to be used only on EFF_OK
 * @return EFF_EARG, EFF_EFORMAT, EFF_EUNSUPPORTED, EFF_EIO as those two */
EFF_API eff_status eff_prepare_file(const char *path, const eff_preprocess *p, float *x, eff_error *err);
/** The same for an image in memory; `bytes` is borrowed for the call.
 * @return EFF_EARG, EFF_EFORMAT, EFF_EUNSUPPORTED, EFF_EIO as eff_prepare_file() */
EFF_API eff_status eff_prepare_bytes(const void *bytes, size_t size, const eff_preprocess *p, float *x, eff_error *err);

/* -------------------------------------------------------------------------------------------- models */

typedef struct eff_model eff_model; /* immutable once loaded; share freely between threads */

typedef struct eff_model_opts {
    const char *family;       /* of a checkpoint's names: NULL = recognise; "timm", "timm_tf", "torchvision", "lukemelas", "tf", "keras" */
    const char *architecture; /* built-in name or table path for a checkpoint; NULL = recognise  */
    int classes;              /* of an untrained model; 0 = the table's                          */
    int height, width;        /* input size; 0 = the model's own                                 */
    int channels;             /* 3: a stem for another number of input channels is adapted to colour; 0: it is refused */
    uint8_t reserved[28];
} eff_model_opts;
/** All as in the comments above: nothing is asked for. Always start here. */
EFF_API void eff_model_opts_init(eff_model_opts *o);

/** Load a model: a path to a model file or checkpoint, a table (.json), or a built-in name, which may carry
 * changes ("efficientnet-b0@width=0.35,depth=0.5,resolution=64,classes=10"). A built-in or a table is untrained.
 * The weights of a model file are not copied but mapped: it may be replaced or removed while the model lives, as every
 * save of effnet does it, but must not be written over in place.
 * @param o  NULL: the defaults
 * Release with eff_model_free(), after every engine and session made of it.
 * @return EFF_EARG for an unknown name (the nearest is suggested) or an option out of range, EFF_EFORMAT for a missing or
 * malformed file, EFF_EUNSUPPORTED for a network or a kind of file that effnet has not, EFF_EIO where the worker that parses
 * foreign files cannot be started */
EFF_API eff_status eff_model_load(eff_model **out, const char *spec, const eff_model_opts *o, eff_error *err);
/** Release a model and everything borrowed from it; NULL is fine. */
EFF_API void eff_model_free(eff_model *m);

/** Give a model the paper's initialisation (reference §1.10), in place of weights it may have; the same seed gives the same
 * bits.
 * @return EFF_ENOMEM */
EFF_API eff_status eff_model_init(eff_model *m, uint64_t seed, eff_error *err);

/** Save as `path`'s suffix says: .effnet (everything), .safetensors (neutral names, tensors only), .json (the table). Atomic.
 * @return EFF_EARG for another suffix or weights that are not there, EFF_EIO when it cannot be written */
EFF_API eff_status eff_model_save(const eff_model *m, const char *path, eff_error *err);

/** Class names from a text file: one a line, or TSV "index<TAB>id<TAB>name" / "index<TAB>name". The count must fit the model.
 * @return EFF_EFORMAT naming the line, or the counts that differ, with the names as they were; EFF_EARG where the model has no
 * classes */
EFF_API eff_status eff_model_set_classes(eff_model *m, const char *path, eff_error *err);
/** Replace the rule by which photographs are prepared; *p is copied. */
EFF_API void eff_model_set_preprocess(eff_model *m, const eff_preprocess *p);
/** Where the weights come from and under which licence; both are copied, NULL removes.
 * @return EFF_EARG for anything but a line of UTF-8 text of moderate length; nothing is changed then */
EFF_API eff_status eff_model_set_origin(eff_model *m, const char *origin, const char *licence, eff_error *err);

/** What a model's confidence is worth: softmax(logits / temperature) is the probability to show. Never changes which
 * class is first. 1 when none was fitted. */
EFF_API double eff_model_temperature(const eff_model *m);
/** Set it. @return EFF_EARG unless finite and in 0.01..100 */
EFF_API eff_status eff_model_set_temperature(eff_model *m, double temperature, eff_error *err);

typedef enum eff_record {
    EFF_RECORD_METRICS = 0, /* "metrics": how good the model is, and on what              */
    EFF_RECORD_TRAINING = 1 /* "training": how it came about                              */
} eff_record;
/** A record in the model file: a JSON object, whose usual keys docs/formats.md lists. NULL when there is none; borrowed
 * until it is set again or the model is freed. */
EFF_API const char *eff_model_record(const eff_model *m, eff_record which);
/** Set a record to a copy of `json`; NULL removes it.
 * @return EFF_EARG for anything but a JSON object without duplicate keys, of at most 1 MiB and 16 levels */
EFF_API eff_status eff_model_set_record(eff_model *m, eff_record which, const char *json, eff_error *err);

/** The rule by which photographs are prepared for the model; borrowed until eff_model_free(). */
EFF_API const eff_preprocess *eff_model_get_preprocess(const eff_model *m);
/** Name of class i, or NULL when the model has none (or i is out of range); borrowed until the names are set again or the
 * model is freed. */
EFF_API const char *eff_model_class_name(const eff_model *m, int i);
/** Index of the class named `s` (its name, its first synonym, its id such as a WordNet synset, or a number), else -1. */
EFF_API int eff_model_find_class(const eff_model *m, const char *s);

/** One row of the architecture: stem, the stages, head, classifier. Shapes are height, width, channels. */
typedef struct eff_stage_info {
    const char *role;  /* "stem", "stage", "head", "classifier"                                            */
    const char *op;    /* "conv", "dsconv", "mbconv", "fused", "basic", "bottleneck", "linear"             */
    const char *act;   /* "silu", "relu", "relu6", "hswish", "none"                                        */
    int kernel, stride, channels, repeats;
    double expand, se;
    int in[3], out[3];
    uint64_t params, macs;
    uint64_t activation_bytes; /* float32 outputs of every convolution of the row, batch 1 */
} eff_stage_info;

typedef struct eff_model_info {
    const char *name;          /* "efficientnet-b0", or what the table is called  */
    const char *format;        /* "builtin", "table", "effnet", "safetensors", "pytorch-zip", "pytorch-legacy", "tensorflow-bundle", "keras", "keras-h5" */
    const char *family;        /* names the weights came in; NULL if untrained    */
    const char *padding;       /* "same" or "symmetric"                           */
    const char *origin, *licence; /* of the weights, or NULL                      */
    double bn_eps, width, depth, dropout;
    int height, width_px, classes, blocks, convs, has_weights, has_class_names;
    uint64_t params, macs;     /* trainable parameters; multiply-adds of conv and linear, one image */
    uint64_t bn_buffers;       /* running means and variances                     */
    uint64_t activation_bytes; /* peak of the inference plan for one image        */
    uint64_t conv_out_elems;
    uint64_t macs_stem, macs_dw, macs_pw, macs_full, macs_se, macs_head, macs_fc;
    int nstages;
    const eff_stage_info *stages;
    const char *note;          /* which tensors of a checkpoint were taken, and how; NULL = simply those it has */
} eff_model_info;
/** Facts about a model at its input size; borrowed until eff_model_free(). */
EFF_API const eff_model_info *eff_model_get_info(const eff_model *m);

/** The table as JSON text, the schema of docs/formats.md. malloc'ed: release with free(). NULL when memory ends. */
EFF_API char *eff_model_table_json(const eff_model *m);

typedef struct eff_tensor_info {
    const char *name;
    const char *dtype; /* "F32", "F16", "BF16", "I64" ... */
    int ndim;
    int64_t shape[8];
} eff_tensor_info;

/** Tensors of the model (weights and running statistics), by number in the order of the graph. */
EFF_API int eff_model_tensor_count(const eff_model *m);
/** Values of tensor i, row-major float32, and its neutral name and shape in *info (NULL to ignore); borrowed until
 * eff_model_free(). NULL when i is out of range or the model is untrained. */
EFF_API const float *eff_model_tensor(const eff_model *m, int i, eff_tensor_info *info);

/** How many architectures are built in. */
EFF_API int eff_builtin_count(void);
/** Name of architecture i, in the order they are listed to people; static storage. NULL when i is out of range. */
EFF_API const char *eff_builtin_name(int i);

/** A network's name without "efficientnet-" in front: "b0". Points into `name`. */
EFF_API const char *eff_brief_name(const char *name);

/** Closest name to `name` among n candidates by edit distance, borrowed from them, or NULL when nothing is near. For "did you
 * mean". */
EFF_API const char *eff_nearest_name(const char *name, const char *const *candidates, int n);

/* --------------------------------------------------------------------------------------- checkpoints */

typedef struct eff_checkpoint eff_checkpoint; /* any tensor file, whether or not a model is in it */

/** PyTorch's, Keras' and ONNX files, TIFF and AVIF images are parsed in a process of their own, effnet-worker, which has no
 * access to anything but the file (docs/architecture.md, "The jail"). 0: from now on, in the whole process, it runs unconfined: for debugging. */
EFF_API void eff_jail_enable(int on);

/** Open a tensor file and read its directory; tensor data stays on disk, or in memory where a worker read it. Release with
 * eff_checkpoint_close().
 * @return EFF_EFORMAT for a missing or malformed file, EFF_EUNSUPPORTED for one of a kind that is not read, EFF_EIO where
 * the worker cannot be started */
EFF_API eff_status eff_checkpoint_open(eff_checkpoint **out, const char *path, eff_error *err);
/** Its kind, as eff_model_info.format; static storage. */
EFF_API const char *eff_checkpoint_format(const eff_checkpoint *c);
/** What it says beside its tensors, in one line, or NULL; borrowed until eff_checkpoint_close(). */
EFF_API const char *eff_checkpoint_note(const eff_checkpoint *c);
/** Number of tensors. */
EFF_API size_t eff_checkpoint_count(const eff_checkpoint *c);
/** Bytes of its files together. */
EFF_API uint64_t eff_checkpoint_bytes(const eff_checkpoint *c);
/** Name, type and shape of tensor i (below the count); strings are borrowed until eff_checkpoint_close(). */
EFF_API void eff_checkpoint_tensor(const eff_checkpoint *c, size_t i, eff_tensor_info *out);
/** Read tensor i, converted to float32, row-major, into out[product of shape].
 * @return EFF_EARG for an i out of range, EFF_EUNSUPPORTED for elements that are no numbers, EFF_EFORMAT when the file
 * cannot be read or ends before the tensor does */
EFF_API eff_status eff_checkpoint_read(const eff_checkpoint *c, size_t i, float *out, eff_error *err);
/** Release a checkpoint; NULL is fine. */
EFF_API void eff_checkpoint_close(eff_checkpoint *c);

/* ------------------------------------------------------------------------------------------- engines */

/* Plan, packed weights, scratch and workers. An engine is not shared: one caller at a time. Its model is: any number of
 * engines, each on a thread of its own, may be made of one model and run at the same time, as long as nobody changes or
 * frees the model. */
typedef struct eff_engine eff_engine;

typedef enum eff_precision {
    EFF_FLOAT32 = 0,
    EFF_BFLOAT16 = 1 /* operands of dense convolutions and linear layers in bfloat16, sums and the rest in float32 */
} eff_precision;

typedef struct eff_engine_opts {
    int threads;        /* workers; 0 = every CPU the process may use, which is also the most       */
    int max_batch;      /* images a run (default 1); of as many as workers, each computes its own   */
    const char *cpu;    /* NULL = EFFNET_CPU or the best found; else a cap: "ref", "avx2", "avx512", "neon" */
    int height, width;  /* input size; 0 = the model's                                              */
    eff_precision precision; /* of arithmetic (default EFF_FLOAT32)                                 */
    uint8_t reserved[28];
} eff_engine_opts;
/** One image a run, every CPU, float32. Always start here. */
EFF_API void eff_engine_opts_init(eff_engine_opts *o);

/** Plan a model for repeated inference. `m` must outlive the engine; release with eff_engine_free().
 * @param o  NULL: the defaults
 * @return EFF_EARG for an untrained model, an option out of range, an unknown CPU level, a size at which the network comes
 * to nothing, and for EFF_BFLOAT16 where the CPU, or the cap on it, lacks AVX512_BF16 */
EFF_API eff_status eff_engine_create(eff_engine **out, const eff_model *m, const eff_engine_opts *o, eff_error *err);

/** Score a batch of prepared images.
 * @param x       float32 NHWC [n][h][w][3], RGB, normalised; borrowed for the call
 * @param n       images, 1..max_batch
 * @param logits  float32 [n][classes], written only on EFF_OK; scores before softmax. Of a model without classes the pooled
 *                features, [n][eff_model_features()] (care.h)
 * @return EFF_OK, or EFF_EARG when n is out of range. Never allocates. Same bits for any thread count at one CPU level. */
EFF_API eff_status eff_engine_run(eff_engine *e, const float *x, int n, float *logits, eff_error *err);

/** The same for pixels of the network's input size, which are normalised on the way in by the model's mean and deviation:
 * the bits of eff_image_prepare() and eff_engine_run().
 * @param rgb  uint8 NHWC [n][h][w][3], RGB; borrowed for the call
 * @return EFF_EARG when n is out of range or the model's rule is none; EFF_ENOMEM from the first call only */
EFF_API eff_status eff_engine_run_pixels(eff_engine *e, const uint8_t *rgb, int n, float *logits, eff_error *err);

/** Called once a file, in order. Exactly one of failure and logits is non-NULL. Return non-zero to stop. */
typedef int eff_result_fn(void *ctx, size_t index, const eff_error *failure, const float *logits);

/** Decode, prepare and score files: decoding runs on all workers, results arrive in the order of `paths`.
 * A file that cannot be read is reported through `fn` and the rest goes on.
 * @param p  rule to use instead of the model's, or NULL
 * @return EFF_ECANCELLED when fn stopped it, EFF_EARG for a rule whose size is not the engine's */
EFF_API eff_status eff_engine_run_files(eff_engine *e, const char *const *paths, size_t n, const eff_preprocess *p,
                                        eff_result_fn *fn, void *ctx, eff_error *err);

/** Kernel level in use: "ref", "avx2", "avx512", "avx512bf16", "neon"; static storage. */
EFF_API const char *eff_engine_cpu(const eff_engine *e);
/** What dense products are computed in. */
EFF_API eff_precision eff_engine_precision(const eff_engine *e);
/** Workers: never more than CPUs the process may use. */
EFF_API int eff_engine_threads(const eff_engine *e);
/** Release an engine; NULL is fine. */
EFF_API void eff_engine_free(eff_engine *e);

/** CPU levels this machine can run, space-separated and best last ("ref avx2 avx512"); static storage. */
EFF_API const char *eff_cpu_levels(void);
/** Whether `name` is a level that can be asked for (on any machine). */
EFF_API int eff_cpu_level_known(const char *name);

#ifdef __cplusplus
}
#endif
#endif
