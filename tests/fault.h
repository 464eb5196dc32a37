/* SPDX-License-Identifier: Apache-2.0 */
/* Faults put under the library: the n-th call to the operating system that it makes, the disk after some bytes, or
 * memory. A program gets at them by eff_test(... FAULTS), which links the calls through here. */
#ifndef EFF_TESTS_FAULT_H
#define EFF_TESTS_FAULT_H

#include "support.h"

#include <stdbool.h>

/** Let call n from now (0 = the next) of this thread fail with EIO, and no other; n < 0 only counts them. Calls are
 * those that files are opened, mapped, named and written by: open, fopen, mkostemp, fdopen, fchmod, fstat, mmap, pread,
 * mkdir, write, ftruncate, fflush, fclose, fsync, rename. */
void t_fault_arm(long n);
/** Back to normal. *must: the call that failed was one that no save may pass over (nor may a caller of it succeed):
 * NULL, or its name. @return calls that were made */
long t_fault_disarm(const char **must);
/** From now on every other read and write of this thread is interrupted (EINTR), the others move at most 100 bytes. */
void t_fault_slow(bool on);

typedef struct t_saving {
    const char *what;
    eff_status (*save)(void *ctx, eff_error *err); /* one attempt; it has released all that it made */
    void *ctx;
    const char *folder; /* for its files alone: it is emptied before every attempt */
    const char *names;  /* what a message about a file begins with, or NULL */
    enum {
        T_VARIES = 1,    /* a time stands in the files: two saves differ */
        T_NEW_NAMES = 2, /* every save takes a name that is not there    */
        T_FRESH = 4      /* the folder must be empty or new              */
    } flags;
} t_saving;

/** Save with every call failing once, on disks of some sizes, slowly. A save that fails says why in one line and
 * leaves, of each file, what was there before or what was to come, whole, and nothing else; one that succeeds has
 * written all. */
void t_saving_check(const t_saving *s);
/** The same with memory that ends at allocation 0, 1, 2 ...; past the first hundred at every `stride`-th. */
void t_saving_check_memory(const t_saving *s, long stride);

#endif
