#include "problem.h"

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { RETRY_SECONDS = 1 };

bool problem_set(struct problem *problem, int status, const char *format, ...)
{
    va_list arguments;
    problem->status = status;
    problem->retry_s = 0;
    va_start(arguments, format);
    (void)vsnprintf(problem->message, sizeof(problem->message), format, arguments);
    va_end(arguments);
    return false;
}

bool problem_later(struct problem *problem, int status, const char *format, ...)
{
    va_list arguments;
    problem->status = status;
    problem->retry_s = RETRY_SECONDS;
    va_start(arguments, format);
    (void)vsnprintf(problem->message, sizeof(problem->message), format, arguments);
    va_end(arguments);
    return false;
}

bool problem_about(struct problem *problem, const char *about)
{
    char message[ERROR_MESSAGE_BYTES];
    memcpy(message, problem->message, sizeof(message));
    (void)snprintf(problem->message, sizeof(problem->message), "%.100s: %.400s", about, message);
    return false;
}

bool problem_failed(struct problem *problem, const char *what, int code, const struct error *error)
{
    switch (code) {
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
        return problem_later(problem, 503, "The server has no space left: %s", error_no_space_reason(-code));
    case -ENOMEM:
        return problem_later(problem, 503, "The server has no memory left, try again");
    case -EBUSY:
    case -EAGAIN:
        return problem_later(problem, 503, "The server is busy, try again");
    default:
        log_error("%s: %s", what, error->message);
        return problem_set(problem, 500, "The server failed; its log says why");
    }
}
