/* CSV of datapoints: RFC 4180. */
#include "points_print.h"

#include "msgpack_head.h"
#include "msgpack_value.h"
#include "time_text.h"

/* A field in quotes. */
static int print_quoted(struct sink *sink, const char *text, size_t size)
{
    int r = sink_write(sink, "\"", 1);
    while (r == 0 && size > 0) {
        const char *quote = memchr(text, '"', size);
        size_t part = quote ? (size_t)(quote - text) + 1 : size;
        r = sink_write(sink, text, part);
        if (r == 0 && quote)
            r = sink_write(sink, "\"", 1); /* two stand for one */
        text += part;
        size -= part;
    }
    return r < 0 ? r : sink_write(sink, "\"", 1);
}

static int print_container_field(struct sink *sink, const uint8_t *value, size_t size)
{
    struct sink text;
    int r = sink_memory_init(&text, SIZE_MAX / 2);
    if (r < 0)
        return r;
    r = msgpack_print_json(&text, value, size);
    if (r == 0)
        r = print_quoted(sink, (const char *)text.buffer, text.used);
    sink_memory_free(&text);
    return r;
}

/* A value of msgpack: canonical, but a number may be NaN or infinite. */
static int print_value(struct sink *sink, const uint8_t *value, size_t size)
{
    struct msgpack_head head;
    if (!msgpack_read_head(value, value + size, &head) || head.type == MSGPACK_NULL)
        return sink->failed; /* what is no value of JSON cannot be in a batch; NaN is written as null */
    if (head.type == MSGPACK_STRING)
        return print_quoted(sink, (const char *)value + head.size, head.length);
    if (head.type == MSGPACK_ARRAY || head.type == MSGPACK_MAP)
        return print_container_field(sink, value, size);
    return msgpack_print_json(sink, value, size);
}

/* ---- members of objects as columns ---- */

/* The end of the value at p, or NULL if it goes beyond `end`. */
static const uint8_t *value_end(const uint8_t *p, const uint8_t *end)
{
    for (uint64_t pending = 1; pending > 0; pending--) {
        struct msgpack_head head;
        if (!msgpack_read_head(p, end, &head))
            return NULL;
        p += head.size;
        if (head.type == MSGPACK_STRING) {
            if (head.length > (size_t)(end - p))
                return NULL;
            p += head.length;
        } else if (head.type == MSGPACK_ARRAY || head.type == MSGPACK_MAP) {
            pending += (uint64_t)head.length * (head.type == MSGPACK_MAP ? 2 : 1);
        }
    }
    return p;
}

/* The members of an object, read one after the other. */
struct members {
    const uint8_t *p, *end;
    uint32_t left;
};

struct member {
    const char *name;
    size_t name_size;
    const uint8_t *value, *end;
};

static struct members members_of(const uint8_t *value, size_t size)
{
    struct msgpack_head head = {0};
    bool object = msgpack_read_head(value, value + size, &head) && head.type == MSGPACK_MAP;
    return (struct members){value + head.size, value + size, object ? head.length : 0};
}

static bool next_member(struct members *members, struct member *ret_member)
{
    struct msgpack_head key;
    if (members->left == 0 || !msgpack_read_head(members->p, members->end, &key) ||
        key.type != MSGPACK_STRING)
        return false;
    const uint8_t *name = members->p + key.size;
    if (key.length > (size_t)(members->end - name))
        return false;
    const uint8_t *value = name + key.length, *end = value_end(value, members->end);
    *ret_member = (struct member){(const char *)name, key.length, value, end};
    members->p = end;
    members->left--;
    return end != NULL;
}

static bool has_name(const struct member *member, const char *name)
{
    return strlen(name) == member->name_size && memcmp(name, member->name, member->name_size) == 0;
}

/* The members of an object mostly come in the order of the columns: each search goes on where the last one
 * ended, and once more from the start. */
static int print_columns(struct sink *sink, const struct points_text *text, const uint8_t *value, size_t size)
{
    struct members all = members_of(value, size), rest = all;
    int r = 0;
    for (size_t i = 0; r == 0 && i < text->column_count; i++) {
        struct member member;
        bool found = false;
        while (!found && next_member(&rest, &member))
            found = has_name(&member, text->columns[i]);
        if (!found) {
            struct members again = all;
            while (!found && next_member(&again, &member))
                found = has_name(&member, text->columns[i]);
            rest = found ? again : all;
        }
        r = sink_write(sink, ",", 1);
        if (r == 0 && found)
            r = print_value(sink, member.value, (size_t)(member.end - member.value));
    }
    return r;
}

/* ---- rows ---- */

int csv_print_header(struct sink *sink, const struct points_text *text)
{
    int r = sink_write(sink, "t", 1);
    if (r == 0 && text->column_count == 0)
        r = sink_write(sink, ",d", 2);
    for (size_t i = 0; r == 0 && i < text->column_count; i++) {
        const char *name = text->columns[i];
        bool plain = *name && !strpbrk(name, ",\"\r\n");
        r = sink_write(sink, ",", 1);
        if (r == 0)
            r = plain ? sink_write(sink, name, strlen(name)) : print_quoted(sink, name, strlen(name));
    }
    if (r == 0 && text->senders)
        r = sink_write(sink, ",o", 2);
    return r < 0 ? r : sink_write(sink, "\r\n", 2);
}

/* How the times of a batch are printed. */
struct times_printer {
    struct numbers_printer unix_times;
    struct calendar_printer calendar;
};

static char *print_row_time(struct times_printer *times, const struct batch *batch, uint32_t i, char *out)
{
    char *end = out;
    if (times->calendar.text->utc_offset)
        end = print_calendar_time(&times->calendar, &batch->times, i, out);
    return end > out ? end : print_time(&times->unix_times, out, i); /* also if the time has no date */
}

static int print_row(struct sink *sink, const struct points_text *text, const struct batch *batch, uint32_t i,
    struct times_printer *times)
{
    uint8_t scratch[9];
    size_t size;
    char *out = (char *)sink_reserve(sink, POINT_TEXT_MAX);
    if (!out)
        return sink->failed;
    char *end = print_row_time(times, batch, i, out);
    sink_commit(sink, (size_t)(end - out));
    const uint8_t *value = batch_value(batch, i, scratch, &size);
    int r = text->column_count > 0 ? print_columns(sink, text, value, size) : sink_write(sink, ",", 1);
    if (r == 0 && text->column_count == 0)
        r = print_value(sink, value, size);
    if (r == 0 && text->senders) {
        const char *sender = batch_sender(batch, i, &size);
        r = sink_write(sink, ",", 1);
        if (r == 0 && size > 0)
            r = print_quoted(sink, sender, size);
    }
    return r < 0 ? r : sink_write(sink, "\r\n", 2);
}

/* Numbers and booleans in one column: as many rows as fit one reservation. Returns the next. */
static uint32_t print_simple_rows(char **out, const char *limit, const struct points_text *text,
    const struct batch *batch, uint32_t i, struct times_printer *times)
{
    struct numbers_printer numbers = numbers_printer_make(&batch->numbers);
    char *p = *out;
    for (; i < batch->count && p <= limit; i++) {
        p = print_row_time(times, batch, i, p);
        *p++ = ',';
        p = print_simple_field(p, batch, i, &numbers);
        *p = ',';
        p += text->senders; /* an empty field */
        p = print_constant(p, "\r\n", 2);
    }
    *out = p;
    return i;
}

int csv_print_rows(struct sink *sink, const struct points_text *text, const struct batch *batch)
{
    struct times_printer times = {numbers_printer_make(&batch->times), calendar_printer_make(text)};
    bool simple =
        batch->form != VALUES_MSGPACK && text->column_count == 0 && !(text->senders && batch->has_senders);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < batch->count;) {
        if (!simple) {
            r = print_row(sink, text, batch, i++, &times);
            continue;
        }
        char *out = (char *)sink_reserve(sink, SINK_RESERVE_MAX), *end = out;
        if (!out)
            return sink->failed;
        i = print_simple_rows(&end, out + SINK_RESERVE_MAX - POINT_TEXT_MAX, text, batch, i, &times);
        sink_commit(sink, (size_t)(end - out));
    }
    return r;
}
