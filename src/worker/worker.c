/* SPDX-License-Identifier: Apache-2.0 */
/* Which parser a file is for. */
#include "worker/worker.h"

void eff_worker_prepare(void) {}

eff_status eff_worker_open(eff_checkpoint **out, int fd, uint64_t size, eff_error *err)
{
    return eff_checkpoint_parse_fd(out, fd, size, NULL, err);
}
