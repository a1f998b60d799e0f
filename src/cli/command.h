/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The frame of the command line: a verb is one struct command in a file cmd-VERB.c and one line in the
 * table of commands.c. Options are data: parsing, `busbar VERB --help`, error messages and shell completion
 * all come from the same table.
 *
 * A verb's run() gets its options and operands parsed and counted, does its work and returns the exit
 * status. It logs its own errors (once, the verb or the machine as subject).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Exit statuses of every verb; `run` and others may add the guest's own above these. */
enum {
        STATUS_OK = 0,
        STATUS_FAILED = 1, /* said why on stderr (and in the file of --log) */
        STATUS_USAGE = 2,  /* the command line is wrong: unknown verb or option, missing operand ... */
};

struct command_option {
        const char *name;     /* long form, without dashes */
        char letter;          /* short form; 0: none */
        const char *argument; /* word for the value in help ("FILE"); NULL: a flag */
        const char *help;
        const char *const *choices; /* NULL-terminated: the only values allowed; NULL: any */
        bool hidden;          /* accepted, but neither in help nor in completion */
};

/* Options before the verb; those that container engines give every OCI runtime are accepted alike. */
struct globals {
        const char *root;     /* --root, or $XDG_RUNTIME_DIR/busbar, or /run/busbar; absolute or as given */
        const char *log_path; /* --log; NULL: stderr only */
        bool log_json;        /* --log-format json */
        const char *log_level; /* as given; NULL: not given */
        const char *program;  /* path of this executable, to start others of its verbs with */
        char **argv;          /* as this program was started; NULL-terminated */
};

struct option_value {
        const struct command_option *option;
        const char *text; /* "" for a flag */
};

struct command;

struct invocation {
        const struct command *command;
        const struct globals *globals;
        const struct option_value *values; /* in the order given */
        size_t n_values;
        char *const *operands;
        size_t n_operands;
};

struct command {
        const char *name;
        const char *summary;     /* one line, no full stop */
        const char *usage;       /* what follows the verb and its options: "CONTAINER [SIGNAL]" */
        const char *description; /* paragraphs printed by --help; NULL: none */
        const struct command_option *options; /* ends with a NULL name; NULL: none but --help */
        unsigned n_operands_min;
        unsigned n_operands_max;
        int (*run)(const struct invocation *inv);

        /* optional */
        bool raw;    /* options are not parsed: all words after the verb are operands, --help included */
        bool hidden; /* not listed */
        /* Prints candidates for operand number @index that fit the words before it, one a line. */
        void (*complete)(const struct globals *globals, unsigned index, FILE *out);
        /* Raw verbs: candidates for the last of @words. */
        void (*complete_raw)(const struct globals *globals, char *const *words, size_t n_words, FILE *out);
};

/* The last value given for an option; NULL if it was not given, "" for a flag. */
const char *invocation_value(const struct invocation *inv, const char *option);
bool invocation_has(const struct invocation *inv, const char *option);
/* The i-th value of an option that may be repeated; NULL after the last. */
const char *invocation_value_at(const struct invocation *inv, const char *option, size_t i);

/* Every verb, in the order of `busbar --help`, ends with NULL. */
extern const struct command *const commands[];
extern const struct command_option global_options[];

/* NULL if there is none. */
const struct command *command_find(const char *name);

/* One line "error SUBJECT: text" and one that points to --help. Return: STATUS_USAGE. */
int usage_error(const char *subject, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern const struct command command_complete;
extern const struct command command_console;
extern const struct command command_create;
extern const struct command command_delete;
extern const struct command command_device;
extern const struct command command_doctor;
extern const struct command command_down;
extern const struct command command_features;
extern const struct command command_help;
extern const struct command command_input;
extern const struct command command_kill;
extern const struct command command_list;
extern const struct command command_logs;
extern const struct command command_monitor;
extern const struct command command_pause;
extern const struct command command_relay;
extern const struct command command_resume;
extern const struct command command_run;
extern const struct command command_screenshot;
extern const struct command command_spec;
extern const struct command command_start;
extern const struct command command_state;
extern const struct command command_up;
