"""Formulas as MathML, which browsers draw themselves: no script, no network, no LaTeX."""

from __future__ import annotations

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def _inline(writer, node) -> None:
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block(writer, node) -> None:
    text = node.astext()
    lined = text if r"\\" not in text or r"\begin" in text else rf"\begin{{align*}}{text}\end{{align*}}"
    writer.body.append(f'<div class="formula" style="margin: 1em 0">{tex2mathml(lined, as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app) -> dict:
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
