/* Configuration text: comments are stripped in place without moving a line, and what is accepted is within
 * its limits. */
#include "check.h"
#include "configuration_text.h"
#include "json_comments.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void strip_once_and_again(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *again = malloc(size + 1);
    CHECK(text && again);
    memcpy(text, data, size);
    if (json_blank_comments(text, size) == 0) {
        for (size_t i = 0; i < size; i++)
            CHECK(text[i] == (char)data[i] || (text[i] == ' ' && data[i] != '\n'));
        memcpy(again, text, size);
        CHECK(json_blank_comments(again, size) == 0);
        CHECK(memcmp(again, text, size) == 0);
    }
    free(text);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    strip_once_and_again(data, size);
    struct configuration configuration;
    struct error error = {0};
    int r = configuration_parse((const char *)data, size, "fuzz.conf", &configuration, &error);
    CHECK(r == 0 || (r == -error.code && strncmp(error.message, "fuzz.conf:", 10) == 0));
    if (r == 0) {
        CHECK(configuration.hostname && configuration.siteurl && configuration.logfile &&
              configuration.loglevel);
        CHECK(configuration.insert_limit_bytes >= 100);
        CHECK(configuration.connections_max > 0);
        CHECK(configuration.store.journal_bytes == 0 || configuration.store.journal_bytes >= 64 << 10);
        configuration_free(&configuration);
    }
    return 0;
}
