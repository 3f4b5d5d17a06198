"""
Many messages at once.
"""
