#include "metrics.h"

#include "exposition.h"
#include "log.h"
#include "routes.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LABELS_BYTES = 192 };

/* ---- the process ---- */

static uint64_t count_open_files(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    while (readdir(folder))
        count++;
    (void)closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", ".." and its own */
}

static uint64_t cpu_ns(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) < 0)
        return 0;
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static void print_memory(struct sink *sink)
{
    unsigned long long virtual_pages = 0, resident_pages = 0;
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return;
    int read = fscanf(file, "%llu %llu", &virtual_pages, &resident_pages);
    (void)fclose(file);
    if (read != 2)
        return;
    exposition_gauge(sink, "process_resident_memory_bytes", resident_pages * page_bytes,
        "Resident memory, with pages of mapped files.");
    exposition_gauge(sink, "process_virtual_memory_bytes", virtual_pages * page_bytes, "Address space.");
}

static void print_process(struct sink *sink, const struct server *server)
{
    struct rlimit limit;
    exposition_begin(sink, "process_start_time_seconds", "gauge", "When the server started, in unix time.");
    exposition_seconds(sink, "process_start_time_seconds", "", (uint64_t)(server->started_s * 1e9));
    exposition_begin(sink, "process_cpu_seconds_total", "counter", "Processor time, user and system.");
    exposition_seconds(sink, "process_cpu_seconds_total", "", cpu_ns());
    print_memory(sink);
    exposition_gauge(sink, "process_open_fds", count_open_files(), "Open file descriptors.");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        exposition_gauge(sink, "process_max_fds", limit.rlim_cur, "Limit of open file descriptors.");
}

/* ---- requests and connections ---- */

static const char *route_labels(unsigned route, char to[LABELS_BYTES])
{
    char pattern[ROUTE_NAME_BYTES];
    const char *method = routes_describe(route, pattern);
    (void)snprintf(to, LABELS_BYTES, "method=\"%s\",route=\"%s\"", method, pattern);
    return to;
}

static void print_statuses(struct sink *sink, const struct request_metrics *requests)
{
    static const char NAME[] = "connectordb_http_requests_total";
    char labels[LABELS_BYTES], all[LABELS_BYTES + 32];
    exposition_begin(sink, NAME, "counter", "Requests that were answered.");
    for (unsigned route = 0; route < routes_count(); route++) {
        for (unsigned i = 0; i < REQUEST_STATUSES; i++) {
            uint64_t count = atomic_load_explicit(&requests->routes[route].statuses[i], memory_order_relaxed);
            if (count == 0)
                continue;
            (void)snprintf(all, sizeof(all), REQUEST_STATUS[i] ? "%s,status=\"%u\"" : "%s,status=\"other\"",
                route_labels(route, labels), (unsigned)REQUEST_STATUS[i]);
            exposition_sample(sink, NAME, all, count);
        }
    }
}

static void print_durations(struct sink *sink, const struct request_metrics *requests)
{
    static const char NAME[] = "connectordb_http_request_duration_seconds";
    char labels[LABELS_BYTES];
    exposition_begin(sink, NAME, "histogram",
        "From a request's head to its last answered byte, so with waiting for the client's body. Without "
        "WebSockets.");
    for (unsigned route = 0; route < routes_count(); route++) {
        const struct route_metrics *of_route = &requests->routes[route];
        struct latencies latencies = {
            .sum_ns = atomic_load_explicit(&of_route->duration_sum_ns, memory_order_relaxed)};
        uint64_t count = 0;
        for (unsigned i = 0; i <= LATENCY_BOUNDS; i++) {
            latencies.counts[i] = atomic_load_explicit(&of_route->durations[i], memory_order_relaxed);
            count += latencies.counts[i];
        }
        if (count > 0)
            exposition_histogram(sink, NAME, route_labels(route, labels), &latencies);
    }
}

static void print_requests(struct sink *sink, const struct request_metrics *requests)
{
    print_statuses(sink, requests);
    print_durations(sink, requests);
    exposition_counter(sink, "connectordb_http_request_body_bytes_total",
        atomic_load_explicit(&requests->body_bytes, memory_order_relaxed),
        "Bytes of requests' bodies, after decoding.");
    exposition_counter(sink, "connectordb_http_response_bytes_total",
        atomic_load_explicit(&requests->answer_bytes, memory_order_relaxed),
        "Bytes of answers, with their heads.");
}

static void print_connections(struct sink *sink, struct server *server)
{
    struct http_counts counts;
    http_count(server->http, &counts);
    exposition_gauge(sink, "connectordb_http_connections", counts.connections, "Open connections.");
    exposition_gauge(sink, "connectordb_http_connections_max", counts.connections_max,
        "How many connections may be open.");
    exposition_gauge(sink, "connectordb_http_connections_waiting", counts.waiting,
        "Connections that wait until another one is closed.");
    exposition_counter(sink, "connectordb_http_connections_accepted_total", counts.accepted,
        "Connections that were accepted.");
    exposition_counter(sink, "connectordb_http_connections_yielded_total", counts.yielded,
        "Idle connections that were closed for waiting ones.");
    exposition_gauge(
        sink, "connectordb_http_buffers_used", counts.buffers_used, "Buffers of requests under way.");
    exposition_gauge(sink, "connectordb_websockets", atomic_load(&server->websockets), "Open WebSockets.");
    exposition_counter(sink, "connectordb_failed_logins_total", atomic_load(&server->auth.failed_logins),
        "Logins with a wrong password or key.");
}

/* ---- the store ---- */

static void print_inserts(struct sink *sink, const struct store_metrics *store)
{
    static const char REFUSED[] = "connectordb_inserts_refused_total";
    static const char SYNC[] = "connectordb_commit_sync_duration_seconds";
    exposition_counter(sink, "connectordb_inserts_total", store->stats.appended_batches,
        "Batches of points that were stored; a request into several streams counts once for each.");
    exposition_counter(sink, "connectordb_inserted_points_total", store->stats.appended_points,
        "Points that were stored, without imported ones.");
    exposition_counter(sink, "connectordb_commits_total", store->stats.commits,
        "Commits: inserts that come together share one.");
    exposition_begin(sink, SYNC, "histogram", "Writing a commit to the journal and syncing it to the disk.");
    exposition_histogram(sink, SYNC, "", &store->commit_sync);
    exposition_begin(
        sink, REFUSED, "counter", "Inserts that the store refused because it could not take them.");
    exposition_sample(sink, REFUSED, "reason=\"busy\"", store->refused_busy);
    exposition_sample(sink, REFUSED, "reason=\"no_space\"", store->refused_no_space);
    exposition_sample(sink, REFUSED, "reason=\"journal_dead\"", store->refused_dead);
    exposition_counter(sink, "connectordb_insert_waits_total", store->stats.inserts_waited,
        "Inserts that waited for room in the journals.");
    exposition_gauge(
        sink, "connectordb_inserts_waiting", store->inserts_waiting, "Inserts that wait for room now.");
    exposition_gauge(
        sink, "connectordb_inserts_in_flight_bytes", store->flight_bytes, "Bytes of inserts under way.");
}

static void print_files(struct sink *sink, const struct store_metrics *store)
{
    exposition_gauge(sink, "connectordb_journals", store->stats.journal_count, "Journals in use.");
    exposition_gauge(
        sink, "connectordb_journals_max", store->journals_max, "Inserts wait when there are so many.");
    exposition_gauge(sink, "connectordb_journals_unsealed", store->journals_closed,
        "Full journals that are not sealed yet.");
    exposition_gauge(sink, "connectordb_journal_file_bytes", store->journal_bytes, "Size of the journals.");
    exposition_gauge(sink, "connectordb_journal_used_bytes", store->stats.journal_bytes_used,
        "Bytes of the journals that hold points.");
    exposition_counter(sink, "connectordb_journal_written_bytes_total", store->stats.journal_bytes_written,
        "Bytes that commits wrote.");
    exposition_gauge(sink, "connectordb_journal_dead", store->stats.journal_dead,
        "1: writing the journal failed, inserts fail until the server is restarted.");
    exposition_gauge(sink, "connectordb_segments", store->stats.segment_count, "Segments.");
    exposition_gauge(sink, "connectordb_segment_bytes", store->stats.segment_bytes, "Size of the segments.");
    exposition_gauge(sink, "connectordb_segment_points", store->stats.segment_points, "Points in segments.");
}

static void print_background(struct sink *sink, const struct store_metrics *store)
{
    static const char ACTIVE[] = "connectordb_background_active";
    static const char FAILING[] = "connectordb_background_failing";
    static const char *const TASKS[STORE_TASKS] = {[STORE_TASK_ALLOCATE] = "task=\"allocate\"",
        [STORE_TASK_PREPARE] = "task=\"prepare\"",
        [STORE_TASK_SEAL] = "task=\"seal\"",
        [STORE_TASK_MERGE] = "task=\"merge\""};
    exposition_counter(sink, "connectordb_sealed_journals_total", store->stats.sealed_journals,
        "Journals that became segments.");
    exposition_counter(sink, "connectordb_sealed_bytes_total", store->stats.sealed_bytes_written,
        "Bytes of segments that sealing wrote.");
    exposition_counter(sink, "connectordb_merged_segments_total", store->stats.merged_segments,
        "Segments that were merged into larger ones.");
    exposition_counter(sink, "connectordb_merged_bytes_total", store->stats.merged_bytes_written,
        "Bytes of segments that merging wrote.");
    exposition_begin(sink, ACTIVE, "gauge", "1: the background does this now.");
    for (unsigned i = 0; i < STORE_TASKS; i++)
        exposition_sample(sink, ACTIVE, TASKS[i], store->tasks[i].active);
    exposition_begin(sink, FAILING, "gauge", "1: the last attempt of this failed, the log says why.");
    for (unsigned i = 0; i < STORE_TASKS; i++)
        exposition_sample(sink, FAILING, TASKS[i], store->tasks[i].error.code != 0);
    exposition_gauge(sink, "connectordb_damage_found", store->damage.code != 0,
        "1: a merge found a damaged segment, the log names it.");
}

/* ---- the rest ---- */

static void print_disk(struct sink *sink, const char *path)
{
    struct statvfs disk;
    if (statvfs(path, &disk) < 0)
        return;
    exposition_gauge(sink, "connectordb_disk_free_bytes", (uint64_t)disk.f_bavail * disk.f_frsize,
        "Free space of the database's file system.");
    exposition_gauge(sink, "connectordb_disk_size_bytes", (uint64_t)disk.f_blocks * disk.f_frsize,
        "Size of the database's file system.");
}

static void print_dates(struct sink *sink, const struct server *server)
{
    char path[PATH_MAX];
    struct stat note;
    int length = snprintf(path, sizeof(path), "%s/" DATABASE_BACKUP_NOTE, server->database->path);
    bool noted = length > 0 && (size_t)length < sizeof(path) && stat(path, &note) == 0 && note.st_mtime > 0;
    int64_t expiry_s = http_certificate_expiry(server->http);
    exposition_gauge(sink, "connectordb_last_backup_timestamp_seconds", noted ? (uint64_t)note.st_mtime : 0,
        "When the server made its last backup, in unix time; 0: none.");
    exposition_gauge(sink, "connectordb_tls_certificate_expiry_timestamp_seconds",
        expiry_s > 0 ? (uint64_t)expiry_s : 0, "When the certificate expires, in unix time; 0: no HTTPS.");
}

static void print_live(struct sink *sink, struct live *live)
{
    struct live_stats stats;
    live_get_stats(live, &stats);
    exposition_gauge(
        sink, "connectordb_live_subscriptions", stats.subscriptions, "Open subscriptions to streams.");
    exposition_counter(
        sink, "connectordb_live_events_total", stats.events, "Inserts that the live bus has told of.");
    exposition_counter(sink, "connectordb_live_overflows_total", stats.ring_overflows,
        "Times that the live bus was behind by more than it holds; nothing is lost then.");
}

static void print_catalog(struct sink *sink, const struct catalog_sizes *sizes)
{
    if (!sizes->known)
        return;
    exposition_gauge(sink, "connectordb_users", sizes->users, "Users.");
    exposition_gauge(sink, "connectordb_devices", sizes->devices, "Devices.");
    exposition_gauge(sink, "connectordb_streams", sizes->streams, "Streams.");
}

static void print_memory_limits(struct sink *sink, struct server *server)
{
    exposition_gauge(sink, "connectordb_request_bodies_bytes", body_budget_bytes(&server->bodies),
        "Memory of request bodies under way, beyond the first 64 KiB of each.");
    exposition_gauge(sink, "connectordb_schema_cache_bytes", schema_cache_bytes(&server->schemas),
        "Memory of compiled schemas.");
}

static void print_log(struct sink *sink)
{
    static const char NAME[] = "connectordb_log_messages_total";
    exposition_begin(sink, NAME, "counter", "Warnings and errors in the log.");
    exposition_sample(sink, NAME, "level=\"warn\"", log_count(LOG_WARN));
    exposition_sample(sink, NAME, "level=\"error\"", log_count(LOG_ERROR));
}

static void print_build(struct sink *sink, const struct server *server, const struct store_metrics *store)
{
    static const char NAME[] = "connectordb_build_info";
    char labels[LABELS_BYTES];
    (void)snprintf(labels, sizeof(labels), "version=\"%s\",storage=\"%s\"", CONNECTORDB_VERSION,
        store_io_name(server->database->store));
    exposition_begin(sink, NAME, "gauge", "The version of the server, and how it writes to the disk.");
    exposition_sample(sink, NAME, labels, 1);
    exposition_gauge(sink, "connectordb_ready", !store->unready.code && !http_stopping(server->http),
        "1: inserts are taken, as /ready says.");
}

void metrics_print(struct sink *sink, struct server *server, const struct store_metrics *store,
    const struct catalog_sizes *sizes)
{
    print_build(sink, server, store);
    print_process(sink, server);
    print_requests(sink, &server->requests);
    print_connections(sink, server);
    print_inserts(sink, store);
    print_files(sink, store);
    print_background(sink, store);
    print_disk(sink, server->database->path);
    print_dates(sink, server);
    print_live(sink, server->live);
    print_catalog(sink, sizes);
    print_memory_limits(sink, server);
    print_log(sink);
}
