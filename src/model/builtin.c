/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in architectures as data: base tables, and variants that are a base with released coefficients. Reading a name is
 * the only code here; a variant's table always comes out of eff_table_scale(). */
#include "base/nearest.h"
#include "base/number.h"
#include "model/table.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------------------------- base tables */

#define SILU  EFF_ACT_SILU
#define RELU  EFF_ACT_RELU
#define RELU6 EFF_ACT_RELU6

/*                            op               k  s  e  out rep se  act  skip  */
#define MB(k, s, e, c, n, se, act)      { EFF_OP_MBCONV, k, s, e, c, n, se, act, true, false, 0 }
#define MB_PLAIN(k, s, e, c, n, se, act) { EFF_OP_MBCONV, k, s, e, c, n, se, act, false, false, 0 }
#define MB_FIXED(k, s, e, c, n, se, act) { EFF_OP_MBCONV, k, s, e, c, n, se, act, true, true, 0 }
#define FUSED(k, s, e, c, n, act)       { EFF_OP_FUSED, k, s, e, c, n, 0, act, true, false, 0 }
#define CONV(k, s, c, n, act)           { EFF_OP_CONV, k, s, 1, c, n, 0, act, true, false, 0 }
#define DS(k, s, c, n, act)             { EFF_OP_DSCONV, k, s, 1, c, n, 0, act, false, false, 0 }
#define BASIC(s, c, n)                  { EFF_OP_BASIC, 3, s, 1, c, n, 0, RELU, true, false, 0 }
#define BOTTLE(s, c, n)                 { EFF_OP_BOTTLENECK, 3, s, 4, c, n, 0, RELU, true, false, 0 }

/* What the families share. TensorFlow's models pad SAME with eps 1e-3; the baselines are PyTorch's conventions. */
#define TF_RULES    .pad = EFF_PAD_SAME, .bn_eps = 1e-3, .bn_momentum = 0.01, .divisor = 8, .classes = 1000, .width = 1, .depth = 1
#define TORCH_RULES .pad = EFF_PAD_SYMMETRIC, .bn_eps = 1e-5, .bn_momentum = 0.1, .divisor = 8, .round_up_90 = true, \
                    .classes = 1000, .width = 1, .depth = 1, .height = 224, .width_px = 224
#define STEM3(c)    .stem_channels = (c), .stem_kernel = 3, .stem_stride = 2
#define STEM7       .stem_channels = 64, .stem_kernel = 7, .stem_stride = 2, .stem_pool = true

static const eff_table base_b = {
    .name = "efficientnet", STEM3(32), .head_channels = 1280, .act = SILU, TF_RULES, .round_up_90 = true, .drop_path = 0.2,
    .nstages = 7,
    .stage = {
        MB(3, 1, 1, 16, 1, 0.25, SILU),
        MB(3, 2, 6, 24, 2, 0.25, SILU),
        MB(5, 2, 6, 40, 2, 0.25, SILU),
        MB(3, 2, 6, 80, 3, 0.25, SILU),
        MB(5, 1, 6, 112, 3, 0.25, SILU),
        MB(5, 2, 6, 192, 4, 0.25, SILU),
        MB(3, 1, 6, 320, 1, 0.25, SILU),
    },
};

static const eff_table base_lite = {
    .name = "efficientnet-lite", STEM3(32), .stem_fixed = true, .head_channels = 1280, .head_fixed = true, .act = RELU6,
    TF_RULES, .round_up_90 = true, .drop_path = 0.2, .nstages = 7,
    .stage = {
        MB_FIXED(3, 1, 1, 16, 1, 0, RELU6),
        MB(3, 2, 6, 24, 2, 0, RELU6),
        MB(5, 2, 6, 40, 2, 0, RELU6),
        MB(3, 2, 6, 80, 3, 0, RELU6),
        MB(5, 1, 6, 112, 3, 0, RELU6),
        MB(5, 2, 6, 192, 4, 0, RELU6),
        MB_FIXED(3, 1, 6, 320, 1, 0, RELU6),
    },
};

static const eff_table base_edgetpu = {
    .name = "efficientnet-edgetpu", STEM3(32), .head_channels = 1280, .act = RELU, TF_RULES, .round_up_90 = true,
    .drop_path = 0.2, .nstages = 6,
    .stage = {
        /* the released block expands from its nominal 24 inputs although the stem gives 32 */
        { EFF_OP_FUSED, 3, 1, 4, 24, 1, 0, RELU, false, false, 24 },
        FUSED(3, 2, 8, 32, 2, RELU),
        FUSED(3, 2, 8, 48, 4, RELU),
        MB(5, 2, 8, 96, 5, 0, RELU),
        MB(5, 1, 8, 144, 4, 0, RELU),
        MB(5, 2, 8, 192, 2, 0, RELU),
    },
};

static const eff_table base_v2_b = { /* these round without the 10 % rule */
    .name = "efficientnet-v2-b", STEM3(32), .head_channels = 1280, .act = SILU, TF_RULES, .round_up_90 = false,
    .drop_path = 0.2, .nstages = 6,
    .stage = {
        CONV(3, 1, 16, 1, SILU),
        FUSED(3, 2, 4, 32, 2, SILU),
        FUSED(3, 2, 4, 48, 2, SILU),
        MB(3, 2, 4, 96, 3, 0.25, SILU),
        MB(3, 1, 6, 112, 5, 0.25, SILU),
        MB(3, 2, 6, 192, 8, 0.25, SILU),
    },
};

static const eff_table base_v2_s = {
    .name = "efficientnet-v2-s", STEM3(24), .head_channels = 1280, .act = SILU, TF_RULES, .round_up_90 = true,
    .drop_path = 0.2, .nstages = 6,
    .stage = {
        CONV(3, 1, 24, 2, SILU),
        FUSED(3, 2, 4, 48, 4, SILU),
        FUSED(3, 2, 4, 64, 4, SILU),
        MB(3, 2, 4, 128, 6, 0.25, SILU),
        MB(3, 1, 6, 160, 9, 0.25, SILU),
        MB(3, 2, 6, 256, 15, 0.25, SILU),
    },
};

#define V2_LARGE(c0, n0, c1, n1, c2, n2, c3, n3, c4, n4, c5, n5, c6, n6) \
    .head_channels = 1280, .act = SILU, TF_RULES, .round_up_90 = true, .drop_path = 0.2, .nstages = 7, \
    .stage = { \
        CONV(3, 1, c0, n0, SILU), \
        FUSED(3, 2, 4, c1, n1, SILU), \
        FUSED(3, 2, 4, c2, n2, SILU), \
        MB(3, 2, 4, c3, n3, 0.25, SILU), \
        MB(3, 1, 6, c4, n4, 0.25, SILU), \
        MB(3, 2, 6, c5, n5, 0.25, SILU), \
        MB(3, 1, 6, c6, n6, 0.25, SILU), \
    }

static const eff_table base_v2_m = { .name = "efficientnet-v2-m", STEM3(24),
                                     V2_LARGE(24, 3, 48, 5, 80, 5, 160, 7, 176, 14, 304, 18, 512, 5) };
static const eff_table base_v2_l = { .name = "efficientnet-v2-l", STEM3(32),
                                     V2_LARGE(32, 4, 64, 7, 96, 7, 192, 10, 224, 19, 384, 25, 640, 7) };
static const eff_table base_v2_xl = { .name = "efficientnet-v2-xl", STEM3(32),
                                      V2_LARGE(32, 4, 64, 8, 96, 8, 192, 16, 256, 24, 512, 32, 640, 8) };

#define RESNET(block, x, n0, n1, n2, n3) \
    STEM7, .act = RELU, TORCH_RULES, .nstages = 4, \
    .stage = { block(1, 64 * (x), n0), block(2, 128 * (x), n1), block(2, 256 * (x), n2), block(2, 512 * (x), n3) }

static const eff_table base_resnet18 = { .name = "resnet18", RESNET(BASIC, 1, 2, 2, 2, 2) };
static const eff_table base_resnet34 = { .name = "resnet34", RESNET(BASIC, 1, 3, 4, 6, 3) };
static const eff_table base_resnet50 = { .name = "resnet50", RESNET(BOTTLE, 4, 3, 4, 6, 3) };
static const eff_table base_resnet101 = { .name = "resnet101", RESNET(BOTTLE, 4, 3, 4, 23, 3) };
static const eff_table base_resnet152 = { .name = "resnet152", RESNET(BOTTLE, 4, 3, 8, 36, 3) };

static const eff_table base_mobilenetv1 = {
    .name = "mobilenetv1", STEM3(32), .act = RELU6, TORCH_RULES, .nstages = 5,
    .stage = {
        DS(3, 1, 64, 1, RELU6),
        DS(3, 2, 128, 2, RELU6),
        DS(3, 2, 256, 2, RELU6),
        DS(3, 2, 512, 6, RELU6),
        DS(3, 2, 1024, 2, RELU6),
    },
};

static const eff_table base_mobilenetv2 = {
    .name = "mobilenetv2", STEM3(32), .head_channels = 1280, .act = RELU6, TORCH_RULES, .nstages = 7,
    .stage = {
        MB(3, 1, 1, 16, 1, 0, RELU6),
        MB(3, 2, 6, 24, 2, 0, RELU6),
        MB(3, 2, 6, 32, 3, 0, RELU6),
        MB(3, 2, 6, 64, 4, 0, RELU6),
        MB(3, 1, 6, 96, 3, 0, RELU6),
        MB(3, 2, 6, 160, 3, 0, RELU6),
        MB(3, 1, 6, 320, 1, 0, RELU6),
    },
};

static const eff_table base_mnasnet_a1 = {
    .name = "mnasnet-a1", STEM3(32), .head_channels = 1280, .act = RELU, TORCH_RULES, .nstages = 7,
    .stage = {
        MB_PLAIN(3, 1, 1, 16, 1, 0, RELU),
        MB(3, 2, 6, 24, 2, 0, RELU),
        MB(5, 2, 3, 40, 3, 0.25, RELU),
        MB(3, 2, 6, 80, 4, 0, RELU),
        MB(3, 1, 6, 112, 2, 0.25, RELU),
        MB(5, 2, 6, 160, 3, 0.25, RELU),
        MB(3, 1, 6, 320, 1, 0, RELU),
    },
};

static const eff_table base_mnasnet_b1 = {
    .name = "mnasnet-b1", STEM3(32), .head_channels = 1280, .act = RELU, TORCH_RULES, .nstages = 7,
    .stage = {
        MB_PLAIN(3, 1, 1, 16, 1, 0, RELU),
        MB(3, 2, 3, 24, 3, 0, RELU),
        MB(5, 2, 3, 40, 3, 0, RELU),
        MB(5, 2, 6, 80, 3, 0, RELU),
        MB(3, 1, 6, 96, 2, 0, RELU),
        MB(5, 2, 6, 192, 4, 0, RELU),
        MB_PLAIN(3, 1, 6, 320, 1, 0, RELU),
    },
};

/* ----------------------------------------------------------------------------------------- variants */

static const struct variant {
    const char *name;
    const eff_table *base;
    double width, depth;
    int resolution;
    double dropout;
} variants[] = { /* released coefficients, in the order in which people are shown them */
    { "efficientnet-b0", &base_b, 1.0, 1.0, 224, 0.2 },
    { "efficientnet-b1", &base_b, 1.0, 1.1, 240, 0.2 },
    { "efficientnet-b2", &base_b, 1.1, 1.2, 260, 0.3 },
    { "efficientnet-b3", &base_b, 1.2, 1.4, 300, 0.3 },
    { "efficientnet-b4", &base_b, 1.4, 1.8, 380, 0.4 },
    { "efficientnet-b5", &base_b, 1.6, 2.2, 456, 0.4 },
    { "efficientnet-b6", &base_b, 1.8, 2.6, 528, 0.5 },
    { "efficientnet-b7", &base_b, 2.0, 3.1, 600, 0.5 },
    { "efficientnet-b8", &base_b, 2.2, 3.6, 672, 0.5 },
    { "efficientnet-l2", &base_b, 4.3, 5.3, 800, 0.5 },
    { "efficientnet-lite0", &base_lite, 1.0, 1.0, 224, 0.2 },
    { "efficientnet-lite1", &base_lite, 1.0, 1.1, 240, 0.2 },
    { "efficientnet-lite2", &base_lite, 1.1, 1.2, 260, 0.3 },
    { "efficientnet-lite3", &base_lite, 1.2, 1.4, 280, 0.3 },
    { "efficientnet-lite4", &base_lite, 1.4, 1.8, 300, 0.3 },
    { "efficientnet-edgetpu-s", &base_edgetpu, 1.0, 1.0, 224, 0.2 },
    { "efficientnet-edgetpu-m", &base_edgetpu, 1.0, 1.1, 240, 0.2 },
    { "efficientnet-edgetpu-l", &base_edgetpu, 1.2, 1.4, 300, 0.3 },
    { "efficientnet-v2-b0", &base_v2_b, 1.0, 1.0, 224, 0.2 },
    { "efficientnet-v2-b1", &base_v2_b, 1.0, 1.1, 240, 0.2 },
    { "efficientnet-v2-b2", &base_v2_b, 1.1, 1.2, 260, 0.3 },
    { "efficientnet-v2-b3", &base_v2_b, 1.2, 1.4, 300, 0.3 },
    { "efficientnet-v2-s", &base_v2_s, 1.0, 1.0, 384, 0.2 },
    { "efficientnet-v2-m", &base_v2_m, 1.0, 1.0, 480, 0.3 },
    { "efficientnet-v2-l", &base_v2_l, 1.0, 1.0, 480, 0.4 },
    { "efficientnet-v2-xl", &base_v2_xl, 1.0, 1.0, 512, 0.4 },
    { "resnet18", &base_resnet18, 1.0, 1.0, 224, 0 },
    { "resnet34", &base_resnet34, 1.0, 1.0, 224, 0 },
    { "resnet50", &base_resnet50, 1.0, 1.0, 224, 0 },
    { "resnet101", &base_resnet101, 1.0, 1.0, 224, 0 },
    { "resnet152", &base_resnet152, 1.0, 1.0, 224, 0 },
    { "mobilenetv1-1.0", &base_mobilenetv1, 1.0, 1.0, 224, 0 },
    { "mobilenetv2-1.0", &base_mobilenetv2, 1.0, 1.0, 224, 0 },
    { "mnasnet-a1", &base_mnasnet_a1, 1.0, 1.0, 224, 0 },
    { "mnasnet-b1", &base_mnasnet_b1, 1.0, 1.0, 224, 0 },
};

enum { NVARIANTS = sizeof variants / sizeof *variants };

EFF_API int eff_builtin_count(void) { return NVARIANTS; }

EFF_API const char *eff_builtin_name(int i) { return i >= 0 && i < NVARIANTS ? variants[i].name : NULL; }

/* Families that exist at any width, under the prefix that the width follows: "mobilenetv1-0.5", or timm's "mobilenetv1_050".
 * In timm's a head does not shrink with the width (MobileNetV2) or does not follow it at all (MnasNet). */
static const struct family {
    const char *prefix, *variant;
    bool decimal;
    double head_from; /* width from which timm's head scales */
} families[] = {
    { "mobilenetv1-", "mobilenetv1-1.0", true, 0 },
    { "mobilenetv2-", "mobilenetv2-1.0", true, 1 },
    { "mnasnet-", "mnasnet-b1", false, 2 * EFF_MAX_COEF },
    { "semnasnet-", "mnasnet-a1", false, 2 * EFF_MAX_COEF },
};

/* Other frameworks' spellings, after lower case and '_' to '-'. */
static const struct {
    const char *theirs, *ours;
} spellings[] = {
    { "efficientnet-es", "efficientnet-edgetpu-s" }, { "efficientnet-em", "efficientnet-edgetpu-m" },
    { "efficientnet-el", "efficientnet-edgetpu-l" }, { "mobilenet-v2", "mobilenetv2-1.0" },
    { "mobilenetv1", "mobilenetv1-1.0" },            { "mobilenetv2", "mobilenetv2-1.0" },
    { "mnasnet", "mnasnet-b1" },                     { "semnasnet", "mnasnet-a1" },
    { "mnasnet0-5", "mnasnet-050" },                 { "mnasnet0-75", "mnasnet-075" },
    { "mnasnet1-0", "mnasnet-100" },                 { "mnasnet1-3", "mnasnet-130" },
};

/* --------------------------------------------------------------------------------------- reading names */

typedef struct choice { /* a variant under the coefficients that will be applied */
    const struct variant *v;
    double width, depth;
    const struct family *timm; /* whose rule for the head holds, or NULL */
} choice;

static char lower(char c) { return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); } /* in any locale */

static const char *after(const char *s, const char *prefix)
{
    const size_t n = strlen(prefix);
    return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

static const struct variant *find_variant(const char *name)
{
    for (int i = 0; i < NVARIANTS; i++) {
        const char *const brief = after(variants[i].name, "efficientnet-");
        if (strcmp(name, variants[i].name) == 0 || (brief && strcmp(name, brief) == 0)) return &variants[i];
    }
    return NULL;
}

/* "1.4" as people write a width, "140" as timm does. */
static bool read_width(const char *s, const struct family *f, choice *c)
{
    const size_t n = strlen(s);
    const bool timm = n == 3 && strspn(s, "0123456789") == n;
    if (!timm && !f->decimal) return false;
    if (!eff_number_read(s, n, &c->width)) return false;
    if (timm) c->width /= 100;
    c->timm = timm && c->width < f->head_from && c->width != 1 ? f : NULL;
    return c->width >= EFF_MIN_COEF && c->width <= EFF_MAX_COEF;
}

static bool find_choice(const char *given, size_t n, choice *c)
{
    char name[EFF_NAME_LEN], joined[EFF_NAME_LEN + 16];
    if (n >= sizeof name) return false;
    for (size_t i = 0; i < n; i++) {
        name[i] = lower(given[i]);
        if (given[i] == '_') name[i] = '-';
    }
    name[n] = '\0';

    const char *s = after(name, "tf-efficientnet") ? name + 3 : name;
    const char *const v2 = after(s, "efficientnetv2-");
    if (v2) {
        snprintf(joined, sizeof joined, "efficientnet-v2-%s", v2);
        s = joined;
    }
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (strcmp(s, spellings[i].theirs) == 0) {
            s = spellings[i].ours;
            break;
        }
    c->timm = NULL;
    c->v = find_variant(s);
    if (c->v) {
        c->width = c->v->width;
        c->depth = c->v->depth;
        return true;
    }
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const char *const w = after(s, families[i].prefix);
        if (!w || !read_width(w, &families[i], c)) continue;
        c->v = find_variant(families[i].variant);
        c->depth = c->v->depth;
        return true;
    }
    return false;
}

static eff_status unknown_name(const char *given, size_t n, eff_error *err)
{
    char name[EFF_NAME_LEN];
    const int shown = n < sizeof name ? (int)n : (int)sizeof name - 1;
    memcpy(name, given, (size_t)shown);
    name[shown] = '\0';
    const char *best = NULL;
    int best_distance = INT_MAX;
    for (int i = 0; i < NVARIANTS && n < sizeof name; i++) {
        const char *const brief = after(variants[i].name, "efficientnet-");
        const char *const forms[2] = { variants[i].name, brief };
        for (int f = 0; f < 2 && forms[f]; f++) {
            const int d = eff_name_distance(name, forms[f]);
            if (d < best_distance && d <= eff_name_near(name)) {
                best = variants[i].name;
                best_distance = d;
            }
        }
    }
    if (best) return eff_fail(err, EFF_EARG, "unknown model '%s': did you mean %s?", name, best);
    return eff_fail(err, EFF_EARG, "unknown model '%s%s': no built-in has a name near it", name,
                    (size_t)shown < n ? "..." : "");
}

/* ---------------------------------------------------------------------------------------- changes (@) */

typedef struct changes {
    bool has[16]; /* by position in the list of keys */
    double width, depth, dropout, drop_path, eps, momentum;
    int height, width_px, classes, divisor;
    eff_pad pad;
    char name[EFF_NAME_LEN];
} changes;

enum { KEY_WIDTH, KEY_DEPTH, KEY_RESOLUTION, KEY_CLASSES, KEY_DIVISOR, KEY_DROPOUT, KEY_DROP_PATH, KEY_PADDING, KEY_EPS,
       KEY_MOMENTUM, KEY_NAME, NKEYS };
static const char *const keys[NKEYS] = { "width", "depth", "resolution", "classes", "divisor", "dropout", "drop_path",
                                         "padding", "eps", "momentum", "name" };

static eff_status wrong(eff_error *err, int key, const char *expected, const char *v, size_t n)
{
    return eff_fail(err, EFF_EARG, "%s: expected %s, found '%.*s'", keys[key], expected, n > 40 ? 40 : (int)n, v);
}

static eff_status change_real(eff_error *err, int key, const char *v, size_t n, double lo, double hi, double *out)
{
    char expected[64];
    if (eff_number_read(v, n, out) && *out >= lo && *out <= hi) return EFF_OK;
    eff_number_print(expected, sizeof expected, "a number in %g..%g", lo, hi);
    return wrong(err, key, expected, v, n);
}

static bool read_int(const char *v, size_t n, int hi, int *out)
{
    long x = 0;
    if (n == 0 || n > 9) return false;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)v[i])) return false;
        x = x * 10 + (v[i] - '0');
    }
    *out = (int)x;
    return x >= 1 && x <= hi;
}

static eff_status change_int(eff_error *err, int key, const char *v, size_t n, int hi, int *out)
{
    char expected[64];
    if (read_int(v, n, hi, out)) return EFF_OK;
    snprintf(expected, sizeof expected, "a whole number in 1..%d", hi);
    return wrong(err, key, expected, v, n);
}

static eff_status change_resolution(eff_error *err, const char *v, size_t n, changes *ch)
{
    char expected[64];
    const char *const x = memchr(v, 'x', n);
    const size_t nh = x ? (size_t)(x - v) : n;
    if (read_int(v, nh, EFF_MAX_SIDE, &ch->height)) {
        ch->width_px = ch->height;
        if (!x || read_int(x + 1, n - nh - 1, EFF_MAX_SIDE, &ch->width_px)) return EFF_OK;
    }
    snprintf(expected, sizeof expected, "N or HxW with sides in 1..%d", EFF_MAX_SIDE);
    return wrong(err, KEY_RESOLUTION, expected, v, n);
}

static eff_status change_rate(eff_error *err, int key, const char *v, size_t n, double *out)
{
    if (eff_number_read(v, n, out) && *out >= 0 && *out < 1) return EFF_OK;
    return wrong(err, key, "a number of at least 0 and less than 1", v, n);
}

static eff_status change_value(changes *ch, int key, const char *v, size_t n, eff_error *err)
{
    switch (key) {
    case KEY_WIDTH: return change_real(err, key, v, n, EFF_MIN_COEF, EFF_MAX_COEF, &ch->width);
    case KEY_DEPTH: return change_real(err, key, v, n, EFF_MIN_COEF, EFF_MAX_COEF, &ch->depth);
    case KEY_RESOLUTION: return change_resolution(err, v, n, ch);
    case KEY_CLASSES: return change_int(err, key, v, n, EFF_MAX_CLASSES, &ch->classes);
    case KEY_DIVISOR: return change_int(err, key, v, n, EFF_MAX_DIVISOR, &ch->divisor);
    case KEY_DROPOUT: return change_rate(err, key, v, n, &ch->dropout);
    case KEY_DROP_PATH: return change_rate(err, key, v, n, &ch->drop_path);
    case KEY_EPS: return change_real(err, key, v, n, 1e-12, 1, &ch->eps);
    case KEY_MOMENTUM: return change_real(err, key, v, n, 0, 1, &ch->momentum);
    case KEY_PADDING:
        for (int i = 0; i < 2; i++) {
            const char *const name = eff_pad_name((eff_pad)i);
            if (strlen(name) == n && memcmp(name, v, n) == 0) {
                ch->pad = (eff_pad)i;
                return EFF_OK;
            }
        }
        return wrong(err, key, "same or symmetric", v, n);
    default: /* KEY_NAME */
        if (n == 0 || n >= sizeof ch->name) return wrong(err, key, "1..63 bytes", v, n);
        memcpy(ch->name, v, n);
        ch->name[n] = '\0';
        return EFF_OK;
    }
}

static eff_status read_changes(changes *ch, const char *s, eff_error *err)
{
    while (true) {
        const size_t n = strcspn(s, ",");
        const char *const eq = memchr(s, '=', n);
        const int shown = n > 40 ? 40 : (int)n;
        if (!eq) return eff_fail(err, EFF_EARG, "changes after '@': expected KEY=VALUE, found '%.*s'", shown, s);
        char key[24];
        const size_t nk = (size_t)(eq - s);
        snprintf(key, sizeof key, "%.*s", nk < sizeof key ? (int)nk : (int)sizeof key - 1, s);
        int k = 0;
        while (k < NKEYS && (nk >= sizeof key || strcmp(keys[k], key) != 0)) k++;
        if (k == NKEYS) {
            const char *const near_key = eff_nearest_name(key, keys, NKEYS);
            if (near_key) return eff_fail(err, EFF_EARG, "unknown change '%s': did you mean %s?", key, near_key);
            return eff_fail(err, EFF_EARG, "unknown change '%s': expected width, depth, resolution, classes, divisor, dropout,"
                            " drop_path, padding, eps, momentum or name", key);
        }
        if (ch->has[k]) return eff_fail(err, EFF_EARG, "%s: given twice", key);
        const eff_status st = change_value(ch, k, eq + 1, n - nk - 1, err);
        if (st) return st;
        ch->has[k] = true;
        if (s[n] == '\0') return EFF_OK;
        s += n + 1;
    }
}

/* The name says what made the layers different, in the form in which it can be asked for again. */
static void name_table(eff_table *t, const choice *c, const changes *ch)
{
    const struct variant *const v = c->v;
    char base[48], tail[80] = "", name[sizeof base + sizeof tail];
    bool say_width = c->width != v->width;
    if (c->timm) {
        eff_number_print(base, sizeof base, "%.24s%03.0f", c->timm->prefix, 100 * c->width);
        base[strlen(c->timm->prefix) - 1] = '_';
        say_width = false;
    } else if (v->base == &base_mobilenetv1 || v->base == &base_mobilenetv2) { /* the width is part of these names */
        char w[20];
        eff_number_print(w, sizeof w, "%.6g", c->width);
        snprintf(base, sizeof base, "%.16s-%s%s", v->base->name, w, strpbrk(w, ".e") ? "" : ".0");
        say_width = false;
    } else {
        snprintf(base, sizeof base, "%s", v->name);
    }
    size_t n = 0;
    if (say_width) n = (size_t)eff_number_print(tail, sizeof tail, ",width=%.6g", c->width);
    if (c->depth != v->depth) n += (size_t)eff_number_print(tail + n, sizeof tail - n, ",depth=%.6g", c->depth);
    if (ch->has[KEY_DIVISOR] && ch->divisor != v->base->divisor)
        snprintf(tail + n, sizeof tail - n, ",divisor=%d", ch->divisor);
    if (tail[0]) tail[0] = '@';
    const int len = snprintf(name, sizeof name, "%s%s", base, tail);
    const char *const use = ch->has[KEY_NAME] ? ch->name : len < EFF_NAME_LEN ? name : base;
    memcpy(t->name, use, strlen(use) + 1);
}

eff_status eff_table_builtin(eff_table *out, const char *spec, eff_error *err)
{
    const size_t n = strcspn(spec, "@");
    choice c;
    changes ch = { 0 };
    if (!find_choice(spec, n, &c)) return unknown_name(spec, n, err);
    if (spec[n] == '@') {
        const eff_status s = read_changes(&ch, spec + n + 1, err);
        if (s) return s;
    }
    if (ch.has[KEY_WIDTH]) {
        c.width = ch.width;
        c.timm = NULL;
    }
    if (ch.has[KEY_DEPTH]) c.depth = ch.depth;

    eff_table base = *c.v->base, t;
    base.height = base.width_px = c.v->resolution;
    if (c.timm) base.head_fixed = true;
    if (ch.has[KEY_DIVISOR]) {
        base.divisor = ch.divisor;
        if (c.width == 1) eff_table_round_channels(&base, 1);
    }
    const eff_status s = eff_table_scale(&t, &base, c.width, c.depth, 0, err);
    if (s) return s;
    t.dropout = c.v->dropout;
    if (ch.has[KEY_RESOLUTION]) {
        t.height = ch.height;
        t.width_px = ch.width_px;
    }
    if (ch.has[KEY_CLASSES]) t.classes = ch.classes;
    if (ch.has[KEY_DROPOUT]) t.dropout = ch.dropout;
    if (ch.has[KEY_DROP_PATH]) t.drop_path = ch.drop_path;
    if (ch.has[KEY_PADDING]) t.pad = ch.pad;
    if (ch.has[KEY_EPS]) t.bn_eps = ch.eps;
    if (ch.has[KEY_MOMENTUM]) t.bn_momentum = ch.momentum;
    name_table(&t, &c, &ch);
    *out = t;
    return eff_table_check(out, err);
}
