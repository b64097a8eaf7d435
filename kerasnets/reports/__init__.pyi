from .comparison import Comparison as Comparison
from .comparison import compare as compare
from .page import save_report as save_report
