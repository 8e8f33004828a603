/* Completion of command lines in bash, made from the tables of commands and options. */
#ifndef CONNECTORDB_COMPLETION_H
#define CONNECTORDB_COMPLETION_H

#include "commands.h"
#include "options.h"

#include <stdio.h>

/* Functions of bash that are written while the commands are described. */
struct completion {
    FILE *options;   /* cases of _connectordb_options: the options of a command */
    FILE *values;    /* of _connectordb_value: what an option takes */
    FILE *arguments; /* of _connectordb_argument: what stands beside the options */
};

/* Adds a command to the three. */
void completion_add(
    const struct completion *completion, const struct command *command, const struct command_line *line);
/* Writes the script: the texts of the three, the options that every command takes (of any command line), and
 * `logic`, which uses them (completion.bash). */
void completion_write(FILE *script, const char *options, const char *values, const char *arguments,
    const struct command_line *line, const char *logic);

#endif
