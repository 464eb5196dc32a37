/* SPDX-License-Identifier: Apache-2.0 */
/* effnet convert: any known checkpoint to a model file, and a model file to what others read. The output is read back
 * and compared with what was meant to be in it, bit for bit; an output that differs is removed. */
#define _GNU_SOURCE
#include "commands.h"
#include "common.h"
#include "exporting.h"
#include "interrupt.h"
#include "model_care.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_opt opts[] = {
    CLI_OPT_MODEL,
    CLI_OPT_FAMILY,
    CLI_OPT_CHANNELS,
    CLI_OPTS_CARE,
    CLI_OPT_PREPROCESS,
    { 0, "origin", "TEXT", "where the weights come from, kept in the file", CLI_TEXT },
    { 0, "licence", "TEXT", "their licence, kept in the file", CLI_TEXT },
    CLI_OPTS_EXPORT,
    { 0 },
};

typedef struct parity {
    size_t compared;
    size_t differ; /* values whose bits differ */
    double max_difference;
    char first[200]; /* what is wrong, empty = nothing */
} parity;

static bool is_table(const char *path) { return !strcmp(cli_suffix(path), ".json"); }

static int check_output(const cli_args *a, const char *in, const char *out)
{
    const char *s = cli_suffix(out);
    if (strcmp(s, ".effnet") != 0 && strcmp(s, ".safetensors") != 0 && strcmp(s, ".onnx") != 0 && !is_table(out))
        return cli_usage(a, "%s: expected an output that ends in .effnet, .onnx, .safetensors or .json", out);
    if (cli_same_file(in, out)) return cli_usage(a, "%s: expected an output other than the input", out);
    return cli_check_export(a, s);
}

static bool same_shape(const eff_tensor_info *x, const eff_tensor_info *y)
{
    bool same = x->ndim == y->ndim;
    for (int k = 0; same && k < x->ndim; k++) same = x->shape[k] == y->shape[k];
    return same;
}

static size_t elements(const eff_tensor_info *t)
{
    size_t n = 1;
    for (int k = 0; k < t->ndim; k++) n *= (size_t)t->shape[k]; /* the model holds as many: it fits */
    return n;
}

/* Compare tensor t of the model, called info->name, with the file's of that name. */
static eff_status compare_tensor(parity *p, const eff_checkpoint *c, const eff_tensor_info *info, const float *want,
                                 size_t *at, eff_error *err)
{
    const size_t count = eff_checkpoint_count(c);
    eff_tensor_info x = { 0 };
    size_t tried = 0;
    for (; tried < count;
         tried++, *at = (*at + 1) % count) { /* files keep an order of their own: go on from the last */
        eff_checkpoint_tensor(c, *at, &x);
        if (!strcmp(x.name, info->name)) break;
    }
    if (tried == count || !same_shape(&x, info)) {
        if (!*p->first)
            snprintf(p->first, sizeof p->first, "tensor %.120s %s", info->name,
                     tried == count ? "is not in it" : "has another shape");
        return EFF_OK;
    }
    const size_t n = elements(info);
    float *got = cli_alloc(n, sizeof *got);
    const eff_status s = eff_checkpoint_read(c, *at, got, err);
    if (s == EFF_OK && memcmp(got, want, n * sizeof *got) != 0) {
        for (size_t i = 0; i < n; i++) {
            const double d = fabs((double)got[i] - (double)want[i]);
            /* the bits are meant: NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
            if (memcmp(&got[i], &want[i], sizeof *got) == 0) continue;
            p->differ++;
            if (d > p->max_difference) p->max_difference = d;
            if (!*p->first) snprintf(p->first, sizeof p->first, "tensor %.120s differs at element %zu", info->name, i);
        }
    }
    p->compared++;
    free(got);
    return s;
}

static eff_status compare_weights(parity *p, const char *path, const eff_model *m, eff_error *err)
{
    eff_checkpoint *c = NULL;
    eff_status s = eff_checkpoint_open(&c, path, err);
    if (s != EFF_OK) return s;
    size_t at = 0;
    for (int i = 0; s == EFF_OK && i < eff_model_tensor_count(m); i++) {
        eff_tensor_info info;
        const float *want = eff_model_tensor(m, i, &info);
        s = compare_tensor(p, c, &info, want, &at, err);
    }
    eff_checkpoint_close(c);
    return s;
}

/* A table: what is built from it must be the same network. */
static eff_status compare_table(parity *p, const char *path, const eff_model *m, eff_error *err)
{
    eff_model *back = NULL;
    const eff_status s = eff_model_load(&back, path, NULL, err);
    if (s == EFF_OK) {
        const eff_model_info *x = eff_model_get_info(back), *y = eff_model_get_info(m);
        if (x->params != y->params || x->macs != y->macs || x->classes != y->classes)
            snprintf(p->first, sizeof p->first, "the table read back has %llu parameters, not %llu",
                     (unsigned long long)x->params, (unsigned long long)y->params);
    }
    eff_model_free(back);
    return s;
}

static int check_parity(parity *p, const char *out, const eff_model *m)
{
    eff_error err = { 0 };
    const eff_status s = is_table(out) ? compare_table(p, out, m, &err) : compare_weights(p, out, m, &err);
    if (s == EFF_ENOMEM) return cli_fail(&err, out);
    if (s == EFF_OK && !*p->first) return CLI_OK;
    unlink(out);
    cli_error("%s: read back, it is not what was written (%s); removed", out, s == EFF_OK ? p->first : err.msg);
    return CLI_REFUSED;
}

static int print_result(const cli_args *a, int inputs, const char *out, const eff_model *m, const parity *p)
{
    const eff_model_info *i = eff_model_get_info(m);
    if (cli_flag(a, "json")) {
        json_t *par = cli_json_object();
        cli_json_set(par, "tensors_compared", cli_json_count(p->compared));
        cli_json_set(par, "values_different", cli_json_count(p->differ));
        cli_json_set(par, "max_abs_difference", cli_json_number(p->max_difference));
        json_t *const j = cli_converted_json(a->files[0], out, m, par);
        cli_care_json(a, inputs, m, j);
        return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    }
    printf("%s: %s", cli_clean(out), cli_clean(i->name));
    if (!is_table(out) && i->family) printf(" (%s names)", cli_clean(i->family));
    printf(", %s parameters, %s", cli_exact(i->params), cli_outputs_text(m));
    if (!is_table(out)) printf("; %zu tensors read back, equal to the bit", p->compared);
    putchar('\n');
    if (!is_table(out) && i->note) printf("taken: %s\n", cli_clean(i->note));
    cli_care_print(a, inputs, m);
    return CLI_OK;
}

static int convert(const cli_args *a, int inputs, const char *out, eff_model *m)
{
    eff_error err = { 0 };
    const char *origin = cli_text(a, "origin"), *licence = cli_text(a, "licence");
    if (!is_table(out)) {
        int status = cli_need_weights(a, m);
        if (status == CLI_OK) status = cli_need_labels(a, m);
        if (status != CLI_OK) return status;
    }
    if (!origin) origin = eff_model_get_info(m)->origin; /* what is not given stays */
    if (!licence) licence = eff_model_get_info(m)->licence;
    if (eff_model_set_origin(m, origin, licence, &err) != EFF_OK) return cli_fail(&err, "--origin");
    if (cli_stopped()) return CLI_FAILED;
    if (cli_is_export(a, out)) return cli_export(a, a->files[0], out, m);
    if (eff_model_save(m, out, &err) != EFF_OK) return cli_fail(&err, out);
    parity p = { 0 };
    int status = check_parity(&p, out, m);
    if (status == CLI_OK) status = cli_export_labels(a, out, m);
    return status == CLI_OK ? print_result(a, inputs, out, m, &p) : status;
}

static int run_convert(cli_args *a)
{
    const char *out;
    int inputs;
    eff_model *m = NULL;
    int status = cli_care_operands(a, &inputs, &out);
    if (status == CLI_OK) status = check_output(a, a->files[0], out);
    if (status == CLI_OK) status = cli_care_open(a, inputs, &m);
    if (status == CLI_OK) status = convert(a, inputs, out, m);
    eff_model_free(m);
    return status;
}

const cli_cmd cmd_convert = {
    .name = "convert",
    .summary = "turn a checkpoint into a model file, a model file into ONNX or safetensors",
    .usage = "IN OUT",
    .operands = "mf",
    .about = "Reads a checkpoint (.pth, .safetensors, .keras, .h5, TensorFlow's .index; the content decides),\n"
             "finds out which network it is, and writes OUT: .effnet holds everything that predicting needs,\n"
             ".safetensors the tensors alone, .json the table of the architecture. Nothing inside a\n"
             "checkpoint is ever executed. OUT is read back and compared; it appears whole or not at all.\n\n"
             "To leave effnet: .onnx is the network for ONNX Runtime and its like, .safetensors with\n"
             "--names the weights as timm or torchvision load them. Before an .onnx gets its name it is run\n"
             "beside the model on images, by ONNX Runtime if that can be loaded, else by an evaluator of\n"
             "effnet's own; one that answers differently is refused (status 4).\n\n"
             "--average reads several checkpoints of one network and writes the mean of their weights.\n"
             "--classes N gives a new classifier, which must be trained; --head none leaves it out.",
    .examples = "  effnet convert efficientnet_lite0.pth lite0.effnet --classes names.txt\n"
                "  effnet convert weights.pth b0.effnet --family timm_tf   where names alone cannot tell\n"
                "  effnet convert b0 b0.json                               the table as a text file to edit\n"
                "  effnet convert b0.effnet b0.onnx --check photos         compared on your photographs\n"
                "  effnet convert b0.effnet b0.safetensors --names timm    for PyTorch\n"
                "  effnet convert --average a.pth b.pth c.pth -o soup.effnet\n"
                "  effnet convert b0.effnet body.effnet --head none        its pooled features\n",
    .opts = opts,
    .min_operands = 1, /* with -o; any number with --average */
    .max_operands = -1,
    .run = run_convert,
};
