"""plot.py: tables and bars of the figures of benches/kv/run. Keys are (system, call, clients, role), values (a second, p50, p99)."""

LIMIT = "one flush and one round trip"
BARS = {  # ratios aimed at: kv to a system, by clients
    ("etcd", 1): 3, ("etcd", 64): 5, ("redis", 1): 0.6, ("redis", 64): 0.45, (LIMIT, 1): 0.5,
}


def row(m, key, base):
    rate, p50, p99 = m[key]
    ratio = f"{m[base][0] / rate:.2f}" if base in m and base != key else ""
    return f"| {key[0]}{', at a ' + key[3] if key[3] == 'follower' else ''} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {ratio} |"


def table(m):
    lines = []
    for title, call, clients in (("writes", "set", 1), ("writes", "set", 64), ("linearizable reads", "get", 64)):
        lines += ["", f"| {title}, {clients} client{'s' if clients > 1 else ''} | a second | p50 ms | p99 ms | kv to it |", "|---|---|---|---|---|"]
        for key in sorted((k for k in m if k[1:3] == (call, clients)), key=lambda k: -m[k][0]):
            lines.append(row(m, key, ("kv", call, clients, key[3])))
    lines += ["", "| kv's writes to | bar | measured |", "|---|---|---|"]
    for (other, clients), bar in BARS.items():
        got = m["kv", "set", clients, "leader"][0] / m[other, "set", clients, "leader"][0]
        lines.append(f"| {other}, {clients} client{'s' if clients > 1 else ''} | {bar} | {got:.2f} |")
    return "\n".join(lines[1:]) + "\n"


def svg(m):
    """Bars in three groups, the longest of a group in full width."""
    groups = [("Writes a second, 1 client", "set", 1), ("Writes a second, 64 clients", "set", 64), ("Linearizable reads a second, 64 clients", "get", 64)]
    out, y = [], 10
    for title, call, clients in groups:
        keys = sorted((k for k in m if k[1:3] == (call, clients)), key=lambda k: -m[k][0])
        most = m[keys[0]][0]
        out.append(f'<text x="10" y="{y + 16}" font-weight="bold">{title}</text>')
        y += 26
        for key in keys:
            rate, p50, p99 = m[key]
            width = max(2, 330 * rate / most)
            name = key[0] + (", at a follower" if key[3] == "follower" else "")
            colour = "#2b6cb0" if key[0].startswith("kv") else "#a0aec0"
            out.append(f'<text x="10" y="{y + 13}">{name}</text>')
            out.append(f'<rect x="215" y="{y}" width="{width:.0f}" height="17" fill="{colour}"/>')
            out.append(f'<text x="{220 + width:.0f}" y="{y + 13}">{rate:,.0f}  ({p50:.2f} / {p99:.2f} ms)</text>')
            y += 22
        y += 14
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{y + 24}" font-family="sans-serif" font-size="12">'
    foot = f'<text x="10" y="{y + 8}" fill="#555">256 bytes; p50 / p99; three servers of kv and etcd, one of redis (appendfsync always), one machine and disk</text></svg>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *out, foot]) + "\n"
