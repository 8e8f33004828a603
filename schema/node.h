/* A compiled schema: a graph of nodes, one for each subschema. Immutable after schema_compile. */
#ifndef CONNECTORDB_SCHEMA_NODE_H
#define CONNECTORDB_SCHEMA_NODE_H

#include "pattern.h"
#include "schema.h"
#include "value.h"

#include <stdatomic.h>

enum type_bit {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_NUMBER = 8, /* integers as well */
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
    TYPES_ALL = 127,
};

enum format {
    FORMAT_NONE,
    FORMAT_DATE_TIME,
    FORMAT_EMAIL,
    FORMAT_HOSTNAME,
    FORMAT_IPV4,
    FORMAT_IPV6,
    FORMAT_URI,
};

struct node_list {
    struct node **nodes;
    uint32_t count;
};

struct name {
    const char *text;
    uint32_t size;
};

/* All rules for one member name: of properties, required and dependencies. Sorted by name. */
struct member_rule {
    struct name name;
    struct node *schema; /* properties; NULL = nothing */
    bool required;
    struct node *dependency; /* dependencies with a schema */
    struct name *needs;      /* dependencies with names */
    uint32_t need_count;
};

struct pattern_rule {
    struct pattern *pattern;
    struct node *schema;
};

struct limits {
    uint32_t least, most; /* UINT32_MAX = no limit */
};

struct node {
    const char *place; /* JSON pointer to the subschema, for messages */
    bool accepts_all;
    unsigned types;         /* bits of enum type_bit */
    struct node *reference; /* $ref: nothing else counts then */

    struct value *choices; /* enum */
    uint32_t choice_count;

    bool has_minimum, has_maximum, minimum_exclusive, maximum_exclusive, has_multiple;
    struct number minimum, maximum, multiple;

    struct limits length; /* code points of a string */
    struct pattern *pattern;
    enum format format;

    struct limits item_count;
    bool unique_items;
    struct node_list items;            /* by position */
    struct node *other_items;          /* the rest; NULL = any */
    bool no_other_items, single_items; /* "items" is one schema, kept in other_items */

    struct limits member_count;
    struct member_rule *members;
    uint32_t member_rule_count, required_count;
    bool has_dependencies;
    struct pattern_rule *patterns;
    uint32_t pattern_count;
    struct node *other_members; /* additionalProperties; NULL = any */
    bool no_other_members;

    struct node_list all_of, any_of, one_of;
    struct node * not ;

    uint32_t chain_inputs; /* while compiling: edges into it, and the longest chain that ends in it */
    uint32_t chain_length;
};

/* Memory for checking, beside the stack; reused. */
struct scratch {
    struct pattern_memory *patterns;
    uint64_t *hashes;
    size_t hash_capacity;
};
void scratch_free(struct scratch *scratch); /* accepts NULL */

struct block;
struct schema {
    struct node *root;
    struct block *blocks; /* all memory of the nodes */
    size_t bytes;         /* of the blocks and the patterns */
    struct pattern **patterns;
    uint32_t pattern_count;
    _Atomic(struct scratch *) spare;
};

/* The rule for a name, or NULL. */
const struct member_rule *node_find_member(const struct node *node, const uint8_t *name, size_t size);

/* Whether the string conforms to the format. */
bool format_matches(enum format format, const char *text, size_t size);
/* FORMAT_NONE for names that are not known. */
enum format format_by_name(const char *name);

#endif
