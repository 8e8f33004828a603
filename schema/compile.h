/* Compiling: what its two files share. reference.c knows the documents (places, ids, references), compile.c
 * the keywords. */
#ifndef CONNECTORDB_SCHEMA_COMPILE_H
#define CONNECTORDB_SCHEMA_COMPILE_H

#include "node.h"

#include <jansson.h>

enum { COMPILE_BYTES_MAX = 64 << 20 }; /* memory of one compiled schema */

/* One object of a document: every one may be a subschema. */
struct entry {
    const json_t *json;
    const struct entry *parent; /* the object around it; NULL for a root */
    const char *key;            /* member of the parent; "" for a root */
    int index;                  /* element of the array under that key; -1 = none */
    bool is_map;                /* the value of "properties" and the like: its members are schemas by name */
    const char *base;           /* URI against which references and ids in it resolve, without fragment */
    struct node *node;          /* NULL = is not used as a schema yet */
};

struct identifier {
    const char *uri; /* absolute, with its fragment if that is not empty */
    const struct entry *entry;
};

struct compiler {
    struct schema *schema;
    json_t *documents[2];           /* the schema, the draft's own schema if it is referred to */
    struct entry **slots;           /* hash table by json */
    size_t slot_count, entry_count; /* slot_count: a power of two */
    struct identifier *identifiers;
    size_t identifier_count, identifier_capacity;
    struct entry *
        *queue; /* entries with a node, in order of creation; those at the end are yet to be filled in */
    size_t queue_count, queue_capacity;
    size_t bytes; /* allocated so far */
    struct error *error;
};

/* Zeroed memory that lives as long as the schema; NULL = out of memory or over COMPILE_BYTES_MAX (the error
 * is set). */
void *compiler_alloc(struct compiler *compiler, size_t size);
char *compiler_copy(struct compiler *compiler, const char *text, size_t size);
void blocks_free(struct block *block);

/* Registers all objects of a document. base: its URI, "" = none. 0 or -errno. */
int document_add(struct compiler *compiler, const json_t *document, const char *base);
struct entry *entry_find(const struct compiler *compiler, const json_t *json);
/* JSON pointer to the entry, in compiler memory; NULL = no memory. */
char *entry_place(struct compiler *compiler, const struct entry *entry);
/* Resolves the reference. 0 or -errno. */
int reference_find(
    struct compiler *compiler, const struct entry *from, const char *reference, struct entry **ret_entry);

#endif
