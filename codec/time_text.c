#include "time_text.h"

#include "powers.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum { MINUTE_S = 60, NANOSECOND_DIGITS = 9 };

/* The years 0 to 9999. */
#define CALENDAR_FIRST INT64_C(-62167219200)
#define CALENDAR_LAST INT64_C(253402300799)

struct instant {
    int64_t seconds;   /* rounded down */
    uint64_t fraction; /* of a second, in 1 / 10^digits */
    unsigned digits;
};

static bool instant_of(const struct numbers *times, uint32_t i, struct instant *ret_instant)
{
    int64_t integer;
    unsigned exponent;
    if (times->kind == NUMBERS_AS_DECIMALS) {
        integer = times->integers[i];
        exponent = times->exponent;
    } else {
        double value = times->doubles[i];
        if (!(value >= (double)CALENDAR_FIRST && value < (double)(CALENDAR_LAST + 1)))
            return false;
        int found = decimal_exponent(value);
        exponent = found >= 0 ? (unsigned)found : NANOSECOND_DIGITS;
        if (found < 0 || !decimal_from_double(value, (uint8_t)exponent, &integer)) {
            double seconds = floor(value);
            double fraction = floor((value - seconds) * 1e9);
            *ret_instant = (struct instant){(int64_t)seconds, (uint64_t)fraction, NANOSECOND_DIGITS};
            return true;
        }
    }
    int64_t second = (int64_t)INTEGER_POWERS_OF_TEN[exponent], rest = integer % second;
    bool below = rest < 0;
    *ret_instant =
        (struct instant){integer / second - below, (uint64_t)(below ? rest + second : rest), exponent};
    return true;
}

static char *print_two(char *out, int value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
    return out + 2;
}

static char *print_fraction(char *out, struct instant instant)
{
    if (instant.fraction == 0)
        return out;
    while (instant.fraction % 10 == 0) {
        instant.fraction /= 10;
        instant.digits--;
    }
    *out++ = '.';
    for (unsigned i = instant.digits; i > 0; i--) {
        out[i - 1] = (char)('0' + instant.fraction % 10);
        instant.fraction /= 10;
    }
    return out + instant.digits;
}

/* Makes the text of the minute that begins at `minute`. False: it is in no year from 0 to 9999. */
static bool set_minute(struct calendar_printer *printer, int64_t minute, int32_t offset_minutes)
{
    struct tm date;
    int64_t local = minute + offset_minutes * MINUTE_S;
    if (local < CALENDAR_FIRST || local > CALENDAR_LAST || !gmtime_r(&(time_t){local}, &date))
        return false;
    char *p = print_two(printer->minute_text, (date.tm_year + 1900) / 100);
    p = print_two(p, (date.tm_year + 1900) % 100);
    *p++ = '-';
    p = print_two(p, date.tm_mon + 1);
    *p++ = '-';
    p = print_two(p, date.tm_mday);
    *p++ = 'T';
    p = print_two(p, date.tm_hour);
    *p++ = ':';
    p = print_two(p, date.tm_min);
    *p = ':';
    p = printer->offset_text;
    if (offset_minutes == 0) {
        *p++ = 'Z';
    } else {
        int32_t distance = offset_minutes < 0 ? -offset_minutes : offset_minutes;
        *p++ = offset_minutes < 0 ? '-' : '+';
        p = print_two(p, distance / MINUTE_S);
        *p++ = ':';
        p = print_two(p, distance % MINUTE_S);
    }
    printer->offset_size = (uint8_t)(p - printer->offset_text);
    printer->minute = minute;
    return true;
}

/* Local mean times of long ago have seconds in their offset; RFC 3339 has only minutes. */
static int32_t offset_minutes_at(const struct points_text *text, int64_t seconds)
{
    return text->utc_offset(text->zone, seconds) / MINUTE_S;
}

struct calendar_printer calendar_printer_make(const struct points_text *text)
{
    return (struct calendar_printer){.text = text};
}

char *print_calendar_time(
    struct calendar_printer *printer, const struct numbers *times, uint32_t i, char *out)
{
    struct instant instant;
    if (!instant_of(times, i, &instant) || instant.seconds < CALENDAR_FIRST ||
        instant.seconds > CALENDAR_LAST)
        return out;
    int64_t second = instant.seconds - printer->minute;
    if (!printer->known || second < 0 || second >= MINUTE_S) {
        second = instant.seconds % MINUTE_S;
        second += second < 0 ? MINUTE_S : 0;
        int64_t minute = instant.seconds - second;
        int32_t offset = offset_minutes_at(printer->text, instant.seconds);
        /* The clocks may change within a minute: then it is not remembered. */
        printer->known = offset_minutes_at(printer->text, minute) == offset &&
                         offset_minutes_at(printer->text, minute + MINUTE_S - 1) == offset;
        if (!set_minute(printer, minute, offset)) {
            printer->known = false;
            return out;
        }
    }
    memcpy(out, printer->minute_text, CALENDAR_MINUTE_TEXT);
    out = print_fraction(print_two(out + CALENDAR_MINUTE_TEXT, (int)second), instant);
    memcpy(out, printer->offset_text, sizeof(printer->offset_text));
    return out + printer->offset_size;
}
