/* SPDX-License-Identifier: Apache-2.0 */
/* How long a search takes: some children drawn by chance are timed for some steps; a training costs in proportion to
 * its multiply-adds, which is near enough for children of one space. */
#include "search/search_internal.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TIMED = 6, LOOKED_AT = 60, LEAST_TRIALS = 8 };

#define STREAM_TIMED    ((uint64_t)0x74696d65 << 32)
#define MEASURE_SECONDS 0.2
#define PLAN_PART       0.92 /* of the time that the plan may fill */

static eff_status measure_children(eff_search *s, eff_error *err)
{
    double step = 0, scored = 0, macs = 0, sum = 0;
    int timed = 0, looked = 0;
    eff_status e = EFF_OK;
    for (uint64_t k = 0; e == EFF_OK && looked < LOOKED_AT && k < (uint64_t)100 * LOOKED_AT; k++) {
        eff_child c;
        eff_table t;
        double cost[EFF_COSTS];
        eff_cost which;
        bool can;
        eff_search_draw_child(&c, &s->space, s->o.seed, STREAM_TIMED | k);
        if ((e = eff_search_build(&t, cost, &can, &s->space, &c, err)) || !can ||
            (!eff_objective_allows(&s->objective, cost, &which) && k < (uint64_t)50 * LOOKED_AT))
            continue;
        sum += cost[EFF_COST_MACS];
        looked++;
        if (timed == TIMED) continue;
        const eff_study_event ev = {
            .phase = EFF_STUDY_MEASURE, .done = (size_t)timed, .total = TIMED, .eta = NAN, .left = NAN
        };
        if (eff_search_tell(s, &ev)) return eff_fail(err, EFF_ECANCELLED, "stopped");
        eff_recipe r = s->recipe;
        const eff_trial_job j = eff_search_trial(s, &t, &r, 0, 0);
        double a, b;
        const long most = (long)eff_search_epochs(s, 0) * s->images / eff_recipe_int(&s->recipe, EFF_KEY_BATCH) / 20;
        e = eff_trial_measure(&a, &b, &j, most, MEASURE_SECONDS, err); /* short trials need less */
        step += a;
        scored += b;
        macs += cost[EFF_COST_MACS];
        timed++;
    }
    if (e == EFF_OK && looked > 0) {
        s->mean_macs = sum / looked;
        s->step_per_mac = step / macs;
        s->score_per_mac = scored / macs;
    }
    return e;
}

eff_status eff_search_measure(eff_search *s, eff_error *err)
{
    const eff_status e = measure_children(s, err);
    if (e != EFF_OK) return e;
    return eff_pictures_measure(&s->decode, s->d, s->source_h, s->source_w, s->o.cache, s->o.threads, err);
}

double eff_search_train_seconds(const eff_search *s, double macs, int epochs)
{
    const double steps = fmax(1, floor((double)s->images / eff_recipe_int(&s->recipe, EFF_KEY_BATCH)));
    return macs * (epochs * steps * s->step_per_mac + s->scored * s->score_per_mac);
}

/* Of the supernet's training, whose steps are those of children; scoring one is some steps and the images. */
static double supernet_seconds(const eff_search *s)
{
    return eff_search_train_seconds(s, s->mean_macs, eff_search_supernet_epochs(s));
}

double eff_search_job_seconds(const eff_search *s, const eff_job *j)
{
    if (j->kind == EFF_JOB_SUPERNET) return supernet_seconds(s);
    return eff_search_train_seconds(s, j->macs, j->kind == EFF_JOB_SCORE ? 0 : eff_search_epochs(s, j->level));
}

static int least(int a, int b) { return a < b ? a : b; }

/* Of the finals that are not in the list of jobs yet, with children of mean cost. */
static double finals_to_come(const eff_search *s)
{
    const int f = least(s->o.finalists, s->o.trials), third = (f + EFF_LEVEL_FACTOR - 1) / EFF_LEVEL_FACTOR,
              sample = least(s->o.sample, s->o.trials);
    const double one = eff_search_train_seconds(s, s->mean_macs, eff_search_epochs(s, 1)),
                 full = eff_search_train_seconds(s, s->mean_macs, eff_search_epochs(s, EFF_LEVELS - 1));
    double sum = 0;
    if (s->stage < 1) {
        sum += f * one + sample * full;
        for (int i = 0; i < s->nrivals; i++)
            sum += s->o.repeats *
                   eff_search_train_seconds(s, s->rival[i].cost[EFF_COST_MACS], eff_search_epochs(s, EFF_LEVELS - 1));
    }
    if (s->stage < EFF_LEVELS - 1) sum += third * full;
    return s->complete ? 0 : sum + (s->o.repeats - 1) * full;
}

static double children_to_come(const eff_search *s)
{
    const int n = s->exhausted ? 0 : s->o.trials - s->entered;
    const double each = eff_search_train_seconds(s, s->mean_macs, s->by_supernet ? 0 : eff_search_epochs(s, 0));
    return n * each + (s->by_supernet && s->supernet_job < 0 ? supernet_seconds(s) : 0);
}

static double jobs_left(const eff_search *s)
{
    double sum = 0;
    for (int i = 0; i < s->njobs; i++)
        if (!s->jobs[i].over) sum += eff_search_job_seconds(s, &s->jobs[i]);
    return fmax(0, sum - s->claimed * s->job_part);
}

double eff_search_left(const eff_search *s)
{
    return (jobs_left(s) + children_to_come(s) + finals_to_come(s)) * s->pace / (s->workers > 1 ? s->workers : 1);
}

int eff_search_total(const eff_search *s)
{
    const int children = s->exhausted ? 0 : s->o.trials - s->entered + (s->by_supernet && s->supernet_job < 0),
              f = least(s->o.finalists, s->o.trials), third = (f + EFF_LEVEL_FACTOR - 1) / EFF_LEVEL_FACTOR;
    int finals = s->complete ? 0 : s->o.repeats - 1;
    if (s->stage < EFF_LEVELS - 1) finals += third;
    if (s->stage < 1) finals += f + least(s->o.sample, s->o.trials) + s->nrivals * s->o.repeats;
    return s->njobs + children + finals;
}

double eff_search_part(const eff_search *s)
{
    double done = s->claimed * s->job_part;
    for (int i = 0; i < s->njobs; i++)
        if (s->jobs[i].over) done += eff_search_job_seconds(s, &s->jobs[i]);
    const double left = jobs_left(s) + children_to_come(s) + finals_to_come(s);
    return done + left > 0 ? done / (done + left) : 1;
}

eff_status eff_search_cut(eff_search *s, eff_error *err)
{
    const double limit = PLAN_PART * s->o.seconds - s->decode - (eff_clock() - s->began);
    const int asked = s->o.trials;
    if (s->o.seconds <= 0 || children_to_come(s) + finals_to_come(s) <= limit) return EFF_OK;
    const double each = eff_search_train_seconds(s, s->mean_macs, s->by_supernet ? 0 : eff_search_epochs(s, 0));
    const double finals = finals_to_come(s) + (s->by_supernet ? supernet_seconds(s) : 0);
    s->o.trials = (int)fmax(0, floor((limit - finals) / each));
    if (s->o.trials > asked) s->o.trials = asked;
    const int fewest = least(LEAST_TRIALS, asked);
    if (s->o.trials < fewest)
        return eff_fail(
            err, EFF_EARG,
            "time: %d children and the finals take %.0f s here, there are %.0f s: expected more time, fewer "
            "epochs, or fewer finalists, sample and repeats",
            fewest, fewest * each + finals + s->decode, s->o.seconds);
    snprintf(s->cuts, sizeof s->cuts, "children from %d to %d", asked, s->o.trials);
    return EFF_OK;
}
