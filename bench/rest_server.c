#include "rest_server.h"

#include "bench_common.h"
#include "certificate.h"
#include "log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void rest_server_init(struct rest_server *server)
{
    struct error error = {0};
    memset(server, 0, sizeof(*server));
    snprintf(server->directory, sizeof(server->directory), "%s/database", bench_directory());
    snprintf(server->certificate, sizeof(server->certificate), "%s/cert", bench_directory());
    snprintf(server->key, sizeof(server->key), "%s/key", bench_directory());
    bench_must(log_open(NULL, LOG_ERROR, &error), &error);
    bench_must(configuration_read(NULL, true, &server->configuration, &error), &error);
    server->configuration.port = 0;
    if (!certificate_make("localhost", server->certificate, server->key))
        bench_fail("cannot make a certificate");
}

void rest_server_set_tls(struct rest_server *server, bool on)
{
    SSL_CTX_free(server->tls);
    server->tls = on ? SSL_CTX_new(TLS_client_method()) : NULL;
    if (on && !server->tls)
        bench_fail("no TLS");
    server->configuration.tls_cert = on ? server->certificate : NULL;
    server->configuration.tls_key = on ? server->key : NULL;
}

static void make_objects(struct catalog *catalog, unsigned streams)
{
    struct error error = {0};
    struct user user = {.name = "bench",
        .nickname = "",
        .email = "bench@localhost",
        .description = "",
        .icon = "",
        .role = "admin"};
    struct device device = {.name = "data",
        .nickname = "",
        .description = "",
        .icon = "",
        .apikey = (char *)REST_SERVER_KEY,
        .role = "none",
        .enabled = true};
    bench_must(catalog_create_user(catalog, &user, "bench", &device.user_id, &error), &error);
    struct stream stream = {.nickname = "", .description = "", .icon = "", .schema = "{}", .datatype = ""};
    bench_must(catalog_create_device(catalog, &device, &stream.device_id, &error), &error);
    for (unsigned i = 0; i < streams; i++) {
        char name[16];
        snprintf(name, sizeof(name), "s%u", i);
        stream.name = name;
        bench_must(catalog_create_stream(catalog, &stream, NULL, &error), &error);
    }
}

void rest_server_open(void *context)
{
    struct rest_server *server = context;
    struct error error = {0};
    rest_server_close(server);
    bench_must(database_create(server->directory, NULL, &error), &error);
    bench_must(database_open(server->directory, NULL, &server->database, &error), &error);
    make_objects(server->database->catalog, server->streams);
    bench_must(server_start(server->database, &server->configuration, &server->server, &error), &error);
}

void rest_server_close(struct rest_server *server)
{
    struct error error = {0};
    if (!server->server)
        return;
    server_stop(server->server);
    server->server = NULL;
    bench_must(database_close(server->database, &error), &error);
    bench_remove(server->directory);
}

void rest_server_destroy(struct rest_server *server)
{
    rest_server_close(server);
    rest_server_set_tls(server, false);
    configuration_free(&server->configuration);
}

int rest_server_dial(const struct rest_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server_port(server->server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0 || connect(file, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        bench_fail("cannot connect to port %u", server_port(server->server));
    return file;
}

SSL *rest_server_shake_hands(const struct rest_server *server, int file)
{
    if (!server->tls)
        return NULL;
    SSL *tls = SSL_new(server->tls);
    if (!tls || SSL_set_fd(tls, file) != 1 || SSL_connect(tls) != 1)
        bench_fail("no TLS with port %u", server_port(server->server));
    return tls;
}
