from .folds import cross_validate as cross_validate
from .trainer import train as train
