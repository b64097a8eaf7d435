from .drawing.draw import draw as draw
from .table import (
    LayerRow as LayerRow,
)
from .table import (
    layer_table as layer_table,
)
from .table import (
    multiply_adds as multiply_adds,
)
