from .faster import faster as faster
from .faster import for_inference as for_inference
