"""
Configuration: the values that it may have, and the defaults of factories.
"""
