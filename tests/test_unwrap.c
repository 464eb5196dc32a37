/* SPDX-License-Identifier: Apache-2.0 */
/* Networks within other things: prefixes, moving averages, optimiser states, and stems for other pictures. */
#include "support.h"

#include "formats/formats.h"
#include "formats/names.h"
#include "formats/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char net[] = "b0@width=0.1,depth=0.3,resolution=32,classes=5", body[] = "that without its classifier";

static eff_model *random_model(const char *spec, uint64_t seed)
{
    eff_error err = { 0 };
    eff_table t;
    eff_model *m;
    T_OK(eff_table_builtin(&t, spec == body ? net : spec, &err), err);
    if (spec == body) t.classes = 0;
    T_OK(eff_model_new(&m, &t, &err), err);
    T_OK(eff_model_init_weights(m, seed, &err), err);
    return m;
}

typedef struct file {
    eff_st_tensor t[4096];
    char name[4096][160];
    float *stem[8];
    int n, stems;
} file;

static file *begin(void)
{
    file *const f = calloc(1, sizeof *f);
    assert_non_null(f);
    return f;
}

static void add(file *f, const char *name, int ndim, int64_t d0, int64_t d1, const float *data)
{
    snprintf(f->name[f->n], sizeof f->name[0], "%s", name);
    f->t[f->n] = (eff_st_tensor){ f->name[f->n], EFF_F32, ndim, { d0, d1 }, data };
    f->n++;
}

/* The network under a prefix; its stem for `channels` input channels, which are those of the model over and over, plus
 * their number. */
static void add_model(file *f, const eff_model *m, eff_family family, const char *prefix, int channels)
{
    for (int p = 0; p < m->graph->nparams; p++) {
        const eff_param *const q = &m->graph->param[p];
        char name[EFF_TENSOR_NAME];
        assert_true(eff_name_of_param(name, family, &m->table, m->graph, p));
        eff_st_tensor *const t = &f->t[f->n];
        snprintf(f->name[f->n], sizeof f->name[0], "%s%s", prefix, name);
        *t = (eff_st_tensor){
            f->name[f->n], EFF_F32, q->ndim, { q->dim[0], q->dim[1], q->dim[2], q->dim[3] }, m->weights[p]
        };
        f->n++;
        if (strcmp(q->name, "stem.conv.weight") != 0 || channels == 3) continue;
        const int area = q->dim[2] * q->dim[3];
        float *const w = f->stem[f->stems++] = malloc((size_t)(q->dim[0] * channels * area) * sizeof *w);
        assert_non_null(w);
        for (int o = 0; o < q->dim[0]; o++)
            for (int c = 0; c < channels; c++)
                for (int i = 0; i < area; i++)
                    w[(o * channels + c) * area + i] = m->weights[p][(o * 3 + c % 3) * area + i] + (float)c;
        t->dim[1] = channels;
        t->data = w;
    }
}

static const char *save(file *f, const char *name)
{
    eff_error err = { 0 };
    const char *const path = t_tmp("%s", name);
    T_OK(eff_safetensors_save(path, f->t, (size_t)f->n, NULL, 0, &err), err);
    for (int i = 0; i < f->stems; i++) free(f->stem[i]);
    free(f);
    return path;
}

static eff_model *load(const char *path, eff_model_opts o)
{
    eff_error err = { 0 };
    eff_model *m;
    if (eff_formats_load(&m, path, &o, &err) != EFF_OK) fail_msg("%s: %s", path, err.msg);
    return m;
}

static void fails(const char *path, eff_model_opts o, eff_status want, const char *says)
{
    eff_error err = { 0 };
    eff_model *m;
    const eff_status s = eff_formats_load(&m, path, &o, &err);
    if (s != want || !strstr(err.msg, says)) fail_msg("%d \"%s\", expected %d and \"%s\"", s, err.msg, want, says);
}

static void same_weights(const eff_model *got, const eff_model *want)
{
    assert_int_equal(got->graph->nparams, want->graph->nparams);
    for (int p = 0; p < got->graph->nparams; p++)
        assert_memory_equal(got->weights[p], want->weights[p], want->graph->param[p].count * sizeof(float));
}

/* --------------------------------------------------------------------------------------------------- wrappers */

static void test_wrappers(void **state)
{
    (void)state;
    static const struct {
        const char *prefix[3]; /* of the network that is meant, and of others */
        eff_family family;
        const char *net, *note; /* note NULL: none; net NULL: the usual one */
    } cases[] = {
        { { "" }, EFF_FAMILY_TIMM, NULL, NULL },
        { { "state_dict." }, EFF_FAMILY_TIMM, NULL, "tensors under state_dict" },
        { { "model." }, EFF_FAMILY_TORCHVISION, NULL, "tensors under model" },
        { { "module." }, EFF_FAMILY_LUKEMELAS, NULL, "tensors under module" },
        { { "state_dict.module._orig_mod." }, EFF_FAMILY_TIMM_TF, NULL, "tensors under state_dict.module._orig_mod" },
        { { "model.backbone." },
          EFF_FAMILY_TORCHVISION,
          "resnet18@width=0.1,classes=3",
          "tensors under model.backbone" },
        { { "net." }, EFF_FAMILY_TORCHVISION, "resnet50@width=0.1,classes=3", "tensors under net" },
        { { "x." }, EFF_FAMILY_NEUTRAL, NULL, "tensors under x" },
        { { "backbone." }, EFF_FAMILY_TIMM, body, "tensors under backbone" }, /* somebody else's classifier beside it */
        { { "m.body." }, EFF_FAMILY_TORCHVISION, body, "tensors under m.body" },
        { { "ema.net.", "net." },
          EFF_FAMILY_LUKEMELAS,
          body,
          "under ema.net, moving averages, rather than those under net" },
        { { "state_dict_ema.module.", "state_dict.module." },
          EFF_FAMILY_TIMM,
          NULL,
          "under state_dict_ema.module, moving averages, rather than those under state_dict.module" },
        { { "model_ema.", "model.", "" }, EFF_FAMILY_TORCHVISION, NULL, "under model_ema, moving averages" },
        { { "EMA.", "" }, EFF_FAMILY_LUKEMELAS, NULL, "moving averages, rather than those at the top" },
        { { "ema.", "schema." },
          EFF_FAMILY_LUKEMELAS,
          NULL,
          "under ema, moving averages, rather than those under schema" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eff_model *const want = random_model(cases[i].net ? cases[i].net : net, 1);
        eff_model *const other = random_model(cases[i].net ? cases[i].net : net, 2);
        file *const f = begin();
        for (int k = 0; k < 3 && cases[i].prefix[k]; k++)
            add_model(f, k ? other : want, cases[i].family, cases[i].prefix[k], 3);
        if (cases[i].note) { /* states of an optimiser stand beside it */
            add(f, "optimizer.state.0.exp_avg", 2, 2, 3, want->weights[0]);
            add(f, "optimizer.state.0.exp_avg_sq", 1, 4, 0, want->weights[0]);
        }
        eff_model *const m = load(save(f, "wrapped"), (eff_model_opts){ .family = eff_family_name(cases[i].family) });
        same_weights(m, want);
        if (!cases[i].note)
            assert_null(m->meta.note);
        else if (!m->meta.note || !strstr(m->meta.note, cases[i].note))
            fail_msg("case %zu: %s", i, m->meta.note);
        eff_model_destroy(m);
        eff_model_destroy(other);
        eff_model_destroy(want);
    }
}

static void test_refused(void **state)
{
    (void)state;
    eff_model *const a = random_model(net, 1);
    const eff_model_opts timm = { .family = "timm" };
    file *f = begin();
    add_model(f, a, EFF_FAMILY_TIMM, "student.", 3);
    add_model(f, a, EFF_FAMILY_TIMM, "teacher.", 3);
    fails(save(f, "two"), timm, EFF_EFORMAT, "several networks, under student and teacher");
    f = begin();
    add_model(f, a, EFF_FAMILY_TIMM, "a_ema.", 3);
    add_model(f, a, EFF_FAMILY_TIMM, "b_ema.", 3);
    add_model(f, a, EFF_FAMILY_TIMM, "model.", 3);
    fails(save(f, "two"), timm, EFF_EFORMAT, "several networks, under a_ema and b_ema");
    f = begin(); /* a stem alone is no network */
    add(f, "model.conv_stem.weight", 2, 2, 2, a->weights[0]);
    fails(save(f, "stem"), timm, EFF_EFORMAT, "no known architecture fits");
    f = begin(); /* what lies under the prefix must be the network and nothing else */
    add_model(f, a, EFF_FAMILY_TIMM, "model.", 3);
    add(f, "model.other.weight", 1, 2, 0, a->weights[0]);
    fails(save(f, "more"), timm, EFF_EFORMAT, "tensor other.weight belongs to no parameter");
    eff_model_destroy(a);
}

/* --------------------------------------------------------------------------------------------------- channels */

static void test_channels(void **state)
{
    (void)state;
    eff_model *const a = random_model(net, 1);
    const int stem = eff_graph_find_param(a->graph, "stem.conv.weight");
    const eff_param *const q = &a->graph->param[stem];
    const int area = q->dim[2] * q->dim[3];
    static const int channels[] = { 1, 2, 4, 6 };
    for (size_t k = 0; k < sizeof channels / sizeof *channels; k++) {
        const int n = channels[k];
        char says[80], name[16];
        for (int wrapped = 0; wrapped < 2; wrapped++) {
            snprintf(name, sizeof name, "c%d", n);
            file *const f = begin();
            add_model(f, a, EFF_FAMILY_TIMM, wrapped ? "model." : "", n);
            const char *const path = save(f, name);
            snprintf(says, sizeof says, "tensor conv_stem.weight: expected 3 input channels, found %d: --channels 3",
                     n);
            fails(path, (eff_model_opts){ .family = "timm" }, EFF_EFORMAT, says);
            fails(path, (eff_model_opts){ .family = "timm", .channels = 1 }, EFF_EARG, "channels: expected 3, found 1");
            eff_model *const m = load(path, (eff_model_opts){ .family = "timm", .channels = 3 });
            for (int o = 0; o < q->dim[0]; o++)
                for (int c = 0; c < 3; c++)
                    for (int i = 0; i < area; i++) {
                        const int from = c % n;
                        const float want =
                            (a->weights[stem][(o * 3 + from % 3) * area + i] + (float)from) * ((float)n / 3);
                        assert_true(m->weights[stem][(o * 3 + c) * area + i] == want);
                    }
            for (int p = 0; p < m->graph->nparams; p++)
                if (p != stem)
                    assert_memory_equal(m->weights[p], a->weights[p], a->graph->param[p].count * sizeof(float));
            snprintf(says, sizeof says, "%sstem adapted from %d input channel%s to 3",
                     wrapped ? "tensors under model; " : "", n, n == 1 ? "" : "s");
            assert_string_equal(m->meta.note, says);
            eff_model_destroy(m);
        }
    }
    /* colour stays colour */
    file *const f = begin();
    add_model(f, a, EFF_FAMILY_TIMM, "", 3);
    eff_model *const m = load(save(f, "c3"), (eff_model_opts){ .family = "timm", .channels = 3 });
    same_weights(m, a);
    assert_null(m->meta.note);
    eff_model_destroy(m);
    eff_model_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_wrappers), cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_channels) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
