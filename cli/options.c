/* SPDX-License-Identifier: Apache-2.0 */
/* One parser for every command. The command line wins over the environment, the environment over defaults; the last of
 * several wins; names are never abbreviated, so that a new option cannot change what an old script means. */
#include "options.h"

#include "output.h"

#include <effnet/effnet.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const cli_opt cli_common_opts[] = {
    { 'h', "help", NULL, "this text", CLI_FLAG },
    { 0, "json", NULL, "the result as JSON on stdout, for scripts", CLI_FLAG },
    { 'q', "quiet", NULL, "nothing on stderr but errors", CLI_FLAG },
    { 'v', "verbose", NULL, "say more", CLI_FLAG },
    { 0, "progress", NULL, "show progress, also off a terminal; or never", CLI_TOGGLE },
    { 't', "threads", "N", "threads to work with [every CPU allowed]", CLI_INT, NULL, 1, 256 },
    { 0, "cpu", "LEVEL", "newest CPU instructions to use: ref, avx2, avx512, neon [the best]", CLI_LEVEL },
    { 0, "seed", "N", "start of the random numbers", CLI_SEED, "0" },
    { 0, "no-jail", NULL, "do not confine the process that parses foreign files; to debug", CLI_FLAG },
    { 0 }
};

/* --------------------------------------------------------------------------------------------- look-up */

const cli_cmd *cli_command_at(int i)
{
    for (const cli_cmd *const *c = cli_commands; *c; c++) {
        if (i-- == 0) return *c;
        for (const cli_cmd *const *s = (*c)->subs; s && *s; s++)
            if (i-- == 0) return *s;
    }
    return NULL;
}

const char *cli_own_word(const cli_cmd *cmd)
{
    const char *space = strrchr(cmd->name, ' ');
    return space ? space + 1 : cmd->name;
}

const cli_cmd *cli_find_sub(const cli_cmd *cmd, const char *word)
{
    for (const cli_cmd *const *s = cmd->subs; s && *s; s++)
        if (!strcmp(cli_own_word(*s), word)) return *s;
    return NULL;
}

static const cli_opt *opt_at(const cli_cmd *cmd, int i)
{
    int n = 0;
    for (const cli_opt *o = cmd->opts; o->name; o++, n++)
        if (n == i) return o;
    for (const cli_opt *o = cli_common_opts; o->name; o++, n++)
        if (n == i) return o;
    return NULL;
}

static int find_opt(const cli_cmd *cmd, const char *name, size_t len)
{
    const cli_opt *o;
    for (int i = 0; (o = opt_at(cmd, i)); i++)
        if (strlen(o->name) == len && !memcmp(o->name, name, len)) return i;
    return -1;
}

static int find_short(const cli_cmd *cmd, char c)
{
    const cli_opt *o;
    for (int i = 0; (o = opt_at(cmd, i)); i++)
        if (o->short_name == c) return i;
    return -1;
}

static const cli_value *value_of(const cli_args *a, const char *name)
{
    static const cli_value unset;
    const int i = find_opt(a->cmd, name, strlen(name));
    return i < 0 ? &unset : &a->value[i];
}

/* ---------------------------------------------------------------------------------------------- values */

static bool truth(const char *s, double *out)
{
    static const char *const yes[] = { "1", "yes", "true", "on" }, *const no[] = { "0", "no", "false", "off" };
    for (int i = 0; i < 4; i++) {
        if (!strcmp(s, yes[i])) return *out = 1, true;
        if (!strcmp(s, no[i])) return *out = 0, true;
    }
    return false;
}

static bool whole(const char *s, const char **end, double *out)
{
    if (!isdigit((unsigned char)*s) && !(*s == '-' && isdigit((unsigned char)s[1]))) return false;
    char *e;
    *out = (double)strtoll(s, &e, 10); /* saturates, which the range check then refuses */
    *end = e;
    return true;
}

static bool decimal(const char *s, double *out)
{
    char *e;
    *out = strtod(s, &e);
    return e != s && !*e && !isspace((unsigned char)*s) && isfinite(*out);
}

static bool has_word(const char *words, const char *s)
{
    const size_t n = strlen(s);
    for (const char *p = words; n && p && (p = strstr(p, s)); p += n)
        if ((p == words || p[-1] == ' ') && (!p[n] || p[n] == ' ')) return true;
    return false;
}

/* Check `text` for option o. On failure `why` says what was expected. */
static bool set_value(cli_value *v, const cli_opt *o, const char *text, char *why, size_t room)
{
    double n = 0, m = 0;
    const char *end = "";
    *v = (cli_value){ .text = text };
    switch (o->type) {
    case CLI_FLAG:
    case CLI_TOGGLE: snprintf(why, room, "expected 1 or 0"); return truth(text, &v->number);
    case CLI_INT:
        snprintf(why, room, "expected a whole number %.0f..%.0f", o->lo, o->hi);
        if (!whole(text, &end, &n) || *end || n < o->lo || n > o->hi) return false;
        v->number = n;
        return true;
    case CLI_NUMBER:
        snprintf(why, room, "expected a number %g..%g", o->lo, o->hi);
        if (!decimal(text, &n) || n < o->lo || n > o->hi) return false;
        v->number = n;
        return true;
    case CLI_SEED:
        snprintf(why, room, "expected a whole number 0..18446744073709551615");
        if (!isdigit((unsigned char)*text)) return false;
        errno = 0;
        char *e;
        v->seed = strtoull(text, &e, 10);
        return !*e && !errno;
    case CLI_SIZE:
        snprintf(why, room, "expected N or HxW with sides of %.0f..%.0f pixels", o->lo, o->hi);
        if (!whole(text, &end, &n)) return false;
        m = n;
        if (*end == 'x' && !whole(end + 1, &end, &m)) return false;
        if (*end || n < o->lo || n > o->hi || m < o->lo || m > o->hi) return false;
        v->height = (int)n;
        v->width = (int)m;
        return true;
    case CLI_NAMES:
        snprintf(why, room, "expected a whole number %.0f..%.0f or a file", o->lo, o->hi);
        if (!whole(text, &end, &n) || *end || access(text, F_OK) == 0) return *text != 0;
        v->number = n;
        return n >= o->lo && n <= o->hi;
    case CLI_TEXT:
    case CLI_PATH:
    case CLI_MODEL: snprintf(why, room, "expected %s", o->metavar); return *text != 0;
    case CLI_CHOICE:
        snprintf(why, room, "%sexpected one of: %s",
                 o->later && has_word(o->later, text) ? "that is not in this version; " : "", o->choices);
        return has_word(o->choices, text);
    case CLI_LEVEL:
        snprintf(why, room, "expected one of: %s", CLI_LEVELS);
        return eff_cpu_level_known(text);
    case CLI_LATER: break;
    }
    snprintf(why, room, "not in this version");
    return false;
}

static void variable_name(const char *option, char *out, size_t room)
{
    snprintf(out, room, "EFFNET_%s", option);
    for (char *p = out; *p; p++) *p = (char)(*p == '-' ? '_' : toupper((unsigned char)*p));
}

static int read_environment(cli_args *a)
{
    const cli_opt *o;
    for (int i = 0; (o = opt_at(a->cmd, i)); i++) {
        char name[80], why[120];
        variable_name(o->name, name, sizeof name);
        const char *text = getenv(name);
        if (!text || !*text || o->type == CLI_LATER || !strcmp(o->name, "help")) continue;
        if (!set_value(&a->value[i], o, text, why, sizeof why)) {
            cli_error("environment variable %s: %s, found '%s'", name, why, text);
            return CLI_USAGE;
        }
    }
    return -1;
}

/* ----------------------------------------------------------------------------------------- command line */

static int unknown_option(const cli_args *a, const char *given, size_t len)
{
    const char *names[CLI_MAX_OPTS];
    char word[64];
    int n = 0;
    const cli_opt *o;
    for (int i = 0; (o = opt_at(a->cmd, i)); i++)
        if (o->type != CLI_LATER) names[n++] = o->name;
    snprintf(word, sizeof word, "%.*s", (int)len, given);
    const char *near = eff_nearest_name(word, names, n);
    if (near) return cli_usage(a, "unknown option '--%s', did you mean '--%s'?", word, near);
    return cli_usage(a, "unknown option '--%s'", word);
}

/* Give option i the text (of the command line). */
static int assign(cli_args *a, int i, const char *text)
{
    char why[120];
    const cli_opt *o = opt_at(a->cmd, i);
    if (o->type == CLI_LATER) return cli_usage(a, "--%s is not in this version", o->name);
    if (set_value(&a->value[i], o, text, why, sizeof why)) return -1;
    return cli_usage(a, "--%s: %s, found '%s'", o->name, why, text);
}

static bool takes_value(const cli_opt *o) { return o->metavar != NULL; }

/* argv[*at] is "--name" or "--name=value". */
static int long_option(cli_args *a, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2, *eq = strchr(name, '=');
    const size_t len = eq ? (size_t)(eq - name) : strlen(name);
    int i = find_opt(a->cmd, name, len);
    const char *flag = "1";
    if (i < 0 && len > 3 && !memcmp(name, "no-", 3)) {
        i = find_opt(a->cmd, name + 3, len - 3);
        if (i >= 0 && opt_at(a->cmd, i)->type != CLI_TOGGLE) i = -1;
        flag = "0";
    }
    if (i < 0) return unknown_option(a, name, len);
    const cli_opt *o = opt_at(a->cmd, i);
    if (!takes_value(o)) {
        if (eq) return cli_usage(a, "--%s takes no value", o->name);
        return assign(a, i, flag);
    }
    if (eq) return assign(a, i, eq + 1);
    if (o->type != CLI_LATER && *at + 1 >= argc) return cli_usage(a, "--%s needs a value: %s", o->name, o->metavar);
    return assign(a, i, o->type == CLI_LATER ? "" : argv[++*at]);
}

/* argv[*at] is "-k5", "-k" "5" or flags together, "-qv". */
static int short_options(cli_args *a, int argc, char **argv, int *at)
{
    for (const char *p = argv[*at] + 1; *p; p++) {
        const int i = find_short(a->cmd, *p);
        if (i < 0) return cli_usage(a, "unknown option '-%c'", isprint((unsigned char)*p) ? *p : '?');
        const cli_opt *o = opt_at(a->cmd, i);
        int status;
        if (!takes_value(o)) {
            status = assign(a, i, "1");
            if (status >= 0) return status;
            continue;
        }
        if (p[1]) return assign(a, i, p + 1);
        if (*at + 1 >= argc) return cli_usage(a, "-%c needs a value: %s", *p, o->metavar);
        return assign(a, i, argv[++*at]);
    }
    return -1;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return true;
    return false;
}

int cli_parse(cli_args *a, const cli_cmd *cmd, int argc, char **argv)
{
    const cli_opt *o;
    char why[120];
    *a = (cli_args){ .cmd = cmd };
    if (asks_help(argc, argv)) { /* even beside mistakes: it is what they need */
        cli_help(cmd);
        return CLI_OK;
    }
    for (int i = 0; (o = opt_at(cmd, i)); i++)
        if (o->value) set_value(&a->value[i], o, o->value, why, sizeof why);
    int status = read_environment(a);
    a->files = cli_alloc((size_t)argc + 1, sizeof *a->files);
    bool options = true;
    for (int i = 1; i < argc && status < 0; i++) {
        if (options && !strcmp(argv[i], "--"))
            options = false;
        else if (options && !strncmp(argv[i], "--", 2))
            status = long_option(a, argc, argv, &i);
        else if (options && argv[i][0] == '-' && argv[i][1])
            status = short_options(a, argc, argv, &i);
        else
            a->files[a->nfiles++] = argv[i];
    }
    if (status >= 0) return status;
    for (int i = 0; (o = opt_at(cmd, i)); i++)
        if (o->required && !a->value[i].text) return cli_usage(a, "--%s %s is needed", o->name, o->metavar);
    if (a->nfiles < cmd->min_operands) return cli_usage(a, "expected %s, found too few", cmd->usage);
    if (cmd->max_operands >= 0 && a->nfiles > cmd->max_operands)
        return cli_usage(a, "expected %s, found '%s' too", *cmd->usage ? cmd->usage : "only options",
                         a->files[cmd->max_operands]);
    for (int i = 0; i < a->nfiles; i++)
        if (!*a->files[i]) return cli_usage(a, "expected %s, found an empty name", cmd->usage);
    return -1;
}

void cli_args_free(cli_args *a) { free(a->files); }

bool cli_has(const cli_args *a, const char *name) { return find_opt(a->cmd, name, strlen(name)) >= 0; }

bool cli_given(const cli_args *a, const char *name) { return value_of(a, name)->text != NULL; }
bool cli_flag(const cli_args *a, const char *name) { return value_of(a, name)->number != 0; }
int cli_int(const cli_args *a, const char *name) { return (int)value_of(a, name)->number; }
double cli_number(const cli_args *a, const char *name) { return value_of(a, name)->number; }
uint64_t cli_seed(const cli_args *a, const char *name) { return value_of(a, name)->seed; }
const char *cli_text(const cli_args *a, const char *name) { return value_of(a, name)->text; }

bool cli_size(const cli_args *a, const char *name, int *height, int *width)
{
    const cli_value *v = value_of(a, name);
    *height = v->height;
    *width = v->width;
    return v->text != NULL;
}

int cli_toggle(const cli_args *a, const char *name)
{
    const cli_value *v = value_of(a, name);
    return v->text ? v->number != 0 : -1;
}

/* ------------------------------------------------------------------------------------------------ help */

int cli_usage(const cli_args *a, const char *fmt, ...)
{
    char msg[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    cli_error("%s: %s (see 'effnet %s --help')", a->cmd->name, msg, a->cmd->name);
    return CLI_USAGE;
}

static void print_option(const cli_opt *o)
{
    char left[64];
    if (o->type == CLI_LATER) return;
    char key[8] = "    ";
    if (o->short_name) snprintf(key, sizeof key, "-%c, ", o->short_name);
    snprintf(left, sizeof left, "%s--%s%s%s%s", key, o->type == CLI_TOGGLE ? "[no-]" : "", o->name,
             o->metavar ? " " : "", o->metavar ? o->metavar : "");
    printf("  %-26s %s", left, o->help);
    if (o->value) printf(" [%s]", o->value);
    putchar('\n');
}

static void print_subs(const cli_cmd *cmd)
{
    printf("\ncommands of %s:\n", cmd->name);
    for (const cli_cmd *const *s = cmd->subs; *s; s++) printf("  %-9s %s\n", cli_own_word(*s), (*s)->summary);
    printf("\n'effnet %s COMMAND --help' explains one of them.\n", cmd->name);
}

void cli_help(const cli_cmd *cmd)
{
    printf("effnet %s - %s\n\nusage: effnet %s %s%s\n", cmd->name, cmd->summary, cmd->name,
           cmd->run ? "[options] " : "COMMAND ", cmd->usage);
    if (cmd->run && cmd->subs) printf("       effnet %s COMMAND [options] ...\n", cmd->name);
    printf("\n%s\n", cmd->about);
    if (cmd->subs) print_subs(cmd);
    if (!cmd->run) {
        printf("\nexamples:\n%s", cmd->examples);
        return;
    }
    bool any = false;
    for (const cli_opt *o = cmd->opts; o->name; o++) any |= o->type != CLI_LATER;
    if (any) printf("\noptions:\n");
    for (const cli_opt *o = cmd->opts; o->name; o++) print_option(o);
    printf("\noptions of every command:\n");
    for (const cli_opt *o = cli_common_opts; o->name; o++) print_option(o);
    printf("\nAn option can also come from the environment: EFFNET_TOP=3 is --top 3, EFFNET_JSON=1 is --json.\n"
           "\nexamples:\n%s",
           cmd->examples);
}
