"""What compare.py measured, as a Markdown table and two SVG charts: OUT/table.md, OUT/chart.svg, OUT/curves.svg."""
import math
import os
import pathlib
import statistics
import subprocess
from html import escape

NAMES = {"mlp-128": "MLP 784-512-512-10, 128 a rank", "mlp-32": "MLP, 32 a rank", "cnn-64": "CNN 32-64-fc128, 64 a rank",
         "resnet8-64": "ResNet-8, 64 a rank", "gpt-128-8": "GPT-mini, width 128, 8 a rank",
         "gpt-256-8": "GPT-mini, width 256, 8 a rank", "linear-256-128": "linear regression, 256 columns, 128 a rank",
         "linear-4096-128": "linear regression, 4,096 columns, 128 a rank"}
AGREEMENT = 1e-4  # of the losses of the first steps
ROUNDS = 7  # of a row; fewer are told
BLUE, RED, GREY, LIGHT = "#31688e", "#c0392b", "#9a9a9a", "#c9d7e3"


def difference(ours, theirs):
    """The greatest relative one; infinite where a loss is no number."""
    ratios = [abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True)]
    return max(ratios) if all(map(math.isfinite, ratios)) else math.inf


class Result:
    """The figures of a row, medians over its rounds."""

    def __init__(self, row):
        self.name, self.title, self.batch, self.floor = row.name, NAMES[row.name], row.batch, row.floor
        self.losses, self.search, self.costs = row.read("losses"), row.read("search"), row.read("costs")
        rounds = row.read("rounds")
        self.rounds, self.discarded, self.first = rounds["kept"], len(rounds["discarded"]), rounds["torch"]
        self.measured = self.rounds or rounds["discarded"]
        self.difference = max(self.losses["difference"], self.timed_difference())
        self.void = self.difference > AGREEMENT

    def timed_difference(self):
        """Of the configuration that is timed. ResNet-8's is not comparable: Adam, and batch norm over what PyTorch takes."""
        return 0 if self.is_descent() else difference(self.losses["lockstep"], self.first["losses"])

    def is_descent(self):
        """Losses of this row are compared under plain gradient descent in the place of its optimizer."""
        return "whole" in self.losses

    def idle(self, ranks):
        """Ranks without a lane in the default configuration."""
        return max(0, ranks - self.rounds[0]["lanes"]) if self.rounds else 0

    def commits(self):
        """Of all that the tables have of this row, in the order in which it was measured."""
        pieces = [self.losses, *self.rounds, *([self.costs] if self.costs else [])]
        return list(dict.fromkeys(piece.get("commit") for piece in pieces))

    def median(self, key):
        return statistics.median(entry[key] for entry in self.rounds)

    def ratio(self, key="lockstep"):
        return statistics.median(entry[key] / entry["torch"] for entry in self.rounds)

    def spread(self):
        ratios = sorted(entry["lockstep"] / entry["torch"] for entry in self.rounds)
        return ratios[0], ratios[-1]

    def share(self, key):
        """Of the yardstick, the flops being those that the mathematics needs."""
        return statistics.median(entry[key] * entry["flops"] / 1e9 / ((entry["before"] + entry["after"]) / 2) for entry in self.rounds)

    def few(self):
        n = len(self.rounds)
        return f"; {n} round{'s' * (n != 1)} kept, {self.discarded} discarded" if n < ROUNDS else ""

    def opponent(self):
        options = set(self.search["best"])
        parts = ["DDP, one thread a rank" if "--ddp" in options else "one process, all threads",
                 "compiled" if "--compile" in options else "eager",
                 "fused" if "--fused" in options else "foreach" if "--foreach" in options else "plain"]
        extra = {"--channels-last": "channels last", "--bucket-view": "bucket view", "--plain-attention": "no SDPA"}
        return ", ".join(parts + [text for option, text in extra.items() if option in options])


def numeral(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def speed_table(results, args):
    kernels = sorted({entry["kernels"].split(",")[0] for r in results for entry in r.measured})
    capability = sorted({r.first["capability"] for r in results})
    lines = [f"| | Lockstep ({' or '.join(kernels)}), samples/s | PyTorch ({' or '.join(capability)}), samples/s | "
             "ratio (least to greatest) | share of yardstick: Lockstep, PyTorch | lanes = ranks: ratio | first 20 losses differ by | PyTorch's best configuration |",
             "|---|--:|--:|--:|--:|--:|--:|---|"]
    for r in results:
        if not r.rounds:
            lines.append(f"| {r.title} | no steady round in {r.discarded} | | | | | | |")
            continue
        low, high = r.spread()
        ratio = "void" if r.void else f"**{r.ratio():.2f}** ({low:.2f} to {high:.2f}{r.few()})"
        lines.append(f"| {r.title} | {numeral(r.median('lockstep'))} | {numeral(r.median('torch'))} | {ratio} | "
                     f"{100 * r.share('lockstep'):.0f} %, {100 * r.share('torch'):.0f} % | {r.ratio('free'):.2f} | "
                     f"{r.difference:.0e}{' (1)' if r.is_descent() else ''} | {r.opponent()} |")
    notes = [descent_note(r) for r in results if r.is_descent()] + [idle_note(r, args) for r in results if r.idle(args.ranks)]
    return [*lines, *([""] if notes else []), *notes]


def idle_note(r, args):
    return (f"* {r.title}: {r.idle(args.ranks)} of {args.ranks} ranks compute no gradient in Lockstep's default configuration, whose batch of "
            f"{r.batch} is cut into {r.rounds[0]['lanes']} lanes; only `lanes = ranks` uses all cores.")


def descent_note(r):
    return (f"* (1) {r.title}: with plain gradient descent, and batch norm over a lane in both programs. With Adam the losses differ by "
            f"{r.losses['adam']:.0e}, and PyTorch in one process from PyTorch over DDP by {r.losses['rounding']:.0e}: in the first steps "
            "Adam divides by second moments near zero, which makes rounding large. The configuration that is timed has Adam, and "
            "batch norm as PyTorch does it; its losses are not compared.")


def cost_table(results):
    lines = ["| | start to first step, s: Lockstep alone, under mpirun; PyTorch | PSS of a rank, MiB: Lockstep; PyTorch's best; DDP | "
             "CPU seconds per 1,000 samples: Lockstep; PyTorch |", "|---|--:|--:|--:|"]
    for r in results:
        if r.costs and r.rounds:
            start, memory = r.costs["start"], r.costs["memory"]
            lines.append(f"| {r.title} | {start['lockstep']:.2f}, {start['mpirun']:.2f}; {start['torch']:.2f} | "
                         f"{memory['lockstep']:.0f}; {memory['torch']:.0f}; {memory['ddp']:.0f} | "
                         f"{1000 * r.median('lockstep_cpu'):.3g}; {1000 * r.median('torch_cpu'):.3g} |")
    return lines


def commits(results):
    """What was measured, as the data say: one commit for all, or each with its rows."""
    rows = {}
    for r in results:
        for one in r.commits():
            rows.setdefault(one or "commit not recorded", []).append(r.name)
    dirty = "; -dirty: with changes that this commit does not have" if any("-dirty" in one for one in rows) else ""
    if len(rows) == 1:
        return "".join(rows) + dirty
    return "; ".join(f"{one}: {' '.join(names)}" for one, names in rows.items()) + dirty


def machine(args, results):
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    version = subprocess.run([args.lockstep, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    compiler = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    entries = [entry for r in results for entry in r.measured]
    yardstick = statistics.median((entry["before"] + entry["after"]) / 2 for entry in entries)
    counts = sorted({len(r.rounds) for r in results})
    cores = sorted({entry["core_type"] for entry in entries if entry.get("core_type")})
    told = f" by an OpenBLAS that does not know this CPU and was told OPENBLAS_CORETYPE={' or '.join(cores)}" if cores else ""
    days = sorted({entry.get("date", "date not recorded") for entry in entries})
    return (f"{args.ranks} cores of {cpu} ({os.uname().machine}), {' to '.join(sorted({days[0], days[-1]}))}. "
            f"{version} ({commits(results)}), kernels {' or '.join(sorted({entry['kernels'] for entry in entries}))}; PyTorch {results[0].first['version']} "
            f"({results[0].first['capability']}), g++ {compiler}. "
            f"{' to '.join(map(str, sorted({counts[0], counts[-1]})))} rounds a row, medians; "
            f"{sum(r.discarded for r in results)} rounds discarded because the yardstick moved by over 5 % within them. "
            f"Yardstick, {args.ranks} sgemm 1024^3 at the same time{told}: {yardstick:.0f} GF/s (median).")


def svg(width, height, body):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
                      'font-family="sans-serif" font-size="13">', '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]) + "\n"


def text(x, y, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'


def bars(results, args):
    """Ratio to PyTorch; a whisker from the least to the greatest round, a thin bar for lanes = ranks, a line at 1."""
    rows = [r for r in results if r.rounds and not r.void]
    left, width, pitch, top = 330, 900, 46, 66
    height = top + pitch * len(rows) + 40
    scale = (width - left - 120) / max([2, *(figure for r in rows for figure in (r.spread()[1], r.ratio("free")))])
    version = results[0].first["version"].split("+")[0]
    body = [text(20, 26, f"Samples per second: Lockstep over PyTorch {version} in its best configuration, same {args.ranks} cores",
                 'font-size="14" font-weight="bold"'),
            f'<rect x="{left}" y="40" width="14" height="12" fill="{BLUE}"/>', text(left + 20, 51, "default configuration"),
            f'<rect x="{left + 180}" y="43" width="14" height="7" fill="{LIGHT}"/>', text(left + 200, 51, "lanes = ranks"),
            text(left + 310, 51, "whisker: least to greatest round")]
    for i, r in enumerate(rows):
        y, (low, high) = top + pitch * i, r.spread()
        body += [text(left - 12, y + 15, r.title, 'text-anchor="end"'),
                 text(left - 12, y + 31, f"{100 * r.share('lockstep'):.0f} % of sgemm; PyTorch {100 * r.share('torch'):.0f} %",
                      f'text-anchor="end" font-size="11" fill="#666"'),
                 f'<rect x="{left}" y="{y + 2}" width="{r.ratio() * scale:.1f}" height="19" fill="{BLUE}"/>',
                 f'<rect x="{left}" y="{y + 24}" width="{r.ratio("free") * scale:.1f}" height="8" fill="{LIGHT}"/>',
                 f'<path d="M{left + low * scale:.1f} {y + 11.5} H{left + high * scale:.1f} M{left + low * scale:.1f} {y + 7} v9 '
                 f'M{left + high * scale:.1f} {y + 7} v9" stroke="black" fill="none"/>',
                 text(left + max(high, r.ratio()) * scale + 8, y + 16, f"{r.ratio():.2f}", 'font-weight="bold"'),
                 text(left + max(high, r.ratio()) * scale + 46, y + 16, f"{len(r.rounds)} rounds" if r.few() else "", 'font-size="11"')]
    x = left + scale
    body += [f'<line x1="{x:.1f}" y1="{top - 6}" x2="{x:.1f}" y2="{height - 30}" stroke="black" stroke-dasharray="4 3"/>',
             text(x, height - 14, "1 = PyTorch", 'text-anchor="middle"')]
    return svg(width, height, body)


def ticks(low, high):
    """Three to six round numbers, the first not above low, the last not below high."""
    for step in (m * 10 ** e for e in range(-4, 7) for m in (1, 2, 2.5, 5)):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= 5:
            return [i * step for i in range(first, max(last, first + 2) + 1)]
    raise ValueError(f"no ticks from {low} to {high}")


def panel(r, left, top, width, height):
    """The curves of a row in a plot of that place and size, with words around it."""
    colours = {"Lockstep": (BLUE, ""), "PyTorch": (RED, ""), "PyTorch, eager": (RED, 'stroke-dasharray="5 3"')}
    lines = {name: (points, *colours[name]) for name, points in r.costs["curves"].items()}
    xs = ticks(0, max(t for points, *_ in lines.values() for t, _ in points))
    if r.floor:
        lines["floor"] = ([(0, r.floor), (xs[-1], r.floor)], GREY, 'stroke-dasharray="2 3"')
    losses = [loss for points, *_ in lines.values() for _, loss in points]
    ys = ticks(min(losses), max(losses))

    def x(t):
        return left + t / xs[-1] * width

    def y(loss):
        return top + height - (loss - ys[0]) / (ys[-1] - ys[0]) * height

    body = [text(left, top - 26, r.title, 'font-weight="bold"')]
    for tick in xs:
        body += [f'<path d="M{x(tick):.1f} {top + height} v4" stroke="black"/>',
                 text(x(tick), top + height + 16, f"{tick:g}", 'text-anchor="middle" font-size="11"')]
    for tick in ys:
        body += [f'<path d="M{left} {y(tick):.1f} h{width}" stroke="#e4e4e4"/>',
                 text(left - 6, y(tick) + 4, f"{tick:g}", 'text-anchor="end" font-size="11"')]
    body.append(f'<path d="M{left} {top} v{height} h{width}" stroke="black" fill="none"/>')
    for k, (name, (points, colour, dash)) in enumerate(lines.items()):
        path = " ".join(f"{x(t):.1f},{y(loss):.1f}" for t, loss in points)
        body += [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6" {dash}/>',
                 f'<path d="M{left + 110 * k} {top - 13} h18" stroke="{colour}" stroke-width="2" {dash}/>',
                 text(left + 110 * k + 22, top - 9, name, 'font-size="11"')]
    side, middle = left - 40, top + height / 2
    return [*body, text(left + width / 2, top + height + 32, "seconds since the start of the program", 'text-anchor="middle" font-size="11"'),
            text(side, middle, "training loss", f'text-anchor="middle" font-size="11" transform="rotate(-90 {side} {middle})"')]


def curves(results):
    """Loss against seconds since the program was started, two panels in a line."""
    rows = [r for r in results if r.costs and "curves" in r.costs]
    if not rows:
        return None
    width, height = 450, 260
    body = [text(20, 22, "Mean training loss from a point to the next. Both programs run the same number of steps, so the faster one's "
                 "curve ends earlier.", 'font-size="12"')]
    if any(r.floor for r in rows):
        body.append(text(20, 38, "Floor, where data are made: the entropy of GPT-mini's tokens, the noise in linear regression's targets.",
                         'font-size="12"'))
    for i, r in enumerate(rows):
        body += panel(r, i % 2 * width + 56, i // 2 * height + 92, width - 76, height - 90)
    return svg(2 * width, math.ceil(len(rows) / 2) * height + 52, body)


def write(rows, args):
    results = [Result(row) for row in rows if row.read("rounds")]
    out = pathlib.Path(args.out)
    lines = [machine(args, results), "", *speed_table(results, args), "", *cost_table(results), ""]
    (out / "table.md").write_text("\n".join(lines))
    (out / "chart.svg").write_text(bars(results, args))
    if drawn := curves(results):
        (out / "curves.svg").write_text(drawn)
    print("\n".join(lines))
    print(f"{out}/table.md, chart.svg, curves.svg")
