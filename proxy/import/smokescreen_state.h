// smokescreen_state: what is known while a configuration of Smokescreen is read.
#pragma once

#include "proxy/config/yaml_document.h"
#include "proxy/import/imported.h"

// smokescreen_range is addresses that the configuration opens or closes, at one port or all.
struct smokescreen_range {
    struct import_place place;
    struct ip_prefix prefix;
    uint16_t port; // 0: all
    struct smokescreen_range *next;
};

enum { SMOKESCREEN_RANGES_MAX = 1000 };

struct smokescreen {
    struct import_notes *notes; // borrowed
    struct imported *imported;  // borrowed
    bool is_role_ou;            // of the certificate
    const char *file;           // that is read now; arena
    struct smokescreen_range *allowed;
    struct smokescreen_range *denied;
    const char *acl_path; // NULL: none
};

// smokescreen_refuse writes FILE:LINE: and the message, and returns ERR_INPUT.
enum err smokescreen_refuse(const struct smokescreen *state, const struct node *node,
                            struct errinfo *info, const char *format, ...) PRINTF_LIKE(4, 5);

// smokescreen_place gives the place of a node.
struct import_place smokescreen_place(const struct smokescreen *state, const struct node *node);

// smokescreen_is_true tells whether a node is what YAML 1.1 reads as true.
bool smokescreen_is_true(const struct node *node);
