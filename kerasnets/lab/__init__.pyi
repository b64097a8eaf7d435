from .catalogue import experiment as experiment
from .catalogue import names as names
from .design import Experiment as Experiment
from .design import Scale as Scale
from .results import Results as Results
from .runner import run as run
