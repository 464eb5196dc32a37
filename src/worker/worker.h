/* SPDX-License-Identifier: Apache-2.0 */
/* What the import worker reads. */
#ifndef EFF_WORKER_WORKER_H
#define EFF_WORKER_WORKER_H

#include "formats/checkpoint.h"

/** Before the process is confined: let libraries open and read what they need of the system. */
void eff_worker_prepare(void);

/** Any file that the parent leaves to the worker. `fd` is taken. */
eff_status eff_worker_open(eff_checkpoint **out, int fd, uint64_t size, eff_error *err);

#endif
