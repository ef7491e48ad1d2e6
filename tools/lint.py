#!/usr/bin/python3
"""The house rules that a text search can check; run by tools/check.

    lint.py [ROOT]       without ROOT: the tree that this file is in

Owns: the tables below: which functions are not called where, what every file looks like. Which folder
may include what is read from tools/bazel/layers.bzl. Reads C without its comments and strings, so that a rule
may be explained where it applies. Each finding is `file:line: what is wrong; what to do`, and the
exit status is 1 if there was one. To allow an exception, change the table, with the reason.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

# The rule of layers: what a folder may include.
LAYERS_FILE = "tools/bazel/layers.bzl"

# Names on pages that look like ours and are examples, or somebody else's.
FOREIGN_NAMES = {"noun_verb_object", "on_xxx", "a_reset_of_the_target_resets_the_client", "sched_setattr",
                 "grpc_proxy", "no_grpc_proxy", "never_direct", "sni_verification", "sni_require_tls",
                 "on_unsupported_protocol", "tls_interception", "tls_inspector"}

# Headers that few files may use.
ONLY_IN = {
    "ares.h": {"proxy/net/dns_channel.c"},
    "yaml.h": {"proxy/config/yaml.c"},
    "idn2.h": {"proxy/config/idn.c"},
    "hiredis/read.h": {"proxy/store/resp.c"},
    "zlib.h": {"proxy/history/log_source.c"},
    "libpsl.h": {"proxy/lint/lint.c", "proxy/lint/lint_rules.c"},
}

# What a proxy says to a store, and a connection without a script.
STORE_COMMANDS = {"PING", "ROLE", "EVAL", "EVALSHA"}

# Headers of libraries: forbidden unless a folder's row lists them. Everything else in <> is libc.
LIBRARY = re.compile(r"(openssl/|nghttp2/|hiredis/|ev\.h|ares\.h|yaml\.h|idn2\.h|jansson\.h|libpsl\.h|zlib\.h|pthread\.h)")

# libc's headers that a pure part has no use for, and why.
PURE = ("auth/", "proxy/http/")
IMPURE_HEADERS = re.compile(r"(sys/(socket|stat|types|un|epoll)\.h|netinet/|arpa/|netdb\.h|fcntl\.h"
                            r"|unistd\.h|signal\.h|pthread\.h|poll\.h)")

# Functions that nobody calls, and what to use.
FORBIDDEN = {
    "strcpy": "copy with the helpers of auth/base, which take both lengths",
    "stpcpy": "copy with the helpers of auth/base, which take both lengths",
    "strcat": "append with the helpers of auth/base, which take both lengths",
    "strncpy": "it may leave out the final NUL; use the helpers of auth/base",
    "strncat": "append with the helpers of auth/base, which take both lengths",
    "sprintf": "use snprintf and look at what it returns",
    "vsprintf": "use vsnprintf and look at what it returns",
    "gets": "it cannot be called safely",
    "atoi": "it cannot say no; parse with the helpers of auth/base",
    "atol": "it cannot say no; parse with the helpers of auth/base",
    "atoll": "it cannot say no; parse with the helpers of auth/base",
    "strtok": "it writes to its input and to a global; parse slices",
    "alloca": "the stack is not checked; use the heap or a fixed array",
    "rand": "use BoringSSL's RAND_bytes",
    "random": "use BoringSSL's RAND_bytes",
    "gethostbyname": "names are resolved by proxy/net/resolver.c only",
    "getaddrinfo": "it blocks; names are resolved by proxy/net/resolver.c only",
    "system": "nothing here starts a shell",
    "popen": "nothing here starts a shell",
}
# Descriptors that a program which is started, such as the next one of an upgrade, would have too; not in tests.
INHERITED = {
    "dup": "write fcntl(fd, F_DUPFD_CLOEXEC, 0)",
    "pipe": "write pipe2() with O_CLOEXEC",
}
# memcpy only where both lengths are known to be checked: the helpers themselves.
MEMCPY_IN = {"auth/base/slice.h"}

# Calls that block: never on a worker's thread. The audit writer has a thread of its own.
BLOCKING = ("fopen", "sleep", "usleep", "nanosleep", "fsync", "fdatasync", "pthread_cond_wait",
            "sem_wait", "system", "wait", "waitpid")
ON_WORKERS = re.compile(r"proxy/(session|worker|loop|net|tls|http)/|proxy/audit/(queue|record)"
                        r"|proxy/uplink/|proxy/sidecar/(bridge|relay|reply|sidecar_worker)")

# The wall clock and the environment are arguments in the pure parts.
AMBIENT = ("time", "gettimeofday", "clock_gettime", "getenv", "fopen", "open", "read", "write",
           "socket", "printf", "exit")

TEXT_SUFFIXES = {".c", ".h", ".py", ".sh", ".bzl", ".bazel", ".md", ".yaml", ".yml", ".eval", ""}
# A line that names a place on one machine, or a server that packages come from. The mirror is the
# system's own configuration's business.
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:home|root|work|workspace|mnt|Users)/\w")
PACKAGE_SERVER = re.compile(r"\bhttps?://[\w.-]*(?:debian|ubuntu|pypi|pythonhosted|npmjs|crates)\.")
# `c ? p->n + 1 : 1` and `1 + (c ? p->n : 0)`.
FOLDED = re.compile(r"\?[^?:;]*(?:->|\[|\*\w)[^:;]*[+|^] *(\w+) *: *\1\b"
                    r"|[+|^] *\([^?;()]*\?[^:;()]*(?:->|\[|\*\w)[^:;()]*: *0\)"
                    r"|\([^?;()]*\?[^:;()]*(?:->|\[|\*\w)[^:;()]*: *0\) *[+|^] *\w")
TODO = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?!.{0,3}#\d+)")
PAGE = re.compile(r"(?<![\w/.:-])((?:docs/)?[A-Za-z][\w-]*\.md)\b")

# Turns of phrase that are not plain English, and what to write. Checked where a folder is clean of them.
TURNS = (
    (re.compile(r"\bbehind (?=[\w`'])(?!(?:a|an|one|the) (?:proxy|NAT|firewall|balancer|address)|CGI)"), "after, or below"),
    (re.compile(r"\banew\b"), "again"),
    (re.compile(r"\b[Ww]ho(?:so)?ever\b"), "the noun: a client that, everybody who"),
    (re.compile(r"\b[Ff]or who (?!in\b)|\bwho wants\b"), "the noun: readers who, a client that"),
)
PLAIN_ENGLISH = ("README.md", "CHANGELOG.md", "docs/", "auth/", "proxy/admin/", "proxy/audit/", "proxy/cli/",
                 "proxy/config/", "proxy/explain/", "proxy/history/", "proxy/http/", "proxy/import/", "proxy/limits/", "proxy/lint/",
                 "proxy/log/", "proxy/loop/", "proxy/net/", "proxy/outlet/", "proxy/pki/", "proxy/process/", "proxy/service/", "proxy/session/",
                 "proxy/sidecar/", "proxy/store/", "proxy/tls/", "proxy/uplink/", "proxy/worker/", "tests/")

findings = []


def find(path, line, text):
    """Notes a finding."""
    findings.append("%s:%d: %s" % (path, line, text))


def code_only(text):
    """C text with comments and the insides of literals blanked, line by line as before."""
    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[0]
        return re.sub(r"[^\n]", " ", found)
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.DOTALL)


def calls(code, names):
    """Yields (line, name) of each call of one of names."""
    pattern = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(map(re.escape, names)))
    for match in pattern.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, match.group(1)


def read_layers(root):
    """The rule of layers: {folder: (our folders and headers, headers of libraries)}."""
    tree = ast.parse((root / LAYERS_FILE).read_text(encoding="utf-8"))
    return next(ast.literal_eval(node.value) for node in tree.body
                if isinstance(node, ast.Assign) and node.targets[0].id == "LAYERS")


def check_includes(root, path, text, layers):
    """Who includes what, and each .c its own header first."""
    layer = str(Path(path).parent)
    row = layers.get(layer)
    first = None
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if not match:
            continue
        quoted, name = match.group(1) == '"', match.group(2)
        if first is None:
            first = name
            own = str(Path(path).with_suffix(".h"))
            if path.endswith(".c") and (root / own).exists() and name != own:
                find(path, number, 'includes "%s" first; its own "%s" goes first' % (name, own))
        if quoted:
            if not (root / name).exists():
                find(path, number, 'includes "%s", which is not in this tree; name it from the '
                                   "root" % name)
            if row and str(Path(name).parent) != layer and not name.startswith(tuple(row[0])):
                find(path, number, "%s may not include %s; see %s" % (layer, name, LAYERS_FILE))
            continue
        if name in ONLY_IN and path.startswith(("auth/", "proxy/")) and path not in ONLY_IN[name]:
            find(path, number, "only %s may include <%s>" % (" ".join(ONLY_IN[name]), name))
        if row and LIBRARY.match(name) and not name.startswith(tuple(row[1])):
            find(path, number, "%s may not include <%s>; see %s" % (layer, name, LAYERS_FILE))
        if path.startswith(PURE) and IMPURE_HEADERS.match(name):
            find(path, number, "%s is pure code: no <%s> in it" % (path, name))


def check_c(root, path, text, layers):
    """All rules for one C file."""
    check_includes(root, path, text, layers)
    code = code_only(text)
    for number, line in enumerate(code.split("\n"), 1):
        if FOLDED.search(line):
            find(path, number, "GCC 14 reads what stands before the `:` in either case; "
                 "use `if` (docs/DEVELOPING.md, Compilers)")
    for number, name in calls(code, FORBIDDEN):
        find(path, number, "%s() is not used here: %s" % (name, FORBIDDEN[name]))
    if path.startswith("tests/"):
        return
    for number, name in calls(code, INHERITED):
        find(path, number, "%s() leaves its descriptor open in programs that are started: %s" % (name, INHERITED[name]))
    if path not in MEMCPY_IN:
        for number, name in calls(code, ("memcpy", "memmove")):
            find(path, number, "%s() only in %s; use the helper that takes both lengths"
                 % (name, " ".join(MEMCPY_IN)))
    if ON_WORKERS.match(path):
        for number, name in calls(code, BLOCKING):
            find(path, number, "%s() blocks, and this runs on a worker" % name)
    if path.startswith(PURE):
        for number, name in calls(code, AMBIENT):
            find(path, number, "%s() in pure code; make it an argument, or move it" % name)


def threads_of(texts):
    """The headers of what starts threads: libc's, and those of our .c files that call it."""
    ours = {str(Path(path).with_suffix(".h")) for path, text in texts.items()
            if path.endswith(".c") and "pthread_create(" in text and not path.startswith("tests/")}
    return ours | {"pthread.h"}


def check_threads(path, text, texts, starters):
    """A unit test with threads is one that the thread sanitizer gets to see."""
    for name in re.findall(r'#\s*include\s*["<]([^">]+)[">]', text):
        rows = re.search(r"threads = \[(.*?)\]", texts.get(str(Path(path).parent / "BUILD.bazel"), ""), re.DOTALL)
        if name in starters and not (rows and '"%s"' % Path(path).stem in rows.group(1)):
            find(path, 1, "includes %s, and `threads` in BUILD.bazel does not name it" % name)


def check_text(path, text, pages):
    """What every file looks like."""
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            find(path, number, "a tab; indent with spaces")
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            find(path, number, "a conflict of a merge; settle it")
        if line != line.rstrip():
            find(path, number, "blanks at the end of the line; remove them")
        # The pages and this file speak about the word.
        if path != "tools/lint.py" and not path.endswith(".md") and TODO.search(line):
            find(path, number, "TODO without an issue's number; write TODO(#12)")
        if path.startswith(PLAIN_ENGLISH):
            for turn, better in TURNS:
                if found := turn.search(line):
                    find(path, number, '"%s" is not plain English; write: %s' % (found.group(), better))
        if MACHINE_PATH.search(line):
            find(path, number, "a path of one machine; derive it, or use a made-up one")
        if PACKAGE_SERVER.search(line) and not line.startswith("Format: "):  # of a debian/copyright: a name, not an address
            find(path, number, "a package server's name; derive it from the system's configuration")
        for page in sorted({found.split("/")[-1] for found in PAGE.findall(line)} - pages):
            find(path, number, "refers to %s, which is not in this tree" % page)
    if text and not text.endswith("\n"):
        find(path, text.count("\n") + 1, "no line end at the end of the file")


def check_head(path, text):
    """A source file begins with what it owns and what it must never know."""
    if not re.match(r"// \S", text):
        find(path, 1, "does not begin with a comment; say what the file owns and must never know")


def metric_word(name):
    """What the source has of a metric's name: the writer adds the ends of counters and infos."""
    is_metric = name.startswith(("sallyport_", "process_"))
    return re.sub(r"_(total|info)$", "", name) if is_metric else name


def check_names(root, paths, texts):
    """A page that names a function, a type or a file of ours names one that is there."""
    words = set()
    for path in paths:
        if path.endswith(".md") or path not in texts:
            continue
        words.update(re.findall(r"[A-Za-z_]\w*", texts[path]))
    files = {Path(path).name for path in paths}
    for path in paths:
        if not path.startswith("docs/") or not path.endswith(".md") or path not in texts:
            continue
        if path.startswith("docs/migrate/"):
            continue  # these name what other programs have
        for number, line in enumerate(texts[path].split("\n"), 1):
            for quoted in re.findall(r"`([^`]+)`", line):
                for name in re.findall(r"(?<![\w.<-])([a-z]+(?:_[a-z0-9]+)+)(?![\w.-])", quoted):
                    if name.endswith(("_test", "_fuzz")) or name in FOREIGN_NAMES:
                        continue  # a target of Bazel, made from a file's name
                    if metric_word(name) not in words:
                        find(path, number, "names %s, which is nowhere in this tree; say what is" % name)
                for name in re.findall(r"(?<![\w.<-])([\w-]+\.[ch])(?!\w)", quoted):
                    if name not in files:
                        find(path, number, "names the file %s, which is not in this tree" % name)


def check_store_rule(texts):
    """The rule for the store's ACL allows what the scripts do, and nothing else."""
    page = "docs/FLEET.md"
    said = set()
    for path in texts:
        if path.startswith("proxy/") and path.endswith((".c", ".h")):
            said.update(re.findall(r"\b(?:ask|redis\.p?call)\('([A-Z]+)'", texts[path]))
    lines = enumerate(texts.get(page, "").split("\n"), 1)
    number, rule = next(((number, line) for number, line in lines if line.startswith("user sallyport ")), (1, ""))
    allowed = {word[1:].upper() for word in rule.split() if word.startswith("+")}
    needed = said | STORE_COMMANDS
    for command in sorted(needed - allowed):
        find(page, number, "the rule lacks %s, which a script says; allow it" % command)
    for command in sorted(allowed - needed):
        find(page, number, "the rule allows %s, which no script says; take it out" % command)


def main(argv):
    """The command."""
    if len(argv) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(argv[1] if len(argv) == 2 else Path(__file__).parent.parent).resolve()
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    paths = sorted({path for path in listed if path and (root / path).is_file()})
    pages = {Path(path).name for path in paths if path.endswith(".md")}
    layers = read_layers(root)
    texts = {}
    for path in paths:
        if path == "LICENSE" or Path(path).suffix not in TEXT_SUFFIXES:
            continue
        if path.startswith("tests/") and ("/seeds/" in path or "/data/" in path):
            continue
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            find(path, 1, "is not UTF-8")
            continue
        texts[path] = text
        check_text(path, text, pages)
        if path.endswith((".c", ".h")):
            check_c(root, path, text, layers)
            if path.startswith(("auth/", "proxy/")):
                check_head(path, text)
    starters = threads_of(texts)
    for path in texts:
        if path.startswith("tests/unit/") and path.endswith("_test.c"):
            check_threads(path, texts[path], texts, starters)
    check_names(root, paths, texts)
    check_store_rule(texts)
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
