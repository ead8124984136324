"""What became of several tasks, as the one error that people are told."""


def first_of(error: BaseException) -> BaseException:
    """The first single error within a group, or the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
