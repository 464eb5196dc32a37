/* SPDX-License-Identifier: Apache-2.0 */
/* Files: bounded reads, and saves that are whole or not there. */
#ifndef EFF_BASE_FILE_H
#define EFF_BASE_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

/** Open a regular file for reading. A missing or unreadable file, a directory or a device is EFF_EFORMAT.
 * @return descriptor in *fd and size in bytes in *size */
eff_status eff_file_open(const char *path, int *fd, uint64_t *size, eff_error *err);

/** Read exactly `n` bytes at `offset`; a short file is EFF_EFORMAT. */
eff_status eff_file_read_at(int fd, void *buf, size_t n, uint64_t offset, eff_error *err);

/** Read a whole file of at most `limit` bytes; *out is eff_malloc'ed with a NUL after the last byte. */
eff_status eff_file_read_all(const char *path, size_t limit, unsigned char **out, size_t *size, eff_error *err);

/** A file in memory: its pages come from the page cache as they are read, and a page that is written to becomes the
 * process's own, so that the file never changes. */
typedef struct eff_map {
    void *base;   /* NULL: nothing is mapped */
    size_t bytes; /* of the address range    */
} eff_map;
/** Map the first `size` bytes of a file; at least a page of zeros follows them. False where that cannot be done: read
 * the file then. Whoever cuts the file short while it is mapped ends the process (SIGBUS). */
bool eff_file_map(eff_map *out, int fd, uint64_t size);
/** Safe on a zeroed struct. */
void eff_file_unmap(eff_map *m);

/** A save in progress: written to a temporary beside `path`, which appears under its name only on commit. */
typedef struct eff_save {
    FILE *f; /* write here */
    char *path, *temp;
} eff_save;
eff_status eff_save_begin(eff_save *s, const char *path, eff_error *err);
/** Flush, fsync, rename over `path`, fsync the folder. On failure the temporary is removed and `path` is as it was. */
eff_status eff_save_commit(eff_save *s, eff_error *err);
/** Give up: remove the temporary. Safe after a commit, and on a zeroed struct. */
void eff_save_abort(eff_save *s);

/** Make the folder `dir` unless it is there. */
eff_status eff_make_folder(const char *dir, eff_error *err);

/** The same for every folder on the way to it. */
eff_status eff_make_folders(const char *dir, eff_error *err);

/** Save `text` as the file `name` in the folder `dir`, whole or not at all; messages begin with its path. */
eff_status eff_save_text(const char *dir, const char *name, const char *text, eff_error *err);

#endif
