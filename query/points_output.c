#include "points_output.h"

#include "zone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int32_t utc_offset(const void *zone, int64_t seconds)
{
    return zone_offset(zone, seconds);
}

static int set_time(struct points_output *output, const char *time, const char *tz, struct error *ret_error)
{
    bool calendar = strcmp(time, "rfc3339") == 0;
    if (!calendar && *time && strcmp(time, "unix") != 0)
        return error_set(ret_error, EINVAL, "time must be unix or rfc3339, not '%.40s'", time);
    if (!calendar)
        return 0;
    if (output->text.format != POINTS_CSV)
        return error_set(ret_error, EINVAL, "time=rfc3339 goes with CSV only");
    int r = zone_load(tz, &output->zone, ret_error);
    if (r == 0) {
        output->text.utc_offset = utc_offset;
        output->text.zone = output->zone;
    }
    return r;
}

static int set_columns(struct points_output *output, const char *columns, struct error *ret_error)
{
    size_t count = 0;
    if (!*columns)
        return 0;
    if (output->text.format != POINTS_CSV)
        return error_set(ret_error, EINVAL, "columns go with CSV only");
    if (strlen(columns) > OUTPUT_COLUMNS_BYTES_MAX)
        return error_set(
            ret_error, EINVAL, "the names of columns have more than %d bytes", OUTPUT_COLUMNS_BYTES_MAX);
    output->names = strdup(columns);
    if (!output->names)
        return error_set(ret_error, ENOMEM, "out of memory");
    for (char *rest = output->names; rest;) {
        if (count == OUTPUT_COLUMNS_MAX)
            return error_set(ret_error, EINVAL, "there are more than %d columns", OUTPUT_COLUMNS_MAX);
        output->columns[count++] = strsep(&rest, ",");
    }
    output->text.columns = output->columns;
    output->text.column_count = count;
    return 0;
}

int points_output_open(enum points_format format, bool senders, const struct points_output_texts *texts,
    struct points_output *ret_output, struct error *ret_error)
{
    *ret_output = (struct points_output){.text = {.format = format, .senders = senders}};
    int r = set_time(ret_output, texts->time ? texts->time : "", texts->tz ? texts->tz : "", ret_error);
    return r < 0 ? r : set_columns(ret_output, texts->columns ? texts->columns : "", ret_error);
}

void points_output_close(struct points_output *output)
{
    zone_free(output->zone);
    free(output->names);
    *output = (struct points_output){0};
}
