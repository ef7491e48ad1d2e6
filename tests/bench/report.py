"""Figures to a table: text, Markdown, JSON.

Owns: medians, spreads, the ratio to the best of the others, and how they are written.
"""

from statistics import median

from scenarios import FIGURES

OURS = "sallyport"
AGAINST = "against"  # another build of it


def number(value):
    """Three significant digits, and no exponent."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


class Results:
    """Samples by figure and peer: a sample a round."""

    def __init__(self):
        self.samples = {}
        self.problems = []
        self.foreign = []

    def add(self, peer, figures):
        for name, value in figures.items():
            self.samples.setdefault(name, {}).setdefault(peer, []).append(value)

    def median(self, figure, peer):
        samples = self.samples.get(figure, {}).get(peer)
        return median(samples) if samples else None

    def best_other(self, figure):
        """(peer, its median) of the best that is not ours, or None. Another build counts where there is nothing else."""
        best = FIGURES[figure].best
        others = {
            peer: median(samples)
            for peer, samples in self.samples.get(figure, {}).items()
            if peer != OURS
        }
        if len(others) > 1:
            others.pop(AGAINST, None)
        if not others or not best:
            return None
        pick = min if best == "less" else max
        return pick(others.items(), key=lambda item: item[1])

    def ratio(self, figure):
        """How many times better ours is than the best other one, or None."""
        ours, other = self.median(figure, OURS), self.best_other(figure)
        if ours is None or other is None:
            return None
        least, most = (ours, other[1]) if FIGURES[figure].best == "less" else (other[1], ours)
        return most / least if least > 0 else None

    def cell(self, figure, peer):
        samples = self.samples.get(figure, {}).get(peer)
        if not samples:
            return "-"
        if len(samples) == 1:
            return number(samples[0])
        return f"{number(median(samples))} ({number(min(samples))}..{number(max(samples))})"

    def to_ours(self, figure, peers):
        """What each of the others has of ours, as "1.01, 0.99"."""
        ours = self.median(figure, OURS)
        others = [self.median(figure, peer.name) for peer in peers if peer.name != OURS]
        return ", ".join("-" if not ours or other is None else number(other / ours) for other in others)

    def rows(self, peers, is_relative=False):
        """Lists of cells; the first one is the heading. `is_relative`: the others are set against ours."""
        verdict = "to the first" if is_relative else "ours to the best other"
        yield ["", "unit", *[peer.title for peer in peers], verdict]
        for figure, meaning in FIGURES.items():
            if figure not in self.samples:
                continue
            ratio, other = self.ratio(figure), self.best_other(figure)
            verdict = ""
            if ratio is not None:
                verdict = f"{ratio:.2f} x better" if ratio >= 1 else f"{1 / ratio:.2f} x worse"
                verdict += f" than {other[0]}"
            if is_relative:
                verdict = self.to_ours(figure, peers)
            cells = [self.cell(figure, peer.name) for peer in peers]
            yield [meaning.title, meaning.unit, *cells, verdict]

    def as_json(self, about):
        return {
            "about": about,
            "figures": {
                figure: {
                    "title": FIGURES[figure].title,
                    "unit": FIGURES[figure].unit,
                    "better": FIGURES[figure].best,
                    "samples": samples,
                    "median": {peer: median(values) for peer, values in samples.items()},
                    "ratio_to_best_other": self.ratio(figure),
                }
                for figure, samples in self.samples.items()
            },
            "foreign_cores": self.foreign,
            "problems": self.problems,
        }


def as_text(rows):
    rows = list(rows)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        lines.append("  ".join(cells).rstrip())
        if len(lines) == 1:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines) + "\n"


def as_markdown(rows):
    rows = list(rows)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + "\n"
