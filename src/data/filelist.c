/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of image files, labelled or not. What cannot be listed (a folder without permission) stays in the list under
 * its own name, so that whoever opens it reports it. */
#define _GNU_SOURCE
#include <effnet/eval.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/walk.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LIST_LIMIT = 1 << 30 }; /* bytes of a LIST file */

typedef struct entry {
    char *path;
    int label;
} entry;

struct eff_filelist {
    entry *items; /* while the list is being made */
    size_t n, room;
    char **paths; /* then these two */
    int *labels;
};

/* ------------------------------------------------------------------------------------- growing the list */

/* Takes `path` over, also when it fails. */
static eff_status push(eff_filelist *l, char *path, int label, eff_error *err)
{
    if (!path) return eff_fail_memory(err, PATH_MAX);
    if (l->n == l->room) {
        const size_t room = l->room ? 2 * l->room : 64;
        size_t bytes;
        entry *p = eff_mul(room, sizeof *p, &bytes) ? eff_realloc(l->items, bytes) : NULL;
        if (!p) {
            eff_free(path);
            return eff_fail_memory(err, room * sizeof *p);
        }
        l->items = p;
        l->room = room;
    }
    l->items[l->n++] = (entry){ path, label };
    return EFF_OK;
}

static int by_path(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static void sort_from(eff_filelist *l, size_t first)
{
    if (l->n > first) qsort(l->items + first, l->n - first, sizeof *l->items, by_path);
}

/* Split the entries into the two arrays the caller sees. */
static eff_status finish(eff_filelist *l, eff_error *err)
{
    l->paths = eff_calloc(l->n, sizeof *l->paths);
    l->labels = eff_calloc(l->n, sizeof *l->labels);
    if (!l->paths || !l->labels) return eff_fail_memory(err, l->n * sizeof *l->paths);
    for (size_t i = 0; i < l->n; i++) {
        l->paths[i] = l->items[i].path;
        l->labels[i] = l->items[i].label;
        l->items[i].path = NULL;
    }
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------- directories */

typedef struct gather {
    eff_filelist *l;
    int label;
} gather;

/* A link that leads nowhere is reported where it claims to be an image; a pipe or socket only calls itself one. */
static eff_status take(void *ctx, char *path, const char *name, eff_found kind, eff_error *err)
{
    const gather *const g = ctx;
    if (kind == EFF_FOUND_CLOSED || ((kind == EFF_FOUND_FILE || kind == EFF_FOUND_BROKEN) && eff_path_is_image(name)))
        return push(g->l, path, g->label, err);
    eff_free(path);
    return EFF_OK;
}

/* Add every image below `dir`, byte-sorted. */
static eff_status add_tree(eff_filelist *l, const char *dir, int label, eff_error *err)
{
    const size_t first = l->n;
    gather g = { l, label };
    eff_walk *w;
    eff_status s = eff_walk_create(&w, err);
    if (s != EFF_OK) return s;
    s = eff_walk_tree(w, dir, take, &g, err);
    eff_walk_free(w);
    sort_from(l, first);
    return s;
}

/* ------------------------------------------------------------------------------------- labelled: folders */

static eff_status add_class_folder(eff_filelist *l, const char *path, const char *name, const eff_model *m,
                                   eff_error *err)
{
    const int label = eff_model_find_class(m, name);
    const size_t before = l->n;
    const eff_status s = add_tree(l, path, label, err);
    if (s != EFF_OK || label >= 0 || l->n == before) return s; /* an empty folder may be called anything */
    return eff_fail(err, EFF_EFORMAT,
                    "folder '%s': expected the name of one of the model's %d classes, found another name", name,
                    eff_model_get_info(m)->classes);
}

static eff_status add_class_folders(eff_filelist *l, const char *dir, const eff_model *m, eff_error *err)
{
    struct dirent **names = NULL;
    const int n = scandir(dir, &names, NULL, NULL);
    if (n < 0) return eff_fail(err, eff_walk_is_shortage(errno) ? EFF_EIO : EFF_EFORMAT, "%s", strerror(errno));
    eff_status s = EFF_OK;
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        char *path = s == EFF_OK && name[0] != '.' ? eff_path_join(dir, name) : NULL;
        struct stat st;
        if (s == EFF_OK && name[0] != '.') {
            if (!path)
                s = eff_fail_memory(err, PATH_MAX);
            else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
                s = add_class_folder(l, path, name, m, err);
        }
        eff_free(path);
        free(names[i]);
    }
    free(names);
    if (s == EFF_OK && !l->n)
        s = eff_fail(err, EFF_EFORMAT, "expected a folder of images for each class, found no image in any folder");
    sort_from(l, 0);
    return s;
}

/* --------------------------------------------------------------------------------------- labelled: a LIST */

static eff_status add_line(eff_filelist *l, char *line, size_t number, const char *folder, const eff_model *m,
                           eff_error *err)
{
    char *tab = strchr(line, '\t');
    if (!tab || tab == line)
        return eff_fail(err, EFF_EFORMAT, "line %zu: expected a file, a tab and a class, found %s", number,
                        tab ? "no file" : "no tab");
    *tab = 0;
    char *class = tab + 1;
    class[strcspn(class, "\t")] = 0;
    const int label = *class ? eff_model_find_class(m, class) : -1;
    if (label < 0)
        return eff_fail(err, EFF_EFORMAT, "line %zu: expected one of the model's %d classes, found '%.80s'", number,
                        eff_model_get_info(m)->classes, class);
    return push(l, line[0] == '/' ? eff_strdup(line) : eff_path_join(folder, line), label, err);
}

static eff_status add_list(eff_filelist *l, const char *path, const eff_model *m, eff_error *err)
{
    unsigned char *text = NULL;
    size_t size = 0;
    char *folder = NULL;
    eff_status s = eff_file_read_all(path, LIST_LIMIT, &text, &size, err);
    if (s != EFF_OK) return s;
    folder = eff_path_folder(path);
    if (!folder) {
        s = eff_fail_memory(err, PATH_MAX);
        goto done;
    }
    char *p = (char *)text, *const end = p + size;
    if (size >= 3 && !memcmp(p, "\xEF\xBB\xBF", 3)) p += 3; /* a byte order mark, as editors on Windows write */
    bool first = true;
    for (size_t number = 1; s == EFF_OK && p < end; number++) {
        char *nl = memchr(p, '\n', (size_t)(end - p));
        char *const stop = nl ? nl : end;
        *stop = 0;
        const size_t len = strlen(p);
        if (p + len != stop) {
            s = eff_fail(err, EFF_EFORMAT, "line %zu: expected text, found a zero byte", number);
            break;
        }
        if (len && p[len - 1] == '\r') p[len - 1] = 0;
        if (*p && *p != '#') {
            if (!first || strncmp(p, "file", 4) != 0) s = add_line(l, p, number, folder, m, err);
            first = false;
        }
        p = stop + 1;
    }
    if (s == EFF_OK && !l->n) s = eff_fail(err, EFF_EFORMAT, "expected lines of a file, a tab and a class, found none");
done:
    eff_free(folder);
    eff_free(text);
    return s;
}

/* -------------------------------------------------------------------------------------- public functions */

eff_status eff_filelist_labelled(eff_filelist **out, const char *path, const eff_model *m, eff_error *err)
{
    *out = NULL;
    struct stat st;
    if (stat(path, &st) != 0)
        return eff_fail(err, EFF_EFORMAT, "%s", errno == ENOENT ? "no such file or folder" : strerror(errno));
    eff_filelist *l = eff_calloc(1, sizeof *l);
    if (!l) return eff_fail_memory(err, sizeof *l);
    eff_status s = S_ISDIR(st.st_mode) ? add_class_folders(l, path, m, err) : add_list(l, path, m, err);
    if (s == EFF_OK) s = finish(l, err);
    if (s == EFF_OK)
        *out = l;
    else
        eff_filelist_free(l);
    return s;
}

eff_status eff_filelist_images(eff_filelist **out, const char *const *paths, size_t n, eff_error *err)
{
    *out = NULL;
    eff_filelist *l = eff_calloc(1, sizeof *l);
    if (!l) return eff_fail_memory(err, sizeof *l);
    eff_status s = EFF_OK;
    for (size_t i = 0; i < n && s == EFF_OK; i++) {
        struct stat st;
        const size_t before = l->n;
        if (stat(paths[i], &st) != 0 || !S_ISDIR(st.st_mode)) {
            s = push(l, eff_strdup(paths[i]), -1, err);
        } else {
            s = add_tree(l, paths[i], -1, err);
            if (s == EFF_OK && l->n == before)
                s = eff_fail(err, EFF_EFORMAT, "%s%sexpected images (.jpg, .png ...) in the folder, found none",
                             n > 1 ? paths[i] : "", n > 1 ? ": " : ""); /* of one, the caller knows the name */
        }
    }
    if (s == EFF_OK) s = finish(l, err);
    if (s == EFF_OK)
        *out = l;
    else
        eff_filelist_free(l);
    return s;
}

size_t eff_filelist_count(const eff_filelist *l) { return l->n; }

const char *const *eff_filelist_paths(const eff_filelist *l) { return (const char *const *)l->paths; }

int eff_filelist_label(const eff_filelist *l, size_t i) { return l->labels && i < l->n ? l->labels[i] : -1; }

void eff_filelist_free(eff_filelist *l)
{
    if (!l) return;
    for (size_t i = 0; i < l->n; i++) {
        if (l->items) eff_free(l->items[i].path);
        if (l->paths) eff_free(l->paths[i]);
    }
    eff_free(l->items);
    eff_free(l->paths);
    eff_free(l->labels);
    eff_free(l);
}
