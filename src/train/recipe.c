/* SPDX-License-Identifier: Apache-2.0 */
/* The table of values, the four recipes, and how one is picked. Reasons are kept beside the values, so that what is
 * printed is what was decided. */
#include "train/recipe.h"

#include "base/mem.h"
#include "base/nearest.h"
#include "base/number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct key_row {
    const char *name;
    double lo, hi;
    bool whole;
    const char *choices; /* words, space-separated: the value is the word's number */
    const char *about;
} key_row;

static const key_row keys[EFF_KEYS] = {
    [EFF_KEY_HEAD_FIRST] = { "head-first", 0, 1, true, NULL,
                             "1: fit the classifier on the frozen body's features before anything else" },
    [EFF_KEY_EPOCHS] = { "epochs", 0, 100000, true, NULL, "passes over the training images; 0 stops after head-first" },
    [EFF_KEY_BATCH] = { "batch", 1, 65536, true, NULL, "images of a step of the optimiser" },
    [EFF_KEY_MICRO_BATCH] = { "micro-batch", 0, 65536, true, NULL,
                              "images in memory at once, gradients are added up; 0 = batch" },
    [EFF_KEY_RECOMPUTE] = { "recompute", 0, 1, true, NULL,
                            "1: blocks are computed again on the way back: less memory, more time, the same bits" },
    [EFF_KEY_OPEN_BLOCKS] = { "open-blocks", -1, 4096, true, NULL,
                              "blocks that learn, counted from the classifier; -1 = all" },
    [EFF_KEY_OPTIMIZER] = { "optimizer", 0, 2, true, "rmsprop sgd adamw", "rmsprop is TensorFlow's" },
    [EFF_KEY_LR] = { "lr", 0, 1e6, false, NULL, "highest learning rate" },
    [EFF_KEY_LR_FINAL] = { "lr-final", 0, 1, false, NULL, "part of lr that cosine and one-cycle end at" },
    [EFF_KEY_SCHEDULE] = { "schedule", 0, 3, true, "constant exponential cosine one-cycle",
                           "how the learning rate goes" },
    [EFF_KEY_WARMUP] = { "warmup", 0, 1000, false, NULL, "epochs in which the learning rate rises from 0" },
    [EFF_KEY_DECAY_RATE] = { "decay-rate", 1e-6, 1, false, NULL, "exponential: factor ..." },
    [EFF_KEY_DECAY_EPOCHS] = { "decay-epochs", 1e-3, 1e5, false, NULL, "... at every so many epochs" },
    [EFF_KEY_LAYER_DECAY] = { "layer-decay", 0.01, 1, false, NULL,
                              "factor on the learning rate for every block further from the classifier" },
    [EFF_KEY_MOMENTUM] = { "momentum", 0, 0.9999, false, NULL, "of rmsprop and sgd" },
    [EFF_KEY_WEIGHT_DECAY] = { "weight-decay", 0, 10, false, NULL, "pull of the weights towards 0" },
    [EFF_KEY_DECAY_ON] = { "decay-on", 0, 2, true, "matrices paper all", "tensors that weight-decay acts on" },
    [EFF_KEY_CLIP] = { "clip", 0, 1e9, false, NULL, "largest norm of the gradient; 0 = any" },
    [EFF_KEY_FROZEN_BN] = { "frozen-bn", 0, 1, true, NULL, "1: batch norm keeps the statistics it came with" },
    [EFF_KEY_BN_MOMENTUM] = { "bn-momentum", 1e-6, 1, false, NULL, "weight of a batch in the running statistics" },
    [EFF_KEY_EMA] = { "ema", 0, 0.999999, false, NULL,
                      "decay of the averaged weights, which are what is kept; 0 = none" },
    [EFF_KEY_SMOOTHING] = { "label-smoothing", 0, 0.99, false, NULL, "part of a target spread over all classes" },
    [EFF_KEY_CLASS_BETA] = { "class-weights", 0, 0.999999, false, NULL,
                             "beta of the effective number of images a class; 0 = all weigh 1" },
    [EFF_KEY_MIXUP] = { "mixup", 0, 100, false, NULL, "alpha of mixup; 0 = off" },
    [EFF_KEY_CUTMIX] = { "cutmix", 0, 100, false, NULL, "alpha of cutmix; 0 = off" },
    [EFF_KEY_DROPOUT] = { "dropout", 0, 0.99, false, NULL, "before the classifier" },
    [EFF_KEY_DROP_PATH] = { "drop-path", 0, 0.99, false, NULL,
                            "stochastic depth: chance of dropping the last block, falling linearly to 0" },
    [EFF_KEY_PATIENCE] = { "patience", 0, 100000, true, NULL,
                           "stop after so many epochs without a better one; 0 = never" },
    [EFF_KEY_KEEP] = { "keep", 0, 1, true, "best last",
                       "the epoch whose weights are the model: best on the validation images, or last" },
    [EFF_KEY_RESOLUTION] = { "resolution", 0, 8192, true, NULL, "side of the input in pixels; 0 = the model's own" },
};

/* ---------------------------------------------------------------------------------- values and reasons */

void eff_recipe_put(eff_recipe *r, eff_key k, double v, const char *why, ...)
{
    va_list ap;
    va_start(ap, why);
    vsnprintf(r->why[k], sizeof r->why[k], why, ap);
    va_end(ap);
    r->v[k] = v;
}

static void put_augment(eff_recipe *r, const char *preset, const char *why)
{
    eff_augment_preset(&r->augment, preset, NULL);
    snprintf(r->augment_why, sizeof r->augment_why, "%s", why);
}

/* Number of the word at `text` in `words`, or -1. */
static int choice(const char *words, const char *text, size_t len)
{
    int n = 0;
    for (const char *w = words; *w; n++) {
        const size_t one = strcspn(w, " ");
        if (one == len && !memcmp(w, text, len)) return n;
        w += one;
        w += strspn(w, " ");
    }
    return -1;
}

static int find_key(const char *name, size_t len)
{
    for (int i = 0; i < EFF_KEYS; i++)
        if (strlen(keys[i].name) == len && !memcmp(keys[i].name, name, len)) return i;
    return -1;
}

static eff_status unknown_key(const char *name, size_t len, eff_error *err)
{
    char word[64];
    const char *names[EFF_KEYS + 1];
    snprintf(word, sizeof word, "%.*s", (int)(len < 60 ? len : 60), name);
    for (int i = 0; i < EFF_KEYS; i++) names[i] = keys[i].name;
    names[EFF_KEYS] = "augment";
    const char *near = eff_nearest_name(word, names, EFF_KEYS + 1);
    return eff_fail(err, EFF_EARG, "recipe: there is no '%s'%s%s%s", word, near ? ", did you mean '" : "",
                    near ? near : "", near ? "'?" : "");
}

static eff_status set_one(eff_recipe *r, const char *key, size_t klen, const char *value, size_t vlen, eff_error *err)
{
    char text[64];
    const int k = find_key(key, klen);
    if (k < 0) return unknown_key(key, klen, err);
    const key_row *row = &keys[k];
    snprintf(text, sizeof text, "%.*s", (int)(vlen < 60 ? vlen : 60), value);
    double v = 0;
    if (row->choices) {
        v = choice(row->choices, value, vlen);
        if (v < 0)
            return eff_fail(err, EFF_EARG, "recipe: %s: expected one of: %s; found '%s'", row->name, row->choices,
                            text);
    } else {
        if (!eff_number_read(value, vlen, &v) || v < row->lo || v > row->hi || (row->whole && v != floor(v)))
            return eff_fail(err, EFF_EARG, "recipe: %s: expected a %snumber in %g..%g, found '%s'", row->name,
                            row->whole ? "whole " : "", row->lo, row->hi, text);
    }
    eff_recipe_put(r, (eff_key)k, v, "as asked");
    return EFF_OK;
}

EFF_API eff_status eff_recipe_set(eff_recipe *r, const char *text, eff_error *err)
{
    eff_recipe changed = { 0 };
    if (r) changed = *r;
    while (*text) {
        const size_t len = strcspn(text, ","), klen = strcspn(text, "=,");
        if (klen >= len)
            return eff_fail(err, EFF_EARG, "recipe: expected key=value, found '%.*s'", (int)(len < 60 ? len : 60),
                            text);
        if (klen == 7 && !memcmp(text, "augment", 7)) { /* takes the rest, which has commas of its own */
            const eff_status s = eff_augment_read(&changed.augment, text + 8, err);
            if (s != EFF_OK) return s;
            snprintf(changed.augment_why, sizeof changed.augment_why, "as asked");
            break;
        }
        const eff_status s = set_one(&changed, text, klen, text + klen + 1, len - klen - 1, err);
        if (s != EFF_OK) return s;
        text += len;
        text += *text == ',';
    }
    if (r) *r = changed;
    return EFF_OK;
}

EFF_API int eff_recipe_matters(const eff_recipe *r, int i)
{
    const double v = i >= 0 && i < EFF_KEYS ? r->v[i] : 1;
    const eff_schedule_kind schedule = (eff_schedule_kind)r->v[EFF_KEY_SCHEDULE];
    const bool steps = r->v[EFF_KEY_EPOCHS] > 0;
    switch (i) {
    case EFF_KEY_HEAD_FIRST:
    case EFF_KEY_EPOCHS: return 1;
    case EFF_KEY_RESOLUTION:
    case EFF_KEY_CLASS_BETA: return v != 0;
    case EFF_KEY_MICRO_BATCH:
    case EFF_KEY_RECOMPUTE:
    case EFF_KEY_CLIP:
    case EFF_KEY_EMA:
    case EFF_KEY_SMOOTHING:
    case EFF_KEY_MIXUP:
    case EFF_KEY_CUTMIX:
    case EFF_KEY_DROPOUT:
    case EFF_KEY_DROP_PATH:
    case EFF_KEY_PATIENCE:
    case EFF_KEY_WARMUP:
    case EFF_KEY_WEIGHT_DECAY: return steps && v != 0;
    case EFF_KEY_OPEN_BLOCKS: return steps && v >= 0;
    case EFF_KEY_LAYER_DECAY: return steps && v != 1;
    case EFF_KEY_LR_FINAL: return steps && (schedule == EFF_SCHED_COSINE || schedule == EFF_SCHED_ONE_CYCLE);
    case EFF_KEY_DECAY_RATE:
    case EFF_KEY_DECAY_EPOCHS: return steps && schedule == EFF_SCHED_EXPONENTIAL;
    case EFF_KEY_MOMENTUM: return steps && r->v[EFF_KEY_OPTIMIZER] != EFF_ADAMW;
    case EFF_KEY_DECAY_ON: return steps && r->v[EFF_KEY_WEIGHT_DECAY] > 0;
    case EFF_KEY_BN_MOMENTUM: return steps && r->v[EFF_KEY_FROZEN_BN] == 0;
    default: return steps;
    }
}

EFF_API int eff_recipe_count(void) { return EFF_KEYS + 1; }

EFF_API const char *eff_recipe_key(int i, const char **about)
{
    if (i < 0 || i > EFF_KEYS) return NULL;
    if (about)
        *about =
            i < EFF_KEYS ? keys[i].about : "how training images are varied: a preset, and key=value (docs/recipes.md)";
    return i < EFF_KEYS ? keys[i].name : "augment";
}

EFF_API const char *eff_recipe_value(eff_recipe *r, int i, const char **why)
{
    if (i < 0 || i > EFF_KEYS) return NULL;
    if (i == EFF_KEYS) {
        if (why) *why = r->augment_why;
        eff_augment_write(&r->augment, r->augment_text, sizeof r->augment_text);
        return r->augment_text;
    }
    if (why) *why = r->why[i];
    if (!keys[i].choices) {
        for (int digits = 6; digits <= 17; digits++) { /* the shortest that reads back the same */
            double back;
            eff_number_print(r->text, sizeof r->text, "%.*g", digits, r->v[i]);
            if (eff_number_read(r->text, strlen(r->text), &back) && back == r->v[i]) break;
        }
        return r->text;
    }
    const char *w = keys[i].choices;
    for (int n = (int)r->v[i]; n > 0; n--) w += strcspn(w, " ") + 1;
    snprintf(r->text, sizeof r->text, "%.*s", (int)strcspn(w, " "), w);
    return r->text;
}

/* --------------------------------------------------------------------------------------------- recipes */

static void common(eff_recipe *r, const eff_facts *f)
{
    for (int i = 0; i < EFF_KEYS; i++) eff_recipe_put(r, (eff_key)i, 0, " ");
    eff_recipe_put(r, EFF_KEY_OPEN_BLOCKS, -1, "every block learns");
    eff_recipe_put(r, EFF_KEY_LAYER_DECAY, 1, "one rate for all blocks");
    eff_recipe_put(r, EFF_KEY_MOMENTUM, 0.9, "usual");
    eff_recipe_put(r, EFF_KEY_DECAY_RATE, 0.97, "the paper's");
    eff_recipe_put(r, EFF_KEY_DECAY_EPOCHS, 2.4, "the paper's");
    eff_recipe_put(r, EFF_KEY_BN_MOMENTUM, 0.01, "the paper's");
    eff_recipe_put(r, EFF_KEY_MICRO_BATCH, 0, "the whole batch is held at once");
    eff_recipe_put(r, EFF_KEY_RECOMPUTE, 0, "memory is not short");
    eff_recipe_put(r, EFF_KEY_DROPOUT, f->dropout, "the network's own");
    eff_recipe_put(r, EFF_KEY_DROP_PATH, 0, "off");
    eff_recipe_put(r, EFF_KEY_FROZEN_BN, 0, "batch norm learns its statistics");
    eff_recipe_put(r, EFF_KEY_RESOLUTION, 0, "the network's own, %d", f->side);
    eff_recipe_put(r, EFF_KEY_MIXUP, 0, "off: mixed motifs are no motif");
    eff_recipe_put(r, EFF_KEY_CUTMIX, 0, "off");
    eff_recipe_put(r, EFF_KEY_CLIP, 0, "off");
    eff_recipe_put(r, EFF_KEY_PATIENCE, 0, "runs to the end: the rate falls to nothing anyway");
    eff_recipe_put(r, EFF_KEY_KEEP, 0, "the figure is then a little kind: a test/ folder gives one that is not");
    eff_recipe_put(r, EFF_KEY_SMOOTHING, 0.1, "the paper's; keeps confidences honest");
    eff_recipe_put(r, EFF_KEY_DECAY_ON, EFF_DECAY_MATRICES, "convolutions and classifier, not batch norm");
    eff_recipe_put(r, EFF_KEY_SCHEDULE, EFF_SCHED_COSINE, "falls smoothly to the end");
    eff_recipe_put(r, EFF_KEY_LR_FINAL, 0.01, "ends at 1 %% of lr");
}

static int batch_for(int images)
{
    int batch = 32;
    while (batch > 4 && images < 4 * batch) batch /= 2; /* at least four steps an epoch */
    return batch;
}

static void put_class_weights(eff_recipe *r, const eff_facts *f)
{
    if (f->most > 1.5 * f->least)
        eff_recipe_put(r, EFF_KEY_CLASS_BETA, 0.99, "classes have %d to %d images: the effective number evens them out",
                       f->least, f->most);
    else
        eff_recipe_put(r, EFF_KEY_CLASS_BETA, 0, "classes have about as many images (%d to %d)", f->least, f->most);
}

static void transfer(eff_recipe *r, const eff_facts *f)
{
    common(r, f);
    eff_recipe_put(r, EFF_KEY_HEAD_FIRST, 1, "a good classifier first: the body is not torn by a random one");
    if (f->images < 3000)
        eff_recipe_put(r, EFF_KEY_EPOCHS, 12, "%d images: 12 passes are enough with pretrained weights", f->images);
    else if (f->images < 30000)
        eff_recipe_put(r, EFF_KEY_EPOCHS, 8, "%d images: fewer passes of more steps", f->images);
    else
        eff_recipe_put(r, EFF_KEY_EPOCHS, 5, "%d images: fewer passes of more steps", f->images);
    eff_recipe_put(r, EFF_KEY_BATCH, batch_for(f->images), "%d images: at least four steps an epoch", f->images);
    eff_recipe_put(r, EFF_KEY_OPTIMIZER, EFF_ADAMW, "needs little tuning on small sets");
    eff_recipe_put(r, EFF_KEY_LR, 1e-3, "small sets far from ImageNet need it; --find-lr checks it");
    eff_recipe_put(r, EFF_KEY_WARMUP, 2, "the optimiser's statistics settle first");
    eff_recipe_put(r, EFF_KEY_WEIGHT_DECAY, 0.02, "usual with adamw");
    if (f->images < 5000) {
        eff_recipe_put(r, EFF_KEY_FROZEN_BN, 1, "%d images are too few for new statistics", f->images);
        eff_recipe_put(r, EFF_KEY_MICRO_BATCH, 16, "with batch norm frozen the same gradient, from less memory");
        if (f->late > 0 && f->late < f->blocks)
            eff_recipe_put(r, EFF_KEY_OPEN_BLOCKS, f->late,
                           "of %d: early ones see edges and weave, which carry over as they are", f->blocks);
    } else
        eff_recipe_put(r, EFF_KEY_FROZEN_BN, 0, "%d images give statistics of their own", f->images);
    eff_recipe_put(r, EFF_KEY_EMA, 0.98, "averages the last steps");
    eff_recipe_put(r, EFF_KEY_DROPOUT, 0, "a short course has no time for it");
    put_class_weights(r, f);
    put_augment(r, "light", "mild: crop, mirror, light; --augment cloth suits flat cloth, --preview shows it");
    r->augment.brightness = r->augment.contrast = 0.1;
}

static void linear(eff_recipe *r, const eff_facts *f)
{
    transfer(r, f);
    eff_recipe_put(r, EFF_KEY_EPOCHS, 0, "the body stays as it is");
}

static void paper(eff_recipe *r, const eff_facts *f)
{
    common(r, f);
    const int batch = f->images >= 512 ? 128 : batch_for(f->images);
    eff_recipe_put(r, EFF_KEY_HEAD_FIRST, 0, "weights start at random");
    eff_recipe_put(r, EFF_KEY_EPOCHS, 350, "the paper's");
    eff_recipe_put(r, EFF_KEY_BATCH, batch, "what a CPU can hold; the paper has 4096");
    eff_recipe_put(r, EFF_KEY_OPTIMIZER, EFF_RMSPROP, "the paper's, decay 0.9");
    eff_recipe_put(r, EFF_KEY_LR, 0.256 * batch / 4096, "the paper's 0.256 for 4096 images, scaled to the batch");
    eff_recipe_put(r, EFF_KEY_SCHEDULE, EFF_SCHED_EXPONENTIAL, "the paper's: 0.97 every 2.4 epochs");
    eff_recipe_put(r, EFF_KEY_WARMUP, 5, "the released code's");
    eff_recipe_put(r, EFF_KEY_WEIGHT_DECAY, 1e-5, "the paper's");
    eff_recipe_put(r, EFF_KEY_DECAY_ON, EFF_DECAY_PAPER, "the released code's: all but batch norm");
    eff_recipe_put(r, EFF_KEY_EMA, 0.9999, "the paper's, rising with the steps");
    eff_recipe_put(r, EFF_KEY_DROP_PATH, 0.2, "the paper's");
    eff_recipe_put(r, EFF_KEY_CLASS_BETA, 0, "the paper's");
    put_augment(r, "autoaugment", "the paper's");
}

static void scratch_small(eff_recipe *r, const eff_facts *f)
{
    common(r, f);
    const double steps = 6000, per_epoch = fmax(1, (double)f->images / batch_for(f->images));
    const double epochs = fmin(200, fmax(20, ceil(steps / per_epoch)));
    eff_recipe_put(r, EFF_KEY_HEAD_FIRST, 0, "weights start at random");
    eff_recipe_put(r, EFF_KEY_EPOCHS, epochs, "%d images: about %.0f steps", f->images, epochs * per_epoch);
    eff_recipe_put(r, EFF_KEY_BATCH, batch_for(f->images), "%d images: many steps rather than large ones", f->images);
    eff_recipe_put(r, EFF_KEY_OPTIMIZER, EFF_ADAMW, "needs little tuning on small sets");
    eff_recipe_put(r, EFF_KEY_LR, 2e-3, "usual from random weights");
    eff_recipe_put(r, EFF_KEY_WARMUP, 2, "the optimiser's statistics settle first");
    eff_recipe_put(r, EFF_KEY_WEIGHT_DECAY, 0.05, "small sets overfit");
    eff_recipe_put(r, EFF_KEY_BN_MOMENTUM, 0.05, "short runs need statistics that follow");
    eff_recipe_put(r, EFF_KEY_EMA, 0.995, "averages the last steps");
    eff_recipe_put(r, EFF_KEY_DROP_PATH, 0.1, "small sets overfit");
    put_class_weights(r, f);
    if (f->side <= 64)
        put_augment(r, "small", "small pictures: shifted and mirrored");
    else
        put_augment(r, "standard", "no pretrained weights: more variety is needed");
}

static const struct {
    const char *name, *about;
    void (*fill)(eff_recipe *r, const eff_facts *f);
    int needs_weights;
} recipes[] = {
    { "transfer",
      "pretrained weights: the classifier on frozen features first, then the late blocks (many images: all)", transfer,
      1 },
    { "linear", "only the classifier, on frozen features: seconds", linear, 1 },
    { "paper", "from scratch as the paper does, for large sets", paper, 0 },
    { "scratch-small", "from scratch on a small set", scratch_small, 0 },
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

EFF_API const char *eff_recipe_listed(int i, const char **about, int *needs_weights)
{
    if (i < 0 || i >= RECIPES) return NULL;
    if (about) *about = recipes[i].about;
    if (needs_weights) *needs_weights = recipes[i].needs_weights;
    return recipes[i].name;
}

eff_status eff_recipe_pick(eff_recipe *r, const char *name, const eff_facts *f, eff_error *err)
{
    *r = (eff_recipe){ 0 };
    if (!name) name = f->pretrained ? "transfer" : f->images >= 50000 ? "paper" : "scratch-small";
    for (int i = 0; i < RECIPES; i++) {
        if (strcmp(recipes[i].name, name) != 0) continue;
        if (!f->pretrained && recipes[i].needs_weights)
            return eff_fail(err, EFF_EARG, "recipe %s starts from pretrained weights, and there are none", name);
        r->name = recipes[i].name;
        recipes[i].fill(r, f);
        return EFF_OK;
    }
    char list[128];
    const char *names[RECIPES];
    for (int i = 0; i < RECIPES; i++) names[i] = recipes[i].name;
    eff_name_list(list, sizeof list, names, RECIPES);
    return eff_fail(err, EFF_EARG, "recipe: expected %s, found '%.40s'", list, name);
}

EFF_API const char *eff_recipe_name(const eff_recipe *r) { return r->name; }
EFF_API void eff_recipe_free(eff_recipe *r) { eff_free(r); }

/* ----------------------------------------------------------------------------------- what is made of it */

void eff_recipe_shape(const eff_recipe *r, eff_table *t)
{
    t->dropout = r->v[EFF_KEY_DROPOUT];
    t->drop_path = r->v[EFF_KEY_DROP_PATH];
    t->bn_momentum = r->v[EFF_KEY_BN_MOMENTUM];
}

eff_trainer_opts eff_recipe_trainer(const eff_recipe *r)
{
    return (eff_trainer_opts){ .batch = eff_recipe_int(r, EFF_KEY_BATCH),
                               .bn = r->v[EFF_KEY_FROZEN_BN] != 0 ? EFF_BN_FROZEN : EFF_BN_BATCH,
                               .recompute = r->v[EFF_KEY_RECOMPUTE] != 0,
                               .stochastic = r->v[EFF_KEY_DROPOUT] > 0 || r->v[EFF_KEY_DROP_PATH] > 0 };
}

eff_mix eff_recipe_mix(const eff_recipe *r)
{
    return (eff_mix){ .mixup = r->v[EFF_KEY_MIXUP], .cutmix = r->v[EFF_KEY_CUTMIX], .probability = 1, .cut = 0.5 };
}

eff_optim_opts eff_recipe_optim(const eff_recipe *r)
{
    eff_optim_opts o;
    eff_optim_opts_init(&o, (eff_optim_kind)r->v[EFF_KEY_OPTIMIZER]);
    o.momentum = r->v[EFF_KEY_MOMENTUM];
    o.weight_decay = r->v[EFF_KEY_WEIGHT_DECAY];
    o.decays = (eff_decay)r->v[EFF_KEY_DECAY_ON];
    o.clip_norm = r->v[EFF_KEY_CLIP];
    o.ema = r->v[EFF_KEY_EMA];
    o.ema_ramp = true;
    return o;
}

eff_schedule eff_recipe_schedule(const eff_recipe *r, long steps_per_epoch)
{
    const double per = (double)steps_per_epoch, lr = r->v[EFF_KEY_LR];
    return (eff_schedule){ .kind = (eff_schedule_kind)r->v[EFF_KEY_SCHEDULE],
                           .base = lr,
                           .final = lr * r->v[EFF_KEY_LR_FINAL],
                           .start = 0,
                           .warmup = lround(fmin(r->v[EFF_KEY_WARMUP], r->v[EFF_KEY_EPOCHS] / 2) * per),
                           .steps = lround(r->v[EFF_KEY_EPOCHS] * per),
                           .rate = r->v[EFF_KEY_DECAY_RATE],
                           .every = r->v[EFF_KEY_DECAY_EPOCHS] * per,
                           .peak = 0.3 };
}
