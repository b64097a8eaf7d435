"""Looking into a network: its layers, their costs, its picture."""

from kerasnets.lazy import exports

__all__ = ["LayerRow", "layer_table", "multiply_adds", "save_drawing"]

__getattr__ = exports(
    __name__,
    {
        "LayerRow": "table",
        "layer_table": "table",
        "multiply_adds": "table",
        "save_drawing": "drawing",
    },
)
