"""A figure as SVG that lives in a page, with the page's colours and letters, and nothing that its policy forbids.

Matplotlib writes styles into `style` attributes, which a strict Content-Security-Policy does not allow; here they
become plain attributes. Colours of this package become the page's variables; pictures become masks, so that their ink
has the page's colour too, but for those whose own colours say something.
"""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bstdg.drawing.figure import save
from bstdg.drawing.style import INK, LATE, LIT, OWN_COLOURS, SHADE
from bstdg.report.looks import BLUE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
INKS = {
    INK: "var(--ink)",
    LIT: "var(--lit)",
    SHADE: "var(--shade)",
    LATE: "var(--late)",
    BLUE: "var(--blue)",
    "#000000": "var(--ink)",
    "#ffffff": "var(--card)",
}
# What a browser reads as an attribute too; the rest of a style is the page's business.
KEPT = re.compile(
    r"^(fill|stroke|opacity|fill-opacity|stroke-opacity|stroke-width|stroke-dasharray|stroke-dashoffset|"
    r"stroke-linecap|stroke-linejoin|text-anchor|font-size|font-weight|fill-rule)$"
)
FONT = re.compile(r"(?:(bold|[1-9]00)\s+)?([\d.]+)px")
ROUNDED = 1  # by how much a colour may differ, having been a fraction
NUMBER = re.compile(r"-?\d+\.\d{3,}")


def inline(figure: Figure, name: str) -> str:
    """The figure as an `<svg>` element; `name` makes its ids its own. The same figure gives the same text."""
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.image_inline": True}):
        save(figure, file, "svg")
    root = ET.fromstring(file.getvalue())  # noqa: S314  (written a line above)
    for element in list(root):
        if element.tag == f"{SVG}metadata":
            root.remove(element)
    for drawing in root.findall(f"{SVG}g"):
        for paper in drawing.findall(f"{SVG}g[@id='patch_1']"):  # the page has its own
            drawing.remove(paper)
    _drop_styles(root)
    _write_names(root, getattr(figure, "spelled", {}))
    _mask_pictures(root)
    _plain(root)
    _own_ids(root, name)
    view = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": NUMBER.sub(_short, view), "aria-hidden": "true", "focusable": "false"})
    text = ET.tostring(root, encoding="unicode", short_empty_elements=True)
    return re.sub(r">\s+<", "><", text).replace(f' xmlns="{SVG[1:-1]}"', "")


def _drop_styles(root: ET.Element) -> None:
    for parent in root.iter(f"{SVG}defs"):
        for child in list(parent):
            if child.tag == f"{SVG}style":
                parent.remove(child)


def _write_names(root: ET.Element, spelled: Mapping[str, str]) -> None:
    """Names as they are written: who reads the page has letters that were wanting where it was drawn."""
    longest_first = sorted(spelled.items(), key=lambda item: -len(item[0]))
    for element in root.iter():
        for drawn, name in longest_first if element.text else ():
            element.text = (element.text or "").replace(drawn, name)


def _mask_pictures(root: ET.Element) -> None:
    """An image becomes masks of the page's colours, one for each that it has: its opacity is kept, its colour is not.

    One that has other colours, such as a photograph, or whose colours say something, stays as it is.
    """
    for parent in list(root.iter()):
        for place, image in enumerate(list(parent)):
            if image.tag != f"{SVG}image":
                continue
            image.attrib["href"] = image.attrib.pop(LINK)
            image.attrib.update({"image-rendering": "pixelated"})
            image.attrib.pop("style", None)
            if image.get("id", "").startswith(OWN_COLOURS):
                continue
            key = image.attrib.pop("id", f"image{place}")
            box = {side: image.attrib[side] for side in ("x", "y", "width", "height") if side in image.attrib}
            group = ET.Element(f"{SVG}g")  # moved as a whole: the mask and what it covers are then in one place
            if "transform" in image.attrib:
                group.attrib["transform"] = image.attrib.pop("transform")
            parent.remove(image)
            parent.insert(place, group)
            parts = _by_colour(image.attrib["href"])
            if not parts:
                group.append(image)
            for number, (colour, picture) in enumerate(parts):
                name = f"{key}-{number}"
                mask = ET.SubElement(group, f"{SVG}mask", {"id": name, "mask-type": "alpha"})
                mask.append(ET.Element(image.tag, {**image.attrib, "href": picture}))
                ET.SubElement(group, f"{SVG}rect", {"fill": colour, "mask": f"url(#{name})", **box})


def _by_colour(link: str) -> list[tuple[str, str]]:
    """A picture as one for each of this package's colours in it, after what the page calls it; none of a photograph."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2]))).convert("RGBA"))
    seen, found = pixels[..., 3] > 0, []
    for colour, name in INKS.items():
        own = bytes.fromhex(colour[1:])
        here = seen & (np.abs(pixels[..., :3].astype(int) - np.array(list(own))) <= ROUNDED).all(axis=-1)
        if here.any():
            found.append((here, name))
    if sum(int(here.sum()) for here, _ in found) < int(seen.sum()):
        return []
    if len(found) < 2:
        return [(found[0][1] if found else "var(--ink)", link)]
    return [(name, _png(pixels * here[..., None].astype(np.uint8))) for here, name in found]


def _png(pixels: NDArray[np.uint8]) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _plain(root: ET.Element) -> None:
    """Attributes instead of styles, variables instead of colours, two digits instead of six."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        if LINK in element.attrib:
            element.attrib["href"] = element.attrib.pop(LINK)
        style = element.attrib.pop("style", "")
        for rule in filter(None, (part.strip() for part in style.split(";"))):
            key, _, value = (part.strip() for part in rule.partition(":"))
            if key == "font" and (found := FONT.search(value)):
                element.attrib["font-size"] = found[2]
                if found[1]:
                    element.attrib["font-weight"] = found[1]
            elif KEPT.match(key):
                element.attrib[key] = value.removesuffix("px")
        for key, value in element.attrib.items():
            if key in ("fill", "stroke"):
                element.attrib[key] = INKS.get(value, value)
            elif key not in ("href", "id"):
                element.attrib[key] = NUMBER.sub(_short, value)
        if element.tag == "text" and element.get("fill") == "var(--ink)":
            del element.attrib["fill"]


def _short(number: re.Match[str]) -> str:
    text = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _own_ids(root: ET.Element, name: str) -> None:
    """Ids that something refers to get the figure's name; the others go."""
    used = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "href" and value.startswith("#"):
                used.add(value[1:])
            elif found := re.fullmatch(r"url\(#(.+)\)", value):
                used.add(found[1])
    short = {key: f"{name}-{i}" for i, key in enumerate(sorted(used))}
    for element in root.iter():
        key = element.attrib.pop("id", None)
        if key in short:
            element.attrib["id"] = short[key]
        for attribute, value in element.attrib.items():
            if attribute == "href" and value.startswith("#"):
                element.attrib[attribute] = f"#{short[value[1:]]}"
            elif found := re.fullmatch(r"url\(#(.+)\)", value):
                element.attrib[attribute] = f"url(#{short[found[1]]})"
