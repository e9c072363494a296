# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# machine.sh - is this machine able to build and mount?  Sourced by the set-up
# scripts, which set `me` to their name.  Whatever makes the machine unusable
# is said in one line, with what to do about it, before anything is changed.

KERNEL_NEEDED=5.4      # what the daemon itself insists on
KERNEL_PASSTHROUGH=6.9 # older: everything works, reads and writes are slower

die()
{
	echo "${me:-setup}: $*" >&2
	exit 1
}

# kernel_older VERSION: is the running kernel older than that?
kernel_older()
{
	local now
	now=$(uname -r)
	now=${now%%[!0-9.]*}
	[ "$now" != "$1" ] &&
		[ "$(printf '%s\n' "$now" "$1" | sort -V | head -n 1)" = "$now" ]
}

need_kernel()
{
	[ "$(uname -s)" = Linux ] || die "this is $(uname -s): atomicfs is for" \
		"Linux $KERNEL_NEEDED or newer"
	! kernel_older $KERNEL_NEEDED || die "this kernel ($(uname -r)) is too" \
		"old: boot Linux $KERNEL_NEEDED or newer"
	! kernel_older $KERNEL_PASSTHROUGH || echo "$me: note: Linux" \
		"$(uname -r) has no FUSE passthrough (Linux" \
		"$KERNEL_PASSTHROUGH has): it all works, but slower"
}

need_root()
{
	[ "$(id -u)" = 0 ] || die "$1 needs root: run it as root" \
		"(sudo $me)"
}

need_fuse()
{
	[ -e /dev/fuse ] || modprobe fuse 2>/dev/null || :
	[ -e /dev/fuse ] || die "there is no /dev/fuse: load the module" \
		"(modprobe fuse); in a container, start it with" \
		"--device /dev/fuse --cap-add SYS_ADMIN"
	(exec 3<>/dev/fuse) 2>/dev/null || die "/dev/fuse cannot be opened:" \
		"give this user access to it; in a container, start it with" \
		"--device /dev/fuse --cap-add SYS_ADMIN"
}

# missing_packages NAME...: those that are not installed.
missing_packages()
{
	local name
	for name; do
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null |
			grep -qx installed || echo "$name"
	done
}

apt_install()
{
	apt-get -q -o DPkg::Lock::Timeout=300 update &&
		DEBIAN_FRONTEND=noninteractive apt-get -q -y \
			-o DPkg::Lock::Timeout=300 \
			install --no-install-recommends "$@"
}

# install_packages NAME...: with apt, those that are missing, and nothing else.
# apt's words are shown only when it fails.
install_packages()
{
	local missing log
	command -v dpkg-query apt-get >/dev/null || die "this is not Debian" \
		"(no apt-get): install by hand what these packages hold: $*"
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	need_root "installing ${missing[*]}"
	echo "$me: installing ${missing[*]}"
	log=$(mktemp)
	# Twice: a mirror that is just being updated fails once.
	if ! apt_install "${missing[@]}" >"$log" 2>&1 &&
		! apt_install "${missing[@]}" >>"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		die "apt-get could not install: ${missing[*]}"
	fi
	rm -f "$log"
}

# build_in DIRECTORY MESON-OPTIONS...: configure it, or adapt it, and build.
build_in()
{
	local dir=$1
	shift
	if [ -f "$dir/build.ninja" ]; then
		meson setup --reconfigure "$dir" "$@"
	else
		meson setup "$dir" "$@"
	fi && ninja -C "$dir"
}
