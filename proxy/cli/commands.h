// commands: one row a command: its name, its function, its line in `sallyport --help`.
#pragma once

#define COMMAND_TABLE(X)                                                                                     \
    X("serve", serve_command, "  serve      -c FILE                    run the proxy\n")                     \
    X("check", check_command,                                                                                \
      "  check      -c FILE [--strict]         is this configuration good?\n")                               \
    X("quickstart", quickstart_command,                                                                      \
      "  quickstart DIR [--allow HOST:PORT]    make a CA, certificates and a first configuration\n")         \
    X("ca", ca_command,                                                                                      \
      "  ca         init | issue | renew | revoke | crl | list | inspect    a CA of files\n")                \
    X("check-cert", check_cert_command,                                                                      \
      "  check-cert --ca FILE --chain FILE     would a listener accept this certificate?\n")                 \
    X("explain", explain_command,                                                                            \
      "  explain    -c FILE --cert FILE --to HOST:PORT    why would this be allowed or denied?\n")           \
    X("audit", audit_command,                                                                                \
      "  audit      verify | prove | keygen | replay | suggest    what a log proves and teaches\n")          \
    X("import", import_command,                                                                              \
      "  import     squid | smokescreen FILE    another proxy's configuration as one of ours\n")             \
    X("connect", connect_command,                                                                            \
      "  connect    --proxy URL --cert FILE --key FILE --ca FILE    a plain proxy on this machine that\n"    \
      "                                        forwards to the real one with your certificate\n")            \
    X("doctor", doctor_command,                                                                              \
      "  doctor     --proxy URL --cert FILE --key FILE --ca FILE    does the way through the proxy work?\n") \
    X("status", control_command,                                                                             \
      "  status     -c FILE                    the state of the running proxy\n")                            \
    X("top", top_command, "  top        -c FILE                    its busiest tunnels\n")                   \
    X("tail", tail_command,                                                                                  \
      "  tail       -c FILE                    its audit records as they come\n")                            \
    X("reload", control_command,                                                                             \
      "  reload     -c FILE                    read the configuration again\n")                              \
    X("block", control_command,                                                                              \
      "  block      -c FILE NAME|sha256:HEX    refuse a client from now on\n")                               \
    X("unblock", control_command, "  unblock    -c FILE NAME|sha256:HEX    let it in again\n")               \
    X("kill", control_command,                                                                               \
      "  kill       -c FILE ID|client:NAME     end a tunnel, or all of a client's\n")                        \
    X("drain", control_command,                                                                              \
      "  drain      -c FILE                    finish what is under way, and exit\n")                        \
    X("upgrade", control_command,                                                                            \
      "  upgrade    -c FILE                    go on with the program and configuration of today\n")         \
    X("version", version_command, "  version                               what this is\n")

// Each function runs its command with the command's own arguments (`argv[0]` is the name) and returns the exit status:
// 0 done, 1 failed (check --strict: warnings; check-cert: rejected), 2 wrong usage, 3 a file that cannot be loaded. All
// block. Results go to stdout, everything else to stderr.
#define X(name, function, help) int function(int argc, char **argv);
COMMAND_TABLE(X)
#undef X
