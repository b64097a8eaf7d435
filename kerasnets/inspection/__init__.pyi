from .drawing import save_drawing as save_drawing
from .table import (
    LayerRow as LayerRow,
)
from .table import (
    layer_table as layer_table,
)
from .table import (
    multiply_adds as multiply_adds,
)
