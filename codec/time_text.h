/* Times as text of a calendar. */
#ifndef CONNECTORDB_TIME_TEXT_H
#define CONNECTORDB_TIME_TEXT_H

#include "number.h"
#include "numbers.h"
#include "points_text.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CALENDAR_TEXT_MAX = NUMBER_TEXT_MAX, /* bytes that may be written */
    CALENDAR_MINUTE_TEXT = 17,           /* 2026-11-27T16:05: */
};

/* Prints the times of one run. Neighbours are mostly of one minute: its text is made once. */
struct calendar_printer {
    const struct points_text *text;
    int64_t minute; /* unix time of its start; what is below is of it */
    bool known;
    uint8_t offset_size;
    char minute_text[CALENDAR_MINUTE_TEXT];
    char offset_text[7]; /* Z or +01:00 */
};

struct calendar_printer calendar_printer_make(const struct points_text *text);
/* Prints time i as RFC 3339 with the offset of text->utc_offset at that time, such as
 * 2026-11-27T16:05:00.25+01:00. All digits of a decimal are printed, of other doubles nine behind the point.
 * Returns the end of what was printed, `out` itself if the year is not from 0
 * to 9999: RFC 3339 has no others. */
char *print_calendar_time(
    struct calendar_printer *printer, const struct numbers *times, uint32_t i, char *out);

#endif
