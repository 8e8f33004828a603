#include "range.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char RANGE_NEEDED[] =
    "A range needs [both \"i1\" and \"i2\" int] or [\"t1\" and [\"t2\" decimal and/or \"limit\" int]]";

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool parameter_unsigned(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (!is_digit(*text))
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool parameter_integer(const char *text, int64_t *ret_value)
{
    bool negative = *text == '-';
    uint64_t magnitude;
    if (*text == '-' || *text == '+')
        text++;
    if (!parameter_unsigned(text, &magnitude) || magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *ret_value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

/* digits [. digits] [e [sign] digits], with a digit before or behind the point */
static bool is_decimal(const char *text)
{
    size_t whole = strspn(text, "0123456789");
    size_t fraction = 0;
    text += whole;
    if (*text == '.') {
        fraction = strspn(++text, "0123456789");
        text += fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '-' || *text == '+')
            text++;
        size_t exponent = strspn(text, "0123456789");
        if (exponent == 0)
            return false;
        text += exponent;
    }
    return *text == '\0';
}

bool parameter_time(const char *text, double *ret_value)
{
    const char *unsigned_text = *text == '-' || *text == '+' ? text + 1 : text;
    bool infinite = strcasecmp(unsigned_text, "inf") == 0 || strcasecmp(unsigned_text, "infinity") == 0;
    if (infinite) {
        *ret_value = *text == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (!is_decimal(unsigned_text))
        return false;
    double value = strtod(text, NULL); /* no locale is ever set: the point is a point */
    if (!isfinite(value))
        return false;
    *ret_value = value;
    return true;
}

static int parse_indices(const char *i1, const char *i2, struct range *range, struct error *ret_error)
{
    range->by_index = true;
    if (*i1 && !parameter_integer(i1, &range->i1))
        return error_set(ret_error, EINVAL, "Could not parse i1 parameter");
    if (*i2 && !parameter_integer(i2, &range->i2))
        return error_set(ret_error, EINVAL, "Could not parse i2 parameter");
    return 0;
}

int range_parse(const struct range_texts *texts, struct range *ret_range, struct error *ret_error)
{
    struct range range = {0};
    const char *i1 = texts->i1, *i2 = texts->i2, *t1 = texts->t1, *t2 = texts->t2, *limit = texts->limit;
    if (*i1 || *i2) {
        int r = parse_indices(i1, i2, &range, ret_error);
        if (r == 0)
            *ret_range = range;
        return r;
    }
    if (*limit && !parameter_unsigned(limit, &range.limit))
        return error_set(ret_error, EINVAL, "Could not parse limit parameter: it must be a number of points");
    if (!*t1 && !*t2)
        return error_set(ret_error, EINVAL, "%s", RANGE_NEEDED);
    if (*t1 && !parameter_time(t1, &range.t1))
        return error_set(ret_error, EINVAL, "Could not parse t1 parameter: it must be a decimal unix time");
    if (*t2 && !parameter_time(t2, &range.t2))
        return error_set(ret_error, EINVAL, "Could not parse t2 parameter: it must be a decimal unix time");
    *ret_range = range;
    return 0;
}

int range_resolve(const struct range *range, uint64_t length, uint64_t *ret_from, uint64_t *ret_to)
{
    int64_t count = length > INT64_MAX ? INT64_MAX : (int64_t)length;
    int64_t from = range->i1, to = range->i2;
    if (from < 0)
        from = from + count > 0 ? from + count : 0; /* count >= 0: no overflow */
    if (to <= 0)
        to += count;
    if (to > count || (count == 0 && from == 0))
        to = count; /* of an empty sequence any range from its start is empty */
    if (from > count || from > to)
        return -EDOM;
    *ret_from = (uint64_t)from;
    *ret_to = (uint64_t)to;
    return 0;
}
