/* SPDX-License-Identifier: Apache-2.0 */
/* Sets that are folders: train/ and val/ with class folders in each, or class folders alone. Every file below a class
 * folder counts, whatever it is called: its content decides later. Nothing is read twice: a folder that a second link
 * leads to stays with the first. */
#define _GNU_SOURCE
#include "data/dataset.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "data/walk.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef struct reading {
    eff_dataset *d;
    eff_walk *walk;
    size_t cut; /* bytes of a path in front of what is relative to the set */
    const char *name;
    int part;
} reading;

/* ------------------------------------------------------------------------------------------------- a folder */

typedef struct listing {
    char **name; /* folders, byte-sorted */
    size_t n;
} listing;

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void listing_free(listing *l)
{
    for (size_t i = 0; i < l->n; i++) eff_free(l->name[i]);
    eff_free(l->name);
    *l = (listing){ 0 };
}

static eff_status exclude_path(reading *r, const char *path, const char *reason, eff_error *err)
{
    const char *const rel = path + r->cut;
    return eff_dataset_exclude(r->d, eff_dataset_keep(r->d, rel, strlen(rel)), reason, err);
}

/* The folders in `dir`. Images beside them belong to no class and are noted; other files (a README) are none of our
 * business. */
static eff_status list_folders(reading *r, const char *dir, bool stray, listing *l, eff_error *err)
{
    *l = (listing){ 0 };
    DIR *const d = opendir(dir);
    if (!d)
        return eff_fail(err, eff_walk_is_shortage(errno) ? EFF_EIO : EFF_EFORMAT, "folder %s: %s", dir,
                        strerror(errno));
    eff_status s = EFF_OK;
    size_t room = 0;
    for (struct dirent *e; s == EFF_OK && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char *const path = eff_path_join(dir, e->d_name);
        struct stat st;
        if (!path) {
            s = eff_fail_memory(err, PATH_MAX);
        } else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            if (l->n == room) {
                room = room ? 2 * room : 64;
                char **const p = eff_realloc(l->name, room * sizeof *p);
                if (p) l->name = p;
                if (!p) s = eff_fail_memory(err, room * sizeof *p);
            }
            if (s == EFF_OK && !(l->name[l->n] = eff_strdup(e->d_name))) s = eff_fail_memory(err, NAME_MAX);
            if (s == EFF_OK) l->n++;
        } else if (stray && eff_path_is_image(e->d_name)) {
            s = exclude_path(r, path, "it lies in no class folder", err);
        }
        eff_free(path);
    }
    closedir(d);
    if (s == EFF_OK && l->n) qsort(l->name, l->n, sizeof *l->name, by_name);
    if (s != EFF_OK) listing_free(l);
    return s;
}

/* ------------------------------------------------------------------------------------------ a class's folder */

/* Something below a class folder. Takes `path` over. */
static eff_status take(void *ctx, char *path, const char *name, eff_found kind, eff_error *err)
{
    reading *const r = ctx;
    static const char *const reasons[] = {
        [EFF_FOUND_OTHER] = "it is a pipe, a socket or a device",
        [EFF_FOUND_BROKEN] = "it is a link that leads nowhere, or in a circle",
        [EFF_FOUND_CLOSED] = "the folder cannot be listed: no permission",
        [EFF_FOUND_AGAIN] = "it is a link to a folder that is read already",
    };
    (void)name;
    const char *reason = reasons[kind];
    if (!eff_utf8_is_line(path + r->cut, strlen(path + r->cut)))
        reason = "its name has control characters or is not UTF-8";
    eff_status s;
    if (reason) {
        s = exclude_path(r, path, reason, err);
    } else {
        eff_dataset *const d = r->d;
        const char *const kept = eff_dataset_keep(d, path, strlen(path));
        s = eff_dataset_add(
            d, &(eff_sample){ .path = kept, .rel = kept ? kept + r->cut : NULL, .name = r->name, .part = r->part },
            err);
    }
    eff_free(path);
    return s;
}

static eff_status read_class(reading *r, const char *path, const char *name, eff_error *err)
{
    if (!eff_utf8_is_line(name, strlen(name)))
        return exclude_path(r, path, "a class name: expected text of one line in UTF-8, found something else", err);
    r->name = eff_dataset_keep(r->d, name, strlen(name));
    const eff_status s = eff_dataset_found(r->d, r->name, err);
    return s == EFF_OK ? eff_walk_tree(r->walk, path, take, r, err) : s;
}

/* Every class folder is known before the first is read, so that a link from one into another is not followed. */
static eff_status know_classes(reading *r, const char *dir, const listing *l, bool *fresh, eff_error *err)
{
    eff_status s = EFF_OK;
    for (size_t i = 0; i < l->n && s == EFF_OK; i++) {
        char *const path = eff_path_join(dir, l->name[i]);
        s = path ? eff_walk_remember(r->walk, path, &fresh[i], err) : eff_fail_memory(err, PATH_MAX);
        if (s == EFF_OK && !fresh[i]) s = exclude_path(r, path, "the folder is read already under another name", err);
        eff_free(path);
    }
    return s;
}

static int by_rel(const void *a, const void *b)
{
    return strcmp(((const eff_sample *)a)->rel, ((const eff_sample *)b)->rel);
}

static eff_status read_classes(reading *r, const char *dir, const listing *l, const bool *fresh, eff_error *err)
{
    eff_status s = EFF_OK;
    const size_t first = r->d->n;
    for (size_t i = 0; i < l->n && s == EFF_OK; i++) {
        char *const path = eff_path_join(dir, l->name[i]);
        if (!path)
            s = eff_fail_memory(err, PATH_MAX);
        else if (fresh[i])
            s = read_class(r, path, l->name[i], err);
        eff_free(path);
    }
    if (s == EFF_OK && r->d->n > first) qsort(r->d->sample + first, r->d->n - first, sizeof *r->d->sample, by_rel);
    return s;
}

/* -------------------------------------------------------------------------------------------------- the parts */

static int part_of(const char *name)
{
    static const struct {
        const char *name;
        int part;
    } parts[] = { { "train", EFF_PART_TRAIN },
                  { "val", EFF_PART_VAL },
                  { "valid", EFF_PART_VAL },
                  { "validation", EFF_PART_VAL },
                  { "test", EFF_PART_TEST } };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strcasecmp(name, parts[i].name)) return parts[i].part;
    return -1;
}

/* Which of the folders are parts; none of them unless there is one to train on. */
static eff_status find_parts(reading *r, const listing *l, const char *part[EFF_PARTS], eff_error *err)
{
    eff_status s = EFF_OK;
    for (int p = 0; p < EFF_PARTS; p++) part[p] = NULL;
    for (size_t i = 0; i < l->n; i++) {
        const int p = part_of(l->name[i]);
        if (p >= 0 && part[p])
            return eff_fail(err, EFF_EFORMAT, "expected one folder for %s, found '%s' and '%s'",
                            p == EFF_PART_TRAIN ? "training"
                            : p == EFF_PART_VAL ? "validation"
                                                : "testing",
                            part[p], l->name[i]);
        if (p >= 0) part[p] = l->name[i];
    }
    if (!part[EFF_PART_TRAIN]) {
        if (part[EFF_PART_VAL])
            return eff_fail(err, EFF_EFORMAT, "expected a folder 'train' beside '%s', found none", part[EFF_PART_VAL]);
        part[EFF_PART_TEST] = NULL; /* a class called "test" */
        return EFF_OK;
    }
    for (size_t i = 0; i < l->n && s == EFF_OK; i++)
        if (part_of(l->name[i]) < 0)
            s = eff_dataset_add_remark(
                r->d, eff_dataset_print(r->d, "folder '%.200s' is none of train, val and test: not read", l->name[i]),
                err);
    return s;
}

typedef struct part_folder {
    char *path;
    listing classes;
    bool *fresh;
} part_folder;

static eff_status open_part(reading *r, part_folder *p, eff_error *err)
{
    if (!p->path) return eff_fail_memory(err, PATH_MAX);
    bool fresh;
    eff_status s = eff_walk_remember(r->walk, p->path, &fresh, err);
    if (s == EFF_OK && !fresh)
        return eff_fail(err, EFF_EFORMAT, "folder '%s': expected a folder of its own, found a link to another part",
                        p->path + r->cut);
    if (s == EFF_OK) s = list_folders(r, p->path, true, &p->classes, err);
    if (s != EFF_OK) return s;
    p->fresh = eff_calloc(p->classes.n, sizeof *p->fresh);
    return p->fresh ? know_classes(r, p->path, &p->classes, p->fresh, err) : eff_fail_memory(err, p->classes.n);
}

static eff_status read_parts(reading *r, const char *dir, const char *const name[EFF_PARTS], eff_error *err)
{
    part_folder part[EFF_PARTS] = { 0 };
    eff_status s = EFF_OK;
    for (int p = 0; p < EFF_PARTS && s == EFF_OK; p++) {
        if (!name[p]) continue;
        part[p].path = eff_path_join(dir, name[p]);
        s = open_part(r, &part[p], err);
    }
    for (int p = 0; p < EFF_PARTS && s == EFF_OK; p++) {
        if (!name[p]) continue;
        r->part = p;
        s = read_classes(r, part[p].path, &part[p].classes, part[p].fresh, err);
    }
    for (int p = 0; p < EFF_PARTS; p++) {
        eff_free(part[p].path);
        eff_free(part[p].fresh);
        listing_free(&part[p].classes);
    }
    return s;
}

static eff_status read_plain(reading *r, const char *dir, const listing *l, eff_error *err)
{
    bool *const fresh = eff_calloc(l->n, sizeof *fresh);
    if (!fresh) return eff_fail_memory(err, l->n);
    r->part = -1;
    eff_status s = know_classes(r, dir, l, fresh, err);
    if (s == EFF_OK) s = read_classes(r, dir, l, fresh, err);
    eff_free(fresh);
    return s;
}

eff_status eff_dataset_read_folder(eff_dataset *d, const char *path, eff_error *err)
{
    const size_t n = strlen(path);
    reading r = { .d = d, .cut = n + (n && path[n - 1] != '/') };
    listing l;
    const char *part[EFF_PARTS];
    bool fresh;
    eff_status s = eff_walk_create(&r.walk, err);
    if (s == EFF_OK) s = eff_walk_remember(r.walk, path, &fresh, err);
    if (s == EFF_OK) s = list_folders(&r, path, true, &l, err);
    if (s != EFF_OK) {
        eff_walk_free(r.walk);
        return s;
    }
    s = find_parts(&r, &l, part, err);
    if (s == EFF_OK) s = part[EFF_PART_TRAIN] ? read_parts(&r, path, part, err) : read_plain(&r, path, &l, err);
    listing_free(&l);
    eff_walk_free(r.walk);
    return s;
}
