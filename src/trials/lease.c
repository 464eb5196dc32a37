/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of open file descriptions (F_OFD_SETLK), which belong to the descriptor and not to the process: those of POSIX
 * are lost as soon as any descriptor of the file is closed. */
#define _GNU_SOURCE
#include "trials/lease.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Name of the machine and of this start of it: a process of before a restart is not taken for one that lives. */
static void name_host(char *out, size_t room)
{
    char name[24] = "?", boot[37] = "";
    gethostname(name, sizeof name);
    name[sizeof name - 1] = '\0';
    FILE *const f = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (f) {
        if (!fgets(boot, sizeof boot, f)) boot[0] = '\0';
        (void)fclose(f);
    }
    snprintf(out, room, "%s %s", name, boot);
}

static struct flock byte_of(int64_t worker, short type)
{
    return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)worker, .l_len = 1 };
}

eff_status eff_lease_open(eff_lease *l, const char *path, eff_error *err)
{
    const size_t n = strlen(path) + sizeof ".lock";
    *l = (eff_lease){ .fd = -1 };
    name_host(l->host, sizeof l->host);
    char *const name = eff_malloc(n);
    if (!name) return eff_fail_memory(err, n);
    snprintf(name, n, "%s.lock", path);
    l->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    const int why = errno;
    eff_free(name);
    if (l->fd < 0) return eff_fail(err, EFF_EIO, "its .lock file cannot be opened: %s", strerror(why));
    return EFF_OK;
}

eff_status eff_lease_hold(eff_lease *l, int64_t worker, eff_error *err)
{
    struct flock k = byte_of(worker, F_WRLCK);
    if (fcntl(l->fd, F_OFD_SETLK, &k) != 0)
        return eff_fail(err, EFF_EIO, "its .lock file cannot be locked: %s", strerror(errno));
    l->worker = worker;
    return EFF_OK;
}

void eff_lease_close(eff_lease *l)
{
    if (l->fd >= 0) close(l->fd);
    *l = (eff_lease){ .fd = -1 };
}

bool eff_lease_alive(const eff_lease *l, int64_t worker, const char *host, double beat, double now)
{
    if (worker == l->worker) return true;
    struct flock k = byte_of(worker, F_WRLCK);
    if (fcntl(l->fd, F_OFD_GETLK, &k) != 0 || k.l_type != F_UNLCK) return true; /* when in doubt it lives */
    return strcmp(host, l->host) != 0 && now - beat < EFF_LEASE_SECONDS;
}
