from .plan import Deployment as Deployment
from .plan import Served as Served
from .writer import write_deployment as write_deployment
