/* SPDX-License-Identifier: Apache-2.0 */
/* A supernet from the inside: supernet.c makes and trains it, supernet_score.c scores children, supernet_state.c keeps
 * it in a file. */
#ifndef EFF_SEARCH_SUPERNET_INTERNAL_H
#define EFF_SEARCH_SUPERNET_INTERNAL_H

#include "scale/trial_batch.h"
#include "search/supernet.h"
#include "search/supernet_bank.h"

enum { EFF_PRINT = 17 }; /* 64 bits in hexadecimal */

/** What is known of a supernet beside its tensors, and kept with them. */
typedef struct eff_supernet_progress {
    char print[EFF_PRINT]; /* of space, recipe and seed       */
    char data[EFF_PRINT];  /* of the images; "": none yet     */
    long step, steps;      /* taken, of so many               */
    double train_loss;     /* mean of the last epoch          */
    char check[EFF_PRINT]; /* of all of the above and the tensors, to find damage */
} eff_supernet_progress;

struct eff_supernet {
    const eff_space *space;
    eff_trial_job job; /* of the base */
    eff_pool *pool;
    eff_spare spare; /* for one child's trainer after the other */
    eff_bank *bank;
    eff_trial_batch b;
    eff_supernet_progress at;
    eff_view seen, kept; /* the images of the set `data`, made when they are first asked for */
    char viewed[EFF_PRINT];
    bool diverged;
};

/** The child that step `step` trains: every decision by itself, all its options alike. */
void eff_supernet_draw(eff_child *c, const eff_space *s, uint64_t seed, long step);

/** Have both parts of the set at hand, as all children see them. */
eff_status eff_supernet_look(eff_supernet *n, eff_pictures *p, eff_error *err);

/** A child with memory for its weights and where they come from. */
typedef struct eff_member {
    eff_table table;
    eff_model *m;
    int *place;
} eff_member;

eff_status eff_member_open(eff_member *k, eff_supernet *n, const eff_child *c, eff_error *err);
void eff_member_close(eff_member *k);

/** Fill a child's weights, and its running statistics by measuring them. eff_supernet_look() first. */
eff_status eff_member_measure(eff_member *k, eff_supernet *n, eff_error *err);

/** Read what a state file says in its metadata. */
eff_status eff_supernet_progress_read(eff_supernet_progress *out, const char *text, eff_error *err);
/** New reference to text for free(), or NULL when memory ends. */
char *eff_supernet_progress_write(const eff_supernet_progress *p);

eff_status eff_supernet_save(eff_supernet *n, const char *path, eff_error *err);
/** On failure the supernet is as if it was new. */
eff_status eff_supernet_restore(eff_supernet *n, const char *path, eff_error *err);

#endif
