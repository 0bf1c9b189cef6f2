"""boto3 in 16 threads: boto3_pool.py ENDPOINT BUCKET read PREFIX, or … transfer KEY BYTES.

read: lists the prefix and gets every object. transfer: gets one object by ranges of 8 MB and puts that many bytes by
parts of as many: what moving the data alone takes.
"""
import concurrent.futures
import sys

import boto3
import botocore.config

PART = 8 << 20
endpoint, bucket, action = sys.argv[1:4]
config = botocore.config.Config(max_pool_connections=16, s3={"addressing_style": "path"})
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)


def get(key, **more):
    return len(client.get_object(Bucket=bucket, Key=key, **more)["Body"].read())


with concurrent.futures.ThreadPoolExecutor(16) as pool:
    if action == "read":
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=sys.argv[4])
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        print(len(keys), "objects,", sum(pool.map(get, keys)), "bytes")
    else:
        key, size = sys.argv[4], int(sys.argv[5])
        total = client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        ranges = [f"bytes={at}-{min(at + PART, total) - 1}" for at in range(0, total, PART)]
        read = sum(pool.map(lambda part: get(key, Range=part), ranges))
        upload = client.create_multipart_upload(Bucket=bucket, Key="transferred")["UploadId"]
        numbers = range(1, (size + PART - 1) // PART + 1)
        content = bytes(PART)

        def put(number):
            body = content[: min(PART, size - (number - 1) * PART)]
            where = {"Bucket": bucket, "Key": "transferred", "UploadId": upload, "PartNumber": number}
            return {"PartNumber": number, "ETag": client.upload_part(Body=body, **where)["ETag"]}

        parts = {"Parts": list(pool.map(put, numbers))}
        client.complete_multipart_upload(Bucket=bucket, Key="transferred", UploadId=upload, MultipartUpload=parts)
        print(read, "bytes read,", size, "written")
