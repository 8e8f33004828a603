/* Output of the commands. All text goes through escape_text: names of files and objects must not command the
 * terminal. */
#ifndef CONNECTORDB_OUTPUT_H
#define CONNECTORDB_OUTPUT_H

enum {
    EXIT_GOOD = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
};

/* One line on standard output. */
void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "connectordb: message" on standard error, one line; returns EXIT_FAILED. */
int command_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "connectordb: warning: LINE" on standard error for each line of the text; NULL = none. */
void print_warnings(const char *lines);
/* Says what is wrong with the command line (of `command`, or NULL) and where help is; returns EXIT_USAGE. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
