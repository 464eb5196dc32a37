/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing defaults as data: one row a published model, and a last row a family for everything else in it.
 * A row gives the rule at the size its weights are evaluated at; other sizes are derived from it. */
#include "formats/defaults.h"

#include <math.h>
#include <string.h>

typedef enum norm { IMAGENET, HALF, LITE, KERAS2 } norm;

static const float norms[][2][3] = {
    [IMAGENET] = { { 123.675f, 116.28f, 103.53f }, { 58.395f, 57.12f, 57.375f } },
    [HALF] = { { 127.5f, 127.5f, 127.5f }, { 127.5f, 127.5f, 127.5f } },
    [LITE] = { { 127, 127, 127 }, { 128, 128, 128 } },
    [KERAS2] = { { 128, 128, 128 }, { 128, 128, 128 } },
};

#define BILINEAR EFF_FILTER_BILINEAR
#define BICUBIC  EFF_FILTER_BICUBIC
#define SHORT    EFF_GEOM_SHORT
#define SQUASH   EFF_GEOM_SQUASH
#define SQUARE   EFF_GEOM_SQUARE

enum { NEUTRAL = EFF_FAMILY_NEUTRAL, LUKE = EFF_FAMILY_LUKEMELAS, TIMM = EFF_FAMILY_TIMM,
       TIMM_TF = EFF_FAMILY_TIMM_TF, TORCHVISION = EFF_FAMILY_TORCHVISION, TF = EFF_FAMILY_TF, KERAS = EFF_FAMILY_KERAS };

/* `model` is compared with the table's name up to '@' without "efficientnet-"; a trailing '*' stands for
 * anything. The first row that fits holds. size 0: the table's own. side: pixels; or, where crop is given, size
 * / crop. */
static const struct rule {
    int family;
    const char *model;
    int size, side;
    double crop;
    eff_geometry geometry;
    eff_filter filter;
    norm norm;
} rules[] = {
    /* the repository's evaluation script resizes to the size itself; the Lite wheels: measured on them (golden
     * data, lite) */
    { LUKE, "lite0", 224, 256, 0, SHORT, BICUBIC, LITE },
    { LUKE, "lite1", 240, 272, 0, SHORT, BICUBIC, LITE },
    { LUKE, "lite2", 260, 292, 0, SHORT, BICUBIC, LITE },
    { LUKE, "lite3", 280, 312, 0, SHORT, BICUBIC, LITE },
    { LUKE, "lite4", 300, 332, 0, SHORT, BICUBIC, LITE },
    { LUKE, "*", 0, 0, 1, SHORT, BICUBIC, IMAGENET },

    { TORCHVISION, "b0", 224, 256, 0, SHORT, BICUBIC, IMAGENET },
    { TORCHVISION, "b1", 240, 256, 0, SHORT, BICUBIC, IMAGENET },
    { TORCHVISION, "b2", 288, 288, 0, SHORT, BICUBIC, IMAGENET },
    { TORCHVISION, "b3", 300, 320, 0, SHORT, BICUBIC, IMAGENET },
    { TORCHVISION, "b4", 380, 384, 0, SHORT, BICUBIC, IMAGENET },
    { TORCHVISION, "b5", 456, 456, 0, SHORT, BICUBIC, IMAGENET },
    { TORCHVISION, "b6", 528, 528, 0, SHORT, BICUBIC, IMAGENET },
    { TORCHVISION, "b7", 600, 600, 0, SHORT, BICUBIC, IMAGENET },
    { TORCHVISION, "v2-s", 384, 384, 0, SHORT, BILINEAR, IMAGENET },
    { TORCHVISION, "v2-m", 480, 480, 0, SHORT, BILINEAR, IMAGENET },
    { TORCHVISION, "v2-l", 480, 480, 0, SHORT, BICUBIC, HALF },
    /* of the weights that are its default; the first version of the same networks resizes to 256 */
    { TORCHVISION, "resnet18", 224, 256, 0, SHORT, BILINEAR, IMAGENET },
    { TORCHVISION, "resnet34", 224, 256, 0, SHORT, BILINEAR, IMAGENET },
    { TORCHVISION, "resnet*", 224, 232, 0, SHORT, BILINEAR, IMAGENET },
    { TORCHVISION, "mobilenetv2*", 224, 232, 0, SHORT, BILINEAR, IMAGENET },
    { TORCHVISION, "mnasnet-b1", 224, 256, 0, SHORT, BILINEAR, IMAGENET },
    { TORCHVISION, "mnasnet_050", 224, 256, 0, SHORT, BILINEAR, IMAGENET },
    { TORCHVISION, "mnasnet*", 224, 232, 0, SHORT, BILINEAR, IMAGENET },
    { TORCHVISION, "*", 0, 0, 0.875, SHORT, BICUBIC, IMAGENET },

    { TIMM_TF, "b0", 224, 0, 0.875, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "b1", 240, 0, 0.882, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "b2", 260, 0, 0.890, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "b3", 300, 0, 0.904, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "b4", 380, 0, 0.922, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "b5", 456, 0, 0.934, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "b6", 528, 0, 0.942, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "b7", 600, 0, 0.949, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "b8", 672, 0, 0.954, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "l2", 800, 0, 0.960, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "lite0", 224, 0, 0.875, SHORT, BICUBIC, HALF },
    { TIMM_TF, "lite1", 240, 0, 0.882, SHORT, BICUBIC, HALF },
    { TIMM_TF, "lite2", 260, 0, 0.890, SHORT, BICUBIC, HALF },
    /* timm evaluates these two larger than TensorFlow does */
    { TIMM_TF, "lite3", 300, 0, 0.904, SHORT, BILINEAR, HALF },
    { TIMM_TF, "lite4", 380, 0, 0.920, SHORT, BILINEAR, HALF },
    { TIMM_TF, "edgetpu-s", 224, 0, 0.875, SHORT, BICUBIC, HALF },
    { TIMM_TF, "edgetpu-m", 240, 0, 0.882, SHORT, BICUBIC, HALF },
    { TIMM_TF, "edgetpu-l", 300, 0, 0.904, SHORT, BICUBIC, HALF },
    { TIMM_TF, "v2-b0", 224, 0, 0.875, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "v2-b1", 240, 0, 0.882, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "v2-b2", 260, 0, 0.890, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "v2-b3", 300, 0, 0.904, SHORT, BICUBIC, IMAGENET },
    { TIMM_TF, "v2-s", 384, 0, 1, SHORT, BICUBIC, HALF },
    { TIMM_TF, "v2-m", 480, 480, 0, SQUASH, BICUBIC, HALF },
    { TIMM_TF, "v2-l", 480, 480, 0, SQUASH, BICUBIC, HALF },
    { TIMM_TF, "v2-xl", 512, 512, 0, SQUASH, BICUBIC, HALF },
    { TIMM_TF, "*", 0, 0, 0.875, SHORT, BICUBIC, IMAGENET },

    { TIMM, "b0", 224, 0, 0.875, SHORT, BICUBIC, IMAGENET },
    { TIMM, "b1", 224, 0, 0.875, SHORT, BICUBIC, IMAGENET },
    { TIMM, "b2", 256, 0, 0.875, SHORT, BICUBIC, IMAGENET },
    { TIMM, "b3", 288, 0, 0.875, SHORT, BICUBIC, IMAGENET },
    { TIMM, "b4", 320, 0, 0.875, SHORT, BICUBIC, IMAGENET },
    { TIMM, "b5", 448, 448, 0, SQUASH, BICUBIC, IMAGENET },
    { TIMM, "b8", 672, 0, 0.954, SHORT, BICUBIC, IMAGENET },
    { TIMM, "l2", 800, 0, 0.961, SHORT, BICUBIC, IMAGENET },
    { TIMM, "edgetpu-s", 224, 0, 0.875, SHORT, BICUBIC, IMAGENET },
    { TIMM, "edgetpu-m", 240, 0, 0.882, SHORT, BICUBIC, IMAGENET },
    { TIMM, "edgetpu-l", 300, 0, 0.904, SHORT, BICUBIC, IMAGENET },
    { TIMM, "v2-s", 288, 0, 1, SHORT, BICUBIC, IMAGENET },
    { TIMM, "v2-m", 320, 0, 1, SHORT, BICUBIC, IMAGENET },
    { TIMM, "v2-l", 384, 0, 1, SHORT, BICUBIC, IMAGENET },
    { TIMM, "v2-xl", 384, 0, 1, SHORT, BICUBIC, IMAGENET },
    { TIMM, "resnet*", 224, 0, 0.95, SHORT, BICUBIC, IMAGENET },
    { TIMM, "mobilenetv1-1.25", 224, 0, 0.9, SHORT, BICUBIC, HALF },
    { TIMM, "mobilenetv1*", 224, 0, 0.875, SHORT, BICUBIC, HALF },
    { TIMM, "*", 0, 0, 0.875, SHORT, BICUBIC, IMAGENET },

    /* the official evaluation crops before it resizes; those trained with AdvProp want mean=std=127.5, which nothing in the file tells */
    { TF, "lite*", 0, 0, 0.875, SQUARE, EFF_FILTER_TF1_BILINEAR, LITE },
    { TF, "edgetpu*", 0, 0, 0.875, SQUARE, EFF_FILTER_TF1_BILINEAR, LITE },
    { TF, "*", 0, 0, 0.875, SQUARE, EFF_FILTER_TF1_BICUBIC, IMAGENET },

    /* the caller resizes, by tf.image.resize as in Keras' examples; mean and std are the network's own where the file has
     * them (eff_checkpoint.has_input), and there are no weights in the Rescaling of these four */
    { KERAS, "v2-s", 384, 0, 1, SQUASH, EFF_FILTER_TF2_BILINEAR, KERAS2 },
    { KERAS, "v2-m", 480, 0, 1, SQUASH, EFF_FILTER_TF2_BILINEAR, KERAS2 },
    { KERAS, "v2-l", 480, 0, 1, SQUASH, EFF_FILTER_TF2_BILINEAR, KERAS2 },
    { KERAS, "v2-xl", 512, 0, 1, SQUASH, EFF_FILTER_TF2_BILINEAR, KERAS2 },
    { KERAS, "*", 0, 0, 1, SQUASH, EFF_FILTER_TF2_BILINEAR, IMAGENET },

    /* of unknown origin: the Lite networks as their official weights expect it */
    { NEUTRAL, "lite*", 0, 0, 0.875, SHORT, BICUBIC, LITE },
    { NEUTRAL, "*", 0, 0, 0.875, SHORT, BICUBIC, IMAGENET }, /* also what finds no other row */
};
enum { NRULES = sizeof rules / sizeof *rules };

static bool name_matches(const char *pattern, const char *name, size_t n)
{
    const size_t k = strlen(pattern);
    if (k && pattern[k - 1] == '*') return n >= k - 1 && strncmp(pattern, name, k - 1) == 0;
    return n == k && strncmp(pattern, name, n) == 0;
}

static const struct rule *find_rule(eff_family f, const char *name)
{
    name = eff_brief_name(name);
    const size_t n = strcspn(name, "@");
    if (f == EFF_FAMILY_TF && strncmp(name, "v2-", 3) == 0) f = EFF_FAMILY_TIMM_TF; /* which took its rules from there */
    for (int i = 0; i < NRULES - 1; i++)
        if (rules[i].family == (int)f && name_matches(rules[i].model, name, n)) return &rules[i];
    return &rules[NRULES - 1];
}

eff_preprocess eff_default_preprocess(eff_family f, const eff_table *t, int height, int width)
{
    const struct rule *r = find_rule(f, t->name);
    eff_preprocess p = { .geometry = r->geometry, .filter = r->filter };
    const int own = r->size ? r->size : t->height;
    p.height = height ? height : own;
    p.width = width ? width : r->size ? r->size : t->width_px;
    const int longer = p.height > p.width ? p.height : p.width; /* the resized picture must cover the crop */
    if (r->geometry == SQUARE) p.fraction = longer / (longer + round(longer * (1 / r->crop - 1))); /* 32 pixels at 224 */
    const bool timm = r->family == TIMM || r->family == TIMM_TF; /* rounds down */
    if (r->geometry == SQUARE) p.side = 0;
    else if (r->crop > 0) p.side = (int)(timm ? floor(longer / r->crop) : round(longer / r->crop));
    else p.side = (int)lround((double)longer * r->side / r->size);
    memcpy(p.mean, norms[r->norm][0], sizeof p.mean);
    memcpy(p.std, norms[r->norm][1], sizeof p.std);
    return p;
}

void eff_preprocess_resize(eff_preprocess *p, int height, int width)
{
    const int before = p->height > p->width ? p->height : p->width, after = height > width ? height : width;
    if (p->geometry != EFF_GEOM_SQUARE && before != after) p->side = (int)lround((double)p->side * after / before);
    if (p->side < 1) p->side = 1;
    p->height = height;
    p->width = width;
}
