/* SPDX-License-Identifier: Apache-2.0 */
/* The program's entry: find the command, parse its options, run it, and make sure that what it printed arrived. */
#define _GNU_SOURCE
#include "commands.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

#include <effnet/effnet.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_help(void)
{
    printf("effnet %s - %s\n\nusage: effnet COMMAND [options] ...\n\ncommands:\n", eff_version(),
           cli_program.summary);
    for (const cli_cmd *const *c = cli_commands; *c; c++) printf("  %-9s %s\n", (*c)->name, (*c)->summary);
    printf("\n'effnet COMMAND --help' explains one of them; 'effnet --version' prints the version.\n"
           "\nexamples:\n%s",
           cli_program.examples);
}

static bool is_later(const char *name)
{
    for (const char *const *l = cli_later; *l; l++)
        if (!strcmp(*l, name)) return true;
    return false;
}

static int unknown_command(const char *name)
{
    const char *names[32];
    int n = 0;
    if (is_later(name)) {
        cli_error("'%s' is not in this version (see 'effnet --help')", name);
        return CLI_USAGE;
    }
    for (const cli_cmd *const *c = cli_commands; *c; c++) names[n++] = (*c)->name;
    const char *near = eff_nearest_name(name, names, n);
    if (near)
        cli_error("unknown command '%s', did you mean '%s'?", name, near);
    else
        cli_error("unknown command '%s' (see 'effnet --help')", name);
    return CLI_USAGE;
}

/* `cmd` does nothing without a sub-command, and none of its own was given. */
static int no_sub(const cli_cmd *cmd, int argc, char **argv)
{
    const char *names[32], *word = argc > 1 ? argv[1] : "-";
    char whole[128];
    int n = 0;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            cli_help(cmd);
            return CLI_OK;
        }
    for (const cli_cmd *const *s = cmd->subs; *s; s++) names[n++] = cli_own_word(*s);
    snprintf(whole, sizeof whole, "%s %s", cmd->name, word);
    const char *near = eff_nearest_name(word, names, n);
    if (*word == '-')
        cli_error("%s: expected a command of it (see 'effnet %s --help')", cmd->name, cmd->name);
    else if (is_later(whole))
        cli_error("'%s' is not in this version (see 'effnet %s --help')", whole, cmd->name);
    else if (near)
        cli_error("%s: unknown command '%s', did you mean '%s'?", cmd->name, word, near);
    else
        cli_error("%s: unknown command '%s' (see 'effnet %s --help')", cmd->name, word, cmd->name);
    return CLI_USAGE;
}

static int run_command(int argc, char **argv)
{
    for (const cli_cmd *const *c = cli_commands; *c; c++) {
        if (strcmp((*c)->name, argv[0]) != 0) continue;
        const cli_cmd *const sub = argc > 1 ? cli_find_sub(*c, argv[1]) : NULL, *const cmd = sub ? sub : *c;
        if (!cmd->run) return no_sub(cmd, argc, argv);
        cli_args a;
        int status = cli_parse(&a, cmd, argc - (sub != NULL), argv + (sub != NULL));
        if (status < 0) {
            if (cli_flag(&a, "no-jail")) eff_jail_enable(0);
            status = cmd->run(&a);
        }
        cli_progress_end();
        cli_args_free(&a);
        return status;
    }
    return unknown_command(argv[0]);
}

/* A closed stdin, stdout or stderr would lend its number to the next file opened. The stand-ins cannot be used either:
 * a read-only one for stdout makes writing fail, as it should. */
static void guard_descriptors(void)
{
    static const int mode[3] = { O_WRONLY, O_RDONLY, O_WRONLY };
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", mode[fd]) != fd) _exit(CLI_FAILED);
}

int main(int argc, char **argv)
{
    guard_descriptors();
    cli_interrupt_init();
    int status = CLI_OK;
    const char *first = argc > 1 ? argv[1] : "";
    if (!strcmp(first, "--help") || !strcmp(first, "-h") || (!strcmp(first, "help") && argc == 2)) {
        print_help();
    } else if (!strcmp(first, "--version")) {
        printf("effnet %s\n", eff_version());
    } else if (!strcmp(first, "help")) {
        char *help[] = { argv[2], argc > 3 ? argv[3] : (char[]){ "--help" }, (char[]){ "--help" }, NULL };
        status = run_command(3, help);
    } else if (argc < 2) {
        cli_error("expected a command (see 'effnet --help')");
        status = CLI_USAGE;
    } else if (*first == '-') {
        cli_error("unknown option '%s': a command comes first (see 'effnet --help')", first);
        status = CLI_USAGE;
    } else {
        status = run_command(argc - 1, argv + 1);
    }
    if (!cli_flush() && status == CLI_OK) status = CLI_FAILED;
    return cli_stop_status(status);
}
