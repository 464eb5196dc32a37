/* SPDX-License-Identifier: Apache-2.0 */
/* The trial store: what an experiment has to run, who is at it, and what came out, in one SQLite file that any number
 * of processes share. A trial is known by its key, a text that says all that decides its result, so the same thing
 * asked for twice is one trial. A trial that is claimed belongs to one worker until it is finished or given back; when
 * that worker dies, however, the next one that claims gets it. Studies and searches differ in what they add and when.
 */
#ifndef EFF_TRIALS_STORE_H
#define EFF_TRIALS_STORE_H

#include "base/error.h"

#include <stdbool.h>

typedef struct eff_store eff_store; /* one thread at a time */

typedef enum eff_trial_state {
    EFF_TRIAL_WAITING = 0,
    EFF_TRIAL_RUNNING = 1,
    EFF_TRIAL_DONE = 2,
    EFF_TRIAL_FAILED = 3 /* cannot be done, and `result` says why: it is not tried again */
} eff_trial_state;

typedef struct eff_trial {
    int64_t id;
    eff_trial_state state;
    int claims;     /* how often it was begun, and not given back                       */
    double seconds; /* it took                                                          */
    char *result;   /* what it gave, or the reason; eff_free(). NULL while there is none */
} eff_trial;

/** Open the store in the file `path`, made if it is missing, as a worker of the experiment of this kind and spec (JSON
 * objects: what all trials have in common).
 * @return EFF_EFORMAT when the file is no trial store, of a later version, damaged, or of another experiment: it says
 * what differs */
eff_status eff_store_open(eff_store **out, const char *path, const char *kind, const char *spec, eff_error *err);

/** Open an existing store to look at, whatever its experiment; nothing can be claimed or written. */
eff_status eff_store_look(eff_store **out, const char *path, eff_error *err);
void eff_store_close(eff_store *s); /* gives back what is claimed; NULL is fine */

const char *eff_store_kind(const eff_store *s);
const char *eff_store_spec(const eff_store *s);

/** A text kept with the experiment. _settle() writes it unless there is one already; *out is what holds from now on. */
eff_status eff_store_settle(eff_store *s, const char *name, const char *text, char **out, eff_error *err);
eff_status eff_store_put_note(eff_store *s, const char *name, const char *text, eff_error *err);
/** NULL in *out when there is none. */
eff_status eff_store_get_note(eff_store *s, const char *name, char **out, eff_error *err);

/** Make sure that there are trials of these keys. id[n] receives their numbers. */
eff_status eff_store_add(eff_store *s, const char *const *key, int n, int64_t *id, eff_error *err);

/** The number of a trial that is there, 0 when it is not. */
eff_status eff_store_find(eff_store *s, const char *key, int64_t *id, eff_error *err);

/** Take the first of these trials that waits, or whose worker is dead. *index is its place in the list, -1 when all are
 * running, done or failed. */
eff_status eff_store_claim(eff_store *s, const int64_t *id, int n, int *index, eff_error *err);

/** Say now and then that this worker lives, for workers on other machines. Cheap, whenever it is called. */
eff_status eff_store_beat(eff_store *s, eff_error *err);

/** End a claim. A claim that was lost meanwhile changes nothing: who has it now will give the same. */
eff_status eff_store_done(eff_store *s, int64_t id, const char *result, double seconds, eff_error *err);
eff_status eff_store_failed(eff_store *s, int64_t id, const char *reason, double seconds, eff_error *err);
eff_status eff_store_give_back(eff_store *s, int64_t id, eff_error *err);

/** How trial `id` stands; EFF_EFORMAT when there is none. */
eff_status eff_store_get(eff_store *s, int64_t id, eff_trial *out, eff_error *err);

/** Workers at these trials now, this one too. */
eff_status eff_store_workers(eff_store *s, int *n, eff_error *err);

#endif
