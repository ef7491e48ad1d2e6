// kept_keys: the keys that the holder has opened for this process. Private to proxy/keys.
#pragma once

#include "proxy/keys/key_desk.h"

// kept_keys_ops reads keys and certificates through the holder.
extern const struct key_source_ops kept_keys_ops;

// kept_keys_open_again has another holder open what is open. A key whose file has another one by now is lost, which is logged.
// ERR_SYSTEM with a sentence where the holder does not answer. Under `calls`, on the store's thread.
enum err kept_keys_open_again(struct key_desk *desk, struct errinfo *info) MUST_USE;

// kept_keys_close closes and frees what nobody uses any more. Under `calls`, on the store's thread.
void kept_keys_close(struct key_desk *desk);
