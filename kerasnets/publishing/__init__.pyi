from .folder import Publication as Publication
from .folder import write_folder as write_folder
from .hub import publish as publish
