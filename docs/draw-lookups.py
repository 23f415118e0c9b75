#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Puts the figures of one run of the lookup benchmark into lookups.md and draws lookups.svg from them.

    draw-lookups.py BUILDDIR/tests/bench/lookup.json [--least]

Figures are medians; with --least, for a machine that was busy otherwise, the least ones. In lookups.md, what stands
between the lines "<!-- figures NAME -->" and "<!-- end -->" is written anew; the words around them are not: read whether
they still hold.
"""
import json
import math
import os
import re
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "bench"))
sys.dont_write_bytecode = True

import bench  # noqa: E402

# Name in a run, name for people, colour, dashes.
LINES = (("table", "shared table", "#2f7d4f", ""), ("search", "binary search", "#3b6ea5", ""),
         ("tree", "interval tree", "#b9714d", ""), ("judy", "Judy array", "#8a5fa8", "6 4"),
         ("hash", "plain hash", "#8a8a3a", "2 3"))
PANELS = (("hit", "lookups that do not wait"), ("hit_latency", "each after the answer before"))
WIDTH, HEIGHT, LEFT, TOP, PANEL_WIDTH, PANEL_HEIGHT, STEP = 880, 400, 62, 60, 285, 270, 430
LOWEST, HIGHEST = 1, 200


def times_of(result, mode, which):
    return {size["bars"]: bench.summary(size, mode + which) for size in result["sizes"]}


def x_of(panel, bars):
    return LEFT + panel * STEP + (math.log2(bars) - 2) / 10 * PANEL_WIDTH


def y_of(nsec):
    return TOP + PANEL_HEIGHT * (1 - math.log(nsec / LOWEST) / math.log(HIGHEST / LOWEST))


def spread(wanted, distance):
    """The heights, in order, moved apart where they are closer than this."""
    placed = []
    for at in wanted:
        placed.append(max(at, placed[-1] + distance) if placed else at)
    return placed


def draw_axes(panel, title, sizes):
    left, right = x_of(panel, 4), x_of(panel, 4096)
    out = [f'  <text x="{left:.0f}" y="{TOP - 14}" font-weight="bold" fill="#222">{title}</text>']
    for nsec in (1, 2, 5, 10, 20, 50, 100, 200):
        y = y_of(nsec)
        out.append(f'  <path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="#ddd"/>')
        out.append(f'  <text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end" fill="#555" font-size="12">'
                   f'{nsec}</text>')
    for bars in sizes:
        x = x_of(panel, bars)
        out.append(f'  <path d="M{x:.1f} {TOP + PANEL_HEIGHT}v5" stroke="#555"/>')
        out.append(f'  <text x="{x:.1f}" y="{TOP + PANEL_HEIGHT + 20}" text-anchor="middle" fill="#555" font-size="11">'
                   f'{bars}</text>')
    out.append(f'  <text x="{(left + right) / 2:.0f}" y="{TOP + PANEL_HEIGHT + 42}" text-anchor="middle" fill="#555" '
               'font-size="12">BARs</text>')
    return out


def draw_panel(panel, title, times):
    out = draw_axes(panel, title, times)
    ends = sorted((y_of(times[max(times)][name]), text, colour) for name, text, colour, _ in LINES)
    for name, _, colour, dashes in LINES:
        points = [(x_of(panel, bars), y_of(t[name])) for bars, t in times.items()]
        path = "M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        width = 3 if name == "table" else 2
        out.append(f'  <path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>')
        out += [f'  <circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    for y, (_, text, colour) in zip(spread([end[0] for end in ends], 15), ends):
        out.append(f'  <text x="{x_of(panel, 4096) + 9:.1f}" y="{y + 4:.1f}" fill="{colour}" font-size="12">{text}</text>')
    return out


def draw(result, which):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="14">',
           "  <title>Nanoseconds from an address to its BAR, by number of BARs</title>",
           f'  <rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           '  <text x="18" y="22" fill="#222">Nanoseconds from an address in a BAR to that BAR (both scales are logarithmic)</text>']
    for panel, (mode, title) in enumerate(PANELS):
        out += draw_panel(panel, title, times_of(result, mode, which))
    return "\n".join([*out, "</svg>"]) + "\n"


def markdown(heads, rows):
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "|".join(["---:"] * len(heads)) + "|",
                      *("| " + " | ".join(row) + " |" for row in rows)])


def times_table(times):
    heads = ["BARs", "table", "binary search", "with a guess", "interval tree", "Judy", "plain hash", "search / table",
             "tree / table"]
    rows = []
    for bars, t in times.items():
        rows.append([f"{bars:,}", f'**{t["table"]:.1f}**',
                     *(f"{t[name]:.1f}" for name in ("search", "guess", "tree", "judy", "hash")),
                     f'{t["search"] / t["table"]:.1f}', f'{t["tree"] / t["table"]:.1f}'])
    return markdown(heads, rows)


def kib(count):
    return f"{count:,} B" if count < 4096 else f"{count / 1024:,.0f} KiB"


def bytes_table(result):
    rows = []
    for size in result["sizes"]:
        s = {one["name"]: one["bytes"] for one in size["structures"]}
        rows.append([f'{size["bars"]:,}', *(kib(s[name]) for name in ("table", "sorted", "tree", "judy", "hash"))])
    return markdown(["BARs", "table, all of it", "binary search", "interval tree", "Judy", "plain hash"], rows)


def other_table(result, which):
    pair, publish = result["pair"], result["publish"]
    rows = [[text, f'{pair["table" + mode + which]:.2f}', f'two loads {pair["array" + mode + which]:.2f}']
            for mode, text in (("", "pair, ns"), ("_many", "pair, one client asks for 64 at once, ns"),
                               ("_latency", "pair, each after the answer before, ns"))]
    rows += [["two loads and the check of a generation, ns", f'{pair["checked" + which]:.2f}',
              f'two loads {pair["array" + which]:.2f}'],
             [f'table, {pair["bars"]} BARs, {pair["functions"]} functions', kib(pair["table_bytes"]), "64 KiB allowed"],
             [f'generation, {publish["bars"]:,} BARs, {publish["functions"]:,} functions, ms',
              f'{publish["decide_msec" + which] + publish["publish_msec" + which]:.2f}', "5 allowed"]]
    return markdown(["what", "measured", "beside it"], rows)


def run_text(result, which):
    what = "the least" if which else "medians"
    slower = statistics.median(one[name] / one[name + "_least"] for size in result["sizes"] for one in size["structures"]
                               for name in bench.MODES)
    hits = times_of(result, "hit", "")
    tree, search = (", ".join(f'{hits[bars][name] / hits[bars]["table"]:.2f} at {bars:,}' for bars in at)
                    for name, at in (("tree", (24, 4096)), ("search", (4, 8, 16))))
    busy = (f" The machine was busy with other work: medians are {slower:.1f} times as long, and by them the ratios for "
            f"addresses in a BAR are: tree / table {tree} BARs, search / table {search}.") if which else ""
    return (f'Measured {result["date"]} in a virtual machine on one core of an {result["cpu"]}, in one program: {what} of '
            f'{result["rounds"]} rounds of {result["addresses"]:,} lookups, timed in short pieces.{busy}')


def main():
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["--least"]):
        sys.exit(__doc__)
    which = "_least" if sys.argv[2:] else ""
    with open(sys.argv[1], encoding="utf-8") as f:
        result = json.load(f)
    figures = {mode: times_table(times_of(result, mode, which)) for mode in bench.MODES}
    figures.update(bytes=bytes_table(result), others=other_table(result, which), run=run_text(result, which))
    page = os.path.join(HERE, "lookups.md")
    with open(page, encoding="utf-8") as f:
        text = f.read()
    for name in re.findall(r"<!-- figures (\S+) -->", text):
        text = re.sub(f"(<!-- figures {name} -->\n).*?(<!-- end -->)",
                      lambda found, name=name: f"{found[1]}{figures[name]}\n{found[2]}", text, flags=re.S)
    with open(page, "w", encoding="utf-8") as f:
        f.write(text)
    with open(os.path.join(HERE, "lookups.svg"), "w", encoding="utf-8") as f:
        f.write(draw(result, which))


if __name__ == "__main__":
    main()
