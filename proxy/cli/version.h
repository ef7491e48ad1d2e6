// version: `sallyport version`: what this is and what it was built with.
#pragma once

// version_command prints one line, or one JSON object with `--json`, and gives the exit status: 0, or 2 for
// wrong usage.
int version_command(int argc, char **argv);
