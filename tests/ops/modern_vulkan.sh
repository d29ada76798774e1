#!/bin/sh
# modern_vulkan.sh PROGRAM BUILD SOURCE [ARG ...] - runs a test on a software Vulkan driver with cooperative matrices,
# which Debian 12 has not.
#
# WINNOW_MODERN_VULKAN is the folder of a newer system with such a driver (made by debootstrap with mesa-vulkan-drivers
# 26 or later); the program runs with that folder as its root, and with libraries of this system that are missing there.
# WINNOW_UNITS is a folder for kernels that stand in for those beyond that driver (see units.c): they are made with the
# newer system's glslc (packages glslc, spirv-tools), those that they stand in for are validated. Needs root and unshare.
# Skipped (77) where there is no such folder.
set -eu
root=${WINNOW_MODERN_VULKAN:-}
[ -n "$root" ] && [ -e "$root/bin/sh" ] || { echo "SKIPPED: WINNOW_MODERN_VULKAN names no root" >&2; exit 77; }
[ "$(id -u)" = 0 ] && command -v unshare >/dev/null || { echo "SKIPPED: needs root and unshare" >&2; exit 77; }
[ -z "${WINNOW_UNITS:-}" ] || [ -e "$root/usr/bin/glslc" -a -e "$root/usr/bin/spirv-val" ] ||
  { echo "SKIPPED: no glslc or spirv-val in $root" >&2; exit 77; }
program=$(realpath "$1") build=$(realpath "$2") source=$(realpath "$3")
shift 3
libraries=$build/modern-libraries
mkdir -p "$libraries"
needed=$(ldd "$program" "$build"/lib/winnow/*.so | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sort -u)
for library in $needed; do
  [ -e "$root$library" ] || case $library in "$build"/*) ;; *) cp -Lu "$library" "$libraries" ;; esac
done
export LD_LIBRARY_PATH="$libraries" WINNOW_VULKAN_CAPS="${WINNOW_VULKAN_CAPS-gpu}" WINNOW_VULKAN_CACHE=off
unset VK_DRIVER_FILES VK_ICD_FILENAMES # of this system
export WINNOW_TEST_DEVICE=vulkan ASAN_OPTIONS=detect_leaks=0 # drivers leak
exec unshare --mount sh -euc '
  root=$1 build=$2 source=$3; shift 3
  for folder in "$source" "$build" /proc /dev; do
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
  done
  kernels=$source/plugins/devices/vulkan
  [ -z "${WINNOW_UNITS:-}" ] || while read -r name shader options; do
    case $name in *_bf16 | *coopmat2*) ;; *) continue ;; esac
    mkdir -p "$WINNOW_UNITS"
    make() { chroot "$root" glslc --target-env=vulkan1.3 -O0 $options "$@" "$kernels/shaders/$shader"; }
    make -o "$WINNOW_UNITS/$name.spv"
    chroot "$root" spirv-val --target-env vulkan1.3 "$WINNOW_UNITS/$name.spv"
    make -DEMULATED -o "$WINNOW_UNITS/$name.spv"
  done <"$kernels/spirv/kernels.txt"
  exec chroot "$root" "$@"' _ "$root" "$build" "$source" "$program" "$@"
