// store_settings: which Valkey or Redis a fleet shares, as the configuration says (`shared`). A plain value.
#pragma once

#include "auth/target.h"
#include "proxy/tls/server_trust.h"

enum {
    STORE_MAX_PLACES = 8,
    STORE_PREFIX_CAP = 65, // with the NUL
    STORE_USER_CAP = 65,
    STORE_PASSWORD_CAP = 513,
    STORE_MASTER_CAP = 65,
};

struct store_settings {
    size_t place_count; // at least 1
    struct target places
        [STORE_MAX_PLACES]; // of the store, in the order in which they are tried; or of Sentinels
    char master
        [STORE_MASTER_CAP]; // the name by which Sentinels know the store; empty: `places` are the store's
    char user[STORE_USER_CAP];         // empty: the default one
    char password[STORE_PASSWORD_CAP]; // empty: none is said
    char prefix[STORE_PREFIX_CAP];     // of all keys
    bool is_tls;
    bool has_tls_name;
    struct target tls_name; // that its certificate must have; without it the host of the place
    struct server_trust
        *tls; // ref, or borrowed from the configuration; whom we believe with `is_tls`
};

// store_settings_equal tells whether a connection made by one serves the other.
bool store_settings_equal(const struct store_settings *a, const struct store_settings *b);
