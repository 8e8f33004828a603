/* Applying a schema to values. Recursion goes along the value (64 levels at most) and along chains of schemas
 * for one value; both together are bounded by DEPTH_MAX, because connections have small stacks. */
#include "node.h"

#include "clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 120,    /* 45 KiB of stack */
    CLOCK_STEPS = 4096, /* steps between looks at the clock */
    PATTERN_STEPS = 64, /* what a search for a pattern counts as */
    PLACE_BYTES_MAX = 200,
    HASHES_KEPT_MAX =
        SCHEMA_SPARE_BYTES / sizeof(uint64_t), /* larger scratch memory is given back after the batch */
};

/* Where in the value: on the stack of the functions that go into it. */
struct step {
    const struct step *before;
    const char *name; /* of a member; NULL: an element */
    uint32_t size;    /* of the name, or the element's index */
};

struct checker {
    struct scratch *scratch;
    struct error *error; /* what does not conform; set once */
    unsigned quiet;      /* > 0: a result is asked for, not a message */
    unsigned depth;
    bool gave_up; /* over a limit; the error says which */
    uint64_t steps, steps_clock;
    uint64_t deadline_ns;
};

static bool check(
    struct checker *checker, const struct node *node, const struct value *value, const struct step *step);

/* ---- messages ---- */

static void place_append(char *place, size_t *size, const char *text, size_t text_size)
{
    if (*size + text_size + 4 > PLACE_BYTES_MAX) {
        if (*size + 4 <= PLACE_BYTES_MAX)
            memcpy(place + *size, "...", 4);
        *size = PLACE_BYTES_MAX;
        return;
    }
    memcpy(place + *size, text, text_size);
    *size += text_size;
    place[*size] = '\0';
}

static void place_print(const struct step *step, char *place, size_t *size)
{
    if (!step)
        return;
    place_print(step->before, place, size);
    char index[16];
    if (step->name) {
        place_append(place, size, ".", 1);
        place_append(place, size, step->name, step->size);
    } else {
        place_append(place, size, index, (size_t)snprintf(index, sizeof(index), "[%u]", step->size));
    }
}

__attribute__((format(printf, 3, 4))) static bool fail(
    struct checker *checker, const struct step *step, const char *format, ...)
{
    char place[PLACE_BYTES_MAX + 1] = "d", what[256];
    size_t size = 1;
    va_list arguments;
    if (checker->quiet > 0 || checker->gave_up)
        return false;
    place_print(step, place, &size);
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    error_set(checker->error, EINVAL, "%s %s", place, what);
    return false;
}

__attribute__((format(printf, 3, 4))) static bool give_up(
    struct checker *checker, int code, const char *format, ...)
{
    char what[256];
    va_list arguments;
    if (checker->gave_up)
        return false;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    error_set(checker->error, code, "%s", what);
    checker->gave_up = true;
    return false;
}

static bool count_steps(struct checker *checker, uint64_t steps)
{
    checker->steps += steps;
    if (checker->steps > SCHEMA_POINT_STEPS_MAX)
        return give_up(
            checker, E2BIG, "takes more than %d steps to check against the schema", SCHEMA_POINT_STEPS_MAX);
    checker->steps_clock += steps;
    if (checker->steps_clock < CLOCK_STEPS)
        return true;
    checker->steps_clock = 0;
    if (clock_monotonic_ns() > checker->deadline_ns)
        return give_up(checker, E2BIG,
            "comes after %d ms of checking against the schema, the most that one insert may take; "
            "insert fewer datapoints at once",
            SCHEMA_CHECK_MS_MAX);
    return true;
}

/* ---- any value ---- */

static unsigned type_of(const struct value *value)
{
    switch (value->type) {
    case MSGPACK_NULL:
        return TYPE_NULL;
    case MSGPACK_FALSE:
    case MSGPACK_TRUE:
        return TYPE_BOOLEAN;
    case MSGPACK_NUMBER:
        return number_is_integral(&value->number) ? TYPE_INTEGER | TYPE_NUMBER : TYPE_NUMBER;
    case MSGPACK_STRING:
        return TYPE_STRING;
    case MSGPACK_ARRAY:
        return TYPE_ARRAY;
    default:
        return TYPE_OBJECT;
    }
}

static const char *type_name(unsigned type)
{
    return type & TYPE_INTEGER   ? "an integer"
           : type & TYPE_NUMBER  ? "a number"
           : type & TYPE_NULL    ? "null"
           : type & TYPE_BOOLEAN ? "a boolean"
           : type & TYPE_STRING  ? "a string"
           : type & TYPE_ARRAY   ? "an array"
                                 : "an object";
}

static bool check_type(
    struct checker *checker, const struct node *node, const struct value *value, const struct step *step)
{
    static const unsigned TYPES[] = {
        TYPE_NUMBER, TYPE_INTEGER, TYPE_STRING, TYPE_BOOLEAN, TYPE_OBJECT, TYPE_ARRAY, TYPE_NULL};
    char wanted[96] = "";
    unsigned type = type_of(value);
    if (type & node->types)
        return true;
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        bool listed = (node->types & TYPES[i]) && !(TYPES[i] == TYPE_INTEGER && (node->types & TYPE_NUMBER));
        if (!listed)
            continue;
        if (*wanted)
            strcat(wanted, " or ");
        strcat(wanted, TYPES[i] == TYPE_NUMBER ? "a number" : type_name(TYPES[i]));
    }
    return fail(checker, step, "is %s, it must be %s", type_name(type), wanted);
}

static bool check_choices(
    struct checker *checker, const struct node *node, const struct value *value, const struct step *step)
{
    if (!count_steps(checker, node->choice_count))
        return false;
    for (uint32_t i = 0; i < node->choice_count; i++)
        if (value_equal(value, &node->choices[i]))
            return true;
    return fail(checker, step, "is none of the %u values that \"enum\" allows", node->choice_count);
}

/* ---- numbers and strings ---- */

static void number_text(const struct number *number, char text[NUMBER_TEXT_MAX + 1])
{
    size_t size = number->kind == NUMBER_UNSIGNED ? number_print_unsigned(text, number->unsigned_integer)
                  : number->kind == NUMBER_DECIMAL
                      ? number_print_decimal(text, number->integer, number->exponent)
                      : number_print_double(text, number->real);
    text[size] = '\0';
}

static bool fail_number(struct checker *checker, const struct step *step, const struct number *number,
    const char *must, const struct number *limit)
{
    char text[NUMBER_TEXT_MAX + 1], limit_text[NUMBER_TEXT_MAX + 1];
    number_text(number, text);
    number_text(limit, limit_text);
    return fail(checker, step, "is %s, it must be %s %s", text, must, limit_text);
}

static bool check_number(
    struct checker *checker, const struct node *node, const struct number *number, const struct step *step)
{
    if (node->has_minimum && number_compare(number, &node->minimum) < (int)node->minimum_exclusive)
        return fail_number(
            checker, step, number, node->minimum_exclusive ? "above" : "at least", &node->minimum);
    if (node->has_maximum && number_compare(number, &node->maximum) > -(int)node->maximum_exclusive)
        return fail_number(
            checker, step, number, node->maximum_exclusive ? "below" : "at most", &node->maximum);
    if (node->has_multiple && !number_is_multiple(number, &node->multiple))
        return fail_number(checker, step, number, "a multiple of", &node->multiple);
    return true;
}

static bool within(struct checker *checker, const struct limits *limits, uint32_t count, const char *what,
    const struct step *step)
{
    if (count < limits->least)
        return fail(checker, step, "has %u %s, at least %u are needed", count, what, limits->least);
    if (count > limits->most)
        return fail(checker, step, "has %u %s, at most %u are allowed", count, what, limits->most);
    return true;
}

static uint32_t count_code_points(const struct value *string)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < string->length; i++)
        count += (string->body[i] & 0xc0) != 0x80;
    return count;
}

/* 1 = matches; 0 = not, or gave up. */
static bool search(struct checker *checker, const struct pattern *pattern, const uint8_t *text, size_t size)
{
    if (!count_steps(checker, PATTERN_STEPS))
        return false;
    checker->steps_clock += CLOCK_STEPS / 16; /* a search may take a millisecond */
    if (!checker->scratch->patterns && pattern_memory_new(&checker->scratch->patterns) < 0)
        return give_up(checker, ENOMEM, "cannot be checked: out of memory");
    int r = pattern_search(pattern, checker->scratch->patterns, (const char *)text, size);
    return r < 0 ? give_up(checker, E2BIG, "takes too many steps to match a pattern of the schema") : r > 0;
}

static bool check_string(
    struct checker *checker, const struct node *node, const struct value *value, const struct step *step)
{
    if ((node->length.least > 0 || node->length.most < UINT32_MAX) &&
        !within(checker, &node->length, count_code_points(value), "characters", step))
        return false;
    if (node->pattern && !search(checker, node->pattern, value->body, value->length))
        return fail(checker, step, "does not match the pattern");
    if (node->format && !format_matches(node->format, (const char *)value->body, value->length))
        return fail(checker, step, "does not have the format that the schema names");
    return true;
}

/* ---- arrays ---- */

static const struct node *schema_of_item(const struct node *node, uint32_t index)
{
    return index < node->items.count ? node->items.nodes[index] : node->other_items;
}

static bool check_items(
    struct checker *checker, const struct node *node, const struct value *array, const struct step *step)
{
    const uint8_t *p = array->body;
    for (uint32_t i = 0; i < array->length; i++) {
        const struct node *schema = schema_of_item(node, i);
        if (!schema && node->no_other_items && i >= node->items.count)
            return fail(
                checker, step, "has %u elements, only %u are allowed", array->length, node->items.count);
        if (!schema && !node->no_other_items && i >= node->items.count)
            return true;
        struct value item = value_read(p, array->end);
        if (!check(checker, schema, &item, &(struct step){step, NULL, i}))
            return false;
        p = value_skip(&item);
    }
    return true;
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool reserve_hashes(struct checker *checker, size_t count)
{
    struct scratch *scratch = checker->scratch;
    if (count <= scratch->hash_capacity)
        return true;
    uint64_t *grown = realloc(scratch->hashes, count * sizeof(*grown));
    if (!grown)
        return give_up(checker, ENOMEM, "cannot be checked: out of memory");
    scratch->hashes = grown;
    scratch->hash_capacity = count;
    return true;
}

/* Whether an element later than number `index` equals that one. */
static bool is_repeated(
    struct checker *checker, const struct value *array, const struct value *item, uint32_t index)
{
    const uint8_t *p = value_skip(item);
    if (!count_steps(checker, array->length - index))
        return false;
    for (uint32_t i = index + 1; i < array->length; i++) {
        struct value other = value_read(p, array->end);
        if (value_equal(item, &other))
            return true;
        p = value_skip(&other);
    }
    return false;
}

/* Hashes first: only elements whose hash occurs twice are compared. */
static bool check_unique(struct checker *checker, const struct value *array, const struct step *step)
{
    const uint8_t *p = array->body;
    if (array->length < 2)
        return true;
    if (!count_steps(checker, array->length) || !reserve_hashes(checker, array->length))
        return false;
    uint64_t *hashes = checker->scratch->hashes;
    for (uint32_t i = 0; i < array->length; i++) {
        struct value item = value_read(p, array->end);
        hashes[i] = value_hash(&item);
        p = value_skip(&item);
    }
    qsort(hashes, array->length, sizeof(*hashes), compare_hashes);
    size_t doubles = 0;
    for (uint32_t i = 1; i < array->length; i++)
        if (hashes[i] == hashes[i - 1] && (doubles == 0 || hashes[doubles - 1] != hashes[i]))
            hashes[doubles++] = hashes[i];
    p = array->body;
    for (uint32_t i = 0; doubles > 0 && i < array->length; i++) {
        struct value item = value_read(p, array->end);
        uint64_t hash = value_hash(&item);
        if (bsearch(&hash, hashes, doubles, sizeof(*hashes), compare_hashes) &&
            is_repeated(checker, array, &item, i))
            return fail(checker, step, "has equal elements, number %u is one of them; all must differ", i);
        if (checker->gave_up)
            return false;
        p = value_skip(&item);
    }
    return true;
}

static bool check_array(
    struct checker *checker, const struct node *node, const struct value *array, const struct step *step)
{
    if (!within(checker, &node->item_count, array->length, "elements", step))
        return false;
    if ((node->items.count > 0 || node->other_items) && !check_items(checker, node, array, step))
        return false;
    return !node->unique_items || check_unique(checker, array, step);
}

/* ---- objects ---- */

static bool check_patterns(struct checker *checker, const struct node *node, const struct value *name,
    const struct value *member, const struct step *step, bool *matched)
{
    for (uint32_t i = 0; i < node->pattern_count; i++) {
        if (search(checker, node->patterns[i].pattern, name->body, name->length)) {
            *matched = true;
            if (!check(checker, node->patterns[i].schema, member, step))
                return false;
        }
        if (checker->gave_up)
            return false;
    }
    return true;
}

static bool check_member(struct checker *checker, const struct node *node, const struct member_rule *rule,
    const struct value *name, const struct value *member, const struct step *step)
{
    struct step inside = {step, (const char *)name->body, name->length};
    bool matched = rule && rule->schema;
    if (matched && !check(checker, rule->schema, member, &inside))
        return false;
    if (!check_patterns(checker, node, name, member, &inside, &matched))
        return false;
    if (matched)
        return true;
    if (node->no_other_members)
        return fail(checker, step, "has the member \"%.*s\", which the schema does not allow",
            name->length < 100 ? (int)name->length : 100, (const char *)name->body);
    return !node->other_members || check(checker, node->other_members, member, &inside);
}

static bool check_needs(struct checker *checker, const struct member_rule *rule, const struct value *object,
    const struct step *step)
{
    struct value member;
    if (!count_steps(checker, (uint64_t)rule->need_count * object->length))
        return false;
    for (uint32_t i = 0; i < rule->need_count; i++)
        if (!value_find(object, rule->needs[i].text, rule->needs[i].size, &member))
            return fail(checker, step, "has the member \"%.100s\" without \"%.100s\"", rule->name.text,
                rule->needs[i].text);
    return !rule->dependency || check(checker, rule->dependency, object, step);
}

static bool fail_required(
    struct checker *checker, const struct node *node, const struct value *object, const struct step *step)
{
    struct value member;
    for (uint32_t i = 0; checker->quiet == 0 && i < node->member_rule_count; i++)
        if (node->members[i].required &&
            !value_find(object, node->members[i].name.text, node->members[i].name.size, &member))
            return fail(checker, step, "lacks the member \"%.100s\"", node->members[i].name.text);
    return false;
}

static bool check_object(
    struct checker *checker, const struct node *node, const struct value *object, const struct step *step)
{
    const uint8_t *p = object->body;
    uint32_t required = 0;
    if (!within(checker, &node->member_count, object->length, "members", step))
        return false;
    if (node->member_rule_count == 0 && node->pattern_count == 0 && !node->other_members &&
        !node->no_other_members)
        return true;
    for (uint32_t i = 0; i < object->length; i++) {
        struct value name = value_read(p, object->end),
                     member = value_read(name.body + name.length, object->end);
        const struct member_rule *rule = node_find_member(node, name.body, name.length);
        if (!count_steps(checker, 1) || !check_member(checker, node, rule, &name, &member, step))
            return false;
        if (rule && node->has_dependencies && !check_needs(checker, rule, object, step))
            return false;
        required += rule && rule->required; /* no name comes twice */
        p = value_skip(&member);
    }
    return required == node->required_count || fail_required(checker, node, object, step);
}

/* ---- combinations ---- */

static bool check_quietly(
    struct checker *checker, const struct node *node, const struct value *value, const struct step *step)
{
    checker->quiet++;
    bool conforms = check(checker, node, value, step);
    checker->quiet--;
    return conforms;
}

static bool check_any_of(
    struct checker *checker, const struct node *node, const struct value *value, const struct step *step)
{
    if (node->any_of.count == 1)
        return check(checker, node->any_of.nodes[0], value, step);
    for (uint32_t i = 0; i < node->any_of.count; i++) {
        if (check_quietly(checker, node->any_of.nodes[i], value, step))
            return true;
        if (checker->gave_up)
            return false;
    }
    return fail(checker, step, "conforms to none of the %u schemas of \"anyOf\"", node->any_of.count);
}

static bool check_one_of(
    struct checker *checker, const struct node *node, const struct value *value, const struct step *step)
{
    uint32_t conforming = 0;
    for (uint32_t i = 0; i < node->one_of.count && !checker->gave_up; i++)
        conforming += check_quietly(checker, node->one_of.nodes[i], value, step);
    if (conforming == 1 || checker->gave_up)
        return !checker->gave_up;
    return fail(checker, step, "conforms to %u of the %u schemas of \"oneOf\", exactly one is needed",
        conforming, node->one_of.count);
}

static bool check_combinations(
    struct checker *checker, const struct node *node, const struct value *value, const struct step *step)
{
    for (uint32_t i = 0; i < node->all_of.count; i++)
        if (!check(checker, node->all_of.nodes[i], value, step))
            return false;
    if (node->any_of.count > 0 && !check_any_of(checker, node, value, step))
        return false;
    if (node->one_of.count > 0 && !check_one_of(checker, node, value, step))
        return false;
    if (node->not &&check_quietly(checker, node->not, value, step))
        return fail(checker, step, "conforms to the schema of \"not\"");
    return !checker->gave_up;
}

static bool check_by_type(
    struct checker *checker, const struct node *node, const struct value *value, const struct step *step)
{
    switch (value->type) {
    case MSGPACK_NUMBER:
        return check_number(checker, node, &value->number, step);
    case MSGPACK_STRING:
        return check_string(checker, node, value, step);
    case MSGPACK_ARRAY:
        return check_array(checker, node, value, step);
    case MSGPACK_MAP:
        return check_object(checker, node, value, step);
    default:
        return true;
    }
}

static bool check(
    struct checker *checker, const struct node *node, const struct value *value, const struct step *step)
{
    while (node->reference) /* no circle: check_chains */
        node = node->reference;
    if (node->accepts_all)
        return true;
    if (!count_steps(checker, 1))
        return false;
    if (checker->depth == DEPTH_MAX)
        return give_up(checker, E2BIG, "takes more than %d levels of schemas and values", DEPTH_MAX);
    checker->depth++;
    bool conforms = check_type(checker, node, value, step) &&
                    (!node->choices || check_choices(checker, node, value, step)) &&
                    check_by_type(checker, node, value, step) &&
                    check_combinations(checker, node, value, step);
    checker->depth--;
    return conforms;
}

/* ---- batches ---- */

static struct value value_of(const struct batch *batch, uint32_t i)
{
    struct value value = {.type = MSGPACK_NUMBER};
    if (batch->form == VALUES_BOOLEANS) {
        value.type = batch->booleans[i] ? MSGPACK_TRUE : MSGPACK_FALSE;
    } else if (batch->form == VALUES_MSGPACK) {
        value = value_read(batch->msgpack.data + batch_msgpack_offset(batch, i),
            batch->msgpack.data + batch->msgpack_ends[i]);
    } else if (batch->numbers.kind == NUMBERS_AS_DECIMALS) {
        value.number = (struct number){.kind = NUMBER_DECIMAL,
            .exponent = batch->numbers.exponent,
            .integer = batch->numbers.integers[i]};
    } else {
        value.number = (struct number){.kind = NUMBER_DOUBLE, .real = batch->numbers.doubles[i]};
    }
    return value;
}

/* Only "type" matters, and every value of the column has it. */
static bool column_conforms(const struct node *node, const struct batch *batch)
{
    if (node->reference || node->choices || node->all_of.count > 0 || node->any_of.count > 0 ||
        node->one_of.count > 0 || node->not )
        return false;
    if (batch->form == VALUES_BOOLEANS)
        return node->types & TYPE_BOOLEAN;
    if (batch->form != VALUES_NUMBERS || node->has_minimum || node->has_maximum || node->has_multiple)
        return false;
    bool integers = batch->numbers.kind == NUMBERS_AS_DECIMALS && batch->numbers.exponent == 0;
    return node->types & (integers ? TYPE_INTEGER | TYPE_NUMBER : TYPE_NUMBER);
}

static struct scratch *scratch_take(struct schema *schema)
{
    struct scratch *scratch = atomic_exchange(&schema->spare, NULL);
    return scratch ? scratch : calloc(1, sizeof(*scratch));
}

/* The memory of the patterns is not kept: PCRE2 may have grown it to PATTERN_HEAP_KIB_LIMIT. */
static void scratch_give(struct schema *schema, struct scratch *scratch)
{
    pattern_memory_free(scratch->patterns);
    scratch->patterns = NULL;
    if (scratch->hash_capacity > HASHES_KEPT_MAX) {
        free(scratch->hashes);
        scratch->hashes = NULL;
        scratch->hash_capacity = 0;
    }
    scratch_free(atomic_exchange(&schema->spare, scratch));
}

int schema_check(const struct schema *schema, const struct batch *batch, struct error *ret_error)
{
    struct schema *owner =
        (struct schema *)(uintptr_t)schema; /* its spare scratch memory changes, nothing that is seen */
    const struct node *root = schema->root;
    struct error error = {0};
    if (root->accepts_all || column_conforms(root, batch))
        return 0;
    struct checker checker = {.scratch = scratch_take(owner),
        .error = &error,
        .deadline_ns = clock_monotonic_ns() + SCHEMA_CHECK_MS_MAX * UINT64_C(1000000)};
    if (!checker.scratch)
        return error_set(ret_error, ENOMEM, "out of memory for checking datapoints");
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < batch->count; i++) {
        struct value value = value_of(batch, i);
        checker.steps = 0;
        if (!check(&checker, root, &value, NULL))
            r = error_set(ret_error, error.code, "datapoint %u: %s", i, error.message);
    }
    scratch_give(owner, checker.scratch);
    return r;
}
