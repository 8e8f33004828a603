/* Descriptions of transforms and interpolators for the API. The fields are those of ConnectorDB 0.3, whose
 * clients show them; a test keeps the names in step with the table of transforms. */
#include "descriptions.h"

#include "json_points.h"

#include <string.h>

enum { ARGUMENTS_MAX = 3 };

enum transform_flags { ONE_TO_ONE = 1, STATELESS = 2, PEEKS = 4 };
enum argument_flags { OPTIONAL = 1, CONSTANT = 2, SCRIPT = 4 };

struct argument {
    const char *text;
    unsigned flags;
    const char *omitted; /* JSON: what an argument that is left out stands for; NULL: nothing */
};

struct description {
    const char *name, *text;
    const char *input, *output; /* JSON Schemas of the values; NULL: any */
    unsigned flags;
    struct argument arguments[ARGUMENTS_MAX]; /* up to the first one without a text */
};

static const struct description TRANSFORMS[] = {
    {.name = "$",
        .text = "The value of the datapoint, or the part of it that the argument names.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"The key of an object, the index of an array", OPTIONAL | CONSTANT, NULL}}},
    {.name = "alltrue", .text = "True if all values so far were true.", .flags = ONE_TO_ONE},
    {.name = "anytrue", .text = "True if any value so far was true.", .flags = ONE_TO_ONE},
    {.name = "append",
        .text = "All texts so far, one behind the other.",
        .output = "{\"type\": \"string\"}",
        .flags = ONE_TO_ONE},
    {.name = "apply",
        .text = "The object with the script's result in place of each value.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"The script", SCRIPT, NULL}}},
    {.name = "bottom",
        .text = "The fields of the object with the least weights.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"How many", 0, NULL}, {"The weight of a field", OPTIONAL | SCRIPT, "null"}}},
    {.name = "bucket",
        .text = "The interval that the number falls into.",
        .output = "{\"type\": \"string\"}",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"The width of an interval", OPTIONAL | CONSTANT, "10"},
            {"Where an interval starts", OPTIONAL | CONSTANT, "0"}}},
    {.name = "changed", .text = "True if the value differs from the one before it.", .flags = ONE_TO_ONE},
    {.name = "contains",
        .text = "True if the text has the other text in it.",
        .output = "{\"type\": \"boolean\"}",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"The text to look for", CONSTANT, NULL}}},
    {.name = "count",
        .text = "The number of datapoints so far.",
        .output = "{\"type\": \"integer\",\"minimum\": 0}",
        .flags = ONE_TO_ONE},
    {.name = "d",
        .text = "The value of the datapoint, or the part of it that the argument names.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"The key of an object, the index of an array", OPTIONAL | CONSTANT, NULL}}},
    {.name = "day",
        .text = "Days since 1970.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Time zone", OPTIONAL | CONSTANT, "\"Local\""}}},
    {.name = "dayhour",
        .text = "The hour of the day, 0 to 23.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Time zone", OPTIONAL | CONSTANT, "\"Local\""}}},
    {.name = "del",
        .text = "The object without one key.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"The key", CONSTANT, NULL}}},
    {.name = "distance",
        .text = "Meters to a place, from an object with latitude and longitude.",
        .output = "{\"type\": \"boolean\"}",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Latitude of the place", CONSTANT, NULL}, {"Longitude of the place", CONSTANT, NULL}}},
    {.name = "domain",
        .text = "The domain of a URL.",
        .output = "{\"type\": \"string\"}",
        .flags = ONE_TO_ONE | STATELESS},
    {.name = "dt", .text = "Seconds since the datapoint before.", .flags = ONE_TO_ONE},
    {.name = "filter",
        .text = "The object without the fields for which the script is true.",
        .flags = ONE_TO_ONE,
        .arguments = {{"The script", SCRIPT, NULL}}},
    {.name = "first",
        .text = "True for the first datapoint.",
        .output = "{\"type\": \"boolean\"}",
        .flags = ONE_TO_ONE},
    {.name = "hour",
        .text = "Hours since 1970.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Time zone", OPTIONAL | CONSTANT, "\"Local\""}}},
    {.name = "i",
        .text = "The index of the datapoint, from 0.",
        .output = "{\"type\": \"integer\",\"minimum\": 0}",
        .flags = ONE_TO_ONE},
    {.name = "if",
        .text = "Passes the datapoints for which the condition is true.",
        .arguments = {{"The condition", 0, NULL}}},
    {.name = "ifelse",
        .text = "Runs one script on the datapoints for which the condition is true and another on the rest.",
        .flags = ONE_TO_ONE,
        .arguments = {{"The condition", 0, NULL}, {"The script where it is true", SCRIPT, NULL},
            {"The script where it is false", OPTIONAL | SCRIPT, "null"}}},
    {.name = "imap",
        .text = "As map, with the object so far for each datapoint.",
        .flags = ONE_TO_ONE,
        .arguments = {{"The key to split by", 0, NULL}, {"The script", SCRIPT, NULL}}},
    {.name = "iwhile",
        .text = "As while, with each result of the script.",
        .flags = ONE_TO_ONE,
        .arguments = {{"The condition", 0, NULL}, {"The script", SCRIPT, NULL}}},
    {.name = "last",
        .text = "True for the last datapoint.",
        .output = "{\"type\": \"boolean\"}",
        .flags = ONE_TO_ONE | PEEKS},
    {.name = "length",
        .text = "The number of elements of an array or object, or the bytes of a text.",
        .output = "{\"type\": \"integer\"}",
        .flags = ONE_TO_ONE | STATELESS},
    {.name = "map",
        .text = "Splits the datapoints by a key, runs the script on each part, and gives one object with the "
                "last results.",
        .arguments = {{"The key to split by", 0, NULL}, {"The script", SCRIPT, NULL}}},
    {.name = "max",
        .text = "The datapoint with the greatest value so far.",
        .flags = ONE_TO_ONE,
        .arguments = {{"What to compare", OPTIONAL, "null"}}},
    {.name = "mean", .text = "The mean of the values so far.", .flags = ONE_TO_ONE},
    {.name = "min",
        .text = "The datapoint with the least value so far.",
        .flags = ONE_TO_ONE,
        .arguments = {{"What to compare", OPTIONAL, "null"}}},
    {.name = "month",
        .text = "Months since 1970, from 1.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Time zone", OPTIONAL | CONSTANT, "\"Local\""}}},
    {.name = "monthday",
        .text = "The day of the month, from 1.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Time zone", OPTIONAL | CONSTANT, "\"Local\""}}},
    {.name = "new",
        .text = "True if the value has not been seen before.",
        .output = "{\"type\": \"boolean\"}",
        .flags = ONE_TO_ONE},
    {.name = "next",
        .text = "A datapoint that follows; null past the end.",
        .flags = ONE_TO_ONE | PEEKS,
        .arguments = {{"How many datapoints ahead", OPTIONAL | CONSTANT, "1"}}},
    {.name = "percent",
        .text = "The values of the object as parts of their sum.",
        .flags = ONE_TO_ONE | STATELESS},
    {.name = "rand",
        .text = "A random number, at least 0 and less than 1.",
        .output = "{\"type\": \"number\",\"minimum\": 0, \"exclusiveMaximum\": 1}",
        .flags = ONE_TO_ONE},
    {.name = "reduce",
        .text = "Runs the script over the values of an object and gives its last result.",
        .flags = ONE_TO_ONE,
        .arguments = {{"The script", SCRIPT, NULL}}},
    {.name = "regex",
        .text = "True if the text matches the regular expression.",
        .output = "{\"type\": \"boolean\"}",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"The regular expression", CONSTANT, NULL}}},
    {.name = "remember",
        .text = "Holds a value until the condition is true again.",
        .flags = ONE_TO_ONE,
        .arguments = {{"The condition", 0, NULL}, {"The value to hold", OPTIONAL, "null"}}},
    {.name = "sentiment",
        .text = "How positive or negative the words of a text are (AFINN-111), from -1 to 1.",
        .input = "{\"type\": \"string\"}",
        .output = "{\"type\": \"number\"}",
        .flags = ONE_TO_ONE | STATELESS},
    {.name = "set",
        .text = "The object with one key set to a value.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"The key", CONSTANT, NULL}, {"The value", 0, NULL}}},
    {.name = "sum", .text = "The sum of the values so far.", .flags = ONE_TO_ONE},
    {.name = "t",
        .text = "The time of the datapoint, in unix seconds.",
        .output = "{\"type\": \"number\"}",
        .flags = ONE_TO_ONE | STATELESS},
    {.name = "tfalse", .text = "How long the value was false, for each period, in seconds."},
    {.name = "top",
        .text = "The fields of the object with the greatest weights.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"How many", CONSTANT, NULL}, {"The weight of a field", OPTIONAL | SCRIPT, "null"}}},
    {.name = "tshift",
        .text = "Moves the datapoints in time.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Seconds to add", CONSTANT, NULL}}},
    {.name = "ttrue", .text = "How long the value was true, for each period, in seconds."},
    {.name = "wc",
        .text = "The number of words of a text.",
        .input = "{\"type\": \"string\"}",
        .output = "{\"type\": \"integer\"}",
        .flags = ONE_TO_ONE | STATELESS},
    {.name = "week",
        .text = "Weeks since 1970, from Monday.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Time zone", OPTIONAL | CONSTANT, "\"Local\""}}},
    {.name = "weekday",
        .text = "The name of the day of the week.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Time zone", OPTIONAL | CONSTANT, "\"Local\""}}},
    {.name = "while",
        .text = "Groups datapoints while the condition is true, and gives the script's last result for each "
                "group.",
        .flags = ONE_TO_ONE,
        .arguments = {{"The condition", 0, NULL}, {"The script", SCRIPT, NULL}}},
    {.name = "year",
        .text = "The year.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Time zone", OPTIONAL | CONSTANT, "\"Local\""}}},
    {.name = "yearday",
        .text = "The day of the year, from 1.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Time zone", OPTIONAL | CONSTANT, "\"Local\""}}},
    {.name = "yearmonth",
        .text = "The name of the month.",
        .flags = ONE_TO_ONE | STATELESS,
        .arguments = {{"Time zone", OPTIONAL | CONSTANT, "\"Local\""}}},
};

static const struct {
    const char *name, *text;
} INTERPOLATORS[] = {
    {"after", "The first datapoint after the time."},
    {"before", "The last datapoint at the time or before it."},
    {"closest", "The datapoint that is closest to the time."},
    {"count", "The number of datapoints since the time before."},
    {"mean", "The mean of the datapoints since the time before."},
    {"sum", "The sum of the datapoints since the time before."},
};

/* ---- printing; a failure stays in the sink ---- */

static void print(struct sink *sink, const char *text)
{
    (void)sink_write(sink, text, strlen(text));
}

static void print_text(struct sink *sink, const char *key, const char *text)
{
    print(sink, key);
    (void)json_print_string(sink, text, strlen(text));
}

static void print_flag(struct sink *sink, const char *key, bool flag)
{
    print(sink, key);
    print(sink, flag ? "true" : "false");
}

static void print_argument(struct sink *sink, const struct argument *argument)
{
    print_text(sink, "{\"description\":", argument->text);
    print_flag(sink, ",\"optional\":", argument->flags & OPTIONAL);
    if (argument->omitted) {
        print(sink, ",\"default\":");
        print(sink, argument->omitted);
    }
    print_flag(sink, ",\"constant\":", argument->flags & CONSTANT);
    print_flag(sink, ",\"hijacked\":", argument->flags & SCRIPT);
    print(sink, "}");
}

static void print_arguments(struct sink *sink, const struct description *description)
{
    print(sink, ",\"args\":");
    if (!description->arguments[0].text) {
        print(sink, "null");
        return;
    }
    for (size_t i = 0; i < ARGUMENTS_MAX && description->arguments[i].text; i++) {
        print(sink, i > 0 ? "," : "[");
        print_argument(sink, &description->arguments[i]);
    }
    print(sink, "]");
}

static void print_transform(struct sink *sink, const struct description *description)
{
    print_text(sink, "", description->name);
    print_text(sink, ":{\"name\":", description->name);
    print_text(sink, ",\"description\":", description->text);
    if (description->input)
        print_text(sink, ",\"ischema\":", description->input);
    if (description->output)
        print_text(sink, ",\"oschema\":", description->output);
    print_flag(sink, ",\"one_to_one\":", description->flags & ONE_TO_ONE);
    print_flag(sink, ",\"stateless\":", description->flags & STATELESS);
    print_flag(sink, ",\"peek\":", description->flags & PEEKS);
    print_arguments(sink, description);
    print(sink, "}");
}

void descriptions_print_transforms(struct sink *sink)
{
    for (size_t i = 0; i < sizeof(TRANSFORMS) / sizeof(TRANSFORMS[0]); i++) {
        print(sink, i > 0 ? "," : "{");
        print_transform(sink, &TRANSFORMS[i]);
    }
    print(sink, "}");
}

void descriptions_print_interpolators(struct sink *sink)
{
    for (size_t i = 0; i < sizeof(INTERPOLATORS) / sizeof(INTERPOLATORS[0]); i++) {
        print_text(sink, i > 0 ? "," : "{", INTERPOLATORS[i].name);
        print_text(sink, ":{\"name\":", INTERPOLATORS[i].name);
        print_text(sink, ",\"description\":", INTERPOLATORS[i].text);
        print(sink, ",\"ischema\":\"\",\"oschema\":\"\"}");
    }
    print(sink, "}");
}

const char *descriptions_transform_name(size_t i)
{
    return i < sizeof(TRANSFORMS) / sizeof(TRANSFORMS[0]) ? TRANSFORMS[i].name : NULL;
}
