/* SPDX-License-Identifier: Apache-2.0 */
/* The jail from inside: what the worker gives up before it reads the first byte. */
#ifndef EFF_JAIL_CONFINE_H
#define EFF_JAIL_CONFINE_H

#include "base/error.h"

typedef struct eff_limits {
    uint64_t memory; /* bytes of address space                     */
    uint64_t output; /* bytes written                              */
    unsigned cpu;    /* seconds                                    */
} eff_limits;

/** What reading a file of `size` bytes may take: tensors, or, not 0, a picture of at most so many pixels. */
eff_limits eff_limits_for(uint64_t size, uint64_t pixels);

/** Close what is not the worker's (EFF_JAIL_INPUT, EFF_JAIL_OUTPUT), set the limits, and allow only the system calls of
 * the table from now on: any other one ends the process. There is no way back.
 * @return EFF_EIO when the kernel cannot do that; then nothing must be read */
eff_status eff_confine(const eff_limits *l, eff_error *err);

#endif
