/* SPDX-License-Identifier: Apache-2.0 */
/* One door for everything that can be a model: built-in names, tables, model files, foreign checkpoints. What a
 * file holds is told by its content; only a name that is no file is judged by its spelling. */
#include "formats/formats.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "formats/bundle.h"
#include "formats/defaults.h"
#include "formats/modelfile.h"
#include "formats/recognise.h"
#include "formats/unwrap.h"
#include "image/preprocess.h"
#include "model/table_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TABLE_FILE = 1 << 20, HEAD = 4096 };

static const char *const suffixes[] = { ".effnet", ".json", ".pth", ".pt", ".safetensors", ".h5", ".keras", ".onnx",
                                        ".index", ".ckpt" };

#define TRY(call)                     \
    do {                              \
        const eff_status s_ = (call); \
        if (s_) return s_;            \
    } while (0)

static bool has_suffix(const char *path, const char *suffix)
{
    const size_t n = strlen(path), k = strlen(suffix);
    return n > k && strcasecmp(path + n - k, suffix) == 0;
}

static bool looks_like_path(const char *spec)
{
    if (strchr(spec, '/')) return true;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (has_suffix(spec, suffixes[i])) return true;
    return false;
}

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* ----------------------------------------------------------------------------------------- options */

static eff_status check_options(const eff_model_opts *o, eff_error *err)
{
    eff_family f;
    if (o->classes < 0 || o->classes > EFF_MAX_CLASSES)
        return eff_fail(err, EFF_EARG, "classes: expected 1..%d, found %d", EFF_MAX_CLASSES, o->classes);
    if (o->height < 0 || o->width < 0 || o->height > EFF_MAX_SIDE || o->width > EFF_MAX_SIDE)
        return eff_fail(err, EFF_EARG, "resolution: expected sides of 1..%d, found %dx%d", EFF_MAX_SIDE, o->height,
                        o->width);
    if (o->channels != 0 && o->channels != 3)
        return eff_fail(err, EFF_EARG, "channels: expected 3, found %d: networks here take colour images", o->channels);
    return o->family ? eff_family_parse(&f, o->family, err) : EFF_OK;
}

static eff_status check_classes(const eff_model_opts *o, const eff_table *t, eff_error *err)
{
    if (!o->classes || o->classes == t->classes) return EFF_OK;
    return eff_fail(err, EFF_EARG, "classes: the weights have %d, %d were asked for", t->classes, o->classes);
}

/* ------------------------------------------------------------------------------------------ tables */

static eff_status read_table(eff_table *t, const char *path, eff_error *err)
{
    unsigned char *text;
    size_t size;
    TRY(eff_file_read_all(path, MAX_TABLE_FILE, &text, &size, err));
    json_t *j;
    eff_status s = eff_json_parse(&j, (const char *)text, size, "table", err);
    if (s == EFF_OK) s = eff_table_from_json(t, j, err);
    json_decref(j);
    eff_free(text);
    return s;
}

/* Is the file JSON text? A safetensors file may begin with a '{' as well, but its eighth byte is NUL. */
static eff_status is_json(bool *out, int fd, uint64_t size, eff_error *err)
{
    unsigned char head[HEAD];
    const size_t n = size < sizeof head ? (size_t)size : sizeof head;
    size_t i = 0;
    TRY(eff_file_read_at(fd, head, n, 0, err));
    while (i < n && (head[i] == ' ' || head[i] == '\t' || head[i] == '\n' || head[i] == '\r')) i++;
    *out = i < n && head[i] == '{' && !memchr(head, 0, n < 8 ? n : 8);
    return EFF_OK;
}

static eff_status untrained(eff_model **out, eff_table *t, const char *format, const eff_model_opts *o, eff_error *err)
{
    if (o->family)
        return eff_fail(err, EFF_EARG, "family %s: %s has no weights, whose names that could be", o->family, t->name);
    if (o->architecture)
        return eff_fail(err, EFF_EARG, "%s is an architecture already; none can be given beside it", t->name);
    if (o->classes) t->classes = o->classes;
    if (o->height) t->height = o->height;
    if (o->width) t->width_px = o->width;
    TRY(eff_table_check(t, err));
    TRY(eff_model_new(out, t, err));
    (*out)->meta.format = format;
    eff_model_refresh_info(*out);
    return EFF_OK;
}

/* --------------------------------------------------------------------------------------- checkpoints */

/* The architecture that the caller names, to be compared with the file's tensors. */
static eff_status claim_architecture(eff_claim *claim, eff_table *t, bool *keep_size, const eff_model_opts *o,
                                     eff_error *err)
{
    const char *spec = o->architecture;
    *claim = (eff_claim){ .family = o->family };
    *keep_size = false;
    if (!spec) return EFF_OK;
    const bool file = exists(spec) || looks_like_path(spec);
    const eff_status s = file ? read_table(t, spec, err) : eff_table_builtin(t, spec, err);
    if (s != EFF_OK) {
        eff_error_prefix(err, "%.80s", spec);
        return s;
    }
    /* what the caller spells out wins over what weights of the family usually have */
    const char *changes = file ? "" : spec;
    claim->table = t;
    claim->keep_padding = strstr(changes, "padding=") != NULL;
    claim->keep_eps = strstr(changes, "eps=") != NULL;
    *keep_size = file || strstr(changes, "resolution=");
    if (!strstr(changes, "classes=")) t->classes = 0;
    return EFF_OK;
}

static eff_status load_foreign(eff_model **out, const eff_index *x, const eff_model_opts *o, eff_error *err)
{
    eff_table named;
    eff_claim claim;
    eff_recognised r;
    bool keep_size;
    if (x->file->graph)
        return eff_fail(err, EFF_EUNSUPPORTED,
                        "an ONNX file, in which batch norm is folded away: a model is made of the checkpoint behind it");
    TRY(claim_architecture(&claim, &named, &keep_size, o, err));
    TRY(eff_recognise(&r, x, &claim, err));
    const int height = o->height ? o->height : keep_size ? r.table.height : x->file->height;
    const int width = o->width ? o->width : keep_size ? r.table.width_px : x->file->width;
    eff_preprocess p = eff_default_preprocess(r.family, &r.table, height, width);
    if (x->file->has_input) {
        memcpy(p.mean, x->file->mean, sizeof p.mean);
        memcpy(p.std, x->file->std, sizeof p.std);
    }
    r.table.height = p.height;
    r.table.width_px = p.width;
    eff_status s = check_classes(o, &r.table, err);
    if (s == EFF_OK) s = eff_model_new(out, &r.table, err);
    if (s == EFF_OK) s = eff_copy_text(&(*out)->meta.family, eff_family_name(r.family), err);
    if (s == EFF_OK) s = eff_weights_read(*out, x, &r.fit, err);
    if (s == EFF_OK) {
        (*out)->meta.preprocess = p;
        (*out)->meta.format = x->file->format;
        s = eff_copy_text(&(*out)->meta.note, x->file->note, err);
    }
    eff_recognised_free(&r);
    return s;
}

/* A model file knows what it is; what the caller says about it must agree. */
static eff_status check_claims(const eff_model *m, const eff_model_opts *o, eff_error *err)
{
    eff_table named;
    eff_claim claim;
    bool keep_size;
    TRY(check_classes(o, &m->table, err));
    if (o->family && (!m->meta.family || strcmp(o->family, m->meta.family) != 0))
        return eff_fail(err, EFF_EARG, "family %s: the model file says %s", o->family,
                        m->meta.family ? m->meta.family : "none");
    TRY(claim_architecture(&claim, &named, &keep_size, o, err));
    if (!claim.table) return EFF_OK;
    if (!named.classes) named.classes = m->table.classes;
    eff_graph *g = NULL;
    TRY(eff_graph_build(&g, &named, 0, 0, err));
    const bool same = eff_graph_same_params(g, m->graph);
    eff_graph_free(g);
    return same ? EFF_OK
                : eff_fail(err, EFF_EARG, "%.80s is not the model file's network, %s", o->architecture, m->table.name);
}

static eff_status load_own(eff_model **out, const eff_index *x, const eff_model_opts *o, eff_error *err)
{
    eff_table t;
    json_t *root;
    eff_fit fit = { 0 };
    TRY(eff_modelfile_parse(&root, x->file->metadata, err));
    eff_status s = eff_modelfile_table(&t, root, err);
    if (s == EFF_OK && o->height) t.height = o->height;
    if (s == EFF_OK && o->width) t.width_px = o->width;
    if (s == EFF_OK) s = eff_model_new(out, &t, err);
    if (s == EFF_OK) s = eff_modelfile_meta(*out, root, err);
    if (s == EFF_OK) s = check_claims(*out, o, err);
    if (s == EFF_OK) s = eff_fit_make(&fit, x, EFF_FAMILY_NEUTRAL, &t, (*out)->graph, err);
    if (s == EFF_OK) s = eff_weights_map(*out, x, &fit, err);
    if (s == EFF_OK) {
        if (o->height || o->width) eff_preprocess_resize(&(*out)->meta.preprocess, t.height, t.width_px);
        (*out)->meta.format = "effnet";
    }
    eff_fit_free(&fit);
    json_decref(root);
    return s;
}

static eff_status load_checkpoint(eff_model **out, const eff_checkpoint *c, const eff_model_opts *o, eff_error *err)
{
    eff_index x;
    eff_error bad = { 0 };
    eff_checkpoint *view = NULL;
    if (!c->metadata) TRY(eff_unwrap(&view, c, o->channels, err));
    eff_status s = eff_index_build(&x, view ? view : c, err);
    if (s == EFF_OK) {
        s = c->metadata ? load_own(out, &x, o, err) : load_foreign(out, &x, o, err);
        eff_index_free(&x);
    }
    eff_checkpoint_close(view);
    if (s == EFF_OK) {
        eff_model_refresh_info(*out);
        return EFF_OK;
    }
    eff_model_destroy(*out);
    *out = NULL;
    /* Broken values are the graver fault, so they are named even when the tensors also fit no network. */
    if ((s == EFF_EFORMAT || s == EFF_EARG) && eff_weights_check_file(c, &bad) == EFF_EFORMAT) {
        if (err) *err = bad;
        return EFF_EFORMAT;
    }
    return s;
}

/* ------------------------------------------------------------------------------------------- public */

static eff_status load_path(eff_model **out, const char *path, const eff_model_opts *o, eff_error *err)
{
    int fd;
    uint64_t size;
    bool json;
    TRY(eff_file_open(path, &fd, &size, err));
    eff_status s = is_json(&json, fd, size, err);
    if (s != EFF_OK || json) {
        eff_table t;
        close(fd);
        if (s == EFF_OK) s = read_table(&t, path, err);
        return s == EFF_OK ? untrained(out, &t, "table", o, err) : s;
    }
    eff_checkpoint *c;
    TRY(eff_checkpoint_open_fd(&c, fd, size, path, err));
    s = load_checkpoint(out, c, o, err);
    eff_checkpoint_close(c);
    return s;
}

eff_status eff_formats_load(eff_model **out, const char *spec, const eff_model_opts *o, eff_error *err)
{
    *out = NULL;
    TRY(check_options(o, err));
    if (exists(spec) || eff_bundle_is_prefix(spec)) {
        char *file;
        TRY(eff_bundle_find(&file, spec, err));
        const eff_status s = load_path(out, file, o, err);
        eff_free(file);
        return s;
    }
    if (looks_like_path(spec)) return eff_fail(err, EFF_EFORMAT, "no such file");
    eff_table t;
    TRY(eff_table_builtin(&t, spec, err));
    return untrained(out, &t, "builtin", o, err);
}

static eff_status save_table(const eff_model *m, const char *path, eff_error *err)
{
    json_t *j = eff_table_to_json(&m->table);
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    json_decref(j);
    if (!text) return eff_fail(err, EFF_ENOMEM, "out of memory for the table's JSON");
    eff_save save;
    eff_status s = eff_save_begin(&save, path, err);
    if (s == EFF_OK) {
        fprintf(save.f, "%s\n", text); /* a failed write is seen on commit */
        s = eff_save_commit(&save, err);
    }
    free(text);
    return s;
}

eff_status eff_formats_save(const eff_model *m, const char *path, eff_error *err)
{
    if (has_suffix(path, ".effnet")) return eff_modelfile_save(m, path, false, err);
    if (has_suffix(path, ".safetensors")) return eff_modelfile_save(m, path, true, err);
    if (has_suffix(path, ".json")) return save_table(m, path, err);
    return eff_fail(err, EFF_EARG, "the output's suffix tells its format: expected .effnet, .safetensors or .json");
}
