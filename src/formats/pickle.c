/* SPDX-License-Identifier: Apache-2.0 */
/* The pickle machine: a stack, a memo and marks, all of them indices into one table of values. Every opcode adds at most a
 * fixed number of values and references beyond what it takes off the stack, so memory is bounded by the bytes read; hard
 * limits stand behind that. Opcodes that no checkpoint uses are refused. */
#include "formats/pickle.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { /* a training checkpoint of B7 has 50,000 values; at these limits the machine holds 50 MB */
    MAX_VALUES = 1 << 20,
    MAX_REFS = 4 << 20,
    MAX_STACK = 1 << 20,
};

typedef struct machine {
    eff_pickle *p;
    const unsigned char *b;
    size_t size, at, op_at;
    uint32_t *stack, *mark, *memo; /* memo: value + 1, 0 = unset */
    size_t sp, stack_cap, marks, mark_cap, memo_cap;
    eff_status status;
    eff_error *err;
} machine;

/* -------------------------------------------------------------------------------- failures and memory */

static bool bad(machine *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool bad(machine *m, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    m->status = eff_fail(m->err, EFF_EFORMAT, "pickle byte %zu: %s", m->op_at, text);
    return false;
}

static bool grow(machine *m, void *array, size_t *cap, size_t need, size_t limit, size_t size)
{
    if (need <= *cap) return true;
    if (need > limit) return bad(m, "more than %zu values", limit);
    size_t n = *cap ? 2 * *cap : 256;
    if (n < need) n = need;
    if (n > limit) n = limit;
    void *old;
    memcpy(&old, array, sizeof old);
    void *const p = eff_realloc(old, n * size);
    if (!p) {
        m->status = eff_fail_memory(m->err, n * size);
        return false;
    }
    memcpy(array, &p, sizeof p);
    *cap = n;
    return true;
}

static const unsigned char *take(machine *m, size_t n)
{
    if (m->size - m->at < n) {
        m->p->cut = true;
        bad(m, "the pickle ends early: %zu bytes needed, %zu left", n, m->size - m->at);
        return NULL;
    }
    const unsigned char *const s = m->b + m->at;
    m->at += n;
    return s;
}

/* Unsigned little-endian number of n bytes. */
static bool number(machine *m, size_t n, uint64_t *out)
{
    const unsigned char *const s = take(m, n);
    if (!s) return false;
    *out = 0;
    for (size_t i = 0; i < n; i++) *out |= (uint64_t)s[i] << (8 * i);
    return true;
}

/* ---------------------------------------------------------------------------------------- the stack */

static bool new_value(machine *m, eff_pk_value v, uint32_t *id)
{
    eff_pickle *const p = m->p;
    if (!grow(m, &p->value, &p->values_cap, p->nvalues + 1, MAX_VALUES, sizeof *p->value)) return false;
    *id = (uint32_t)p->nvalues;
    p->value[p->nvalues++] = v;
    return true;
}

static bool push(machine *m, uint32_t id)
{
    if (!grow(m, &m->stack, &m->stack_cap, m->sp + 1, MAX_STACK, sizeof *m->stack)) return false;
    m->stack[m->sp++] = id;
    return true;
}

static bool push_new(machine *m, eff_pk_value v)
{
    uint32_t id = 0;
    return new_value(m, v, &id) && push(m, id);
}

static bool push_int(machine *m, int kind, int64_t i)
{
    return push_new(m, (eff_pk_value){ .kind = (uint8_t)kind, .u.i = i });
}

/* What lies above the last mark; nothing may reach below it. */
static size_t height(const machine *m) { return m->sp - (m->marks ? m->mark[m->marks - 1] : 0); }

static bool pop(machine *m, uint32_t *id)
{
    if (height(m) == 0) return bad(m, "nothing on the stack");
    *id = m->stack[--m->sp];
    return true;
}

/* Take off the last mark: *n values above it stay at *first until the next push. */
static bool pop_mark(machine *m, const uint32_t **first, uint32_t *n)
{
    if (!m->marks) return bad(m, "no mark on the stack");
    const uint32_t base = m->mark[--m->marks];
    *first = m->stack + base;
    *n = (uint32_t)(m->sp - base);
    m->sp = base;
    return true;
}

static bool top(machine *m, uint32_t *id)
{
    if (height(m) == 0) return bad(m, "nothing on the stack");
    *id = m->stack[m->sp - 1];
    return true;
}

/* --------------------------------------------------------------------------------------- containers */

/* Append n items to the container `id`; `items` may lie on the stack but not in ref. */
static bool append(machine *m, uint32_t id, const uint32_t *items, uint32_t n)
{
    eff_pickle *const p = m->p;
    eff_pk_value v = p->value[id];
    if (n == 0) return true;
    if (v.n + (uint64_t)n > v.u.ref.cap) {
        const bool last = v.u.ref.cap && v.u.ref.at + (size_t)v.u.ref.cap == p->nrefs;
        uint64_t cap = v.n + (uint64_t)n;
        if (v.n && cap < 2 * (uint64_t)v.n) cap = 2 * (uint64_t)v.n; /* built in one go: no slack */
        const size_t at = last ? v.u.ref.at : p->nrefs;
        if (!grow(m, &p->ref, &p->refs_cap, at + cap, MAX_REFS, sizeof *p->ref)) return false;
        if (!last && v.n) memcpy(p->ref + at, p->ref + v.u.ref.at, v.n * sizeof *p->ref);
        p->nrefs = at + cap;
        v.u.ref.at = (uint32_t)at;
        v.u.ref.cap = (uint32_t)cap;
    }
    memcpy(p->ref + v.u.ref.at + v.n, items, n * sizeof *items);
    v.n += n;
    p->value[id] = v;
    return true;
}

static bool new_container(machine *m, int kind, const uint32_t *items, uint32_t n, uint32_t *id)
{
    return new_value(m, (eff_pk_value){ .kind = (uint8_t)kind }, id) && append(m, *id, items, n);
}

static bool push_container(machine *m, int kind, const uint32_t *items, uint32_t n)
{
    uint32_t id = 0;
    return new_container(m, kind, items, n, &id) && push(m, id);
}

static bool tuple_of(machine *m, uint32_t n)
{
    if (height(m) < n) return bad(m, "a tuple of %u, %zu on the stack", n, height(m));
    m->sp -= n;
    return push_container(m, EFF_PK_TUPLE, m->stack + m->sp, n);
}

static bool from_mark(machine *m, int kind)
{
    const uint32_t *first = NULL;
    uint32_t n = 0;
    if (!pop_mark(m, &first, &n)) return false;
    if (kind == EFF_PK_DICT && n % 2) return bad(m, "a key without a value");
    return push_container(m, kind, first, n);
}

/* The value itself if it is of `kind`, or the part of an inert object that stands for it (made when first needed). */
static bool container(machine *m, uint32_t id, int kind, uint32_t *out)
{
    const eff_pk_value v = m->p->value[id];
    *out = id;
    if (v.kind == kind) return true;
    if (v.kind != EFF_PK_OBJECT) return bad(m, "%s added to what takes none", kind == EFF_PK_DICT ? "pairs" : "items");
    const uint32_t part = v.u.ref.at + (kind == EFF_PK_DICT ? EFF_PK_PAIRS : EFF_PK_ITEMS);
    *out = m->p->ref[part];
    if (*out) return true;
    if (!new_container(m, kind == EFF_PK_DICT ? EFF_PK_DICT : EFF_PK_LIST, NULL, 0, out)) return false;
    m->p->ref[part] = *out;
    return true;
}

static bool add_one(machine *m, int kind, uint32_t n)
{
    uint32_t items[2] = { 0 }, to;
    for (uint32_t i = n; i-- > 0;)
        if (!pop(m, &items[i])) return false;
    return top(m, &to) && container(m, to, kind, &to) && append(m, to, items, n);
}

static bool add_marked(machine *m, int kind)
{
    const uint32_t *first = NULL;
    uint32_t n = 0, to = 0;
    if (!pop_mark(m, &first, &n)) return false;
    if (kind == EFF_PK_DICT && n % 2) return bad(m, "a key without a value");
    return top(m, &to) && container(m, to, kind, &to) && append(m, to, first, n); /* no push in between */
}

/* ----------------------------------------------------------------------------- objects, which stay inert */

static bool inert_object(machine *m)
{
    uint32_t part[EFF_PK_OBJECT_PARTS] = { 0 };
    return pop(m, &part[EFF_PK_ARGS]) && pop(m, &part[EFF_PK_CALLABLE]) &&
           push_container(m, EFF_PK_OBJECT, part, EFF_PK_OBJECT_PARTS);
}

static bool new_object_ex(machine *m)
{
    uint32_t kwargs = 0;
    return pop(m, &kwargs) && inert_object(m);
}

static bool build(machine *m)
{
    uint32_t state = 0, to = 0;
    if (!pop(m, &state) || !top(m, &to)) return false;
    const eff_pk_value v = m->p->value[to];
    if (v.kind == EFF_PK_OBJECT) m->p->ref[v.u.ref.at + EFF_PK_STATE] = state;
    return true; /* attributes of anything else mean nothing here */
}

static bool is_kind(machine *m, uint32_t id, int kind) { return m->p->value[id].kind == kind; }

static bool push_global(machine *m, uint32_t module, uint32_t name)
{
    const uint32_t part[2] = { module, name };
    return push_container(m, EFF_PK_GLOBAL, part, 2);
}

static bool stack_global(machine *m)
{
    uint32_t module = 0, name = 0;
    if (!pop(m, &name) || !pop(m, &module)) return false;
    if (!is_kind(m, module, EFF_PK_STR) || !is_kind(m, name, EFF_PK_STR)) return bad(m, "a global whose name is no string");
    return push_global(m, module, name);
}

static bool line(machine *m, uint32_t *id)
{
    const unsigned char *const s = m->b + m->at, *const nl = memchr(s, '\n', m->size - m->at);
    if (!nl) {
        m->p->cut = true;
        return bad(m, "the pickle ends within a name");
    }
    const size_t n = (size_t)(nl - s);
    if (n > 1024) return bad(m, "a name of %zu bytes", n);
    m->at += n + 1;
    return new_value(m, (eff_pk_value){ .kind = EFF_PK_STR, .n = (uint32_t)n, .u.s = s }, id);
}

static bool global(machine *m)
{
    uint32_t module = 0, name = 0;
    return line(m, &module) && line(m, &name) && push_global(m, module, name);
}

static bool persid(machine *m)
{
    uint32_t id = 0;
    return pop(m, &id) && push_container(m, EFF_PK_PERSID, &id, 1);
}

/* ------------------------------------------------------------------------------------ literals and memo */

static bool text(machine *m, int kind, size_t length_bytes)
{
    uint64_t n = 0;
    if (!number(m, length_bytes, &n)) return false;
    if (n > UINT32_MAX) return bad(m, "a string of %llu bytes", (unsigned long long)n);
    const unsigned char *const s = take(m, (size_t)n);
    return s && push_new(m, (eff_pk_value){ .kind = (uint8_t)kind, .n = (uint32_t)n, .u.s = s });
}

static bool long_int(machine *m, size_t length_bytes)
{
    uint64_t n = 0;
    if (!number(m, length_bytes, &n)) return false;
    const unsigned char *const s = take(m, (size_t)n);
    if (!s) return false;
    if (n > 8) return push_new(m, (eff_pk_value){ .kind = EFF_PK_BIGINT, .n = (uint32_t)n, .u.s = s });
    uint64_t u = n && s[n - 1] & 0x80 ? UINT64_MAX : 0; /* sign extension */
    for (size_t i = (size_t)n; i-- > 0;) u = u << 8 | s[i];
    return push_int(m, EFF_PK_INT, (int64_t)u);
}

static bool binary_int(machine *m, size_t n)
{
    uint64_t u = 0;
    if (!number(m, n, &u)) return false;
    return push_int(m, EFF_PK_INT, n == 4 ? (int64_t)(int32_t)(uint32_t)u : (int64_t)u);
}

static bool binary_float(machine *m)
{
    const unsigned char *const s = take(m, 8);
    if (!s) return false;
    uint64_t u = 0;
    for (int i = 0; i < 8; i++) u = u << 8 | s[i]; /* the one big-endian opcode */
    eff_pk_value v = { .kind = EFF_PK_FLOAT };
    memcpy(&v.u.f, &u, sizeof u);
    return push_new(m, v);
}

static bool memo_set(machine *m, uint64_t i)
{
    uint32_t id = 0;
    if (!top(m, &id)) return false;
    /* writers number the memo from 0 without gaps, and every entry costs them a byte or more */
    if (i > m->at) return bad(m, "memo entry %llu", (unsigned long long)i);
    const size_t old = m->memo_cap;
    if (!grow(m, &m->memo, &m->memo_cap, (size_t)i + 1, 2 * (size_t)MAX_VALUES, sizeof *m->memo)) return false;
    if (m->memo_cap > old) memset(m->memo + old, 0, (m->memo_cap - old) * sizeof *m->memo);
    m->memo[i] = id + 1;
    return true;
}

static bool memo_get(machine *m, size_t bytes)
{
    uint64_t i = 0;
    if (!number(m, bytes, &i)) return false;
    if (i >= m->memo_cap || !m->memo[i]) return bad(m, "memo entry %llu was never set", (unsigned long long)i);
    return push(m, m->memo[i] - 1);
}

static bool memo_put(machine *m, size_t bytes)
{
    uint64_t i = 0;
    return number(m, bytes, &i) && memo_set(m, i);
}

static bool push_mark(machine *m)
{
    if (!grow(m, &m->mark, &m->mark_cap, m->marks + 1, MAX_STACK, sizeof *m->mark)) return false;
    m->mark[m->marks++] = (uint32_t)m->sp;
    return true;
}

static bool drop(machine *m)
{
    uint32_t id = 0;
    if (m->marks && height(m) == 0) { /* POP takes a mark too */
        m->marks--;
        return true;
    }
    return pop(m, &id);
}

static bool duplicate(machine *m)
{
    uint32_t id = 0;
    return top(m, &id) && push(m, id);
}

static bool frame(machine *m)
{
    uint64_t n = 0;
    if (!number(m, 8, &n)) return false;
    if (n <= m->size - m->at) return true;
    m->p->cut = true;
    return bad(m, "a frame of %llu bytes, %zu left", (unsigned long long)n, m->size - m->at);
}

/* -------------------------------------------------------------------------------------- the opcodes */

static bool run(machine *m, int op, size_t *memoized)
{
    const uint32_t *first = NULL;
    uint32_t n = 0;
    switch (op) {
    case '(': return push_mark(m);
    case '0': return drop(m);
    case '1': return pop_mark(m, &first, &n);
    case '2': return duplicate(m);
    case 0x95: return frame(m);
    /* memo */
    case 'q': return memo_put(m, 1);
    case 'r': return memo_put(m, 4);
    case 'h': return memo_get(m, 1);
    case 'j': return memo_get(m, 4);
    case 0x94: return memo_set(m, (*memoized)++);
    /* literals */
    case 'N': return push(m, 0);
    case 0x88: return push_int(m, EFF_PK_BOOL, 1);
    case 0x89: return push_int(m, EFF_PK_BOOL, 0);
    case 'J': return binary_int(m, 4);
    case 'K': return binary_int(m, 1);
    case 'M': return binary_int(m, 2);
    case 0x8a: return long_int(m, 1);
    case 0x8b: return long_int(m, 4);
    case 'G': return binary_float(m);
    case 'X': return text(m, EFF_PK_STR, 4);
    case 0x8c: return text(m, EFF_PK_STR, 1);
    case 0x8d: return text(m, EFF_PK_STR, 8);
    case 'T': return text(m, EFF_PK_STR, 4); /* Python 2's str: names, in checkpoints */
    case 'U': return text(m, EFF_PK_STR, 1);
    case 'B': return text(m, EFF_PK_BYTES, 4);
    case 'C': return text(m, EFF_PK_BYTES, 1);
    case 0x8e: return text(m, EFF_PK_BYTES, 8);
    /* containers */
    case ')': return push_container(m, EFF_PK_TUPLE, NULL, 0);
    case ']': return push_container(m, EFF_PK_LIST, NULL, 0);
    case '}': return push_container(m, EFF_PK_DICT, NULL, 0);
    case 0x8f: return push_container(m, EFF_PK_SET, NULL, 0);
    case 0x85: return tuple_of(m, 1);
    case 0x86: return tuple_of(m, 2);
    case 0x87: return tuple_of(m, 3);
    case 't': return from_mark(m, EFF_PK_TUPLE);
    case 'l': return from_mark(m, EFF_PK_LIST);
    case 'd': return from_mark(m, EFF_PK_DICT);
    case 0x91: return from_mark(m, EFF_PK_SET);
    case 'a': return add_one(m, EFF_PK_LIST, 1);
    case 's': return add_one(m, EFF_PK_DICT, 2);
    case 'e': return add_marked(m, EFF_PK_LIST);
    case 'u': return add_marked(m, EFF_PK_DICT);
    case 0x90: return add_marked(m, EFF_PK_SET);
    /* names of code, and what would be made with it */
    case 'c': return global(m);
    case 0x93: return stack_global(m);
    case 'R':
    case 0x81: return inert_object(m);
    case 0x92: return new_object_ex(m);
    case 'b': return build(m);
    case 'Q': return persid(m);
    }
    return bad(m, "opcode 0x%02x is not one that checkpoints use", (unsigned)op);
}

static void parse(machine *m)
{
    size_t memoized = 0;
    uint32_t none;
    if (!new_value(m, (eff_pk_value){ .kind = EFF_PK_NONE }, &none)) return;
    if (!grow(m, &m->stack, &m->stack_cap, 1, MAX_STACK, sizeof *m->stack)) return; /* never NULL below */
    const unsigned char *op = take(m, 2);
    if (!op) return;
    if (op[0] != 0x80 || op[1] < 2 || op[1] > 5) {
        bad(m, "expected a pickle of protocol 2 to 5, found bytes %02x %02x", op[0], op[1]);
        return;
    }
    for (;;) {
        m->op_at = m->at;
        op = take(m, 1);
        if (!op) return;
        if (*op == '.') break;
        if (*op == 0x80 ? !take(m, 1) : !run(m, *op, &memoized)) return;
    }
    if (m->marks || m->sp != 1)
        bad(m, "the pickle stops with %zu values and %zu marks on its stack, expected one value", m->sp, m->marks);
    else
        m->p->root = m->stack[0];
}

eff_status eff_pickle_parse(eff_pickle *p, const unsigned char *bytes, size_t size, eff_error *err)
{
    *p = (eff_pickle){ .bytes = bytes };
    machine m = { .p = p, .b = bytes, .size = size, .status = EFF_OK, .err = err };
    parse(&m);
    p->end = m.at;
    eff_free(m.stack);
    eff_free(m.mark);
    eff_free(m.memo);
    return m.status;
}

void eff_pickle_free(eff_pickle *p)
{
    if (!p) return;
    eff_free(p->value);
    eff_free(p->ref);
    *p = (eff_pickle){ 0 };
}

/* ----------------------------------------------------------------------------------------- questions */

bool eff_pk_is_str(const eff_pk_value *v, const char *s)
{
    return v->kind == EFF_PK_STR && v->n == strlen(s) && !memcmp(v->u.s, s, v->n);
}

bool eff_pk_is_global(const eff_pickle *p, const eff_pk_value *v, const char *module, const char *name)
{
    return v->kind == EFF_PK_GLOBAL && eff_pk_is_str(eff_pk_get(p, v, EFF_PK_MODULE), module) &&
           eff_pk_is_str(eff_pk_get(p, v, EFF_PK_NAME), name);
}

void eff_pk_global_text(const eff_pickle *p, const eff_pk_value *v, char *buf, size_t size)
{
    const eff_pk_value *const m = eff_pk_get(p, v, EFF_PK_MODULE), *const n = eff_pk_get(p, v, EFF_PK_NAME);
    snprintf(buf, size, "%.*s.%.*s", (int)(m->n < 80 ? m->n : 80), (const char *)m->u.s, (int)(n->n < 80 ? n->n : 80),
             (const char *)n->u.s);
}
