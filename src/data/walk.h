/* SPDX-License-Identifier: Apache-2.0 */
/* Walking over folders as hostile as a file system allows: links that lead in circles, pipes that would block, folders
 * that may not be listed. And what goes with it: joining paths, telling an image by its name. */
#ifndef EFF_DATA_WALK_H
#define EFF_DATA_WALK_H

#include "base/error.h"

#include <stdbool.h>

/** dir/name, eff_malloc'ed; NULL when memory ends. */
char *eff_path_join(const char *dir, const char *name);
/** The folder a file lies in as a prefix, "" or something that ends in '/'; eff_malloc'ed. */
char *eff_path_folder(const char *path);
/** Does the name end in a suffix that images have? */
bool eff_path_is_image(const char *name);

typedef enum eff_found {
    EFF_FOUND_FILE,   /* a regular file, or a link to one                       */
    EFF_FOUND_OTHER,  /* a pipe, socket or device                               */
    EFF_FOUND_BROKEN, /* a link that leads nowhere, or in a circle              */
    EFF_FOUND_CLOSED, /* a folder that cannot be listed                         */
    EFF_FOUND_AGAIN   /* a link to a folder that was, or will be, read by itself */
} eff_found;

/** What was found; `path` is taken over, also on failure. `name` is its last part. */
typedef eff_status eff_found_fn(void *ctx, char *path, const char *name, eff_found kind, eff_error *err);

typedef struct eff_walk eff_walk; /* remembers the folders it has seen */

eff_status eff_walk_create(eff_walk **out, eff_error *err);
void eff_walk_free(eff_walk *w); /* NULL is fine */

/** Remember a folder, so that no link into it is followed; *fresh: it was not known. What cannot be looked at is fresh.
 */
eff_status eff_walk_remember(eff_walk *w, const char *dir, bool *fresh, eff_error *err);

/** Report everything below `dir`, in no order. Names that begin with a dot are not looked at. */
eff_status eff_walk_tree(eff_walk *w, const char *dir, eff_found_fn *fn, void *ctx, eff_error *err);

/** The machine's fault (memory, descriptors), not the folder's? */
bool eff_walk_is_shortage(int error_number);

#endif
