#include "compile.h"

#include "json_points.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- nodes ---- */

static int queue_push(struct compiler *compiler, struct entry *entry)
{
    if (compiler->queue_count == compiler->queue_capacity) {
        size_t capacity = 2 * compiler->queue_capacity + 64;
        struct entry **grown = realloc(compiler->queue, capacity * sizeof(struct entry *));
        if (!grown)
            return error_set(compiler->error, ENOMEM, "out of memory for a schema");
        compiler->queue = grown;
        compiler->queue_capacity = capacity;
    }
    compiler->queue[compiler->queue_count++] = entry;
    return 0;
}

/* The node of an entry. A new one is filled in later (no recursion: a chain of references can be long). */
static int node_of(struct compiler *compiler, struct entry *entry, struct node **ret_node)
{
    *ret_node = entry->node;
    if (entry->node)
        return 0;
    if (compiler->queue_count == SCHEMA_NODES_MAX)
        return error_set(compiler->error, E2BIG, "the schema has more than %d subschemas", SCHEMA_NODES_MAX);
    struct node *node = compiler_alloc(compiler, sizeof(*node));
    char *place = node ? entry_place(compiler, entry) : NULL;
    if (!place)
        return -compiler->error->code;
    *node = (struct node){.place = place,
        .types = TYPES_ALL,
        .length = {0, UINT32_MAX},
        .item_count = {0, UINT32_MAX},
        .member_count = {0, UINT32_MAX}};
    entry->node = *ret_node = node;
    return queue_push(compiler, entry);
}

static int invalid(struct compiler *compiler, const char *what)
{
    return error_set(compiler->error, EINVAL, "%s", what);
}

static int node_of_json(
    struct compiler *compiler, const json_t *json, const char *what, struct node **ret_node)
{
    if (!json_is_object(json))
        return invalid(compiler, what);
    return node_of(compiler, entry_find(compiler, json), ret_node);
}

static int list_of_json(
    struct compiler *compiler, const json_t *json, const char *what, struct node_list *ret_list)
{
    if (!json_is_array(json) || json_array_size(json) == 0)
        return invalid(compiler, what);
    struct node_list list = {.count = (uint32_t)json_array_size(json)};
    list.nodes = compiler_alloc(compiler, list.count * sizeof(struct node *));
    int r = list.nodes ? 0 : -compiler->error->code;
    for (uint32_t i = 0; r == 0 && i < list.count; i++)
        r = node_of_json(compiler, json_array_get(json, i), what, &list.nodes[i]);
    *ret_list = list;
    return r;
}

/* ---- values of keywords ---- */

static struct number number_of_double(double value)
{
    struct number number = {.kind = NUMBER_DOUBLE, .real = value};
    int exponent = decimal_exponent(value);
    int64_t integer;
    if (exponent >= 0 && decimal_from_double(value, (uint8_t)exponent, &integer)) {
        number.kind = NUMBER_DECIMAL;
        number.exponent = (uint8_t)exponent;
        number.integer = integer;
    }
    return number;
}

static int number_of_json(struct compiler *compiler, const json_t *json, struct number *ret_number)
{
    if (!json_is_number(json))
        return invalid(compiler, "is no number");
    *ret_number = json_is_integer(json)
                      ? (struct number){.kind = NUMBER_DECIMAL, .integer = json_integer_value(json)}
                      : number_of_double(json_real_value(json));
    return 0;
}

static int count_of_json(struct compiler *compiler, const json_t *json, uint32_t *ret_count)
{
    struct number number;
    if (!json_is_number(json) || number_of_json(compiler, json, &number) < 0 || number_double(&number) < 0 ||
        !number_is_integral(&number))
        return invalid(compiler, "is no whole number from 0 on");
    double count = number_double(&number);
    *ret_count = count >= UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    return 0;
}

static int boolean_of_json(struct compiler *compiler, const json_t *json, bool *ret_boolean)
{
    if (!json_is_boolean(json))
        return invalid(compiler, "is neither true nor false");
    *ret_boolean = json_is_true(json);
    return 0;
}

static int name_of_json(struct compiler *compiler, const json_t *json, struct name *ret_name)
{
    if (!json_is_string(json))
        return invalid(compiler, "holds something that is no string");
    *ret_name = (struct name){compiler_copy(compiler, json_string_value(json), json_string_length(json)),
        (uint32_t)json_string_length(json)};
    return ret_name->text ? 0 : -compiler->error->code;
}

static int names_of_json(
    struct compiler *compiler, const json_t *json, struct name **ret_names, uint32_t *ret_count)
{
    if (!json_is_array(json) || json_array_size(json) == 0)
        return invalid(compiler, "is no array of names with at least one");
    uint32_t count = (uint32_t)json_array_size(json);
    struct name *names = compiler_alloc(compiler, count * sizeof(*names));
    int r = names ? 0 : -compiler->error->code;
    for (uint32_t i = 0; r == 0 && i < count; i++)
        r = name_of_json(compiler, json_array_get(json, i), &names[i]);
    *ret_names = names;
    *ret_count = count;
    return r;
}

/* ---- keywords that a table describes: (compiler, the keyword's value, the node to fill in) ---- */

typedef int (*keyword)(struct compiler *compiler, const json_t *json, struct node *node);

static int type_bit_of(struct compiler *compiler, const json_t *json, unsigned *types)
{
    static const struct {
        const char *name;
        unsigned bit;
    } TYPES[] = {{"null", TYPE_NULL}, {"boolean", TYPE_BOOLEAN}, {"integer", TYPE_INTEGER},
        {"number", TYPE_NUMBER | TYPE_INTEGER}, {"string", TYPE_STRING}, {"array", TYPE_ARRAY},
        {"object", TYPE_OBJECT}};
    for (size_t i = 0; json_is_string(json) && i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        if (strcmp(json_string_value(json), TYPES[i].name) == 0) {
            *types |= TYPES[i].bit;
            return 0;
        }
    }
    return invalid(compiler, "is none of null, boolean, integer, number, string, array, object");
}

static int take_type(struct compiler *compiler, const json_t *json, struct node *node)
{
    unsigned types = 0;
    int r = 0;
    if (json_is_array(json) && json_array_size(json) == 0)
        return invalid(compiler, "is an empty array");
    if (!json_is_array(json))
        r = type_bit_of(compiler, json, &types);
    for (size_t i = 0; r == 0 && json_is_array(json) && i < json_array_size(json); i++)
        r = type_bit_of(compiler, json_array_get(json, i), &types);
    node->types = types;
    return r;
}

static long read_text(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct name *left = context;
    (void)ret_error;
    size_t count = left->size < size ? left->size : size;
    memcpy(buffer, left->text, count);
    left->text += count;
    left->size -= (uint32_t)count;
    return (long)count;
}

/* JSON text -> msgpack by the path that datapoints take, so that both have the same form. */
static int value_of_text(struct compiler *compiler, const char *text, size_t size, struct value *ret_value)
{
    struct name left = {text, (uint32_t)size};
    struct json_points *reader = NULL;
    struct batch batch;
    uint8_t scratch[9];
    size_t bytes;
    batch_init(&batch);
    int r = json_points_open(&(struct json_points_options){.import = true}, read_text, &left, &reader);
    if (r < 0)
        error_set(compiler->error, ENOMEM, "out of memory for a schema");
    else
        r = json_points_read(reader, &batch, 2, compiler->error);
    if (r >= 0 && batch.count == 1) {
        const uint8_t *data = batch_value(&batch, 0, scratch, &bytes);
        uint8_t *copy = (uint8_t *)compiler_copy(compiler, (const char *)data, bytes);
        if (copy)
            *ret_value = value_read(copy, copy + bytes);
        r = copy ? 0 : -compiler->error->code;
    }
    json_points_close(reader);
    batch_free(&batch);
    return r;
}

static int value_of_json(struct compiler *compiler, const json_t *json, struct value *ret_value)
{
    static const char HEAD[] = "[{\"t\":1,\"d\":", TAIL[] = "}]";
    size_t size = json_dumpb(json, NULL, 0, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    size_t total = sizeof(HEAD) - 1 + size + sizeof(TAIL) - 1;
    char *text = malloc(total);
    if (!text || size == 0) {
        free(text);
        return error_set(compiler->error, ENOMEM, "out of memory for a schema");
    }
    memcpy(text, HEAD, sizeof(HEAD) - 1);
    (void)json_dumpb(json, text + sizeof(HEAD) - 1, size, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    memcpy(text + sizeof(HEAD) - 1 + size, TAIL, sizeof(TAIL) - 1);
    int r = value_of_text(compiler, text, total, ret_value);
    free(text);
    return r;
}

static int take_enum(struct compiler *compiler, const json_t *json, struct node *node)
{
    if (!json_is_array(json) || json_array_size(json) == 0)
        return invalid(compiler, "is no array with at least one value");
    node->choice_count = (uint32_t)json_array_size(json);
    node->choices = compiler_alloc(compiler, node->choice_count * sizeof(*node->choices));
    int r = node->choices ? 0 : -compiler->error->code;
    for (uint32_t i = 0; r == 0 && i < node->choice_count; i++)
        r = value_of_json(compiler, json_array_get(json, i), &node->choices[i]);
    return r;
}

static int take_minimum(struct compiler *compiler, const json_t *json, struct node *node)
{
    node->has_minimum = true;
    return number_of_json(compiler, json, &node->minimum);
}

static int take_maximum(struct compiler *compiler, const json_t *json, struct node *node)
{
    node->has_maximum = true;
    return number_of_json(compiler, json, &node->maximum);
}

static int take_exclusive_minimum(struct compiler *compiler, const json_t *json, struct node *node)
{
    return boolean_of_json(compiler, json, &node->minimum_exclusive);
}

static int take_exclusive_maximum(struct compiler *compiler, const json_t *json, struct node *node)
{
    return boolean_of_json(compiler, json, &node->maximum_exclusive);
}

static int take_multiple(struct compiler *compiler, const json_t *json, struct node *node)
{
    int r = number_of_json(compiler, json, &node->multiple);
    node->has_multiple = true;
    return r < 0 || number_double(&node->multiple) > 0 ? r : invalid(compiler, "is not above 0");
}

static int take_min_length(struct compiler *compiler, const json_t *json, struct node *node)
{
    return count_of_json(compiler, json, &node->length.least);
}

static int take_max_length(struct compiler *compiler, const json_t *json, struct node *node)
{
    return count_of_json(compiler, json, &node->length.most);
}

static int take_min_items(struct compiler *compiler, const json_t *json, struct node *node)
{
    return count_of_json(compiler, json, &node->item_count.least);
}

static int take_max_items(struct compiler *compiler, const json_t *json, struct node *node)
{
    return count_of_json(compiler, json, &node->item_count.most);
}

static int take_min_properties(struct compiler *compiler, const json_t *json, struct node *node)
{
    return count_of_json(compiler, json, &node->member_count.least);
}

static int take_max_properties(struct compiler *compiler, const json_t *json, struct node *node)
{
    return count_of_json(compiler, json, &node->member_count.most);
}

static int pattern_of_text(
    struct compiler *compiler, const char *text, size_t size, struct pattern **ret_pattern)
{
    struct schema *schema = compiler->schema;
    if (schema->pattern_count == SCHEMA_PATTERNS_MAX)
        return error_set(compiler->error, E2BIG, "the schema has more than %d patterns", SCHEMA_PATTERNS_MAX);
    if (!schema->patterns)
        schema->patterns = compiler_alloc(compiler, SCHEMA_PATTERNS_MAX * sizeof(struct pattern *));
    if (!schema->patterns)
        return -compiler->error->code;
    int r = pattern_compile(text, size, ret_pattern, compiler->error);
    if (r == 0)
        schema->patterns[schema->pattern_count++] = *ret_pattern;
    return r;
}

static int take_pattern(struct compiler *compiler, const json_t *json, struct node *node)
{
    if (!json_is_string(json))
        return invalid(compiler, "is no string");
    return pattern_of_text(compiler, json_string_value(json), json_string_length(json), &node->pattern);
}

static int take_format(struct compiler *compiler, const json_t *json, struct node *node)
{
    if (!json_is_string(json))
        return invalid(compiler, "is no string");
    node->format = format_by_name(json_string_value(json));
    return 0;
}

static int take_items(struct compiler *compiler, const json_t *json, struct node *node)
{
    if (json_is_array(json))
        return list_of_json(compiler, json, "is neither a schema nor an array of schemas", &node->items);
    node->single_items = true;
    return node_of_json(compiler, json, "is neither a schema nor an array of schemas", &node->other_items);
}

/* Counts only beside an array of schemas in "items", which take_items has put there: see node_fill. */
static int take_additional_items(struct compiler *compiler, const json_t *json, struct node *node)
{
    bool allowed = true;
    struct node *rest = NULL;
    int r = json_is_boolean(json)
                ? boolean_of_json(compiler, json, &allowed)
                : node_of_json(compiler, json, "is neither a schema nor true or false", &rest);
    if (r == 0 && !node->single_items && node->items.count > 0) {
        node->other_items = rest;
        node->no_other_items = !allowed;
    }
    return r;
}

static int take_unique_items(struct compiler *compiler, const json_t *json, struct node *node)
{
    return boolean_of_json(compiler, json, &node->unique_items);
}

static int take_additional_properties(struct compiler *compiler, const json_t *json, struct node *node)
{
    bool allowed = true;
    if (!json_is_boolean(json))
        return node_of_json(compiler, json, "is neither a schema nor true or false", &node->other_members);
    int r = boolean_of_json(compiler, json, &allowed);
    node->no_other_members = !allowed;
    return r;
}

static int take_pattern_properties(struct compiler *compiler, const json_t *json, struct node *node)
{
    const char *text;
    json_t *member;
    if (!json_is_object(json))
        return invalid(compiler, "is no object");
    node->patterns = compiler_alloc(compiler, json_object_size(json) * sizeof(*node->patterns));
    int r = node->patterns ? 0 : -compiler->error->code;
    json_object_foreach((json_t *)(uintptr_t)json, text, member)
    {
        struct pattern_rule *rule = &node->patterns[node->pattern_count];
        if (r == 0)
            r = pattern_of_text(compiler, text, strlen(text), &rule->pattern);
        if (r == 0)
            r = node_of_json(compiler, member, "holds something that is no schema", &rule->schema);
        if (r == 0)
            node->pattern_count++;
    }
    return r;
}

static int take_all_of(struct compiler *compiler, const json_t *json, struct node *node)
{
    return list_of_json(compiler, json, "is no array of schemas with at least one", &node->all_of);
}

static int take_any_of(struct compiler *compiler, const json_t *json, struct node *node)
{
    return list_of_json(compiler, json, "is no array of schemas with at least one", &node->any_of);
}

static int take_one_of(struct compiler *compiler, const json_t *json, struct node *node)
{
    return list_of_json(compiler, json, "is no array of schemas with at least one", &node->one_of);
}

static int take_not(struct compiler *compiler, const json_t *json, struct node *node)
{
    return node_of_json(compiler, json, "is no schema", &node->not );
}

/* Schemas below it are compiled, used or not: a mistake in one is found now. */
static int take_definitions(struct compiler *compiler, const json_t *json, struct node *node)
{
    const char *name;
    json_t *member;
    int r = json_is_object(json) ? 0 : invalid(compiler, "is no object");
    (void)node;
    json_object_foreach((json_t *)(uintptr_t)json, name, member)
    {
        struct node *definition;
        if (r == 0)
            r = node_of_json(compiler, member, "holds something that is no schema", &definition);
    }
    return r;
}

static int take_text(struct compiler *compiler, const json_t *json, struct node *node)
{
    (void)node;
    return json_is_string(json) ? 0 : invalid(compiler, "is no string");
}

/* properties, required and dependencies are taken together: members_fill. In this order ("additionalItems"
 * looks at "items", "exclusiveMinimum" at "minimum"). */
static const struct {
    const char *name;
    keyword take;
    const char *needs; /* another keyword, without which it may not stand */
} KEYWORDS[] = {
    {"type", take_type, NULL},
    {"enum", take_enum, NULL},
    {"minimum", take_minimum, NULL},
    {"maximum", take_maximum, NULL},
    {"exclusiveMinimum", take_exclusive_minimum, "minimum"},
    {"exclusiveMaximum", take_exclusive_maximum, "maximum"},
    {"multipleOf", take_multiple, NULL},
    {"minLength", take_min_length, NULL},
    {"maxLength", take_max_length, NULL},
    {"pattern", take_pattern, NULL},
    {"format", take_format, NULL},
    {"items", take_items, NULL},
    {"additionalItems", take_additional_items, NULL},
    {"minItems", take_min_items, NULL},
    {"maxItems", take_max_items, NULL},
    {"uniqueItems", take_unique_items, NULL},
    {"minProperties", take_min_properties, NULL},
    {"maxProperties", take_max_properties, NULL},
    {"patternProperties", take_pattern_properties, NULL},
    {"additionalProperties", take_additional_properties, NULL},
    {"allOf", take_all_of, NULL},
    {"anyOf", take_any_of, NULL},
    {"oneOf", take_one_of, NULL},
    {"not", take_not, NULL},
    {"definitions", take_definitions, NULL},
    {"$schema", take_text, NULL},
    {"title", take_text, NULL},
    {"description", take_text, NULL},
};

/* ---- what is said of members by name ---- */

static int compare_rules(const void *a, const void *b)
{
    const struct name *x = &((const struct member_rule *)a)->name,
                      *y = &((const struct member_rule *)b)->name;
    uint32_t size = x->size < y->size ? x->size : y->size;
    int r = memcmp(x->text, y->text, size);
    return r != 0 ? r : (x->size > y->size) - (x->size < y->size);
}

static int take_properties(struct compiler *compiler, const json_t *json, struct node *node)
{
    const char *name;
    json_t *member;
    int r = !json || json_is_object(json) ? 0 : invalid(compiler, "is no object");
    json_object_foreach((json_t *)(uintptr_t)json, name, member)
    {
        struct member_rule *rule = &node->members[node->member_rule_count];
        rule->name = (struct name){compiler_copy(compiler, name, strlen(name)), (uint32_t)strlen(name)};
        if (r == 0 && !rule->name.text)
            r = -compiler->error->code;
        if (r == 0)
            r = node_of_json(compiler, member, "holds something that is no schema", &rule->schema);
        node->member_rule_count++;
    }
    return r;
}

static int take_required(struct compiler *compiler, const json_t *json, struct node *node)
{
    struct name *names = NULL;
    uint32_t count = 0;
    int r = json ? names_of_json(compiler, json, &names, &count) : 0;
    for (uint32_t i = 0; r == 0 && i < count; i++)
        node->members[node->member_rule_count++] = (struct member_rule){.name = names[i], .required = true};
    return r;
}

static int take_dependencies(struct compiler *compiler, const json_t *json, struct node *node)
{
    const char *name;
    json_t *member;
    int r = !json || json_is_object(json) ? 0 : invalid(compiler, "is no object");
    json_object_foreach((json_t *)(uintptr_t)json, name, member)
    {
        struct member_rule *rule = &node->members[node->member_rule_count++];
        rule->name = (struct name){compiler_copy(compiler, name, strlen(name)), (uint32_t)strlen(name)};
        if (r == 0 && !rule->name.text)
            r = -compiler->error->code;
        if (r == 0 && json_is_array(member))
            r = names_of_json(compiler, member, &rule->needs, &rule->need_count);
        else if (r == 0)
            r = node_of_json(compiler, member,
                "holds something that is neither a schema nor an array of names", &rule->dependency);
    }
    node->has_dependencies = json_object_size(json) > 0;
    return r;
}

/* Rules of one name become one. */
static void members_merge(struct node *node)
{
    uint32_t kept = 0;
    if (node->member_rule_count > 0)
        qsort(node->members, node->member_rule_count, sizeof(*node->members), compare_rules);
    for (uint32_t i = 0; i < node->member_rule_count; i++) {
        struct member_rule *rule = &node->members[i];
        if (kept == 0 || compare_rules(&node->members[kept - 1], rule) != 0) {
            node->members[kept++] = *rule;
            continue;
        }
        struct member_rule *into = &node->members[kept - 1];
        into->schema = rule->schema ? rule->schema : into->schema;
        into->required |= rule->required;
        into->dependency = rule->dependency ? rule->dependency : into->dependency;
        if (rule->needs) {
            into->needs = rule->needs;
            into->need_count = rule->need_count;
        }
    }
    node->member_rule_count = kept;
    for (uint32_t i = 0; i < kept; i++)
        node->required_count += node->members[i].required;
}

static int members_fill(struct compiler *compiler, const json_t *json, struct node *node)
{
    const json_t *properties = json_object_get(json, "properties"),
                 *required = json_object_get(json, "required"),
                 *dependencies = json_object_get(json, "dependencies");
    size_t most = json_object_size(properties) + json_array_size(required) + json_object_size(dependencies);
    node->members = compiler_alloc(compiler, most * sizeof(*node->members));
    if (!node->members)
        return -compiler->error->code;
    int r = take_properties(compiler, properties, node);
    if (r < 0)
        return error_prefix(compiler->error, "\"properties\""), r;
    r = take_required(compiler, required, node);
    if (r < 0)
        return error_prefix(compiler->error, "\"required\""), r;
    r = take_dependencies(compiler, dependencies, node);
    if (r < 0)
        return error_prefix(compiler->error, "\"dependencies\""), r;
    members_merge(node);
    return 0;
}

/* ---- one node ---- */

static int reference_fill(struct compiler *compiler, const struct entry *entry, const char *text)
{
    struct entry *target;
    int r = reference_find(compiler, entry, text, &target);
    return r < 0 ? r : node_of(compiler, target, &entry->node->reference);
}

static bool constrains(const struct node *node)
{
    const struct limits none = {0, UINT32_MAX};
    return node->reference || node->types != TYPES_ALL || node->choices || node->has_minimum ||
           node->has_maximum || node->has_multiple || memcmp(&node->length, &none, sizeof(none)) != 0 ||
           node->pattern || node->format || memcmp(&node->item_count, &none, sizeof(none)) != 0 ||
           node->unique_items || node->items.count > 0 || node->other_items ||
           memcmp(&node->member_count, &none, sizeof(none)) != 0 || node->member_rule_count > 0 ||
           node->pattern_count > 0 || node->other_members || node->no_other_members ||
           node->all_of.count > 0 || node->any_of.count > 0 || node->one_of.count > 0 || node->not ;
}

static int node_fill(struct compiler *compiler, const struct entry *entry)
{
    struct node *node = entry->node;
    const json_t *reference = json_object_get(entry->json, "$ref");
    if (json_is_string(reference))
        return reference_fill(compiler, entry, json_string_value(reference));
    for (size_t i = 0; i < sizeof(KEYWORDS) / sizeof(KEYWORDS[0]); i++) {
        const json_t *json = json_object_get(entry->json, KEYWORDS[i].name);
        if (!json)
            continue;
        int r = KEYWORDS[i].take(compiler, json, node);
        if (r == 0 && KEYWORDS[i].needs && !json_object_get(entry->json, KEYWORDS[i].needs))
            r = error_set(compiler->error, EINVAL, "stands without \"%s\"", KEYWORDS[i].needs);
        if (r < 0)
            return error_prefix(compiler->error, "\"%s\"", KEYWORDS[i].name), r;
    }
    int r = members_fill(compiler, entry->json, node);
    node->accepts_all = r == 0 && !constrains(node);
    return r;
}

/* ---- chains ---- */

/* Calls visit for each schema that is applied to the same value. */
static void for_each_applied(const struct node *node,
    void (*visit)(struct node *applied, const struct node *from, void *context), void *context)
{
    const struct node_list *lists[] = {&node->all_of, &node->any_of, &node->one_of};
    if (node->reference)
        visit(node->reference, node, context);
    if (node->not )
        visit(node->not, node, context);
    for (size_t i = 0; i < 3; i++)
        for (uint32_t j = 0; j < lists[i]->count; j++)
            visit(lists[i]->nodes[j], node, context);
    for (uint32_t i = 0; i < node->member_rule_count; i++)
        if (node->members[i].dependency)
            visit(node->members[i].dependency, node, context);
}

static void count_input(struct node *applied, const struct node *from, void *context)
{
    (void)from;
    (void)context;
    applied->chain_inputs++;
}

struct ready {
    struct node **nodes;
    size_t count;
};

static void take_input(struct node *applied, const struct node *from, void *context)
{
    struct ready *ready = context;
    if (applied->chain_length < from->chain_length + 1)
        applied->chain_length = from->chain_length + 1;
    if (--applied->chain_inputs == 0)
        ready->nodes[ready->count++] = applied;
}

/* A schema that is applied to a value again and again without going into it would never end, and a long chain
 * would take much stack: sorts the nodes topologically (Kahn 1962). */
static int check_chains(struct compiler *compiler)
{
    struct ready ready = {compiler_alloc(compiler, compiler->queue_count * sizeof(struct node *)), 0};
    if (!ready.nodes)
        return -compiler->error->code;
    for (size_t i = 0; i < compiler->queue_count; i++)
        for_each_applied(compiler->queue[i]->node, count_input, NULL);
    for (size_t i = 0; i < compiler->queue_count; i++)
        if (compiler->queue[i]->node->chain_inputs == 0)
            ready.nodes[ready.count++] = compiler->queue[i]->node;
    for (size_t i = 0; i < ready.count; i++) {
        if (ready.nodes[i]->chain_length >= SCHEMA_CHAIN_MAX)
            return error_set(compiler->error, E2BIG,
                "\"%s\": more than %d schemas are applied to one value, one inside the other",
                ready.nodes[i]->place, SCHEMA_CHAIN_MAX);
        for_each_applied(ready.nodes[i], take_input, &ready);
    }
    for (size_t i = 0; ready.count < compiler->queue_count && i < compiler->queue_count; i++)
        if (compiler->queue[i]->node->chain_inputs > 0)
            return error_set(compiler->error, EINVAL,
                "\"%s\": the schema applies itself to the same value without end",
                compiler->queue[i]->node->place);
    return 0;
}

/* ---- a schema ---- */

static int fill_all(struct compiler *compiler)
{
    struct entry *root = entry_find(compiler, compiler->documents[0]);
    int r = node_of(compiler, root, &compiler->schema->root);
    for (size_t i = 0; r == 0 && i < compiler->queue_count; i++) {
        r = node_fill(compiler, compiler->queue[i]);
        if (r == -EINVAL && compiler->queue[i]->parent)
            error_prefix(compiler->error, "in %s", compiler->queue[i]->node->place);
    }
    return r < 0 ? r : check_chains(compiler);
}

/* jansson goes 2048 levels deep, which is too much for a connection's stack. */
static bool is_deeper_than(const char *text, size_t size, unsigned most)
{
    unsigned depth = 0;
    bool string = false;
    for (size_t i = 0; i < size && depth <= most; i++) {
        if (text[i] == '"')
            string = !string;
        else if (string)
            i += text[i] == '\\';
        else if (text[i] == '{' || text[i] == '[')
            depth++;
        else if (text[i] == '}' || text[i] == ']')
            depth -= depth > 0;
    }
    return depth > most;
}

int schema_compile(const char *text, size_t size, struct schema **ret_schema, struct error *ret_error)
{
    enum { JSON_DEPTH_MAX = 100 };
    struct error error = {0};
    json_error_t json_error;
    struct compiler compiler = {.error = &error};
    int r;
    if (size > SCHEMA_TEXT_BYTES_MAX)
        return error_set(ret_error, E2BIG, "the schema has %zu bytes, at most %d are allowed", size,
            SCHEMA_TEXT_BYTES_MAX);
    if (is_deeper_than(text, size, JSON_DEPTH_MAX))
        return error_set(ret_error, E2BIG, "the schema is nested more than %d levels deep", JSON_DEPTH_MAX);
    compiler.schema = calloc(1, sizeof(*compiler.schema));
    if (!compiler.schema)
        return error_set(ret_error, ENOMEM, "out of memory for a schema");
    compiler.documents[0] = json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &json_error);
    if (!compiler.documents[0])
        r = error_set(&error, json_error_code(&json_error) == json_error_out_of_memory ? ENOMEM : EINVAL,
            "the schema is not JSON: line %d, column %d: %s", json_error.line, json_error.column,
            json_error.text);
    else if (!json_is_object(compiler.documents[0]))
        r = error_set(&error, EINVAL, "the schema is no JSON object");
    else
        r = document_add(&compiler, compiler.documents[0], "");
    if (r == 0)
        r = fill_all(&compiler);
    json_decref(compiler.documents[0]);
    json_decref(compiler.documents[1]);
    free(compiler.queue);
    if (r < 0) {
        schema_free(compiler.schema);
        return error_set(ret_error, error.code, "%s", error.message);
    }
    compiler.schema->bytes = compiler.bytes;
    for (uint32_t i = 0; i < compiler.schema->pattern_count; i++)
        compiler.schema->bytes += pattern_bytes(compiler.schema->patterns[i]);
    *ret_schema = compiler.schema;
    return 0;
}

size_t schema_bytes(const struct schema *schema)
{
    return sizeof(*schema) + schema->bytes;
}

void scratch_free(struct scratch *scratch)
{
    if (!scratch)
        return;
    pattern_memory_free(scratch->patterns);
    free(scratch->hashes);
    free(scratch);
}

void schema_free(struct schema *schema)
{
    if (!schema)
        return;
    for (uint32_t i = 0; i < schema->pattern_count; i++)
        pattern_free(schema->patterns[i]);
    scratch_free(atomic_load(&schema->spare));
    blocks_free(schema->blocks);
    free(schema);
}

const struct member_rule *node_find_member(const struct node *node, const uint8_t *name, size_t size)
{
    struct member_rule wanted = {.name = {(const char *)name, (uint32_t)size}};
    return node->member_rule_count == 0 ? NULL
                                        : bsearch(&wanted, node->members, node->member_rule_count,
                                              sizeof(*node->members), compare_rules);
}
