/* SPDX-License-Identifier: Apache-2.0 */
/* A Keras network normalises its own input, in Rescaling and Normalization layers in front of the first convolution;
 * each is a product and a sum a channel, so all of them together are one mean and one standard deviation. Where the
 * file has the configuration, the layers are followed in its order, and it tells the pictures' size; a file of weights
 * has the Normalization's numbers only. */
#include "worker/keras.h"

#include "base/json.h"
#include "base/mem.h"
#include "model/table.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_CONFIG = 8 << 20,
    MAX_RATIO = 200, /* of a compressed member */
    MAX_NESTED = 8,  /* models within models   */
};

/* --------------------------------------------------------------------------------------------------- names */

/* Names of the variables of a layer, in the order in which Keras 3 numbers them. */
static const struct {
    const char *group, *leaf[4];
} classes[] = {
    { "conv2d", { "kernel", "bias" } },
    { "depthwise_conv2d", { "depthwise_kernel", "bias" } },
    { "dense", { "kernel", "bias" } },
    { "batch_normalization", { "gamma", "beta", "moving_mean", "moving_variance" } },
    { "sync_batch_normalization", { "gamma", "beta", "moving_mean", "moving_variance" } },
    { "normalization", { "mean", "variance", "count" } },
};

/* Is it `class`, or `class` and a number? */
static bool is_class(const char *group, size_t n, const char *class)
{
    const size_t k = strlen(class);
    if (n < k || memcmp(group, class, k) != 0) return false;
    if (n == k) return true;
    for (size_t i = k + 1; i < n; i++)
        if (!isdigit((unsigned char)group[i])) return false;
    return group[k] == '_' && n > k + 1;
}

/* "GROUP" of "layers/GROUP/vars/0", n bytes. */
static const char *leaf_of(const char *group, size_t n, const char *number)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (is_class(group, n, classes[i].group) && number[0] >= '0' && number[0] <= '3' && !number[1])
            return classes[i].leaf[number[0] - '0'];
    return NULL;
}

/* The piece of `path` that ends before `end`. */
static const char *piece_before(const char *path, const char *end)
{
    while (end > path && end[-1] != '/') end--;
    return end;
}

bool eff_keras_name(char *out, size_t size, const char *path, const char *layer)
{
    static const char *const others[] = { "optimizer/", "optimizer_weights/", "_training_state/" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strncmp(path, others[i], strlen(others[i])) == 0) return false;
    const char *const last = piece_before(path, path + strlen(path));
    if (last == path) return snprintf(out, size, "%s", path) < (int)size;
    const char *const above_end = last - 1, *const above = piece_before(path, above_end);
    if (above_end - above == 4 && memcmp(above, "vars", 4) == 0 && above > path) {
        const char *const group_end = above - 1, *const group = piece_before(path, group_end);
        const size_t n = (size_t)(group_end - group);
        const char *const leaf = leaf_of(group, n, last);
        if (n == 14 && memcmp(group, "seed_generator", 14) == 0) return false;
        if (layer[0]) return snprintf(out, size, "%s/%s", layer, leaf ? leaf : last) < (int)size;
        return snprintf(out, size, "%.*s/%s", (int)n, group, leaf ? leaf : last) < (int)size;
    }
    const char *const colon = strchr(last, ':'); /* kernel:0 */
    const size_t n = colon ? (size_t)(colon - last) : strlen(last);
    return snprintf(out, size, "%.*s/%.*s", (int)(above_end - above), above, (int)n, last) < (int)size;
}

/* ----------------------------------------------------------------------------------------------- the input */

/* What has been done to a value x of a channel so far: x * scale + shift. */
typedef struct input {
    eff_checkpoint *c;
    double scale[3], shift[3];
    int rescalings, normalizations;
    bool as_std;   /* the variance was found to be the standard deviation */
    bool assumed;  /* a Rescaling that the file does not tell of          */
    bool finished; /* a convolution has come                              */
} input;

/* One number for all channels or one for each. */
static bool three(const json_t *v, double out[3])
{
    if (json_is_object(v)) v = json_object_get(json_object_get(v, "config"), "value"); /* a serialised array */
    while (json_is_array(v) && json_array_size(v) == 1) v = json_array_get(v, 0);
    for (size_t i = 0; i < 3; i++) {
        const json_t *const x = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_number(x)) return false;
        out[i] = json_number_value(x);
    }
    return !json_is_array(v) || json_array_size(v) == 3;
}

static eff_status read_three(const eff_checkpoint *c, const char *layer, const char *leaf, double out[3], bool *found,
                             eff_error *err)
{
    char name[EFF_MAX_TENSOR_NAME + 1];
    float v[3];
    *found = false;
    if (snprintf(name, sizeof name, "%s/%s", layer, leaf) >= (int)sizeof name) return EFF_OK;
    for (size_t i = 0; i < c->count && !*found; i++) {
        const eff_tensor *const t = &c->tensor[i];
        if (strcmp(t->name, name) != 0 || (t->count != 3 && t->count != 1)) continue;
        const eff_status s = c->read(c, t, v, err);
        if (s != EFF_OK) return s;
        for (size_t k = 0; k < 3; k++) out[k] = (double)v[t->count == 3 ? k : 0];
        *found = true;
    }
    return EFF_OK;
}

/* In Keras' published ImageNet files the variance holds the standard deviation; a second Rescaling, of which a file of
 * weights does not tell, makes up for it. */
static bool is_published_std(const double v[3])
{
    static const double std[3] = { 0.229, 0.224, 0.225 };
    for (int i = 0; i < 3; i++)
        if (fabs(v[i] - std[i]) > 1e-4) return false;
    return true;
}

static void rescale(input *x, const double scale[3], const double offset[3])
{
    for (int i = 0; i < 3; i++) {
        x->scale[i] *= scale[i];
        x->shift[i] = x->shift[i] * scale[i] + offset[i];
    }
    x->rescalings++;
}

static void normalize(input *x, const double mean[3], const double variance[3])
{
    for (int i = 0; i < 3; i++) {
        const double root = sqrt(variance[i]), by = root > 1e-7 ? root : 1e-7; /* as Keras does */
        x->scale[i] /= by;
        x->shift[i] = (x->shift[i] - mean[i]) / by;
    }
    x->normalizations++;
}

/* The size of the pictures: what the last layer that fixes it in front of the first convolution says. Resizing may come
 * after the outer network's input, and the network within may leave its own open. */
static void take_size(eff_checkpoint *c, const char *class, const json_t *config)
{
    const json_t *side[2] = { json_object_get(config, "height"), json_object_get(config, "width") };
    if (strcmp(class, "InputLayer") == 0) {
        const json_t *shape = json_object_get(config, "batch_shape");
        if (!shape) shape = json_object_get(config, "batch_input_shape"); /* of Keras 2 */
        for (size_t i = 0; i < 2; i++) side[i] = json_array_size(shape) == 4 ? json_array_get(shape, 1 + i) : NULL;
    } else if (strcmp(class, "Resizing") != 0 && strcmp(class, "CenterCrop") != 0) {
        return;
    }
    json_int_t n[2];
    for (size_t i = 0; i < 2; i++) {
        n[i] = json_is_integer(side[i]) ? json_integer_value(side[i]) : 0;
        if (n[i] < 1 || n[i] > EFF_MAX_SIDE) return;
    }
    c->height = (int)n[0];
    c->width = (int)n[1];
}

static eff_status follow_layer(input *x, const char *class, const json_t *config, eff_error *err)
{
    double a[3], b[3];
    take_size(x->c, class, config);
    if (strcmp(class, "Rescaling") == 0) {
        if (!three(json_object_get(config, "scale"), a) || !three(json_object_get(config, "offset"), b))
            return eff_fail(err, EFF_EUNSUPPORTED, "layer Rescaling: its scale or offset is not one number or three");
        rescale(x, a, b);
    } else if (strcmp(class, "Normalization") == 0) {
        const json_t *const name = json_object_get(config, "name");
        bool mean = three(json_object_get(config, "mean"), a), variance = three(json_object_get(config, "variance"), b);
        eff_status s = EFF_OK;
        if (!mean || !variance) {
            if (!json_is_string(name)) return EFF_OK;
            s = read_three(x->c, json_string_value(name), "mean", a, &mean, err);
            if (s == EFF_OK) s = read_three(x->c, json_string_value(name), "variance", b, &variance, err);
            if (s != EFF_OK) return s;
        }
        if (!mean || !variance)
            return eff_fail(err, EFF_EUNSUPPORTED, "layer Normalization: no mean and variance for three channels");
        normalize(x, a, b);
    } else if (strstr(class, "Conv")) {
        x->finished = true;
    }
    return EFF_OK;
}

static eff_status follow_layers(input *x, const json_t *model, int depth, eff_error *err)
{
    const json_t *const layers = json_object_get(json_object_get(model, "config"), "layers");
    eff_status s = EFF_OK;
    for (size_t i = 0; i < json_array_size(layers) && s == EFF_OK && !x->finished; i++) {
        const json_t *const layer = json_array_get(layers, i), *const class = json_object_get(layer, "class_name");
        if (!json_is_string(class)) continue;
        if (depth < MAX_NESTED && json_object_get(json_object_get(layer, "config"), "layers"))
            s = follow_layers(x, layer, depth + 1, err);
        else
            s = follow_layer(x, json_string_value(class), json_object_get(layer, "config"), err);
    }
    return s;
}

/* A file of weights: a Normalization behind a Rescaling by 1/255, as all of Keras' EfficientNets have it, unless its
 * mean is none of values up to 1. */
static eff_status follow_weights(input *x, eff_error *err)
{
    static const char leaf[] = "/variance";
    static const double by[3] = { 1 / 255.0, 1 / 255.0, 1 / 255.0 }, nothing[3];
    for (size_t i = 0; i < x->c->count; i++) {
        char layer[EFF_MAX_TENSOR_NAME + 1];
        const char *const name = x->c->tensor[i].name;
        const size_t n = strlen(name), k = strlen(leaf);
        double mean[3], variance[3];
        bool has_mean, has_variance;
        if (n <= k || strcmp(name + n - k, leaf) != 0) continue;
        memcpy(layer, name, n - k);
        layer[n - k] = '\0';
        eff_status s = read_three(x->c, layer, "mean", mean, &has_mean, err);
        if (s == EFF_OK) s = read_three(x->c, layer, "variance", variance, &has_variance, err);
        if (s != EFF_OK) return s;
        if (!has_mean || !has_variance) continue;
        if (mean[0] <= 1.5 && mean[1] <= 1.5 && mean[2] <= 1.5) {
            rescale(x, by, nothing);
            x->assumed = true;
        }
        x->as_std = is_published_std(variance);
        for (int c = 0; c < 3 && x->as_std; c++) variance[c] *= variance[c];
        normalize(x, mean, variance);
        return EFF_OK;
    }
    return EFF_OK;
}

static eff_status note_input(const input *x, eff_error *err)
{
    char note[256];
    eff_checkpoint *const c = x->c;
    if (!x->rescalings && !x->normalizations) return EFF_OK;
    for (int i = 0; i < 3; i++) {
        if (!(fabs(x->scale[i]) > 1e-9) || !isfinite(x->scale[i]) || !isfinite(x->shift[i]) || x->scale[i] < 0)
            return eff_fail(err, EFF_EUNSUPPORTED,
                            "the layers in front of the network multiply channel %d by %g, which is no normalisation",
                            i, x->scale[i]);
        c->std[i] = (float)(1 / x->scale[i]);
        c->mean[i] = (float)(-x->shift[i] / x->scale[i]);
    }
    c->has_input = true;
    snprintf(note, sizeof note, "%s%s%s folded into the preprocessing%s%s",
             x->rescalings && !x->assumed ? "Rescaling" : "",
             x->rescalings && !x->assumed && x->normalizations ? " and " : "", x->normalizations ? "Normalization" : "",
             x->assumed ? ", behind a Rescaling by 1/255 that a file of weights does not tell of" : "",
             x->as_std ? ", its variance being the standard deviation as in Keras' published files" : "");
    c->note = eff_strdup(note);
    return c->note ? EFF_OK : eff_fail_memory(err, sizeof note);
}

eff_status eff_keras_input(eff_checkpoint *c, const char *config, eff_error *err)
{
    input x = { .c = c, .scale = { 1, 1, 1 } };
    json_t *model = NULL;
    eff_status s = EFF_OK;
    if (config) {
        s = eff_json_parse(&model, config, strlen(config), "the model's configuration", err);
        if (s == EFF_OK) s = follow_layers(&x, model, 0, err);
        json_decref(model);
    } else {
        s = follow_weights(&x, err);
    }
    return s == EFF_OK ? note_input(&x, err) : s;
}

/* --------------------------------------------------------------------------------------------- the archive */

static const char config_name[] = "config.json", weights_name[] = "model.weights.h5";

bool eff_keras_is_zip(zip_t *z)
{
    return zip_name_locate(z, config_name, 0) >= 0 && zip_name_locate(z, weights_name, 0) >= 0;
}

/* A whole member, with a NUL behind it. */
static eff_status read_member(zip_t *z, const char *name, uint64_t limit, unsigned char **out, size_t *n,
                              eff_error *err)
{
    zip_stat_t st;
    zip_stat_init(&st);
    if (zip_stat(z, name, 0, &st) != 0 || !(st.valid & ZIP_STAT_SIZE) || !(st.valid & ZIP_STAT_COMP_SIZE))
        return eff_fail(err, EFF_EFORMAT, "%s: %s", name, zip_strerror(z));
    if (st.size > limit || (st.size > 4096 && st.size / MAX_RATIO > st.comp_size))
        return eff_fail(err, EFF_EFORMAT, "%s: %llu bytes, more than the archive can hold", name,
                        (unsigned long long)st.size);
    unsigned char *const p = eff_malloc((size_t)st.size + 1);
    if (!p) return eff_fail_memory(err, (size_t)st.size + 1);
    zip_file_t *const f = zip_fopen(z, name, 0);
    size_t got = 0;
    zip_int64_t k = -1;
    while (f && got <= st.size && (k = zip_fread(f, p + got, st.size + 1 - got)) > 0) got += (size_t)k;
    eff_status s = EFF_OK;
    if (!f || k < 0)
        s = eff_fail(err, EFF_EFORMAT, "%s: %s", name, f ? zip_file_strerror(f) : zip_strerror(z));
    else if (got != st.size)
        s = eff_fail(err, EFF_EFORMAT, "%s: expected %llu bytes, found %s", name, (unsigned long long)st.size,
                     got < st.size ? "less" : "more");
    if (f) zip_fclose(f);
    if (s == EFF_OK) {
        p[got] = '\0';
        *out = p;
        *n = got;
    } else {
        eff_free(p);
    }
    return s;
}

eff_status eff_keras_unzip(zip_t *z, uint64_t size, unsigned char **weights, size_t *n, char **config, eff_error *err)
{
    unsigned char *text = NULL;
    size_t length;
    *weights = NULL;
    *config = NULL;
    eff_status s = read_member(z, config_name, MAX_CONFIG, &text, &length, err);
    if (s == EFF_OK) s = read_member(z, weights_name, ((uint64_t)64 << 20) + 4 * size, weights, n, err);
    if (s == EFF_OK)
        *config = (char *)text;
    else
        eff_free(text);
    return s;
}
