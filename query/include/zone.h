/* Time zones from the system's tzdata: TZif files (RFC 8536), read into memory once. Unlike localtime(3), any
 * number of zones at once, without a lock and without the environment. */
#ifndef CONNECTORDB_QUERY_ZONE_H
#define CONNECTORDB_QUERY_ZONE_H

#include "error.h"

#include <stdint.h>

struct zone;

/* name: "Local" (the system's), "UTC" or "" (UTC), or an IANA name such as "Europe/Berlin". 0; -EINVAL:
 * unknown, or not a name; -ENOMEM. Reads a file. */
int zone_load(const char *name, struct zone **ret_zone, struct error *ret_error);
void zone_free(struct zone *zone); /* accepts NULL */

/* Seconds east of UTC at this unix time. Any thread. */
int32_t zone_offset(const struct zone *zone, int64_t seconds);

struct civil {
    int64_t year;
    int month, day; /* from 1 */
    int hour;
    int day_of_week; /* 0 = Sunday */
    int day_of_year; /* from 1 */
};
/* The date and hour in the zone. */
struct civil zone_civil(const struct zone *zone, int64_t seconds);
/* The unix time of a civil midnight: the first moment of the day if there is none. */
int64_t zone_midnight(const struct zone *zone, int64_t year, int month, int day);

#endif
