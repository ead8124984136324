"""python -P -m mocks.game: the process of the game server mock."""

import sys

from mocks.game.mock import GameMock
from mocks.process import main

if __name__ == "__main__":
    sys.exit(main(GameMock))
