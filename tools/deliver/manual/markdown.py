"""A page of docs/ as a manual page.

Owns: the blocks of Markdown that our pages use: headings, paragraphs, lists in lists, tables, fences, indented examples. A
table becomes a list: its first column is the tag. Anything else is read as a paragraph.
Must never know: which pages there are.
"""

import re

from roff import escape, inline


def cells(row):
    """The cells of a table's row."""
    row = row.strip()[1:-1] if row.strip().endswith("|") else row.strip()[1:]
    parts = re.split(r"(?<!\\)\|", row)
    return [part.strip().replace("\\|", "|") for part in parts]


class Reader:
    """Writes the blocks of `lines` to `page`."""

    def __init__(self, page):
        self.page = page

    def blocks(self, lines):
        """All blocks, one after the other."""
        at = 0
        while at < len(lines):
            at = at + 1 if not lines[at].strip() else self.block(lines, at)

    def block(self, lines, at):
        """The block that begins at lines[at]; returns where the next one may begin."""
        line = lines[at]
        if line.startswith("```"):
            return self.fence(lines, at)
        if line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            (self.page.section if level == 2 else self.page.subsection)(line.lstrip("# "))
            return at + 1
        if line.startswith("|"):
            return self.table(lines, at)
        if line.startswith("    "):
            return self.indented(lines, at)
        if re.match(r"(?:-|\d+\.) ", line):
            return self.entry(lines, at)
        end = at
        while end < len(lines) and lines[end].strip() and not re.match(r"(?:#|```|\||- |\d+\. )", lines[end]):
            end += 1
        self.page.paragraph(" ".join(part.strip() for part in lines[at:end]))
        return end

    def example(self, lines):
        """An example, without what is only for a reader who is in the clone."""
        kept = [line for line in lines if "bazel-bin" not in line]
        if kept:
            self.page.example(kept)

    def fence(self, lines, at):
        """From ``` to ```."""
        end = next(number for number in range(at + 1, len(lines)) if lines[number].startswith("```"))
        self.example(lines[at + 1:end])
        return end + 1

    def indented(self, lines, at):
        """Lines that are four columns in."""
        end = at
        while end < len(lines) and (lines[end].startswith("    ") or
                                    (not lines[end].strip() and lines[end + 1:end + 2] and lines[end + 1].startswith("    "))):
            end += 1
        self.example([line[4:] for line in lines[at:end]])
        return end

    def table(self, lines, at):
        """A row each; what its heading calls `default` or `type` says so."""
        heads = cells(lines[at])
        at += 2
        while at < len(lines) and lines[at].startswith("|"):
            row = dict(zip(heads, cells(lines[at])))
            tag, *rest = row.items()
            kind = "".join(f" ({cell})" for head, cell in rest if head == "type" and cell)
            text = " ".join(cell for head, cell in rest if head not in ("type", "default") and cell)
            if row.get("default"):
                text += f"{'' if text.endswith('.') else '.'} Default: {row['default']}."
            self.page.item(inline(tag[1] + kind) or "\\&", text)
            at += 1
        return at

    def entry(self, lines, at):
        """One entry of a list, with the blocks in it."""
        mark, rest = re.match(r"(-|\d+\.) +(.*)", lines[at]).groups()
        width = len(lines[at]) - len(rest)
        end = at + 1
        while end < len(lines) and (lines[end].startswith(" " * width) or
                                    (not lines[end].strip() and lines[end + 1:end + 2] and lines[end + 1].startswith(" " * width))):
            end += 1
        inner = [rest] + [line[width:] for line in lines[at + 1:end]]
        first = next((number for number, line in enumerate(inner)
                      if number and (not line.strip() or re.match(r"(?:```|\||- |\d+\. )", line))), len(inner))
        self.page.bullet("\\(bu" if mark == "-" else mark, " ".join(line.strip() for line in inner[:first]))
        if any(line.strip() for line in inner[first:]):
            self.page.indent()
            self.blocks(inner[first:])
            self.page.outdent()
        return end


def write(page, name, text):
    """The whole page: its title is what the manual says of `name`."""
    title, _, rest = text.partition("\n")
    title = title.lstrip("# ").replace("`", "")
    page.section("NAME")
    page.add(f"{escape(name)} \\- {escape(title[0].lower() + title[1:])}")
    page.section("DESCRIPTION")
    Reader(page).blocks(rest.split("\n"))
