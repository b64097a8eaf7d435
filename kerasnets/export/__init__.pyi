from .form import Exporter as Exporter
from .form import Form as Form
from .form import Job as Job
from .form import register_exporter as register_exporter
from .signatures import classifier as classifier
from .sources import export_network as export_network
from .sources import export_run as export_run
from .writer import export as export
