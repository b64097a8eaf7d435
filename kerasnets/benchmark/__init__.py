"""What a network costs on this machine: ``kerasnets benchmark``.

Building, inference, training and memory, on any backend of Keras. Importing it loads no framework.
"""
