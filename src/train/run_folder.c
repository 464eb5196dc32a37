/* SPDX-License-Identifier: Apache-2.0 */
/* The RUN folder: one process at a time, by a lock on the folder that ends with the process; and the temporaries of
 * saves that were killed (base/file.c names them NAME.tmp.XXXXXX) are removed once it is held. */
#define _GNU_SOURCE
#include "train/run_internal.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Is this what a save of one of a run's files is called while it is written? */
static bool is_leftover(const char *name)
{
    static const char *const files[] = { "args.json",    "split.csv",    "last.state", "log.csv",
                                         "model.effnet", "metrics.json", "report.html" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const size_t n = strlen(files[i]);
        if (!strncmp(name, files[i], n) && !strncmp(name + n, ".tmp.", 5) && strlen(name + n) == 11) return true;
    }
    return false;
}

static void sweep(int folder)
{
    const int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0) close(fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(d));)
        if (is_leftover(e->d_name)) unlinkat(folder, e->d_name, 0);
    closedir(d);
}

eff_status eff_run_hold_folder(eff_run *r, bool make, eff_error *err)
{
    if (make) {
        const eff_status s = eff_make_folders(r->out, err);
        if (s != EFF_OK) return s;
    }
    r->folder = open(r->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->folder < 0)
        return eff_fail(err, errno == ENOENT || errno == ENOTDIR ? EFF_EFORMAT : EFF_EIO,
                        "%s: cannot open the run's folder: %s", r->out, strerror(errno));
    if (flock(r->folder, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return eff_fail(err, EFF_EARG, "%s: another process is training there", r->out);
        /* a file system without locks: as before there were any */
    }
    sweep(r->folder);
    return EFF_OK;
}

void eff_run_release_folder(eff_run *r)
{
    if (r->folder >= 0) close(r->folder); /* the lock goes with it */
    r->folder = -1;
}
