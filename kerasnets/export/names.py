"""What an export and those who ask it agree on. Loads no framework."""

# Outputs of `serving_default` and `images`: (N, classes), and the best k names and probabilities.
ANSWER = ("probabilities", "top_classes", "top_scores")

# How files of the formats begin that the graphs decode: JPEG, PNG, GIF, BMP, WebP.
MARKS = (b"\xff\xd8\xff", b"\x89PN", b"GIF8", b"BM", b"RIFF")
