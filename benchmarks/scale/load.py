"""A thousand times the load, simulated from measured times, and the settings that it needs.

The API gets photos by URL, one request at a time. The uploads go through the queue. Each load is simulated with the
template's settings and with recommended ones. AWS's own share of a cold start is left out, because it cannot be
measured here.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks import plots
from benchmarks import template as templates
from benchmarks.environments import say
from benchmarks.scale.cost import USD_PER_GB_SECOND, USD_PER_REQUEST
from benchmarks.scale.queueing import Queue, QueueRun
from benchmarks.scale.simulation import Bucket, Function, Outcome, Service, around, poisson, requests
from benchmarks.template import Settings
from evaluate import style

BASE_PER_S: Final = 1.0
MULTIPLES: Final = (1, 10, 100, 1000)
SECONDS: Final = 600.0
# Assumed, because no server of the internet can be measured here: a fetch, and a read and a write of S3.
FETCH_MS: Final = (200.0, 600.0)  # median, p99
STORAGE_MS: Final = 60.0
FAILURE_SHARE: Final = 0.001  # of deliveries, so that there are retries
SIDE_BY_SIDE: Final = 8  # photos of a batch: serve.s3.objects
HEADROOM: Final = 1.25
AGE_TARGET_S: Final = 60.0
# "Amazon API Gateway quotas" in its Developer Guide: of an account in most regions, a second and at once.
API_QUOTA: Final = (10_000, 5_000)
_SEED: Final = 7


@dataclass(frozen=True)
class Measured:
    """Our times, in ms: a warm answer, what a cold start adds to it, and a batch of n photos: base + n x photo."""

    warm_ms: float
    init_ms: float
    batch_base_ms: float
    batch_photo_ms: float


def pattern(name: str, mean: float, seconds: float) -> tuple[Callable[[float], float], float]:
    """The rate a second over time, and its peak; each has about this mean.

    "steady"; "daily": a day's swing, from a tenth to 1.9 times, within the simulated time; "bursts": five times the
    rest's rate for the last tenth of every 200 s.
    """
    if name == "steady":
        return (lambda _: mean), mean
    if name == "daily":
        return (lambda now: mean * (1 - 0.9 * math.cos(2 * math.pi * now / seconds))), 1.9 * mean
    low = mean / 1.4
    return (lambda now: low * (5 if now % 200 >= 180 else 1)), 5 * low


PATTERNS: Final = ("steady", "daily", "bursts")


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  (the same figures in every run)


def _arrivals(name: str, mean: float, seconds: float) -> Iterator[float]:
    rate, peak = pattern(name, mean, seconds)
    return poisson(rate, peak, seconds, _chance(_SEED))


def _api(measured: Measured, settings: Settings | None, name: str, mean: float, seconds: float) -> Outcome:
    """The API under a load. Without settings, Lambda's own limits are the only ones."""
    wait = around(*(ms / 1000 for ms in FETCH_MS))
    concurrency = settings.api_concurrency if settings else math.inf
    function = Function(lambda chance: wait(chance) + measured.warm_ms / 1000, measured.init_ms / 1000, concurrency)
    gate = Bucket(settings.throttle_burst, settings.throttle_rate) if settings else None
    return requests(_arrivals(name, mean, seconds), function, _chance(_SEED + 1), gate)


def _uploads(measured: Measured, settings: Settings, name: str, mean: float, seconds: float) -> Outcome:
    queue = Queue(
        batch_size=settings.batch_size,
        window_s=settings.window_s,
        visibility_s=settings.visibility_s,
        receives=settings.receives,
        failure_share=FAILURE_SHARE,
        most_batches=settings.uploads_concurrency,
    )

    def service(photos: int) -> Service:
        waits_ms = STORAGE_MS * math.ceil(photos / SIDE_BY_SIDE)
        seconds = (measured.batch_base_ms + photos * measured.batch_photo_ms + waits_ms) / 1000
        return lambda _: seconds

    function = Function(service(1), measured.init_ms / 1000, settings.uploads_concurrency)
    return QueueRun(queue, function, service, _chance(_SEED + 2)).run(_arrivals(name, mean, seconds))


def recommended(measured: Measured, settings: Settings, mean: float, seconds: float = SECONDS) -> Settings:
    """Settings for this load in every pattern: what it uses without limits, plus a quarter."""
    peak_rate = max(pattern(name, mean, seconds)[1] for name in PATTERNS)
    api = max(_api(measured, None, name, mean, seconds).peak_concurrency for name in PATTERNS)
    rate = max(settings.throttle_rate, math.ceil(HEADROOM * peak_rate))
    return replace(
        settings,
        api_concurrency=max(settings.api_concurrency, math.ceil(HEADROOM * api)),
        throttle_rate=min(rate, API_QUOTA[0]),
        throttle_burst=min(max(settings.throttle_burst, 2 * rate), API_QUOTA[1]),
        uploads_concurrency=_uploads_concurrency(measured, settings, mean, seconds),
    )


def _uploads_concurrency(measured: Measured, settings: Settings, mean: float, seconds: float) -> int:
    """The template's, doubled until photos are done within a minute (p99) in every pattern; at most 1,000."""
    wanted = settings.uploads_concurrency
    while wanted < 1000:
        tried = replace(settings, uploads_concurrency=wanted)
        if all(_uploads(measured, tried, name, mean, seconds).quantile_s(0.99) <= AGE_TARGET_S for name in PATTERNS):
            break
        wanted = min(2 * wanted, 1000)
    return wanted


def _figures(outcome: Outcome, memory_mb: int) -> dict[str, Any]:
    gb_seconds = outcome.busy_s * memory_mb / 1024
    usd = gb_seconds * USD_PER_GB_SECOND["x86_64"] + outcome.invocations * USD_PER_REQUEST
    answered = len(outcome.latencies_s)
    return {
        "arrived": outcome.arrived,
        "p50_ms": round(1000 * outcome.quantile_s(0.5), 1),
        "p99_ms": round(1000 * outcome.quantile_s(0.99), 1),
        "max_ms": round(1000 * outcome.quantile_s(1), 1),
        "cold_share": round(outcome.cold / max(1, outcome.invocations), 5),
        "throttled_share": round(outcome.throttled / max(1, outcome.arrived), 5),
        "peak_concurrency": outcome.peak_concurrency,
        "mean_concurrency": round(outcome.mean_concurrency, 2),
        "peak_waiting": outcome.peak_waiting,
        "dead_letters": outcome.dead_letters,
        "usd_per_million": round(usd / answered * 1e6, 3) if answered else None,
    }


def run(times: Measured, seconds: float = SECONDS, multiples: tuple[int, ...] = MULTIPLES) -> dict[str, Any]:
    """Simulate every load on the API and on the queue, with the template's settings and with recommended ones."""
    template = templates.settings()
    loads = []
    for multiple in multiples:
        say(f"load: {multiple} x {BASE_PER_S:g} a second")
        mean = multiple * BASE_PER_S
        better = recommended(times, template, mean, seconds)
        for name in PATTERNS:
            loads.append(
                {"multiple": multiple, "settings": "template", **_played(times, template, name, mean, seconds)}
            )
            if better != template:
                played = _played(times, better, name, mean, seconds)
                loads.append({"multiple": multiple, "settings": "recommended", **played})
    return {"base_per_s": BASE_PER_S, "seconds": seconds, "measured": asdict(times), "loads": loads}


def _played(measured: Measured, settings: Settings, name: str, mean: float, seconds: float) -> dict[str, Any]:
    return {
        "pattern": name,
        "values": asdict(settings),
        "api": _figures(_api(measured, settings, name, mean, seconds), settings.api_memory_mb),
        "uploads": _figures(_uploads(measured, settings, name, mean, seconds), settings.uploads_memory_mb),
    }


_API_COLUMNS: Final = {
    "p50": lambda f: f"{f['p50_ms']:,.0f} ms",
    "p99": lambda f: f"{f['p99_ms']:,.0f} ms",
    "cold": lambda f: f"{f['cold_share']:.2%}",
    "429": lambda f: f"{f['throttled_share']:.1%}",
    "at once": lambda f: f"{f['peak_concurrency']:,}",
    "$ a million": lambda f: "" if f["usd_per_million"] is None else f"{f['usd_per_million']:.2f}",
}
_UPLOADS_COLUMNS: Final = {
    "age p50": lambda f: f"{f['p50_ms'] / 1000:,.1f} s",
    "age p99": lambda f: f"{f['p99_ms'] / 1000:,.1f} s",
    "cold": lambda f: f"{f['cold_share']:.2%}",
    "waiting": lambda f: f"{f['peak_waiting']:,}",
    "dead": lambda f: f"{f['dead_letters']:,}",
    "at once": lambda f: f"{f['peak_concurrency']:,}",
    "$ a million": lambda f: "" if f["usd_per_million"] is None else f"{f['usd_per_million']:.2f}",
}


def markdown(results: dict[str, Any]) -> str:
    """A table of the API, one of the queue, and one of the settings for each load."""
    note = (
        f"A simulation of {results['seconds']:,.0f} s of each load; 1x is {results['base_per_s']:g} a second. It "
        f"assumes {FETCH_MS[0]:.0f} ms for a fetch (p99 {FETCH_MS[1]:.0f} ms), {STORAGE_MS:.0f} ms for S3, "
        f"{FAILURE_SHARE:.1%} failed deliveries, and environments that AWS keeps for 300 s. AWS's own share of a cold "
        "start is left out. Costs are Lambda's alone. A load without recommended settings needs only the template's."
    )
    tables = (
        "**API**, photos by URL:",
        _table(results["loads"], "api", _API_COLUMNS),
        "**Uploads**, through the queue:",
        _table(results["loads"], "uploads", _UPLOADS_COLUMNS),
        "**Settings** for each load:",
        _settings_table(results["loads"]),
    )
    return "\n\n".join([*tables, note])


def _table(loads: list[dict[str, Any]], path: str, columns: dict[str, Callable[[dict[str, Any]], str]]) -> str:
    lines = ["| load | settings | " + " | ".join(columns) + " |", "|---|---|" + "---:|" * len(columns)]
    for load in loads:
        cells = [show(load[path]) for show in columns.values()]
        lines.append(f"| {load['multiple']:,}x {load['pattern']} | {load['settings']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


_SHOWN: Final = ("api_concurrency", "throttle_rate", "throttle_burst", "uploads_concurrency")


def _settings_table(loads: list[dict[str, Any]]) -> str:
    names = ("ApiConcurrency", "ApiThrottleRate", "ApiThrottleBurst", "UploadsConcurrency")
    rows = {"template": next(load["values"] for load in loads if load["settings"] == "template")}
    rows |= {f"{load['multiple']:,}x": load["values"] for load in loads if load["settings"] == "recommended"}
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    return "\n".join(
        [*lines, *(f"| {title} | " + " | ".join(f"{v[name]:,}" for name in _SHOWN) + " |" for title, v in rows.items())]
    )


def plot(results: dict[str, Any], path: Path) -> None:
    """Environments, refused share and age in the queue for bursts, with both kinds of settings; a PNG."""
    bursts = [each for each in results["loads"] if each["pattern"] == "bursts"]
    by_load: dict[int, dict[str, Any]] = {}
    for each in bursts:
        by_load.setdefault(each["multiple"], {})[each["settings"]] = each
    panels: tuple[tuple[str, Callable[[dict[str, Any]], float]], ...] = (
        ("API: environments at once", lambda load: load["api"]["peak_concurrency"]),
        ("API: refused, %", lambda load: 100 * load["api"]["throttled_share"]),
        ("uploads: age p99, s", lambda load: load["uploads"]["p99_ms"] / 1000),
    )
    with plots.drawn(path, len(panels), 1.6) as every:
        for axes, (title, value) in zip(every, panels, strict=True):
            rows = {
                # Where the template's settings are enough, they are the recommended ones.
                settings: [value(found.get(settings, found["template"])) for found in by_load.values()]
                for settings in ("template", "recommended")
            }
            plots.grouped(axes, [f"{multiple:,}x" for multiple in by_load], rows, (style.BASELINE, style.OURS))
            axes.set_title(title)
        every[0].legend(title="settings", loc="upper left")
