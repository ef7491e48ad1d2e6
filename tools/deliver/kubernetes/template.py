"""A Helm chart without Helm: the part of its template language that the charts here keep to.

    {{ .Values.a.b }}  .Release.Name  .Release.Namespace  .Chart.Version  .Files.Get "NAME"  "text"
    {{ toYaml X | nindent N }}  | indent N  | quote
    {{ if X }}  {{ if eq X "text" }}  {{ else }}  {{ end }}  and `-` beside the braces, which takes the blanks there

Owns: this language. Everything else is an error, and so is a value that is not there: where Helm writes nothing, this ends. A value
that the chart does not know is an error too.
Must never know: what is rendered.
"""

import json
import re

import jsonschema
import yaml

TOKEN = re.compile(r"\{\{(- )?\s*(.*?)\s*( -)?\}\}", re.S)
WORD = re.compile(r'"(?:[^"\\])*"|[^\s"]+')


class Mistake(Exception):
    """A template that says what this does not know."""


class Chart:
    """A chart's files, with values laid over its own, which have to be such as values.schema.json says (as Helm wants it)."""

    def __init__(self, folder, values=(), name="sallyport", namespace="sallyport"):
        self.folder = folder
        own = yaml.safe_load((folder / "values.yaml").read_text(encoding="utf-8"))
        for each in values:
            own = merged(own, each)
        rules = json.loads((folder / "values.schema.json").read_text(encoding="utf-8"))
        for error in jsonschema.Draft7Validator(rules).iter_errors(own):
            raise Mistake(f"values: {'.'.join(map(str, error.absolute_path)) or 'at the top'}: {error.message}")
        described = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))
        chart = {key[0].upper() + key[1:]: value for key, value in described.items()}
        self._top = {"Values": own, "Release": {"Name": name, "Namespace": namespace}, "Chart": chart}

    def render(self):
        """{name of the template: text}, in the order of the names; those that come to nothing are left out."""
        made = {}
        for path in sorted((self.folder / "templates").glob("*.yaml")):
            try:
                text = self.expand(path.read_text(encoding="utf-8"))
            except Mistake as error:
                raise Mistake(f"{path.name}: {error}") from None
            if text.strip():
                made[path.name] = text.lstrip("\n")
        return made

    def expand(self, text):
        """A template as text."""
        parts, position, open_ifs = [], 0, []
        for match in TOKEN.finditer(text):
            before, action = literal(text[position : match.start()]), match[2]
            if match[1]:
                before = before.rstrip(" \t\n")
            parts.append((before, all(open_ifs)))
            position = match.end()
            if match[3]:
                position += len(text[position:]) - len(text[position:].lstrip(" \t\n"))
            parts.append((self._act(action, open_ifs), all(open_ifs)))
        if open_ifs:
            raise Mistake("an `if` without its `end`")
        parts.append((literal(text[position:]), True))
        return "".join(text for text, is_wanted in parts if is_wanted)

    def _act(self, action, open_ifs):
        """What an action writes; it may open or close an `if`."""
        word, _, rest = action.partition(" ")
        if word == "if":
            # What is not wanted anyway is not looked at.
            open_ifs.append(all(open_ifs) and bool(self._condition(rest.strip())))
        elif word == "else" and not rest and open_ifs:
            open_ifs[-1] = not open_ifs[-1]
        elif word == "end" and not rest and open_ifs:
            open_ifs.pop()
        elif all(open_ifs):
            return self._pipe(action)
        return ""

    def _condition(self, text):
        words = WORD.findall(text)
        if len(words) == 1:
            return self._value(words[0])
        if len(words) == 3 and words[0] == "eq":
            return self._value(words[1]) == self._value(words[2])
        raise Mistake(f"`if {text}` is not known here")

    def _pipe(self, text):
        first, *stages = (WORD.findall(stage) for stage in text.split("|"))
        if len(first) == 1:
            value = self._value(first[0])
        elif len(first) == 2 and first[0] == "toYaml":
            value = yaml.safe_dump(self._value(first[1]), default_flow_style=False, width=1000).rstrip("\n")
        elif len(first) == 2 and first[0] == ".Files.Get":
            value = (self.folder / first[1].strip('"')).read_text(encoding="utf-8").rstrip("\n")
        else:
            raise Mistake(f"`{text}` is not known here")
        for stage in stages:
            value = applied(stage, value)
        if isinstance(value, (dict, list)) or value is None:
            raise Mistake(f"`{text}` is no text: toYaml")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _value(self, word):
        if word.startswith('"'):
            return word[1:-1]
        if not word.startswith("."):
            raise Mistake(f"`{word}` is not known here")
        value = self._top
        for name in word[1:].split("."):
            if not isinstance(value, dict) or name not in value:
                raise Mistake(f"there is no {word}")
            value = value[name]
        return value


def literal(text):
    if "{{" in text:
        raise Mistake("braces that do not close")
    return text


def applied(stage, value):
    """One stage of a pipe."""
    if stage == ["quote"]:
        return '"%s"' % str(value).replace("\\", "\\\\").replace('"', '\\"')
    if len(stage) == 2 and stage[0] in ("indent", "nindent"):
        blanks = " " * int(stage[1])
        lines = "\n".join(blanks + line if line else line for line in str(value).split("\n"))
        return "\n" + lines if stage[0] == "nindent" else lines
    raise Mistake(f"`| {' '.join(stage)}` is not known here")


def merged(base, changes):
    """Values laid over others, as Helm does: maps merge, everything else is replaced."""
    result = dict(base)
    for key, value in changes.items():
        is_both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if is_both else value
    return result
