from .recipe_fields import Recipe as Recipe
from .recipes import (
    RECIPES as RECIPES,
)
from .recipes import (
    recipe as recipe,
)
from .recipes import (
    register_recipe as register_recipe,
)
from .training import TrainConfig as TrainConfig
