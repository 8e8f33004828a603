/* Users, devices and streams as rows: loaded from and bound to statements. Private to the catalog. */
#ifndef CONNECTORDB_OBJECTS_H
#define CONNECTORDB_OBJECTS_H

#include "fields.h"
#include "sql.h"

/* The current row of a statement that selects the columns of a kind of object (sql.c). The strings belong to
 * the statement and live until its next step; cast to the struct's type, they must not be changed. -ENOMEM.
 */
int user_borrow(sqlite3_stmt *statement, struct user *ret_user, struct error *ret_error);
int device_borrow(sqlite3_stmt *statement, struct device *ret_device, struct error *ret_error);
int stream_borrow(sqlite3_stmt *statement, struct stream *ret_stream, struct error *ret_error);

/* The same with strings of its own; for fields_free, user_free, ... Nothing is written on failure. */
int object_load(
    sqlite3_stmt *statement, const struct object_kind *kind, void *ret_object, struct error *ret_error);
int user_load(sqlite3_stmt *statement, struct user *ret_user, struct error *ret_error);
int device_load(sqlite3_stmt *statement, struct device *ret_device, struct error *ret_error);
int stream_load(sqlite3_stmt *statement, struct stream *ret_stream, struct error *ret_error);

/* Run an INSERT of a whole object, or an UPDATE of all that may change, of the row with the object's id.
 * Inside a transaction on the writer, with checked values. */
int insert_object(struct connection *writer, enum statement id, const struct object_kind *kind,
    const void *object, int64_t *ret_id, struct error *ret_error);
int update_object(struct connection *writer, enum statement id, const struct object_kind *kind,
    const void *object, struct error *ret_error);

#endif
