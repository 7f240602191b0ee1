"""HTML of one page: whatever is not markup of ours is escaped, and nothing is fetched from elsewhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from ..exceptions import OptionError
from ..text import printable
from .contrast import parse_color
from .preview import Preview

_VOID = ("img", "meta", "rect", "line")
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #667079; --line: #d9dee3; --paper: #fff; --card: #f6f8f9;
  --good: #0b6e3d; --bad: #b3261e; --fair: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa4ad; --line: #363d44; --paper: #15181b;
  --card: #1d2125; --good: #5fd39a; --bad: #ff8a80; --fair: #ffc766 } }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
h1 { font-size: 1.7rem; margin: 0; overflow-wrap: anywhere } h2 { font-size: 1.15rem; margin: 2.4rem 0 .7rem }
p { margin: .5rem 0; max-width: 50rem } .soft, figcaption { color: var(--soft) } figcaption { font-size: .85rem }
figure { margin: 0; max-width: 100% } img, svg { display: block; max-width: 100% }
img { border-radius: 4px; height: auto }
.row { display: flex; flex-wrap: wrap; gap: 1.25rem; align-items: flex-start } .close { gap: .6rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .28rem .9rem .28rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600; white-space: nowrap } thead th { color: var(--soft) } td { overflow-wrap: anywhere }
.keep td { overflow-wrap: normal } .apart > * + * { margin-top: 1rem }
.verdict { display: inline-block; border: 1px solid; border-radius: 99px; padding: .1rem .8rem; font-weight: 600 }
.good { color: var(--good) } .bad { color: var(--bad) } .fair { color: var(--fair) }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: 2px; border: 1px solid var(--line);
  vertical-align: -.05em; margin-right: .4em }
.map td, .map th { border: 1px solid var(--line); padding: 0; min-width: 1.9rem; height: 1.7rem; text-align: center;
  vertical-align: middle } .map .full { background: #0b6e3d33 } .map .gone { background: #b3261e44 }
details { background: var(--card); border-radius: 6px; padding: .4rem .9rem; margin: .5rem 0 }
summary { cursor: pointer } pre { overflow: auto; max-height: 32rem; font-size: .8rem; line-height: 1.4 }
svg { background: var(--card); border-radius: 4px } svg .part { fill: #88888830 } svg line { stroke: var(--soft) }
@media print { details { break-inside: avoid } figure { break-inside: avoid } }
"""


class Html(str):
    """Markup; any other value is text, and escaped when it becomes markup."""

    __slots__ = ()


def text(value: Any) -> Html:
    """Escape a value; characters that cannot be seen are spelled out."""
    return value if isinstance(value, Html) else Html(html.escape(printable(str(value))))


def join(parts: Iterable[Any]) -> Html:
    """Put values one after the other."""
    return Html("".join(map(text, parts)))


def tag(name: str, /, *inside: Any, **attributes: Any) -> Html:
    """Write an element; `class_` is the attribute `class`, and None is no attribute."""
    said = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items() if value is not None)
    return Html(f"<{name}{said} />" if name in _VOID else f"<{name}{said}>{join(inside)}</{name}>")


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], class_: str = "keep") -> Html:
    """Write a table without its empty columns; nothing where there are no rows."""
    rows = [[text(cell) for cell in row] for row in rows]
    kept = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    if not kept:
        return Html("")
    head = tag("tr", *(tag("th", headings[i]) for i in kept))
    body = (tag("tr", *(tag("td", row[i]) for i in kept)) for row in rows)
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body), class_=class_), class_="wide")


def facts(said: Mapping[str, Any]) -> Html:
    """Write names and values below each other; those that are empty are left out."""
    rows = (tag("tr", tag("th", name), tag("td", value)) for name, value in said.items() if value)
    return tag("table", *rows)


def section(title: str, *inside: Any) -> Html:
    """Write a part of a page, if there is anything in it."""
    content = join(inside)
    return tag("section", tag("h2", title), content) if content else Html("")


def picture(shown: Preview, caption: Any = "", side: int | None = None) -> Html:
    """Write a picture into the page itself, as large as it is, or so that its longer side has a length."""
    source = f"data:image/png;base64,{base64.b64encode(shown.png()).decode()}"
    shape = shown.pixels.shape[:2]
    height, width = (max(1, round(n * (side or max(shape)) / max(shape))) for n in shape)
    image = tag("img", src=source, alt=shown.text, width=width, height=height)
    return tag("figure", image, tag("figcaption", caption) if caption else "", style=f"width: {max(width, 96)}px")


def swatch(color: Any) -> Html:
    """Write a small square of a colour: "RRGGBB", or red, green and blue."""
    rgb = parse_color(color) if isinstance(color, str) else color
    return tag("span", class_="swatch", style=f"background: rgb({', '.join(str(int(part)) for part in rgb[:3])})")


@attrs.frozen(eq=False)
class Page:
    """A page of its own: no script, nothing from elsewhere. Notebooks show it.

    Attributes:
        html: all of it. text: what it shows, in a line.
    """

    html: str = attrs.field(repr=False)
    text: str

    @classmethod
    def of(cls, title: str, *inside: Any, text: str) -> Page:
        """Make a page of its parts."""
        policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        head = [
            tag("meta", charset="utf-8"),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", title),
            tag("style", Html(_STYLE)),
        ]
        return cls(f"<!DOCTYPE html>\n{tag('html', tag('head', *head), tag('body', *inside), lang='en')}\n", text)

    def save(self, path: str | Path) -> None:
        """Write the page to a file that is named .html.

        Raises:
            OptionError: it is not named so. OSError: the file cannot be written.
        """
        if Path(path).suffix.lower() not in (".html", ".htm"):
            raise OptionError(f"A page is saved as .html (got {str(path)!r}).")
        Path(path).write_text(self.html, encoding="utf-8")

    def _repr_html_(self) -> str:
        # Not by `tag`, which spells out the ends of lines.
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox style="width: 100%; height: 40rem; border: 0"></iframe>'
        )
