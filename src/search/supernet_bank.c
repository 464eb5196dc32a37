/* SPDX-License-Identifier: Apache-2.0 */
/* Places are found without going through the space, whose children are too many. What a parameter measures depends on
 * its own stage and on the channels that come in, and grows with both; so a few tables cover everything: in each, every
 * stage takes one of its combinations of operator, kernel, expansion and SE, with all its layers. Channels are the most
 * there are, and again most and least in turn from stage to stage, for what is there only where channels change. */
#include "search/supernet_bank.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* -------------------------------------------------------------------------------------------------- places */

/* Place of parameter p of a graph of table t. */
static void name_place(char name[EFF_NAME_LEN], const eff_table *t, const eff_graph *g, const eff_param *p)
{
    const int stage = g->node[p->node].stage;
    int len;
    if (stage < 0 || stage >= t->nstages)
        len = snprintf(name, EFF_NAME_LEN, "%s", p->name);
    else
        len = snprintf(name, EFF_NAME_LEN, "%s/%s%d", p->name, eff_op_name(t->stage[stage].op), t->stage[stage].kernel);
    assert(len < EFF_NAME_LEN); /* "blocks.31.999.reduce.bn.running_mean/bottleneck31" */
    (void)len;
}

static int find(const eff_bank *b, const char *name)
{
    const json_t *const at = json_object_get(b->index, name);
    return at ? (int)json_integer_value(at) : -1;
}

/* The place of a parameter, made or grown. */
static eff_status add_place(eff_bank *b, const char *name, const eff_param *p, eff_error *err)
{
    const int at = find(b, name);
    if (at >= 0) {
        eff_param *const had = &b->entry[at].param;
        for (int k = 0; k < 4; k++) had->dim[k] = had->dim[k] > p->dim[k] ? had->dim[k] : p->dim[k];
        return EFF_OK;
    }
    if (b->n == b->capacity) {
        const int more = b->capacity ? 2 * b->capacity : 256;
        eff_bank_entry *const e = eff_realloc(b->entry, (size_t)more * sizeof *e);
        if (!e) return eff_fail_memory(err, (size_t)more * sizeof *e);
        b->entry = e;
        b->capacity = more;
    }
    if (json_object_set_new(b->index, name, json_integer(b->n)) != 0) return eff_fail_memory(err, sizeof *p);
    eff_bank_entry *const e = &b->entry[b->n++];
    *e = (eff_bank_entry){ .param = *p };
    memcpy(e->param.name, name, EFF_NAME_LEN);
    return EFF_OK;
}

static eff_status add_network(eff_bank *b, const eff_table *t, eff_error *err)
{
    eff_graph *g;
    char name[EFF_NAME_LEN];
    eff_status e = eff_graph_build(&g, t, 0, 0, err);
    for (int i = 0; e == EFF_OK && i < g->nparams; i++) {
        name_place(name, t, g, &g->param[i]);
        e = add_place(b, name, &g->param[i], err);
    }
    eff_graph_free(g);
    return e;
}

/* ------------------------------------------------------------------------------------------------- covering */

/* Options of each decision that give a stage the most and the least channels: rounding may turn the order round. */
typedef struct extremes {
    uint8_t most[EFF_MAX_DECISIONS], least[EFF_MAX_DECISIONS];
} extremes;

static void find_extremes(extremes *x, const eff_space *s)
{
    for (int d = 0; d < s->ndecisions; d++) {
        const eff_decision *const open = &s->decision[d];
        int most = -1, least = -1;
        x->most[d] = x->least[d] = 0;
        for (int k = 0; k < open->n; k++) {
            eff_child c = { { 0 } };
            eff_table t;
            c.choice[d] = (uint8_t)k;
            if (eff_space_table(&t, s, &c, NULL) != EFF_OK) continue;
            const int size =
                open->field == EFF_FIELD_LAYERS ? t.stage[open->stage].repeats : t.stage[open->stage].channels;
            if (most < 0 || size > most) x->most[d] = (uint8_t)k, most = size;
            if (least < 0 || size < least) x->least[d] = (uint8_t)k, least = size;
        }
    }
}

static bool combines(eff_field f)
{
    return f == EFF_FIELD_OP || f == EFF_FIELD_KERNEL || f == EFF_FIELD_EXPAND || f == EFF_FIELD_SE;
}

/* Combinations of the stage with the most. */
static int count_combinations(const eff_space *s)
{
    int of[EFF_MAX_STAGES], most = 1;
    for (int i = 0; i < EFF_MAX_STAGES; i++) of[i] = 1;
    for (int d = 0; d < s->ndecisions; d++)
        if (combines(s->decision[d].field)) of[s->decision[d].stage] *= s->decision[d].n;
    for (int i = 0; i < EFF_MAX_STAGES; i++) most = of[i] > most ? of[i] : most;
    return most;
}

enum { WIDE, EVEN_WIDE, ODD_WIDE, WIDTHS }; /* all stages have the most channels, or every second one */

/* Every stage's combination number `number`, counted round where it has fewer. */
static eff_child cover(const eff_space *s, const extremes *x, int number, int width)
{
    eff_child c = { { 0 } };
    int rest = number, stage = -1;
    for (int d = 0; d < s->ndecisions; d++) {
        const eff_decision *const open = &s->decision[d];
        const bool wide = width == WIDE || (open->stage % 2 == 0) == (width == EVEN_WIDE);
        if (open->stage != stage) rest = number;
        stage = open->stage;
        if (combines(open->field)) {
            c.choice[d] = (uint8_t)(rest % open->n);
            rest /= open->n;
        } else if (open->field == EFF_FIELD_LAYERS)
            c.choice[d] = x->most[d];
        else if (open->field == EFF_FIELD_FILTERS)
            c.choice[d] = wide ? x->most[d] : x->least[d];
    }
    return c;
}

/* Places of all covers. What cannot be built as a table is no child and needs none; a place that only such a table
 * would have shown is missed by its name when a child asks for it. */
static eff_status add_covers(eff_bank *b, const eff_space *s, eff_error *err)
{
    extremes x;
    eff_status e = EFF_OK, refused = EFF_OK;
    find_extremes(&x, s);
    for (int number = 0, n = count_combinations(s); e == EFF_OK && number < n; number++)
        for (int width = 0; e == EFF_OK && width < WIDTHS; width++) {
            const eff_child c = cover(s, &x, number, width);
            eff_table t;
            const eff_status made = eff_space_table(&t, s, &c, err);
            if (made == EFF_OK) e = add_network(b, &t, err);
            if (made != EFF_OK) refused = made;
        }
    return e == EFF_OK && b->n == 0 ? refused : e;
}

/* -------------------------------------------------------------------------------------------------- memory */

/* An entry's room in floats, of one vector. */
static size_t room(const eff_bank_entry *e) { return eff_round_up(e->param.count, EFF_ALIGN / sizeof(float)); }

static eff_status measure(eff_bank *b, eff_error *err)
{
    const size_t vectors = 1 + (size_t)eff_optim_vectors(b->kind);
    for (int i = 0; i < b->n; i++) {
        eff_param *const p = &b->entry[i].param;
        size_t floats = 0;
        p->count = 1;
        bool fits = true;
        for (int k = 0; k < 4; k++) fits = fits && eff_mul(p->count, (size_t)p->dim[k], &p->count);
        fits = fits && p->count < SIZE_MAX / 64 / vectors;
        if (fits && !eff_param_is_buffer(p->kind)) fits = eff_mul(room(&b->entry[i]), vectors, &floats);
        if (!fits || !eff_add(b->floats, floats, &b->floats) || b->floats > SIZE_MAX / sizeof(float))
            return eff_fail_memory(err, SIZE_MAX);
    }
    return EFF_OK;
}

eff_status eff_bank_plan(eff_bank **out, const eff_space *s, eff_optim_kind kind, eff_error *err)
{
    *out = NULL;
    eff_bank *const b = eff_calloc(1, sizeof *b);
    if (!b) return eff_fail_memory(err, sizeof *b);
    b->kind = kind;
    b->index = json_object();
    eff_status e = b->index ? add_covers(b, s, err) : eff_fail_memory(err, sizeof *b);
    if (e == EFF_OK) e = measure(b, err);
    if (e != EFF_OK) {
        eff_bank_free(b);
        return e;
    }
    *out = b;
    return EFF_OK;
}

eff_status eff_bank_alloc(eff_bank *b, eff_error *err)
{
    float *at = b->block = eff_malloc_aligned(b->floats * sizeof *at);
    if (!at) return eff_fail_memory(err, b->floats * sizeof *at);
    for (int i = 0; i < b->n; i++)
        for (int k = 0; !eff_param_is_buffer(b->entry[i].param.kind) && k <= eff_optim_vectors(b->kind); k++) {
            b->entry[i].v[k] = at;
            at += room(&b->entry[i]);
        }
    return EFF_OK;
}

void eff_bank_free(eff_bank *b)
{
    if (!b) return;
    json_decref(b->index);
    eff_free(b->entry);
    eff_free(b->block);
    eff_free(b);
}

void eff_bank_reset(eff_bank *b, uint64_t seed)
{
    for (int i = 0; i < b->n; i++) {
        const eff_bank_entry *const e = &b->entry[i];
        if (e->v[0]) eff_param_init(e->v[0], &e->param, seed, i);
        for (int k = 1; k < EFF_BANK_VECTORS && e->v[k]; k++)
            for (size_t j = 0; j < e->param.count; j++) e->v[k][j] = eff_optim_start(b->kind, k - 1);
    }
}

/* ----------------------------------------------------------------------------------------------- a child's */

eff_status eff_bank_places(int *place, const eff_bank *b, const eff_model *m, eff_error *err)
{
    char name[EFF_NAME_LEN];
    for (int i = 0; i < m->graph->nparams; i++) {
        const eff_param *const p = &m->graph->param[i];
        name_place(name, &m->table, m->graph, p);
        place[i] = find(b, name);
        if (place[i] < 0) return eff_fail(err, EFF_EARG, "supernet: no tensor %s for %s", name, m->table.name);
        const eff_param *const whole = &b->entry[place[i]].param;
        const bool fits = whole->kind == p->kind && whole->ndim == p->ndim && whole->dim[0] >= p->dim[0] &&
                          whole->dim[1] >= p->dim[1] && whole->dim[2] == p->dim[2] && whole->dim[3] == p->dim[3];
        if (!fits)
            return eff_fail(err, EFF_EARG, "supernet: tensor %s: expected at most %dx%d, found %dx%d in %s", name,
                            whole->dim[0], whole->dim[1], p->dim[0], p->dim[1], m->table.name);
    }
    return EFF_OK;
}

/* Copy between the leading block of `whole` and all of `part`; rows are contiguous in both. */
static void copy_block(float *to, size_t to_row, const float *from, size_t from_row, size_t rows)
{
    const size_t n = to_row < from_row ? to_row : from_row;
    if (to_row == from_row)
        memcpy(to, from, rows * n * sizeof *to);
    else
        for (size_t r = 0; r < rows; r++) memcpy(to + r * to_row, from + r * from_row, n * sizeof *to);
}

static size_t row_of(const eff_param *p) { return p->count / (size_t)p->dim[0]; }

/* What lies in vector k of parameter i: its weights, or state of the optimiser. */
static float *vector_of(const eff_model *m, const eff_optim *opt, int i, int k)
{
    return k == 0 ? m->weights[i] : opt ? eff_optim_state(opt, i, k - 1) : NULL;
}

void eff_bank_gather(const eff_bank *b, const int *place, eff_model *m, eff_optim *opt)
{
    for (int i = 0; i < m->graph->nparams; i++) {
        const eff_param *const p = &m->graph->param[i];
        const eff_bank_entry *const e = &b->entry[place[i]];
        if (!e->v[0]) eff_param_init(m->weights[i], p, 0, i);
        for (int k = 0; k < EFF_BANK_VECTORS && e->v[k]; k++) {
            float *const to = vector_of(m, opt, i, k);
            if (to) copy_block(to, row_of(p), e->v[k], row_of(&e->param), (size_t)p->dim[0]);
        }
    }
}

void eff_bank_scatter(eff_bank *b, const int *place, const eff_model *m, const eff_optim *opt)
{
    for (int i = 0; i < m->graph->nparams; i++) {
        const eff_param *const p = &m->graph->param[i];
        const eff_bank_entry *const e = &b->entry[place[i]];
        for (int k = 0; k < EFF_BANK_VECTORS && e->v[k]; k++) {
            const float *const from = vector_of(m, opt, i, k);
            if (from) copy_block(e->v[k], row_of(&e->param), from, row_of(p), (size_t)p->dim[0]);
        }
    }
}
