#!/usr/bin/python3
"""Functions and structs of auth/ and proxy/ that have grown too large; run by tools/check.

    sizes.py ROOT

A function has at most 60 lines, from its name to its last brace. A struct has at most 25 fields, unless the comment
right above it gives the reason with the word `because`. Each finding is `file:line: what is wrong; what to do`, and the
exit status is 1 if there was one.

Owns: the two bounds, and the list of what is over them today. That list may only become shorter: an entry that is
within its bound again, or is gone, is a finding too.
"""

import re
import sys
from pathlib import Path

FUNCTION_MAX_LINES = 60
STRUCT_MAX_FIELDS = 25

# What is over its bound today: FILE:NAME.
LARGE = set()

FUNCTION = re.compile(r"^[A-Za-z_][^;{}=\n]*?\b(\w+)\([^;{}]*\)\s*\n\{\n.*?^\}", re.MULTILINE | re.DOTALL)
STRUCT = re.compile(r"^struct (\w+) \{\n.*?^\}", re.MULTILINE | re.DOTALL)


def blank_out(text):
    """C text with comments and literals blanked, line by line as before."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.DOTALL)


def comment_above(lines, number):
    """The comment that ends on the line before `number`, which counts from 1."""
    first = number - 1
    while first > 0 and lines[first - 1].startswith("//"):
        first -= 1
    return " ".join(lines[first:number - 1])


def large_things_of(path, text):
    """Yields (line, name, what it is and how large) of all that is over its bound in one file."""
    code, lines = blank_out(text), text.split("\n")
    for match in FUNCTION.finditer(code):
        length = match.group(0).count("\n") + 1
        if length > FUNCTION_MAX_LINES:
            yield code.count("\n", 0, match.start()) + 1, match.group(1), "a function of %d lines" % length
    for match in STRUCT.finditer(code):
        number = code.count("\n", 0, match.start()) + 1
        fields = match.group(0).count(";")
        if fields > STRUCT_MAX_FIELDS and not re.search(r"\bbecause\b", comment_above(lines, number)):
            yield number, match.group(1), "a struct of %d fields" % fields


def main(argv):
    """The command."""
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(argv[1]).resolve()
    findings, seen = [], set()
    for folder in ("auth", "proxy"):
        for file in sorted((root / folder).rglob("*.[ch]")):
            path = str(file.relative_to(root))
            for line, name, what in large_things_of(path, file.read_text(encoding="utf-8")):
                seen.add("%s:%s" % (path, name))
                if "%s:%s" % (path, name) not in LARGE:
                    findings.append("%s:%d: %s is %s; divide it, or give the reason in a struct's comment: because ..."
                                    % (path, line, name, what))
    for entry in sorted(LARGE - seen):
        findings.append("tools/sizes.py:1: %s is within its bound; take it out of LARGE" % entry)
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
