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
    const char *value; /* what help calls the value */
    const char *help;  /* of obsolete ones: why it has no meaning */
    void *target;
    long minimum, maximum; /* OPTION_NUMBER */
};

struct command_line {
    const char *usage; /* "export DB DIR [PATH...]" */
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

#endif
