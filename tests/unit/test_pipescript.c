/* PipeScript: the recorded cases of ConnectorDB 0.3 when they are there, and tables of our own that always
 * run. */
#include "descriptions.h"
#include "json_points.h"
#include "script.h"
#include "sentiment.h"
#include "test.h"
#include "transform.h"
#include "zone.h"

#include <jansson.h>
#include <math.h>

/* ---- running a script over JSON ---- */

struct text {
    const char *at;
    size_t left;
};

static long read_text(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct text *text = context;
    (void)ret_error;
    size_t count = text->left < size ? text->left : size;
    memcpy(buffer, text->at, count);
    text->at += count;
    text->left -= count;
    return (long)count;
}

static void read_points(const char *json, struct batch *batch)
{
    struct error error = {0};
    struct json_points *reader;
    struct text source = {json, strlen(json)};
    batch_init(batch);
    assert_int_equal(json_points_open(&(struct json_points_options){0}, read_text, &source, &reader), 0);
    if (json_points_read(reader, batch, BATCH_POINTS_MAX, &error) < 0)
        fail_msg("%s: %s", json, error.message);
    json_points_close(reader);
    for (uint32_t i = 0; i < batch->count; i++)
        if (isnan(batch_time(batch, i)))
            fail_msg("%s: a point has no time", json);
}

/* Gives a batch in pieces of `piece` points. */
struct feed {
    const struct batch *batch;
    struct batch slice;
    uint32_t at, piece;
};

static int feed_next(void *context, const struct batch **ret_batch, struct error *ret_error)
{
    struct feed *feed = context;
    uint32_t left = feed->batch->count - feed->at, count = left < feed->piece ? left : feed->piece;
    (void)ret_error;
    *ret_batch = NULL;
    if (count > 0) {
        batch_slice(feed->batch, feed->at, count, &feed->slice);
        *ret_batch = &feed->slice;
    }
    feed->at += count;
    return 0;
}

static int put_text(struct sink *sink, struct error *ret_error)
{
    (void)ret_error;
    return fwrite(sink->buffer, 1, sink->used, sink->context) == sink->used ? 0 : -EIO;
}

struct outcome {
    int result; /* of compiling or running */
    bool compiled;
    char *output; /* JSON */
    struct error error;
};

static void collect(struct script_run *run, struct outcome *outcome)
{
    size_t size;
    FILE *file = open_memstream(&outcome->output, &size);
    static uint8_t buffer[16384];
    struct sink sink = {.buffer = buffer, .capacity = sizeof(buffer), .flush = put_text, .context = file};
    const struct batch *batch;
    bool first = true;
    (void)fputc('[', file);
    while ((outcome->result = script_run_next(run, &batch, &outcome->error)) == 0 && batch) {
        assert_int_equal(json_points_print(&sink, batch, first), 0);
        assert_int_equal(sink_flush(&sink), 0);
        first = false;
    }
    (void)fputc(']', file);
    (void)fclose(file);
}

static struct outcome run_batch(const char *text, size_t size, const struct batch *batch, uint32_t piece,
    const struct script_limits *limits)
{
    struct outcome outcome = {0};
    struct script *script;
    struct script_run *run;
    outcome.result = script_compile(text, size, limits, &script, &outcome.error);
    if (outcome.result < 0)
        return outcome;
    outcome.compiled = true;
    struct feed feed = {.batch = batch, .piece = piece};
    assert_int_equal(script_run_open(script, feed_next, &feed, &run), 0);
    collect(run, &outcome);
    char *first = outcome.output; /* a second sequence gives the same */
    struct outcome again = {0};
    feed.at = 0;
    assert_int_equal(script_run_reset(run, &again.error), 0);
    collect(run, &again);
    if (again.result != outcome.result ||
        (strcmp(first, again.output) != 0 && !memmem(text, size, "rand", 4)))
        fail_msg("%.*s: the second run gives %s, the first %s", (int)size, text, again.output, first);
    free(again.output);
    script_run_close(run);
    script_free(script);
    return outcome;
}

static struct outcome run_json(const char *text, const char *points, uint32_t piece)
{
    struct batch batch;
    read_points(points, &batch);
    struct outcome outcome = run_batch(text, strlen(text), &batch, piece, NULL);
    batch_free(&batch);
    return outcome;
}

/* ---- comparing ---- */

static bool values_equal(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);
        return x == y || fabs(x - y) <= 1e-14 * fabs(x); /* sums of products in another order: distance */
    }
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a)) {
        for (size_t i = 0; i < json_array_size(a); i++)
            if (i >= json_array_size(b) || !values_equal(json_array_get(a, i), json_array_get(b, i)))
                return false;
        return json_array_size(a) == json_array_size(b);
    }
    if (json_is_object(a)) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)a, key, value)
        {
            const json_t *other = json_object_get(b, key);
            if (!other || !values_equal(value, other))
                return false;
        }
        return json_object_size(a) == json_object_size(b);
    }
    return json_equal(a, b);
}

/* A missing d is null, a missing t is 0. */
static void complete(json_t *points)
{
    size_t i;
    json_t *point;
    json_array_foreach(points, i, point)
    {
        if (!json_object_get(point, "d"))
            json_object_set_new(point, "d", json_null());
        if (!json_object_get(point, "t"))
            json_object_set_new(point, "t", json_real(0));
    }
}

/* ---- the recorded cases ---- */

/* What is wanted instead of the record: see shared/reference (deviations, and the list of bugs B1 to B21). */
enum better { BETTER_PARSE_ERROR = 1, BETTER_RESULT, BETTER_NULL, BETTER_SKIPPED };

static const struct {
    const char *script;
    enum better better;
    const char *why;
} DEVIATIONS[] = {
    {"1.", BETTER_PARSE_ERROR, "B1: text behind an unknown character is an error"},
    {"1.5.2", BETTER_PARSE_ERROR, "B1"},
    {"d=1", BETTER_PARSE_ERROR, "B1"},
    {"d=!1", BETTER_PARSE_ERROR, "B1"},
    {"d&&d", BETTER_PARSE_ERROR, "B1"},
    {"d;d", BETTER_PARSE_ERROR, "B1"},
    {"d.a", BETTER_PARSE_ERROR, "B1"},
    {"d ? 1 : 2", BETTER_PARSE_ERROR, "B1"},
    {"d\xc2\xa0+1", BETTER_PARSE_ERROR, "B1"},
    {"d \xe2\x80\x83+1", BETTER_PARSE_ERROR, "B1"},
    {"notd", BETTER_PARSE_ERROR, "B2: keywords are whole words"},
    {"d andd", BETTER_PARSE_ERROR, "B2"},
    {"d ord", BETTER_PARSE_ERROR, "B2"},
    {"nottrue", BETTER_PARSE_ERROR, "B2"},
    {"trueor false", BETTER_PARSE_ERROR, "B2"},
    {"trueand false", BETTER_PARSE_ERROR, "B2"},
    {"true andtrue", BETTER_PARSE_ERROR, "B2"},
    {"tshift -10", BETTER_RESULT, "B3: tshift needs an argument"},
    {"d==1:d", BETTER_RESULT, "B4: a constant into a transform is evaluated"},
    {"d|d+1:d*2", BETTER_RESULT, "B4"},
    {"d+1:d*2", BETTER_RESULT, "B4"},
    {"d + while(d,count)", BETTER_PARSE_ERROR, "B6: while gives no result for each datapoint"},
    {"d/d", BETTER_NULL, "NaN and infinities are written null"},
};

/* 0: judged by the record. */
static enum better deviation(const char *script, const json_t *test)
{
    const char *quirk = json_string_value(json_object_get(test, "quirk"));
    const json_t *first = json_array_get(json_object_get(test, "input"), 0);
    if (strstr(script, "sentiment") && !sentiment_is_built_in())
        return BETTER_SKIPPED; /* tools/fetch-words could not fetch the list */
    if (strcmp(script, "sentiment:mean") == 0 && !json_object_get(test, "error"))
        return BETTER_RESULT; /* the mean of the scores as they are printed, not of their single precision */
    if (quirk && strstr(quirk, "not a finite number"))
        return BETTER_NULL;
    if (strstr(script, "dt") && first && json_number_value(json_object_get(first, "t")) == 0 &&
        !strstr(script, "width"))
        return BETTER_RESULT; /* B9: the time 0 is a time */
    const char *message = json_string_value(json_object_get(test, "message"));
    for (size_t i = 0; i < sizeof(DEVIATIONS) / sizeof(DEVIATIONS[0]); i++)
        if (strcmp(script, DEVIATIONS[i].script) == 0 &&
            (DEVIATIONS[i].better != BETTER_NULL || (message && strstr(message, "unsupported value"))))
            return DEVIATIONS[i].better;
    return 0;
}

struct tally {
    unsigned judged, deviating, skipped, wrong;
};

static void judge(const json_t *test, struct tally *tally)
{
    const char *script = json_string_value(json_object_get(test, "script"));
    const char *expected_error = json_string_value(json_object_get(test, "error"));
    enum better better = deviation(script, test);
    json_t *input = json_deep_copy(json_object_get(test, "input"));
    if (better == BETTER_SKIPPED) {
        tally->skipped++;
        json_decref(input);
        return;
    }
    complete(input);
    /* Value by value: the reader of datapoints takes a time of 0 for a missing one. */
    char *points = json_dumps(input, JSON_REAL_PRECISION(17));
    struct batch batch;
    size_t i;
    json_t *point;
    batch_init(&batch);
    struct batch values;
    json_array_foreach(input, i, point)
    {
        char *one = NULL;
        char *d = json_dumps(json_object_get(point, "d"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        uint8_t scratch[9];
        size_t size;
        assert_true(asprintf(&one, "[{\"t\":1,\"d\":%s}]", d) > 0);
        read_points(one, &values);
        const uint8_t *value = batch_value(&values, 0, scratch, &size);
        assert_int_equal(
            batch_push_msgpack(&batch, json_number_value(json_object_get(point, "t")), value, size), 0);
        batch_free(&values);
        free(one);
        free(d);
    }
    struct outcome outcome =
        run_batch(script, strlen(script), &batch, tally->judged % 3 == 0 ? 1 : 1000, NULL);
    batch_free(&batch);
    json_error_t json_error;
    json_t *got =
        outcome.output ? json_loads(outcome.output, JSON_DECODE_INT_AS_REAL, &json_error) : json_array();
    json_t *wanted = json_deep_copy(json_object_get(test, expected_error ? "partial_output" : "output"));
    const char *kind = outcome.result == 0 ? "" : outcome.compiled ? "run" : "parse";
    bool right;
    if (!got)
        fail_msg("%s: the output is no JSON: %s", script, outcome.output);
    if (better) {
        right = better == BETTER_PARSE_ERROR ? strcmp(kind, "parse") == 0
                : better == BETTER_RESULT
                    ? outcome.result == 0
                    : strcmp(kind, "parse") != 0 && json_array_size(got) > json_array_size(wanted);
        tally->deviating++;
    } else {
        complete(wanted);
        right = strcmp(kind, expected_error ? expected_error : "") == 0 &&
                (strcmp(kind, "parse") == 0 || values_equal(got, wanted));
    }
    tally->judged++;
    if (!right) {
        char *text = json_dumps(wanted, JSON_REAL_PRECISION(17));
        if (tally->wrong++ < 40)
            print_error("script: %s\n  input: %s\n  wanted: %s %s (%s)\n  got:    %s %s %s\n", script, points,
                expected_error ? expected_error : "", text,
                expected_error ? json_string_value(json_object_get(test, "message")) : "", kind,
                outcome.output ? outcome.output : "", outcome.error.message);
        free(text);
    }
    json_decref(wanted);
    json_decref(got);
    json_decref(input);
    free(points);
    free(outcome.output);
}

static void test_recorded_cases(void **state)
{
    char *path = test_shared_path("vectors/pipescript.json");
    json_error_t error;
    struct tally tally = {0};
    size_t i;
    json_t *file = json_load_file(path, JSON_DECODE_INT_AS_REAL, &error), *test;
    (void)state;
    if (!file)
        fail_msg("%s: %s", path, error.text);
    json_t *cases = json_object_get(file, "cases");
    json_array_foreach(cases, i, test) judge(test, &tally);
    print_message("%u judged (%u of them in a better form), %u skipped, %u wrong\n", tally.judged,
        tally.deviating, tally.skipped, tally.wrong);
    assert_int_equal(tally.wrong, 0);
    assert_int_equal(tally.judged + tally.skipped, json_array_size(cases));
    json_decref(file);
    free(path);
}

/* ---- tables that always run ---- */

struct script_case {
    const char *script, *input, *output;
};

#define TIMES "[{\"t\":1,\"d\":1},{\"t\":2,\"d\":5},{\"t\":3,\"d\":3}]"
static const struct script_case CASES[] = {
    {"$", TIMES, TIMES},
    {"", TIMES, TIMES},
    {"d*2+1", TIMES, "[{\"t\":1,\"d\":3},{\"t\":2,\"d\":11},{\"t\":3,\"d\":7}]"},
    {"2^3^2", "[{\"t\":1,\"d\":0}]", "[{\"t\":1,\"d\":64}]"},
    {"-2^2", "[{\"t\":1,\"d\":0}]", "[{\"t\":1,\"d\":4}]"},
    {"not d == 5", TIMES, "[{\"t\":1,\"d\":true},{\"t\":2,\"d\":false},{\"t\":3,\"d\":true}]"},
    {"if d > 2 | count", TIMES, "[{\"t\":2,\"d\":1},{\"t\":3,\"d\":2}]"},
    {"if last", TIMES, "[{\"t\":3,\"d\":3}]"},
    {"next - d", TIMES, "[{\"t\":1,\"d\":4},{\"t\":2,\"d\":-2},{\"t\":3,\"d\":-3}]"},
    {"max", TIMES, "[{\"t\":1,\"d\":1},{\"t\":2,\"d\":5},{\"t\":2,\"d\":5}]"},
    {"map(d > 2, count)", TIMES, "[{\"t\":3,\"d\":{\"false\":1,\"true\":2}}]"},
    {"while(d > 2, sum)", TIMES, "[{\"t\":3,\"d\":9}]"},
    {"ifelse(d > 2, 'high', 'low')", TIMES,
        "[{\"t\":1,\"d\":\"low\"},{\"t\":2,\"d\":\"high\"},{\"t\":3,\"d\":\"high\"}]"},
    {"{'a': d, 'b': {'c': count}} | d('b') | d['c']", TIMES,
        "[{\"t\":1,\"d\":1},{\"t\":2,\"d\":2},{\"t\":3,\"d\":3}]"},
    {"tshift -5", "[{\"t\":10,\"d\":1}]", "[{\"t\":5,\"d\":1}]"},
    {"count - 1", TIMES, "[{\"t\":1,\"d\":0},{\"t\":2,\"d\":1},{\"t\":3,\"d\":2}]"},
    {"d / 0", "[{\"t\":1,\"d\":1}]", "[{\"t\":1,\"d\":null}]"},
    {"if d > 1", "[{\"t\":1,\"d\":9007199254740993},{\"t\":2,\"d\":0}]",
        "[{\"t\":1,\"d\":9007199254740993}]"},
    {"set('b', d('a') + 1)", "[{\"t\":1,\"d\":{\"a\":[1],\"c\":2.5}},{\"t\":2,\"d\":{\"a\":1}}]", NULL},
    {"reduce(sum)", "[{\"t\":1,\"d\":{\"a\":1,\"b\":2}}]", "[{\"t\":1,\"d\":3}]"},
    {"top(1)", "[{\"t\":1,\"d\":{\"b\":2,\"a\":2,\"c\":1}}]", "[{\"t\":1,\"d\":{\"a\":2}}]"},
    {"day('Europe/Berlin')", "[{\"t\":1489536000,\"d\":1}]", "[{\"t\":1489536000,\"d\":17240}]"},
    {"regex('^a.c$')", "[{\"t\":1,\"d\":\"abc\"},{\"t\":2,\"d\":\"abd\"}]",
        "[{\"t\":1,\"d\":true},{\"t\":2,\"d\":false}]"},
};

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        for (uint32_t piece = 1; piece <= 3; piece += 2) {
            struct outcome outcome = run_json(CASES[i].script, CASES[i].input, piece);
            if (CASES[i].output ? outcome.result != 0 || strcmp(outcome.output, CASES[i].output) != 0
                                : outcome.result != -EINVAL)
                fail_msg("%s: %d %s %s", CASES[i].script, outcome.result,
                    outcome.output ? outcome.output : "", outcome.error.message);
            free(outcome.output);
        }
    }
}

static const struct {
    const char *script, *message;
} PARSE_ERRORS[] = {
    {"regex('[\xff]')", "the script is not UTF-8"},
    {" ", "something is missing, line 1, byte 2"},
    {"d >", "something is missing, line 1, byte 4"},
    {"if d >\n  #", "unexpected character '#', line 2, byte 10 of the script, at ^ in:   ^#"},
    {"dt + nonsense(1)", "there is no transform nonsense, line 1, byte 6"},
    {"count(1)", "count takes at most 0 arguments, 1 are given"},
    {"set('a')", "argument 2 of set is missing"},
    {"tshift(d)", "argument 1 of tshift must be constant"},
    {"d + if(d)", "an operand does not give one result"},
    {"map(d, last)", "must not look at datapoints to come"},
    {"{'a': 1, 'a': 2}", "the key is there twice"},
    {"{'a': last}", "must not look at datapoints to come"},
    {"next(1000)", "cannot look more than 100"},
    {"regex('(?=a)')", "look-around is not supported"},
    {"regex('(a)\\\\1')", "back-references are not supported"},
    {"hour('Nowhere/Else')", "the time zone Nowhere/Else is not known"},
    {"hour('../../etc/passwd')", "is not the name of a time zone"},
    {"(d]", "unexpected ']'"},
    {"'a", "the string does not end on its line"},
};

static void test_parse_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(PARSE_ERRORS) / sizeof(PARSE_ERRORS[0]); i++) {
        struct script *script;
        struct error error = {0};
        int r = script_compile(PARSE_ERRORS[i].script, strlen(PARSE_ERRORS[i].script), NULL, &script, &error);
        if (r != -EINVAL || !strstr(error.message, PARSE_ERRORS[i].message))
            fail_msg("%s: %d %s", PARSE_ERRORS[i].script, r, error.message);
    }
}

static void test_sentiment(void **state)
{
    static const char TEXTS[] =
        "[{\"t\":1,\"d\":\"I hate this!\"},{\"t\":2,\"d\":\"I like traaains\"},{\"t\":3,\"d\":\"GOOD "
        "good, Bad\"},{\"t\":4,\"d\":\" \"},{\"t\":5,\"d\":\"li\u212ae na\u00cfVE\"},{\"t\":6,\"d\":"
        "\"superduperlongwordthatisnotinthelistatall not-good\"},{\"t\":7,\"d\":true}]";
    (void)state;
    if (!sentiment_is_built_in()) {
        struct script *script;
        struct error error = {0};
        assert_int_equal(script_compile("sentiment", 9, NULL, &script, &error), -EINVAL);
        assert_non_null(strstr(error.message, "AFINN-111, is not installed"));
        return;
    }
    struct outcome outcome = run_json("sentiment", TEXTS, 10);
    assert_int_equal(outcome.result, 0);
    assert_string_equal(outcome.output, "[{\"t\":1,\"d\":-0.2},{\"t\":2,\"d\":0.13333334},{\"t\":3,\"d\":0.2}"
                                        ",{\"t\":4,\"d\":0},{\"t\":5,\"d\":0},"
                                        "{\"t\":6,\"d\":0.2},{\"t\":7,\"d\":0.4}]");
    free(outcome.output);
}

static void test_run_errors_name_the_transform_and_the_datapoint(void **state)
{
    (void)state;
    struct outcome outcome = run_json("sum | d + 1", "[{\"t\":1,\"d\":1},{\"t\":2.5,\"d\":\"x\"}]", 10);
    assert_int_equal(outcome.result, -EINVAL);
    assert_string_equal(outcome.output, "[{\"t\":1,\"d\":2}]");
    assert_non_null(strstr(outcome.error.message, "sum at t = 2.5: could not convert 'x' to a number"));
    free(outcome.output);
}

/* ---- limits ---- */

static void test_deep_scripts_are_refused(void **state)
{
    static const char *const OPENS[] = {"(", "-", "not ", "{'a':", "d|", "1+", "d:", "apply("};
    (void)state;
    for (size_t i = 0; i < sizeof(OPENS) / sizeof(OPENS[0]); i++) {
        char *text = calloc(1, 2000 * 6 + 2), *at = text;
        struct script *script;
        struct error error = {0};
        for (int n = 0; n < 2000; n++)
            at = stpcpy(at, OPENS[i]);
        (void)strcpy(at, "d");
        int r = script_compile(text, strlen(text), NULL, &script, &error);
        if (r != -E2BIG)
            fail_msg("%s...: %d %s", OPENS[i], r, error.message);
        free(text);
    }
}

static const struct {
    const char *script;
    int result;
} HOSTILE[] = {
    {"map(d, count)", -EINVAL},
    {"imap(d, count) | length", -EINVAL},
    {"new", -EINVAL},
    {"append", -EINVAL},
    {"map(count, {'a': append, 'b': append})", -EINVAL},
    {"imap(i % 100, {'a': d, 'b': 'a long text that takes some memory for each of the keys'}) | length", 0},
    {"next(100) | next(100) | next(100)", 0},
    {"'x' + 'y' | "
     "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' "
     "| append",
        -EINVAL},
};

static void test_hostile_scripts_stay_within_their_limits(void **state)
{
    struct batch batch;
    struct script_limits limits = {.split_max = 1000, .string_max = 10000, .bytes_max = 4 << 20};
    (void)state;
    batch_init(&batch);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(batch_push_integer(&batch, i, 1000000 + i), 0);
    for (size_t i = 0; i < sizeof(HOSTILE) / sizeof(HOSTILE[0]); i++) {
        struct outcome outcome =
            run_batch(HOSTILE[i].script, strlen(HOSTILE[i].script), &batch, 1000, &limits);
        if (outcome.result != HOSTILE[i].result)
            fail_msg("%s: %d %s", HOSTILE[i].script, outcome.result, outcome.error.message);
        free(outcome.output);
    }
    batch_free(&batch);
}

/* Its work grows with the square of the points: it would take a minute. */
static void test_a_script_ends_when_it_takes_too_long(void **state)
{
    static const char SCRIPT[] = "imap(i, count) | if length == 0";
    struct batch batch;
    struct script_limits limits = {.cpu_ms = 1};
    (void)state;
    batch_init(&batch);
    for (int i = 0; i < 40000; i++)
        assert_int_equal(batch_push_integer(&batch, i, i), 0);
    struct outcome outcome = run_batch(SCRIPT, sizeof(SCRIPT) - 1, &batch, 1000, &limits);
    assert_int_equal(outcome.result, -E2BIG);
    assert_non_null(strstr(outcome.error.message, "takes too long"));
    free(outcome.output);
    batch_free(&batch);
}

/* ---- zones ---- */

static const struct {
    const char *zone;
    int64_t seconds;
    int32_t offset;
} OFFSETS[] = {
    {"UTC", 1489500000, 0}, {"Europe/Berlin", 1489500000, 3600}, /* winter 2017 */
    {"Europe/Berlin", 1500000000, 7200},                         /* summer 2017 */
    {"Europe/Berlin", 1490489999, 3600},                         /* the second before summer time */
    {"Europe/Berlin", 1490490000, 7200},
    {"Europe/Berlin", 4102444800, 3600}, /* 2100-01-01: by the rule in the footer */
    {"Europe/Berlin", 4118083200, 7200}, /* 2100-07-01 */
    {"America/New_York", 4118083200, -14400}, {"Australia/Sydney", 4102444800, 39600}, /* summer there */
    {"Asia/Kolkata", 1489500000, 19800}, {"America/New_York", -3000000000, -17762},    /* local mean time */
};

static void test_zone_offsets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(OFFSETS) / sizeof(OFFSETS[0]); i++) {
        struct zone *zone;
        struct error error = {0};
        if (zone_load(OFFSETS[i].zone, &zone, &error) < 0)
            fail_msg("%s", error.message);
        if (zone_offset(zone, OFFSETS[i].seconds) != OFFSETS[i].offset)
            fail_msg("%s at %lld: %d", OFFSETS[i].zone, (long long)OFFSETS[i].seconds,
                zone_offset(zone, OFFSETS[i].seconds));
        zone_free(zone);
    }
}

/* ---- the table ---- */

static void test_every_transform_is_there(void **state)
{
    size_t count = 0;
    (void)state;
    for (const struct transform *transform; (transform = transform_at(count)); count++)
        for (size_t i = 0; i < count; i++)
            assert_string_not_equal(transform_at(i)->name, transform->name);
    assert_int_equal(count, 55);
}

static void test_every_transform_is_described(void **state)
{
    size_t count = 0;
    (void)state;
    for (const char *name; (name = descriptions_transform_name(count)); count++) {
        assert_non_null(transform_find(name, strlen(name)));
        if (count > 0)
            assert_true(strcmp(descriptions_transform_name(count - 1), name) < 0);
    }
    assert_int_equal(count, 55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_cases),
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_parse_errors),
        cmocka_unit_test(test_sentiment),
        cmocka_unit_test(test_run_errors_name_the_transform_and_the_datapoint),
        cmocka_unit_test(test_deep_scripts_are_refused),
        cmocka_unit_test(test_hostile_scripts_stay_within_their_limits),
        cmocka_unit_test(test_a_script_ends_when_it_takes_too_long),
        cmocka_unit_test(test_zone_offsets),
        cmocka_unit_test(test_every_transform_is_there),
        cmocka_unit_test(test_every_transform_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
