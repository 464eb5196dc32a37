/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for bash. It needs nothing of the bash-completion package: readline splits "--family=timm" at the sign,
 * which is put right here. */
#include "gen.h"

#include <string.h>

static void put_options(FILE *f, const cli_cmd *cmd)
{
    const cli_opt *o;
    for (int i = 0; (o = gen_option(cmd, i)); i++) {
        fprintf(f, " --%s", o->name);
        if (o->type == CLI_TOGGLE) fprintf(f, " --no-%s", o->name);
    }
}

/* A branch for each option that takes a value: what the value is. */
static void put_values(FILE *f, const cli_cmd *cmd)
{
    const cli_opt *o;
    for (int i = 0; (o = gen_option(cmd, i)); i++) {
        const char *words;
        const gen_value v = gen_value_of(o, &words);
        if (v == GEN_FLAG) continue;
        fprintf(f, "    '%s':--%s", cmd->name, o->name);
        if (o->short_name) fprintf(f, " | '%s':-%c", cmd->name, o->short_name);
        fprintf(f, ") value='%s' ;;\n",
                v == GEN_WORDS    ? words
                : v == GEN_FILES  ? ":files"
                : v == GEN_MODELS ? ":models"
                                  : "");
    }
}

void gen_bash(FILE *f)
{
    fputs("# bash completion for effnet. Made from the program's option tables: do not edit.\n\n_effnet_models='", f);
    gen_models(f);
    fputs("'\n\n# What is the value of option $2 of command $1? Sets value; fails when it takes none.\n"
          "_effnet_value()\n{\n    case $1:$2 in\n",
          f);
    const cli_cmd *cmd;
    for (int i = 0; (cmd = cli_command_at(i)); i++)
        if (cmd->run) put_values(f, cmd);
    fputs("    *) return 1 ;;\n    esac\n}\n\n"
          "# Options of command $1, and what its operands are, a letter each.\n"
          "_effnet_command()\n{\n    case $1 in\n",
          f);
    for (int i = 0; (cmd = cli_command_at(i)); i++) {
        fprintf(f, "    '%s')\n        options='", cmd->name);
        if (cmd->run) put_options(f, cmd);
        fprintf(f, "'\n        kinds='%s' most=%d\n        ;;\n", cmd->operands ? cmd->operands : "",
                cmd->max_operands);
    }
    fputs("    *) return 1 ;;\n    esac\n}\n\n"
          "# Sub-commands of command $1.\n"
          "_effnet_subs()\n{\n    case $1 in\n",
          f);
    for (int i = 0; (cmd = cli_command_at(i)); i++) {
        if (!cmd->subs) continue;
        fprintf(f, "    %s) subs='", cmd->name);
        for (const cli_cmd *const *s = cmd->subs; *s; s++) fprintf(f, " %s", cli_own_word(*s));
        fputs(" ' ;;\n", f);
    }
    fputs("    *) subs='' ;;\n    esac\n}\n\n"
          "# Offer what begins with $cur: words, or files (:files), or models and files (:models).\n"
          "_effnet_offer()\n{\n"
          "    case $1 in\n"
          "    :files | :models)\n"
          "        compopt -o filenames 2> /dev/null\n"
          "        mapfile -t COMPREPLY < <(\n"
          "            [ \"$1\" = :models ] && compgen -W \"$_effnet_models\" -- \"$cur\"\n"
          "            compgen -f -- \"$cur\"\n"
          "        )\n"
          "        [ ${#COMPREPLY[@]} -gt 0 ] || compopt -o default 2> /dev/null\n"
          "        ;;\n"
          "    *) mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\") ;;\n"
          "    esac\n}\n\n"
          "_effnet()\n{\n"
          "    local commands='",
          f);
    for (const cli_cmd *const *c = cli_commands; *c; c++) fprintf(f, " %s", (*c)->name);
    fputs(
        "'\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} options kinds most value pending='' only=''\n"
        "    local i word count=0 subs first=2\n"
        "    COMPREPLY=()\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
        "        _effnet_offer \"$commands help --help --version\"\n"
        "        return\n"
        "    fi\n"
        "    if [ \"$command\" = help ]; then\n"
        "        [ \"$COMP_CWORD\" -gt 2 ] || _effnet_offer \"$commands\"\n"
        "        [ \"$COMP_CWORD\" -ne 3 ] || { _effnet_subs \"${COMP_WORDS[2]}\"; _effnet_offer \"$subs\"; }\n"
        "        return\n"
        "    fi\n"
        "    _effnet_subs \"$command\"\n"
        "    if [ -n \"$subs\" ] && [ \"$COMP_CWORD\" -eq 2 ] && [[ $cur != -* ]]; then\n"
        "        _effnet_offer \"$subs\"\n"
        "        return\n"
        "    elif [ -n \"$subs\" ] && [[ $subs == *\" ${COMP_WORDS[2]} \"* ]]; then\n"
        "        command=\"$command ${COMP_WORDS[2]}\" first=3\n"
        "    fi\n"
        "    _effnet_command \"$command\" || return\n"
        "    for ((i = first; i < COMP_CWORD; i++)); do\n"
        "        word=${COMP_WORDS[i]}\n"
        "        if [ -n \"$pending\" ]; then\n"
        "            [ \"$word\" = = ] || pending=''\n"
        "        elif [ -z \"$only\" ] && [ \"$word\" = -- ]; then\n"
        "            only=1\n"
        "        elif [ -z \"$only\" ] && [[ $word == -?* ]]; then\n"
        "            if _effnet_value \"$command\" \"$word\"; then pending=$word; fi\n"
        "        elif [[ $word != [=@:] ]]; then # a sign stands between two parts of one operand\n"
        "            [[ ${COMP_WORDS[i - 1]} == [=@:] ]] || count=$((count + 1))\n"
        "        fi\n"
        "    done\n"
        "    if [ -n \"$pending\" ]; then\n"
        "        if [ \"$cur\" = = ]; then cur=''; fi\n"
        "        _effnet_value \"$command\" \"$pending\"\n"
        "        _effnet_offer \"$value\"\n"
        "    elif [ -z \"$only\" ] && [[ $cur == -* ]]; then\n"
        "        _effnet_offer \"$options\"\n"
        "    elif [ -n \"$kinds\" ] && { [ \"$most\" -lt 0 ] || [ \"$count\" -lt \"$most\" ]; }; then\n"
        "        [ \"$count\" -lt ${#kinds} ] || count=$((${#kinds} - 1))\n"
        "        if [ \"${kinds:count:1}\" = m ]; then _effnet_offer :models; else _effnet_offer :files; fi\n"
        "    fi\n"
        "}\n\ncomplete -F _effnet effnet\n",
        f);
}
