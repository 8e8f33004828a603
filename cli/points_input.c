#include "points_input.h"

#include "json_points.h"
#include "number.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { RAW_BYTES = 64 << 10, POINTS_AT_ONCE = 4096 };

enum form { FORM_UNKNOWN, FORM_ARRAY, FORM_LINES, FORM_CSV };

/* A field of a row: bytes of points_input.row. */
struct field {
    size_t at, size;
    bool quoted;
};

struct points_input {
    int file;
    const char *name;
    enum form form;
    uint8_t raw[RAW_BYTES];
    size_t raw_at, raw_size;
    uint64_t line; /* of the next byte of raw */

    /* JSON that the other forms become, on its way to the reader. It has as many line feeds as the text, so
     * that lines in the reader's messages are those of the text. */
    struct buffer json;
    size_t json_at;
    bool begun, ended;  /* '[' and ']' were written */
    bool any;           /* a datapoint was */
    bool line_is_blank; /* FORM_LINES: nothing but white space so far */

    struct buffer row;
    struct field fields[CSV_COLUMNS_MAX];
    size_t field_count;
    struct buffer names; /* the texts of columns */
    struct field columns[CSV_COLUMNS_MAX];
    size_t column_count, value_count, time_column, sender_column; /* CSV_COLUMNS_MAX = none */

    struct json_points *reader;
    struct batch batch;
    bool done;
};

/* ---- bytes ---- */

/* Fills raw when it is empty. 1; 0 at the end of the text; -errno. */
static int fill(struct points_input *input, struct error *ret_error)
{
    if (input->raw_at < input->raw_size)
        return 1;
    ssize_t got;
    do
        got = read(input->file, input->raw, sizeof(input->raw));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set(ret_error, errno, "reading %s: %s", input->name, strerrordesc_np(errno));
    input->raw_at = 0;
    input->raw_size = (size_t)got;
    return got > 0;
}

static int out_of_memory(struct error *ret_error)
{
    return error_set(ret_error, ENOMEM, "out of memory for the datapoints");
}

static int put(struct points_input *input, const void *data, size_t size, struct error *ret_error)
{
    return buffer_append(&input->json, data, size) < 0 ? out_of_memory(ret_error) : 0;
}

static int put_text(struct points_input *input, const char *text, struct error *ret_error)
{
    return put(input, text, strlen(text), ret_error);
}

/* ---- one object on each line ---- */

/* Makes an array of it: a comma before each line but the first that is not blank. */
static int convert_lines(struct points_input *input, struct error *ret_error)
{
    int r = fill(input, ret_error);
    if (r == 0)
        input->ended = true;
    if (r <= 0)
        return r < 0 ? r : put_text(input, "]", ret_error);
    if (buffer_reserve(&input->json, 2 * input->raw_size) < 0)
        return out_of_memory(ret_error);
    uint8_t *to = input->json.data + input->json.size;
    for (; input->raw_at < input->raw_size; input->raw_at++) {
        uint8_t c = input->raw[input->raw_at];
        if (c == '\n') {
            input->line_is_blank = true;
        } else if (input->line_is_blank && c != ' ' && c != '\t' && c != '\r') {
            if (input->any)
                *to++ = ',';
            input->any = true;
            input->line_is_blank = false;
        }
        *to++ = c;
    }
    input->json.size = (size_t)(to - input->json.data);
    return 0;
}

/* ---- CSV: rows ---- */

static int row_byte(struct points_input *input, uint8_t c, struct error *ret_error)
{
    if (input->row.size >= CSV_ROW_BYTES_MAX)
        return error_set(ret_error, E2BIG, "%s: line %llu: a row has more than %d bytes", input->name,
            (unsigned long long)input->line, CSV_ROW_BYTES_MAX);
    return buffer_append(&input->row, &c, 1) < 0 ? out_of_memory(ret_error) : 0;
}

static int begin_field(struct points_input *input, struct error *ret_error)
{
    if (input->field_count == CSV_COLUMNS_MAX)
        return error_set(ret_error, E2BIG, "%s: line %llu: a row has more than %d columns", input->name,
            (unsigned long long)input->line, CSV_COLUMNS_MAX);
    input->fields[input->field_count++] = (struct field){.at = input->row.size};
    return 0;
}

/* Takes the byte of a row. 0; 1: the row is over; -errno. */
static int take_byte(struct points_input *input, uint8_t c, bool *inside, struct error *ret_error)
{
    struct field *field = &input->fields[input->field_count - 1];
    if (*inside) { /* quotes */
        if (c != '"')
            return row_byte(input, c, ret_error);
        *inside = false; /* perhaps the first of two, which stand for one */
        return 0;
    }
    if (c == '"' && !field->quoted && input->row.size == field->at) {
        field->quoted = *inside = true;
        return 0;
    }
    if (c == '"' && field->quoted) {
        *inside = true;
        return row_byte(input, c, ret_error);
    }
    if (c == ',') {
        field->size = input->row.size - field->at;
        return begin_field(input, ret_error);
    }
    if (c == '\n')
        return 1;
    if (c == '\r')
        return 0; /* of the end of the line; elsewhere it is no text either */
    if (field->quoted)
        return error_set(ret_error, EBADMSG, "%s: line %llu: text behind the closing quote of a field",
            input->name, (unsigned long long)input->line);
    return row_byte(input, c, ret_error);
}

/* Reads the next row into fields. 1; 0: the text is over; -errno. */
static int read_row(struct points_input *input, struct error *ret_error)
{
    bool inside = false, any = false;
    int r;
    input->row.size = 0;
    input->field_count = 0;
    r = begin_field(input, ret_error);
    while (r == 0) {
        r = fill(input, ret_error);
        if (r < 0)
            return r;
        if (r == 0)
            break;
        uint8_t c = input->raw[input->raw_at++];
        any = true;
        r = take_byte(input, c, &inside, ret_error);
        if (c == '\n' && r >= 0) {
            input->line++;
            if (put_text(input, "\n", ret_error) < 0)
                return -ENOMEM;
        }
    }
    if (r < 0)
        return r;
    if (inside)
        return error_set(ret_error, EBADMSG, "%s: line %llu: the text ends inside of quotes", input->name,
            (unsigned long long)input->line);
    struct field *last = &input->fields[input->field_count - 1];
    last->size = input->row.size - last->at;
    return any;
}

static bool is_blank_row(const struct points_input *input)
{
    return input->field_count == 1 && input->fields[0].size == 0 && !input->fields[0].quoted;
}

/* ---- CSV: the header ---- */

static bool field_is(const struct points_input *input, const struct field *field, const char *name)
{
    return field->size == strlen(name) &&
           strncasecmp((const char *)input->row.data + field->at, name, field->size) == 0;
}

static int read_header(struct points_input *input, struct error *ret_error)
{
    static const char *const TIMES[] = {"t", "time", "timestamp"};
    int r;
    do
        r = read_row(input, ret_error);
    while (r == 1 && is_blank_row(input));
    if (r <= 0)
        return r;
    input->time_column = input->sender_column = CSV_COLUMNS_MAX;
    for (size_t i = 0; i < input->field_count; i++) {
        const struct field *field = &input->fields[i];
        for (size_t k = 0; k < sizeof(TIMES) / sizeof(TIMES[0]); k++) {
            if (input->time_column == CSV_COLUMNS_MAX && field_is(input, field, TIMES[k]))
                input->time_column = i;
        }
        if (input->sender_column == CSV_COLUMNS_MAX && field_is(input, field, "o"))
            input->sender_column = i;
    }
    if (input->time_column == CSV_COLUMNS_MAX)
        return error_set(ret_error, EBADMSG,
            "%s: line 1: no column of the header is called t, time or timestamp", input->name);
    memcpy(input->columns, input->fields, sizeof(input->columns));
    input->column_count = input->field_count;
    input->value_count = input->column_count - 1 - (input->sender_column < CSV_COLUMNS_MAX);
    return buffer_append(&input->names, input->row.data, input->row.size) < 0 ? out_of_memory(ret_error) : 1;
}

/* ---- CSV: values ---- */

static int put_string(struct points_input *input, const uint8_t *text, size_t size, struct error *ret_error)
{
    int r = put_text(input, "\"", ret_error);
    for (size_t i = 0; r == 0 && i < size; i++) {
        char escaped[8];
        if (text[i] == '"' || text[i] == '\\' || text[i] < 0x20)
            (void)snprintf(escaped, sizeof(escaped), "\\u%04x", text[i]);
        else
            (void)snprintf(escaped, sizeof(escaped), "%c", text[i]);
        r = put_text(input, escaped, ret_error);
    }
    return r == 0 ? put_text(input, "\"", ret_error) : r;
}

static bool is_number(const char *text, size_t size)
{
    struct number number;
    bool overflow;
    return size > 0 && number_parse(text, text + size, &number, &overflow) == text + size;
}

static bool is_word(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && memcmp(text, word, size) == 0;
}

static int put_value(struct points_input *input, const struct field *field, struct error *ret_error)
{
    const char *text = (const char *)input->row.data + field->at;
    size_t size = field->size;
    if (!field->quoted && size == 0)
        return put_text(input, "null", ret_error);
    bool literal = !field->quoted && (is_number(text, size) || is_word(text, size, "true") ||
                                         is_word(text, size, "false") || is_word(text, size, "null"));
    return literal ? put(input, text, size, ret_error)
                   : put_string(input, (const uint8_t *)text, size, ret_error);
}

/* Days since 1970 of a date of the Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", days_from_civil). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* RFC 3339, section 5.6; a blank may stand for the T. */
static bool parse_rfc3339(const char *text, double *ret_time)
{
    int year, month, day, hour, minute, end = 0, hours = 0, minutes = 0, used = 0;
    double second;
    char separator, sign;
    if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%lf%n", &year, &month, &day, &separator, &hour, &minute, &second,
            &end) != 7 ||
        !strchr("Tt ", separator) || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || !(second >= 0 && second < 61))
        return false;
    text += end;
    if (strcasecmp(text, "Z") != 0) {
        if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) != 3 || text[used] != '\0' ||
            (sign != '+' && sign != '-') || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
            return false;
        if (sign == '-') {
            hours = -hours;
            minutes = -minutes;
        }
    }
    int64_t whole = days_of(year, month, day) * 86400 + (hour - hours) * 3600 + (minute - minutes) * 60;
    *ret_time = (double)whole + second;
    return true;
}

static int put_time(struct points_input *input, const struct field *field, struct error *ret_error)
{
    char text[64] = "", printed[NUMBER_TEXT_MAX];
    double time;
    if (is_number((const char *)input->row.data + field->at, field->size))
        return put(input, input->row.data + field->at, field->size, ret_error);
    if (field->size < sizeof(text))
        memcpy(text, input->row.data + field->at, field->size);
    if (!parse_rfc3339(text, &time))
        return error_set(ret_error, EBADMSG,
            "%s: line %llu: a time must be unix seconds or like 2018-04-11T10:00:00Z, not '%s'", input->name,
            (unsigned long long)input->line - 1, text);
    return put(input, printed, number_print_double(printed, time), ret_error);
}

/* The value of the row: of one column itself, of several an object. */
static int put_values(struct points_input *input, struct error *ret_error)
{
    bool object = input->value_count > 1, first = true;
    int r = object ? put_text(input, "{", ret_error) : 0;
    if (r == 0 && input->value_count == 0)
        return put_text(input, "null", ret_error);
    for (size_t i = 0; r == 0 && i < input->column_count; i++) {
        if (i == input->time_column || i == input->sender_column)
            continue;
        if (object) {
            const struct field *name = &input->columns[i];
            r = first ? 0 : put_text(input, ",", ret_error);
            if (r == 0)
                r = put_string(input, input->names.data + name->at, name->size, ret_error);
            if (r == 0)
                r = put_text(input, ":", ret_error);
            first = false;
        }
        if (r == 0)
            r = put_value(input, &input->fields[i], ret_error);
    }
    return r == 0 && object ? put_text(input, "}", ret_error) : r;
}

static int put_row(struct points_input *input, struct error *ret_error)
{
    if (input->field_count != input->column_count)
        return error_set(ret_error, EBADMSG, "%s: line %llu: the row has %zu fields, the header %zu",
            input->name, (unsigned long long)input->line - 1, input->field_count, input->column_count);
    int r = put_text(input, input->any ? ",{\"t\":" : "{\"t\":", ret_error);
    if (r == 0)
        r = put_time(input, &input->fields[input->time_column], ret_error);
    if (r == 0 && input->sender_column < CSV_COLUMNS_MAX) {
        const struct field *sender = &input->fields[input->sender_column];
        if (sender->size > 0)
            r = put_text(input, ",\"o\":", ret_error);
        if (r == 0 && sender->size > 0)
            r = put_string(input, input->row.data + sender->at, sender->size, ret_error);
    }
    if (r == 0)
        r = put_text(input, ",\"d\":", ret_error);
    if (r == 0)
        r = put_values(input, ret_error);
    input->any = true;
    return r == 0 ? put_text(input, "}", ret_error) : r;
}

static int convert_csv(struct points_input *input, struct error *ret_error)
{
    int r = input->column_count == 0 ? read_header(input, ret_error) : 1;
    if (r == 1)
        r = read_row(input, ret_error);
    if (r < 0)
        return r;
    if (r == 0) {
        input->ended = true;
        return put_text(input, "]", ret_error);
    }
    return is_blank_row(input) ? 0 : put_row(input, ret_error);
}

/* ---- the reader's source ---- */

/* Skips a byte order mark and white space. */
static int find_form(struct points_input *input, struct error *ret_error)
{
    int r;
    while ((r = fill(input, ret_error)) == 1) {
        uint8_t c = input->raw[input->raw_at];
        if (c == '\n')
            input->line++;
        if (c == 0xef || c == 0xbb || c == 0xbf || (c <= ' ' && strchr(" \t\r\n", c) && c)) {
            if (c == '\n' && put_text(input, "\n", ret_error) < 0)
                return -ENOMEM;
            input->raw_at++;
            continue;
        }
        input->form = c == '[' ? FORM_ARRAY : c == '{' ? FORM_LINES : FORM_CSV;
        return 0;
    }
    if (r == 0)
        input->form = FORM_LINES; /* an empty text has no datapoints */
    return r;
}

static int convert(struct points_input *input, struct error *ret_error)
{
    input->json.size = input->json_at = 0;
    if (!input->begun) {
        int r = find_form(input, ret_error);
        input->begun = true;
        if (r < 0 || input->form == FORM_ARRAY)
            return r;
        return put_text(input, "[", ret_error);
    }
    return input->form == FORM_LINES ? convert_lines(input, ret_error) : convert_csv(input, ret_error);
}

static long give(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct points_input *input = context;
    while (input->json_at == input->json.size && !input->ended && input->form != FORM_ARRAY) {
        int r = convert(input, ret_error);
        if (r < 0)
            return r;
    }
    size_t left = input->json.size - input->json_at;
    if (left == 0 && input->form == FORM_ARRAY) {
        int r = fill(input, ret_error);
        if (r <= 0)
            return r;
        left = input->raw_size - input->raw_at;
        size = size < left ? size : left;
        memcpy(buffer, input->raw + input->raw_at, size);
        input->raw_at += size;
        return (long)size;
    }
    size = size < left ? size : left;
    memcpy(buffer, input->json.data + input->json_at, size);
    input->json_at += size;
    return (long)size;
}

/* ---- life ---- */

int points_input_open(int file, const char *name, struct points_input **ret_input, struct error *ret_error)
{
    static const struct json_points_options OPTIONS = {.import = true};
    struct points_input *input = calloc(1, sizeof(*input));
    if (!input)
        return out_of_memory(ret_error);
    input->file = file;
    input->name = name;
    input->line = 1;
    input->line_is_blank = true;
    batch_init(&input->batch);
    if (json_points_open(&OPTIONS, give, input, &input->reader) < 0) {
        points_input_close(input);
        return out_of_memory(ret_error);
    }
    *ret_input = input;
    return 0;
}

void points_input_close(struct points_input *input)
{
    if (!input)
        return;
    json_points_close(input->reader);
    batch_free(&input->batch);
    buffer_free(&input->json);
    buffer_free(&input->row);
    buffer_free(&input->names);
    free(input);
}

int points_input_next(void *context, const struct batch **ret_batch, struct error *ret_error)
{
    struct points_input *input = context;
    *ret_batch = NULL;
    if (input->done)
        return 0;
    batch_clear(&input->batch);
    int r = json_points_read(input->reader, &input->batch, POINTS_AT_ONCE, ret_error);
    if (r == -EBADMSG && ret_error && strncmp(ret_error->message, input->name, strlen(input->name)) != 0)
        (void)error_prefix(ret_error, "%s", input->name);
    if (r < 0)
        return r;
    input->done = r == 0;
    *ret_batch = &input->batch;
    return 0;
}
