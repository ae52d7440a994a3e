"""Notebooks that show that the checks see what they look for: sliders that move, a cell that raises, a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SOUND, RAISING, LOADING = "sample_sound", "sample_raising", "sample_loading"
ELSEWHERE = "http://elsewhere.invalid/picture.png"

_HTML = """
from IPython.display import HTML
HTML('''<div><input type="range" max="9" value="0"><output>at 0</output><script>{
  const [slider, shown] = document.currentScript.parentElement.children;
  slider.oninput = () => { shown.value = "at " + slider.value; };
}</script></div>''')
"""
_WIDGET = """
import ipywidgets
ipywidgets.interact(lambda step: print('step', step), step=ipywidgets.IntSlider(0, 0, 9));
"""
_PICTURE = """
from IPython.display import Image
Image(open({path!r}, "rb").read(), format="png")
"""
_CELLS = {
    SOUND: {"html": _HTML, "widget": _WIDGET, "picture": ""},
    RAISING: {"raises": "1 / 0", "behind": "2"},
    LOADING: {"loads": f"from IPython.display import HTML\nHTML('<img src=\"{ELSEWHERE}\">')"},
}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8ffffff7f0009fb03fd05434d0000000049454e44ae426082"
)


def write(folder: Path) -> None:
    """Write the sample notebooks into a folder."""
    pixel = folder / "pixel.png"
    pixel.write_bytes(PIXEL)
    for name, sources in _CELLS.items():
        cells = [_cell(identity, source or _PICTURE.format(path=str(pixel))) for identity, source in sources.items()]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        made = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        (folder / f"{name}.ipynb").write_text(json.dumps(made), encoding="utf-8")


def _cell(identity: str, source: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {"execution_count": None, "metadata": {}, "outputs": []}
    return {"cell_type": "code", "id": identity, "source": source.strip(), **nothing}
