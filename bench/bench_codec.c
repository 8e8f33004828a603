/* JSON text to points and back, in memory, one thread: the ceiling of import, export and HTTP. Beside each
 * data set a plain look at every byte of the same text and a copy of it; and single numbers, ours and the C
 * library's. bench_codec [POINTS] */
#include "bench_common.h"
#include "generate.h"

#include "json_points.h"
#include "number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_POINTS = 4096, SINK_BYTES = 256 << 10 };

struct codec {
    struct batch batch; /* all points */
    struct sink text;   /* their JSON */
    size_t text_read;
    uint64_t points_read;
    uint64_t quotes;
    uint8_t buffer[SINK_BYTES];
};

static long read_text(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct codec *codec = context;
    (void)ret_error;
    size_t left = codec->text.used - codec->text_read;
    size_t taken = left < size ? left : size;
    memcpy(buffer, codec->text.buffer + codec->text_read, taken);
    codec->text_read += taken;
    return (long)taken;
}

static void parse(void *context)
{
    struct codec *codec = context;
    struct json_points *reader;
    struct batch batch;
    struct error error = {0};
    const struct json_points_options options = {.import = true};
    int more;
    codec->text_read = codec->points_read = 0;
    batch_init(&batch);
    bench_must(json_points_open(&options, read_text, codec, &reader), &error);
    do {
        batch_clear(&batch);
        more = json_points_read(reader, &batch, READ_POINTS, &error);
        bench_must(more, &error);
        codec->points_read += batch.count;
    } while (more);
    json_points_close(reader);
    batch_free(&batch);
    if (codec->points_read != codec->batch.count)
        bench_fail("read %llu of %u points", (unsigned long long)codec->points_read, codec->batch.count);
}

static int discard(struct sink *sink, struct error *ret_error)
{
    (void)sink, (void)ret_error;
    return 0;
}

static void print(void *context)
{
    struct codec *codec = context;
    struct sink sink = {.buffer = codec->buffer, .capacity = SINK_BYTES, .flush = discard};
    struct batch view;
    uint32_t count = codec->batch.count;
    for (uint32_t from = 0; from < count; from += view.count) {
        batch_slice(&codec->batch, from, count - from < READ_POINTS ? count - from : READ_POINTS, &view);
        bench_must(json_points_print(&sink, &view, from == 0), &sink.error);
    }
    bench_must(sink_flush(&sink), &sink.error);
    if (sink.total + 2 != codec->text.used) /* the brackets */
        bench_fail("printed %llu bytes of %zu", (unsigned long long)sink.total, codec->text.used);
}

static void scan(void *context)
{
    struct codec *codec = context;
    codec->quotes = 0;
    for (size_t i = 0; i < codec->text.used; i++)
        codec->quotes += codec->text.buffer[i] == '"';
}

/* Piece by piece, as a reader or writer would. */
static void copy(void *context)
{
    struct codec *codec = context;
    for (size_t i = 0; i < codec->text.used; i += SINK_BYTES) {
        size_t left = codec->text.used - i;
        memcpy(codec->buffer, codec->text.buffer + i, left < SINK_BYTES ? left : SINK_BYTES);
    }
}

static void bench_kind(struct codec *codec, enum generate_kind kind, uint32_t points)
{
    struct generator generator;
    char work[64];
    batch_init(&codec->batch);
    generator_init(&generator, kind, 0);
    bench_must(generator_fill(&generator, &codec->batch, points), &(struct error){0});
    bench_must(sink_memory_init(&codec->text, SIZE_MAX), &(struct error){0});
    bench_must(sink_write(&codec->text, "[", 1), &codec->text.error);
    bench_must(json_points_print(&codec->text, &codec->batch, true), &codec->text.error);
    bench_must(sink_write(&codec->text, "]", 1), &codec->text.error);

    struct bench_result result = bench_run(1, 5, NULL, parse, codec);
    snprintf(work, sizeof(work), "parse JSON, %s", generate_name(kind));
    bench_row(work, points, codec->text.used, 0, &result);
    result = bench_run(1, 5, NULL, print, codec);
    snprintf(work, sizeof(work), "print JSON, %s", generate_name(kind));
    bench_row(work, points, codec->text.used, 0, &result);
    result = bench_run(1, 5, NULL, scan, codec);
    snprintf(work, sizeof(work), "machine: look at every byte of the JSON, %s", generate_name(kind));
    bench_row(work, points, codec->text.used, 0, &result);
    result = bench_run(1, 5, NULL, copy, codec);
    snprintf(work, sizeof(work), "machine: memcpy of the JSON, %s", generate_name(kind));
    bench_row(work, points, codec->text.used, 0, &result);
    sink_memory_free(&codec->text);
    batch_free(&codec->batch);
}

enum { NUMBERS = 4096, NUMBER_BYTES = 32 };

/* The same numbers as doubles, decimals and text. */
struct number_case {
    unsigned rounds;
    uint8_t exponent;
    double doubles[NUMBERS];
    int64_t integers[NUMBERS];
    char texts[NUMBERS][NUMBER_BYTES];
    uint64_t sink; /* what is computed must be used */
};

static void parse_ours(void *context)
{
    struct number_case *numbers = context;
    for (unsigned i = 0; i < numbers->rounds * NUMBERS; i++) {
        struct number number;
        bool overflow;
        const char *text = numbers->texts[i % NUMBERS];
        const char *end = number_parse(text, text + NUMBER_BYTES, &number, &overflow);
        numbers->sink += (uint64_t)(end - text) + (uint64_t)number.integer;
    }
}

static void parse_library(void *context)
{
    struct number_case *numbers = context;
    for (unsigned i = 0; i < numbers->rounds * NUMBERS; i++)
        numbers->sink += strtod(numbers->texts[i % NUMBERS], NULL) > 1;
}

static void print_double_ours(void *context)
{
    struct number_case *numbers = context;
    char text[NUMBER_TEXT_MAX];
    for (unsigned i = 0; i < numbers->rounds * NUMBERS; i++)
        numbers->sink += number_print_double(text, numbers->doubles[i % NUMBERS]) + (uint8_t)text[0];
}

static void print_decimal_ours(void *context)
{
    struct number_case *numbers = context;
    char text[NUMBER_TEXT_MAX];
    for (unsigned i = 0; i < numbers->rounds * NUMBERS; i++)
        numbers->sink +=
            number_print_decimal(text, numbers->integers[i % NUMBERS], numbers->exponent) + (uint8_t)text[0];
}

static void print_library(void *context)
{
    struct number_case *numbers = context;
    char text[NUMBER_TEXT_MAX];
    for (unsigned i = 0; i < numbers->rounds * NUMBERS; i++)
        numbers->sink += (uint64_t)snprintf(text, sizeof(text), "%.17g", numbers->doubles[i % NUMBERS]);
}

static void number_row(
    const char *what, const char *how, void (*work)(void *context), struct number_case *numbers)
{
    char title[80];
    struct bench_result result = bench_run(1, 5, NULL, work, numbers);
    snprintf(title, sizeof(title), "%s, %s", how, what);
    bench_row_text(
        title, "%.1f ns of CPU each", result.cpu_seconds * 1e9 / ((double)numbers->rounds * NUMBERS));
}

/* digits: of the fraction; 0 = all 53 bits. */
static void bench_numbers(const char *what, unsigned digits, uint64_t count)
{
    static struct number_case numbers;
    numbers = (struct number_case){.rounds = 1 + (unsigned)(count / NUMBERS), .exponent = (uint8_t)digits};
    uint64_t state = 1;
    for (unsigned i = 0; i < NUMBERS; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        numbers.integers[i] = (int64_t)(state >> 40);
        numbers.doubles[i] = (double)(state >> 11) * 0x1p-53 * 100;
        if (digits > 0)
            numbers.doubles[i] = (double)numbers.integers[i] / (digits == 2 ? 1e2 : 1e3);
        char text[NUMBER_TEXT_MAX];
        size_t length = number_print_double(text, numbers.doubles[i]); /* what follows in text is arbitrary */
        memcpy(numbers.texts[i], text, length); /* at most 24 bytes; the rest stays zero */
    }
    number_row(what, "parse a number", parse_ours, &numbers);
    number_row(what, "parse a number, strtod", parse_library, &numbers);
    if (digits > 0)
        number_row(what, "print a number from a decimal", print_decimal_ours, &numbers);
    number_row(what, "print a number, shortest double", print_double_ours, &numbers);
    number_row(what, "print a number, printf %.17g", print_library, &numbers);
}

int main(int argc, char **argv)
{
    static struct codec codec;
    enum { POINTS_MAX = 1000000 }; /* in memory at once */
    uint64_t points = bench_points(argc, argv, 500000);
    for (enum generate_kind kind = 0; kind < GENERATE_KINDS; kind++) {
        uint32_t count = points < POINTS_MAX ? (uint32_t)points : POINTS_MAX;
        bench_kind(&codec, kind, kind == GENERATE_EVENTS ? 1 + count / 4 : count); /* BATCH_BYTES_MAX */
    }
    bench_numbers("2 decimals", 2, points);
    bench_numbers("3 decimals", 3, points);
    bench_numbers("all 53 bits", 0, points);
    return 0;
}
