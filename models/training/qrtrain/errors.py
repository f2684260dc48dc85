"""What a command says when its input is wrong: one line, and nothing of Python."""

from pathlib import Path


class InputError(Exception):
    """The message says what was expected and what was there."""


def existing(path: "Path | str", option: str, suffix: str = "") -> Path:
    """@param suffix Of the files that a folder has to hold; without one, `path` is a file.
    @throws InputError where there is none.
    """
    path = Path(path)
    if suffix and path.is_dir() and not any(path.glob(f"*{suffix}")):
        raise InputError(f"Expected files {suffix} in the folder of {option} but {path} has none")
    if not (path.is_dir() if suffix else path.is_file()):
        raise InputError(f"Expected a {'folder' if suffix else 'file'} for {option} but there is none at {path}")
    return path
