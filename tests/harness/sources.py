"""Python files that tests write."""

from pathlib import Path


def write(folder: Path, **texts: str) -> None:
    """Files by their names, with __ for / and no ending. Each folder below is a package."""
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(folder).parents[:-1]:
            (folder / parent / "__init__.py").touch()
        path.write_text(text)
