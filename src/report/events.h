/* SPDX-License-Identifier: Apache-2.0 */
/* TensorBoard event files: figures of a run by step, to be watched while it goes on. */
#ifndef EFF_REPORT_EVENTS_H
#define EFF_REPORT_EVENTS_H

#include "base/error.h"

typedef struct eff_events eff_events;

/** Begin a new file in `folder`, which must exist: events.out.tfevents.TIME.HOST.PID.N.v2. A run that goes on begins
 * another; TensorBoard reads all files of a folder in the order of their names, which is that of their times. */
eff_status eff_events_open(eff_events **out, const char *folder, eff_error *err);

/** Figure `tag` ("loss/train") at `step`. Stays in memory until it is flushed. */
eff_status eff_events_scalar(eff_events *e, const char *tag, int64_t step, double value, eff_error *err);

/** Everything so far can be read. EFF_EIO where it cannot be written; what was written before stays readable. */
eff_status eff_events_flush(eff_events *e, eff_error *err);

/** The file's path; borrowed. */
const char *eff_events_path(const eff_events *e);

/** Flush and release; NULL is fine. */
void eff_events_close(eff_events *e);

#endif
