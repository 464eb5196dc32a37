/* SPDX-License-Identifier: Apache-2.0 */
/* The handler only notes the signal and gives the next one its default action back. */
#define _GNU_SOURCE
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stop_signal;

static void note(int sig)
{
    stop_signal = sig;
    (void)signal(SIGINT, SIG_DFL); /* async-signal-safe */
    (void)signal(SIGTERM, SIG_DFL);
}

void cli_interrupt_init(void)
{
    const int sigs[] = { SIGINT, SIGTERM };
    for (int i = 0; i < 2; i++) {
        struct sigaction old, act = { .sa_handler = note, .sa_flags = SA_RESTART };
        sigemptyset(&act.sa_mask);
        /* a job in the background of a shell ignores Ctrl-C: leave that so */
        if (sigaction(sigs[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(sigs[i], &act, NULL);
    }
    (void)signal(SIGPIPE, SIG_IGN);
}

bool cli_stopped(void) { return stop_signal != 0; }

int cli_stop_status(int status) { return stop_signal ? 128 + (int)stop_signal : status; }
