"""A package of nothing for pip."""

import zipfile

WHEEL = "demo-1.0-py3-none-any.whl"


def make_wheel(folder):
    """A package of nothing, as pip wants it."""
    info = "demo-1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("demo.py", "answer = 42\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")
    return (folder / WHEEL).read_bytes()
