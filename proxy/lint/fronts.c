// A table of domains. At some of them the names of customers are further below, after a region or a service.
#include "proxy/lint/fronts.h"

struct front {
    const char *domain;
    bool is_deep; // names below a name under it are had by anybody, too
};

static const struct front fronts[] = {
    {"akamaiedge.net", true},
    {"akamaihd.net", false},
    {"akamaized.net", false},
    {"aliyuncs.com", true},
    {"amazonaws.com", true},
    {"appspot.com", true},
    {"azureedge.net", false},
    {"azurefd.net", true},
    {"azurewebsites.net", true},
    {"b-cdn.net", false},
    {"backblazeb2.com", true},
    {"blogspot.com", false},
    {"cdn.cloudflare.net", false},
    {"cdn77.org", true},
    {"cloudapp.azure.com", true},
    {"cloudapp.net", false},
    {"cloudfront.net", false},
    {"cloudfunctions.net", false},
    {"core.windows.net", true},
    {"deno.dev", false},
    {"devtunnels.ms", true},
    {"digitaloceanspaces.com", true},
    {"edgekey.net", true},
    {"edgesuite.net", true},
    {"fastly.net", true},
    {"fastlylb.net", true},
    {"firebaseapp.com", false},
    {"firebaseio.com", false},
    {"fly.dev", false},
    {"github.io", false},
    {"githubusercontent.com", false},
    {"gitlab.io", false},
    {"glitch.me", false},
    {"googleusercontent.com", true},
    {"herokuapp.com", false},
    {"hf.space", false},
    {"kxcdn.com", false},
    {"linodeobjects.com", true},
    {"myqcloud.com", true},
    {"myshopify.com", false},
    {"netlify.app", false},
    {"ngrok-free.app", false},
    {"ngrok.app", false},
    {"ngrok.io", true},
    {"onrender.com", false},
    {"ondigitalocean.app", false},
    {"oraclecloud.com", true},
    {"pages.dev", false},
    {"r2.cloudflarestorage.com", false},
    {"r2.dev", false},
    {"railway.app", true},
    {"replit.app", false},
    {"run.app", true},
    {"storage.googleapis.com", false},
    {"supabase.co", false},
    {"trafficmanager.net", false},
    {"translate.goog", true},
    {"trycloudflare.com", false},
    {"vercel.app", false},
    {"wasabisys.com", true},
    {"web.app", false},
    {"wordpress.com", false},
    {"workers.dev", false},
};

// is_below tells whether `name` is a name under `domain`.
static bool is_below(struct slice name, struct slice domain)
{
    return name.len > domain.len && name.data[name.len - domain.len - 1] == '.' &&
           slice_ends_with(name, domain);
}

bool front_is_shared(struct slice name)
{
    for (size_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++) {
        const struct slice domain = slice_of_string(fronts[i].domain);
        if (slice_equal(name, domain) || is_below(domain, name) ||
            (fronts[i].is_deep && is_below(name, domain)))
            return true;
    }
    return false;
}
