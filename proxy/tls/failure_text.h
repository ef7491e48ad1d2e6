// failure_text: explains BoringSSL's word for a failed handshake in a sentence for people.
#pragma once

enum { FAILURE_CODE_CAP = 48 };

// failure_sentence gives a sentence about `word`, such as `UNSUPPORTED_PROTOCOL` (tls_stream_failure_detail): what
// happened and what to do. An unknown word gets a general sentence. Static memory.
const char *failure_sentence(const char *word);

// failure_code writes the stable token of `word`: the word in lower case, such as `unsupported_protocol`, cut to
// FAILURE_CODE_CAP. Returns `out`.
const char *failure_code(const char *word, char out[FAILURE_CODE_CAP]);
