/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C and SIGTERM: the first asks the running command to finish its item and stop, the second ends the program. */
#ifndef EFFNET_CLI_INTERRUPT_H
#define EFFNET_CLI_INTERRUPT_H

#include <stdbool.h>

/** Install the handlers; a closed pipe becomes an ordinary write error. */
void cli_interrupt_init(void);
bool cli_stopped(void);
/** 130 or 143 after an interruption, else `status`. */
int cli_stop_status(int status);

#endif
