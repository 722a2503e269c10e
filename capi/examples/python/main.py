"""Opens an environment, imports a file, reads a record, compares: main.py LOCATION FILE

With nothing but ctypes; the `keyferry` package is the better way from Python.
"""

import ctypes
import os
import sys
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p, sizeof

ABI = 1


class Credentials(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("token", c_char_p),
        ("refresh_token", c_char_p),
        ("master_key", c_char_p),
        ("master_password", c_char_p),
        ("timeout_seconds", c_uint64),
    ]


Write = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t)


class KeyferryError(Exception):
    pass


def load() -> ctypes.CDLL:
    library = ctypes.CDLL(os.environ.get("KEYFERRY_LIBRARY", "libkeyferry.so.1"))
    library.kf_last_error.restype = library.kf_status_name.restype = c_char_p
    library.kf_abi_version.restype = c_uint32

    def check(status, function, arguments):
        if status:
            name = library.kf_status_name(status).decode()
            raise KeyferryError(f"{name}: {library.kf_last_error().decode()}")

    for name, types in {
        "kf_environment_open": [c_char_p, POINTER(Credentials), POINTER(c_uint64)],
        "kf_environment_close": [c_uint64],
        "kf_environment_records": [c_uint64, c_char_p, c_char_p, Write, c_void_p],
        "kf_import": [c_uint64, c_char_p, c_uint64, c_char_p, c_char_p, c_void_p],
        "kf_verify": [c_uint64, c_uint64, c_char_p, c_uint64, c_char_p, c_char_p, c_void_p],
    }.items():
        function = getattr(library, name)
        function.argtypes, function.restype, function.errcheck = types, c_int32, check
    return library


def main(location: str, file: str) -> None:
    keyferry = load()
    assert keyferry.kf_abi_version() == ABI, "libkeyferry has another ABI"
    password = os.environ["KEYFERRY_MASTER_PASSWORD"].encode()
    environment = c_uint64()
    credentials = Credentials(size=sizeof(Credentials), master_password=password)
    keyferry.kf_environment_open(location.encode(), byref(credentials), byref(environment))

    # Every record is encrypted here, sent, read back, decrypted and compared.
    keyferry.kf_import(0, file.encode(), environment, None, None, None)
    print("imported", flush=True)

    @Write
    def show(context, line, length):
        sys.stdout.buffer.write(ctypes.string_at(line, length))
        return 0

    keyferry.kf_environment_records(environment, b"Infra/Databases", b'{"query": "primary"}', show, None)
    keyferry.kf_verify(0, environment, None, 0, file.encode(), None, None)
    print("verified: equal")
    keyferry.kf_environment_close(environment)


if __name__ == "__main__":
    main(*sys.argv[1:])
