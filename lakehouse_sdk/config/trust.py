"""Which settings files are believed: those that nobody else could have put there.

What goes wrong otherwise: `lakehouse.toml` and `.env` are searched from the current folder upwards, so whoever can write into
one of these folders, `/tmp` for example, sends the keys of everybody who works below it to a server of theirs.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


class SkippedSettingsWarning(UserWarning):
    """A settings file was found and not read, because a stranger may have written it."""


def find_distrust(file: Path) -> str:
    """Why a settings file that was found, not named, is not to be read, for people; empty where it may be.

    It has to be ours or root's, as a link too, and nobody else may be able to write it or anything into its folder; folders
    above may be open to all only where each keeps what is theirs (`/tmp`).
    """
    if not hasattr(os, "geteuid"):  # Windows keeps other rules, and no shared folder by default
        return ""
    try:
        looks = [file.lstat(), file.stat()]
        if any(look.st_uid not in {os.geteuid(), 0} for look in looks):
            return f"it belongs to user {next(look.st_uid for look in looks if look.st_uid not in {os.geteuid(), 0})}"
        if _is_open(looks[1]):
            return "others can write it"
        for place in {file.absolute().parent, file.resolve().parent}:
            if (reason := _distrust_folder(place)) != "":
                return reason
    except OSError as error:
        return f"it cannot be looked at ({type(error).__name__})"
    return ""


def _distrust_folder(folder: Path) -> str:
    for place in (folder, *folder.parents):
        look = place.stat()
        if look.st_uid not in {os.geteuid(), 0}:
            return f"its folder {place} belongs to user {look.st_uid}"
        if _is_open(look) and (place == folder or not look.st_mode & stat.S_ISVTX):
            return f"others can write into {place}"
    return ""


def _is_open(look: os.stat_result) -> bool:
    """True where somebody else may write: all, or a group that is neither root's nor this user's alone."""
    by_group = look.st_mode & stat.S_IWGRP and look.st_gid != 0 and not _is_private(look.st_gid)
    return bool(look.st_mode & stat.S_IWOTH or by_group)


def _is_private(gid: int) -> bool:
    """True for the group that systems make for each user, with the user's name and nobody else in it; `users` is none."""
    import grp  # noqa: PLC0415 (not on Windows)
    import pwd  # noqa: PLC0415

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return (user.pw_gid, user.pw_name) == (gid, group.gr_name) and set(group.gr_mem) <= {user.pw_name}
