from .form import Form as Form
from .saved_model import export as export
from .signatures import classifier as classifier
from .sources import (
    export_network as export_network,
)
from .sources import (
    export_run as export_run,
)
