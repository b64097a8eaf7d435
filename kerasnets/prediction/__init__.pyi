from .client import predict_grpc as predict_grpc
from .client import predict_rest as predict_rest
from .config import ClientConfig as ClientConfig
from .prediction import Prediction as Prediction
from .predictor import predict as predict
