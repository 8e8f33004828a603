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

static const char *const reserved_names[] = {"support", "www", "api", "app", "favicon.ico", "robots.txt", "sitemap.xml",
    "join", "login", "user", "admin", "nobody", "root"};

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
    return "support, www, api, app, join, login, user, admin, nobody and root"; /* the others are no valid names anyway */
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

int text_check(const char *text, const char *field, struct error *ret_error)
{
    size_t size = text ? strnlen(text, TEXT_BYTES_MAX + 1) : 0;
    if (size > TEXT_BYTES_MAX)
        return error_set(ret_error, EINVAL, "%s is longer than %d bytes", field, TEXT_BYTES_MAX);
    if (size > 0 && !text_is_utf8(text, size))
        return error_set(ret_error, EINVAL, "%s is not valid UTF-8", field);
    return 0;
}

int name_check(const char *name, const char *kind, struct error *ret_error)
{
    if (!name || !name_valid(name))
        return error_set(ret_error, EINVAL,
            "the %s name is invalid: it takes a letter, then letters, digits, _ or -, at most %d in all", kind,
            NAME_BYTES_MAX);
    return 0;
}

int role_check(const char *role, struct error *ret_error)
{
    if (role && role[0] != '\0' && !name_valid(role))
        return error_set(ret_error, EINVAL, "the role is invalid");
    return 0;
}

int icon_check(const char *icon, struct error *ret_error)
{
    if (icon && !icon_valid(icon))
        return error_set(ret_error, EINVAL,
            "the icon is invalid: it takes nothing, material:NAME or fa:NAME of at most %d characters, or URL-safe base64",
            ICON_NAME_BYTES_MAX);
    return 0;
}

/* The texts every kind of object has. */
static int common_check(const char *kind, const char *name, const char *nickname, const char *description,
    const char *icon, struct error *ret_error)
{
    int r = name_check(name, kind, ret_error);
    if (r == 0)
        r = text_check(nickname, "the nickname", ret_error);
    if (r == 0)
        r = text_check(description, "the description", ret_error);
    if (r == 0)
        r = text_check(icon, "the icon", ret_error);
    return r;
}

int user_check(const struct user *user, struct error *ret_error)
{
    int r = common_check("user", user->name, user->nickname, user->description, user->icon, ret_error);
    if (r == 0)
        r = text_check(user->email, "the email address", ret_error);
    if (r == 0)
        r = role_check(user->role, ret_error);
    return r;
}

int user_check_new(const struct user *user, struct error *ret_error)
{
    int r = user_check(user, ret_error);
    if (r < 0)
        return r;
    if (!user_name_allowed(user->name))
        return error_set(ret_error, EINVAL, "the user name '%s' is not allowed; reserved are %s", user->name,
            user_names_reserved());
    if (!user->email || !email_valid(user->email))
        return error_set(ret_error, EINVAL, "the email address is invalid");
    return icon_check(user->icon, ret_error);
}

int device_check(const struct device *device, struct error *ret_error)
{
    int r = common_check("device", device->name, device->nickname, device->description, device->icon, ret_error);
    if (r == 0)
        r = text_check(device->apikey, "the API key", ret_error);
    if (r == 0)
        r = role_check(device->role, ret_error);
    return r;
}

int stream_check(const struct stream *stream, struct error *ret_error)
{
    int r = common_check("stream", stream->name, stream->nickname, stream->description, stream->icon, ret_error);
    if (r == 0)
        r = text_check(stream->datatype, "the datatype", ret_error);
    if (r == 0)
        r = text_check(stream->schema, "the schema", ret_error);
    return r;
}
