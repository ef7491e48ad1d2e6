#!/usr/bin/python3
"""Makes the manual pages and the completions, as a tar of what goes below /usr/share.

    make.py PROGRAM CHANGELOG DOCS OUT.tar

PROGRAM is asked for its help; CHANGELOG is Debian's, whose newest entry gives the pages their date; DOCS has CONFIG.md
and AUDIT.md. The same inputs give the same bytes.

Owns: which pages there are, and where they go.
Must never know: what the program does. No sentence of a page is written here.
"""

import email.utils
import io
import re
import sys
import tarfile
from pathlib import Path

import completion
import markdown
from commands import Mistake, Option, Program, read_all
from roff import Page, escape, inline, synopsis

LABELS = {"Exit": "Exit status", "Exit status": "Exit status", "Signals": "Signals"}


def date_of(changelog, version):
    """The day of the newest entry of a Debian changelog, which has to be the program's."""
    match = re.match(r"sallyport \((.*)\).*?^ -- [^\n]*>  ([^\n]*)$", changelog, re.M | re.S)
    if match[1] != version:
        raise Mistake(f"debian/changelog begins with {match[1]}, and proxy/version.h says {version}")
    return email.utils.parsedate_to_datetime(match[2]).strftime("%Y-%m-%d")


def tag_of(option):
    """`-c, --config FILE` in fonts."""
    letter = f"\\fB\\-{option.letter}\\fR, " if option.letter else ""
    value = f" \\fI{escape(option.value)}\\fR" if option.value else ""
    return f"{letter}\\fB\\-\\-{escape(option.name)}\\fR{value}"


def add_synopsis(page, command):
    """The forms of a command, one a paragraph."""
    page.section("Synopsis")
    for form in command.usage:
        if not page.is_fresh:
            page.add(".br")
        page.add(synopsis(form))


def add_blocks(page, command):
    """Paragraphs and lists in the order of the help. A label such as `Exit:` begins a section."""
    titles = ["Description"]
    page.section(titles[0])
    for block in command.blocks:
        if isinstance(block, str):
            label, _, text = block.partition(": ")
            if label in LABELS:
                page.section(LABELS[label])
                page.paragraph(text[0].upper() + text[1:])
            else:
                page.paragraph(block)
            continue
        for item in block:
            if isinstance(item, Option):
                page.item(tag_of(item), item.text)
            else:
                page.item(f"\\fI{escape(item[0])}\\fR", item[1])


def add_list(page, title, commands):
    """Commands or verbs, each with its line."""
    page.section(title)
    for command in commands:
        page.item(f"\\fB{escape(command.words[-1])}\\fR", command.summary)


def add_also(page, names):
    """Other pages."""
    page.section("See also")
    last = len(names) - 1
    for at, (name, section) in enumerate(names):
        page.add(f".BR {escape(name)} ({section}){',' if at < last else ''}")


def page_name(command):
    """`sallyport-ca-issue`."""
    return "-".join(["sallyport", *command.words])


def command_page(command, above, version, date):
    """The page of one command, or verb."""
    page = Page(page_name(command), 1, version, date)
    page.section("Name")
    page.add(f"{escape(page_name(command))} \\- {inline(command.summary)}")
    add_synopsis(page, command)
    add_blocks(page, command)
    if command.verbs:
        add_list(page, "Verbs", command.verbs)
    names = [(page_name(verb), 1) for verb in command.verbs] + [(name, 1) for name in above]
    more = [("sallyport-audit", 5)] if "audit" in command.words or command.name() == "tail" else [("sallyport.yaml", 5)]
    add_also(page, names + more)
    return page.text()


def program_page(usage, commands, version, date):
    """sallyport(1)."""
    page = Page("sallyport", 1, version, date)
    parts = usage.strip().split("\n\n")
    page.section("Name")
    page.add(f"sallyport \\- {escape(parts[1].rstrip('.'))}")
    page.section("Synopsis")
    page.add(synopsis(parts[0].partition(": ")[2]))
    page.section("Description")
    page.paragraph(parts[1])
    page.paragraph(parts[-1])
    add_list(page, "Commands", commands)
    add_also(page, [(page_name(command), 1) for command in commands] + [("sallyport.yaml", 5), ("sallyport-audit", 5)])
    return page.text()


def document_page(name, path, version, date):
    """A page of docs/ in section 5."""
    page = Page(name, 5, version, date)
    markdown.write(page, name, path.read_text(encoding="utf-8"))
    add_also(page, [("sallyport", 1)])
    return page.text()


def make_all(program, changelog, docs):
    """All files: {path below /usr/share: text}."""
    usage, commands = read_all(program)
    version = program.version()
    date = date_of(changelog, version)
    files = {"man/man1/sallyport.1": program_page(usage, commands, version, date)}
    for command in commands:
        files[f"man/man1/{page_name(command)}.1"] = command_page(command, ["sallyport"], version, date)
        for verb in command.verbs:
            files[f"man/man1/{page_name(verb)}.1"] = command_page(verb, [page_name(command)], version, date)
    files["man/man5/sallyport.yaml.5"] = document_page("sallyport.yaml", docs / "CONFIG.md", version, date)
    files["man/man5/sallyport-audit.5"] = document_page("sallyport-audit", docs / "AUDIT.md", version, date)
    files["bash-completion/completions/sallyport"] = completion.bash(commands)
    files["zsh/vendor-completions/_sallyport"] = completion.zsh(commands)
    files["fish/vendor_completions.d/sallyport.fish"] = completion.fish(commands)
    return files


def write_tar(files, path):
    """A tar that says nothing of when and by whom it was made."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            data = files[name].encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))


def main(argv):
    """The command."""
    if len(argv) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    _, program, changelog, docs, out = argv
    try:
        files = make_all(Program(str(Path(program).resolve())), Path(changelog).read_text(encoding="utf-8"), Path(docs))
    except Mistake as mistake:
        print(f"make.py: {mistake}", file=sys.stderr)
        return 1
    write_tar(files, out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
