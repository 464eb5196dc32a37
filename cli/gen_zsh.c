/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for zsh: a specification for _arguments for each command. */
#include "gen.h"

#include <string.h>

/* Text between quotes in a specification: brackets and colons have a meaning there. */
static void put_text(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (*s == '\'')
            fputs("'\\''", f);
        else if (strchr("[]:\\", *s))
            fprintf(f, "\\%c", *s);
        else
            putc(*s, f);
    }
}

static void put_option(FILE *f, const cli_opt *o)
{
    const char *words, *sign = "";
    const gen_value v = gen_value_of(o, &words);
    fputs("        ", f);
    if (o->type == CLI_TOGGLE) {
        fprintf(f, "'(--no-%s)--%s[", o->name, o->name);
        put_text(f, o->help);
        fprintf(f, "]' '(--%s)--no-%s[", o->name, o->name);
        put_text(f, o->help);
        fputs("]'", f);
        return;
    }
    if (v != GEN_FLAG) sign = "=";
    if (!strcmp(o->name, "help"))
        fputs("'(- *)'{-h,--help}'[", f);
    else if (o->short_name)
        fprintf(f, "'(-%c --%s)'{-%c%s,--%s%s}'[", o->short_name, o->name, o->short_name, *sign ? "+" : "", o->name,
                sign);
    else
        fprintf(f, "'--%s%s[", o->name, sign);
    put_text(f, o->help);
    putc(']', f);
    if (v != GEN_FLAG) {
        putc(':', f);
        put_text(f, o->metavar);
        putc(':', f);
        if (v == GEN_WORDS) fprintf(f, "(%s)", words);
        if (v == GEN_FILES) fputs("_files", f);
        if (v == GEN_MODELS) fputs("_effnet_models", f);
    }
    putc('\'', f);
}

static void put_operands(FILE *f, const cli_cmd *cmd)
{
    const char *kinds = cmd->operands ? cmd->operands : "";
    const int n = (int)strlen(kinds);
    for (int i = 0; i < n; i++) {
        const char *what = kinds[i] == 'm' ? "model:_effnet_models" : "file:_files";
        if (i == n - 1 && (cmd->max_operands < 0 || cmd->max_operands > n))
            fprintf(f, " \\\n        '*:%s'", what);
        else
            fprintf(f, " \\\n        '%d:%s'", i + 1, what);
    }
}

static void put_arguments(FILE *f, const cli_cmd *cmd)
{
    const cli_opt *o;
    fputs("        _arguments -s -S \\\n", f);
    for (int i = 0; (o = gen_option(cmd, i)); i++) {
        if (i) fputs(" \\\n", f);
        put_option(f, o);
    }
    put_operands(f, cmd);
    fputs(" && ret=0\n", f);
}

/* A command with sub-commands: their names where the first operand stands, else what belongs to the one that stands
 * there. */
static void put_with_subs(FILE *f, const cli_cmd *cmd)
{
    fputs("        if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n        local -a subs=(\n", f);
    for (const cli_cmd *const *s = cmd->subs; *s; s++) {
        fprintf(f, "            '%s:", cli_own_word(*s));
        put_text(f, (*s)->summary);
        fputs("'\n", f);
    }
    fprintf(f, "        )\n        _describe -t commands '%s command' subs && ret=0\n", cmd->name);
    for (const cli_cmd *const *s = cmd->subs; *s; s++) {
        fprintf(f, "        elif [[ $words[2] = %s ]]; then\n        shift words; (( CURRENT-- ))\n", cli_own_word(*s));
        put_arguments(f, *s);
    }
    if (cmd->run) {
        fputs("        else\n", f);
        put_arguments(f, cmd);
    }
    fputs("        fi\n", f);
}

void gen_zsh(FILE *f)
{
    fputs("#compdef effnet\n# zsh completion for effnet. Made from the program's option tables: do not edit.\n\n"
          "_effnet_models()\n{\n    local -a models=(",
          f);
    gen_models(f);
    fputs(" )\n    _alternative 'models:built-in model:compadd -a models' 'files:file:_files'\n}\n\n"
          "_effnet_commands()\n{\n    local -a commands=(\n",
          f);
    for (const cli_cmd *const *c = cli_commands; *c; c++) {
        fprintf(f, "        '%s:", (*c)->name);
        put_text(f, (*c)->summary);
        fputs("'\n", f);
    }
    fputs("        'help:explain a command'\n    )\n    _describe -t commands 'effnet command' commands\n}\n\n"
          "_effnet()\n{\n    local curcontext=$curcontext state line ret=1\n    typeset -A opt_args\n"
          "    _arguments -C '(- *)'{-h,--help}'[what there is]' '(- *)--version[print the version]' \\\n"
          "        '1:command:_effnet_commands' '*::operand:->operands' && ret=0\n"
          "    [[ $state = operands ]] || return ret\n"
          "    curcontext=${curcontext%:*:*}:effnet-$words[1]:\n"
          "    case $words[1] in\n    help) _arguments '1:command:_effnet_commands' && ret=0 ;;\n",
          f);
    for (const cli_cmd *const *c = cli_commands; *c; c++) {
        fprintf(f, "    %s)\n", (*c)->name);
        if ((*c)->subs)
            put_with_subs(f, *c);
        else
            put_arguments(f, *c);
        fputs("        ;;\n", f);
    }
    fputs("    esac\n    return ret\n}\n\n"
          "# Loaded by name it is the function's body; sourced it must be made known.\n"
          "if [[ $funcstack[1] = _effnet ]]; then\n    _effnet \"$@\"\nelse\n    compdef _effnet effnet\nfi\n",
          f);
}
