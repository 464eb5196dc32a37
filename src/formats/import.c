/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of what crosses between the worker and us. What comes out of the worker is as hostile as the file that went
 * in, so it passes the same checks as any safetensors file, and the few words beside the tensors are checked one by
 * one. */
#include "formats/import.h"

#include "base/json_fields.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "formats/safetensors.h"
#include "jail/jail.h"
#include "model/table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LINE = 300 }; /* bytes of a hint or a note */

static const char *const formats[] = { "pytorch-zip", "pytorch-legacy", "keras", "keras-h5", "onnx" };
enum { NFORMATS = sizeof formats / sizeof *formats };

/* ------------------------------------------------------------------------------------------------ receiving */

static eff_status take_line(eff_json_reader *r, const char *key, char **out, eff_error *err)
{
    char line[MAX_LINE] = "";
    eff_json_read_text(r, key, line, sizeof line);
    if (r->status != EFF_OK || !line[0]) return r->status;
    if (!eff_utf8_is_line(line, strlen(line)))
        return eff_fail(err, EFF_EFORMAT, "%s: expected one line of UTF-8 text", key);
    *out = eff_strdup(line);
    return *out ? EFF_OK : eff_fail_memory(err, sizeof line);
}

static eff_status take_colours(const json_t *root, const char *key, float out[3], eff_error *err)
{
    const json_t *const list = json_object_get(root, key);
    if (json_array_size(list) != 3) return eff_fail(err, EFF_EFORMAT, "%s: expected three numbers", key);
    for (size_t i = 0; i < 3; i++) {
        const json_t *const v = json_array_get(list, i);
        const double x = json_is_number(v) ? json_number_value(v) : NAN;
        out[i] = (float)x;
        if (!(fabs(x) < 1e6)) return eff_fail(err, EFF_EFORMAT, "%s: expected three numbers below a million", key);
    }
    return EFF_OK;
}

/* The graph of an ONNX file, which only that has; onnx_stream.c looks into it. */
static eff_status take_graph(eff_checkpoint *c, const json_t *root, eff_error *err)
{
    const char *const text = json_string_value(json_object_get(root, "graph"));
    if (!text != !!strcmp(c->format, "onnx"))
        return eff_fail(err, EFF_EFORMAT, "graph: expected %s", text ? "none" : "the graph of an ONNX file");
    return eff_copy_text(&c->graph, text, err);
}

static eff_status take_size(eff_checkpoint *c, const json_t *root, eff_error *err)
{
    const json_t *const list = json_object_get(root, "size");
    if (!list) return EFF_OK;
    int side[2] = { 0 };
    for (size_t i = 0; i < 2; i++) {
        const json_t *const v = json_array_size(list) == 2 ? json_array_get(list, i) : NULL;
        const json_int_t n = json_is_integer(v) ? json_integer_value(v) : 0;
        if (n < 1 || n > EFF_MAX_SIDE)
            return eff_fail(err, EFF_EFORMAT, "size: expected height and width, 1 to %d", EFF_MAX_SIDE);
        side[i] = (int)n;
    }
    c->height = side[0];
    c->width = side[1];
    return EFF_OK;
}

static eff_status take_words(eff_checkpoint *c, const json_t *root, eff_error *err)
{
    static const char *const keys[] = { "format", "hint", "note", "mean", "std", "size", "graph" };
    eff_json_reader r = { .obj = root, .err = err };
    eff_json_known_keys(&r, keys, sizeof keys / sizeof *keys);
    const int format = eff_json_read_choice(&r, "format", formats, NFORMATS, 0);
    eff_status s = take_line(&r, "hint", &c->arch_hint, err);
    if (s == EFF_OK) s = take_line(&r, "note", &c->note, err);
    if (s != EFF_OK) return s;
    c->format = formats[format];
    s = take_graph(c, root, err);
    if (s == EFF_OK) s = take_size(c, root, err);
    if (s != EFF_OK) return s;
    if (!json_object_get(root, "mean")) return EFF_OK;
    s = take_colours(root, "mean", c->mean, err);
    if (s == EFF_OK) s = take_colours(root, "std", c->std, err);
    for (int i = 0; i < 3 && s == EFF_OK; i++)
        if (!(c->std[i] > 1e-6f)) s = eff_fail(err, EFF_EFORMAT, "std: expected numbers above zero");
    c->has_input = s == EFF_OK;
    return s;
}

eff_status eff_import_receive(eff_checkpoint *c, int fd, uint64_t size, eff_error *err)
{
    json_t *root = NULL;
    if (c->fd >= 0) close(c->fd);
    c->fd = fd;
    if (c->bytes < size) c->bytes = size; /* it was compressed; now every tensor has its own bytes */
    eff_status s = eff_safetensors_open(c, size, EFF_IMPORT_KEY, err);
    if (s == EFF_OK && !c->metadata) s = eff_fail(err, EFF_EFORMAT, "metadata without " EFF_IMPORT_KEY);
    if (s == EFF_OK && strlen(c->metadata) > (size_t)2 * EFF_IMPORT_MOST_TEXT)
        s = eff_fail(err, EFF_EFORMAT, EFF_IMPORT_KEY ": expected less than %d bytes", 2 * EFF_IMPORT_MOST_TEXT);
    if (s == EFF_OK) s = eff_json_parse(&root, c->metadata, strlen(c->metadata), EFF_IMPORT_KEY, err);
    if (s == EFF_OK && !json_is_object(root)) s = eff_fail(err, EFF_EFORMAT, EFF_IMPORT_KEY ": expected an object");
    if (s == EFF_OK) s = take_words(c, root, err);
    eff_free(c->metadata); /* not a model file */
    c->metadata = NULL;
    json_decref(root);
    if (s == EFF_EFORMAT || s == EFF_EUNSUPPORTED) eff_error_prefix(err, "the import worker sent no sound stream");
    return s;
}

eff_status eff_import(eff_checkpoint *c, eff_error *err)
{
    int fd;
    uint64_t size;
    const eff_status s = eff_jail_run(&fd, &size, c->fd, EFF_JAIL_TENSORS, err);
    return s == EFF_OK ? eff_import_receive(c, fd, size, err) : s;
}

/* -------------------------------------------------------------------------------------------------- sending */

static bool put_text(json_t *j, const char *key, const char *text)
{
    char line[MAX_LINE];
    if (!text || snprintf(line, sizeof line, "%s", text) >= (int)sizeof line || !eff_utf8_is_line(line, strlen(line)))
        return true; /* a hint that is no use is left out */
    return json_object_set_new(j, key, json_string(line)) == 0;
}

static bool put_colours(json_t *j, const char *key, const float v[3])
{
    return json_object_set_new(j, key, json_pack("[f, f, f]", (double)v[0], (double)v[1], (double)v[2])) == 0;
}

eff_status eff_import_send(int fd, const eff_checkpoint *c, eff_error *err)
{
    eff_status s = EFF_OK;
    FILE *f = NULL;
    char *text = NULL;
    json_t *const j = json_object();
    bool ok =
        j && put_text(j, "format", c->format) && put_text(j, "hint", c->arch_hint) && put_text(j, "note", c->note);
    if (ok && c->graph) ok = eff_json_put(j, "graph", json_string(c->graph));
    if (ok && c->has_input) ok = put_colours(j, "mean", c->mean) && put_colours(j, "std", c->std);
    if (ok && c->height) ok = eff_json_put(j, "size", json_pack("[i, i]", c->height, c->width));
    if (ok) text = json_dumps(j, JSON_COMPACT);
    if (text) f = fdopen(fd, "w");
    if (!f) {
        s = eff_fail_memory(err, 0);
        goto end;
    }
    const eff_st_meta meta = { EFF_IMPORT_KEY, text };
    s = eff_safetensors_copy(f, c, &meta, 1, err);
    if (fclose(f) != 0 && s == EFF_OK) s = eff_fail(err, EFF_EIO, "the stream cannot be written: %s", strerror(errno));
end:
    free(text); /* jansson's */
    json_decref(j);
    return s;
}
