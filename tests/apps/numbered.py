"""The pieces of a response that applications make and tests expect."""


def piece(number):  # type: (int) -> bytes
    """All differ; some are long, and a few longer than anything that is put together."""
    return b"%d:" % number + b"x" * (20000 if number % 400 == 399 else number * 7 % 60)
