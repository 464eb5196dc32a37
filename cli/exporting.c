/* SPDX-License-Identifier: Apache-2.0 */
/* Exports: the library writes and compares, here is said what came out of it. A refusal names the figure and the bar.
 */
#include "exporting.h"

#include "common.h"

#include <effnet/eval.h>
#include <effnet/export.h>

#include <stdio.h>
#include <string.h>

static bool foreign_names(const cli_args *a)
{
    return cli_given(a, "names") && strcmp(cli_text(a, "names"), "neutral") != 0;
}

bool cli_is_export(const cli_args *a, const char *out)
{
    const char *const s = cli_suffix(out);
    return !strcmp(s, ".onnx") || (!strcmp(s, ".safetensors") && foreign_names(a));
}

int cli_check_export(const cli_args *a, const char *suffix)
{
    const bool onnx = !strcmp(suffix, ".onnx");
    if (!onnx && cli_flag(a, "with-preprocess"))
        return cli_usage(a, "--with-preprocess is for an OUT that ends in .onnx");
    if (!onnx && cli_given(a, "check")) return cli_usage(a, "--check is for an OUT that ends in .onnx");
    if (strcmp(suffix, ".safetensors") != 0 && foreign_names(a))
        return cli_usage(a, "--names is for an OUT that ends in .safetensors");
    if (!strcmp(suffix, ".json") && cli_flag(a, "labels"))
        return cli_usage(a, "--labels: a table has no names of classes");
    return CLI_OK;
}

int cli_need_labels(const cli_args *a, const eff_model *m)
{
    if (!cli_flag(a, "labels") || eff_model_get_info(m)->has_class_names) return CLI_OK;
    return cli_usage(a, "--labels: the model has no names of classes; give them with --classes");
}

int cli_export_labels(const cli_args *a, const char *out, const eff_model *m)
{
    eff_error err = { 0 };
    if (!cli_flag(a, "labels") || eff_export_labels(m, out, &err) == EFF_OK) return CLI_OK;
    return cli_fail(&err, out);
}

json_t *cli_converted_json(const char *in, const char *out, const eff_model *m, json_t *parity)
{
    const eff_model_info *const i = eff_model_get_info(m);
    const char *const suffix = cli_suffix(out);
    const bool table = !strcmp(suffix, ".json");
    json_t *const j = cli_json_object();
    cli_json_set(j, "format", cli_json_text(i->format)); /* of the input, as model and family are */
    cli_json_set(j, "model", cli_json_text(i->name));
    cli_json_set(j, "family", cli_json_text(i->family));
    if (i->note) cli_json_set(j, "taken", cli_json_text(i->note));
    cli_json_set(j, "tensors", cli_json_count((uint64_t)(table ? 0 : eff_model_tensor_count(m))));
    cli_json_set(j, "params", cli_json_count(i->params));
    cli_json_set(j, "parity", parity);
    cli_json_set(j, "input", cli_json_text(in));
    cli_json_set(j, "output", cli_json_text(out));
    cli_json_set(j, "output_format", cli_json_text(table ? "table" : suffix + 1));
    return j;
}

/* Which tensors of a checkpoint the weights are, where that was a choice. */
static void say_taken(const eff_model *m)
{
    const char *const note = eff_model_get_info(m)->note;
    if (note) printf("taken: %s\n", cli_clean(note));
}

static void say_model(const char *out, const eff_model *m)
{
    const eff_model_info *const i = eff_model_get_info(m);
    printf("%s: %s, %s parameters, %s", cli_clean(out), cli_clean(i->name), cli_exact(i->params), cli_outputs_text(m));
}

/* ----------------------------------------------------------------------------------------------- ONNX */

static json_t *parity_json(const eff_parity *p)
{
    json_t *const j = cli_json_object();
    cli_json_set(j, "runtime", cli_json_text(p->runtime));
    cli_json_set(j, "images", cli_json_count((uint64_t)p->images));
    if (p->features) {
        cli_json_set(j, "features", cli_json_count((uint64_t)p->features));
        cli_json_set(j, "max_dfeature", cli_json_number(p->max_dlogit));
        cli_json_set(j, "feature_spread", cli_json_number(p->spread));
        return j;
    }
    cli_json_set(j, "same_top1", cli_json_count((uint64_t)p->same_top1));
    cli_json_set(j, "max_dp", cli_json_number(p->max_dp));
    cli_json_set(j, "max_dlogit", cli_json_number(p->max_dlogit));
    cli_json_set(j, "logit_spread", cli_json_number(p->spread));
    return j;
}

static int print_onnx(const cli_args *a, const char *in, const char *out, const eff_model *m, const eff_parity *p)
{
    const eff_preprocess *const r = eff_model_get_preprocess(m);
    if (cli_flag(a, "json"))
        return cli_json_print(cli_converted_json(in, out, m, parity_json(p))) ? CLI_OK : CLI_FAILED;
    say_model(out, m);
    if (cli_flag(a, "with-preprocess"))
        printf("; input uint8 [batch, %d, %d, 3]\n", r->height, r->width);
    else
        printf("; input float32 [batch, 3, %d, %d]\n", r->height, r->width);
    printf("parity by %s on %d %s images: ", p->runtime, p->images, cli_given(a, "check") ? "of your" : "built-in");
    if (!p->features) printf("top-1 equal on %d, max |dp| %.1e, ", p->same_top1, p->max_dp);
    printf("max |d%s| %.1e of their spread\n", p->features ? "feature" : "logit",
           p->spread > 0 ? p->max_dlogit / p->spread : 0.0);
    say_taken(m);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int write_onnx(const cli_args *a, const char *in, const char *out, const eff_model *m, eff_filelist *images)
{
    eff_error err = { 0 };
    eff_parity p;
    eff_export_opts o;
    eff_export_opts_init(&o);
    o.with_preprocess = cli_flag(a, "with-preprocess");
    o.runtime = cli_given(a, "ort") ? cli_text(a, "ort") : NULL;
    o.bar = cli_number(a, "bar");
    o.threads = cli_given(a, "threads") ? cli_int(a, "threads") : 0;
    o.cpu = cli_given(a, "cpu") ? cli_text(a, "cpu") : NULL;
    if (images) {
        o.images = eff_filelist_paths(images);
        o.nimages = eff_filelist_count(images);
    }
    if (eff_export_onnx(m, out, &o, &p, &err) != EFF_OK) return cli_fail(&err, out);
    if (!p.passed) {
        cli_error("%s: refused by %s: %s; not written", out, p.runtime, p.reason);
        return CLI_REFUSED;
    }
    const int status = cli_export_labels(a, out, m);
    return status == CLI_OK ? print_onnx(a, in, out, m, &p) : status;
}

static int export_onnx(const cli_args *a, const char *in, const char *out, const eff_model *m)
{
    eff_error err = { 0 };
    eff_filelist *images = NULL;
    if (cli_given(a, "check")) {
        const char *const path = cli_text(a, "check");
        if (eff_filelist_images(&images, &path, 1, &err) != EFF_OK) return cli_fail(&err, path);
        if (!eff_filelist_count(images)) {
            eff_filelist_free(images);
            cli_error("%s: no photographs to compare on", path);
            return CLI_DATA;
        }
    }
    const int status = write_onnx(a, in, out, m, images);
    eff_filelist_free(images);
    return status;
}

/* -------------------------------------------------------------------------------------------- weights */

static int export_weights(const cli_args *a, const char *in, const char *out, const eff_model *m)
{
    const char *const names = cli_text(a, "names");
    const int n = eff_model_tensor_count(m);
    char loads_as[64];
    eff_error err = { 0 };
    const eff_status s = eff_export_weights(m, out, names, loads_as, &err);
    if (s == EFF_EUNSUPPORTED) {
        cli_error("%s: refused: %s; not written", out, err.msg);
        return CLI_REFUSED;
    }
    if (s != EFF_OK) return cli_fail(&err, out);
    const int status = cli_export_labels(a, out, m);
    if (status != CLI_OK) return status;
    if (cli_flag(a, "json")) {
        json_t *const par = cli_json_object();
        cli_json_set(par, "tensors_compared", cli_json_count((uint64_t)n));
        cli_json_set(par, "values_different", cli_json_count(0));
        cli_json_set(par, "max_abs_difference", cli_json_number(0));
        json_t *const j = cli_converted_json(in, out, m, par);
        cli_json_set(j, "names", cli_json_text(names));
        cli_json_set(j, "loads_as", cli_json_text(*loads_as ? loads_as : NULL));
        return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    }
    say_model(out, m);
    printf("; %s's names", names);
    if (*loads_as) printf(", loads as %s%s", loads_as, eff_model_get_info(m)->classes ? "" : " without its classifier");
    printf("; %d tensors read back, equal to the bit\n", n);
    say_taken(m);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

int cli_export(const cli_args *a, const char *in, const char *out, const eff_model *m)
{
    return strcmp(cli_suffix(out), ".onnx") ? export_weights(a, in, out, m) : export_onnx(a, in, out, m);
}
