"""The pages for users, and the commands that stand on them."""

import re
import subprocess
from pathlib import Path

from support.scale import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
PAGES = {
    str(path.relative_to(ROOT)): path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)((?:    .*\n|\n(?=    ))+)")


def blocks(page):
    """The indented blocks of a page, each as text for a shell."""
    text = FENCE.sub("", PAGES[page].read_text(encoding="utf-8"))
    return [re.sub(r"^    ", "", block, flags=re.M) for block in INDENTED.findall(text)]


def run_script(words, folder, environment):
    """Exit status of a shell with a script, as `words`, and all that it said."""
    result = subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return result.returncode, result.stdout
