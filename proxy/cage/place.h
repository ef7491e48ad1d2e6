// place: a file or folder that somebody has named, as the machine has it at this moment. Any thread.
#pragma once

#include <limits.h>
#include <stdbool.h>

struct place {
    const char *path;
    bool is_written;
    bool is_folder;   // whether it is there or not; of others that shows
    bool is_constant; // it is not named anew while the program runs
    bool
        keeps_folder; // a file that is renamed over it is to be read: its folder is opened, whatever else is there
};

typedef void place_fn(void *arg, const struct place *place);

// place_folder gives the whole path of the folder in which the name `path` is. False: there is none.
bool place_folder(const char *path, char out[PATH_MAX]);

// place_is_stream tells whether a path leads to a device or a pipe: it is opened, and never made.
bool place_is_stream(const char *path);

// place_is_link and place_is_folder tell whether it is one; a folder may be at the end of a link.
bool place_is_link(const char *path);
bool place_is_folder(const char *path);

// place_opens_wide tells whether a place needs a folder to be opened in which much else is (wide.h), and which.
bool place_opens_wide(const struct place *place, char out_folder[PATH_MAX]);
