/* SPDX-License-Identifier: Apache-2.0 */
/* Recognition by trial: the naming follows from the spelling of stem, first block and head; each skeleton, with
 * its repeats and channels read off the file, becomes a graph whose every parameter must be there in exactly its
 * shape. So whatever is recognised also loads, and where nothing fits, the message is that of the skeleton that
 * came nearest. */
#include "formats/recognise.h"

#include "formats/measure.h"
#include "formats/netname.h"

#include <stdio.h>
#include <string.h>

/* Networks whose kernels, strides, expansions and activations are assumed where shapes agree. V2-B0 and V2-S differ
 * only in what their coefficients mean. */
static const char *const skeletons[] = {
    "efficientnet-b0",   "efficientnet-lite0", "efficientnet-v2-b0", "efficientnet-v2-s", "efficientnet-v2-m",
    "efficientnet-edgetpu-s", "mobilenetv2-1.0", "mobilenetv1-1.0", "mnasnet-b1", "mnasnet-a1", "resnet50", "resnet18",
};
enum { NSKELETONS = sizeof skeletons / sizeof *skeletons };

#define TRY(call)                     \
    do {                              \
        const eff_status s_ = (call); \
        if (s_) return s_;            \
    } while (0)

/* ------------------------------------------------------------------------------------------ family */

/* Where a file shows whose names it has: like a B0 (inverted residuals) or like a ResNet. */
static const struct landmark {
    eff_op op;
    int stage; /* STEM, the first, or past the last */
    const char *part, *leaf;
} landmarks[] = {
    { EFF_OP_MBCONV, EFF_STAGE_STEM, "stem.conv", "weight" }, { EFF_OP_MBCONV, EFF_STAGE_STEM, "stem.bn", "weight" },
    { EFF_OP_MBCONV, EFF_STAGE_STEM, "stem.bn", "running_mean" }, { EFF_OP_MBCONV, 0, "dw.conv", "weight" },
    { EFF_OP_MBCONV, 0, "project.bn", "weight" }, { EFF_OP_MBCONV, 7, "head.conv", "weight" },
    { EFF_OP_MBCONV, 7, "head.bn", "weight" }, { EFF_OP_MBCONV, 7, "head.fc", "weight" },
    { EFF_OP_MBCONV, 7, "head.fc", "bias" },
    { EFF_OP_BASIC, EFF_STAGE_STEM, "stem.conv", "weight" }, { EFF_OP_BASIC, EFF_STAGE_STEM, "stem.bn", "weight" },
    { EFF_OP_BASIC, EFF_STAGE_STEM, "stem.bn", "running_mean" }, { EFF_OP_BASIC, 0, "conv1.conv", "weight" },
    { EFF_OP_BASIC, 0, "conv1.bn", "weight" }, { EFF_OP_BASIC, 7, "head.fc", "weight" },
    { EFF_OP_BASIC, 7, "head.fc", "bias" },
};
enum { NLANDMARKS = sizeof landmarks / sizeof *landmarks };

static bool landmark_name(char name[EFF_TENSOR_NAME], eff_family f, const struct landmark *l)
{
    const eff_place p = { .net = 1u << l->op, .op = l->op, .nstages = 7, .stage = l->stage, .blocks = 17 };
    return eff_name_format(name, f, &p, l->part, l->leaf);
}

static int count_landmarks(const eff_index *x, eff_family f, eff_op op, const eff_tensor **first)
{
    char name[EFF_TENSOR_NAME];
    int n = 0;
    *first = NULL;
    for (int i = 0; i < NLANDMARKS; i++) {
        if (landmarks[i].op != op || !landmark_name(name, f, &landmarks[i])) continue;
        const eff_tensor *t = eff_index_find(x, name);
        if (t && !*first) *first = t;
        n += t != NULL;
    }
    return n;
}

static eff_status fail_unknown(const eff_index *x, eff_error *err)
{
    const eff_checkpoint *c = x->file;
    if (!c->count) return eff_fail(err, EFF_EFORMAT, "no known architecture fits: the file has no tensors");
    return eff_fail(
        err, EFF_EFORMAT,
        "no known architecture fits: none of the stem and head tensors of any family is among its %zu tensors"
        " (the first is %.90s)",
        c->count, c->tensor[0].name);
}

static bool starts_with(const char *s, const char *head) { return strncmp(s, head, strlen(head)) == 0; }

static bool is_torch_hint(const char *hint)
{
    static const char *const heads[] = { "efficientnet", "mobilenetv", "mnasnet", "semnasnet" };
    for (size_t i = 0; hint && i < sizeof heads / sizeof *heads; i++)
        if (starts_with(hint, heads[i])) return true;
    return false;
}

/* What the landmarks say. */
typedef struct sighting {
    eff_family naming;
    bool resnet;             /* spelled and computed alike in timm and torchvision */
    int count;               /* of landmarks, 0 = none is there                    */
    const eff_tensor *first;
} sighting;

static sighting look_around(const eff_index *x, eff_family from, eff_family to)
{
    sighting best = { 0 };
    for (int f = (int)from; f <= (int)to; f++)
        for (int k = 0; k < 2; k++) {
            const eff_tensor *first;
            const int n = count_landmarks(x, (eff_family)f, k ? EFF_OP_BASIC : EFF_OP_MBCONV, &first);
            if (n > best.count) best = (sighting){ (eff_family)f, k, n, first };
        }
    if (best.resnet && best.naming == EFF_FAMILY_TIMM) best.naming = EFF_FAMILY_TORCHVISION;
    return best;
}

static eff_status check_claim(eff_recognised *out, const sighting *seen, const eff_index *x, eff_error *err)
{
    if (out->family == eff_naming_family(seen->naming)) return EFF_OK;
    /* a stray name in common is no sign of a family */
    if (2 * look_around(x, out->family, out->family).count > seen->count) out->naming = out->family;
    else if (seen->naming != EFF_FAMILY_NEUTRAL)
        return eff_fail(err, EFF_EARG, "family %s does not fit: the names are those of %s (tensor %.90s)",
                        eff_family_name(out->family),
                        seen->resnet                      ? "timm or torchvision"
                        : seen->naming == EFF_FAMILY_TIMM ? "timm or timm_tf"
                                                          : eff_family_name(seen->naming),
                        seen->first->name);
    return EFF_OK;
}

/* Fills naming and family; *sure = false when the names are timm's and nothing tells which of the two. */
static eff_status find_family(eff_recognised *out, bool *sure, const eff_index *x, const eff_claim *claim,
                              eff_error *err)
{
    *sure = true;
    if (claim->family) TRY(eff_family_parse(&out->family, claim->family, err));
    const sighting seen = look_around(x, EFF_FAMILY_NEUTRAL, (eff_family)(EFF_NAMING_COUNT - 1));
    if (!seen.count) return fail_unknown(x, err);
    out->naming = seen.naming;
    if (claim->family) return check_claim(out, &seen, x, err);
    out->family = eff_naming_family(seen.naming);
    if (seen.naming != EFF_FAMILY_TIMM) return EFF_OK;
    const char *hint = x->file->arch_hint;
    if (hint && starts_with(hint, "tf_")) out->naming = out->family = EFF_FAMILY_TIMM_TF;
    else *sure = is_torch_hint(hint);
    return EFF_OK;
}

static bool has_op(const eff_table *t, eff_op op)
{
    for (int i = 0; i < t->nstages; i++)
        if (t->stage[i].op == op) return true;
    return false;
}

void eff_family_rules(eff_family f, const eff_table *t, eff_pad *pad, double *bn_eps)
{
    *pad = t->pad;
    *bn_eps = t->bn_eps;
    if (f == EFF_FAMILY_NEUTRAL) return;
    const bool torch = f == EFF_FAMILY_TIMM || f == EFF_FAMILY_TORCHVISION;
    /* torchvision's B5, B6 and B7 are TensorFlow's weights run with symmetric padding (reference §1.7, §1.8); its V2
     * have TensorFlow's epsilon too */
    const bool converted = f == EFF_FAMILY_TORCHVISION &&
                           (strcmp(t->name, "efficientnet-b5") == 0 || strcmp(t->name, "efficientnet-b6") == 0 ||
                            strcmp(t->name, "efficientnet-b7") == 0 || has_op(t, EFF_OP_FUSED));
    *pad = torch ? EFF_PAD_SYMMETRIC : EFF_PAD_SAME;
    *bn_eps = torch && !converted ? 1e-5 : 1e-3;
}

/* ------------------------------------------------------------------------------------------ trial */

/* Does `t` fit? *right of *nparams parameters were as they should be, also on failure. */
static eff_status try_table(const eff_table *t, eff_fit *fit, int *right, int *nparams, const eff_index *x,
                            eff_family f, eff_error *err)
{
    eff_graph *g = NULL;
    *fit = (eff_fit){ 0 };
    *right = -1;
    *nparams = 0;
    eff_status s = eff_table_check(t, err);
    if (s == EFF_OK) s = eff_graph_build(&g, t, 0, 0, err);
    if (s == EFF_OK) {
        s = eff_fit_make(fit, x, f, t, g, err);
        *right = fit->right;
        *nparams = fit->nparams;
    }
    if (s != EFF_OK) eff_fit_free(fit);
    eff_graph_free(g);
    if (s != EFF_EARG) return s;
    if (err) err->code = EFF_EFORMAT; /* a measured table out of range is the file's fault */
    return EFF_EFORMAT;
}

/* Where several skeletons fit, the first one that has a name for the network. */
static eff_status try_skeletons(eff_recognised *out, const eff_index *x, eff_error *err)
{
    eff_error nearest_error = { 0 };
    const char *nearest = NULL;
    int most = -2, missing = 0;
    bool found = false;
    for (int i = 0; i < NSKELETONS; i++) {
        eff_table base, t;
        eff_fit fit;
        eff_error e = { 0 };
        int right, nparams;
        TRY(eff_table_builtin(&base, skeletons[i], err));
        eff_measure_table(&t, &base, x, out->naming);
        const eff_status s = try_table(&t, &fit, &right, &nparams, x, out->naming, &e);
        if (s == EFF_OK) {
            const bool named = eff_name_network(&t, skeletons[i]);
            if (!named) snprintf(t.name, sizeof t.name, "%s-custom", skeletons[i]);
            if (found && !named) {
                eff_fit_free(&fit);
                continue;
            }
            eff_fit_free(&out->fit);
            out->table = t;
            out->fit = fit;
            found = true;
            if (named) return EFF_OK;
            continue;
        }
        if (s == EFF_ENOMEM) {
            eff_fit_free(&out->fit);
            if (err) *err = e;
            return s;
        }
        if (s == EFF_EUNSUPPORTED) right = -1; /* no names for it */
        const bool mostly = 2 * right > nparams;
        if (right > most || (right == most && mostly && nparams - right < missing)) {
            most = right;
            missing = nparams - right;
            nearest_error = e;
            nearest = skeletons[i];
        }
    }
    if (found) return EFF_OK;
    eff_error_prefix(&nearest_error, "no known architecture fits; as a network like %s", nearest);
    nearest_error.code = EFF_EFORMAT;
    if (err) *err = nearest_error;
    return EFF_EFORMAT;
}

eff_status eff_recognise(eff_recognised *out, const eff_index *x, const eff_claim *claim, eff_error *err)
{
    bool sure;
    int right, nparams;
    *out = (eff_recognised){ 0 };
    TRY(find_family(out, &sure, x, claim, err));
    if (claim->table) {
        out->table = *claim->table;
        if (!out->table.classes) out->table.classes = eff_measure_classes(x, out->naming, &out->table, 0);
        TRY(try_table(&out->table, &out->fit, &right, &nparams, x, out->naming, err));
    } else {
        TRY(try_skeletons(out, x, err));
    }
    /* networks that pad symmetrically in their tables exist in PyTorch only */
    if (!sure && out->table.pad != EFF_PAD_SYMMETRIC) {
        eff_recognised_free(out);
        return eff_fail(err, EFF_EARG, "the names fit timm and timm_tf alike, which pad differently (symmetric, SAME):"
                        " say which with --family");
    }
    eff_pad pad;
    double eps;
    eff_family_rules(out->family, &out->table, &pad, &eps);
    if (!claim->keep_padding) out->table.pad = pad;
    if (!claim->keep_eps) out->table.bn_eps = eps;
    return EFF_OK;
}

void eff_recognised_free(eff_recognised *r) { eff_fit_free(&r->fit); }
