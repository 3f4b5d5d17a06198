"""
The command line tools: `pubsub` and `publish-naive`.
"""
