"""Charts as inline SVG: numbers in, markup out; text in them is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

from labelaudit.contracts.quality import Acceptance
from labelaudit.rendering.visible import visible
from labelaudit.values.value import Value

INK, LINE, BAND = "#2457c5", "#dfe4ea", "#2457c522"


def trend(points: Sequence[Point], width: int = 1040, height: int = 190) -> Markup:
    """Rates over releases with their intervals as a band."""
    left, right, top, bottom = 52, 16, 14, 30
    high = max(0.01, max(point.high for point in points))
    step = (width - left - right) / max(len(points) - 1, 1)

    def x(place: int) -> float:
        return left + step * place if len(points) > 1 else (left + width - right) / 2

    def y(rate: float) -> float:
        return height - bottom - rate / high * (height - top - bottom)

    parts = [f'<svg viewBox="0 0 {width} {height}" width="100%" role="img" aria-label="issue rate by release">']
    for share in (0, 0.5, 1):
        at = y(share * high)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{at:.1f}" y2="{at:.1f}" stroke="{LINE}"/>')
        parts.append(f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{100 * share * high:.1f} %</text>')
    if len(points) > 1:
        upper = " ".join(f"{x(i):.1f},{y(point.high):.1f}" for i, point in enumerate(points))
        lower = " ".join(f"{x(i):.1f},{y(points[i].low):.1f}" for i in reversed(range(len(points))))
        line = " ".join(f"{x(i):.1f},{y(point.x / point.n):.1f}" for i, point in enumerate(points))
        parts.append(f'<polygon points="{upper} {lower}" fill="{BAND}"/>')
        parts.append(f'<polyline points="{line}" fill="none" stroke="{INK}" stroke-width="2"/>')
    every = max(1, len(points) // 12)
    for i, point in enumerate(points):
        label = f"{point.release}: {point.x:.0f} of {point.n:.0f}"
        parts.append(f'<circle cx="{x(i):.1f}" cy="{y(point.x / point.n):.1f}" r="4" fill="{INK}">')
        parts.append(f"<title>{escape(visible(label))}</title></circle>")
        if i % every == 0:
            name = point.release.split("-")[0]
            parts.append(f'<text x="{x(i):.1f}" y="{height - 8}" text-anchor="middle">{escape(visible(name))}</text>')
    return Markup("".join(parts) + "</svg>")  # noqa: S704 - texts were escaped, the rest are numbers


def operating_characteristic(
    curve: Sequence[tuple[float, float, float]], acceptance: Acceptance, width: int = 520, height: int = 220
) -> Markup:
    """A plan's probability of acceptance by defect rate, with the producer's and the consumer's point."""
    left, right, top, bottom = 52, 16, 14, 40
    most = max(rate for rate, _, _ in curve) or 1.0

    def x(rate: float) -> float:
        return left + min(rate / most, 1) * (width - left - right)

    def y(share: float) -> float:
        return height - bottom - share * (height - top - bottom)

    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="acceptance by rate">']
    for share in (0, 0.5, 1):
        parts.append(
            f'<line x1="{left}" x2="{width - right}" y1="{y(share):.1f}" y2="{y(share):.1f}" stroke="{LINE}"/>'
        )
        parts.append(f'<text x="{left - 8}" y="{y(share) + 4:.1f}" text-anchor="end">{100 * share:.0f} %</text>')
        parts.append(
            f'<text x="{x(share * most):.1f}" y="{height - 22}" text-anchor="middle">{share * most:.1%}</text>'
        )
    line = " ".join(f"{x(rate):.1f},{y(accepted):.1f}" for rate, accepted, _ in sorted(curve))
    parts.append(f'<polyline points="{line}" fill="none" stroke="{INK}" stroke-width="2"/>')
    for name, point in (("producer", acceptance.producer), ("consumer", acceptance.consumer)):
        if point:
            at = 1 - point.risk if name == "producer" else point.risk
            parts.append(f'<circle cx="{x(point.rate):.1f}" cy="{y(at):.1f}" r="4" fill="{INK}">')
            parts.append(f"<title>{name}: {point.rate:.1%}, {at:.0%}</title></circle>")
            parts.append(f'<text x="{x(point.rate) + 8:.1f}" y="{y(at) - 6:.1f}">{name}</text>')
    middle = (left + width - right) / 2
    parts.append(f'<text x="{middle}" y="{height - 6}" text-anchor="middle">defect rate of the delivery</text>')
    return Markup("".join(parts) + "</svg>")  # noqa: S704 - numbers only


def sparkline(points: Sequence[Point], width: int = 240, height: int = 36) -> Markup:
    """Rates over releases, small."""
    if not points:
        return Markup("")
    high = max(0.01, max(point.x / point.n for point in points))
    step = (width - 12) / max(len(points) - 1, 1)
    places = [
        f"{6 + step * i:.1f},{height - 6 - (height - 12) * point.x / point.n / high:.1f}"
        for i, point in enumerate(points)
    ]
    x, y = places[-1].split(",")
    return Markup(  # noqa: S704 - numbers only
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="issue rate">'
        f'<polyline points="{" ".join(places)}" fill="none" stroke="{INK}" stroke-width="2"/>'
        f'<circle cx="{x}" cy="{y}" r="3.5" fill="{INK}"/></svg>'
    )


def interval(low: float, value: float, high: float, start: float = 0.0, end: float = 1.0, width: int = 180) -> Markup:
    """A value and its interval on a line from `start` to `end`."""

    def x(at: float) -> float:
        return 4 + (width - 8) * min(max((at - start) / max(end - start, 1e-9), 0), 1)

    return Markup(  # noqa: S704 - numbers only
        f'<svg viewBox="0 0 {width} 16" width="{width}" height="16" role="img">'
        f'<line x1="4" x2="{width - 4}" y1="8" y2="8" stroke="{LINE}"/>'
        f'<line x1="{x(low):.1f}" x2="{x(high):.1f}" y1="8" y2="8" stroke="{INK}" stroke-width="4" opacity=".35"/>'
        f'<circle cx="{x(value):.1f}" cy="8" r="4" fill="{INK}"/></svg>'
    )


def picture(pixels: Sequence[float], shape: Sequence[int], maximum: float) -> str:
    """A small picture as a data URI (PNG); values are cut to 0 … maximum."""
    from PIL import Image

    scaled = np.clip(np.asarray(pixels, float).reshape(shape) / maximum * 255, 0, 255).astype(np.uint8)
    factor = max(1, 128 // max(shape[:2]))
    image = Image.fromarray(scaled)
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    target = io.BytesIO()
    image.save(target, "PNG")
    return "data:image/png;base64," + base64.b64encode(target.getvalue()).decode()


class Point(Value):
    """A release in the trend: rate x / n with its 95 % interval."""

    release: str
    x: float
    n: float
    low: float
    high: float
