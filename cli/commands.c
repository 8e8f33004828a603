#include "commands.h"

#include <string.h>

const struct command commands[] = {
    {"create", command_create, "makes a database directory"},
    {"start", command_start, "serves a database as a daemon"},
    {"stop", command_stop, "stops the daemon"},
    {"run", command_run, "serves a database in the foreground"},
    {"status", command_status, "tells how a database and its server are, on one screen"},
    {"import", command_import, "reads an export folder into a database"},
    {"export", command_export, "writes a database to a folder of JSON files"},
    {"backup", command_backup, "copies a database, also while it is being served"},
    {"stream", command_stream, "lists streams and what they take, cuts points that are too far ahead"},
    {"query", command_query, "prints datapoints, or what a script makes of them"},
    {"user", command_user, "lists, adds and deletes users, changes passwords and roles"},
    {"passwd", command_passwd, "changes the password of a user"},
    {"shell", command_shell, "runs one command of the shell of ConnectorDB 0.3"},
    {"check", command_check, "verifies every checksum and invariant of a database"},
    {"repair", command_repair, "rebuilds a damaged database from what of it is sound"},
    {"inspect", command_inspect, "prints what is in a database's files"},
    {"write", command_write, "writes the default configuration or permissions to a file"},
    {0},
};

const struct command *commands_find(const char *name)
{
    for (const struct command *command = commands; command->name; command++) {
        if (!strcmp(command->name, name))
            return command;
    }
    return NULL;
}
