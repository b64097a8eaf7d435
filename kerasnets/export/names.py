"""What an export and those who ask it agree on. Loads no framework."""

# Outputs of `serving_default` and `images`: (N, classes), and the best k names and probabilities.
ANSWER = ("probabilities", "top_classes", "top_scores")
