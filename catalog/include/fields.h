/* The fields of users, devices and streams: the only table of them.
 *
 * Loading, storing, checking, exporting, importing, printing and reading JSON, and permissions go through it.
 * How to add a field: docs/ARCHITECTURE.md, "Where to add". */
#ifndef CONNECTORDB_FIELDS_H
#define CONNECTORDB_FIELDS_H

#include "catalog.h"

enum field_type {
    FIELD_TEXT, /* char *; UTF-8, NULL = "" */
    FIELD_FLAG, /* bool */
    FIELD_ID,   /* int64_t or uint64_t: ties objects together, never in JSON */
};

enum field_flags {
    FIELD_FIXED = 1,    /* set when the object is made; an update does not change it */
    FIELD_INTERNAL = 2, /* in exports, but not in the REST API */
    FIELD_ROWID = 4,    /* a FIELD_ID given by the catalog */
    FIELD_NULLABLE = 8, /* a FIELD_ID that is NULL in SQL when it is 0 */
    FIELD_SECRET = 16,  /* FIELD_INTERNAL, but clients may set it: in clear text, which is stored as a hash */
};

struct object_kind;

struct field {
    const char *name;  /* in JSON and SQL */
    const char *label; /* in messages: "the description" */
    enum field_type type;
    unsigned flags;    /* enum field_flags */
    bool default_flag; /* of a FIELD_FLAG that nobody sets; texts are empty */
    size_t offset;     /* in the object */
    size_t bytes_max;  /* of a text */
    /* Rules for every value of a text, and further rules for new values; NULL = none. 0 or -EINVAL. */
    int (*check)(const struct object_kind *kind, const char *value, struct error *ret_error);
    int (*check_new)(const struct object_kind *kind, const char *value, struct error *ret_error);
};

enum { FIELDS_MAX = 16 }; /* of one kind */

struct object_kind {
    const char *name;           /* "user" */
    const char *table;          /* "users" */
    const char *alias;          /* of the table in SELECT statements that name columns: "d." or "" */
    const struct field *fields; /* in the order of exports; the ones of FIELD_ID last */
    size_t count;
    size_t object_bytes;
};

extern const struct object_kind USER_KIND, DEVICE_KIND, STREAM_KIND;

/* The fields of the REST API in order of name; *ret_count of them. Static. Any thread. */
const struct field *const *fields_by_name(const struct object_kind *kind, size_t *ret_count);

/* The member of the object that the field describes; the caller knows its type. */
static inline char **field_text(const struct field *field, void *object)
{
    return (char **)(void *)((char *)object + field->offset);
}

static inline bool *field_flag(const struct field *field, void *object)
{
    return (bool *)(void *)((char *)object + field->offset);
}

static inline int64_t *field_id(const struct field *field, void *object)
{
    return (int64_t *)(void *)((char *)object + field->offset);
}

/* The same for reading; NULL texts are "". */
static inline const char *field_get_text(const struct field *field, const void *object)
{
    const char *text = *(char *const *)(const void *)((const char *)object + field->offset);
    return text ? text : "";
}

static inline bool field_get_flag(const struct field *field, const void *object)
{
    return *(const bool *)(const void *)((const char *)object + field->offset);
}

static inline int64_t field_get_id(const struct field *field, const void *object)
{
    return *(const int64_t *)(const void *)((const char *)object + field->offset);
}

/* Frees the texts, zeroes the object. */
void fields_free(const struct object_kind *kind, void *object);
/* Checks every text of the object, in the order of the table. is_new: also what only new values must fulfil.
 * 0, or -EINVAL with a message that names the field. */
int fields_check(const struct object_kind *kind, const void *object, bool is_new, struct error *ret_error);

/* The same for the fields whose bits are set, as new values. Those that an update does not change are left
 * out. */
int fields_check_changes(
    const struct object_kind *kind, const void *object, uint32_t fields, struct error *ret_error);

/* The bit of a field of the kind in masks: 1 << its index in the table. */
static inline uint32_t field_bit(const struct object_kind *kind, const struct field *field)
{
    return UINT32_C(1) << (field - kind->fields);
}

#endif
