// failure_text: explains BoringSSL's word for a failed handshake in a sentence for people.
#pragma once

enum { FAILURE_CODE_CAP = 48 };

// failure_sentence gives a sentence about `word`, such as `UNSUPPORTED_PROTOCOL` (tls_stream_failure_detail): what
// happened and what to do; a general one for a word that it does not know. Static memory.
const char *failure_sentence(const char *word);

// failure_code writes the stable token of `word`: the same in lower case, cut where it is longer than
// FAILURE_CODE_CAP allows. Gives `out`.
const char *failure_code(const char *word, char out[FAILURE_CODE_CAP]);
