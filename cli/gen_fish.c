/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for fish: a line for each option of each command. */
#include "gen.h"

#include <string.h>

static void put_quoted(FILE *f, const char *s)
{
    putc('\'', f);
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\') putc('\\', f);
        putc(*s, f);
    }
    putc('\'', f);
}

static void put_option(FILE *f, const char *condition, const cli_opt *o)
{
    const char *words;
    const gen_value v = gen_value_of(o, &words);
    fprintf(f, "complete -c effnet -n '%s' -l %s", condition, o->name);
    if (o->short_name) fprintf(f, " -s %c", o->short_name);
    if (v == GEN_FILES) fputs(" -r -F", f);
    if (v == GEN_MODELS) fputs(" -r -F -a \"$__effnet_models\"", f);
    if (v == GEN_FREE) fputs(" -x", f);
    if (v == GEN_WORDS) fprintf(f, " -x -a '%s'", words);
    fputs(" -d ", f);
    put_quoted(f, o->help);
    putc('\n', f);
    if (o->type != CLI_TOGGLE) return;
    fprintf(f, "complete -c effnet -n '%s' -l no-%s -d ", condition, o->name);
    put_quoted(f, o->help);
    putc('\n', f);
}

/* Options of any command that take a value: their values are no operands. */
static void put_valued(FILE *f)
{
    const cli_cmd *cmd;
    for (int k = 0; (cmd = cli_command_at(k)); k++) {
        const cli_opt *o;
        for (int i = 0; cmd->run && (o = gen_option(cmd, i)); i++) {
            const char *words;
            if (gen_value_of(o, &words) == GEN_FLAG) continue;
            fprintf(f, " --%s", o->name);
            if (o->short_name) fprintf(f, " -%c", o->short_name);
        }
    }
}

static void put_operands(FILE *f, const cli_cmd *cmd)
{
    const char *kinds = cmd->operands ? cmd->operands : "";
    const int n = (int)strlen(kinds);
    for (int i = 0; i < n; i++) {
        const bool rest = i == n - 1 && (cmd->max_operands < 0 || cmd->max_operands > n);
        fprintf(f, "complete -c effnet -n '__effnet_operand %s %d %s' -F", rest ? "-ge" : "-eq", i, cmd->name);
        if (kinds[i] == 'm') fputs(" -a \"$__effnet_models\"", f);
        putc('\n', f);
    }
}

void gen_fish(FILE *f)
{
    fputs("# fish completion for effnet. Made from the program's option tables: do not edit.\n\nset -g __effnet_models",
          f);
    gen_models(f);
    fputs("\nset -g __effnet_valued", f);
    put_valued(f);
    fputs("\n\nfunction __effnet_no_command\n    test (count (commandline -opc)) -eq 1\nend\n\n"
          "function __effnet_command\n    set -l typed (commandline -opc)\n"
          "    set -l last (math 1 + (count $argv))\n"
          "    test (count $typed) -ge $last; and test \"$typed[2..$last]\" = \"$argv\"\nend\n\n"
          "# Is it command $1, and nothing after it?\n"
          "function __effnet_only\n    set -l typed (commandline -opc)\n"
          "    test (count $typed) -eq 2; and test $typed[2] = $argv[1]\nend\n\n"
          "# Is it command $3 (and its sub-command $4), with a number of operands typed that compares by $1 with $2?\n"
          "function __effnet_operand\n"
          "    __effnet_command $argv[3..-1]; or return 1\n"
          "    set -l typed (commandline -opc)\n    set -l count 0\n    set -l value 0\n"
          "    for word in $typed[(count $argv)..-1]\n"
          "        if test $value -eq 1\n            set value 0\n"
          "        else if contains -- $word $__effnet_valued\n            set value 1\n"
          "        else if not string match -q -- '-?*' $word\n            set count (math $count + 1)\n"
          "        end\n    end\n"
          "    test $count $argv[1] $argv[2]\nend\n\n"
          "complete -c effnet -f\n"
          "complete -c effnet -n __effnet_no_command -s h -l help -d 'what there is'\n"
          "complete -c effnet -n __effnet_no_command -l version -d 'print the version'\n",
          f);
    for (const cli_cmd *const *c = cli_commands; *c; c++) {
        fprintf(f, "complete -c effnet -n __effnet_no_command -a %s -d ", (*c)->name);
        put_quoted(f, (*c)->summary);
        putc('\n', f);
    }
    fputs("complete -c effnet -n __effnet_no_command -a help -d 'explain a command'\n"
          "complete -c effnet -n '__effnet_command help' -a '",
          f);
    for (const cli_cmd *const *c = cli_commands; *c; c++) fprintf(f, " %s", (*c)->name);
    fputs("'\n", f);
    const cli_cmd *cmd;
    for (int k = 0; (cmd = cli_command_at(k)); k++) {
        char condition[80];
        const cli_opt *o;
        putc('\n', f);
        for (const cli_cmd *const *s = cmd->subs; s && *s; s++) {
            fprintf(f, "complete -c effnet -n '__effnet_only %s' -a %s -d ", cmd->name, cli_own_word(*s));
            put_quoted(f, (*s)->summary);
            putc('\n', f);
        }
        if (!cmd->run) continue;
        snprintf(condition, sizeof condition, "__effnet_command %s", cmd->name);
        put_operands(f, cmd);
        for (int i = 0; (o = gen_option(cmd, i)); i++) put_option(f, condition, o);
    }
}
