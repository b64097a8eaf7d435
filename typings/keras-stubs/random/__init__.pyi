# Keras declares no return types here; what a checker infers from all backends at once is wrong.
from typing import Any

def __getattr__(name: str) -> Any: ...
