#include "quantity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *quantity_count(uint64_t count, char to[QUANTITY_BYTES])
{
    char digits[24];
    size_t length = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count), used = 0;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            to[used++] = ',';
        to[used++] = digits[i];
    }
    to[used] = '\0';
    return to;
}

const char *quantity_bytes(uint64_t bytes, char to[QUANTITY_BYTES])
{
    static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof(UNITS) / sizeof(UNITS[0])) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(to, QUANTITY_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", value, UNITS[unit]);
    return to;
}

const char *quantity_duration(double seconds, char to[QUANTITY_BYTES])
{
    uint64_t whole = seconds > 0 ? (uint64_t)seconds : 0;
    uint64_t minutes = whole / 60, hours = minutes / 60, days = hours / 24;
    if (days > 0)
        (void)snprintf(
            to, QUANTITY_BYTES, "%llu d %llu h", (unsigned long long)days, (unsigned long long)(hours % 24));
    else if (hours > 0)
        (void)snprintf(to, QUANTITY_BYTES, "%llu h %llu min", (unsigned long long)hours,
            (unsigned long long)(minutes % 60));
    else if (minutes > 0)
        (void)snprintf(to, QUANTITY_BYTES, "%llu min %llu s", (unsigned long long)minutes,
            (unsigned long long)(whole % 60));
    else
        (void)snprintf(to, QUANTITY_BYTES, "%llu s", (unsigned long long)whole);
    return to;
}

/* Times of datapoints may be anything: those that no calendar has are shown as they are. */
const char *quantity_time(double unix_seconds, char to[QUANTITY_BYTES])
{
    static const double LATEST_S = 253402300799; /* the end of the year 9999 */
    struct tm parts;
    double whole = floor(unix_seconds);
    time_t second = (time_t)(fabs(whole) <= LATEST_S ? whole : 0);
    if (!(fabs(whole) <= LATEST_S) || !gmtime_r(&second, &parts) ||
        strftime(to, QUANTITY_BYTES, "%Y-%m-%d %H:%M:%SZ", &parts) == 0)
        (void)snprintf(to, QUANTITY_BYTES, "t=%.17g", unix_seconds);
    return to;
}
