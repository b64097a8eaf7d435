from .app import serve as serve
from .config import (
    ClientConfig as ClientConfig,
)
from .config import (
    ServerConfig as ServerConfig,
)
