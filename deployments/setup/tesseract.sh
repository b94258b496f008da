#!/bin/sh
# Scans need tesseract, which comes from the system's package manager: installed here as root or in CI, named otherwise.
set -eu
command -v tesseract >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1; then
  install="apt-get install -y tesseract-ocr"
elif command -v dnf >/dev/null 2>&1; then
  install="dnf install -y tesseract"
elif command -v apk >/dev/null 2>&1; then
  install="apk add tesseract-ocr tesseract-ocr-data-eng"
elif command -v brew >/dev/null 2>&1; then
  install="brew install tesseract"
else
  install=""
fi
if [ -n "$install" ] && { [ "$(id -u)" = 0 ] || [ "${CI:-}" = true ]; } && [ "${install%% *}" != brew ]; then
  echo "installing tesseract …" >&2
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo -n"
  log=$(mktemp)
  { case "$install" in apt-get*) $sudo apt-get update ;; esac && $sudo env DEBIAN_FRONTEND=noninteractive $install; } \
    >"$log" 2>&1 || { echo "tesseract could not be installed:" >&2; tail -n 5 "$log" >&2; }
  rm -f "$log"
fi
command -v tesseract >/dev/null 2>&1 && exit 0
echo "tesseract is not installed: scans will go to review with the reason ocr_unavailable." >&2
[ -n "$install" ] && echo "To read them too: sudo $install" >&2
[ "${CI:-}" = true ] && exit 1
exit 0
