/* SPDX-License-Identifier: Apache-2.0 */
/* effnet-gen DIR: writes DIR/man/ and DIR/completions/, which exist. */
#include "gen.h"

#include <effnet/effnet.h>

#include <stdlib.h>
#include <string.h>

gen_value gen_value_of(const cli_opt *o, const char **words)
{
    *words = "";
    if (!o->metavar) return GEN_FLAG;
    switch (o->type) {
    case CLI_CHOICE: *words = o->choices; return GEN_WORDS;
    case CLI_LEVEL: *words = CLI_LEVELS; return GEN_WORDS;
    case CLI_NAMES:
    case CLI_PATH: return GEN_FILES;
    case CLI_MODEL: return GEN_MODELS;
    default: return GEN_FREE;
    }
}

bool gen_has(const cli_opt *o) { return o->type != CLI_LATER; }

const cli_opt *gen_option(const cli_cmd *cmd, int i)
{
    for (const cli_opt *o = cmd->opts; o->name; o++)
        if (gen_has(o) && i-- == 0) return o;
    for (const cli_opt *o = cli_common_opts; o->name; o++)
        if (gen_has(o) && i-- == 0) return o;
    return NULL;
}

void gen_page(const cli_cmd *cmd, char *out, size_t room)
{
    snprintf(out, room, "effnet-%s", cmd->name);
    for (char *p = out; *p; p++)
        if (*p == ' ') *p = '-';
}

void gen_models(FILE *f)
{
    for (int i = 0; i < eff_builtin_count(); i++) fprintf(f, " %s", eff_builtin_name(i));
    for (int i = 0; i < eff_builtin_count(); i++) {
        const char *const brief = eff_brief_name(eff_builtin_name(i));
        if (brief != eff_builtin_name(i)) fprintf(f, " %s", brief);
    }
}

static FILE *create(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (f) return f;
    perror(path);
    exit(1);
}

static void finish(FILE *f, const char *name)
{
    const bool failed = ferror(f) != 0;
    if (fclose(f) == 0 && !failed) return;
    perror(name);
    exit(1);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(FILE *f);
    } files[] = { { "man/effnet.1", gen_man_overview },
                  { "completions/effnet", gen_bash },
                  { "completions/_effnet", gen_zsh },
                  { "completions/effnet.fish", gen_fish } };
    if (argc != 2) {
        fprintf(stderr, "usage: effnet-gen DIR\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *f = create(argv[1], files[i].name);
        files[i].write(f);
        finish(f, files[i].name);
    }
    const cli_cmd *cmd;
    for (int i = 0; (cmd = cli_command_at(i)); i++) {
        char page[64], name[80];
        gen_page(cmd, page, sizeof page);
        snprintf(name, sizeof name, "man/%s.1", page);
        FILE *f = create(argv[1], name);
        gen_man_command(f, cmd);
        finish(f, name);
    }
    return 0;
}
