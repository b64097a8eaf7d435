"""What an export and those who ask it agree on. Loads no framework."""

# What comes with a version: a class name on each line, and all else that is known of it.
LABELS, FACTS = "labels.txt", "model.json"
# Outputs of `serving_default` and `images`: (N, classes), and the best k names and probabilities.
ANSWER = ("probabilities", "top_classes", "top_scores")
# One more output where an image may have several classes: whether each of the best ones, which are
# all, reaches its threshold, (N, classes).
PRESENT = "top_present"
# Outputs of both where a network gives numbers: what they are, and their values, (N, numbers).
NUMBERS = ("names", "values")
# Outputs of `explain`: the predicted class and its probability, (N,); its Grad-CAM of the last
# stage's size, (N, h, w) in [0, 1]; and the part of the image that the network saw, (N, 4): top,
# left, height and width as fractions of the image's sides.
EXPLANATION = ("class", "score", "map", "seen")
