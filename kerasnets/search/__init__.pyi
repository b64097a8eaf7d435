from .learning_rate import find_learning_rate as find_learning_rate
from .space import Parameter as Parameter
from .space import Space as Space
from .space import space as space
from .study import Study as Study
from .tuner import tune as tune
