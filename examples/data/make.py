"""Makes the example data in this folder, the same bytes each time."""
import csv, gzip, io, json, pathlib, random

here = pathlib.Path(__file__).parent
rng = random.Random(7)
countries = ["DE", "ES", "FR", "NO", "IT", "JP"]
names = ["Ada", "Bruno", "Chiara", "Dag", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas"]
with open(here / "customers.csv", "w", newline="") as out:
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["id", "name", "country", "since"])
    for i in range(1, 201):
        rows.writerow([i, f"{rng.choice(names)} {i}", rng.choice(countries), f"20{rng.randint(15, 25)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"])

(here / "orders").mkdir(exist_ok=True)
order = 0
for day in (14, 15, 16):
    text = io.StringIO()
    for _ in range(1000):
        order += 1
        items = [{"sku": f"S-{rng.randint(100, 140)}", "quantity": rng.randint(1, 4), "price": rng.randint(199, 9999) / 100}
                 for _ in range(rng.randint(1, 3))]
        total = round(sum(i["quantity"] * i["price"] for i in items), 2)
        stamp = f"2025-01-{day:02}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}Z"
        text.write(json.dumps({"id": order, "customer_id": rng.randint(1, 200), "ordered_at": stamp,
                               "status": rng.choice(["paid", "paid", "paid", "open", "cancelled"]),
                               "items": items, "total": total, "ship_to": {"city": rng.choice(["Berlin", "Madrid", "Paris", "Oslo", "Rome", "Tokyo"]), "express": rng.random() < 0.2}}) + "\n")
    with open(here / "orders" / f"2025-01-{day}.jsonl.gz", "wb") as raw:
        with gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
            out.write(text.getvalue().encode())


def pack(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())


events = ["GetObject", "PutObject", "DeleteObject", "AssumeRole", "ConsoleLogin"]
for number, day in enumerate(("2026-01-18", "2026-01-19")):
    records = []
    for i in range(6):
        event = events[(i + number) % 5]
        login = event == "ConsoleLogin"
        record = {"eventVersion": "1.11", "userIdentity": {"type": "IAMUser", "userName": ["ann", "bob", "eve"][i % 3]},
                  "eventTime": f"{day}T{8 + i:02}:15:00Z", "eventSource": ("signin" if login else "s3") + ".amazonaws.com",
                  "eventName": event, "awsRegion": "eu-north-1", "sourceIPAddress": f"203.0.113.{10 + i}",
                  "requestParameters": None if login else {"bucketName": "invoices", "key": f"2026/{i}.pdf"}}
        if i == 4:
            record["errorCode"] = "AccessDenied"
        records.append(record)
    stamp = day.replace("-", "")
    pack(here / "cloudtrail" / f"123456789012_CloudTrail_eu-north-1_{stamp}T0000Z_{number:04}.json.gz", json.dumps({"Records": records}))

lines = ["version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"]
for i in range(9):
    start = 1768780800 + 60 * i
    flow = f"10.0.0.{i + 1} 10.0.1.20 {49152 + i} {[443, 22, 5432, 443][i % 4]} 6 {10 + i} {840 * (i + 1)} {start} {start + 60}"
    verdict = "REJECT OK" if i % 4 == 1 else "ACCEPT OK"
    if i == 8:
        flow, verdict = f"- - - - - - - {start} {start + 60}", "- NODATA"
    lines.append(f"2 123456789012 eni-0a1b2c3d {flow} {verdict}")
pack(here / "vpc-flow-logs" / "123456789012_vpcflowlogs_eu-north-1_fl-01_20260119T0000Z.log.gz", "\n".join(lines) + "\n")


def ndjson(rows):
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


pack(here / "blocks" / "blocks-19000000.jsonl", ndjson(
    {"number": 19000000 + i, "timestamp": 1705300000 + 12 * i, "miner": f"0x{i:040x}", "baseFeePerGas": str(14_000_000_000 + i),
     "transactions": [{"hash": f"0x{i * 10 + t:064x}", "from": f"0x{t + 1:040x}", "to": None if t == 2 else f"0x{t + 9:040x}",
                       "value": str(10**18 * (t + 1) + i)} for t in range(i % 3 + 1)]} for i in range(4)))

log = [{"logged_at": f"2026-01-19T10:{i:02}:00Z", "level": ["info", "warn", "error"][i % 3], "message": f"request {i}", "ms": 12 * i} for i in range(5)]
log.append({"logged_at": "2026-01-19T10:05:00Z", "level": "error", "message": "written by an older version", "ms": "NaN ms"})
pack(here / "app-logs" / "web-1.jsonl", ndjson(log))
