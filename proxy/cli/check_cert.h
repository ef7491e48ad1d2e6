// `sallyport check-cert`: the verification of a listener for one chain, without network and config.
#pragma once

// check_cert_command runs it; `argv[0]` is the command's name. Gives the exit status: 0 accepted, 1
// rejected, 2 usage, 3 a file that cannot be loaded.
int check_cert_command(int argc, char **argv);
