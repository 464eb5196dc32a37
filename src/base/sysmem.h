/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the machine, as the system and the group of processes that this one is confined to have it. */
#ifndef EFF_BASE_SYSMEM_H
#define EFF_BASE_SYSMEM_H

#include <stddef.h>

/** Bytes that this process could still take without pushing anything out; 0 when the system does not say. */
size_t eff_memory_available(void);

#endif
