// eval: the reader of the policy tables in tests/data/*.eval.
//
// A table is written for people who review policy and do not read C. It describes policies and, in
// rows, what has to come out of them; tests/data/README.md says how it is written. The reader
// builds the same structs as the config loader, and asks the same functions as the proxy. Knows no
// YAML.
#pragma once

#include <stddef.h>

struct eval_result {
    size_t row_count;     // rows that were judged
    size_t failure_count; // rows and lines that did not hold; each was printed with file:line
};

// eval_run_file reads the table at `path` and judges every row of it.
struct eval_result eval_run_file(const char *path);
