/* The head of a request from outside. What is not refused must be free of everything that two parsers could
 * read in two ways. */
#include "check.h"
#include "http_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void check_text(const char *text, const char *data, size_t size)
{
    CHECK(text == NULL || *text == '\0' || strcmp(text, "/") == 0 ||
          (text >= data && text + strlen(text) < data + size));
}

static void check_head(const struct http_head *head, const char *data, size_t size)
{
    CHECK((head->status == 0) == (head->text == NULL));
    CHECK(head->field_count <= HTTP_FIELDS_MAX);
    check_text(head->method_name, data, size);
    check_text(head->path, data, size);
    check_text(head->query, data, size);
    if (head->status != 0)
        return;
    unsigned lengths = 0;
    CHECK(head->path[0] == '/' && head->body_length >= -1);
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        check_text(field->name, data, size);
        check_text(field->value, data, size);
        CHECK(*field->name && !strpbrk(field->name, " \t:\r\n") && !strpbrk(field->value, "\r\n"));
        lengths += strcasecmp(field->name, "Content-Length") == 0 ||
                   strcasecmp(field->name, "Transfer-Encoding") == 0;
    }
    CHECK(lengths <= 1 && (lengths == 1 || head->body_length == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    char *data = malloc(size > 0 ? size : 1); /* no more: reading beyond it is seen */
    struct http_head head;
    size_t scanned = 0, at_once = 0;
    long found = 0;
    CHECK(data);
    memcpy(data, input, size);
    for (size_t i = 0; i <= size && found == 0; i++)
        found = http_head_find_end(data, i, &scanned);
    CHECK(http_head_find_end(data, size, &at_once) == found);
    if (found > 0) {
        CHECK((size_t)found <= size);
        http_head_parse(&head, data, (size_t)found);
        check_head(&head, data, (size_t)found);
    }
    free(data);
    return 0;
}
