#include "rules.h"

#include <errno.h>
#include <string.h>

enum { ICON_NAME_BYTES_MAX = 30 };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool name_valid(const char *name)
{
    if (!is_letter(name[0]))
        return false;
    size_t size = 1;
    for (; name[size] != '\0'; size++) {
        if (size == NAME_BYTES_MAX)
            return false;
        if (!is_letter(name[size]) && !is_digit(name[size]) && name[size] != '_' && name[size] != '-')
            return false;
    }
    return size <= NAME_BYTES_MAX;
}

static const char *const reserved_names[] = {"support", "www", "api", "app", "favicon.ico", "robots.txt",
    "sitemap.xml", "join", "login", "user", "admin", "nobody", "root"};

bool user_name_allowed(const char *name)
{
    for (size_t i = 0; i < sizeof(reserved_names) / sizeof(reserved_names[0]); i++) {
        if (strcmp(name, reserved_names[i]) == 0)
            return false;
    }
    return true;
}

const char *user_names_reserved(void)
{
    return "support, www, api, app, join, login, user, admin, nobody and root"; /* the others are no valid
                                                                                   names anyway */
}

bool icon_valid(const char *icon)
{
    size_t size = strlen(icon);
    if (strncmp(icon, "material:", 9) == 0 || strncmp(icon, "fa:", 3) == 0)
        return size <= ICON_NAME_BYTES_MAX;
    if (size % 4 != 0)
        return false;
    size_t digits = size;
    while (digits > 0 && size - digits < 2 && icon[digits - 1] == '=')
        digits--;
    for (size_t i = 0; i < digits; i++) {
        if (!is_letter(icon[i]) && !is_digit(icon[i]) && icon[i] != '-' && icon[i] != '_')
            return false;
    }
    return true;
}

bool text_is_utf8(const char *text, size_t size)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = at + size;
    while (at < end) {
        size_t length = *at < 0x80 ? 1 : *at >> 5 == 0x6 ? 2 : *at >> 4 == 0xe ? 3 : *at >> 3 == 0x1e ? 4 : 0;
        if (length == 0 || (size_t)(end - at) < length)
            return false;
        uint32_t point = length == 1 ? *at : *at & (0x7fu >> length);
        for (size_t i = 1; i < length; i++) {
            if (at[i] >> 6 != 0x2)
                return false;
            point = point << 6 | (at[i] & 0x3fu);
        }
        if (point < smallest[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
            return false;
        at += length;
    }
    return true;
}

int text_check(const char *text, size_t bytes_max, const char *label, struct error *ret_error)
{
    size_t size = text ? strnlen(text, bytes_max + 1) : 0;
    if (size > bytes_max)
        return error_set(ret_error, EINVAL, "%s is longer than %zu bytes", label, bytes_max);
    if (size > 0 && !text_is_utf8(text, size))
        return error_set(ret_error, EINVAL, "%s is not valid UTF-8", label);
    return 0;
}

int name_rule(const struct object_kind *kind, const char *value, struct error *ret_error)
{
    if (!name_valid(value))
        return error_set(ret_error, EINVAL,
            "the %s name is invalid: it takes a letter, then letters, digits, _ or -, at most %d in all",
            kind->name, NAME_BYTES_MAX);
    return 0;
}

int user_name_rule(const struct object_kind *kind, const char *value, struct error *ret_error)
{
    if (!user_name_allowed(value))
        return error_set(ret_error, EINVAL, "the %s name '%s' is not allowed; reserved are %s", kind->name,
            value, user_names_reserved());
    return 0;
}

int email_rule(const struct object_kind *kind, const char *value, struct error *ret_error)
{
    (void)kind;
    return email_valid(value) ? 0 : error_set(ret_error, EINVAL, "the email address is invalid");
}

int role_rule(const struct object_kind *kind, const char *value, struct error *ret_error)
{
    (void)kind;
    if (value[0] != '\0' && !name_valid(value))
        return error_set(ret_error, EINVAL, "the role is invalid");
    return 0;
}

int icon_rule(const struct object_kind *kind, const char *value, struct error *ret_error)
{
    (void)kind;
    if (!icon_valid(value))
        return error_set(ret_error, EINVAL,
            "the icon is invalid: it takes nothing, material:NAME or fa:NAME of at most %d characters, or "
            "URL-safe base64",
            ICON_NAME_BYTES_MAX);
    return 0;
}
