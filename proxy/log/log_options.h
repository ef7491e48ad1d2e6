// log_options: what the configuration says of the log: `log`. Plain values.
#pragma once

// From the most urgent to the least.
enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
};

enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON,
};

struct log_options {
    enum log_level level; // the least urgent that is written
    enum log_format format;
};
