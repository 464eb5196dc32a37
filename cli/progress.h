/* SPDX-License-Identifier: Apache-2.0 */
/* How far a long job is: a bar on a terminal, plain lines elsewhere when asked for. Only on stderr, nothing in the
 * first second, no escape codes. One job at a time. */
#ifndef EFFNET_CLI_PROGRESS_H
#define EFFNET_CLI_PROGRESS_H

#include "options.h"

#include <stddef.h>

/** @param what  "images"; must outlive the job. total 0 = not known */
void cli_progress_begin(const cli_args *a, const char *what, size_t total);
void cli_progress_update(size_t done);
/** The same for a job that counts by itself: how much of it is done (0..1) and what to say beside the bar. */
void cli_progress_say(double part, const char *text);
/** Clear the bar, so that a line can be printed; the next update draws it again. */
void cli_progress_hide(void);
void cli_progress_end(void);

/** "48 s", "3 min 05 s", "2 h 10 min" into out. */
void cli_span(double seconds, char *out, size_t room);

/** Seconds of the monotonic clock. */
double cli_now(void);

#endif
