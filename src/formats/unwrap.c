/* SPDX-License-Identifier: Apache-2.0 */
/* A network is found by its two ends: where the stem's convolution and the classifier of one family stand under a
 * common prefix; where no file has these, a body is: the stem's and the head's convolution. The tensors under the
 * chosen prefix become a second directory over the same data, so nothing is read or copied. Only the names decide;
 * whether the shapes fit is found by recognition, as for any file. */
#include "formats/unwrap.h"

#include "base/mem.h"
#include "formats/weights.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_NETWORKS = 16, /* in one file */
    MAX_CHANNELS = 64, /* of a stem that is adapted */
    PREFIX_SHOWN = 60,
};

static const char ema_suffix[] = "/ExponentialMovingAverage", keras_stem[] = "stem_conv/kernel";

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        const eff_status s_ = (call);                                                                                  \
        if (s_) return s_;                                                                                             \
    } while (0)

/* A network in the file: the first `len` bytes of `name` are its prefix, dot or slash included; then comes `stem`. */
typedef struct found {
    const char *name;
    size_t len;
    char stem[EFF_TENSOR_NAME];
    bool averages;
} found;

typedef struct search {
    const eff_index *x;
    bool tensorflow, keras;
    found net[MAX_NETWORKS];
    int n;
} search;

/* ---------------------------------------------------------------------------------------------- finding it */

static bool ends_with(const char *s, size_t n, const char *tail)
{
    const size_t k = strlen(tail);
    return n >= k && memcmp(s + n - k, tail, k) == 0;
}

/* "state_dict_ema.", "ema_model.module.": is a word of it "ema"? */
static bool says_ema(const char *prefix, size_t len)
{
    for (size_t i = 0; i + 3 <= len; i++)
        if (strncasecmp(prefix + i, "ema", 3) == 0 && (i == 0 || !isalnum((unsigned char)prefix[i - 1])) &&
            (i + 3 == len || !isalnum((unsigned char)prefix[i + 3])))
            return true;
    return false;
}

/* Length of a TensorFlow variable's name without the suffix of its average. */
static size_t variable_length(const char *name)
{
    const size_t n = strlen(name);
    return ends_with(name, n, ema_suffix) ? n - strlen(ema_suffix) : n;
}

static const eff_tensor *find_joined(const eff_index *x, const char *prefix, size_t len, const char *tail,
                                     const char *suffix)
{
    char full[EFF_MAX_TENSOR_NAME + 1];
    const int n = snprintf(full, sizeof full, "%.*s%s%s", (int)len, prefix, tail, suffix);
    return n < (int)sizeof full ? eff_index_find(x, full) : NULL;
}

/* All prefixes under which tensors called `stem` and `head` stand. */
static void find_networks(search *s, const char *stem, const char *head)
{
    const char joint = s->tensorflow ? '/' : '.';
    const size_t k = strlen(stem);
    for (size_t i = 0; i < s->x->count && s->n < MAX_NETWORKS; i++) {
        const char *const name = s->x->sorted[i]->name;
        const size_t n = s->tensorflow ? variable_length(name) : strlen(name);
        if (!ends_with(name, n, stem) || (n > k && name[n - k - 1] != joint)) continue;
        const size_t len = n - k;
        if (!find_joined(s->x, name, len, head, "") &&
            !(s->tensorflow && find_joined(s->x, name, len, head, ema_suffix)))
            continue;
        bool known = false;
        for (int j = 0; j < s->n; j++) known |= s->net[j].len == len && memcmp(s->net[j].name, name, len) == 0;
        if (known) continue;
        found *const f = &s->net[s->n++];
        *f = (found){ .name = name, .len = len, .averages = !s->tensorflow && says_ema(name, len) };
        snprintf(f->stem, sizeof f->stem, "%s", stem);
    }
}

/* `end`: the layer that ends them, the classifier or, of bodies, the last convolution. */
static void find_all_networks(search *s, const char *end)
{
    static const struct {
        eff_op op; /* of a network like an EfficientNet, like a ResNet */
    } kinds[] = { { EFF_OP_MBCONV }, { EFF_OP_BASIC } };
    for (int f = 0; f < EFF_NAMING_COUNT; f++)
        for (int k = 0; k < 2; k++) {
            eff_place p = {
                .net = 1u << kinds[k].op, .op = kinds[k].op, .nstages = 7, .stage = EFF_STAGE_STEM, .blocks = 17
            };
            char stem[EFF_TENSOR_NAME], head[EFF_TENSOR_NAME];
            if ((f == EFF_FAMILY_TF) != s->tensorflow || f == EFF_FAMILY_KERAS) continue;
            if (!eff_name_format(stem, (eff_family)f, &p, "stem.conv", "weight")) continue;
            p.stage = p.nstages;
            if (eff_name_format(head, (eff_family)f, &p, end, "weight")) find_networks(s, stem, head);
        }
}

static int shown(const found *f) /* of the prefix, without its last dot */
{
    const size_t n = f->len ? f->len - 1 : 0;
    return n > PREFIX_SHOWN ? PREFIX_SHOWN : (int)n;
}

/* Averages first, then what lies at the top, then the only one there is. *out = NULL: there is none. */
static eff_status choose(const found **out, const search *s, eff_error *err)
{
    const found *best = NULL, *rival = NULL;
    for (int i = 0; i < s->n; i++) {
        const found *const f = &s->net[i];
        const int rank = f->averages ? 2 : f->len == 0, before = best ? best->averages ? 2 : best->len == 0 : -1;
        if (rank > before) {
            best = f;
            rival = NULL;
        } else if (rank == before) {
            rival = f;
        }
    }
    *out = best;
    if (!rival) return EFF_OK;
    return eff_fail(err, EFF_EFORMAT,
                    "the file holds several networks, under %.*s and %.*s: save the one that is meant alone",
                    shown(best), best->name, shown(rival), rival->name);
}

/* ------------------------------------------------------------------------------------------------- the view */

typedef struct view {
    const eff_checkpoint *file;
    size_t adapted;    /* number of the stem's tensor in the view, SIZE_MAX = none */
    eff_tensor source; /* what it is made of; its name is not set                  */
} view;

/* timm's rule, which takes colour to n channels by repeating the three, times 3/n: the other way round the n are
 * repeated, times n/3. What timm made for 4 channels becomes again what it was; a grey picture as R = G = B gives what
 * it gave. */
static eff_status read_adapted(const view *v, const eff_tensor *t, float *out, eff_error *err)
{
    const int64_t from = v->source.dim[1], to = t->dim[1], area = t->dim[2] * t->dim[3];
    float *const w = eff_malloc(v->source.count * sizeof *w);
    if (!w) return eff_fail_memory(err, v->source.count * sizeof *w);
    eff_tensor source = v->source;
    source.name = t->name;
    const eff_status s = v->file->read(v->file, &source, w, err);
    for (int64_t o = 0; s == EFF_OK && o < t->dim[0]; o++)
        for (int64_t c = 0; c < to; c++)
            for (int64_t i = 0; i < area; i++)
                out[(o * to + c) * area + i] = w[(o * from + c % from) * area + i] * ((float)from / (float)to);
    eff_free(w);
    return s;
}

static eff_status view_read(const eff_checkpoint *c, const eff_tensor *t, float *out, eff_error *err)
{
    const view *const v = c->impl;
    if (v->adapted < c->count && t == &c->tensor[v->adapted]) return read_adapted(v, t, out, err);
    return v->file->read(v->file, t, out, err);
}

static void view_close(eff_checkpoint *c) { eff_free(c->impl); }

static eff_status view_new(eff_checkpoint **out, const eff_checkpoint *file, eff_error *err)
{
    eff_checkpoint *const c = *out = eff_calloc(1, sizeof *c);
    if (!c) return eff_fail_memory(err, sizeof *c);
    c->fd = -1;
    c->format = file->format;
    c->bytes = file->bytes;
    c->read = view_read;
    c->close = view_close;
    view *const v = c->impl = eff_calloc(1, sizeof *v);
    if (!v) return eff_fail_memory(err, sizeof *v);
    v->file = file;
    v->adapted = SIZE_MAX;
    c->has_input = file->has_input;
    memcpy(c->mean, file->mean, sizeof c->mean);
    memcpy(c->std, file->std, sizeof c->std);
    c->height = file->height;
    c->width = file->width;
    if (!file->arch_hint) return EFF_OK;
    c->arch_hint = eff_strdup(file->arch_hint);
    return c->arch_hint ? EFF_OK : eff_fail_memory(err, 256);
}

/* What is true of a tensor of the file holds for the same elements in another order, so its storage is not looked at
 * again. */
static eff_status view_add(eff_checkpoint *c, const char *name, size_t len, const eff_tensor *t, eff_error *err)
{
    return eff_checkpoint_add(c, name, len, t, INT64_MAX, err);
}

/* ------------------------------------------------------------------------------------- TensorFlow's variables */

/* Is `part` (without the scope) a weight of a layer, and none of the optimiser's, which hang below one? */
static bool is_weight(const char *part, size_t n)
{
    static const char *const heads[] = { "stem/", "head/", "blocks_" };
    static const char *const leaves[] = { "/kernel", "/depthwise_kernel", "/bias",           "/gamma",
                                          "/beta",   "/moving_mean",      "/moving_variance" };
    bool head = false, leaf = false;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) head |= strncmp(part, heads[i], strlen(heads[i])) == 0;
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) leaf |= ends_with(part, n, leaves[i]);
    return head && leaf;
}

/* The batch norm's class is part of its name: on one core, on a TPU, on several GPUs. */
static size_t common_name(char *out, size_t room, const char *part, size_t n)
{
    static const char layer[] = "batch_normalization", usual[] = "tpu_";
    size_t at = 0;
    for (size_t i = 0; i < n && at + 1 < room;) {
        if (i == 0 || part[i - 1] == '/') {
            const size_t sync = n - i >= 5 && memcmp(part + i, "sync_", 5) == 0 ? 5 : 0;
            if (n - i - sync >= strlen(layer) && memcmp(part + i + sync, layer, strlen(layer)) == 0) {
                i += sync;
                for (const char *p = usual; *p && at + 1 < room; p++) out[at++] = *p;
            }
        }
        out[at++] = part[i++];
    }
    return at;
}

/* HWIO to OIHW, depthwise [k][k][c][1] to [c][1][k][k], [in][out] to [out][in]. */
static void permute(eff_tensor *to, const eff_tensor *from, bool is_depthwise)
{
    static const int full[] = { 3, 2, 0, 1 }, depthwise[] = { 2, 3, 0, 1 }, matrix[] = { 1, 0 };
    const int *order = from->ndim == 2 ? matrix : is_depthwise ? depthwise : full;
    *to = *from;
    if (from->ndim != 2 && from->ndim != 4) return;
    for (int i = 0; i < from->ndim; i++) {
        to->dim[i] = from->dim[order[i]];
        to->stride[i] = from->stride[order[i]];
    }
}

static eff_status take_variables(eff_checkpoint *c, const eff_index *x, const found *f, char *note, size_t room,
                                 eff_error *err)
{
    size_t averages = 0;
    for (size_t i = 0; i < x->count; i++) {
        const eff_tensor *const t = x->sorted[i];
        const size_t n = variable_length(t->name);
        if (n <= f->len || memcmp(t->name, f->name, f->len) != 0 || !is_weight(t->name + f->len, n - f->len)) continue;
        const bool average = t->name[n] != '\0';
        if (!average && find_joined(x, t->name, n, ema_suffix, "")) continue;
        char name[EFF_MAX_TENSOR_NAME];
        const size_t len = common_name(name, sizeof name, t->name + f->len, n - f->len);
        eff_tensor v;
        permute(&v, t, ends_with(name, len, "/depthwise_kernel"));
        TRY(view_add(c, name, len, &v, err));
        averages += average;
    }
    const int k = snprintf(note, room, "variables of scope %.*s, ", shown(f), f->name);
    if (averages == c->count)
        snprintf(note + k, room - (size_t)k, "the moving averages (ExponentialMovingAverage)");
    else if (!averages)
        snprintf(note + k, room - (size_t)k, "which has no moving averages (ExponentialMovingAverage)");
    else
        snprintf(note + k, room - (size_t)k, "%zu of %zu as moving averages (ExponentialMovingAverage)", averages,
                 c->count);
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------------- Keras' layers */

static bool starts_with(const char *s, const char *head) { return strncmp(s, head, strlen(head)) == 0; }

/* Keras' networks call it "predictions", qubvel's "probs", and everybody else what he likes: the one matrix there is.
 */
static const eff_tensor *find_classifier(const eff_index *x)
{
    const eff_tensor *only = eff_index_find(x, "predictions/kernel");
    if (only) return only;
    for (size_t i = 0; i < x->count; i++) {
        const eff_tensor *const t = x->sorted[i];
        if (t->ndim != 2 || !ends_with(t->name, strlen(t->name), "/kernel")) continue;
        if (only) return NULL;
        only = t;
    }
    return only;
}

/* How the rows of names.c spell LAYER/LEAF, which is a variable of a network; 0: of something else. `head`: bytes of
 * the classifier's layer, with the slash. */
static size_t keras_name(char *out, size_t room, const char *name, const eff_tensor *classifier, size_t head)
{
    static const char dw2[] = "dwconv2/", last[] = "predictions/";
    const char *const leaf = strchr(name, '/');
    const char *const second = strstr(name, dw2), *what;
    if (!leaf) return 0;
    if (classifier && strncmp(name, classifier->name, head) == 0)
        return (size_t)snprintf(out, room, "%s%s", last, name + head);
    if (!starts_with(name, "stem_") && !starts_with(name, "block") && !starts_with(name, "top_")) return 0;
    if (strstr(name, "dwconv") && strcmp(leaf, "/kernel") == 0)
        what = "/depthwise_kernel"; /* Keras 3 writes "kernel" */
    else
        what = leaf;
    const int layer = (int)((second ? second + strlen("dwconv") : leaf) - name); /* of version 2: block4a_dwconv2 */
    return (size_t)snprintf(out, room, "%.*s%s", layer, name, what);
}

static eff_status take_layers(eff_checkpoint *c, const eff_index *x, char *note, size_t room, eff_error *err)
{
    const eff_tensor *const classifier = find_classifier(x);
    const size_t head = classifier ? (size_t)(strchr(classifier->name, '/') + 1 - classifier->name) : 0;
    for (size_t i = 0; i < x->count; i++) {
        const eff_tensor *const t = x->sorted[i];
        char name[EFF_MAX_TENSOR_NAME + 1];
        const size_t len = keras_name(name, sizeof name, t->name, classifier, head);
        if (len == 0 || len > EFF_MAX_TENSOR_NAME) continue;
        eff_tensor v;
        permute(&v, t, ends_with(name, len, "/depthwise_kernel"));
        TRY(view_add(c, name, len, &v, err));
    }
    const char *const input = "no Normalization layer, the usual mean and standard deviation assumed";
    const int k = snprintf(note, room, "%s", x->file->has_input && x->file->note ? x->file->note : input);
    if (classifier && !starts_with(classifier->name, "predictions/") && k < (int)room)
        snprintf(note + k, room - (size_t)k, "%sclassifier is layer %.*s", k ? "; " : "",
                 (int)(head - 1 < PREFIX_SHOWN ? head - 1 : PREFIX_SHOWN), classifier->name);
    return EFF_OK;
}

/* --------------------------------------------------------------------------------------- PyTorch's dictionaries */

static eff_status take_prefix(eff_checkpoint *c, const eff_index *x, const search *s, const found *f, char *note,
                              size_t room, eff_error *err)
{
    for (size_t i = 0; i < x->file->count; i++) {
        const eff_tensor *const t = &x->file->tensor[i];
        const size_t n = strlen(t->name);
        if (n > f->len && memcmp(t->name, f->name, f->len) == 0) TRY(view_add(c, t->name + f->len, n - f->len, t, err));
    }
    const int k = snprintf(note, room, "tensors under %.*s", shown(f), f->name);
    for (int i = 0; f->averages && i < s->n; i++) {
        const found *const other = &s->net[i];
        if (other->averages) continue;
        snprintf(note + k, room - (size_t)k, ", moving averages, rather than those %s%.*s",
                 other->len ? "under " : "at the top", shown(other), other->name);
        break;
    }
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------------- the stem */

static const eff_tensor *find_stem(const eff_checkpoint *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->tensor[i].name, name) == 0) return &c->tensor[i];
    return NULL;
}

static bool needs_channels(const eff_tensor *stem, int channels)
{
    return stem && channels && stem->ndim == 4 && stem->dim[1] != channels && stem->dim[1] >= 1 &&
           stem->dim[1] <= MAX_CHANNELS;
}

static eff_status adapt_stem(eff_checkpoint *c, const char *name, int channels, char *note, size_t room, eff_error *err)
{
    view *const v = c->impl;
    eff_tensor *const t = &c->tensor[find_stem(c, name) - c->tensor];
    v->source = *t;
    v->source.name = NULL;
    v->adapted = (size_t)(t - c->tensor);
    t->dim[1] = channels;
    eff_tensor_strides(t->ndim, t->dim, t->stride);
    t->offset = 0;
    if (!eff_tensor_count(t->ndim, t->dim, &t->count))
        return eff_fail(err, EFF_EFORMAT, "tensor %.100s: the product of its shape is too large", name);
    if (t->count > v->source.count) c->bytes += (t->count - v->source.count) * eff_dtype_size(t->dtype);
    const size_t k = strlen(note);
    snprintf(note + k, room - k, "%sstem adapted from %lld input channel%s to %d", k ? "; " : "",
             (long long)v->source.dim[1], v->source.dim[1] == 1 ? "" : "s", channels);
    return EFF_OK;
}

/* ---------------------------------------------------------------------------------------------------- public */

static eff_status build_view(eff_checkpoint **out, const search *s, const found *f, int channels, eff_error *err)
{
    char note[300] = "";
    eff_checkpoint *c = NULL;
    eff_status status = view_new(&c, s->x->file, err);
    if (status == EFF_OK)
        status = s->keras        ? take_layers(c, s->x, note, sizeof note, err)
                 : s->tensorflow ? take_variables(c, s->x, f, note, sizeof note, err)
                                 : take_prefix(c, s->x, s, f, note, sizeof note, err);
    if (status == EFF_OK && f->len == 0 && !s->tensorflow && !s->keras) note[0] = '\0';
    if (status == EFF_OK) status = eff_checkpoint_finish(c, err);
    if (status == EFF_OK && needs_channels(find_stem(c, f->stem), channels))
        status = adapt_stem(c, f->stem, channels, note, sizeof note, err);
    if (status == EFF_OK && note[0] && !(c->note = eff_strdup(note))) status = eff_fail_memory(err, sizeof note);
    if (status == EFF_OK) {
        *out = c;
        return EFF_OK;
    }
    eff_checkpoint_close(c);
    return status;
}

eff_status eff_unwrap(eff_checkpoint **out, const eff_checkpoint *file, int channels, eff_error *err)
{
    eff_index x;
    const found *f;
    *out = NULL;
    TRY(eff_index_build(&x, file, err));
    search *const s = eff_calloc(1, sizeof *s);
    eff_status status = s ? EFF_OK : eff_fail_memory(err, sizeof *s);
    if (status != EFF_OK) goto end;
    s->x = &x;
    s->tensorflow = strcmp(file->format, "tensorflow-bundle") == 0;
    s->keras = starts_with(file->format, "keras");
    if (s->keras && eff_index_find(&x, keras_stem)) /* the worker has put the layers of nested models side by side */
        s->net[s->n++] = (found){ .name = keras_stem, .stem = "stem_conv/kernel" };
    if (!s->keras) find_all_networks(s, "head.fc");
    if (!s->keras && s->n == 0) find_all_networks(s, "head.conv");
    status = choose(&f, s, err);
    if (status == EFF_OK && f &&
        (s->tensorflow || s->keras || f->len || needs_channels(find_stem(file, f->stem), channels)))
        status = build_view(out, s, f, channels, err);
end:
    eff_free(s);
    eff_index_free(&x);
    return status;
}
