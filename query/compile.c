/* The parser: precedence climbing (Pratt, "Top down operator precedence", POPL 1973) over the grammar of the
 * reference. */
#include "lexer.h"
#include "run.h"
#include "transform.h"

#include "utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct lexer lexer;
    struct token token; /* the next one, not taken yet */
    struct script *script;
    struct error *error;
    unsigned depth;
};

enum precedence { LOOSEST = 1, OR = 1, AND, NOT, COMPARISON, SUM, PRODUCT, POWER, NEGATION, COLON };

static int parse_pipeline(struct parser *parser, struct node **ret_node);
static int parse_expression(struct parser *parser, int precedence, struct node **ret_node);

static int advance(struct parser *parser)
{
    return lexer_next(&parser->lexer, &parser->token, parser->error);
}

static int wrong(const struct parser *parser, const char *what)
{
    return parse_error(&parser->lexer, parser->token.offset, parser->error, "%s", what);
}

static int unexpected(const struct parser *parser)
{
    if (parser->token.kind == TOKEN_END)
        return wrong(parser, "syntax error: the script ends here, something is missing");
    return parse_error(&parser->lexer, parser->token.offset, parser->error, "syntax error: unexpected '%.*s'",
        parser->token.size < 40 ? (int)parser->token.size : 40, parser->lexer.text + parser->token.offset);
}

/* ---- nodes ---- */

/* Evaluation recurses along the tree, on stacks that may be small. */
static int check_height(struct parser *parser, struct node *node)
{
    for (uint32_t i = 0; i < node->child_count; i++)
        if (node->children[i] && node->children[i]->height >= node->height)
            node->height = node->children[i]->height + 1;
    if (node->height > SCRIPT_HEIGHT_MAX)
        return error_set(parser->error, E2BIG,
            "the script has more than %d operators and transforms one inside the other", SCRIPT_HEIGHT_MAX);
    return 0;
}

static int node_new(
    struct parser *parser, enum node_kind kind, size_t offset, uint32_t children, struct node **ret_node)
{
    struct script *script = parser->script;
    if (script->node_count == SCRIPT_NODES_MAX)
        return error_set(parser->error, E2BIG,
            "the script has more than %d operators, transforms and literals", SCRIPT_NODES_MAX);
    struct node *node = arena_alloc(&script->arena, sizeof(*node), parser->error);
    struct node **list =
        node ? arena_alloc(&script->arena, (children + 1) * sizeof(struct node *), parser->error) : NULL;
    if (!list)
        return -parser->error->code;
    memset(list, 0, (children + 1) * sizeof(struct node *));
    *node = (struct node){.kind = kind,
        .offset = offset,
        .one_to_one = true,
        .children = list,
        .child_count = children,
        .owner = script,
        .next_made = script->made};
    script->made = node;
    script->node_count++;
    *ret_node = node;
    return 0;
}

static int constant_new(struct parser *parser, size_t offset, struct value value, struct node **ret_node)
{
    int r = node_new(parser, NODE_CONSTANT, offset, 0, ret_node);
    if (r == 0) {
        (*ret_node)->value = value;
        (*ret_node)->is_constant = true;
    }
    return r;
}

/* Evaluates a constant node now. A run error is a parse error. */
static int fold(struct parser *parser, struct node *node)
{
    struct value value;
    struct error error = {0};
    if (node->kind == NODE_CONSTANT)
        return 0;
    int r = evaluate_constant(node, &parser->script->arena, &value, &error);
    if (r == -EINVAL)
        return parse_error(&parser->lexer, node->offset, parser->error, "%s", error.message);
    if (r < 0)
        return error_set(parser->error, error.code, "%s", error.message);
    node->kind = NODE_CONSTANT;
    node->value = value;
    node->child_count = 0;
    return 0;
}

static int join(
    struct parser *parser, struct node *from, struct node *to, size_t offset, struct node **ret_node)
{
    if (to->is_constant && from->one_to_one &&
        to->one_to_one) { /* the result does not depend on what comes in */
        *ret_node = to;
        return fold(parser, to);
    }
    int r = node_new(parser, NODE_PIPE, offset, 2, ret_node);
    if (r < 0)
        return r;
    (*ret_node)->children[0] = from;
    (*ret_node)->children[1] = to;
    (*ret_node)->one_to_one = from->one_to_one && to->one_to_one;
    (*ret_node)->peek = from->peek || to->peek;
    return check_height(parser, *ret_node);
}

static int operator_new(struct parser *parser, enum node_kind kind, size_t offset, struct node *left,
    struct node *right, struct node **ret_node)
{
    struct node *node;
    int r = node_new(parser, kind, offset, right ? 2 : 1, &node);
    if (r < 0)
        return r;
    node->children[0] = left;
    node->children[1] = right;
    node->is_constant = true;
    for (uint32_t i = 0; i < node->child_count; i++) {
        if (!node->children[i]->one_to_one)
            return parse_error(&parser->lexer, offset, parser->error,
                "an operand does not give one result for each datapoint");
        node->is_constant = node->is_constant && node->children[i]->is_constant;
        node->peek = node->peek || node->children[i]->peek;
    }
    *ret_node = node;
    return check_height(parser, node);
}

/* ---- calls ---- */

static int check_argument(struct parser *parser, const struct node *call, uint32_t i, struct node *argument)
{
    const struct transform *transform = call->transform;
    unsigned flags = transform->arguments[i].flags;
    bool group =
        (flags & ARGUMENT_SCRIPT) && (transform->flags & TRANSFORM_TAKES_GROUPS) && node_is_group(argument);
    if (!argument->one_to_one && !group)
        return parse_error(&parser->lexer, argument->offset, parser->error,
            "argument %u of %s must give one result for each datapoint", i + 1, transform->name);
    if ((flags & ARGUMENT_CONSTANT) && !argument->is_constant)
        return parse_error(&parser->lexer, argument->offset, parser->error,
            "argument %u of %s must be constant", i + 1, transform->name);
    if (argument->peek && (flags & ARGUMENT_SCRIPT) && (transform->flags & TRANSFORM_REFUSES_PEEK))
        return parse_error(&parser->lexer, argument->offset, parser->error,
            "argument %u of %s must not look at datapoints to come", i + 1, transform->name);
    return flags & ARGUMENT_CONSTANT ? fold(parser, argument) : 0;
}

/* The script of an optional argument that was left out. */
static int default_argument(struct parser *parser, const char *text, struct node **ret_node)
{
    struct parser inner = {
        .lexer = {.text = text, .size = strlen(text)}, .script = parser->script, .error = parser->error};
    int r = advance(&inner);
    return r < 0 ? r : parse_pipeline(&inner, ret_node);
}

static int call_new(struct parser *parser, const struct token *name, struct node **arguments, uint32_t count,
    struct node **ret_node)
{
    const char *text = parser->lexer.text + name->offset;
    const struct transform *transform = transform_find(text, name->size);
    struct node *node;
    if (!transform)
        return parse_error(&parser->lexer, name->offset, parser->error, "there is no transform %.*s",
            name->size < 60 ? (int)name->size : 60, text);
    if (count > transform->argument_count)
        return parse_error(&parser->lexer, name->offset, parser->error,
            "%s takes at most %u argument%s, %u are given", transform->name, transform->argument_count,
            transform->argument_count == 1 ? "" : "s", count);
    bool identity = transform->argument_count == 1 && count == 0 && transform_is_identity(transform);
    int r = node_new(parser, identity ? NODE_IDENTITY : NODE_CALL, name->offset,
        identity ? 0 : transform->argument_count, &node);
    if (r < 0 || identity) {
        *ret_node = node;
        return r;
    }
    node->transform = transform;
    node->one_to_one = !(transform->flags & (TRANSFORM_FILTERS | TRANSFORM_GROUPS));
    node->peek = transform->flags & TRANSFORM_PEEKS;
    for (uint32_t i = 0; r == 0 && i < transform->argument_count; i++) {
        const struct argument *argument = &transform->arguments[i];
        if (i < count)
            node->children[i] = arguments[i];
        else if (!(argument->flags & ARGUMENT_OPTIONAL))
            return parse_error(&parser->lexer, name->offset, parser->error, "argument %u of %s is missing",
                i + 1, transform->name);
        else if (argument->text)
            r = default_argument(parser, argument->text, &node->children[i]);
        if (r == 0 && node->children[i])
            r = check_argument(parser, node, i, node->children[i]);
        if (r == 0 && node->children[i] && !(argument->flags & ARGUMENT_SCRIPT))
            node->peek = node->peek || node->children[i]->peek;
    }
    struct error error = {0};
    if (r == 0)
        r = check_height(parser, node);
    if (r == 0 && transform->prepare && (r = transform->prepare(node, &parser->script->arena, &error)) < 0)
        return r == -EINVAL ? parse_error(&parser->lexer, name->offset, parser->error, "%s: %s",
                                  transform->name, error.message)
                            : error_set(parser->error, error.code, "%s", error.message);
    *ret_node = node;
    return r;
}

/* Behind the opening bracket: expressions, commas and the bracket that closes. */
static int parse_arguments(struct parser *parser, char open, struct node **arguments, uint32_t *ret_count)
{
    uint32_t count = 0;
    int r = 0;
    if (open == '(' && parser->token.kind == TOKEN_CLOSE && parser->token.bracket == ')') {
        *ret_count = 0;
        return advance(parser);
    }
    for (;;) {
        struct node *argument;
        r = parse_expression(parser, LOOSEST, &argument);
        if (r < 0)
            return r;
        if (count < ARGUMENTS_MAX)
            arguments[count] = argument;
        count++;
        if (parser->token.kind != TOKEN_COMMA)
            break;
        if ((r = advance(parser)) < 0)
            return r;
    }
    if (parser->token.kind != TOKEN_CLOSE || parser->token.bracket != (open == '(' ? ')' : ']'))
        return unexpected(parser);
    *ret_count = count;
    return advance(parser);
}

/* A name that is not the beginning of a call without brackets. */
static int parse_name(struct parser *parser, struct node **ret_node)
{
    struct token name = parser->token;
    struct node *arguments[ARGUMENTS_MAX];
    uint32_t count = 0;
    int r = advance(parser);
    if (r == 0 && parser->token.kind == TOKEN_OPEN && parser->token.offset == name.offset + name.size) {
        char open = parser->token.bracket;
        r = advance(parser);
        if (r == 0)
            r = parse_arguments(parser, open, arguments, &count);
    }
    return r < 0 ? r : call_new(parser, &name, arguments, count, ret_node);
}

/* ---- objects ---- */

enum { KEYS_MAX = 256 };

static int take_key(struct parser *parser, struct node **members, struct value *keys, uint32_t count)
{
    size_t offset = parser->token.offset;
    if (parser->token.kind != TOKEN_STRING)
        return unexpected(parser);
    if (count == KEYS_MAX)
        return parse_error(&parser->lexer, offset, parser->error, "an object has at most %d keys", KEYS_MAX);
    char *key = arena_alloc(&parser->script->arena, parser->token.size, parser->error);
    if (!key)
        return -parser->error->code;
    keys[count] = value_string(key, lexer_unescape(&parser->lexer, &parser->token, key));
    for (uint32_t i = 0; i < count; i++)
        if (keys[i].size == keys[count].size && memcmp(keys[i].text, key, keys[i].size) == 0)
            return parse_error(&parser->lexer, offset, parser->error, "the key is there twice");
    int r = advance(parser);
    if (r == 0 && parser->token.kind != TOKEN_COLON)
        r = unexpected(parser);
    if (r == 0)
        r = advance(parser);
    if (r == 0)
        r = parse_expression(parser, LOOSEST, &members[count]);
    if (r < 0)
        return r;
    if (!members[count]->one_to_one)
        return parse_error(&parser->lexer, members[count]->offset, parser->error,
            "a value of an object must give one result for each datapoint");
    if (members[count]->peek)
        return parse_error(&parser->lexer, members[count]->offset, parser->error,
            "a value of an object must not look at datapoints to come");
    return 0;
}

static int parse_object(struct parser *parser, struct node **ret_node)
{
    size_t offset = parser->token.offset;
    struct node **members =
        arena_alloc(&parser->script->arena, KEYS_MAX * sizeof(struct node *), parser->error);
    struct value *keys =
        members ? arena_alloc(&parser->script->arena, KEYS_MAX * sizeof(*keys), parser->error) : NULL;
    uint32_t count = 0;
    if (!keys)
        return -parser->error->code;
    do {
        int r = advance(parser); /* { or , */
        if (r == 0)
            r = take_key(parser, members, keys, count);
        if (r < 0)
            return r;
        count++;
    } while (parser->token.kind == TOKEN_COMMA);
    if (parser->token.kind != TOKEN_CLOSE_BRACE)
        return unexpected(parser);
    int r = node_new(parser, NODE_OBJECT, offset, 0, ret_node);
    if (r < 0)
        return r;
    (*ret_node)->children = members;
    (*ret_node)->keys = keys;
    (*ret_node)->child_count = count;
    (*ret_node)->is_constant = true;
    for (uint32_t i = 0; i < count; i++)
        (*ret_node)->is_constant = (*ret_node)->is_constant && members[i]->is_constant;
    r = check_height(parser, *ret_node);
    return r < 0 ? r : advance(parser);
}

/* ---- expressions ---- */

static int parse_group(struct parser *parser, struct node **ret_node)
{
    char close = parser->token.bracket == '(' ? ')' : ']';
    int r = advance(parser);
    if (r == 0)
        r = parse_pipeline(parser, ret_node);
    if (r < 0)
        return r;
    if (parser->token.kind != TOKEN_CLOSE || parser->token.bracket != close)
        return unexpected(parser);
    return advance(parser);
}

static int parse_prefix(struct parser *parser, struct node **ret_node)
{
    size_t offset = parser->token.offset;
    bool negate = parser->token.kind == TOKEN_MINUS;
    struct node *operand;
    int r = advance(parser);
    if (r == 0)
        r = parse_expression(parser, negate ? NEGATION + 1 : NOT + 1, &operand);
    return r < 0 ? r : operator_new(parser, negate ? NODE_NEGATE : NODE_NOT, offset, operand, NULL, ret_node);
}

static int parse_literal(struct parser *parser, struct node **ret_node)
{
    struct token token = parser->token;
    struct value value = value_double(token.number);
    if (token.kind == TOKEN_STRING) {
        char *text = arena_alloc(&parser->script->arena, token.size, parser->error);
        if (!text)
            return -parser->error->code;
        value = value_string(text, lexer_unescape(&parser->lexer, &token, text));
    } else if (token.kind != TOKEN_NUMBER) {
        value = value_boolean(token.kind == TOKEN_TRUE);
    }
    int r = constant_new(parser, token.offset, value, ret_node);
    return r < 0 ? r : advance(parser);
}

static int parse_operand(struct parser *parser, struct node **ret_node)
{
    switch (parser->token.kind) {
    case TOKEN_NUMBER:
    case TOKEN_STRING:
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        return parse_literal(parser, ret_node);
    case TOKEN_NAME:
        return parse_name(parser, ret_node);
    case TOKEN_OPEN:
        return parse_group(parser, ret_node);
    case TOKEN_OPEN_BRACE:
        return parse_object(parser, ret_node);
    case TOKEN_MINUS:
    case TOKEN_NOT:
        return parse_prefix(parser, ret_node);
    default:
        return unexpected(parser);
    }
}

/* The binary operator of a token; 0 = it is none. */
static int precedence_of(enum token_kind token, enum node_kind *ret_kind)
{
    static const struct {
        enum token_kind token;
        int precedence;
        enum node_kind kind;
    } OPERATORS[] = {{TOKEN_OR, OR, NODE_OR}, {TOKEN_AND, AND, NODE_AND}, {TOKEN_LESS, COMPARISON, NODE_LESS},
        {TOKEN_LESS_EQUAL, COMPARISON, NODE_LESS_EQUAL}, {TOKEN_GREATER, COMPARISON, NODE_GREATER},
        {TOKEN_GREATER_EQUAL, COMPARISON, NODE_GREATER_EQUAL}, {TOKEN_EQUAL, COMPARISON, NODE_EQUAL},
        {TOKEN_NOT_EQUAL, COMPARISON, NODE_NOT_EQUAL}, {TOKEN_PLUS, SUM, NODE_ADD},
        {TOKEN_MINUS, SUM, NODE_SUBTRACT}, {TOKEN_TIMES, PRODUCT, NODE_MULTIPLY},
        {TOKEN_DIVIDE, PRODUCT, NODE_DIVIDE}, {TOKEN_MODULO, POWER, NODE_MODULO},
        {TOKEN_POWER, POWER, NODE_POWER}, {TOKEN_COLON, COLON, NODE_PIPE}};
    for (size_t i = 0; i < sizeof(OPERATORS) / sizeof(OPERATORS[0]); i++) {
        if (OPERATORS[i].token == token) {
            *ret_kind = OPERATORS[i].kind;
            return OPERATORS[i].precedence;
        }
    }
    return 0;
}

/* Operators that bind as `precedence` or tighter; all associate to the left. */
static int parse_operators(struct parser *parser, int precedence, struct node *left, struct node **ret_node)
{
    enum node_kind kind;
    int found;
    while ((found = precedence_of(parser->token.kind, &kind)) >= precedence && found > 0) {
        size_t offset = parser->token.offset;
        struct node *right;
        int r = advance(parser);
        if (r == 0)
            r = parse_expression(parser, found + 1, &right);
        if (r == 0)
            r = kind == NODE_PIPE ? join(parser, left, right, offset, &left)
                                  : operator_new(parser, kind, offset, left, right, &left);
        if (r < 0)
            return r;
    }
    *ret_node = left;
    return 0;
}

static int parse_expression(struct parser *parser, int precedence, struct node **ret_node)
{
    struct node *left;
    if (parser->depth == SCRIPT_DEPTH_MAX)
        return error_set(
            parser->error, E2BIG, "the script is nested more than %d levels deep", SCRIPT_DEPTH_MAX);
    parser->depth++;
    int r = parse_operand(parser, &left);
    if (r == 0)
        r = parse_operators(parser, precedence, left, ret_node);
    parser->depth--;
    return r;
}

/* ---- elements ---- */

static bool starts_argument(enum token_kind token)
{
    return token == TOKEN_NUMBER || token == TOKEN_STRING || token == TOKEN_TRUE || token == TOKEN_FALSE ||
           token == TOKEN_NAME || token == TOKEN_OPEN || token == TOKEN_OPEN_BRACE || token == TOKEN_NOT;
}

/* A minus behind a name is subtraction, unless the transform needs an argument: `count - 1`, `tshift -5`. */
static bool needs_argument(const struct parser *parser, const struct token *name)
{
    const struct transform *transform = transform_find(parser->lexer.text + name->offset, name->size);
    return transform && transform->argument_count > 0 && !(transform->arguments[0].flags & ARGUMENT_OPTIONAL);
}

/* `if d > 20`: a name, white space, and arguments up to the end of the element. */
static int parse_bare_call(struct parser *parser, const struct token *name, struct node **ret_node)
{
    struct node *arguments[ARGUMENTS_MAX];
    uint32_t count = 0;
    while (starts_argument(parser->token.kind) || (count == 0 && parser->token.kind == TOKEN_MINUS)) {
        struct node *argument;
        int r = parse_expression(parser, LOOSEST, &argument);
        if (r < 0)
            return r;
        if (count < ARGUMENTS_MAX)
            arguments[count] = argument;
        count++;
    }
    return call_new(parser, name, arguments, count, ret_node);
}

static int parse_element(struct parser *parser, struct node **ret_node)
{
    struct token name = parser->token;
    struct lexer before = parser->lexer;
    if (name.kind != TOKEN_NAME || !name.spaced)
        return parse_expression(parser, LOOSEST, ret_node);
    int r = advance(parser);
    if (r < 0)
        return r;
    if (starts_argument(parser->token.kind) ||
        (parser->token.kind == TOKEN_MINUS && needs_argument(parser, &name)))
        return parse_bare_call(parser, &name, ret_node);
    parser->lexer = before;
    parser->token = name;
    return parse_expression(parser, LOOSEST, ret_node);
}

static int parse_pipeline(struct parser *parser, struct node **ret_node)
{
    struct node *node;
    int r;
    if (parser->depth == SCRIPT_DEPTH_MAX)
        return error_set(
            parser->error, E2BIG, "the script is nested more than %d levels deep", SCRIPT_DEPTH_MAX);
    parser->depth++;
    r = parse_element(parser, &node);
    while (r == 0 && parser->token.kind == TOKEN_PIPE) {
        size_t offset = parser->token.offset;
        struct node *next;
        r = advance(parser);
        if (r == 0)
            r = parse_element(parser, &next);
        if (r == 0)
            r = join(parser, node, next, offset, &node);
    }
    parser->depth--;
    *ret_node = r == 0 ? node : NULL;
    return r;
}

/* ---- scripts ---- */

/* Gives each call below `node` its place in an instance of the script. Script arguments are scripts of their
 * own. */
static void lay_out(struct node *node, uint32_t *bytes)
{
    if (node->kind == NODE_CALL) {
        node->state = *bytes;
        *bytes += (uint32_t)(node->transform->state_bytes + 15) / 16 * 16;
    }
    for (uint32_t i = 0; i < node->child_count; i++) {
        struct node *child = node->children[i];
        if (!child)
            continue;
        if (node->kind == NODE_CALL && (node->transform->arguments[i].flags & ARGUMENT_SCRIPT))
            lay_out(child, &child->state_bytes);
        else
            lay_out(child, bytes);
    }
}

static struct script_limits with_defaults(const struct script_limits *limits)
{
    struct script_limits result = limits ? *limits : (struct script_limits){0};
    result.split_max = result.split_max ? result.split_max : 50000;
    result.string_max = result.string_max ? result.string_max : 1000000;
    result.peek_max = result.peek_max ? result.peek_max : 100;
    result.cpu_ms = result.cpu_ms ? result.cpu_ms : 10000;
    result.bytes_max = result.bytes_max ? result.bytes_max : 32 << 20;
    return result;
}

int script_compile(const char *text, size_t size, const struct script_limits *limits,
    struct script **ret_script, struct error *ret_error)
{
    struct error error = {0};
    if (size > SCRIPT_BYTES_MAX)
        return error_set(
            ret_error, E2BIG, "the script has %zu bytes, at most %d are allowed", size, SCRIPT_BYTES_MAX);
    if (!utf8_valid((const uint8_t *)text, size))
        return error_set(ret_error, EINVAL, "the script is not UTF-8");
    if (size == 0) { /* no script: every datapoint as it is */
        text = "$";
        size = 1;
    }
    struct script *script = calloc(1, sizeof(*script));
    if (!script)
        return error_set(ret_error, ENOMEM, "out of memory for a script");
    script->limits = with_defaults(limits);
    arena_init(&script->arena, script->limits.bytes_max);
    struct parser parser = {.lexer = {.text = text, .size = size}, .script = script, .error = &error};
    int r = advance(&parser);
    if (r == 0)
        r = parse_pipeline(&parser, &script->root);
    if (r == 0 && parser.token.kind != TOKEN_END)
        r = unexpected(&parser);
    if (r < 0) {
        script_free(script);
        return error_set(ret_error, error.code, "%s", error.message);
    }
    lay_out(script->root, &script->root->state_bytes);
    *ret_script = script;
    return 0;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    for (struct node *node = script->made; node; node = node->next_made)
        if (node->transform && node->transform->forget && node->prepared)
            node->transform->forget(node);
    arena_free(&script->arena);
    free(script);
}

bool script_is_one_to_one(const struct script *script)
{
    return script->root->one_to_one;
}
