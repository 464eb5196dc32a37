/* SPDX-License-Identifier: Apache-2.0 */
/* The jail from outside: starting the worker, waiting for it, saying what became of it. All that comes back is an exit
 * status and a memory file: the stream of tensors or of pixels where the status is 0, else one line of text. Memory
 * files never block, nothing that the worker may call does, and its CPU time is limited: so waiting for it ends. */
#define _GNU_SOURCE
#include "jail/jail.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static atomic_bool unconfined;

void eff_jail_set(bool on) { atomic_store(&unconfined, !on); }

/* ------------------------------------------------------------------------------------------- finding it */

/* Beside what this code is in (the build tree; a program that is carried around whole), in the libexec that it was
 * installed with, under the configured path. EFFNET_WORKER says another one. */
static void find_worker(char path[PATH_MAX])
{
    static const char *const places[] = { "effnet-worker", "../libexec/effnet/effnet-worker",
                                          "../../libexec/effnet/effnet-worker" };
    const char *const said = secure_getenv("EFFNET_WORKER");
    Dl_info here;
    if (said && *said) {
        snprintf(path, PATH_MAX, "%s", said);
        return;
    }
    char self[PATH_MAX];
    ssize_t n = -1;
    if (dladdr((void *)(uintptr_t)&eff_jail_set, &here) && here.dli_fname && strstr(here.dli_fname, ".so"))
        n = snprintf(self, sizeof self, "%s", here.dli_fname);
    else
        n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0 && n < (ssize_t)sizeof self) {
        self[n] = '\0';
        const char *const slash = strrchr(self, '/');
        const int folder = slash ? (int)(slash - self) : 0;
        for (size_t i = 0; folder && i < sizeof places / sizeof *places; i++)
            if (snprintf(path, PATH_MAX, "%.*s/%s", folder, self, places[i]) < PATH_MAX && access(path, X_OK) == 0)
                return;
    }
    snprintf(path, PATH_MAX, "%s", EFF_WORKER_PATH);
}

/* ------------------------------------------------------------------------------------------- running it */

/* A copy of `fd` above the numbers that the worker's descriptors get. */
static int lift(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, EFF_JAIL_OUTPUT + 1); }

static int spawn(pid_t *pid, const char *path, int in, int out, eff_jail_what what, bool confined)
{
    char name[] = "effnet-worker", picture[] = EFF_JAIL_ARG_PICTURE, freely[] = EFF_JAIL_ARG_FREE;
    char *argv[4] = { name }, **next = argv + 1;
    if (what == EFF_JAIL_PICTURE) *next++ = picture;
    if (!confined) *next++ = freely;
    char *const nothing[] = { NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int e = posix_spawn_file_actions_init(&files);
    if (e) return e;
    e = posix_spawnattr_init(&how);
    if (!e) {
        /* a process group of its own: Ctrl-C is for us, who may have to finish something first */
        posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
        posix_spawnattr_setsigdefault(&how, &all);
        posix_spawnattr_setsigmask(&how, &none);
        e = posix_spawn_file_actions_adddup2(&files, in, EFF_JAIL_INPUT);
        if (!e) e = posix_spawn_file_actions_adddup2(&files, out, EFF_JAIL_OUTPUT);
        if (!e) e = posix_spawn(pid, path, &files, &how, argv, confined ? nothing : environ);
        posix_spawnattr_destroy(&how);
    }
    posix_spawn_file_actions_destroy(&files);
    return e;
}

/* ------------------------------------------------------------------------------------------- what became of it */

static eff_status fail_signal(int sig, eff_error *err)
{
    static const struct {
        int sig;
        const char *why;
    } known[] = {
        { SIGSYS, "stopped when it made a system call that reading a file does not take" },
        { SIGXCPU, "stopped after more CPU time than reading a file of this size can take" },
        { SIGXFSZ, "stopped when it wrote more than a file of this size can hold" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].sig == sig) return eff_fail(err, EFF_EFORMAT, "the import worker was %s", known[i].why);
    return eff_fail(err, EFF_EFORMAT, "the import worker died of signal %d (%s)", sig, strsignal(sig));
}

/* Its one line, under the status that it gave as its exit status. */
static eff_status fail_said(int code, int fd, eff_error *err)
{
    char line[sizeof err->msg];
    const ssize_t n = pread(fd, line, sizeof line - 1, 0);
    line[n > 0 ? n : 0] = '\0';
    if (!line[0] || code > -EFF_EUNSUPPORTED)
        return eff_fail(err, EFF_EFORMAT, "the import worker ended with status %d and did not say why", code);
    return eff_fail(err, (eff_status)-code, "%s", line);
}

static eff_status judge(int status, int fd, uint64_t *size, eff_error *err)
{
    struct stat st;
    if (WIFSIGNALED(status)) return fail_signal(WTERMSIG(status), err);
    if (WEXITSTATUS(status) != 0) return fail_said(WEXITSTATUS(status), fd, err);
    /* it is gone and could not leave a child behind: the seals are for whatever we did not think of */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0 || fstat(fd, &st) != 0)
        return eff_fail(err, EFF_EFORMAT, "the import worker's output cannot be sealed: %s", strerror(errno));
    *size = (uint64_t)st.st_size;
    return EFF_OK;
}

eff_status eff_jail_run(int *out, uint64_t *size, int fd, eff_jail_what what, eff_error *err)
{
    char path[PATH_MAX];
    eff_status s = EFF_OK;
    *out = -1;
    const int made = memfd_create("effnet-import", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const int result = made < 0 ? -1 : lift(made), in = lift(fd);
    if (made >= 0) close(made);
    if (result < 0 || in < 0) {
        s = eff_fail(err, EFF_EIO, "no descriptor for the import worker: %s", strerror(errno));
        goto end;
    }
    find_worker(path);
    pid_t pid;
    int status;
    const int e = spawn(&pid, path, in, result, what, !atomic_load(&unconfined));
    if (e) {
        s = eff_fail(err, EFF_EIO, "a file of this kind is read by effnet-worker, and %.120s cannot be started: %s",
                     path, strerror(e));
        goto end;
    }
    while (waitpid(pid, &status, 0) != pid)
        if (errno != EINTR) {
            s = eff_fail(err, EFF_EIO, "the import worker cannot be waited for: %s", strerror(errno));
            goto end;
        }
    s = judge(status, result, size, err);
end:
    if (in >= 0) close(in);
    if (s == EFF_OK)
        *out = result;
    else if (result >= 0)
        close(result);
    return s;
}
