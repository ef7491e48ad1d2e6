// tail: `sallyport tail`: the audit records of a running proxy as they come.
#pragma once

// tail_command runs the command; `argv[0]` is its name. Returns the exit status.
int tail_command(int argc, char **argv);
