"""The page of `admin` as tests read it: a strict reader, which finds what a browser would have to repair."""

import html.parser

VOID = {"meta", "line", "polygon", "link", "br"}


class Reader(html.parser.HTMLParser):
    """Elements must close in order. Keeps the text of each table's rows, and the tags that there are."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.tables, self.text = [], [], {}, ""
        self._table = self._cell = None

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, attrs)
        assert not any(name.startswith("on") or name in ("style", "src") for name in names), (tag, attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "div" and "aria-labelledby" in names:
            self._table = self.tables.setdefault(dict(attrs)["aria-labelledby"], [])
        if tag == "tr" and self._table is not None:
            self._table.append([])
        if tag in ("td", "th") and self._table:
            self._cell = ""

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.open)
        if tag in ("td", "th") and self._cell is not None:
            self._table[-1].append(self._cell)
            self._cell = None
        if tag == "div":
            self._table = None

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data
        if self._cell is not None:
            self._cell += data


def read_page(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open, reader.open
    return reader
