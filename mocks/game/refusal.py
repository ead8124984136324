"""Why a game server that speaks HTTP refuses."""

from ledger.states import Code


class Refusal(Exception):
    """HTTP status, the server's own code and sentence, and the standard code."""

    def __init__(self, status: int, name: str, words: str, code: Code = Code.UPSTREAM_REFUSED) -> None:
        super().__init__(words)
        self.status, self.name, self.words, self.code = status, name, words, code
