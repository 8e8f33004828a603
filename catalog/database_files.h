/* Names inside a database directory. Private. */
#ifndef CONNECTORDB_DATABASE_FILES_H
#define CONNECTORDB_DATABASE_FILES_H

#define DATABASE_CONFIGURATION "connectordb.conf"
#define DATABASE_CATALOG "catalog.sqlite"
#define DATABASE_PID "connectordb.pid"
#define DATABASE_LOCK "LOCK"
#define DATABASE_DATA "data"

/* directory/name, malloc'ed, or NULL. */
char *database_file(const char *directory, const char *name);

#endif
