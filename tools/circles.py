#!/usr/bin/python3
"""Circles of files in auth/ and proxy/; run by tools/check.

    circles.py ROOT

A file (a .c with its headers) needs another one when it includes its header or names a function that it alone
defines. Files that need each other, directly or by others, form a circle: nobody can read, test or reuse one of them
alone. Each finding is `file:line: what is wrong; what to do`, and the exit status is 1 if there was one.

Owns: what an arrow is, and the list of files that are still in a circle. That list may only become shorter: a
file on it that is in no circle any more is a finding too.
"""

import re
import sys
from pathlib import Path

# Files that are in a circle today and wait to be untied: none.
TIED = set()


def code_only(text):
    """C text with comments and literals blanked."""
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', " ", text, flags=re.DOTALL)


def room_of(path):
    """The name under which a .c and its headers count as one file."""
    return re.sub(r"_internal$", "", path.rsplit(".", 1)[0])


# A function's definition at the left margin, its body's brace at the margin of a later line.
DEFINITION = re.compile(r"^(?!static\b|typedef\b|struct \w+ \{|enum \w+ \{)[A-Za-z_][\w \t*]*?\b(\w+)"
                        r"\([^;{}]*\)(?: MUST_USE| PRINTF_LIKE\([^)]*\))?\n\{", re.MULTILINE)


def includes_of(text):
    """Our own headers that a text includes."""
    return re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, re.MULTILINE)


def arrows_of(texts):
    """Which file needs which: it includes its header, or names a function that it alone defines."""
    code = {path: code_only(text) for path, text in texts.items()}
    declared, owners = {}, {}
    for path in texts:
        if path.endswith(".h"):
            for name in re.findall(r"\b([a-z]\w+)\(", code[path]):
                declared.setdefault(name, set()).add(path)
        else:
            for name in DEFINITION.findall(code[path]):
                owners.setdefault(name, set()).add(room_of(path))
    owners = {name: min(rooms) for name, rooms in owners.items()
              if len(rooms) == 1 and name in declared}
    arrows = {room_of(path): {} for path in texts}
    for path, text in texts.items():
        room, seen, todo = room_of(path), set(), [path]
        while todo:
            seen.add(todo[-1])
            todo.extend(name for name in includes_of(texts.get(todo.pop(), "")) if name not in seen)
        for name in includes_of(text):
            arrows[room].setdefault(room_of(name), (path, name))
        if path.endswith(".c"):
            for name in re.findall(r"(?<![\w.>])[a-z]\w+", code[path]):
                if name in owners and declared[name] & seen:
                    arrows[room].setdefault(owners[name], (path, name))
    return {room: {to: why for to, why in found.items() if to != room and to in arrows}
            for room, found in arrows.items()}


def circles_of(arrows):
    """The sets of more than one room that reach each other (Tarjan, without recursion)."""
    index, low, stack, on_stack, circles = {}, {}, [], set(), []
    for start in sorted(arrows):
        if start in index:
            continue
        work = [(start, iter(sorted(arrows[start])))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            room, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(sorted(arrows[target]))))
                    break
                if target in on_stack:
                    low[room] = min(low[room], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[room])
                if low[room] == index[room]:
                    circle = set()
                    while room not in circle:
                        circle.add(stack.pop())
                    on_stack -= circle
                    if len(circle) > 1:
                        circles.append(circle)
    return circles


def main(argv):
    """The command."""
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(argv[1]).resolve()
    paths = [path for folder in ("auth", "proxy") for path in sorted((root / folder).rglob("*.[ch]"))]
    texts = {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in paths}
    arrows = arrows_of(texts)
    findings, tied = [], set()
    for circle in circles_of(arrows):
        tied |= circle
        for room in sorted(circle - TIED):
            for target, (path, name) in sorted(arrows[room].items()):
                if target in circle:
                    findings.append("%s:1: is in a circle of %d files: it needs %s (%s), which needs it in turn; "
                                    "move what both need below them" % (path, len(circle), target, name))
    for room in sorted(TIED - tied):
        findings.append("tools/circles.py:1: %s is in no circle any more; take it out of TIED" % room)
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
