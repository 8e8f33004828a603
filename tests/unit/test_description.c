/* Descriptions of an export folder: printed exactly, read leniently in form and strictly in content. */
#include "description.h"
#include "test.h"

static char *directory;

static int set_up(void **state)
{
    (void)state;
    directory = test_directory_create();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_directory_remove(directory);
    return 0;
}

static char *written(const char *text)
{
    char *path = test_path(directory, "x.json");
    test_file_write(path, text, strlen(text));
    return path;
}

#define TEXT(string) ((char[]){string})

static void test_printing(void **state)
{
    (void)state;
    struct user user = {.name = TEXT("ann"),
        .nickname = TEXT("\xc3\xa9 \"q\"\n"),
        .email = TEXT("a@b"),
        .description = TEXT("<&>\xe2\x80\xa8"),
        .icon = TEXT(""),
        .role = TEXT("admin"),
        .is_public = true,
        .password = TEXT("$2a$10$x"),
        .password_salt = TEXT("s"),
        .password_scheme = TEXT("bcrypt")};
    struct device device = {.name = TEXT("d"),
        .nickname = TEXT(""),
        .description = TEXT(""),
        .icon = TEXT(""),
        .apikey = TEXT("k"),
        .role = TEXT("none"),
        .enabled = true,
        .visible = true};
    struct stream stream = {.name = TEXT("s"),
        .nickname = TEXT(""),
        .description = TEXT(""),
        .icon = TEXT(""),
        .schema = TEXT("{\"type\":\"number\"}"),
        .datatype = TEXT("x.y"),
        .downlink = true};
    struct sink sink;
    assert_int_equal(sink_memory_init(&sink, 1 << 20), 0);
    assert_int_equal(description_print_user(&sink, &user), 0);
    assert_int_equal(description_print_device(&sink, &device), 0);
    assert_int_equal(description_print_stream(&sink, &stream), 0);
    static const char expected[] =
        "{\n\t\"name\": \"ann\",\n\t\"nickname\": \"\xc3\xa9 \\\"q\\\"\\n\",\n\t\"email\": \"a@b\",\n"
        "\t\"description\": \"\\u003c\\u0026\\u003e\\u2028\",\n\t\"icon\": \"\",\n\t\"role\": \"admin\",\n"
        "\t\"public\": true,\n\t\"password\": \"$2a$10$x\",\n\t\"password_salt\": \"s\",\n"
        "\t\"password_scheme\": \"bcrypt\"\n}"
        "{\n\t\"name\": \"d\",\n\t\"nickname\": \"\",\n\t\"description\": \"\",\n\t\"icon\": \"\",\n"
        "\t\"apikey\": \"k\",\n\t\"enabled\": true,\n\t\"public\": false,\n\t\"role\": \"none\",\n"
        "\t\"visible\": true,\n\t\"user_editable\": false\n}"
        "{\n\t\"name\": \"s\",\n\t\"nickname\": \"\",\n\t\"description\": \"\",\n\t\"icon\": \"\",\n"
        "\t\"schema\": \"{\\\"type\\\":\\\"number\\\"}\",\n\t\"datatype\": \"x.y\",\n\t\"ephemeral\": "
        "false,\n"
        "\t\"downlink\": true\n}";
    assert_int_equal(sink.used, strlen(expected));
    assert_memory_equal(sink.buffer, expected, strlen(expected));
    sink_memory_free(&sink);
}

static void test_any_order_and_spacing(void **state)
{
    (void)state;
    struct device device;
    struct error error = {0};
    char *path = written(" {\"user_editable\" :false,\r\n\t\"apikey\":\"k\", \"name\": \"d\\u00e9v\" } \n");
    assert_int_equal(description_read_device(path, "d\xc3\xa9v", &device, &error), 0);
    assert_string_equal(device.apikey, "k");
    assert_string_equal(device.nickname, ""); /* left out: empty, never NULL */
    assert_true(device.enabled && device.visible);
    assert_false(device.user_editable || device.is_public);
    device_free(&device);
    free(path);
}

static void test_what_is_printed_is_read_back(void **state)
{
    (void)state;
    struct stream stream = {.name = TEXT("s"),
        .nickname = TEXT("\x01\x7f\xf0\x9f\x98\x80"),
        .description = TEXT("\\\"/</script>"),
        .icon = TEXT("material:x"),
        .schema = TEXT("{\"a\":[1,2.50]}"),
        .datatype = TEXT(""),
        .ephemeral = true};
    struct sink sink;
    struct stream found;
    struct error error = {0};
    assert_int_equal(sink_memory_init(&sink, 1 << 20), 0);
    assert_int_equal(description_print_stream(&sink, &stream), 0);
    char *path = test_path(directory, "x.json");
    test_file_write(path, sink.buffer, sink.used);
    assert_int_equal(description_read_stream(path, "s", &found, &error), 0);
    assert_string_equal(found.nickname, stream.nickname);
    assert_string_equal(found.description, stream.description);
    assert_string_equal(found.icon, stream.icon);
    assert_string_equal(found.schema, stream.schema);
    assert_true(found.ephemeral && !found.downlink);
    stream_free(&found);
    sink_memory_free(&sink);
    free(path);
}

static void test_schemas_lose_their_white_space(void **state)
{
    (void)state;
    static const struct {
        const char *text, *schema;
    } cases[] = {
        {"{\"name\":\"s\",\"schema\":\"{ \\\"type\\\" : \\\"a b\\\" }\"}", "{\"type\":\"a b\"}"},
        {"{\"name\":\"s\",\"schema\":\"\"}", "{}"},
        {"{\"name\":\"s\"}", "{}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stream stream;
        struct error error = {0};
        char *path = written(cases[i].text);
        assert_int_equal(description_read_stream(path, "s", &stream, &error), 0);
        assert_string_equal(stream.schema, cases[i].schema);
        stream_free(&stream);
        free(path);
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what, *text, *needle;
    } cases[] = {
        {"unknown key", "{\"name\":\"d\",\"colour\":1}", "colour"},
        {"key in other case", "{\"Name\":\"d\"}", "Name"},
        {"number for a text", "{\"name\":\"d\",\"icon\":5}", "icon"},
        {"null for a text", "{\"name\":\"d\",\"icon\":null}", "icon"},
        {"text for a flag", "{\"name\":\"d\",\"enabled\":\"true\"}", "enabled"},
        {"number for a flag", "{\"name\":\"d\",\"enabled\":1}", "enabled"},
        {"other name", "{\"name\":\"e\"}", "'e'"},
        {"no name", "{}", "name"},
        {"array", "[{\"name\":\"d\"}]", "object"},
        {"nothing", "", "line 1"},
        {"cut off", "{\"name\":\n\"d\"", "line 2"},
        {"something behind", "{\"name\":\"d\"}\n\nx", "line 3"},
        {"repeated key", "{\"name\":\"d\",\"name\":\"d\"}", "line 1"},
        {"NUL in a text", "{\"name\":\"d\",\"icon\":\"\\u0000\"}", "line 1"},
        {"bad UTF-8", "{\"name\":\"d\",\"icon\":\"\xff\"}", "line 1"},
        {"lone surrogate", "{\"name\":\"d\",\"icon\":\"\\ud800\"}", "line 1"},
        {"comment", "{\"name\":\"d\"} // x", "line 1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct device device = {0};
        struct error error = {0};
        char *path = written(cases[i].text);
        if (description_read_device(path, "d", &device, &error) != -EBADMSG)
            fail_msg("%s: was taken", cases[i].what);
        if (!strstr(error.message, path) || !strstr(error.message, cases[i].needle))
            fail_msg("%s: %s", cases[i].what, error.message);
        assert_null(device.name); /* nothing is handed out */
        free(path);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    struct device device;
    struct error error = {0};
    char *text = NULL;
    char *path = test_path(directory, "x.json");
    for (int extra = 0; extra < 2; extra++) { /* the longest text, and one byte more */
        int size = asprintf(&text, "{\"name\":\"d\",\"icon\":\"%0*d\"}", TEXT_BYTES_MAX + extra, 0);
        test_file_write(path, text, (size_t)size);
        free(text);
        assert_int_equal(description_read_device(path, "d", &device, &error), extra ? -EBADMSG : 0);
        if (!extra)
            device_free(&device);
    }
    text = malloc(DESCRIPTION_BYTES_MAX + 4096);
    assert_non_null(text);
    memset(text, ' ', DESCRIPTION_BYTES_MAX + 4096);
    test_file_write(path, text, DESCRIPTION_BYTES_MAX + 4096);
    free(text);
    assert_int_equal(description_read_device(path, "d", &device, &error), -EBADMSG);
    assert_non_null(strstr(error.message, "longer"));
    free(path);
}

static void test_missing_file(void **state)
{
    (void)state;
    struct device device;
    struct error error;
    char *path = test_path(directory, "nowhere.json");
    assert_int_equal(description_read_device(path, "d", &device, &error), -ENOENT);
    assert_non_null(strstr(error.message, path));
    free(path);
}

static void test_passwords_by_version(void **state)
{
    (void)state;
    static const char without[] = "{\"name\":\"ann\",\"email\":\"a@b\"}";
    static const char with[] =
        "{\"name\":\"ann\",\"password\":\"h\",\"password_salt\":\"\",\"password_scheme\":\"SHA512\"}";
    struct user user;
    struct error error = {0};
    char *path = written(without);
    assert_int_equal(description_read_user(path, "ann", 2, &user, &error), -EBADMSG);
    assert_non_null(strstr(error.message, "password"));
    assert_int_equal(description_read_user(path, "ann", 1, &user, &error), 0);
    assert_string_equal(user.password, "");
    user_free(&user);
    free(path);
    path = written(with);
    assert_int_equal(description_read_user(path, "ann", 2, &user, &error), 0);
    assert_string_equal(user.password_scheme, "SHA512");
    user_free(&user);
    free(path);
}

static void test_folder_versions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        unsigned version;
    } cases[] = {
        {"{\"Version\":2,\"ConnectorDB\":\"0.3.0\"}", 0, 2},
        {"{\"ConnectorDB\": \"x\", \"Version\": 1}", 0, 1},
        {"{\"Version\":0}", -EBADMSG, 0},
        {"{\"Version\":3}", -EBADMSG, 0},
        {"{\"Version\":\"2\"}", -EBADMSG, 0},
        {"{\"ConnectorDB\":\"0.3.0\"}", -EBADMSG, 0},
        {"{\"Version\":2,\"version\":2}", -EBADMSG, 0},
        {"2", -EBADMSG, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned version = 0;
        struct error error;
        char *path = written(cases[i].text);
        if (description_read_folder(path, &version, &error) != cases[i].result || version != cases[i].version)
            fail_msg("%s", cases[i].text);
        free(path);
    }
    unsigned version;
    struct error error;
    assert_int_equal(description_read_folder("/nowhere/connectordb.json", &version, &error), -ENOENT);
    assert_non_null(strstr(error.message, "not finished"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_printing),
        cmocka_unit_test(test_any_order_and_spacing),
        cmocka_unit_test(test_what_is_printed_is_read_back),
        cmocka_unit_test(test_schemas_lose_their_white_space),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_passwords_by_version),
        cmocka_unit_test(test_folder_versions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
