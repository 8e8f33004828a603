/* Bodies of requests. A body is opened after the request was allowed: nothing is read from a client that may
 * not do what it asks. */
#ifndef CONNECTORDB_BODY_H
#define CONNECTORDB_BODY_H

#include "body_budget.h"
#include "fields.h"
#include "json_arena.h"
#include "problem.h"
#include "request.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    OBJECT_BODY_BYTES_MAX = 4 << 20, /* a stream's schema, icon and description are up to 1 MiB each */
    OBJECT_VALUES_MAX = 20000,       /* values and keys: a device with a thousand streams */
    OBJECT_DEPTH_MAX = 64,
};

/* A body that is read as it comes, within a limit and the budget of all bodies. */
struct body {
    struct http_exchange *exchange;
    struct body_budget *budget;
    struct body_share share;
    struct problem *problem; /* where body_read says what is wrong */
    uint64_t held_bytes;     /* see body_hold */
    /* NULL, or called with what body_read has read. Set it after body_open. */
    void (*observe)(void *observer, const void *data, size_t size);
    void *observer;
};

/* Prepares to read the body of a request that has been allowed: 415 for an encoding that is not known, 413
 * for one that announces more than `limit` bytes, 503 while too much is being read. False: *problem is set,
 * nothing was read. Close it in any case, and only when what was read from it has been freed. problem is
 * borrowed. */
bool body_open(struct body *body, struct request *request, uint64_t limit, struct problem *problem);
/* A json_source (context is the struct body): on failure the problem is set. */
long body_read(void *body, void *buffer, size_t size, struct error *ret_error);
/* Counts `bytes` of memory that what was read takes beyond its text, until body_close. False: the problem is
 * set (503). */
bool body_hold(struct body *body, uint64_t bytes);
/* Gives its share of the budget back. */
void body_close(struct body *body);

/* A body that is one JSON object. It counts as being read until it is freed: its parsed form takes more than
 * its text. */
struct body_object {
    struct body body;
    struct json_arena arena;
    const json_t *object; /* lives as long as this */
};

/* Reads it. False: *problem is set; to be freed also then. */
bool body_object_read(struct body_object *body, struct request *request, struct problem *problem);
/* The same of a body that is an array. */
bool body_array_read(struct body_object *body, struct request *request, struct problem *problem);
void body_object_free(struct body_object *body); /* accepts a zeroed one */

/* Whether a body may be read of who has not logged in, where what he may do stands in the body: a small one.
 * False: *problem is set (403). */
bool body_of_nobody(const struct request *request, struct problem *problem);

/* A member of an object to read. */
struct member {
    const char *name;
    enum { MEMBER_TEXT, MEMBER_BOOLEAN, MEMBER_OBJECT, MEMBER_ARRAY, MEMBER_INTEGER, MEMBER_NUMBER } type;
    /* const char **, bool *, const json_t **, const json_t **, int64_t *, double *: unchanged when the member
     * is absent or null */
    void *to;
};

/* Takes the members out of the object: keys match without case, unknown ones are ignored, the last of several
 * counts. Texts are borrowed. False, with 400, for a member of a wrong type. */
bool body_members(const json_t *object, const struct member *members, size_t count, struct problem *problem);

/* The members that set an object's fields, all but its name; texts of the object that are NULL become "".
 * Texts are borrowed from the body then. Returns how many. */
size_t body_field_members(const struct object_kind *kind, void *object, struct member members[FIELDS_MAX]);

/* The changes of an object that a PUT asks for: sets the fields in *changes and their bits in *ret_fields.
 * Keys are exact, unknown ones are refused, and so are values of a wrong type, fields that are not `writable`
 * and a name other than that of `current` (all 403). Texts are borrowed. */
bool body_changes(const json_t *object, const struct object_kind *kind, const void *current,
    uint32_t writable, void *changes, uint32_t *ret_fields, struct problem *problem);

#endif
