"""A table in LaTeX, for the packages booktabs and graphicx."""

from __future__ import annotations

import re

from nint.bench.tables.cells import TableData
from nint.bench.tables.notes import differences, notes
from nint.bench.tables.panels import Panel, panels

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "–": "--",
}


def escape(text: str) -> str:
    r"""Text with every special character of LaTeX made harmless.

    >>> escape("nint:random_share=0.5 & 100 %")
    'nint:random\\_share=0.5 \\& 100 \\%'
    """
    return re.sub("[" + re.escape("".join(_SPECIAL)) + "]", lambda found: _SPECIAL[found[0]], text)


def latex(data: TableData) -> str:
    """One float with a tabular a panel; best is bold, second best underlined, rules part the blocks."""
    table = data.table
    said = [sentence for name, sentences in notes(data).items() for sentence in (name, *sentences)]
    lines = [
        f"% {table.title}, made by nint. Needs \\usepackage{{booktabs,graphicx}}.",
        *(f"% {' '.join(sentence.split())}" for sentence in (*said, *differences(data))),
        r"\begin{table*}",
        r"\centering",
        f"\\caption{{{escape(table.caption or table.title)} Bold: best, underlined: second best.}}",
        f"\\label{{tab:nint-{table.name}}}",
    ]
    for panel in panels(data):
        lines += [r"\medskip", f"\\textit{{{escape(panel.title)}}}", r"\par\smallskip", *_tabular(panel)]
    return "\n".join([*lines, r"\end{table*}"]) + "\n"


def _tabular(panel: Panel) -> list[str]:
    lines = [
        r"\resizebox{\linewidth}{!}{%",
        f"\\begin{{tabular}}{{l{'r' * len(panel.columns)}}}",
        r"\toprule",
        " & ".join(["", *(escape(column) for column in panel.columns)]) + r" \\",
        r"\midrule",
    ]
    before = ""
    for block, row, cells in panel.rows:
        if before not in ("", block):
            lines.append(r"\midrule")
        before = block
        marked = [{0: "{}", 1: "\\textbf{{{}}}", 2: "\\underline{{{}}}"}[shown.place].format(escape(shown.text)) for shown in cells]
        lines.append(" & ".join([f"\\texttt{{{escape(row)}}}", *marked]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}}"]
