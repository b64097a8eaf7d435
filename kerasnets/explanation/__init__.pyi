from .cams import (
    layer_maps as layer_maps,
)
from .classifier import Classifier as Classifier
from .maps import explain as explain
from .methods import (
    METHODS as METHODS,
)
from .methods import (
    Method as Method,
)
from .pixels import (
    integrated_gradients as integrated_gradients,
)
from .pixels import (
    occlusion as occlusion,
)
from .pixels import (
    smooth_grad as smooth_grad,
)
from .sheet import (
    Panel as Panel,
)
from .sheet import (
    save_sheet as save_sheet,
)
