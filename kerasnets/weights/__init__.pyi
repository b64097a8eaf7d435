from .files import read_tensors as read_tensors
from .save import (
    save_tensors as save_tensors,
)
from .save import (
    save_weights as save_weights,
)
