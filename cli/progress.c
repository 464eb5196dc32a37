/* SPDX-License-Identifier: Apache-2.0 */
/* The bar is redrawn at most five times a second with carriage returns and spaces; lines come every five seconds. */
#define _GNU_SOURCE
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 24, LINE_WIDTH = 78 };

static struct {
    enum { OFF, BAR, LINES } mode;
    const char *what;
    size_t total;
    double start, last;
    bool drawn;
} job;

double cli_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool draws_bars(void)
{
    const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0 && !(plain && *plain);
}

void cli_progress_begin(const cli_args *a, const char *what, size_t total)
{
    const int asked = cli_toggle(a, "progress");
    memset(&job, 0, sizeof job);
    job.what = what;
    job.total = total;
    job.start = job.last = cli_now();
    if (asked == 0 || (cli_flag(a, "quiet") && asked != 1))
        job.mode = OFF;
    else if (draws_bars())
        job.mode = BAR;
    else if (asked == 1 || cli_flag(a, "verbose"))
        job.mode = LINES;
}

void cli_span(double seconds, char *out, size_t room)
{
    const int s = seconds < 1e6 ? (int)(seconds + 0.5) : 1000000;
    if (s < 60)
        snprintf(out, room, "%d s", s);
    else if (s < 3600)
        snprintf(out, room, "%d min %02d s", s / 60, s % 60);
    else
        snprintf(out, room, "%d h %02d min", s / 3600, s / 60 % 60);
}

static void show(double part, const char *line)
{
    char bar[BAR_WIDTH + 1];
    if (job.mode == LINES) {
        fprintf(stderr, "effnet: %s\n", line);
        return;
    }
    const int full = part > 0 ? (int)(part * BAR_WIDTH) : 0;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)(full < BAR_WIDTH ? full : BAR_WIDTH));
    bar[BAR_WIDTH] = 0;
    fprintf(stderr, "\r[%s] %-*.*s", bar, LINE_WIDTH - BAR_WIDTH - 3, LINE_WIDTH - BAR_WIDTH - 3, line);
    (void)fflush(stderr);
    job.drawn = true;
}

static void draw(size_t done, double now)
{
    char line[160], left[40] = "";
    const double elapsed = now - job.start, rate = elapsed > 0 ? (double)done / elapsed : 0;
    if (done && job.total > done) {
        char t[32];
        cli_span((double)(job.total - done) / rate, t, sizeof t);
        snprintf(left, sizeof left, ", %s left", t);
    }
    if (job.total)
        snprintf(line, sizeof line, "%zu/%zu %s, %.1f/s%s", done, job.total, job.what, rate, left);
    else
        snprintf(line, sizeof line, "%zu %s, %.1f/s", done, job.what, rate);
    show(job.total ? (double)done / (double)job.total : 0, line);
}

/* Is it time to show something again? */
static bool due(void)
{
    const double now = cli_now();
    if (job.mode == OFF || now - job.start < 1 || now - job.last < (job.mode == BAR ? 0.2 : 5)) return false;
    job.last = now;
    return true;
}

void cli_progress_update(size_t done)
{
    if (due()) draw(done, job.last);
}

void cli_progress_say(double part, const char *text)
{
    if (due()) show(part, text);
}

void cli_progress_hide(void)
{
    if (!job.drawn) return;
    fprintf(stderr, "\r%*s\r", LINE_WIDTH, "");
    (void)fflush(stderr);
    job.drawn = false;
    job.last = 0;
}

void cli_progress_end(void)
{
    cli_progress_hide();
    job.mode = OFF;
}
