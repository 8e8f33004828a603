#include "zone.h"

#include "file.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ZONE_BYTES_MAX = 1 << 20, NAME_BYTES_MAX = 64, HEADER_BYTES = 44 };

/* A day in a POSIX TZ rule: Mm.w.d, Jn or n, and the time of day. */
struct rule {
    char kind; /* 'M', 'J' or '0' */
    int month, week, day;
    int32_t time;
};

struct zone {
    int64_t *times;   /* transitions, ascending */
    int32_t *offsets; /* offsets[i]: from times[i] on */
    size_t count;
    int32_t first_offset; /* before the first transition */
    /* Beyond the last transition: the footer's rule. */
    bool has_rule, has_summer;
    int32_t standard, summer;
    struct rule from, to; /* of summer time */
};

/* ---- calendar: days from civil (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms") ---- */

static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * of_year + 2) / 153;
    *ret_day = (int)(of_year - (153 * month + 2) / 5) + 1;
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* ---- the footer: a POSIX TZ string with the extensions of RFC 8536, section 3.3.1 ---- */

struct text {
    const char *at, *end;
};

static bool take(struct text *text, char c)
{
    if (text->at == text->end || *text->at != c)
        return false;
    text->at++;
    return true;
}

static bool take_number(struct text *text, int *ret_number)
{
    int number = 0, digits = 0;
    for (; text->at < text->end && isdigit((unsigned char)*text->at) && digits < 4; digits++)
        number = number * 10 + (*text->at++ - '0');
    *ret_number = number;
    return digits > 0;
}

static bool take_abbreviation(struct text *text)
{
    const char *start = text->at;
    if (take(text, '<')) {
        while (text->at < text->end && *text->at != '>')
            text->at++;
        return take(text, '>');
    }
    while (text->at < text->end && isalpha((unsigned char)*text->at))
        text->at++;
    return text->at - start >= 3;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool take_time(struct text *text, int32_t *ret_seconds)
{
    int sign = take(text, '-') ? -1 : 1, parts[3] = {0, 0, 0};
    if (sign > 0)
        (void)take(text, '+');
    if (!take_number(text, &parts[0]))
        return false;
    for (int i = 1; i < 3 && take(text, ':'); i++)
        if (!take_number(text, &parts[i]))
            return false;
    *ret_seconds = sign * (parts[0] * 3600 + parts[1] * 60 + parts[2]);
    return true;
}

static bool take_rule(struct text *text, struct rule *rule)
{
    *rule = (struct rule){.kind = '0', .time = 7200};
    if (take(text, 'M')) {
        rule->kind = 'M';
        if (!take_number(text, &rule->month) || !take(text, '.') || !take_number(text, &rule->week) ||
            !take(text, '.') || !take_number(text, &rule->day) || rule->month < 1 || rule->month > 12 ||
            rule->week < 1 || rule->week > 5 || rule->day > 6)
            return false;
    } else {
        if (take(text, 'J'))
            rule->kind = 'J';
        if (!take_number(text, &rule->day) || rule->day > 366)
            return false;
    }
    return !take(text, '/') || take_time(text, &rule->time);
}

static void read_footer(struct zone *zone, struct text text)
{
    int32_t offset;
    if (!take_abbreviation(&text) || !take_time(&text, &offset))
        return;
    zone->standard = -offset;
    zone->has_rule = true;
    if (text.at == text.end || !take_abbreviation(&text))
        return;
    zone->summer = zone->standard + 3600;
    if (text.at < text.end && *text.at != ',') {
        if (!take_time(&text, &offset))
            return;
        zone->summer = -offset;
    }
    zone->has_summer =
        take(&text, ',') && take_rule(&text, &zone->from) && take(&text, ',') && take_rule(&text, &zone->to);
}

/* The local second of the year at which the rule's moment is, counted from 1970. */
static int64_t rule_time(const struct rule *rule, int64_t year)
{
    int64_t days = days_from_civil(year, 1, 1);
    if (rule->kind == 'J') {
        days += rule->day - 1 + (is_leap(year) && rule->day >= 60);
    } else if (rule->kind == '0') {
        days += rule->day;
    } else {
        int64_t first = days_from_civil(year, rule->month, 1);
        int64_t next =
            rule->month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, rule->month + 1, 1);
        int64_t day_of_week = (first % 7 + 11) % 7; /* 1970-01-01 was a Thursday */
        days = first + (rule->day - day_of_week + 7) % 7 + 7 * (rule->week - 1);
        if (days >= next)
            days -= 7;
    }
    return days * 86400 + rule->time;
}

static int32_t rule_offset(const struct zone *zone, int64_t seconds)
{
    if (!zone->has_summer)
        return zone->standard;
    int64_t year;
    int month, day;
    civil_from_days(floor_divide(seconds + zone->standard, 86400), &year, &month, &day);
    int64_t from = rule_time(&zone->from, year) - zone->standard,
            to = rule_time(&zone->to, year) - zone->summer;
    bool summer = from < to ? seconds >= from && seconds < to : seconds >= from || seconds < to;
    return summer ? zone->summer : zone->standard;
}

/* ---- the file ---- */

static int64_t read_big_endian(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return bytes == 4 ? (int32_t)(uint32_t)value : (int64_t)value;
}

struct counts {
    uint64_t isutc, isstd, leap, time, type, chars;
};

/* False: no header. */
static bool read_header(const uint8_t *at, size_t size, struct counts *counts)
{
    uint64_t *fields[] = {
        &counts->isutc, &counts->isstd, &counts->leap, &counts->time, &counts->type, &counts->chars};
    if (size < HEADER_BYTES || memcmp(at, "TZif", 4) != 0)
        return false;
    for (int i = 0; i < 6; i++)
        *fields[i] = (uint32_t)read_big_endian(at + 20 + 4 * i, 4);
    return true;
}

static uint64_t block_bytes(const struct counts *counts, uint64_t time_bytes)
{
    return counts->time * time_bytes + counts->time + counts->type * 6 + counts->chars +
           counts->leap * (time_bytes + 4) + counts->isstd + counts->isutc;
}

static bool read_block(struct zone *zone, const uint8_t *at, const struct counts *counts, int time_bytes)
{
    const uint8_t *indices = at + counts->time * (uint64_t)time_bytes, *types = indices + counts->time;
    if (counts->type == 0)
        return false;
    zone->first_offset = (int32_t)read_big_endian(types, 4);
    zone->times = calloc(counts->time + 1, sizeof(*zone->times));
    zone->offsets = calloc(counts->time + 1, sizeof(*zone->offsets));
    if (!zone->times || !zone->offsets)
        return false;
    for (uint64_t i = 0; i < counts->time; i++) {
        if (indices[i] >= counts->type)
            return false;
        zone->times[i] = read_big_endian(at + i * (uint64_t)time_bytes, time_bytes);
        zone->offsets[i] = (int32_t)read_big_endian(types + 6 * indices[i], 4);
    }
    zone->count = counts->time;
    return true;
}

static bool read_zone(struct zone *zone, const uint8_t *data, size_t size)
{
    struct counts counts;
    if (!read_header(data, size, &counts) || block_bytes(&counts, 4) > size - HEADER_BYTES)
        return false;
    if (data[4] < '2')
        return read_block(zone, data + HEADER_BYTES, &counts, 4);
    size_t skipped = HEADER_BYTES + (size_t)block_bytes(&counts, 4);
    data += skipped;
    size -= skipped;
    if (!read_header(data, size, &counts) || block_bytes(&counts, 8) > size - HEADER_BYTES ||
        !read_block(zone, data + HEADER_BYTES, &counts, 8))
        return false;
    const char *footer = (const char *)data + HEADER_BYTES + block_bytes(&counts, 8),
               *end = (const char *)data + size;
    if (footer < end && *footer == '\n') {
        const char *stop = memchr(footer + 1, '\n', (size_t)(end - footer - 1));
        if (stop)
            read_footer(zone, (struct text){footer + 1, stop});
    }
    return true;
}

static bool is_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size <= NAME_BYTES_MAX && name[0] != '/' && !strstr(name, "..") &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == size;
}

int zone_load(const char *name, struct zone **ret_zone, struct error *ret_error)
{
    char path[128] = "/etc/localtime";
    struct buffer bytes = {0};
    bool local = strcmp(name, "Local") == 0, utc = *name == '\0' || strcmp(name, "UTC") == 0;
    if (!local && !utc && !is_name(name))
        return error_set(ret_error, EINVAL, "%.60s is not the name of a time zone", name);
    struct zone *zone = calloc(1, sizeof(*zone));
    if (!zone)
        return error_set(ret_error, ENOMEM, "out of memory for a time zone");
    if (!utc) {
        if (!local)
            (void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
        int r = file_read(path, ZONE_BYTES_MAX, &bytes, ret_error);
        bool missing = local && r == -ENOENT; /* no /etc/localtime: UTC, as localtime(3) has it */
        if (!missing && (r < 0 || !read_zone(zone, bytes.data, bytes.size))) {
            buffer_free(&bytes);
            zone_free(zone);
            return r == -ENOMEM ? r : error_set(ret_error, EINVAL, "the time zone %.60s is not known", name);
        }
    }
    buffer_free(&bytes);
    *ret_zone = zone;
    return 0;
}

void zone_free(struct zone *zone)
{
    if (!zone)
        return;
    free(zone->times);
    free(zone->offsets);
    free(zone);
}

/* ---- questions ---- */

int32_t zone_offset(const struct zone *zone, int64_t seconds)
{
    if (zone->count == 0 || seconds < zone->times[0])
        return zone->count == 0 && zone->has_rule ? rule_offset(zone, seconds) : zone->first_offset;
    if (seconds >= zone->times[zone->count - 1])
        return zone->has_rule ? rule_offset(zone, seconds) : zone->offsets[zone->count - 1];
    size_t low = 0, high = zone->count - 1; /* times[low] <= seconds < times[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (zone->times[middle] <= seconds)
            low = middle;
        else
            high = middle;
    }
    return zone->offsets[low];
}

struct civil zone_civil(const struct zone *zone, int64_t seconds)
{
    struct civil civil;
    int64_t local = seconds + zone_offset(zone, seconds), days = floor_divide(local, 86400);
    civil_from_days(days, &civil.year, &civil.month, &civil.day);
    civil.hour = (int)((local - days * 86400) / 3600);
    civil.day_of_week = (int)((days % 7 + 11) % 7);
    civil.day_of_year = (int)(days - days_from_civil(civil.year, 1, 1)) + 1;
    return civil;
}

int64_t zone_midnight(const struct zone *zone, int64_t year, int month, int day)
{
    int64_t local = days_from_civil(year, month, day) * 86400;
    int64_t before = local - zone_offset(zone, local - 86400),
            after = local - zone_offset(zone, local + 86400);
    if (before + zone_offset(zone, before) == local)
        return before;
    return after + zone_offset(zone, after) == local ? after : before;
}
