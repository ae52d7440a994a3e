"""Pictures of a run as matplotlib figures: ``c2lib.plot.tear_sheet(open_run(PATH))``; only drawing loads matplotlib."""

from c2lib.evidence.plots import equity, image, orders, phases, price, tear_sheet

__all__ = ["equity", "image", "orders", "phases", "price", "tear_sheet"]
