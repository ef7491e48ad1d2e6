// A time without bytes, and one for the answer.
#include "proxy/http2/http2_silence.h"

enum {
    SILENCE_MS = 60000, // nothing was heard for so long: the other side is asked
    ANSWER_MS = 20000,  // and has so long to answer
};

int64_t http2_silence_ends_ms(const struct http2_silence *silence)
{
    return silence->heard_ms + SILENCE_MS + (silence->is_asked ? ANSWER_MS : 0);
}
