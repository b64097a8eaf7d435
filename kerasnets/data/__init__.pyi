from .augment import (
    AUGMENTS as AUGMENTS,
)
from .augment import (
    MIXES as MIXES,
)
from .augment import (
    Augment as Augment,
)
from .augment import (
    augmentation as augmentation,
)
from .checks import check as check
from .packing import write_tfrecords as write_tfrecords
from .pipeline import (
    dense_batches as dense_batches,
)
from .pipeline import (
    evaluation_batches as evaluation_batches,
)
from .pipeline import (
    read as read,
)
from .pipeline import (
    steps_per_epoch as steps_per_epoch,
)
from .pipeline import (
    training_batches as training_batches,
)
from .sources import (
    Dataset as Dataset,
)
from .sources import (
    Split as Split,
)
from .sources import (
    from_arrays as from_arrays,
)
from .sources import (
    load as load,
)
from .stats import statistics as statistics
