/* Export and import over the REST API of a server, of this program or of ConnectorDB 0.3: streamed, several
 * streams at once, memory bounded by the size of a request for each thread.
 *
 * The API gives no password hashes: folders are of version 1, in which the password of a user is its name.
 * Senders of datapoints cannot be set over the API; import leaves them out and counts them. */
#ifndef CONNECTORDB_REMOTE_H
#define CONNECTORDB_REMOTE_H

#include "error.h"
#include "export.h"

struct remote_options {
    const char *url;      /* http://HOST:PORT or https://HOST; a path behind it is kept */
    const char *user;     /* logs in with the password; or NULL, and */
    const char *password; /* then it is the API key of a device */
    const char *ca_file;  /* certificates to verify the server by; NULL = those of the system */
    bool skip_verify;     /* import: does not read everything back to compare checksums with what was sent */
    struct transfer_options transfer; /* resume: export and import; restart, sort: not */
};

struct remote_result {
    struct transfer_result transfer;
    uint64_t senders_lost;    /* import: datapoints whose sender could not be set */
    uint64_t streams_skipped; /* import: streams of `meta` devices, which the server writes itself */
};

/* True: the text is a URL, not the path of a database. */
bool remote_is_url(const char *text);

/* Writes what the account may read into the new folder `directory`: all users if it may list them, else its
 * own. Each stream has the datapoints that it had when its export began. connectordb.json is written last.
 * A failed export keeps its folder, which `resume` goes on with: streams that are complete are not read
 * again, others from their last datapoint on. -EEXIST: there is a folder, and resume is false; -EACCES: the
 * log-in is refused; -ENOENT: a filter names nothing; -ECANCELED; -EPROTO: an answer that is none of
 * ConnectorDB's; another -errno of files and connections. Blocks; may run on any thread. */
int remote_export(const char *directory, const struct remote_options *options,
    struct remote_result *ret_result, struct error *ret_error);

/* Makes the users, devices and streams of the folder, and inserts their datapoints as the devices that own
 * them. -EEXIST: there is such a user, and resume is false. With resume an import goes on: what is there is
 * kept, and each stream continues behind the datapoints that it has; the last of these must be the folder's,
 * else -EBADMSG. A request whose outcome is unknown is repeated only if it had none. Each
 * stream is compared at its end: the length, and, unless skip_verify is set, a checksum of all datapoints.
 * Other errors as above. */
int remote_import(const char *directory, const struct remote_options *options,
    struct remote_result *ret_result, struct error *ret_error);

#endif
