// serve: `sallyport serve`: loads the configuration and runs the proxy.
#pragma once

// serve_command runs `serve` with its own arguments (`argv[0]` is the command's name) until a signal ends
// it, and gives the exit status: 0, 1 failed, 2 usage, 3 configuration or audit log not loadable.
int serve_command(int argc, char **argv);
