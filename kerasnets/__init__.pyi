from . import (
    config as config,
)
from . import (
    data as data,
)
from . import (
    deployment as deployment,
)
from . import (
    embedding as embedding,
)
from . import (
    evaluation as evaluation,
)
from . import (
    explanation as explanation,
)
from . import (
    export as export,
)
from . import (
    fast as fast,
)
from . import (
    figures as figures,
)
from . import (
    inspection as inspection,
)
from . import (
    lab as lab,
)
from . import (
    layers as layers,
)
from . import (
    models as models,
)
from . import (
    prediction as prediction,
)
from . import (
    pretrained as pretrained,
)
from . import (
    publishing as publishing,
)
from . import (
    reports as reports,
)
from . import (
    runs as runs,
)
from . import (
    search as search,
)
from . import (
    serving as serving,
)
from . import (
    training as training,
)
from . import (
    weights as weights,
)
from .config import TrainConfig as TrainConfig
from .config import recipe as recipe
from .errors import UserError as UserError
from .explanation import explain as explain
from .fast import for_inference as for_inference
from .inputs import Preprocessing as Preprocessing
from .inputs import with_preprocessing as with_preprocessing
from .inspection import draw as draw
from .pretrained import (
    features as features,
)
from .pretrained import (
    freeze as freeze,
)
from .pretrained import (
    preprocessing as preprocessing,
)
from .pretrained import (
    replace_head as replace_head,
)
from .pretrained.build import build as build
from .registry import (
    ModelInfo as ModelInfo,
)
from .registry import (
    WeightSource as WeightSource,
)
from .registry import (
    info as info,
)
from .registry import (
    list_models as list_models,
)
from .runs import Run as Run
from .training import train as train

__version__: str
