// parent_places: `to` of a parent: the URLs of its proxies, or the name of a service that DNS has the places of.
#pragma once

#include "proxy/config/parent_config.h"
#include "proxy/config/section.h"

extern const struct section parent_srv_section;

// parent_places_read reads `to` into the fields of `out` that say where its proxies are. With a mistake neither `proxies` nor `srv`
// is set, or a finding says what is wrong with them.
void parent_places_read(struct reader *reader, const struct node *node, struct parent_config *out);
