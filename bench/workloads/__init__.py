"""What bench/run can run: a dictionary for each workload.

input: files that are made when they are missing. postgres, s3, kafka: the server that runs beside it (servers.py).
A command for each program that takes part. target: what Sluice has to reach: a peer's figures times a factor, seconds,
megabytes, rows a second. runs: how often, where it is not what --runs says.
"""
from workloads import files, kafka, postgresql, s3


def workloads(rows):
    return {**files.workloads(rows), **postgresql.workloads(rows), **s3.workloads(rows), **kafka.workloads(rows),
            **files.starts()}
