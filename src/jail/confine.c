/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and the filter of system calls. It works for any user and in any container, since it asks for no namespace.
 * The table is all that reading from a descriptor, computing in memory and writing to a descriptor takes; nothing in it
 * opens, connects, starts, signals another process or waits, so that a worker under attack can spend its CPU time
 * and fill its output, no more. */
#define _GNU_SOURCE
#include "jail/confine.h"

#include "jail/jail.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef EFF_CPU_SECONDS
#define EFF_CPU_SECONDS 60 /* beside a second for every 4 MB of file */
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0 /* 1: terabytes of address space are reserved at the start, and reports go to stderr */
#endif

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* A pixel is at most 6 bytes decoded (three planes of 10 bits), again 6 where it is put together from tiles, and 4 as
 * it is sent. */
eff_limits eff_limits_for(uint64_t size, uint64_t pixels)
{
    if (pixels)
        return (eff_limits){ .memory = ((uint64_t)1 << 30) + 4 * size + 16 * pixels,
                             .output = ((uint64_t)8 << 20) + 4 * pixels, /* and a profile */
                             .cpu = EFF_CPU_SECONDS + (unsigned)(pixels >> 22) };
    if (size > (uint64_t)1 << 40) size = (uint64_t)1 << 40;
    return (eff_limits){ .memory = ((uint64_t)1 << 30) + 4 * size,
                         .output = ((uint64_t)64 << 20) + 4 * size, /* compressed weights are not four times smaller */
                         .cpu = EFF_CPU_SECONDS + (unsigned)(size >> 22) };
}

static bool limit(int what, uint64_t soft, uint64_t hard)
{
    struct rlimit now, want = { .rlim_cur = soft, .rlim_max = hard };
    if (getrlimit(what, &now) != 0) return false;
    if (want.rlim_max > now.rlim_max) want.rlim_max = now.rlim_max; /* a stricter one holds already */
    if (want.rlim_cur > want.rlim_max) want.rlim_cur = want.rlim_max;
    return setrlimit(what, &want) == 0;
}

static bool set_limits(const eff_limits *l)
{
    return (SANITIZED || limit(RLIMIT_AS, l->memory, l->memory)) && limit(RLIMIT_CPU, l->cpu, l->cpu + 1) &&
           limit(RLIMIT_FSIZE, l->output, l->output) && limit(RLIMIT_NOFILE, 16, 16) && limit(RLIMIT_NPROC, 0, 0) &&
           limit(RLIMIT_CORE, 0, 0);
}

#ifdef ARCH

enum { ANY = -1 };

/* A call is allowed where (argument & mask) == value. */
static const struct rule {
    int call, argument;
    uint32_t mask, value;
} rules[] = {
    { SYS_read, ANY },
    { SYS_pread64, ANY },
    { SYS_write, ANY }, /* the output is all there is to write to */
    { SYS_lseek, ANY },
    { SYS_fstat, ANY },
    { SYS_newfstatat, ANY }, /* how glibc asks for the size of a descriptor */
    { SYS_ftruncate, ANY },
    { SYS_dup, ANY },
    { SYS_fcntl, 1, UINT32_MAX, 1 /* F_GETFD */ },
    { SYS_fcntl, 1, UINT32_MAX, 3 /* F_GETFL */ },
    { SYS_close, ANY },
    { SYS_brk, ANY },
    { SYS_mmap, 2, PROT_EXEC, 0 },
    { SYS_mprotect, 2, PROT_EXEC, 0 },
    { SYS_munmap, ANY },
    { SYS_mremap, ANY },
    { SYS_madvise, ANY },
    { SYS_futex, 1, FUTEX_CMD_MASK, FUTEX_WAKE }, /* pthread_once() */
    { SYS_getrandom, ANY },
    { SYS_clock_gettime, ANY },
    { SYS_gettimeofday, ANY },
    { SYS_sysinfo, ANY }, /* qsort() */
    { SYS_getpid, ANY },
    { SYS_gettid, ANY },
    { SYS_rt_sigprocmask, ANY },
    { SYS_rt_sigreturn, ANY },
    { SYS_exit, ANY },
    { SYS_exit_group, ANY },
#if SANITIZED
    { SYS_sigaltstack, ANY },
    { SYS_sched_yield, ANY },
    { SYS_rt_sigaction, ANY },
#endif
};
enum { NRULES = sizeof rules / sizeof *rules, HEAD = 4, PER_RULE = 6 };

#define FIELD(name)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define EQUAL(value, otherwise)                                                                                        \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, otherwise) /* instructions to pass over                              \
                                                              */
/* the low half: every supported CPU is little-endian, and no argument in the table has more */
#define ARGUMENT(i)                                                                                                    \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)(i)))

static size_t add_rule(struct sock_filter *p, const struct rule *r)
{
    const struct sock_filter simple[] = { EQUAL((uint32_t)r->call, 1), RETURN(SECCOMP_RET_ALLOW) };
    const struct sock_filter checked[PER_RULE] = { EQUAL((uint32_t)r->call, PER_RULE - 1),
                                                   ARGUMENT(r->argument),
                                                   BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r->mask),
                                                   EQUAL(r->value, 1),
                                                   RETURN(SECCOMP_RET_ALLOW),
                                                   FIELD(nr) };
    const size_t n = r->argument == ANY ? sizeof simple / sizeof *simple : PER_RULE;
    memcpy(p, r->argument == ANY ? simple : checked, n * sizeof *p);
    return n;
}

static int set_filter(void)
{
    struct sock_filter code[HEAD + PER_RULE * (NRULES + 1) + 1];
    const struct sock_filter head[HEAD] = { FIELD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
                                            RETURN(SECCOMP_RET_KILL_PROCESS), FIELD(nr) };
    /* abort() signals itself, and nobody else */
    const struct rule self = { SYS_tgkill, 0, UINT32_MAX, (uint32_t)getpid() };
    const struct sock_filter end = RETURN(SECCOMP_RET_KILL_PROCESS);
    size_t n = HEAD;
    memcpy(code, head, sizeof head);
    for (size_t i = 0; i < NRULES; i++) n += add_rule(code + n, &rules[i]);
    n += add_rule(code + n, &self);
    code[n++] = end;
    const struct sock_fprog program = { .len = (unsigned short)n, .filter = code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

#else

static int set_filter(void)
{
    errno = ENOSYS; /* no table for this CPU */
    return -1;
}

#endif

eff_status eff_confine(const eff_limits *l, eff_error *err)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* who wanted the result is gone */
    if (close_range(EFF_JAIL_OUTPUT + 1, ~0U, 0) != 0 && errno != ENOSYS)
        return eff_fail(err, EFF_EIO, "the import worker cannot close what is not its own: %s", strerror(errno));
    for (int fd = 0; fd <= STDERR_FILENO - SANITIZED; fd++) close(fd);
    if (!set_limits(l))
        return eff_fail(err, EFF_EIO, "the import worker cannot be limited: %s (--no-jail does without)",
                        strerror(errno));
    if (set_filter() != 0)
        return eff_fail(err, EFF_EIO,
                        "this system has no seccomp filter for the import worker: %s (--no-jail does without)",
                        strerror(errno));
    return EFF_OK;
}
