/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a file in a process of its own, effnet-worker, which can do nothing but read that file and write what it
 * found. */
#ifndef EFF_JAIL_JAIL_H
#define EFF_JAIL_JAIL_H

#include "base/error.h"

#include <stdbool.h>

enum { EFF_JAIL_INPUT = 3, EFF_JAIL_OUTPUT = 4 }; /* the worker's descriptors */
#define EFF_JAIL_ARG_PICTURE "--picture"          /* its arguments */
#define EFF_JAIL_ARG_FREE    "--no-jail"

typedef enum eff_jail_what { EFF_JAIL_TENSORS, EFF_JAIL_PICTURE } eff_jail_what;

/** Have the worker read `fd` (borrowed) as what it is asked for. On EFF_OK *out is a memory file of *size bytes that
 * nobody can change any more, to be closed by the caller: whatever the worker says, so every byte of it is still
 * hostile.
 * @return what the worker found wrong with the file; EFF_EFORMAT with the reason when it died; EFF_EIO when there is
 * none */
eff_status eff_jail_run(int *out, uint64_t *size, int fd, eff_jail_what what, eff_error *err);

/** false: from now on the worker runs without filter and limits, with this process's environment and stderr. For
 * debugging; of the whole process. */
void eff_jail_set(bool on);

#endif
