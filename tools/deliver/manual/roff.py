"""Text for man(7): escapes, fonts, paragraphs, lists, examples.

Owns: what roff takes for a command, and how a page of Markdown's inline marks becomes fonts. The pages use man(7) and no
mdoc(7): their sources are texts for people, in which nobody has marked what is an argument and what a path.
Must never know: what a page says.
"""

import re
import textwrap

ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}
WIDTH = 76


def escape(text):
    """Text in which roff sees nothing of its own."""
    return "".join(ESCAPES.get(sign, sign if ord(sign) < 128 else f"\\[u{ord(sign):04X}]") for sign in text)


def guard(line):
    """A line that begins with no command."""
    return "\\&" + line if line.startswith((".", "\\(aq")) else line


def inline(text):
    """Code, links, bold and italics of Markdown as fonts. A link keeps its words, and its address if that is outside."""
    parts = re.split(r"(`[^`]+`)", text)
    held = [part[1:-1] for part in parts[1::2]]
    text = "".join(part if at % 2 == 0 else f"\x00{at // 2}\x00" for at, part in enumerate(parts))
    text = re.sub(r"\[([^\]]+)\]\((https?://[^)]+)\)", r"\1 (\2)", text)
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\*\*([^*]+)\*\*", "\x01\\1\x03", text)
    text = re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", "\x02\\1\x03", text)
    text = escape(text).replace("\x01", "\\fB").replace("\x02", "\\fI").replace("\x03", "\\fR")
    return re.sub("\x00(\\d+)\x00", lambda match: f"\\fB{escape(held[int(match[1])])}\\fR", text)


def filled(text):
    """A paragraph's lines."""
    return [guard(line) for line in textwrap.wrap(inline(text), WIDTH, break_long_words=False, break_on_hyphens=False)]


def synopsis(form):
    """A usage line: options bold, words for values italic; what is in brackets is not torn apart."""
    depth, out = 0, []
    for token in re.findall(r"--?[a-z][\w-]*|[A-Z][A-Z0-9]+\b|[A-Z]\b|[\[\]()]|\s+|[a-z0-9][\w./-]*|.", form):
        depth += (token in "[(") - (token in "])")
        if token.isspace():
            out.append("\\ " if depth else " ")
        elif token[0] == "-" or token == "sallyport":
            out.append(f"\\fB{escape(token)}\\fR")
        elif re.fullmatch(r"[A-Z][A-Z0-9]*", token):
            out.append(f"\\fI{token}\\fR")
        else:
            out.append(escape(token))
    return "".join(out)


class Page:
    """One page, line by line."""

    def __init__(self, name, section, version, date):
        self.lines = [f'.TH "{escape(name.upper())}" {section} "{date}" "sallyport {version}" "Sallyport"']
        self.add(".nh", ".ad l")
        self.is_fresh = False  # right after a heading or an indent, where a paragraph needs no mark

    def add(self, *lines):
        """Lines as they are."""
        self.lines.extend(lines)
        self.is_fresh = False

    def section(self, title):
        """A heading."""
        self.add(f".SH {escape(title.replace('`', '')).upper()}")
        self.is_fresh = True

    def subsection(self, title):
        """A lower heading."""
        self.add(f".SS {escape(title.replace('`', ''))}")
        self.is_fresh = True

    def paragraph(self, text):
        """A filled paragraph."""
        if not self.is_fresh:
            self.add(".PP")
        self.add(*filled(text))

    def item(self, tag, text):
        """A tag and its text. The tag is roff already."""
        self.add(".TP", guard(tag), *(filled(text) or ["\\&"]))

    def bullet(self, mark, text):
        """An entry of a list."""
        self.add(f".IP {mark} 3", *filled(text))

    def example(self, lines):
        """Lines that stay as they are."""
        if not self.is_fresh:
            self.add(".PP")
        self.add(".RS 4", ".nf", *[guard(escape(line)) or "\\&" for line in lines], ".fi", ".RE")

    def indent(self):
        """What follows belongs to the entry above."""
        self.add(".RS 3")
        self.is_fresh = True

    def outdent(self):
        """The end of indent."""
        self.add(".RE")

    def text(self):
        """The page."""
        return "\n".join(self.lines) + "\n"
