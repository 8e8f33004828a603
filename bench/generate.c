#include "generate.h"

#include "json_points.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    JITTER_US = 20000,
    EVENT_BYTES_MAX = 160,
    PATH_BYTES = 4096,
    TEXT_BUFFER_BYTES = 1 << 20,
    TEXT_BATCH_POINTS = 4096,
};

const char *generate_name(enum generate_kind kind)
{
    static const char *const names[GENERATE_KINDS] = {"G", "K", "N", "E"};
    return names[kind];
}

/* SplitMix64 */
static uint64_t random_next(struct generator *generator)
{
    uint64_t mixed = generator->random_state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* Uniform in [-bound, bound] */
static int64_t random_around(struct generator *generator, int64_t bound)
{
    return (int64_t)(random_next(generator) % (uint64_t)(2 * bound + 1)) - bound;
}

/* Uniform in (0, 1] */
static double random_unit(struct generator *generator)
{
    return (double)((random_next(generator) >> 11) + 1) * 0x1p-53;
}

/* Box and Muller's, one of the pair */
static double random_gauss(struct generator *generator)
{
    double radius = sqrt(-2 * log(random_unit(generator)));
    return radius * cos(6.283185307179586 * random_unit(generator));
}

void generator_init(struct generator *generator, enum generate_kind kind, uint64_t stream)
{
    *generator = (struct generator){.kind = kind, .stream = stream};
    generator->random_state = stream * 1000003 + (uint64_t)kind;
    generator->integer = kind == GENERATE_SENSOR ? 2000 : 0;
    generator->real = 20;
}

/* Appends a msgpack string of at most 255 bytes. Returns the end. */
static uint8_t *put_string(uint8_t *to, const char *text)
{
    size_t size = strlen(text);
    if (size < 32) {
        *to++ = (uint8_t)(0xa0 | size);
    } else {
        *to++ = 0xd9;
        *to++ = (uint8_t)size;
    }
    memcpy(to, text, size);
    return to + size;
}

static int push_event(struct generator *generator, struct batch *batch, double time)
{
    static const char *const levels[] = {"info", "info", "info", "warning", "error"};
    static const char *const services[] = {"frontend", "mqtt-bridge", "thermostat", "backup", "scheduler"};
    static const char *const outcomes[] = {"request served from cache", "sensor did not answer, trying again",
        "connection accepted from the local network", "wrote a checkpoint of the state"};
    static const char *const pages[] = {
        "weather", "news/science", "forum/thread", "library/catalogue", "maps/route"};
    uint8_t value[2 * EVENT_BYTES_MAX], *end = value;
    char text[EVENT_BYTES_MAX];
    uint64_t random = random_next(generator);
    unsigned id = (unsigned)(random >> 40);
    if (generator->stream % 2 == 0) {
        snprintf(text, sizeof(text), "%s service=%s request=%08x duration_ms=%u message=\"%s\"",
            levels[random % 5], services[random / 5 % 5], id * 2654435761u, id % 900,
            outcomes[random / 25 % 4]);
        end = put_string(end, text);
    } else {
        *end++ = 0x82; /* a map of two */
        end = put_string(end, "url");
        snprintf(text, sizeof(text), "https://www.example.org/%s/%u?from=%u", pages[random % 5], id % 100000,
            id % 97);
        end = put_string(end, text);
        end = put_string(end, "title");
        snprintf(
            text, sizeof(text), "%s, part %u: what is new and what is next", pages[random % 5], id % 1000);
        end = put_string(end, text);
    }
    return batch_push_msgpack(batch, time, value, (size_t)(end - value));
}

static int push_next(struct generator *generator, struct batch *batch)
{
    int64_t second = GENERATE_START + (int64_t)generator->index;
    int r;
    switch (generator->kind) {
    case GENERATE_SENSOR: {
        int64_t ms = second * 1000 + random_around(generator, JITTER_US / 1000);
        generator->integer += random_around(generator, 5);
        r = batch_push_double(batch, (double)ms / 1e3, (double)generator->integer / 1e2);
        break;
    }
    case GENERATE_COUNTER:
        generator->integer += (int64_t)(random_next(generator) % 10);
        r = batch_push_integer(batch, (double)second, generator->integer);
        break;
    case GENERATE_DOUBLES: {
        int64_t us = second * 1000000 + random_around(generator, JITTER_US);
        generator->real += random_gauss(generator);
        r = batch_push_double(batch, (double)us / 1e6, generator->real);
        break;
    }
    default: {
        int64_t ms = second * 1000 + random_around(generator, JITTER_US / 1000);
        r = push_event(generator, batch, (double)ms / 1e3);
        break;
    }
    }
    if (r == 0)
        generator->index++;
    return r;
}

int generator_fill(struct generator *generator, struct batch *batch, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int r = push_next(generator, batch);
        if (r < 0)
            return r;
    }
    return 0;
}

static int flush_to_file(struct sink *sink, struct error *ret_error)
{
    if (fwrite(sink->buffer, 1, sink->used, sink->context) != sink->used)
        return error_set(ret_error, EIO, "writing generated data: %s", strerror(errno));
    return 0;
}

static int write_text(const char *path, const char *text, struct error *ret_error)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return error_set(ret_error, errno, "create %s: %s", path, strerror(errno));
    bool written = fputs(text, file) >= 0;
    if (fclose(file) != 0 || !written)
        return error_set(ret_error, EIO, "write %s failed", path);
    return 0;
}

static int print_points(struct sink *sink, struct generator *generator, uint64_t points)
{
    struct batch batch;
    batch_init(&batch);
    int r = sink_write(sink, "[", 1);
    for (uint64_t done = 0; r == 0 && done < points; done += batch.count) {
        uint64_t left = points - done;
        batch_clear(&batch);
        r = generator_fill(generator, &batch, left < TEXT_BATCH_POINTS ? (uint32_t)left : TEXT_BATCH_POINTS);
        if (r == 0)
            r = json_points_print(sink, &batch, done == 0);
    }
    batch_free(&batch);
    if (r == 0)
        r = sink_write(sink, "]", 1);
    return r < 0 ? r : sink_flush(sink);
}

static int write_data(const char *path, struct generator *generator, uint64_t points, uint64_t *ret_bytes,
    struct error *ret_error)
{
    struct sink sink = {.capacity = TEXT_BUFFER_BYTES, .flush = flush_to_file};
    int r = 0;
    FILE *file = fopen(path, "w");
    if (!file)
        return error_set(ret_error, errno, "create %s: %s", path, strerror(errno));
    sink.context = file;
    sink.buffer = malloc(TEXT_BUFFER_BYTES);
    if (sink.buffer)
        r = print_points(&sink, generator, points);
    else
        r = -ENOMEM;
    if (fclose(file) != 0 && r == 0)
        r = -EIO;
    if (r < 0)
        error_set(ret_error, -r, "write %s: %s", path, strerror(-r));
    else
        *ret_bytes += sink.total;
    free(sink.buffer);
    return r;
}

static int make_folder(char *path, const char *directory, const char *inner, struct error *ret_error)
{
    if ((size_t)snprintf(path, PATH_BYTES, "%s%s", directory, inner) >= PATH_BYTES)
        return error_set(ret_error, ENAMETOOLONG, "%s: path too long", directory);
    if (mkdir(path, 0777) < 0)
        return error_set(ret_error, errno, "mkdir %s: %s", path, strerror(errno));
    return 0;
}

static int write_named(const char *folder, const char *name, const char *text, struct error *ret_error)
{
    char path[PATH_BYTES];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
        return error_set(ret_error, ENAMETOOLONG, "%s: path too long", folder);
    return write_text(path, text, ret_error);
}

/* Folder, user and devices; stream folders follow. */
static int write_owner(const char *directory, struct error *ret_error)
{
    static const char user[] =
        "{\n\t\"name\": \"bench\",\n\t\"nickname\": \"\",\n\t\"email\": "
        "\"bench@localhost\",\n\t\"description\": \"\",\n"
        "\t\"icon\": \"\",\n\t\"role\": \"user\",\n\t\"public\": false,\n"
        /* bcrypt, cost 4 (checked in no time), of "bench" and the salt */
        "\t\"password\": \"$2a$04$abcdefghijklmnopqrstuu5oxSr1kx8Y3UYvKGn7lTR.xJzVULG.m\",\n"
        "\t\"password_salt\": \"salt\",\n\t\"password_scheme\": \"bcrypt\"\n}";
    static const char user_device[] =
        "{\n\t\"name\": \"user\",\n\t\"nickname\": \"\",\n\t\"description\": \"\",\n\t\"icon\": \"\",\n"
        "\t\"apikey\": \"00000000-0000-4000-8000-000000000001\",\n\t\"enabled\": true,\n\t\"public\": "
        "false,\n"
        "\t\"role\": \"user\",\n\t\"visible\": true,\n\t\"user_editable\": true\n}";
    static const char data_device[] =
        "{\n\t\"name\": \"data\",\n\t\"nickname\": \"\",\n\t\"description\": \"\",\n\t\"icon\": \"\",\n"
        "\t\"apikey\": \"00000000-0000-4000-8000-000000000002\",\n\t\"enabled\": true,\n\t\"public\": "
        "false,\n"
        "\t\"role\": \"\",\n\t\"visible\": true,\n\t\"user_editable\": true\n}";
    static const char root[] = "{\n\t\"Version\": 2,\n\t\"ConnectorDB\": \"0.3.0\"\n}";
    char path[PATH_BYTES];
    int r = make_folder(path, directory, "", ret_error);
    if (r == 0)
        r = write_named(path, "connectordb.json", root, ret_error);
    if (r == 0)
        r = make_folder(path, directory, "/bench", ret_error);
    if (r == 0)
        r = write_named(path, "user.json", user, ret_error);
    if (r == 0)
        r = make_folder(path, directory, "/bench/user", ret_error);
    if (r == 0)
        r = write_named(path, "device.json", user_device, ret_error);
    if (r == 0)
        r = make_folder(path, directory, "/bench/data", ret_error);
    if (r == 0)
        r = write_named(path, "device.json", data_device, ret_error);
    return r;
}

static int write_stream(const char *directory, enum generate_kind kind, uint32_t stream, uint64_t points,
    uint64_t *ret_bytes, struct error *ret_error)
{
    char folder[PATH_BYTES], inner[64], text[512];
    snprintf(inner, sizeof(inner), "/bench/data/s%u", stream);
    int r = make_folder(folder, directory, inner, ret_error);
    if (r < 0)
        return r;
    snprintf(text, sizeof(text),
        "{\n\t\"name\": \"s%u\",\n\t\"nickname\": \"\",\n\t\"description\": \"\",\n\t\"icon\": \"\",\n"
        "\t\"schema\": \"{}\",\n\t\"datatype\": \"\",\n\t\"ephemeral\": false,\n\t\"downlink\": false\n}",
        stream);
    r = write_named(folder, "stream.json", text, ret_error);
    if (r < 0)
        return r;
    char path[PATH_BYTES + 16];
    snprintf(path, sizeof(path), "%s/data.json", folder);
    struct generator generator;
    generator_init(&generator, kind, stream);
    return write_data(path, &generator, points, ret_bytes, ret_error);
}

int generate_export(const char *directory, enum generate_kind kind, uint32_t streams, uint64_t points,
    uint64_t *ret_bytes, struct error *ret_error)
{
    uint64_t bytes = 0;
    int r = write_owner(directory, ret_error);
    for (uint32_t i = 0; r == 0 && i < streams; i++)
        r = write_stream(directory, kind, i, points, &bytes, ret_error);
    if (r == 0)
        *ret_bytes = bytes;
    return r;
}
