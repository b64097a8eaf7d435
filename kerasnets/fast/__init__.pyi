from .inference import for_inference as for_inference
