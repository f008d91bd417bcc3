#!/usr/bin/env python3
"""The sums of tanso-carbon computed again, by nothing but Python's own library.

usage: independent.py ENERGY.csv INTENSITY.csv MONTH TIME_ZONE

ENERGY     datetime_utc,workload,node,zone,pue,energy_kwh
INTENSITY  datetime_utc,zone,ci_direct_gco2eq_kwh,ci_lifecycle_gco2eq_kwh,estimated (plain or .gz), or one column a zone
MONTH      2024-10

Prints JSON: kWh and grams of all, of each workload and of each local day.
"""
import collections
import csv
import datetime
import gzip
import json
import math
import sys
import zoneinfo


def rows(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def main(energy, intensity, month, time_zone):
    zone_info = zoneinfo.ZoneInfo(time_zone)
    grams_per_kwh = {}
    for row in rows(intensity):
        if "zone" in row:
            grams_per_kwh[row["zone"], row["datetime_utc"]] = float(row["ci_lifecycle_gco2eq_kwh"])
        else:
            for zone, value in row.items():
                if zone != "datetime_utc":
                    grams_per_kwh[zone, row["datetime_utc"]] = float(value)
    it_kwh, facility_kwh, grams = [], [], collections.defaultdict(list)
    for row in rows(energy):
        instant = datetime.datetime.fromisoformat(row["datetime_utc"].replace("Z", "+00:00"))
        local = instant.astimezone(zone_info)
        if f"{local.year:04}-{local.month:02}" != month:
            continue
        kwh = float(row["energy_kwh"])
        pue = float(row["pue"])
        emitted = kwh * pue * grams_per_kwh[row["zone"], row["datetime_utc"]]
        it_kwh.append(kwh)
        facility_kwh.append(kwh * pue)
        grams["all"].append(emitted)
        grams["workload " + row["workload"]].append(emitted)
        grams["day " + local.date().isoformat()].append(emitted)
    sums = {name: math.fsum(parts) for name, parts in grams.items()}
    json.dump({"it_kwh": math.fsum(it_kwh), "facility_kwh": math.fsum(facility_kwh), "grams": sums}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
