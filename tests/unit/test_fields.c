/* The table of fields: it agrees with the tables of the catalog and with the built-in permissions, and every
 * field of it goes through the catalog and through an export. */
#include "catalog_fixture.h"

#include "access.h"
#include "description.h"
#include "fields.h"

#include <unistd.h>

static const struct object_kind *const KINDS[] = {&USER_KIND, &DEVICE_KIND, &STREAM_KIND};

static const struct field *field_named(const struct object_kind *kind, const char *name)
{
    for (size_t i = 0; i < kind->count; i++) {
        if (strcmp(kind->fields[i].name, name) == 0)
            return &kind->fields[i];
    }
    return NULL;
}

static void test_fields_are_the_columns(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
    for (size_t k = 0; k < 3; k++) {
        sqlite3_stmt *statement;
        char *sql = sqlite3_mprintf(
            "SELECT name, type, \"notnull\", pk FROM pragma_table_info('%s')", KINDS[k]->table);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        size_t columns = 0;
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(statement, 0);
            const struct field *field = field_named(KINDS[k], name);
            if (!field)
                fail_msg("column %s.%s is no field", KINDS[k]->table, name);
            assert_string_equal((const char *)sqlite3_column_text(statement, 1),
                field->type == FIELD_TEXT ? "TEXT" : "INTEGER");
            bool is_key = field->flags & FIELD_ROWID, may_be_null = field->flags & FIELD_NULLABLE;
            assert_int_equal(sqlite3_column_int(statement, 3), is_key);
            assert_int_equal(sqlite3_column_int(statement, 2), !is_key && !may_be_null);
            columns++;
        }
        assert_int_equal(columns, KINDS[k]->count);
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        sqlite3_free(sql);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    fixture_close(&f);
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

/* Each set of rights in the built-in permissions says of every field whether it is included: what is not
 * named is denied, and a new field would be read and written by nobody but "full". */
static void test_permissions_name_every_field(void **state)
{
    (void)state;
    const char *text = permissions_default_text();
    size_t sets = count_of(text, "\"can_access_user\":");
    assert_true(sets > 0);
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < KINDS[k]->count; i++) {
            const struct field *field = &KINDS[k]->fields[i];
            bool is_hidden = (field->flags & FIELD_INTERNAL) && !(field->flags & FIELD_SECRET);
            char key[64];
            (void)snprintf(key, sizeof(key), "\"%s_%s\":", KINDS[k]->name, field->name);
            if (field->type != FIELD_ID && !is_hidden && count_of(text, key) != sets)
                fail_msg("%s is in %zu of %zu sets of rights", key, count_of(text, key), sets);
        }
    }
}

static void test_in_order_of_name(void **state)
{
    (void)state;
    static const char *const wanted[] = {" description email icon name nickname public role",
        " apikey description enabled icon name nickname public role user_editable visible",
        " datatype description downlink ephemeral icon name nickname schema"};
    for (size_t k = 0; k < 3; k++) {
        char names[256] = "";
        size_t count;
        const struct field *const *fields = fields_by_name(KINDS[k], &count);
        for (size_t i = 0; i < count; i++)
            (void)snprintf(names + strlen(names), sizeof(names) - strlen(names), " %s", fields[i]->name);
        assert_string_equal(names, wanted[k]);
    }
}

/* ---- every field, through the catalog and through an export ---- */

/* A value of its own for each, other than the default, that passes the checks. */
static void fill(const struct object_kind *kind, void *object)
{
    for (size_t i = 0; i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        if (field->type == FIELD_FLAG)
            *field_flag(field, object) = !field->default_flag;
        if (field->type != FIELD_TEXT)
            continue;
        char value[NAME_BYTES_MAX + 1];
        (void)snprintf(value, sizeof(value), "%c-%s", kind->name[0], field->name);
        for (char *c = value; *c; c++) {
            if (*c == '_')
                *c = '-';
        }
        *field_text(field, object) = strdup(value);
    }
}

static void set_text(const struct object_kind *kind, void *object, const char *name, const char *value)
{
    char **text = field_text(field_named(kind, name), object);
    free(*text);
    *text = strdup(value);
}

static void assert_same(const struct object_kind *kind, const void *wanted, const void *found)
{
    for (size_t i = 0; i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        if (field->type == FIELD_TEXT &&
            strcmp(field_get_text(field, wanted), field_get_text(field, found)) != 0)
            fail_msg("%s.%s: '%s'", kind->name, field->name, field_get_text(field, found));
        if (field->type == FIELD_FLAG && field_get_flag(field, wanted) != field_get_flag(field, found))
            fail_msg("%s.%s: %d", kind->name, field->name, field_get_flag(field, found));
    }
}

struct objects {
    struct user user;
    struct device device;
    struct stream stream;
};

static struct objects filled(void)
{
    struct objects objects = {0};
    fill(&USER_KIND, &objects.user);
    fill(&DEVICE_KIND, &objects.device);
    fill(&STREAM_KIND, &objects.stream);
    set_text(&USER_KIND, &objects.user, "password_scheme", "SHA512");
    set_text(&STREAM_KIND, &objects.stream, "schema", "{\"type\":\"number\"}");
    set_text(&STREAM_KIND, &objects.stream, "icon", "fa:x");
    return objects;
}

static void free_objects(struct objects *objects)
{
    user_free(&objects->user);
    device_free(&objects->device);
    stream_free(&objects->stream);
}

static void test_every_field_is_stored(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct objects made = filled(), found;
    uint64_t first, dropped;
    assert_int_equal(catalog_reserve_series(f.catalog, 2, &first, &f.error), 0);
    made.stream.series_id = first;
    made.stream.downlink_series_id = first + 1;
    struct catalog_import *import;
    if (catalog_import_begin(f.catalog, &made.user, &import, &f.error) < 0 ||
        catalog_import_device(import, &made.device, &f.error) < 0 ||
        catalog_import_stream(import, &made.stream, &f.error) < 0 ||
        catalog_import_commit(import, &f.error) < 0)
        fail_msg("%s", f.error.message);
    fixture_reopen(&f);
    const char *user = made.user.name, *device = made.device.name, *stream = made.stream.name;
    assert_int_equal(catalog_user_by_name(f.catalog, user, &found.user, &f.error), 0);
    assert_int_equal(catalog_device_by_name(f.catalog, user, device, &found.device, &f.error), 0);
    assert_int_equal(catalog_stream_by_name(f.catalog, user, device, stream, &found.stream, &f.error), 0);
    assert_same(&USER_KIND, &made.user, &found.user);
    assert_same(&DEVICE_KIND, &made.device, &found.device);
    assert_same(&STREAM_KIND, &made.stream, &found.stream);
    assert_int_equal(found.device.user_id, found.user.id);
    assert_int_equal(found.stream.device_id, found.device.id);
    assert_int_equal(found.stream.series_id, first);
    assert_int_equal(found.stream.downlink_series_id, first + 1);

    /* an update changes all but the fixed ones */
    struct stream changed = found.stream, updated;
    changed.ephemeral = changed.downlink = false;
    changed.name = changed.nickname = changed.description = changed.icon = changed.datatype = text("");
    changed.name = text("other");
    changed.schema = text("{}");
    assert_int_equal(
        catalog_change_stream(f.catalog, changed.id, &changed, UINT32_MAX, NULL, &dropped, &f.error), 0);
    assert_int_equal(dropped, first + 1);
    assert_int_equal(catalog_stream_by_name(f.catalog, user, device, stream, &updated, &f.error), 0);
    changed.name = made.stream.name;
    assert_same(&STREAM_KIND, &changed, &updated);
    assert_int_equal(updated.series_id, first);
    assert_int_equal(updated.downlink_series_id, 0);
    stream_free(&updated);
    free_objects(&found);
    free_objects(&made);
    fixture_close(&f);
}

/* Prints into a file what the function left in the sink. */
static char *file_of(struct sink *sink)
{
    char *path = test_path("/dev/shm", "connectordb-fields-%d.json", (int)getpid());
    test_file_write(path, sink->buffer, sink->used);
    sink->used = 0;
    return path;
}

static void test_every_field_is_exported(void **state)
{
    (void)state;
    struct objects made = filled(), found;
    struct sink sink;
    struct error error = {0};
    assert_int_equal(sink_memory_init(&sink, 1 << 20), 0);

    assert_int_equal(description_print_user(&sink, &made.user), 0);
    char *path = file_of(&sink);
    if (description_read_user(path, made.user.name, 2, &found.user, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(description_print_device(&sink, &made.device), 0);
    free(file_of(&sink));
    if (description_read_device(path, made.device.name, &found.device, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(description_print_stream(&sink, &made.stream), 0);
    free(file_of(&sink));
    if (description_read_stream(path, made.stream.name, &found.stream, &error) < 0)
        fail_msg("%s", error.message);

    assert_same(&USER_KIND, &made.user, &found.user);
    assert_same(&DEVICE_KIND, &made.device, &found.device);
    assert_same(&STREAM_KIND, &made.stream, &found.stream);
    assert_int_equal(unlink(path), 0);
    free(path);
    sink_memory_free(&sink);
    free_objects(&found);
    free_objects(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_the_columns),
        cmocka_unit_test(test_permissions_name_every_field),
        cmocka_unit_test(test_in_order_of_name),
        cmocka_unit_test(test_every_field_is_stored),
        cmocka_unit_test(test_every_field_is_exported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
