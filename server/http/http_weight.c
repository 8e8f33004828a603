#include "http.h"

#include <string.h>

enum { WEIGHT_MAX = 1000 };

/* "0", "1", "0.5", at most three digits; WEIGHT_MAX for what is none of them. */
static unsigned parse_weight(const char *text, size_t length)
{
    if (length == 0 || (text[0] != '0' && text[0] != '1') || (length > 1 && text[1] != '.'))
        return WEIGHT_MAX;
    unsigned unit = WEIGHT_MAX, weight = (unsigned)(text[0] - '0') * unit;
    for (size_t i = 2; i < length && i < 5 && text[i] >= '0' && text[i] <= '9'; i++)
        weight += (unsigned)(text[i] - '0') * (unit /= 10);
    return weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
}

unsigned http_weight(const char *entry, size_t length)
{
    const char *end = entry + length;
    for (const char *at = entry; at < end && (at = memchr(at, ';', (size_t)(end - at)));) {
        at += 1 + strspn(at + 1, " \t");
        if (end - at >= 2 && (*at == 'q' || *at == 'Q') && at[1] == '=') {
            size_t digits = strspn(at + 2, "0123456789."), rest = (size_t)(end - (at + 2));
            return parse_weight(at + 2, digits < rest ? digits : rest);
        }
    }
    return WEIGHT_MAX;
}
