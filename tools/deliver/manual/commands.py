"""What the program says of itself: its commands, verbs and options, read from the program as it was built.

Owns: the form of `--help` (see `read_items`), and asking the program. Every option that a help text names is tried, in
a command line that cannot run, so that a text that names an option wrongly, or its value, ends the build.
Must never know: how a page or a completion is written.
"""

import re
import subprocess
from dataclasses import dataclass, field

VALUE = r"[A-Z][A-Z0-9]*(?:[:=/][A-Z][A-Z0-9]*)*"
OPTION = re.compile(rf"^ {{2,6}}(?:-(?P<letter>\w), )?--(?P<name>[\w-]+)(?: (?P<value>{VALUE}))?(?:  +| (?=[^ A-Z])|$)(?P<text>.*)")
OPERAND = re.compile(r"^  (?P<name>[A-Za-z0-9]+(?::[A-Z]+)?)  +(?P<text>\S.*)")
NO_SUCH = "--no-such-option"


class Mistake(Exception):
    """A help text that does not fit the program, or that cannot be read."""


@dataclass
class Option:
    """One option; `value` is the word for its value, or None for a flag."""
    name: str
    letter: str
    value: str
    text: str

    def choices(self):
        """The words that the value may be, where the text lists them, otherwise []."""
        listed = [re.sub(r" \(default\)$", "", part) for part in self.text.split(", ")]
        if self.value and len(listed) > 2 and all(re.fullmatch(r"[a-zA-Z]+", word) for word in listed):
            return listed
        if self.value == "MODE":
            return re.findall(r"(?:^|; )(\w+)(?: \(default\))?:", self.text)
        return []

    def brief(self):
        """The text cut to what fits beside a completion."""
        text = re.split(r"[;:(]| such as |, (?!and )", self.text.replace("`", ""))[0].strip()
        return text if len(text) <= 70 else text[:text.rindex(" ", 0, 70)]


@dataclass
class Command:
    """A command or verb. `usage` has a line for each form; `blocks` are paragraphs (text) and lists of items in order."""
    words: list
    summary: str
    usage: list = field(default_factory=list)
    blocks: list = field(default_factory=list)
    verbs: list = field(default_factory=list)

    def name(self):
        """`ca issue`."""
        return " ".join(self.words)

    def options(self):
        """All options, in the order of the help."""
        return [item for block in self.blocks if isinstance(block, list) for item in block if isinstance(item, Option)]

    def operand(self):
        """What its words are that are no options: "files", "folders" or "words"."""
        usage = re.sub(rf"--?[\w-]+(?: {VALUE})?", "", " ".join(self.usage))
        found = re.findall(r"\b(?:LOG|FILE|DIR)\b", usage)
        return "words" if not found else "folders" if found[0] == "DIR" else "files"


class Program:
    """The program, asked on its command line."""

    def __init__(self, path):
        self.path = path

    def run(self, *words):
        """Exit status, stdout and stderr of one run."""
        done = subprocess.run([self.path, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding="utf-8", check=False)
        return done.returncode, done.stdout, done.stderr

    def help(self, words):
        """What --help prints."""
        status, text, errors = self.run(*words, "--help")
        if status != 0 or not text.startswith("usage: sallyport"):
            raise Mistake(f"{' '.join(words)} --help: exit status {status}: {text[:80]}{errors[:80]}")
        return text

    def version(self):
        """`0.2.0`."""
        return self.run("version")[1].split()[1]

    def verbs(self, name):
        """The verbs of a command, from its own table; [] if it has none."""
        match = re.search(r"which verb\? (.*)", self.run(name)[2])
        return re.split(r", | or ", match.group(1)) if match else []

    def probe(self, words, option):
        """Ends the build if the program does not take the option as its help says. Nothing runs: the line is wrong."""
        status, _, said = self.run(*words, f"--{option.name}=1", NO_SUCH)
        is_flag = "takes no value" in said
        if status != 2 or f"unknown option '--{option.name}" in said or is_flag != (option.value is None):
            raise Mistake(f"{' '.join(words)} --help tells of --{option.name} {option.value or ''}, and the program says: {said}")


def read_items(lines):
    """Options and operands, one each: `  -c, --config FILE   text`, with what is further in going on; else None."""
    items = []
    for line in lines:
        match = OPTION.match(line)
        operand = None if match else OPERAND.match(line)
        if match:
            items.append(Option(match["name"], match["letter"], match["value"], match["text"].strip()))
        elif operand:
            items.append((operand["name"], operand["text"]))
        elif items and re.match(r" {6,}\S", line):
            last = items[-1]
            if isinstance(last, Option):
                last.text = (last.text + " " + line.strip()).strip()
            else:
                items[-1] = (last[0], last[1] + " " + line.strip())
        else:
            return None
    return items


def read_blocks(text):
    """The usage lines, and the blocks after them."""
    usage, *rest = text.rstrip("\n").split("\n\n")
    forms = []
    for line in usage.split("\n"):
        line = re.sub(r"^usage:", "      ", line)
        if line.startswith("       sallyport"):
            forms.append(line.strip())
        else:
            forms[-1] += " " + line.strip()
    blocks = []
    for part in rest:
        lines = part.split("\n")
        items = read_items(lines) if lines[0].startswith("  ") else None
        if items is not None:
            blocks.append(items)
            continue
        if any(line.startswith("  ") for line in lines):
            raise Mistake(f"neither a list nor a paragraph:\n{part}")
        for line in lines:
            if blocks and line is not lines[0] and not re.match(r"[A-Z]\w*(?: status)?: ", line):
                blocks[-1] += " " + line
            else:
                blocks.append(line)
    return forms, blocks


def read_summaries(text, names):
    """The line of each command in a help that lists several: {name: summary}."""
    summaries = {}
    last = None
    for line in text.split("\n"):
        match = re.match(r"(?:usage:|  )? *(?:sallyport \w+ )?([\w-]+) ?(.*)", line)
        if match and match[1] in names and "   " in line:
            last = match[1]
            summaries[last] = re.split(r" {2,}", match[2].strip())[-1]
        elif last and re.match(r" {20,}\S", line):
            summaries[last] += " " + line.strip()
        else:
            last = None
    missing = [name for name in names if not summaries.get(name)]
    if missing:
        raise Mistake(f"the help has no line for {', '.join(missing)}")
    return summaries


def read_command(program, words, summary):
    """One command with its verbs. Its options are tried."""
    text = program.help(words)
    command = Command(words, summary)
    verbs = program.verbs(words[0]) if len(words) == 1 else []
    if verbs:
        summaries = read_summaries(text, verbs)
        command.verbs = [read_command(program, words + [verb], summaries[verb]) for verb in verbs]
        command.usage = [f"sallyport {words[0]} VERB [OPTIONS]"]
        paragraphs = [part for part in text.split("\n\n")[1:] if part.split()[0] not in verbs]
        command.blocks = read_blocks("\n\n".join(["usage: sallyport", *paragraphs]))[1]
    else:
        command.usage, command.blocks = read_blocks(text)
    for option in command.options():
        program.probe(words, option)
    return command


def read_all(program):
    """The program itself, and all its commands: (usage text, [Command])."""
    text = program.help([])
    names = re.findall(r"^  ([a-z][a-z-]*) ", text, re.M)
    summaries = read_summaries(text, names)
    return text, [read_command(program, [name], summaries[name]) for name in names]
