/* Command lines: tables of options, one parser, one form of help. */
#ifndef CONNECTORDB_OPTIONS_H
#define CONNECTORDB_OPTIONS_H

#include "output.h"

#include <stdbool.h>
#include <stddef.h>

enum option_type {
    OPTION_FLAG,          /* target: bool */
    OPTION_TEXT,          /* target: const char *, into argv */
    OPTION_NUMBER,        /* target: long */
    OPTION_OBSOLETE,      /* an option of ConnectorDB 0.3 without meaning now: accepted with a note */
    OPTION_OBSOLETE_TEXT, /* the same with a value */
};

struct option_entry {
    const char *name; /* --name */
    char letter;      /* -l, or 0 */
    enum option_type type;
    /* What help calls the value. Alternatives are separated by |: words in lower case are to be typed, those
     * in upper case stand for something (DB and DIR for a folder, FILE for a file). Completion goes by it. */
    const char *value;
    const char *help; /* of obsolete ones: why it has no meaning */
    void *target;
    long minimum, maximum; /* OPTION_NUMBER */
};

struct command_line {
    const char *usage; /* "export DB DIR [PATH...]"; words as in option_entry.value */
    const char *about; /* for --help: what it does, several lines */
    const struct option_entry *options;
    size_t option_count;
    int arguments_min, arguments_max; /* beside options; -1 = any number */
};

/* Options that every command takes. */
struct common_options {
    const char *loglevel; /* NULL: not given; else a valid one */
    const char *logfile;  /* NULL: not given */
    bool quiet;
    bool as_owner; /* work as the owner of the database */
};
extern struct common_options common_options;

/* Parses argv (argv[0] is the command's name). True: go on; *ret_arguments points to what is beside the
 * options, ended by NULL. False: the command is over (help was asked for, or the usage is wrong and one line
 * on stderr says how): return *ret_exit_code. */
bool command_line_parse(
    const struct command_line *line, int argc, char **argv, char ***ret_arguments, int *ret_exit_code);

/* ---- what the manual pages and the completion are made of ---- */

/* The options of a command line and those that every command takes. */
size_t command_line_option_count(const struct command_line *line);
const struct option_entry *command_line_option(const struct command_line *line, size_t i);
bool option_is_obsolete(const struct option_entry *entry);
bool option_takes_value(const struct option_entry *entry);

/* Called with the command line of a command, whose texts and table live until it returns. */
typedef void command_line_observer(void *context, const struct command_line *line);
/* From now on command_line_parse gives its command line to the observer and ends the command, successfully,
 * instead of parsing. For programs that describe the commands; not for threads. */
void command_line_observe(command_line_observer *observer, void *context);

#endif
