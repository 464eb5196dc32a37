/* SPDX-License-Identifier: Apache-2.0 */
/* Recognition by names and shapes: every network of the family in every naming comes back as the same network,
 * and what does not fit is refused with a message that names the tensor. */
#include "fakefile.h"

#include "formats/defaults.h"
#include "formats/formats.h"
#include "formats/recognise.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static eff_graph *build(eff_table *t, const char *spec)
{
    eff_error err = { 0 };
    eff_graph *g;
    T_OK(eff_table_builtin(t, spec, &err), err);
    T_OK(eff_graph_build(&g, t, 0, 0, &err), err);
    return g;
}

static eff_status recognise(eff_recognised *r, const eff_checkpoint *c, const eff_claim *claim, eff_error *err)
{
    eff_index x;
    T_OK(eff_index_build(&x, c, err), *err);
    const eff_status s = eff_recognise(r, &x, claim, err);
    if (s == EFF_OK) {
        /* what is found is the tensor of that name, for each parameter */
        eff_graph *g;
        T_OK(eff_graph_build(&g, &r->table, 0, 0, err), *err);
        assert_int_equal(r->fit.nparams, g->nparams);
        assert_int_equal(r->fit.right, g->nparams);
        for (int p = 0; p < g->nparams; p++) {
            char name[EFF_TENSOR_NAME];
            assert_true(eff_name_of_param(name, r->naming, &r->table, g, p));
            assert_string_equal(r->fit.tensor[p]->name, name);
        }
        eff_graph_free(g);
    }
    eff_index_free(&x);
    return s;
}

static void same_network(const eff_table *a, const eff_table *b)
{
    assert_int_equal(a->nstages, b->nstages);
    assert_int_equal(a->stem_channels, b->stem_channels);
    assert_int_equal(a->head_channels, b->head_channels);
    assert_int_equal(a->classes, b->classes);
    assert_int_equal(a->act, b->act);
    for (int i = 0; i < a->nstages; i++) {
        const eff_stage *s = &a->stage[i], *r = &b->stage[i];
        assert_int_equal(s->channels, r->channels);
        assert_int_equal(s->repeats, r->repeats);
        assert_true(s->op == r->op && s->kernel == r->kernel && s->stride == r->stride && s->expand == r->expand &&
                    s->se == r->se && s->act == r->act && s->skip == r->skip);
    }
}

static bool is_torch(eff_family naming)
{
    return naming == EFF_FAMILY_TIMM || eff_naming_family(naming) == EFF_FAMILY_TORCHVISION;
}

/* Recognise `spec` written in naming `f`, its family claimed or not; the result must be the same network. */
static eff_table round_trip_as(const char *spec, eff_family f, bool claimed)
{
    eff_table t;
    eff_graph *g = build(&t, spec);
    eff_checkpoint *c = t_fake(f, &t, g);
    const eff_claim claim = { .family = claimed ? eff_family_name(f) : NULL };
    eff_recognised r;
    eff_error err = { 0 };
    if (recognise(&r, c, &claim, &err) != EFF_OK) fail_msg("%s as %s: %s", spec, eff_family_name(f), err.msg);
    same_network(&r.table, &t);
    assert_int_equal(r.family, eff_naming_family(f));
    assert_int_equal(r.naming, f);
    assert_int_equal(r.table.pad, f == EFF_FAMILY_NEUTRAL ? t.pad : is_torch(f) ? EFF_PAD_SYMMETRIC : EFF_PAD_SAME);
    eff_recognised_free(&r);
    t_fake_free(c);
    eff_graph_free(g);
    return r.table;
}

static eff_table round_trip(const char *spec, eff_family f) { return round_trip_as(spec, f, true); }

static bool starts_with(const char *s, const char *head) { return strncmp(s, head, strlen(head)) == 0; }

/* Does naming `f` spell the network, as far as its library has it? */
static bool spells(eff_family f, const char *name)
{
    const bool b = starts_with(name, "efficientnet-b") || starts_with(name, "efficientnet-l");
    switch (f) {
    case EFF_FAMILY_LUKEMELAS: return b;
    case EFF_FAMILY_TORCHVISION: return b || starts_with(name, "resnet") || starts_with(name, "efficientnet-v2");
    case EFF_FAMILY_TF: return starts_with(name, "efficientnet-");
    case EFF_FAMILY_KERAS: return starts_with(name, "efficientnet-") && strcmp(name, "efficientnet-v2-xl") != 0;
    case EFF_NAMING_MOBILENET: return starts_with(name, "mobilenetv2");
    case EFF_NAMING_MNASNET: return starts_with(name, "mnasnet-b1");
    default: return true;
    }
}

static void test_built_in(void **state)
{
    (void)state;
    int trips = 0;
    for (int i = 0; i < eff_builtin_count(); i++) {
        const char *name = eff_builtin_name(i);
        const bool b = starts_with(name, "efficientnet-b"), v2 = starts_with(name, "efficientnet-v2");
        for (int f = 0; f < EFF_NAMING_COUNT; f++) {
            if (!spells((eff_family)f, name)) continue;
            char spec[64];
            const eff_table got = round_trip(name, (eff_family)f);
            assert_string_equal(got.name, name);
            eff_table want;
            assert_int_equal(eff_table_builtin(&want, name, NULL), EFF_OK);
            assert_true(got.width == want.width && got.depth == want.depth && got.dropout == want.dropout);
            assert_int_equal(got.height, want.height);
            const bool converted = eff_naming_family((eff_family)f) == EFF_FAMILY_TORCHVISION &&
                                   (v2 || (b && name[14] >= '5' && name[14] <= '7'));
            assert_true(got.bn_eps == (f == EFF_FAMILY_NEUTRAL                    ? want.bn_eps
                                       : is_torch((eff_family)f) && !converted ? 1e-5
                                                                               : 1e-3));
            snprintf(spec, sizeof spec, "%s@classes=%d", name, 2 + i);
            if (!T_SANITIZED && strcmp(name, "efficientnet-l2") != 0) assert_int_equal(round_trip(spec, (eff_family)f).classes, 2 + i);
            trips++;
        }
    }
    assert_int_equal(trips, eff_builtin_count() * 3 + 15 + 28 + 26 + 25 + 1 + 1);
}

/* What needs no claim: names of torchvision alone, and networks that only PyTorch has. */
static void test_unclaimed(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        eff_family naming;
    } t[] = {
        { "resnet18", EFF_FAMILY_TORCHVISION }, { "resnet101", EFF_FAMILY_TORCHVISION },
        { "mobilenetv2-1.0", EFF_NAMING_MOBILENET }, { "mnasnet-b1", EFF_NAMING_MNASNET },
        { "efficientnet-v2-m", EFF_FAMILY_TORCHVISION }, { "mobilenetv1-1.0", EFF_FAMILY_TIMM },
        { "mobilenetv2-1.4", EFF_FAMILY_TIMM }, { "mnasnet-a1", EFF_FAMILY_TIMM }, { "resnet50", EFF_FAMILY_NEUTRAL },
        { "mobilenetv2_050", EFF_NAMING_MOBILENET }, { "mnasnet_050", EFF_NAMING_MNASNET },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) round_trip_as(t[i].spec, t[i].naming, false);
}

/* Comparators at other widths and depths, and the names that these get. */
static void test_scaled_comparators(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *name; /* NULL = the same */
        eff_family naming;
    } t[] = {
        { "mobilenetv2_035", NULL, EFF_FAMILY_TIMM },
        { "mobilenetv2_075", NULL, EFF_NAMING_MOBILENET },
        { "mobilenetv2-0.5", NULL, EFF_NAMING_MOBILENET },
        { "mobilenetv2-1.4", NULL, EFF_NAMING_MOBILENET },
        { "mobilenetv2_050@depth=2", "mobilenetv2_050@depth=2", EFF_NAMING_MOBILENET },
        { "mobilenetv1-1.25", NULL, EFF_FAMILY_TIMM },
        { "mobilenetv1-0.25", NULL, EFF_FAMILY_NEUTRAL },
        { "mnasnet_050", NULL, EFF_NAMING_MNASNET },
        { "mnasnet_130", NULL, EFF_NAMING_MNASNET },
        { "semnasnet_075", NULL, EFF_FAMILY_TIMM },
        { "efficientnet-edgetpu-s@width=0.5", "efficientnet-edgetpu-s@width=0.5", EFF_FAMILY_TIMM },
        { "efficientnet-v2-s@width=0.5", "efficientnet-v2-s@width=0.5", EFF_FAMILY_TORCHVISION },
        { "efficientnet-v2-b0@width=0.6,depth=0.5", "efficientnet-v2-b0@width=0.6,depth=0.5", EFF_FAMILY_TIMM_TF },
        { "efficientnet-v2-m@width=0.25,depth=0.2", "efficientnet-v2-m@width=0.25,depth=0.2", EFF_FAMILY_TIMM },
        { "resnet50@width=2", "resnet50@width=2", EFF_FAMILY_TORCHVISION },
        { "resnet18@width=0.25", "resnet18@width=0.25", EFF_FAMILY_TIMM },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        assert_string_equal(round_trip(t[i].spec, t[i].naming).name, t[i].name ? t[i].name : t[i].spec);
}

/* Inner and outer widths of a bottleneck are measured apart: a wide ResNet. */
static void test_wide_resnet(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_table t;
    eff_graph_free(build(&t, "resnet50"));
    for (int s = 0; s < 4; s++) t.stage[s].expand = 2;
    eff_graph *g;
    T_OK(eff_graph_build(&g, &t, 0, 0, &err), err);
    eff_checkpoint *c = t_fake(EFF_FAMILY_TORCHVISION, &t, g);
    const eff_claim open = { 0 };
    eff_recognised r;
    T_OK(recognise(&r, c, &open, &err), err);
    same_network(&r.table, &t);
    assert_string_equal(r.table.name, "resnet50-custom");
    eff_recognised_free(&r);
    t_fake_free(c);
    eff_graph_free(g);
}

/* Widths and depths that nobody published. The name found may be another of the many that give the same network. */
static void test_scaled(void **state)
{
    (void)state;
    static const double widths[] = { 0.05, 0.1, 0.25, 0.35, 0.5, 0.7, 0.75, 1, 1.05, 1.2, 1.37, 1.4, 2.6, 5 };
    static const double depths[] = { 0.1, 0.25, 1.0 / 3, 0.5, 0.6, 0.75, 1, 1.1, 1.25, 1.4, 2.3, 3.1, 6.2, 8 };
    for (int lite = 0; lite < 2; lite++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
            for (size_t d = (w + (size_t)lite) % 3; d < sizeof depths / sizeof *depths; d += 3) {
                if (T_SANITIZED && (w + d) % 2) continue; /* the same code at other sizes */
                char spec[100];
                snprintf(spec, sizeof spec, "efficientnet-%s@width=%.9g,depth=%.9g,classes=%d", lite ? "lite0" : "b0",
                         widths[w], depths[d], (int)(1 + 7 * w + d));
                eff_family f = (eff_family)((w + d) % EFF_FAMILY_COUNT);
                if (f == EFF_FAMILY_KERAS && depths[d] > 6.5) f = EFF_FAMILY_TF; /* past the letters */
                const eff_table a = round_trip(spec, f), b = round_trip(spec, EFF_FAMILY_LUKEMELAS);
                assert_string_equal(a.name, b.name);
                assert_null(strstr(a.name, "custom"));
                eff_table again; /* the name asks for the same network */
                assert_int_equal(eff_table_builtin(&again, a.name, NULL), EFF_OK);
                again.classes = a.classes;
                same_network(&again, &a);
            }
    assert_string_equal(round_trip("b0@width=0.35,depth=0.5,classes=10", EFF_FAMILY_TIMM).name,
                        "efficientnet-b0@width=0.35,depth=0.5");
    assert_string_equal(round_trip("lite0@width=1.2,depth=0.5", EFF_FAMILY_TIMM_TF).name,
                        "efficientnet-lite0@width=1.2,depth=0.5");
}

/* Networks that no coefficients give: channels and repeats are taken as they are. */
static void test_custom(void **state)
{
    (void)state;
    static const int repeats[7] = { 2, 5, 1, 1, 3, 1, 2 };
    eff_error err = { 0 };
    for (int f = 0; f < EFF_FAMILY_COUNT; f++) {
        eff_table t;
        eff_graph_free(build(&t, "b0"));
        for (int s = 0; s < 7; s++) {
            t.stage[s].repeats = repeats[s];
            t.stage[s].channels += 4 * s;
        }
        t.stem_channels = 20;
        t.head_channels = 100;
        t.classes = 3;
        eff_graph *g;
        T_OK(eff_graph_build(&g, &t, 0, 0, &err), err);
        eff_checkpoint *c = t_fake((eff_family)f, &t, g);
        const eff_claim claim = { .family = eff_family_name((eff_family)f) };
        eff_recognised r;
        T_OK(recognise(&r, c, &claim, &err), err);
        same_network(&r.table, &t);
        assert_string_equal(r.table.name, "efficientnet-b0-custom");
        eff_recognised_free(&r);
        t_fake_free(c);
        eff_graph_free(g);
    }
}

/* Without its classifier a network is recognised as a body, in every naming; not where some classifier is there under a name
 * that is not the network's. */
static void test_bodies(void **state)
{
    (void)state;
    static const char *const specs[] = { "b3", "b0@width=0.35,depth=0.5", "efficientnet-v2-s", "resnet18", "mobilenetv2-1.0" };
    int bodies = 0;
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        for (int f = 0; f < EFF_NAMING_COUNT; f++) {
            eff_error err = { 0 };
            eff_table t;
            eff_graph *g;
            eff_graph_free(build(&t, specs[i]));
            if (!spells((eff_family)f, t.name)) continue;
            t.classes = 0;
            T_OK(eff_graph_build(&g, &t, 0, 0, &err), err);
            eff_checkpoint *c = t_fake((eff_family)f, &t, g);
            const eff_claim claim = { .family = eff_family_name((eff_family)f) };
            eff_recognised r;
            T_OK(recognise(&r, c, &claim, &err), err);
            same_network(&r.table, &t);
            assert_string_equal(r.table.name, t.name);
            eff_recognised_free(&r);
            t_fake_add(c, "my_classes.weight", EFF_F32, 2, 10, 1280, 0, 0);
            assert_int_equal(recognise(&r, c, &claim, &err), EFF_EFORMAT);
            assert_non_null(strstr(err.msg, "tensor my_classes.weight belongs to no parameter"));
            t_fake_free(c);
            eff_graph_free(g);
            bodies++;
        }
    assert_true(bodies >= 20);
}

/* ---------------------------------------------------------------------------------------- refusals */

typedef struct change {
    eff_family family;
    const char *spec, *remove, *add, *claim_family, *hint;
    const char *wrong; /* tensor whose first two dimensions are swapped */
    const char *ints;  /* tensor that becomes int64 */
    eff_status want;
    const char *says[3];
} change;

static void check_change(const change *k)
{
    eff_table t;
    eff_graph *g = build(&t, k->spec);
    eff_checkpoint *c = t_fake(k->family, &t, g);
    eff_error err = { 0 };
    if (k->remove) t_fake_remove(c, k->remove);
    if (k->add) t_fake_add(c, k->add, EFF_F32, 1, 8, 0, 0, 0);
    if (k->hint) c->arch_hint = strdup(k->hint);
    if (k->ints) t_fake_find(c, k->ints)->dtype = EFF_I64;
    if (k->wrong) {
        eff_tensor *w = t_fake_find(c, k->wrong);
        const int64_t d = w->dim[0];
        w->dim[0] = w->dim[1];
        w->dim[1] = d;
    }
    eff_recognised r;
    const eff_claim claim = { .family = k->claim_family };
    const eff_status s = recognise(&r, c, &claim, &err);
    if (s != k->want) fail_msg("%s: status %d, expected %d: %s", k->spec, s, k->want, err.msg);
    if (s != EFF_OK) {
        assert_int_equal(err.code, s);
        for (int i = 0; i < 3 && k->says[i]; i++)
            if (!strstr(err.msg, k->says[i])) fail_msg("\"%s\" does not say %s", err.msg, k->says[i]);
    } else {
        eff_recognised_free(&r);
    }
    t_fake_free(c);
    eff_graph_free(g);
}

static void test_refusals(void **state)
{
    (void)state;
    static const change changes[] = {
        { EFF_FAMILY_TIMM, "b0", .want = EFF_EARG, .says = { "timm and timm_tf", "--family" } },
        { EFF_FAMILY_TIMM, "b0", .hint = "tf_efficientnet_b0", .want = EFF_OK },
        { EFF_FAMILY_TIMM, "b0", .hint = "efficientnet_b0", .want = EFF_OK },
        { EFF_FAMILY_TIMM, "b0", .hint = "resnet50", .want = EFF_EARG, .says = { "--family" } },
        { EFF_FAMILY_TIMM, "b0", .claim_family = "torchvision", .want = EFF_EARG,
          .says = { "family torchvision does not fit", "timm or timm_tf", "conv_stem.weight" } },
        { EFF_FAMILY_TORCHVISION, "b1", .claim_family = "lukemelas", .want = EFF_EARG,
          .says = { "those of torchvision" } },
        { EFF_FAMILY_LUKEMELAS, "b0", .claim_family = "neutral", .want = EFF_EARG, .says = { "those of lukemelas" } },
        { EFF_FAMILY_LUKEMELAS, "b0", .claim_family = "keras", .want = EFF_EARG, .says = { "family keras does not fit" } },
        { EFF_FAMILY_LUKEMELAS, "b0", .claim_family = "luke", .want = EFF_EARG, .says = { "unknown family" } },
        /* missing comes before the open family */
        { EFF_FAMILY_TIMM, "b0", .remove = "blocks.2.1.bn2.bias", .want = EFF_EFORMAT,
          .says = { "tensor blocks.2.1.bn2.bias is missing" } },
        { EFF_FAMILY_LUKEMELAS, "lite1", .remove = "_blocks.3._project_conv.weight", .want = EFF_EFORMAT,
          .says = { "tensor _blocks.3._project_conv.weight is missing" } },
        { EFF_FAMILY_LUKEMELAS, "b2", .remove = "_conv_stem.weight", .want = EFF_EFORMAT,
          .says = { "tensor _conv_stem.weight is missing" } },
        { EFF_FAMILY_TORCHVISION, "b2", .remove = "classifier.1.weight", .want = EFF_EFORMAT,
          .says = { "tensor classifier.1.weight is missing" } },
        { EFF_FAMILY_TORCHVISION, "b0", .remove = "features.3.0.block.2.fc1.bias", .want = EFF_EFORMAT,
          .says = { "tensor features.3.0.block.2.fc1.bias is missing" } },
        { EFF_FAMILY_NEUTRAL, "b0", .remove = "head.bn.weight", .want = EFF_EFORMAT,
          .says = { "tensor head.bn.weight is missing" } },
        /* shapes */
        { EFF_FAMILY_TIMM, "b0", .wrong = "conv_stem.weight", .want = EFF_EFORMAT,
          .says = { "tensor conv_stem.weight", "expected shape [32, 3, 3, 3]", "found [3, 32, 3, 3]" } },
        { EFF_FAMILY_LUKEMELAS, "lite0", .wrong = "_fc.weight", .want = EFF_EFORMAT,
          .says = { "tensor _fc.weight", "expected shape [1000, 1280]", "found [1280, 1000]" } },
        { EFF_FAMILY_TORCHVISION, "b3", .wrong = "features.5.1.block.2.fc1.weight", .want = EFF_EFORMAT,
          .says = { "tensor features.5.1.block.2.fc1.weight", "expected shape [", "found [" } },
        { EFF_FAMILY_NEUTRAL, "b0", .ints = "blocks.4.0.dw.conv.weight", .want = EFF_EFORMAT,
          .says = { "tensor blocks.4.0.dw.conv.weight", "expected floating point", "I64" } },
        /* what would be left out silently */
        { EFF_FAMILY_LUKEMELAS, "b0", .add = "_aux.weight", .want = EFF_EFORMAT,
          .says = { "tensor _aux.weight belongs to no parameter" } },
        { EFF_FAMILY_TORCHVISION, "b0", .add = "features.1.0.block.0.1.num_batches_tracked", .want = EFF_OK },
        /* the comparators */
        { EFF_FAMILY_TORCHVISION, "resnet18", .claim_family = "lukemelas", .want = EFF_EARG,
          .says = { "those of timm or torchvision", "conv1.weight" } },
        { EFF_NAMING_MOBILENET, "mobilenetv2-1.0", .claim_family = "timm", .want = EFF_EARG,
          .says = { "those of torchvision", "features.0.0.weight" } },
        { EFF_FAMILY_TIMM, "efficientnet-edgetpu-s", .want = EFF_EARG, .says = { "timm and timm_tf", "--family" } },
        { EFF_FAMILY_TIMM, "efficientnet-v2-s", .want = EFF_EARG, .says = { "timm and timm_tf", "--family" } },
        { EFF_FAMILY_TIMM, "efficientnet-v2-s", .hint = "tf_efficientnetv2_s", .want = EFF_OK },
        { EFF_FAMILY_TORCHVISION, "resnet50", .remove = "layer3.2.bn3.bias", .want = EFF_EFORMAT,
          .says = { "like resnet50: tensor layer3.2.bn3.bias is missing" } },
        { EFF_FAMILY_TORCHVISION, "resnet18", .add = "layer1.0.se.fc1.weight", .want = EFF_EFORMAT,
          .says = { "tensor layer1.0.se.fc1.weight belongs to no parameter of resnet18" } },
        { EFF_FAMILY_TORCHVISION, "resnet34", .wrong = "layer4.0.downsample.0.weight", .want = EFF_EFORMAT,
          .says = { "like resnet18: tensor layer4.0.downsample.0.weight: expected shape [512, 256, 1, 1]" } },
        { EFF_NAMING_MOBILENET, "mobilenetv2-1.0", .remove = "features.4.conv.1.1.running_var", .want = EFF_EFORMAT,
          .says = { "like mobilenetv2-1.0: tensor features.4.conv.1.1.running_var is missing" } },
        { EFF_NAMING_MNASNET, "mnasnet-b1", .remove = "layers.9.1.layers.6.weight", .want = EFF_EFORMAT,
          .says = { "like mnasnet-b1: tensor layers.9.1.layers.6.weight is missing" } },
        { EFF_FAMILY_TIMM, "mobilenetv1-1.0", .wrong = "blocks.3.0.conv_pw.weight", .want = EFF_EFORMAT,
          .says = { "like mobilenetv1-1.0: tensor blocks.3.0.conv_pw.weight: expected shape [512, 256, 1, 1]" } },
        { EFF_FAMILY_TORCHVISION, "efficientnet-v2-s", .remove = "features.1.1.block.0.1.weight", .want = EFF_EFORMAT,
          .says = { "like efficientnet-v2-b0: tensor features.1.1.block.0.1.weight is missing" } },
        /* neutral names say nothing of whose weights they are */
        { EFF_FAMILY_NEUTRAL, "b0", .claim_family = "timm", .want = EFF_OK },
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) check_change(&changes[i]);
}

static void test_nothing_fits(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_recognised r;
    const eff_claim open = { 0 };
    eff_graph none = { 0 };
    eff_table t = { 0 };
    eff_checkpoint *c = t_fake(EFF_FAMILY_NEUTRAL, &t, &none);
    assert_int_equal(recognise(&r, c, &open, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "no tensors"));
    t_fake_add(c, "t", EFF_F32, 2, 4, 6, 0, 0);
    assert_int_equal(recognise(&r, c, &open, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "the first is t"));
    t_fake_free(c);
}

/* Shapes that no table can have, in tensors that steer the recognition, must neither overflow nor allocate. */
static void test_hostile_shapes(void **state)
{
    (void)state;
    static const char *const steering[] = { "conv_stem.weight",      "bn1.weight",
                                            "blocks.0.0.bn2.weight", "blocks.3.0.conv_pwl.weight",
                                            "conv_head.weight",      "bn2.weight",
                                            "classifier.bias",       "classifier.weight" };
    static const int64_t dims[] = { 0, 1, 65537, INT32_MAX, (int64_t)INT32_MAX + 1, INT64_MAX };
    for (size_t i = 0; i < sizeof steering / sizeof *steering; i++)
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
            for (int n = 0; n < 6; n++) {
                eff_table t;
                eff_graph *g = build(&t, "b0");
                eff_checkpoint *c = t_fake(EFF_FAMILY_TIMM, &t, g);
                eff_tensor *w = t_fake_find(c, steering[i]);
                w->ndim = n;
                for (int k = 0; k < n; k++) w->dim[k] = dims[d];
                eff_recognised r;
                eff_error err = { 0 };
                const eff_claim claim = { .family = "timm" };
                assert_int_equal(recognise(&r, c, &claim, &err), EFF_EFORMAT);
                assert_true(strlen(err.msg) > 20);
                t_fake_free(c);
                eff_graph_free(g);
            }
}

/* Tensors that are views of one small storage would make a giant of a tiny file. */
static void test_claims_more_than_the_file(void **state)
{
    (void)state;
    eff_table t;
    eff_graph *g = build(&t, "b0");
    eff_checkpoint *c = t_fake(EFF_FAMILY_TIMM_TF, &t, g);
    c->bytes = 20 << 20; /* B0 takes 21.3 MB */
    eff_recognised r;
    eff_error err = { 0 };
    const eff_claim claim = { .family = "timm_tf" };
    assert_int_equal(recognise(&r, c, &claim, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "share memory"));
    t_fake_free(c);
    eff_graph_free(g);
}

/* --------------------------------------------------------------------------------- through the front door */

static eff_model *load(const char *path, eff_model_opts o)
{
    eff_model *m;
    eff_error err = { 0 };
    if (eff_formats_load(&m, path, &o, &err) != EFF_OK) fail_msg("%s: %s", path, err.msg);
    return m;
}

static void fails(const char *path, eff_model_opts o, eff_status want, const char *says)
{
    eff_model *m = (eff_model *)&want;
    eff_error err = { 0 };
    const eff_status s = eff_formats_load(&m, path, &o, &err);
    if (s != want || !strstr(err.msg, says))
        fail_msg("%s: %d \"%s\", expected %d and \"%s\"", path, s, err.msg, want, says);
    assert_null(m);
    assert_int_equal(err.code, want);
}

static void same_weights(const eff_model *a, const eff_model *b)
{
    assert_int_equal(a->graph->nparams, b->graph->nparams);
    for (int p = 0; p < a->graph->nparams; p++) {
        assert_string_equal(a->graph->param[p].name, b->graph->param[p].name);
        assert_int_equal(a->graph->param[p].count, b->graph->param[p].count);
        assert_memory_equal(a->weights[p], b->weights[p], a->graph->param[p].count * sizeof(float));
    }
}

/* The formula weights of golden models, written in every naming, come back to the bit and in the right places. */
static void test_weights_arrive(void **state)
{
    (void)state;
    static const char *const names[] = { "small", "lite0", "b0" };
    for (size_t i = 0; i < 3; i++) {
        const eff_table t = t_golden_table(names[i]);
        eff_model *want = t_formula_model(names[i], &t);
        for (int f = 0; f < EFF_FAMILY_COUNT; f++) {
            const char *path = t_tmp("as_%s.pth", eff_family_name((eff_family)f)); /* the content decides */
            t_save_as(want, (eff_family)f, EFF_F32, 0, path);
            eff_model *m = load(path, (eff_model_opts){ .family = eff_family_name((eff_family)f) });
            same_weights(m, want);
            assert_string_equal(m->meta.family, eff_family_name((eff_family)f));
            assert_string_equal(m->meta.format, "safetensors");
            assert_int_equal(m->info.has_weights, 1);
            assert_string_equal(m->info.family, m->meta.family);
            assert_int_equal(m->table.classes, t.classes);
            eff_model_destroy(m);
        }
        eff_model_destroy(want);
    }
}

static void test_options(void **state)
{
    (void)state;
    const eff_table t = t_golden_table("small");
    eff_model *small = t_formula_model("small", &t);
    const char *path = t_tmp("small_timm");
    t_save_as(small, EFF_FAMILY_TIMM, EFF_F32, 0, path);
    const char *arch = "efficientnet-b0@width=0.35,depth=0.5";

    fails(path, (eff_model_opts){ 0 }, EFF_EARG, "--family");
    fails(path, (eff_model_opts){ .architecture = arch }, EFF_EARG, "--family");
    fails(path, (eff_model_opts){ .family = "timm", .classes = 11 }, EFF_EARG,
          "classes: the weights have 10, 11 were asked for");
    fails(path, (eff_model_opts){ .family = "timm", .classes = -1 }, EFF_EARG, "classes");
    fails(path, (eff_model_opts){ .family = "timm", .height = -5 }, EFF_EARG, "resolution");
    fails(path, (eff_model_opts){ .family = "timm", .height = 1 << 20 }, EFF_EARG, "resolution");
    fails(path, (eff_model_opts){ .family = "timm", .architecture = "b0" }, EFF_EFORMAT,
          "tensor conv_stem.weight: expected shape [32, 3, 3, 3]");
    fails(path, (eff_model_opts){ .family = "timm", .architecture = "b0@width=0.35,depth=0.5,classes=7" }, EFF_EFORMAT,
          "tensor classifier.weight: expected shape [7, 448]");
    fails(path, (eff_model_opts){ .family = "timm", .architecture = "b0@width=0.35" }, EFF_EFORMAT, "is missing, and ");
    fails(path, (eff_model_opts){ .family = "timm", .architecture = "b99" }, EFF_EARG, "unknown model");
    fails(path, (eff_model_opts){ .family = "timm", .architecture = "nowhere/t.json" }, EFF_EFORMAT, "no such file");
    fails(path, (eff_model_opts){ .family = "timm", .architecture = "resnet18" }, EFF_EFORMAT,
          "tensor bn1.weight: expected shape [64], found [16]");

    eff_model *m = load(path, (eff_model_opts){ .family = "timm", .architecture = arch, .classes = 10 });
    same_weights(m, small);
    assert_string_equal(m->info.padding, "symmetric");
    eff_model_destroy(m);
    m = load(path, (eff_model_opts){ .family = "timm",
                                     .architecture = "b0@width=0.35,depth=0.5,padding=same,eps=0.01,resolution=96" });
    assert_string_equal(m->info.padding, "same"); /* spelled out, it wins */
    assert_true(m->table.bn_eps == 0.01);
    assert_int_equal(m->table.height, 96);
    assert_int_equal(m->meta.preprocess.height, 96);
    assert_int_equal(m->meta.preprocess.side, (int)floor(96 / 0.875));
    eff_model_destroy(m);
    m = load(path, (eff_model_opts){ .family = "timm_tf", .height = 64, .width = 80 });
    assert_int_equal(m->graph->node[0].h, 64);
    assert_int_equal(m->graph->node[0].w, 80);
    assert_int_equal(m->meta.preprocess.side, (int)floor(80 / 0.875));
    assert_true(m->table.bn_eps == 1e-3);
    eff_model_destroy(m);

    t_save_as(small, EFF_FAMILY_TIMM, EFF_F32, 1, path);
    fails(path, (eff_model_opts){ .family = "timm" }, EFF_EFORMAT, "tensor extra.0 belongs to no parameter");
    t_save_as(small, EFF_FAMILY_NEUTRAL, EFF_F32, 0, path);
    m = load(path, (eff_model_opts){ 0 });
    assert_string_equal(m->info.padding, "same");
    eff_model_destroy(m);
    m = load(path, (eff_model_opts){ .family = "torchvision" }); /* neutral names, torchvision's rules */
    assert_string_equal(m->info.padding, "symmetric");
    assert_string_equal(m->meta.family, "torchvision");
    same_weights(m, small);
    eff_model_destroy(m);
    eff_model_destroy(small);
}

/* Values are named before everything else that is wrong. */
static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *param;
        float value;
        const char *says;
    } bad[] = {
        { "blocks.1.0.dw.conv.weight", NAN,
          "tensor blocks.1.0.conv_dw.weight: element 3: expected a finite value, found nan" },
        { "head.fc.bias", INFINITY, "tensor classifier.bias: element 3: expected a finite value, found inf" },
        { "stem.bn.running_mean", -INFINITY,
          "tensor bn1.running_mean: element 3: expected a finite value, found -inf" },
        { "blocks.3.0.project.bn.running_var", -1e-9f,
          "tensor blocks.3.0.bn3.running_var: element 3: expected a variance of at least 0" },
    };
    const eff_table t = t_golden_table("small");
    eff_model *m = t_formula_model("small", &t);
    const char *path = t_tmp("values");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        float *v = &m->weights[eff_graph_find_param(m->graph, bad[i].param)][3];
        const float good = *v;
        *v = bad[i].value;
        for (int extra = 0; extra < 2; extra++) {
            t_save_as(m, EFF_FAMILY_TIMM, EFF_F32, extra, path);
            fails(path, (eff_model_opts){ .family = "timm" }, EFF_EFORMAT, bad[i].says);
            fails(path, (eff_model_opts){ 0 }, EFF_EFORMAT, bad[i].says);
            fails(path, (eff_model_opts){ .family = "timm", .architecture = "b3" }, EFF_EFORMAT, bad[i].says);
        }
        *v = good;
    }
    /* dead channels exist in published files */
    m->weights[eff_graph_find_param(m->graph, "stem.bn.running_var")][0] = 0;
    m->weights[0][0] = -0.0f;
    m->weights[0][1] = FLT_MIN / 4;
    t_save_as(m, EFF_FAMILY_TIMM, EFF_F32, 0, path);
    eff_model *got = load(path, (eff_model_opts){ .family = "timm" });
    same_weights(got, m);
    eff_model_destroy(got);
    eff_model_destroy(m);
}

/* ------------------------------------------------------------------------------------ preprocessing */

static void test_defaults(void **state)
{
    (void)state;
    static const struct {
        eff_family f;
        const char *spec, *rule;
    } want[] = {
        { EFF_FAMILY_LUKEMELAS, "b3",
          "short=300,filter=bicubic,crop=300,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_LUKEMELAS, "lite0", "short=256,filter=bicubic,crop=224,mean=127,std=128" },
        { EFF_FAMILY_LUKEMELAS, "lite1", "short=272,filter=bicubic,crop=240,mean=127,std=128" },
        { EFF_FAMILY_LUKEMELAS, "lite2", "short=292,filter=bicubic,crop=260,mean=127,std=128" },
        { EFF_FAMILY_TORCHVISION, "b1",
          "short=256,filter=bicubic,crop=240,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TORCHVISION, "b2",
          "short=288,filter=bicubic,crop=288,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TORCHVISION, "b7",
          "short=600,filter=bicubic,crop=600,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TIMM_TF, "b1",
          "short=272,filter=bicubic,crop=240,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TIMM_TF, "b4",
          "short=412,filter=bicubic,crop=380,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TIMM_TF, "l2",
          "short=833,filter=bicubic,crop=800,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TIMM_TF, "lite3", "short=331,filter=bilinear,crop=300,mean=127.5,std=127.5" },
        { EFF_FAMILY_TIMM_TF, "lite4", "short=413,filter=bilinear,crop=380,mean=127.5,std=127.5" },
        { EFF_FAMILY_TIMM, "b2",
          "short=292,filter=bicubic,crop=256,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TIMM, "b5",
          "squash=448,filter=bicubic,crop=448,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TORCHVISION, "resnet18",
          "short=256,filter=bilinear,crop=224,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TORCHVISION, "resnet50",
          "short=232,filter=bilinear,crop=224,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TORCHVISION, "mobilenetv2-1.0",
          "short=232,filter=bilinear,crop=224,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TORCHVISION, "mnasnet_075",
          "short=232,filter=bilinear,crop=224,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TORCHVISION, "efficientnet-v2-s",
          "short=384,filter=bilinear,crop=384,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TORCHVISION, "efficientnet-v2-l", "short=480,filter=bicubic,crop=480,mean=127.5,std=127.5" },
        { EFF_FAMILY_TIMM, "resnet50",
          "short=235,filter=bicubic,crop=224,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TIMM, "mobilenetv1-1.0", "short=256,filter=bicubic,crop=224,mean=127.5,std=127.5" },
        { EFF_FAMILY_TIMM, "efficientnet-v2-s",
          "short=288,filter=bicubic,crop=288,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TIMM_TF, "efficientnet-edgetpu-m", "short=272,filter=bicubic,crop=240,mean=127.5,std=127.5" },
        { EFF_FAMILY_TIMM_TF, "efficientnet-v2-s", "short=384,filter=bicubic,crop=384,mean=127.5,std=127.5" },
        { EFF_FAMILY_TIMM_TF, "efficientnet-v2-xl", "squash=512,filter=bicubic,crop=512,mean=127.5,std=127.5" },
        { EFF_FAMILY_NEUTRAL, "b6",
          "short=603,filter=bicubic,crop=528,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
        { EFF_FAMILY_TIMM, "b0@width=0.35,depth=0.5",
          "short=256,filter=bicubic,crop=224,mean=123.675:116.28:103.53,std=58.395:57.12:57.375" },
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        eff_table t;
        char rule[300];
        eff_graph_free(build(&t, want[i].spec));
        eff_preprocess p = eff_default_preprocess(want[i].f, &t, 0, 0);
        assert_true(eff_preprocess_format(&p, rule, sizeof rule) < (int)sizeof rule);
        assert_string_equal(rule, want[i].rule);
        /* any other size keeps the proportion, and a crop always fits into what it is cut from */
        for (int h = 32; h < 700; h += 37) {
            const int w = 32 + (h * 7) % 600, longer = h > w ? h : w;
            const double ratio = (double)p.side / p.height;
            const eff_preprocess q = eff_default_preprocess(want[i].f, &t, h, w);
            assert_int_equal(q.height, h);
            assert_int_equal(q.width, w);
            assert_true(q.side >= longer);
            assert_true(fabs(q.side - ratio * longer) <= 1 + 0.005 * longer);
            eff_preprocess resized = p;
            eff_preprocess_resize(&resized, h, w);
            assert_true(abs(resized.side - q.side) <= 1 + longer / 200);
            assert_true(resized.side >= longer);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_in),      cmocka_unit_test(test_scaled),
        cmocka_unit_test(test_unclaimed),     cmocka_unit_test(test_scaled_comparators),
        cmocka_unit_test(test_wide_resnet),   cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_custom),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_nothing_fits),  cmocka_unit_test(test_hostile_shapes),
        cmocka_unit_test(test_claims_more_than_the_file), cmocka_unit_test(test_weights_arrive),
        cmocka_unit_test(test_options),       cmocka_unit_test(test_values),
        cmocka_unit_test(test_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
