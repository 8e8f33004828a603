/* Users, devices and streams as rows: loaded from and bound to statements. Private to the catalog. */
#ifndef CONNECTORDB_OBJECTS_H
#define CONNECTORDB_OBJECTS_H

#include "catalog.h"

#include <sqlite3.h>

/* The current row of a statement that selects the object's columns (sql.c). The strings belong to the statement and live until its next
 * step; cast to the struct's type, they must not be changed. -ENOMEM. */
int user_borrow(sqlite3_stmt *statement, struct user *ret_user, struct error *ret_error);
int device_borrow(sqlite3_stmt *statement, struct device *ret_device, struct error *ret_error);
int stream_borrow(sqlite3_stmt *statement, struct stream *ret_stream, struct error *ret_error);

/* The same with strings of its own; for the _free functions. */
int user_load(sqlite3_stmt *statement, struct user *ret_user, struct error *ret_error);
int device_load(sqlite3_stmt *statement, struct device *ret_device, struct error *ret_error);
int stream_load(sqlite3_stmt *statement, struct stream *ret_stream, struct error *ret_error);

#endif
