// findings: what tests of the configuration ask of diagnostics: a finding at a place with a text.
#pragma once

#include "proxy/config/diagnostics.h"

// assert_finding fails the test, and prints what there is, unless one finding of `severity` stands
// at `line`:`column` (line 0: anywhere) with `part` in its message or hint.
void assert_finding(const struct diagnostics *diagnostics, enum severity severity, uint32_t line,
                    uint32_t column, const char *part);

// assert_no_errors fails the test, and prints them, when there are errors.
void assert_no_errors(const struct diagnostics *diagnostics);
