// status: `sallyport status`: how a running proxy is: `top`: what its busiest tunnels are.
#pragma once

// status_command and top_command run the commands; `argv[0]` is the name. They return the exit status.
int status_command(int argc, char **argv);
int top_command(int argc, char **argv);
