/* The commands of the program; each takes its own argv (argv[0] is its name) and returns the exit code. */
#ifndef CONNECTORDB_COMMANDS_H
#define CONNECTORDB_COMMANDS_H

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* one line, which continues "connectordb NAME ..." */
};

/* In the order of the help; the last one has no name. */
extern const struct command commands[];
/* NULL: there is none of this name. */
const struct command *commands_find(const char *name);

/* Each runs the command of its name as docs/COMMANDS.md describes it, writes results to standard output and
 * errors to standard error, and blocks until it is done. */
int command_create(int argc, char **argv);
int command_start(int argc, char **argv);
int command_run(int argc, char **argv);
int command_stop(int argc, char **argv);
int command_status(int argc, char **argv);
int command_export(int argc, char **argv);
int command_import(int argc, char **argv);
int command_backup(int argc, char **argv);
int command_stream(int argc, char **argv);
int command_query(int argc, char **argv);
int command_check(int argc, char **argv);
int command_repair(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_user(int argc, char **argv);
int command_passwd(int argc, char **argv);
int command_shell(int argc, char **argv);
int command_write(int argc, char **argv);

#endif
