/* SPDX-License-Identifier: Apache-2.0 */
/* A folder is walked by a work list, never by recursion; a real directory is visited once however many links lead to
 * it, so loops and fans of links end. Links are followed last and in the order of their names: a folder that is reached
 * in two ways is always reached in the same one, whatever order the file system lists it in. */
#define _GNU_SOURCE
#include "data/walk.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef struct dir_id {
    dev_t dev;
    ino_t ino;
    bool used;
} dir_id;

typedef struct paths {
    char **path;
    size_t n, room;
} paths;

struct eff_walk {
    dir_id *seen; /* hash set of known directories, at most half full */
    size_t slots, used;
    paths todo;  /* directories still to read */
    paths links; /* links to directories, for when that is done */
};

char *eff_path_join(const char *dir, const char *name)
{
    const size_t a = strlen(dir), b = strlen(name);
    const bool slash = a > 0 && dir[a - 1] != '/';
    char *p = eff_malloc(a + slash + b + 1);
    if (!p) return NULL;
    memcpy(p, dir, a); /* the end comes with the name: NOLINT(bugprone-not-null-terminated-result) */
    if (slash) p[a] = '/';
    memcpy(p + a + slash, name, b + 1);
    return p;
}

char *eff_path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? eff_strndup(path, (size_t)(slash - path) + 1) : eff_strdup("");
}

bool eff_path_is_image(const char *name)
{
    static const char *const suffix[] = { "jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "avif", "avifs" };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof suffix / sizeof *suffix; i++)
        if (!strcasecmp(dot + 1, suffix[i])) return true;
    return false;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool eff_walk_is_shortage(int e) { return e == ENOMEM || e == EMFILE || e == ENFILE; }

/* ---------------------------------------------------------------------------------- what is known already */

static size_t slot_of(const dir_id *t, size_t slots, dev_t dev, ino_t ino)
{
    const uint64_t h = ((uint64_t)ino ^ ((uint64_t)dev << 40)) * 0x9E3779B97F4A7C15u;
    size_t i = (size_t)(h >> 20) & (slots - 1);
    while (t[i].used && (t[i].dev != dev || t[i].ino != ino)) i = (i + 1) & (slots - 1);
    return i;
}

static eff_status visit(eff_walk *w, const struct stat *st, bool *fresh, eff_error *err)
{
    if (2 * w->used >= w->slots) {
        const size_t slots = w->slots ? 2 * w->slots : 64;
        dir_id *t = eff_calloc(slots, sizeof *t);
        if (!t) return eff_fail_memory(err, slots * sizeof *t);
        for (size_t i = 0; i < w->slots; i++)
            if (w->seen[i].used) t[slot_of(t, slots, w->seen[i].dev, w->seen[i].ino)] = w->seen[i];
        eff_free(w->seen);
        w->seen = t;
        w->slots = slots;
    }
    dir_id *d = &w->seen[slot_of(w->seen, w->slots, st->st_dev, st->st_ino)];
    *fresh = !d->used;
    if (*fresh) {
        *d = (dir_id){ st->st_dev, st->st_ino, true };
        w->used++;
    }
    return EFF_OK;
}

eff_status eff_walk_remember(eff_walk *w, const char *dir, bool *fresh, eff_error *err)
{
    struct stat st;
    *fresh = true;
    return stat(dir, &st) == 0 ? visit(w, &st, fresh, err) : EFF_OK;
}

/* ------------------------------------------------------------------------------------------------ walking */

static eff_status enqueue(paths *q, char *path, eff_error *err)
{
    if (!path) return eff_fail_memory(err, PATH_MAX);
    if (q->n == q->room) {
        const size_t room = q->room ? 2 * q->room : 16;
        char **p = eff_realloc(q->path, room * sizeof *p);
        if (!p) {
            eff_free(path);
            return eff_fail_memory(err, room * sizeof *p);
        }
        q->path = p;
        q->room = room;
    }
    q->path[q->n++] = path;
    return EFF_OK;
}

static void paths_free(paths *q)
{
    for (size_t i = 0; i < q->n; i++) eff_free(q->path[i]);
    eff_free(q->path);
    *q = (paths){ 0 };
}

/* A directory is read unless that was done. Takes `path` over. */
static eff_status take_folder(eff_walk *w, char *path, const struct stat *st, eff_found_fn *fn, void *ctx,
                              eff_error *err)
{
    bool fresh = false;
    const eff_status s = visit(w, st, &fresh, err);
    if (s != EFF_OK) {
        eff_free(path);
        return s;
    }
    return fresh ? enqueue(&w->todo, path, err) : fn(ctx, path, last_part(path), EFF_FOUND_AGAIN, err);
}

/* One name found in a directory. Takes `path` over. */
static eff_status take_entry(eff_walk *w, char *path, eff_found_fn *fn, void *ctx, eff_error *err)
{
    if (!path) return eff_fail_memory(err, PATH_MAX);
    struct stat st, own;
    const char *const name = last_part(path);
    if (stat(path, &st) != 0) return fn(ctx, path, name, EFF_FOUND_BROKEN, err);
    if (!S_ISDIR(st.st_mode)) return fn(ctx, path, name, S_ISREG(st.st_mode) ? EFF_FOUND_FILE : EFF_FOUND_OTHER, err);
    if (lstat(path, &own) == 0 && S_ISLNK(own.st_mode)) return enqueue(&w->links, path, err);
    return take_folder(w, path, &st, fn, ctx, err);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)b, *(char *const *)a); }

/* The first link by name; a few links are sorted again, not many. */
static eff_status follow_link(eff_walk *w, eff_found_fn *fn, void *ctx, eff_error *err)
{
    qsort(w->links.path, w->links.n, sizeof *w->links.path, by_name);
    char *const path = w->links.path[--w->links.n];
    struct stat st;
    if (stat(path, &st) != 0) return fn(ctx, path, last_part(path), EFF_FOUND_BROKEN, err);
    return take_folder(w, path, &st, fn, ctx, err);
}

static eff_status read_folder(eff_walk *w, char *at, eff_found_fn *fn, void *ctx, eff_error *err)
{
    DIR *d = opendir(at);
    if (!d && !eff_walk_is_shortage(errno)) return fn(ctx, at, last_part(at), EFF_FOUND_CLOSED, err);
    eff_status s = d ? EFF_OK : eff_fail(err, EFF_EIO, "folder %s: %s", at, strerror(errno));
    for (struct dirent *e; s == EFF_OK && (e = readdir(d));)
        if (e->d_name[0] != '.') s = take_entry(w, eff_path_join(at, e->d_name), fn, ctx, err);
    if (d) closedir(d);
    eff_free(at);
    return s;
}

eff_status eff_walk_tree(eff_walk *w, const char *dir, eff_found_fn *fn, void *ctx, eff_error *err)
{
    bool fresh;
    eff_status s = eff_walk_remember(w, dir, &fresh, err);
    if (s == EFF_OK) s = enqueue(&w->todo, eff_strdup(dir), err);
    while (s == EFF_OK && w->todo.n + w->links.n)
        s = w->todo.n ? read_folder(w, w->todo.path[--w->todo.n], fn, ctx, err) : follow_link(w, fn, ctx, err);
    paths_free(&w->todo);
    paths_free(&w->links);
    return s;
}

eff_status eff_walk_create(eff_walk **out, eff_error *err)
{
    *out = eff_calloc(1, sizeof **out);
    return *out ? EFF_OK : eff_fail_memory(err, sizeof **out);
}

void eff_walk_free(eff_walk *w)
{
    if (!w) return;
    eff_free(w->seen);
    eff_free(w);
}
