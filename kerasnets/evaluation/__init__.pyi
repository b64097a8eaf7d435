from .evaluator import evaluate as evaluate
from .metrics import Metrics as Metrics
