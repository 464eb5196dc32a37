/* SPDX-License-Identifier: Apache-2.0 */
/* What children are: the stages that their choices make, which of them are the same network, how many there are.
 * Two forms of a stage are the same when the graph built from them is; that depends on the channels which come in, and
 * so on the stage before. Everything here goes through stages from front to back with those channels at hand. */
#include "search/space.h"

#include <stdio.h>
#include <string.h>

static const char *const field_names[EFF_FIELDS] = { "op", "kernel", "expand", "se", "skip", "filters", "layers" };

const char *eff_field_name(eff_field f) { return (unsigned)f < EFF_FIELDS ? field_names[f] : "?"; }
const char *const *eff_field_names(void) { return field_names; }

/* ------------------------------------------------------------------------------------------- stages */

static bool has_expansion(eff_op op) { return op == EFF_OP_MBCONV || op == EFF_OP_FUSED; }

/* Set one field of a stage to option k. */
static void decide(eff_stage *s, const eff_table *base, const eff_decision *d, int k)
{
    const eff_stage *const from = &base->stage[d->stage];
    const double v = d->option[k];
    switch (d->field) {
    case EFF_FIELD_OP: s->op = (eff_op)v; break;
    case EFF_FIELD_KERNEL: s->kernel = (int)v; break;
    case EFF_FIELD_EXPAND: s->expand = v; break;
    case EFF_FIELD_SE: s->se = v; break;
    case EFF_FIELD_SKIP: s->skip = v != 0; break;
    case EFF_FIELD_FILTERS: /* at 1 a stage keeps the channels that the base's author wrote */
        s->channels = v == 1 ? from->channels : eff_round_filters(from->channels, v, base->divisor, base->round_up_90);
        break;
    case EFF_FIELD_LAYERS: s->repeats = from->repeats + (int)v > 1 ? from->repeats + (int)v : 1; break;
    default: break;
    }
}

/* Decisions of one stage: [first, end). */
typedef struct range {
    int first, end;
} range;

static range decisions_of(const eff_space *s, int stage, int first)
{
    int end = first;
    while (end < s->ndecisions && s->decision[end].stage == stage) end++;
    return (range){ first, end };
}

static eff_stage chosen_stage(const eff_space *s, int stage, range r, const eff_child *c)
{
    eff_stage st = s->base.stage[stage];
    for (int d = r.first; d < r.end; d++) decide(&st, &s->base, &s->decision[d], c->choice[d]);
    return st;
}

/* Channels that a block expands to, 0 where it has no convolution for that. */
static int expansion(const eff_stage *s, int in, bool first)
{
    const int mid = eff_stage_mid(s, first && s->expand_from ? s->expand_from : in);
    return s->op == EFF_OP_FUSED || s->expand != 1 || mid != in ? mid : 0;
}

static bool same_block(const eff_stage *a, const eff_stage *b, int in, bool first)
{
    const int stride = first ? a->stride : 1;
    if (eff_stage_shortcut(a, in, stride) != eff_stage_shortcut(b, in, stride)) return false;
    if (!has_expansion(a->op)) return true;
    return expansion(a, in, first) == expansion(b, in, first) && eff_stage_squeeze(a, in) == eff_stage_squeeze(b, in);
}

/* Whether two forms of one stage are the same network when `in` channels come in. Where they are, they agree in every
 * field, or the field has no effect there: so fields can be looked at one by one. */
static bool same_stage(const eff_stage *a, const eff_stage *b, int in)
{
    return a->op == b->op && a->kernel == b->kernel && a->channels == b->channels && a->repeats == b->repeats &&
           same_block(a, b, in, true) && (a->repeats == 1 || same_block(a, b, a->channels, false));
}

/* The first option that makes of stage `st` what option k makes of it. */
static int first_alike(const eff_space *s, const eff_decision *d, const eff_stage *st, int k, int in)
{
    eff_stage wanted = *st, tried = *st;
    decide(&wanted, &s->base, d, k);
    for (int i = 0; i < k; i++) {
        decide(&tried, &s->base, d, i);
        if (same_stage(&tried, &wanted, in)) return i;
    }
    return k;
}

/* ----------------------------------------------------------------------------------------- children */

void eff_space_canonical(const eff_space *s, eff_child *c)
{
    int in = s->base.stem_channels, first = 0;
    for (int i = 0; i < s->base.nstages; i++) {
        const range r = decisions_of(s, i, first);
        const eff_stage st = chosen_stage(s, i, r, c);
        for (int d = r.first; d < r.end; d++)
            c->choice[d] = (uint8_t)first_alike(s, &s->decision[d], &st, c->choice[d], in);
        in = st.channels;
        first = r.end;
    }
    memset(c->choice + s->ndecisions, 0, (size_t)(EFF_MAX_DECISIONS - s->ndecisions));
}

static void name_child(char name[EFF_NAME_LEN], const eff_space *s, const eff_child *c)
{
    char whole[EFF_NAME_LEN + EFF_CHILD_TEXT];
    const int n = snprintf(whole, sizeof whole, "%s-", s->name);
    eff_child_format(s, c, whole + n, sizeof whole - (size_t)n);
    const size_t len = strnlen(whole, EFF_NAME_LEN - 1);
    memcpy(name, whole, len);
    name[len] = '\0';
}

eff_status eff_space_table(eff_table *out, const eff_space *s, const eff_child *child, eff_error *err)
{
    for (int d = 0; d < s->ndecisions; d++)
        if (child->choice[d] >= s->decision[d].n)
            return eff_fail(err, EFF_EARG, "stages[%d].%s: expected an option in 0..%d, found %d", s->decision[d].stage,
                            field_names[s->decision[d].field], s->decision[d].n - 1, child->choice[d]);
    eff_child c = *child;
    eff_space_canonical(s, &c);
    eff_table t = s->base;
    int first = 0;
    for (int i = 0; i < t.nstages; i++) {
        const range r = decisions_of(s, i, first);
        eff_stage *const st = &t.stage[i];
        *st = chosen_stage(s, i, r, &c);
        if (r.end > r.first && !has_expansion(st->op)) { /* what the operator does not have, as tables write it */
            st->expand = 1;
            st->se = 0;
            st->expand_from = 0;
        }
        first = r.end;
    }
    name_child(t.name, s, &c);
    const eff_status e = eff_table_check(&t, err);
    if (e == EFF_OK) *out = t;
    return e;
}

/* ------------------------------------------------------------------------------------------ counting */

/* Networks up to some stage, by the channels which that stage puts out. */
typedef struct counted {
    int n, channels[EFF_MAX_OPTIONS];
    double networks[EFF_MAX_OPTIONS];
} counted;

static void add_networks(counted *c, int channels, double networks)
{
    int i = 0;
    while (i < c->n && c->channels[i] != channels) i++;
    if (i == c->n) {
        c->channels[c->n] = channels;
        c->networks[c->n++] = 0;
    }
    c->networks[i] += networks;
}

/* Options of a decision that differ in stage `st`. */
static int distinct(const eff_space *s, const eff_decision *d, const eff_stage *st, int in)
{
    int n = 0;
    for (int k = 0; k < d->n; k++) n += first_alike(s, d, st, k, in) == k;
    return n;
}

/* Operator, channels and repeats say what the other fields do, so those three are gone through and the others
 * multiplied: decision d of a stage whose earlier ones among the three are in `st`. */
static void count_shapes(counted *out, const eff_space *s, range r, int d, const eff_stage *st, int in, double before)
{
    while (d < r.end && s->decision[d].field != EFF_FIELD_OP && s->decision[d].field != EFF_FIELD_FILTERS &&
           s->decision[d].field != EFF_FIELD_LAYERS)
        d++;
    if (d == r.end) {
        for (int i = r.first; i < r.end; i++) {
            const eff_field f = s->decision[i].field;
            if (f == EFF_FIELD_KERNEL || f == EFF_FIELD_EXPAND || f == EFF_FIELD_SE || f == EFF_FIELD_SKIP)
                before *= distinct(s, &s->decision[i], st, in);
        }
        add_networks(out, st->channels, before);
        return;
    }
    const eff_decision *const open = &s->decision[d];
    for (int k = 0; k < open->n; k++) {
        if (first_alike(s, open, st, k, in) != k) continue;
        eff_stage shaped = *st;
        decide(&shaped, &s->base, open, k);
        count_shapes(out, s, r, d + 1, &shaped, in, before);
    }
}

void eff_space_size(const eff_space *s, double *choices, double *networks)
{
    *choices = 1;
    for (int d = 0; d < s->ndecisions; d++) *choices *= s->decision[d].n;

    counted in = { .n = 1, .channels = { s->base.stem_channels }, .networks = { 1 } };
    int first = 0;
    for (int i = 0; i < s->base.nstages; i++) {
        const range r = decisions_of(s, i, first);
        counted out = { .n = 0 };
        for (int k = 0; k < in.n; k++)
            count_shapes(&out, s, r, r.first, &s->base.stage[i], in.channels[k], in.networks[k]);
        in = out;
        first = r.end;
    }
    *networks = 0;
    for (int k = 0; k < in.n; k++) *networks += in.networks[k];
}

/* ---------------------------------------------------------------------------------------------- text */

/* Whether decision d begins the second or a later group of digits. */
static bool new_group(const eff_space *s, int d) { return d > 0 && s->decision[d].stage != s->decision[d - 1].stage; }

int eff_child_format(const eff_space *s, const eff_child *c, char *buf, size_t size)
{
    char text[EFF_CHILD_TEXT];
    int n = 0;
    for (int d = 0; d < s->ndecisions; d++) {
        if (new_group(s, d)) text[n++] = '-';
        text[n++] = (char)('0' + c->choice[d]);
    }
    text[n] = '\0';
    return snprintf(buf, size, "%s", text);
}

eff_status eff_child_parse(eff_child *out, const eff_space *s, const char *text, eff_error *err)
{
    eff_child c = { { 0 } };
    size_t at = 0;
    for (int d = 0; d < s->ndecisions; d++) {
        const eff_decision *const open = &s->decision[d];
        if (new_group(s, d) && text[at++] != '-')
            return eff_fail(err, EFF_EARG,
                            "child: expected '-' after %zu bytes, before the digits of stages[%d], found '%.40s'",
                            at - 1, open->stage, text + at - 1);
        if (text[at] < '0' || text[at] >= '0' + open->n)
            return eff_fail(err, EFF_EARG,
                            "child: expected a digit in 0..%d for stages[%d].%s after %zu bytes, found '%.40s'",
                            open->n - 1, open->stage, field_names[open->field], at, text + at);
        c.choice[d] = (uint8_t)(text[at++] - '0');
    }
    if (text[at])
        return eff_fail(err, EFF_EARG, "child: expected its end after %zu bytes, found '%.40s'", at, text + at);
    *out = c;
    return EFF_OK;
}
