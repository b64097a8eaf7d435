from .app import serve as serve
from .config import ServerConfig as ServerConfig
