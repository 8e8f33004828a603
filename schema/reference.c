#include "compile.h"
#include "uri.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

#define DRAFT_URI "http://json-schema.org/draft-04/schema"

/* The draft's meta-schema, so that a schema can refer to it. */
static const char DRAFT_SCHEMA[] =
    "{\"id\":\"" DRAFT_URI "#\",\"type\":\"object\",\"definitions\":{"
    "\"schemaArray\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#\"}},"
    "\"positiveInteger\":{\"type\":\"integer\",\"minimum\":0},"
    "\"positiveIntegerDefault0\":{\"$ref\":\"#/definitions/positiveInteger\"},"
    "\"simpleTypes\":{\"enum\":[\"null\",\"boolean\",\"integer\",\"number\",\"string\",\"array\",\"object\"]}"
    ","
    "\"stringArray\":{\"type\":\"array\",\"minItems\":1,\"uniqueItems\":true,\"items\":{\"type\":\"string\"}}"
    ","
    "\"schemaMap\":{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#\"}},"
    "\"schemaOrBoolean\":{\"anyOf\":[{\"type\":\"boolean\"},{\"$ref\":\"#\"}]}},"
    "\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"$schema\":{\"type\":\"string\"},"
    "\"title\":{\"type\":\"string\"},\"description\":{\"type\":\"string\"},"
    "\"multipleOf\":{\"type\":\"number\",\"minimum\":0,\"exclusiveMinimum\":true},"
    "\"maximum\":{\"type\":\"number\"},\"exclusiveMaximum\":{\"type\":\"boolean\"},"
    "\"minimum\":{\"type\":\"number\"},\"exclusiveMinimum\":{\"type\":\"boolean\"},"
    "\"maxLength\":{\"$ref\":\"#/definitions/positiveInteger\"},\"minLength\":{\"$ref\":\"#/definitions/"
    "positiveInteger\"},"
    "\"pattern\":{\"type\":\"string\"},"
    "\"additionalItems\":{\"$ref\":\"#/definitions/schemaOrBoolean\"},"
    "\"items\":{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#/definitions/schemaArray\"}]},"
    "\"maxItems\":{\"$ref\":\"#/definitions/positiveInteger\"},\"minItems\":{\"$ref\":\"#/definitions/"
    "positiveInteger\"},"
    "\"uniqueItems\":{\"type\":\"boolean\"},"
    "\"maxProperties\":{\"$ref\":\"#/definitions/positiveInteger\"},"
    "\"minProperties\":{\"$ref\":\"#/definitions/positiveInteger\"},"
    "\"required\":{\"$ref\":\"#/definitions/stringArray\"},"
    "\"additionalProperties\":{\"$ref\":\"#/definitions/schemaOrBoolean\"},"
    "\"definitions\":{\"$ref\":\"#/definitions/schemaMap\"},\"properties\":{\"$ref\":\"#/definitions/"
    "schemaMap\"},"
    "\"patternProperties\":{\"$ref\":\"#/definitions/schemaMap\"},"
    "\"dependencies\":{\"type\":\"object\",\"additionalProperties\":"
    "{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#/definitions/stringArray\"}]}},"
    "\"enum\":{\"type\":\"array\",\"minItems\":1,\"uniqueItems\":true},"
    "\"type\":{\"anyOf\":[{\"$ref\":\"#/definitions/simpleTypes\"},"
    "{\"type\":\"array\",\"minItems\":1,\"uniqueItems\":true,\"items\":{\"$ref\":\"#/definitions/"
    "simpleTypes\"}}]},"
    "\"format\":{\"type\":\"string\"},"
    "\"allOf\":{\"$ref\":\"#/definitions/schemaArray\"},\"anyOf\":{\"$ref\":\"#/definitions/schemaArray\"},"
    "\"oneOf\":{\"$ref\":\"#/definitions/schemaArray\"},\"not\":{\"$ref\":\"#\"}},"
    "\"dependencies\":{\"exclusiveMaximum\":[\"maximum\"],\"exclusiveMinimum\":[\"minimum\"]}}";

/* ---- memory ---- */

struct block {
    struct block *next;
};

void *compiler_alloc(struct compiler *compiler, size_t size)
{
    size_t left = COMPILE_BYTES_MAX - compiler->bytes;
    if (left < sizeof(struct block) || size > left - sizeof(struct block)) {
        error_set(compiler->error, E2BIG, "the schema takes over %d MiB when it is compiled",
            COMPILE_BYTES_MAX >> 20);
        return NULL;
    }
    struct block *block = calloc(1, sizeof(*block) + size);
    if (!block) {
        error_set(compiler->error, ENOMEM, "out of memory for a schema");
        return NULL;
    }
    compiler->bytes += size + sizeof(*block);
    block->next = compiler->schema->blocks;
    compiler->schema->blocks = block;
    return block + 1;
}

char *compiler_copy(struct compiler *compiler, const char *text, size_t size)
{
    char *copy = compiler_alloc(compiler, size + 1);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void blocks_free(struct block *block)
{
    while (block) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
}

/* ---- the objects of a document ---- */

static size_t slot_of(const struct compiler *compiler, const json_t *json)
{
    size_t i = (size_t)(((uint64_t)(uintptr_t)json >> 4) * 0x9e3779b97f4a7c15u >> 20);
    for (;; i++) {
        const struct entry *entry = compiler->slots[i & (compiler->slot_count - 1)];
        if (!entry || entry->json == json)
            return i & (compiler->slot_count - 1);
    }
}

struct entry *entry_find(const struct compiler *compiler, const json_t *json)
{
    return compiler->slots[slot_of(compiler, json)];
}

static int slots_grow(struct compiler *compiler)
{
    size_t old_count = compiler->slot_count;
    struct entry **old = compiler->slots;
    size_t count = old_count ? 2 * old_count : 64;
    struct entry **slots = compiler_alloc(compiler, count * sizeof(struct entry *));
    if (!slots)
        return -compiler->error->code;
    compiler->slots = slots;
    compiler->slot_count = count;
    for (size_t i = 0; i < old_count; i++)
        if (old[i])
            slots[slot_of(compiler, old[i]->json)] = old[i];
    return 0;
}

static int identifier_add(struct compiler *compiler, struct entry *entry, const char *id)
{
    char uri[URI_BYTES_MAX];
    if (compiler->identifier_count == SCHEMA_IDS_MAX)
        return error_set(compiler->error, E2BIG, "the schema has more than %d ids", SCHEMA_IDS_MAX);
    if (!uri_resolve(entry->base, id, uri))
        return error_set(compiler->error, E2BIG, "an id is longer than %d bytes", URI_BYTES_MAX);
    size_t size = strlen(uri);
    if (size > 0 && uri[size - 1] == '#')
        uri[--size] = '\0';
    const char *copy = compiler_copy(compiler, uri, size);
    const char *base = copy ? compiler_copy(compiler, uri, strcspn(uri, "#")) : NULL;
    if (!base)
        return -compiler->error->code;
    if (compiler->identifier_count == compiler->identifier_capacity) {
        size_t capacity = 2 * compiler->identifier_capacity + 8;
        struct identifier *grown = compiler_alloc(compiler, capacity * sizeof(*grown));
        if (!grown)
            return -compiler->error->code;
        if (compiler->identifier_count > 0)
            memcpy(grown, compiler->identifiers, compiler->identifier_count * sizeof(*grown));
        compiler->identifiers = grown;
        compiler->identifier_capacity = capacity;
    }
    compiler->identifiers[compiler->identifier_count++] = (struct identifier){copy, entry};
    entry->base = base;
    return 0;
}

static int entry_add(struct compiler *compiler, struct entry entry, struct entry **ret_entry)
{
    int r = 0;
    struct entry *copy = compiler_alloc(compiler, sizeof(*copy));
    if (!copy)
        return -compiler->error->code;
    *copy = entry;
    if (2 * (compiler->entry_count + 1) > compiler->slot_count && (r = slots_grow(compiler)) < 0)
        return r;
    compiler->slots[slot_of(compiler, entry.json)] = copy;
    compiler->entry_count++;
    const json_t *id = json_object_get(entry.json, "id");
    if (!entry.is_map && json_is_string(id) && !json_object_get(entry.json, "$ref"))
        r = identifier_add(compiler, copy, json_string_value(id));
    *ret_entry = copy;
    return r;
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int add_below(struct compiler *compiler, const json_t *json, struct entry at, unsigned depth);

/* The members of an object. In a schema some names are keywords whose value is no schema, or holds schemas by
 * name. */
static int add_members(struct compiler *compiler, const struct entry *entry, unsigned depth)
{
    static const char *const MAPS[] = {"properties", "patternProperties", "definitions", "dependencies"};
    static const char *const VALUES[] = {"enum", "default"};
    const char *name;
    json_t *member;
    int r = 0;
    json_object_foreach((json_t *)(uintptr_t)entry->json, name, member)
    {
        struct entry below = {.parent = entry, .key = name, .index = -1, .base = entry->base};
        if (!entry->is_map && is_one_of(name, VALUES, 2))
            continue;
        below.is_map = !entry->is_map && is_one_of(name, MAPS, 4);
        if (r == 0)
            r = add_below(compiler, member, below, depth + 1);
    }
    return r;
}

/* Adds what is at a place of a document: an object, or the objects in an array. at.json is not set yet. */
static int add_below(struct compiler *compiler, const json_t *json, struct entry at, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return error_set(compiler->error, E2BIG, "the schema is nested more than %d levels deep", DEPTH_MAX);
    int r = 0;
    if (json_is_object(json)) {
        struct entry *entry = NULL;
        at.json = json;
        r = entry_add(compiler, at, &entry);
        return r < 0 ? r : add_members(compiler, entry, depth);
    }
    for (size_t i = 0; r == 0 && json_is_array(json) && i < json_array_size(json); i++) {
        at.index = (int)i;
        if (json_is_object(json_array_get(json, i)))
            r = add_below(compiler, json_array_get(json, i), at, depth + 1);
    }
    return r;
}

int document_add(struct compiler *compiler, const json_t *document, const char *base)
{
    int r = compiler->slot_count > 0 ? 0 : slots_grow(compiler);
    return r < 0 ? r : add_below(compiler, document, (struct entry){.key = "", .index = -1, .base = base}, 0);
}

/* The length of the text; with `to`, written there. */
static size_t place_write(const struct entry *entry, char *to)
{
    if (!entry->parent)
        return 0;
    size_t size = place_write(entry->parent, to);
    char index[16] = "";
    if (entry->index >= 0)
        (void)snprintf(index, sizeof(index), "/%d", entry->index);
    if (to)
        memcpy(to + size, "/", 1);
    size++;
    for (const char *at = entry->key; *at; at++) {
        const char *escaped = *at == '~' ? "~0" : *at == '/' ? "~1" : NULL;
        if (to)
            memcpy(to + size, escaped ? escaped : at, escaped ? 2 : 1);
        size += escaped ? 2 : 1;
    }
    if (to)
        memcpy(to + size, index, strlen(index));
    return size + strlen(index);
}

char *entry_place(struct compiler *compiler, const struct entry *entry)
{
    char *place = compiler_alloc(compiler, place_write(entry, NULL) + 1);
    if (place)
        (void)place_write(entry, place);
    return place;
}

/* ---- references ---- */

/* The element or member that one token of a JSON pointer (RFC 6901) names; the token is unescaped in place.
 */
static const json_t *step(const json_t *json, char *token)
{
    char *to = token;
    for (const char *at = token; *at; at++) {
        if (at[0] == '~' && (at[1] == '0' || at[1] == '1'))
            *to++ = *++at == '0' ? '~' : '/';
        else
            *to++ = *at;
    }
    *to = '\0';
    if (json_is_object(json))
        return json_object_get(json, token);
    if (!json_is_array(json) || *token == '\0' || strspn(token, "0123456789") != strlen(token) ||
        strlen(token) > 9)
        return NULL;
    return json_array_get(json, (size_t)atoi(token));
}

static const json_t *follow_pointer(const json_t *json, char *pointer)
{
    while (json && *pointer == '/') {
        char *token = pointer + 1;
        size_t size = strcspn(token, "/");
        pointer = token + size;
        bool more = *pointer == '/';
        *pointer = '\0';
        json = step(json, token);
        if (more)
            *pointer = '/';
    }
    return json;
}

static const struct entry *find_identifier(const struct compiler *compiler, const char *uri)
{
    for (size_t i = 0; i < compiler->identifier_count; i++)
        if (strcmp(compiler->identifiers[i].uri, uri) == 0)
            return compiler->identifiers[i].entry;
    return NULL;
}

static int add_draft(struct compiler *compiler)
{
    json_error_t error;
    compiler->documents[1] = json_loads(DRAFT_SCHEMA, 0, &error);
    if (!compiler->documents[1])
        return error_set(compiler->error, ENOMEM, "out of memory for a schema");
    return document_add(compiler, compiler->documents[1], DRAFT_URI);
}

/* The root of the document, or the schema with that id. 0, or -errno with *ret_json NULL. */
static int find_document(struct compiler *compiler, const char *uri, const json_t **ret_json)
{
    int r = 0;
    const struct entry *entry = find_identifier(compiler, uri);
    if (!entry && strcmp(uri, DRAFT_URI) == 0 && !compiler->documents[1]) {
        r = add_draft(compiler);
        entry = r == 0 ? find_identifier(compiler, uri) : NULL;
    }
    *ret_json = entry ? entry->json : *uri == '\0' ? compiler->documents[0] : NULL;
    return r;
}

int reference_find(
    struct compiler *compiler, const struct entry *from, const char *reference, struct entry **ret_entry)
{
    char uri[URI_BYTES_MAX];
    const json_t *target;
    if (!uri_resolve(from->base, reference, uri))
        return error_set(compiler->error, E2BIG, "the reference is longer than %d bytes", URI_BYTES_MAX);
    size_t size = strlen(uri);
    if (size > 0 && uri[size - 1] == '#')
        uri[size - 1] = '\0';
    const struct entry *named = find_identifier(compiler, uri); /* a whole schema, or one by "#name" */
    char *fragment = strchr(uri, '#');
    int r = 0;
    if (named) {
        target = named->json;
    } else {
        if (fragment)
            *fragment++ = '\0';
        r = find_document(compiler, uri, &target);
        if (r < 0)
            return r;
        bool pointer = !fragment || *fragment == '/';
        if (target && fragment && pointer && uri_unescape(fragment))
            target = follow_pointer(target, fragment);
        else if (fragment)
            target = NULL;
    }
    *ret_entry = target && json_is_object(target) ? entry_find(compiler, target) : NULL;
    if (*ret_entry)
        return 0;
    return error_set(compiler->error, EINVAL,
        "\"$ref\" leads to no schema here (other documents are never loaded): %.200s", reference);
}
