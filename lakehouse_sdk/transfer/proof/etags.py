"""What two ETags say about two objects."""

from __future__ import annotations

_MD5_LENGTH = 32


def compare_etags(one: str, other: str) -> bool | None:
    """True: the same bytes; False: other bytes; None: nothing can be said.

    Equal ETags mean the same bytes. Unequal ones mean other bytes only where both are plain MD5s: the ETag of a multipart
    object depends on how it was cut, and a server-side copy may cut it anew.
    """
    if not one or not other:
        return None
    if one == other:
        return True
    return False if len(one) == len(other) == _MD5_LENGTH and "-" not in one and "-" not in other else None
