"""What the benchmarks share: a table of what was found against its bound."""


def report(title: str, rows: list[tuple[str, float, float]]) -> int:
    """Print rows of (what, found, bound); returns the exit status, 1 if a bound is missed."""
    print(f"{title:42}{'found':>8}{'bound':>8}")
    for what, found, bound in rows:
        print(f"{what:42}{found:8.2f}{bound:8}{'' if found <= bound else '  MISSED'}")
    return int(any(found > bound for _, found, bound in rows))
