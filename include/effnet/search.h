/* SPDX-License-Identifier: Apache-2.0 */
/* search.h — architecture search on one's own images: find a network the way EfficientNet-B0 was found (Tan & Le 2019,
 * section 4; Tan et al. 2019). Children of a search space are trained briefly, a controller says which come next, the
 * best are trained longer beside the base, and a sample of all tells what the brief scores are worth. Trials are kept
 * in a store that several processes share and that survives being killed. docs/search.md. This interface may change. */
#ifndef EFFNET_SEARCH_H
#define EFFNET_SEARCH_H

#include <effnet/study.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eff_search eff_search;

enum { EFF_SEARCH_COSTS = 4, EFF_SEARCH_MOST_RIVALS = 4 };

typedef struct eff_search_opts {
    const char *space;      /* "small", "mnasnet" or a JSON file                                                */
    const char *controller; /* "evolution" (default), "ppo", "random"                                           */
    const char *evaluator;  /* "proxy" (default): a short training each; "supernet": weights shared by all      */
    const char *store;      /* file of the trials, made if it is missing; NULL: only planning                   */
    const char *cost;       /* "macs" (default), "latency", "params", "memory"                                  */
    double target;          /* T, in the cost's unit (latency: seconds); 0 = what the base costs                */
    double exponent;        /* w of accuracy * (cost / T)^w (default -0.07)                                     */
    int hard;               /* instead: 0 up to T, -1 above                                                     */
    double limit[EFF_SEARCH_COSTS]; /* on macs, latency, params, memory; 0 = none                               */
    int trials;          /* children that are scored (default 100)                                           */
    double control;      /* part of them drawn by chance, to compare with (default 0.2)                      */
    int ahead;           /* children begun before the result of an earlier one counts (default 3): as many
                          * processes and one more work side by side without changing what is found          */
    int finalists;       /* best children that are trained longer (default 9): a third of them longer still  */
    int sample;          /* children, good and bad, trained to the full for the rank correlation (default 8) */
    int repeats;         /* seeds of the winner, the base and the rivals in the end (default 3)              */
    int supernet_epochs; /* "supernet": of its training; 0 = ten times a trial's                             */
    const eff_model *rival[EFF_SEARCH_MOST_RIVALS]; /* networks trained beside the base in the end; borrowed for
                                                     * eff_search_create() */
    uint64_t seed;
    int threads;      /* 0 = every CPU the process may use                                                      */
    const char *cpu;  /* level cap; NULL = EFFNET_CPU or the best                                               */
    size_t cache;     /* bytes for decoded images (default 1.5 GB)                                              */
    size_t memory;    /* a child whose training takes more bytes is recorded as failed; 0 = what the machine has */
    double seconds;   /* for the whole; 0 = no limit. The number of children is cut to fit                      */
    const char *data; /* what the set is called, for the record; borrowed                                       */
    int (*event)(void *ctx, const eff_study_event *e); /* as in a study                                         */
    void *ctx;
    uint8_t reserved[32];
} eff_search_opts;
/** The defaults named above. Always start here. */
EFF_API void eff_search_opts_init(eff_search_opts *o);

/** The base of a space as a model, with the space's own base or `base` (a built-in or a file) in its place; NULL: the
 * file's. For its recipe (eff_study_recipe()) and eff_search_create(). Release with eff_model_free().
 * @return EFF_EARG for a name of neither a space nor a file, EFF_EFORMAT for a bad space; of `base` as eff_model_load() */
EFF_API eff_status eff_search_base(eff_model **out, const char *space, const char *base, eff_error *err);

/** Make the plan: the space with its size, what children take, and (measured for some seconds) how long it will take.
 * `d` is borrowed until eff_search_free(), which releases the search, the others for the call. `recipe` is that of a brief training; the longer
 * ones have three and nine times its epochs.
 * @return EFF_EARG for an option out of range, a limit that no child keeps to; EFF_EFORMAT for a bad space, a store
 * that is none, or of another experiment */
EFF_API eff_status eff_search_create(eff_search **out, const eff_model *base, const eff_dataset *d,
                                     const eff_recipe *recipe, const eff_search_opts *o, eff_error *err);

/** Do what is still to be done, beside whoever else does, and return when all is.
 * @return EFF_ECANCELLED when the event function asked to stop, or the time was over: the results hold what there is;
 * EFF_EIO when the store cannot be written */
EFF_API eff_status eff_search_run(eff_search *s, eff_error *err);

/** The plan as JSON text, borrowed until the next call or eff_search_free(). docs/search.md explains the fields. NULL when
 * memory ended. */
EFF_API const char *eff_search_plan(eff_search *s);
/** The results as far as there are any, likewise. Borrowed until the next call or eff_search_free(). */
EFF_API const char *eff_search_results(eff_search *s);

/** Write the results into the folder `dir`, made if it is missing: search.html, search.csv, search.json, best.json (the
 * table of the winner, usable wherever a model is asked for) and tables/ with the networks of the front.
 * @return EFF_EIO when they cannot be written */
EFF_API eff_status eff_search_save(eff_search *s, const char *dir, eff_error *err);

/** Release a search; NULL is fine. What is in its store stays. */
EFF_API void eff_search_free(eff_search *s);

#ifdef __cplusplus
}
#endif
#endif
