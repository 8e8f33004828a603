#include "http_peer.h"

#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REPLY_BYTES_MAX = 24 << 20 };

int peer_dial(uint16_t port, int receive_bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int file = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(file >= 0);
    if (receive_bytes > 0)
        assert_int_equal(setsockopt(file, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)), 0);
    assert_int_equal(connect(file, (struct sockaddr *)&address, sizeof(address)), 0);
    return file;
}

void peer_say(int file, const void *data, size_t size)
{
    const char *from = data;
    while (size > 0) {
        ssize_t sent = send(file, from, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the server may have closed: the answer tells */
        from += sent;
        size -= (size_t)sent;
    }
}

/* All that comes until the server closes, with a 0 byte behind it: free it. */
char *peer_hear_all(int file, size_t *ret_size)
{
    char *data = malloc(REPLY_BYTES_MAX + 1);
    size_t used = 0;
    ssize_t count;
    assert_non_null(data);
    while (used < REPLY_BYTES_MAX && (count = recv(file, data + used, REPLY_BYTES_MAX - used, 0)) > 0)
        used += (size_t)count;
    data[used] = '\0';
    close(file);
    if (ret_size)
        *ret_size = used;
    return data;
}

char *peer_ask(uint16_t port, const char *request, size_t *ret_size)
{
    int file = peer_dial(port, 0);
    peer_say(file, request, strlen(request));
    return peer_hear_all(file, ret_size);
}

void peer_assert_status(const char *reply, int status)
{
    char line[32];
    (void)snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    if (strncmp(reply, line, strlen(line)) != 0)
        fail_msg("status %d expected, got: %.80s", status, reply);
}

const char *peer_body(const char *reply)
{
    const char *end = strstr(reply, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}
