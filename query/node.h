/* The compiled script: a tree of nodes. Immutable. */
#ifndef CONNECTORDB_QUERY_NODE_H
#define CONNECTORDB_QUERY_NODE_H

#include "script.h"
#include "value.h"

enum node_kind {
    NODE_CONSTANT,
    NODE_IDENTITY, /* d, $ */
    NODE_PIPE,     /* children: from, to */
    NODE_CALL,
    NODE_OBJECT, /* a child for each key */
    NODE_NOT,
    NODE_NEGATE,
    NODE_AND,
    NODE_OR,
    NODE_LESS,
    NODE_LESS_EQUAL,
    NODE_GREATER,
    NODE_GREATER_EQUAL,
    NODE_EQUAL,
    NODE_NOT_EQUAL,
    NODE_ADD,
    NODE_SUBTRACT,
    NODE_MULTIPLY,
    NODE_DIVIDE,
    NODE_MODULO,
    NODE_POWER,
};

struct transform;

struct node {
    enum node_kind kind;
    uint32_t state;       /* NODE_CALL: where the state is in an instance of the script around it */
    uint32_t state_bytes; /* of an instance, if this is the root of a script or of a script argument */
    uint32_t height;
    bool one_to_one; /* one result for each datapoint */
    bool is_constant;
    bool peek;                         /* looks at datapoints to come */
    size_t offset;                     /* in the script, for messages */
    struct value value;                /* NODE_CONSTANT */
    const struct transform *transform; /* NODE_CALL */
    void *prepared;                    /* NODE_CALL: what the transform made of its constant arguments */
    struct node **children;
    uint32_t child_count;
    struct value *keys; /* NODE_OBJECT: strings */
    const struct script *owner;
    struct node *next_made; /* all nodes of the script */
};

struct script {
    struct script_limits limits;
    struct node *root;
    struct node *made;
    struct arena arena;
    size_t node_count;
};

/* The name of the node for messages: an operator or a transform. */
const char *node_name(const struct node *node);

#endif
