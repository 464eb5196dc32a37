/* SPDX-License-Identifier: Apache-2.0 */
/* Commands and their options as data: help texts are printed from these tables, man pages and shell completions are made
 * from them (gen_*.c). Every value is checked before a command runs, so a command reads its options without errors to
 * handle. */
#ifndef EFFNET_CLI_OPTIONS_H
#define EFFNET_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { /* exit status; 130 and 143 after an interruption */
       CLI_OK = 0,
       CLI_FAILED = 1, /* the environment: memory, disk, output unwritable   */
       CLI_USAGE = 2,  /* unknown option, value or name; a value out of range */
       CLI_DATA = 3,   /* an input missing, unreadable or malformed           */
       CLI_REFUSED = 4 /* a check said no                                     */
};

typedef enum cli_type {
    CLI_FLAG,
    CLI_TOGGLE, /* --name and --no-name                                             */
    CLI_INT,    /* whole number in lo..hi                                           */
    CLI_NUMBER, /* finite decimal number in lo..hi                                  */
    CLI_SEED,   /* 0..2^64-1                                                        */
    CLI_SIZE,   /* N or HxW, each in lo..hi                                         */
    CLI_TEXT,   /* anything but the empty string                                    */
    CLI_PATH,   /* the same, and it names a file or folder                          */
    CLI_NAMES,  /* whole number in lo..hi, or a file of names; cli_int() is 0 for a file    */
    CLI_MODEL,  /* the same, and it names an architecture or a model file           */
    CLI_CHOICE, /* one of `choices`                                                 */
    CLI_LEVEL,  /* a CPU level the library knows                                    */
    CLI_LATER   /* of the program's contract, but not in this version: refused      */
} cli_type;

/* What CLI_LEVEL may be, on any machine; the library has the last word. */
#define CLI_LEVELS "ref avx2 avx512 avx512vnni avx512bf16 neon"

typedef struct cli_opt {
    char short_name;     /* 0 = none                                                */
    const char *name;    /* without the dashes                                      */
    const char *metavar; /* what stands for the value in help; NULL = takes none    */
    const char *help;    /* one line; the default is added in brackets              */
    cli_type type;
    const char *value;   /* default, as it would be typed; NULL = unset             */
    double lo, hi;       /* range of INT, NUMBER and SIZE                           */
    const char *choices; /* words, space-separated                                  */
    const char *later;   /* likewise: of the contract, but not in this version      */
    bool required;
} cli_opt;

typedef struct cli_args cli_args;

typedef struct cli_cmd {
    const char *name, *summary;
    const char *usage;              /* the operands: "MODEL IMAGE..."                          */
    const char *operands;           /* for completion, a letter each: m model, f file; the last repeats */
    const char *about;              /* a paragraph or two, lines below 80 columns              */
    const char *examples;           /* lines of "command" and what it does                     */
    const cli_opt *opts;            /* ends with a zeroed one; the common options are added    */
    int min_operands, max_operands; /* max -1 = any number                           */
    int (*run)(cli_args *a);        /* NULL: only its sub-commands do something      */
    const struct cli_cmd *const *subs; /* commands called "NAME SUB", NULL at the end; NULL = none */
} cli_cmd;

enum { CLI_MAX_OPTS = 40 };

typedef struct cli_value {
    const char *text; /* as typed, NULL = unset */
    double number;
    uint64_t seed;
    int height, width;
} cli_value;

struct cli_args {
    const cli_cmd *cmd;
    cli_value value[CLI_MAX_OPTS]; /* by position in the command's table, then the common one */
    char **files;                  /* the operands, borrowed from argv */
    int nfiles;
};

extern const cli_opt cli_common_opts[];
extern const cli_cmd *const cli_commands[]; /* NULL at the end */

/** Command i of all there are, sub-commands after the one they belong to; NULL past the last. */
const cli_cmd *cli_command_at(int i);
/** A sub-command's own word: "synth" of "data synth"; a command's name. */
const char *cli_own_word(const cli_cmd *cmd);
/** The sub-command of `cmd` called `word`, or NULL. */
const cli_cmd *cli_find_sub(const cli_cmd *cmd, const char *word);

/** Read argv[1..] (argv[0] is the command's last word) and the environment into *a.
 * @return -1 to run the command, else the exit status: help was printed, or one line on what is wrong */
int cli_parse(cli_args *a, const cli_cmd *cmd, int argc, char **argv);
void cli_args_free(cli_args *a);

/** Is there such an option in the command's table? */
bool cli_has(const cli_args *a, const char *name);

/* Values by option name, which must be in the command's table. */
bool cli_given(const cli_args *a, const char *name); /* on the command line or in the environment, or by a default */
bool cli_flag(const cli_args *a, const char *name);
int cli_int(const cli_args *a, const char *name);
double cli_number(const cli_args *a, const char *name);
uint64_t cli_seed(const cli_args *a, const char *name);
const char *cli_text(const cli_args *a, const char *name);
/** @return false, and zeros, when it is unset */
bool cli_size(const cli_args *a, const char *name, int *height, int *width);
/** --progress given 1, --no-progress 0, neither -1. */
int cli_toggle(const cli_args *a, const char *name);

/** "effnet COMMAND: message (see 'effnet COMMAND --help')" on stderr. @return CLI_USAGE */
int cli_usage(const cli_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Print a command's help to stdout. */
void cli_help(const cli_cmd *cmd);

#endif
