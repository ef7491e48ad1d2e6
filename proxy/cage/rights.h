// rights: the user, the groups and the capabilities of this process, and giving them up for good.
//
// Everything here holds for the calling thread alone, or for all threads by signals: it is called by main before there are others.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "auth/base/err.h"

enum { RIGHTS_GROUPS_MAX = 128, RIGHTS_NAME_CAP = 64 };

// rights_user is a user as the machine knows it.
struct rights_user {
    char name[RIGHTS_NAME_CAP];
    char group[RIGHTS_NAME_CAP]; // the name of its own group, or its number where there is none
    uid_t uid;
    gid_t gid;
    gid_t groups[RIGHTS_GROUPS_MAX]; // all, its own too
    size_t group_count;
};

// rights_find_user finds a user by name. ERR_INPUT with a sentence: there is none, it is root, or it has too many groups.
enum err rights_find_user(const char *name, struct rights_user *out, struct errinfo *info) MUST_USE;

// rights_check_user tells whether this process can become `user`: it is root, or that user already. ERR_INPUT if not.
enum err rights_check_user(const struct rights_user *user, struct errinfo *info) MUST_USE;

// rights_take_groups takes the groups of `user`, so that they count when it is judged who can read a key. It stays root, if it
// was. ERR_SYSTEM.
enum err rights_take_groups(const struct rights_user *user, struct errinfo *info) MUST_USE;

// rights_drop gives up everything but what serving needs: it becomes `user` (NULL: it stays who it is), without any capability
// but CAP_NET_BIND_SERVICE where `binds_low_ports` and it is there. It makes sure that there is no way back. ERR_SYSTEM.
enum err rights_drop(const struct rights_user *user, bool binds_low_ports,
                     struct errinfo *info) MUST_USE;

// rights_shrink_keeper gives up what a keeper never needs. As root it keeps what the versions that it starts are to have at
// their start: becoming another user, reading the keys, binding low ports; and what it needs to signal them. ERR_SYSTEM.
enum err rights_shrink_keeper(struct errinfo *info) MUST_USE;

// rights_first_open_port gives the lowest port that needs no capability.
unsigned rights_first_open_port(void);
