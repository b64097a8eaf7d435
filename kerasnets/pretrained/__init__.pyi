from .build import load_weights as load_weights
from .convert import convert_weights as convert_weights
from .sources import (
    preprocessing as preprocessing,
)
from .sources import (
    resolve as resolve,
)
from .transfer import (
    features as features,
)
from .transfer import (
    freeze as freeze,
)
from .transfer import (
    replace_head as replace_head,
)
