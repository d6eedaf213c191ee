#!/bin/sh
# tools.sh PYTHON - makes /opt/tools: a Python with everything it needs, down to the C library, so
# that it runs in every base, also in those whose own libraries are older. Runs in the tools' image.
set -eu

version=$1
lib=/opt/tools/lib
mkdir -p "$lib" /opt/tools/bin
cp "/usr/bin/python$version" /opt/tools/bin/python3
cp -r "/usr/lib/python$version" "$lib/"
"/usr/bin/python$version" -m venv /tmp/pip
/tmp/pip/bin/pip install -q --no-compile --target "$lib/python$version/dist-packages" \
    pip -r /opt/matrix/requirements.txt

# What the interpreter and its extensions are linked with lies beside it; the interpreter says so
# for all of them, since the old kind of path (RPATH) counts for what they load, too.
find /opt/tools -type f \( -name '*.so' -o -name python3 \) -exec ldd {} + 2>/dev/null |
    sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' | sort -u |
    while read -r library; do
        cp -Ln "$library" "$lib/"
    done
loader=$(patchelf --print-interpreter /opt/tools/bin/python3)
cp -Ln "$loader" "$lib/"
patchelf --set-interpreter "$lib/$(basename "$loader")" --force-rpath --set-rpath "$lib" \
    /opt/tools/bin/python3

# One compiler to SCons, whatever base it runs on: see site_scons/site_init.py.
# shellcheck disable=SC2016
printf '#!/bin/sh\nexec gcc "$@"\n' >/opt/tools/bin/cc
chmod 755 /opt/tools/bin/cc
/opt/tools/bin/python3 -c 'import pytest, requests, SCons, ssl'
