// log_event: what a line of the log is about, as a word for programs. One enum with stable names: where the audit log or
// `status` has a word for the same thing, it is that word. docs/OPERATIONS.md says what each means and what to do. Names are
// never changed or reused.
#pragma once

#define LOG_EVENT_TABLE(X)                                                                         \
    /* the life of the process */                                                                  \
    X(LOG_SERVING, "serving")                                                                      \
    X(LOG_START_FAILED, "start_failed")                                                            \
    X(LOG_READY_FAILED, "ready_failed")                                                            \
    X(LOG_DRAINING, "draining")                                                                    \
    X(LOG_STOPPING, "stopping")                                                                    \
    X(LOG_STOPPED, "stopped")                                                                      \
    X(LOG_UPGRADE, "upgrade")                                                                      \
    X(LOG_KEEPER, "keeper")                                                                        \
    X(LOG_CAGE, "cage")                                                                            \
    X(LOG_KEY_HOLDER, "key_holder")                                                                \
    /* the configuration and its files */                                                          \
    X(LOG_FINDING, "finding")                                                                      \
    X(LOG_RELOADING, "reloading")                                                                  \
    X(LOG_RELOADED, "reloaded")                                                                    \
    X(LOG_RELOADED_IN_PART, "reloaded_in_part")                                                    \
    X(LOG_RELOAD_FAILED, "reload_failed")                                                          \
    X(LOG_TRUST_TAKEN, "trust_taken")                                                              \
    X(LOG_CRL_FETCHED, "crl_fetched")                                                              \
    X(LOG_CRL_FETCH_FAILED, "crl_fetch_failed")                                                    \
    X(LOG_CRL_UNLISTED, "crl_unlisted")                                                            \
    X(LOG_RENEWED, "renewed")                                                                      \
    X(LOG_ENDS_SOON, "ends_soon")                                                                  \
    X(LOG_EXPIRED, "expired")                                                                      \
    /* the audit log and the operator */                                                           \
    X(LOG_AUDIT_FAILING, "audit_failing")                                                          \
    X(LOG_AUDIT_WORKS, "audit_works")                                                              \
    X(LOG_AUDIT_REMOVED, "audit_removed")                                                          \
    X(LOG_PARENT_DOWN, "parent_down")                                                              \
    X(LOG_PARENT_UP, "parent_up")                                                                  \
    X(LOG_SINK_FAILING, "sink_failing")                                                            \
    X(LOG_SINK_WORKS, "sink_works")                                                                \
    X(LOG_AUDIT_REOPENED, "audit_reopened")                                                        \
    X(LOG_RECORDS_LOST, "records_lost")                                                            \
    X(LOG_ADMIN_LISTENS, "admin_listens")                                                          \
    X(LOG_ADMIN_STRANGER, "admin_stranger")                                                        \
    X(LOG_ADMIN, "admin")                                                                          \
    X(LOG_BLOCKS_NOT_KEPT, "blocks_not_kept")                                                      \
    X(LOG_INCLUDED_NOT_KEPT, "included_not_kept")                                                  \
    X(LOG_CERTIFICATE_CONTESTED, "certificate_contested")                                          \
    /* other proxies, and the store that they share */                                             \
    X(LOG_STORE_LOST, "store_lost")                                                                \
    X(LOG_STORE_READY, "store_ready")                                                              \
    X(LOG_STORE_FAULT, "store_fault")                                                              \
    X(LOG_FLEET, "fleet")                                                                          \
    X(LOG_FLEET_ALARM, "fleet_alarm")                                                              \
    X(LOG_FLEET_DIFFERS, "fleet_differs")                                                          \
    /* what runs out */                                                                            \
    X(LOG_NO_MEMORY, "no_memory")                                                                  \
    X(LOG_LIMIT_MEMORY, "limit_memory")                                                            \
    X(LOG_LIMIT_MEMORY_OVER, "limit_memory_over")                                                  \
    X(LOG_LIMIT_DESCRIPTORS, "limit_descriptors")                                                  \
    X(LOG_ACCEPT_FAILED, "accept_failed")                                                          \
    X(LOG_RESOLVER_FAILED, "resolver_failed")                                                      \
    X(LOG_DNS_SERVER_FAILING, "dns_server_failing")                                                \
    X(LOG_DNS_SERVER_WORKS, "dns_server_works")                                                    \
    X(LOG_OCSP_FAILING, "ocsp_failing")                                                            \
    X(LOG_AUTHORIZER_FAILING, "authorizer_failing")                                                \
    X(LOG_AUTHORIZER_WORKS, "authorizer_works")                                                    \
    X(LOG_CLOCK_SET, "clock_set")                                                                  \
    /* the sidecar */                                                                              \
    X(LOG_PROXY_CHANGED, "proxy_changed")                                                          \
    X(LOG_PROXY_UNREACHABLE, "proxy_unreachable")                                                  \
    X(LOG_CONNECTION_FAILED, "connection_failed")

enum log_event {
#define X(symbol, name) symbol,
    LOG_EVENT_TABLE(X)
#undef X
        LOG_EVENT_COUNT
};

// log_event_name gives the stable name; static memory.
const char *log_event_name(enum log_event event);
