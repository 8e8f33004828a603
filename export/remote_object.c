#include "remote_object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int remote_path(char path[REMOTE_URL_BYTES_MAX], const char *user, const char *device, const char *stream,
    const char *rest, struct error *ret_error)
{
    int length = snprintf(path, REMOTE_URL_BYTES_MAX, "/crud/%s%s%s%s%s%s", user, device ? "/" : "",
        device ? device : "", stream ? "/" : "", stream ? stream : "", rest);
    return length < REMOTE_URL_BYTES_MAX ? 0 : error_set(ret_error, ENAMETOOLONG, "%.200s: too long", path);
}

int remote_who(struct remote_http *http, char name[PATH_BYTES_MAX + 1], struct error *ret_error)
{
    const struct remote_request request = {.method = "GET", .path = "/?q=this"};
    long status;
    int r;
    unsigned attempt = 1;
    do {
        r = remote_send(http, &request, &status, ret_error);
        if (r == 0 && status != 200)
            r = remote_refused(http, "GET", status, ret_error);
    } while (r == -EBUSY && remote_wait(http, attempt++));
    if (r < 0)
        return r;
    const char *text = (const char *)http->answer.data;
    size_t size = strcspn(text, "\r\n");
    if (strcmp(text, "nobody") == 0)
        return error_set(ret_error, EACCES, "%s takes the log-in for nobody's", http->url);
    if (size == 0 || size > PATH_BYTES_MAX || !memchr(text, '/', size) || text[0] == '<')
        return error_set(ret_error, EPROTO, "%s: this is not the address of a ConnectorDB", http->url);
    memcpy(name, text, size);
    name[size] = '\0';
    return 0;
}

int remote_object_read(const struct object_kind *kind, const json_t *json, void *object, const char *where,
    struct error *ret_error)
{
    for (size_t i = 0; i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        const json_t *value = json_object_get(json, field->name);
        if (field->type == FIELD_FLAG)
            *field_flag(field, object) = value ? json_is_true(value) : field->default_flag;
        if (field->type != FIELD_TEXT)
            continue;
        const char *text = value ? json_string_value(value) : "";
        if (!text || strlen(text) > field->bytes_max)
            return error_set(ret_error, EPROTO, "%s: \"%s\" of the %s is no text of at most %zu bytes", where,
                field->name, kind->name, field->bytes_max);
        *field_text(field, object) = strdup(text);
        if (!*field_text(field, object))
            return error_set(ret_error, ENOMEM, "out of memory for a %s", kind->name);
    }
    return 0;
}

json_t *remote_object_body(const struct object_kind *kind, const void *object, const void *old)
{
    json_t *body = json_object();
    bool done = body;
    for (size_t i = 0; done && i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        if (field->type == FIELD_ID || field->flags & FIELD_INTERNAL || strcmp(field->name, "name") == 0)
            continue;
        json_t *value;
        if (field->type == FIELD_FLAG) {
            bool flag = field_get_flag(field, object);
            if (old && flag == field_get_flag(field, old))
                continue;
            value = json_boolean(flag);
        } else {
            const char *text = field_get_text(field, object);
            if (old && strcmp(text, field_get_text(field, old)) == 0)
                continue;
            value = json_string(text);
        }
        done = json_object_set_new(body, field->name, value) == 0;
    }
    if (!done)
        json_decref(body);
    return done ? body : NULL;
}
