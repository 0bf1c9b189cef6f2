"""Certificates for servers in tests."""
import pathlib
import shutil
import subprocess

from services.process import need


def _openssl(folder, *arguments):
    subprocess.run([need(pathlib.Path(shutil.which("openssl") or "openssl")), *arguments], cwd=folder, check=True, capture_output=True)


# Made in a moment, which an RSA key is not.
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_authority(folder, name):
    """NAME.crt, which is returned, and NAME.key."""
    _openssl(folder, "req", "-x509", *_KEY, "-days", "30", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")
    return folder / f"{name}.crt"


def make_certificate(folder, authority, names, name="server"):
    """NAME.crt and NAME.key for these subjectAltNames, signed by an authority of the same folder."""
    (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
    _openssl(folder, "req", *_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.crt", "-CAkey", f"{authority}.key",
             "-CAcreateserial", "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.crt")
