/* The formats of the draft (section 7.3). Each takes what its RFC allows, without looking anything up. */
#include "node.h"

#include <arpa/inet.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 2048 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- date-time: RFC 3339, section 5.6 ---- */

/* Reads `digits` digits at *text; -1: there are none. */
static int take_number(const char **text, int digits)
{
    int number = 0;
    for (int i = 0; i < digits; i++) {
        char c = *(*text)++;
        if (!is_digit(c))
            return -1;
        number = number * 10 + (c - '0');
    }
    return number;
}

static bool take(const char **text, char a, char b)
{
    char c = **text;
    if (c != a && c != b)
        return false;
    (*text)++;
    return true;
}

static int days_of_month(int year, int month)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : DAYS[month - 1];
}

static bool take_date(const char **text)
{
    int year = take_number(text, 4);
    if (year < 0 || !take(text, '-', '-'))
        return false;
    int month = take_number(text, 2);
    if (month < 1 || month > 12 || !take(text, '-', '-'))
        return false;
    int day = take_number(text, 2);
    return day >= 1 && day <= days_of_month(year, month);
}

static bool take_clock(const char **text)
{
    int hour = take_number(text, 2);
    if (hour < 0 || hour > 23 || !take(text, ':', ':'))
        return false;
    int minute = take_number(text, 2);
    return minute >= 0 && minute <= 59;
}

static bool is_date_time(const char *text)
{
    if (!take_date(&text) || !take(&text, 'T', 't') || !take_clock(&text) || !take(&text, ':', ':'))
        return false;
    int second = take_number(&text, 2);
    if (second < 0 || second > 60)
        return false;
    if (take(&text, '.', '.')) {
        if (!is_digit(*text))
            return false;
        while (is_digit(*text))
            text++;
    }
    if (take(&text, 'Z', 'z'))
        return *text == '\0';
    return take(&text, '+', '-') && take_clock(&text) && *text == '\0';
}

/* ---- hostname: RFC 1034, section 3.1 ---- */

static bool is_hostname(const char *text)
{
    size_t size = strlen(text);
    if (size == 0 || size > 253)
        return false;
    for (;;) {
        size_t label = strcspn(text, ".");
        if (label == 0 || label > 63 || text[0] == '-' || text[label - 1] == '-')
            return false;
        for (size_t i = 0; i < label; i++)
            if (!is_letter(text[i]) && !is_digit(text[i]) && text[i] != '-')
                return false;
        if (text[label] == '\0')
            return true;
        text += label + 1;
    }
}

/* ---- email: RFC 5322, section 3.4.1, without comments and folding ---- */

static bool is_quoted_local_part(const char *text, size_t size)
{
    if (size < 2 || text[0] != '"' || text[size - 1] != '"')
        return false;
    for (size_t i = 1; i + 1 < size; i++) {
        if (text[i] == '\\' && i + 2 < size)
            i++;
        else if (text[i] == '"' || text[i] == '\\' || (unsigned char)text[i] < ' ')
            return false;
    }
    return true;
}

static bool is_dotted_local_part(const char *text, size_t size)
{
    bool dot = true;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.' && dot)
            return false;
        dot = text[i] == '.';
        if (!dot && (unsigned char)text[i] < 0x80 && !is_letter(text[i]) && !is_digit(text[i]) &&
            !strchr("!#$%&'*+-/=?^_`{|}~", text[i]))
            return false;
    }
    return !dot;
}

static bool is_email(const char *text)
{
    const char *at = strrchr(text, '@');
    if (!at)
        return false;
    size_t size = (size_t)(at - text);
    if (!is_dotted_local_part(text, size) && !is_quoted_local_part(text, size))
        return false;
    return is_hostname(at + 1) || (at[1] == '[' && at[strlen(at) - 1] == ']' && strlen(at) > 3);
}

/* ---- uri: RFC 3986, appendix A, with a scheme ---- */

static bool is_uri(const char *text)
{
    size_t scheme = 0;
    if (!is_letter(text[0]))
        return false;
    while (is_letter(text[scheme]) || is_digit(text[scheme]) || (text[scheme] && strchr("+-.", text[scheme])))
        scheme++;
    if (text[scheme] != ':' || text[scheme + 1] == '\0')
        return false;
    for (const char *at = text + scheme + 1; *at; at++) {
        if (*at == '%') {
            if (strspn(at + 1, "0123456789abcdefABCDEF") < 2)
                return false;
        } else if (!is_letter(*at) && !is_digit(*at) && !strchr("-._~:/?#[]@!$&'()*+,;=", *at)) {
            return false;
        }
    }
    return true;
}

/* ---- all ---- */

static bool is_ip_address(int family, const char *text)
{
    struct in6_addr address;
    return inet_pton(family, text, &address) == 1;
}

bool format_matches(enum format format, const char *text, size_t size)
{
    char copy[TEXT_BYTES_MAX + 1];
    if (size > TEXT_BYTES_MAX || memchr(text, '\0', size))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    switch (format) {
    case FORMAT_DATE_TIME:
        return is_date_time(copy);
    case FORMAT_EMAIL:
        return is_email(copy);
    case FORMAT_HOSTNAME:
        return is_hostname(copy);
    case FORMAT_IPV4:
        return is_ip_address(AF_INET, copy);
    case FORMAT_IPV6:
        return is_ip_address(AF_INET6, copy);
    case FORMAT_URI:
        return is_uri(copy);
    default:
        return true;
    }
}

enum format format_by_name(const char *name)
{
    static const struct {
        const char *name;
        enum format format;
    } FORMATS[] = {{"date-time", FORMAT_DATE_TIME}, {"email", FORMAT_EMAIL}, {"hostname", FORMAT_HOSTNAME},
        {"ipv4", FORMAT_IPV4}, {"ipv6", FORMAT_IPV6}, {"uri", FORMAT_URI}};
    for (size_t i = 0; i < sizeof(FORMATS) / sizeof(FORMATS[0]); i++)
        if (strcmp(name, FORMATS[i].name) == 0)
            return FORMATS[i].format;
    return FORMAT_NONE;
}
