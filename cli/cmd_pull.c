/* SPDX-License-Identifier: Apache-2.0 */
/* effnet pull: published weights by name, into the cache and into a model file beside them. */
#define _GNU_SOURCE
#include "at_hand.h"
#include "commands.h"
#include "common.h"
#include "interrupt.h"
#include "progress.h"

#include <effnet/fetch.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_opt opts[] = {
    { 0, "offline", NULL, "use what the cache holds, download nothing", CLI_FLAG },
    { 0, "mirror", "URL", "fetch URL/FILE in place of the published addresses", CLI_TEXT },
    { 0, "convert", NULL, "write a model file beside the download; or not [yes]", CLI_TOGGLE },
    { 0, "classes", "FILE", "names of the classes, kept in the model file", CLI_PATH },
    { 0, "catalog", "FILE", "a catalogue of your own in place of the built-in one", CLI_PATH },
    { 0, "connect-timeout", "S", "seconds for a connection to come about", CLI_INT, "20", 1, 3600 },
    { 0, "stall-timeout", "S", "seconds without a byte before giving up", CLI_INT, "30", 1, 3600 },
    { 0 },
};

enum { PATHS = 4200 };

typedef struct pulling {
    const cli_args *a;
    eff_catalog *catalog;
    double start;
    uint64_t first; /* bytes that were there when this download began */
    bool began;
} pulling;

/* ------------------------------------------------------------------------------------------------ list */

static void model_file(const eff_weights *w, char *out, size_t room)
{
    char folder[PATHS - 200];
    eff_cache_folder(folder, sizeof folder);
    snprintf(out, room, "%s/%s.effnet", folder, w->name);
}

/* Where it is: the model file, else the download; NULL when it is not at hand. */
static const char *at_hand(const eff_weights *w, char *out, size_t room)
{
    model_file(w, out, room);
    if (cli_is_file(out)) return out;
    eff_weights_path(w, NULL, out, room);
    return cli_is_file(out) ? out : NULL;
}

static json_t *entry_json(const eff_weights *w)
{
    char path[PATHS];
    json_t *j = cli_json_object();
    cli_json_set(j, "name", cli_json_text(w->name));
    cli_json_set(j, "also", cli_json_text(w->also));
    cli_json_set(j, "model", cli_json_text(w->model));
    cli_json_set(j, "family", cli_json_text(w->family));
    cli_json_set(j, "top1", w->top1 ? cli_json_number(strtod(w->top1, NULL) / 100) : json_null());
    cli_json_set(j, "size", w->size ? cli_json_count(w->size) : json_null());
    cli_json_set(j, "licence", cli_json_text(w->licence));
    cli_json_set(j, "origin", cli_json_text(w->origin));
    cli_json_set(j, "url", cli_json_text(w->url));
    cli_json_set(j, "sha256", cli_json_text(w->sha256));
    cli_json_set(j, "preprocess", cli_json_text(w->preprocess));
    cli_json_set(j, "path", cli_json_text(at_hand(w, path, sizeof path)));
    return j;
}

static int list(const pulling *p)
{
    const eff_weights *w;
    char path[PATHS];
    if (cli_flag(p->a, "json")) {
        json_t *j = cli_json_object(), *all = cli_json_array();
        eff_cache_folder(path, sizeof path);
        cli_json_set(j, "cache", cli_json_text(path));
        for (int i = 0; (w = eff_catalog_entry(p->catalog, i)); i++) cli_json_add(all, entry_json(w));
        cli_json_set(j, "entries", all);
        return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    }
    static const char *const head[] = { "", "name", "network", "top-1", "licence", "origin" };
    cli_table t;
    int n = 0;
    cli_table_begin(&t, "lllrll");
    for (int k = 0; k < 6; k++) cli_cell(&t, "%s", head[k]);
    for (int i = 0; (w = eff_catalog_entry(p->catalog, i)); i++) {
        const bool here = at_hand(w, path, sizeof path) != NULL;
        n += here;
        cli_cell(&t, "%s", here ? "*" : "");
        cli_cell(&t, "%s", w->name);
        cli_cell(&t, "%s", w->model);
        cli_cell(&t, "%s", w->top1 ? w->top1 : "-");
        cli_cell(&t, "%s", cli_clean(w->licence));
        cli_cell(&t, "%s", cli_clean(w->origin));
    }
    cli_table_end(&t, 0);
    eff_cache_folder(path, sizeof path);
    printf("* at hand (%d) in %s; 'effnet pull NAME' brings the others. Of one network the first is recommended.\n", n,
           cli_clean(path));
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

/* ------------------------------------------------------------------------------------------------ pull */

static int progress(void *ctx, uint64_t done, uint64_t total, const char *what)
{
    pulling *p = ctx;
    char text[120], left[48] = "";
    if (cli_stopped()) return 1;
    if (strcmp(what, "downloading") != 0) {
        cli_progress_say(total ? (double)done / (double)total : 0, what);
        return 0;
    }
    if (!p->began) {
        p->began = true;
        p->first = done;
        p->start = cli_now();
    }
    const double seconds = cli_now() - p->start;
    const double rate = seconds > 0 && done > p->first ? (double)(done - p->first) / seconds : 0;
    if (total > done && rate > 0) {
        char span[32];
        cli_span((double)(total - done) / rate, span, sizeof span);
        snprintf(left, sizeof left, ", %s left", span);
    }
    if (total)
        snprintf(text, sizeof text, "%s of %s, %s/s%s", cli_bytes((double)done), cli_bytes((double)total),
                 cli_bytes(rate), left);
    else
        snprintf(text, sizeof text, "%s, %s/s", cli_bytes((double)done), cli_bytes(rate));
    cli_progress_say(total ? (double)done / (double)total : 0, text);
    return 0;
}

static int convert(const pulling *p, const eff_weights *w, const char *file, const char *out)
{
    eff_model *m = NULL;
    eff_error err = { 0 };
    eff_model_opts o;
    eff_model_opts_init(&o);
    o.family = w->family;
    o.architecture = w->model;
    eff_status s = eff_model_load(&m, file, &o, &err);
    const char *what = file;
    if (s == EFF_OK && w->preprocess) {
        eff_preprocess rule = *eff_model_get_preprocess(m);
        s = eff_preprocess_parse(&rule, w->preprocess, &err);
        what = w->name;
        if (s == EFF_OK) eff_model_set_preprocess(m, &rule);
    }
    if (s == EFF_OK) s = eff_model_set_origin(m, w->origin, w->licence, &err);
    if (s == EFF_OK && cli_text(p->a, "classes")) {
        what = cli_text(p->a, "classes");
        s = eff_model_set_classes(m, what, &err);
    }
    if (s == EFF_OK) {
        what = out;
        s = eff_model_save(m, out, &err);
    }
    eff_model_free(m);
    return s == EFF_OK ? CLI_OK : cli_fail(&err, what);
}

static int say_result(const pulling *p, const eff_weights *w, const char *path, const eff_fetched *f)
{
    if (cli_flag(p->a, "json")) {
        json_t *j = cli_json_object();
        cli_json_set(j, "name", cli_json_text(w->name));
        cli_json_set(j, "path", cli_json_text(path));
        cli_json_set(j, "sha256", cli_json_text(f->sha256)); /* of the published file */
        cli_json_set(j, "downloaded", json_boolean(f->downloaded));
        cli_json_set(j, "bytes", cli_json_count(f->bytes));
        cli_json_set(j, "transferred", cli_json_count(f->transferred));
        cli_json_set(j, "resumed", cli_json_count(f->resumed));
        cli_json_set(j, "model", cli_json_text(w->model));
        cli_json_set(j, "licence", cli_json_text(w->licence));
        return cli_json_print(j) ? CLI_OK : CLI_FAILED;
    }
    printf("%s\n", cli_clean(path));
    if (!cli_flag(p->a, "quiet")) {
        (void)fflush(stdout);
        fprintf(stderr, "effnet: %s: %s, SHA-256 %.16s..., %s; %s\n", w->name,
                f->downloaded ? "downloaded" : "in the cache", f->sha256, cli_clean(w->licence), cli_clean(w->origin));
    }
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int pull(pulling *p, const char *name)
{
    const eff_weights *w;
    eff_error err = { 0 };
    eff_fetched f;
    eff_fetch_opts o;
    char file[PATHS], model[PATHS];
    if (eff_catalog_find(p->catalog, name, &w, &err) != EFF_OK) return cli_fail(&err, name);
    eff_fetch_opts_init(&o);
    o.mirror = cli_text(p->a, "mirror");
    o.offline = cli_flag(p->a, "offline");
    o.connect_seconds = cli_int(p->a, "connect-timeout");
    o.stall_seconds = cli_int(p->a, "stall-timeout");
    o.progress = progress;
    o.ctx = p;
    p->began = false;
    cli_progress_begin(p->a, name, 0);
    const eff_status s = eff_fetch(w, &o, &f, &err);
    cli_progress_end();
    if (s == EFF_ECANCELLED) {
        cli_error("%s: interrupted; what came is kept, the same command goes on", w->name);
        return CLI_FAILED;
    }
    if (s != EFF_OK) return cli_fail(&err, w->name);
    eff_weights_path(w, NULL, file, sizeof file);
    if (cli_toggle(p->a, "convert") == 0) return say_result(p, w, file, &f);
    model_file(w, model, sizeof model);
    if (f.downloaded || !cli_is_file(model)) {
        const int status = convert(p, w, file, model);
        if (status != CLI_OK) return status;
    }
    return say_result(p, w, model, &f);
}

static int run_pull(cli_args *a)
{
    pulling p = { .a = a };
    eff_error err = { 0 };
    int status = CLI_OK;
    const char *const own = cli_text(a, "catalog");
    if (eff_catalog_open(&p.catalog, own, &err) != EFF_OK) return cli_fail(&err, own ? own : "the catalogue");
    if (a->nfiles == 0) status = list(&p);
    for (int i = 0; i < a->nfiles && !cli_stopped(); i++) {
        const int one = pull(&p, a->files[i]);
        if (one != CLI_OK && (status == CLI_OK || one == CLI_FAILED)) status = one;
    }
    eff_catalog_free(p.catalog);
    return status;
}

const cli_cmd cmd_pull = {
    .name = "pull",
    .summary = "download published weights by name",
    .usage = "[NAME...]",
    .operands = "",
    .about = "Without a name: lists the catalogue of published weights and marks what is at\n"
             "hand. With names: downloads them into the cache ($EFFNET_CACHE, else\n"
             "$XDG_CACHE_HOME/effnet, else ~/.cache/effnet), checks the SHA-256 that was\n"
             "published, and writes a model file beside each, whose path is printed. Nothing\n"
             "that is there already is downloaded; an interrupted download goes on where it\n"
             "stopped. Proxies are taken from http_proxy, https_proxy and no_proxy.",
    .examples = "  effnet pull                     what there is\n"
                "  effnet pull b0                  B0's weights, as a model file in the cache\n"
                "  effnet pull --offline b0        where it is, without network\n",
    .opts = opts,
    .min_operands = 0,
    .max_operands = -1,
    .run = run_pull,
};
