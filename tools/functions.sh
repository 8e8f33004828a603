# Sourced by the scripts that build, with the source folder as working directory.

# as_calling_user build|test SCRIPT ARGUMENT...
# For a script called with sudo by the owner of the source folder: installs the packages as root, then runs
# the script again as that user, so that root owns no file here. Returns in all other cases.
as_calling_user() {
    local packages=$1 groups=--clear-groups home=$PWD
    shift
    if [ "$(id -u)" != 0 ] || [ "${SUDO_UID:-0}" = 0 ] || [ "$(stat -c %u .)" != "$SUDO_UID" ]; then
        return 0
    fi
    ./tools/install-dependencies "$packages"
    if getent passwd "$SUDO_UID" >/dev/null; then
        groups=--init-groups
        home=$(getent passwd "$SUDO_UID" | cut -d: -f6)
    fi
    exec setpriv --reuid "$SUDO_UID" --regid "$SUDO_GID" "$groups" \
        env -u SUDO_UID -u SUDO_GID -u SUDO_USER -u SUDO_COMMAND HOME="$home" \
        CONNECTORDB_PACKAGES_INSTALLED=1 "$@"
}

# Installs the packages $1 (build or test), unless as_calling_user has, and fetches what is no package.
install_dependencies() {
    [ -n "${CONNECTORDB_PACKAGES_INSTALLED:-}" ] || ./tools/install-dependencies "$1"
    ./tools/fetch-words
}

# configure FOLDER PRESET [OPTION...]: a folder that exists keeps its generator.
configure() {
    local folder=$1 preset=$2 generator=
    shift 2
    if [ -e "$folder" ] && [ ! -w "$folder" ]; then
        echo "$0: $PWD/$folder belongs to $(stat -c %U "$folder"); remove it: sudo rm -r '$PWD/$folder'" >&2
        return 1
    fi
    if [ -e "$folder/CMakeCache.txt" ]; then
        generator=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$folder/CMakeCache.txt")
    fi
    cmake --preset "$preset" ${generator:+-G "$generator"} "$@" >/dev/null
}
