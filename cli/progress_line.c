#include "progress_line.h"

#include "escape.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { GROUPED_BYTES = 32, LINE_BYTES = 200, CURRENT_BYTES = 91 };

/* 1234567 -> "1,234,567" */
static const char *group(char text[GROUPED_BYTES], uint64_t number)
{
    char digits[GROUPED_BYTES];
    int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    char *to = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

static void format_rate(char *text, size_t size, double points, double seconds)
{
    double rate = seconds > 0 ? points / seconds : 0;
    if (rate >= 1e6)
        (void)snprintf(text, size, "%.1f M points/s", rate / 1e6);
    else if (rate >= 1e3)
        (void)snprintf(text, size, "%.0f k points/s", rate / 1e3);
    else
        (void)snprintf(text, size, "%.0f points/s", rate);
}

/* Estimates the remaining time from the bytes or points done so far; empty while unknown. */
static void format_eta(char *text, size_t size, const struct progress *progress)
{
    double done = 0;
    if (progress->bytes_total > 0)
        done = (double)progress->bytes / (double)progress->bytes_total;
    else if (progress->points_total > 0)
        done = (double)progress->points / (double)progress->points_total;
    *text = '\0';
    if (done <= 0 || done > 1 || progress->seconds <= 0)
        return;
    unsigned long left = (unsigned long)(progress->seconds * (1 - done) / done + 0.5);
    if (left >= 3600)
        (void)snprintf(
            text, size, ", %.0f %%, ETA %lu:%02lu:%02lu", done * 100, left / 3600, left / 60 % 60, left % 60);
    else
        (void)snprintf(text, size, ", %.0f %%, ETA %lu:%02lu", done * 100, left / 60, left % 60);
}

static void format_line(char line[LINE_BYTES], const struct progress *progress)
{
    char points[GROUPED_BYTES], rate[48], eta[64];
    format_rate(rate, sizeof(rate), (double)progress->points, progress->seconds);
    format_eta(eta, sizeof(eta), progress);
    (void)snprintf(line, LINE_BYTES, "%s points, %.1f MB, %s%s", group(points, progress->points),
        (double)progress->bytes / 1e6, rate, eta);
}

void progress_line_init(struct progress_line *line)
{
    *line = (struct progress_line){.terminal = isatty(STDOUT_FILENO) == 1};
}

void progress_line_show(void *context, const struct progress *progress)
{
    struct progress_line *line = context;
    char text[LINE_BYTES];
    if (!line->terminal && progress->seconds - line->last_seconds < PROGRESS_PLAIN_SECONDS)
        return;
    format_line(text, progress);
    if (line->terminal) {
        char current[CURRENT_BYTES];
        (void)escape_text(current, sizeof(current), progress->current, strlen(progress->current));
        printf("\r%s  %s\033[K", text, current);
    } else {
        printf("%s\n", text);
    }
    line->shown = line->terminal;
    line->last_seconds = progress->seconds;
    (void)fflush(stdout);
}

void progress_line_clear(struct progress_line *line)
{
    if (line->shown)
        printf("\r\033[K");
    line->shown = false;
    (void)fflush(stdout);
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

void progress_line_summary(const char *verb, const struct transfer_result *result)
{
    char users[GROUPED_BYTES], devices[GROUPED_BYTES], streams[GROUPED_BYTES], points[GROUPED_BYTES],
        rate[48];
    format_rate(rate, sizeof(rate), (double)result->points, result->seconds);
    printf("%s %s user%s, %s device%s, %s stream%s: %s points, %.1f MB in %.1f s (%s)\n", verb,
        group(users, result->users), plural(result->users), group(devices, result->devices),
        plural(result->devices), group(streams, result->streams), plural(result->streams),
        group(points, result->points), (double)result->bytes / 1e6, result->seconds, rate);
    if (result->users_skipped > 0)
        printf("%s user%s had been imported before and were left as they are\n",
            group(users, result->users_skipped), plural(result->users_skipped));
}
