/* SPDX-License-Identifier: Apache-2.0 */
/* How augmentation is written: presets by name, keys by table. A rule is read as a whole before it is taken over, and
 * every rule that is accepted can be applied. */
#include "image/augment.h"

#include "base/mem.h"
#include "base/number.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* --------------------------------------------------------------------------------------------- the presets */

/* Over this one the others are written. `rand_n` and `rand_m` are what policy=rand means where nothing is said of them.
 */
static const eff_augment plain = { .scale_lo = 1,
                                   .scale_hi = 1,
                                   .ratio_lo = 3.0 / 4,
                                   .ratio_hi = 4.0 / 3,
                                   .rand_n = 2,
                                   .rand_m = 9,
                                   .filter = EFF_FILTER_BICUBIC };

/* docs/recipes.md says why each is as it is. */
static const struct {
    const char *name, *about, *rule;
} presets[] = {
    { "none", "the largest central part of the picture, as it is", "" },
    { "light", "a generous crop and the mirror image", "scale=0.65:1,hflip=0.5" },
    { "cloth", "texture-safe: motifs, borders, weave and colours stay what they are",
      "scale=0.6:1,ratio=0.85:1.18,hflip=0.5,vflip=0.5,rotate=5,brightness=0.2,contrast=0.2,saturation=0.1" },
    { "standard", "crop, mirror image, light and colour: photographs of things",
      "scale=0.35:1,hflip=0.5,brightness=0.2,contrast=0.2,saturation=0.2" },
    { "autoaugment", "the policy found for ImageNet: long training from nothing", "scale=0.08:1,hflip=0.5,policy=v0" },
    { "randaugment", "two random operations of magnitude 9", "scale=0.08:1,hflip=0.5,policy=rand" },
    { "small", "pictures of 32 pixels: padded by 4 and cropped again, mirror image", "pad=4,hflip=0.5" },
};
enum { N_PRESETS = sizeof presets / sizeof *presets };

const char *eff_augment_preset_name(int i, const char **about)
{
    if (i < 0 || i >= N_PRESETS) return NULL;
    if (about) *about = presets[i].about;
    return presets[i].name;
}

/* ------------------------------------------------------------------------------------------------ the keys */

static const char *const policy_names[] = { [EFF_AUTO_NONE] = "none",
                                            [EFF_AUTO_V0] = "v0",
                                            [EFF_AUTO_ORIGINAL] = "original",
                                            [EFF_AUTO_RAND] = "rand",
                                            [EFF_AUTO_RAND_INC] = "rand-increasing",
                                            NULL };
static const char *const filter_names[] = {
    [EFF_FILTER_BILINEAR] = "bilinear", [EFF_FILTER_BICUBIC] = "bicubic", [EFF_FILTER_LANCZOS] = "lanczos", NULL
};

typedef enum kind { NUMBER, RANGE /* a field and the next */, WHOLE, POLICY, FILTER } kind;

static const struct key {
    const char *name;
    kind kind;
    size_t field;
    double lo, hi;
} keys[] = {
#define FIELD(f) offsetof(eff_augment, f)
    { "scale", RANGE, FIELD(scale_lo), 0.01, 1 },
    { "ratio", RANGE, FIELD(ratio_lo), 0.1, 10 },
    { "pad", WHOLE, FIELD(pad), 0, 1024 },
    { "hflip", NUMBER, FIELD(hflip), 0, 1 },
    { "vflip", NUMBER, FIELD(vflip), 0, 1 },
    { "rotate", NUMBER, FIELD(rotate), 0, 180 },
    { "brightness", NUMBER, FIELD(brightness), 0, 1 },
    { "contrast", NUMBER, FIELD(contrast), 0, 1 },
    { "saturation", NUMBER, FIELD(saturation), 0, 1 },
    { "hue", NUMBER, FIELD(hue), 0, 0.5 },
    { "policy", POLICY, FIELD(policy), 0, 0 },
    { "ops", WHOLE, FIELD(rand_n), 1, 16 },
    { "magnitude", NUMBER, FIELD(rand_m), 0, 10 },
    { "erase", NUMBER, FIELD(erase), 0, 1 },
    { "filter", FILTER, FIELD(filter), 0, 0 },
#undef FIELD
};
enum { N_KEYS = sizeof keys / sizeof *keys };

static double *numbers(const eff_augment *a, const struct key *k)
{
    return (void *)((char *)(uintptr_t)a + k->field);
}

static bool read_number(const char *s, size_t n, const struct key *k, double *v)
{
    return eff_number_read(s, n, v) && *v >= k->lo && *v <= k->hi;
}

static eff_status read_range(double *v, const struct key *k, const char *text, eff_error *err)
{
    const size_t first = strcspn(text, ":");
    double lo, hi;
    if (!text[first] || !read_number(text, first, k, &lo) ||
        !read_number(text + first + 1, strlen(text + first + 1), k, &hi) || lo > hi)
        return eff_fail(err, EFF_EARG, "augmentation %s: expected LOW:HIGH within %g..%g, found '%.40s'", k->name,
                        k->lo, k->hi, text);
    v[0] = lo;
    v[1] = hi;
    return EFF_OK;
}

static eff_status read_choice(int *v, const struct key *k, const char *const *names, const char *text, eff_error *err)
{
    char known[100] = "";
    for (int i = 0; names[i]; i++) {
        if (!strcmp(text, names[i])) {
            *v = i;
            return EFF_OK;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? " " : "", names[i]);
    }
    return eff_fail(err, EFF_EARG, "augmentation %s: expected one of %s; found '%.40s'", k->name, known, text);
}

static eff_status read_value(eff_augment *a, const struct key *k, const char *text, eff_error *err)
{
    double v;
    int choice = 0;
    eff_status s = EFF_OK;
    switch (k->kind) {
    case RANGE: return read_range(numbers(a, k), k, text, err);
    case POLICY:
        s = read_choice(&choice, k, policy_names, text, err);
        if (s == EFF_OK) a->policy = (eff_auto_policy)choice;
        return s;
    case FILTER:
        s = read_choice(&choice, k, filter_names, text, err);
        if (s == EFF_OK) a->filter = (eff_filter)choice;
        return s;
    default: break;
    }
    if (!read_number(text, strlen(text), k, &v) || (k->kind == WHOLE && v != (int)v))
        return eff_fail(err, EFF_EARG, "augmentation %s: expected %s %g..%g, found '%.40s'", k->name,
                        k->kind == WHOLE ? "a whole number" : "a number", k->lo, k->hi, text);
    if (k->kind == WHOLE)
        *(int *)(void *)numbers(a, k) = (int)v;
    else
        *numbers(a, k) = v;
    return EFF_OK;
}

static eff_status fail_key(const char *name, eff_error *err)
{
    const char *names[N_KEYS];
    char known[160] = "";
    for (int i = 0; i < N_KEYS; i++) {
        names[i] = keys[i].name;
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? " " : "", names[i]);
    }
    const char *const near = eff_nearest_name(name, names, N_KEYS);
    if (near) return eff_fail(err, EFF_EARG, "augmentation key '%.40s' is not one; did you mean %s?", name, near);
    return eff_fail(err, EFF_EARG, "augmentation key '%.40s': expected one of %s", name, known);
}

/* `spec` is cut up in place. */
static eff_status read_keys(eff_augment *a, char *spec, eff_error *err)
{
    unsigned seen = 0;
    for (char *item = spec, *next; item; item = next) {
        next = strchr(item, ',');
        if (next) *next++ = '\0';
        char *const value = strchr(item, '=');
        if (!value)
            return eff_fail(err, EFF_EARG, "augmentation: expected key=value after the preset, found '%.40s'", item);
        *value = '\0';
        int k = 0;
        while (k < N_KEYS && strcmp(item, keys[k].name) != 0) k++;
        if (k == N_KEYS) return fail_key(item, err);
        if (seen & 1u << k) return eff_fail(err, EFF_EARG, "augmentation %s: was given already", item);
        seen |= 1u << k;
        const eff_status s = read_value(a, &keys[k], value + 1, err);
        if (s != EFF_OK) return s;
    }
    return EFF_OK;
}

eff_status eff_augment_preset(eff_augment *a, const char *name, eff_error *err)
{
    const char *names[N_PRESETS];
    char known[160] = "";
    for (int i = 0; i < N_PRESETS; i++) {
        names[i] = presets[i].name;
        if (!strcmp(name, names[i])) {
            char rule[160];
            snprintf(rule, sizeof rule, "%s", presets[i].rule);
            *a = plain;
            return *rule ? read_keys(a, rule, err) : EFF_OK;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? " " : "", names[i]);
    }
    const char *const near = eff_nearest_name(name, names, N_PRESETS);
    if (near) return eff_fail(err, EFF_EARG, "augmentation preset '%.40s' is not one; did you mean %s?", name, near);
    return eff_fail(err, EFF_EARG, "augmentation: expected key=value or one of %s; found '%.40s'", known, name);
}

/* `spec` is cut up in place. */
static eff_status read_spec(eff_augment *a, char *spec, eff_error *err)
{
    char *const comma = strchr(spec, ','), *const value = strchr(spec, '=');
    if (value && (!comma || value < comma)) return read_keys(a, spec, err); /* no preset in front */
    if (comma) *comma = '\0';
    const eff_status s = eff_augment_preset(a, spec, err);
    return s == EFF_OK && comma ? read_keys(a, comma + 1, err) : s;
}

eff_status eff_augment_read(eff_augment *a, const char *spec, eff_error *err)
{
    char *const copy = eff_strdup(spec);
    if (!copy) return eff_fail_memory(err, strlen(spec) + 1);
    eff_augment b = *a;
    const eff_status s = read_spec(&b, copy, err);
    eff_free(copy);
    if (s == EFF_OK) *a = b;
    return s;
}

/* ------------------------------------------------------------------------------------------------- writing */

/** The fewest digits that read back to the same number. */
static void write_number(char out[32], double v)
{
    for (int digits = 1; digits <= 17; digits++) {
        double back;
        const int n = eff_number_print(out, 32, "%.*g", digits, v);
        if (eff_number_read(out, (size_t)n, &back) && back == v) return;
    }
}

static void write_value(char out[80], const eff_augment *a, const struct key *k)
{
    char v[2][32];
    switch (k->kind) {
    case NUMBER: write_number(out, *numbers(a, k)); break;
    case RANGE:
        write_number(v[0], numbers(a, k)[0]);
        write_number(v[1], numbers(a, k)[1]);
        snprintf(out, 80, "%s:%s", v[0], v[1]);
        break;
    case WHOLE: snprintf(out, 80, "%d", *(const int *)(const void *)numbers(a, k)); break;
    case POLICY: snprintf(out, 80, "%s", policy_names[a->policy]); break;
    case FILTER: snprintf(out, 80, "%s", filter_names[a->filter]); break;
    }
}

/* "none" and what differs from it, which stays true when other presets change. */
int eff_augment_write(const eff_augment *a, char *buf, size_t size)
{
    int n = snprintf(buf, size, "none");
    for (int k = 0; k < N_KEYS; k++) {
        char v[80], usual[80];
        write_value(v, a, &keys[k]);
        write_value(usual, &plain, &keys[k]);
        if (!strcmp(v, usual)) continue;
        const size_t at = (size_t)n < size ? (size_t)n : size;
        n += snprintf(buf ? buf + at : NULL, size - at, ",%s=%s", keys[k].name, v);
    }
    return n;
}
