// wide: folders in which much more lies than what a proxy needs. There a rule is for one file, not for the folder; a file that is
// renamed over it is another one. Pure; any thread.
#pragma once

#include <stdbool.h>

// wide_folder tells whether the folder is such a one. `folder` is a whole path without links; "/" may be written "".
bool wide_folder(const char *folder);
