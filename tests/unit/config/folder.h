// folder: a temporary folder with the certificates that configurations of tests name.
//
// tls/: server.crt server.key clients-ca.crt partners-ca.crt, good for 100 days from FOLDER_NOW_S;
// and bad ones of each kind, see folder.c. lists/search.txt has one host. tls/clients.crl is of the first CA, good for 30 days.
#pragma once

#include "auth/base/slice.h"

// The time that tests live in, Unix seconds: 2026-11-22.
#define FOLDER_NOW_S INT64_C(1795305600)

struct folder {
    char path[256];
    int64_t now_s; // Unix seconds, from which the certificates count
};

// folder_create makes it; the test fails when it cannot. folder_create_at does so for tests that
// cannot choose the time. folder_remove removes it with all in it.
void folder_create(struct folder *folder);
void folder_create_at(struct folder *folder, int64_t now_s);
void folder_remove(struct folder *folder);

// folder_write writes a file in it with `mode`.
void folder_write(const struct folder *folder, const char *name, struct slice bytes, unsigned mode);
