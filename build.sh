#!/bin/sh
# build.sh - builds where there is no SCons, as "scons apxs=... python=..." would:
#
#   APXS=/usr/local/apache/bin/apxs PYTHON=python2.7 ./build.sh [install]
#
# Without APXS it is for the newest server that is found. CC, CPPFLAGS, CFLAGS and LDFLAGS count,
# too, and DESTDIR for install.

# The variables that facts have are assigned by eval.
# shellcheck disable=SC2154
set -eu
cd "$(dirname "$0")"
LC_ALL=C PYTHONDONTWRITEBYTECODE=1
export LC_ALL PYTHONDONTWRITEBYTECODE

facts=$("${PYTHON:-python}" -s -c 'import sys
sys.path.insert(0, "command")
from discovery import shell
shell.main()' "${APXS:-}")
eval "$facts"
flags='-fvisibility=hidden -pedantic -Wall -Wextra -Wshadow -Wstrict-prototypes'
flags="$flags -Wmissing-prototypes -O3 -g -DNDEBUG $no_plt"
large='-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64' # but for an adapter: it has the server's off_t
version="-DWSGI_VERSION=\"$(cat VERSION)\""

run() {
    echo "$*"
    "$@"
}

# compile NAME FOLDER FLAGS DEFINES: the sources of a folder. Leaves their objects in $made. The file
# nopython.c is for a module without Python, and noprocesses.c for one without processes. Here and in
# link, lists are split into words on purpose.
# shellcheck disable=SC2086
compile() {
    mkdir -p "build/$1"
    made=
    for source in "$2"/*.c "$2"/*/*.c; do
        case $source in *'*'* | */nopython.c | */noprocesses.c) continue ;; esac
        object=build/$1/$(basename "$source" .c).os
        run "${CC:-cc}" -o "$object" -c -std=c99 ${CFLAGS:-} $flags $3 -fPIC ${CPPFLAGS:-} \
            -D_GNU_SOURCE $4 -Icore "$source"
        made="$made $object"
    done
}

# link TARGET FLAGS OBJECTS LIBRARIES
# shellcheck disable=SC2086
link() {
    mkdir -p "$(dirname "$1")"
    run "${CC:-cc}" -o "$1" -Wl,-z,relro -Wl,-z,now $clocks ${LDFLAGS:-} $2 $3 $4
}

compile "core-$python" core "$python_flags" "$large -DWSGI_PYTHON_EXECUTABLE=\"$executable\" $version"
core=$made
compile "adapter-apache$line" "adapters/$adapter" "$server_flags" ''
server=$made
compile remote adapters/remote '' "$large $version"
remote=$made
compile wire adapters/wire '' "$large"
wire=$made
compile spawner spawner '' "$large"
spawner="$made build/wire/ceilings.os"
compile adapter-process adapters/process '' "$large"

target=build/apache$line-$python
link "$target/mod_wsgi.so" "-shared $rpath" "$core$server$remote$wire" "$libraries"
link "$target/mod_wsgi/mod_wsgi-spawner" '' "$spawner" -lpthread
link "$target/mod_wsgi/mod_wsgi-$python" "$rpath" "$core$wire$made" "$libraries"

# put FOLDER FILE...: replaces files there, which may be programs that run.
put() {
    folder=${DESTDIR:-}$1
    shift
    mkdir -p "$folder"
    for file; do
        run rm -f "$folder/$(basename "$file")"
        run cp "$file" "$folder"
    done
}

if [ "${1:-}" = install ]; then
    put "$modules" "$target/mod_wsgi.so"
    put "$modules/mod_wsgi" "$target/mod_wsgi/mod_wsgi-spawner" "$target/mod_wsgi/mod_wsgi-$python"
fi
