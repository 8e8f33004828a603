/* Mailboxes of RFC 5322 as ConnectorDB 0.3 accepted them: `local@domain` or `Name <local@domain>`, where
 * local and the words of Name may be quoted. No comments, no groups, no domain literals. */
#include "catalog.h"
#include "rules.h"

#include <string.h>

static bool is_atom(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        (unsigned char)c >= 0x80)
        return true;
    return c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c);
}

static const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/* Each of these returns what follows, or NULL when the text does not begin so. */
static const char *skip_dot_atom(const char *at)
{
    do {
        if (*at == '.')
            at++; /* not the first time: checked by the caller */
        if (!is_atom(*at))
            return NULL;
        while (is_atom(*at))
            at++;
    } while (*at == '.');
    return at;
}

static const char *skip_quoted(const char *at)
{
    if (*at++ != '"')
        return NULL;
    for (; *at != '"'; at++) {
        if (*at == '\\')
            at++;
        unsigned char c = (unsigned char)*at;
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return NULL; /* the end of the text, too */
    }
    return at + 1;
}

static const char *skip_address(const char *at)
{
    if (*at == '.')
        return NULL;
    at = *at == '"' ? skip_quoted(at) : skip_dot_atom(at);
    if (!at)
        return NULL;
    at = skip_space(at);
    if (*at != '@')
        return NULL;
    at = skip_space(at + 1);
    return *at == '.' ? NULL : skip_dot_atom(at);
}

static const char *skip_phrase(const char *at)
{
    bool any = false;
    for (;;) {
        at = skip_space(at);
        const char *word = at;
        if (*at == '"') {
            at = skip_quoted(at);
            if (!at)
                return NULL;
        } else {
            while (is_atom(*at) || (*at == '.' && any)) /* "J. Doe" is written so everywhere */
                at++, any = true;
        }
        if (at == word)
            return any ? at : NULL;
        any = true;
    }
}

bool email_valid(const char *email)
{
    if (!text_is_utf8(email, strlen(email)))
        return false;
    const char *start = skip_space(email);
    const char *at = skip_address(start);
    if (!at) {
        at = *start == '<' ? start : skip_phrase(start);
        if (!at || *at != '<')
            return false;
        at = skip_address(skip_space(at + 1));
        if (!at)
            return false;
        at = skip_space(at);
        if (*at++ != '>')
            return false;
    }
    return *skip_space(at) == '\0';
}
