#include "error.h"

#include "escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *ret_error, int code, const char *format, ...)
{
    if (ret_error) {
        char message[ERROR_MESSAGE_BYTES]; /* the arguments may point into *ret_error */
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(message, sizeof(message), format, arguments);
        va_end(arguments);
        ret_error->code = code;
        (void)escape_text(ret_error->message, sizeof(ret_error->message), message, strlen(message));
    }
    return -code;
}

int error_prefix(struct error *ret_error, const char *format, ...)
{
    if (!ret_error)
        return 0;
    char prefix[ERROR_MESSAGE_BYTES], message[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(prefix, sizeof(prefix), format, arguments);
    va_end(arguments);
    size_t length = escape_text(message, sizeof(message), prefix, strlen(prefix));
    if (length >= sizeof(message) - 3)
        return -ret_error->code;
    memcpy(message + length, ": ", 2);
    length += 2;
    (void)escape_text(
        message + length, sizeof(message) - length, ret_error->message, strlen(ret_error->message));
    memcpy(ret_error->message, message, sizeof(message));
    return -ret_error->code;
}

bool error_is_no_space(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

const char *error_no_space_reason(int code)
{
    switch (code) {
    case EDQUOT:
        return "the disk quota is exhausted";
    case EFBIG:
        return "the file size limit is reached (see ulimit -f)";
    default:
        return "the disk is full";
    }
}
