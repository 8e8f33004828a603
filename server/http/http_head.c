#include "http_head.h"

#include <string.h>
#include <strings.h>

/* ---- characters ---- */

static bool is_token_char(unsigned char c)
{
    static const char OTHERS[] = "!#$%&'*+-.^_`|~";
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr(OTHERS, c));
}

static bool is_target_char(unsigned char c)
{
    return c > 0x20 && c < 0x7f;
}

static bool is_value_char(unsigned char c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t span(const char *data, size_t size, bool (*is_wanted)(unsigned char))
{
    size_t length = 0;
    while (length < size && is_wanted((unsigned char)data[length]))
        length++;
    return length;
}

/* ---- the end ---- */

/* Empty lines before a request: some clients send one behind a body. */
static size_t leading_lines(const char *data, size_t size)
{
    return size >= 2 && data[0] == '\r' && data[1] == '\n' ? 2 : 0;
}

long http_head_find_end(const char *data, size_t size, size_t *scanned)
{
    size_t start = leading_lines(data, size);
    size_t at = *scanned > start ? *scanned : start;
    const char *found;
    while (at < size && (found = memchr(data + at, '\n', size - at))) {
        size_t end = (size_t)(found - data); /* of a line, which is not empty when it is the first */
        if (end == 0 || data[end - 1] != '\r' || end - 1 == start)
            return -1;
        if (data[end - 2] == '\n')
            return (long)(end + 1);
        at = end + 1;
    }
    *scanned = size;
    return 0;
}

/* ---- the request line ---- */

void http_head_refuse(struct http_head *head, int status, const char *text)
{
    memset(head, 0, offsetof(struct http_head, fields));
    head->status = status;
    head->text = text;
    head->method = HTTP_OTHER;
    head->method_name = head->path = head->query = "";
}

static bool refused(struct http_head *head, int status, const char *text)
{
    head->status = status;
    head->text = text;
    return false;
}

static const struct {
    const char *name;
    enum http_method method;
} METHODS[] = {
    {"GET", HTTP_GET},
    {"POST", HTTP_POST},
    {"PUT", HTTP_PUT},
    {"DELETE", HTTP_DELETE},
    {"HEAD", HTTP_HEAD},
    {"OPTIONS", HTTP_OPTIONS},
    {"PATCH", HTTP_OTHER},
};

static bool take_method(struct http_head *head, char **line, size_t *size)
{
    size_t length = span(*line, *size, is_token_char);
    if (length == 0 || length == *size || (*line)[length] != ' ')
        return refused(head, 400, "The request line does not begin with a method and a space");
    (*line)[length] = '\0';
    head->method_name = *line;
    for (size_t i = 0; i < sizeof(METHODS) / sizeof(METHODS[0]); i++) {
        if (strcmp(METHODS[i].name, *line) == 0)
            head->method = METHODS[i].method;
    }
    *line += length + 1;
    *size -= length + 1;
    return true;
}

static bool method_is_known(const char *name)
{
    for (size_t i = 0; i < sizeof(METHODS) / sizeof(METHODS[0]); i++) {
        if (strcmp(METHODS[i].name, name) == 0)
            return true;
    }
    return false;
}

/* The part of an absolute target behind its authority; NULL when it is no http target. */
static char *behind_authority(char *target)
{
    char *authority;
    if (strncasecmp(target, "http://", 7) == 0)
        authority = target + 7;
    else if (strncasecmp(target, "https://", 8) == 0)
        authority = target + 8;
    else
        return NULL;
    size_t length = strcspn(authority, "/?");
    return length > 0 ? authority + length : NULL;
}

static bool split_target(struct http_head *head, char *target)
{
    char *path = *target == '/' ? target : behind_authority(target);
    if (strcmp(target, "*") == 0) {
        if (head->method != HTTP_OPTIONS)
            return refused(head, 400, "The target * belongs to OPTIONS");
        head->asterisk = true;
        head->path = "/";
        return true;
    }
    if (!path)
        return refused(head, 400, "The target of the request is neither a path nor an http URL");
    char *mark = strchr(path, '?');
    if (mark) {
        *mark = '\0';
        head->query = mark + 1;
    }
    head->path = *path ? path : "/";
    return true;
}

static bool take_version(struct http_head *head, const char *version, size_t size)
{
    bool numbers = size == 8 && memcmp(version, "HTTP/", 5) == 0 && version[5] >= '0' && version[5] <= '9' &&
                   version[6] == '.' && version[7] >= '0' && version[7] <= '9';
    if (!numbers)
        return refused(head, 400, "The request line does not end with an HTTP version");
    if (version[5] != '1' || version[7] > '1')
        return refused(head, 505, "The HTTP version is not 1.0 or 1.1");
    head->http_1_1 = version[7] == '1';
    return true;
}

static bool take_request_line(struct http_head *head, char *line, size_t size)
{
    if (!take_method(head, &line, &size))
        return false;
    size_t length = span(line, size, is_target_char);
    if (length == 0 || length == size || line[length] != ' ')
        return refused(head, 400, "The request line has no target, or one with blanks or control characters");
    line[length] = '\0';
    if (!take_version(head, line + length + 1, size - length - 1))
        return false;
    if (!method_is_known(head->method_name))
        return refused(head, 405, "The method is not known");
    return split_target(head, line);
}

/* ---- fields ---- */

/* One line without its CRLF. */
static bool take_field(struct http_head *head, char *line, size_t size)
{
    size_t length = span(line, size, is_token_char);
    if (length == 0 || length == size || line[length] != ':')
        return refused(head, 400, "A header line is not a name, a colon and a value");
    if (head->field_count == HTTP_FIELDS_MAX)
        return refused(head, 431, "The request has too many header fields");
    line[length] = '\0';
    char *value = line + length + 1;
    size -= length + 1;
    if (span(value, size, is_value_char) != size)
        return refused(head, 400, "A header line has control characters");
    while (size > 0 && is_blank(*value)) {
        value++;
        size--;
    }
    while (size > 0 && is_blank(value[size - 1]))
        size--;
    value[size] = '\0';
    head->fields[head->field_count++] = (struct http_field){.name = line, .value = value};
    return true;
}

const char *http_head_field(const struct http_head *head, const char *name)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        if (strcasecmp(head->fields[i].name, name) == 0)
            return head->fields[i].value;
    }
    return NULL;
}

/* ---- what the fields say about the body and the connection ---- */

static bool take_length(struct http_head *head, const char *value)
{
    uint64_t length = 0;
    const char *digit = value;
    for (; *digit >= '0' && *digit <= '9' && digit - value < 18; digit++)
        length = length * 10 + (uint64_t)(*digit - '0');
    if (digit == value || *digit)
        return refused(head, 400, "The Content-Length is not a number");
    head->body_length = (int64_t)length;
    return true;
}

static bool take_coding(struct http_head *head, const char *value)
{
    if (!head->http_1_1)
        return refused(head, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (strcasecmp(value, "chunked") != 0)
        return refused(head, 400, "The Transfer-Encoding is not \"chunked\"");
    head->body_length = -1;
    return true;
}

/* Whether the comma-separated list has this word. */
static bool list_has(const char *list, const char *word)
{
    while (*list) {
        list += strspn(list, ", \t");
        size_t length = strcspn(list, ",");
        size_t used = length;
        while (used > 0 && is_blank(list[used - 1]))
            used--;
        if (used == strlen(word) && strncasecmp(list, word, used) == 0)
            return true;
        list += length;
    }
    return false;
}

static bool take_meaning(struct http_head *head)
{
    unsigned lengths = 0, hosts = 0;
    bool close = false, keep = false;
    for (unsigned i = 0; i < head->field_count; i++) {
        const char *name = head->fields[i].name, *value = head->fields[i].value;
        if (strcasecmp(name, "Content-Length") == 0) {
            if (lengths++ == 0 && !take_length(head, value))
                return false;
        } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
            if (lengths++ == 0 && !take_coding(head, value))
                return false;
        } else if (strcasecmp(name, "Host") == 0) {
            hosts++;
        } else if (strcasecmp(name, "Connection") == 0) {
            close = close || list_has(value, "close");
            keep = keep || list_has(value, "keep-alive");
        }
    }
    if (lengths > 1)
        return refused(
            head, 400, "The request has a duplicate length: one Content-Length or one Transfer-Encoding");
    if (hosts > 1)
        return refused(head, 400, "The request has a duplicate Host");
    const char *expect = http_head_field(head, "Expect");
    head->expects_continue = expect && strcasecmp(expect, "100-continue") == 0 && head->body_length != 0;
    head->keep_alive = !close && (head->http_1_1 || keep);
    return true;
}

void http_head_parse(struct http_head *head, char *data, size_t size)
{
    char *line = data + leading_lines(data, size);
    char *last = data + size - 2; /* the empty line */
    bool first = true;
    http_head_refuse(head, 0, NULL);
    while (line < last) {
        char *end =
            (char *)memchr(line, '\n', (size_t)(last - line)) - 1; /* find_end has seen CRLF after each */
        bool taken = first ? take_request_line(head, line, (size_t)(end - line))
                           : take_field(head, line, (size_t)(end - line));
        if (!taken)
            return;
        first = false;
        line = end + 2;
    }
    (void)take_meaning(head);
}
