# SPDX-License-Identifier: MPL-2.0
"""What the demo leaves: timeline.svg, sound.svg, and index.html, which shows them with the screenshots."""

import html
import os

import sound

CHIME_S = 1.9
COLOURS = {"servers": "#6b7f92", "kernel": "#2f6fd0", "user land": "#35b6ff", "shown": "#3fdc7f"}

STYLE = """
:root { color-scheme: dark; }
body { margin: 0; background: #070b10; color: #eaf2f8;
  font: 16px/1.55 Roboto, "Segoe UI", Helvetica, Arial, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 40px 28px 60px; }
h1 { font-weight: 300; font-size: 44px; margin: 0 0 4px; letter-spacing: -0.5px; }
h2 { font-weight: 400; font-size: 24px; margin: 52px 0 14px; }
p { margin: 0 0 16px; color: #a9bbca; max-width: 76ch; }
.hero { width: 100%; display: block; border-radius: 14px; border: 1px solid #22303d; margin: 26px 0 0; }
.moments { display: grid; grid-template-columns: repeat(2, 1fr); gap: 22px; }
figure { margin: 0; background: #0d141b; border: 1px solid #1c2833; border-radius: 14px; overflow: hidden; }
figure img { width: 100%; display: block; }
figcaption { padding: 13px 18px 16px; color: #a9bbca; font-size: 15px; }
figcaption b { color: #eaf2f8; font-weight: 500; }
figcaption time { float: right; color: #7b8fa1; }
.panel { background: #0d141b; border: 1px solid #1c2833; border-radius: 14px; padding: 20px; }
.panel img { width: 100%; display: block; }
audio { width: 100%; margin-top: 14px; }
ul { list-style: none; padding: 0; margin: 0; columns: 2; column-gap: 40px; }
li { padding: 4px 0 4px 28px; text-indent: -28px; break-inside: avoid; color: #c6d4df; }
li::before { content: "✓"; color: #3fdc7f; display: inline-block; width: 28px; text-indent: 0; }
li.bad { color: #ff8a8a; } li.bad::before { content: "✗"; color: #ff3b3b; }
footer { margin-top: 50px; color: #7b8fa1; font-size: 14px; }
@media (max-width: 800px) { .moments { grid-template-columns: 1fr; } ul { columns: 1; } }
"""


def write(out, run, machines, times, heard):
    stages = {machine: _stages(run, machine) for machine in machines}
    (out / "timeline.svg").write_text(_timeline(stages))
    if heard:
        (out / "sound.svg").write_text(_sound(heard, times))
    (out / "index.html").write_text(_page(run, stages, times, heard))


def _stages(run, machine):
    """[(name, from, to)] of one machine's start, in seconds since `busbar up`."""
    marks = [("servers", run.when("busbar", r"^%s: running" % machine)),
             ("kernel", run.when(machine, "busbar: userland")),
             ("user land", run.when(machine, "first picture"))]
    found, before = [], 0.0
    for name, at in marks:
        if at is not None:
            found.append((name, before, at))
            before = at
    return found


def _timeline(stages):
    left, width, row = 96, 1060, 54
    last = max([to for found in stages.values() for _, _, to in found] + [1.0])
    scale, step = (width - left - 130) / last, 1 if last < 15 else 2 if last < 30 else 10
    height = 64 + row * len(stages) + 34
    svg = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
           'font-family="Roboto, Segoe UI, Helvetica, Arial, sans-serif" font-size="14">' % (width, height),
           '<rect width="%d" height="%d" rx="10" fill="#0d141b"/>' % (width, height)]
    for i, (name, colour) in enumerate(COLOURS.items()):
        svg.append('<rect x="%d" y="14" width="14" height="14" rx="4" fill="%s"/>'
                   '<text x="%d" y="26" fill="#a9bbca">%s</text>' %
                   (left + i * 175, colour, left + i * 175 + 21,
                    {"servers": "servers, hypervisor", "shown": "first picture"}.get(name, name)))
    for second in range(0, int(last) + 2, step):
        x = left + second * scale
        if x < width - 20:
            svg.append('<line x1="%.1f" y1="46" x2="%.1f" y2="%d" stroke="#1c2833"/>'
                       '<text x="%.1f" y="%d" fill="#7b8fa1" text-anchor="middle">%d s</text>' %
                       (x, x, height - 32, x, height - 12, second))
    for i, (machine, found) in enumerate(stages.items()):
        y = 58 + i * row
        svg.append('<text x="%d" y="%d" fill="#eaf2f8" font-size="16" text-anchor="end">%s</text>' %
                   (left - 14, y + 24, machine))
        for name, start, end in found:
            x, w = left + start * scale, (end - start) * scale
            svg.append('<rect x="%.1f" y="%d" width="%.1f" height="34" rx="5" fill="%s"/>' %
                       (x, y, max(w - 1.5, 2), COLOURS[name]))
            if w > 48:
                svg.append('<text x="%.1f" y="%d" fill="#06121c" font-weight="500" text-anchor="middle">%.1f s</text>' %
                           (x + w / 2, y + 22, end - start))
        if found:
            x = left + found[-1][2] * scale
            svg.append('<circle cx="%.1f" cy="%d" r="8" fill="%s"/>'
                       '<text x="%.1f" y="%d" fill="#eaf2f8" font-size="16">%.1f s</text>' %
                       (x + 6, y + 17, COLOURS["shown"], x + 24, y + 23, found[-1][2]))
    return "\n".join(svg + ["</svg>", ""])


def _sound(heard, times):
    width, middle, half = 1060, 112, 74
    shape = sound.envelope(heard)
    scale = width / max(len(shape), 1)
    peak = max([max(-low, high) for low, high in shape] + [0.05])
    top = " ".join("%.1f,%.1f" % (i * scale, middle - high / peak * half) for i, (_, high) in enumerate(shape))
    bottom = " ".join("%.1f,%.1f" % (i * scale, middle - low / peak * half) 
                      for i, (low, _) in reversed(list(enumerate(shape))))
    svg = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d 226" '
           'font-family="Roboto, Segoe UI, Helvetica, Arial, sans-serif" font-size="14">' % width,
           '<rect width="%d" height="226" rx="10" fill="#0d141b"/>' % width,
           '<polygon points="%s %s" fill="#35b6ff" fill-opacity="0.85"/>' % (top, bottom)]
    seconds = len(shape) / 100
    chime = (times["warned"] - times["begun"]) / seconds * width
    svg.insert(2, '<rect x="%.1f" y="30" width="%.1f" height="166" fill="#ffb52e" fill-opacity="0.10"/>' %
               (chime, CHIME_S / seconds * width))
    for name, key, colour in (("music starts", "touched_play", "#7b8fa1"), ("chime", "warned", "#ffb52e"),
                              ("lamps frozen", "frozen", "#ff6a3c"), ("thawed", "thawed", "#3fdc7f")):
        if key in times:
            x = (times[key] - times["begun"]) / seconds * width
            svg.append('<line x1="%.1f" y1="28" x2="%.1f" y2="196" stroke="%s" stroke-dasharray="4 4"/>'
                       '<text x="%.1f" y="22" fill="%s">%s</text>' %
                       (x, x, colour, x + 2, colour, name))
    for second in range(0, int(seconds) + 1, 2):
        svg.append('<text x="%.1f" y="217" fill="#7b8fa1" text-anchor="middle">%d s</text>' %
                   (min(max(second / seconds * width, 18), width - 22), second))
    return "\n".join(svg + ["</svg>", ""])


def _page(run, stages, times, heard):
    firsts = ["%s after %.1f s" % (machine, found[-1][2]) for machine, found in stages.items() if found]
    parts = ['<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
             '<meta name="viewport" content="width=device-width, initial-scale=1">',
             "<title>Busbar: cockpit</title><style>%s</style></head><body><main>" % STYLE,
             "<h1>One cockpit, two guests</h1>",
             "<p>An instrument cluster and an infotainment system, two unmodified Linux guests isolated from each "
             "other, share one screen, one touch panel and one set of loudspeakers. Busbar's servers compose the "
             "pictures, pass touches on to the guest that is touched, mix the sound by priority, and guard the warning "
             "lamps.</p>"]
    moments = {name: (at, title, text, path) for at, name, title, text, path in run.moments}
    if "drive" in moments:
        parts.append('<a href="drive.png"><img class="hero" src="drive.png" alt="the whole screen"></a>')
    parts.append('<h2>Moments</h2><div class="moments">')
    for name, (at, title, text, path) in moments.items():
        if name != "drive":
            parts.append('<figure><a href="%s"><img src="%s" alt="%s"></a>'
                         '<figcaption><time>%.1f s</time><b>%s.</b> %s</figcaption></figure>' %
                         (path.name, path.name, html.escape(title), at - times["begun"] if times else at,
                          html.escape(title), html.escape(text)))
    parts.append("</div>")
    if heard:
        parts.append('<h2>Sound</h2><p>What the loudspeakers played. While the cluster\'s chime sounds, the music is '
                     '20 dB quieter; neither guest knows of the other.</p><div class="panel">'
                     '<img src="sound.svg" alt="sound over time"><audio controls src="cabin.wav"></audio></div>')
    parts.append("<h2>Start</h2><p>From the command to the first picture: %s, on this machine, on the platform "
                 '<em>qemu</em>.</p><div class="panel"><img src="timeline.svg" alt="start-up timeline"></div>' %
                 html.escape(", ".join(firsts)))
    parts.append("<h2>Checked</h2><div class=\"panel\"><ul>%s</ul></div>" %
                 "".join('<li%s>%s</li>' % ("" if held else ' class="bad"', html.escape(text)) 
                         for held, text in run.checks))
    parts.append("<footer>Made by examples/cockpit/demo in %.0f s on %s.</footer></main></body></html>\n" %
                 (run.now(), html.escape(os.uname().machine)))
    return "\n".join(parts)
