/* SPDX-License-Identifier: Apache-2.0 */
/* Man pages in mdoc(7), which both groff and mandoc read. Text from the tables is plain: everything that the formatter
 * would take for its own is escaped, a sentence starts a line, and a line stays below 80 columns. */
#include "gen.h"

#include <effnet/effnet.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 76 };

static const char page_date[] = "November 28, 2026";

/* ------------------------------------------------------------------------------------------------ text */

/* How one character is written. In commands and options the ASCII minus and quote are meant, not typographic ones. */
static const char *escape(char c, bool literal, char buf[2])
{
    switch (c) {
    case '\\': return "\\e";
    case '^': return "\\(ha";
    case '~': return "\\(ti";
    case '`': return "\\(ga";
    case '"': return "\\(dq";
    case '-': return literal ? "\\-" : "-";
    case '\'': return literal ? "\\(aq" : "'";
    }
    buf[0] = c;
    buf[1] = 0;
    return buf;
}

/* @return bytes written, f NULL: that would be */
static size_t put_escaped(FILE *f, const char *s, size_t n, bool literal)
{
    char buf[2];
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const char *e = escape(s[i], literal, buf);
        if (f) fputs(e, f);
        bytes += strlen(e);
    }
    return bytes;
}

/* Names, options and settings, which must not be broken at a hyphen: "--top", "efficientnet-b0", "width=0.5". */
static bool is_literal(const char *s, size_t n)
{
    int dashes = 0, digits = 0, signs = 0;
    for (size_t i = 0; i < n; i++) {
        dashes += s[i] == '-';
        digits += isdigit((unsigned char)s[i]) != 0;
        signs += strchr("=_/", s[i]) != NULL;
    }
    return n > 1 && (s[0] == '-' || signs || dashes > 1 || (dashes && digits));
}

static size_t put_word(FILE *f, const char *s, size_t n)
{
    if (!is_literal(s, n)) return put_escaped(f, s, n, false);
    if (f) fputs("\\%", f);
    return 2 + put_escaped(f, s, n, true);
}

static bool ends_sentence(const char *s, size_t n, const char *next)
{
    while (n && strchr(")'\"", s[n - 1])) n--;
    return n && strchr(".!?", s[n - 1]) && (isupper((unsigned char)*next) || *next == '-');
}

/* Prose: words filled into lines; an empty line of the source starts a paragraph. */
static void put_text(FILE *f, const char *s)
{
    size_t column = 0;
    bool sentence = false;
    while (*s) {
        size_t blank = strspn(s, " \n"), n;
        int breaks = 0;
        for (size_t i = 0; i < blank; i++) breaks += s[i] == '\n';
        s += blank;
        if (!*s) break;
        n = strcspn(s, " \n");
        if (column && breaks > 1) {
            fputs("\n.Pp\n", f);
            column = 0;
        } else if (column && (sentence || column + 1 + put_word(NULL, s, n) > LINE)) {
            putc('\n', f);
            column = 0;
        }
        if (column)
            putc(' ', f), column++;
        else if (*s == '.' || *s == '\'')
            fputs("\\&", f);
        column += put_word(f, s, n);
        const char *next = s + n + strspn(s + n, " \n");
        sentence = ends_sentence(s, n, next);
        s += n;
    }
    if (column) putc('\n', f);
}

/* An argument of a macro, literal. */
static void put_argument(FILE *f, const char *s, size_t n)
{
    putc('"', f);
    if (n && ispunct((unsigned char)*s)) fputs("\\&", f);
    put_escaped(f, s, n, true);
    putc('"', f);
}

/* Lines "  command   what it does" as a list. */
static void put_examples(FILE *f, const char *s)
{
    fputs(".Sh EXAMPLES\n.Bl -tag -width Ds\n", f);
    while (*s) {
        const char *end = strchr(s, '\n'), *p = s + strspn(s, " ");
        if (!end) end = s + strlen(s);
        const char *gap = p;
        while (gap < end && !(gap[0] == ' ' && gap[1] == ' ')) gap++;
        fputs(".It Ic ", f);
        put_argument(f, p, (size_t)(gap - p));
        putc('\n', f);
        while (gap < end && *gap == ' ') gap++;
        if (gap < end) {
            char what[256];
            snprintf(what, sizeof what, "%.*s", (int)(end - gap), gap);
            what[0] = (char)toupper((unsigned char)what[0]);
            strncat(what, ".", sizeof what - strlen(what) - 1);
            put_text(f, what);
        }
        s = *end ? end + 1 : end;
    }
    fputs(".El\n", f);
}

/* --------------------------------------------------------------------------------------------- options */

static void put_number(char *out, size_t room, double x)
{
    snprintf(out, room, x == (double)(long long)x ? "%.0f" : "%g", x);
}

/* What a value may be, as a sentence, or nothing. */
static void describe_value(const cli_opt *o, char *out, size_t room)
{
    char lo[32], hi[32];
    put_number(lo, sizeof lo, o->lo);
    put_number(hi, sizeof hi, o->hi);
    *out = 0;
    switch (o->type) {
    case CLI_INT: snprintf(out, room, " A whole number from %s to %s.", lo, hi); break;
    case CLI_NUMBER: snprintf(out, room, " A number from %s to %s.", lo, hi); break;
    case CLI_SEED: snprintf(out, room, " A whole number from 0 to 18446744073709551615."); break;
    case CLI_SIZE: snprintf(out, room, " Height and width are from %s to %s pixels.", lo, hi); break;
    default: break;
    }
}

/* The help line as sentences: "images at once [8]" -> "Images at once. A whole number from 1 to 1024. Default: 8." */
static void put_option(FILE *f, const cli_opt *o)
{
    char text[1024], help[512], range[160], def[256] = "";
    fputs(".It ", f);
    if (o->short_name) fprintf(f, "Fl %c , ", o->short_name);
    fprintf(f, "Fl \\-%s", o->name);
    if (o->metavar) {
        fputs(" Ar ", f);
        put_argument(f, o->metavar, strlen(o->metavar));
    }
    if (o->type == CLI_TOGGLE) fprintf(f, " , Fl \\-no\\-%s", o->name);
    putc('\n', f);
    snprintf(help, sizeof help, "%s", o->help);
    char *open = strrchr(help, '[');
    if (open && open > help && open[strlen(open) - 1] == ']') { /* a default in words */
        snprintf(def, sizeof def, " Default: %.*s.", (int)strlen(open) - 2, open + 1);
        *open = 0;
        while (open > help && open[-1] == ' ') *--open = 0;
    }
    if (o->value) snprintf(def, sizeof def, " Default: %s.", o->value);
    help[0] = (char)toupper((unsigned char)help[0]);
    describe_value(o, range, sizeof range);
    snprintf(text, sizeof text, "%s%s%s%s%s", help, help[strlen(help) - 1] == '.' ? "" : ".", range, def,
             o->required ? " Must be given." : "");
    put_text(f, text);
}

static void put_options(FILE *f, const cli_opt *opts)
{
    fputs(".Bl -tag -width Ds\n", f);
    for (const cli_opt *o = opts; o->name; o++)
        if (gen_has(o)) put_option(f, o);
    fputs(".El\n", f);
}

static bool has_own_options(const cli_cmd *cmd)
{
    bool any = false;
    for (const cli_opt *o = cmd->opts; o->name; o++) any |= gen_has(o);
    return any;
}

/* ------------------------------------------------------------------------------------------- whole pages */

static void put_head(FILE *f, const char *page, const char *summary)
{
    fprintf(f, ".\\\" Made from the program's option tables: do not edit.\n.Dd %s\n.Dt ", page_date);
    for (const char *p = page; *p; p++) putc(toupper((unsigned char)*p), f);
    fprintf(f, " 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd ", page);
    put_word(f, summary, strlen(summary));
    putc('\n', f);
}

/* Is the option one of the words of the usage line, which shows it already? */
static bool in_usage(const cli_cmd *cmd, const cli_opt *o)
{
    const char *at = cmd->usage;
    const size_t n = strlen(o->name);
    while ((at = strstr(at, "--"))) {
        at += 2;
        if (!strncmp(at, o->name, n) && (!at[n] || at[n] == ' ')) return true;
    }
    return false;
}

static void put_synopsis(FILE *f, const cli_cmd *cmd)
{
    fputs(".Sh SYNOPSIS\n", f);
    if (cmd->subs) fprintf(f, ".Nm effnet\n.Cm %s\n.Ar command\n.Op Ar options\n.Op Ar operands\n", cmd->name);
    if (!cmd->run) return;
    fprintf(f, ".Nm effnet\n.Cm %s\n", cmd->name);
    for (const cli_opt *o = cmd->opts; o->name; o++) {
        if (!gen_has(o) || in_usage(cmd, o)) continue;
        fputs(".Op ", f);
        if (o->short_name)
            fprintf(f, "Fl %c", o->short_name);
        else
            fprintf(f, "Fl \\-%s", o->name);
        if (o->metavar) {
            fputs(" Ar ", f);
            put_argument(f, o->metavar, strlen(o->metavar));
        }
        putc('\n', f);
    }
    fputs(".Op Ar common options\n", f);
    const char *s = cmd->usage;
    while (*s) {
        const size_t n = strcspn(s, " ");
        if (n > 2 && !strncmp(s, "--", 2)) {
            fprintf(f, ".Fl \\-%.*s\n", (int)n - 2, s + 2);
        } else if (n == 1 && *s == '|') {
            fputs("|\n", f);
        } else {
            const bool many = n > 3 && !strncmp(s + n - 3, "...", 3);
            fputs(".Ar ", f);
            put_argument(f, s, many ? n - 3 : n);
            fputs(many ? " ...\n" : "\n", f);
        }
        s += n + strspn(s + n, " ");
    }
}

static void put_environment(FILE *f)
{
    fputs(".Sh ENVIRONMENT\n", f);
    put_text(f, "Every option can also be given by a variable: its long name in capitals, with underscores for dashes, "
                "after EFFNET_. EFFNET_TOP=3 is --top 3, EFFNET_JSON=1 is --json. The command line wins.");
    fputs(".Bl -tag -width Ds\n.It Ev NO_COLOR , TERM\n", f);
    put_text(f, "With NO_COLOR set, or TERM unset or dumb, no progress bar is drawn.");
    fputs(".El\n", f);
}

static void put_exit_status(FILE *f)
{
    static const struct {
        const char *status, *meaning;
    } rows[] = {
        { "0", "Done." },
        { "1", "The environment failed: memory, disk, an output that cannot be written." },
        { "2", "Usage: an unknown option, value or model name, or a value out of range." },
        { "3", "Bad data: an input is missing, unreadable or malformed, also one of several whose rest went on." },
        { "4", "A check refused the result." },
        { "130", "Interrupted; 143 after SIGTERM. The first signal finishes the item at hand, a second ends at once." },
    };
    fputs(".Sh EXIT STATUS\n.Bl -tag -width 3n\n", f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fprintf(f, ".It %s\n", rows[i].status);
        put_text(f, rows[i].meaning);
    }
    fputs(".El\n", f);
}

/* The other pages, in the order of their names; cmd NULL is the overview itself. */
static void put_see_also(FILE *f, const cli_cmd *cmd)
{
    const char *before = "";
    fputs(".Sh SEE ALSO\n", f);
    if (cmd) fputs(".Xr effnet 1 ,\n", f);
    for (bool first = true;; first = false) {
        const cli_cmd *next = NULL;
        const cli_cmd *c;
        for (int i = 0; (c = cli_command_at(i)); i++)
            if (c != cmd && strcmp(c->name, before) > 0 && (!next || strcmp(c->name, next->name) < 0)) next = c;
        if (!next) break;
        char page[64];
        gen_page(next, page, sizeof page);
        fprintf(f, "%s.Xr %s 1", first ? "" : " ,\n", page);
        before = next->name;
    }
    putc('\n', f);
}

static void put_commands(FILE *f, const cli_cmd *const *list)
{
    fputs(".Bl -tag -width Ds\n", f);
    for (const cli_cmd *const *c = list; *c; c++) {
        char text[256], page[64];
        snprintf(text, sizeof text, "%s.", (*c)->summary);
        text[0] = (char)toupper((unsigned char)text[0]);
        gen_page(*c, page, sizeof page);
        fprintf(f, ".It Xr %s 1\n", page);
        put_text(f, text);
    }
    fputs(".El\n", f);
}

void gen_man_command(FILE *f, const cli_cmd *cmd)
{
    char page[64];
    gen_page(cmd, page, sizeof page);
    put_head(f, page, cmd->summary);
    put_synopsis(f, cmd);
    fputs(".Sh DESCRIPTION\n", f);
    put_text(f, cmd->about);
    if (cmd->subs) {
        fputs(".Ss Commands\n", f);
        put_commands(f, cmd->subs);
    }
    if (has_own_options(cmd)) {
        fputs(".Ss Options\n", f);
        put_options(f, cmd->opts);
    }
    if (cmd->run) {
        fputs(".Ss Options of every command\n", f);
        put_options(f, cli_common_opts);
    }
    put_environment(f);
    put_exit_status(f);
    put_examples(f, cmd->examples);
    put_see_also(f, cmd);
}

void gen_man_overview(FILE *f)
{
    put_head(f, "effnet", cli_program.summary);
    fputs(".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Op Ar operands\n.Nm\n.Cm help\n.Op Ar command\n"
          ".Nm\n.Fl \\-help | Fl \\-version\n.Sh DESCRIPTION\n",
          f);
    put_text(f, cli_program.about);
    fprintf(f, "This page is of version %s.\n", eff_version());
    fputs(".Ss Commands\n", f);
    put_commands(f, cli_commands);
    fputs(".Ss Models\n", f);
    put_text(f, cli_program.models);
    char names[8192] = "The built-in architectures are";
    for (int i = 0; i < eff_builtin_count(); i++) {
        const size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s %s", i ? "," : "", eff_builtin_name(i));
    }
    fputs(".Pp\n", f);
    put_text(f, strcat(names, "."));
    put_text(f, "A MobileNet is there at any width: mobilenetv2-0.75.");
    fputs(".Ss Options of every command\n", f);
    put_options(f, cli_common_opts);
    put_environment(f);
    put_exit_status(f);
    put_examples(f, cli_program.examples);
    put_see_also(f, NULL);
}
