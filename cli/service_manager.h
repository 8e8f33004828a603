/* What a service manager is told: the protocol of sd_notify(3), lines of text to the socket that the variable
 * NOTIFY_SOCKET names. Without the variable nothing is sent. What cannot be sent is logged; the service goes
 * on. Each function sends one datagram, may be called by any thread, and waits only while the manager's queue
 * is full. */
#ifndef CONNECTORDB_SERVICE_MANAGER_H
#define CONNECTORDB_SERVICE_MANAGER_H

#include <stdbool.h>

/* Whether there is a service manager that listens. */
bool service_manager_listens(void);
/* The service answers, or has read its configuration again. status: one line for people. */
void service_manager_ready(const char *status);
/* The configuration is being read again; service_manager_ready follows. */
void service_manager_reloading(void);
/* The service ends, in order. */
void service_manager_stopping(void);

#endif
