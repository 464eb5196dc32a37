/* SPDX-License-Identifier: Apache-2.0 */
/* Which workers live. A worker holds a lock on one byte of a file beside the store; the system lets go of it when the
 * process ends, by whatever way, on this machine or (over a network file system) on another. */
#ifndef EFF_TRIALS_LEASE_H
#define EFF_TRIALS_LEASE_H

#include "base/error.h"

#include <stdbool.h>

enum { EFF_LEASE_SECONDS = 120 }; /* a worker on another machine that has been silent for so long may be dead */

typedef struct eff_lease {
    int fd;
    int64_t worker; /* whose byte is held, 0 = none */
    char host[64];  /* of this process, and which start of its system */
} eff_lease;

/** Open (make) the file of locks of the store `path`. */
eff_status eff_lease_open(eff_lease *l, const char *path, eff_error *err);
eff_status eff_lease_hold(eff_lease *l, int64_t worker, eff_error *err);
void eff_lease_close(eff_lease *l);

/** Is the worker alive? `beat` is when it was heard of, `now` the time. Of a worker on this machine its lock tells; of
 * one elsewhere, where locks may not reach, both lock and silence must. */
bool eff_lease_alive(const eff_lease *l, int64_t worker, const char *host, double beat, double now);

#endif
