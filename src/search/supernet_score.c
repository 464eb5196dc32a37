/* SPDX-License-Identifier: Apache-2.0 */
/* Scoring a child. Running statistics that steps of many children left behind are those of none of them: they are not
 * kept at all. A child's own are measured before it is scored, as those of a training step would be: each batch is
 * normalised by itself, and the moments of all of them are taken as one batch's. */
#include "search/supernet_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

/* Batches that are measured. 16 of 32 images are 512: the mean of a channel is then off by 1/sqrt(512), 4 % of how much
 * images differ in it, which is little beside what changes from step to step; more would cost more than scoring. */
enum { MEASURED = 16 };

eff_status eff_member_measure(eff_member *k, eff_supernet *n, eff_error *err)
{
    const size_t batch = (size_t)n->b.size < n->seen.n ? (size_t)n->b.size : n->seen.n, all = n->seen.n / batch;
    const uint32_t epoch =
        (uint32_t)eff_recipe_int(n->job.recipe, EFF_KEY_EPOCHS); /* after the last that was trained */
    eff_trainer *t = NULL;
    eff_trainer_opts o = eff_trial_trainer_opts(&n->job);
    o.pool = n->pool;
    o.spare = &n->spare;
    o.pool_statistics = true;
    o.stochastic = false;
    eff_bank_gather(n->bank, k->place, k->m, NULL);
    const double momentum = k->m->table.bn_momentum;
    k->m->table.bn_momentum = 1; /* nothing is left of what was there before */
    bool *const learns = eff_calloc((size_t)k->m->graph->nparams, sizeof *learns);
    o.learns = learns; /* nothing does: no memory for gradients */
    eff_status e = learns ? eff_trainer_create(&t, k->m, &o, err) : eff_fail_memory(err, sizeof *learns);
    if (e == EFF_OK) e = eff_trial_batch_order(&n->b, n->seen.n, epoch, err);
    for (size_t i = 0; e == EFF_OK && i < MEASURED && i < all; i++) {
        const eff_pass pass = { .x = n->b.x, .n = (int)batch };
        e = eff_trial_batch_make(&n->b, n->pool, &n->seen, i * batch, (int)batch, epoch, err);
        if (e == EFF_OK) eff_trainer_pass(t, &pass);
    }
    eff_trainer_free(t);
    eff_free(learns);
    k->m->table.bn_momentum = momentum;
    return e;
}

eff_status eff_supernet_score(eff_trial_score *out, eff_supernet *n, const eff_child *c, eff_pictures *p,
                              eff_error *err)
{
    const double began = eff_clock();
    *out = (eff_trial_score){ .train_loss = n->at.train_loss };
    if (n->at.step == 0 || n->at.step < n->at.steps) return eff_fail(err, EFF_EARG, "the supernet is not trained yet");
    eff_member k = { .m = NULL };
    eff_status e = eff_supernet_look(n, p, err);
    if (e == EFF_OK && strcmp(n->at.data, n->viewed) != 0)
        e = eff_fail(err, EFF_EFORMAT, "the supernet was trained on other images: expected fingerprint %s, found %s",
                     n->at.data, n->viewed);
    if (e == EFF_OK) e = eff_member_open(&k, n, c, err);
    if (e == EFF_OK) e = eff_member_measure(&k, n, err);
    if (e == EFF_OK) e = eff_trial_batch_score(out, &n->b, k.m, n->pool, &n->kept, err);
    eff_member_close(&k);
    out->seconds = eff_clock() - began;
    return e;
}
