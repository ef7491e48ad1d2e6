// `sallyport audit`: looks at audit logs: are they whole, what would another configuration have decided, which
// rules would a client need.
#pragma once

// audit_command runs it; returns the exit status.
int audit_command(int argc, char **argv);
