/* SPDX-License-Identifier: Apache-2.0 */
/* A set written down as a CSV that opens to the same set. Files below the CSV's folder are named relative to it, so
 * that both can be moved together; others by their whole path. */
#define _GNU_SOURCE
#include "data/dataset.h"

#include "base/file.h"
#include "base/mem.h"
#include "data/csv.h"
#include "data/walk.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Take out what changes nothing: double slashes and "." parts. ".." stays, it may lead through a link. */
static void tidy(char *path)
{
    char *to = path;
    for (const char *p = path; *p;) {
        if (*p == '/' && (p[1] == '/' || (p[1] == '.' && (p[2] == '/' || !p[2])))) {
            p += p[1] == '/' ? 1 : 2;
            if (!*p && to == path) *to++ = '/';
            continue;
        }
        *to++ = *p++;
    }
    *to = 0;
}

/* The path from the root on; NULL when memory ends. */
static char *whole(const char *here, const char *path)
{
    char *const p = *path == '/' ? eff_strdup(path) : eff_path_join(here, path);
    if (p) tidy(p);
    return p;
}

/* `path` as seen from `folder`, which has no slash at its end. */
static const char *below(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    return !strncmp(path, folder, n) && path[n] == '/' ? path + n + 1 : NULL;
}

typedef struct places {
    char *here;   /* working folder                                                       */
    char *folder; /* the CSV's, as it was given, and with all links followed (or NULL)    */
    char *real;
} places;

static eff_status find_places(places *w, const char *path, eff_error *err)
{
    char *const here = getcwd(NULL, 0), *folder = eff_path_folder(path);
    eff_status s = EFF_OK;
    w->here = eff_strdup(here ? here : "/");
    if (!w->here || !folder || !(w->folder = whole(w->here, *folder ? folder : ".")))
        s = eff_fail_memory(err, PATH_MAX);
    if (s == EFF_OK && w->folder[0]) {
        const size_t n = strlen(w->folder);
        if (n > 1 && w->folder[n - 1] == '/') w->folder[n - 1] = 0;
        w->real = realpath(w->folder, NULL); /* where there is no such folder, saving says so */
    }
    free(here);
    eff_free(folder);
    return s;
}

static eff_status put_sample(FILE *f, const eff_dataset *d, const places *w, const eff_sample *s, eff_error *err)
{
    static const char *const parts[] = { "train", "val", "test" };
    char *const path = whole(w->here, s->path);
    if (!path) return eff_fail_memory(err, PATH_MAX);
    const char *rel = below(path, w->folder);
    if (!rel && w->real) rel = below(path, w->real);
    eff_csv_put(f, rel ? rel : path);
    putc(',', f);
    eff_csv_put(f, d->class_name[s->label]);
    putc(',', f);
    eff_csv_put(f, s->group ? s->group : "");
    fprintf(f, ",%s\n", parts[s->part]);
    eff_free(path);
    return EFF_OK;
}

eff_status eff_dataset_save(const eff_dataset *d, const char *path, eff_error *err)
{
    if (!d || !path) return eff_fail(err, EFF_EARG, "set: expected a set and a path, found NULL");
    places w = { 0 };
    eff_save save = { 0 };
    eff_status s = find_places(&w, path, err);
    if (s == EFF_OK) s = eff_save_begin(&save, path, err);
    if (s == EFF_OK) fputs("path,label,group,split\n", save.f);
    for (size_t i = 0; i < d->n && s == EFF_OK; i++) s = put_sample(save.f, d, &w, &d->sample[i], err);
    if (s == EFF_OK)
        s = eff_save_commit(&save, err);
    else
        eff_save_abort(&save);
    eff_free(w.here);
    eff_free(w.folder);
    free(w.real);
    return s;
}
