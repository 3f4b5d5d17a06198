"""
Run the `pubsub` command as `python -m microcosm_pubsub.cli`.
"""

from microcosm_pubsub.cli.main import main


if __name__ == "__main__":
    main()
