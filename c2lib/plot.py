"""Pictures of a run as matplotlib figures, and its moments as HTML: ``c2lib.plot.tear_sheet(open_run(PATH))``."""

from c2lib.evidence.plots import equity, image, orders, phases, price, tear_sheet
from c2lib.evidence.timeline import time_travel

__all__ = ["equity", "image", "orders", "phases", "price", "tear_sheet", "time_travel"]
