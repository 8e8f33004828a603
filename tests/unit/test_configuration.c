#include "test.h"

#include "configuration.h"
#include "configuration_text.h"

#include <sys/stat.h>

static void test_defaults(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char *missing = test_path(directory, "connectordb.conf");
    struct configuration c;
    struct error error = {0};
    assert_int_equal(configuration_read(missing, false, &c, &error), -ENOENT);
    assert_non_null(strstr(error.message, missing));
    assert_int_equal(configuration_read(missing, true, &c, &error), 0);
    assert_string_equal(c.hostname, "");
    assert_int_equal(c.port, 3124);
    assert_true(c.frontend_enabled);
    assert_string_equal(c.siteurl, "");
    assert_false(c.allowcrossorigin);
    assert_string_equal(c.logfile, "");
    assert_string_equal(c.loglevel, "info");
    assert_int_equal(c.insert_limit_bytes, 10485760);
    assert_int_equal(c.time_ahead_max_s, 315360000);
    assert_int_equal(c.http_read_timeout_s, 5);
    assert_int_equal(c.failed_login_delay_ms, 300);
    assert_int_equal(c.failed_logins_max, 20);
    assert_string_equal(c.trusted_proxies, "");
    assert_int_equal(c.connections_max, 1024);
    assert_string_equal(c.metrics_access, "local");
    assert_string_equal(c.metrics_key, "");
    assert_int_equal(c.store.fsync, STORE_FSYNC_ALWAYS);
    assert_int_equal(c.store.journal_bytes, 0);
    configuration_free(&c);
    assert_int_equal(configuration_read(NULL, true, &c, &error), 0);
    assert_int_equal(c.port, 3124);
    configuration_free(&c);
    free(missing);
    test_directory_remove(directory);
}

static int parse(const char *text, struct configuration *ret_configuration, struct error *ret_error)
{
    return configuration_parse(text, strlen(text), "x.conf", ret_configuration, ret_error);
}

static void test_every_key_is_read(void **state)
{
    (void)state;
    struct configuration c;
    struct error error = {0};
    assert_int_equal(
        parse(
            "{\"version\":1,\"hostname\":\"0.0.0.0\",\"port\":0,\"frontend_enabled\":false,"
            "\"siteurl\":\"http://x//y\",\"allowcrossorigin\":true,\"logfile\":\"/l\",\"loglevel\":\"warn\","
            "\"insert_limit_bytes\":100,\"time_ahead_max\":0,\"http_read_timeout\":7,\"failed_login_delay\":"
            "0,"
            "\"failed_logins_max\":3,\"trusted_proxies\":[\"::ffff:127.0.0.1\",\"0:0::1\"],"
            "\"metrics\":{\"access\":\"key\",\"key\":\"0123456789abcdef\"},\"connections_max\":9,\"fsync\":"
            "\"interval:250\",\"journal_bytes\":65536}",
            &c, &error),
        0);
    assert_string_equal(c.hostname, "0.0.0.0");
    assert_int_equal(c.port, 0);
    assert_false(c.frontend_enabled);
    assert_string_equal(c.siteurl, "http://x//y");
    assert_true(c.allowcrossorigin);
    assert_string_equal(c.logfile, "/l");
    assert_string_equal(c.loglevel, "warn");
    assert_int_equal(c.failed_logins_max, 3);
    assert_string_equal(c.trusted_proxies, "127.0.0.1 ::1");
    assert_int_equal(c.insert_limit_bytes, 100);
    assert_int_equal(c.time_ahead_max_s, 0);
    assert_int_equal(c.http_read_timeout_s, 7);
    assert_int_equal(c.failed_login_delay_ms, 0);
    assert_int_equal(c.connections_max, 9);
    assert_string_equal(c.metrics_access, "key");
    assert_string_equal(c.metrics_key, "0123456789abcdef");
    assert_int_equal(c.store.fsync, STORE_FSYNC_INTERVAL);
    assert_int_equal(c.store.fsync_interval_ms, 250);
    assert_int_equal(c.store.journal_bytes, 65536);
    configuration_free(&c);
    assert_int_equal(parse("{\"fsync\":\"never\"}", &c, &error), 0);
    assert_int_equal(c.store.fsync, STORE_FSYNC_NEVER);
    configuration_free(&c);
}

static void test_a_configuration_of_the_reference_is_accepted(void **state)
{
    (void)state;
    struct configuration c;
    struct error error = {0};
    int r = parse(
        "{\"version\":1,\"watch\":true,\"permissions\":\"default\",\"redirect80\":false,\"cookie\":{"
        "\"authkey\":\"\"},"
        "\"tls\":{\"enabled\":false,\"key\":\"\",\"cert\":\"\",\"acme\":{\"enabled\":false}},"
        "\"captcha\":{\"enabled\":false},\"query_display_timer\":60,\"stats_display_timer\":86400,"
        "\"websocket\":{\"write_wait\":2},\"minify\":true,\"cache_static\":true,\"cache_static_maxage\":"
        "604800,"
        "\"gzip_static\":true,\"redis\":{\"port\":6380},\"nats\":{},\"sql\":{\"type\":\"postgres\"},"
        "\"batchsize\":250,\"chunksize\":10,\"cache\":true,\"cache_timeout\":30000,\"user_cache_size\":1000,"
        "\"device_cache_size\":1,\"stream_cache_size\":1,\"password_hash\":\"SHA512\",\"pipescript\":{}}",
        &c, &error);
    if (r < 0)
        fail_msg("%s", error.message);
    configuration_free(&c);
}

static void test_comments(void **state)
{
    (void)state;
    static const char text[] = "// a \"comment\" /* here\n"
                               "{ /* one\n two */ \"siteurl\": \"http://a/*b*/\", // the end\n"
                               "\"logfile\" /**/ : /*/*/ \"a\\\"//b\"\n}";
    struct configuration c;
    struct error error = {0};
    if (parse(text, &c, &error) < 0)
        fail_msg("%s", error.message);
    assert_string_equal(c.siteurl, "http://a/*b*/");
    assert_string_equal(c.logfile, "a\"//b");
    configuration_free(&c);
}

static void test_wrong_configurations_say_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"", "x.conf:1: "},
        {"[]", ":1: an object"},
        {"{", "x.conf:1: "},
        {"{}\n{}", ":2: "},
        {"{\n\n\"port\": }", ":3: "},
        {"/* a\n b */ {\n// c\n\"port\" 5}", ":4: "},
        {"{}\n\n/* x", ":3: the comment"},
        {"{} /*/", ":1: the comment"},
        {"{\"version\":1, // a\n/* b\n c */ \"port\" : 70000}", ":3: \"port\" must be"},
        {"{\"sql\":{\"port\":\"\\\"port\\\": \",\n\"x\":[{\"port\":1}]},\n\"port\":\"port\"}",
            ":3: \"port\""},
        {"{\"tls\":{\"enabled\":\nfalse,\n\"key\":1}}", ":3: \"tls.key\""},
        {"{\"pipescript\":\n{\"split_max\":0}}", ":2: \"pipescript.split_max\""},
        {"{\n\"p\\u006frt\":\"x\"}", ":0: \"port\""},
        {"{\"port\":1,\"port\":2}", "port"},
        {"{\"version\":2}", "\"version\""},
        {"{\"port\":65536}", "\"port\""},
        {"{\"metrics\":5}", "\"metrics\" must be an object"},
        {"{\n\"metrics\":{\"access\":\"everybody\"}}", ":2: \"metrics.access\" must be"},
        {"{\"metrics\":{\"access\":\"key\"}}", "needs a \"key\""},
        {"{\"metrics\":{\"key\":\"0123456789abcde\"}}", "\"metrics.key\" must be 16"},
        {"{\"metrics\":{\"key\":\"0123456789 abcdef\"}}", "\"metrics.key\" must be 16"},
        {"{\"metrics\":{\"key\":\"0123456789:abcdef\"}}", "\"metrics.key\" must be 16"},
        {"{\"metrics\":{\"key\":5}}", "\"metrics.key\" must be"},
        {"{\"port\":-1}", "\"port\""},
        {"{\"port\":\"80\"}", "\"port\""},
        {"{\"port\":80.5}", "\"port\""},
        {"{\"hostname\":5}", "\"hostname\""},
        {"{\"hostname\":\"a\\u0000b\"}", ":1: "},
        {"{\"frontend_enabled\":1}", "\"frontend_enabled\""},
        {"{\"loglevel\":\"loud\"}", "\"loglevel\""},
        {"{\"loglevel\":null}", "\"loglevel\""},
        {"{\"insert_limit_bytes\":99}", "\"insert_limit_bytes\""},
        {"{\"time_ahead_max\":-1}", "\"time_ahead_max\""},
        {"{\"time_ahead_max\":1e9}", "\"time_ahead_max\""},
        {"{\"connections_max\":0}", "\"connections_max\""},
        {"{\"http_read_timeout\":0}", "\"http_read_timeout\""},
        {"{\"failed_login_delay\":-1}", "\"failed_login_delay\""},
        {"{\"fsync\":\"sometimes\"}", "\"fsync\""},
        {"{\"fsync\":\"interval:\"}", "\"fsync\""},
        {"{\"fsync\":\"interval:0\"}", "\"fsync\""},
        {"{\"fsync\":\"interval:1s\"}", "\"fsync\""},
        {"{\"fsync\":\"interval:60001\"}", "\"fsync\""},
        {"{\"fsync\":\"interval:99999999999999999999\"}", "\"fsync\""},
        {"{\"fsync\":1}", "\"fsync\""},
        {"{\"journal_bytes\":65535}", "\"journal_bytes\""},
        {"{\"journal_bytes\":1073745920}", "\"journal_bytes\""},
        {"{\"tls\":{\"enabled\":true}}", "\"tls\""},
        {"{\"tls\":true}", "\"tls\""},
        {"{\"permissions\":1}", "\"permissions\""},
        {"{\"captcha\":true}", "\"captcha\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct configuration c;
        struct error error = {0};
        if (parse(cases[i].text, &c, &error) != -EINVAL)
            fail_msg("accepted: %s", cases[i].text);
        if (strncmp(error.message, "x.conf:", 7) != 0 || !strstr(error.message, cases[i].said))
            fail_msg("%s: '%s' is not in: %s", cases[i].text, cases[i].said, error.message);
    }
}

static void test_unknown_keys_are_named(void **state)
{
    (void)state;
    struct configuration c;
    struct error error = {0};
    assert_int_equal(
        parse("{\n\"prot\": 1,\n\"port\": 2,\n\"tls\": {\n\"kee\": \"\"}, \"cookie\": {\"\\n\": 1},"
              "\"pipescript\":{\"max\":1}}",
            &c, &error),
        0);
    assert_int_equal(c.port, 2);
    assert_string_equal(c.unknown, "x.conf:2: \"prot\" is not known, it means nothing\n"
                                   "x.conf:5: \"tls.kee\" is not known, it means nothing\n"
                                   "x.conf:0: \"cookie.\n\" is not known, it means nothing\n"
                                   "x.conf:5: \"pipescript.max\" is not known, it means nothing");
    configuration_free(&c);
    enum { MANY = 1000, KEY_BYTES = 16 };
    char *text = malloc(MANY * KEY_BYTES + 3);
    size_t used = 1;
    assert_non_null(text);
    text[0] = '{';
    for (int i = 0; i < MANY; i++)
        used += (size_t)snprintf(text + used, KEY_BYTES + 1, "%s\"key%d\":0", i ? "," : "", i);
    (void)snprintf(text + used, 2, "}");
    assert_int_equal(parse(text, &c, &error), 0);
    assert_true(strlen(c.unknown) < 5000);
    configuration_free(&c);
    free(text);
}

static void note(void *text, const char *key, const char *value, bool live)
{
    char *to = text;
    (void)snprintf(to + strlen(to), 512 - strlen(to), "%s=%s%s ", key, value, live ? "" : "!");
}

static void test_differences(void **state)
{
    (void)state;
    static const struct {
        const char *before, *now, *differences;
    } cases[] = {
        {"{}", "{}", ""},
        {"{}", "{\"version\":1,\"port\":3124,\"redis\":{}}", ""},
        {"{\"port\":1}", "{\"port\":2,\"loglevel\":\"debug\"}", "port=2! loglevel=debug "},
        {"{\"insert_limit_bytes\":100}", "{\"trusted_proxies\":[\"::1\"]}",
            "insert_limit_bytes=10485760 trusted_proxies=::1 "},
        {"{\"fsync\":\"never\"}", "{\"fsync\":\"interval:9\",\"journal_bytes\":65536}",
            "fsync=interval:9! journal_bytes=65536! "},
        {"{\"fsync\":\"interval:8\"}", "{\"fsync\":\"interval:9\"}", "fsync=interval:9! "},
        {"{\"tls\":{\"enabled\":true,\"key\":\"a\",\"cert\":\"b\"}}",
            "{\"tls\":{\"enabled\":true,\"key\":\"a\",\"cert\":\"c\"}}", "tls.cert=c "},
        {"{}", "{\"tls\":{\"enabled\":true,\"key\":\"a\",\"cert\":\"b\"}}", "tls.key=a! tls.cert=b! "},
        {"{}", "{\"metrics\":{\"access\":\"key\",\"key\":\"a-secret-that-nobody-sees\"}}",
            "metrics.access=key metrics.key=another one "},
        {"{\"pipescript\":{\"memory_max\":1048576}}", "{\"cookie\":{\"remember\":false},\"watch\":false}",
            "watch=false! pipescript.memory_max=0 cookie.remember=false "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct configuration before, now;
        struct error error = {0};
        char text[512] = "";
        assert_int_equal(parse(cases[i].before, &before, &error), 0);
        assert_int_equal(parse(cases[i].now, &now, &error), 0);
        configuration_compare(&before, &now, note, text);
        assert_string_equal(text, cases[i].differences);
        configuration_free(&before);
        configuration_free(&now);
    }
}

static void test_the_default_text_gives_the_defaults(void **state)
{
    (void)state;
    struct configuration written, defaults;
    struct error error = {0};
    if (parse(configuration_default_text(), &written, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(configuration_read(NULL, true, &defaults, &error), 0);
    assert_string_equal(written.hostname, defaults.hostname);
    assert_int_equal(written.port, defaults.port);
    assert_int_equal(written.frontend_enabled, defaults.frontend_enabled);
    assert_string_equal(written.siteurl, defaults.siteurl);
    assert_int_equal(written.allowcrossorigin, defaults.allowcrossorigin);
    assert_string_equal(written.logfile, defaults.logfile);
    assert_string_equal(written.loglevel, defaults.loglevel);
    assert_int_equal(written.insert_limit_bytes, defaults.insert_limit_bytes);
    assert_int_equal(written.http_read_timeout_s, defaults.http_read_timeout_s);
    assert_int_equal(written.failed_login_delay_ms, defaults.failed_login_delay_ms);
    assert_int_equal(written.connections_max, defaults.connections_max);
    assert_string_equal(written.metrics_access, defaults.metrics_access);
    assert_string_equal(written.metrics_key, defaults.metrics_key);
    assert_int_equal(written.store.fsync, defaults.store.fsync);
    assert_int_equal(written.store.journal_bytes, 64 << 20);
    configuration_free(&written);
    configuration_free(&defaults);
}

static void test_files(void **state)
{
    (void)state;
    enum { TOO_LARGE = (1 << 20) + 1 };
    char *directory = test_directory_create();
    char *path = test_path(directory, "a.conf");
    struct configuration c;
    struct error error = {0};
    test_file_write(path, "{\"port\": 99}", 12);
    assert_int_equal(configuration_read(path, false, &c, &error), 0);
    assert_int_equal(c.port, 99);
    configuration_free(&c);
    char *large = malloc(TOO_LARGE);
    memset(large, ' ', TOO_LARGE);
    test_file_write(path, large, TOO_LARGE);
    assert_int_equal(configuration_read(path, true, &c, &error), -EINVAL);
    free(large);
    assert_int_equal(configuration_read(directory, true, &c, &error), -EISDIR);
    free(path);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_key_is_read),
        cmocka_unit_test(test_a_configuration_of_the_reference_is_accepted),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_wrong_configurations_say_where),
        cmocka_unit_test(test_unknown_keys_are_named),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_the_default_text_gives_the_defaults),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
