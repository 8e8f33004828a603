/* Crash enumeration: a workload is recorded once, call by call; then for every moment of it the disks that a
 * power loss may leave are made up, opened and judged (crash_disk.h says which, store_model.h what must
 * hold). In scenarios with a revive function the recovery itself is recorded on such a disk, and crashed
 * again.
 *
 *   crash_enumeration [--states N] [--seed S] [--scenario NAME] [--violations N] [--keep DIR] [--lying WHAT]
 * [--expect-violations]
 *
 * Prints for each scenario the seeds, a hash of the logs, moments, states (all different) and violations.
 * When a life gives no more new states, the next seed's life is recorded. Exit code 1: there were some (with
 * --expect-violations: there were none). --lying: the device acknowledges syncs of paths with WHAT in them
 * ("directories": of all directories) without doing them; then there must be violations, else the enumeration
 * proves nothing. */
#include "crash_disk.h"
#include "crash_scenario.h"

#include "clock.h"
#include "database.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STATES_DEFAULT = 2000,
    STATES_PER_MOMENT = 6, /* of one log, on average; then the next seed's life is recorded */
    STATES_OF_ONE_MOMENT_MAX = 16,
    STATES_OF_ONE_RECOVERY = 40,
    TRIES_FOR_A_NEW_STATE = 3,
    VIOLATIONS_SHOWN = 5,
};

struct settings {
    uint64_t states, seed;
    const char *scenario, *keep, *lying;
    bool expect_violations;
    uint64_t violations_max; /* after so many a scenario is over */
};

struct tally {
    uint64_t lives, calls, moments, states, recoveries, violations, hash;
};

/* ---- randomness of the program under test: from the seed ---- */

static struct test_random program_random;
static pthread_mutex_t program_random_lock = PTHREAD_MUTEX_INITIALIZER;

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags);
int __wrap_RAND_bytes(unsigned char *buffer, int size);

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags)
{
    (void)flags;
    REQUIRE(pthread_mutex_lock(&program_random_lock) == 0, "lock");
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buffer)[i] = (uint8_t)test_random_next(&program_random);
    REQUIRE(pthread_mutex_unlock(&program_random_lock) == 0, "lock");
    return (ssize_t)size;
}

int __wrap_RAND_bytes(unsigned char *buffer, int size)
{
    return __wrap_getrandom(buffer, (size_t)size, 0) == size;
}

/* ---- what runs now, for whoever sees it abort ---- */

static char now_running[256] = "nothing yet\n";

static void say_what_runs(int signal_number)
{
    (void)signal_number;
    (void)!write(STDERR_FILENO, now_running, strlen(now_running));
}

/* ---- states that were judged already ---- */

struct seen {
    uint64_t *keys; /* 0 = free */
    uint64_t count, capacity;
};

static bool seen_add(struct seen *seen, uint64_t key)
{
    key |= key == 0;
    if (2 * (seen->count + 1) > seen->capacity) {
        struct seen larger = {.capacity = seen->capacity ? seen->capacity * 2 : 4096};
        larger.keys = calloc(larger.capacity, sizeof(*larger.keys));
        REQUIRE(larger.keys, "no memory");
        for (uint64_t i = 0; i < seen->capacity; i++) {
            if (seen->keys[i])
                (void)seen_add(&larger, seen->keys[i]);
        }
        free(seen->keys);
        *seen = larger;
    }
    uint64_t slot = key * UINT64_C(0x9e3779b97f4a7c15) % seen->capacity;
    while (seen->keys[slot] && seen->keys[slot] != key)
        slot = (slot + 1) % seen->capacity;
    bool is_new = !seen->keys[slot];
    seen->keys[slot] = key;
    seen->count += is_new;
    return is_new;
}

/* ---- enumerating ---- */

struct enumeration {
    const struct settings *settings;
    uint64_t seed;
    const struct crash_run *run;
    struct crash_disk *disk;
    struct test_random random;
    struct seen *seen;
    struct tally *tally;
    char *directory; /* where states are opened */
    const char *of;  /* what is crashed: the workload or its recovery */
    bool nested;
};

static void keep_state(const struct enumeration *enumeration, const struct crash_state *state)
{
    char *path = test_path(enumeration->settings->keep, "%s-%llu-%llu", enumeration->run->scenario->name,
        (unsigned long long)enumeration->seed, (unsigned long long)enumeration->tally->violations);
    REQUIRE(mkdir(path, 0700) == 0, "%s: %s", path, strerror(errno));
    crash_state_write(state, path);
    fprintf(stderr, "  kept in %s\n", path);
    free(path);
}

static void report(const struct enumeration *enumeration, uint64_t point, const struct crash_state *state,
    const struct model_violation *violation)
{
    struct tally *tally = enumeration->tally;
    if (tally->violations++ >= VIOLATIONS_SHOWN)
        return;
    fprintf(stderr,
        "%s, seed %llu: crash of the %s after %llu calls, of %llu unsynced writes %s, of %llu names %s: %s\n",
        enumeration->run->scenario->name, (unsigned long long)enumeration->seed, enumeration->of,
        (unsigned long long)point, (unsigned long long)state->pending_writes, crash_data_name(state->data),
        (unsigned long long)state->pending_names, crash_names_name(state->names), violation->text);
    if (enumeration->settings->keep)
        keep_state(enumeration, state);
}

static bool enough(const struct enumeration *enumeration)
{
    return enumeration->tally->violations >= enumeration->settings->violations_max;
}

static void clear_directory(struct enumeration *enumeration)
{
    char *path = enumeration->directory;
    enumeration->directory = strdup(path);
    test_directory_remove(path);
}

static void judge_state(struct enumeration *enumeration, uint64_t point, const struct crash_state *state)
{
    struct model_violation violation = {""};
    REQUIRE(mkdir(enumeration->directory, 0700) == 0, "%s: %s", enumeration->directory, strerror(errno));
    crash_state_write(state, enumeration->directory);
    if (!enumeration->run->scenario->judge(
            enumeration->run, point, enumeration->directory, &enumeration->random, &violation))
        report(enumeration, point, state, &violation);
    clear_directory(enumeration);
    enumeration->tally->states++;
}

static void enumerate_recovery(struct enumeration *outer, uint64_t point, const struct crash_state *state);

/* The extremes first, then what comes. */
static void next_kind(uint64_t number, bool scattered, enum crash_data *ret_data, enum crash_names *ret_names)
{
    static const struct {
        enum crash_data data;
        enum crash_names names;
    } extremes[] = {
        {DATA_NONE, NAMES_ALL},
        {DATA_ALL, NAMES_ALL},
        {DATA_NONE, NAMES_NONE},
        {DATA_ALL, NAMES_NONE},
        {DATA_RANDOM, NAMES_RANDOM},
        {DATA_LAST_ONLY, NAMES_ALL},
        {DATA_ALL_BUT_ONE, NAMES_ALL},
        {DATA_TORN_512, NAMES_ALL},
        {DATA_TORN_4096, NAMES_RANDOM},
        {DATA_LAST_ONLY, NAMES_NONE},
        {DATA_ALL_BUT_ONE, NAMES_RANDOM},
    };
    bool is_extreme = number < sizeof(extremes) / sizeof(extremes[0]);
    *ret_data = is_extreme ? extremes[number].data : DATA_RANDOM;
    *ret_names = is_extreme ? extremes[number].names : NAMES_RANDOM;
    if (scattered && *ret_names == NAMES_RANDOM && number % 2)
        *ret_names = NAMES_SCATTERED;
}

/* Up to `wanted` new states of this moment; returns how many there were. */
static uint64_t enumerate_point(
    struct enumeration *enumeration, uint64_t point, uint64_t marks, uint64_t wanted)
{
    uint64_t made = 0;
    if (wanted > STATES_OF_ONE_MOMENT_MAX)
        wanted = STATES_OF_ONE_MOMENT_MAX;
    uint64_t tries = wanted * TRIES_FOR_A_NEW_STATE + 4;
    uint64_t from = wanted >= 4 ? 0 : test_random_below(&enumeration->random, 8);
    for (uint64_t i = 0; i < tries && made < wanted && !enough(enumeration); i++) {
        enum crash_data data;
        enum crash_names names;
        struct crash_state state;
        next_kind(from + i, enumeration->run->scenario->scattered, &data, &names);
        crash_disk_choose(enumeration->disk, data, names, &enumeration->random, &state);
        if (seen_add(enumeration->seen, state.hash * 31 + marks)) {
            made++;
            if (!enumeration->nested && enumeration->run->scenario->revive)
                enumerate_recovery(enumeration, point, &state);
            else
                judge_state(enumeration, point, &state);
        } else if (state.pending_writes == 0 && state.pending_names == 0) {
            i = tries; /* there is but one */
        }
        crash_state_free(&state);
    }
    return made;
}

/* Goes through the log once. What one moment does not need of its share is left to the later ones. */
static void enumerate_log(struct enumeration *enumeration, uint64_t first, uint64_t states)
{
    const struct crash_log *log = &enumeration->run->log;
    uint64_t marks = 0, made = 0, points = log->count + 1 - first,
             offset = test_random_below(&enumeration->random, points);
    for (uint64_t point = 0; point <= log->count && !enough(enumeration); point++) {
        if (point > 0) {
            marks += log->entries[point - 1].kind == CRASH_MARK;
            crash_disk_step(enumeration->disk);
        }
        if (point < first)
            continue;
        enumeration->tally->moments++;
        (void)snprintf(now_running, sizeof(now_running), "%s, seed %llu: crash of the %s after %llu calls\n",
            enumeration->run->scenario->name, (unsigned long long)enumeration->seed, enumeration->of,
            (unsigned long long)point);
        uint64_t due = ((point - first + 1) * states + offset) / points;
        if (due > made)
            made += enumerate_point(enumeration, point, marks, due - made);
    }
}

static void run_init(struct crash_run *run, const struct crash_scenario *scenario,
    const struct settings *settings, char *directory, uint64_t seed)
{
    *run = (struct crash_run){.scenario = scenario, .random = {seed}, .directory = directory};
    crash_log_init(&run->log, directory);
    if (settings->lying && strcmp(settings->lying, "directories") == 0)
        run->log.lying_directories = true;
    else
        run->log.lying = settings->lying;
    run->options = (struct store_options){
        .journal_bytes = CRASH_JOURNAL_BYTES, .wait_ms_max = 60000, .no_threads = !scenario->threads};
    program_random = (struct test_random){seed + 1};
}

static void record_with(struct crash_run *run)
{
    run->options.io = crash_plain_io();
    crash_log_record(&run->log);
}

static void run_free(struct crash_run *run)
{
    crash_log_free(&run->log);
    store_model_free(&run->model);
    free(run->database_path);
    REQUIRE(database_close(run->scratch, NULL) == 0, "close");
}

/* Recovers from the state, recording, and enumerates the crashes of that. */
static void enumerate_recovery(struct enumeration *outer, uint64_t point, const struct crash_state *state)
{
    const struct crash_scenario *scenario = outer->run->scenario;
    struct model_violation violation = {""};
    struct crash_run run;
    struct seen seen = {0};
    char *directory = test_directory_create_fast();
    run_init(&run, scenario, outer->settings, directory, test_random_next(&outer->random));
    store_model_copy(&run.model, &outer->run->model);
    run.objects = outer->run->objects;
    crash_state_write(state, directory);
    record_with(&run);
    bool good = scenario->revive(outer->run, point, &run, &violation);
    crash_log_record(NULL);
    outer->tally->recoveries++;
    if (good) {
        struct enumeration inner = *outer;
        inner.run = &run;
        inner.of = "recovery";
        inner.nested = true;
        inner.seen = &seen;
        inner.disk = crash_disk_new(&run.log);
        crash_disk_load_state(inner.disk, state);
        enumerate_log(&inner, 1, STATES_OF_ONE_RECOVERY);
        crash_disk_free(inner.disk);
        outer->random = inner.random;
        outer->directory = inner.directory;
    } else {
        report(outer, point, state, &violation);
    }
    free(seen.keys);
    run_free(&run);
    test_directory_remove(directory);
}

/* Records one life and enumerates its crashes. */
static void run_life(const struct crash_scenario *scenario, const struct settings *settings, uint64_t seed,
    struct tally *tally)
{
    struct crash_run run;
    struct seen seen = {0};
    char *directory = test_directory_create_fast(), *states = test_directory_create_fast();
    char *played = test_path(directory, "played");
    REQUIRE(mkdir(played, 0700) == 0, "%s: %s", played, strerror(errno));
    run_init(&run, scenario, settings, played, seed);
    store_model_init(&run.model, scenario->value_bytes);
    struct enumeration enumeration = {.settings = settings,
        .seed = seed,
        .run = &run,
        .seen = &seen,
        .tally = tally,
        .of = "workload",
        .random = {seed ^ 0x5eed},
        .directory = test_path(states, "state")};
    scenario->prepare(&run);
    enumeration.disk = crash_disk_new(&run.log);
    crash_disk_load(enumeration.disk, played);
    record_with(&run);
    scenario->play(&run);
    crash_log_record(NULL);
    uint64_t left = settings->states - tally->states, most = run.log.count * STATES_PER_MOMENT;
    if (left > most)
        left = most;
    enumerate_log(&enumeration, 0, scenario->revive ? left / STATES_OF_ONE_RECOVERY + 1 : left);
    if (!enough(&enumeration)) /* it has gone through all of the log */
        crash_disk_compare(enumeration.disk, played);
    tally->lives++;
    tally->calls += run.log.count;
    tally->hash = crash_log_hash(&run.log) + 31 * tally->hash;
    free(seen.keys);
    crash_disk_free(enumeration.disk);
    free(enumeration.directory);
    crash_damage_free(run.damage);
    run_free(&run);
    free(played);
    test_directory_remove(states);
    test_directory_remove(directory);
}

static void run_scenario(
    const struct crash_scenario *scenario, const struct settings *settings, struct tally *total)
{
    struct tally tally = {0};
    uint64_t begun = clock_monotonic_ns();
    while (tally.states < settings->states && tally.violations < settings->violations_max)
        run_life(scenario, settings, settings->seed + tally.lives, &tally);
    double seconds = (double)(clock_monotonic_ns() - begun) / 1e9;
    printf("%-10s seeds %llu to %llu, logs %016llx: %llu calls, %llu moments, ", scenario->name,
        (unsigned long long)settings->seed, (unsigned long long)(settings->seed + tally.lives - 1),
        (unsigned long long)tally.hash, (unsigned long long)tally.calls, (unsigned long long)tally.moments);
    if (tally.recoveries > 0)
        printf("%llu recoveries, ", (unsigned long long)tally.recoveries);
    printf("%llu states (%.0f/s), %llu violations\n", (unsigned long long)tally.states,
        (double)tally.states / seconds, (unsigned long long)tally.violations);
    (void)fflush(stdout);
    total->states += tally.states;
    total->violations += tally.violations;
}

/* ---- the program ---- */

static void run_all(const struct crash_scenario *scenarios, size_t count, const struct settings *settings,
    struct tally *total)
{
    for (size_t i = 0; i < count; i++) {
        if (!settings->scenario || strcmp(settings->scenario, scenarios[i].name) == 0)
            run_scenario(&scenarios[i], settings, total);
    }
}

static bool parse(int argc, char **argv, struct settings *ret_settings)
{
    static const struct option options[] = {
        {"states", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"scenario", required_argument, NULL, 'c'},
        {"keep", required_argument, NULL, 'k'},
        {"lying", required_argument, NULL, 'l'},
        {"expect-violations", no_argument, NULL, 'e'},
        {"violations", required_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    *ret_settings = (struct settings){.states = STATES_DEFAULT, .seed = 1, .violations_max = 1000};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'n':
            ret_settings->states = strtoull(optarg, NULL, 0);
            break;
        case 's':
            ret_settings->seed = strtoull(optarg, NULL, 0);
            break;
        case 'c':
            ret_settings->scenario = optarg;
            break;
        case 'k':
            ret_settings->keep = optarg;
            break;
        case 'l':
            ret_settings->lying = optarg;
            break;
        case 'v':
            ret_settings->violations_max = strtoull(optarg, NULL, 0);
            break;
        case 'e':
            ret_settings->expect_violations = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct tally total = {0};
    if (!parse(argc, argv, &settings)) {
        fprintf(stderr,
            "usage: %s [--states N] [--seed S] [--scenario NAME] [--violations N] [--keep DIR] [--lying "
            "WHAT] "
            "[--expect-violations]\n",
            argv[0]);
        return 2;
    }
    REQUIRE(setenv("CONNECTORDB_IO", "posix", 1) == 0, "setenv"); /* calls that can be recorded */
    (void)mallopt(
        M_MMAP_THRESHOLD, 128 << 10); /* else large callocs, reused, are zeroed by hand at every open */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* statistics under a lock at every allocation */
    struct sigaction action = {.sa_handler = say_what_runs, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGABRT, &action, NULL);
    run_all(crash_store_scenarios, crash_store_scenario_count, &settings, &total);
    run_all(crash_database_scenarios, crash_database_scenario_count, &settings, &total);
    run_all(crash_copy_scenarios, crash_copy_scenario_count, &settings, &total);
    run_all(crash_folder_scenarios, crash_folder_scenario_count, &settings, &total);
    run_all(crash_cut_scenarios, crash_cut_scenario_count, &settings, &total);
    run_all(crash_repair_scenarios, crash_repair_scenario_count, &settings, &total);
    printf("%llu states, %llu violations\n", (unsigned long long)total.states,
        (unsigned long long)total.violations);
    if (total.states == 0)
        fprintf(stderr, "no such scenario\n");
    return total.states == 0 || settings.expect_violations != (total.violations > 0);
}
