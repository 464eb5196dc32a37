/* SPDX-License-Identifier: Apache-2.0 */
/* A set as its user sees it: opening runs the steps of dataset.h in order, after that nothing changes any more. Every
 * string of a set lies in blocks that are released together. */
#define _GNU_SOURCE
#include "data/dataset.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_BLOCK = 64 << 10, LINE = 2048 };

struct eff_text {
    eff_text *next;
    size_t used, room;
    char at[];
};

/* ------------------------------------------------------------------------------------------------- filling */

static char *take_room(eff_dataset *d, size_t n)
{
    if (!d->text || d->text->room - d->text->used < n) {
        const size_t room = n > TEXT_BLOCK ? n : TEXT_BLOCK;
        eff_text *const t = eff_malloc(sizeof *t + room);
        if (!t) return NULL;
        *t = (eff_text){ .next = d->text, .room = room };
        d->text = t;
    }
    char *const p = d->text->at + d->text->used;
    d->text->used += n;
    return p;
}

const char *eff_dataset_keep(eff_dataset *d, const char *text, size_t n)
{
    char *const p = take_room(d, n + 1);
    if (!p) return NULL;
    memcpy(p, text, n);
    p[n] = 0;
    return p;
}

const char *eff_dataset_print(eff_dataset *d, const char *fmt, ...)
{
    char line[LINE];
    va_list ap;
    va_start(ap, fmt);
    const int n = eff_number_vprint(line, sizeof line, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : eff_dataset_keep(d, line, strlen(line));
}

/* Room for one more of `size` bytes in an array that doubles. */
static eff_status grow(void *array, size_t n, size_t *room, size_t size, eff_error *err)
{
    if (n < *room) return EFF_OK;
    void **const p = array;
    const size_t more = *room ? 2 * *room : 64;
    size_t bytes;
    void *const q = eff_mul(more, size, &bytes) ? eff_realloc(*p, bytes) : NULL;
    if (!q) return eff_fail_memory(err, more * size);
    *p = q;
    *room = more;
    return EFF_OK;
}

eff_status eff_dataset_add(eff_dataset *d, const eff_sample *s, eff_error *err)
{
    if (!s->path || !s->rel || !s->name) return eff_fail_memory(err, PATH_MAX);
    const eff_status st = grow(&d->sample, d->n, &d->room, sizeof *d->sample, err);
    if (st == EFF_OK) d->sample[d->n++] = *s;
    return st;
}

static eff_status add_note(eff_notes *l, const char *path, const char *text, eff_error *err)
{
    if (!path || !text) return eff_fail_memory(err, PATH_MAX);
    const eff_status st = grow(&l->note, l->n, &l->room, sizeof *l->note, err);
    if (st == EFF_OK) l->note[l->n++] = (eff_note){ path, text };
    return st;
}

eff_status eff_dataset_found(eff_dataset *d, const char *class_name, eff_error *err)
{
    return add_note(&d->found, class_name, "", err);
}

/* A copy to show on one line, whatever the name holds. */
static const char *keep_line(eff_dataset *d, const char *text)
{
    size_t n = strlen(text);
    char *const p = take_room(d, n + 1);
    if (!p) return NULL;
    memcpy(p, text, n + 1);
    for (char *at = p; n;) {
        const size_t len = eff_utf8_length(at, n);
        if (!len || (unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
        at += len ? len : 1;
        n -= len ? len : 1;
    }
    return p;
}

eff_status eff_dataset_exclude(eff_dataset *d, const char *rel, const char *reason, eff_error *err)
{
    if (rel && !eff_utf8_is_line(rel, strlen(rel))) rel = keep_line(d, rel);
    return add_note(&d->excluded, rel, reason, err);
}

eff_status eff_dataset_add_remark(eff_dataset *d, const char *text, eff_error *err)
{
    return add_note(&d->remarks, "", text, err);
}

/* ------------------------------------------------------------------------------------------------ finishing */

static int by_path(const void *a, const void *b)
{
    const eff_note *x = a, *y = b;
    const int c = strcmp(x->path, y->path);
    return c ? c : strcmp(x->text, y->text);
}

/* Move what dropped out to the list of exclusions, order the rest by part, each part as it was read. */
static eff_status finish(eff_dataset *d, eff_error *err)
{
    eff_sample *const in_order = eff_malloc(d->n * sizeof *in_order);
    if (!in_order) return eff_fail_memory(err, d->n * sizeof *in_order);
    size_t n = 0;
    eff_status s = EFF_OK;
    for (int part = 0; part < EFF_PARTS; part++) {
        d->first[part] = n;
        for (size_t i = 0; i < d->n; i++)
            if (!d->sample[i].reason && d->sample[i].part == part) in_order[n++] = d->sample[i];
    }
    d->first[EFF_PARTS] = n;
    for (size_t i = 0; i < d->n && s == EFF_OK; i++)
        if (d->sample[i].reason) s = eff_dataset_exclude(d, d->sample[i].rel, d->sample[i].reason, err);
    eff_free(d->sample);
    d->sample = in_order;
    d->n = d->room = n;
    if (d->excluded.n) qsort(d->excluded.note, d->excluded.n, sizeof *d->excluded.note, by_path);
    return s;
}

static eff_status count(eff_dataset *d, eff_error *err)
{
    const size_t classes = (size_t)d->classes;
    d->class_count = eff_calloc(EFF_PARTS * classes, sizeof *d->class_count);
    if (!d->class_count) return eff_fail_memory(err, EFF_PARTS * classes * sizeof *d->class_count);
    for (size_t i = 0; i < d->n; i++)
        d->class_count[(size_t)d->sample[i].part * classes + (size_t)d->sample[i].label]++;
    return EFF_OK;
}

/* Of what the files hold, not of where they are: a set that was moved, or is read from its saved split, is the same
 * set. */
static uint64_t fingerprint(const eff_dataset *d)
{
    uint64_t h = EFF_HASH_START;
    for (int c = 0; c < d->classes; c++) h = eff_hash(h, d->class_name[c], strlen(d->class_name[c]) + 1);
    for (size_t i = 0; i < d->n; i++) {
        const eff_sample *const s = &d->sample[i];
        const int32_t facts[4] = { s->part, s->label, s->width, s->height };
        h = eff_hash(h, facts, sizeof facts);
        h = eff_hash(h, s->digest, sizeof s->digest);
        if (s->group) h = eff_hash(h, s->group, strlen(s->group));
    }
    return h;
}

/* ------------------------------------------------------------------------------------------ public functions */

void eff_dataset_opts_init(eff_dataset_opts *o) { *o = (eff_dataset_opts){ .val_fraction = 0.2, .min_images = 2 }; }

static eff_status check_opts(const eff_dataset_opts *o, eff_error *err)
{
    if (!(o->val_fraction > 0 && o->val_fraction < 1))
        return eff_fail(err, EFF_EARG, "part for validation: expected a fraction between 0 and 1, found %g",
                        o->val_fraction);
    if (o->min_images < 0)
        return eff_fail(err, EFF_EARG, "least images of a class: expected 0 or more, found %d", o->min_images);
    return EFF_OK;
}

static eff_status read_all(eff_dataset *d, const char *path, eff_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return eff_fail(err, EFF_EFORMAT, "%s", errno == ENOENT ? "no such file or folder" : strerror(errno));
    return S_ISDIR(st.st_mode) ? eff_dataset_read_folder(d, path, err) : eff_dataset_read_csv(d, path, err);
}

eff_status eff_dataset_open(eff_dataset **out, const char *path, const eff_dataset_opts *o, eff_error *err)
{
    if (!out || !path) return eff_fail(err, EFF_EARG, "set: expected a path, found NULL");
    *out = NULL;
    eff_dataset_opts defaults;
    eff_dataset_opts_init(&defaults);
    if (!o) o = &defaults;
    eff_status s = check_opts(o, err);
    if (s != EFF_OK) return s;
    eff_dataset *const d = eff_calloc(1, sizeof *d);
    if (!d) return eff_fail_memory(err, sizeof *d);
    d->seed = o->seed;
    d->val_fraction = o->val_fraction;
    d->min_images = o->min_images;
    s = read_all(d, path, err);
    if (s == EFF_OK) s = eff_dataset_check(d, o, err);
    if (s == EFF_OK) s = eff_dataset_settle(d, o->model, err);
    if (s == EFF_OK) s = finish(d, err);
    if (s == EFF_OK) s = count(d, err);
    if (s == EFF_OK) d->fingerprint = fingerprint(d);
    if (s == EFF_OK)
        *out = d;
    else
        eff_dataset_free(d);
    return s;
}

void eff_dataset_free(eff_dataset *d)
{
    if (!d) return;
    for (eff_text *t = d->text, *next; t; t = next) {
        next = t->next;
        eff_free(t);
    }
    eff_free(d->sample);
    eff_free(d->found.note);
    eff_free(d->excluded.note);
    eff_free(d->remarks.note);
    eff_free(d->class_name);
    eff_free(d->class_count);
    eff_free(d);
}

int eff_dataset_classes(const eff_dataset *d) { return d->classes; }

const char *eff_dataset_class_name(const eff_dataset *d, int c)
{
    return c >= 0 && c < d->classes ? d->class_name[c] : NULL;
}

static bool is_part(eff_part part) { return (unsigned)part < EFF_PARTS; }

size_t eff_dataset_count(const eff_dataset *d, eff_part part)
{
    return is_part(part) ? d->first[part + 1] - d->first[part] : 0;
}

size_t eff_dataset_class_count(const eff_dataset *d, eff_part part, int c)
{
    return is_part(part) && c >= 0 && c < d->classes ? d->class_count[(size_t)part * (size_t)d->classes + (size_t)c]
                                                     : 0;
}

void eff_dataset_class_range(const eff_dataset *d, eff_part part, int *least, int *most)
{
    *least = (int)eff_dataset_count(d, part);
    *most = 0;
    for (int c = 0; c < d->classes; c++) {
        const int n = (int)eff_dataset_class_count(d, part, c);
        if (n < *least) *least = n;
        if (n > *most) *most = n;
    }
}

eff_item eff_dataset_item(const eff_dataset *d, eff_part part, size_t i)
{
    if (i >= eff_dataset_count(d, part)) return (eff_item){ .label = -1 };
    const eff_sample *const s = &d->sample[d->first[part] + i];
    return (eff_item){ .path = s->path, .label = s->label, .width = s->width, .height = s->height, .group = s->group };
}

const char *eff_dataset_excluded(const eff_dataset *d, size_t i, const char **reason)
{
    if (i >= d->excluded.n) return NULL;
    if (reason) *reason = d->excluded.note[i].text;
    return d->excluded.note[i].path;
}

const char *eff_dataset_remark(const eff_dataset *d, size_t i)
{
    return i < d->remarks.n ? d->remarks.note[i].text : NULL;
}

const char *eff_dataset_split_origin(const eff_dataset *d) { return d->origin; }

uint64_t eff_dataset_fingerprint(const eff_dataset *d) { return d->fingerprint; }
