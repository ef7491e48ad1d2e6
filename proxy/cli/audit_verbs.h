// audit_verbs: the verbs of `sallyport audit`, a file each.
#pragma once

// Each runs one verb with its options and the paths of the logs (`argv[0]` is the verb) and returns the exit status.
int audit_keygen(int argc, char **argv);
int audit_prove(int argc, char **argv);
int audit_verify(int argc, char **argv);
int audit_replay(int argc, char **argv);
int audit_suggest(int argc, char **argv);
