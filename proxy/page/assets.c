// The script puts a newer page in the place of this one every ten seconds, unless somebody reads with a selection. Without
// it the page is the same, and the link at its top loads it again.
#include "proxy/page/assets.h"

#include <openssl/base64.h>
#include <openssl/sha.h>

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#57606a;--line:#d0d7de;"
    "--card:#f6f8fa;--bad:#b3141d;--warn:#7d4e00;--good:#116329;--a:#0b57d0;"
    "--s0:#3b7dd8;--s1:#d9480f;--s2:#8250df;--s3:#9a6700}"
    "@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9ea7b3;"
    "--line:#30363d;--card:#161b22;--bad:#ff7b72;--warn:#e3b341;--good:#56d364;--a:#79b8ff;"
    "--s0:#58a6ff;--s1:#ff9b5e;--s2:#bc8cff;--s3:#e3b341}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,sans-serif}"
    "header,main,footer{max-width:1200px;margin:0 auto;padding:0 16px}"
    "header{padding-top:16px}h1{font-size:22px;margin:0 0 4px}h2{font-size:17px;margin:28px 0 8px}"
    "a{color:var(--a)}p{margin:4px 0}.soft{color:var(--soft)}.bad{color:var(--bad);font-weight:600}"
    ".warn{color:var(--warn);font-weight:600}.good{color:var(--good);font-weight:600}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;"
    "margin:16px 0;padding:0;list-style:none}"
    ".tiles li{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px}"
    ".tiles b{display:block;font-size:20px;font-weight:600}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:10px}"
    "figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;"
    "padding:10px}figcaption{font-weight:600}"
    "svg{display:block;width:100%;height:110px;border-bottom:1px solid var(--line);margin:6px 0}"
    ".reload{stroke:var(--fg);stroke-width:1;stroke-dasharray:3 2;"
    "vector-effect:non-scaling-stroke}"
    ".s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}"
    ".k0{background:var(--s0)}.k1{background:var(--s1)}.k2{background:var(--s2)}"
    ".k3{background:var(--s3)}.legend{font-size:13px;color:var(--soft);display:flex;"
    "flex-wrap:wrap;gap:2px 14px}"
    ".legend i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:4px}"
    ".axis{display:flex;justify-content:space-between;font-size:12px;color:var(--soft);margin:0}"
    ".scroll{overflow:auto;max-height:440px;border:1px solid var(--line);border-radius:8px}"
    "table{border-collapse:collapse;width:100%;font-size:14px}"
    "th,td{text-align:left;padding:5px 10px;border-bottom:1px solid var(--line);"
    "vertical-align:top;overflow-wrap:anywhere}td{min-width:7em}"
    "th{white-space:nowrap;position:sticky;top:0;background:var(--bg)}td.t{min-width:17em}"
    "tr:last-child td{border-bottom:0}td.n,th.n{text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}"
    "code{font:13px/1.4 ui-monospace,monospace;user-select:all}td code{display:block;min-width:26em}"
    "footer{padding:24px 16px;color:var(--soft);font-size:13px}";

static const char script[] =
    "setInterval(async()=>{if(document.hidden||getSelection().toString())return;try{"
    "const a=await fetch('/',{cache:'no-store'});if(!a.ok)throw 0;"
    "const d=new DOMParser().parseFromString(await a.text(),'text/html');"
    "const y=[...document.querySelectorAll('.scroll')].map(e=>[e.scrollLeft,e.scrollTop]);"
    "for(const n of['header','main'])"
    "document.querySelector(n).replaceChildren(...d.querySelector(n).childNodes);"
    "document.querySelectorAll('.scroll').forEach((e,i)=>{if(y[i])e.scrollTo(...y[i])});"
    "}catch(e){const s=document.getElementById('state');"
    "s.textContent='does not answer';s.className='bad'}},10000)";

void assets_append_style(struct text *out)
{
    text_append_string(out, "<style>");
    text_append_string(out, style);
    text_append_string(out, "</style>");
}

void assets_append_script(struct text *out)
{
    text_append_string(out, "<script>");
    text_append_string(out, script);
    text_append_string(out, "</script>");
}

// append_digest adds the source expression of a text.
static void append_digest(struct text *out, const char *text)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint8_t base64[64];
    (void)SHA256((const uint8_t *)text, strlen(text), digest);
    const size_t len = EVP_EncodeBlock(base64, digest, sizeof digest);
    text_append_string(out, "'sha256-");
    text_append(out, slice_of(base64, len));
    text_append_string(out, "'");
}

const char *assets_policy(char out[ASSETS_POLICY_CAP])
{
    struct text text;
    text_init(&text, out, ASSETS_POLICY_CAP);
    text_append_string(&text, "default-src 'none'; style-src ");
    append_digest(&text, style);
    text_append_string(&text, "; script-src ");
    append_digest(&text, script);
    text_append_string(&text, "; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                              "frame-ancestors 'none'");
    ASSERT(!text.is_cut);
    return out;
}
