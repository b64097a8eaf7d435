from .duplicates import semantic_duplicates as semantic_duplicates
from .features import features as features
from .probes import knn as knn
from .probes import linear_probe as linear_probe
from .store import Embeddings as Embeddings
