"""The percentiles that this project states of a round trip."""

SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1}


def at(share, values):
    """The smallest of the values that is not exceeded by more than the rest of them."""
    ranked = sorted(values)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)]


def milliseconds(value):
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def percentiles(values):
    """In words; the values are milliseconds."""
    return ", ".join(f"{name} {milliseconds(at(share, values))} ms" for name, share in SHARES.items())
