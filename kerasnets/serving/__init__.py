"""Answers on image files, here or by a server. Loading this package loads no TensorFlow."""

from kerasnets.lazy import exports

__all__ = [
    "ClientConfig",
    "Prediction",
    "ServerConfig",
    "predict",
    "predict_grpc",
    "predict_rest",
    "serve",
]

__getattr__ = exports(
    __name__,
    {
        "ClientConfig": "config",
        "Prediction": "prediction",
        "ServerConfig": "config",
        "predict": "predictor",
        "predict_grpc": "client",
        "predict_rest": "client",
        "serve": "app",
    },
)
