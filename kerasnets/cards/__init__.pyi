from .card import Card as Card
from .card import Figure as Figure
from .card import card_of_run as card_of_run
from .text import README as README
from .text import export_readme as export_readme
from .text import render as render
from .text import run_readme as run_readme
