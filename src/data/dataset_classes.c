/* SPDX-License-Identifier: Apache-2.0 */
/* Which classes a set has, and in which order; what is worth saying about it. Classes come from the training images
 * alone, so that what is validated or tested on never decides what is learnt; a model that is trained further brings
 * its own. */
#include "data/dataset.h"

#include "base/mem.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ALIKE = 20 }; /* remarks of one kind; the rest are counted */

/** A class as it was found, before it is one. */
typedef struct candidate {
    const char *name;
    size_t train, val, test; /* readable images; those still to be split count as training */
    int label;               /* or -1 */
    const char *reason;      /* why its images are left out */
} candidate;

typedef struct settling {
    eff_dataset *d;
    const eff_model *model;
    candidate *c;
    size_t n;
} settling;

/* ---------------------------------------------------------------------------------------------------- candidates */

static int by_note(const void *a, const void *b)
{
    return strcmp(((const eff_note *)a)->path, ((const eff_note *)b)->path);
}
static int by_name(const void *a, const void *b)
{
    return strcmp(((const candidate *)a)->name, ((const candidate *)b)->name);
}

static candidate *candidate_of(const settling *t, const char *name)
{
    const candidate key = { .name = name };
    return bsearch(&key, t->c, t->n, sizeof key, by_name);
}

static eff_status find_candidates(settling *t, eff_error *err)
{
    eff_dataset *const d = t->d;
    eff_notes *const f = &d->found;
    if (f->n) qsort(f->note, f->n, sizeof *f->note, by_note);
    t->c = eff_calloc(f->n, sizeof *t->c);
    if (!t->c) return eff_fail_memory(err, f->n * sizeof *t->c);
    for (size_t i = 0; i < f->n; i++)
        if (!t->n || strcmp(t->c[t->n - 1].name, f->note[i].path) != 0)
            t->c[t->n++] = (candidate){ .name = f->note[i].path, .label = -1 };
    for (size_t i = 0; i < d->n; i++) {
        if (d->sample[i].reason) continue;
        candidate *const c = candidate_of(t, d->sample[i].name);
        if (d->sample[i].part <= EFF_PART_TRAIN)
            c->train++;
        else if (d->sample[i].part == EFF_PART_VAL)
            c->val++;
        else
            c->test++;
    }
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------------------ remarks */

/** A remark on one of many alike: the first are made, the rest only counted. */
#define REMARK(count, ...)                                                                                             \
    (++*(count) > MOST_ALIKE ? EFF_OK : eff_dataset_add_remark(d, eff_dataset_print(d, __VA_ARGS__), err))

static eff_status remark_rest(eff_dataset *d, size_t count, const char *what, eff_error *err)
{
    if (count <= MOST_ALIKE) return EFF_OK;
    return eff_dataset_add_remark(d, eff_dataset_print(d, "%zu more: %s", count - MOST_ALIKE, what), err);
}

/* Why a class is left out, once as a remark and once for its images. */
static eff_status leave_out(settling *t, candidate *c, size_t *count, eff_error *err)
{
    eff_dataset *const d = t->d;
    const size_t usable = c->train + c->val;
    if (!usable && !c->test) return REMARK(count, "class '%.200s' has no image that can be read: left out", c->name);
    if (t->model)
        c->reason = eff_dataset_print(d, "the model has no class '%.200s'", c->name);
    else if (!c->train)
        c->reason = eff_dataset_print(d, "class '%.200s' has no image to train on", c->name);
    else
        c->reason = eff_dataset_print(d, "class '%.200s' has %zu image%s, at least %d are needed", c->name, usable,
                                      usable == 1 ? "" : "s", d->min_images);
    if (!c->reason) return eff_fail_memory(err, strlen(c->name));
    return REMARK(count, "%s: left out", c->reason);
}

/* ------------------------------------------------------------------------------------------------------- classes */

static eff_status name_classes(settling *t, eff_error *err)
{
    eff_dataset *const d = t->d;
    const int most = t->model ? eff_model_get_info(t->model)->classes : (int)t->n;
    d->class_name = eff_calloc((size_t)most, sizeof *d->class_name);
    if (!d->class_name) return eff_fail_memory(err, (size_t)most * sizeof *d->class_name);
    size_t out = 0;
    eff_status s = EFF_OK;
    for (size_t i = 0; i < t->n && s == EFF_OK; i++) {
        candidate *const c = &t->c[i];
        if (t->model && c->train + c->val + c->test)
            c->label = eff_model_find_class(t->model, c->name);
        else if (!t->model && c->train && c->train + c->val >= (size_t)d->min_images)
            c->label = d->classes;
        if (c->label < 0)
            s = leave_out(t, c, &out, err);
        else if (!t->model)
            d->class_name[d->classes++] = c->name;
    }
    if (s == EFF_OK) s = remark_rest(d, out, "classes that are left out", err);
    for (int c = 0; c < most && s == EFF_OK && t->model; c++) {
        const char *const name = eff_model_class_name(t->model, c);
        d->class_name[c] = name ? eff_dataset_keep(d, name, strlen(name)) : eff_dataset_print(d, "%d", c);
        if (!d->class_name[c]) s = eff_fail_memory(err, EFF_META_LINE);
    }
    if (t->model) d->classes = most;
    return s;
}

static void give_labels(const settling *t)
{
    for (size_t i = 0; i < t->d->n; i++) {
        eff_sample *const s = &t->d->sample[i];
        if (s->reason) continue;
        const candidate *const c = candidate_of(t, s->name);
        s->label = c->label;
        if (c->label < 0) s->reason = c->reason;
    }
}

/* A single class, or none, is no set. */
static eff_status expect_two(const settling *t, eff_error *err)
{
    const eff_dataset *const d = t->d;
    const candidate *only = NULL;
    for (size_t i = 0; i < t->n; i++) {
        if (t->c[i].label < 0 || !t->c[i].train) continue;
        if (only && t->c[i].label != only->label) return EFF_OK;
        only = &t->c[i];
    }
    char found[160], lost[240] = "";
    const char *why = d->excluded.n ? d->excluded.note[0].text : NULL,
               *which = d->excluded.n ? d->excluded.note[0].path : "";
    size_t out = d->excluded.n;
    for (size_t i = 0; i < d->n; i++) {
        if (!d->sample[i].reason) continue;
        if (!why) {
            why = d->sample[i].reason;
            which = d->sample[i].rel;
        }
        out++;
    }
    if (only)
        snprintf(found, sizeof found, "one, '%.80s'", only->name);
    else
        snprintf(found, sizeof found, "none");
    if (why) snprintf(lost, sizeof lost, " (%zu files left out; %.60s: %.100s)", out, which, why);
    return eff_fail(err, EFF_EFORMAT, "expected at least two classes with images to train on, found %s%s", found, lost);
}

/* ----------------------------------------------------------------------------------------------------- the split */

static eff_status split(eff_dataset *d, eff_error *err)
{
    bool bare = false, val = false;
    for (size_t i = 0; i < d->n; i++) {
        if (d->sample[i].reason) continue;
        bare |= d->sample[i].part < 0;
        val |= d->sample[i].part == EFF_PART_VAL;
    }
    if (!bare && val) {
        snprintf(d->origin, sizeof d->origin, "given");
        return EFF_OK;
    }
    for (size_t i = 0; i < d->n; i++) /* nothing to validate on is given: it is split off training */
        if (!val && d->sample[i].part == EFF_PART_TRAIN) d->sample[i].part = -1;
    d->made = true;
    snprintf(d->origin, sizeof d->origin, "made, seed %llu", (unsigned long long)d->seed);
    return eff_dataset_split(d, err);
}

static eff_status remark_on_classes(eff_dataset *d, eff_error *err)
{
    const size_t classes = (size_t)d->classes;
    size_t *const n = eff_calloc(2 * classes, sizeof *n), untrained = 0, unseen = 0;
    if (!n) return eff_fail_memory(err, 2 * classes * sizeof *n);
    for (size_t i = 0; i < d->n; i++)
        if (!d->sample[i].reason && d->sample[i].part <= EFF_PART_VAL)
            n[(size_t)d->sample[i].part * classes + (size_t)d->sample[i].label]++;
    eff_status s = EFF_OK;
    for (size_t c = 0; c < classes && s == EFF_OK; c++) {
        const size_t train = n[c], val = n[classes + c];
        if (!train)
            s = REMARK(&untrained, "class '%.200s' has no image to train on", d->class_name[c]);
        else if (!val && train > 1 && d->made)
            s = REMARK(&unseen,
                       "class '%.200s': its %zu images belong together (one group, or the same bytes), none is left to "
                       "validate on",
                       d->class_name[c], train);
        else if (!val)
            s = REMARK(&unseen, "class '%.200s' has %zu image%s to train on and none to validate on", d->class_name[c],
                       train, train == 1 ? "" : "s");
    }
    if (s == EFF_OK) s = remark_rest(d, untrained, "classes without an image to train on", err);
    if (s == EFF_OK) s = remark_rest(d, unseen, "classes without an image to validate on", err);
    eff_free(n);
    return s;
}

/* ----------------------------------------------------------------------------------------------- what lies twice */

typedef struct pair {
    const eff_sample *a, *b; /* a comes first */
} pair;

static int by_digest(const void *a, const void *b)
{
    const eff_sample *const x = ((const pair *)a)->b, *const y = ((const pair *)b)->b;
    const int c = memcmp(x->digest, y->digest, EFF_DIGEST);
    return c ? c : x < y ? -1 : x > y;
}

static int by_group(const void *a, const void *b)
{
    const eff_sample *const x = ((const pair *)a)->b, *const y = ((const pair *)b)->b;
    const int c = strcmp(x->group, y->group);
    return c ? c : x < y ? -1 : x > y;
}

static int by_place(const void *a, const void *b)
{
    const eff_sample *const x = ((const pair *)a)->b, *const y = ((const pair *)b)->b;
    return x < y ? -1 : x > y;
}

static bool same(const eff_sample *x, const eff_sample *y, bool group)
{
    return group ? !strcmp(x->group, y->group) : !memcmp(x->digest, y->digest, EFF_DIGEST);
}

/* Pairs of images that are the same, or of one group, put back into the order of the set. @return their number */
static size_t find_pairs(const eff_dataset *d, pair *p, bool group)
{
    size_t n = 0, pairs = 0;
    for (size_t i = 0; i < d->n; i++)
        if (!d->sample[i].reason && (!group || d->sample[i].group)) p[n++].b = &d->sample[i];
    if (n) qsort(p, n, sizeof *p, group ? by_group : by_digest);
    for (size_t i = 1, first = 0; i < n; i++) {
        if (!same(p[first].b, p[i].b, group))
            p[first = i].a = NULL;
        else
            p[i].a = p[first].b;
    }
    for (size_t i = 0; i < n; i++)
        if (p[i].a) p[pairs++] = p[i];
    if (pairs) qsort(p, pairs, sizeof *p, by_place);
    return pairs;
}

static eff_status remark_on_pairs(eff_dataset *d, eff_error *err)
{
    static const char *const in[] = { "training", "validation", "testing" };
    pair *const p = eff_calloc(d->n, sizeof *p);
    if (!p) return eff_fail_memory(err, d->n * sizeof *p);
    eff_status s = EFF_OK;
    size_t leaks = 0, doubts = 0, copies = 0, groups = 0;
    const size_t n = find_pairs(d, p, false);
    for (size_t i = 0; i < n && s == EFF_OK; i++) {
        const eff_sample *const a = p[i].a, *const b = p[i].b;
        if (a->part != b->part)
            s = REMARK(&leaks, "the same bytes on both sides of the split: %.200s (%s) and %.200s (%s)", a->rel,
                       in[a->part], b->rel, in[b->part]);
        else if (a->label != b->label)
            s = REMARK(&doubts, "the same bytes in two classes: %.200s and %.200s", a->rel, b->rel);
        else
            copies++;
    }
    if (s == EFF_OK) s = remark_rest(d, leaks, "files on both sides of the split", err);
    if (s == EFF_OK) s = remark_rest(d, doubts, "files in two classes", err);
    if (s == EFF_OK && copies)
        s = eff_dataset_add_remark(d,
                                   eff_dataset_print(d, "%zu file%s the same bytes as another of the same class",
                                                     copies, copies == 1 ? " has" : "s have"),
                                   err);
    for (size_t i = 0; i < d->n; i++) p[i].a = NULL;
    const size_t m = find_pairs(d, p, true);
    for (size_t i = 0; i < m && s == EFF_OK; i++)
        if (p[i].a->part != p[i].b->part)
            s = REMARK(&groups, "group '%.200s' is on both sides of the split: %.200s (%s) and %.200s (%s)",
                       p[i].b->group, p[i].a->rel, in[p[i].a->part], p[i].b->rel, in[p[i].b->part]);
    if (s == EFF_OK) s = remark_rest(d, groups, "images of groups on both sides of the split", err);
    eff_free(p);
    return s;
}

eff_status eff_dataset_settle(eff_dataset *d, const eff_model *m, eff_error *err)
{
    settling t = { .d = d, .model = m };
    eff_status s = find_candidates(&t, err);
    if (s == EFF_OK) s = name_classes(&t, err);
    if (s == EFF_OK) s = expect_two(&t, err);
    if (s == EFF_OK) {
        give_labels(&t);
        s = split(d, err);
    }
    if (s == EFF_OK) s = remark_on_classes(d, err);
    if (s == EFF_OK) s = remark_on_pairs(d, err);
    eff_free(t.c);
    return s;
}
